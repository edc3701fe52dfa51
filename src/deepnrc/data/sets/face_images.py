"""Face images that are decoded from JPEG when they are needed."""

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["LARGEST", "SIZE", "WORKERS", "FaceImages", "TooLargeError", "decode", "decoding_errors"]

SIZE = 128
"""Height and width that images are resized to [RU26, section 4.1]."""

LARGEST = 89_478_485
"""Pixels of the largest image that is decoded, as in Pillow: some kilobytes can claim gigabytes."""

WORKERS = min(8, os.cpu_count() or 1)  # threads; decoding releases the interpreter's lock


@dataclass(frozen=True, eq=False)
class FaceImages:
    """Faces, 3 × 128 × 128, normalized to (pixel / 255 − .5) / .5.

    Attributes:
        content: Gives the bytes of the JPEG file of a row.
        count: Number of rows.
    """

    content: Callable[[int], bytes]
    count: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height, width."""
        return self.count, 3, SIZE, SIZE

    def __len__(self) -> int:
        """Number of images."""
        return self.count

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The images of these row numbers, n × 3 × 128 × 128, float32 in [-1, 1]."""
        images = np.empty((len(rows), SIZE, SIZE, 3), dtype=np.uint8)

        def place(index: int, row: int) -> None:
            images[index] = np.asarray(decode(self.content(row)))

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(place, range(len(rows)), rows.tolist()))
        return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


class TooLargeError(ValueError):
    """The image claims more pixels than `LARGEST`; the text is its size."""


def decode(data: bytes) -> "Image.Image":
    """A JPEG file's image, RGB, 128 × 128.

    Raises:
        TooLargeError: It claims more pixels than `LARGEST`; nothing was decoded.
        Exception: One of `decoding_errors`, for a damaged image.
    """
    from PIL import Image, JpegImagePlugin  # noqa: PLC0415  - slow to import

    # JPEG alone: the fewer decoders a file from elsewhere can reach, the better. Not Image.open,
    # which warns of large images: to turn that into an error changes the warning filters, which
    # all threads of the process share.
    with JpegImagePlugin.JpegImageFile(io.BytesIO(data)) as image:
        width, height = image.size
        if width * height > LARGEST:
            raise TooLargeError(f"{width} × {height} pixels")
        return image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)


def decoding_errors() -> tuple[type[Exception], ...]:
    """What Pillow raises for damaged images."""
    return (OSError, SyntaxError, ValueError)
