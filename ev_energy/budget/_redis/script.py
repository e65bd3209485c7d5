"""The interface of the Lua script that keeps an allowance in Redis. Nothing here does I/O."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

import msgspec

from ev_energy._messages import RateLimit


class StatedLimit(msgspec.Struct, frozen=True):
    """The rate limit that a reply of the API stated."""

    limit: int
    remaining: int
    age: float
    """Seconds since its request was acquired."""


class ScriptRequest(msgspec.Struct, omit_defaults=True):
    """One call of the script: outcomes to record, and capacity to acquire. Times are seconds."""

    process: str
    """The name of the event loop of the process that calls."""
    call: int
    """The number of the call, from 1. One that is repeated over another connection has the next."""
    new_epoch: str
    """The name of the generation of the key, should this call create the key."""
    window: float
    in_flight_ttl: float
    """How long after it was acquired a request may arrive, if its outcome remains unknown."""
    heartbeat_ttl: float
    """How long a process may be silent before it is considered dead."""
    check_interval: float
    """Until when at the latest the process calls again if it has to wait."""
    check_tolerance: float
    """How much later than that it may call without losing its place in the queue."""
    epoch: str | None = None
    """The generation of the key that the process knows; None if all it knew has expired."""
    local_limit: int | None = None
    is_report: bool = False
    """Whether this call reports everything the process knows, after the key was lost."""
    released: list[str] = []
    """Requests that were provably not sent."""
    in_flight: list[str] = []
    completed: list[tuple[str, float]] = []
    """Completed requests, with the seconds since then."""
    reservations: list[tuple[int, int]] = []
    """All reservations of the process: their numbers, and what remains of each."""
    rate_limit: StatedLimit | None = None
    unlimited: bool = False
    """Whether a success stated no limit."""
    blocked_for: float | None = None
    """Seconds until the API accepts requests again, after a refusal."""
    lease: tuple[int, int] | None = None
    """The leased requests that were not taken, and how many the process would lease in all."""
    rank: int | None = None
    waited: float = 0.0
    """Seconds that the first of the waiting callers has waited."""
    acquire: list[str] = []
    """Names of requests to acquire capacity for."""
    reserve: tuple[int, int] | None = None
    """The number and the size of a reservation to make."""


class ScriptReply(msgspec.Struct):
    """The result of the script. Times are seconds."""

    epoch: str
    lost: bool = False
    """Whether the key was lost: nothing was recorded, and the process must report everything."""
    granted: list[int] = []
    """Indices of the granted requests."""
    waits: list[float] = []
    """For each of the other requests, the minimum time until it is granted."""
    exceeds_limit: bool = False
    """Whether the reservation is larger than the whole allowance."""
    reservations: list[tuple[int, int]] = []
    """What remains of reservations that were lowered because the process was considered dead."""
    leased: int = 0
    """Requests that the process has leased now. If fewer than it has not taken, it takes none, and
    says in its next call how many it had taken until then."""
    limit: int | None = None
    remaining: int = 0
    reserved: int = 0
    wait: float = 0.0

    def state(
        self, stated: tuple[int, int, float] | None, local_limit: int | None
    ) -> RateLimit | None:
        """Return the state of the allowance, or None if it has no limit.

        *stated* is what the API has stated since then: the limit, the remaining requests, and when.
        """
        if self.limit is None:
            return None
        limit, remaining = self.limit, self.remaining
        if stated is not None:
            limit = min(stated[0], local_limit or stated[0])
            remaining = max(0, min(stated[1], limit) - self.reserved)
        return RateLimit(limit, remaining, self.reserved, 0, self.wait)


class Script:
    """A Lua script for Redis."""

    def __init__(self, text: str) -> None:
        self.text = text
        # The name of the script in Redis; no secret depends on it.
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


BUDGET_SCRIPT: Final = Script(
    files("ev_energy.budget._redis").joinpath("budget.lua").read_text(encoding="utf-8")
)
encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(ScriptReply).decode
