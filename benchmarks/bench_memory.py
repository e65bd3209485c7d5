"""Bytes held by 20,000 expanded EVSEs over what the same held as dicts takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import peers
from harness import HERE, Row, Settings, Target, run_code

_HOLD: Final = """
import gc, tracemalloc
import data
{prepare}
pages = [data.body(data.evses(expanded=True, seed=seed)) for seed in range(20)]
decode(pages[0])
gc.collect()
tracemalloc.start()
held = [decode(pages[number % len(pages)]) for number in range(data.ITEMS // data.PAGE)]
gc.collect()
print(tracemalloc.get_traced_memory()[0])
"""
_OURS: Final = """
from ev_energy._convert import decode as read
from ev_energy._drift import Reporter
from ev_energy.models import EVSE
report = Reporter()
decode = lambda body: read(body, EVSE, report, many=True)
"""
_THEIRS: Final = "from orjson import loads as decode"


def rows(_: Settings) -> Iterator[Row]:
    peers.need("orjson")
    ours, theirs = (
        int(run_code(_HOLD.format(prepare=prepare), path=HERE)[1]) for prepare in (_OURS, _THEIRS)
    )
    # 5,500 of 7,184 bytes: the target and the dict of the design's sub-session.
    yield Row("bytes held per expanded EVSE", ours / theirs, None, Target(0.77), "over orjson's")
