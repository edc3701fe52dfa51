"""``deepnrc measure``: a model and data named on the command line, measured and judged."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deepnrc.cli.failures import command
from deepnrc.cli.show import show_diagnosis, show_measurement
from deepnrc.errors import ArgumentError

__all__ = ["measure"]


class Rule(StrEnum):
    """Rules of `deepnrc.diagnose`."""

    ALL = "all"
    NRC1 = "nrc1"


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
    model: Annotated[
        str,
        typer.Option(
            metavar="PKG.MOD:NAME", help="A function that makes the model, or the model itself."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="PKG.MOD:NAME",
            help="A function that makes the loader of (inputs, targets), or the loader itself.",
        ),
    ],
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
        bool, typer.Option(help="Whether NRC1 and NRC3 use centred features.")
    ] = True,
    intercept: Annotated[
        bool, typer.Option(help="Whether the linear prediction has an intercept.")
    ] = True,
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

    The names are imported as Python does from this folder: only name code you trust.
    """
    if as_json and as_csv:
        raise ArgumentError("--json and --csv exclude each other: pass one of them")
    import deepnrc  # noqa: PLC0415  - torch takes a second
    from deepnrc.cli.checkpoint import load_weights  # noqa: PLC0415
    from deepnrc.cli.factory import loader_named, model_named  # noqa: PLC0415

    network = model_named(model)
    if checkpoint is not None:
        load_weights(network, checkpoint)
    measurement = deepnrc.measure(
        network,
        loader_named(data),
        layers=layers or None,
        reduce=int(reduce) if reduce.lstrip("-").isdigit() else reduce,
        signal_rank=int(signal_rank) if signal_rank and signal_rank.isdigit() else signal_rank,
        center=center,
        intercept=intercept,
        task=task.value,
        classes=classes,
        last_layer=None if last_layer is None else last_layer.value,
    )
    diagnosis = deepnrc.diagnose(measurement, rule=rule.value)
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
