"""Where the API and this SDK have come apart, reported once each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

import attrs

_log: Final = logging.getLogger("ev_energy.drift")


class Kind(Enum):
    """How a reply deviates from the models."""

    UNKNOWN_MEMBER = "unknown member"
    MISSING_MEMBER = "missing member"
    UNKNOWN_ENUM_TEXT = "unknown enum text"
    WRONG_TYPE = "wrong type"


@attrs.frozen(eq=False)
class Drift:
    """One deviation of a reply from the models: the API moved on, or the description was wrong."""

    model: str
    member: str
    kind: Kind
    path: str
    """Where it was first seen: ``$[3].model.name``."""
    value: Any = attrs.field(repr=False)
    """What stood there; it may be personal data."""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.model}.{self.member} at {self.path}"


DriftHook: TypeAlias = Callable[[Drift], None]


class Deviation(Exception):  # noqa: N818  (the session turns it into a DecodeError)
    """A deviation, to a client that tolerates none."""

    def __init__(self, drift: Drift) -> None:
        super().__init__(str(drift))
        self.drift = drift


@attrs.define(eq=False, repr=False)
class Reporter:
    """Tells each deviation once per (model, member, kind), to the log and to the hook.

    With ``strict`` it raises `Deviation` at the first one instead.
    """

    hook: DriftHook | None = None
    strict: bool = False
    _told: set[tuple[str, str, Kind]] = attrs.field(factory=set[tuple[str, str, Kind]])
    _searched: set[tuple[type, type]] = attrs.field(factory=set[tuple[type, type]])

    def __call__(self, drift: Drift) -> None:
        """Tell *drift*, unless it was told before."""
        if self.strict:
            raise Deviation(drift)
        if not self._is_news(drift.model, drift.member, drift.kind):
            return
        self._told.add((drift.model, drift.member, drift.kind))
        _log.warning("the API and this SDK differ: %s", drift)
        if self.hook is not None:
            self.hook(drift)

    def unknown_members(self, model: type, found: Mapping[str, Any], path: Sequence[str]) -> None:
        """Tell members that *model* does not know; cheap where they were told before."""
        for name, value in found.items():
            if self._is_news(model.__name__, name, Kind.UNKNOWN_MEMBER):
                where = "".join([*path, f".{name}"])
                self(Drift(model.__name__, name, Kind.UNKNOWN_MEMBER, where, value))

    def _is_news(self, model: str, member: str, kind: Kind) -> bool:
        told = (model, member, kind) in self._told
        return self.strict or (not told and len(self._told) < 10_000)  # noqa: PLR2004  (a hostile server)

    def wants_place(self, into: type, enums: set[type]) -> bool:
        """Whether unknown texts of *enums* inside *into* are news, so that finding them pays.

        Asked once, they count as found: a text the API added must not slow down every page.
        """
        news = {(into, enum) for enum in enums} - self._searched
        if not self.strict:
            self._searched |= news
        return bool(news)
