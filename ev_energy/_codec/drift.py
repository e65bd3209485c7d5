"""Deviations of replies from the models, each reported once."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

import attrs
import msgspec

from ev_energy._callbacks import plain_function
from ev_energy._redaction.scrub import MASK, printable
from ev_energy._redaction.show import Unshown
from ev_energy._runtime.lazy_pattern import lazy_pattern
from ev_energy._runtime.log_fields import log_fields

_log: Final = logging.getLogger("ev_energy.drift")
#: Characters of a name that are redacted before it is shortened, and that are shown.
_MAX_NAME: Final = 5000
_MAX_SHOWN: Final = 150
#: Looks like the name of a field of the API.
_FIELD_NAME: Final = lazy_pattern(r"[A-Za-z_][A-Za-z0-9_-]*")
#: Characters of a name that are stored as they are; of a longer name, a digest is stored.
_MAX_STORED_NAME: Final = 64
#: Deviations that are remembered: a server that invents names must not fill the memory.
_MAX_STORED: Final = 10_000


class DriftKind(Enum):
    """How a reply deviates from the models."""

    UNKNOWN_MEMBER = "unknown member"
    MISSING_MEMBER = "missing member"
    UNKNOWN_ENUM_TEXT = "unknown enum text"
    WRONG_TYPE = "wrong type"
    INVALID_TEXT = "invalid text"
    """The JSON had to be repaired: a byte order mark, half of a surrogate pair, NaN."""


@attrs.frozen(eq=False)
class Drift:
    """One deviation of a reply from the models: the API changed, or its description is wrong."""

    model: str
    """The name of the model."""
    member: str = attrs.field(repr=printable)
    """Empty where the deviation is not that of a single member."""
    kind: DriftKind
    """How the reply deviates."""
    path: str = attrs.field(repr=printable)
    """Its first place in the reply: ``$[3].model.name``."""
    value: Any = attrs.field(repr=False)
    """The value in the reply, which may be personal data."""

    def __str__(self) -> str:
        return self.shown(str)

    def shown(self, redact: Callable[[str], str]) -> str:
        """Return one short line about it; *redact* is applied to names that the server chose."""
        member, path = (shown_name(text, redact) for text in (self.member, self.path))
        name = f"{self.model}.{member}" if member else self.model
        return f"{self.kind.value} {name} at {path}"


def shown_name(text: str, redact: Callable[[str], str]) -> str:
    """Return a name that the server chose as logs and errors show it."""
    return printable(redact(text[:_MAX_NAME]), _MAX_SHOWN)


def _logged_member(name: str, redact: Callable[[str], str]) -> str | None:
    """Return the name of a field for a field of a log record, which has no personal data.

    The server chose the name: it may send an object whose keys are e-mail addresses.
    """
    if not name:
        return None
    shown = redact(name) if len(name) <= _MAX_SHOWN else MASK
    return shown if _FIELD_NAME.fullmatch(shown) else MASK


DriftHook: TypeAlias = Callable[[Drift], None]


class DriftDetected(Exception):  # noqa: N818  (the caller turns it into the public DecodeError)
    """A deviation was found, and the client is strict."""

    def __init__(self, drift: Drift, message: str) -> None:
        super().__init__(message)
        self.drift = drift


class Reporter(Unshown, msgspec.Struct, eq=False):
    """Reports each deviation once per (model, member, kind), to the log and to the hook.

    With ``strict`` it raises `DriftDetected` at the first one instead. Its memory is bounded to a
    few megabytes, however many and however long the names are.
    """

    hook: DriftHook | None = None
    strict: bool = False
    redact: Callable[[str], str] = str
    """Masks the client's secrets in a name before that is logged."""
    _reported: set[tuple[str, str, DriftKind]] = msgspec.field(
        default_factory=set[tuple[str, str, DriftKind]]
    )
    _located: set[tuple[type, type]] = msgspec.field(default_factory=set[tuple[type, type]])

    def __post_init__(self) -> None:
        self.hook = plain_function("on_drift", self.hook)

    def __call__(self, drift: Drift) -> None:
        """Report *drift* unless it was reported before; raise `DriftDetected` if strict."""
        if self.strict:
            raise DriftDetected(drift, drift.shown(self.redact))
        self.record(drift)

    def record(self, drift: Drift) -> None:
        """Report *drift* unless it was reported before, without raising even if strict."""
        if not self._is_new(drift.model, drift.member, drift.kind):
            return
        self._reported.add((drift.model, _stored_name(drift.member), drift.kind))
        _log.warning(
            "the API and this SDK differ: %s",
            drift.shown(self.redact),
            extra=log_fields(
                "drift",
                model=drift.model,
                member=_logged_member(drift.member, self.redact),
                kind=drift.kind.value,
            ),
        )
        if self.hook is not None:
            self.hook(drift)

    def unknown_members(self, model: type, values: Mapping[str, Any], path: Sequence[str]) -> None:
        """Report members that *model* does not know; cheap where they were reported before."""
        for name, value in values.items():
            if self._is_new(model.__name__, name, DriftKind.UNKNOWN_MEMBER):
                location = "".join([*path, f".{name}"])
                self(Drift(model.__name__, name, DriftKind.UNKNOWN_MEMBER, location, value))

    def _is_new(self, model: str, member: str, kind: DriftKind) -> bool:
        if self.strict:
            return True
        known = (model, _stored_name(member), kind) in self._reported
        return not known and len(self._reported) < _MAX_STORED

    def needs_path_of(self, model: type, unknown_values: Collection[object]) -> bool:
        """Return whether unknown enum values inside *model* are new, so their paths are needed.

        Each enum of a model is new once: a value that the API added must not slow down every page.
        """
        if not unknown_values:
            return False
        new = {(model, type(value)) for value in unknown_values} - self._located
        if not self.strict:
            self._located |= new
        return bool(new)


def _stored_name(name: str) -> str:
    """Return a text of few bytes that stands for *name* in memory."""
    if len(name) <= _MAX_STORED_NAME:
        return name
    digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=16)
    return digest.hexdigest()
