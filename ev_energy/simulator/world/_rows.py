"""Rows of JSON members, and the links between them."""

from __future__ import annotations

from typing import Any, Final, cast

import attrs

#: The members of a resource as they go over the wire, but with `Link` and `ApiPath` for URLs.
#: Members whose name starts with ``_`` are internal and never sent.
Row = dict[str, Any]

_LINK: Final = "$link"
_PATH: Final = "$address"


@attrs.frozen
class ApiPath:
    """A path below the base URL of the API, shown as a URL that is never expanded."""

    path: str


@attrs.frozen
class Link:
    """A reference to a row of a collection, shown as a URL that may be expanded."""

    folder: str
    key: str

    @property
    def path(self) -> str:
        """The path of the row below the base URL; paths of log entries end in a slash."""
        return f"/{self.folder}/{self.key}" + ("/" if "/" in self.folder else "")


@attrs.frozen
class Viewer:
    """The application and the user of a request; some rows depend on them."""

    client_id: str | None = None
    user_id: str | None = None


def get_member(row: Row, name: str) -> Any:
    """Return a member by its dotted name, or None if a member on the way is null."""
    value: Any = row
    for part in name.split("."):
        value = None if value is None else value.get(part)
    return value


def to_json(value: object) -> Any:
    """Return a row, or a part of one, as JSON for `from_json`."""
    match value:
        case Link():
            return {_LINK: [value.folder, value.key]}
        case ApiPath():
            return {_PATH: value.path}
        case dict():
            return {name: to_json(inner) for name, inner in cast("Row", value).items()}
        case list() | tuple():
            return [to_json(inner) for inner in cast("list[object]", value)]
        case _:
            return value


def from_json(value: Any) -> Any:
    """Return the row, or the part of one, that `to_json` turned into JSON.

    Raises:
        ValueError: If a link is malformed.
    """
    if isinstance(value, list):
        return [from_json(inner) for inner in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("Row", value)
    match list(members):
        case [name] if name == _LINK:
            folder, key = members[name]
            return Link(_text(folder), _text(key))
        case [name] if name == _PATH:
            return ApiPath(_text(members[name]))
        case _:
            return {name: from_json(inner) for name, inner in members.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not part of a link")  # noqa: TRY004 - the file is invalid
    return value
