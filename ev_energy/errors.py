"""The errors that this package raises.

    EvEnergyError
    ├── ClientClosedError          the client was closed
    ├── NotExpandedError           ref.value of a link that the request did not expand
    ├── ForeignOriginError         a link leads to another origin and was not followed
    ├── CursorError                an invalid cursor, or one of another query or API
    ├── AuthorizationError         signing in failed: the callback has no valid code
    ├── SignInRequiredError        the user must sign in (again)
    ├── TokenStoreError            a token store cannot be read, written or locked
    ├── CredentialUnavailableError a function that returns a secret failed
    ├── TokenError                 the token endpoint refused the request (RFC 6749)
    │   ├── InvalidRequestError        invalid_request
    │   ├── InvalidClientError         invalid_client
    │   ├── InvalidGrantError          invalid_grant: the code or refresh token is not valid
    │   ├── UnauthorizedClientError    unauthorized_client
    │   ├── UnsupportedGrantTypeError  unsupported_grant_type
    │   └── InvalidScopeError          invalid_scope
    ├── WebhookError               a delivery of a webhook is not accepted
    │   ├── SignatureError             it is not signed with one of the secrets
    │   ├── DeliveryTimestampError     it is signed, but too old or from the future
    │   └── UnreadableEventError       its body is not a valid event
    ├── InboxUnavailableError      the store of an inbox is unreachable
    ├── EventQueueError            a queue of webhook events cannot be reached
    ├── StateError                 a saved state cannot be resumed from
    ├── StateStoreError            a state store cannot be read or written
    │   └── StateConflictError         another process has saved a state in the meantime
    ├── UncommittedBatchError      a stream was continued without committing its last batch
    ├── UploadError                a file was not uploaded; the upload can be resumed
    ├── BudgetExceeded             the rate limit allows no request before the deadline
    ├── BudgetUnavailableError     the backend of a shared budget is unreachable
    ├── CallError                  a call failed; has the request
    │   ├── LimitError             the reply exceeds a limit
    │   ├── PagingError            the links between pages are invalid or endless
    │   ├── TransportError         there was no reply
    │   │   ├── NotSentError           provably not sent: safe to send again
    │   │   ├── UnconfirmedWriteError  a write may or may not have been carried out
    │   │   └── DeadlineError          the call's deadline leaves no more time
    │   ├── DecodeError            the reply is not one of this operation
    │   └── ApiError               the server answered with an error (RFC 9457)
    │       ├── BadRequestError        400
    │       ├── UnauthorizedError      401
    │       ├── ForbiddenError         403
    │       ├── NotFoundError          404
    │       ├── NotAcceptableError     406
    │       ├── ConflictError          409
    │       ├── UnprocessableError     422
    │       ├── RateLimitError         429
    │       └── ServerError            5xx

Invalid arguments raise a ``ValueError`` or ``TypeError`` that names the argument, before anything
is sent. No message or attribute of these errors holds a token or a client secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast

from ev_energy._error_base import CallOutcome, EvEnergyError, NotExpandedError
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.show import redact_link

if TYPE_CHECKING:
    from datetime import datetime

    from ev_energy._messages import Page, Request, Response
    from ev_energy.models import Notification, RebateEvidenceUpload

__all__ = [
    "ApiError",
    "AuthorizationError",
    "BadRequestError",
    "BudgetExceeded",
    "BudgetUnavailableError",
    "CallError",
    "CallOutcome",
    "ClientClosedError",
    "ConflictError",
    "CredentialUnavailableError",
    "CursorError",
    "DeadlineError",
    "DecodeError",
    "DeliveryTimestampError",
    "EvEnergyError",
    "EventQueueError",
    "ForbiddenError",
    "ForeignOriginError",
    "InboxUnavailableError",
    "InvalidClientError",
    "InvalidGrantError",
    "InvalidRequestError",
    "InvalidScopeError",
    "LimitError",
    "NotAcceptableError",
    "NotExpandedError",
    "NotFoundError",
    "NotSentError",
    "PagingError",
    "RateLimitError",
    "ServerError",
    "SignInRequiredError",
    "SignatureError",
    "StateConflictError",
    "StateError",
    "StateStoreError",
    "TokenError",
    "TokenStoreError",
    "TransportError",
    "UnauthorizedClientError",
    "UnauthorizedError",
    "UncommittedBatchError",
    "UnconfirmedWriteError",
    "UnprocessableError",
    "UnreadableEventError",
    "UnsupportedGrantTypeError",
    "UploadError",
    "WebhookError",
]


_REDIRECTS: Final = range(300, 400)
#: Maximum length, in characters, of the parts of a message that a server chooses.
_MAX_TITLE: Final = 200
_MAX_DETAIL: Final = 500
_MAX_PATH: Final = 200
#: Maximum number of field errors in a message.
_MAX_FIELD_ERRORS: Final = 10


class ClientClosedError(EvEnergyError):
    """The client was closed."""

    outcome: CallOutcome | None = "not_sent"

    def __init__(self) -> None:
        super().__init__(
            "this client is closed: create a new one, or call it inside its `with` or `async with` "
            "block"
        )


class ForeignOriginError(EvEnergyError):
    """A link leads to another origin than the API's. It was not followed."""

    outcome: CallOutcome | None = "not_sent"

    def __init__(self, url: str, origin: str) -> None:
        super().__init__(
            f"{redact_link(url)} is not under {origin}, and the access token is sent nowhere else. "
            "Is base_url the API that this link came from?"
        )
        self.url = url


