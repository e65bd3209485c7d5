from __future__ import annotations

import datetime as dt
import decimal
import inspect
import types
import uuid
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import attrs
import corrections
import pytest
from description import Description, Schema, nullable, ref_name

import ev_energy.models
from ev_energy._enums import OpenEnum
from ev_energy._members import members as members_of
from ev_energy._model import Model

_PLAIN = {
    dt.datetime: "Instant",
    dt.date: "Day",
    dt.time: "ClockTime",
    decimal.Decimal: "Money",
    uuid.UUID: "Uuid",
}
_FORMATS = {"date-time": "Instant", "date": "Day", "uuid": "Uuid"}
_TYPES = {"integer": "int", "number": "float", "boolean": "bool", "string": "str"}


def ours(hint: Any) -> str:
    """What an annotation of a model says, in the words that `theirs` uses."""
    arms = _arms(hint)
    arms = [arm for arm in arms if arm is not type(None)]
    if len(arms) == 2 and str in arms:
        (linked,) = [arm for arm in arms if arm is not str]
        return f"link {linked.__name__}"
    assert len(arms) == 1, f"{hint} has too many forms"
    (arm,) = arms
    if get_origin(arm) is Annotated:
        inner, *_ = get_args(arm)
        assert inner is dt.datetime
        return "Instant" if arm.__metadata__[0].tz else "naive"
    if get_origin(arm) is tuple:
        item, dots = get_args(arm)
        assert dots is Ellipsis
        return f"tuple of {ours(item)}"
    if get_origin(arm) is dict:
        return "JsonObject" if get_args(arm) == (str, Any) else str(arm)
    assert arm is not dt.datetime, "a datetime must be an Instant"
    return _PLAIN.get(arm, arm.__name__)


def _arms(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) in {types.UnionType, Union} else [hint]


def theirs(  # noqa: PLR0911  (one return a form)
    spec: Description, owner: str, name: str, schema: Schema
) -> str:
    """What a schema says."""
    arms = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    arms = [arm for arm in arms if arm.get("type") != "null"]
    if len(arms) == 2 and "string" in arms[0].get("type", ()) and "$ref" in arms[1]:
        return f"link {ref_name(arms[1])}"
    if len(arms) == 1 and "$ref" in arms[0]:
        return str(ref_name(arms[0]))
    if arms:
        return f"one of {len(arms)} forms"
    if "$ref" in schema:
        return str(ref_name(schema))
    if "enum" in schema:
        return spec.owner(owner, name) + "".join(word.title() for word in name.split("_"))
    types_ = schema.get("type", ())
    (kind,) = {types_} if isinstance(types_, str) else set(types_) - {"null"}
    if kind == "array":
        return f"tuple of {theirs(spec, owner, name, schema['items'])}"
    if kind == "object":
        return "JsonObject" if not schema.get("properties") else "an inline object"
    return _FORMATS.get(schema.get("format", ""), _TYPES[kind])


def differences(
    spec: Description, name: str, cls: type[Any], fixes: Any = corrections
) -> Iterator[str]:
    """What the model says and its schema does not, or the other way round."""
    schema = spec.schemas[name]
    if "enum" in schema:
        yield from _enum_differences(name, cls, schema["enum"])
        return
    members, required = spec.object(schema)
    hints = {name: member.type for name, member in members_of(cls).items()}
    fields = {field.name: field for field in attrs.fields(cls)}
    added = {member for owner, member in fixes.MEMBERS_ADDED if owner == name}
    for member in sorted(members.keys() ^ (fields.keys() - added)):
        yield f"{name}.{member} is {'missing' if member in members else 'in no schema'}"
    for member in sorted(added & members.keys()):
        yield f"{name}.{member} is no addition"
    for member in sorted(members.keys() & fields.keys()):
        where, schema = f"{name}.{member}", members[member]
        hint, default = hints[member], fields[member].default
        fixed = fixes.MEMBER_TYPES.get((name, member))
        expected = fixed[0] if fixed else theirs(spec, name, member, schema)
        if ours(hint) != expected:
            yield f"{where} is {ours(hint)}, described as {expected}"
        if (default is attrs.NOTHING) != (member in required):
            yield f"{where} is {'' if member in required else 'not '}required"
        if default is not attrs.NOTHING and default is not None:
            yield f"{where} defaults to {default!r}; absent must read None"
        none = type(None) in _arms(hint)
        if none != (nullable(schema) or member not in required):
            yield f"{where} may {'not ' if none else ''}be None"
        listed = schema.get("enum", schema.get("items", {}).get("enum"))
        if listed:
            found = _listed(hint)
            yield from _enum_differences(where, found, listed) if found else [f"{where}: no enum"]


def _enum_differences(where: str, cls: type[Any], listed: list[Any]) -> Iterator[str]:
    if not issubclass(cls, OpenEnum):
        yield f"{where} is no OpenEnum"
        return
    texts = {member.value for member in cls}
    for text in sorted(texts ^ set(filter(None, listed))):
        yield f"{where}: {text!r} is {'not described' if text in texts else 'missing'}"


