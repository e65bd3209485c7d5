"""The way in and the way out: replies to models, models to JSON objects.

Three passes, each only where the one before it cannot vouch for the result: msgspec straight from
the bytes; the same with unknown members put back; a tolerant one, item by item. All three make
equal objects of a reply that keeps to the description, and read what is sound in another alike.

Each pass is a generator that pauses, so that no reply holds the event loop for long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple, TypeVar, cast, overload

import msgspec

from ev_energy._codec import strict
from ev_energy._codec.drift import Drift, Kind, Reporter
from ev_energy._codec.msgspec_types import bare
from ev_energy._runtime.build_lock import built_once
from ev_energy.models._base import Model
from ev_energy.models._enums import OpenEnum, unknown_texts
from ev_energy.models._fields import members
from ev_energy.models._json import (
    DEEPEST,
    DEFAULT_LIMITS,
    LARGEST_DOCUMENT,
    LEAST_COUNTED,
    MOST_OBJECTS,
    MOST_ODD_VALUES,
    MOST_TOLERANT_VALUES,
    SMALL,
    Exceeded,
    Limits,
    Repaired,
    Size,
    Steps,
    count,
    find_replacement,
    finish,
    is_deep,
    is_ordinary,
    loads,
    measure,
    repaired,
)
from ev_energy.models._refs import Ref
from ev_energy.models._types import name_of

M = TypeVar("M", bound=Model)
#: What `from_dict` finds odd is told once, like what a client finds odd.
_OUTSIDE_CLIENTS: Final = Reporter()
_TOO_DEEP: Final = "nested too deeply"


class Unreadable(Exception):  # noqa: N818  (the session turns it into a DecodeError)
    """These bytes are not what was expected; *path* says where."""

    def __init__(self, message: str, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class _NotJson(Unreadable):
    """These bytes are no JSON, but may become JSON once they are repaired."""


class Expected(NamedTuple):
    """What a reply is decoded to.

    Without *links* no link is expected to be expanded, which needs fewer models. One that is
    expanded all the same is read too.
    """

    model: type[Any]
    many: bool = False
    links: bool = True
    inside: str | None = None
    """The member of an object that the API wraps it into."""


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

    *at* says where in the reply the body stands.
    """
    expected = Expected(into, many, links)
    found, _ = finish(decoding(body, expected, report, at=at))
    return cast("M | list[M]", found)


def decoding(
    body: bytes,
    expected: Expected,
    report: Reporter,
    limits: Limits = DEFAULT_LIMITS,
    *,
    at: str = "$",
) -> Steps[tuple[Any, dict[str, Any]]]:
    """Decode *body* in steps that are short enough for an event loop.

    Returns what was expected, and the other members of the object around it. Raises `Exceeded`
    where the reply holds more than *limits* allow.
    """
    try:
        return (yield from _reply(body, expected, report, limits, at))
    except _NotJson:
        repair = yield from repaired(body)
        if repair is None:
            raise
    found = yield from _reply(repair.body, expected, report, limits, at)
    report_repair(repair, expected.model, report)
    return found


def report_repair(repair: Repaired, model: type[Any], report: Reporter) -> None:
    """Report that a reply could be read only after it was repaired, and where it was odd."""
    path, member = "$", ""
    if len(repair.body) <= LARGEST_DOCUMENT // 8:  # the search must not take long either
        path, member = find_replacement(loads(repair.body)) or (path, member)
    report(Drift(name_of(model), member, Kind.INVALID_TEXT, path, repair.flaw))


def _reply(
    body: bytes, expected: Expected, report: Reporter, limits: Limits, at: str
) -> Steps[tuple[Any, dict[str, Any]]]:
    if not body.strip():
        raise Unreadable("not JSON: the reply has no body", at)
    # An ordinary page is within the limits by far, unless they were set lower.
    ordinary = limits.max_values >= LEAST_COUNTED and is_ordinary(body)
    size = Size(0, 0)
    if not ordinary:
        size = yield from measure(body, limits.max_values)
    around: dict[str, Any] = {}
    if expected.inside is not None:
        wrapped, around = _unwrapped(body, expected, report, at)
        if wrapped is None:
            return [] if expected.many else None, around
        at = at if wrapped is body else f"{at}.{expected.inside}"
        body = wrapped
    if ordinary or not expected.many:
        if size.objects > MOST_OBJECTS:
            _check_nesting(body)
        _check_resource(size, expected.model, at)
        found = yield from _at_once(body, expected, report, limits, at)
    else:
        found = yield from _in_groups(body, expected, report, limits, at)
    return found, around


