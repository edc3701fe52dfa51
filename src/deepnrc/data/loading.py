"""One way to every data set: by name, from the real files or from what was built here."""

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
        path: The real file or folder. None takes the real files that `fetch` got, unless `samples`
            asks for a set built here; where there are none, the built set; synthetic sets are made
            on the spot.
        split_seed: Seed of the permutation that draws the test part.
        test_fraction: Share of rows for the test part, in (0, 1).
        standardize: Whether columns of inputs and targets are scaled by the train part: inputs to
            mean 0 and deviation 1, targets as is usual for the set. None is the set's own habit.
        samples: Rows: of a built or synthetic set, its size; of real files, how many from the
            first on. None is the set's default size, or all there are.
        seed: Of a built or synthetic set.
        options: What only this set has; ``deepnrc data info NAME`` lists it.

    Raises:
        ArgumentError: if there is no such set or option, or a number makes no sense.
        DataError: if the real files do not hold what they should.
        FileError: if files are missing, damaged or altered; the message says how to get them.

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
    unknown = [option for option in options if option not in source.options]
    if unknown:
        known = ", ".join(source.options) or "none beside those of every set"
        raise ArgumentError(
            f"{unknown[0]}: not an option of '{name}'; expected one of its options: {known}"
        )
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
        raise FileError(f"'{name}' is not here; {_how_to_get(source)}")
    count = source.default_samples if samples is None else samples
    built = find_built(name, count, seed)
    if built is None:
        raise FileError(
            f"'{name}' with {count} samples and seed {seed} is not here; build it with "
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
    if source.read_real is None:
        raise ArgumentError(f"path: '{source.name}' has no real files to read; leave it out")
    raw = source.read_real(path, **options)
    if files is None and path.is_file():
        files = {path.name: file_sha256(path)}
    raw = _with_files(raw, files or {})
    return raw if samples is None else first_rows(raw, samples)


def _with_files(raw: RawData, files: dict[str, str]) -> RawData:
    """With the SHA-256 of the files in the provenance, unless the reader gave them itself."""
    return replace(raw, provenance={"files": files} | raw.provenance)


def _how_to_get(source: Source) -> str:
    fetching = f"run `deepnrc data fetch {source.name}` or " if source.downloads else ""
    return f"{fetching}pass path=… of the real files, which come from {source.origin}"
