"""The memory for reported deviations is bounded, also if a server invents long names."""

from __future__ import annotations

import gc
import logging
import tracemalloc
from typing import Any

import pytest

from ev_energy._codec.drift import Drift, DriftKind, Reporter
from ev_energy.models import EVSE


def test_long_names_are_reported_once_and_not_remembered(caplog) -> None:
    report = Reporter()
    drifts: list[Drift] = []
    report.hook = drifts.append
    names = [f"{number:08d}" + "y" * 100_000 for number in range(100)]
    with caplog.at_level(logging.WARNING, "ev_energy.drift"):
        for name in names * 2:
            report.unknown_members(EVSE, {name: 1}, ["$"])
    assert [one.member for one in drifts] == names
    assert all(len(record.getMessage()) < 500 for record in caplog.records)
    assert all(len(str(one)) < 500 and len(repr(one)) < 1000 for one in drifts)


@pytest.mark.slow
@pytest.mark.parametrize("length", [10, 64, 65, 100_000])
def test_memory_for_reported_names_is_bounded(length: int) -> None:
    logging.getLogger("ev_energy.drift").disabled = True
    try:
        report = Reporter()
        tracemalloc.start()
        for number in range(12_000 if length < 1000 else 200):
            report(
                Drift(
                    "EVSE",
                    f"{number:08d}".ljust(length, "\U0001f50c"),
                    DriftKind.UNKNOWN_MEMBER,
                    "$",
                    1,
                )
            )
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 8 * 2**20
    finally:
        tracemalloc.stop()
        logging.getLogger("ev_energy.drift").disabled = False


def test_control_characters_in_a_name_are_escaped(caplog) -> None:
    drift = Drift("EVSE", "x\x1b[31m\n\u202e", DriftKind.UNKNOWN_MEMBER, "$.x\x1b", 1)
    with caplog.at_level(logging.WARNING, "ev_energy.drift"):
        Reporter()(drift)
    texts: list[Any] = [str(drift), repr(drift), *(r.getMessage() for r in caplog.records)]
    assert all(text.isprintable() for text in texts)
