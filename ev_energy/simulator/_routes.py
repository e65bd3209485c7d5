"""What an operation is: who may call it, what it expands, and the function that answers."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import attrs

from ev_energy.simulator._paging import page
from ev_energy.simulator._problems import forbidden, invalid, not_found
from ev_energy.simulator._render import Renderer, Tree
from ev_energy.simulator._world import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ev_energy.simulator._filters import Filter
    from ev_energy.simulator._oauth import Application
    from ev_energy.simulator._world import Collection, Row, Viewer, World

    Handler = Callable[["Call"], "Reply"]
    Extra = Callable[["Call", Row], Row]


class Access(enum.Enum):
    """Who may call an operation."""

    TOKEN = "token"  # noqa: S105 - the word, not one of them
    """Callers with a token that has all its scopes."""
    PUBLIC = "public"
    """Everybody; but a token that is sent must be good."""
    BROWSER = "browser"
    """People in a browser: tokens, versions and media types do not matter."""


@attrs.frozen(kw_only=True)
class Call:
    """One request that passed all the general checks."""

    world: World
    now: datetime
    root: str
    """The API's root as this caller reaches it."""
    template: str
    params: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    accept_language: str | None
    body: Any
    applications: Mapping[str, Application]
    viewer: Viewer
    expand: Tree

    @property
    def path(self) -> str:
        """The path with its parameters filled in, without the root and the slashes around."""
        return self.template.format_map(self.params).strip("/")

    def given(self, name: str) -> str | None:
        """Return a query parameter, the last one if it was repeated."""
        return dict(self.query).get(name)

    def show(self, row: Row) -> dict[str, Any]:
        """Return the JSON of a row, with what was asked for expanded."""
        return Renderer(self.world, self.root, self.viewer).row(row, self.expand)

    def row(self, folder: str, name: str) -> Row:
        """Return the row that a path parameter names, or refuse with 404."""
        row = self.world.tables[folder].get(self.params[name])
        if row is None:
            raise not_found()
        return row


@attrs.frozen
class Reply:
    """What an operation answers."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = attrs.Factory(dict[str, str])


@attrs.frozen
class Route:
    """One operation."""

    answer: Handler
    scopes: tuple[str, ...] = ()
    access: Access = Access.TOKEN
    expand: tuple[str, ...] = ()
    expand_scopes: Mapping[str, str] = attrs.Factory(dict[str, str])
    """Scopes that expanding a member takes, besides the ones of the operation."""
    anonymous_limit: int | None = None
    """How many requests an hour it allows an address without a token, if fewer than usual."""

    def tree(self, names: Sequence[str], scopes: frozenset[str]) -> Tree:
        """Return what to expand, or refuse what the operation does not document."""
        if not self.expand:
            return Tree()
        if unknown := [name for name in names if name not in self.expand]:
            wrong = f"Not among {', '.join(self.expand)}: {', '.join(unknown)}"
            raise invalid({"expand": [wrong]})
        for name in names:
            if (scope := self.expand_scopes.get(name, "")) and scope not in scopes:
                raise forbidden(scope)
        return Tree.of(names)


Routes = dict[tuple[str, str], Route]


def _kept(call: Call, rows: Sequence[Row], filters: Mapping[str, Filter]) -> Sequence[Row]:
    errors: dict[str, Any] = {}
    for name, read in filters.items():
        text = call.given(name)
        if text is None:
            continue
        try:
            keep = read(text)
        except ValueError as error:
            errors[name] = [str(error)]
        else:
            rows = [row for row in rows if keep(row)]
    if errors:
        raise invalid(errors)
    return rows


def _mine(collection: Collection, rows: Sequence[Row], user_id: str | None) -> Sequence[Row]:
    if user_id is None:
        return rows
    return [row for row in rows if collection.owner(row) in {None, user_id}]


def list_of(
    filters: Mapping[str, Filter],
    also: Callable[[Call, Sequence[Row]], Sequence[Row]] | None = None,
) -> Handler:
    """Return a handler that lists the collection at the operation's path, page by page."""

    def answer(call: Call) -> Reply:
        collection = call.world.collection(call.path)
        if collection is None:
            raise not_found()
        rows = _mine(collection, collection.rows(), call.viewer.user_id)
        rows = _kept(call, rows, filters)
        rows = rows if also is None else also(call, rows)
        shown, links = page(collection, rows, f"{call.root}/{call.path}", call.query)
        body = [call.show(collection.seen_by(row, call.viewer)) for row in shown]
        return Reply(body, headers={"Link": links})

    return answer


def one_of_list(extra: Extra | None = None) -> Handler:
    """Return a handler that shows the row at the operation's path.

    ``extra`` makes the members that only a single row has.
    """

    def answer(call: Call) -> Reply:
        folder, _, key = call.path.rpartition("/")
        found = call.world.find(Link(folder, key))
        if found is None:
            raise not_found()
        collection, row = found
        shown = collection.seen_by(row, call.viewer)
        return Reply(call.show(shown if extra is None else shown | extra(call, shown)))

    return answer


def listing(
    scope: str, *, expand: tuple[str, ...] = (), filters: Mapping[str, Filter] | None = None
) -> Route:
    """Return an operation that lists the collection at its path."""
    return Route(list_of(filters or {}), (scope,), expand=expand)


def detail(scope: str, *, expand: tuple[str, ...] = (), extra: Extra | None = None) -> Route:
    """Return an operation that shows the row at its path."""
    return Route(one_of_list(extra), (scope,), expand=expand)
