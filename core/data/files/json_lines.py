"""Read lines of JSON, and the issues of lines of text that are not rows."""

from __future__ import annotations

import json
from typing import Any

from core.data.files.encodings import undecodable
from core.issues import RowIssue

BLANK = RowIssue("blank_lines", "the line is blank", level="blank")
CURES = {
    "broken_json": "Every line must be one JSON object.",
    "undecodable_bytes": "Set data.encoding to the file's encoding (such as cp1252), or save the file as UTF-8.",
}
"""How to fix lines that cannot be read, by the issue's code."""


def undecodable_bytes(byte: str, encoding: str) -> RowIssue:
    """Return the issue of a row with a byte (such as `0xE9`) that its encoding does not have."""
    message = f"the byte {byte} is not valid {encoding.removesuffix('-sig')}"
    return RowIssue("undecodable_bytes", message, CURES["undecodable_bytes"])


def json_value(line: str, encoding: str) -> Any | RowIssue:
    """Return the value in a line of JSON, or why there is none.

    Args:
        line: The line, as `lines` yields it.
        encoding: The file's encoding, for messages.
    """
    if not line.strip():
        return BLANK
    if byte := undecodable(line):
        return undecodable_bytes(byte, encoding)
    try:
        value = json.loads(line)
        if "\\u" in line:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        return _broken(f"the line is not JSON: {error.msg} at column {error.colno}")
    except UnicodeEncodeError:
        return _broken("the line escapes half of a surrogate pair, which is not a character")
    except RecursionError:
        return _broken("the line has too many lists or objects within each other")
    except ValueError as error:  # Python limits the digits of whole numbers
        return _broken(f"the line cannot be read: {error}")
    return value


def _broken(message: str) -> RowIssue:
    return RowIssue("broken_json", message, CURES["broken_json"])
