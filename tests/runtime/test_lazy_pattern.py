"""A lazy pattern behaves like the compiled one."""

from __future__ import annotations

import re

import pytest

from ev_energy._runtime.lazy_pattern import lazy_pattern


def test_a_lazy_pattern_matches_with_its_flags() -> None:
    pattern = lazy_pattern("(a)b", re.IGNORECASE)
    assert [pattern.sub(r"<\1>", "xABx"), pattern.findall("ab AB")] == ["x<A>x", ["a", "A"]]
    assert pattern.fullmatch("AB") is not None
    assert pattern.pattern == "(a)b"
    assert lazy_pattern(rb"\d").search(b"a1") is not None


def test_an_unknown_attribute_is_an_error() -> None:
    with pytest.raises(AttributeError, match=r"'re\.Pattern' object has no attribute 'mach'"):
        lazy_pattern("a").mach  # type: ignore[attr-defined]  # noqa: B018
