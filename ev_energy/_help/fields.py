"""The fields of a model, or of a value in a request, as `help` shows them."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from ev_energy._field_docs import field_docs
from ev_energy._help import Member, Members, filled
from ev_energy._records.units import with_unit
from ev_energy._unset import UNSET
from ev_energy.models._base import LINK, Model, model_fields
from ev_energy.models._enums import OpenEnum

_OF_REPLIES: Final = "A field with ``| None`` is None if the reply has no value for it."
#: The aliases of annotations, with what they stand for.
_TYPES: Final[Mapping[str, str]] = {
    "Instant": "datetime",
    "Day": "date",
    "ClockTime": "time",
    "Money": "Decimal",
    "Uuid": "UUID",
    "JsonObject": "dict[str, Any]",
    "Counts": "dict[str, int]",
}
_ALIAS: Final = re.compile(rf"\b(?:{'|'.join(_TYPES)})\b")
_ONE_OR_MANY: Final = re.compile(r"\bOneOrMany\[(\w+)\]")
_NUMBER: Final = re.compile(r"\b(?:int|float|Decimal)\b")
#: Words in the name of a number, with the unit. The first that the name has counts.
_UNITS: Final[Mapping[str, str]] = {
    "hundredths": "hundredths of a minor unit of the currency",
    "fraction": "fraction, 0 to 1",
    "grams_per_kilowatt_hour": "g/kWh",
    "sub_unit_per_kilowatt_hour": "minor units of the currency for one kWh",
    "watts_per_kilowatt": "W for each kW of panels",
    "watt_hours": "Wh",
    "wh": "Wh",
    "watts": "W",
    "milliamps": "mA",
    "millivolts": "mV",
    "dbm": "dBm",
    "grams": "g",
    "minor_units": "minor units of the currency",
    "major_units": "major units of the currency",
    "percent": "percent",
    "percentage": "percent",
    "seconds": "seconds",
    "minutes": "minutes",
    "hours": "hours",
    "meters": "metres",
    "kmh": "km/h",
    "sq_km": "km²",
    "latitude": "degrees",
    "longitude": "degrees",
}
#: An enum with more values than these is not spelled out.
_MANY: Final = 10


def fields_of(cls: type[Any]) -> Members:
    """Return the fields of *cls* with their types, units and meanings."""
    note = _OF_REPLIES if issubclass(cls, Model) else ""
    return Members("Fields", _fields(cls), note)


def _fields(cls: type[Any]) -> Iterator[Member]:
    docs = field_docs(cls)
    for field in model_fields(cls):
        type_: object = field.type
        declared = type_ if isinstance(type_, str) else inspect.formatannotation(type_)
        meaning = docs.get(field.name, "").replace("\n\n", "\n")
        texts = (meaning, _link(field.name, declared), _values(cls, declared))
        yield Member(_head(cls, field, declared), "\n".join(filter(None, texts)))


def _head(cls: type[Any], field: attrs.Attribute[Any], declared: str) -> str:
    shown = _ONE_OR_MANY.sub(r"tuple[\1, ...]", declared)
    shown = _ALIAS.sub(lambda found: _TYPES[found[0]], shown)
    default = " = UNSET" if field.default is UNSET else ""
    measure = "aware" if "Instant" in declared else _unit(cls, field.name, shown)
    return f"{field.name}: {shown}{default}" + (f" ({measure})" if measure else "")


def _unit(cls: type[Any], name: str, shown: str) -> str:
    if not _NUMBER.search(shown):
        return ""
    words = f"_{with_unit(cls, name)}_"
    return next((unit for word, unit in _UNITS.items() if f"_{word}_" in words), "")


def _link(name: str, declared: str) -> str:
    found = LINK.search(declared)
    if found is None:
        return ""
    return (
        f"Link to `{found[1]}`: it has `id` and `url`, and `value` if the call asked for the\n"
        f'resource itself with expand=["{name}"].'
    )


def _values(cls: type[Any], declared: str) -> str:
    """Return the values of the enum that a field is annotated with."""
    namespace = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
    for word in re.findall(r"\w+", declared):
        found = namespace.get(word)
        if isinstance(found, type) and issubclass(found, OpenEnum):
            if len(found) > _MANY:
                return f"One of the {len(found)} values of `{word}`."
            return filled(f"One of {', '.join(repr(value.value) for value in found)}.")
    return ""
