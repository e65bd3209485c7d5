"""Forms in request bodies: what their fields hold, as the JSON of the same body would."""

from __future__ import annotations

import email
import email.policy
import json
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl

from ev_energy.simulator.http._contract import CONTRACT

if TYPE_CHECKING:
    from email.message import EmailMessage

    from ev_energy.simulator.http._contract import Shape


MULTIPART: Final = "multipart/form-data"
URL_ENCODED: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 1000
_JSON: Final = "application/json"


def read_form(raw: bytes, content_type: str, shape: Shape) -> dict[str, Any]:
    """Return the fields of a form; `ValueError` if the body is none.

    A part of type ``application/json`` is read as such. So is the text of a member that is an
    object or a list, for which that type is the default (OpenAPI 3.1, Encoding Object).
    """
    header = email.message_from_string(f"Content-Type: {content_type}\n\n")
    charset = str(header.get_param("charset", "utf-8"))
    if header.get_content_type() == URL_ENCODED:
        pairs: list[tuple[str, Any]] = list(
            parse_qsl(
                _decoded(raw, charset),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_MOST_FIELDS,
            )
        )
    else:
        pairs = _parts(raw, content_type, shape)
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field was sent more than once")
    return fields


def _parts(raw: bytes, content_type: str, shape: Shape) -> list[tuple[str, Any]]:
    # The parser of the standard library notes what is wrong with a message, and raises nothing.
    head = f"Content-Type: {content_type}\r\n\r\n".encode("ascii", "replace")
    message = email.message_from_bytes(head + raw, policy=email.policy.HTTP)
    parts = cast("list[EmailMessage]", message.get_payload() if message.is_multipart() else [])
    if message.defects or not parts:
        raise ValueError("the parts of the form cannot be told apart")
    if len(parts) > _MOST_FIELDS:
        raise ValueError(f"a form has {_MOST_FIELDS} fields at most")
    return [_field(part, shape) for part in parts]


def _field(part: EmailMessage, shape: Shape) -> tuple[str, Any]:
    name = part.get_param("name", header="content-disposition")
    if not isinstance(name, str) or part.is_multipart():
        raise ValueError("a part of the form has no name, or parts of its own")
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        raise ValueError(f"{name} has no content")  # noqa: TRY004 - the request is at fault
    kind = part.get_content_type() if "Content-Type" in part else None
    text = _decoded(content, part.get_content_charset("utf-8"))
    if kind == _JSON or _is_structured(shape, name):
        try:
            return name, json.loads(text)
        except (ValueError, RecursionError):
            if kind == _JSON:
                raise ValueError(f"{name} is not JSON") from None
    return name, text


def _is_structured(shape: Shape, name: str) -> bool:
    member = (shape.properties or {}).get(name)
    return member is not None and CONTRACT.shape(member).type in {"array", "object"}


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset)
    except LookupError:
        raise ValueError(f"{charset} is no character encoding") from None
