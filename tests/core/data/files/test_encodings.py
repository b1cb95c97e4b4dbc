"""Encodings: what is detected, and bytes that no encoding explains."""

from __future__ import annotations

import pytest

from core.data import files
from core.errors import DataError

TEXT = "Zoë aß crème brûlée à Orléans.\n" * 20


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "cp1252")],
)
def test_the_encoding_is_detected_and_a_guess_is_reported(encoding, expected, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.encode(encoding))
    found, issue = files.resolve_encoding(path, "auto")
    assert found == encoding
    assert (issue is not None) == (encoding == "cp1252")
    assert "".join(files.lines(path, found)) == TEXT


def test_undecodable_bytes_are_marked_and_do_not_stop_the_reader(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\r\nt\xe9o\nthree")
    lines = list(files.lines(tmp_path / "a.txt", "utf-8"))
    assert [files.undecodable(line) for line in lines] == ["", "0xE9", ""]
    assert lines[0] == "one\r\n"


def test_unknown_encodings_and_files_that_are_not_text_are_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="it is not a text file"):
        files.resolve_encoding(tmp_path / "a.txt", "auto")
    with pytest.raises(DataError, match="Did you mean 'utf-8'"):
        files.resolve_encoding(tmp_path / "a.txt", "uft-8")
