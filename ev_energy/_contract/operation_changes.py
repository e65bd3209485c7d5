"""The differences between two versions of an operation: what it takes, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ev_energy._contract.change import (
    RECEIVED,
    SENT,
    Change,
    Kind,
    Place,
    is_object,
    key_of,
)
from ev_energy._contract.facts import Facts
from ev_energy._contract.schema_changes import SchemaChanges, keyword_change, or_rewritten
from ev_energy._contract.schema_rules import REVIEW
from ev_energy._contract.usage import MEDIA, headers_of, schema_of

_JSON: Final = "application/json"
_SUCCESS: Final = re.compile(r"[123]..")
_OPERATION_KEYWORDS: Final = {
    "operationId": "no program depends on it",
    "deprecated": "it still works; a later version of the API may remove it",
}
#: The attributes of a parameter, with what it means that they are set, and that they are not.
_PARAMETER_FLAGS: Final[Mapping[str, tuple[str | None, str | None]]] = {
    "required": ("calls without it are refused", None),
    "required_of_applications": ("calls of applications without it are refused", None),
    "explode": ("lists are written in another way", "lists are written in another way"),
    "allowReserved": (None, "values with reserved characters may be refused"),
    "allowEmptyValue": (None, "calls with an empty value may be refused"),
    "deprecated": (None, None),
}

_OPERATION: Final = frozenset(
    {"operationId", "deprecated", "public", "scopes", "anonymous_limit", "problems"}
    | {"parameters", "requestBody", "responses"}
)
_PARAMETER: Final = frozenset({*_PARAMETER_FLAGS, "name", "in", "schema"})


class OperationChanges:
    """The comparison of the operations of two versions of the facts."""

    def __init__(self, before: Facts, after: Facts, schemas: SchemaChanges) -> None:
        self._before, self._after = before, after
        self._schemas = schemas

    def operation(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        """Yield the changes of an operation."""
        yield from _authorization(before, after, place)
        yield from _anonymous_limit(before, after, place)
        for name, effect in _OPERATION_KEYWORDS.items():
            old, new = before.get(name), after.get(name)
            if old != new:
                yield keyword_change(name, (False, effect), old, new, place)
        yield from _problems(before, after, place)
        yield from self._parameters(before, after, place)
        yield from self._body(before, after, place)
        yield from self._replies(before, after, place)
        yield from _unknown(before, after, place, _OPERATION)

    def _parameters(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        shared = {one for one in parameters_of(before) if isinstance(one, str)}
        shared &= {one for one in parameters_of(after) if isinstance(one, str)}
        old = self._by_name(self._before, before, shared)
        new = self._by_name(self._after, after, shared)
        for key in sorted(old.keys() | new.keys()):
            inner = place.inner(key, SENT if place.use.sent else RECEIVED)
            if key not in old:
                is_required = bool(self.parameter_of(self._after, new[key]).get("required"))
                effect = (
                    "calls without it are refused"
                    if is_required and place.use.sent
                    else "this version of the SDK has no argument for it"
                )
                breaks = is_required and place.use.sent
                yield inner.change("added", effect, breaking=breaks, after=new[key])
            elif key not in new:
                effect = "calls with it may be refused, or may ignore it"
                yield inner.change("removed", effect, breaking=True, before=old[key])
            else:
                yield from self._parameter(old[key], new[key], inner)

    def _by_name(self, facts: Facts, operation: Facts, shared: set[str]) -> dict[str, Any]:
        """Return the parameters by place and name, without those that are compared elsewhere."""
        found: dict[str, Any] = {}
        for parameter in parameters_of(operation):
            if isinstance(parameter, str) and parameter in shared:
                continue
            node = self.parameter_of(facts, parameter)
            name = str(node["name"])
            found[f"{node['in']} {name.lower() if node['in'] == 'header' else name}"] = parameter
        return found

    def parameter_of(self, facts: Facts, parameter: Any) -> Facts:
        """Return a parameter, which may be a reference."""
        found: Facts = facts["parameters"][parameter] if isinstance(parameter, str) else parameter
        return found

    def _parameter(self, before: Any, after: Any, place: Place) -> Iterator[Change]:
        yield from _other_component(before, after, place)
        old = self.parameter_of(self._before, before)
        new = self.parameter_of(self._after, after)
        yield from or_rewritten(self._parameter_parts(old, new, place), old, new, place)

    def _parameter_parts(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        for name, (if_set, if_not) in _PARAMETER_FLAGS.items():
            old, new = before.get(name), after.get(name)
            if old != new:
                effect = (if_set if new else if_not) if place.use.sent else None
                rule = (True, effect) if effect else (False, "calls that were accepted still are")
                yield keyword_change(name, rule, old, new, place)
        yield from self._schemas.of(before.get("schema", {}), after.get("schema", {}), place)
        yield from _unknown(before, after, place, _PARAMETER)

    def shared_parameter(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        """Yield the changes of a shared parameter."""
        for name in ("in", "name"):
            if before[name] != after[name]:
                effect = "calls with it may be refused, or may ignore it"
                yield keyword_change(name, (True, effect), before[name], after[name], place)
        yield from self._parameter_parts(before, after, place)

    def _body(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        old, new = before.get("requestBody"), after.get("requestBody")
        inner = place.inner("body", SENT if place.use.sent else RECEIVED)
        if old is None and new is None:
            return
        if old is None or new is None:
            breaks = old is not None or bool(new and new.get("required"))
            if new is None:
                effect = "calls with a body may be refused, or may ignore it"
            else:
                effect = "calls without it are refused" if breaks else "it may be left out"
            yield keyword_change("body", (breaks, effect), old, new, place)
            return
        if old.get("required") != new.get("required"):
            breaks = bool(new.get("required"))
            effect = "calls without it are refused" if breaks else "it may be left out"
            rule = (breaks, effect)
            yield keyword_change("required", rule, old.get("required"), new.get("required"), inner)
        yield from self._content(old, new, inner)
        yield from _unknown(old, new, inner, {"required", "content"})

    def _content(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        old: Facts = before.get("content", {})
        new: Facts = after.get("content", {})
        for name in sorted(old.keys() | new.keys()):
            inner = place if name == _JSON else place.inner(name)
            if name not in old:
                effect = "the SDK neither sends nor asks for it"
                added = place.inner(f"media type {name}")
                yield added.change("added", effect, breaking=False, after=new[name])
            elif name not in new:
                effect = "requests or replies do not have this form any more"
                removed = place.inner(f"media type {name}")
                yield removed.change("removed", effect, breaking=True, before=old[name])
            else:
                yield from self._schemas.of(schema_of(old[name]), schema_of(new[name]), inner)
                yield from _unknown(_beside(old[name]), _beside(new[name]), inner, ())

    def _replies(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        old, new = before["responses"], after["responses"]
        use = RECEIVED if place.use.sent else SENT
        for status in sorted(old.keys() | new.keys()):
            inner = place.inner(f"reply {status}", use)
            if status not in old:
                breaks = bool(_SUCCESS.fullmatch(status))
                effect = (
                    "calls that succeed may have a reply that the SDK does not expect"
                    if breaks
                    else "the SDK raises the error for this status"
                )
                yield inner.change("added", effect, breaking=breaks, after=new[status])
            elif status not in new:
                effect = "programs that expect this status do not see it any more"
                yield inner.change("removed", effect, breaking=True, before=old[status])
            else:
                before_reply, after_reply = old[status], new[status]
                found = self.reply(before_reply, after_reply, inner)
                yield from or_rewritten(found, before_reply, after_reply, inner)

    def reply(self, before: Any, after: Any, place: Place) -> Iterator[Change]:
        """Yield the changes of a reply; a reference to the same name is none."""
        if isinstance(before, str) and before == after:  # compared as a component
            return
        yield from _other_component(before, after, place)
        old = self._before["responses"][before] if isinstance(before, str) else before
        new = self._after["responses"][after] if isinstance(after, str) else after
        yield from self._content(old, new, place)
        yield from self._headers(old, new, place)
        yield from _problems(old, new, place)
        yield from _unknown(old, new, place, {"content", "headers", "problems"})

    def _headers(self, before: Facts, after: Facts, place: Place) -> Iterator[Change]:
        # The names of headers have no case.
        old, new = (
            {name.lower(): (name, header) for name, header in headers_of(facts, node).items()}
            for facts, node in ((self._before, before), (self._after, after))
        )
        for key in sorted(old.keys() | new.keys()):
            (name, header), (_, other) = old.get(key) or new[key], new.get(key) or old[key]
            inner = place.inner(f"header {name}")
            if key not in old:
                effect = "programs find it in the headers of the reply"
                yield inner.change("added", effect, breaking=False, after=other)
            elif key not in new:
                effect = "programs, or the SDK, that read it find nothing"
                yield inner.change("removed", effect, breaking=True, before=header)
            elif not isinstance(header, str) or header != other:
                yield from _other_component(header, other, inner)
                old_schema = _header_of(self._before, header)
                yield from self._schemas.of(old_schema, _header_of(self._after, other), inner)


def _header_of(facts: Facts, header: Any) -> Any:
    """Return the schema of a header, which may be a reference to a header or to a schema."""
    shared: Facts = facts["headers"]
    return shared.get(header, header) if isinstance(header, str) else header


def _beside(media: Any) -> Facts:
    """Return the keywords of a media type that are not listed as facts."""
    return media["media"] if is_object(media) and media.keys() == MEDIA else {}


def parameters_of(operation: Facts) -> list[Any]:
    """Return the parameters of an operation, which may be references."""
    found: list[Any] = operation.get("parameters", [])
    return found


def _other_component(before: Any, after: Any, place: Place) -> Iterator[Change]:
    if isinstance(before, str) and isinstance(after, str) and before != after:
        effect = "it is described elsewhere; the differences between the two are listed too"
        rule = (False, effect)
        yield keyword_change("reference", rule, before, after, place)


def _authorization(before: Facts, after: Facts, place: Place) -> Iterator[Change]:
    was, now = bool(before.get("public")), bool(after.get("public"))
    if was != now:
        effect = "it needs no token" if now else "calls without a token are refused"
        kind: Kind = "added" if now else "removed"
        yield place.inner("public").change(kind, effect, breaking=not now)
    old, new = set(map(str, before.get("scopes", ()))), set(map(str, after.get("scopes", ())))
    for scope in sorted(old ^ new):
        inner = place.inner(f"scope {scope}")
        if scope in old:
            effect = "tokens need not have this scope"
            yield inner.change("removed", effect, breaking=False)
        else:
            yield inner.change("added", "tokens without this scope are refused", breaking=True)


def _anonymous_limit(before: Facts, after: Facts, place: Place) -> Iterator[Change]:
    old, new = before.get("anonymous_limit"), after.get("anonymous_limit")
    if old != new:
        breaks = new is not None and (old is None or new < old)
        effect = "calls may be refused sooner" if breaks else "more calls are accepted"
        yield keyword_change("anonymous limit", (breaks, effect), old, new, place)


def _problems(before: Facts, after: Facts, place: Place) -> Iterator[Change]:
    old, new = set(map(str, before.get("problems", ()))), set(map(str, after.get("problems", ())))
    for slug in sorted(old ^ new):
        inner = place.inner(f"problem {slug}")
        if slug in new:
            effect = "the SDK raises the error for the status, with this type of problem"
            yield inner.change("added", effect, breaking=False)
        else:
            effect = "programs that expect this type of problem do not see it any more"
            yield inner.change("removed", effect, breaking=True)


def _unknown(before: Facts, after: Facts, place: Place, known: Iterable[str]) -> Iterator[Change]:
    for name in sorted((before.keys() | after.keys()) - set(known)):
        old, new = before.get(name), after.get(name)
        if (name in before) != (name in after) or key_of(old) != key_of(new):
            yield keyword_change(name, (True, REVIEW), old, new, place)
