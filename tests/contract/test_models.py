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
import pytest

import ev_energy.models
from ev_energy._codec.fields import fields_of, is_model
from ev_energy.models._base import Model, model_fields
from ev_energy.models._enums import OpenEnum
from tests.helpers.names import assert_same_names
from tests.helpers.spec import corrections
from tests.helpers.spec.description import Description, Schema, class_name, nullable, ref_name

_PLAIN = {
    dt.datetime: "Instant",
    dt.date: "Day",
    dt.time: "ClockTime",
    decimal.Decimal: "Money",
    uuid.UUID: "Uuid",
}
_FORMATS = {"date-time": "Instant", "date": "Day", "uuid": "Uuid", "decimal": "Money"}
_TYPES = {"integer": "int", "number": "float", "boolean": "bool", "string": "str"}


def ours(hint: Any) -> str:  # noqa: PLR0911  (one return a form)
    """What an annotation of a model says, in the words that `theirs` uses."""
    arms = [arm for arm in _arms(hint) if arm is not type(None)]
    if len(arms) == 2:
        said = [ours(arm) for arm in arms]
        if str in arms and arms[0] is not str:
            links = is_model(arms[0])
            return f"link {said[0]}" if links else f"{said[0]} or str"
        assert said[1] == f"tuple of {said[0]}", f"{hint} has odd forms"
        return f"several {said[0]}"
    assert len(arms) == 1, f"{hint} has too many forms"
    (arm,) = arms
    if get_origin(arm) is Annotated:
        inner, *_ = get_args(arm)
        assert inner is dt.datetime
        return "Instant" if arm.__metadata__[0].tz else "naive"
    if get_origin(arm) is tuple:
        item, dots = get_args(arm)
        if (item, dots) == (float, float):
            return "Position"
        assert dots is Ellipsis
        return f"tuple of {ours(item)}"
    if get_origin(arm) is dict:
        of = get_args(arm)[1]
        return "JsonObject" if of is Any else f"dict of {ours(of)}"
    assert arm is not dt.datetime, "a datetime must be an Instant"
    return _PLAIN.get(arm, arm.__name__)


def _arms(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) in {types.UnionType, Union} else [hint]


def theirs(  # noqa: PLR0911  (one return a form)
    spec: Description, owner: str, name: str, schema: Schema, *, item: bool = False
) -> str:
    """What a schema says."""
    arms = [*schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())]
    arms = [arm for arm in arms if arm.get("type") != "null"]
    if len(arms) == 1:
        return theirs(spec, owner, name, arms[0], item=item)
    if arms:
        return _union(sorted(theirs(spec, owner, name, arm, item=item) for arm in arms))
    if "$ref" in schema:
        return str(ref_name(schema))
    types_ = schema.get("type", ())
    if "enum" in schema and "integer" not in types_:
        return class_name(spec.owner(owner, name), name, item=item)
    (kind,) = {types_} if isinstance(types_, str) else set(types_) - {"null"}
    if kind == "array":
        return f"tuple of {theirs(spec, owner, name, schema['items'], item=True)}"
    if kind == "object":
        inline = class_name(spec.owner(owner, name), name, item=item)
        return inline if schema.get("properties") else "JsonObject"
    formats = _FORMATS if kind == "string" else {}
    return formats.get(schema.get("format", ""), _TYPES[kind])


def _union(said: list[str]) -> str:
    """What the alternatives of a schema say together."""
    for one, other in (said, said[::-1]):
        if other == "str":
            return f"link {one}"
        if other == "tuple of str":
            return f"tuple of link {one.removeprefix('tuple of ')}"
        if other == f"tuple of {one}":
            return f"several {one}"
    return f"one of {said}"


def differences(
    spec: Description, name: str, cls: type[Any], fixes: Any = corrections
) -> Iterator[str]:
    """What the model says and its schema does not, or the other way round."""
    schema = spec.schemas[name]
    if "enum" in schema:
        yield from _enum_differences(name, cls, schema["enum"])
        return
    members, required = spec.object(schema)
    hints = {name: member.type for name, member in fields_of(cls).items()}
    fields = {field.name: field for field in model_fields(cls)}
    added = {member for owner, member in fixes.MEMBERS_ADDED if owner == name}
    for member in sorted(members.keys() ^ (fields.keys() - added)):
        yield f"{name}.{member} is {'missing' if member in members else 'in no schema'}"
    for member in sorted(added & members.keys()):
        yield f"{name}.{member} is no addition"
    for member in sorted(members.keys() & fields.keys()):
        where, schema = f"{name}.{member}", members[member]
        hint, default = hints[member], fields[member].default
        fixed = fixes.MEMBER_TYPES.get((spec.owner(name, member), member))
        expected = fixed[0] if fixed else theirs(spec, name, member, schema)
        if ours(hint) != expected:
            yield f"{where} is {ours(hint)}, described as {expected}"
        if (default is attrs.NOTHING) != (
            member in required and (name, member) not in fixes.DEFAULTS
        ):
            yield f"{where} is {'' if member in required else 'not '}required"
        standing = fixes.DEFAULTS.get((name, member))
        if default is not attrs.NOTHING and default is not None and not standing:
            yield f"{where} defaults to {default!r}; absent must read None"
        none = type(None) in _arms(hint)
        may = nullable(schema) or (member not in required)
        if none != may:
            yield f"{where} may {'not ' if none else ''}be None"
        listed = enum_of(schema)
        if listed and ours(hint) != "str":
            found = _listed(hint)
            yield from _enum_differences(where, found, listed) if found else [f"{where}: no enum"]


