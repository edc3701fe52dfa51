"""Writes the page of a data set and the index: ``python docs/make_dataset_pages.py NAME …``.

A page has a picture and what ``deepnrc data info`` prints. Without the files of the set on this
machine, ``--bare`` writes what is known without them.
"""

import argparse
import datetime
import json
import platform
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepnrc import __version__
from deepnrc.data import RawData, Source, dataset_names, find_source, load_raw
from deepnrc.data.facts import DataFacts, data_facts
from deepnrc.report.data_text import facts_text, source_text
from deepnrc.report.figures import save_figure
from deepnrc.storage.atomic import write_atomically

PAGES = Path(__file__).parent / "datasets"
_PURPLE, _ORANGE, _GREY = "#6a3d9a", "#e08214", "#8c8c8c"
_POINTS = 3000  # of a scatter plot; more hide one another
_SHEET = (3, 8)  # rows and columns of sample images
_LEAST_SHARE = 1e-9  # smaller eigenvalues are rounding errors


def main(arguments: list[str] | None = None) -> None:
    """Write the files that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=dataset_names())
    parser.add_argument("--bare", action="store_true", help="without picture and statistics")
    parser.add_argument("--out", type=Path, default=PAGES, help="folder of the pages")
    parser.add_argument("--path", type=Path, help="the real file or folder")
    parser.add_argument("--samples", type=int, help="number of rows")
    parser.add_argument("--seed", type=int, default=0, help="of a built or synthetic set")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args(arguments)
    options = {}
    for text in asked.option:
        key, _, value = text.partition("=")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    if asked.bare:
        files = write_bare_page(asked.name, asked.out)
    else:
        numbers = {"samples": asked.samples, "seed": asked.seed}
        files = write_page(asked.name, asked.out, asked.path, **numbers, **options)
    print(f"Written: {', '.join(map(str, files))}")


def write_page(
    name: str,
    out: Path,
    path: Path | None = None,
    *,
    samples: int | None = None,
    seed: int = 0,
    **options: object,
) -> tuple[Path, ...]:
    """Write ``NAME.md``, ``images/NAME.png`` and the index; arguments as of `load`."""
    raw = load_raw(name, path, samples=samples, seed=seed, **options)
    arguments = f" --samples {samples}" if samples is not None else ""
    arguments += f" --seed {seed}" if seed else ""
    arguments += "".join(f" --option {key}={value}" for key, value in options.items())
    today = datetime.datetime.now(tz=datetime.UTC).date()
    text = f"""# {name}

![{name}: targets and the spectrum of their covariance](images/{name}.png)

```text
{source_text(find_source(name))}
```

The set in the picture, as `deepnrc data info {name}{arguments}` prints it (deepnrc {__version__}, \
{platform.machine()}, {today}):

```text
{facts_text(data_facts(raw))}
```
"""
    page = _write(out / f"{name}.md", text)
    (out / "images").mkdir(exist_ok=True)
    figure = dataset_figure(raw, title=name, note=str(raw.provenance["made_from"]))
    pictures = save_figure(figure, out / "images" / name, kinds=("png",))
    return page, *pictures, write_index(out)


def write_bare_page(name: str, out: Path) -> tuple[Path, ...]:
    """Write ``NAME.md`` without picture and statistics, and the index."""
    text = f"""# {name}

```text
{source_text(find_source(name))}
```

This page has no picture and no statistics, because it was written without the files of the set.
`python docs/make_dataset_pages.py {name} --path FILES` writes it with both.
"""
    return _write(out / f"{name}.md", text), write_index(out)


def write_index(out: Path) -> Path:
    """Write the table of all data sets, with links to the pages that exist."""
    rows = []
    for name in dataset_names():
        source = find_source(name)
        shown = f"[{name}]({name}.md)" if (out / f"{name}.md").exists() else name
        t = len(source.targets) or "your choice"
        rows.append(f"| {shown} | {source.summary} | {t} | {_ways(source)} |")
    table = "\n".join(rows)
    text = f"""# Data sets

Every set is loaded by name: `deepnrc.data.load("hopper")`. `deepnrc data list` shows which sets are
on your machine, `deepnrc data info NAME` describes one.

| name | what it is | t | how to get it |
| --- | --- | --- | --- |
{table}

