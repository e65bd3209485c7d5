"""The signatures of deliveries, as Svix and Standard Webhooks define them.

https://docs.svix.com/receiving/verifying-payloads/how-manual and
https://github.com/standard-webhooks/standard-webhooks (version 1)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

import attrs

from ev_energy._arguments import require_duration
from ev_energy._callbacks import plain_function
from ev_energy._redaction.tracebacks import Secret, hide_init_arguments
from ev_energy._runtime.clocks import REAL
from ev_energy.errors import DeliveryTimestampError, SignatureError
from ev_energy.models._json import MAX_DOCUMENT_BYTES
from ev_energy.webhooks._events import Event, read

if TYPE_CHECKING:
    from ev_energy._codec.drift import DriftHook


class HasItems(Protocol):
    """A mapping, or a collection of headers that is none, such as that of `email.message`."""

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return pairs of a name and a value, or a list of values."""
        ...


#: The headers of a delivery: any mapping from names to values, or pairs of them, as in ASGI.
Headers: TypeAlias = HasItems | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]
#: The body of a delivery: the bytes as they were received.
Body: TypeAlias = bytes | bytearray | memoryview

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105  (public)
#: Svix sends the first; senders that pay for it, and Standard Webhooks, the second.
_HEADER_PREFIXES: Final = ("svix-", "webhook-")
_SIGNATURE_VERSION: Final = "v1"
_TIMESTAMP: Final = re.compile(r"[0-9]{1,11}")
#: Characters. Svix' ids have about 31, and a signature 47 for each secret.
_MAX_ID: Final = 256
_MAX_SIGNATURES: Final = 8192


@attrs.frozen
class Delivery:
    """A verified delivery."""

    id: str
    """The same in each repetition of this delivery, and in no other."""
    sent_at: datetime
    """When this attempt was sent, in UTC, to the second."""
    event: Event
    """What has happened; `Event` has the types."""
    body: bytes = attrs.field(repr=False)
    """The body as it was received."""


class Webhook:
    """Verifies the deliveries to an endpoint.

        webhook = Webhook(secret)  # the signing secret that the webhook portal shows: whsec_...
        event = webhook.verify(await request.body(), request.headers)

    Args:
        secrets: The signing secrets of the endpoint: ``whsec_`` and Base64, or the key in bytes.
            Pass the old and the new one while a secret is rotated.
        tolerance: The maximum age of a delivery, and how far it may be in the future.
        clock: Returns the current time with its time zone; by default that of this machine.
        strict: Whether deviations of an event from its model are an error.
        on_drift: Called with each deviation; see `Client`.

    Raises:
        ValueError: There is no secret, one is malformed, or the tolerance is not positive.
    """

    def __init__(
        self,
        *secrets: str | bytes,
        tolerance: timedelta = timedelta(minutes=5),
        clock: Callable[[], datetime] | None = None,
        strict: bool = False,
        on_drift: DriftHook | None = None,
    ) -> None:
        if not secrets:
            raise ValueError("secrets: pass the signing secret of the endpoint (whsec_...)")
        require_duration("tolerance", tolerance)
        self._keys = Secret([_key_of(secret) for secret in secrets])
        self._tolerance, self._clock = tolerance, clock or _now
        self._strict, self._on_drift = strict, plain_function("on_drift", on_drift)

    def __repr__(self) -> str:
        return f"Webhook(secrets={len(self._keys.value)}, tolerance={self._tolerance!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what rich shows, which would be every attribute."""
        return [("tolerance", self._tolerance)]

    def verify(self, body: Body, headers: Headers, *, now: datetime | None = None) -> Event:
        """Return the event of a delivery, after verifying that the API sent it.

        Args:
            body: The body exactly as it was received. Frameworks return it with
                ``await request.body()`` (FastAPI, Starlette), ``await request.read()`` (aiohttp),
                ``request.get_data()`` (Flask) or ``request.body`` (Django).
            headers: All headers of the request. The case of their names does not matter.
            now: The current time with its time zone, instead of the clock's.

        Raises:
            SignatureError: It is not signed with one of the secrets.
            DeliveryTimestampError: It is signed, but older than the tolerance or in the future.
            UnreadableEventError: It is signed, but not a valid event.
            TypeError: The body is text or was parsed, or the headers are no headers.
            ValueError: The current time has no time zone.
        """
        return self.receive(body, headers, now=now).event

    unwrap = verify
    """Other SDKs use this name."""

    def receive(self, body: Body, headers: Headers, *, now: datetime | None = None) -> Delivery:
        """Return a delivery, with its id, after verifying it; see `verify`."""
        body = _raw(body)
        if len(body) > MAX_DOCUMENT_BYTES:
            message = f"a delivery must not be larger than {MAX_DOCUMENT_BYTES} bytes"
            raise SignatureError(message, body, "body")
        delivery_id, timestamp, signatures = _signed_headers(headers, body)
        if not self._is_signed(delivery_id, timestamp, body, signatures):
            raise SignatureError(
                "the delivery is not signed with a secret of this endpoint: check that the secret "
                "is this endpoint's, and that the body is unchanged",
                body,
                "signature",
            )
        sent_at = datetime.fromtimestamp(int(timestamp), UTC)
        self._check_age(sent_at, self._clock() if now is None else now, body)
        event = read(body, strict=self._strict, on_drift=self._on_drift)
        return Delivery(delivery_id, sent_at, event, body)

    def sign(
        self, body: Body, *, delivery_id: str = "msg_test", sent_at: datetime | None = None
    ) -> dict[str, str]:
        """Return the headers of a delivery signed with the first secret, for tests of receivers.

        Args:
            body: The body to sign.
            delivery_id: The id of the delivery.
            sent_at: When it is sent, with a time zone; by default now.
        """
        timestamp = str(int((self._clock() if sent_at is None else _aware(sent_at)).timestamp()))
        return {
            "svix-id": delivery_id,
            "svix-timestamp": timestamp,
            "svix-signature": _signature(self._keys.value[0], delivery_id, timestamp, _raw(body)),
        }

    def _is_signed(self, delivery_id: str, timestamp: str, body: bytes, signatures: str) -> bool:
        # All pairs are compared, so that the time taken tells nothing about the secrets.
        matches = [
            hmac.compare_digest(
                _signature(key, delivery_id, timestamp, body).encode(),
                candidate.encode(errors="surrogatepass"),
            )
            for key in self._keys.value
            for candidate in signatures.split(" ")
        ]
        return any(matches)

    def _check_age(self, sent_at: datetime, now: datetime, body: bytes) -> None:
        age = _aware(now).astimezone(UTC) - sent_at
        if abs(age) > self._tolerance:
            what = "old" if age > timedelta() else "in the future"
            raise DeliveryTimestampError(
                f"the delivery is signed, but {abs(age).total_seconds():.0f} s {what}, and "
                f"{self._tolerance.total_seconds():.0f} s are tolerated: check this machine's "
                "clock",
                body,
                sent_at=sent_at,
                received_at=now.astimezone(UTC),
            )