class CursorError(EvEnergyError):
    """The cursor is invalid or belongs to another listing."""

    outcome: CallOutcome | None = "not_sent"


class AuthorizationError(EvEnergyError):
    """Signing in failed: the callback has no valid authorization code.

    ``error`` is the RFC 6749 code (``access_denied`` if the user refused, for example). It is
    ``state_mismatch``, ``issuer_mismatch``, ``no_request`` or ``no_code`` if the callback does not
    belong to the sign-in or has no code.
    """

    def __init__(self, error: str, description: str = "") -> None:
        super().__init__(f"not signed in ({error}{f': {description}' if description else ''})")
        self.error: str = error
        self.description: str = description


class SignInRequiredError(EvEnergyError):
    """There is no valid token for ``account``: the user must sign in (again).

    The cause is an `InvalidGrantError` if there was a token that the server refused to renew.
    """

    outcome: CallOutcome | None = "not_sent"

    def __init__(self, account: str) -> None:
        super().__init__(
            f"no token for {account!r}: redirect the user to the url of "
            "AuthorizationCode.start_authorization(), then call client.sign_in() with the callback"
        )
        self.account = account


class TokenStoreError(EvEnergyError):
    """A token store cannot be read, written or locked. Its content was not changed."""

    outcome: CallOutcome | None = "not_sent"


class CredentialUnavailableError(EvEnergyError):
    """A function that was passed as ``client_secret`` or ``token`` returned no secret.

    It raised an error, which is the cause; it is too slow; or what it returned is no secret. The
    next call calls the function again.
    """

    outcome: CallOutcome | None = "not_sent"


class TokenError(EvEnergyError):
    """The token endpoint refused the request.

    ``error`` is the RFC 6749 code (``invalid_client``, ``invalid_grant``, ...), each of which has
    its own class, or the HTTP status as text if the reply was not an OAuth error. An exceeded rate
    limit is not an authentication error but a `RateLimitError`, as everywhere.
    """

    outcome: CallOutcome | None = "not_sent"

    classes: ClassVar[dict[str, type[TokenError]]] = {}
    """The class of the error for each OAuth code that has one of its own."""

    def __init_subclass__(cls, error: str) -> None:
        TokenError.classes[error] = cls

    def __init__(self, status: int, error: str, description: str = "") -> None:
        more = f": {printable(description)}" if description else ""
        hint = "; check the client id and secret" if error == "invalid_client" else ""
        super().__init__(f"no token ({status} {printable(error)}{more}){hint}")
        self.status: int = status
        self.error: str = error
        self.description: str = description

    @staticmethod
    def of(status: int, data: Mapping[str, Any]) -> TokenError:
        """Create the error for a reply of the endpoint, of the class for its code."""
        error = _text(data.get("error")) or str(status)
        description = _text(data.get("error_description"))
        return TokenError.classes.get(error, TokenError)(status, error, description)


