"""The records of a data set: its rows before they are split, and what the registry knows of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

from deepnrc.errors import ArgumentError

__all__ = [
    "BuildRequest",
    "Download",
    "ImageRows",
    "RawData",
    "Scaling",
    "Source",
    "Truth",
    "numbered_names",
]

Scaling = Literal["standard", "minmax", "none"]
"""How columns are scaled, by the train part: to mean 0 and deviation 1, to [0, 1], or not."""


@runtime_checkable
class ImageRows(Protocol):
    """Images that are read from disk when they are needed."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height, width."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The images of these row numbers, n × c × h × w, float32."""


@dataclass(frozen=True)
class Truth:
    """What is known about a synthetic set only.

    Attributes:
        rank: Dimension of the subspace that holds the noiseless targets.
        noise_floor: Smallest mean squared error per target dimension that a model can reach, in
            the targets' own units.
    """

    rank: int
    noise_floor: float


@dataclass(frozen=True, eq=False)
class RawData:
    """Inputs and targets in their own units, in stored order, not yet split.

    Attributes:
        inputs: n × d, floating point, or images on disk.
        targets: n × t, floating point.
        input_names: One per column; ``("image",)`` for images.
        target_names: One per column of the targets.
        provenance: Where the rows come from, only what JSON can hold: at least ``"data"`` (the
            set's name) and ``"made_from"`` (one line: which real files, or how it was built).
        truth: Of synthetic sets.
        copies: A number a row, the same for rows that are copies of one another, which a split
            keeps in one part; None where there are none or nobody looked for them.
    """

    inputs: Tensor | ImageRows
    targets: Tensor
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    provenance: dict[str, object]
    truth: Truth | None = None
    copies: Tensor | None = None


def numbered_names(symbol: str, columns: int) -> tuple[str, ...]:
    """Names for columns that have none: ``("x0", "x1", …)``."""
    return tuple(f"{symbol}{i}" for i in range(columns))


@dataclass(frozen=True)
class BuildRequest:
    """A request to build a set.

    Attributes:
        samples: Number of rows, at least 1.
        seed: Determines every random choice; at least 0.
        seconds: Largest time for training an expert, above 0; None is the builder's own limit.
        weak: Whether an expert that reaches less than usual is enough.
        say: Receives lines about the progress.

    Raises:
        ArgumentError: A number is out of its range.
    """

    samples: int
    seed: int = 0
    seconds: float | None = None
    say: Callable[[str], None] = field(default=lambda line: None)
    weak: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (("samples", self.samples, 1), ("seed", self.seed, 0)):
            if value < least:
                raise ArgumentError(f"{name} must be at least {least}; got {value}")
        if self.seconds is not None and not self.seconds > 0:
            raise ArgumentError(f"seconds must be above 0; got {self.seconds}")


@dataclass(frozen=True)
class Download:
    """One file to download.

    Attributes:
        url: Over https.
        file: Its name in the cache folder.
        sha256: Of its content; None where the publisher gives none: then that of the first
            download is recorded.
    """

    url: str
    file: str
    sha256: str | None


@dataclass(frozen=True)
class Source:
    """A data set by name: what it is and how its rows are obtained.

    At least one way to the rows is needed: ``read_real``, ``build`` with ``read_built``, or
    ``make``.

    Attributes:
        name: The name for `deepnrc.data.load`: letters, digits, ``_``, ``.`` and ``-``.
        summary: What it is, in one sentence.
        origin: Where the real set comes from, with its paper or address.
        licence: Of the real set, or of what it is built with.
        targets: Names of the targets; t is their number. Empty if the user chooses them.
        default_samples: Rows to build or make if no number is given.
        standardize: Whether inputs and targets are scaled by default. Images never are.
        scaling: How targets are scaled if they are; inputs always get mean 0 and deviation 1.
        read_real: Reads the real files at a path.
        build: Writes a set for the request at a path that does not exist yet (a file or a folder;
            it is moved to its place atomically).
        read_built: Reads what ``build`` wrote: a self-checking file of tensors, or a folder, whose
            files are checked before.
        downloads: Files of the real set that can be downloaded.
        options: Keyword arguments of ``load`` for this set alone, with their meaning. They are
            passed to ``read_real``, ``read_built`` or ``make``.
        make: Makes the rows in memory from ``samples``, ``seed`` and the options.
        extra: The optional dependency group of deepnrc that building or reading needs.

    Raises:
        ArgumentError: The name has other characters, or there is no way to the rows.
    """

    name: str
    summary: str
    origin: str = "not stated"
    licence: str = "not stated"
    targets: tuple[str, ...] = ()
    default_samples: int = 1000
    standardize: bool = True
    scaling: Scaling = "standard"
    read_real: Callable[..., RawData] | None = None
    build: Callable[[Path, BuildRequest], None] | None = None
    read_built: Callable[..., RawData] | None = None
    downloads: tuple[Download, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    make: Callable[..., RawData] | None = None
    extra: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name):  # it becomes part of file names
            raise ArgumentError(
                f"name must consist of letters, digits, '_', '.' and '-'; got {self.name!r}"
            )
        if (self.build is None) != (self.read_built is None):
            raise ArgumentError(f"data set '{self.name}' must have both build and read_built")
        if self.read_real is None and self.build is None and self.make is None:
            raise ArgumentError(
                f"data set '{self.name}' must have at least one of read_real, build and make"
            )
        if self.downloads and self.read_real is None:
            raise ArgumentError(f"data set '{self.name}' with downloads must have read_real")
