"""One difference between two versions of the facts, and what it means for users of the SDK."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeGuard

Kind: TypeAlias = Literal["added", "removed", "changed"]

#: Characters of a value in the description of a change.
_MAX_VALUE: Final = 60
#: Characters of the hash of a value in the id of a change.
_HASH: Final = 8


class Use(NamedTuple):
    """Whether requests, replies or both contain something."""

    sent: bool
    received: bool

    def __or__(self, other: Use) -> Use:
        """Return the union."""
        return Use(self.sent or other.sent, self.received or other.received)

    def __and__(self, other: Use) -> Use:
        """Return the intersection."""
        return Use(self.sent and other.sent, self.received and other.received)


SENT: Final = Use(sent=True, received=False)
RECEIVED: Final = Use(sent=False, received=True)
BOTH: Final = Use(sent=True, received=True)
UNUSED: Final = Use(sent=False, received=False)


class Change(NamedTuple):
    """A difference: what was added, removed or changed, and where."""

    subject: str
    """``GET /evses``, ``schema EVSE``, ``parameter page_size``, ``API``."""
    place: tuple[str, ...]
    """The path within the subject, from outside to inside; empty for the subject as a whole."""
    kind: Kind
    is_breaking: bool
    """Whether programs that use the SDK may fail."""
    effect: str
    """What the change means for such a program, in one clause."""
    before: Any = None
    after: Any = None

    @property
    def what(self) -> str:
        """What happened: ``added``, or ``changed from 10 to 20``."""
        if self.kind != "changed":
            return self.kind
        return f"changed from {_short(self.before)} to {_short(self.after)}"

    @property
    def within(self) -> str:
        """The change within its subject: ``query email: added``."""
        return f"{' > '.join(self.place)}: {self.what}" if self.place else self.what

    @property
    def id(self) -> str:
        """The text that identifies the change in a list of changes to ignore.

        It is another one if the change begins to break programs, or has another new value.
        """
        verdict = "breaking: " if self.is_breaking else ""
        return f"{verdict}{' > '.join((self.subject, *self.place))}: {self.what}{self._hash}"

    @property
    def _hash(self) -> str:
        """The hash of the new value in parentheses, or nothing if `what` has all of it."""
        is_shown = self.kind == "changed" and len(_text(self.after)) <= _MAX_VALUE
        if self.after is None or is_shown:
            return ""
        return f" ({hashlib.sha256(key_of(self.after).encode()).hexdigest()[:_HASH]})"


class Place(NamedTuple):
    """Where two versions are compared, and whether it is sent or received there."""

    subject: str
    path: tuple[str, ...]
    use: Use

    def inner(self, part: str, use: Use = BOTH) -> Place:
        """Return the place of a part."""
        return Place(self.subject, (*self.path, part), self.use & use)

    def change(
        self, kind: Kind, effect: str, *, breaking: bool, before: Any = None, after: Any = None
    ) -> Change:
        """Return a change of what is here. What no operation uses breaks nothing."""
        if self.use == UNUSED:
            breaking, effect = False, "no operation uses it"
        return Change(self.subject, self.path, kind, breaking, effect, before, after)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _short(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Return whether a value of the facts is an object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Return whether a value of the facts is a list."""
    return isinstance(value, list)


def as_list(value: Any) -> list[Any]:
    """Return the items of a keyword that may have one value or a list of them."""
    if value is None:
        return []
    return value if is_list(value) else [value]


def key_of(value: Any) -> str:
    """Return a text that is the same for equal JSON values, whatever the order of their members.

    The order of lists has no meaning in the facts either.
    """
    if is_object(value):
        members = sorted((n, key_of(one)) for n, one in value.items())
        return "{" + ",".join(f"{json.dumps(n)}:{one}" for n, one in members) + "}"
    if is_list(value):
        return "[" + ",".join(sorted(map(key_of, value))) + "]"
    return json.dumps(value, default=str)
