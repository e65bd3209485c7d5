"""Comparisons of names that are kept in two places, with messages that say what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def assert_same_names(
    found: Iterable[Any], expected: Iterable[Any], *, missing: str, unexpected: str
) -> None:
    """Fail unless both have the same members; *missing* and *unexpected* say what to do then."""
    found, expected = set(found), set(expected)
    problems = [
        *(f"{name} is missing: {missing}" for name in sorted(map(str, expected - found))),
        *(f"{name} is unexpected: {unexpected}" for name in sorted(map(str, found - expected))),
    ]
    assert not problems, "\n".join(problems)


def assert_no_problems(problems: Iterable[Any], advice: str) -> None:
    """Fail with the list of *problems* if there are any; *advice* says what to do about them."""
    listed = [str(problem) for problem in problems]
    assert not listed, "\n".join([*listed, advice])
