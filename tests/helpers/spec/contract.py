"""Writes the facts of every operation that the simulator goes by: ``_contract.json``.

Run ``python -m tests.helpers.spec.contract`` with ``EV_ENERGY_SPEC`` set; ``--check`` only says
whether the file is what it would write. Facts alone are taken: names, types, limits; no text.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.helpers.spec import description
from tests.helpers.spec.contract_corrections import (
    BODY_IS_422,
    CORRECTIONS,
    PROBLEMS_IN_PROSE,
    Correction,
    merge,
)
from tests.helpers.spec.description import Described, Description, ref_name

FILE = Path(__file__).parents[3] / "ev_energy" / "simulator" / "_api" / "_contract.json"

#: Members of a schema that say nothing about what may be sent.
_SAYS_NOTHING = {"description", "title", "example", "examples", "readOnly", "writeOnly"}
#: Members that are taken as they are, by the name they have in the file.
_AS_IT_IS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_items",
    "maxItems": "max_items",
    "pattern": "pattern",
    "default": "default",
}
_READ = {"type", "format", "enum", "items", "properties", "required", "additionalProperties"}
_READ |= {"anyOf", "oneOf", "dependentSchemas", "$ref"}
#: Formats that are no more than the type says.
_NO_FORMAT = {"double", "float"}
_NOT_NULL = {"not": {"type": "null"}}

_MEDIA = {"application/json": "json", "application/problem+json": "problem", None: "empty"}
_USUAL_HEADERS = ("EvEnergy-Version", "X-RateLimit-Limit", "X-RateLimit-Remaining", "RetryAfter")
_ANONYMOUS = re.compile(r"rate limited to (\d+) requests per hour per IP")
_ID = re.compile(r"\^?\(?(?:me\|)?([a-z]{4})\[A-Z.*")

Data = dict[str, Any]
Shape = dict[str, Any] | str


class BeyondFactsError(Exception):
    """A schema says what the file has no way to say."""


def corrected(data: Mapping[str, Any], *, without: Correction | None = None) -> Data:
    """The description of what is sent: with corrections, and without what is only ever told.

    *without* is a correction to leave out.
    """
    made: Data = copy.deepcopy(dict(data))
    for correction in CORRECTIONS:
        if correction is not without:
            for schema in correction.schemas(made):
                merge(schema, correction.patch)
    _prepare(made)
    return made


def _prepare(node: Any) -> None:
    """Leave out read-only members, and write patterns as Python reads them."""
    if isinstance(node, list):
        for item in node:
            _prepare(item)
    elif isinstance(node, dict):
        members = node.get("properties")
        if isinstance(members, dict):
            told = {name for name, one in members.items() if one.get("readOnly") is True}
            node["properties"] = {n: one for n, one in members.items() if n not in told}
            if isinstance(node.get("required"), list):
                node["required"] = [name for name in node["required"] if name not in told]
        if isinstance(node.get("pattern"), str):
            # Digits are ASCII, and `$` is the very end: so has it ECMA-262, and Python otherwise.
            node["pattern"] = node["pattern"].replace("[A-Z\\d]", "[A-Z0-9]")
            node["pattern"] = re.sub(r"\$$", r"\\Z", node["pattern"].replace(r"\d", "[0-9]"))
        for item in node.values():
            _prepare(item)


class Shapes:
    """What values look like; what is needed more than once has a name."""

    def __init__(self, whole: Description) -> None:
        self._whole = whole
        self.named: dict[str, Shape] = {}

    def of(self, schema: Mapping[str, Any]) -> Shape:
        """The facts of a schema."""
        if name := ref_name(schema):
            _expect(schema.keys() - _SAYS_NOTHING == {"$ref"}, schema)
            if name not in self.named:
                self.named[name] = self.of(self._whole.resolve(schema))
            return name
        unknown = {n for n in schema if not n.startswith("x-")} - _SAYS_NOTHING - _READ
        _expect(not unknown - _AS_IT_IS.keys(), schema)
        arms = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        made = self._any_of(arms) if arms else self._typed(schema)
        made |= {name: schema[key] for key, name in _AS_IT_IS.items() if key in schema}
        return made

    def _any_of(self, arms: list[Any]) -> Data:
        """One of several, which are so different that any-of and one-of are the same."""
        values = [arm for arm in arms if arm != {"type": "null"}]
        kinds = [self._kind(arm) for arm in values]
        _expect(len(set(kinds)) == len(kinds), arms)
        made: Data = {"any_of": [self.of(arm) for arm in values]}
        return made | ({"nullable": True} if len(values) < len(arms) else {})

    def _kind(self, schema: Mapping[str, Any]) -> str:
        """What a value must be to be of this schema and of no other beside it."""
        schema = self._whole.resolve(schema)
        members = self._whole.object(schema)[0]
        return json.dumps([schema.get("type"), members.get("type", {}).get("enum")])

    def _typed(self, schema: Mapping[str, Any]) -> Data:
        _expect("type" in schema, schema)
        types = schema["type"]
        kinds = {types} if isinstance(types, str) else set(types)
        (kind,) = kinds - {"null"}
        made: Data = {"type": kind}
        if "null" in kinds:
            made["nullable"] = True
        if "enum" in schema:
            made["enum"] = [value for value in schema["enum"] if value is not None]
            _expect((None in schema["enum"]) == ("null" in kinds), schema)
        if schema.get("format", "double") not in _NO_FORMAT:
            made["format"] = schema["format"]
        if "items" in schema:
            made["items"] = self.of(schema["items"])
        return made | self._members(schema)

    def _members(self, schema: Mapping[str, Any]) -> Data:
        made: Data = {}
        if "properties" in schema:
            made["properties"] = {n: self.of(one) for n, one in schema["properties"].items()}
        if schema.get("required"):
            made["required"] = schema["required"]
        if schema.get("additionalProperties", True) is False:
            made["closed"] = True
        if "dependentSchemas" in schema:
            made["needs"] = dict(map(_need, schema["dependentSchemas"].items()))
        return made


def _need(rule: tuple[str, Any]) -> tuple[str, list[str]]:
    """A member, and those that must not be null where it is not."""
    member, schema = rule
    needed = schema["then"]["required"]
    needs = {"required": needed, "properties": dict.fromkeys(needed, _NOT_NULL)}
    _expect(schema == {"if": {"properties": {member: _NOT_NULL}}, "then": needs}, schema)
    return member, needed


def _expect(so: bool, what: object) -> None:
    if not so:
        raise BeyondFactsError(f"Not to be told by the facts there are: {what}")


class Contract:
    """The facts of all operations."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        whole = Description(data)
        self._shapes = Shapes(whole)
        self._replies: dict[str, Data] = {}
        self._parameters = self._shared_parameters(whole)
        self.operations = {
            f"{operation.method} {operation.path}": self._facts(operation)
            for operation in sorted(whole.operations, key=lambda o: (o.path, o.method))
        }

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        """All there is, by what the file calls it."""
        shapes = self._shapes.named
        return {
            "shapes": {name: shapes[name] for name in sorted(shapes, key=str.swapcase)},
            "replies": dict(sorted(self._replies.items())),
            "operations": self.operations,
        }

    def _shared_parameters(self, whole: Description) -> dict[str, str]:
        """The names of shapes that several parameters have."""
        used: Counter[str] = Counter()
        names: dict[str, str] = {}
        for operation in whole.operations:
            for (place, name), parameter in operation.parameters.items():
                if place != "header" and name != "expand" and "$ref" not in parameter.schema:
                    text = json.dumps(self._shapes.of(parameter.schema))
                    used[text] += 1
                    names.setdefault(text, _name_of(name, json.loads(text)))
        shared = {text: name for text, name in names.items() if used[text] > 1}
        taken = Counter(shared.values())
        shared = {text: name for text, name in shared.items() if taken[name] == 1}
        self._shapes.named |= {name: json.loads(text) for text, name in shared.items()}
        return shared

    def _parameter(self, schema: Mapping[str, Any]) -> Shape:
        made = self._shapes.of(schema)
        return self._parameters.get(json.dumps(made), made)

    def _facts(self, operation: Described) -> Data:
        facts: Data = {}
        scope = operation.scope
        facts |= {"public": True} if scope is None else {"scopes": scope.split()}
        if limit := _ANONYMOUS.search(operation.raw.get("description", "")):
            facts["anonymous_limit"] = int(limit[1])
        by_place = {
            place: {p.name: p for p in operation.parameters.values() if p.place == place}
            for place in ("path", "query", "header")
        }
        if by_place["path"]:
            facts["in_path"] = {n: self._parameter(p.schema) for n, p in by_place["path"].items()}
        query = by_place["query"]
        if plain := {n: self._parameter(p.schema) for n, p in query.items() if n != "expand"}:
            facts["query"] = plain
        if required := [name for name, parameter in query.items() if parameter.required]:
            facts["required"] = required
        if operation.expand:
            facts["expand"] = list(operation.expand)
        facts |= self._paging(facts.get("query", {})) | _headers(operation)
        return facts | self._body(operation) | self._problem(operation) | self._statuses(operation)

    def _paging(self, query: Mapping[str, Shape]) -> Data:
        if "page" in query:
            return {"paging": "page"}
        if "page_after" not in query:
            return {}
        return {
            "paging": "cursor",
            "cursor": "time" if query["page_after"] == "date-time" else "id",
        }

    def _body(self, operation: Described) -> Data:
        node = operation.whole.resolve(operation.raw.get("requestBody", {}))
        if operation.body is None:
            return {}
        body: Data = {"shape": self._shapes.of(operation.body)}
        if node.get("required"):
            body["required"] = True
        if list(node["content"]) != ["application/json"]:
            body["media"] = list(node["content"])
        return {"body": body}

    def _problem(self, operation: Described) -> Data:
        key = f"{operation.method} {operation.path}"
        shown = {
            problem.example.get("type", "").rstrip("/").rpartition("/")[2]
            for problem in operation.problems
            if problem.status in {400, 422}
        }
        own = {slug for slug in shown if slug.startswith("validation-failed")}
        _expect(len(own) <= 1, key)
        slug = PROBLEMS_IN_PROSE.get(key) or next(iter(own), None)
        made: Data = {} if slug is None else {"problem": slug}
        return made | ({"body_refusal": 422} if key in BODY_IS_422 else {})

    def _statuses(self, operation: Described) -> Data:
        made = {}
        for status, node in sorted(operation.raw["responses"].items()):
            reply = operation.whole.resolve(node)
            (media,) = reply.get("content", {}) or {None}
            made[status] = self._reply(media, reply.get("headers", {}))
        return {"statuses": made}

    def _reply(self, media: str | None, headers: Mapping[str, Any]) -> str:
        spelt = {name.lower(): name for name in _USUAL_HEADERS}
        declared = sorted(spelt.get(name.lower(), name) for name in headers)
        name = _MEDIA[media]
        usual = [one for one in _USUAL_HEADERS if one in declared]
        name += "".join(f"-{n}" for n in _USUAL_HEADERS if n not in usual) if usual else " bare"
        name += "".join(f"+{one}" for one in declared if one not in usual)
        self._replies[name] = ({"media": media} if media else {}) | (
            {"headers": declared} if declared else {}
        )
        return name