These pages are written by `python docs/make_dataset_pages.py NAME`.
"""
    return _write(out / "README.md", text)


def dataset_figure(raw: RawData, *, title: str, note: str = "") -> Figure:
    """Sample images if the set has any, its targets, their correlations and spectrum.

    Args:
        raw: The set in its own units.
        title: Above the figure.
        note: Below the figure: what the set was made from.
    """
    facts = data_facts(raw)
    images = not isinstance(raw.inputs, torch.Tensor)
    figure = Figure(figsize=(11.0, 8.2 if images else 4.0), layout="constrained")
    statistics: Any = figure
    if images:
        top, statistics = figure.subfigures(2, 1, height_ratios=(1.25, 1.0))
        _draw_images(top, raw, facts)
    single = len(facts.target_names) == 1
    ratios = (2, 1) if single else (1.2, 1, 1)
    panels = statistics.subplots(1, len(ratios), width_ratios=ratios)
    _draw_targets(panels[0], raw.targets, facts)
    if not single:
        _draw_correlations(panels[1], facts)
    _draw_spectrum(panels[-1], facts)
    figure.suptitle(title, fontsize=12)
    if note:
        figure.supxlabel(note, fontsize=8, color=_GREY, wrap=True)
    return figure


def _ways(source: Source) -> str:
    """How the set can be obtained."""
    ways = {
        "made when loaded": source.make,
        "built here": source.build,
        "fetched": source.downloads,
        "from your files": source.read_real,
    }
    return ", ".join(way for way, there in ways.items() if there)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())
    return path


def _draw_images(figure: Any, raw: RawData, facts: DataFacts) -> None:
    count = min(_SHEET[0] * _SHEET[1], facts.rows)
    rows = torch.linspace(0, facts.rows - 1, count).long()
    images = raw.inputs[rows]
    low, high = images.min(), images.max()
    images = (images - low) / (high - low).clamp(min=1e-12)  # readers normalize differently
    grid = list(figure.subplots(*_SHEET).flat)
    for axes in grid:
        axes.axis("off")
    for axes, image, targets in zip(grid, images, raw.targets[rows], strict=False):
        axes.imshow(image.permute(1, 2, 0).squeeze().numpy(), cmap="gray")
        axes.set_title(", ".join(f"{value:.3g}" for value in targets.tolist()), fontsize=8)
    names = ", ".join(facts.target_names)
    figure.suptitle(f"samples, each with its {names}", fontsize=9, color=_GREY)


def _draw_targets(axes: Axes, targets: torch.Tensor, facts: DataFacts) -> None:
    _plain_frame(axes)
    names = facts.target_names
    if len(names) == 1:
        axes.hist(targets[:, 0].numpy(), bins=40, color=_PURPLE)
        axes.set(xlabel=names[0], ylabel="rows", title="distribution of the target")
        return
    shown = targets[:: -(-facts.rows // _POINTS)]
    x, y, *rest = shown.T.numpy()
    points = axes.scatter(x, y, c=rest[0] if rest else _PURPLE, s=5, alpha=0.6, linewidths=0)
    if rest:
        bar = axes.figure.colorbar(points, ax=axes, label=names[2])
        bar.solids.set_alpha(1.0)
    for axis, (low, high) in zip("xy", facts.ranges, strict=False):
        if low > 0.0 and high > 30.0 * low:
            axes.set(**{f"{axis}scale": "log"})
    axes.set(xlabel=names[0], ylabel=names[1], title="targets, in their own units")


def _draw_correlations(axes: Axes, facts: DataFacts) -> None:
    axes.imshow(facts.correlations, vmin=-1.0, vmax=1.0, cmap="PuOr_r")
    t = len(facts.correlations)
    if t <= 12:
        digits, size = (3, 9) if t <= 5 else (1, 6)
        for i, row in enumerate(facts.correlations):
            for j, value in enumerate(row):
                color = "white" if abs(value) > 0.6 else "black"
                text = f"{value:.{digits}f}"
                axes.text(j, i, text, ha="center", va="center", fontsize=size, color=color)
        names = facts.target_names
        rotation = 90 if max(map(len, names)) > 4 else 0
        axes.set_xticks(range(t), names, rotation=rotation, fontsize=8)
        axes.set_yticks(range(t), names, fontsize=8)
    axes.set_title("correlations of the targets")


def _draw_spectrum(axes: Axes, facts: DataFacts) -> None:
    _plain_frame(axes)
    t = len(facts.spectrum)
    drawn: list[float] = []
    for shift, color, label, values in (
        (-0.2, _PURPLE, "own units", facts.spectrum),
        (0.2, _ORANGE, "standardized", facts.standardized_spectrum),
    ):
        total = sum(values)
        shares = [value / total if total else 0.0 for value in values]
        places = [number + shift for number in range(1, t + 1)]
        axes.bar(places, shares, width=0.38, color=color, label=label)
        drawn += [share for share in shares if share > _LEAST_SHARE]
    if drawn:
        axes.set_yscale("log")
        axes.set_ylim(min(min(drawn) / 3, 0.03), 10.0)  # the legend is above the bars
    axes.set_xticks(range(1, t + 1, -(-t // 12)))
    axes.set(xlabel="eigenvalue number", ylabel="share of the variance", title="spectrum of Σ_Y")
    axes.legend(frameon=False, fontsize=8)


def _plain_frame(axes: Axes) -> None:
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
