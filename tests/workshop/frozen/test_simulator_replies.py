"""The simulator answers as it did when its replies were recorded."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.workshop.frozen import simulator_replies
from tests.workshop.frozen.simulator_replies import Track

_TRACKS: Final = simulator_replies.recorded()
_SHOWN: Final = 20


@pytest.mark.parametrize("track", _TRACKS, ids=[track.name for track in _TRACKS])
def test_replies_are_those_on_record(track: Track) -> None:
    changed = asyncio.run(simulator_replies.replayed(track))
    shown = "\n".join(changed[:_SHOWN])
    assert not changed, (
        f"{len(changed)} of {len(track.steps)} replies of the simulator have changed; the first:\n"
        f"{shown}\nUndo the change; or accept it with `python -m tests.workshop.frozen.write "
        f"--simulator`. `python -m tests.workshop.frozen.simulator_replies {track.name}` prints "
        "the replies in full."
    )
