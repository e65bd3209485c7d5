"""The values of webhooks, and their form in the state file."""

from __future__ import annotations

import enum
import re
from datetime import datetime, timedelta
from typing import Any, Final, NotRequired, TypedDict

import attrs
import msgspec
from cattrs import Converter

from ev_energy.simulator._seeded_random import ID_LETTERS
from ev_energy.simulator.clock._instants import read_instant, write_instant
from ev_energy.simulator.webhooks._signing import key_of

#: The first letters encode when the endpoint was registered.
_ENDPOINT_ID: Final = re.compile(f"ep_[0-7][{ID_LETTERS}]{{25}}", re.ASCII)
#: The first attempt, and one after each of the waits.
_MAX_ATTEMPTS: Final = 8


class DeliveryFault(enum.StrEnum):
    """A fault of the delivery of a message."""

    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    CORRUPT_SIGNATURE = "corrupt_signature"
    STALE_TIMESTAMP = "stale_timestamp"


class Outcome(enum.StrEnum):
    """The result of an attempt."""

    DELIVERED = "delivered"
    RETRYING = "retrying"
    """It failed; another attempt follows."""
    FAILED = "failed"
    """It failed and was the last attempt."""
    DROPPED = "dropped"
    """It was not made because of a fault."""


@attrs.frozen
class RetiredSecret:
    """A replaced secret that still signs for a while."""

    secret: str = attrs.field(repr=False)
    until: datetime


@attrs.frozen(kw_only=True)
class Endpoint:
    """A URL that messages are delivered to."""

    id: str
    url: str
    events: tuple[str, ...] | None
    """The event types it subscribes to; None for all."""
    secret: str = attrs.field(repr=False)
    retired: tuple[RetiredSecret, ...] = ()
    application: str | None = None
    """The client id of the application whose portal shows it; None for all portals."""

    def subscribes_to(self, event_type: str) -> bool:
        """Return whether the endpoint receives events of this type."""
        return self.events is None or event_type in self.events

    def secrets(self, now: datetime) -> list[str]:
        """Return the secrets that sign a delivery now, the newest first."""
        return [self.secret, *(old.secret for old in self.retired if now < old.until)]


@attrs.frozen
class Message:
    """An event as it is sent; every attempt has the same body."""

    id: str
    event_type: str
    body: str = attrs.field(repr=False)


