"""What operations send and receive: the use of each shared component."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from ev_energy._contract.change import BOTH, RECEIVED, SENT, UNUSED, Use, as_list, is_object
from ev_energy._contract.facts import Facts

#: A section of the facts and a name in it.
Component: TypeAlias = tuple[str, str]
Reference: TypeAlias = tuple[Component, Use]

_PARTS: Final = ("items", "additionalProperties", "if", "then", "not")
_LISTS: Final = ("allOf", "anyOf", "oneOf")


class Usage:
    """The use of the components by the operations of some facts."""

    def __init__(self, *versions: Facts) -> None:
        """Find the use in any of the versions."""
        self._direct: dict[Component, dict[Component, Use]] = defaultdict(dict)
        self._users: dict[Component, dict[str, Use]] = defaultdict(dict)
        for facts in versions:
            self._read_components(facts)
        for facts in versions:
            for name, operation in facts["operations"].items():
                self._follow(name, _of_operation(facts, operation))
            for name, webhook in facts["webhooks"].items():
                received = [*_of_parameters(webhook), *_of_body(webhook)]
                self._follow(name, ((component, RECEIVED) for component, _ in received))

    def of(self, section: str, name: str) -> Use:
        """Return whether operations send or receive a component."""
        found = UNUSED
        for use in self._users[section, name].values():
            found |= use
        return found

    def users(self, section: str, name: str) -> int:
        """Return the number of operations that use a component."""
        return len(self._users[section, name])

    def _read_components(self, facts: Facts) -> None:
        for section in ("schemas", "parameters", "headers", "responses"):
            for name, node in facts[section].items():
                direct = self._direct[section, name]
                for component, use in _of_component(facts, section, node):
                    direct[component] = direct.get(component, UNUSED) | use

    def _follow(self, user: str, references: Iterable[Reference]) -> None:
        pending = list(references)
        while pending:
            component, use = pending.pop()
            known = self._users[component].get(user, UNUSED)
            if known | use == known:
                continue
            self._users[component][user] = known | use
            pending += [(one, use & inner) for one, inner in self._direct[component].items()]


def _of_component(facts: Facts, section: str, node: Any) -> Iterator[Reference]:
    if section == "responses":
        return _of_response(facts, node)
    return _of_schema(node.get("schema") if section == "parameters" else node, BOTH)


def _of_parameters(operation: Facts) -> Iterator[Reference]:
    for parameter in operation.get("parameters", ()):
        if isinstance(parameter, str):
            yield ("parameters", parameter), SENT
        else:
            yield from _of_schema(parameter.get("schema"), SENT)


def _of_operation(facts: Facts, operation: Facts) -> Iterator[Reference]:
    yield from _of_parameters(operation)
    for component, use in _of_body(operation):
        yield component, use & SENT
    for reply in operation["responses"].values():
        if isinstance(reply, str):
            yield ("responses", reply), RECEIVED
        else:
            yield from _of_response(facts, reply)


def _of_body(operation: Facts) -> Iterator[Reference]:
    yield from _of_content(operation.get("requestBody", {}), BOTH)


def _of_content(node: Facts, use: Use) -> Iterator[Reference]:
    for schema in node.get("content", {}).values():
        yield from _of_schema(schema_of(schema), use)


def schema_of(media: Any) -> Any:
    """Return the schema of a media type, which may have other keywords beside it."""
    return media["schema"] if is_object(media) and media.keys() == MEDIA else media


#: The members of a media type with keywords that the SDK does not know.
MEDIA: Final = {"media", "schema"}


def _of_response(facts: Facts, response: Facts) -> Iterator[Reference]:
    yield from _of_content(response, RECEIVED)
    for header in headers_of(facts, response).values():
        if isinstance(header, str) and header in facts["headers"]:
            yield ("headers", header), RECEIVED
        else:
            yield from _of_schema(header, RECEIVED)


def headers_of(facts: Facts, response: Facts) -> Mapping[str, Any]:
    """Return the headers of a response, which may be those of a named set."""
    headers: Any = response.get("headers", {})
    found: Facts = facts["header_sets"][headers] if isinstance(headers, str) else headers
    return found


def use_of_field(*versions: Any) -> Use:
    """Return whether a field may be sent, received or both, by its keywords."""
    nodes = [node for node in versions if is_object(node)]
    if nodes and all(node.get("readOnly") for node in nodes):
        return RECEIVED
    return SENT if nodes and all(node.get("writeOnly") for node in nodes) else BOTH


def _of_schema(node: Any, use: Use) -> Iterator[Reference]:
    if isinstance(node, str):
        yield ("schemas", node), use
    if not is_object(node):
        return
    if "$ref" in node:
        yield ("schemas", node["$ref"]), use
    for keyword in _PARTS:
        yield from _of_schema(node.get(keyword), use)
    for keyword in _LISTS:
        for one in as_list(node.get(keyword)):
            yield from _of_schema(one, use)
    dependent: Facts = node.get("dependentSchemas", {})
    for one in dependent.values():
        yield from _of_schema(one, use)
    fields: Facts = node.get("properties", {})
    for one in fields.values():
        yield from _of_schema(one, use & use_of_field(one))
