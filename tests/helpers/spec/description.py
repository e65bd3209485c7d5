"""The facts of the description, or the vendor's own file, read for what the tests need."""

from __future__ import annotations

import copy
import functools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from ev_energy._contract.corrections import OF_REPLIES, corrected
from ev_energy._contract.facts import MissingFactsError, facts, lookup
from tests.helpers.spec import corrections
from tests.helpers.spec.openapi import document

#: Query parameters that only a ``Link`` header supplies.
CURSORS = frozenset({"page_before", "page_after", "page"})

_METHODS = ("get", "post", "put", "patch", "delete")

Schema = Mapping[str, Any]


class Parameter(NamedTuple):
    """A parameter of an operation."""

    name: str
    place: str
    required: bool
    schema: Schema
    raw: Mapping[str, Any]


class Success(NamedTuple):
    """What an operation answers when all is well."""

    status: int
    kind: str
    schema_name: str | None
    examples: Mapping[str, Any]


class Problem(NamedTuple):
    """An error that the description shows an example of."""

    where: str
    status: int
    example: Mapping[str, Any]


class Described:
    """One operation of the description."""

    def __init__(self, whole: Description, method: str, path: str) -> None:
        self.whole, self.method, self.path = whole, method.upper(), path
        self.item = whole.data["paths"][path]
        self.raw = self.item[method]

    @property
    def key(self) -> tuple[str, str]:
        return self.method, self.path

    @property
    def envelope_key(self) -> str | None:
        """The member that the reply is wrapped into."""
        return corrections.ENVELOPE_KEYS.get(self.key)

    @functools.cached_property
    def parameters(self) -> dict[tuple[str, str], Parameter]:
        """Every parameter by place and name; those of the operation win over the path's."""
        found = {}
        for node in [*self.item.get("parameters", ()), *self.raw.get("parameters", ())]:
            raw = self.whole.resolve(node)
            made = Parameter(raw["name"], raw["in"], raw.get("required", False), raw["schema"], raw)
            found[made.place, made.name] = made
        return found

    def names(self, place: str) -> set[str]:
        return {name for where, name in self.parameters if where == place}

    @property
    def expand(self) -> tuple[str, ...]:
        parameter = self.parameters.get(("query", "expand"))
        if parameter is None:
            return ()
        # A free text lists nothing.
        return tuple(parameter.schema.get("items", {}).get("enum", ()))

    @property
    def scope(self) -> str | None:
        """What the token needs; empty for any token, None for none at all."""
        requirements = self.raw.get("security", self.whole.data.get("security", []))
        if not requirements:
            return None
        (requirement,) = requirements
        (scopes,) = requirement.values() or ([],)
        return " ".join(sorted(scopes))

    @functools.cached_property
    def successes(self) -> list[Success]:
        found = []
        for status, node in self.raw["responses"].items():
            if status < "400":
                reply = self.whole.resolve(node)
                found.append(self._success(int(status), reply.get("content", {})))
        return found

    def _success(self, status: int, content: Mapping[str, Any]) -> Success:
        if not content:
            return Success(status, "redirect" if 300 <= status < 400 else "none", None, {})
        (media,) = [media for name, media in content.items() if name == "application/json"]
        schema = media["schema"]
        examples = self.whole.examples(media)
        if self.envelope_key:
            schema = self.whole.object(schema)[0][self.envelope_key]
        kind = "list" if schema.get("type") == "array" else "one"
        named = schema["items"] if kind == "list" else schema
        name = ref_name(named) or corrections.INLINE_REPLIES.get(self.key, (None,))[0]
        return Success(status, kind, name, examples)

    @property
    def body(self) -> Schema | None:
        """The schema of the JSON body."""
        content = self.whole.resolve(self.raw.get("requestBody", {})).get("content", {})
        return content["application/json"]["schema"] if content else None

    @property
    def problem_types(self) -> set[str]:
        """The types of problems that its replies have in the description's examples."""
        replies = map(self.whole.resolve, self.raw["responses"].values())
        return {slug for reply in replies for slug in reply.get("x-problems", ())}

    @property
    def problems(self) -> Iterator[Problem]:
        for status, node in self.raw["responses"].items():
            if status >= "400":
                media = self.whole.resolve(node).get("content", {}).get("application/problem+json")
                where = f"{self.method} {self.path} {status}"
                shown = self.whole.examples(media) if media else {}
                for name, example in shown.items():
                    yield Problem(f"{where} {name}", int(status), example)
                if media and not shown:
                    composed = self.whole.composed(media["schema"])
                    yield Problem(f"{where} members", int(status), composed)


