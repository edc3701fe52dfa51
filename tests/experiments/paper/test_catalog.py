"""Figures and claims are found by being in their folder; users add theirs from outside."""

import sys
from pathlib import Path

import pytest

from deepnrc.errors import ArgumentError
from deepnrc.experiments.paper import Claim, Figure, Outcome, register_claim, register_figure
from deepnrc.experiments.paper import claims as claims_folder
from deepnrc.experiments.paper import figures as figures_folder
from deepnrc.experiments.paper.catalog import all_claims, claims, figures, find_figures

PAPERS = [*(f"fig{i}" for i in range(1, 10)), "table1", "table2", "prop1"]
OURS = ["variants", "held-out", "collapse-map", "true-rank"]
EARLIER = [f"a24-{name}" for name in ("curves", "decay", "variance", "gamma", "ufm")]


def own_figure(name="own", order=1000):
    return Figure(name=name, title="t", groups=("hopper",), content=list, order=order)


def test_each_file_is_a_figure_in_a_stated_order():
    assert list(find_figures(["all"])) == [*PAPERS, *OURS, *EARLIER]
    assert list(figures().names()) == [*PAPERS, *OURS, *EARLIER]
    assert list(find_figures(["fig6", "fig2", "fig2"])) == ["fig2", "fig6"]
    files = {path.stem.replace("_", "-") for path in Path(figures_folder.__path__[0]).glob("*.py")}
    assert files == {*figures().names(), "--init--"}


def test_each_file_is_a_claim_in_a_stated_order():
    orders = [claim.order for claim in all_claims()]
    assert orders == sorted(set(orders))
    assert all_claims()[3].text == "Low-rank targets show their true rank."
    assert len(list(Path(claims_folder.__path__[0]).glob("*.py"))) == len(orders) + 1


def test_an_unknown_figure():
    with pytest.raises(ArgumentError, match=r"no figure or table 'fig10': did you mean 'fig1'\?"):
        find_figures(["all", "fig10"])


def test_a_registered_figure_takes_its_place():
    figure = register_figure(own_figure(order=15))
    try:
        assert list(find_figures(["all"]))[:3] == ["fig1", "own", "fig2"]
        with pytest.raises(ArgumentError, match="there is a figure or table 'own' already"):
            register_figure(own_figure())
    finally:
        figures().unregister(figure.name)
    with pytest.raises(ArgumentError, match="there is a figure or table 'fig1' already"):
        register_figure(own_figure("fig1"))


def test_a_registered_claim_is_judged_last():
    claim = register_claim(Claim("Own.", ("hopper",), lambda groups: Outcome([], "runs")))
    try:
        assert all_claims()[-1] is claim
    finally:
        claims().unregister("Own.")
    assert len(all_claims()) == 9
    with pytest.raises(ArgumentError, match=r"there is a claim 'Low-rank .*' already"):
        register_claim(all_claims()[3])


def test_a_package_offers_a_figure(tmp_path, monkeypatch):
    (tmp_path / "their_package.py").write_text(
        "from deepnrc.experiments.paper import Figure\n"
        "FIGURE = Figure(name='theirs', title='t', groups=('hopper',), content=list)\n"
    )
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[deepnrc.figures]\ntheirs = their_package:FIGURE\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert list(find_figures(["fig9", "theirs"])) == ["fig9", "theirs"]
        assert list(find_figures(["all"]))[-1] == "theirs"
    finally:
        sys.modules.pop("their_package", None)
