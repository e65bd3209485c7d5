"""What an operation is, and the ways most of them are answered.

Who may call it, what it takes and expands, how it is paged: all that is the contract's. A family
only says what is done.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs

from ev_energy.simulator.http._filters import by_name
from ev_energy.simulator.http._paging import numbered_page, page
from ev_energy.simulator.http._problems import invalid, not_found
from ev_energy.simulator.http._serialization import ExpandTree, Serializer
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence
    from datetime import datetime

    from ev_energy.simulator.http._contract import OperationFacts
    from ev_energy.simulator.http._filters import Filter
    from ev_energy.simulator.http._paging import Keep
    from ev_energy.simulator.oauth import Application
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World

    Handler = Callable[["Call"], "Reply"]

    Extra = Callable[["Call", Row], Row]

    Source = Callable[["Call"], Collection]

#: What answers each operation, by method and path.
Routes = dict[tuple[str, str], "Handler"]

#: The language of texts for which a request prefers none.
ENGLISH: Final = "en"
#: A language range with its weight (RFC 9110, section 12.5.4).
_LANGUAGE_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[A-Za-z\d]{1,8})*\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?", re.ASCII
)


@attrs.frozen(kw_only=True)
class Call:
    """One request that passed all the general checks."""

    world: World
    facts: OperationFacts
    now: datetime
    root: str
    """The API's root as this caller reaches it."""
    url: str
    """What was asked for, without the query and a slash at the end."""
    params: Mapping[str, str]
    """Parameters of the path; ``me`` is the user who is meant."""
    query: Mapping[str, Any]
    """Parameters of the query as values: numbers, booleans, datetimes, lists, texts."""
    pairs: Sequence[tuple[str, str]]
    """The query as it was sent."""
    body: Any
    """What the body holds, checked against the contract; an empty object if there was none."""
    language: str | None
    """The Accept-Language header."""
    applications: Mapping[str, Application]
    viewer: Viewer
    by_user: bool
    """Whether the token is a user's own."""
    expand: ExpandTree

    @functools.cached_property
    def path(self) -> str:
        """The path with its parameters filled in, without the root and the slashes around."""
        return self.facts.path.format_map(self.params).strip("/")

    def serialize(self, row: Row) -> dict[str, Any]:
        """Return the JSON of a row, with what was asked for expanded."""
        return Serializer(self.world, self.root, self.viewer).row(row, self.expand)

    def can_see(self, collection: Collection, row: Row) -> bool:
        """Return whether a row is the caller's to see."""
        user_id = self.viewer.user_id
        return user_id is None or collection.owner_id(row) in {None, user_id}

    def stored(self, folder: str, key: str) -> tuple[Collection, Row]:
        """Return a row as it is kept, if the caller may see it, or refuse with 404."""
        found = self.world.find(Link(folder, key))
        if found is None or not self.can_see(*found):
            raise not_found()
        return found

    def find(self, folder: str, key: str) -> Row:
        """Return a row as the caller sees it, or refuse with 404."""
        collection, row = self.stored(folder, key)
        return collection.view_for(row, self.viewer)

    def row(self, folder: str, name: str) -> Row:
        """Return the row that a path parameter names, or refuse with 404."""
        return self.find(folder, self.params[name])

    def preferred_language(self, available: Container[str]) -> str:
        """Return the available language that the Accept-Language header ranks first, or English.

        Regions are ignored: de-CH selects de.
        """
        best, best_weight = ENGLISH, 0.0
        for part in (self.language or "").split(","):
            parsed = _LANGUAGE_RANGE.fullmatch(part)
            if parsed is None:
                continue
            language, weight = parsed[1].lower(), float(parsed[2] or 1)
            if weight > best_weight and (language == ENGLISH or language in available):
                best, best_weight = language, weight
        return best


@attrs.frozen
class Reply:
    """What an operation answers."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = attrs.Factory(dict[str, str])


def read_link(world: World, folder: str, value: object) -> Link | None:
    """Return the link to the row of *folder* that a URL names, or None if it names none."""
    try:
        path = urlsplit(str(value)).path
    except ValueError:
        return None
    *_, parent, key = ["", "", *path.rstrip("/").split("/")]
    if parent != folder or world.tables[folder].get(key) is None:
        return None
    return Link(folder, key)


def collection_at(call: Call) -> Collection:
    """Return the collection at the operation's path, as far as the caller may see it."""
    folder = call.path
    owners, _, key = folder.rpartition("/")[0].rpartition("/")
    if owners:
        call.stored(owners, key)  # what is below a row that may not be seen may not be seen either
    collection = call.world.collection(folder)
    if collection is None:
        raise not_found()
    user_id = call.viewer.user_id
    return collection if user_id is None else collection.for_user(user_id)


def row_filter(call: Call, filters: Mapping[str, Filter | None]) -> Keep:
    """Return the test that rows must pass to be listed.

    ``None`` stands for a parameter that the source of the rows has dealt with.
    """
    tests: list[Keep] = []
    errors: dict[str, Any] = {}
    for name, value in call.query.items():
        if name in call.facts.paging_parameters or name == "expand":
            continue
        made = filters[name] if name in filters else by_name(name)
        if made is None:
            continue
        try:
            tests.append(made(value))
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise invalid(errors)
    return lambda row: all(test(row) for test in tests)


def paged_reply(call: Call, collection: Collection, keep: Keep) -> Reply:
    """Return a page of a collection in the style of the operation."""

    def body(rows: Sequence[Row]) -> list[Any]:
        return [call.serialize(collection.view_for(row, call.viewer)) for row in rows]

    match call.facts.paging:
        case "cursor":
            rows, links = page(collection, keep, call.url, call.query, call.pairs)
        case "page":
            every: Iterator[Row] = filter(keep, collection.after(None))
            rows, links = numbered_page(every, call.url, call.query, call.pairs)
        case _:
            return Reply(body(list(filter(keep, collection.after(None)))))
    return Reply(body(rows), headers={"Link": links})


def listing(
    source: Source = collection_at, *, filters: Mapping[str, Filter | None] | None = None
) -> Handler:
    """Return a handler that lists a collection, page by page where the operation is paged."""

    def answer(call: Call) -> Reply:
        keep = row_filter(call, filters or {})
        return paged_reply(call, source(call), keep)

    return answer


def log(member: str, *, filters: Mapping[str, Filter | None] | None = None) -> Handler:
    """Return a handler that lists the log at the operation's path by its instants."""
    bounds: dict[str, Filter | None] = {f"{member}__gte": None, f"{member}__lte": None}

    def source(call: Call) -> Collection:
        owners, _, key = call.path.rpartition("/")[0].rpartition("/")
        _, owner = call.stored(owners, key)
        series = call.world.series(owner, call.path.rpartition("/")[2])
        return series.between(call.query.get(f"{member}__gte"), call.query.get(f"{member}__lte"))

    return listing(source, filters={**bounds, **(filters or {})})


def detail(extra: Extra | None = None) -> Handler:
    """Return a handler that shows the row at the operation's path.

    ``extra`` makes the members that only a single row has.
    """

    def answer(call: Call) -> Reply:
        folder, _, key = call.path.rpartition("/")
        home, _, _ = folder.rpartition("/")
        owners, _, owner = home.rpartition("/")
        if owners:
            call.stored(owners, owner)
        shown = call.find(folder, key)
        return Reply(call.serialize(shown if extra is None else shown | extra(call, shown)))

    return answer
