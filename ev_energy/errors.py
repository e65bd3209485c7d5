"""Everything that can go wrong.

::

    EvEnergyError
    ├── ClientClosedError          the client was closed, or never opened
    ├── NotExpandedError           ``ref.value`` of a link that the request did not expand
    ├── ForeignOriginError         a link leads away from the API; the token stays here
    ├── CursorError                a cursor of another query, another API, or no cursor at all
    ├── AuthorizationError         somebody who was to sign in came back without a code
    ├── SignInRequiredError        there is no token, and none to be had without signing in
    ├── TokenStoreError            a token store cannot be read, written or locked
    ├── TokenError                 the token endpoint refused (RFC 6749)
    │   ├── InvalidRequestError        invalid_request
    │   ├── InvalidClientError         invalid_client
    │   ├── InvalidGrantError          invalid_grant: a code or refresh token that is no good
    │   ├── UnauthorizedClientError    unauthorized_client
    │   ├── UnsupportedGrantTypeError  unsupported_grant_type
    │   └── InvalidScopeError          invalid_scope
    ├── WebhookError               a delivery to a webhook holds no event
    ├── UploadError                a file did not arrive; it knows how to go on
    ├── BudgetExceeded             no request is left in time; says when one will be
    ├── BudgetUnavailableError     the budget that is shared with others cannot be asked
    ├── CallError                  one call failed; it knows its request
    │   ├── LimitError             a reply beyond what a sane server sends
    │   ├── PagingError            the links between pages lead nowhere
    │   ├── TransportError         no reply
    │   │   ├── NotSentError           provably not sent: safe to try again
    │   │   ├── UnconfirmedWriteError  a write may or may not have happened
    │   │   └── DeadlineError          the time given to the call is over
    │   ├── DecodeError            a reply that is not what the operation answers
    │   └── ApiError               the server said no (RFC 9457 Problem Details)
    │       ├── BadRequestError        400
    │       ├── UnauthorizedError      401
    │       ├── ForbiddenError         403
    │       ├── NotFoundError          404
    │       ├── NotAcceptableError     406
    │       ├── ConflictError          409
    │       ├── UnprocessableError     422
    │       ├── RateLimitError         429
    │       └── ServerError            5xx

Arguments that cannot be right are a plain ``ValueError`` or ``TypeError`` that names the argument,
raised before anything is sent. No message and no attribute here holds a token or a client secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from ev_energy._error_base import EvEnergyError, NotExpandedError
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
    "ClientClosedError",
    "ConflictError",
    "CursorError",
    "DeadlineError",
    "DecodeError",
    "EvEnergyError",
    "ForbiddenError",
    "ForeignOriginError",
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
    "TokenError",
    "TokenStoreError",
    "TransportError",
    "UnauthorizedClientError",
    "UnauthorizedError",
    "UnconfirmedWriteError",
    "UnprocessableError",
    "UnsupportedGrantTypeError",
    "UploadError",
    "WebhookError",
]


#: Characters of the longest message that each part which a server chooses may take.
_LONGEST_TITLE: Final = 200
_LONGEST_DETAIL: Final = 500
_LONGEST_PATH: Final = 200
_MOST_FIELDS: Final = 10


class ClientClosedError(EvEnergyError):
    """The client was closed."""

    def __init__(self) -> None:
        super().__init__("this client is closed; make a new one, or call it inside `with`")


class ForeignOriginError(EvEnergyError):
    """A link leads to another origin than the client's; it was not followed."""

    def __init__(self, url: str, origin: str) -> None:
        super().__init__(
            f"{redact_link(url)} is not under {origin}: the access token goes nowhere else. "
            "Is base_url the API that this link came from?"
        )
        self.url = url


class CursorError(EvEnergyError):
    """A cursor that does not belong to this listing."""


class AuthorizationError(EvEnergyError):
    """Somebody was sent away to sign in, and came back without a code that is good for anything.

    ``error`` is the RFC 6749 code (``access_denied`` if they said no, ...), or ``state_mismatch``,
    ``issuer_mismatch``, ``no_request`` or ``no_code`` where what came back is no answer to what was
    asked.
    """

    def __init__(self, error: str, description: str = "") -> None:
        super().__init__(f"not signed in ({error}{f': {description}' if description else ''})")
        self.error, self.description = error, description


