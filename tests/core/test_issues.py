"""Issues of data: frozen values with the defaults that most rows need."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from core.issues import DataIssue, RowIssue


def test_an_issue_of_a_row_is_an_error_about_a_row_by_default() -> None:
    issue = RowIssue("empty_text", "the text is empty")
    assert (issue.level, issue.what, issue.cure) == ("error", "row", "")


def test_an_issue_of_a_data_set_is_a_warning_by_default() -> None:
    issue = DataIssue("duplicates", "2 examples occur twice.", 2)
    assert (issue.level, issue.places) == ("warning", ())


@pytest.mark.parametrize("issue", [RowIssue("code", "a message"), DataIssue("code", "A message.", 1)])
def test_equal_issues_count_as_one_and_none_can_be_changed(issue: RowIssue | DataIssue) -> None:
    assert len({issue, type(issue)(**{name: getattr(issue, name) for name in issue.__dataclass_fields__})}) == 1
    with pytest.raises(FrozenInstanceError):
        issue.code = "another"  # type: ignore[misc]
