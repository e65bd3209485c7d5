"""Waits before a call is sent or sent again, as hooks, tracer and log learn of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import attrs

from ev_energy._callbacks import drop_result
from ev_energy._runtime.log_fields import LogFields, log_fields
from ev_energy.hooks import Hooks, WaitEvent, WaitReason

_log: Final = logging.getLogger("ev_energy")

#: Seconds. A wait that is expected to be longer, or turns out to be, is logged.
LONG_WAIT: Final = 5.0
#: Seconds after a record of a wait in which others of the same kind are only counted.
_LOG_INTERVAL: Final = 60.0
#: Kinds of waits that are remembered before those of the past are forgotten.
_MAX_KINDS: Final = 256

#: The reason of a wait; and for the rate limit, the bucket.
WaitKind: TypeAlias = tuple[WaitReason, str]


class WaitNote(NamedTuple):
    """What a log record says about a wait. It holds neither secrets nor personal data."""

    purpose: str
    """``for the rate limit``, for example."""
    detail: str
    """The reason in more detail; may be empty."""
    fields: LogFields


@attrs.define(eq=False)
class _Record:
    """The last record of one kind of wait, and the waits since then that have none."""

    logged_at: float
    unlogged: int = 0


class WaitLog:
    """Logs the long waits of a client: at most one record per kind of wait and minute.

    An exhausted rate limit makes all calls of a program wait, a thousand at once perhaps. One
    record tells as much as a thousand; the next one says how many calls it stands for.
    """

    def __init__(self) -> None:
        self._records: dict[WaitKind, _Record] = {}

    def count(self, kind: WaitKind, now: float) -> int | None:
        """Count a wait of this *kind*.

        Return how many were not logged since the last record if there should be one now, else None.
        """
        last = self._records.get(kind)
        if last is not None and now - last.logged_at < _LOG_INTERVAL:
            last.unlogged += 1
            return None
        if len(self._records) >= _MAX_KINDS:
            self._records = {
                kind: each
                for kind, each in self._records.items()
                if now - each.logged_at < _LOG_INTERVAL
            }
        self._records[kind] = _Record(now)
        return 0 if last is None else last.unlogged


class Wait:
    """A wait of one call, or of what is not a call (`operation` says which).

    Nothing is reported until it begins.
    """

    def __init__(
        self,
        hooks: Hooks,
        clock: Callable[[], float],
        log: WaitLog,
        event: WaitEvent,
        operation: str,
        kind: WaitKind,
        describe: Callable[[], WaitNote],
    ) -> None:
        self._hooks, self._clock, self._log = hooks, clock, log
        self._event, self._operation, self._kind = event, operation, kind
        self._describe = describe
        self._started: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> None:
        """Report that the wait begins, and that it is expected to take *seconds*."""
        self._started = self._clock()
        self._call_hook(seconds)
        if not _log.isEnabledFor(logging.INFO):
            return
        if seconds > LONG_WAIT:
            self._write(f"about {seconds:.0f} s ", "", seconds)
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LONG_WAIT, self._write_so_far)

    def report_so_far(self, seconds: float) -> None:
        """Report a wait that has taken *seconds*, which is all that is known about it."""
        self._started = self._clock() - seconds
        self._call_hook(seconds)
        if _log.isEnabledFor(logging.INFO):
            self._write_so_far()

    def end(self) -> None:
        """Report the end of the wait if it has begun."""
        if self._timer is not None:
            self._timer.cancel()
        if self._started is not None and self._hooks.tracer is not None:
            seconds = self._clock() - self._started
            self._hooks.tracer.waited(attrs.evolve(self._event, seconds=seconds))

    def _call_hook(self, seconds: float) -> None:
        if self._hooks.on_wait is not None:
            event = attrs.evolve(self._event, seconds=seconds)
            drop_result("on_wait", self._hooks.on_wait(event))

    def _write_so_far(self) -> None:
        started = self._clock() if self._started is None else self._started
        seconds = max(self._clock() - started, LONG_WAIT)
        self._write("", f" for {seconds:.0f} s so far", seconds)

    def _write(self, expected: str, so_far: str, seconds: float) -> None:
        now = self._clock()
        unlogged = self._log.count(self._kind, now)
        if unlogged is None:
            return
        purpose, detail, details = self._describe()
        fields: LogFields = {
            **details,
            "operation": self._operation,
            "reason": self._event.reason,
            "wait": round(seconds, 3),
            "unlogged": unlogged or None,
        }
        _log.info(
            "%s: waiting %s%s%s%s%s",
            self._operation,
            expected,
            purpose,
            so_far,
            f" ({detail})" if detail else "",
            f"; since the last such record, {unlogged} other calls began to wait"
            if unlogged
            else "",
            extra=log_fields("wait", fields),
        )
