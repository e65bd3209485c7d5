"""The values of webhooks, and their form in the state file."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import Any, cast

import attrs

from ev_energy.simulator.clock._instants import write_instant


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


def dump(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as JSON."""
    dumped = attrs.asdict(snapshot, value_serializer=_to_json)
    if snapshot.misdelivery == Misdelivery():
        del dumped["misdelivery"]
    return dumped


def _to_json(_owner: object, _field: object, value: Any) -> Any:
    match value:
        case datetime():
            return write_instant(value)
        case timedelta():
            return value / timedelta(seconds=1)
        case enum.StrEnum():
            return value.value
        case frozenset():  # a set has no order, but equal states must be equal texts
            return sorted(map(str, cast("frozenset[DeliveryFault]", value)))
        case tuple():
            return list(cast("tuple[object, ...]", value))
        case _:
            return value