class SignInRequiredError(EvEnergyError):
    """There is no token for ``account``, and none to be had without signing in (again).

    Raised from `InvalidGrantError` if there was one that the server does not renew any more.
    """

    def __init__(self, account: str) -> None:
        super().__init__(
            f"no token for {account!r}: redirect the user to the url of "
            "AuthorizationCode.start_authorization(), then call client.sign_in() with the callback"
        )
        self.account = account


class TokenStoreError(EvEnergyError):
    """A token store cannot be read, written or locked. What it kept is left as it was."""


class TokenError(EvEnergyError):
    """The token endpoint refused.

    ``error`` is the RFC 6749 code (``invalid_client``, ``invalid_grant``, ...), each with a class
    of its own, or the HTTP status as text where the reply was no OAuth error. A full rate-limit
    bucket is not an auth error: that is `RateLimitError`, here as anywhere.
    """

    classes: ClassVar[dict[str, type[TokenError]]] = {}

    def __init_subclass__(cls, error: str) -> None:
        TokenError.classes[error] = cls

    def __init__(self, status: int, error: str, description: str = "") -> None:
        more = f": {printable(description)}" if description else ""
        hint = "; check the client id and secret" if error == "invalid_client" else ""
        super().__init__(f"no token ({status} {printable(error)}{more}){hint}")
        self.status, self.error, self.description = status, error, description

    @staticmethod
    def of(status: int, data: Mapping[str, Any]) -> TokenError:
        """The error in a reply of the endpoint, of the class for its code."""
        error = _text(data.get("error")) or str(status)
        description = _text(data.get("error_description"))
        return TokenError.classes.get(error, TokenError)(status, error, description)


class InvalidRequestError(TokenError, error="invalid_request"):
    """The endpoint misses a parameter, or understands one otherwise."""


class InvalidClientError(TokenError, error="invalid_client"):
    """The application is unknown, or its secret is wrong or shown the wrong way (``method``)."""


class InvalidGrantError(TokenError, error="invalid_grant"):
    """A code or refresh token that was used, has expired, was revoked, or is somebody else's."""


class UnauthorizedClientError(TokenError, error="unauthorized_client"):
    """The application may not use this grant."""


class UnsupportedGrantTypeError(TokenError, error="unsupported_grant_type"):
    """The server has no such grant."""


class InvalidScopeError(TokenError, error="invalid_scope"):
    """A scope that does not exist, or that the application may not have."""


class CallError(EvEnergyError):
    """One call failed. ``request`` says which; it holds no token."""

    def __init__(self, message: str, request: Request) -> None:
        super().__init__(f"{request.label}: {message}")
        self.request = request


class TransportError(CallError):
    """No reply: the connection could not be made, broke, or took too long."""


class NotSentError(TransportError):
    """The request provably never reached the server, so it is safe to send it again."""


class UnconfirmedWriteError(TransportError):
    """A write was sent and no reply came: it may or may not have been carried out.

    It is never repeated for you. Read the resource back before you decide.
    """


class DeadlineError(TransportError):
    """The call's ``deadline`` left no time for another attempt, or for the wait before it."""


class BudgetExceeded(EvEnergyError):  # noqa: N818  (what it is called wherever budgets are kept)
    """The allowance leaves no request in time. Nothing was sent.

    Attributes:
        request: What was to be sent; None for a reservation.
        wait: Seconds until there would have been one, as far as is known.
        at: The same as a moment, in UTC.
    """

    def __init__(self, request: Request | None, wait: float, at: datetime) -> None:
        what = "reserve" if request is None else request.label
        super().__init__(
            f"{what}: the allowance has no request left; the next in {wait:.0f} s, at "
            f"{at:%Y-%m-%d %H:%M:%S} UTC"
        )
        self.request, self.wait, self.at = request, wait, at


class BudgetUnavailableError(EvEnergyError):
    """The budget that is shared with other processes cannot be asked. Nothing was sent."""


class LimitError(CallError):
    """A reply beyond what a sane server sends. It was not read on, and is not asked for again.

    Nobody knows whether a write was carried out: read the resource back before you decide.

    Attributes:
        limit: Which limit: ``"max_body"``, ``"max_items"`` (of a list), ``"max_values"`` (of the
            reply), ``"objects"`` (of one resource), ``"unknown_members"`` (of one object),
            ``"odd_values"`` (of one resource, of no known shape), ``"header_size"``,
            ``"headers"`` (their number), or ``"members"`` (parts that a body was packed in).
        status: The status of the reply; None if it was not read as far as that.
    """

    def __init__(self, message: str, request: Request, limit: str, status: int | None) -> None:
        if status is not None:
            message = f"{message} (HTTP {status})"
        if request.is_write:
            message = f"{message}; it may or may not have been carried out"
        super().__init__(message, request)
        self.limit, self.status = limit, status


