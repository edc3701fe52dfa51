import pytest
from PIL import Image

from deepnrc.data import dataset_names
from deepnrc.errors import FileError
from deepnrc.experiments.dataset_pages import write_bare_page, write_index, write_page


def test_a_page_with_its_picture(tmp_path):
    out = tmp_path / "docs" / "datasets"
    files = write_page("synthetic", out, samples=60, seed=3, rank=1)
    names = [file.relative_to(out).as_posix() for file in files]
    assert names == ["synthetic.md", "images/synthetic.png", "README.md"]
    page = (out / "synthetic.md").read_text()
    assert page.startswith("# synthetic\n\n![synthetic: targets and the spectrum")
    assert "](images/synthetic.png)" in page
    assert "as `deepnrc data info synthetic --samples 60 --seed 3 --option rank=1` prints" in page
    assert "60 rows of 20 inputs and 10 targets" in page
    assert "synthetic: Targets of known rank" in page
    assert page.count("```") % 2 == 0
    with Image.open(out / "images" / "synthetic.png") as picture:
        assert picture.width > 1000


def test_the_index_has_every_set_and_links_where_pages_are(tmp_path):
    (tmp_path / "gemm.md").touch()
    text = write_index(tmp_path).read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) == 1 + len(dataset_names())
    assert "| [gemm](gemm.md) | Run times of a blocked" in text
    assert "| sgemm | " in text
    assert "| 4 | fetched, from your files |" in text
    assert "| your choice | made when loaded |" in text


def test_a_set_that_is_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path))
    with pytest.raises(FileError, match="'sgemm' is not on this machine"):
        write_page("sgemm", tmp_path)


def test_a_page_without_the_files_says_how_to_get_the_picture(tmp_path):
    page, index = write_bare_page("sgemm", tmp_path)
    text = page.read_text()
    assert text.startswith("# sgemm\n\n```text\nsgemm: Run times of a GPU matrix multiplication")
    assert (
        "`deepnrc data page sgemm --path FILES --out docs/datasets`\nwrites it with both." in text
    )
    assert "![" not in text
    assert "| [sgemm](sgemm.md) |" in index.read_text()
