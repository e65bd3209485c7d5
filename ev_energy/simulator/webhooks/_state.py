"""What webhooks consist of, and how it is written down."""

from __future__ import annotations

import enum
import re
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict

import attrs
import msgspec
from cattrs import Converter

from ev_energy.simulator._seeded_random import ID_LETTERS
from ev_energy.simulator.clock._instants import read_instant, write_instant
from ev_energy.simulator.webhooks._signing import key_of

#: It tells when the endpoint was registered.
_ENDPOINT_ID: Final = re.compile(f"ep_[0-7][{ID_LETTERS}]{{25}}", re.ASCII)
#: The first attempt, and one after each wait between retries.
_MOST_ATTEMPTS: Final = 8


class Trick(enum.StrEnum):
    """What can be done to a message on purpose."""

    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    CORRUPT_SIGNATURE = "corrupt_signature"
    STALE_TIMESTAMP = "stale_timestamp"


class Outcome(enum.StrEnum):
    """What became of an attempt."""

    DELIVERED = "delivered"
    RETRYING = "retrying"
    """It failed, and there will be another."""
    FAILED = "failed"
    """It failed, and it was the last one."""
    DROPPED = "dropped"
    """It was not even made, on purpose."""


@attrs.frozen
class RetiredSecret:
    """A secret that was replaced but still signs for a while."""

    secret: str = attrs.field(repr=False)
    until: datetime


@attrs.frozen(kw_only=True)
class Endpoint:
    """A URL that messages are delivered to."""

    id: str
    url: str
    events: tuple[str, ...] | None
    """The types of event it wants; None for all of them."""
    secret: str = attrs.field(repr=False)
    retired: tuple[RetiredSecret, ...] = ()
    application: str | None = None
    """The client id of the application whose portal shows it; None for all of them."""

    def wants(self, event_type: str) -> bool:
        """Return whether events of this type go here."""
        return self.events is None or event_type in self.events

    def secrets(self, now: datetime) -> list[str]:
        """Return all that sign a delivery now, the newest first."""
        return [self.secret, *(old.secret for old in self.retired if now < old.until)]


@attrs.frozen
class Message:
    """An event as it is sent, each time the same bytes."""

    id: str
    event_type: str
    body: str = attrs.field(repr=False)


@attrs.frozen
class Held:
    """A message that waits for others which are to go before it."""

    message_id: str
    due: datetime
    tricks: frozenset[Trick]


@attrs.frozen(kw_only=True)
class Errand:
    """A message on its way to an endpoint: the attempt that is to be made next."""

    message_id: str
    endpoint_id: str
    due: datetime
    order: int
    """What is due at the same time goes in this order."""
    attempt: int = 1
    tricks: frozenset[Trick] = frozenset()
    """What is still to be done to it."""
    once: bool = False
    """Whether it is a repetition, which is not tried again if it fails."""


@attrs.frozen(kw_only=True)
class Delivery:
    """An attempt that was made."""

    message_id: str
    event_type: str
    endpoint_id: str
    attempt: int
    at: datetime
    status: int | None
    """What the endpoint answered; None if it did not."""
    error: str | None
    """Why there was no answer."""
    outcome: Outcome


@attrs.frozen(kw_only=True)
class Snapshot:
    """Everything there is to know, as it was at one moment."""

    made: int
    """How many things were given a name so far: names follow from their number."""
    endpoints: list[Endpoint]
    messages: list[Message]
    finished: list[str]
    errands: list[Errand]
    held: list[Held]
    deliveries: list[Delivery]
    tricks: dict[Trick, int]
    delay: timedelta


def _converter() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(datetime, write_instant)
    converter.register_structure_hook(datetime, lambda text, _: read_instant(text))
    converter.register_unstructure_hook(timedelta, lambda span: span / timedelta(seconds=1))
    converter.register_structure_hook(timedelta, lambda number, _: timedelta(seconds=number))
    # A set has no order of its own, and the same state is to be the same text.
    converter.register_unstructure_hook_func(
        lambda kind: kind == frozenset[Trick], lambda tricks: sorted(map(str, tricks))
    )
    return converter


_JSON: Final = _converter()


def dump(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as JSON."""
    dumped: dict[str, Any] = _JSON.unstructure(snapshot)
    return dumped


def load(dumped: dict[str, Any]) -> Snapshot:
    """Return the snapshot that was dumped; `ValueError` if its parts do not fit together."""
    # cattrs makes a text of whatever stands where one is due, so that is looked at before.
    msgspec.convert(dumped, _Dumped, strict=True)
    snapshot = _JSON.structure(dumped, Snapshot)
    endpoints = {endpoint.id for endpoint in snapshot.endpoints}
    for endpoint in snapshot.endpoints:
        if not _ENDPOINT_ID.fullmatch(endpoint.id):
            raise ValueError(f"{endpoint.id!r} is no id of an endpoint")
        for secret in (endpoint.secret, *(old.secret for old in endpoint.retired)):
            key_of(secret)
    messages = {message.id for message in snapshot.messages}
    named = {errand.message_id for errand in snapshot.errands}
    named |= {held.message_id for held in snapshot.held} | {*snapshot.finished}
    if missing := named - messages:
        raise ValueError(f"there is no message {min(missing)!r}")
    if missing := {errand.endpoint_id for errand in snapshot.errands} - endpoints:
        raise ValueError(f"there is no endpoint {min(missing)!r}")
    if any(not 1 <= errand.attempt <= _MOST_ATTEMPTS for errand in snapshot.errands):
        raise ValueError("an errand has a number of attempts that none has")
    if any(times < 0 for times in snapshot.tricks.values()) or snapshot.delay < timedelta():
        raise ValueError("less than nothing was ordered")
    return snapshot


class _DumpedEndpoint(TypedDict):
    id: str
    url: str
    events: list[str] | None
    secret: str
    retired: list[dict[str, str]]
    application: str | None


class _DumpedErrand(TypedDict):
    message_id: str
    endpoint_id: str
    due: str
    order: int
    attempt: int
    tricks: list[str]
    once: bool


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
    tricks: list[str]


class _Dumped(TypedDict):
    made: int
    endpoints: list[_DumpedEndpoint]
    messages: list[dict[str, str]]
    finished: list[str]
    errands: list[_DumpedErrand]
    held: list[_DumpedHeld]
    deliveries: list[_DumpedDelivery]
    tricks: dict[str, int]
    delay: float
