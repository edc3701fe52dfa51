def test_measured_epochs_lie_within_the_run(refused):
    message = refused("measure.epochs=[0, 31]")
    assert message == "measure.epochs goes up to 31, but training.epochs is 30 (my.toml)"