class InvalidRequestError(TokenError, error="invalid_request"):
    """The token request lacks a parameter or has an invalid one."""


class InvalidClientError(TokenError, error="invalid_client"):
    """The client id or secret is wrong, or was sent in the wrong form (see ``method``)."""


class InvalidGrantError(TokenError, error="invalid_grant"):
    """The code or refresh token was used, expired, was revoked, or belongs to another client."""


class UnauthorizedClientError(TokenError, error="unauthorized_client"):
    """The application is not allowed to use this grant type."""


class UnsupportedGrantTypeError(TokenError, error="unsupported_grant_type"):
    """The server does not support this grant type."""


class InvalidScopeError(TokenError, error="invalid_scope"):
    """A scope does not exist, or the application is not allowed to have it."""


class CallError(EvEnergyError):
    """A call failed. ``request`` is its request, which holds no token."""

    outcome: CallOutcome | None = "unknown"

    def __init__(self, message: str, request: Request) -> None:
        super().__init__(f"{request.label}: {message}")
        self.request = request


class TransportError(CallError):
    """There was no reply: the connection failed, broke or timed out."""


class NotSentError(TransportError):
    """The request provably never reached the server, so it is safe to send it again."""

    outcome: CallOutcome | None = "not_sent"


class UnconfirmedWriteError(TransportError):
    """A write was sent but got no reply: it may or may not have been carried out.

    The client never repeats it. Read the resource back before you do.
    """


class DeadlineError(TransportError):
    """The ``deadline`` of the call leaves no time for another attempt or the wait before it."""

    def __init__(self, message: str, request: Request, *, was_sent: bool) -> None:
        super().__init__(message, request)
        # A write is repeated only if the attempts before were not sent, or were refused.
        self.outcome: CallOutcome | None = "unknown" if was_sent else "not_sent"


class BudgetExceeded(EvEnergyError):  # noqa: N818  (the usual name of this condition)
    """The rate limit allows no request before the deadline. Nothing was sent.

    Attributes:
        request: The request that was not sent; None for a reservation.
        wait: Estimated seconds until the request would be allowed.
        at: The time of that, in UTC.
    """

    outcome: CallOutcome | None = "not_sent"

    def __init__(self, request: Request | None, wait: float, at: datetime) -> None:
        what = "reserve" if request is None else request.label
        super().__init__(
            f"{what}: the rate limit allows no request now; the next one in {wait:.0f} s, at "
            f"{at:%Y-%m-%d %H:%M:%S} UTC"
        )
        self.request: Request | None = request
        self.wait: float = wait
        self.at: datetime = at


class BudgetUnavailableError(EvEnergyError):
    """The backend of a budget that processes share is unreachable. Nothing was sent."""

    outcome: CallOutcome | None = "not_sent"


class LimitError(CallError):
    """The reply exceeds a limit. Reading stopped there, and the request is not repeated.

    A write may or may not have been carried out: read the resource back before you repeat it.

    Attributes:
        limit: The exceeded limit: ``"max_body"``, ``"max_items"`` (of a list), ``"max_values"`` (of
            the reply), ``"objects"`` (of one resource), ``"unknown_members"`` (of one object),
            ``"odd_values"`` (values of one resource that the models do not describe),
            ``"header_size"``, ``"headers"`` (their number), or ``"members"`` (parts that a body was
            compressed in).
        status: The status of the reply; None if the limit was exceeded before it was read.
    """

    def __init__(self, message: str, request: Request, limit: str, status: int | None) -> None:
        if status is not None:
            message = f"{message} (HTTP {status})"
        if request.is_write:
            message = f"{message}; it may or may not have been carried out"
        super().__init__(message, request)
        self.limit: str = limit
        self.status: int | None = status


class PagingError(CallError):
    """The links between pages are unreadable, circular or endless.

    ``cursor`` resumes at the first page that was not delivered. If a link is wrong, that is the
    page with this link.

    Attributes:
        page: The page whose link is wrong, in case its items are of use. None if there are too
            many pages, all of which were delivered.
    """

    def __init__(self, message: str, request: Request, page: Page[Any] | None = None) -> None:
        super().__init__(message, request)
        self.page = page
        if page is not None:
            self.request_id: str | None = page.response.request_id