def _unwrapped(
    body: bytes, expected: Expected, report: Reporter, at: str
) -> tuple[bytes | None, dict[str, Any]]:
    """Return what the API wrapped into an object, and for a list what else the object holds."""
    inside, into = cast(str, expected.inside), expected.model
    wrapped, others = unwrap(body, inside)
    strict.check_unknown(others, [at])
    if inside in others:  # null, which is no list and no object
        report(Drift(into.__name__, inside, Kind.WRONG_TYPE, f"{at}.{inside}", None))
    if expected.many:
        return wrapped, others
    if wrapped is None and not others.keys().isdisjoint(members(into)):
        return body, {}  # it was not wrapped after all
    # There is nowhere to keep them.
    report.unknown_members(into, {n: v for n, v in others.items() if n != inside}, [at])
    return wrapped, {}


def _counted(items: list[Any], limits: Limits) -> list[Any]:
    if len(items) > limits.max_items:
        message = f"the list has more than {limits.max_items} items (max_items)"
        raise Exceeded(message, "max_items")
    return items


def _check_resource(size: Size, into: Any, path: str) -> None:
    """Raise `Exceeded` where one resource is too large to be decoded in one go."""
    if size.objects > MOST_OBJECTS:
        message = f"one resource holds more than {MOST_OBJECTS} objects, at {path}"
        raise Exceeded(message, "objects")
    if size.values > MOST_ODD_VALUES and strict.shapeless(into):
        raise _too_many_odd(path)


def _too_many_odd(path: str, most: int = MOST_ODD_VALUES) -> Exceeded:
    message = f"more than {most} values are not of the known shape, at {path}"
    return Exceeded(message, "odd_values")


