"""The facts as an OpenAPI document, for tools that read nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ev_energy._contract.corrections import OF_REQUESTS, corrected
from ev_energy._contract.facts import Facts, facts, lookup

_PARTS: Final = {"items", "additionalProperties", "if", "then", "not"}
_LISTS: Final = {"allOf", "anyOf", "oneOf"}
_MAPS: Final = {"properties", "dependentSchemas"}
#: Facts that a document states in its text; here they have keywords that start with ``x-``.
TOLD_IN_TEXT: Final = ("anonymous_limit", "problems", "required_of_applications")

Document = dict[str, Any]


def document(facts: Facts) -> Document:
    """Return *facts* in the form of an OpenAPI document."""
    paths: dict[str, Document] = {}
    for key, operation in facts["operations"].items():
        method, _, path = key.partition(" ")
        paths.setdefault(path, {})[method.lower()] = _operation(facts, operation)
    return {
        "openapi": facts["openapi"],
        "info": {"title": "ev.energy", "version": facts["version"]},
        "servers": [{"url": url} for url in facts["servers"]],
        "security": [],
        "paths": paths,
        "webhooks": {n: {"post": _operation(facts, one)} for n, one in facts["webhooks"].items()},
        "components": {
            "securitySchemes": {
                name: _scheme(one) for name, one in facts["security_schemes"].items()
            },
            "parameters": {n: _parameter(one) for n, one in facts["parameters"].items()},
            "responses": {n: _response(facts, one) for n, one in facts["responses"].items()},
            "headers": {n: _header(one) for n, one in facts["headers"].items()},
            "schemas": {n: _schema(one) for n, one in facts["schemas"].items()},
        },
    }


def _reference(section: str, name: str) -> Document:
    return {"$ref": f"#/components/{section}/{name}"}


def _scheme(scheme: Mapping[str, Any]) -> Document:
    flows = {
        name: {**flow, "scopes": dict.fromkeys(flow["scopes"], "")}
        for name, flow in scheme["flows"].items()
    }
    return {**scheme, "flows": flows}


def _told_in_text(node: Mapping[str, Any]) -> Document:
    return {f"x-{name}": node[name] for name in TOLD_IN_TEXT if name in node}


def _operation(facts: Facts, operation: Mapping[str, Any]) -> Document:
    made = _told_in_text(operation)
    made["security"] = [] if operation.get("public") else [{"oauth2": operation["scopes"]}]
    if "operationId" in operation:
        made["operationId"] = operation["operationId"]
    made["parameters"] = [_parameter(one) for one in operation.get("parameters", ())]
    if "requestBody" in operation:
        body = operation["requestBody"]
        made["requestBody"] = {**body, "content": _content(body)}
    made["responses"] = {
        status: _response(facts, reply) for status, reply in operation["responses"].items()
    }
    return made


def _parameter(parameter: Mapping[str, Any] | str) -> Document:
    if isinstance(parameter, str):
        return _reference("parameters", parameter)
    made = {name: one for name, one in parameter.items() if name not in TOLD_IN_TEXT}
    return made | _told_in_text(parameter) | {"schema": _schema(parameter["schema"])}


def _content(node: Mapping[str, Any]) -> Document:
    return {media: {"schema": _schema(one)} for media, one in node.get("content", {}).items()}


def _response(facts: Facts, response: Mapping[str, Any] | str) -> Document:
    if isinstance(response, str):
        return _reference("responses", response)
    headers = response.get("headers", {})
    if isinstance(headers, str):
        headers = lookup(facts, "header_sets", headers)
    made = {"description": "", **_told_in_text(response)}  # OpenAPI requires a description
    if content := _content(response):
        made["content"] = content
    if headers:
        made["headers"] = {name: _header(header) for name, header in headers.items()}
    return made


def _header(header: Mapping[str, Any] | str) -> Document:
    return _reference("headers", header) if isinstance(header, str) else {"schema": _schema(header)}


def _schema(schema: Any) -> Any:
    if isinstance(schema, str):
        return _reference("schemas", schema)
    if isinstance(schema, bool):
        return schema
    made = dict(schema)
    for keyword, value in schema.items():
        if keyword == "$ref":
            made |= _reference("schemas", value)
        elif keyword in _PARTS:
            made[keyword] = _schema(value)
        elif keyword in _LISTS:
            made[keyword] = [_schema(one) for one in value]
        elif keyword in _MAPS:
            made[keyword] = {name: _schema(one) for name, one in value.items()}
    return made


def requests_document() -> Document:
    """Return the document of what may be sent: corrected, without members that are read-only."""
    made = document(corrected(facts(), OF_REQUESTS))
    _prepare(made)
    return made


def _prepare(node: Any) -> None:
    """Remove read-only members, and write patterns as Python reads them."""
    if isinstance(node, list):
        for item in node:
            _prepare(item)
    elif isinstance(node, dict):
        members = node.get("properties")
        if isinstance(members, dict):
            read_only = {name for name, one in members.items() if one.get("readOnly") is True}
            node["properties"] = {n: one for n, one in members.items() if n not in read_only}
            if isinstance(node.get("required"), list):
                node["required"] = [name for name in node["required"] if name not in read_only]
        if isinstance(node.get("pattern"), str):
            # Digits are ASCII and `$` is the very end in ECMA-262, but not in Python.
            node["pattern"] = node["pattern"].replace("[A-Z\\d]", "[A-Z0-9]")
            node["pattern"] = re.sub(r"\$$", r"\\Z", node["pattern"].replace(r"\d", "[0-9]"))
        for item in node.values():
            _prepare(item)


def described(facts: Facts) -> Document:
    """Return the document of *facts*, with text and examples that state the facts without keywords.

    `ev_energy._contract.extract` reads the same facts from it.
    """
    made = document(facts)
    _state(made)
    return made


def _state(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _state(item)
    elif isinstance(node, dict):
        for value in list(node.values()):
            _state(value)
        sentences = []
        if limit := node.pop("x-anonymous_limit", None):
            sentences.append(f"Calls are rate limited to {limit} requests per hour per IP.")
        if node.pop("x-required_of_applications", None):
            sentences.append("An application requires it.")
        problems = node.pop("x-problems", ())
        if problems and "responses" in node:
            sentences += [f"Its problem may be `{slug}`." for slug in problems]
        elif problems:
            values = {slug: {"type": f"https://api.example/problems/{slug}"} for slug in problems}
            examples = {slug: {"value": value} for slug, value in values.items()}
            node["content"]["application/problem+json"]["examples"] = examples
        if sentences:
            node["description"] = " ".join(sentences)