def enum_of(schema: Schema) -> list[Any] | None:
    """The texts that a member lists: itself, the one form it has, or its items."""
    arms = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    found = [listed for arm in arms if (listed := enum_of(arm))]
    inner = schema.get("items") or (found and {"enum": found[0]}) or {}
    listed = schema.get("enum", inner.get("enum"))
    return listed if listed and any(isinstance(text, str) for text in listed) else None


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


def test_schema_equals_its_model(spec: Description, schema_name: str) -> None:
    if schema_name in corrections.NO_MODEL:
        assert not hasattr(ev_energy.models, schema_name)
        return
    assert hasattr(ev_energy.models, schema_name), (
        f"add a class {schema_name} to a module of ev_energy/models/ and run "
        "`python -m ev_energy_sync._generate`, or list the schema in NO_MODEL, "
        "INLINE_REPLIES or MEMBER_TYPES of tests/helpers/spec/corrections.py"
    )
    if schema_name in corrections.WRITTEN_ONLY:
        fields = {
            field.name: field for field in model_fields(getattr(ev_energy.models, schema_name))
        }
        members, required = spec.object(spec.schemas[schema_name])
        assert fields.keys() == members.keys()
        assert {
            name for name, field in fields.items() if field.default is attrs.NOTHING
        } == required
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


def test_model_has_a_reachable_schema(spec: Description) -> None:
    without = {
        name
        for name, cls in _public().items()
        if not issubclass(cls, OpenEnum) and name not in spec.schemas
    }
    assert_same_names(
        without,
        corrections.NO_SCHEMA,
        missing="it has a schema: remove it from NO_SCHEMA of tests/helpers/spec/corrections.py",
        unexpected="ev_energy/_contract/api.json has no such schema that an operation leads to: "
        "add it by hand or with `python tests/contract/write_facts.py DESCRIPTION`; or list the "
        "model in NO_SCHEMA of tests/helpers/spec/corrections.py",
    )


def test_enum_equals_that_of_a_schema_or_field(spec: Description) -> None:
    expected = {name for name in spec.components if "enum" in spec.components[name]}
    sent = corrections.NO_MODEL.keys() | corrections.WRITTEN_ONLY.keys()
    for owner in spec.schemas.keys() - sent:
        for name, schema in spec.object(spec.schemas[owner])[0].items():
            fixed = corrections.MEMBER_TYPES.get((spec.owner(owner, name), name))
            if enum_of(schema):
                said = fixed[0] if fixed else theirs(spec, owner, name, schema)
                expected.add(said.removeprefix("tuple of "))
            elif fixed and fixed[0].startswith("dict of "):
                expected.add(fixed[0].removeprefix("dict of "))
    found = {name for name, cls in _public().items() if issubclass(cls, OpenEnum)}
    assert found - expected == corrections.BODY_ENUMS.keys()
    assert expected - found == {"str"}


def test_component_schemas_are_all_compared(spec: Description) -> None:
    assert spec.components.keys() <= spec.schemas.keys()
    assert len(spec.schemas) > len(spec.components), "inline schemas are not looked at"


class _Fixes:
    def __init__(self, table: str, without: Any) -> None:
        for name in ("MEMBERS_ADDED", "MEMBER_TYPES", "DEFAULTS"):
            kept = dict(getattr(corrections, name))
            if name == table:
                del kept[without]
            setattr(self, name, kept)


@pytest.mark.parametrize("table", ["MEMBERS_ADDED", "MEMBER_TYPES", "DEFAULTS"])
def test_corrections_of_fields_are_needed(spec: Description, table: str) -> None:
    for owner, member in getattr(corrections, table):
        cls = getattr(ev_energy.models, owner)
        found = list(differences(spec, owner, cls, _Fixes(table, (owner, member))))
        assert found, f"{owner}.{member} is stale"


def test_corrections_of_schemas_are_needed(spec: Description) -> None:
    assert set(corrections.NO_MODEL) <= set(spec.components)
    assert set(corrections.WRITTEN_ONLY) <= set(spec.components)
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


def test_mistakes_of_every_kind_are_detected(spec: Description) -> None:
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


def test_models_are_frozen_and_slotted_with_keyword_arguments() -> None:
    models = [cls for cls in _public().values() if issubclass(cls, Model)]
    assert len(models) >= 120
    for cls in models:
        assert not hasattr(cls, "__dict__") or "__dict__" not in dir(cls), cls
        assert all(field.kw_only for field in attrs.fields(cls)), cls
        values = dict.fromkeys(field.name for field in model_fields(cls))
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(cls(**values), next(iter(values)), "changed")
