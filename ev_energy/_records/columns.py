"""The columns of the records of a model, which depend on its class and *expand* alone.

So all parts of an export have the same columns, whatever the API sends in each of them.
"""

from __future__ import annotations

import decimal
import functools
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, cast, get_args, get_origin
from urllib.parse import unquote

from ev_energy._arguments import describe_type, require_list, require_text
from ev_energy._codec.fields import Field, fields_of, is_model, union_args
from ev_energy._records.units import with_unit
from ev_energy._redaction.scrub import MASK, printable
from ev_energy._runtime.clocks import REAL
from ev_energy.models._base import Model, secrets_of
from ev_energy.models._refs import Ref

#: Values of several columns, made from the value of one field.
_Spread: TypeAlias = Callable[[Any], Sequence[Any]]

#: Most programs have less than a dozen combinations of a class and *expand*.
_PLANS: Final = 256
#: The types of columns; those of all others are text.
_TYPES: Final = frozenset(
    {bool, int, float, decimal.Decimal, REAL.datetime, REAL.date, REAL.time, str}
)
#: What the API expands inside the items of a list, which is one column.
_EXPANDED_IN_ITEMS: Final[Mapping[str, Sequence[str]]] = {"SchedulePlans": ("price_data",)}


class Plan(NamedTuple):
    """How a model becomes the values of a record."""

    columns: Mapping[str, type[Any]]
    """The type of each column, by its name."""
    values: Callable[[Any], list[Any]]
    """Returns the values of an object of the class, in the order of the columns."""


def require_model_class(name: str, value: object) -> None:
    """Raise `TypeError` unless *value* is the class of a model."""
    if not is_model(value) or value is Model:
        found = value.__name__ if isinstance(value, type) else describe_type(value)
        raise TypeError(f"{name} must be a class of ev_energy.models, such as EVSE, not {found}")


def plan_for(model: type[Any], expand: Sequence[str]) -> Plan:
    """Return the plan of a class; `ValueError` if *expand* names what it does not have."""
    paths = [require_text("an item of expand", path) for path in require_list("expand", expand)]
    for path in paths:
        _require_path(model, path)
    return _plan(cast("Any", model), frozenset(paths))


def expanded_paths(model: type[Any], models: Sequence[Any]) -> set[str]:
    """Return the links that are expanded in at least one of *models*."""
    found: set[str] = set()
    for name, field in fields_of(model).items():
        if not field.models:
            continue
        values: list[Any] = [getattr(each, name) for each in models]
        target = _single_model(field)
        if target is None:  # a list
            values = [one for value in values if value.__class__ is tuple for one in value]
        resources = [one.resource for one in values if one.__class__ is Ref and one.is_expanded]
        if resources:
            found.add(name)
        inner = [one for one in (*resources, *values) if isinstance(one, target or ())]
        if target is not None and inner:
            found |= {f"{name}.{path}" for path in expanded_paths(target, inner)}
    return found


def _require_path(model: type[Any], path: str) -> None:
    """Raise `ValueError` unless *path* leads to a link, through links to single resources."""
    links = links_of(cast("Any", model))
    for link, target in links.items():
        if path == link:
            return
        if target is not None and path.startswith(f"{link}."):
            _require_path(target, path.removeprefix(f"{link}."))
            return
    raise ValueError(
        f"expand: {printable(path, 100)!r} is no link of {model.__name__}, which has "
        f"{', '.join(links) or 'none'}"
    )


@functools.cache
def links_of(model: Any) -> Mapping[str, Any]:
    """Return the links of *model* and of its parts by their paths, with the models they lead to.

    None in place of the model if it is a list of links.
    """
    found: dict[str, Any] = {}
    for name, field in fields_of(model).items():
        target = _single_model(field)
        if _is_link(field):
            found[name] = target
        elif target is not None:
            inner = links_of(target).items()
            found |= {f"{name}.{path}": linked for path, linked in inner}
    return found | dict.fromkeys(_EXPANDED_IN_ITEMS.get(model.__name__, ()))


def _is_link(field: Field) -> bool:
    """Return whether *field* is a link or a list of links; else its models are parts."""
    alternatives = union_args(field.type)
    items = [one for kind in alternatives if get_origin(kind) is tuple for one in get_args(kind)]
    texts = [*alternatives, *(one for item in items for one in union_args(item))]
    return bool(field.models) and str in texts


