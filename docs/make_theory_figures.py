"""Draws the figures of docs/theory.md: ``python docs/make_theory_figures.py [FOLDER]``.

Lines are closed forms. Dots are numerical: the solver, which knows no closed form, or exact fits
drawn at random.
"""

import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepnrc.report.figures import save_figure
from deepnrc.theory import (
    UFMOptimum,
    UFMSolution,
    deep_ufm_optimum,
    minimize_ufm,
    preprocessing_errors,
    sample_interpolating,
    targets_with_covariance,
    task_errors,
    ufm_optimum,
)

IMAGES = Path(__file__).parent / "images"
SIGMA = [[2.0, 0.6], [0.6, 1.0]]
_PURPLE, _GREEN, _RED, _BLUE, _GREY = "#6a3d9a", "#2e8b57", "#c62828", "#1f78b4", "#8c8c8c"
_LEVELS = (1e-3, 0.2, 0.96)  # c of the arrows: next to none, full rank, low rank


def regimes_figure() -> Figure:
    """Gram eigenvalues, error and loss over c, with the thresholds between the regimes."""
    figure, panels = _panels(1, 3, (11.5, 3.9))
    cs = _grid(1e-2, 30.0, 121)
    best = [_optimum(c) for c in cs]
    s = best[0].eigenvalues.tolist()
    some = cs[::10]
    solved = [_solved(c) for c in some]
    for i, color in enumerate((_PURPLE, _BLUE)):
        sizes = [sorted(torch.linalg.eigvalsh(o.gram).tolist())[1 - i] for o in best]
        found = [sorted(torch.linalg.eigvalsh(o.gram).tolist())[1 - i] for o in solved]
        panels[0].plot(cs, sizes, color=color, label=f"$\\sqrt{{s_{i + 1}}} - \\sqrt{{c}}$")
        panels[0].plot(some, found, "o", color=color, markersize=3.5)
        left = [min(c, s[i]) for c in cs]
        panels[1].plot(cs, left, color=color, label=f"min(c, $s_{i + 1}$)")
    panels[1].plot(cs, [o.mse for o in best], color="black", label="sum: training error")
    panels[2].plot(cs, [o.loss for o in best], color="black", label="closed form")
    panels[2].plot(some, [o.loss for o in solved], "o", color=_RED, markersize=3.5, label="solver")
    for axes, label in zip(
        panels, ("eigenvalues of $WW^T$", "left unfitted", "loss $L^*$"), strict=True
    ):
        axes.set(xscale="log", xlabel="$c = \\lambda_H\\lambda_W$", ylabel=label)
        for value in s:
            axes.axvline(value, color=_GREEN, linestyle="--", linewidth=1)
        axes.legend(frameon=False, fontsize=8, loc="best")
    top = panels[0].get_ylim()[1]
    panels[0].set_ylim(top=1.15 * top)
    regimes = (("full rank", 0.08), ("low", math.sqrt(s[0] * s[1])), ("zero", 9.0))
    for name, c in regimes:
        panels[0].text(c, 1.09 * top, name, ha="center", va="center", fontsize=8, color=_GREEN)
    panels[0].legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def weights_figure() -> Figure:
    """The rows of W in their plane, for c in each regime, beside the ellipse of Σ_Y."""
    figure, panels = _panels(1, 4, (12.0, 3.3))
    sigma = torch.tensor(SIGMA, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(sigma)
    turn = torch.linspace(0, 2 * math.pi, 100, dtype=torch.float64)
    circle = torch.stack([turn.cos(), turn.sin()])
    titles = (
        "c → 0: Gram matrix $\\Sigma^{1/2}$",
        "full rank: nearer to $\\Sigma$'s axis",
        "low rank: rows on one line",
        "zero",
    )
    for axes, c, title in zip(panels, (*_LEVELS, 3.0), titles, strict=True):
        best = _optimum(c)
        root = (best.directions * (best.directions.T @ best.gram @ best.directions)
                .diagonal().clamp(min=0).sqrt()) @ best.directions.T  # fmt: skip
        for row, color, name in zip(root.tolist(), (_PURPLE, _BLUE), ("1", "2"), strict=True):
            if math.hypot(*row) > 1e-9:
                axes.annotate(
                    "",
                    xy=row,
                    xytext=(0, 0),
                    arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 2},
                )
                offset = 0.1 if name == "2" else -0.1  # beside the tip, away from the other row
                axes.text(
                    row[0] - offset * 0.6,
                    row[1] + offset,
                    f"$w_{name}$",
                    color=color,
                    ha="center",
                    va="center",
                )
        axes.plot(0, 0, "o", color="black", markersize=3)
        ellipse = 0.6 * vectors @ (values.sqrt()[:, None] * circle)
        axes.plot(*ellipse.tolist(), color=_GREY, linewidth=1, linestyle=":")
        angle = float(best.row_angles[0, 1])
        shown_angle = "" if math.isnan(angle) else f", angle {angle:.1f}°"
        axes.set_title(f"{title}\nc = {c:g}{shown_angle}", fontsize=9)
        axes.set(xlim=(-0.95, 1.45), ylim=(-0.75, 1.15), aspect="equal")
        axes.tick_params(labelsize=8)
    figure.supxlabel(
        "rows of W (R = I); dotted: ellipse of Σ, not to scale", fontsize=8, color=_GREY
    )
    return figure