class PagingError(CallError):
    """The links between pages lead nowhere: unreadable, in a circle, or without an end.

    ``cursor`` resumes at the first page that was not delivered: where a link is wrong, that is the
    page it stands on.

    Attributes:
        page: The page whose link is wrong, for who will do with what it holds. None where there
            are too many pages, each of which was delivered.
    """

    def __init__(self, message: str, request: Request, page: Page[Any] | None = None) -> None:
        super().__init__(message, request)
        self.page = page


class WebhookError(EvEnergyError):
    """A delivery holds no event. ``body`` is its body, ``path`` says where in the JSON."""

    def __init__(self, message: str, body: bytes, path: str = "$") -> None:
        super().__init__(f"{printable(message)} (at {printable(path, _LONGEST_PATH)})")
        self.body, self.path = body, path


class UploadError(EvEnergyError):
    """The bytes of a file did not arrive where they were to be put, or were not taken note of.

    Nothing is lost: ``client.rebates.resume_upload(error.upload, file)`` goes on.

    Attributes:
        upload: The upload that was started.
        status: What the storage answered; None if it gave no answer.
        body: The storage's answer.
    """

    def __init__(
        self,
        message: str,
        upload: RebateEvidenceUpload,
        status: int | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.upload, self.status, self.body = upload, status, body


class DecodeError(CallError):
    """The reply is not what the operation answers. ``response.body`` is the raw reply.

    ``path`` says where in the JSON (``$[3].model.name``), as far as it is known.
    """

    def __init__(self, message: str, request: Request, response: Response, path: str = "$") -> None:
        shown, where = printable(message, _LONGEST_DETAIL), printable(path, _LONGEST_PATH)
        super().__init__(f"{shown} (HTTP {response.status}, at {where})", request)
        self.response, self.status, self.body = response, response.status, response.body
        self.path = path


class ApiError(CallError):
    """The server answered with an error; where it sent a problem document, this reads it.

    Attributes:
        status: The HTTP status.
        type: The problem's type as a slug (``"rate-limit-exceeded"``), or None: many problems say
            all they have to say by their status.
        title, detail: For people; never match on them.
        instance: A URL of what the problem is about, or None.
        field_errors: Member name to what is wrong with it; empty when not given. Nested bodies may
            give nested values.
        extensions: Every other member of the problem, as it came.
        response: The whole reply; ``body`` is its raw body.
    """

    status: int
    classes: ClassVar[dict[int, type[ApiError]]] = {}

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
        self.status, self.response, self.body = response.status, response, response.body
        shown_title = printable(self.title, _LONGEST_TITLE)
        parts = [f"{response.status} {shown_title}".strip(), printable(detail, _LONGEST_DETAIL)]
        parts += [
            f"{printable(name, _LONGEST_TITLE)}: {printable(message, _LONGEST_TITLE)}"
            for name, message in islice(self.field_errors.items(), _MOST_FIELDS)
        ]
        if (more := len(self.field_errors) - _MOST_FIELDS) > 0:
            parts.append(f"and {more} more")
        super().__init__(" — ".join(filter(None, parts)), request)

    @property
    def notification(self) -> Notification | None:
        """The notification that the server wants shown to the user, if the problem has one."""
        from ev_energy.models import Notification

        data = self.extensions.get("notification")
        if not isinstance(data, dict):
            return None
        return Notification.from_dict(cast("dict[str, Any]", data))


class BadRequestError(ApiError, status=400):
    """400: an argument was refused; see ``field_errors``."""


class UnauthorizedError(ApiError, status=401):
    """401: the access token is missing, wrong or expired, also after one refresh."""


class ForbiddenError(ApiError, status=403):
    """403: the token lacks the scope, or the resource is not yours."""


class NotFoundError(ApiError, status=404):
    """404: no such resource, or none that this token may see."""


class NotAcceptableError(ApiError, status=406):
    """406: the server cannot answer in a form we accept."""


class ConflictError(ApiError, status=409):
    """409: the resource is not in a state that allows this."""


class UnprocessableError(ApiError, status=422):
    """422: the body was understood and refused; see ``field_errors``."""


class RateLimitError(ApiError, status=429):
    """429: the allowance of the rolling hour is used up. Never an auth error."""

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asked to wait, None if it did not say."""
        return self.response.retry_after


class ServerError(ApiError):
    """5xx: the server failed; the body is often no problem document."""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
