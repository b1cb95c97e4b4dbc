"""Read image files of any mode as upright RGB pixels, and explain why one cannot be read.

The EXIF orientation is applied. Palettes, gray values and CMYK become RGB, 16-bit values are scaled to 8 bits, and
transparent pixels are drawn on white. An image whose header states more than `MAX_PIXELS` is refused before decoding.
"""

from __future__ import annotations

import glob
import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from core.errors import DataError, Problem

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""Suffixes of image files, in lower case."""
MAX_PIXELS = 100_000_000
"""Largest number of pixels of an image; more would take hundreds of megabytes after decoding."""
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")


class UnreadableImageError(Exception):
    """An image that cannot be used.

    Attributes:
        code: A stable name: `missing_file`, `unreadable_file`, `empty_file`, `not_an_image`, `broken_image`,
            `too_large`.
        message: What is wrong with it: `the file is empty`.
        cure: How to fix it.
    """

    def __init__(self, code: str, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.cure = code, message, cure

    def __reduce__(self) -> tuple[type[UnreadableImageError], tuple[str, str, str]]:
        return UnreadableImageError, (self.code, self.message, self.cure)


@dataclass(frozen=True, slots=True)
class Inspected:
    """The size and the hash of a readable image.

    Attributes:
        width, height: In pixels, after the EXIF orientation is applied.
        digest: Hash of the RGB pixels, hexadecimal; equal for copies, even with other metadata.
    """

    width: int
    height: int
    digest: str


def open_image(image: Path | bytes) -> Image:
    """Return a decoded image, upright and in mode RGB.

    Args:
        image: The path of an image file, or its bytes.

    Raises:
        UnreadableImageError: The file does not exist, is not an image, is damaged, or has more than `MAX_PIXELS`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    _refuse_empty(image)
    try:
        with _quiet(), Image.open(io.BytesIO(image) if isinstance(image, bytes) else image) as opened:
            _refuse_large(opened)
            opened.load()
            return _rgb(ImageOps.exif_transpose(opened))
    except UnreadableImageError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(str(error)) from error
    except UnidentifiedImageError as error:
        message = "the file is not an image: its format is unknown"
        raise UnreadableImageError("not_an_image", message, "Replace it, or remove it.") from error
    except Exception as error:  # decoders raise many types of errors for damaged bytes
        if isinstance(error, OSError) and error.errno is not None:  # from the system, not from a decoder
            message = f"the file cannot be read ({error.strerror or error})"
            raise UnreadableImageError("unreadable_file", message, "Check its permissions.") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        message = f"the image is damaged or cut off ({reason})"
        raise UnreadableImageError("broken_image", message, "Replace it, or remove it.") from error


def inspect(image: Path | bytes) -> Inspected:
    """Return the size and the hash of an image, after decoding it completely.

    Raises:
        UnreadableImageError: As for `open_image`.
    """
    opened = open_image(image)
    digest = hashlib.blake2b(opened.tobytes(), digest_size=16, person=b"graft-rgb")
    digest.update(f"{opened.width}x{opened.height}".encode())
    return Inspected(opened.width, opened.height, digest.hexdigest())


def encode_png(pixels: object) -> bytes:
    """Return pixels, uint8 [h, w] or [h, w, 3], as the bytes of a PNG file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")  # type: ignore[arg-type]
    return stream.getvalue()


_quieting = Lock()
_quiet_threads: list[warnings.catch_warnings[None]] = []


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings about odd metadata, and about sizes, which are checked here.

    Filters of warnings belong to the process. So the first of several threads sets them, and the last one resets them.
    """
    with _quieting:
        filters = _quiet_threads[0] if _quiet_threads else warnings.catch_warnings()
        if not _quiet_threads:
            filters.__enter__()
            warnings.simplefilter("ignore")
        _quiet_threads.append(filters)
    try:
        yield
    finally:
        with _quieting:
            _quiet_threads.pop()
            if not _quiet_threads:
                filters.__exit__(None, None, None)


def _refuse_empty(image: Path | bytes) -> None:
    """Raise an error for a file that is missing, empty or not a regular file."""
    if isinstance(image, bytes):
        if not image:
            raise UnreadableImageError("empty_file", "the image has no bytes", "Replace it, or remove it.")
        return
    try:
        size = image.stat().st_size
    except (OSError, ValueError) as error:  # ValueError: a path with a zero character
        message = f"the file cannot be opened ({getattr(error, 'strerror', None) or error})"
        raise UnreadableImageError("missing_file", message, "Check the path, or remove the row.") from error
    if not image.is_file():
        raise UnreadableImageError("missing_file", "is not a file", "Give the path of an image.")
    if size == 0:
        raise UnreadableImageError("empty_file", "the file is empty", "Replace it, or remove it.")


def _refuse_large(opened: Image) -> None:
    """Raise an error for an image with too many pixels."""
    if opened.width * opened.height > MAX_PIXELS:
        raise _too_large(f"its header says {opened.width} × {opened.height} pixels")


def _too_large(why: str) -> UnreadableImageError:
    message = f"the image is larger than {MAX_PIXELS / 1e6:g} megapixels ({why})"
    return UnreadableImageError("too_large", message, "Scale it down, or remove it.")


def _rgb(image: Image) -> Image:
    """Return the image in mode RGB."""
    from PIL import Image

    if image.mode in _SIXTEEN_BITS:
        image = _eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image) -> Image:
    """Return a gray image with eight bits: 16-bit values are divided by 257, floats up to 1 multiplied by 255."""
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(image).astype(np.float32))
    highest = float(values.max(initial=0.0))
    if image.mode == "F":
        scale = 255.0 if highest <= 1.0 else 1.0 if highest <= 255.0 else 1 / 257
    else:
        scale = 1 / 257 if image.mode != "I" or highest > 255 else 1.0
    return Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))


def image_files(word: str) -> list[Path]:
    """Return the image files that an argument names: a file, the images in a folder (at any depth), or those of a glob.

    Raises:
        DataError: There is no such file or folder, the folder contains no image, or the glob matches no file.
    """
    path = Path(word).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        images = (each for each in sorted(path.rglob("*")) if each.suffix.lower() in SUFFIXES and each.is_file())
        visible = [each for each in images if not any(part.startswith(".") for part in each.relative_to(path).parts)]
        if not visible:
            raise DataError(Problem(word, f"the folder contains no image ({', '.join(SUFFIXES)})."))
        return visible
    if glob.has_magic(word):
        matches = [Path(each) for each in sorted(glob.glob(str(path), recursive=True))]
        files = [each for each in matches if each.is_file()]
        if files:
            return files
        raise DataError(Problem(word, "no file matches.", f"The current folder is {Path.cwd()}."))
    raise DataError(Problem(word, "there is no such file or folder.", f"The current folder is {Path.cwd()}."))
