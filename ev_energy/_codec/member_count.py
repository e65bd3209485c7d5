"""How many members of the JSON msgspec has put into models.

msgspec ignores members that a class does not have. So each model that it has built adds the number
of its fields in its last step, and each field that the JSON does not have is taken off. If the JSON
has more keys than that, the models do not know all of them. The number may be too low, which only
costs a second look at the JSON, but never too high.
"""

from __future__ import annotations

import decimal
import itertools
import sys
from collections.abc import Callable
from contextvars import ContextVar
from operator import attrgetter
from typing import Any, Final, TypeVar, cast

import attrs

from ev_energy._codec.fields import fields_of, has_map, is_decimal
from ev_energy.models._base import NO_EXTRA, Model, model_fields

T = TypeVar("T")
Step = Callable[[Any], None]
#: The range of a float, which programs agree on (RFC 8259 §6).
_MAX_EXPONENT: Final = 308
#: Makes a sum of numbers of members too low, whatever the others are.
_TOO_FEW: Final = -sys.maxsize
#: The numbers of members in the models of the innermost `build` of this thread.
_counts: Final[ContextVar[list[int]]] = ContextVar("_counts")
#: Makes the None of each field that the JSON does not have. All threads take from it, so a thread
#: may take off more than its own; a count that each has for itself would need Python for each None.
_absent: Final = itertools.repeat(None, sys.maxsize)
_absent_left: Final[Callable[[], int]] = cast(Any, _absent).__length_hint__


def build(decode: Callable[[T], Any], source: T) -> tuple[Any, int]:
    """Return the result of *decode*, a function of msgspec, and how many members its models hold.

    Members of maps that no model holds are not counted.
    """
    counts: list[int] = []
    token = _counts.set(counts)
    absent_left = _absent_left()
    try:
        built = decode(source)
    finally:
        _counts.reset(token)
    return built, sum(counts) + _absent_left() - absent_left


def last_step(model: type[Model]) -> Step:
    """Return the function that makes a *model* of an object of its decoding class."""
    fields = fields_of(model, expanded=False)
    field_count, get_counts = len(fields), _counts.get
    maps = [attrgetter(name) for name, field in fields.items() if has_map(field.type)]
    decimals = [attrgetter(name) for name, field in fields.items() if is_decimal(field.type)]

    def finish(self: Any) -> None:
        for get in decimals:
            value = get(self)
            if value.__class__ is decimal.Decimal and not (
                value.is_finite() and value.adjusted() <= _MAX_EXPONENT
            ):
                get_counts().append(-1)  # so that `is_no_price` is asked whether to restore it
        get_counts().append(field_count)
        self._extra = NO_EXTRA
        self.__class__ = model

    def count_maps_and_finish(self: Any) -> None:
        get_counts().append(sum(count_keys_inside(get(self)) for get in maps))
        finish(self)

    step = count_maps_and_finish if maps else finish
    own_steps = _own_steps(model)
    if not own_steps:
        return step

    def finish_and_call(self: Any) -> None:
        step(self)
        for own_step in own_steps:
            own_step(self)

    return finish_and_call


def _own_steps(model: type[Model]) -> list[Step]:
    """Return what a user's model does once its fields are set."""
    steps: list[Step] = []
    if any(field.validator is not None for field in model_fields(model)):
        steps.append(attrs.validate)
    if (own_step := getattr(model, "__attrs_post_init__", None)) is not None:
        steps.append(own_step)
    return steps


def decoded_field(field: attrs.Attribute[Any]) -> attrs.Attribute[Any]:
    """Return *field* as msgspec reads it: its default takes the field off the members.

    It has no validator: the last step calls those of all fields, with the model itself.
    """
    if field.validator is not None:
        field = field.evolve(validator=None)
    default: Any = field.default
    if default is None:
        return field.evolve(default=attrs.Factory(_absent.__next__))
    if default is attrs.NOTHING:
        return field
    make: Callable[[], Any] = lambda: default  # noqa: E731
    if isinstance(default, cast(Any, attrs.Factory)):
        if default.takes_self:  # msgspec refuses it
            return field
        make = default.factory

    def make_and_count() -> Any:
        next(_absent)
        value = make()
        if count_keys_inside(value) or (
            value.__class__ in {dict, list} and make not in {dict, list}
        ):
            # The last step will count the keys of this map, which others may change until then.
            _counts.get().append(_TOO_FEW)
        return value

    return field.evolve(default=attrs.Factory(make_and_count))


def count_keys_inside(value: Any) -> int:
    """Return how many keys the dictionaries in *value* have, without those of models."""
    keys = 0
    queue = [value]
    while queue:
        current = queue.pop()
        if current.__class__ is dict:
            keys += len(current)
            queue += current.values()
        elif current.__class__ is list or current.__class__ is tuple:
            queue += current
    return keys


def is_no_price(value: Any) -> bool:
    """Return whether *value* is a decimal number that cannot be compared, hashed or formatted.

    NaN and infinity cannot, and the integer of a price of ``1e999999999`` takes a gigabyte.
    """
    return value.__class__ is decimal.Decimal and not (
        value.is_finite() and (value.adjusted() <= _MAX_EXPONENT or not value)
    )
