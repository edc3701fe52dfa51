"""Data sets as text: what ``deepnrc data info`` and the pages of the docs show."""

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepnrc.data.facts import DataFacts
    from deepnrc.data.source import Source

__all__ = ["facts_text", "format_table", "source_text"]

_SHOWN = 12  # largest number of rows and columns of a table
_ROUNDING = 1e-12  # of the largest eigenvalue; smaller ones count as 0
_WIDE = 60  # characters that are shown of a structure with more than four times as many


def source_text(source: "Source") -> str:
    """What a set is and how to get it; its data are not read."""
    lines = [f"{source.name}: {source.summary}"]
    targets = ", ".join(source.targets)
    facts = {
        "comes from": source.origin,
        "licence": source.licence,
        "targets": f"t = {len(source.targets)}: {targets}" if targets else "your choice",
    }
    if source.build is not None:
        facts["build"] = f"deepnrc data build {source.name}   ({source.default_samples:,} rows)"
    if source.downloads:
        facts["fetch"] = f"deepnrc data fetch {source.name}"
    if source.read_real is not None:
        facts["real files"] = f"deepnrc.data.load({source.name!r}, path=…)"
    if source.extra:
        facts["needs"] = f"pip install 'deepnrc[{source.extra}]'"
    scaling = {
        "standard": "inputs and targets to mean 0 and deviation 1 on the train part",
        "minmax": "targets to [0, 1] on the train part",
        "none": "none",
    }
    facts["scaling"] = scaling[source.scaling if source.standardize else "none"]
    lines += [f"  {name:<11} {value}" for name, value in facts.items()]
    lines += [f"  option      {name}: {meaning}" for name, meaning in source.options.items()]
    return "\n".join(lines)


def facts_text(facts: "DataFacts") -> str:
    """Statistics of a set: size, origin, checksums, targets, spectrum of Σ_Y, correlations."""
    shape = " × ".join(map(str, facts.input_shape))
    what = "inputs" if len(facts.input_shape) == 1 else "images"
    t = len(facts.target_names)
    lines = [
        f"{facts.rows:,} rows of {shape} {what} and {t} {'target' if t == 1 else 'targets'}",
        *_origin(facts.provenance),
    ]
    if facts.truth is not None:
        lines.append(
            f"truth: noiseless targets of rank {facts.truth.rank}, noise floor "
            f"{facts.truth.noise_floor:.4g} (mean squared error per target)"
        )
    shown = range(min(t, _SHOWN))
    rows = [
        (
            facts.target_names[i],
            *(_number(value) for value in (facts.means[i], facts.deviations[i], *facts.ranges[i])),
        )
        for i in shown
    ]
    lines += ["", "Targets in their own units, over all rows:"]
    lines += _indent(format_table(("", "mean", "deviation", "min", "max"), rows))
    lines += ["", "Spectrum of Σ_Y (divisor N), with the share of the total:"]
    lines += [f"  in own units   {_spectrum(facts.spectrum)}"]
    lines += [f"  standardized   {_spectrum(facts.standardized_spectrum)}"]
    if t > 1:
        names = [facts.target_names[i] for i in shown]
        rows = [(names[i], *(_share(facts.correlations[i][j]) for j in shown)) for i in shown]
        lines += ["", "Correlations of the targets:"]
        lines += _indent(format_table(("", *names), rows))
    if t > _SHOWN:
        lines.append(f"  (the first {_SHOWN} of {t} targets)")
    return "\n".join(lines)


def format_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with aligned columns, the first to the left and the rest to the right."""
    lines = [headings, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _origin(provenance: dict[str, object]) -> list[str]:
    lines = [f"made from: {provenance.get('made_from', 'not stated')}"]
    files = provenance.get("files")
    if isinstance(files, dict):
        lines += [f"sha256 {sha256}  {name}" for name, sha256 in list(files.items())[:_SHOWN]]
        if len(files) > _SHOWN:
            lines.append(f"… and {len(files) - _SHOWN} more files")
    shown = ("data", "made_from", "files")
    rest = {k: v for k, v in provenance.items() if k not in shown and v not in ({}, [], "")}
    for name, value in rest.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        short = text if isinstance(value, str) or len(text) <= 4 * _WIDE else f"{text[:_WIDE]} …"
        lines.append(f"{name.replace('_', ' ')}: {short}")
    return lines


def _spectrum(values: tuple[float, ...]) -> str:
    total = sum(values)
    # For float32 targets of low rank, rounding leaves eigenvalues of about 1e-14 of the largest.
    resolved = [value for value in values if value > _ROUNDING * values[0]]
    text = ", ".join(
        f"{_number(value)} ({100 * value / total:.3g} %)" for value in resolved[:_SHOWN]
    )
    if len(resolved) > _SHOWN:
        text += f", and {len(resolved) - _SHOWN} more"
    rest = len(values) - len(resolved)
    if not resolved:
        return f"0 ({rest} times)"
    return text + (f"; {rest} below {_ROUNDING:g} of the largest" if rest else "")


def _indent(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def _number(value: float) -> str:
    return f"{value:.4g}"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
