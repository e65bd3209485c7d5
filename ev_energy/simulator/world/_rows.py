"""What the world is made of: rows of JSON members, and links between them."""

from __future__ import annotations

from typing import Any, Final, cast

import attrs

#: Members as they go over the wire, but with `Link` and `Address` in place of URLs.
#: A member whose name starts with ``_`` is known to the world alone.
Row = dict[str, Any]

_LINK: Final = "$link"
_ADDRESS: Final = "$address"


@attrs.frozen
class ApiPath:
    """A URL below the API's root that is never expanded."""

    path: str


@attrs.frozen
class Link:
    """A reference to a row of a collection."""

    folder: str
    key: str

    @property
    def path(self) -> str:
        """Where the row is, below the API's root; entries of logs end in a slash."""
        return f"/{self.folder}/{self.key}" + ("/" if "/" in self.folder else "")


@attrs.frozen
class Viewer:
    """Who looks: some rows are not the same for everybody, or not there at all."""

    client_id: str | None = None
    user_id: str | None = None


def get_member(row: Row, name: str) -> Any:
    """Return a member by its dotted name; None where something on the way is null."""
    value: Any = row
    for part in name.split("."):
        value = None if value is None else value.get(part)
    return value


def to_json(value: object) -> Any:
    """Return a row, or a part of one, as JSON that `from_json` reads."""
    match value:
        case Link():
            return {_LINK: [value.folder, value.key]}
        case ApiPath():
            return {_ADDRESS: value.path}
        case dict():
            return {name: to_json(inner) for name, inner in cast("Row", value).items()}
        case list() | tuple():
            return [to_json(inner) for inner in cast("list[object]", value)]
        case _:
            return value


def from_json(value: Any) -> Any:
    """Return what `to_json` was given."""
    if isinstance(value, list):
        return [from_json(inner) for inner in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("Row", value)
    match list(members):
        case [name] if name == _LINK:
            folder, key = members[name]
            return Link(_text(folder), _text(key))
        case [name] if name == _ADDRESS:
            return ApiPath(_text(members[name]))
        case _:
            return {name: from_json(inner) for name, inner in members.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no part of a link")  # noqa: TRY004 - the file is at fault
    return value
