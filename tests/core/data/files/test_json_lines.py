"""Lines of JSON, and why a line is not one."""

from __future__ import annotations

import pytest

from core.data import files


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("  \r\n", "blank_lines"),
        ('{"a": 1', "broken_json"),
        ('"a\\ud800b"', "broken_json"),
        ('"a\udce9b"', "undecodable_bytes"),
        ("[" * 200_000, "broken_json"),
        ("1" * 5_000, "broken_json"),
    ],
    ids=["blank", "incomplete", "surrogate", "undecodable", "nested", "long_number"],
)
def test_a_line_without_a_value_has_an_issue(line, code):
    assert files.json_value(line, "utf-8").code == code


def test_any_value_is_read():
    assert files.json_value('["\\u00e9", {"a": null}]\n', "utf-8") == ["é", {"a": None}]