class WebhookError(EvEnergyError):
    """A delivery of a webhook is not accepted. ``body`` is its body, as received."""

    def __init__(self, message: str, body: bytes) -> None:
        super().__init__(message)
        self.body = body


class SignatureError(WebhookError):
    """A delivery is not signed with one of the secrets: its sender is unknown.

    Attributes:
        step: The step that failed: ``"body"`` if it is larger than a megabyte, ``"headers"`` if one
            is missing, repeated or malformed, or ``"signature"`` if none is that of the body.
    """

    def __init__(
        self, message: str, body: bytes, step: Literal["body", "headers", "signature"]
    ) -> None:
        super().__init__(message, body)
        self.step: Final = step


class DeliveryTimestampError(WebhookError):
    """A delivery is signed, but was sent too long ago or in the future.

    It is a replay of an old delivery, or one of the two clocks is wrong.

    Attributes:
        sent_at: When it was sent, by the sender's clock; UTC.
        received_at: When it was verified, by this machine's clock; UTC.
    """

    def __init__(
        self, message: str, body: bytes, *, sent_at: datetime, received_at: datetime
    ) -> None:
        super().__init__(message, body)
        self.sent_at: datetime = sent_at
        self.received_at: datetime = received_at


class UnreadableEventError(WebhookError):
    """The body of a delivery is not a valid event.

    Attributes:
        path: The place in its JSON.
        is_deviation: Whether the event was readable, but not exactly that of the models, which is
            an error with ``strict=True`` only: a newer version of this package may accept it.
            Otherwise, the sender should not repeat the delivery, whose body will not change.
    """

    def __init__(
        self, message: str, body: bytes, path: str = "$", *, is_deviation: bool = False
    ) -> None:
        super().__init__(f"{printable(message)} (at {printable(path, _MAX_PATH)})", body)
        self.path: str = path
        self.is_deviation: bool = is_deviation


class InboxUnavailableError(EvEnergyError):
    """The store of an inbox is unreachable, so it is unknown whether a delivery was handled."""


class EventQueueError(EvEnergyError):
    """A queue of webhook events cannot be reached. Events may be lost, which costs freshness."""


class StateError(EvEnergyError):
    """A saved state cannot be resumed from: it is damaged, or of another stream or version."""


class StateStoreError(EvEnergyError):
    """A state store cannot be read, written or locked. Its content was not changed."""


class StateConflictError(StateStoreError):
    """The stored state is not the one that the new state follows. It was not changed.

    Attributes:
        expected: The revision that the new state follows; None for a first state.
        stored: The revision of the stored state; None if there is none.
    """

    def __init__(self, where: str, expected: str | None, stored: str | None) -> None:
        super().__init__(
            f"{where} holds {_revision(stored)}, and this stream continues from "
            f"{_revision(expected)}: another process reads the same stream, or this one saved its "
            "state elsewhere. Let one process read a stream, and begin again from the stored state"
        )
        self.expected: str | None = expected
        self.stored: str | None = stored


class UncommittedBatchError(EvEnergyError):
    """A stream was continued without committing its last batch.

    Nothing was lost: the stream still has the batch. Commit it, or begin again from the saved
    state, which hands it over again.
    """

    def __init__(self) -> None:
        super().__init__(
            "the last batch was not committed: call `await batch.commit()` after its changes are "
            "stored, or begin again from the saved state to receive them once more"
        )


