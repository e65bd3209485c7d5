"""Waits before a call is sent or sent again, as hooks, tracer and log learn of them."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import attrs
import msgspec

from ev_energy._runtime.log_fields import LogFields, log_fields
from ev_energy.hooks import Hooks, WaitEvent, WaitReason

_log: Final = logging.getLogger("ev_energy")

#: Seconds. A wait that is expected to be longer, or turns out to be, is logged.
LONG_WAIT: Final = 5.0
#: Seconds after a record of a wait in which others of the same kind are only counted.
_LOG_INTERVAL: Final = 60.0
#: A wait that is more than this many times as long as the last one in the log is logged as well.
_MUCH_LONGER: Final = 2
#: Kinds of waits that are remembered; the least recent one is forgotten for a new one.
_MAX_KINDS: Final = 1000

#: The reason of a wait; and for the rate limit, the bucket.
WaitKind: TypeAlias = tuple[WaitReason, str]


class WaitNote(NamedTuple):
    """What a log record says about a wait. It holds neither secrets nor personal data."""

    purpose: str
    """``for the rate limit``, for example."""
    detail: str
    """The reason in more detail; may be empty."""
    fields: LogFields


class _Record(msgspec.Struct, eq=False):
    """The last record of one kind of wait, and the waits since then."""

    logged_at: float = 0.0
    seconds: float = 0.0
    """How long the wait of the record was expected to be."""
    unlogged: int = 0
    """How many waits began since then without a record."""
    waiting: int = 0
    """How many waits have not ended, logged or not."""


class WaitLog:
    """Decides which of the long waits of a client are logged.

    An exhausted rate limit makes all calls of a program wait, a thousand at once perhaps. One
    record tells as much as a thousand; the next one says how many calls it stands for.
    """

    def __init__(self) -> None:
        self._records: OrderedDict[WaitKind, _Record] = OrderedDict()

    def begin(self, kind: WaitKind, seconds: float, now: float) -> int | None:
        """Count a wait of this *kind* that is expected to take *seconds*.

        Return how many were not logged since the last record if there should be one now, else None.
        """
        last = self._records.get(kind)
        if last is None:
            if len(self._records) >= _MAX_KINDS:
                self._records.popitem(last=False)
            last = self._records[kind] = _Record()
        self._records.move_to_end(kind)
        is_known = (
            last.waiting > 0
            and now - last.logged_at < _LOG_INTERVAL
            and seconds <= _MUCH_LONGER * last.seconds
        )
        last.waiting += 1
        if is_known:
            last.unlogged += 1
            return None
        unlogged, last.unlogged = last.unlogged, 0
        last.logged_at, last.seconds = now, seconds
        return unlogged

    def end(self, kind: WaitKind) -> None:
        """Note that a wait of this *kind* has ended."""
        last = self._records.get(kind)
        if last is not None and last.waiting > 0:  # else it was forgotten since it began
            last.waiting -= 1


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
        self._is_counted = False

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
        if self._is_counted:
            self._log.end(self._kind)
        if self._started is not None and self._hooks.tracer is not None:
            seconds = self._clock() - self._started
            self._hooks.tracer.waited(attrs.evolve(self._event, seconds=seconds))

    def _call_hook(self, seconds: float) -> None:
        if self._hooks.on_wait is not None:
            self._hooks.on_wait(attrs.evolve(self._event, seconds=seconds))

    def _write_so_far(self) -> None:
        started = self._clock() if self._started is None else self._started
        seconds = max(self._clock() - started, LONG_WAIT)
        self._write("", f" for {seconds:.0f} s so far", seconds)

    def _write(self, expected: str, so_far: str, seconds: float) -> None:
        if self._is_counted:  # once, however often the estimate changes
            return
        self._is_counted = True
        unlogged = self._log.begin(self._kind, seconds, self._clock())
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
            f"; since the last such record, {_count_of_others(unlogged)} began to wait"
            if unlogged
            else "",
            extra=log_fields("wait", fields),
        )


def _count_of_others(count: int) -> str:
    return "1 other call" if count == 1 else f"{count} other calls"