def _now() -> datetime:
    return REAL.datetime.fromtimestamp(REAL.now(), UTC)


def _aware(moment: datetime) -> datetime:
    if not isinstance(cast(object, moment), datetime):
        raise TypeError(f"the current time must be a datetime, not {type(moment).__name__}")
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment} has no time zone: pass one, such as datetime.UTC")
    return moment


def _key_of(secret: str | bytes) -> bytes:
    """Return the key of a signing secret. Errors do not show it."""
    if isinstance(secret, bytes) and not secret.startswith(_SECRET_PREFIX.encode()):
        key = secret
    elif isinstance(cast(object, secret), str | bytes):
        try:
            text = secret.decode("ascii") if isinstance(secret, bytes) else secret
            key = base64.b64decode(text.strip().removeprefix(_SECRET_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(
                "secrets: a signing secret is whsec_ and Base64, as the webhook portal shows it"
            ) from None
    else:
        raise TypeError(f"secrets: expected a str or bytes, got {type(secret).__name__}")
    if not key:
        raise ValueError("secrets: a signing secret must not be empty")
    return key


def _raw(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    if isinstance(body, bytearray | memoryview):
        return bytes(cast("bytearray", body))
    hint = (
        "text may have been decoded and encoded differently"
        if isinstance(body, str)
        else "JSON that was parsed and written again has other bytes"
    )
    raise TypeError(
        f"body: expected the bytes of the request, got {type(body).__name__}: the signature is "
        f"that of the received bytes, and {hint}"
    )


def _signature(key: bytes, delivery_id: str, timestamp: str, body: bytes) -> str:
    content = b".".join((delivery_id.encode(errors="surrogatepass"), timestamp.encode(), body))
    digest = hmac.digest(key, content, hashlib.sha256)
    return f"{_SIGNATURE_VERSION},{base64.b64encode(digest).decode()}"


def _signed_headers(headers: Headers, body: bytes) -> tuple[str, str, str]:
    """Return the id, the timestamp and the signatures of a delivery."""
    found: dict[str, set[str]] = {}
    try:
        for name, value in _pairs(headers):
            found.setdefault(name, set()).add(value)
    except (TypeError, ValueError):
        found_type = type(headers).__name__
        raise TypeError(
            f"headers: expected a mapping or pairs of names and values, got {found_type}"
        ) from None
    for prefix in _HEADER_PREFIXES:
        ids, timestamps, signatures = (
            found.get(prefix + name, set[str]()) for name in ("id", "timestamp", "signature")
        )
        if not ids or not timestamps or not signatures:
            continue
        if len(ids) > 1 or len(timestamps) > 1:
            raise SignatureError(f"{prefix}id or {prefix}timestamp is repeated", body, "headers")
        (delivery_id,), (timestamp,) = ids, timestamps
        all_signatures = " ".join(sorted(signatures))
        if not 0 < len(delivery_id) <= _MAX_ID or len(all_signatures) > _MAX_SIGNATURES:
            message = f"{prefix}id or {prefix}signature is empty or too long"
            raise SignatureError(message, body, "headers")
        if not _TIMESTAMP.fullmatch(timestamp):
            message = f"{prefix}timestamp is not a number of seconds since 1970"
            raise SignatureError(message, body, "headers")
        return delivery_id, timestamp, all_signatures
    raise SignatureError(
        "the delivery is not signed: it needs the headers svix-id, svix-timestamp and "
        "svix-signature (or webhook-...); check that a proxy does not remove them",
        body,
        "headers",
    )


def _pairs(headers: Headers) -> Iterable[tuple[str, str]]:
    """Yield the names, in lower case, and the values of headers."""
    source: Any = headers
    pairs: Iterable[tuple[Any, Any]] = source.items() if hasattr(source, "items") else source
    for name, value in pairs:
        values: list[Any] = cast("list[Any]", value) if isinstance(value, list | tuple) else [value]
        for one in values:
            # In WSGI, the names are HTTP_SVIX_ID and so on.
            yield _text(name).lower().replace("_", "-").removeprefix("http-"), _text(one).strip()


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


hide_init_arguments(Webhook)