class UploadError(EvEnergyError):
    """A file was not stored, or the API could not be told that it was.

    ``client.rebates.resume_upload(error.upload, file)`` resumes the upload.

    Attributes:
        upload: The upload that was started.
        status: The status of the storage's reply; None if there was none.
        body: The body of the storage's reply.
        request_id: The id of the reply that failed, be it the storage's or the API's.
    """

    outcome: CallOutcome | None = "unknown"

    def __init__(
        self,
        message: str,
        upload: RebateEvidenceUpload,
        status: int | None = None,
        body: bytes = b"",
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.upload: RebateEvidenceUpload = upload
        self.status: int | None = status
        self.body: bytes = body
        self.request_id = request_id


class DecodeError(CallError):
    """The reply is not one of this operation. ``response.body`` is its raw body.

    ``path`` is the place in the JSON (``$[3].model.name``), as far as it is known.
    """

    def __init__(self, message: str, request: Request, response: Response, path: str = "$") -> None:
        shown, where = printable(message, _MAX_DETAIL), printable(path, _MAX_PATH)
        self.request_id: str | None = response.request_id
        named = f", request id {self.request_id}" if self.request_id else ""
        super().__init__(f"{shown} (HTTP {response.status}, at {where}{named})", request)
        self.response: Response = response
        self.status: int = response.status
        self.body: bytes = response.body
        self.path = path
        if response.status in _REDIRECTS:
            self.outcome: CallOutcome | None = "refused"


class ApiError(CallError):
    """The server answered with an error. The attributes are those of its problem document, if any.

    Attributes:
        status: The HTTP status.
        type: The problem type as a slug (``"rate-limit-exceeded"``); None if the status says it
            all, as it often does.
        title, detail: Text for people. Do not compare them in code.
        instance: A URL that identifies this occurrence of the problem, or None.
        field_errors: The errors of the request body by field name; empty if there are none. Nested
            bodies may have nested values.
        extensions: All other members of the problem document, unchanged.
        response: The reply; ``body`` is its raw body.
    """

    outcome: CallOutcome | None = "refused"

    status: int
    classes: ClassVar[dict[int, type[ApiError]]] = {}
    """The class of the error for each status that has one of its own."""

    def __init_subclass__(cls, status: int | None = None) -> None:
        if status is not None:
            ApiError.classes[status] = cls

    def __init__(
        self,
        request: Request,
        response: Response,
        *,
        title: str = "",
        detail: str = "",
        type: str | None = None,  # noqa: A002  (the name of the member in RFC 9457)
        instance: str | None = None,
        field_errors: Mapping[str, Any] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        self.title: str = title or response.reason
        self.detail: str = detail
        self.type: str | None = type
        self.instance: str | None = instance
        self.field_errors: Mapping[str, Any] = {} if field_errors is None else field_errors
        self.extensions: Mapping[str, Any] = {} if extensions is None else extensions
        self.status = response.status
        self.response: Response = response
        self.body: bytes = response.body
        shown_title = printable(self.title, _MAX_TITLE)
        parts = [f"{response.status} {shown_title}".strip(), printable(detail, _MAX_DETAIL)]
        parts += [
            f"{printable(name, _MAX_TITLE)}: {printable(message, _MAX_TITLE)}"
            for name, message in islice(self.field_errors.items(), _MAX_FIELD_ERRORS)
        ]
        if (more := len(self.field_errors) - _MAX_FIELD_ERRORS) > 0:
            parts.append(f"and {more} more")
        self.request_id: str | None = response.request_id
        named = f" (request id {self.request_id})" if self.request_id else ""
        super().__init__(f"{' — '.join(filter(None, parts))}{named}", request)

    @property
    def notification(self) -> Notification | None:
        """The notification to show to the user, if the problem document has one."""
        from ev_energy.models import Notification

        data = self.extensions.get("notification")
        if not isinstance(data, dict):
            return None
        return Notification.from_dict(cast("dict[str, Any]", data))


class BadRequestError(ApiError, status=400):
    """400: the request is invalid; see ``field_errors``."""


class UnauthorizedError(ApiError, status=401):
    """401: the access token is missing, wrong or expired, also after one renewal."""


class ForbiddenError(ApiError, status=403):
    """403: the token lacks the scope, or the resource is not yours."""


class NotFoundError(ApiError, status=404):
    """404: the resource does not exist, or this token may not see it."""


class NotAcceptableError(ApiError, status=406):
    """406: the server cannot answer in a format that the client accepts."""


class ConflictError(ApiError, status=409):
    """409: the state of the resource does not allow this operation."""


class UnprocessableError(ApiError, status=422):
    """422: the body is well-formed but invalid; see ``field_errors``."""


class RateLimitError(ApiError, status=429):
    """429: the rate limit of the rolling hour is exceeded. Never an authentication error."""

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait; None if it does not say."""
        return self.response.retry_after


class ServerError(ApiError):
    """5xx: the server failed. The body is often not a problem document."""

    outcome: CallOutcome | None = "unknown"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _revision(revision: str | None) -> str:
    return "no state" if revision is None else f"revision {revision}"
