"""Values that may go over the wire, made from the schemas; and the arguments that make them go."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import re
import string
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st

from ev_energy import models
from ev_energy._operations import AS_GIVEN, Operation
from ev_energy.models import LatLong
from ev_energy.models._base import Model, Names
from tests.helpers.spec.description import CURSORS, Described, Description, Schema, nullable

_PATTERN_OF_IDS: Final = re.compile(r"\^?\(?([a-z]{4})\[A-Z(?:\\d|0-9)\]\{26\}\)?\$?")
_ID_LETTERS: Final = string.ascii_uppercase + string.digits
_TEXTS: Final = st.text(
    string.ascii_letters + string.digits + " -_äß€😀'&=+%/?#", min_size=1, max_size=9
)
_PLAIN: Final = st.text(string.ascii_letters + string.digits, min_size=1, max_size=9)
_MOMENTS: Final = st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2199, 12, 30)).map(
    lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
)
#: Members of bodies that are URLs, though their schema says only text; and one that is an id.
URLS_WITHOUT_FORMAT: Final = {
    "evidence_type",
    "evse_site",
    "rebate_evidence_type",
    "rebate_type",
    "tariff",
}
IDS_BY_ANOTHER_NAME: Final = {"user_rebate", "make"}

Values = dict[str, Any]


def _without(values: Values, *names: str) -> Values:
    return {name: value for name, value in values.items() if name not in names}


def _one_place(values: Values) -> Values:
    """Coordinates or a postal code, and this with its country."""
    if "coordinates" in values:
        return _without(values, "postal_code")
    return values if "country_code" in values else _without(values, "postal_code")


def _one_model(kind: str) -> Callable[[Values], Values]:
    """A model by its id, or make and model by name."""
    model, names = f"{kind}_model_id", (f"{kind}_make_name", f"{kind}_model_name")

    def legal(values: Values) -> Values:
        if values.get(model) is not None:
            return _without(values, *names)
        if names[0] in values and names[1] in values:
            return _without(values, model)
        return {**_without(values, model), names[0]: "Acme", names[1]: "Roadrunner"}

    return legal


def _some_product(values: Values) -> Values:
    """Make, model or trim."""
    known = {"make_id", "model_id", "trim_id"} & values.keys()
    return values if known else {**values, "make_id": "emak01"}


def _receiver(values: Values) -> Values:
    """Wallets want a receiver, bills do not."""
    if values["receiver_wallet"] == "BILL_CREDITS":
        return _without(values, "receiver")
    return {**values, "receiver": values.get("receiver") or "somebody@example.com"}


def _in_order(first: str, second: str) -> Callable[[Values], Values]:
    """A span of time that does not end before it starts."""

    def legal(values: Values) -> Values:
        low, high = sorted([values[first], values[second]])
        return {**values, first: low, second: high if high > low else "2199-12-31T00:00:00.000000Z"}

    return legal


def _one_day(values: Values) -> Values:
    """Statistics of no more than the resolution allows."""
    start = dt.datetime.fromisoformat(values["start"])
    end = (start + dt.timedelta(hours=24)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {**values, "end": end}


def _adaptors(values: Values) -> Values:
    """Different ones, and not the native connector."""
    if "adaptors" not in values:
        return values
    native = values.get("native_connector")
    return {**values, "adaptors": [a for a in dict.fromkeys(values["adaptors"]) if a != native]}


def _address(values: Values) -> Values:
    """All of an address, or nothing of it."""
    place = values.get("default_location")
    if place is None:
        return values
    place = {n: v for n, v in place.items() if not n.startswith("current_")}
    needed = {
        "address_1": "1 The Hill",
        "city": "Hobbiton",
        "postal_code": "SH1",
        "country_code": "GB",
    }
    filled = {**place, **{n: place.get(n) or v for n, v in needed.items()}}
    return {**values, "default_location": filled}


#: Rules that no schema says: what makes a call legal of one that its schemas allow.
RULES: Final[Mapping[str, Callable[[Values], Values]]] = {
    "dispatch_coordinators.create_dispatch_event": _in_order("start_time", "end_time"),
    "evse_onboarding.get_json": _some_product,
    "evse_waitlist.create": _one_model("evse"),
    "hem_systems.energy_stats": _one_day,
    "programs.list": _one_place,
    "users.create": _address,
    "users.update": _address,
    "users.update_payout_method": _receiver,
    "vehicle_onboarding.get_json": _some_product,
    "vehicle_waitlist.create": _one_model("vehicle"),
    "vehicles.update_connectors": _adaptors,
}


class Wire:
    """What one operation may be asked: strategies for each parameter and member of the body."""

    def __init__(self, spec: Description, operation: Operation, described: Described) -> None:
        self.spec, self.operation, self.described = spec, operation, described
        self.function = function_of(operation)
        self.signature = inspect.signature(self.function).parameters
        self.hints = hints_of(operation)
        self.schemas = dict(self._schemas())

    def _schemas(self) -> Iterator[tuple[str, Schema]]:
        for (place, name), parameter in self.described.parameters.items():
            if place != "header" and name not in CURSORS and name in self.signature:
                yield name, parameter.schema
        if self.operation.json is not None and self.operation.json != AS_GIVEN:
            members = self.spec.object(self.described.body or {})[0]
            yield from ((name, members[name]) for name in self.operation.json)
        elif self.operation.json == AS_GIVEN:
            (name,) = self.signature.keys() - {"self", *self.operation.ids, *self.operation.query}
            yield name, {"type": "object"}

    @property
    def required(self) -> set[str]:
        """The arguments that cannot be left out."""
        return {n for n, p in self.signature.items() if p.default is p.empty and n != "self"}

    def values(self) -> st.SearchStrategy[dict[str, Any]]:
        """What may be sent, as JSON has it; optional values may be left out."""
        made = {name: self._value(name, schema) for name, schema in self.schemas.items()}
        needed = {name: made.pop(name) for name in list(made) if name in self.required}
        legal = RULES.get(self.operation.call)
        drawn = st.fixed_dictionaries(needed, optional=made)
        return drawn.map(legal) if legal else drawn

    def least(self) -> Values:
        """The simplest call: what cannot be left out."""
        made = {name: least(self.spec, self.schemas[name]) for name in self.required}
        if self.operation.call == "dispatch_coordinators.create_dispatch_event":
            made["end_time"] = "2024-04-17T10:39:45.984584Z"
        legal = RULES.get(self.operation.call)
        return legal(made) if legal else made

    def _value(self, name: str, schema: Schema) -> st.SearchStrategy[Any]:
        if name == "expand":
            most = 3 if schema.get("type") == "array" else 1
            return st.lists(st.sampled_from(self.operation.expand), min_size=1, max_size=most)
        if name.endswith("__range"):
            return st.lists(_MOMENTS, min_size=2, max_size=2).map(lambda two: ",".join(sorted(two)))
        if name.endswith("__in"):
            return st.lists(_PLAIN, min_size=1, max_size=3).map(",".join)
        if name in {"contains", "coordinates"}:
            parts = st.tuples(_degrees(90), _degrees(180))
            return parts.map(",".join)
        made = self.of(schema, name)
        return st.none() | made if self._takes_none(name, schema) else made

    def _takes_none(self, name: str, schema: Schema) -> bool:
        return name in (self.operation.json or ()) and nullable(schema)

    def of(self, schema: Schema, name: str = "") -> st.SearchStrategy[Any]:  # noqa: PLR0911
        """Values of any schema."""
        schema = self.spec.resolve(schema)
        if schema.get("properties", {}).keys() == {"type", "coordinates"}:
            return _geometry(schema["properties"]["type"]["enum"][0])
        if self.spec.object(schema)[0]:
            return self._object(schema)
        arms = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
        arms = [arm for arm in arms if arm.get("type") != "null"]
        if arms:
            # Of a link, the URL is sent and not what it leads to.
            plain = [arm for arm in arms if "$ref" not in arm]
            return st.one_of([self.of(arm, name) for arm in plain or arms])
        if "enum" in schema:
            return st.sampled_from([value for value in schema["enum"] if value is not None])
        types = schema["type"]
        (kind,) = {types} if isinstance(types, str) else set(types) - {"null"}
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            most = min(schema.get("maxItems", 3), 3)
            items = self.of(schema["items"])
            return st.lists(items, min_size=schema.get("minItems", 0), max_size=most)
        if kind == "boolean":
            return st.booleans()
        if kind == "integer":
            return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31))
        if kind == "number":
            most = {"latitude": 90, "longitude": 180}.get(name, 1000)
            low, high = schema.get("minimum", -most), schema.get("maximum", most)
            return st.floats(low, high, allow_nan=False, width=32)
        return _text(schema, name)

    def _object(self, schema: Schema) -> st.SearchStrategy[Any]:
        members, required = self.spec.object(schema)
        if not members:
            return st.dictionaries(_TEXTS, _TEXTS | st.integers() | st.booleans(), max_size=3)
        made = {n: self._nullable(n, m) for n, m in members.items() if not m.get("readOnly")}
        needed = {name: made.pop(name) for name in list(made) if name in required}
        return st.fixed_dictionaries(needed, optional=made)

    def _nullable(self, name: str, schema: Schema) -> st.SearchStrategy[Any]:
        made = self.of(schema, name)
        return made | st.none() if nullable(schema) else made

    def arguments(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        """What to call the method with, so that *wire* arrives."""
        return {name: as_argument(self.hints[name], value) for name, value in wire.items()}


def _text(schema: Schema, name: str) -> st.SearchStrategy[Any]:  # noqa: PLR0911  (one return a form)
    form, pattern = schema.get("format"), schema.get("pattern", "")
    if form == "date-time":
        return _MOMENTS
    if form == "uri" or name in URLS_WITHOUT_FORMAT:
        return st.text(_ID_LETTERS, min_size=8, max_size=8).map(
            "https://api.ev.energy/v2/x/{}".format
        )
    if form == "uuid":
        return st.uuids().map(str)
    if form == "email":
        return st.text(string.ascii_lowercase, min_size=1, max_size=8).map(
            "{}+x@example.com".format
        )
    if ids := _PATTERN_OF_IDS.fullmatch(pattern):
        letters = st.text(_ID_LETTERS, min_size=26, max_size=26)
        return letters.map(f"{ids[1]}{{}}".format)
    if pattern:
        return st.from_regex(pattern, fullmatch=True)
    return _PLAIN if name.endswith("_id") or name in IDS_BY_ANOTHER_NAME else _TEXTS


def _geometry(kind: str) -> st.SearchStrategy[Any]:
    """Closed rings, one or two a polygon."""
    position = st.tuples(st.floats(-180, 180, width=32), st.floats(-90, 90, width=32)).map(list)
    ring = st.lists(position, min_size=3, max_size=5).map(lambda open_: [*open_, open_[0]])
    made: st.SearchStrategy[Any] = st.lists(ring, min_size=1, max_size=2)
    if kind == "MultiPolygon":
        made = st.lists(made, min_size=1, max_size=2)
    return made.map(lambda coordinates: {"type": kind, "coordinates": coordinates})


def function_of(operation: Operation) -> Any:
    """The method of an operation, unbound."""
    module = import_module(f"ev_energy.resources.{operation.module}")
    return getattr(getattr(module, operation.owner), operation.name)


def hints_of(operation: Operation) -> dict[str, Any]:
    """The types of its arguments; those of other families are imported for checkers only."""
    return get_type_hints(function_of(operation), localns=_models())


@functools.cache
def _models() -> dict[str, Any]:
    return {name: getattr(models, name) for name in dir(models)}


def _degrees(limit: int) -> st.SearchStrategy[str]:
    """Numbers as text, without exponent and with a fraction."""
    texts = st.decimals(-limit, limit, places=6).map("{:f}".format)
    return texts.map(lambda text: re.sub(r"(\.\d+?)0*$", r"\1", text)).filter(
        lambda t: t[:2] != "-0"
    )


def as_argument(hint: Any, wire: Any) -> Any:  # noqa: PLR0911  (one return a form)
    """The value of type *hint* that is sent as *wire*."""
    arms = list(_arms(hint))
    if wire is None:
        return None
    if isinstance(wire, dict):
        return _built(arms, wire)
    if isinstance(wire, list):
        items = [arm for arm in arms if get_origin(arm) is not None]
        inner = get_args(items[0])[0] if items else Any
        return [as_argument(inner, one) for one in wire]
    if isinstance(wire, str) and dt.datetime in arms:
        return dt.datetime.fromisoformat(wire)
    if isinstance(wire, str) and any(get_origin(arm) is tuple for arm in arms):
        return tuple(map(dt.datetime.fromisoformat, wire.split(",")))
    if isinstance(wire, str) and LatLong in arms:
        latitude, longitude = map(float, wire.split(","))
        return LatLong(latitude=latitude, longitude=longitude)
    if isinstance(wire, str) and any(_is_sequence(arm) for arm in arms):
        return wire.split(",")
    return wire


def _arms(hint: Any) -> Iterator[Any]:
    if (
        hint is None
        or get_origin(hint) is None
        or get_origin(hint) in {list, tuple}
        or _is_sequence(hint)
    ):
        yield hint
    elif str(get_origin(hint)) in {"typing.Union", "<class 'types.UnionType'>"}:
        for arm in get_args(hint):
            yield from _arms(arm)
    else:
        yield hint


def _is_sequence(hint: Any) -> bool:
    return "Sequence" in str(get_origin(hint))


def _built(arms: list[Any], wire: dict[str, Any]) -> Any:
    classes = [arm for arm in arms if isinstance(arm, type) and attrs.has(arm)]
    if not classes:
        return wire  # a body as the caller has it
    if len(classes) > 1:
        classes = [cls for cls in classes if cls.__name__ == f"GeoJson{wire['type']}"]
    (cls,) = classes
    if issubclass(cls, Model):
        return cls.from_dict(wire)
    hints = get_type_hints(cls, {}, Names(cls.__module__))
    return cls(**{name: as_argument(hints[name], value) for name, value in wire.items()})


def least(spec: Description, schema: Schema) -> Any:  # noqa: PLR0911  (one return a form)
    """The simplest value of a schema: null, or as little as it must hold."""
    schema = spec.resolve(schema)
    if nullable(schema):
        return None
    arms = [*schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())]
    if schema.get("properties", {}).keys() == {"type", "coordinates"}:
        ring = [[0.5, 51.5], [0.5, 52.5], [1.5, 52.5], [0.5, 51.5]]
        return {"type": schema["properties"]["type"]["enum"][0], "coordinates": [ring]}
    members, required = spec.object(schema)
    if members or schema.get("type") == "object":
        return {name: least(spec, members[name]) for name in members if name in required}
    if arms:
        plain = [arm for arm in arms if "$ref" not in arm]
        return least(spec, [*plain, *arms][0])
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "array":
        return [least(spec, schema["items"])] if schema.get("minItems") else []
    if ids := _PATTERN_OF_IDS.fullmatch(schema.get("pattern", "")):
        return f"{ids[1]}01HN2NJ9NMRZBXT1H6FT9N7735"[:30]
    of_format = {
        "date": "2024-04-17",
        "date-time": "2024-04-17T09:39:45.984584Z",
        "decimal": "1.5",
        "email": "somebody@example.com",
        "uri": "https://api.ev.energy/v2/x/X1",
        "uuid": "123e4567-e89b-12d3-a456-426614174000",
    }
    if schema["type"] == "string" and schema.get("format") in of_format:
        return of_format[schema["format"]]
    low = schema.get("minimum", 1)
    return {"boolean": False, "integer": low, "number": float(low), "string": "text"}[
        schema["type"]
    ]
