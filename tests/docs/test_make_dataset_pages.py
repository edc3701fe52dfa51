"""Pages of the data sets: what the script writes, and that the pages in docs agree with it."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from deepnrc.data import RawData, dataset_names, find_source
from deepnrc.errors import FileError
from deepnrc.report.data_text import source_text

PATH = Path(__file__).parents[2] / "docs" / "make_dataset_pages.py"
spec = importlib.util.spec_from_file_location("make_dataset_pages", PATH)
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
dataset_figure = script.dataset_figure


class Images:
    """Image i is grey of depth i, of the rows asked for."""

    def __init__(self, n, channels=3):
        self.shape = (n, channels, 6, 8)
        self.read = []

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        self.read.append(rows.tolist())
        return rows.float()[:, None, None, None].expand(-1, *self.shape[1:]) / 10 - 2


def raw(targets, inputs=None):
    names = tuple(f"target {i}" for i in range(targets.shape[1]))
    inputs = torch.zeros(len(targets), 2) if inputs is None else inputs
    return RawData(inputs, targets, ("a", "b"), names, {"data": "x", "made_from": "wood"})


def panels(figure):
    """The axes by title."""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


@pytest.fixture
def targets(generator):
    return torch.randn(200, 3, generator=generator)


def test_scatter_correlations_and_spectrum(targets):
    figure = dataset_figure(raw(targets), title="toys", note="made of wood")
    found = panels(figure)
    assert list(found) == [
        "targets, in their own units",
        "correlations of the targets",
        "spectrum of Σ_Y",
    ]
    [points] = found["targets, in their own units"].collections
    assert points.get_offsets().tolist() == targets[:, :2].tolist()
    assert points.get_array().tolist() == targets[:, 2].tolist()
    [image] = found["correlations of the targets"].images
    assert image.get_array().tolist()[0][0] == pytest.approx(1)
    bars = [bar.get_height() for bar in found["spectrum of Σ_Y"].patches]
    assert sum(bars[:3]) == pytest.approx(1)  # shares, in own units
    assert sum(bars[3:]) == pytest.approx(1)  # standardized
    assert figure.get_suptitle() == "toys"
    assert figure.get_supxlabel() == "made of wood"
    figure.canvas.draw()


def test_the_axis_of_the_spectrum_holds_the_smallest_bar(targets):
    unequal = targets[:, :2] * torch.tensor([1.0, 1e-3])
    axes = panels(dataset_figure(raw(unequal), title="unequal"))["spectrum of Σ_Y"]
    smallest = min(bar.get_height() for bar in axes.patches)
    assert smallest < 1e-5
    assert axes.get_ylim()[0] == pytest.approx(smallest / 3)


def test_one_target_gets_a_histogram(targets):
    figure = dataset_figure(raw(targets[:, :1]), title="one")
    found = panels(figure)
    assert list(found) == ["distribution of the target", "spectrum of Σ_Y"]
    assert sum(bar.get_height() for bar in found["distribution of the target"].patches) == 200
    figure.canvas.draw()


def test_of_many_rows_some_are_drawn():
    figure = dataset_figure(raw(torch.randn(7000, 2)), title="many")
    [points] = panels(figure)["targets, in their own units"].collections
    assert len(points.get_offsets()) == 2334  # every third


def test_wide_positive_ranges_get_log_axes():
    targets = torch.logspace(0, 2, 50)[:, None] * torch.tensor([[1.0, -1.0]])
    axes = panels(dataset_figure(raw(targets), title="log"))["targets, in their own units"]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")


@pytest.mark.parametrize(("rows", "shown"), [(100, 24), (5, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_sample_images_with_their_targets(rows, shown, channels):
    images = Images(rows, channels)
    values = torch.arange(float(rows))[:, None] * torch.tensor([[1.0, 2.0]])
    figure = dataset_figure(raw(values, images), title="pictures")
    figure.canvas.draw()
    [read] = images.read
    assert len(read) == shown
    assert (read[0], read[-1]) == (0, rows - 1)
    top, _ = figure.subfigs
    samples = [axes for axes in top.axes if axes.images]
    assert len(samples) == shown
    last = samples[-1]
    assert last.get_title() == f"{rows - 1:.3g}, {2 * (rows - 1):.3g}"
    # The darkest of the sheet is drawn as 0 and the lightest as 1.
    assert samples[0].images[0].get_array().max() == 0
    assert last.images[0].get_array().min() == pytest.approx(1)


def test_constant_targets_can_be_drawn():
    targets = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    dataset_figure(raw(targets), title="still").canvas.draw()
    dataset_figure(raw(targets[:, :1]), title="still").canvas.draw()


def test_many_targets_can_be_drawn(generator):
    targets = torch.randn(50, 30, generator=generator)
    dataset_figure(raw(targets), title="many").canvas.draw()


def test_a_page_with_its_picture(tmp_path, capsys):
    out = tmp_path / "docs" / "datasets"
    arguments = ["--samples", "60", "--seed", "3", "--option", "rank=1", "--out", str(out)]
    script.main(["synthetic", *arguments])
    files = [out / name for name in ("synthetic.md", "images/synthetic.png", "README.md")]
    assert capsys.readouterr().out == f"Written: {', '.join(map(str, files))}\n"
    page = (out / "synthetic.md").read_text()
    assert page.startswith("# synthetic\n\n![synthetic: targets and the spectrum")
    assert "](images/synthetic.png)" in page
    assert "as `deepnrc data info synthetic --samples 60 --seed 3 --option rank=1` prints" in page
    assert "60 rows of 20 inputs and 10 targets" in page
    assert source_text(find_source("synthetic")) in page
    assert page.count("```") == 4
    with Image.open(out / "images" / "synthetic.png") as picture:
        assert picture.width > 1000


def test_the_index_has_every_set_and_links_where_pages_are(tmp_path):
    (tmp_path / "gemm.md").touch()
    text = script.write_index(tmp_path).read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) == 1 + len(dataset_names())
    assert "| [gemm](gemm.md) | Run times of a blocked" in text
    assert "| sgemm | " in text
    assert "| 4 | fetched, from your files |" in text
    assert "| your choice | made when loaded |" in text


def test_a_set_that_is_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path))
    with pytest.raises(FileError, match="'sgemm' is not on this machine"):
        script.main(["sgemm", "--out", str(tmp_path)])


def test_a_page_without_the_files_says_how_to_get_the_picture(tmp_path):
    script.main(["sgemm", "--bare", "--out", str(tmp_path)])
    text = (tmp_path / "sgemm.md").read_text()
    assert text.startswith("# sgemm\n\n```text\nsgemm: Run times of a GPU matrix multiplication")
    assert "`python docs/make_dataset_pages.py sgemm --path FILES` writes it with both." in text
    assert "![" not in text
    assert "| [sgemm](sgemm.md) |" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("name", dataset_names())
def test_the_page_in_docs_describes_the_set_as_it_is(tmp_path, name):
    page = (script.PAGES / f"{name}.md").read_text()
    assert re.search(r"```text\n(.*?)\n```", page, re.DOTALL)[1] == source_text(find_source(name))
    if "![" not in page:
        assert page == script.write_bare_page(name, tmp_path)[0].read_text()


def test_the_index_in_docs_is_that_of_the_script(tmp_path):
    for name in dataset_names():
        (tmp_path / f"{name}.md").touch()
    assert (script.PAGES / "README.md").read_text() == script.write_index(tmp_path).read_text()
