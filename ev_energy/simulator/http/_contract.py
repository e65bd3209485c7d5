"""The contract: the valid requests and the declared replies of each operation.

The contract is derived from the facts of the API's description (`ev_energy._contract`), after the
corrections that apply to requests. The file of facts is read when the first operation is looked up.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

import attrs

from ev_energy._contract.corrections import OF_REQUESTS, Correction, corrected
from ev_energy._contract.facts import Facts, facts, lookup

Node: TypeAlias = Mapping[str, Any]

#: Parameters of queries that select a page.
_PAGING: Final = frozenset({"page", "page_after", "page_before", "page_size"})
_JSON: Final = ("application/json",)

#: The limits of a schema, and the names of those of a `Shape`.
_LIMITS: Final[Mapping[str, str]] = {
    "minimum": "minimum",
    "maximum": "maximum",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_items",
    "maxItems": "max_items",
    "default": "default",
}
_KEYWORDS: Final = _LIMITS.keys() | {
    "type", "format", "enum", "pattern", "items", "properties", "required", "additionalProperties",
    "anyOf", "oneOf", "dependentSchemas", "readOnly", "writeOnly", "deprecated",
}  # fmt: skip
#: Formats that add nothing to the type.
_IMPLIED_FORMATS: Final = frozenset({"double", "float"})
#: The standard headers in their usual spelling; the description varies.
_STANDARD_HEADERS: Final = {
    name.lower(): name
    for name in ("EvEnergy-Version", "X-RateLimit-Limit", "X-RateLimit-Remaining", "RetryAfter")
}
#: The statuses of replies to invalid requests.
_REFUSALS: Final = ("400", "422")


class UnsupportedSchemaError(Exception):
    """A schema of a request has a form that a `Shape` cannot have."""


@attrs.frozen(kw_only=True)
class Shape:
    """The constraints on a value. Fields of type ``Shape | str`` also take the name of a schema."""

    type: Literal["array", "boolean", "integer", "number", "object", "string"] | None = None
    """None if the value has one of several shapes: `any_of`."""
    nullable: bool = False
    any_of: tuple[Shape | str, ...] = ()
    enum: tuple[Any, ...] = ()
    format: Literal["date", "date-time", "decimal", "email", "uri", "uuid"] | None = None
    pattern: str | None = None
    """Searched for anywhere in the text, in the syntax of Python's `re`."""
    min_length: int = 0
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    default: Any = None
    items: Shape | str | None = None
    min_items: int = 0
    max_items: int | None = None
    properties: Mapping[str, Shape | str] | None = None
    """None if an object may have any members."""
    required: tuple[str, ...] = ()
    closed: bool = False
    """Whether unknown members are refused."""
    needs: Mapping[str, tuple[str, ...]] = attrs.Factory(dict[str, tuple[str, ...]])
    """The members that must be present and not null if a member is."""


@attrs.frozen(kw_only=True)
class ReplyFacts:
    """What an operation declares about one status."""

    media: str | None = None
    """None if there is no body."""
    headers: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class BodyFacts:
    """The body that an operation takes."""

    shape: Shape | str
    required: bool = False
    media: tuple[str, ...] = _JSON


@attrs.frozen(kw_only=True)
class OperationFacts:
    """What is declared about one operation."""

    method: str
    path: str
    """Relative to the API's root, with the names of parameters in braces."""
    public: bool
    """Whether it can be called without a token."""
    scopes: tuple[str, ...]
    """All the scopes that a token must have; an operation may need a token but no scope."""
    anonymous_limit: int | None
    """Requests per hour for an address without a token, if fewer than usual."""
    in_path: Mapping[str, Shape]
    query: Mapping[str, Shape]
    required: tuple[str, ...]
    """Parameters of the query that cannot be left out."""
    expand: tuple[str, ...]
    """The links that it can expand; if any, ``expand`` is also in `query`."""
    paging: Literal["cursor", "page"] | None
    """Whether its pages are selected by a neighbouring entry or by numbers; None without pages."""
    cursor: Literal["id", "time"] | None
    """What ``page_after`` and ``page_before`` consist of."""
    user_header: Literal["optional", "required"] | None
    """Whether it reads EvEnergy-User, which may be required of tokens that belong to no user."""
    version_header: bool
    """Whether it reads EvEnergy-Version."""
    language_header: bool
    """Whether it reads Accept-Language."""
    body: BodyFacts | None
    problem: str | None
    """The type of problem, by its last segment, for requests that are not valid."""
    refusal_status: int | None
    """The status for an invalid request; None if the operation declares no such status."""
    body_refusal_status: int | None
    """The status for a body that is JSON but not valid."""
    statuses: Mapping[int, ReplyFacts]

    @property
    def paging_parameters(self) -> frozenset[str]:
        """The parameters of its query that select a page."""
        return _PAGING & self.query.keys()

    def declares(self, status: int) -> bool:
        """Return whether the operation declares replies with this status."""
        return status in self.statuses