def interpolation_figure() -> Figure:
    """Angles of exact fits without regularization, and the one angle of the limit of small c."""
    figure, panels = _panels(1, 2, (9.0, 3.8))
    generator = torch.Generator().manual_seed(0)
    targets = targets_with_covariance(SIGMA)
    drawn = [
        sample_interpolating(targets, width=8, generator=generator).gram / 8 for _ in range(1000)
    ]
    limit = ufm_optimum(SIGMA, lambda_h=1e-9, lambda_w=1e-9)
    angles = [math.degrees(math.acos(float(g[0, 1] / (g[0, 0] * g[1, 1]).sqrt()))) for g in drawn]
    panels[0].hist(angles, bins=36, range=(0, 180), color=_PURPLE, alpha=0.55)
    panels[0].axvline(float(limit.row_angles[0, 1]), color=_RED, linewidth=2)
    panels[0].set(xlabel="angle between the rows of W, degrees", ylabel="of 1000 exact fits")
    panels[0].set_xticks(range(0, 181, 30))
    ratios = [float(g[0, 0] / g[1, 1]) for g in drawn]
    cosines = [math.cos(math.radians(angle)) for angle in angles]
    panels[1].plot(
        ratios, cosines, ".", color=_PURPLE, markersize=3, alpha=0.5, label="exact fits, c = 0"
    )
    g = limit.gram
    panels[1].plot(
        float(g[0, 0] / g[1, 1]),
        math.cos(math.radians(float(limit.row_angles[0, 1]))),
        "*",
        color=_RED,
        markersize=14,
        label="limit c → 0",
    )
    panels[1].set(xscale="log", xlabel="$|w_1|^2 / |w_2|^2$", ylabel="cosine of the rows' angle")
    panels[1].legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def preprocessing_figure() -> Figure:
    """Training error over c: one network or several, raw, standardized and whitened targets."""
    figure, panels = _panels(1, 3, (12.0, 3.9))
    cs = _grid(1e-3, 6.0, 81)
    tasks = [task_errors(SIGMA, c=c) for c in cs]
    panels[0].plot(cs, [x.single / x.multi for x in tasks], color=_PURPLE)
    panels[0].axhline(1, color=_GREY, linewidth=1, linestyle=":")
    panels[0].set(xscale="log", xlabel="c", ylabel="error of single networks / of one for all")
    panels[0].set_title("one network for all targets", fontsize=10)
    for axes, scale in zip(panels[1:], (1.0, 0.1), strict=True):
        sigma = [[scale * value for value in row] for row in SIGMA]
        found = [preprocessing_errors(sigma, c=c) for c in cs]
        for name, color in (("raw", "black"), ("standardized", _BLUE), ("whitened", _RED)):
            style = "--" if name == "whitened" else "-"
            errors = [x[name].mse / (3 * scale) for x in found]
            axes.plot(cs, errors, style, color=color, label=name)
        axes.set(xscale="log", yscale="log", xlabel="c", ylabel="error / variance")
        axes.set_title(f"mean variance Tr Σ/t = {1.5 * scale:g}", fontsize=10)
        axes.legend(frameon=False, fontsize=8)
    return figure


