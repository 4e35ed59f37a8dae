"""One image file as an array: read by Pillow, turned as its EXIF says, cut to the wanted aspect ratio around
its middle, scaled.

Shape legend: C channels (3: red, green, blue; 1: grey), H height, W width
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

# By content, not by ending. Others, as Pillow has them, run programs or are no photographs.
_FORMATS = ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "AVIF", "JPEG2000", "HEIF")
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_ORIENTATION = 0x0112
# Of 16 bits to 8, so that the brightest stays the brightest.
_TO_EIGHT_BITS = 257
_MOST_16_BITS = 65535


class UnreadableImage(Exception):
    """Says why, without the file's name. is_image: whether it claims to be one by its content."""

    def __init__(self, reason: str, *, is_image: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.is_image = reason, is_image


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """pixels_CHW: uint8. turned: as its EXIF says. deep: had 16 bits or more a channel. frames: it has more
    than the first, which is taken.
    """

    pixels_CHW: NDArray[np.uint8]
    turned: bool
    deep: bool
    frames: bool


def decode_image(file: BinaryIO, shape_CHW: tuple[int, int, int]) -> DecodedImage:
    """Raises UnreadableImage."""
    try:
        with Image.open(file, formats=readable_formats()) as image:
            return _decoded(image, shape_CHW)
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise _unknown(file) from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise UnreadableImage(f"more than {most} megapixels") from None
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them stumble over
        raise UnreadableImage(f"damaged: {error or type(error).__name__}") from error


@lru_cache(maxsize=1)
def readable_formats() -> tuple[str, ...]:
    """Those that this Pillow was built with; HEIF where the package pillow-heif is installed."""
    Image.init()
    with suppress(ImportError):
        from pillow_heif import register_heif_opener  # type: ignore[import-not-found,unused-ignore]

        register_heif_opener()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _unknown(file: BinaryIO) -> UnreadableImage:
    file.seek(0)
    head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return UnreadableImage("a HEIC photo; install pillow-heif, or convert it to JPEG")
    return UnreadableImage("empty" if not head else "not an image", is_image=False)


def _decoded(image: Image.Image, shape_CHW: tuple[int, int, int]) -> DecodedImage:
    channels, height, width = shape_CHW
    frames = image.format != "MPO" and bool(getattr(image, "is_animated", False))
    # A JPEG is decoded at an eighth to a half of its size, where that is at least twice what is wanted.
    image.draft(None, (2 * max(height, width),) * 2)
    image.load()
    turned = _turned(image)
    deep = turned.mode.startswith("I") or turned.mode == "F"
    plain = (_eight_bits(turned) if deep else turned).convert("RGB" if channels == 3 else "L")
    small = ImageOps.fit(plain, (width, height), Image.Resampling.BILINEAR)
    pixels_HWC = np.asarray(small).reshape(height, width, channels)
    return DecodedImage(pixels_HWC.transpose(2, 0, 1), turned is not image, deep, frames)


def _turned(image: Image.Image) -> Image.Image:
    """The image itself where EXIF says nothing, or nothing that can be read."""
    with suppress(Exception):  # damaged EXIF is no damage to the pixels
        if image.getexif().get(_ORIENTATION, 1) in range(2, 9):
            return ImageOps.exif_transpose(image)
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 bits scaled to 8, where Pillow's own conversion would cut at 255; floats from 0 to 1."""
    values_HW = np.asarray(image)
    low, high = values_HW.min(), values_HW.max()
    if image.mode == "F" and low >= 0 and high <= 1:
        scaled = values_HW * 255
    elif image.mode != "F" and low >= 0 and high <= _MOST_16_BITS:
        scaled = values_HW / _TO_EIGHT_BITS
    else:
        raise UnreadableImage(
            f"values from {low:g} to {high:g} (mode {image.mode}) have no scale that is known; save it with "
            "8 or 16 bits"
        )
    return Image.fromarray(np.rint(scaled).astype(np.uint8))