def _probability(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value <= 1:  # also for NaN
        raise ValueError(f"{attribute.name}: must be a probability from 0 to 1, not {value}")


def _not_negative(_: object, attribute: attrs.Attribute[timedelta], value: timedelta) -> None:
    if value < timedelta():
        raise ValueError(f"{attribute.name}: must be 0 or more, not {value}")


@attrs.frozen(kw_only=True)
class Misdelivery:
    """The probabilities of the faults that the seed draws for each message."""

    drop: float = attrs.field(default=0.0, validator=_probability)
    duplicate: float = attrs.field(default=0.0, validator=_probability)
    reorder: float = attrs.field(default=0.0, validator=_probability)
    delay: float = attrs.field(default=0.0, validator=_probability)
    max_delay: timedelta = attrs.field(default=timedelta(hours=24), validator=_not_negative)
    drawn: int = 0
    """The number of messages that faults have been drawn for."""

    @property
    def is_active(self) -> bool:
        """Whether any fault is possible."""
        return any((self.drop, self.duplicate, self.reorder, self.delay))


@attrs.frozen
class Held:
    """A message that is held until later messages have been sent."""

    message_id: str
    due: datetime
    faults: frozenset[DeliveryFault] = frozenset()
    copy_due: datetime | None = None
    """When a copy of it is due; None for no copy."""


@attrs.frozen(kw_only=True)
class PendingAttempt:
    """The next attempt to deliver a message to an endpoint."""

    message_id: str
    endpoint_id: str
    due: datetime
    order: int
    """The order of attempts that are due at the same instant."""
    attempt: int = 1
    faults: frozenset[DeliveryFault] = frozenset()
    """The faults that still apply to it."""
    no_retry: bool = False
    """Whether it is a replay or a duplicate, which is not retried."""


@attrs.frozen(kw_only=True)
class Delivery:
    """A past attempt."""

    message_id: str
    event_type: str
    endpoint_id: str
    attempt: int
    at: datetime
    status: int | None
    """The status of the reply; None without a reply."""
    error: str | None
    """The reason why there was no reply."""
    outcome: Outcome


@attrs.frozen(kw_only=True)
class Snapshot:
    """The whole state at one moment."""

    made: int
    """The number of ids given so far; each id follows from its number."""
    endpoints: list[Endpoint]
    messages: list[Message]
    finished: list[str]
    pending_attempts: list[PendingAttempt]
    held: list[Held]
    deliveries: list[Delivery]
    faults: dict[DeliveryFault, int]
    delay: timedelta
    misdelivery: Misdelivery = Misdelivery()


def _converter() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(datetime, write_instant)
    converter.register_structure_hook(datetime, lambda text, _: read_instant(text))
    converter.register_unstructure_hook(timedelta, lambda span: span / timedelta(seconds=1))
    converter.register_structure_hook(timedelta, lambda number, _: timedelta(seconds=number))
    # A set has no order, but equal states must be equal texts.
    converter.register_unstructure_hook_func(
        lambda kind: kind == frozenset[DeliveryFault], lambda faults: sorted(map(str, faults))
    )
    return converter


_JSON: Final = _converter()


def dump(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as JSON."""
    dumped: dict[str, Any] = _JSON.unstructure(snapshot)
    if snapshot.misdelivery == Misdelivery():
        del dumped["misdelivery"]
    return dumped


def load(dumped: dict[str, Any]) -> Snapshot:
    """Return the snapshot of a dump; `ValueError` if its parts are inconsistent."""
    # cattrs converts any value to text where a text is due, so types are checked first.
    msgspec.convert(dumped, _Dumped, strict=True)
    snapshot = _JSON.structure(dumped, Snapshot)
    endpoints = {endpoint.id for endpoint in snapshot.endpoints}
    for endpoint in snapshot.endpoints:
        if not _ENDPOINT_ID.fullmatch(endpoint.id):
            raise ValueError(f"{endpoint.id!r} is not the id of an endpoint")
        for secret in (endpoint.secret, *(old.secret for old in endpoint.retired)):
            key_of(secret)
    messages = {message.id for message in snapshot.messages}
    named = {pending.message_id for pending in snapshot.pending_attempts}
    named |= {held.message_id for held in snapshot.held} | {*snapshot.finished}
    if missing := named - messages:
        raise ValueError(f"message {min(missing)!r} does not exist")
    if missing := {pending.endpoint_id for pending in snapshot.pending_attempts} - endpoints:
        raise ValueError(f"endpoint {min(missing)!r} does not exist")
    if any(not 1 <= pending.attempt <= _MAX_ATTEMPTS for pending in snapshot.pending_attempts):
        raise ValueError(f"an attempt must be from 1 to {_MAX_ATTEMPTS}")
    if any(times < 0 for times in snapshot.faults.values()) or snapshot.delay < timedelta():
        raise ValueError("counts of faults and the delay must be 0 or more")
    if snapshot.misdelivery.drawn < 0:
        raise ValueError("the number of messages with drawn faults must be 0 or more")
    return snapshot


class _DumpedEndpoint(TypedDict):
    id: str
    url: str
    events: list[str] | None
    secret: str
    retired: list[dict[str, str]]
    application: str | None


class _DumpedPendingAttempt(TypedDict):
    message_id: str
    endpoint_id: str
    due: str
    order: int
    attempt: int
    faults: list[str]
    no_retry: bool


class _DumpedDelivery(TypedDict):
    message_id: str
    event_type: str
    endpoint_id: str
    attempt: int
    at: str
    status: int | None
    error: str | None
    outcome: str


class _DumpedHeld(TypedDict):
    message_id: str
    due: str
    faults: list[str]
    copy_due: NotRequired[str | None]


class _DumpedMisdelivery(TypedDict):
    drop: float
    duplicate: float
    reorder: float
    delay: float
    max_delay: float
    drawn: int


class _Dumped(TypedDict):
    made: int
    endpoints: list[_DumpedEndpoint]
    messages: list[dict[str, str]]
    finished: list[str]
    pending_attempts: list[_DumpedPendingAttempt]
    held: list[_DumpedHeld]
    deliveries: list[_DumpedDelivery]
    faults: dict[str, int]
    delay: float
    misdelivery: NotRequired[_DumpedMisdelivery]
