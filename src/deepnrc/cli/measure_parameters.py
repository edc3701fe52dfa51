"""The options of ``deepnrc measure``, each declared in a line or two."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

_RUN = "Folder of `deepnrc train`, in place of --model and --data."
_MODEL = "A function that makes the model, or the model itself."
_DATA = "A function that makes the loader of (inputs, targets), or the loader itself."
_CHECKPOINT = "Weights to load: .safetensors, or .pt/.pth holding tensors only."
_RANK = "Signal dimension: a number, or 'targets' for the targets' own rank."
_LAST = "Also NRC1 and NRC2 of 2024: rows as published, or less their mean."
_FIGURE = "Also draw it: path without ending, gives PNG and PDF."

Run = Annotated[Path | None, Argument(metavar="[RUN]", help=_RUN)]
Model = Annotated[str | None, Option(metavar="PKG.MOD:NAME", help=_MODEL)]
Data = Annotated[str | None, Option(metavar="PKG.MOD:NAME", help=_DATA)]
Epoch = Annotated[int | None, Option(min=0, help="Of RUN: one that was measured; default: last.")]
Part = Annotated[Literal["train", "test"], Option(help="Of RUN's data.")]
Key = Annotated[str | None, Option(help="Entry of the checkpoint that holds the weights.")]
Prefix = Annotated[str | None, Option(help="Only take weights of the checkpoint under this name.")]
Checkpoint = Annotated[Path | None, Option(help=_CHECKPOINT)]

Layers = Annotated[list[str] | None, Option(help="Name or glob of layers to measure; repeatable.")]
Reduce = Annotated[str, Option(help="Positions to rows: mean, first, last, samples or a number.")]
SignalRank = Annotated[str | None, Option(help=_RANK)]
Center = Annotated[bool | None, Option(help="Whether NRC1 and NRC3 use centred features.")]
Intercept = Annotated[bool | None, Option(help="Whether the linear prediction has an intercept.")]
Task = Annotated[
    Literal["regression", "classification"],
    Option(help="classification: targets are labels; adds neural collapse."),
]
Classes = Annotated[int | None, Option(help="Number of classes, where the model does not tell.")]
LastLayer = Annotated[Literal["paper2024", "centred"] | None, Option(help=_LAST)]

Rule = Annotated[Literal["all", "nrc1"], Option(help="What a collapsed layer satisfies.")]
NoiseTol = Annotated[float, Option(help="NRC1 at most this.")]
CkaTol = Annotated[float, Option(help="NRC2 at least this.")]
AlignmentTol = Annotated[float, Option(help="NRC3 at least this.")]
ErrorFactor = Annotated[float, Option(help="NRC4 at most this times the model's error.")]

Plan = Annotated[bool, Option("--plan", help="Only show what would be measured, and how.")]
AsJson = Annotated[bool, Option("--json", help="Print the whole record as JSON.")]
AsCsv = Annotated[bool, Option("--csv", help="Print one line a layer as CSV.")]
Save = Annotated[Path | None, Option(help="Also write the record to this file.")]
Figure = Annotated[Path | None, Option(help=_FIGURE)]
