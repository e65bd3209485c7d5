"""Names that are imported, and docstrings that are written, when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from types import FunctionType
from typing import Any, Generic, TypeVar, cast, overload

from ev_energy._runtime.build_lock import build_lock

T = TypeVar("T")


def lazy_exports(
    package: str,
    exports: Mapping[str, str],
    modules: Collection[str] = (),
    suggested: Collection[str] = (),
) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for *package* that imports names on first use.

    *exports* maps each name to the module that defines it; *modules* are exported submodules.
    *suggested* are modules that may have a class which *package* is asked for by mistake.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807  (it becomes that of the package)
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in exports:
            hint = ""
            # Not for modules, whose names are in lower case: `from ev_energy import otel` looks for
            # an attribute before it imports the module.
            if "A" <= name[:1] <= "Z":
                with build_lock:  # no fork during these imports
                    from ev_energy._misuse import suggest_class

                    hint = suggest_class(name, exports, suggested)
            # With an `obj`, tracebacks of Python would add a suggestion of their own.
            raise AttributeError(f"module {package!r} has no attribute {name!r}{hint}", name=name)
        with build_lock:  # so that no fork happens during the import
            value = getattr(import_module(exports[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__


class MembersDoc(str):
    """A docstring to which the members of its class are added when it is read.

    The dictionary of the class holds the docstring of the source; ``cls.__doc__`` is the whole.

    `help` takes the docstring of an enum from the dictionary, however, and a method, to which the
    use of its result is added, has no ``__get__`` for its docstring. These know what they are
    ``of``: `help` and notebooks pass them to `inspect.cleandoc`, which expands their tabs first.
    """

    __slots__ = ("of",)

    of: object

    def __get__(self, instance: object, owner: type[Any]) -> str:
        from ev_energy._help import with_members

        return with_members(owner, str(self))

    def expandtabs(self, tabsize: Any = 8) -> str:
        """Return the whole docstring without tabs; that of the source if it has no ``of``."""
        from ev_energy._help import with_members, with_usage

        match getattr(self, "of", None):
            case None:
                whole = str(self)
            case FunctionType() as method:
                whole = with_usage(method, str(self))
            case cls:
                whole = with_members(cast("type[Any]", cls), str(self))
        return whole.expandtabs(tabsize)


def complete_docs(family: type[Any]) -> None:
    """Let the docstrings of a family and of its methods be completed when they are read."""
    family.__doc__ = MembersDoc(family.__dict__["__doc__"] or "")
    for method in family.__dict__.values():
        if (
            type(method) is FunctionType
            and method.__doc__  # which is None with -OO
            and (
                "expand" in (method.__kwdefaults__ or ())
                or "Pager[" in method.__annotations__["return"]
            )
        ):
            method.__doc__ = doc = MembersDoc(method.__doc__)
            doc.of = method


class Lazy(Generic[T]):
    """A family of resources as an attribute of the client, imported when it is first used.

    ``evses: Lazy[Evses] = Lazy("evses")`` names the module of the class `Evses`. On the class
    `Client`, the attribute is that class, so that ``help(Client.evses)`` describes it.
    """

    def __init__(self, module: str) -> None:
        self.module: str = f"ev_energy.resources.{module}"

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name
        self.type_name: str = "".join(word.title() for word in name.split("_"))

    def load(self) -> type[T]:
        """Import and return the class of the family."""
        with build_lock:
            found = getattr(import_module(self.module), self.type_name)
        return cast("type[T]", found)

    @overload
    def __get__(self, client: None, owner: type[Any]) -> type[T]: ...
    @overload
    def __get__(self, client: object, owner: type[Any]) -> T: ...
    def __get__(self, client: Any, owner: type[Any]) -> type[T] | T:
        family: Any = self.load()
        if client is None:
            return cast("type[T]", family)
        made = family(client._caller)  # noqa: SLF001  (the client that this descriptor is part of)
        # An instance attribute takes precedence over this non-data descriptor from now on. Threads
        # that get here at the same time all use the object that was stored first.
        return cast(T, client.__dict__.setdefault(self.name, made))
