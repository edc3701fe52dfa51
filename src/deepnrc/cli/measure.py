"""``deepnrc measure``: a run, or a model and data by their names, measured and judged."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

from deepnrc.cli.failures import command
from deepnrc.cli.measure_parameters import Judged, Measured, Shown, Subject
from deepnrc.cli.records import from_records
from deepnrc.cli.show import show_diagnosis, show_measurement
from deepnrc.errors import ArgumentError
from deepnrc.storage.atomic import check_writable

if TYPE_CHECKING:
    from deepnrc import Diagnosis, Measurement

__all__ = ["measure"]


@command
@from_records
def measure(subject: Subject, measured: Measured, judged: Judged, shown: Shown) -> None:
    """Measure Deep NRC at every layer of a model and say which layers are collapsed.

    The model is that of a run's folder, measured as it was along the way but for the options
    given; or one that Python can import. Names are imported as Python does from this folder: only
    name code you trust. Several targets give a table and a diagnosis each; --save and --json then
    hold them by head, --csv has a column of heads.
    """
    if shown.json and shown.csv:
        raise ArgumentError("--json and --csv exclude each other: pass one of them")
    _check(shown)
    import deepnrc  # noqa: PLC0415  - torch takes a second

    network, loader, options = _of_run(subject) if subject.run else _named(subject)
    options |= measured.options()
    if shown.plan:
        show_measurement(deepnrc.plan(network, loader, **options), options=vars(measured))
        return
    from deepnrc.results.measure_heads import measure_given  # noqa: PLC0415  - as above

    found = measure_given(network, loader, measured.outputs(), **options)
    heads = {"": found} if isinstance(found, deepnrc.Measurement) else dict(found)
    judgements = {head: deepnrc.diagnose(one, **vars(judged)) for head, one in heads.items()}
    try:  # in order of worth: the table survives what goes wrong with a file or a picture
        if shown.json:
            print(json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
        elif shown.csv:
            found.to_frame().to_csv(sys.stdout)
        else:
            _print(heads, judgements, vars(measured))
        sys.stdout.flush()
    finally:  # also where the reader, such as `head`, has closed the pipe
        if shown.save is not None:
            found.save(shown.save)
        _draw(heads, judgements, shown)


def _check(shown: Shown) -> None:
    """Refuse files that could not be written before the pass over the data."""
    if shown.save is not None:
        check_writable(shown.save, "--save")
    if shown.figure is not None:
        check_writable(shown.figure.with_name(f"{shown.figure.name}.png"), "--figure")


def _of_run(subject: Subject) -> tuple[Any, Any, dict[str, Any]]:
    """Model, loader and options of a run."""
    given = (subject.model, subject.data, subject.checkpoint, subject.key, subject.prefix)
    if any(value is not None for value in given):
        raise ArgumentError(
            "RUN brings its own model, data and checkpoints: leave out --model, --data, "
            "--checkpoint, --key and --prefix, or RUN"
        )
    from deepnrc.training.runs.saved_run import load_run  # noqa: PLC0415  - torch takes a second

    assert subject.run is not None
    saved = load_run(subject.run, subject.epoch)
    options = {"options": saved.config.measure.options, "progress": True}
    return saved.model, saved.loader(subject.part), options


def _named(subject: Subject) -> tuple[Any, Any, dict[str, Any]]:
    """Model and loader of what --model and --data name, and no options."""
    if subject.model is None or subject.data is None:
        typer.echo("give the folder of a run, or both --model and --data", err=True)
        raise typer.Exit(2)
    if subject.epoch is not None:
        raise ArgumentError("--epoch goes with the folder of a run: pass that, or --checkpoint")
    if subject.checkpoint is None and (subject.key or subject.prefix):
        raise ArgumentError("--key and --prefix go with --checkpoint: pass that too")
    from deepnrc.cli.checkpoint import load_weights  # noqa: PLC0415  - torch takes a second
    from deepnrc.cli.factory import loader_named, model_named  # noqa: PLC0415  - as above

    network, loader = model_named(subject.model), loader_named(subject.data)
    if subject.checkpoint is not None:
        load_weights(network, subject.checkpoint, key=subject.key, prefix=subject.prefix)
    return network, loader, {}


def _print(
    heads: dict[str, "Measurement"], judgements: dict[str, "Diagnosis"], options: Iterable[str]
) -> None:
    for number, (head, measurement) in enumerate(heads.items()):
        if head:
            print(f"{'' if number == 0 else chr(10)}=== {head} ===")
        show_measurement(measurement, options=options)
        print()
        show_diagnosis(judgements[head], options=options)


def _draw(
    heads: dict[str, "Measurement"], judgements: dict[str, "Diagnosis"], shown: Shown
) -> None:
    if shown.figure is None:
        return
    from deepnrc.report.figures import layer_figure, save_figure  # noqa: PLC0415

    columns = {head or one.model: (one, judgements[head]) for head, one in heads.items()}
    save_figure(layer_figure(columns), shown.figure)