def _listed(hint: Any) -> type[Any] | None:
    """The enum in an annotation."""
    if isinstance(hint, type) and issubclass(hint, OpenEnum):
        return hint
    found = [cls for arm in get_args(hint) if (cls := _listed(arm))]
    return found[0] if found else None


def test_a_schema_has_a_model_that_says_the_same(spec: Description, schema_name: str) -> None:
    if schema_name in corrections.NO_MODEL:
        assert not hasattr(ev_energy.models, schema_name)
    else:
        cls = getattr(ev_energy.models, schema_name)
        assert list(differences(spec, schema_name, cls)) == []


def _public() -> dict[str, type[Any]]:
    """Every public class of the model modules."""
    found: dict[str, type[Any]] = {}
    for path in Path(ev_energy.models.__file__ or "").parent.glob("[!_]*.py"):
        module = import_module(f"ev_energy.models.{path.stem}")
        found |= {
            name: cls
            for name, cls in vars(module).items()
            if inspect.isclass(cls) and cls.__module__ == module.__name__ and name[0] != "_"
        }
    return found


def test_a_model_has_a_schema_that_the_operations_lead_to(spec: Description) -> None:
    without = {
        name
        for name, cls in _public().items()
        if not issubclass(cls, OpenEnum) and name not in spec.reached
    }
    assert without == set(corrections.NO_SCHEMA)


def test_an_enum_is_the_one_of_a_schema_or_a_member(spec: Description) -> None:
    expected = {name for name in spec.reached if "enum" in spec.schemas[name]}
    for owner in spec.reached:
        for name, schema in spec.object(spec.schemas[owner])[0].items():
            if "enum" in schema:
                expected.add(theirs(spec, owner, name, schema))
    assert {name for name, cls in _public().items() if issubclass(cls, OpenEnum)} == expected


def test_the_schemas_are_those_that_replies_and_bodies_of_the_families_hold(
    spec: Description,
) -> None:
    assert {"EVSE", "EVSEOCPPCallResponse", "Notification", "Times", "CountryCode"} <= set(
        spec.reached
    )
    assert "Vehicle" not in spec.reached
    assert len(spec.reached) >= 30


class _Fixes:
    def __init__(self, table: str, without: Any) -> None:
        for name in ("MEMBERS_ADDED", "MEMBER_TYPES"):
            kept = dict(getattr(corrections, name))
            if name == table:
                del kept[without]
            setattr(self, name, kept)


@pytest.mark.parametrize("table", ["MEMBERS_ADDED", "MEMBER_TYPES"])
def test_every_correction_of_a_member_is_needed(spec: Description, table: str) -> None:
    for owner, member in getattr(corrections, table):
        cls = getattr(ev_energy.models, owner)
        found = list(differences(spec, owner, cls, _Fixes(table, (owner, member))))
        assert found, f"{owner}.{member} is stale"


def test_every_correction_of_a_schema_is_needed(spec: Description) -> None:
    assert set(corrections.NO_MODEL) <= set(spec.reached)
    assert set(corrections.NO_SCHEMA) <= set(_public())


class _Colour(OpenEnum):
    RED = "RED"


@attrs.frozen(kw_only=True)
class _Slips:
    """EVSECommandLog with one of each slip that can be made."""

    url: str = ""
    logged_at: dt.date | None = None
    evse: str | None = None
    max_load_target_milliamps: float | None = None
    is_enabled_target: bool | None
    always_enabled: bool = False
    reason: _Colour | None = None
    internal_command_uid: uuid.UUID | None = None


def test_every_kind_of_slip_is_noticed(spec: Description) -> None:
    found = "\n".join(differences(spec, "EVSECommandLog", _Slips))
    for slip in (
        "EVSECommandLog.internal_command_id is missing",
        "EVSECommandLog.internal_command_uid is in no schema",
        "EVSECommandLog.url defaults to ''",
        "EVSECommandLog.logged_at is Day, described as Instant",
        "EVSECommandLog.evse is str, described as link EVSE",
        "EVSECommandLog.max_load_target_milliamps is float, described as int",
        "EVSECommandLog.is_enabled_target is not required",
        "EVSECommandLog.always_enabled may be None",
        "EVSECommandLog.reason is _Colour, described as EVSECommandLogReason",
        "EVSECommandLog.reason: 'RED' is not described",
        "EVSECommandLog.reason: 'FREE_VEND' is missing",
    ):
        assert slip in found


def test_every_model_is_frozen_slotted_and_made_of_keywords() -> None:
    models = [cls for cls in _public().values() if issubclass(cls, Model)]
    assert len(models) >= 25
    for cls in models:
        assert not hasattr(cls, "__dict__") or "__dict__" not in dir(cls), cls
        assert all(field.kw_only for field in attrs.fields(cls)), cls
        values = dict.fromkeys(field.name for field in attrs.fields(cls))
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(cls(**values), next(iter(values)), "changed")
