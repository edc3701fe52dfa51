"""The demo, run whole: it shows what the README says it shows."""

import pytest

from deepnrc.errors import FileError
from deepnrc.experiments.demo import run_demo
from deepnrc.results.measurement import load


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    told = []
    runs, files = run_demo(out / "new" / "folder", report=lambda *facts: told.append(facts))
    return runs, files, told


def test_decay_collapses_below_the_last_layer_on_all_four_conditions(demo):
    (with_decay, _), _, _ = demo
    verdicts = with_decay.diagnosis.verdicts
    assert len(with_decay.diagnosis.collapsed_layers) >= 4
    for verdict in verdicts[-4:]:
        assert [condition.satisfied for condition in verdict.conditions] == [True] * 4
    for layer in with_decay.diagnosis.collapsed_layers:
        assert with_decay.measurement[layer].noise_component < 0.01
    assert with_decay.diagnosis.intrinsic_dimension == 2
    assert with_decay.diagnosis.intrinsic.disagreements == ()


def test_without_decay_it_does_not(demo):
    (_, without), _, _ = demo
    assert without.diagnosis.first_collapsed_layer is None
    assert without.diagnosis.intrinsic_dimension is None
    # The network did learn: this is no comparison with a failed run.
    assert without.measurement.model_r2 > 0.99


def test_progress_ends_at_the_last_epoch_of_both(demo):
    (with_decay, without), _, told = demo
    last = {title: epoch for title, epoch, *_ in told}
    assert last == {with_decay.title: 150, without.title: 150}
    assert all(loss > 0 and 0 <= noise <= 1 for *_, loss, noise in told)


def test_files_are_whole(demo):
    runs, files, _ = demo
    png, pdf, with_decay, without = files
    assert png.read_bytes().startswith(b"\x89PNG")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert [load(path) for path in (with_decay, without)] == [run.measurement for run in runs]
    assert sorted(path.name for path in png.parent.iterdir()) == sorted(x.name for x in files)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"cannot write '.*file/under'"):
        run_demo(tmp_path / "file" / "under")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_collapse_does_not_depend_on_the_seed(tmp_path, seed):
    """Teachers and initialisations differ; at least three layers collapse, as the README says."""
    (with_decay, without), _ = run_demo(tmp_path, seed=seed)
    assert len(with_decay.diagnosis.collapsed_layers) >= 3
    assert with_decay.diagnosis.intrinsic_dimension == 2
    assert without.diagnosis.first_collapsed_layer is None
