"""``deepnrc measure``: a run, or a model and data by their names, measured and judged."""

import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from deepnrc.cli.failures import command
from deepnrc.cli.show import show_diagnosis, show_measurement
from deepnrc.errors import ArgumentError

__all__ = ["measure"]


class Rule(StrEnum):
    """Rules of `deepnrc.diagnose`."""

    ALL = "all"
    NRC1 = "nrc1"


class Part(StrEnum):
    """Parts of a run's data."""

    TRAIN = "train"
    TEST = "test"


class Task(StrEnum):
    """Tasks of `deepnrc.measure`."""

    REGRESSION = "regression"
    CLASSIFICATION = "classification"


class LastLayer(StrEnum):
    """Variants of `deepnrc.measure`'s last-layer metrics."""

    PAPER2024 = "paper2024"
    CENTRED = "centred"


@command
def measure(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN]", help="Folder of `deepnrc train`, in place of --model and --data."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PKG.MOD:NAME", help="A function that makes the model, or the model itself."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="PKG.MOD:NAME",
            help="A function that makes the loader of (inputs, targets), or the loader itself.",
        ),
    ] = None,
    epoch: Annotated[
        int | None, typer.Option(min=0, help="Of RUN: one that was measured; the last if none.")
    ] = None,
    part: Annotated[Part, typer.Option(help="Of RUN's data.")] = Part.TRAIN,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Weights to load: .safetensors, or .pt/.pth holding tensors only."),
    ] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help="Name or glob of layers to measure; repeatable.")
    ] = None,
    reduce: Annotated[
        str, typer.Option(help="Positions to rows: mean, first, last, samples or a number.")
    ] = "mean",
    signal_rank: Annotated[
        str | None,
        typer.Option(help="Signal dimension: a number, or 'targets' for the targets' own rank."),
    ] = None,
    center: Annotated[
        bool | None, typer.Option(help="Whether NRC1 and NRC3 use centred features; yes if none.")
    ] = None,
    intercept: Annotated[
        bool | None,
        typer.Option(help="Whether the linear prediction has an intercept; yes if none."),
    ] = None,
    task: Annotated[
        Task, typer.Option(help="classification: targets are labels; adds neural collapse.")
    ] = Task.REGRESSION,
    classes: Annotated[
        int | None, typer.Option(help="Number of classes, where the model does not tell.")
    ] = None,
    last_layer: Annotated[
        LastLayer | None,
        typer.Option(help="Also NRC1 and NRC2 of 2024: rows as published, or less their mean."),
    ] = None,
    rule: Annotated[Rule, typer.Option(help="What a collapsed layer satisfies.")] = Rule.ALL,
    noise_tol: Annotated[float, typer.Option(help="NRC1 at most this.")] = 0.1,
    cka_tol: Annotated[float, typer.Option(help="NRC2 at least this.")] = 0.8,
    alignment_tol: Annotated[float, typer.Option(help="NRC3 at least this.")] = 0.8,
    error_factor: Annotated[
        float, typer.Option(help="NRC4 at most this times the model's error.")
    ] = 1.5,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole record as JSON.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one line a layer as CSV.")] = False,
    save: Annotated[Path | None, typer.Option(help="Also write the record to this file.")] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Also draw it: path without ending, gives PNG and PDF.")
    ] = None,
) -> None:
    """Measure Deep NRC at every layer of a model and say which layers are collapsed.

    The model is that of a run's folder, measured as it was along the way but for the options
    given; or one that Python can import. Names are imported as Python does from this folder: only
    name code you trust.
    """
    if as_json and as_csv:
        raise ArgumentError("--json and --csv exclude each other: pass one of them")
    import deepnrc  # noqa: PLC0415  - torch takes a second
    from deepnrc.cli.checkpoint import load_weights  # noqa: PLC0415
    from deepnrc.cli.factory import loader_named, model_named  # noqa: PLC0415

    defaults: dict[str, Any] = {}
    if run is not None:
        if model is not None or data is not None or checkpoint is not None:
            raise ArgumentError(
                "RUN brings its own model, data and checkpoints: leave out --model, --data and "
                "--checkpoint, or RUN"
            )
        from deepnrc.training.runs.saved_run import open_run  # noqa: PLC0415

        opened = open_run(run, epoch)
        network, defaults = opened.model, opened.config.measure.options()
        loader: Iterable[Any] = opened.loader(part.value)
    elif model is None or data is None:
        typer.echo("give the folder of a run, or both --model and --data", err=True)
        raise typer.Exit(2)
    elif epoch is not None:
        raise ArgumentError("--epoch goes with the folder of a run: pass that, or --checkpoint")
    else:
        network, loader = model_named(model), loader_named(data)
        if checkpoint is not None:
            load_weights(network, checkpoint)
    options: dict[str, Any] = {
        "layers": layers or None,
        "signal_rank": (int(signal_rank) if signal_rank and signal_rank.isdigit() else signal_rank),
        "center": center,
        "intercept": intercept,
        "last_layer": None if last_layer is None else last_layer.value,
    }
    given = {name: value for name, value in options.items() if value is not None}
    measurement = deepnrc.measure(
        network,
        loader,
        reduce=int(reduce) if reduce.lstrip("-").isdigit() else reduce,
        task=task.value,
        classes=classes,
        **{**defaults, **given},
    )
    diagnosis = deepnrc.diagnose(
        measurement,
        rule=rule.value,
        noise_tol=noise_tol,
        cka_tol=cka_tol,
        alignment_tol=alignment_tol,
        error_factor=error_factor,
    )
    if save is not None:
        measurement.save(save)
    if figure is not None:
        from deepnrc.report.figures import layer_figure, save_figure  # noqa: PLC0415

        save_figure(layer_figure({measurement.model: (measurement, diagnosis)}), figure)
    if as_json:
        print(json.dumps(measurement.to_dict(), ensure_ascii=False, allow_nan=False))
    elif as_csv:
        measurement.to_frame().to_csv(sys.stdout)
    else:
        show_measurement(measurement)
        print()
        show_diagnosis(diagnosis)
