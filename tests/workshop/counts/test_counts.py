"""No piece of work takes more calls, allocations, modules or requests than is on record.

Counts, unlike times, are the same on a busy machine.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

from tests.workshop.counts.compare import WRITE, complaints
from tests.workshop.counts.run import ALL, measured, versions
from tests.workshop.counts.write import FILE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the counts are of Python 3.11"),
]


@pytest.mark.parametrize("work", ALL)
def test_counts_have_not_risen(work: str) -> None:
    record = json.loads(FILE.read_text(encoding="utf-8"))
    installed = versions()
    if installed.keys() != record["versions"].keys():
        pytest.skip("counts other packages: pip install -e '.[test,speed]'")
    same = installed == record["versions"]
    said = complaints(work, record["work"][work], measured(work), same_versions=same)
    more = f"\n\nUndo the rise, or if it is worth its cost, record it: {WRITE}"
    assert not said, "\n".join(said) + more


def _said(work: str, code: str) -> str:
    """Return the messages about *code* that was added to *work*."""
    return "\n".join(complaints(work, measured(work), measured(work, code), same_versions=True))


def test_an_added_call_is_named() -> None:
    said = _said("get", "client.evses.list(page_size=1)")
    assert "get: calls rose from " in said
    assert "get: calls in all packages rose from " in said
    assert "get: C calls rose from " in said
    assert re.search(r"\n    ev_energy/resources/evses\.py:\d+ Evses\.list: 0 -> 1\n", said), said
    of_c = said.partition("get: C calls rose from ")[2].partition("get: ")[0]
    assert re.search(r"\n    ev_energy/\S+:\d+ \S+: \d+ -> \d+\n", of_c), said


def test_an_added_import_is_named() -> None:
    said = _said("import", "import ev_energy.webhooks")
    assert "import: modules rose from " in said
    assert "\n    ev_energy.webhooks is loaded" in said


def test_an_added_allocation_is_named() -> None:
    said = _said("get", "kept.append([[number] for number in range(1000)])")
    assert "get: blocks rose from " in said
    assert "get: bytes rose from " in said
    assert "\n    added:1: 0 -> " in said


def test_an_added_cost_of_each_item_is_named() -> None:
    record: dict[str, Any] = {"calls": 1.0, "functions": {"a.py f": 1.0}, "lines": {}}
    found = {"calls": 2.0, "functions": {"a.py f": 2.0}, "lines": {"a.py f": "a.py:7 f"}}
    said = complaints("one more item", record, found, same_versions=False)
    assert said == ["one more item: calls rose from 1.0 to 2.0\n    a.py:7 f: 1.0 -> 2.0"]


def test_a_large_fall_is_to_be_recorded() -> None:
    record, found = {"requests": 100}, {"requests": 94}
    said = complaints("get", record, found, same_versions=True)
    assert said == [f"get: requests fell from 100 to 94; record that: {WRITE}"]
    assert complaints("get", record, {"requests": 95}, same_versions=True) == []