class Description:
    """The whole document."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.components: Mapping[str, Schema] = data["components"]["schemas"]
        #: Every schema that a model stands for: components, and what is described in place.
        self.schemas: dict[str, Schema] = dict(self.components)
        for (method, path), (name, _) in corrections.INLINE_REPLIES.items():
            for status, node in data["paths"][path][method.lower()]["responses"].items():
                content = self.resolve(node).get("content", {})
                if status < "300" and content and name not in self.schemas:
                    self.schemas[name] = content["application/json"]["schema"]
        for name in list(self.schemas):
            self._name_inner(name)

    def _name_inner(self, owner: str) -> None:
        """Name the objects that are described inside the schema *owner*."""
        for member, schema in self.object(self.schemas[owner])[0].items():
            if (self.owner(owner, member), member) in corrections.MEMBER_TYPES:
                continue
            for arm, item in forms_of(schema):
                if arm.get("properties"):
                    name = class_name(self.owner(owner, member), member, item=item)
                    if name not in self.schemas:
                        self.schemas[name] = arm
                        self._name_inner(name)

    @functools.cached_property
    def operations(self) -> list[Described]:
        """Every operation."""
        return [
            Described(self, method, path)
            for path, item in self.data["paths"].items()
            for method in item
            if method in _METHODS
        ]

    def operation(self, method: str, path: str) -> Described:
        """The operation of this method and path."""
        for operation in self.operations:
            if operation.key == (method, path):
                return operation
        raise MissingFactsError(f"{method} {path}")

    @property
    def different_problems(self) -> list[Problem]:
        """The problems of all operations, without those that show the same."""
        every = [problem for operation in self.operations for problem in operation.problems]
        return list({(p.status, json.dumps(p.example)): p for p in every}.values())

    def resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """*node*, or what it refers to."""
        if "$ref" not in node:
            return node
        _, components, section, name = node["$ref"].split("/")
        return self.resolve(lookup(self.data[components], section, name))

    def object(self, schema: Schema) -> tuple[dict[str, Schema], set[str]]:
        """Members and required members of an object, its ``allOf`` parts included."""
        schema = self.resolve(schema)
        members, required = dict(schema.get("properties", {})), set(schema.get("required", ()))
        for part in schema.get("allOf", ()):
            more, needed = self.object(part)
            members |= more
            required |= needed
        return members, required

    def owner(self, name: str, member: str) -> str:
        """The schema with a model that defines *member* of *name*, itself or one it is made of."""
        parts = [ref_name(part) for part in self.schemas[name].get("allOf", ())]
        within = [
            part
            for part in parts
            if part
            and part not in corrections.NO_MODEL
            and member in self.object(self.schemas[part])[0]
        ]
        return self.owner(within[0], member) if within else name

    def examples(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """The examples of a media type, by name."""
        found = {f"{n}": self.resolve(x)["value"] for n, x in node.get("examples", {}).items()}
        return found | ({"example": node["example"]} if "example" in node else {})

    def composed(self, schema: Schema) -> dict[str, Any]:
        """An object made of the examples of its members, those that have one."""
        found = {}
        for name, member in self.object(schema)[0].items():
            for arm in [member, *member.get("oneOf", ()), *member.get("anyOf", ())]:
                shown = self.resolve(arm)
                if "example" in shown or shown.get("examples"):
                    found[name] = copy.deepcopy(shown.get("example", shown.get("examples", [0])[0]))
                    break
        return found


def forms_of(schema: Schema) -> Iterator[tuple[Schema, bool]]:
    """The forms of *schema*, and whether each is one of the items of a list."""
    for arm in [schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())]:
        yield arm, False
        if "items" in arm:
            yield from ((inner, True) for inner, _ in forms_of(arm["items"]))


def class_name(owner: str, member: str, *, item: bool = False) -> str:
    """What a class is called that is described in place, as *member* of *owner*.

    Both names together, what they have in common once; of the items of a list, in the singular.
    """
    words = "".join(word.title() for word in member.split("_"))
    if item and not words.endswith("Series"):
        words = (
            words.removesuffix("ies") + "y" if words.endswith("ies") else words.removesuffix("s")
        )
    for start in range(len(owner)):
        if owner[start].isupper() and words.startswith(owner[start:]):
            return owner[:start] + words
    return owner + words


def ref_name(node: Mapping[str, Any]) -> str | None:
    """The name at the end of a ``$ref``."""
    target = node.get("$ref")
    return target.rpartition("/")[2] if target else None


def nullable(schema: Schema) -> bool:
    """Whether null is a value of *schema*, as far as it says itself."""
    types = schema.get("type")
    arms = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    return (
        schema.get("nullable", False)  # a keyword of OpenAPI 3.0
        or types == "null"
        or (isinstance(types, list) and "null" in types)
        or any(nullable(arm) for arm in arms)
    )


@functools.cache
def from_facts() -> Description:
    """The facts that are in the repository, corrected where replies differ from the description."""
    return Description(document(corrected(facts(), OF_REPLIES)))


@functools.cache
def from_vendor() -> Description:
    """The vendor's description, for the tests that need its text or its examples."""
    path = os.environ.get("EV_ENERGY_SPEC")
    if path is None:
        pytest.fail("tests marked `description` read the vendor's OpenAPI file: set EV_ENERGY_SPEC")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Description(yaml.load(Path(path).read_text(encoding="utf-8"), Loader=loader))
