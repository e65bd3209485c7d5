"""Restoring: fields that the strict pass left out of a reply that otherwise matches the models.

Members that the models do not know go into ``.extra`` and are reported. A field that the API sent
under its alias is set, and a decimal that cannot be calculated with becomes the value as sent.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any, Final, cast

import msgspec

from ev_energy._codec.drift import Drift, DriftKind, Reporter
from ev_energy._codec.fields import field_names, fields_of, union_args
from ev_energy._codec.member_count import is_no_price
from ev_energy._codec.raw_json import TOO_DEEP, DecodeFailure, free_form, raw_fields, raw_items
from ev_energy._codec.strict import convert
from ev_energy.models._base import EXTRA, Model
from ev_energy.models._json import (
    MAX_DEPTH,
    MAX_FREE_FORM_VALUES,
    MAX_UNKNOWN_FIELDS,
    SMALL_BODY,
    LimitReached,
    Steps,
    count_values,
)
from ev_energy.models._refs import Ref

#: Items that are restored without a pause. Of a reply with more values than `_MANY_VALUES`, it is
#: one: each model in it may have a thousand unknown members, all of which are reported.
_ITEMS_PER_STEP: Final = 20
_MANY_VALUES: Final = 10_000


def restore_reply(body: bytes, built: Any, path: str, report: Reporter) -> Steps[None]:
    """Restore the fields that *body* has and *built*, a model or a list of models, has not."""
    if not isinstance(built, list):
        restore_resource(body, built, path, report)
        return
    data = free_form(body)
    step = 1 if count_values(body).values > _MANY_VALUES else _ITEMS_PER_STEP
    for index, item in enumerate(cast("Sequence[object]", built)):
        restore_unknown_fields(data[index], item, f"{path}[{index}]", report)
        if index % step == step - 1:
            yield


def restore_resource(
    body: bytes, built: Any, path: str, report: Reporter, max_depth: int = MAX_DEPTH
) -> None:
    """Restore the fields of one resource. Of a large one, decode only what may be unknown."""
    if len(body) <= SMALL_BODY:
        data = free_form(body, max_depth)
    else:
        data = _Remainder(path, max_depth).of(body, built)
    restore_unknown_fields(data, built, path, report)


def restore_unknown_fields(data: Any, built: Any, path: str, report: Reporter) -> None:
    """Restore the fields that *data*, the values of the JSON, has and *built* has not."""
    if isinstance(built, list):
        for index, item in enumerate(cast("Sequence[Any]", built)):
            _restore(data[index], item, [f"{path}[{index}]"], report)
    else:
        _restore(data, built, [path], report)


def _restore(data: Any, built: Any, path: list[str], report: Reporter) -> None:
    if built.__class__ is Ref:
        built = built.resource
    if isinstance(built, tuple | list) and data.__class__ in {list, dict}:
        data = data if data.__class__ is list else [data]  # one model in place of a list
        # A step of a user's model may have changed what msgspec had built.
        for index, (value, item) in enumerate(
            zip(data, cast("Sequence[Any]", built), strict=False)
        ):
            _restore(value, item, [*path, f"[{index}]"], report)
    elif data.__class__ is dict and isinstance(built, dict):
        for key, one in cast("dict[str, Any]", built).items():
            _restore(data.get(key), one, [*path, f".{key}"], report)
    elif data.__class__ is dict and isinstance(built, Model):
        _restore_model(data, built, path, report)


def _restore_model(data: dict[str, Any], built: Model, path: list[str], report: Reporter) -> None:
    names = field_names(cast(Any, type(built)))
    if names.decimals:
        _restore_decimals(data, built, names.decimals, path, report)
    if not data.keys() <= names.known:
        unknown = {name: value for name, value in data.items() if name not in names.known}
        _set_aliased_fields(built, unknown)
        if unknown:
            check_unknown_count(unknown, path)
            object.__setattr__(built, EXTRA, unknown)
            report.unknown_members(built.__class__, unknown, path)
    for name in names.nested:
        value = data.get(name)
        if value.__class__ is dict or value.__class__ is list:
            _restore(value, getattr(built, name), [*path, f".{name}"], report)


class _Remainder:
    """The values of a large resource that the strict pass did not use, and the path to them."""

    def __init__(self, path: str, max_depth: int) -> None:
        self._path, self._max_depth = path, max_depth
        self._values = 0

    def of(self, body: bytes, built: Any, depth: int = 0) -> Any:
        """Return the unused values of *body*, from which *built* was made."""
        if depth > self._max_depth:
            raise DecodeFailure(TOO_DEEP)
        if built.__class__ is Ref:
            built = built.resource
        # A step of a user's model may have set what is not in the JSON.
        opening = body.lstrip()[:1]
        if opening != b"{" and (opening != b"[" or not isinstance(built, tuple | list)):
            return None
        if isinstance(built, tuple | list):
            # The API may send one model in place of a list.
            items = raw_items(body, self._path) if opening == b"[" else [body]
            pairs = zip(items, cast("Sequence[Any]", built), strict=False)
            return [self.of(bytes(item), one, depth + 1) for item, one in pairs]
        if isinstance(built, dict):
            raw = raw_fields(body)
            values = cast("dict[str, Any]", built)
            return {
                name: self.of(bytes(value), values[name], depth + 1)
                for name, value in raw.items()
                if name in values
            }
        if not isinstance(built, Model):
            return None
        names = field_names(cast(Any, type(built)))
        remainder: dict[str, Any] = {}
        for name, raw in raw_fields(body).items():
            if name in names.nested:
                remainder[name] = self.of(bytes(raw), getattr(built, name), depth + 1)
            elif name in names.decimals or name not in names.known:
                remainder[name] = self._free_form(bytes(raw), depth + 1)
        return remainder

    def _free_form(self, body: bytes, depth: int) -> Any:
        self._values += count_values(body).values
        if self._values > MAX_FREE_FORM_VALUES:
            raise too_many_free_form_values(self._path)
        return free_form(body, self._max_depth - depth)


def too_many_free_form_values(path: str) -> LimitReached:
    """Return the error for a resource with too many values that no model declares."""
    message = f"more than {MAX_FREE_FORM_VALUES} values without a declared type, at {path}"
    return LimitReached(message, "odd_values")


def check_unknown_count(unknown: Sized, path: Sequence[str]) -> None:
    """Raise `LimitReached` where one object has too many unknown members."""
    if len(unknown) > MAX_UNKNOWN_FIELDS:
        message = (
            f"an object has more than {MAX_UNKNOWN_FIELDS} unknown members, at {''.join(path)}"
        )
        raise LimitReached(message, "unknown_members")


def _restore_decimals(
    data: Any, built: Model, names: Sequence[str], path: Sequence[str], report: Reporter
) -> None:
    """Replace each decimal number that is not a price by the value that the API sent."""
    for name in names:
        number = getattr(built, name)
        if name not in data or not is_no_price(number):
            continue
        original = data.get(name)
        is_string = isinstance(original, str)
        if not is_string:  # a JSON number that does not fit into a float
            original = str(number)
        object.__setattr__(built, name, original)
        if is_string and str in union_args(fields_of(type(built))[name].type):
            continue  # the API declares a string of any form
        location = "".join([*path, f".{name}"])
        report(Drift(type(built).__name__, name, DriftKind.WRONG_TYPE, location, original))


def _set_aliased_fields(built: Model, unknown: dict[str, Any]) -> None:
    """Move the values of fields with an alias out of *unknown*, where they have the right type."""
    for field in fields_of(type(built)).values():
        if field.alias in unknown and getattr(built, field.name) is None:
            try:
                value = convert(unknown[field.alias], field.type)
            except msgspec.ValidationError:
                continue
            object.__setattr__(built, field.name, value)
            del unknown[field.alias]
