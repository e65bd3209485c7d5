"""Extract the facts of an OpenAPI description: names, types, limits and statuses, but no text.

The result has the form that `ev_energy._contract` describes. Only the keywords that are listed here
are taken. A keyword that is listed neither as a fact nor as text is an error, since it may be a
fact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from ev_energy._contract.facts import METHODS, Facts

Node: TypeAlias = Mapping[str, Any]

#: The headers of most replies. Another set of headers is named by its difference from this one.
_STANDARD_HEADERS: Final = {
    "EvEnergy-Version": "version-2",
    "X-RateLimit-Limit": "x-ratelimit-limit",
    "X-RateLimit-Remaining": "x-ratelimit-remaining",
    "RetryAfter": "retry-after",
}
_METHODS: Final = tuple(map(str.lower, METHODS))
_PARTS: Final = frozenset({"items", "additionalProperties", "if", "then", "not"})
_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf"})
_MAPS: Final = frozenset({"properties", "dependentSchemas"})
_TEXT: Final = frozenset({"description", "summary", "title", "example", "examples", "tags"})

# Facts that the description states in its text.
_ANONYMOUS_LIMIT: Final = re.compile(r"rate limited to (\d+) requests per hour per IP")
_REQUIRED_OF_APPLICATIONS: Final = re.compile(r"\brequires\b")
_PROBLEM: Final = re.compile(
    r"(?:(?<=problem type )|(?<=`)|\b(?=validation-failed))[a-z]+(?:-[a-z]+)+(?=[`),;])"
)
_PROBLEM_URL: Final = re.compile(r".*/problems/([a-z-]+)/?")


class UnknownKeywordError(Exception):
    """A node of the description has a keyword that is listed neither as a fact nor as text."""


class _Keywords(NamedTuple):
    """The keywords with facts that one kind of node may have."""

    copied: frozenset[str]
    """Taken as they are."""
    read: frozenset[str]
    """Taken in another form."""

    def copy(self, node: Node, where: str) -> Facts:
        """Return the facts to take as they are, without those that say nothing."""
        listed = self.copied | self.read | _TEXT
        if unknown := sorted(name for name in node.keys() - listed if name[:2] != "x-"):
            raise UnknownKeywordError(
                f"{where} has unknown keywords: {', '.join(unknown)}. Add each of them to "
                f"{__file__}, to the facts of its kind of node or to `_TEXT`."
            )
        found = {name: value for name, value in node.items() if name in self.copied}
        return {n: v for n, v in found.items() if n == "default" or (v is not False and v != [])}


def _keywords(copied: str, read: Iterable[str] = ()) -> _Keywords:
    return _Keywords(frozenset(copied.split()), frozenset(read))


_PATH: Final = _keywords("", {*_METHODS, "parameters"})
_OPERATION: Final = _keywords("operationId", {"security", "parameters", "requestBody", "responses"})
_PARAMETER: Final = _keywords("name in required explode allowReserved allowEmptyValue", {"schema"})
_BODY: Final = _keywords("required", {"content"})
_MEDIA: Final = _keywords("", {"schema"})
_RESPONSE: Final = _keywords("", {"content", "headers"})
_HEADER: Final = _keywords("", {"schema"})
_SCHEMA: Final = _keywords(
    "type format enum pattern default minimum maximum minLength maxLength minItems maxItems "
    "minProperties maxProperties required nullable readOnly writeOnly deprecated",
    {"$ref"} | _PARTS | _LISTS | _MAPS,
)


def extract(description: Node) -> Facts:
    """Return the facts of *description*, in the form of the file."""
    return _Extractor(description).facts()


class _Extractor:
    """The facts of one description."""

    def __init__(self, description: Node) -> None:
        self._whole = description
        self._components: Node = description["components"]
        self._header_sets: dict[str, Facts] = {}

    def facts(self) -> Facts:
        """Return all facts, in the form of the file."""
        whole = self._whole
        (scheme,) = self._components["securitySchemes"].values()
        flows = scheme["flows"].values()
        return {
            "openapi": whole["openapi"],
            "version": whole["info"]["version"],
            "servers": [server["url"] for server in whole["servers"]],
            "token_urls": sorted({flow["tokenUrl"] for flow in flows}),
            "scopes": sorted({scope for flow in flows for scope in flow["scopes"]}),
            "operations": {
                f"{method.upper()} {path}": self._operation(item, method, path)
                for path, item in whole["paths"].items()
                for method in _METHODS
                if method in item
            },
            "webhooks": {
                name: self._operation(item, "post", name)
                for name, item in whole["webhooks"].items()
            },
            "parameters": self._shared("parameters", self._parameter),
            "responses": self._shared("responses", self._response),
            "headers": self._shared("headers", self._header),
            "header_sets": self._header_sets,
            "schemas": self._shared("schemas", self._schema),
        }

    def _shared(self, section: str, read: Callable[[Node, str], Any]) -> Facts:
        nodes = self._components[section]
        return {name: read(node, f"{section} {name}") for name, node in nodes.items()}

    def _operation(self, item: Node, method: str, path: str) -> Facts:
        node, where = item[method], f"{method.upper()} {path}"
        _PATH.copy(item, path)
        facts = _OPERATION.copy(node, where) | self._security(node)
        if limit := _ANONYMOUS_LIMIT.search(node.get("description", "")):
            facts["anonymous_limit"] = int(limit[1])
        replies = [reply for reply in node["responses"].values() if "$ref" not in reply]
        texts = [one.get("description", "") for one in (node, *replies)]
        if problems := {slug for text in texts for slug in _PROBLEM.findall(text)}:
            facts["problems"] = sorted(problems)
        if parameters := [*item.get("parameters", ()), *node.get("parameters", ())]:
            facts["parameters"] = [self._parameter(one, where) for one in parameters]
        if "requestBody" in node:
            body = node["requestBody"]
            facts["requestBody"] = _BODY.copy(body, where) | self._content(body, where)
        facts["responses"] = {
            status: self._response(reply, f"{where} {status}")
            for status, reply in sorted(node["responses"].items())
        }
        return facts

    def _security(self, node: Node) -> Facts:
        requirements = node.get("security", self._whole["security"])
        if not requirements:
            return {"public": True}
        (requirement,) = requirements
        (scopes,) = requirement.values()
        return {"scopes": scopes}

    def _parameter(self, node: Node, where: str) -> Facts | str:
        if name := _reference("parameters", node):
            return name
        facts = _PARAMETER.copy(node, where)
        if node["in"] == "header" and _REQUIRED_OF_APPLICATIONS.search(node.get("description", "")):
            facts["required_of_applications"] = True
        return facts | {"schema": self._schema(node["schema"], f"{where} {node['name']}")}

    def _content(self, node: Node, where: str) -> Facts:
        content = node.get("content", {})
        for media in content.values():
            _MEDIA.copy(media, where)
        read = {name: self._schema(media["schema"], where) for name, media in content.items()}
        return {"content": read} if read else {}

    def _response(self, node: Node, where: str) -> Facts | str:
        if name := _reference("responses", node):
            return name
        facts = _RESPONSE.copy(node, where) | self._content(node, where)
        headers = {n: self._header(one, where) for n, one in node.get("headers", {}).items()}
        if headers:
            facts["headers"] = self._header_set(headers)
        if problems := set(self._problems_of_examples(node)):
            facts["problems"] = sorted(problems)
        return facts

    def _header(self, node: Node, where: str) -> Facts | str | bool:
        if name := _reference("headers", node):
            return name
        _HEADER.copy(node, where)
        return self._schema(node["schema"], where)

    def _header_set(self, headers: Facts) -> str | Facts:
        if not all(isinstance(header, str) for header in headers.values()):
            return headers
        more = {f"{n}: {one}" for n, one in headers.items() if _STANDARD_HEADERS.get(n) != one}
        name = " + ".join(["standard", *sorted(more)])
        name += "".join(f" - {one}" for one in _STANDARD_HEADERS if one not in headers)
        self._header_sets[name] = headers
        return name

    def _problems_of_examples(self, node: Node) -> Iterable[str]:
        media = node.get("content", {}).get("application/problem+json", {})
        for shown in media.get("examples", {}).values():
            name = _reference("examples", shown)
            example = self._components["examples"][name] if name else shown
            if slug := _PROBLEM_URL.fullmatch(example["value"].get("type", "")):
                yield slug[1]

    def _schema(self, node: Node | bool, where: str) -> Facts | str | bool:
        if isinstance(node, bool):
            return node
        facts = _SCHEMA.copy(node, where)
        if name := _reference("schemas", node):
            facts["$ref"] = name
        for keyword, value in node.items():
            inner = f"{where} {keyword}"
            if keyword in _PARTS:
                facts[keyword] = self._schema(value, inner)
            elif keyword in _LISTS:
                facts[keyword] = [self._schema(one, inner) for one in value]
            elif keyword in _MAPS:
                facts[keyword] = {n: self._schema(one, f"{inner} {n}") for n, one in value.items()}
        return name if name and facts.keys() == {"$ref"} else facts


def _reference(section: str, node: Node) -> str | None:
    """Return the name of the component of *section* that *node* refers to, if it does."""
    if "$ref" not in node:
        return None
    start, _, name = node["$ref"].rpartition("/")
    if start != f"#/components/{section}":
        raise UnknownKeywordError(f"{node['$ref']} is not a reference to one of the {section}.")
    return str(name)