def deep_figure() -> Figure:
    """Deep linear model: soft threshold and jumps; alignment with the targets by depth."""
    figure, panels = _panels(1, 2, (9.5, 3.9))
    roots = torch.linspace(0.005, 1.2, 120, dtype=torch.float64)
    colors = (_PURPLE, _BLUE, _RED)
    panels[0].plot([0, 1.2], [0, 1.2], ":", color=_GREY, linewidth=1, label="all of it")
    # The deepest first, so that its longer line of zeros does not hide the others'.
    for layers, color in reversed(tuple(zip((1, 2, 4), colors, strict=True))):
        # The same C^{1/K} for each depth, as with equal penalties of 0.1.
        kept = [
            float(
                deep_ufm_optimum(
                    [[float(root) ** 2]], lambdas=[0.1] * layers, lambda_h=0.1
                ).singular_values[0]
            )
            for root in roots
        ]
        first = next(i for i, value in enumerate(kept) if value > 0)
        weights = f"{layers} weight{'s' if layers > 1 else ''} and H"
        x = roots.tolist()
        panels[0].plot(x[:first], kept[:first], color=color)
        panels[0].plot(x[first:], kept[first:], color=color, label=weights)
        panels[0].plot([x[first]] * 2, [0, kept[first]], ":", color=color)
    panels[0].set(xlabel="singular value of the targets, √s", ylabel="kept in the predictions, x")
    panels[0].legend(frameon=False, fontsize=8)
    for layers, color in zip((1, 3, 7), colors, strict=True):
        deep = deep_ufm_optimum(
            [[2.0, 0.0, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 0.25]],
            lambdas=[0.02] * layers,
            lambda_h=0.02,
        )
        depth = [i / layers for i in range(layers + 1)]
        weights = f"{layers} weight{'s' if layers > 1 else ''}"
        panels[1].plot(depth, deep.cka_by_depth.tolist(), "o-", color=color, label=weights)
    panels[1].set(xlabel="depth: 0 = H, 1 = predictions", ylabel="linear CKA with the targets")
    panels[1].legend(frameon=False, fontsize=8)
    return figure


FIGURES: Mapping[str, Callable[[], Figure]] = {
    "regimes": regimes_figure,
    "weights": weights_figure,
    "interpolation": interpolation_figure,
    "preprocessing": preprocessing_figure,
    "deep": deep_figure,
}


def _panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    panels: Any = figure.subplots(rows, columns)
    for axes in panels:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure, list(panels)


def _grid(low: float, high: float, count: int) -> list[float]:
    return torch.logspace(math.log10(low), math.log10(high), count, dtype=torch.float64).tolist()


def _optimum(c: float) -> UFMOptimum:
    return ufm_optimum(SIGMA, lambda_h=math.sqrt(c), lambda_w=math.sqrt(c))


def _solved(c: float) -> UFMSolution:
    targets = targets_with_covariance(SIGMA)
    return minimize_ufm(targets, lambda_h=math.sqrt(c), lambda_w=math.sqrt(c))


def main(folder: Path = IMAGES) -> None:
    """Write every figure as ``theory-NAME.png``."""
    for name, draw in FIGURES.items():
        for written in save_figure(draw(), folder / f"theory-{name}", kinds=("png",)):
            print(f"Written: {written}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
