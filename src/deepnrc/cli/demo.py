"""``deepnrc demo``: train two small networks, one of which collapses."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepnrc.cli.failures import command
from deepnrc.cli.show import show_diagnosis, show_measurement

if TYPE_CHECKING:
    from deepnrc.results.diagnosis import Diagnosis

__all__ = ["demo"]


@command
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the figure and the measurements.")] = Path(
        "deepnrc-demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of data, weights and batches.")] = 0,
) -> None:
    """Train a small network with weight decay and one without, and show which one collapses.

    Ten targets that span only two directions, eight layers, a few seconds on one core.
    """
    from deepnrc.experiments.demo import run_demo  # noqa: PLC0415  - torch takes a second

    print(
        "Two networks of 8 layers learn 10 targets that span only 2 directions (a random teacher "
        "network makes them).\nOne is trained with weight decay, one without. 'noise' is the share "
        "of the last layer's features outside 2 directions."
    )
    start = time.perf_counter()
    runs, files = run_demo(out, seed=seed, report=_report)
    for run in runs:
        show_measurement(run.measurement, title=f"=== {run.title}: layer by layer ===")
        print()
        show_diagnosis(run.diagnosis)
    print("\nIn words\n" + "\n".join(_words(run.title, run.diagnosis) for run in runs))
    print(f"\nDone in {time.perf_counter() - start:.0f} s. Written: {', '.join(map(str, files))}")


def _report(title: str, epoch: int, epochs: int, loss: float, noise: float) -> None:
    live = sys.stdout.isatty()
    if not live and epoch % 25 and epoch != epochs:
        return
    line = f"{title:<20} epoch {epoch:>3}/{epochs}  loss {loss:.2e}  noise {noise:.1e}"
    end = "\n" if not live or epoch == epochs else ""
    print(f"\r{line}" if live else line, end=end, flush=True)


def _words(title: str, diagnosis: "Diagnosis") -> str:
    collapsed = diagnosis.collapsed_layers
    if not collapsed:
        return (
            f"- {title}: no collapse. It fits the targets too, but its layers keep noise beside "
            "the signal, or their weights read directions other than the features' own."
        )
    count = f"The last {len(collapsed)} layers are collapsed"
    if len(collapsed) == 1:
        count = "Only the last layer is collapsed"
    return (
        f"- {title}: {count} ({collapsed[0]} to {collapsed[-1]}): nearly all their features' "
        f"variance lies in {diagnosis.intrinsic_dimension} directions, the targets' own; the "
        "weights read just these, and a linear map of any of these layers predicts as well as "
        "the whole network."
    )
