"""Problem details (RFC 9457): the bodies of error replies."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_TYPES: Final = "https://api.ev.energy/v2/problems/"

#: The errors of each member of a request, nested as the request is.
FieldErrors = dict[str, Any]


class ProblemError(Exception):
    """A request is answered with a problem.

    Only slugs that the API documents are sent as ``type``; other problems have no type.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        slug: str | None = None,
        field_errors: FieldErrors | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        status = int(status)
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {"status": status, "title": title, "detail": detail}
        if slug is not None:
            self.body = {"type": type_url(slug), **self.body}
        if field_errors is not None:
            self.body["field_errors"] = field_errors


def type_url(slug: str) -> str:
    """Return the URL that identifies a type of problem."""
    return f"{_TYPES}{slug}/"


def invalid(
    errors: FieldErrors, *, slug: str | None = None, status: int = HTTPStatus.BAD_REQUEST
) -> ProblemError:
    """Return the problem that names the invalid members.

    If the operation has a problem type for this, the dispatcher adds it.
    """
    detail = f"These members or parameters are invalid: {', '.join(errors)}"
    return ProblemError(status, "Invalid request", detail, slug=slug, field_errors=errors)


def invalid_paging(name: str) -> ProblemError:
    """Return the 400 for an invalid paging parameter."""
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "Invalid pagination parameter",
        f"The value of {name} is not valid.",
        slug="pagination-parameters",
    )


def unsupported_version(version: str) -> ProblemError:
    """Return the 400 for a version of the API that does not exist."""
    # The API documents no type for this; its example shows the type of paging problems.
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "Unsupported version",
        f"Version {version} does not exist; send EvEnergy-Version: 2.",
        slug="pagination-parameters",
    )


def missing_user() -> ProblemError:
    """Return the 400 for a token of an application that does not name a user."""
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "Missing user",
        "With a token of an application, send EvEnergy-User.",
    )


def unauthorized(detail: str) -> ProblemError:
    """Return the 401 for a missing or invalid token."""
    headers = {"WWW-Authenticate": "Bearer"}
    return ProblemError(HTTPStatus.UNAUTHORIZED, "Unauthorized", detail, headers=headers)


def forbidden(scope: str) -> ProblemError:
    """Return the 403 for a token without a required scope."""
    return ProblemError(HTTPStatus.FORBIDDEN, "Forbidden", f"The token lacks the scope {scope}.")


def not_found(detail: str = "Nothing exists at this URL.") -> ProblemError:
    """Return the 404."""
    return ProblemError(HTTPStatus.NOT_FOUND, "Not found", detail)


def method_not_allowed(allowed: str) -> ProblemError:
    """Return the 405 with the methods that the path allows."""
    return ProblemError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "Method Not Allowed",
        f"This URL allows: {allowed}.",
        headers={"Allow": allowed},
    )


def not_acceptable() -> ProblemError:
    """Return the 406 for a client that does not accept JSON."""
    return ProblemError(
        HTTPStatus.NOT_ACCEPTABLE, "Not Acceptable", "Only application/json is available."
    )


def conflict(detail: str) -> ProblemError:
    """Return the 409 for a request that the current state does not allow."""
    return ProblemError(HTTPStatus.CONFLICT, "Conflict", detail)


def too_large() -> ProblemError:
    """Return the 413 for a body above the size limit."""
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "Payload Too Large",
        "The body is larger than 20 MiB (a form: 1 MiB).",
        slug="payload-too-large",
    )


def unsupported_media_type(media: Iterable[str]) -> ProblemError:
    """Return the 415 with the media types that the operation takes."""
    return ProblemError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Unsupported Media Type",
        f"Send the body as {' or '.join(media)}.",
    )


def too_many_requests(seconds: int) -> ProblemError:
    """Return the 429 with the seconds until another request is allowed."""
    return ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too Many Requests",
        f"The hourly limit is reached; the next request is allowed in {seconds} seconds.",
        slug="rate-limit-exceeded",
        headers={"Retry-After": str(seconds)},
    )
