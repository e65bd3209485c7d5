"""What the script in Redis is told, and what it answers. Nothing here does I/O."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

import msgspec


class Stated(msgspec.Struct, frozen=True):
    """What a reply of the API stated."""

    limit: int
    remaining: int
    age: float
    """Seconds since its request was taken."""


class Question(msgspec.Struct, omit_defaults=True):
    """What a process tells and asks about one allowance. Times are seconds."""

    me: str
    fresh: str
    """What to call the life of the key that begins, should this call be its first."""
    window: float
    hold: float
    """How long after it was taken a request may arrive, should nobody say."""
    lease: float
    """How long a process may be silent before it is held for dead."""
    nap: float
    """How long it may be until it asks again, should it have to wait."""
    grace: float
    """How much later than that it may ask without losing its place."""
    epoch: str | None = None
    """The life of the key that it knows; None if nothing it knew can count any more."""
    most: int | None = None
    report: bool = False
    """Whether this is all it holds, after the key was lost."""
    returned: list[str] = []
    pending: list[str] = []
    settled: list[tuple[str, float]] = []
    """With the seconds since."""
    leases: list[tuple[int, int]] = []
    """What it has set aside: numbers, and how many are left of each."""
    stated: Stated | None = None
    unstated: bool = False
    """Whether there was a success that stated nothing."""
    blocked: float | None = None
    """Seconds until the API wants to see it again."""
    rank: int | None = None
    waited: float = 0.0
    """Seconds that the first of those who wait has waited."""
    wanted: list[str] = []
    """Names for requests that it would like to send."""
    set_aside: tuple[int, int] | None = None
    """A number for a lease, and how many."""


class Answer(msgspec.Struct):
    """What the script says. Times are seconds."""

    epoch: str
    lost: bool = False
    """Whether the key was lost: nothing of what it was told is kept, and all is to be told."""
    granted: list[int] = []
    """Which of the wanted."""
    waits: list[float] = []
    """For each of the others, how long it will be at least."""
    too_many: bool = False
    """Whether there will never be as many as were to be set aside."""
    leases: list[tuple[int, int]] = []
    """How many are left of leases that had ended because the process was held for dead."""
    limit: int | None = None
    remaining: int = 0
    reserved: int = 0
    wait: float = 0.0


class Script:
    """A text for Redis to run."""

    def __init__(self, text: str) -> None:
        self.text = text
        # What Redis calls it by; no secret depends on it.
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


BUDGET: Final = Script(
    files("ev_energy.budget._redis").joinpath("budget.lua").read_text(encoding="utf-8")
)
encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Answer).decode
