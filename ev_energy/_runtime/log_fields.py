"""The fields of log records, for formatters that write them as JSON.

A record holds them as attributes (the argument ``extra`` of `logging`), flat and with a prefix that
neither the attributes of a `logging.LogRecord` nor the fields of other libraries have.
"""

from __future__ import annotations

from typing import Any, TypedDict, Unpack


class LogFields(TypedDict, total=False):
    """The fields besides ``ev_event``. None of them holds a secret or personal data.

    A field that is None is left out.
    """

    operation: str
    """Method and path template, such as ``GET /evses/{evse_id}``."""
    attempt: int
    status: int | None
    error: str | None
    """The class of an error, without its message."""
    elapsed: float
    """Seconds."""
    wait: float
    """Seconds, expected or so far."""
    reason: str
    bucket: str | None
    limit: int | None
    remaining: int | None
    waiting: int | None
    unlogged: int | None
    model: str
    member: str | None
    kind: str
    callback: str
    stream: str
    type: str
    """The type of a webhook event."""
    delivery: str
    """The id of a delivery."""


def log_fields(
    event: str, fields: LogFields | None = None, /, **more: Unpack[LogFields]
) -> dict[str, Any]:
    """Return the argument ``extra`` for a record of the kind *event*, with *fields* and *more*."""
    extra: dict[str, Any] = {"ev_event": event}
    for name, value in {**(fields or {}), **more}.items():
        if value is not None:
            extra[f"ev_{name}"] = value
    return extra
