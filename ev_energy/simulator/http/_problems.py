"""Refusals: problem details as RFC 9457 wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_TYPES: Final = "https://api.ev.energy/v2/problems/"

#: Member of a request, and what is wrong with it; nested where the request is.
FieldErrors = dict[str, Any]


class ProblemError(Exception):
    """A request that is answered with a problem.

    Only the slugs the API documents are sent as ``type``; other problems have none.
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
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {"status": status, "title": title, "detail": detail}
        if slug is not None:
            self.body = {"type": type_of(slug), **self.body}
        if field_errors is not None:
            self.body["field_errors"] = field_errors


def type_of(slug: str) -> str:
    """Return the URL that names a type of problem."""
    return f"{_TYPES}{slug}/"


def invalid(errors: FieldErrors, *, slug: str | None = None, status: int = 400) -> ProblemError:
    """Return a refusal that names the members at fault.

    Where the operation has a type of its own for it, that is added on the way out.
    """
    detail = f"These were not accepted: {', '.join(errors)}"
    return ProblemError(status, "Invalid request", detail, slug=slug, field_errors=errors)


def bad_paging(name: str) -> ProblemError:
    """Return the 400 for a paging parameter that makes no sense."""
    return ProblemError(
        400,
        "Invalid pagination parameter",
        f"Cannot page by this {name}",
        slug="pagination-parameters",
    )


def unsupported_version(version: str) -> ProblemError:
    """Return the 400 for a version of the API that does not exist."""
    # The API documents no type of its own for this; its example shows the one for paging.
    return ProblemError(
        400, "Unsupported version", f"There is no version {version}", slug="pagination-parameters"
    )


def unauthorized(detail: str) -> ProblemError:
    """Return the 401 for a token that is missing or not good."""
    return ProblemError(401, "Unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def forbidden(scope: str) -> ProblemError:
    """Return the 403 for a token without a scope that is needed."""
    return ProblemError(403, "Forbidden", f"The token lacks the scope {scope}.")


def not_found(what: str = "Nothing") -> ProblemError:
    """Return the plain 404."""
    return ProblemError(404, "Not found", f"{what} is to be found here.")


def method_not_allowed(allowed: str) -> ProblemError:
    """Return the 405, with the methods that would do."""
    return ProblemError(
        405, "Method Not Allowed", f"Only {allowed} will do here.", headers={"Allow": allowed}
    )


def not_acceptable() -> ProblemError:
    """Return the 406 for a client that takes no JSON."""
    return ProblemError(406, "Not Acceptable", "There is nothing but JSON here.")


def conflict(detail: str) -> ProblemError:
    """Return the 409 for something that cannot be done as things stand."""
    return ProblemError(409, "Conflict", detail)


def too_large() -> ProblemError:
    """Return the 413 for a body of more than 20 MiB."""
    return ProblemError(
        413, "Payload Too Large", "The body has more than 20 MiB.", slug="payload-too-large"
    )


def unsupported_media_type(media: Iterable[str]) -> ProblemError:
    """Return the 415, with the types that would do."""
    return ProblemError(415, "Unsupported Media Type", f"Send {' or '.join(media)}.")


def too_many_requests(seconds: int) -> ProblemError:
    """Return the 429 that says how long to wait."""
    return ProblemError(
        429,
        "Too Many Requests",
        f"The hourly limit is used up; there is room again in {seconds} seconds",
        slug="rate-limit-exceeded",
        headers={"Retry-After": str(seconds)},
    )
