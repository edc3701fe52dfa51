"""Load any data set by name: real files, a set built on this machine, or one made in memory."""

from dataclasses import replace
from pathlib import Path

from deepnrc.data.access.cache import build_command
from deepnrc.data.access.download import check_fetched, fetched_folder
from deepnrc.data.access.store import check_built, find_built
from deepnrc.data.dataset import Dataset, first_rows, split_data
from deepnrc.data.registry import find_source
from deepnrc.data.source import RawData, Scaling, Source
from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.manifest import file_sha256

__all__ = ["load", "load_raw"]


def load(
    name: str,
    path: str | Path | None = None,
    *,
    split_seed: int = 42,
    test_fraction: float = 0.2,
    standardize: bool | None = None,
    samples: int | None = None,
    seed: int = 0,
    **options: object,
) -> Dataset:
    """A data set by name, split and scaled.

    Args:
        name: One of `dataset_names`.
        path: The real file or folder. None takes the real files that `fetch` downloaded, unless
            `samples` is given for a set that can be built; else the built set. Synthetic sets are
            made in memory.
        split_seed: Seed of the permutation that draws the test part.
        test_fraction: Share of rows for the test part, in (0, 1).
        standardize: Whether columns of inputs and targets are scaled by the train part: inputs to
            mean 0 and deviation 1, targets as is usual for the set. None is the set's default.
        samples: Number of rows: the size of a built or synthetic set, or how many of the first
            rows of real files. None is the set's default size, or all rows.
        seed: Of a built or synthetic set.
        options: For this set alone; ``deepnrc data info NAME`` lists them.

    Raises:
        ArgumentError: There is no such set or option, or a number is out of its range.
        DataError: The real files have other columns or content.
        FileError: Files are missing, damaged or altered; the message says how to get them.

    Example:
        >>> data = load("synthetic", samples=100, rank=2, target_dim=5)
        >>> data.train.inputs.shape, data.test.targets.shape, data.truth.rank
        (torch.Size([80, 20]), torch.Size([20, 5]), 2)
    """
    source = find_source(name)
    raw = load_raw(name, path, samples=samples, seed=seed, **options)
    scaled = source.standardize if standardize is None else standardize
    target_scaling: Scaling = source.scaling if scaled else "none"
    if standardize and target_scaling == "none":
        target_scaling = "standard"
    return split_data(
        raw,
        split_seed=split_seed,
        test_fraction=test_fraction,
        scale_inputs=scaled,
        target_scaling=target_scaling,
    )


def load_raw(
    name: str,
    path: str | Path | None = None,
    *,
    samples: int | None = None,
    seed: int = 0,
    **options: object,
) -> RawData:
    """A data set by name as it is stored: not split, in its own units; otherwise like `load`."""
    source = find_source(name)
    for option in options:
        if option not in source.options:
            known = ", ".join(source.options) or "none of its own"
            raise ArgumentError(f"{option} is not an option of '{name}'; its options: {known}")
    if path is not None:
        return _real(source, Path(path).expanduser(), samples, options)
    if source.make is not None:
        count = source.default_samples if samples is None else samples
        return source.make(samples=count, seed=seed, **options)
    if samples is None or source.build is None:
        files = check_fetched(source)
        if files is not None:
            folder = fetched_folder(name)
            place = folder if len(files) > 1 else folder / next(iter(files))
            return _real(source, place, samples, options, files)
    if source.build is None:
        fetch = f"run `deepnrc data fetch {name}` or " if source.downloads else ""
        raise FileError(
            f"'{name}' is not on this machine: {fetch}pass path=… of the real files, which come "
            f"from {source.origin}"
        )
    count = source.default_samples if samples is None else samples
    built = find_built(name, count, seed)
    if built is None and options.get("weak"):
        built = find_built(name, count, seed, weak=True)
    if built is None:
        raise FileError(
            f"'{name}' with {count} samples and seed {seed} is not on this machine: build it with "
            f"`{build_command(name, count, seed)}`, or pass path=… of the real files"
        )
    raw, sha256 = check_built(source, built, **options)
    return _with_files(raw, {built.path.name: sha256})


def _real(
    source: Source,
    path: Path,
    samples: int | None,
    options: dict[str, object],
    files: dict[str, str] | None = None,
) -> RawData:
    """Read real files; `files` are their SHA-256 if those are known."""
    if source.read_real is None:
        raise ArgumentError(f"path must be left out for '{source.name}', which has no real files")
    raw = source.read_real(path, **options)
    if files is None and path.is_file():
        files = {path.name: file_sha256(path)}
    raw = _with_files(raw, files or {})
    return raw if samples is None else first_rows(raw, samples)


def _with_files(raw: RawData, files: dict[str, str]) -> RawData:
    """With the SHA-256 of the files in the provenance, unless the reader gave them itself."""
    return replace(raw, provenance={"files": files} | raw.provenance)