def _at_once(
    body: bytes, expected: Expected, report: Reporter, limits: Limits, at: str
) -> Steps[Any]:
    """Decode *body*, which is small enough, by the fast pass; item by item where that fails."""
    into, many, links = cast(Any, expected.model), expected.many, expected.links
    read, check = strict.readers(into, many, links)
    built, texts = _typed(read, body)
    if built is None and not links:
        return (yield from _at_once(body, expected._replace(links=True), report, limits, at))
    if built is None or (texts and report.wants_place(into, {type(text) for text in texts})):
        if not many:
            return (yield from _tolerantly(body, into, at, report))
        items = _counted(_raw_items(body, at), limits)
        return (yield from _one_by_one(items, into, report, at, 0))
    if many:
        _counted(built, limits)
    try:
        check(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield from _restore_unknown(body, built, report, at)
    if strict.shapeless(into, links) and is_deep(built, strict.inside):
        raise Unreadable(_TOO_DEEP)
    return built


def _restore_unknown(body: bytes, built: Any, report: Reporter, at: str) -> Steps[None]:
    """Put back what the fast pass leaves out.

    A member that is not known, say; if one has a name that is no text, it is not JSON at all.
    """
    if not isinstance(built, list):
        strict.put_back_unknown(_unknown_json(body, built, at, DEEPEST), built, at, report)
        return
    data = _any_json(body)
    items_a_step = 1 if count(body).values > _MANY_VALUES else _ITEMS_A_STEP
    for index, item in enumerate(cast("Sequence[object]", built)):
        strict.put_back_unknown(data[index], item, f"{at}[{index}]", report)
        if index % items_a_step == items_a_step - 1:
            yield


def _unknown_json(body: bytes, built: Any, path: str, most: int) -> Any:
    """The JSON of *body*; of a large one, only what the fast pass may have left out."""
    if len(body) <= SMALL:
        return _any_json(body, most)
    left_out = _LeftOut(path, most)
    return left_out.of(body, built)


class _LeftOut:
    """What is not known of a resource, found without decoding the rest of it again."""

    def __init__(self, path: str, most: int) -> None:
        self._path, self._most = path, most
        self._values = 0

    def of(self, body: bytes, built: Any, level: int = 0) -> Any:
        if level > self._most:
            raise Unreadable(_TOO_DEEP)
        if built.__class__ is Ref:
            built = built.resource
        if isinstance(built, tuple):
            # One by itself may stand in place of a list.
            items = _raw_items(body, self._path) if body.lstrip()[:1] == b"[" else [body]
            pairs = zip(items, cast("Sequence[Any]", built), strict=True)
            return [self.of(bytes(item), one, level + 1) for item, one in pairs]
        if not isinstance(built, Model):
            return None
        names, inner, prices = strict.plan(cast(Any, type(built)))
        found: dict[str, Any] = {}
        for name, raw in _raw_members(body).items():
            if name in inner:
                found[name] = self.of(bytes(raw), getattr(built, name), level + 1)
            elif name in prices or name not in names:
                found[name] = self._any(bytes(raw), level + 1)
        return found

    def _any(self, body: bytes, level: int) -> Any:
        self._values += count(body).values
        if self._values > MOST_ODD_VALUES:
            raise _too_many_odd(self._path)
        return _any_json(body, self._most - level)


def _check_nesting(body: bytes) -> None:
    """Raise `Unreadable` where *body* is no JSON or nests too deeply, whatever else is wrong."""
    try:
        _RAW.decode(body)
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _NotJson(f"not JSON: {error}") from None


_RAW: Final = msgspec.json.Decoder(msgspec.Raw)


def _raw_members(body: bytes) -> dict[str, Any]:
    try:
        return _MEMBERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _NotJson(f"not JSON: {error}") from None
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None


_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
#: How many items get their unknown members back without a pause, and of a reply with more values
#: than these, one: a thousand members that are not known may be told of for each model in it.
_ITEMS_A_STEP: Final = 20
_MANY_VALUES: Final = 10_000
#: Bytes of an item that deviates and is large enough to be read in a step of its own.
_LARGE_ITEM: Final = 4096
#: Deviations that are told without a pause. News is logged, which takes longest.
_NOTES_A_STEP: Final = 200


def _in_groups(
    body: bytes, expected: Expected, report: Reporter, limits: Limits, at: str
) -> Steps[list[Any]]:
    """Decode the items of a large list, a few of them at a time."""
    items = _counted(_raw_items(body, at), limits)
    yield
    found: list[Any] = []
    while len(found) < len(items):
        first = len(found)
        group: list[bytes] = []
        size = 0
        for item in items[first:]:
            group.append(bytes(item))
            size += len(group[-1])
            if size >= SMALL:
                break
        if size > SMALL:
            for index, item in enumerate(group, first):
                if len(item) > MOST_OBJECTS:
                    _check_resource(count(item), expected.model, f"{at}[{index}]")
        found += yield from _group(group, expected, report, at, first)
        yield
    return found


def _group(
    group: list[bytes], expected: Expected, report: Reporter, at: str, first: int
) -> Steps[list[Any]]:
    into = cast(Any, expected.model)
    body = b"[" + b",".join(group) + b"]"
    for links in (True,) if expected.links else (False, True):
        read, check = strict.readers(into, True, links)
        built, texts = _typed(read, body)
        if built is None:
            continue
        if texts and report.wants_place(into, {type(text) for text in texts}):
            break
        try:
            check(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            break
        if not (strict.shapeless(into, links) and is_deep(built, strict.inside)):
            return cast("list[Any]", built)
    return (yield from _one_by_one(group, into, report, at, first))


def _typed(read: Any, body: bytes) -> tuple[Any, list[OpenEnum]]:
    """What *read* makes of *body*, None if it deviates from the models; unknown enum texts."""
    texts: list[OpenEnum] = []
    noting = unknown_texts.set(texts)
    try:
        return read(body), texts
    except msgspec.ValidationError:
        return None, texts
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _NotJson(f"not JSON: {error}") from None
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None
    finally:
        unknown_texts.reset(noting)


def _raw_items(body: bytes, at: str) -> list[Any]:
    try:
        return _ITEMS.decode(body)
    except msgspec.ValidationError:
        first = _FIRST.get(body.lstrip()[:1], "a number or a boolean")
        raise Unreadable(f"expected an array, got {first}", at) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _NotJson(f"not JSON: {error}") from None
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None


_FIRST: Final = {b"{": "an object", b"[": "an array", b'"': "a text", b"n": "null"}
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])


