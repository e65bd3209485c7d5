"""Loading the state of webhooks from a state file or the initial state; `_state` dumps it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Final, NotRequired, TypedDict

import msgspec
from cattrs import Converter

from ev_energy.simulator._seeded_random import ID_LETTERS
from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.webhooks._signing import key_of
from ev_energy.simulator.webhooks._state import Snapshot

#: The first letters encode when the endpoint was registered.
_ENDPOINT_ID: Final = re.compile(f"ep_[0-7][{ID_LETTERS}]{{25}}", re.ASCII)
#: The first attempt, and one after each of the waits.
_MAX_ATTEMPTS: Final = 8


def _converter() -> Converter:
    converter = Converter()
    converter.register_structure_hook(datetime, lambda text, _: read_instant(text))
    converter.register_structure_hook(timedelta, lambda number, _: timedelta(seconds=number))
    return converter


_FROM_JSON: Final = _converter()


def load(dumped: dict[str, Any]) -> Snapshot:
    """Return the snapshot of a dump; `ValueError` if its parts are inconsistent."""
    # cattrs converts any value to text where a text is due, so types are checked first.
    msgspec.convert(dumped, _Dumped, strict=True)
    snapshot = _FROM_JSON.structure(dumped, Snapshot)
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
