"""Picture files as upright RGB pixels, whatever they hold; and why one cannot be read, in words.

Orientation (EXIF) is applied, palettes and greys become RGB, 16-bit values are scaled to 8 bits, CMYK is converted, and
what is transparent is laid on white. An image whose header claims more than `MAX_PIXELS` is refused before it is
decoded.
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
"""Ends of the names of files that are taken for images, in lower case."""
MAX_PIXELS = 100_000_000
"""An image with more pixels is refused: it would take hundreds of megabytes once decoded."""
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")


class UnreadableImageError(Exception):
    """An image that cannot be used.

    Attributes:
        code: A stable name: `missing_file`, `unreadable_file`, `empty_file`, `not_an_image`, `broken_image`,
            `too_large`.
        message: What is wrong with it, to follow its name: `the file is empty`.
        cure: What to do about it.
    """

    def __init__(self, code: str, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.cure = code, message, cure

    def __reduce__(self) -> tuple[type[UnreadableImageError], tuple[str, str, str]]:
        return UnreadableImageError, (self.code, self.message, self.cure)


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a whole, readable image is.

    Attributes:
        width, height: In pixels, upright.
        digest: Hash of its pixels as Graft sees them, hexadecimal; equal for copies, whatever their metadata.
    """

    width: int
    height: int
    digest: str


def open_image(image: Path | bytes) -> Image:
    """Decode an image file, given by its path or its bytes: upright, mode RGB.

    Raises:
        UnreadableImageError: There is no such file, or it is not a whole image of at most `MAX_PIXELS`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    _refuse_nothing(image)
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
        raise _unknown_format() from error
    except Exception as error:  # whatever a decoder meets in damaged bytes
        if isinstance(error.__context__, UnidentifiedImageError):  # of a library that patches the opener
            raise _unknown_format() from error
        if isinstance(error, OSError) and error.errno is not None:  # the system's own, not a decoder's
            message = f"the file cannot be read ({error.strerror or error})"
            raise UnreadableImageError("unreadable_file", message, "Check its permissions.") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        message = f"the image is damaged or cut off ({reason})"
        raise UnreadableImageError("broken_image", message, "Replace it, or remove it.") from error


def inspect(image: Path | bytes) -> Inspected:
    """Decode an image once to know that it is whole, how large it is, and what it shows.

    Raises:
        UnreadableImageError: As `open_image`.
    """
    opened = open_image(image)
    digest = hashlib.blake2b(opened.tobytes(), digest_size=16, person=b"graft-rgb")
    digest.update(f"{opened.width}x{opened.height}".encode())
    return Inspected(opened.width, opened.height, digest.hexdigest())


def encode_png(pixels: object) -> bytes:
    """Pixels, uint8 [h, w] or [h, w, 3], as the bytes of a PNG file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")  # type: ignore[arg-type]
    return stream.getvalue()


_quieting = Lock()
_quiet_threads: list[warnings.catch_warnings[None]] = []


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings of odd metadata, or of sizes that are checked here.

    Filters belong to the process: the first of several threads silences them, the last one puts them back.
    """
    with _quieting:
        kept = _quiet_threads[0] if _quiet_threads else warnings.catch_warnings()
        if not _quiet_threads:
            kept.__enter__()
            warnings.simplefilter("ignore")
        _quiet_threads.append(kept)
    try:
        yield
    finally:
        with _quieting:
            _quiet_threads.pop()
            if not _quiet_threads:
                kept.__exit__(None, None, None)


def _refuse_nothing(image: Path | bytes) -> None:
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
    if opened.width * opened.height > MAX_PIXELS:
        raise _too_large(f"its header says {opened.width} × {opened.height} pixels")


def _unknown_format() -> UnreadableImageError:
    message = "the file is not an image: its content is of no known format"
    return UnreadableImageError("not_an_image", message, "Replace it, or remove it.")


def _too_large(why: str) -> UnreadableImageError:
    message = f"the image is larger than {MAX_PIXELS / 1e6:g} megapixels ({why})"
    return UnreadableImageError("too_large", message, "Scale it down, or remove it.")


def _rgb(image: Image) -> Image:
    """The image in mode RGB."""
    from PIL import Image

    if image.mode in _SIXTEEN_BITS:
        image = _eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image) -> Image:
    """Greys of more than eight bits: 16-bit values are divided by 257, floats taken for 0 to 1 where they fit in it."""
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
    """The image files that a path means: the file, a folder's images at any depth, or what a glob matches.

    Raises:
        DataError: There are none.
    """
    path = Path(word).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        within = (each for each in sorted(path.rglob("*")) if each.suffix.lower() in SUFFIXES and each.is_file())
        found = [each for each in within if not any(part.startswith(".") for part in each.relative_to(path).parts)]
        if not found:
            raise DataError(Problem(word, f"the folder holds no image ({', '.join(SUFFIXES)})."))
        return found
    if glob.has_magic(word):
        matches = [Path(each) for each in sorted(glob.glob(str(path), recursive=True))]
        found = [each for each in matches if each.is_file()]
        if found:
            return found
        raise DataError(Problem(word, "no file matches.", f"The folder in use is {Path.cwd()}."))
    raise DataError(Problem(word, "there is no such file or folder.", f"The folder in use is {Path.cwd()}."))
