"""The objects that msgspec has built, until they are models.

For each object, msgspec calls the last step of its class: a method in C that appends the object to
a list. Afterwards, all objects in the lists are given the class of their model, in half the time
that a function called for each object takes. The lengths of the lists tell how many members of the
JSON the models hold: if it has more, the models do not know all of them.
"""

from __future__ import annotations

import decimal
import itertools
import sys
import threading
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar, cast

import attrs

from ev_energy._codec.fields import fields_of, has_map, is_decimal
from ev_energy._runtime.build_lock import hold_over_forks
from ev_energy.models._base import NO_EXTRA, Model

T = TypeVar("T")
#: The range of a float, which programs agree on (RFC 8259 §6).
_MAX_EXPONENT: Final = 308
#: Makes the None of each field that the JSON does not have.
_absent: Final = itertools.repeat(None, sys.maxsize)
_absent_left: Final[Callable[[], int]] = cast(Any, _absent).__length_hint__


class Unfinished:
    """The objects of one decoding class that do not have the class of their model yet."""

    __slots__ = ("_decimals", "_field_count", "_maps", "_model", "_own_step", "objects")

    def __init__(self, model: type[Model]) -> None:
        fields = fields_of(model, expanded=False)
        self._model = model
        self._own_step: Callable[[Any], None] | None = getattr(model, "__attrs_post_init__", None)
        self._field_count = len(fields)
        self._maps = [attrgetter(name) for name, field in fields.items() if has_map(field.type)]
        self._decimals = [
            attrgetter(name) for name, field in fields.items() if is_decimal(field.type)
        ]
        self.objects: list[Any] = []

    @property
    def last_step(self) -> Callable[[Any], None]:
        """What msgspec calls with each object that it has built."""
        if self._own_step is None:
            return self.objects.append
        own_step = self._own_step

        def finish_and_call(built: Any) -> None:
            self.objects.append(built)
            _set_class([built], self._model)
            own_step(built)

        return finish_and_call

    def finish(self) -> int:
        """Make the objects models, forget them, and return how many members of the JSON they hold.

        A decimal number that is no price is not counted, since it has to be restored.
        """
        objects = self.objects
        if self._own_step is None:
            _set_class(objects, self._model)
        members = self._field_count * len(objects)
        for get in self._maps:
            members += sum(map(count_keys_inside, map(get, objects)))
        for get in self._decimals:
            members -= sum(map(is_no_price, map(get, objects)))
        objects.clear()
        return members


def _set_class(objects: list[Any], model: type[Model]) -> None:
    for one in objects:
        one._extra = NO_EXTRA  # noqa: SLF001  (the field of the unknown fields)
        one.__class__ = model


def counted_default(field: attrs.Attribute[Any]) -> attrs.Attribute[Any]:
    """Return *field* with a default that counts how often it is used."""
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

    def count_and_make() -> Any:
        next(_absent)
        return make()

    return field.evolve(default=attrs.Factory(count_and_make))


class _Builder:
    """Lets one caller of msgspec at a time fill the lists of unfinished objects."""

    def __init__(self) -> None:
        # The lock costs no parallelism: one thread at a time runs Python, and decoding waits for
        # nothing. It is reentrant, since a step of a user's own model may decode another one.
        self._lock = threading.RLock()
        hold_over_forks(self._lock)
        self._is_building = False

    def build(
        self, unfinished: Sequence[Unfinished], decode: Callable[[T], Any], source: T
    ) -> tuple[Any, int]:
        """Return the result of *decode*, with models, and how many members of the JSON they hold.

        *decode* builds objects of the decoding classes of *unfinished*. Members of maps that no
        model holds are not counted.
        """
        with self._lock:
            if self._is_building:
                return self._build_inside(unfinished, decode, source)
            self._is_building = True
            try:
                absent_left = _absent_left()
                built = decode(source)
                members = _absent_left() - absent_left
                for one in unfinished:
                    if one.objects:
                        members += one.finish()
            except BaseException:
                for one in unfinished:
                    one.objects.clear()
                raise
            finally:
                self._is_building = False
        return built, members

    def _build_inside(
        self, unfinished: Sequence[Unfinished], decode: Callable[[T], Any], source: T
    ) -> tuple[Any, int]:
        """Do the same for the own step of a model that decodes another one."""
        outer = [one.objects.copy() for one in unfinished]
        for one in unfinished:
            one.objects.clear()
        self._is_building = False
        try:
            return self.build(unfinished, decode, source)
        finally:
            self._is_building = True
            for one, objects in zip(unfinished, outer, strict=True):
                one.objects.extend(objects)


#: Shared by all decoders, as the decoding classes are.
build: Final = _Builder().build


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
