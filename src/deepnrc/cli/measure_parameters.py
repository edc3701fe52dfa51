"""The options of ``deepnrc measure``, in groups: what is measured, how, how judged, how shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

from deepnrc.cli.factory import function_named, is_name
from deepnrc.errors import ArgumentError

__all__ = ["Judged", "Measured", "Shown", "Subject"]

_RUN = "Folder of `deepnrc train`, in place of --model and --data."
_MODEL = "A function that makes the model, or the model itself."
_DATA = "A function that makes the loader, data set or (X, y), or that itself."
_CHECKPOINT = "Weights to load: .safetensors, or .pt/.pth holding tensors only."
_KEY = "Entry of the checkpoint that holds the weights, such as ema."
_PREFIX = "Only take weights of the checkpoint under this name."
_REDUCE = "Positions to rows: mean (default), first, last, samples, a number, a function's name."
_RANK = "Signal dimension: a number, or 'targets' for the targets' own rank."
_LAST = "Also NRC1 and NRC2 of 2024: rows as published, or less their mean."
_TASK = "classification: targets are labels; adds neural collapse."
_NAME, _OR_NAME = "PKG.MOD:NAME", "TEXT|PKG.MOD:NAME"
_OUTPUT = "Which output is the prediction: key, index, attribute, or a function's name."
_HEAD = "NAME=OUTPUT of several targets: whose output is which; repeatable."
_MASK = "Which positions count: key of the batch, a function's name, or none: all."
_UNPACK = "Function of a batch that returns (inputs, targets)."
_FORWARD = "Function of (model, inputs) that returns the predictions."
_FIGURE = "Also draw it: path without ending, gives PNG and PDF."

Task = Literal["regression", "classification"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Model, data and weights."""

    run: Annotated[Path | None, Argument(metavar="[RUN]", help=_RUN)] = None
    model: Annotated[str | None, Option(metavar=_NAME, help=_MODEL)] = None
    data: Annotated[str | None, Option(metavar=_NAME, help=_DATA)] = None
    epoch: Annotated[
        int | None, Option(min=0, help="Of RUN: one that was measured; default: last.")
    ] = None
    part: Annotated[Literal["train", "test"], Option(help="Of RUN's data.")] = "train"
    checkpoint: Annotated[Path | None, Option(help=_CHECKPOINT)] = None
    key: Annotated[str | None, Option(help=_KEY)] = None
    prefix: Annotated[str | None, Option(help=_PREFIX)] = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Options of `deepnrc.measure`; those that are not given are left to it."""

    layers: Annotated[
        list[str] | None, Option(help="Name or glob of layers to measure; repeatable.")
    ] = None
    reduce: Annotated[
        str | None,
        Option(metavar=_OR_NAME, help=_REDUCE),
    ] = None
    exclude: Annotated[list[str] | None, Option(help="Layers to leave out; repeatable.")] = None
    output: Annotated[str | None, Option(metavar=_OR_NAME, help=_OUTPUT)] = None
    head: Annotated[list[str] | None, Option(metavar="NAME=OUTPUT", help=_HEAD)] = None
    mask: Annotated[str | None, Option(metavar=_OR_NAME, help=_MASK)] = None
    unpack: Annotated[str | None, Option(metavar=_NAME, help=_UNPACK)] = None
    forward: Annotated[str | None, Option(metavar=_NAME, help=_FORWARD)] = None
    batch_size: Annotated[
        int | None, Option(min=1, help="Samples in a batch of (X, y) or of a data set.")
    ] = None
    batch_dim: Annotated[int | None, Option(help="Axis of the samples in the inputs.")] = None
    target_dim_axis: Annotated[
        int | None, Option(help="Axis of the target dimension in targets with positions.")
    ] = None
    targets: Annotated[
        Literal["resample"] | None, Option(help="Average targets to the grid of each layer.")
    ] = None
    calls: Annotated[
        Literal["pooled", "separate"] | None, Option(help="Calls of a layer: together, or each.")
    ] = None
    signal_rank: Annotated[str | None, Option(help=_RANK)] = None
    center: Annotated[bool | None, Option(help="Whether NRC1 and NRC3 use centred features.")] = (
        None
    )
    intercept: Annotated[
        bool | None, Option(help="Whether the linear prediction has an intercept.")
    ] = None
    task: Annotated[Task | None, Option(help=_TASK)] = None
    classes: Annotated[
        int | None, Option(help="Number of classes, where the model does not tell.")
    ] = None
    last_layer: Annotated[Literal["paper2024", "centred"] | None, Option(help=_LAST)] = None

    def options(self) -> dict[str, Any]:
        """Those given, as keywords of `deepnrc.measure`."""
        given = {name: value for name, value in vars(self).items() if value not in (None, [])}
        given.pop("head", None)
        for name in ("reduce", "signal_rank", "output"):
            if name in given:
                given[name] = _number_or_text(given[name])
        if given.get("mask") == "none":
            given["mask"] = False
        for name in ("reduce", "output", "mask", "unpack", "forward"):
            text = given.get(name)
            if isinstance(text, str) and (name in ("unpack", "forward") or is_name(text)):
                given[name] = function_named(f"--{name}", text)
        return given

    def outputs(self) -> dict[str, Any]:
        """Which output is whose, as ``outputs`` of `deepnrc.measure_heads`."""
        found: dict[str, Any] = {}
        for text in self.head or []:
            name, equals, output = text.partition("=")
            if not name or not equals or not output:
                raise ArgumentError(
                    f"--head must be NAME=OUTPUT, such as --head value=1; got {text!r}"
                )
            named = is_name(output)
            found[name] = function_named("--head", output) if named else _number_or_text(output)
        return found


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Options of `deepnrc.diagnose`."""

    rule: Annotated[Literal["all", "nrc1"], Option(help="What a collapsed layer satisfies.")] = (
        "all"
    )
    noise_tol: Annotated[float, Option(help="NRC1 at most this.")] = 0.1
    cka_tol: Annotated[float, Option(help="NRC2 at least this.")] = 0.8
    alignment_tol: Annotated[float, Option(help="NRC3 at least this.")] = 0.8
    error_factor: Annotated[float, Option(help="NRC4 at most this times the model's error.")] = 1.5


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is printed and written."""

    plan: Annotated[bool, Option("--plan", help="Only show what would be measured, and how.")] = (
        False
    )
    json: Annotated[bool, Option("--json", help="Print the whole record as JSON.")] = False
    csv: Annotated[bool, Option("--csv", help="Print one line a layer as CSV.")] = False
    save: Annotated[Path | None, Option(help="Also write the record to this file.")] = None
    figure: Annotated[Path | None, Option(help=_FIGURE)] = None


def _number_or_text(value: str | None) -> int | str | None:
    return int(value) if value is not None and value.lstrip("-").isdigit() else value
