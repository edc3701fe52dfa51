import pytest

from deepnrc.training.config import MeasureConfig


def test_schedules_of_measurement_exclude_each_other(refused):
    message = refused("measure.every=3", "measure.log_spaced=4")
    assert "'measure': every and log_spaced exclude each other: keep one" in message


@pytest.mark.parametrize(
    ("measure", "epochs"),
    [
        (MeasureConfig(epochs=[5, 0, 5]), (0, 5)),
        (MeasureConfig(every=4), (0, 4, 8, 10)),
        (MeasureConfig(every=5), (0, 5, 10)),
        (MeasureConfig(log_spaced=3), (0, 1, 10)),
        (MeasureConfig(), tuple(range(11))),
    ],
)
def test_schedule(measure, epochs):
    assert measure.schedule(10) == epochs


def test_the_papers_schedule_has_70_epochs():
    assert len(MeasureConfig().schedule(1000)) == 70


@pytest.mark.parametrize("value", ["0", "-1", "all"])
def test_signal_rank_is_a_number_or_targets(refused, value):
    message = refused(f"measure.signal_rank={value}")
    assert "'measure.signal_rank': must be a whole number of at least 1, 'targets'" in message
    assert message.endswith("(--set measure.signal_rank)")