class Contract(Mapping[tuple[str, str], OperationFacts]):
    """The facts of every operation, by method and path."""

    def __init__(self, corrections: Iterable[Correction] = OF_REQUESTS) -> None:
        self._corrections = corrections
        self._operations: dict[tuple[str, str], OperationFacts] = {}
        self._shapes: dict[str, Shape] = {}
        self._parameters: dict[str, tuple[Node, Shape]] = {}
        self._replies: dict[str, ReplyFacts] = {}

    def __getitem__(self, key: tuple[str, str]) -> OperationFacts:
        """Return the facts of an operation."""
        if key not in self._operations:
            declared = lookup(self._facts, "operations", " ".join(key))
            self._operations[key] = self._operation(key, declared)
        return self._operations[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Iterate over methods and paths."""
        for name in self._facts["operations"]:
            method, _, path = name.partition(" ")
            yield method, path

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self._facts["operations"])

    def shape(self, shape: Shape | str) -> Shape:
        """Return *shape*, or the shape of the schema with this name."""
        if not isinstance(shape, str):
            return shape
        if shape not in self._shapes:
            self._shapes[shape] = self.shape(_shape(lookup(self._facts, "schemas", shape)))
        return self._shapes[shape]

    @functools.cached_property
    def _facts(self) -> Facts:
        return corrected(facts(), self._corrections)

    def _operation(self, key: tuple[str, str], declared: Node) -> OperationFacts:
        parameters = [self._parameter(one) for one in declared.get("parameters", ())]
        shapes: dict[str, dict[str, Shape]] = {"path": {}, "query": {}, "header": {}}
        for parameter, shape in parameters:
            shapes[parameter["in"]][parameter["name"]] = shape
        query, headers = shapes["query"], shapes["header"]
        statuses = {int(status): self._reply(one) for status, one in declared["responses"].items()}
        refusal = next((status for status in (400, 422) if status in statuses), None)
        return OperationFacts(
            method=key[0],
            path=key[1],
            public=declared.get("public", False),
            scopes=tuple(sorted(declared.get("scopes", ()))),
            anonymous_limit=declared.get("anonymous_limit"),
            in_path=shapes["path"],
            query=query,
            required=tuple(
                one["name"] for one, _ in parameters if one["in"] == "query" and one.get("required")
            ),
            expand=self._expand(query),
            paging="page" if "page" in query else "cursor" if "page_after" in query else None,
            cursor=_cursor(query),
            user_header=_user_header(one for one, _ in parameters),
            version_header="EvEnergy-Version" in headers,
            language_header="Accept-Language" in headers,
            body=_body(declared),
            problem=self._problem(declared),
            refusal_status=refusal,
            body_refusal_status=declared.get("body_refusal", refusal),
            statuses=statuses,
        )

    def _parameter(self, parameter: Node | str) -> tuple[Node, Shape]:
        if isinstance(parameter, str):
            if parameter not in self._parameters:
                shared = lookup(self._facts, "parameters", parameter)
                self._parameters[parameter] = self._parameter(shared)
            return self._parameters[parameter]
        return parameter, self.shape(_shape(parameter["schema"]))

    def _expand(self, query: Mapping[str, Shape]) -> tuple[str, ...]:
        items = query["expand"].items if "expand" in query else None
        return () if items is None else self.shape(items).enum

    def _problem(self, declared: Node) -> str | None:
        """Return the type of problem that the text of an operation names, or its examples show."""
        replies = (self._response(declared["responses"].get(status, {})) for status in _REFUSALS)
        for problems in (node.get("problems", ()) for node in (declared, *replies)):
            for problem in problems:
                if problem.startswith("validation-failed"):
                    return str(problem)
        return None

    def _response(self, response: Node | str) -> Node:
        return lookup(self._facts, "responses", response) if isinstance(response, str) else response

    def _reply(self, response: Node | str) -> ReplyFacts:
        if not isinstance(response, str):
            return self._reply_facts(response)
        if response not in self._replies:
            self._replies[response] = self._reply_facts(self._response(response))
        return self._replies[response]

    def _reply_facts(self, response: Node) -> ReplyFacts:
        (media,) = response.get("content", {}) or (None,)
        declared = response.get("headers", {})
        shared = isinstance(declared, str)
        headers: Facts = lookup(self._facts, "header_sets", declared) if shared else declared
        names = (_STANDARD_HEADERS.get(name.lower(), name) for name in headers)
        return ReplyFacts(media=media, headers=tuple(sorted(names)))


def _user_header(parameters: Iterable[Node]) -> Literal["optional", "required"] | None:
    for parameter in parameters:
        if parameter["name"] == "EvEnergy-User":
            return "required" if parameter.get("required_of_applications") else "optional"
    return None


def _cursor(query: Mapping[str, Shape]) -> Literal["id", "time"] | None:
    if "page_after" not in query:
        return None
    return "time" if query["page_after"].format == "date-time" else "id"


def _body(declared: Node) -> BodyFacts | None:
    body = declared.get("requestBody", {})
    content: Facts = body.get("content", {})
    if not content:
        return None
    shape = _shape(content["application/json"])
    return BodyFacts(shape=shape, required=body.get("required", False), media=tuple(content))


def _shape(schema: Node | str) -> Shape | str:
    """Return the shape of a schema, or the name of the shared schema that it refers to."""
    if isinstance(schema, str):
        return schema
    if "$ref" in schema:
        return str(schema["$ref"])
    if unsupported := schema.keys() - _KEYWORDS:
        raise UnsupportedSchemaError(f"a shape has no {', '.join(sorted(unsupported))}: {schema}")
    made = {field: schema[keyword] for keyword, field in _LIMITS.items() if keyword in schema}
    if "pattern" in schema:
        made["pattern"] = python_pattern(schema["pattern"])
    if alternatives := [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        # A value fits one alternative at most, so anyOf and oneOf mean the same.
        shapes = [_shape(one) for one in alternatives if one != {"type": "null"}]
        nullable = len(shapes) < len(alternatives)
        return Shape(any_of=tuple(shapes), nullable=nullable, **made)
    types = schema["type"]
    (made["type"],) = {types} if isinstance(types, str) else {*types} - {"null"}
    if schema.get("format") not in _IMPLIED_FORMATS:
        made["format"] = schema.get("format")
    return Shape(
        nullable="null" in types,
        enum=tuple(value for value in schema.get("enum", ()) if value is not None),
        items=_shape(schema["items"]) if "items" in schema else None,
        **_members(schema),
        **made,
    )


def _members(schema: Node) -> Facts:
    """Return what a schema declares about the members of an object that can be written."""
    made: Facts = {"closed": schema.get("additionalProperties") is False}
    required = schema.get("required", ())
    if "properties" in schema:
        members = {
            name: one
            for name, one in schema["properties"].items()
            if isinstance(one, str) or not one.get("readOnly")
        }
        made["properties"] = {name: _shape(one) for name, one in members.items()}
        required = (name for name in required if name in members)
    made["required"] = tuple(required)
    if "dependentSchemas" in schema:
        rules: Facts = schema["dependentSchemas"]
        made["needs"] = {name: tuple(rule["then"]["required"]) for name, rule in rules.items()}
    return made


def python_pattern(pattern: str) -> str:
    """Return a pattern of ECMA-262 as Python has it: ASCII digits, and ``$`` is the very end."""
    pattern = pattern.replace("[A-Z\\d]", "[A-Z0-9]").replace(r"\d", "[0-9]")
    return re.sub(r"\$$", r"\\Z", pattern)


#: The contract of every operation.
CONTRACT: Final = Contract()
