"""Problem documents (RFC 9457) that answer a request in place of an error of this package."""

from __future__ import annotations

import json
import logging
import math
import re
import traceback
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from types import FrameType
from typing import Any, Final, cast

import attrs
from fastapi import FastAPI
from starlette.requests import HTTPConnection
from starlette.responses import Response

from ev_energy import errors
from ev_energy._redaction.scrub import printable
from ev_energy._runtime.log_fields import log_fields
from ev_energy.errors import EvEnergyError

_log: Final = logging.getLogger("ev_energy.fastapi")

_TYPE_PREFIX: Final = "urn:ev-energy:problem:"
#: The modules of the operations of the API.
_OPERATIONS: Final = "ev_energy.resources."
#: The modules that check the arguments of operations.
_CHECKS: Final = (
    _OPERATIONS,
    "ev_energy._api.urls",
    "ev_energy._arguments",
    "ev_energy._codec.encode",
    "ev_energy._codec.text",
)
#: Characters of the message of an error in the log.
_MAX_MESSAGE: Final = 300
#: The argument that a message of one of those modules names first.
_ARGUMENT: Final = re.compile(r"(?:an item of )?([a-z_][a-z0-9_]*)")
#: Characters of the name of a field, and names, that a problem repeats from the API.
_MAX_FIELD_NAME: Final = 50
_MAX_FIELDS: Final = 20