def _one_by_one(
    items: Iterable[Any], into: Any, report: Reporter, at: str, first: int
) -> Steps[list[Any]]:
    """Decode each item by itself, so that an odd one costs no other."""
    read, check = strict.readers(into, False, True)
    found: list[Any] = []
    for index, raw in enumerate(items, first):
        body, path = bytes(raw), f"{at}[{index}]"
        built, texts = _typed(read, body)
        if built is None or texts:
            found.append((yield from _tolerantly(body, into, path, report, DEEPEST - 1)))
            if len(body) > _LARGE_ITEM:
                yield
        else:
            try:
                check(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                data = _unknown_json(body, built, path, DEEPEST - 1)
                strict.put_back_unknown(data, built, path, report)
            if strict.shapeless(into) and is_deep(built, strict.inside, most=DEEPEST - 1):
                raise Unreadable(_TOO_DEEP)
            found.append(built)
        if index % _ITEMS_A_STEP == _ITEMS_A_STEP - 1:
            yield
    return found


def unwrap(body: bytes, inside: str) -> tuple[bytes | None, dict[str, Any]]:
    """Return the JSON of the member *inside* of an object, and the other members.

    None for the first where the object has no such member. Where the API did not wrap it after
    all, and sent no object, the JSON as it is.
    """
    try:
        found = _MEMBERS.decode(body)
    except (msgspec.ValidationError, RecursionError):
        return body, {}  # `decode` complains of it, if it is wrong
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _NotJson(f"not JSON: {error}") from None
    wrapped = found.get(inside, msgspec.Raw())
    if not (absent := bytes(wrapped) in {b"", b"null"}):
        del found[inside]
    around = {name: _any_json(bytes(value)) for name, value in found.items()}
    return None if absent else bytes(wrapped), around


def _any_json(body: bytes, most: int = DEEPEST, *, exact: bool = False) -> Any:
    try:
        found = loads(body, exact=exact)
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None
    except ValueError as error:
        raise _NotJson(f"not JSON: {error}") from None
    if is_deep(found, most=most):
        raise Unreadable(_TOO_DEEP)
    return found


def _tolerantly(
    body: bytes, into: type[M], path: str, report: Reporter, most: int = DEEPEST
) -> Steps[M]:
    """Decode one object that deviates from its model."""
    if len(body) > SMALL:
        if (first := body.lstrip()[:1]) in _FIRST and first != b"{":
            raise Unreadable(f"expected an object, got {_FIRST[first]}", path)
        if count(body).values > MOST_TOLERANT_VALUES:
            _check_nesting(body)
            raise _too_many_odd(path, MOST_TOLERANT_VALUES)
    data = _any_json(body, most, exact=strict.reaches_money(cast(Any, into)))
    return (yield from _tolerant_object(data, into, path, report))


def _tolerant_object(data: Any, into: type[M], path: str, report: Reporter) -> Steps[M]:
    if not isinstance(data, dict):
        raise Unreadable(f"expected an object, got {_kind(data)}", path)
    steps: Steps[tuple[Any, list[Any]]] = _tolerant().reading(data, into, path)
    built, notes = yield from steps
    for number, note in enumerate(notes, 1):
        report(Drift(name_of(note.model), note.member, note.kind, note.path, note.value))
        if number % _NOTES_A_STEP == 0:
            yield
    return cast(M, built)


def _converted(data: dict[str, Any], into: type[M], report: Reporter) -> M:
    """The model of an object that was read already."""
    texts: list[OpenEnum] = []
    noting = unknown_texts.set(texts)
    try:
        built = msgspec.convert(data, bare(into))
    except msgspec.ValidationError:
        built = None
    finally:
        unknown_texts.reset(noting)
    if built is None or (texts and report.wants_place(into, {type(text) for text in texts})):
        return finish(_tolerant_object(data, into, "$", report))
    strict.put_back_unknown(data, built, "$", report)
    return cast(M, built)


@built_once
def _tolerant() -> ModuleType:
    """Import the tolerant pass and cattrs, which replies that keep to the models do not need."""
    from ev_energy._codec import lenient

    return lenient


def _kind(data: object) -> str:
    names = {"NoneType": "null", "dict": "an object", "list": "an array", "str": "a text"}
    return names.get(type(data).__name__, "a number or a boolean")


def to_dict(value: Model) -> dict[str, Any]:
    """The JSON object of a model."""
    return cast("dict[str, Any]", _tolerant().write(value))


def from_dict(data: Mapping[str, Any], into: type[M]) -> M:
    """Make a model of a JSON object, tolerantly."""
    _check_object(data, f"{into.__name__}.from_dict()")
    return _converted(dict(data), into, _OUTSIDE_CLIENTS)


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
