"""Names that are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar, cast, overload

from ev_energy._runtime.build_lock import build_lock

T = TypeVar("T")


def door(
    package: str, homes: Mapping[str, str], modules: Collection[str] = ()
) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that fetches each name from its home on first use."""

    def __getattr__(name: str) -> Any:  # noqa: N807  (it becomes the module's)
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with build_lock:  # no fork in the middle of it
            value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__


class Lazy(Generic[T]):
    """``evses: Lazy[Evses] = Lazy("evses")``: one line a family, nothing imported until used."""

    def __init__(self, module: str) -> None:
        self.module = f"ev_energy.resources.{module}"

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name
        self.type_name = "".join(word.title() for word in name.split("_"))

    def load(self) -> Callable[[Any], T]:
        """The class of the family; imports it."""
        with build_lock:
            found = getattr(import_module(self.module), self.type_name)
        return cast("Callable[[Any], T]", found)

    @overload
    def __get__(self, client: None, owner: type[Any]) -> Lazy[T]: ...
    @overload
    def __get__(self, client: object, owner: type[Any]) -> T: ...
    def __get__(self, client: Any, owner: type[Any]) -> Lazy[T] | T:
        if client is None:
            return self
        made = self.load()(client._session)  # noqa: SLF001  (the client that this descriptor is part of)
        # Found before this non-data descriptor from now on. Threads that get here at the same time
        # all use the one that is kept.
        return cast(T, client.__dict__.setdefault(self.name, made))
