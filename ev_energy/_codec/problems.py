"""Problem documents (RFC 9457): the error response of the API, read into an `ApiError`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from ev_energy._codec.drift import Drift, DriftKind, Reporter
from ev_energy._messages import Request, Response
from ev_energy._servers import SERVERS
from ev_energy.errors import ApiError, ServerError
from ev_energy.models._json import find_repair, json_object

#: Bytes of a body that is not a problem document that are searched for its first line.
_SHOWN_BYTES = 200


def api_error(request: Request, response: Response) -> ApiError:
    """Return the error for *response*, in the class for its status."""
    cls = ApiError.classes.get(response.status, ApiError)
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        cls = ServerError
    problem = json_object(response.body) or {}
    is_document = bool(problem)
    title = _text(problem.pop("title", ""))
    detail = _text(problem.pop("detail", ""))
    if not is_document:
        parts = [_first_line(response.body)]
        if response.status == HTTPStatus.NOT_FOUND:
            parts.append(_base_url_hint(request))
        detail = "; ".join(filter(None, parts))
    instance = _text(problem.pop("instance", None))
    problem_type = _text(problem.pop("type", "")).rstrip("/")
    field_errors = problem.pop("field_errors", None)
    problem.pop("status", None)  # the status of the response is the one that counts
    return cls(
        request,
        response,
        title=title,
        detail=detail,
        type=problem_type.rpartition("/")[2].rpartition(":")[2] or None,
        instance=instance or None,
        field_errors=cast("dict[str, Any]", field_errors) if isinstance(field_errors, dict) else {},
        extensions=problem,
    )


def report_repair(report: Reporter, document: str, body: bytes) -> None:
    """Report that a *document* other than a model could be parsed only after a repair."""
    repair = find_repair(body)
    if repair is not None:
        report.record(Drift(document, "", DriftKind.INVALID_TEXT, "$", repair.problem))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _first_line(body: bytes) -> str:
    """Return the start of a body that is not a problem document."""
    lines = body[:_SHOWN_BYTES].decode(errors="replace").strip().splitlines()
    return f"not a problem document: {lines[0]!r}" if lines else ""


def _base_url_hint(request: Request) -> str:
    """Return what to check if a server has no such path, since the API answers with a document."""
    return f"is base_url the root of the API on {request.url.origin()}, as in {SERVERS['live']}?"
