from deepnrc.support.suggestions import did_you_mean, nearest


def test_the_nearest_whatever_the_case():
    assert nearest("HOPER", ["reacher", "Hopper"]) == "Hopper"
    assert did_you_mean("hoper", ["reacher", "hopper"]) == "did you mean 'hopper'? "


def test_nothing_near():
    assert nearest("zebra", ["reacher", "hopper"]) is None
    assert did_you_mean("zebra", ["reacher", "hopper"]) == ""
    assert did_you_mean("zebra", []) == ""