def _name_of(parameter: str, shape: Data) -> str:
    """What a shape that several parameters have is called."""
    if shape == {"type": "string"}:
        return "text"
    if shape.keys() == {"type"}:
        return str(shape["type"])
    if shape.keys() == {"type", "format"}:
        return str(shape["format"])
    if found := _ID.fullmatch(shape.get("pattern", "")):
        return f"{found[1]} id" + (" or me" if "me|" in shape["pattern"] else "")
    if parameter in {"page_after", "page_before"}:
        return "cursor"
    return "coordinates" if parameter == "contains" else parameter


def _headers(operation: Described) -> Data:
    """Which of the API's own headers an operation looks at."""
    declared = operation.names("header")
    made: Data = {}
    if "EvEnergy-User" in declared:
        text = operation.parameters["header", "EvEnergy-User"].raw["description"]
        made["user_header"] = "required" if "requires" in text else "optional"
    if "EvEnergy-Version" in declared:
        made["version_header"] = True
    if "Accept-Language" in declared:
        made["language_header"] = True
    return made


def contract(data: Mapping[str, Any], *, without: Correction | None = None) -> Data:
    """All facts; *without* is a correction to leave out."""
    return Contract(corrected(data, without=without)).sections


def written(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of the file: one line a shape, a reply, an operation."""

    def lines() -> Iterator[str]:
        for name, section in sections.items():
            inner = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in section.items())
            yield f"{json.dumps(name)}: {{\n{inner}\n}}"

    return "{\n" + ",\n".join(lines()) + "\n}\n"


def main() -> int:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    check: bool = parser.parse_args().check
    found = description.at_hand()
    if found is None:
        print(description.MISSING, file=sys.stderr)
        return 2
    text = written(contract(found.data))
    if not check:
        FILE.write_text(text, encoding="utf-8")
    elif text != FILE.read_text(encoding="utf-8"):
        print(
            f"{FILE.name} is out of date: run python -m tests.helpers.spec.contract",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
