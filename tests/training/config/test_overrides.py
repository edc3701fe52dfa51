import pytest


@pytest.mark.parametrize(
    ("override", "got"),
    [
        ("training.weight_decay=1e-3", lambda c: c.training.weight_decay == 1e-3),
        ("training.lr=1", lambda c: c.training.lr == 1.0),
        ("model.bias=true", lambda c: c.model.bias is True),
        ("training.optimizer=adamw", lambda c: c.training.optimizer == "adamw"),
        ("measure.epochs=[0, 10]", lambda c: c.measure.epochs == [0, 10]),
        ("measure.layers=['fc1']", lambda c: c.measure.layers == ["fc1"]),
        ("data.path=/tmp/a=b", lambda c: c.data.path == "/tmp/a=b"),
        ("data.options.noise=0.5", lambda c: c.data.options == {"rank": 3, "noise": 0.5}),
        (" seed = 7 ", lambda c: c.seed == 7),
    ],
)
def test_override(parse, override, got):
    assert got(parse(override))


def test_later_overrides_win(parse):
    assert parse("seed=1", "seed=2").seed == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.weight_decay", "--set training.weight_decay: expected KEY=VALUE, such as"),
        ("=3", "--set =3: expected KEY=VALUE"),
        ("seed=", "--set seed=: expected KEY=VALUE"),
        ("seed.x=3", "--set seed.x=3: seed is a value, not a table of keys"),
        ("training.epochs=ten", "'training.epochs' should be a valid integer; got 'ten' (--set"),
        ("training.wd=3", "unknown key 'training.wd'"),
        (
            "data.depth=3",
            "unknown key 'data.depth': did you mean 'model.depth'? (--set data.depth)",
        ),
    ],
)
def test_a_wrong_override_names_the_option(refused, override, message):
    assert message in refused(override)
