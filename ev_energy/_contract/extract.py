"""Extract the facts of an OpenAPI description: names, types, limits and statuses, but no text.

The result has the form that `ev_energy._contract` describes. Only the keywords that are listed here
are taken. A keyword that is listed neither as a fact nor as text may be a fact: it is an error, or
it is kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, cast
from urllib.parse import unquote

from ev_energy._contract.change import is_list, is_object
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
#: The methods that the API does not have; a later description may.
_OTHER_METHODS: Final = ("head", "options", "trace")
_PARTS: Final = frozenset({"items", "additionalProperties", "if", "then", "not"})
_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf"})
_MAPS: Final = frozenset({"properties", "dependentSchemas"})
#: The keywords that say nothing if they are false or empty.
_FLAGS: Final = frozenset(
    {"required", "nullable", "readOnly", "writeOnly", "deprecated", "uniqueItems"}
    | {"allowReserved", "allowEmptyValue"}
)
#: The name of the scheme that operations with ``scopes`` alone are authorized by, in lower case.
_SCHEME: Final = "oauth2"
#: References into the description that are followed; each may stand for a large node.
_MAX_FOLLOWED: Final = 100_000
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


class InvalidDescriptionError(Exception):
    """The description does not have the form of OpenAPI 3, or refers to what it does not have."""


class _Keywords(NamedTuple):
    """The keywords with facts that one kind of node may have."""

    copied: frozenset[str]
    """Taken as they are."""
    read: frozenset[str]
    """Taken in another form."""


def _keywords(copied: str, read: Iterable[str] = ()) -> _Keywords:
    return _Keywords(frozenset(copied.split()), frozenset(read))


_PATH: Final = _keywords("", {*_METHODS, "parameters"})
_OPERATION: Final = _keywords(
    "operationId deprecated", {"security", "parameters", "requestBody", "responses"}
)
_PARAMETER: Final = _keywords(
    "name in required explode allowReserved allowEmptyValue deprecated", {"schema"}
)
_BODY: Final = _keywords("required", {"content"})
_MEDIA: Final = _keywords("", {"schema"})
_RESPONSE: Final = _keywords("", {"content", "headers"})
_HEADER: Final = _keywords("", {"schema"})
_SCHEMA: Final = _keywords(
    "type format enum pattern default minimum maximum minLength maxLength minItems maxItems "
    "minProperties maxProperties required nullable readOnly writeOnly deprecated",
    {"$ref"} | _PARTS | _LISTS | _MAPS,
)


def extract(description: Any, *, keep_unknown: bool = False) -> Facts:
    """Return the facts of *description*, in the form of the file.

    With *keep_unknown*, keywords that are not listed are kept as they are, and operations of
    methods that the API does not have are facts too.

    Raises:
        UnknownKeywordError: A keyword is not listed, and *keep_unknown* is not set.
        InvalidDescriptionError: The description is broken.
    """
    try:
        return _Extractor(description, keep_unknown=keep_unknown).facts()
    except RecursionError:
        raise InvalidDescriptionError(
            "the description is nested too deeply, or contains itself"
        ) from None


class _Extractor:
    """The facts of one description."""

    def __init__(self, description: Any, *, keep_unknown: bool) -> None:
        self._whole = _object(description, "the description")
        if not str(self._whole.get("openapi", "")).startswith("3."):
            raise InvalidDescriptionError(
                "the description has no member `openapi` with a version such as 3.1.0: "
                "it is no OpenAPI 3 description"
            )
        self._components = _object(self._whole.get("components", {}), "components")
        self._keep_unknown = keep_unknown
        self._methods = (*_METHODS, *_OTHER_METHODS) if keep_unknown else _METHODS
        self._path = _PATH._replace(read=_PATH.read | set(self._methods))
        self._header_sets: dict[str, Facts] = {}
        self._followed = 0

    def facts(self) -> Facts:
        """Return all facts, in the form of the file."""
        whole = self._whole
        paths = _object(_member(whole, "paths", "the description"), "paths")
        info = _object(_member(whole, "info", "the description"), "info")
        webhooks = _object(whole.get("webhooks", {}), "webhooks")
        servers = _list(whole.get("servers", []), "servers")
        return {
            "openapi": whole["openapi"],
            "version": str(_member(info, "version", "info")),
            "servers": [_text_of(_object(one, "servers"), "url", "servers") for one in servers],
            "security_schemes": self._security_schemes(),
            "scopes": sorted(self._scopes()),
            "operations": {
                f"{method.upper()} {path}": self._operation(item, method, path)
                for path, item in self._items(paths)
                for method in self._methods
                if method in item
            },
            "webhooks": {
                name: self._operation(item, "post", name)
                for name, item in self._items(webhooks)
                if "post" in item
            },
            "parameters": self._shared("parameters", self._parameter),
            "responses": self._shared("responses", self._response),
            "headers": self._shared("headers", self._header),
            "header_sets": self._header_sets,
            "schemas": self._shared("schemas", self._schema),
        }

    def _security_schemes(self) -> Facts:
        where = "components securitySchemes"
        schemes = _object(self._components.get("securitySchemes", {}), where)
        found: Facts = {}
        for name, node in schemes.items():
            scheme = _without_text(self._resolved(node, where))
            if "flows" in scheme:
                flows = _object(scheme["flows"], where)
                scheme["flows"] = {
                    n: self._flow(_object(one, f"{where} {n}"), f"{where} {n}")
                    for n, one in flows.items()
                    if not n.startswith("x-")
                }
            found[name] = scheme
        return found

    def _flow(self, node: Node, where: str) -> Facts:
        scopes = _object(node.get("scopes", {}), f"{where} scopes")
        return _without_text(node) | {"scopes": sorted(scopes)}

    def _scopes(self) -> set[str]:
        schemes = self._security_schemes().values()
        flows = [flow for scheme in schemes for flow in scheme.get("flows", {}).values()]
        return {scope for flow in flows for scope in flow["scopes"]}

    def _items(self, nodes: Node) -> Iterable[tuple[str, Node]]:
        for name, item in nodes.items():
            if not name.startswith("x-"):
                yield name, self._resolved(item, name)

    def _shared(self, section: str, read: Callable[[Any, str], Any]) -> Facts:
        nodes = _object(self._components.get(section, {}), f"components {section}")
        return {name: read(node, f"{section} {name}") for name, node in nodes.items()}

    def _copy(self, keywords: _Keywords, node: Node, where: str) -> Facts:
        """Return the facts to take as they are, without those that say nothing."""
        listed = keywords.copied | keywords.read | _TEXT
        unknown = sorted(name for name in node.keys() - listed if name[:2] != "x-")
        if unknown and not self._keep_unknown:
            raise UnknownKeywordError(
                f"{where} has unknown keywords: {', '.join(unknown)}. Add each of them to "
                f"{__file__}, to the facts of its kind of node or to `_TEXT`."
            )
        taken = keywords.copied.union(unknown)
        found = {name: value for name, value in node.items() if name in taken}
        return {n: v for n, v in found.items() if n not in _FLAGS or (v is not False and v != [])}

    def _operation(self, item: Node, method: str, path: str) -> Facts:
        where = f"{method.upper()} {path}"
        node = _object(item[method], where)
        of_path = self._copy(self._path, item, path)
        facts = of_path | self._copy(_OPERATION, node, where) | self._security(node, where)
        if limit := _ANONYMOUS_LIMIT.search(_text(node)):
            facts["anonymous_limit"] = int(limit[1])
        responses = _object(node.get("responses", {}), f"{where} responses")
        replies = {
            str(status): _object(reply, f"{where} {status}")
            for status, reply in responses.items()
            if not str(status).startswith("x-")
        }
        texts = [_text(node), *(_text(one) for one in replies.values() if "$ref" not in one)]
        if problems := {slug for text in texts for slug in _PROBLEM.findall(text)}:
            facts["problems"] = sorted(problems)
        parameters = [
            *_list(item.get("parameters", []), f"{path} parameters"),
            *_list(node.get("parameters", []), f"{where} parameters"),
        ]
        if parameters:
            facts["parameters"] = [self._parameter(one, where) for one in parameters]
        if "requestBody" in node:
            body = self._resolved(node["requestBody"], f"{where} requestBody")
            facts["requestBody"] = self._copy(_BODY, body, where) | self._content(body, where)
        facts["responses"] = {
            status: self._response(reply, f"{where} {status}")
            for status, reply in sorted(replies.items())
        }
        return facts

    def _security(self, node: Node, where: str) -> Facts:
        requirements = _list(
            node.get("security", self._whole.get("security", [])), f"{where} security"
        )
        objects = [_object(one, f"{where} security") for one in requirements]
        if not objects or not all(objects):
            return {"public": True}
        schemes: list[tuple[str, list[Any]]] = [
            (name.lower(), _list(scopes, f"{where} security"))
            for one in objects
            for name, scopes in one.items()
        ]
        scopes = dict(reversed(schemes)).get(_SCHEME, [])
        # The API has one way to authorize a call. Others are kept as they are.
        is_usual = [name for name, _ in schemes] == [_SCHEME]
        return {"scopes": scopes} if is_usual else {"scopes": scopes, "security": requirements}

    def _parameter(self, node: Any, where: str) -> Facts | str:
        if name := self._reference("parameters", node, where):
            return name
        node = self._resolved(node, where)
        where = f"{where} {_text_of(node, 'name', f'a parameter of {where}')}"
        facts = self._copy(_PARAMETER, node, where)
        is_header = _text_of(node, "in", where) == "header"
        if is_header and _REQUIRED_OF_APPLICATIONS.search(_text(node)):
            facts["required_of_applications"] = True
        return facts | {"schema": self._schema(node.get("schema", {}), where)}

    def _content(self, node: Node, where: str) -> Facts:
        content = _object(node.get("content", {}), f"{where} content")
        read: Facts = {}
        for name, one in content.items():
            media = _object(one, f"{where} {name}")
            more = self._copy(_MEDIA, media, where)
            schema = self._schema(media.get("schema", {}), where)
            read[name] = {"media": more, "schema": schema} if more else schema
        return {"content": read} if read else {}

    def _response(self, node: Any, where: str) -> Facts | str:
        if name := self._reference("responses", node, where):
            return name
        node = self._resolved(node, where)
        facts = self._copy(_RESPONSE, node, where) | self._content(node, where)
        given = _object(node.get("headers", {}), f"{where} headers")
        if headers := {n: self._header(one, f"{where} {n}") for n, one in given.items()}:
            facts["headers"] = self._header_set(headers)
        if problems := set(self._problems_of_examples(node, where)):
            facts["problems"] = sorted(problems)
        return facts

    def _header(self, node: Any, where: str) -> Facts | str | bool:
        if name := self._reference("headers", node, where):
            return name
        node = self._resolved(node, where)
        facts = self._copy(_HEADER, node, where)
        schema = self._schema(node.get("schema", {}), where)
        return {**schema, **facts} if facts and isinstance(schema, dict) else schema

    def _header_set(self, headers: Facts) -> str | Facts:
        if not all(isinstance(header, str) for header in headers.values()):
            return headers
        more = {f"{n}: {one}" for n, one in headers.items() if _STANDARD_HEADERS.get(n) != one}
        name = " + ".join(["standard", *sorted(more)])
        name += "".join(f" - {one}" for one in _STANDARD_HEADERS if one not in headers)
        self._header_sets[name] = headers
        return name

    def _problems_of_examples(self, node: Node, where: str) -> Iterable[str]:
        content = _object(node.get("content", {}), where)
        media = _object(content.get("application/problem+json", {}), where)
        for shown in _object(media.get("examples", {}), f"{where} examples").values():
            value = self._resolved(shown, f"{where} examples").get("value")
            type_ = cast("Node", value).get("type") if isinstance(value, Mapping) else None
            if isinstance(type_, str) and (slug := _PROBLEM_URL.fullmatch(type_)):
                yield slug[1]

    def _schema(self, node: Any, where: str) -> Facts | str | bool:
        if isinstance(node, bool):
            return node
        name = self._reference("schemas", node, where)
        node = _object(node, where) if name else self._resolved(node, where)
        facts = self._copy(_SCHEMA, node, where)
        if name:
            facts["$ref"] = name
        for keyword, value in node.items():
            inner = f"{where} {keyword}"
            if keyword in _PARTS:
                facts[keyword] = self._schema(value, inner)
            elif keyword in _LISTS:
                facts[keyword] = [self._schema(one, inner) for one in _list(value, inner)]
            elif keyword in _MAPS:
                facts[keyword] = {
                    n: self._schema(one, f"{inner} {n}") for n, one in _object(value, inner).items()
                }
        return name if name and facts.keys() == {"$ref"} else facts

    def _reference(self, section: str, node: Any, where: str) -> str | None:
        """Return the name of the component of *section* that *node* refers to, if it does."""
        if not isinstance(node, Mapping) or "$ref" not in node:
            return None
        reference = str(cast("Node", node)["$ref"])
        start, _, name = reference.rpartition("/")
        if start != f"#/components/{section}":
            return None
        name = _unescaped(name)
        if name not in _object(self._components.get(section, {}), f"components {section}"):
            raise InvalidDescriptionError(f"{where} refers to {reference}, which does not exist")
        return name

    def _resolved(self, node: Any, where: str) -> Node:
        """Return *node*, or the node of the description that it refers to."""
        found = _object(node, where)
        followed = set[str]()
        while "$ref" in found:
            reference = str(found["$ref"])
            if not reference.startswith("#/"):
                raise InvalidDescriptionError(
                    f"{where} refers to {reference}, which is another document: bundle all parts "
                    "of the description in one file"
                )
            if reference in followed:
                raise InvalidDescriptionError(f"{where} refers to {reference}, and that to itself")
            followed.add(reference)
            self._followed += 1
            if self._followed > _MAX_FOLLOWED:
                raise InvalidDescriptionError(
                    f"the description has more than {_MAX_FOLLOWED:,} references to nodes outside "
                    "of its components, or they refer to each other too often"
                )
            target: Any = self._whole
            for part in map(_unescaped, reference[2:].split("/")):
                if not is_object(target) or part not in target:
                    raise InvalidDescriptionError(
                        f"{where} refers to {reference}, which does not exist"
                    )
                target = target[part]
            beside: Facts = {n: one for n, one in found.items() if n != "$ref"}
            found = {**_object(target, reference), **beside}
        return found


def _object(value: Any, where: str) -> Node:
    if not isinstance(value, Mapping):
        raise InvalidDescriptionError(f"{where} is {_kind(value)}; it must be an object")
    return cast("Node", value)


def _list(value: Any, where: str) -> list[Any]:
    if not is_list(value):
        raise InvalidDescriptionError(f"{where} is {_kind(value)}; it must be a list")
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list) else f"{value!r:.60}"


def _member(node: Node, name: str, where: str) -> Any:
    if name not in node:
        raise InvalidDescriptionError(f"{where} has no `{name}`")
    return node[name]


def _text_of(node: Node, name: str, where: str) -> str:
    value = _member(node, name, where)
    if not isinstance(value, str):
        raise InvalidDescriptionError(f"{where} {name} is {_kind(value)}; it must be a text")
    return value


def _without_text(node: Node) -> Facts:
    return {n: one for n, one in node.items() if n not in _TEXT and not n.startswith("x-")}


def _text(node: Node) -> str:
    return str(node.get("description", ""))


def _unescaped(part: str) -> str:
    """Return a part of a JSON pointer in a URL fragment as the member's name."""
    return unquote(part).replace("~1", "/").replace("~0", "~")