def _single_model(field: Field) -> Any:
    """Return the model that *field* holds or links to; None if it holds a list or a scalar."""
    alternatives = union_args(field.type)
    if any(get_origin(one) is tuple for one in alternatives):
        return None
    return next(filter(is_model, alternatives), None)


def _inside(paths: Collection[str], name: str) -> frozenset[str]:
    """Return the parts of *paths* behind the field *name*."""
    start = f"{name}."
    return frozenset(path.removeprefix(start) for path in paths if path.startswith(start))


@functools.lru_cache(_PLANS)
def _plan(model: Any, paths: frozenset[str], skipped: str = "") -> Plan:
    """Return the plan of *model* without the field *skipped*."""
    names = [name for name in fields_of(model) if name != skipped]
    columns: dict[str, type[Any]] = {}
    spreads: list[tuple[int, _Spread]] = []
    for index, name in enumerate(names):
        found, spread = _columns_of(model, fields_of(model)[name], paths)
        columns |= found
        if spread is not None:
            spreads.insert(0, (index, spread))  # the last first, so that no index changes
    # An attrgetter of one name returns the value itself, of two or more a tuple.
    read = operator.attrgetter(*names, names[-1])

    def values(value: Any) -> list[Any]:
        row = list(read(value)[:-1])
        for index, spread in spreads:
            row[index : index + 1] = spread(row[index])
        return row

    return Plan(columns, values)


def _columns_of(
    model: type[Any], field: Field, paths: frozenset[str]
) -> tuple[dict[str, type[Any]], _Spread | None]:
    """Return the columns of *field*, and how to make their values unless there is only its own."""
    name, target, inside = field.name, _single_model(field), _inside(paths, field.name)
    if target is None:
        column = {with_unit(model, name): _type_of(field)}
        if name in secrets_of(model):
            return column, _spread_secret
        is_list_of_ids = field.models and name not in paths
        return column, _spread_ids if is_list_of_ids else None
    if not _is_link(field):
        plan = _plan(target, inside)
        return _prefixed(name, plan.columns), _spread_part(target, plan)
    # Logs and parts of a resource have no id, but a URL.
    key = "id" if "id" in fields_of(target) else "url"
    if name not in paths and not inside:
        return {f"{name}.{key}": str}, _spread_link(key)
    plan = _plan(target, inside, key)
    return {f"{name}.{key}": str, **_prefixed(name, plan.columns)}, _spread_expanded(key, plan)


def _prefixed(name: str, columns: Mapping[str, type[Any]]) -> dict[str, type[Any]]:
    return {f"{name}.{column}": kind for column, kind in columns.items()}


def _type_of(field: Field) -> type[Any]:
    """Return the type of the only column of *field*: text if its values are of several types."""
    kinds = [one for one in union_args(field.type) if one is not type(None)]
    kind = get_args(kinds[0])[0] if get_origin(kinds[0]) is Annotated else kinds[0]
    return kind if len(kinds) == 1 and kind in _TYPES else str


def _spread_secret(value: Any) -> Sequence[Any]:
    return (None if value is None else MASK,)


def _spread_ids(value: Any) -> Sequence[Any]:
    """Return the ids of a list of links; any other value as it is."""
    return ([_id(one) for one in value],) if value.__class__ is tuple else (_id(value),)


def _id(value: Any) -> Any:
    """Return the id that a link leads to, as the resource itself has it; others as they are."""
    return unquote(value.id) or None if value.__class__ is Ref else value


def _spread_link(key: str) -> _Spread:
    read = _id if key == "id" else operator.attrgetter(key)
    return lambda value: (read(value) or None if value.__class__ is Ref else value,)


def _spread_expanded(key: str, plan: Plan) -> _Spread:
    spread_link, absent = _spread_link(key), (None,) * len(plan.columns)

    def spread(value: Any) -> Sequence[Any]:
        resource = value.resource if value.__class__ is Ref else None
        return (*spread_link(value), *(absent if resource is None else plan.values(resource)))

    return spread


def _spread_part(model: type[Any], plan: Plan) -> _Spread:
    absent = (None,) * len(plan.columns)
    return lambda value: plan.values(value) if isinstance(value, model) else absent
