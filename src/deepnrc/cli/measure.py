"""``deepnrc measure``: a run, or a model and data by their names, measured and judged."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deepnrc.cli import measure_parameters as parameters
from deepnrc.cli.failures import command
from deepnrc.cli.show import show_diagnosis, show_measurement
from deepnrc.errors import ArgumentError

if TYPE_CHECKING:
    from deepnrc import Diagnosis, Measurement

__all__ = ["measure"]


@command
def measure(
    run: parameters.Run = None,
    model: parameters.Model = None,
    data: parameters.Data = None,
    epoch: parameters.Epoch = None,
    part: parameters.Part = "train",
    checkpoint: parameters.Checkpoint = None,
    key: parameters.Key = None,
    prefix: parameters.Prefix = None,
    layers: parameters.Layers = None,
    reduce: parameters.Reduce = "mean",
    signal_rank: parameters.SignalRank = None,
    center: parameters.Center = None,
    intercept: parameters.Intercept = None,
    task: parameters.Task = "regression",
    classes: parameters.Classes = None,
    last_layer: parameters.LastLayer = None,
    rule: parameters.Rule = "all",
    noise_tol: parameters.NoiseTol = 0.1,
    cka_tol: parameters.CkaTol = 0.8,
    alignment_tol: parameters.AlignmentTol = 0.8,
    error_factor: parameters.ErrorFactor = 1.5,
    plan: parameters.Plan = False,
    as_json: parameters.AsJson = False,
    as_csv: parameters.AsCsv = False,
    save: parameters.Save = None,
    figure: parameters.Figure = None,
) -> None:
    """Measure Deep NRC at every layer of a model and say which layers are collapsed.

    The model is that of a run's folder, measured as it was along the way but for the options
    given; or one that Python can import. Names are imported as Python does from this folder: only
    name code you trust.
    """
    if as_json and as_csv:
        raise ArgumentError("--json and --csv exclude each other: pass one of them")
    import deepnrc  # noqa: PLC0415  - torch takes a second

    network, loader, options = _subject(run, model, data, epoch, part, checkpoint)
    if checkpoint is not None:
        from deepnrc.cli.checkpoint import load_weights  # noqa: PLC0415  - torch takes a second

        load_weights(network, checkpoint, key=key, prefix=prefix)
    elif key is not None or prefix is not None:
        raise ArgumentError("--key and --prefix go with --checkpoint: pass that too")
    options |= {"reduce": _number_or_text(reduce), "task": task, "classes": classes}
    given: dict[str, Any] = {"center": center, "intercept": intercept, "last_layer": last_layer}
    given |= {"layers": layers or None, "signal_rank": _number_or_text(signal_rank)}
    options |= {name: value for name, value in given.items() if value is not None}
    if plan:
        show_measurement(deepnrc.plan(network, loader, **options))
        return
    measurement = deepnrc.measure(network, loader, **options)
    tolerances = {"noise_tol": noise_tol, "cka_tol": cka_tol, "alignment_tol": alignment_tol}
    diagnosis = deepnrc.diagnose(measurement, rule=rule, error_factor=error_factor, **tolerances)
    _write(measurement, diagnosis, save, figure)
    if as_json:
        print(json.dumps(measurement.to_dict(), ensure_ascii=False, allow_nan=False))
    elif as_csv:
        measurement.to_frame().to_csv(sys.stdout)
    else:
        show_measurement(measurement)
        print()
        show_diagnosis(diagnosis)


def _subject(
    run: Path | None,
    model: str | None,
    data: str | None,
    epoch: int | None,
    part: str,
    checkpoint: Path | None,
) -> tuple[Any, Any, dict[str, Any]]:
    """Model, loader and options of a run, or of what --model and --data name."""
    from deepnrc.cli.factory import loader_named, model_named  # noqa: PLC0415  - as above

    if run is not None:
        if model is not None or data is not None or checkpoint is not None:
            raise ArgumentError(
                "RUN brings its own model, data and checkpoints: leave out --model, --data and "
                "--checkpoint, or RUN"
            )
        from deepnrc.training.runs.saved_run import load_run  # noqa: PLC0415

        saved = load_run(run, epoch)
        options = {"options": saved.config.measure.options, "progress": True}
        return saved.model, saved.loader(part), options
    if model is None or data is None:
        typer.echo("give the folder of a run, or both --model and --data", err=True)
        raise typer.Exit(2)
    if epoch is not None:
        raise ArgumentError("--epoch goes with the folder of a run: pass that, or --checkpoint")
    network, loader = model_named(model), loader_named(data)
    return network, loader, {}


def _number_or_text(value: str | None) -> int | str | None:
    return int(value) if value is not None and value.lstrip("-").isdigit() else value


def _write(
    measurement: "Measurement", diagnosis: "Diagnosis", save: Path | None, figure: Path | None
) -> None:
    if save is not None:
        measurement.save(save)
    if figure is not None:
        from deepnrc.report.figures import layer_figure, save_figure  # noqa: PLC0415

        save_figure(layer_figure({measurement.model: (measurement, diagnosis)}), figure)
