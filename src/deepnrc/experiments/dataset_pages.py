"""A page of the docs for each data set, with a picture and what ``deepnrc data info`` prints."""

import datetime
import platform
from pathlib import Path

from deepnrc._version import __version__
from deepnrc.data.facts import DataFacts, data_facts
from deepnrc.data.loading import load_raw
from deepnrc.data.registry import dataset_names, find_source
from deepnrc.data.source import Source
from deepnrc.report.data_figures import dataset_figure
from deepnrc.report.data_text import facts_text, source_text
from deepnrc.report.figures import save_figure
from deepnrc.storage.atomic import make_folder, write_atomically

__all__ = ["write_bare_page", "write_index", "write_page"]


def write_page(
    name: str,
    out: Path,
    path: Path | None = None,
    *,
    samples: int | None = None,
    seed: int = 0,
    **options: object,
) -> tuple[Path, ...]:
    """Write ``NAME.md`` and ``images/NAME.png``, and the index of all pages anew.

    Args:
        name: Of the data set.
        out: Folder of the pages; made if need be.
        path: As for `load`.
        samples: As for `load`.
        seed: As for `load`.
        options: As for `load`.

    Returns:
        The files written.

    Raises:
        DeepNRCError: as `load` does, or if a file cannot be written.
    """
    source = find_source(name)
    raw = load_raw(name, path, samples=samples, seed=seed, **options)
    facts = data_facts(raw)
    page = out / f"{name}.md"
    make_folder(out / "images")
    write_atomically(page, _page(source, facts, samples, seed, options).encode())
    figure = dataset_figure(raw, title=name, note=str(raw.provenance["made_from"]))
    pictures = save_figure(figure, out / "images" / name, kinds=("png",))
    return page, *pictures, write_index(out)


def write_bare_page(name: str, out: Path) -> tuple[Path, ...]:
    """Write ``NAME.md`` without a picture, for a set whose files are not on this machine.

    Returns:
        The files written, as by `write_page`.
    """
    text = "\n".join(
        [
            f"# {name}",
            "",
            "```text",
            source_text(find_source(name)),
            "```",
            "",
            "No picture and no numbers here: the files were not on the machine that wrote this",
            f"page. Where they are, `deepnrc data page {name} --path FILES --out docs/datasets`",
            "writes it with both.",
            "",
        ]
    )
    page = out / f"{name}.md"
    make_folder(out)
    write_atomically(page, text.encode())
    return page, write_index(out)


def write_index(out: Path) -> Path:
    """Write the table of all data sets, with links to the pages there are."""
    rows = []
    for name in dataset_names():
        source = find_source(name)
        shown = f"[{name}]({name}.md)" if (out / f"{name}.md").exists() else name
        ways = [
            way
            for way, there in (
                ("made when loaded", source.make is not None),
                ("built here", source.build is not None),
                ("fetched", bool(source.downloads)),
                ("from your files", source.read_real is not None),
            )
            if there
        ]
        t = str(len(source.targets) or "your choice")
        rows.append(f"| {shown} | {source.summary} | {t} | {', '.join(ways)} |")
    text = "\n".join(
        [
            "# Data sets",
            "",
            'Every set is loaded by name: `deepnrc.data.load("hopper")`. `deepnrc data list` shows',
            "which are on your machine, `deepnrc data info NAME` what is known of one.",
            "",
            "| name | what it is | t | how to get it |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "Pages and this table are written by `deepnrc data page NAME --out docs/datasets`.",
            "",
        ]
    )
    path = out / "README.md"
    write_atomically(path, text.encode())
    return path


def _page(
    source: Source, facts: DataFacts, samples: int | None, seed: int, options: dict[str, object]
) -> str:
    name = source.name
    arguments = f" --samples {samples}" if samples is not None else ""
    arguments += f" --seed {seed}" if seed else ""
    arguments += "".join(f" --option {key}={value}" for key, value in options.items())
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return "\n".join(
        [
            f"# {name}",
            "",
            f"![{name}: targets and the spectrum of their covariance](images/{name}.png)",
            "",
            "```text",
            source_text(source),
            "```",
            "",
            f"The set on the picture, as `deepnrc data info {name}{arguments}` prints it (deepnrc "
            f"{__version__}, {platform.machine()}, {today}):",
            "",
            "```text",
            facts_text(facts),
            "```",
            "",
        ]
    )
