"""The way in and the way out: replies to models, models to JSON objects.

Three passes, each only where the one before it cannot vouch for the result: msgspec straight from
the bytes; the same with unknown members put back; cattrs, tolerant, item by item. All three make
equal objects of a reply that keeps to the description.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Final, Literal, TypeVar, cast, overload

import msgspec

from ev_energy import _fast
from ev_energy._bare import bare
from ev_energy._drift import Drift, Reporter
from ev_energy._enums import OpenEnum, unknown_texts
from ev_energy._json import DEEPEST, is_deep
from ev_energy._model import Model
from ev_energy._once import built_once
from ev_energy._types import name_of

M = TypeVar("M", bound=Model)
#: What `from_dict` finds odd is told once, like what a client finds odd.
_OUTSIDE_CLIENTS: Final = Reporter()
_TOO_DEEP: Final = "nested too deeply"


class Unreadable(Exception):  # noqa: N818  (the session turns it into a DecodeError)
    """These bytes are not what was expected; *path* says where."""

    def __init__(self, message: str, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


@overload
def decode(
    body: bytes, into: type[M], report: Reporter, *, links: bool = True, at: str = "$"
) -> M: ...
@overload
def decode(
    body: bytes,
    into: type[M],
    report: Reporter,
    *,
    many: Literal[True],
    links: bool = True,
    at: str = "$",
) -> list[M]: ...
def decode(
    body: bytes,
    into: type[M],
    report: Reporter,
    *,
    many: bool = False,
    links: bool = True,
    at: str = "$",
) -> M | list[M]:
    """*body* as one *into*, or as a list of them; deviations go to *report*, which may raise.

    Without *links* no link is expected to be expanded, which needs fewer models. One that is
    expanded all the same is read too. *at* says where in the reply the body stands.
    """
    read, check = _fast.readers(cast(Any, into), many, links)
    texts: list[OpenEnum] = []
    noting = unknown_texts.set(texts)
    try:
        built = read(body)
    except msgspec.ValidationError:
        built = None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"not JSON: {error}") from None
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None
    finally:
        unknown_texts.reset(noting)
    if built is None and not links:
        return cast("M | list[M]", decode(body, into, report, many=cast(Any, many), at=at))
    if built is not None and not (texts and report.wants_place(into, {type(t) for t in texts})):
        try:
            check(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # A member that is not known, or one whose name is no text: then it is not JSON at all.
            _fast.put_back_unknown(_any_json(body), built, at, report)
        if _fast.shapeless(cast(Any, into), links) and is_deep(built, _fast.inside):
            raise Unreadable(_TOO_DEEP)
        return cast("M | list[M]", built)
    data = _any_json(body)
    if not many:
        return _one(data, into, at, report)
    if not isinstance(data, list):
        raise Unreadable(f"expected an array, got {_kind(data)}", at)
    places = enumerate(cast("Sequence[Any]", data))
    return [_one(item, into, f"{at}[{index}]", report) for index, item in places]


def unwrap(body: bytes, inside: str) -> tuple[bytes | None, dict[str, Any]]:
    """Return the JSON of the member *inside* of an object, and the other members.

    None for the first where the object has no such member. Where the API did not wrap it after
    all, and sent no object, the JSON as it is.
    """
    try:
        found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        wrapped = found.get(inside, msgspec.Raw())
        if not (absent := bytes(wrapped) in {b"", b"null"}):
            del found[inside]
        around = {name: _any_json(bytes(value)) for name, value in found.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body, {}  # `decode` complains of it, if it is wrong
    return None if absent else bytes(wrapped), around


def _any_json(body: bytes) -> Any:
    found = _json(body)
    if is_deep(found):
        raise Unreadable(_TOO_DEEP)
    return found


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:  # JSON, with a number that msgspec has no type for
        pass
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"not JSON: {error}") from None
    try:
        return json.loads(body)
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None
    except ValueError as error:
        raise Unreadable(f"not JSON: {error}") from None


def _one(data: Any, into: type[M], path: str, report: Reporter) -> M:
    if not isinstance(data, dict):
        raise Unreadable(f"expected an object, got {_kind(data)}", path)
    texts: list[OpenEnum] = []
    noting = unknown_texts.set(texts)
    try:
        built = msgspec.convert(data, bare(into))
    except msgspec.ValidationError:
        built = None
    finally:
        unknown_texts.reset(noting)
    if built is None or (texts and report.wants_place(into, {type(text) for text in texts})):
        return _tolerantly(cast("dict[str, Any]", data), into, path, report)
    _fast.put_back_unknown(data, built, path, report)
    return cast(M, built)


def _tolerantly(data: Mapping[str, Any], into: type[M], path: str, report: Reporter) -> M:
    built, notes = _tolerant().read(data, into, path)
    for note in notes:
        report(Drift(name_of(note.model), note.member, note.kind, note.path, note.value))
    return cast(M, built)


@built_once
def _tolerant() -> ModuleType:
    """Import the tolerant pass and cattrs, which replies that keep to the models do not need."""
    from ev_energy import _tolerant

    return _tolerant


def _kind(data: object) -> str:
    names = {"NoneType": "null", "dict": "an object", "list": "an array", "str": "a text"}
    return names.get(type(data).__name__, "a number or a boolean")


def to_dict(value: Model) -> dict[str, Any]:
    """The JSON object of a model."""
    return cast("dict[str, Any]", _tolerant().write(value))


def from_dict(data: Mapping[str, Any], into: type[M]) -> M:
    """Make a model of a JSON object, tolerantly."""
    _check_object(data, f"{into.__name__}.from_dict()")
    return _one(dict(data), into, "$", _OUTSIDE_CLIENTS)


def _check_object(data: Any, caller: str) -> None:
    """Raise the error that tells why *data* is no JSON object, if it is none."""
    if not isinstance(data, Mapping):
        raise TypeError(f"{caller} wants a JSON object, not {type(data).__name__}")
    level: list[Any] = [data]
    for _ in range(DEEPEST):
        inner: dict[int, Any] = {}  # by identity, so that what is shared is looked at once
        for one in level:
            if isinstance(one, Mapping):
                members = cast("Mapping[object, Any]", one)
                if odd := [name for name in members if not isinstance(name, str)]:
                    raise TypeError(f"{caller} wants names of members as text, not {odd[0]!r}")
                inner |= {id(value): value for value in members.values()}
            else:
                inner |= {id(value): value for value in one}
        level = [one for one in inner.values() if isinstance(one, Mapping | list | tuple)]
        if not level:
            return
    raise ValueError(f"{caller} was given an object that is {_TOO_DEEP}")