@attrs.frozen(kw_only=True)
class Problem:
    """A problem document (RFC 9457). Its texts are those of this package, not of the API."""

    status: int
    """The HTTP status."""
    type: str
    """A URN that names the kind of problem: ``urn:ev-energy:problem:rate-limit``."""
    title: str
    """The kind of problem, for people."""
    detail: str
    """What happened in this case, for people."""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Headers that belong to the problem, such as ``Retry-After``."""
    extensions: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    """Further members of the document: ``invalid_fields``, the names of the fields that the API
    refused; ``outcome``, the `EvEnergyError.outcome` of a write."""

    @classmethod
    def of(cls, error: EvEnergyError) -> Problem:
        """Return the problem to answer a request with that *error* ended."""
        problem = next(_PROBLEMS[base] for base in type(error).__mro__ if base in _PROBLEMS)
        headers, extensions = dict(problem.headers), dict[str, Any]()
        status = problem.status
        if isinstance(error, errors.TransportError) and _is_timeout(error):
            status = HTTPStatus.GATEWAY_TIMEOUT
        if (seconds := _retry_after(error)) is not None:
            headers["Retry-After"] = str(math.ceil(seconds))
            if status == HTTPStatus.BAD_GATEWAY:
                status = HTTPStatus.SERVICE_UNAVAILABLE
        if isinstance(error, errors.ApiError) and (names := _field_names(error)):
            extensions["invalid_fields"] = names
        if isinstance(error, errors.CallError) and error.request.is_write:
            extensions["outcome"] = error.outcome
        return attrs.evolve(problem, status=int(status), headers=headers, extensions=extensions)

    def to_dict(self) -> dict[str, Any]:
        """Return the members of the document."""
        members = {name: getattr(self, name) for name in ("type", "title", "status", "detail")}
        return {**members, **self.extensions}

    def response(self) -> Response:
        """Return the response that has this document as its body."""
        headers = {"Cache-Control": "no-store", **self.headers}
        body = json.dumps(self.to_dict(), separators=(",", ":")).encode()
        return Response(body, self.status, headers, media_type="application/problem+json")


def add_exception_handlers(app: FastAPI) -> None:
    """Have *app* answer with a problem document if an error of this package ends a request.

    What a visitor sent keeps its status: 404 if a resource does not exist, 400 if an argument of an
    operation is not valid, 401 if the user must sign in. What is wrong with the credentials of the
    application, with the API or with the way there is 502, 503 or 504. No document repeats what the
    API said. The log ``ev_energy.fastapi`` has the errors of the second kind.

    A ``ValueError`` becomes a problem only if an operation of the API raised it because of its
    arguments; others stay what they are. The problem names the argument, but not its value, which
    the application may have chosen; the log has the whole message.

    An `ExceptionGroup` of such errors, as `asyncio.TaskGroup` raises it, gets the problem with the
    highest status, and no ``outcome``: the group does not know what became of cancelled writes.

    Handlers that *app* already has are kept.
    """
    for error in (EvEnergyError, ValueError, ExceptionGroup):
        app.exception_handlers.setdefault(error, _on_error)


async def _on_error(connection: HTTPConnection, error: Exception) -> Response:
    single_errors = list(_single_errors(error))
    problems = [problem for one in single_errors if (problem := _problem_of(one)) is not None]
    if connection.scope["type"] != "http" or len(problems) < len(single_errors):
        raise error  # a WebSocket has no response, and other errors are not for this handler
    for one, problem in zip(single_errors, problems, strict=True):
        _log_error(one, problem)
    worst = max(problems, key=lambda problem: problem.status)  # the first one of them
    if isinstance(error, ExceptionGroup):
        known = {name: value for name, value in worst.extensions.items() if name != "outcome"}
        worst = attrs.evolve(worst, extensions=known)
    return worst.response()


def _single_errors(error: Exception) -> Iterator[Exception]:
    """Return the errors of a group, and of groups inside of it; else *error* itself."""
    if isinstance(error, ExceptionGroup):
        for one in cast("ExceptionGroup[Exception]", error).exceptions:
            yield from _single_errors(one)
    else:
        yield error


def _problem_of(error: Exception) -> Problem | None:
    """Return the problem of *error*; None if it has none."""
    if isinstance(error, EvEnergyError):
        return Problem.of(error)
    if isinstance(error, ValueError) and _is_argument_error(error):
        name = _argument_of(error)
        detail = f"The value of {name} is not valid." if name else "A value is not valid."
        return attrs.evolve(_INVALID_ARGUMENT, detail=detail)
    return None


def _log_error(error: Exception, problem: Problem) -> None:
    fields = log_fields("request_failed", status=problem.status, error=type(error).__name__)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("a request failed", exc_info=error, extra=fields)
    elif problem.status > HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("a request was answered with %s: %s", problem.status, error, extra=fields)
    elif not isinstance(error, EvEnergyError):  # the application may have chosen the value
        message = printable(str(error), _MAX_MESSAGE)
        _log.warning(
            "an operation refused an argument, answered with 400: %s", message, extra=fields
        )


def _is_argument_error(error: Exception) -> bool:
    """Return whether an operation of the API refused an argument with *error*.

    What its hooks raise is not, nor is an operation that needs credentials which there are not.
    """
    modules = [_module(frame) for frame in _frames(error)]
    return modules[-1].startswith(_CHECKS) and any(one.startswith(_OPERATIONS) for one in modules)


def _argument_of(error: Exception) -> str | None:
    """Return the name of the argument that an operation refused, if the message begins with it."""
    found = _ARGUMENT.match(str(error))
    operations = [frame for frame in _frames(error) if _module(frame).startswith(_OPERATIONS)]
    names = {name for frame in operations for name in frame.f_code.co_varnames}
    return found[1] if found and found[1] in names else None


def _frames(error: Exception) -> list[FrameType]:
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_timeout(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TimeoutError | errors.DeadlineError):
            return True
        cause = cause.__cause__
    return False


def _retry_after(error: EvEnergyError) -> float | None:
    """Return the seconds to wait that a budget or the API asks for; None if neither does."""
    if isinstance(error, errors.BudgetExceeded):
        return max(error.wait, 1.0)
    if isinstance(error, errors.RateLimitError | errors.ServerError):
        return error.response.retry_after
    return None


def _field_names(error: errors.ApiError) -> list[str]:
    """Return the names of the fields that the API refused, if they look like names."""
    if error.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return []
    names = list(error.field_errors)[:_MAX_FIELDS]
    return [name for name in names if name.isidentifier() and len(name) <= _MAX_FIELD_NAME]


def _problem(
    status: HTTPStatus, slug: str, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Problem:
    problem_type = f"{_TYPE_PREFIX}{slug}"
    return Problem(
        status=status, type=problem_type, title=title, detail=detail, headers=headers or {}
    )


_INVALID_ARGUMENT: Final = _problem(
    HTTPStatus.BAD_REQUEST, "invalid-argument", "An argument is not valid", ""
)
_RATE_LIMIT: Final = _problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "rate-limit",
    "Too many requests to ev.energy",
    "The hourly allowance of requests to ev.energy is used up. Try again later.",
)
_CREDENTIALS: Final = _problem(
    HTTPStatus.BAD_GATEWAY,
    "credentials-refused",
    "ev.energy refused this application",
    "ev.energy does not accept the credentials of this application, or does not allow it this "
    "operation.",
)
_UNAVAILABLE: Final = _problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "unavailable",
    "Temporarily unavailable",
    "A service that this application needs cannot be reached. Try again later.",
)
_UNUSABLE: Final = _problem(
    HTTPStatus.BAD_GATEWAY,
    "unusable-reply",
    "Unusable reply of ev.energy",
    "ev.energy answered with something that this application cannot use.",
)
_INTERNAL: Final = _problem(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal",
    "Internal error",
    "This application made a mistake.",
)
_INVALID_REQUEST: Final = _problem(
    HTTPStatus.BAD_REQUEST,
    "invalid-request",
    "ev.energy refused the request",
    "ev.energy does not accept the values of this request.",
)
_SIGN_IN_FAILED: Final = _problem(
    HTTPStatus.BAD_REQUEST,
    "sign-in-failed",
    "Not signed in",
    "Signing in with ev.energy was refused, or took too long. Start again.",
)

#: The problem of each class of errors, and of its subclasses without one of their own.
_PROBLEMS: Final[Mapping[type[Any], Problem]] = {
    EvEnergyError: _INTERNAL,
    errors.NotExpandedError: _INTERNAL,
    errors.StateError: _INTERNAL,
    errors.StateConflictError: _INTERNAL,
    errors.UncommittedBatchError: _INTERNAL,
    errors.SignInRequiredError: _problem(
        HTTPStatus.UNAUTHORIZED,
        "sign-in-required",
        "Sign-in required",
        "The user must sign in with ev.energy (again).",
        {"WWW-Authenticate": 'Cookie realm="ev.energy"'},  # RFC 9110 §11.6.1 requires one
    ),
    errors.AuthorizationError: _SIGN_IN_FAILED,
    errors.InvalidGrantError: _SIGN_IN_FAILED,
    errors.TokenError: _CREDENTIALS,
    errors.UnauthorizedError: _CREDENTIALS,
    errors.ForbiddenError: _CREDENTIALS,
    errors.NotFoundError: _problem(
        HTTPStatus.NOT_FOUND,
        "not-found",
        "Not found",
        "ev.energy has no such resource, or does not show it to this user.",
    ),
    errors.BadRequestError: _INVALID_REQUEST,
    errors.UnprocessableError: attrs.evolve(
        _INVALID_REQUEST, status=HTTPStatus.UNPROCESSABLE_ENTITY
    ),
    errors.ConflictError: _problem(
        HTTPStatus.CONFLICT,
        "conflict",
        "Conflict",
        "The state of the resource does not allow this.",
    ),
    errors.CursorError: _problem(
        HTTPStatus.BAD_REQUEST,
        "invalid-cursor",
        "The cursor is not valid",
        "The cursor belongs to another listing, or is not one. Begin with the first page.",
    ),
    errors.RateLimitError: _RATE_LIMIT,
    errors.BudgetExceeded: _RATE_LIMIT,
    errors.BudgetUnavailableError: _UNAVAILABLE,
    errors.TokenStoreError: _UNAVAILABLE,
    errors.CredentialUnavailableError: _UNAVAILABLE,
    errors.InboxUnavailableError: _UNAVAILABLE,
    errors.EventQueueError: _UNAVAILABLE,
    errors.StateStoreError: _UNAVAILABLE,
    errors.ClientClosedError: attrs.evolve(
        _UNAVAILABLE, detail="This application is stopping. Try again later."
    ),
    errors.WebhookError: _problem(
        HTTPStatus.BAD_REQUEST,
        "invalid-delivery",
        "The delivery is not accepted",
        "The delivery is not signed with a current secret of this endpoint, or is not an event.",
    ),
    errors.CallError: _UNUSABLE,
    errors.LimitError: _UNUSABLE,
    errors.PagingError: _UNUSABLE,
    errors.DecodeError: _UNUSABLE,
    errors.ForeignOriginError: _UNUSABLE,
    errors.NotAcceptableError: _UNUSABLE,
    errors.ApiError: _problem(
        HTTPStatus.BAD_GATEWAY,
        "api-error",
        "ev.energy answered with an error",
        "ev.energy could not carry out the request.",
    ),
    errors.UploadError: _problem(
        HTTPStatus.BAD_GATEWAY,
        "upload-failed",
        "The file was not stored",
        "The file could not be handed over to ev.energy.",
    ),
    errors.TransportError: _problem(
        HTTPStatus.BAD_GATEWAY,
        "unreachable",
        "ev.energy cannot be reached",
        "ev.energy did not answer. Try again later.",
    ),
    errors.UnconfirmedWriteError: _problem(
        HTTPStatus.BAD_GATEWAY,
        "unconfirmed-write",
        "It is unknown whether the change was made",
        "ev.energy did not confirm the change. Look whether it was made before you repeat it.",
    ),
    errors.DeadlineError: _problem(
        HTTPStatus.GATEWAY_TIMEOUT,
        "unreachable",
        "ev.energy cannot be reached",
        "ev.energy did not answer in time. Try again later.",
    ),
}
