"""`to_records` and `record_columns`."""

from __future__ import annotations

import decimal
import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any, Final, Literal

import msgspec

from ev_energy._arguments import describe_type
from ev_energy._codec.to_builtins import Form, to_builtins
from ev_energy._messages import Page
from ev_energy._records.columns import expanded_paths, plan_for, require_model_class
from ev_energy._runtime.clocks import REAL
from ev_energy.models._base import Model
from ev_energy.models._enums import OpenEnum

#: The types of values that stay as they are.
_KEPT: Final = frozenset({str, int, float, bool, type(None), decimal.Decimal, REAL.date, REAL.time})
_SCALARS: Final[Any] = tuple(_KEPT)
_JSON: Final = Form(text=True, masked=True)


def to_records(
    models: Iterable[Model] | Page[Any], *, expand: Sequence[str] | Literal[True] = ()
) -> list[dict[str, Any]]:
    """Return *models* as flat dictionaries, for pandas, polars, ``csv`` or ``json``.

    All records have the same keys in the same order: those of `record_columns`. A key is the path
    of a field, with dots, such as ``location.latitude``, and with the unit of its value if the
    field's own name does not state it, such as ``savings_cost_minor_units``. A link is its id:
    ``vehicle.id``. If it is expanded, the fields of the resource follow: ``vehicle.description``.

    Each value is None, a bool, int, float, `~decimal.Decimal` or str, a date or time, or a datetime
    in UTC. Enums and UUIDs are text; lists, maps and free-form objects are JSON text. Fields in
    ``extra`` are left out, and URLs that grant access are ``***``.

    Args:
        models: Models of one class, such as a list, a `Page`, or the listing of a blocking client.
        expand: The links whose resources become columns too: the ``expand`` of the request. Where
            the reply did not expand a link, these columns are None. True for all links that are
            expanded in at least one of *models*, so the columns depend on the data.

    Raises:
        TypeError: An item is not a model, or not of the class of the first one.
        ValueError: The class does not have a link that *expand* names.
    """
    items = _items_of(models)
    if not items:
        return []
    model = type(items[0])
    for number, item in enumerate(items):
        if type(item) is not model:
            raise TypeError(
                f"to_records() takes models of one class: item 0 is {describe_type(items[0])}, "
                f"item {number} is {describe_type(item)}"
            )
    paths = sorted(expanded_paths(model, items)) if expand is True else expand
    columns, values = plan_for(model, paths)
    return [
        dict(
            zip(
                columns,
                [one if one.__class__ in _KEPT else _scalar(one) for one in values(item)],
                strict=True,
            )
        )
        for item in items
    ]


def record_columns(model: type[Model], *, expand: Sequence[str] = ()) -> list[str]:
    """Return the keys of the records of *model*, in their order.

    They depend on the arguments only, so an export can write its header first, and continue later.

    Raises:
        TypeError: *model* is not the class of a model, or *expand* is not a list.
        ValueError: The class does not have a link that *expand* names.
    """
    require_model_class("model", model)
    return list(plan_for(model, expand).columns)


def record_types(model: type[Model], *, expand: Sequence[str] = ()) -> dict[str, type[Any]]:
    """Return the type of each column of the records of *model*, for the schema of a table.

    The types are bool, int, float, `~decimal.Decimal`, datetime (in UTC), date, time and str, which
    is also that of columns with values of several types. Every column may be None. As the client
    is lenient, a value may be of another type if the API deviates from its description.

    Raises:
        TypeError: *model* is not the class of a model, or *expand* is not a list.
        ValueError: The class does not have a link that *expand* names.
    """
    require_model_class("model", model)
    return dict(plan_for(model, expand).columns)


def _items_of(models: Any) -> list[Model]:
    """Return *models* as a list; `TypeError` if they are not models."""
    if isinstance(models, Model):
        raise TypeError(f"to_records() takes a list of models, not {describe_type(models)}")
    if hasattr(models, "__aiter__"):
        raise TypeError(
            "to_records() takes models, not the listing: pass await listing.collect(), or each "
            "page of listing.pages()"
        )
    found: Any = models.items if models.__class__ is Page else models
    if not hasattr(found, "__iter__"):
        raise TypeError(f"to_records() takes a list of models, not {describe_type(found)}")
    items: list[Any] = [*found]
    for number, item in enumerate(items):
        if not isinstance(item, Model):
            is_gone = item is None and hasattr(found, "found")
            hint = ": pass resolved.found.values()" if is_gone else ""
            raise TypeError(
                f"to_records() takes models: item {number} is {describe_type(item)}{hint}"
            )
    return items


def _scalar(value: Any) -> Any:
    """Return the value of a record for any value of a field."""
    if isinstance(value, REAL.datetime):
        return _in_utc(value)
    if isinstance(value, OpenEnum):
        return value._value_
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, _SCALARS):  # of a subclass
        return value
    plain = to_builtins(value, _JSON)
    try:
        return msgspec.json.encode(plain).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can represent
        return json.dumps(plain, separators=(",", ":"), default=str)


def _in_utc(value: Any) -> Any:
    # The columns of most tables have one time zone only.
    if value.tzinfo is UTC or value.utcoffset() is None:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:  # outside the years 1 to 9999 in UTC
        return value
