"""Checks replies against the description."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema_rs

from tests.helpers.conformity import closed, faults, headers
from tests.helpers.conformity.exchange import Exchange
from tests.helpers.conformity.paths import Paths
from tests.helpers.spec.description import Described, Description

PREFIX = "/v2"
JSON, PROBLEM = "application/json", "application/problem+json"
_TYPE = re.compile(r"https://api\.ev\.energy/v2/problems/([a-z]+(?:-[a-z]+)+)/")
_DECIMAL = re.compile(r"-?\d+(\.\d+)?")
_WHOLE = "urn:description"
_MAX_LENGTH = 700
_MAX_DEVIATIONS = 5
_DEPTH = 6

#: The schema of every problem, declared or not.
_PLAIN_PROBLEM = {
    "type": "object",
    "required": ["title", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "status": {"type": "number"},
        "title": {"type": "string", "minLength": 1},
        "detail": {"type": "string", "minLength": 1},
        "field_errors": {"type": "object", "minProperties": 1},
    },
}


class _RefusedRequest(NamedTuple):
    """The facts that decide whether a refusal needs no declaration."""

    exchange: Exchange
    needs_token: bool

    def has_header(self, *names: str) -> bool:
        return self.exchange.has_header(*names)

    @property
    def size(self) -> int:
        return self.exchange.request_size


class ReplyChecker:
    """Checks replies against the description; remembers the bodies that were valid."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.spec = Description(document)
        self.paths = Paths(self.spec.operations)
        self._names: dict[tuple[tuple[str, str], int, str], str] = {}
        self._validator = functools.cache(self._compiled)
        # One registry for all: a validator of its own for each reply would be gigabytes.
        self._registry = jsonschema_rs.Registry([(_WHOLE, self._schema_of_replies())])
        self._problems = faults.known_problems()
        self._valid: set[int] = set()

    def report(self, exchange: Exchange) -> str | None:
        """Return a readable report of a reply's deviations, or None if it has none."""
        match = self.paths.match(exchange.method, exchange.raw_path.removeprefix(PREFIX) or "/")
        operation = match and match.operation
        found = list(self.deviations(exchange, operation))
        if not found:
            return None
        where = operation.path if operation else f"{exchange.raw_path} (no operation)"
        more = f"\n  and {len(found) - _MAX_DEVIATIONS} more"
        return (
            f"{exchange.method} {where} -> {exchange.status}"
            + "".join(f"\n  {one}" for one in found[:_MAX_DEVIATIONS])
            + (more if len(found) > _MAX_DEVIATIONS else "")
            + f"\n  asked: {exchange.raw_path}"
            + f"\n  body: {shorten(exchange.body.decode('utf-8', 'replace'))}"
        )

    def deviations(self, exchange: Exchange, operation: Described | None) -> Iterator[str]:
        """Yield the deviations of a reply."""
        if exchange.method == "HEAD":
            return  # HEAD is not an operation, and its reply has no body
        if operation is None:
            yield from self._problem(exchange, None)
            return
        declared = operation.raw["responses"].get(str(exchange.status))
        if declared is None:
            yield from self._undeclared(exchange, operation)
            return
        response = self.spec.resolve(declared)
        sent = {n: self.spec.resolve(h) for n, h in response.get("headers", {}).items()}
        yield from headers.deviations(exchange, operation, sent)
        content = response.get("content", {})
        if not content:
            if exchange.body and exchange.status < 400:
                yield "no body is declared, but there is one"
            return
        if exchange.media_type not in content:
            yield f"the media type is {exchange.media_type!r}, not {' or '.join(content)}"
        elif exchange.media_type == PROBLEM:
            yield from self._problem(exchange, operation)
        else:
            yield from self._body(exchange, operation)

    def _undeclared(self, exchange: Exchange, operation: Described) -> Iterator[str]:
        refusal = faults.GENERAL_REFUSALS.get(exchange.status)
        if refusal is None or not refusal.fits(
            _RefusedRequest(exchange, operation.scope is not None)
        ):
            declared = ", ".join(operation.raw["responses"])
            yield f"status {exchange.status} is not declared; declared are {declared}"
        else:
            yield from self._problem(exchange, None)

    def _problem(self, exchange: Exchange, operation: Described | None) -> Iterator[str]:
        if exchange.status < 400:
            yield "there is no such operation, but the reply is not an error"
            return
        if exchange.media_type != PROBLEM:
            yield f"the media type is {exchange.media_type!r}, not {PROBLEM}"
            return
        yield from self._body(exchange, operation)
        body = json.loads(exchange.body)
        if body.get("status", exchange.status) != exchange.status:
            yield f"$.status: {body['status']} is not the status of the reply"
        kind = _TYPE.fullmatch(body.get("type", ""))
        if "type" in body and (kind is None or kind[1] not in self._problems):
            yield f"$.type: {body['type']!r} is not a documented problem type"

    def _body(self, exchange: Exchange, operation: Described | None) -> Iterator[str]:
        name = "problem"
        if operation is not None:
            name = self._names[operation.key, exchange.status, exchange.media_type]
        digest = (name, exchange.body)
        if hash(digest) in self._valid:
            return
        try:
            body = json.loads(exchange.body, parse_constant=_reject_constant)
        except ValueError as error:
            yield f"the body is not JSON: {error}"
            return
        validator = self._validator(name)
        if validator.is_valid(body):
            self._valid.add(hash(digest))
        else:
            yield from explain_errors(validator.iter_errors(body))

    def _schema_of_replies(self) -> dict[str, Any]:
        """Return one schema with those of all replies, and record the name of each."""
        schemas = self.spec.data["components"]["schemas"]
        replies: dict[str, Any] = {"problem": _PLAIN_PROBLEM}
        for operation in self.spec.operations:
            for status, node in operation.raw["responses"].items():
                for media_type, content in self.spec.resolve(node).get("content", {}).items():
                    name = f"reply{len(replies)}"
                    self._names[operation.key, int(status), media_type] = name
                    if media_type == PROBLEM:  # problems may have additional members
                        made = closed.closed(content["schema"], part=True)
                        replies[name] = {"allOf": [_PLAIN_PROBLEM, made]}
                    else:
                        replies[name] = closed.closed(content["schema"])
        return {"components": {"schemas": closed.components(schemas)}, "replies": replies}

    def _compiled(self, name: str) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator(
            {"$ref": f"{_WHOLE}#/replies/{name}"},
            registry=self._registry,
            validate_formats=True,
            formats={"decimal": lambda text: _DECIMAL.fullmatch(text) is not None},
            offline=True,
        )


def _reject_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def explain_errors(errors: Any, depth: int = 0) -> Iterator[str]:
    """Yield errors as text; for a union, those of the alternative that fits best."""
    for error in errors:
        context = getattr(error.kind, "context", None)
        if context and depth < _DEPTH:
            yield from explain_errors(_nearest(error, context), depth + 1)
        else:
            yield f"{_json_path(error.instance_path)}: {shorten(error.message, 300)}"


def _nearest(error: Any, context: list[list[Any]]) -> list[Any]:
    """Return the errors of the best alternative: the right type, and the deepest error."""
    depth = len(error.instance_path)
    right_type = [
        branch
        for branch in context
        if not any(one.kind.name == "type" and len(one.instance_path) == depth for one in branch)
    ]
    return max(right_type or context, key=lambda branch: max(len(e.instance_path) for e in branch))


def _json_path(steps: list[str | int]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def shorten(text: str, shown: int = _MAX_LENGTH) -> str:
    """Return *text*, without its middle if it is long."""
    if len(text) <= shown:
        return text
    return f"{text[: shown * 3 // 4]} … {text[-shown // 4 :]}"
