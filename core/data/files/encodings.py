"""Read text files as lines, detect their encoding, and mark bytes that cannot be decoded."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from core.errors import DataError, Problem, nearest
from core.issues import DataIssue

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 1 << 20
_SAMPLE = 1 << 16
_BROKEN = re.compile("[\udc00-\udcff]")
_WEST = "cp1252"


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Return a lone surrogate, which no decoded text contains, for each undecodable byte."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("graft-mark", _mark)


def undecodable(text: str) -> str:
    """Return the first byte that could not be decoded, as `0xE9`, or an empty string."""
    if text.isascii() or not (found := _BROKEN.search(text)):
        return ""
    return f"0x{ord(found[0]) - 0xDC00:02X}"


def lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a file with their line ends. Bytes that cannot be decoded are marked for `undecodable`."""
    try:
        with path.open(encoding=encoding, errors="graft-mark", newline="") as file:
            yield from file
    except UnicodeError as error:  # an error of the whole file, such as UTF-16 without a byte-order mark
        raise DataError(Problem(str(path), f"cannot be read as {encoding}: {error}.", "Set data.encoding.")) from error


def resolve_encoding(path: Path, declared: str) -> tuple[str, DataIssue | None]:
    """Return the encoding of a file, and an issue if it was guessed.

    Args:
        path: The file.
        declared: `auto`, or the encoding.

    Raises:
        DataError: There is no such encoding, or the file is not text.
    """
    if declared != "auto":
        return _known(declared), None
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding, None
    if b"\0" in head:
        cure = "Use CSV, TSV or JSON Lines; for UTF-16 without a byte-order mark, set data.encoding=utf-16-le."
        raise DataError(Problem(str(path), "it is not a text file: it contains zero bytes.", cure))
    if _is_utf8(path):
        return "utf-8", None
    guess = _guess(_non_ascii_lines(path))
    message = f"{path.name} is not UTF-8; it was read as {guess} (data.encoding changes it)."
    return guess, DataIssue("encoding_guessed", message, 1, (path.name,), "info")


def _known(declared: str) -> str:
    try:
        "".encode(declared)  # refuses codecs that are not text encodings
        return "utf-8-sig" if codecs.lookup(declared).name == "utf-8" else codecs.lookup(declared).name
    except LookupError:
        common = ("utf-8", "utf-16", "latin-1", "cp1252", "cp1251", "koi8-r", "gb18030", "shift_jis", "euc-kr", "big5")
        close = nearest(declared, common)
        cure = (f"Did you mean {close!r}? " if close else "") + f"Common ones: {', '.join(common)}; or auto."
        raise DataError(Problem("data.encoding", f"there is no encoding {declared!r}.", cure)) from None


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _non_ascii_lines(path: Path) -> bytes:
    """Return the first lines that are not ASCII; only these distinguish encodings."""
    sample = bytearray()
    with path.open("rb") as file:
        for line in file:
            if not line.isascii():
                sample += line
            if len(sample) > _SAMPLE:
                break
    return bytes(sample[:_SAMPLE])


def _guess(sample: bytes) -> str:
    """Return charset-normalizer's guess; among equally likely encodings the Western one, which is the most common."""
    from charset_normalizer import from_bytes

    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        return _WEST
    west = [match for match in matches if match.encoding == _WEST]
    if west and west[0].chaos <= best.chaos and west[0].coherence >= best.coherence:
        return _WEST
    return str(best.encoding)
