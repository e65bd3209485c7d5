"""Waiting for tasks that go on when the callers that wait for them are cancelled."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from ev_energy._http.waits import LONG_WAIT, Wait
from ev_energy.errors import ClientClosedError

T = TypeVar("T")


async def wait_for(task: asyncio.Task[Any], max_wait: float | None = None) -> bool:
    """Return whether *task* ends within *max_wait* seconds. It is never cancelled."""
    done, _ = await asyncio.wait([task], timeout=max_wait)
    return bool(done)


async def wait_and_report(task: asyncio.Task[Any], wait: Wait) -> None:
    """Wait for *task*, and report the wait if it is long."""
    if not await wait_for(task, LONG_WAIT):
        wait.report_so_far(LONG_WAIT)
        await wait_for(task)


def result_of(task: asyncio.Task[T]) -> T:
    """Return the result of *task*, or raise its error."""
    if task.cancelled():
        raise ClientClosedError  # only `TokenManager.close` cancels these tasks
    try:
        return task.result()
    finally:
        del task  # else its exception would refer to itself, by the frame of its traceback
