"""A wrong file is refused with the key, its line and the nearest valid name."""

import re

import pytest


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("depth = 4", "dephts = 4"), "unknown key 'model.dephts': did you mean 'model.depth'? @9"),
        (("depth = 4", "lr = 4"), "unknown key 'model.lr': did you mean 'training.lr'? @9"),
        (("depth = 4", "epohcs = 4"), "'model.epohcs': did you mean 'training.epochs'? @9"),
        (
            ("lr = 0.1", "lr = 0.1\nnorm = 'batch'"),  # like clip_norm, but the same as model.norm
            "unknown key 'training.norm': did you mean 'model.norm'? @14",
        ),
        (("seed = 1", "epochs = 1"), "unknown key 'epochs': did you mean 'training.epochs'? @1"),
        (
            ("depth = 4", "zzz = 4"),
            "'model.zzz': the keys here are activation, bias, depth, init, kind, norm, width @9",
        ),
        (("[model]", "[mdoel]"), "unknown key 'mdoel': did you mean 'model'? @7"),
        (
            ("epochs = 30", "epochs = '30'"),
            "'training.epochs' should be a valid integer; got '30' @12",
        ),
        (("epochs = 30", "epochs = 0"), "'training.epochs' should be greater than 0; got 0 @12"),
        (("epochs = 30\n", ""), "'training.epochs' is missing @11"),
        (("lr = 0.1", "lr = nan"), "'training.lr' should be a finite number; got nan @13"),
        (
            ("lr = 0.1", "lr = 0.1\nmilestones = [0.3, 2.0]"),
            "'training.milestones[1]' should be less than 1; got 2.0 @14",
        ),
        (
            ("width = 64", "kind = 'vgg'"),
            "'model.kind': there is no model 'vgg': There are mlp, resnet18, resnet34",
        ),
        (("width = 64", "kind = 'resent18'"), "'resent18': did you mean 'resnet18'? There are"),
        (("width = 64", "kind = 3"), "'model.kind' should be a valid string; got 3 @8"),
        (
            ("width = 64", "kind = 'resnet18'"),
            "'model.depth' is not an option of this model.kind: leave it out @9",
        ),
        (("width = 64", "activation = 'rleu'"), "did you mean 'relu'? got 'rleu' @8"),
        (("width = 64", "width = true"), "'model.width' should be a valid integer; got True @8"),
        (("[model]\nwidth = 64\ndepth = 4\n", ""), None),
        (("[training]", "[training"), "my.toml is not valid TOML: Expected ']' at"),
    ],
)
def test_a_wrong_file_is_told_key_line_and_nearest_name(parse, refused, line, message):
    if message is None:
        assert parse(replace=line).model.width == 256
        return
    assert re.sub(r"@(\d+)", r"(my.toml, line \1)", message) in refused(replace=line)


def test_the_line_of_an_unknown_kind(refused):
    assert refused(replace=("width = 64", "kind = 'vgg'")).endswith("(my.toml, line 8)")


def test_dotted_keys_and_inline_tables_have_lines_too(refused):
    text = "data.name = 'x'\ntraining = {epochs = 1, lr = 0}\ndata.sampels = 3\n"
    message = refused(text=text)
    assert "unknown key 'data.sampels': did you mean 'data.samples'? (my.toml, line 3)" in message
    assert "'training.lr' should be greater than 0; got 0 (my.toml, line 2)" in message
    assert message.count("\n") == 1  # one line a problem
