"""A process that stores a stream of sub-sessions in a folder, and kills itself at some point.

``python worker.py FOLDER SINCE POINT``: it dies at the system call or step with the number *POINT*,
or exits when the stream has caught up. The environment has the client's credentials.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from ev_energy import Client
from ev_energy.changes import Change, FileStateStore, Gone

FOLDER, SINCE, POINT = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), int(sys.argv[3])
remaining = POINT


def may_die() -> None:
    """Die here if this is the point."""
    global remaining  # noqa: PLW0603  (the counter of this process)
    remaining -= 1
    if remaining == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def dying(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return *call* with a point before and after it."""

    def wrapped(*args: Any) -> Any:
        may_die()
        result = call(*args)
        may_die()
        return result

    return wrapped


def record(change: Change) -> dict[str, Any]:
    """Return what is stored of *change*."""
    session = None if isinstance(change, Gone) else change.session.to_dict()
    kind = type(change).__name__
    return {"kind": kind, "id": change.id, "via": change.via, "session": session}


async def main() -> None:
    """Store the stream until it has caught up."""
    async with Client.from_env() as client:
        store = FileStateStore(FOLDER / "state")
        stream = client.charging_sub_sessions.changes(since=SINCE, store=store)
        with (FOLDER / "changes").open("ab", buffering=0) as file:
            async for batch in stream.batches():
                may_die()
                file.write(b"".join(json.dumps(record(one)).encode() + b"\n" for one in batch))
                may_die()
                await batch.commit()
                may_die()
                if batch.caught_up:
                    return


for name in ("write", "fsync", "replace", "unlink"):
    setattr(os, name, dying(getattr(os, name)))
asyncio.run(main())
