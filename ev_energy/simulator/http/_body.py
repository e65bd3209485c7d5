"""Request bodies: JSON and forms, read within limits and checked against the contract."""

from __future__ import annotations

import email
import email.policy
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl

from aiohttp import hdrs

from ev_energy.simulator.http import _problems as problems
from ev_energy.simulator.http._contract import CONTRACT
from ev_energy.simulator.http._problems import ProblemError
from ev_energy.simulator.http._validation import clean_body, validate_body

if TYPE_CHECKING:
    from email.message import EmailMessage

    from aiohttp import web

    from ev_energy.simulator.http._contract import OperationFacts, Shape


_JSON: Final = "application/json"
MULTIPART: Final = "multipart/form-data"
URL_ENCODED: Final = "application/x-www-form-urlencoded"
_MAX_BYTES: Final = 20 * 2**20
#: Forms are small, and each of their lines takes time to parse.
_MAX_FORM_BYTES: Final = 2**20
_MAX_FORM_FIELDS: Final = 1000


async def read_request_body(facts: OperationFacts, request: web.Request) -> Any:
    """Return the valid body of a request, without unknown members, or raise `ProblemError`.

    The result is an empty object for an operation that takes no body: such a body is not read.
    """
    declared = facts.body
    if declared is None:
        return {}
    status = facts.body_refusal_status or HTTPStatus.BAD_REQUEST
    raw = await _read_limited(request)
    value: Any = {}
    if not raw:
        if declared.required:
            raise _malformed("This operation requires a body.", status)
    elif hdrs.CONTENT_TYPE in request.headers and request.content_type not in declared.media:
        raise problems.unsupported_media_type(declared.media)
    elif request.content_type in {URL_ENCODED, MULTIPART}:
        if len(raw) > _MAX_FORM_BYTES:
            raise problems.too_large()
        try:
            shape = CONTRACT.shape(declared.shape)
            value = parse_form(raw, request.headers[hdrs.CONTENT_TYPE], shape)
        except ValueError as error:
            raise _malformed(f"The body is not a valid form: {error}.", status) from None
    else:
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            raise _malformed("The body is not valid JSON.", status) from None
    if errors := validate_body(facts, value):
        raise problems.invalid(errors, status=status)
    return clean_body(facts, value)


async def _read_limited(request: web.Request) -> bytes:
    if (request.content_length or 0) > _MAX_BYTES:
        raise problems.too_large()
    raw = await request.content.read(_MAX_BYTES + 1)
    while not request.content.at_eof() and len(raw) <= _MAX_BYTES:
        raw += await request.content.read(_MAX_BYTES + 1 - len(raw))
    if len(raw) > _MAX_BYTES:
        raise problems.too_large()
    return raw


def _malformed(detail: str, status: int) -> ProblemError:
    return ProblemError(status, "Malformed request", detail)


def parse_form(raw: bytes, content_type: str, shape: Shape) -> dict[str, Any]:
    """Return the fields of a form, as the JSON of the same body would hold them.

    A part of type ``application/json`` is parsed as JSON. So is the text of a member that is an
    object or a list, for which that type is the default (OpenAPI 3.1, Encoding Object).
    `ValueError` for a body that is not a form.
    """
    header = email.message_from_string(f"Content-Type: {content_type}\n\n")
    charset = str(header.get_param("charset", "utf-8"))
    if header.get_content_type() == URL_ENCODED:
        pairs: list[tuple[str, Any]] = list(
            parse_qsl(
                _decode(raw, charset),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_MAX_FORM_FIELDS,
            )
        )
    else:
        pairs = _parse_multipart(raw, content_type, shape)
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field was sent more than once")
    return fields


def _parse_multipart(raw: bytes, content_type: str, shape: Shape) -> list[tuple[str, Any]]:
    # The parser of the standard library records defects of a message instead of raising.
    head = f"Content-Type: {content_type}\r\n\r\n".encode("ascii", "replace")
    message = email.message_from_bytes(head + raw, policy=email.policy.HTTP)
    parts = cast("list[EmailMessage]", message.get_payload() if message.is_multipart() else [])
    if message.defects or not parts:
        raise ValueError("the parts cannot be told apart by the boundary")
    if len(parts) > _MAX_FORM_FIELDS:
        raise ValueError(f"a form can have at most {_MAX_FORM_FIELDS} fields")
    return [_parse_part(part, shape) for part in parts]


def _parse_part(part: EmailMessage, shape: Shape) -> tuple[str, Any]:
    name = part.get_param("name", header="content-disposition")
    if not isinstance(name, str) or part.is_multipart():
        raise ValueError("each part must have a name and no parts of its own")
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        raise ValueError(f"{name} has no content")  # noqa: TRY004 - the request is at fault
    media_type = part.get_content_type() if "Content-Type" in part else None
    text = _decode(content, part.get_content_charset("utf-8"))
    if media_type == _JSON or _is_structured(shape, name):
        try:
            return name, json.loads(text)
        except (ValueError, RecursionError):
            if media_type == _JSON:
                raise ValueError(f"{name} is not valid JSON") from None
    return name, text


def _is_structured(shape: Shape, name: str) -> bool:
    member = (shape.properties or {}).get(name)
    return member is not None and CONTRACT.shape(member).type in {"array", "object"}


def _decode(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset)
    except LookupError:
        raise ValueError(f"{charset} is not a known character encoding") from None
