"""What a data set is before it is split, and what the registry knows of where it comes from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

__all__ = ["BuildRequest", "Download", "ImageRows", "RawData", "Scaling", "Source", "Truth"]

Scaling = Literal["standard", "minmax", "none"]
"""Mean 0 and deviation 1; minimum 0 and maximum 1; as they are. By column, on the train part."""


@runtime_checkable
class ImageRows(Protocol):
    """Images that stay on disk until they are asked for."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height, width."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The images of these row numbers, n × c × h × w, float32."""


@dataclass(frozen=True)
class Truth:
    """What is known of a synthetic set and of no real one.

    Attributes:
        rank: Dimension of the subspace the noiseless targets lie in.
        noise_floor: Mean squared error per target dimension that no model can go below, in the
            targets' own units.
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
    """

    inputs: Tensor | ImageRows
    targets: Tensor
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    provenance: dict[str, object]
    truth: Truth | None = None


@dataclass(frozen=True)
class BuildRequest:
    """What a builder is asked for.

    Attributes:
        samples: Rows wanted.
        seed: Fixes every random choice.
        seconds: Most time to spend on training an expert; None is the builder's own bound.
        say: Takes a line about the progress.
    """

    samples: int
    seed: int = 0
    seconds: float | None = None
    say: Callable[[str], None] = field(default=lambda line: None)


@dataclass(frozen=True)
class Download:
    """One file to fetch.

    Attributes:
        url: https only.
        file: Its name in the cache folder.
        sha256: Of its content; None where the publisher gives none and it is recorded when first
            fetched.
    """

    url: str
    file: str
    sha256: str | None


@dataclass(frozen=True)
class Source:
    """One name of ``deepnrc data list``.

    Attributes:
        name: What `deepnrc.data.load` takes.
        summary: What it is, in a sentence.
        origin: Where the real set comes from, with its paper or address.
        licence: Of the real set, or of what it is built with.
        targets: Names of the targets; t is their number. Empty where the user chooses them.
        default_samples: Rows that are built unless told otherwise.
        standardize: Whether inputs and targets are scaled by default. Images never are.
        scaling: How targets are scaled where they are; inputs always get mean 0, deviation 1.
        read_real: Reads the real files at a path; None where there are none.
        build: Writes a set of the request at a path that does not exist yet (a file or a folder;
            the registry makes the move there atomic); None where nothing can be built.
        read_built: Reads what ``build`` wrote, a file of `save_tensors`, which checks itself, or a
            folder, which the registry checks before.
        downloads: Files of the real set that can be fetched.
        options: Keyword arguments of ``load`` that only this set has, and what they mean. They
            are passed on to ``read_real``, ``read_built`` or, for synthetic sets, ``make``.
        make: Makes the set in memory, for synthetic sets that need no file.
        extra: The optional dependency group that building or reading needs.
    """

    name: str
    summary: str
    origin: str
    licence: str
    targets: tuple[str, ...]
    default_samples: int = 0
    standardize: bool = True
    scaling: Scaling = "standard"
    read_real: Callable[..., RawData] | None = None
    build: Callable[[Path, BuildRequest], None] | None = None
    read_built: Callable[..., RawData] | None = None
    downloads: tuple[Download, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    make: Callable[..., RawData] | None = None
    extra: str = ""
