"""Where the API and this SDK have come apart, reported once each."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

import attrs

from ev_energy._redaction.scrub import printable

_log: Final = logging.getLogger("ev_energy.drift")
#: Characters of a name that are looked at, and that are shown.
_LONGEST_NAME: Final = 5000
_LONGEST_SHOWN: Final = 150
#: Characters of a name that are remembered as they are; a longer one is remembered by its digest.
_LONGEST_KEPT: Final = 64
#: Deviations that are remembered: a server that invents names must not fill the memory.
_MOST_KEPT: Final = 10_000


class Kind(Enum):
    """How a reply deviates from the models."""

    UNKNOWN_MEMBER = "unknown member"
    MISSING_MEMBER = "missing member"
    UNKNOWN_ENUM_TEXT = "unknown enum text"
    WRONG_TYPE = "wrong type"
    INVALID_TEXT = "invalid text"
    """The JSON had to be repaired: a byte order mark, half of a surrogate pair, NaN."""


@attrs.frozen(eq=False)
class Drift:
    """One deviation of a reply from the models: the API moved on, or the description was wrong."""

    model: str
    member: str = attrs.field(repr=printable)
    """Empty where the deviation is not one of a single member."""
    kind: Kind
    path: str = attrs.field(repr=printable)
    """Where it was first seen: ``$[3].model.name``."""
    value: Any = attrs.field(repr=False)
    """What stood there; it may be personal data."""

    def __str__(self) -> str:
        return self.shown(str)

    def shown(self, conceal: Callable[[str], str]) -> str:
        """Return one short line about it; names that a server chose go through *conceal* first."""
        member, path = (
            printable(conceal(text[:_LONGEST_NAME]), _LONGEST_SHOWN)
            for text in (self.member, self.path)
        )
        name = f"{self.model}.{member}" if member else self.model
        return f"{self.kind.value} {name} at {path}"


DriftHook: TypeAlias = Callable[[Drift], None]


class Deviation(Exception):  # noqa: N818  (the session turns it into a DecodeError)
    """A deviation, to a client that tolerates none."""

    def __init__(self, drift: Drift, message: str) -> None:
        super().__init__(message)
        self.drift = drift


@attrs.define(eq=False, repr=False)
class Reporter:
    """Tells each deviation once per (model, member, kind), to the log and to the hook.

    With ``strict`` it raises `Deviation` at the first one instead. What it remembers takes a few
    megabytes at the most, however many and however long the names are.
    """

    hook: DriftHook | None = None
    strict: bool = False
    conceal: Callable[[str], str] = str
    """What masks the client's secrets in a name, before that is logged."""
    _told: set[tuple[str, str, Kind]] = attrs.field(factory=set[tuple[str, str, Kind]])
    _searched: set[tuple[type, type]] = attrs.field(factory=set[tuple[type, type]])

    def __call__(self, drift: Drift) -> None:
        """Tell *drift*, unless it was told before."""
        if self.strict:
            raise Deviation(drift, drift.shown(self.conceal))
        self.tell(drift)

    def tell(self, drift: Drift) -> None:
        """Tell *drift*, unless it was told before; also where deviations are not tolerated."""
        if not self._is_news(drift.model, drift.member, drift.kind):
            return
        self._told.add((drift.model, _kept(drift.member), drift.kind))
        _log.warning("the API and this SDK differ: %s", drift.shown(self.conceal))
        if self.hook is not None:
            self.hook(drift)

    def unknown_members(self, model: type, found: Mapping[str, Any], path: Sequence[str]) -> None:
        """Tell members that *model* does not know; cheap where they were told before."""
        for name, value in found.items():
            if self._is_news(model.__name__, name, Kind.UNKNOWN_MEMBER):
                where = "".join([*path, f".{name}"])
                self(Drift(model.__name__, name, Kind.UNKNOWN_MEMBER, where, value))

    def _is_news(self, model: str, member: str, kind: Kind) -> bool:
        told = (model, _kept(member), kind) in self._told
        return self.strict or (not told and len(self._told) < _MOST_KEPT)

    def wants_place(self, into: type, enums: set[type]) -> bool:
        """Whether unknown texts of *enums* inside *into* are news, so that finding them pays.

        Asked once, they count as found: a text the API added must not slow down every page.
        """
        news = {(into, enum) for enum in enums} - self._searched
        if not self.strict:
            self._searched |= news
        return bool(news)


def _kept(name: str) -> str:
    """Return what *name* is remembered by, in few bytes."""
    if len(name) <= _LONGEST_KEPT:
        return name
    digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=16)
    return digest.hexdigest()
