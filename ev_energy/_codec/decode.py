"""The entry points of decoding: which of the passes runs when, and in how large steps.

The package's docstring explains the passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple, TypeVar, cast, overload

from ev_energy._codec.drift import Drift, DriftKind, Reporter
from ev_energy._codec.fields import (
    contains_decimal,
    fields_of,
    free_form_children,
    free_form_fields,
)
from ev_energy._codec.raw_json import (
    TOO_DEEP,
    DecodeFailure,
    NotJsonFailure,
    check_nesting,
    free_form,
    json_type,
    json_type_of_text,
    raw_items,
    unwrap,
)
from ev_energy._codec.strict import (
    convert_strictly,
    strict_decoder,
)
from ev_energy._codec.unknown_fields import (
    check_unknown_count,
    restore_reply,
    restore_resource,
    restore_unknown_fields,
    too_many_free_form_values,
)
from ev_energy._runtime.build_lock import built_once
from ev_energy.models._base import Model
from ev_energy.models._json import (
    DEFAULT_LIMITS,
    LARGE_PAGE,
    MAX_DEPTH,
    MAX_DOCUMENT_BYTES,
    MAX_FREE_FORM_VALUES,
    MAX_LENIENT_VALUES,
    MAX_OBJECTS,
    MIN_COUNTED_LIMIT,
    PAGE_STEP,
    SMALL_BODY,
    LimitReached,
    Limits,
    Repair,
    Size,
    Steps,
    count_values,
    exceeds_depth,
    find_replacement_character,
    fits_in_one_step,
    loads,
    measure,
    repair_json,
    run_to_end,
)
from ev_energy.models._types import name_of

M = TypeVar("M", bound=Model)
#: For `from_dict`, which belongs to no client: each deviation is logged once per process.
_PROCESS_REPORTER: Final = Reporter()
#: Items that are decoded one by one without a pause.
_ITEMS_PER_STEP: Final = 20
#: An item of more bytes that goes through the lenient pass has a step of its own.
_LARGE_ITEM: Final = 4096
#: Deviations that are reported without a pause. A new one is logged, which takes longest.
_REPORTS_PER_STEP: Final = 200


class JSON:
    """In place of a model: the values of a reply as they are, without a model."""


class Expected(NamedTuple):
    """The model that a reply is decoded to, and its form.

    Unless *expanded*, links are expected to be URLs, which needs fewer models. A link that is
    expanded all the same is decoded too.
    """

    model: type[Any]
    as_list: bool = False
    expanded: bool = True
    envelope_key: str | None = None
    """The key of an object that the API wraps the model or list into."""


@overload
def decode(
    body: bytes, model: type[M], report: Reporter, *, expanded: bool = True, json_path: str = "$"
) -> M: ...
@overload
def decode(
    body: bytes,
    model: type[M],
    report: Reporter,
    *,
    as_list: Literal[True],
    expanded: bool = True,
    json_path: str = "$",
) -> list[M]: ...
def decode(
    body: bytes,
    model: type[M],
    report: Reporter,
    *,
    as_list: bool = False,
    expanded: bool = True,
    json_path: str = "$",
) -> M | list[M]:
    """Decode *body* to a *model* or a list of it.

    Deviations go to *report*, which may raise. *json_path* is the place of *body* in the reply.
    """
    expected = Expected(model, as_list, expanded)
    built, _ = run_to_end(decode_in_steps(body, expected, report, json_path=json_path))
    return cast("M | list[M]", built)


def decode_at_once(body: bytes, expected: Expected, limits: Limits) -> Any:
    """Return what a small *body* is decoded to if it matches its model; None otherwise.

    Nothing is reported or raised: `decode_in_steps` does that, and decodes everything else. Nearly
    every single resource matches, and a generator costs more than its decoding.
    """
    model: Any = expected.model
    as_list, expanded = expected.as_list, expected.expanded
    if (
        model is JSON
        or expected.envelope_key is not None
        or limits.max_values < MIN_COUNTED_LIMIT
        or len(body) > SMALL_BODY
    ):
        return None
    try:
        built, unknown_values, is_complete = strict_decoder(model, as_list, expanded).decode(body)
    except DecodeFailure:
        return None
    if built is None or unknown_values or not is_complete:
        return None
    if as_list and len(built) > limits.max_items:
        return None
    if free_form_fields(model, expanded) and exceeds_depth(built, free_form_children):
        return None
    return built


def decode_in_steps(
    body: bytes,
    expected: Expected,
    report: Reporter,
    limits: Limits = DEFAULT_LIMITS,
    *,
    json_path: str = "$",
) -> Steps[tuple[Any, dict[str, Any]]]:
    """Decode *body* in steps that are short enough for an event loop.

    Returns the model or list, and the other members of the object that it was wrapped into.

    Raises:
        LimitReached: The reply holds more than *limits* allow.
    """
    try:
        return (yield from _decode(body, expected, report, limits, json_path))
    except NotJsonFailure:
        repair = yield from repair_json(body)
        if repair is None:
            raise
    result = yield from _decode(repair.body, expected, report, limits, json_path)
    report_repair(repair, expected.model, report)
    return result


def report_repair(repair: Repair, model: type[Any], report: Reporter) -> None:
    """Report that a reply was not valid JSON, with the place of the repair."""
    path, member = "$", ""
    if len(repair.body) <= MAX_DOCUMENT_BYTES // 8:  # the search must not take long either
        path, member = find_replacement_character(loads(repair.body)) or (path, member)
    report(Drift(name_of(model), member, DriftKind.INVALID_TEXT, path, repair.problem))


def _decode(
    body: bytes, expected: Expected, report: Reporter, limits: Limits, path: str
) -> Steps[tuple[Any, dict[str, Any]]]:
    if not body.strip():
        raise DecodeFailure("not JSON: the reply has no body", path)
    # An ordinary page is far within the limits, unless the client lowered them.
    in_one_step = limits.max_values >= MIN_COUNTED_LIMIT and fits_in_one_step(body)
    size = Size(0, 0)
    if not in_one_step:
        size = yield from measure(body, limits.max_values)
    envelope: dict[str, Any] = {}
    if expected.envelope_key is not None:
        wrapped, envelope = _unwrap(body, expected, report, path)
        if wrapped is None:
            return [] if expected.as_list else None, envelope
        path = path if wrapped is body else f"{path}.{expected.envelope_key}"
        body = wrapped
    if expected.model is JSON:
        return (yield from _decode_values(body, limits, path, as_list=expected.as_list)), envelope
    if not expected.as_list or (in_one_step and len(body) <= LARGE_PAGE):
        if size.objects > MAX_OBJECTS:
            check_nesting(body)
        _check_resource_size(size, expected.model, path)
        built = yield from _decode_whole(body, expected, report, limits, path)
    else:
        built = yield from _decode_in_groups(
            body, expected, report, limits, path, is_counted=not in_one_step
        )
    return built, envelope


def _unwrap(
    body: bytes, expected: Expected, report: Reporter, path: str
) -> tuple[bytes | None, dict[str, Any]]:
    """Return the JSON wrapped into an object, and for a list the other members of the object."""
    key, model = cast(str, expected.envelope_key), expected.model
    wrapped, others = unwrap(body, key)
    check_unknown_count(others, [path])
    if key in others:  # null, which is neither a list nor an object
        report(Drift(model.__name__, key, DriftKind.WRONG_TYPE, f"{path}.{key}", None))
    if expected.as_list:
        return wrapped, others
    if wrapped is None and not others.keys().isdisjoint(fields_of(model)):
        return body, {}  # the API sent the model itself
    # A single model has nowhere to keep the other members.
    report.unknown_members(model, {n: v for n, v in others.items() if n != key}, [path])
    return wrapped, {}


def _check_item_count(items: list[Any], limits: Limits) -> list[Any]:
    if len(items) > limits.max_items:
        message = f"the list has more than {limits.max_items} items (max_items)"
        raise LimitReached(message, "max_items")
    return items


def _check_resource_size(size: Size, model: Any, path: str) -> None:
    """Raise `LimitReached` where one resource is too large to be decoded in one step."""
    if size.objects > MAX_OBJECTS:
        message = f"one resource holds more than {MAX_OBJECTS} objects, at {path}"
        raise LimitReached(message, "objects")
    if size.values > MAX_FREE_FORM_VALUES and free_form_fields(model):
        raise too_many_free_form_values(path)


def _decode_whole(
    body: bytes, expected: Expected, report: Reporter, limits: Limits, path: str
) -> Steps[Any]:
    """Decode *body* by the strict pass in one step; item by item where that fails."""
    model, as_list, expanded = cast(Any, expected.model), expected.as_list, expected.expanded
    built, unknown_values, is_complete = strict_decoder(model, as_list, expanded).decode(body)
    if built is None and not expanded:
        retry = expected._replace(expanded=True)
        return (yield from _decode_whole(body, retry, report, limits, path))
    if built is None or report.needs_path_of(model, unknown_values):
        if not as_list:
            return (yield from _decode_leniently(body, model, path, report))
        return (yield from _decode_deviating(body, expected, report, limits, path))
    if as_list:
        _check_item_count(built, limits)
    if not is_complete:
        yield from restore_reply(body, built, path, report)
    if free_form_fields(model, expanded) and exceeds_depth(built, free_form_children):
        raise DecodeFailure(TOO_DEEP)
    return built


def _decode_deviating(
    body: bytes, expected: Expected, report: Reporter, limits: Limits, path: str
) -> Steps[list[Any]]:
    """Decode the items of a list of which at least one deviates from its model."""
    items = _check_item_count(raw_items(body, path), limits)
    built: list[Any] = []
    for first in range(0, len(items), _ITEMS_PER_STEP):
        group = [bytes(item) for item in items[first : first + _ITEMS_PER_STEP]]
        built += yield from _decode_group(group, expected, report, path, first)
        yield
    return built


def _decode_in_groups(
    body: bytes,
    expected: Expected,
    report: Reporter,
    limits: Limits,
    path: str,
    *,
    is_counted: bool,
) -> Steps[list[Any]]:
    """Decode the items of a large list, a few of them in each step.

    *is_counted* is False for a list whose samples showed that it has no more objects than fit in
    one step.
    """
    step_bytes = SMALL_BODY if is_counted else PAGE_STEP
    items = _check_item_count(raw_items(body, path), limits)
    yield
    built: list[Any] = []
    while len(built) < len(items):
        first = len(built)
        group: list[bytes] = []
        size = 0
        for item in items[first:]:
            group.append(bytes(item))
            size += len(group[-1])
            if size >= step_bytes:
                break
        if is_counted and size > SMALL_BODY:
            for index, item in enumerate(group, first):
                if len(item) > MAX_OBJECTS:
                    _check_resource_size(count_values(item), expected.model, f"{path}[{index}]")
        built += yield from _decode_group(group, expected, report, path, first)
        yield
    return built


def _decode_group(
    group: list[bytes], expected: Expected, report: Reporter, path: str, first: int
) -> Steps[list[Any]]:
    model = cast(Any, expected.model)
    body = b"[" + b",".join(group) + b"]"
    for expanded in (True,) if expected.expanded else (False, True):
        built, unknown_values, is_complete = strict_decoder(model, True, expanded).decode(body)
        if built is None:
            continue
        if not is_complete or report.needs_path_of(model, unknown_values):
            break
        if not (free_form_fields(model, expanded) and exceeds_depth(built, free_form_children)):
            return cast("list[Any]", built)
    return (yield from _decode_one_by_one(group, model, report, path, first))


def _decode_one_by_one(
    items: Iterable[Any], model: Any, report: Reporter, path: str, first: int
) -> Steps[list[Any]]:
    """Decode each item by itself, so that only the items that deviate take the lenient pass."""
    strict = strict_decoder(model, False, True)
    found: list[Any] = []
    for index, raw in enumerate(items, first):
        body, item_path = bytes(raw), f"{path}[{index}]"
        built, unknown_values, is_complete = strict.decode(body)
        if built is None or unknown_values:
            found.append(
                (yield from _decode_leniently(body, model, item_path, report, MAX_DEPTH - 1))
            )
            if len(body) > _LARGE_ITEM:
                yield
        else:
            if not is_complete:
                restore_resource(body, built, item_path, report, MAX_DEPTH - 1)
            if free_form_fields(model) and exceeds_depth(
                built, free_form_children, max_depth=MAX_DEPTH - 1
            ):
                raise DecodeFailure(TOO_DEEP)
            found.append(built)
        if index % _ITEMS_PER_STEP == _ITEMS_PER_STEP - 1:
            yield
    return found


def _decode_values(body: bytes, limits: Limits, path: str, *, as_list: bool) -> Steps[Any]:
    """Decode *body* without a model; with *as_list*, it must be a list of objects."""
    if not as_list and body.lstrip()[:1] != b"[":
        return _decode_value(body, path, MAX_DEPTH)
    found: list[Any] = []
    for index, raw in enumerate(_check_item_count(raw_items(body, path), limits)):
        item, item_path = bytes(raw), f"{path}[{index}]"
        value = _decode_value(item, item_path, MAX_DEPTH - 1)
        if as_list and not isinstance(value, dict):
            raise DecodeFailure(f"expected an object, got {json_type(value)}", item_path)
        found.append(value)
        if index % _ITEMS_PER_STEP == _ITEMS_PER_STEP - 1 or len(item) > _LARGE_ITEM:
            yield
    return found


def _decode_value(body: bytes, path: str, max_depth: int) -> Any:
    size = count_values(body)
    _check_resource_size(size, JSON, path)
    if size.values > MAX_FREE_FORM_VALUES:
        raise too_many_free_form_values(path)
    return free_form(body, max_depth)


def _decode_leniently(
    body: bytes, model: type[M], path: str, report: Reporter, max_depth: int = MAX_DEPTH
) -> Steps[M]:
    """Decode one object that deviates from its model."""
    if len(body) > SMALL_BODY:
        found = json_type_of_text(body)
        if found is not None and found != "an object":
            raise DecodeFailure(f"expected an object, got {found}", path)
        if count_values(body).values > MAX_LENIENT_VALUES:
            check_nesting(body)
            message = (
                f"a resource that deviates from its model has more than {MAX_LENIENT_VALUES} "
                f"values, at {path}"
            )
            raise LimitReached(message, "odd_values")
    data = free_form(body, max_depth, exact=contains_decimal(cast(Any, model)))
    return (yield from _convert_leniently(data, model, path, report))


def _convert_leniently(data: Any, model: type[M], path: str, report: Reporter) -> Steps[M]:
    if not isinstance(data, dict):
        raise DecodeFailure(f"expected an object, got {json_type(data)}", path)
    steps: Steps[tuple[Any, list[Any]]] = _lenient().convert_in_steps(data, model, path)
    built, issues = yield from steps
    for number, issue in enumerate(issues, 1):
        report(Drift(name_of(issue.model), issue.member, issue.kind, issue.path, issue.value))
        if number % _REPORTS_PER_STEP == 0:
            yield
    return cast(M, built)


@built_once
def _lenient() -> ModuleType:
    """Import the lenient pass and cattrs, which replies that match the models do not need."""
    from ev_energy._codec import lenient

    return lenient


def to_dict(value: Model) -> dict[str, Any]:
    """Return the JSON object of a model."""
    return cast("dict[str, Any]", _lenient().to_dict(value))


def from_dict(data: Mapping[str, Any], model: type[M]) -> M:
    """Make a model of a JSON object, as leniently as from a reply."""
    _check_json_object(data, f"{model.__name__}.from_dict()")
    values = dict(data)
    built, unknown_values = convert_strictly(values, model)
    if built is None or _PROCESS_REPORTER.needs_path_of(model, unknown_values):
        return run_to_end(_convert_leniently(values, model, "$", _PROCESS_REPORTER))
    restore_unknown_fields(values, built, "$", _PROCESS_REPORTER)
    return cast(M, built)


def _check_json_object(data: Any, caller: str) -> None:
    """Raise `TypeError` or `ValueError` where *data* is not a JSON object of limited depth."""
    if not isinstance(data, Mapping):
        raise TypeError(f"{caller} expects a JSON object, not {type(data).__name__}")
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH):
        nested: dict[int, Any] = {}  # by identity, so that shared values are visited once
        for one in level:
            if isinstance(one, Mapping):
                members = cast("Mapping[object, Any]", one)
                for key in members:
                    if not isinstance(key, str):
                        raise TypeError(f"{caller} expects strings as keys, not {key!r}")
                nested |= {id(value): value for value in members.values()}
            else:
                nested |= {id(value): value for value in cast("Sequence[Any]", one)}
        level = [one for one in nested.values() if isinstance(one, Mapping | list | tuple)]
        if not level:
            return
    raise ValueError(f"{caller} expects an object that is not {TOO_DEEP}")
