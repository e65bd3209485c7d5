"""Every public name of both packages, with what can be seen of it from outside."""

from __future__ import annotations

import enum
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, Final

import attrs

import ev_energy
import ev_energy_sync

#: Commands and the insides of the simulator are for no program to import; every model has a
#: public name in the package of the models.
_LEFT_OUT: Final = re.compile(r"\._|\.cli\b|\.simulator\.|\.models\.")
#: What differs from run to run, and the modules of either package, which are not all public.
_PRIVATE: Final = re.compile(r" at 0x[0-9a-f]+|\bev_energy(?:_sync)?\.(?:\w+\.)*(?=\w)")
#: Bases with members that are listed once and not for each class.
_SHARED: Final = {"Model", "OpenEnum"}
_PACKAGES: Final = (ev_energy, ev_energy_sync)


def lines() -> list[str]:
    """Return one line for each public name: its path, its kind, its signature or its value."""
    return sorted({f"{path} {text}" for path, text in _found()})


def _found() -> Iterator[tuple[str, str]]:
    named: dict[int, str] = {}
    for module in _modules():
        for name in _names(module):
            value, path = getattr(module, name), f"{module.__name__}.{name}"
            if isinstance(value, ModuleType):
                yield path, "module"
            elif isinstance(value, type) and named.setdefault(id(value), path) != path:
                yield path, f"is {named[id(value)]}"
            elif isinstance(value, type):
                yield path, _class(value)
                for owner, member, text in _members(value):
                    yield f"{path if owner is value else _shared(owner)}.{member}", text
            else:
                yield path, _value(value)


def _modules() -> Iterator[ModuleType]:
    for package in _PACKAGES:
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not _LEFT_OUT.search(found.name):
                yield import_module(found.name)


def _names(module: ModuleType) -> Iterable[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return listed
    if "__getattr__" in vars(module):  # its names are imported on first use
        return [name for name in dir(module) if not name.startswith("_") or name == "__version__"]
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]


def _class(cls: type[Any]) -> str:
    bases = ", ".join(base.__name__ for base in cls.__bases__ if not base.__name__.startswith("_"))
    return f"class({bases})"


def _shared(base: type[Any]) -> str:
    """Return how the members of a *base* that many classes share are listed, once for all."""
    return f"(every {base.__name__})"


def _members(cls: type[Any]) -> Iterator[tuple[type[Any], str, str]]:
    """Yield the public members: the class that they are listed under, their name and form."""
    own = {n: text for n, text in _own(cls) if n == "__init__" or not n.startswith("_")}
    for name, text in own.items():
        yield cls, name, text
    found = {*own}
    for owner in cls.__mro__:
        if owner.__module__.partition(".")[0] not in {package.__name__ for package in _PACKAGES}:
            continue
        for name in vars(owner).keys() - found:
            if not name.startswith("_"):
                found.add(name)
                yield (owner if owner.__name__ in _SHARED else cls), name, _value(vars(owner)[name])


def _own(cls: type[Any]) -> Iterator[tuple[str, str]]:
    """Yield what makes the objects of *cls*: enum members, attrs fields, or the constructor."""
    if issubclass(cls, enum.Enum):
        yield from ((member.name, f"= {member.value!r}") for member in cls)
    elif attrs.has(cls):
        for field in attrs.fields(cls):
            yield field.name, f": {_annotation(field.type)}{_default(field.default)}"
    elif "__init__" in vars(cls) or "__new__" in vars(cls):
        yield "__init__", f"def {_signature(cls)}"


def _default(default: Any) -> str:
    if default is attrs.NOTHING:
        return ""
    return " = (made anew)" if isinstance(default, attrs.Factory) else f" = {_shown(default)}"


def _value(value: Any) -> str:
    if isinstance(value, staticmethod | classmethod):
        return f"{type(value).__name__} {_value(value.__func__)}"
    if isinstance(value, property):
        returns = getattr(value.fget, "__annotations__", {}).get("return")
        return f"property -> {_annotation(returns)}"
    if inspect.isfunction(value):
        word = "async def" if inspect.iscoroutinefunction(value) else "def"
        return f"{word} {_signature(value)}"
    if type(value).__name__ in {"member_descriptor", "_tuplegetter"}:
        return "attribute"
    if hasattr(value, "type_name"):
        return f"-> {value.type_name}"
    return f"= {_shown(value)}"


def _signature(value: Any) -> str:
    return _PRIVATE.sub("", str(inspect.signature(value)).replace("'", ""))


def _annotation(value: Any) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", repr(value))


def _shown(value: Any) -> str:
    if type(value).__module__.startswith("typing"):
        return "a type"
    if isinstance(value, dict):
        return "a dict"
    return _PRIVATE.sub("", repr(value))


if __name__ == "__main__":
    print("\n".join(lines()))
