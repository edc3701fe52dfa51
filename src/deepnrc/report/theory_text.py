"""What the theory says, as text: optima, errors by preprocessing, penalties."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepnrc.support.text import Table

if TYPE_CHECKING:
    from torch import Tensor

    from deepnrc.experiments.run_theory import RunTheory
    from deepnrc.theory import (
        Convention,
        DeepUFMOptimum,
        PreprocessingErrors,
        TaskErrors,
        UFMOptimum,
        UFMPenalties,
    )

__all__ = [
    "deep_ufm_text",
    "penalties_text",
    "preprocessing_text",
    "run_theory_text",
    "ufm_text",
]

_MOST_COLUMNS = 6  # one a target; with more the table is too wide, and JSON has them


def ufm_text(best: "UFMOptimum") -> str:
    """An optimum of the unconstrained feature model: regime, numbers, directions, W Wᵀ, angles."""
    t, s = best.target_dim, best.eigenvalues.tolist()
    meaning = {
        "unregularized": "c = 0: every W of full rank fits, nothing collapses",
        "full rank": f"c is below s_{t} = {_short(s[-1])}: every direction is learnt",
        "low rank": f"c lies among the eigenvalues: {best.rank} of {t} directions are learnt",
        "zero": f"c is not below s_1 = {_short(s[0])}: nothing is learnt, W = 0",
    }[best.regime.value]
    lines = [
        f"Unconstrained feature model, {t} target{'s' if t > 1 else ''}, c = λ_H·λ_W = "
        f"{_short(best.c)}: {best.regime.value}",
        meaning,
        "",
        *_aligned(
            ("loss L*", _long(best.loss), ""),
            (
                "training error",
                _long(best.mse),
                f"summed over targets; MSELoss {_long(best.mse / t)}",
            ),
            ("R²", _long(best.r2), best.undefined.get("r2", "")),
            ("‖H‖²/N", _long(best.feature_energy), "mean squared length of the features"),
        ),
        "",
    ]
    if best.regime.value != "unregularized":
        diagonal = (best.directions.T @ best.gram @ best.directions).diagonal()
        rows = [
            (str(i + 1), _short(s[i]), _short(min(best.c, s[i])), _short(float(size)))
            for i, size in enumerate(diagonal.clamp(min=0))
        ]
        headings = ("direction", "variance s", "left unfitted", "eigenvalue of WWᵀ")
        lines += [str(Table(headings, tuple(rows), ())), ""]
        lines += ["W Wᵀ", *_matrix(best.gram), "", "angles between the rows of W, degrees"]
        lines += _matrix(best.row_angles, digits=2)
    for name in ("gram", "row_angles"):
        if name in best.undefined:
            lines.append(f"–: {best.undefined[name]}")
            break
    return "\n".join(lines)


def deep_ufm_text(deep: "DeepUFMOptimum") -> str:
    """An optimum of the deep linear model: directions kept, and the features by depth."""
    t, depth = len(deep.target_eigenvalues), len(deep.lambdas)
    lines = [
        f"Deep linear unconstrained feature model, {t} target{'s' if t > 1 else ''}, "
        f"{depth} weight{'s' if depth > 1 else ''}: {deep.rank} of {t} directions are learnt",
        f"a direction is learnt when √s exceeds s* = {_long(deep.threshold)}",
        "",
        *_aligned(
            ("loss L*", _long(deep.loss), ""),
            (
                "training error",
                _long(deep.mse),
                f"summed over targets; MSELoss {_long(deep.mse / t)}",
            ),
            ("R²", _long(deep.r2), ""),
        ),
        "",
    ]
    targets, kept = deep.target_eigenvalues.sqrt().tolist(), deep.singular_values.tolist()
    kept_rows = [
        (str(i + 1) + ("*" if tied else ""), _short(root), _long(x))
        for i, (root, x, tied) in enumerate(zip(targets, kept, deep.tied.tolist(), strict=True))
    ]
    note = "* at the threshold: keeping it costs the same as dropping it"
    notes = (note,) if bool(deep.tied.any()) else ()
    lines += [str(Table(("direction", "√s of targets", "x kept"), tuple(kept_rows), notes)), ""]
    names = [f"input of W_{i + 1}" for i in range(depth)] + ["predictions"]
    rows = []
    for i, name in enumerate(names):
        cka, spectrum = float(deep.cka_by_depth[i]), deep.feature_spectra[i].tolist()
        rows.append((name, f"{cka:.6f}" if not math.isnan(cka) else "–", _row(spectrum)))
    lines.append(str(Table(("features", "CKA with Y", "variances"), tuple(rows), ())))
    if deep.undefined:
        lines.append(f"–: {deep.undefined}")
    return "\n".join(lines)


def preprocessing_text(
    found: "PreprocessingErrors",
    tasks: "TaskErrors",
    target_names: Sequence[str],
    *,
    heading: str = "",
) -> str:
    """Training errors by preprocessing and for single networks, by target, and what to do."""
    shown = len(target_names) if len(target_names) <= _MOST_COLUMNS else 0
    headings = ("targets", "error", "R²", "directions", *target_names[:shown])
    rows = [
        (
            option.name + ("*" if option.note else ""),
            _short(option.mse),
            f"{option.r2:.4f}" if not math.isnan(option.r2) else "–",
            str(option.rank),
            *map(_short, option.mse_by_target[:shown]),
        )
        for option in found.options
    ]
    single = map(_short, tasks.single_by_target[:shown])
    rows.append(("one network each", _short(tasks.single), "", "", *single))
    notes = [f"* {option.name}: {option.note}" for option in found.options if option.note]
    table = str(Table(headings, tuple(rows), tuple(notes)))
    intro = [heading] if heading else []
    return "\n".join(
        [
            *intro,
            f"Training error predicted at c = {_short(found.c)}, in the targets' own units",
            "",
            table,
            "",
            found.recommendation,
        ]
    )


def penalties_text(convention: "Convention", found: "UFMPenalties") -> str:
    """λ_H, λ_W and c, with the factor they come from."""
    lambda_h = "unknown: no penalty on the features was given"
    lines = [
        f"{convention.loss} loss, reduction {convention.reduction}, {convention.optimizer}, "
        f"t = {convention.target_dim}: objective × {_short(convention.factor)} is the theory's",
        f"λ_W = {_long(found.lambda_w)}",
        f"λ_H = {lambda_h if math.isnan(found.lambda_h) else _long(found.lambda_h)}",
    ]
    if not math.isnan(found.c):
        lines.append(f"c   = {_long(found.c)}")
    return "\n".join(lines)


def _short(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _long(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.10g}"


def _row(values: Sequence[float]) -> str:
    return " ".join(_short(value) for value in values)


def _aligned(*lines: tuple[str, str, str]) -> list[str]:
    names = max(len(name) for name, _, _ in lines)
    values = max(len(value) for _, value, _ in lines)
    return [f"{name:<{names}}  {value:>{values}}  {note}".rstrip() for name, value, note in lines]


def _matrix(matrix: "Tensor", *, digits: int = 6) -> list[str]:
    cells = [
        ["–" if math.isnan(value) else f"{value + 0.0:.{digits}f}" for value in row]
        for row in matrix.tolist()
    ]
    width = max(len(cell) for row in cells for cell in row)
    return ["  " + "  ".join(cell.rjust(width) for cell in row) for row in cells]


def run_theory_text(found: "RunTheory") -> str:
    """A run beside theory: slacks, Gram error, effective c."""
    gap, best = found.gap, found.gap.optimum
    undefined = gap.undefined
    shape = "‖WWᵀ − G*‖/‖G*‖; 0 = the theory's W up to rotation"
    lines = [
        f"{found.layer} at epoch {found.epoch} beside the unconstrained feature model, "
        f"λ_H = {_short(found.lambda_h)}, λ_W = {_short(found.lambda_w)}, c = {_short(best.c)}: "
        f"{best.regime.value}",
        *([found.implied] if found.implied else []),
        *(
            []
            if found.bias
            else ["the layer has no bias: of the targets' second moment, not their covariance"]
        ),
        "",
        *_aligned(
            ("loss", _long(gap.loss), "the run's, with its penalties"),
            ("loss L*", _long(best.loss), "the theory's"),
            ("feature slack", _long(gap.feature_slack), "what better features would gain"),
            ("head slack", _long(gap.head_slack), "what a better W would gain"),
            (
                "Gram error",
                _long(gap.relative_gram_error),
                undefined.get("relative_gram_error", shape),
            ),
            (
                "effective c",
                _long(gap.effective_c),
                undefined.get("effective_c", "whose optimum has this shape of WWᵀ"),
            ),
            (
                "error c",
                _long(gap.error_c),
                undefined.get("error_c", "whose optimum has this training error"),
            ),
        ),
    ]
    return "\n".join(lines)
