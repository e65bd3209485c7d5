"""What a handler receives and returns (`Call`, `Reply`), and the handlers most operations share.

Who may call an operation, its parameters, expansions and paging are declared in the contract. A
family's route only adds what the operation does.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs

from ev_energy.simulator.http._filters import from_name
from ev_energy.simulator.http._paging import cursor_page, numbered_page
from ev_energy.simulator.http._problems import invalid, missing_user, not_found
from ev_energy.simulator.http._serialization import ExpandTree, Serializer
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence
    from datetime import datetime

    from ev_energy.simulator.http._contract import OperationFacts
    from ev_energy.simulator.http._filters import Filter
    from ev_energy.simulator.http._paging import RowPredicate
    from ev_energy.simulator.oauth import Application
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World

    Handler = Callable[["Call"], "Reply"]

    CollectionSource = Callable[["Call"], Collection]

    ExtraMembers = Callable[["Call", Row], Row]

#: The handler of each operation, by method and path.
Routes = dict[tuple[str, str], "Handler"]

#: The language of texts if a request prefers no other.
ENGLISH: Final = "en"
#: A language range with its weight (RFC 9110, section 12.5.4).
_LANGUAGE_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[A-Za-z\d]{1,8})*\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?", re.ASCII
)


@attrs.frozen(kw_only=True)
class Call:
    """One request to an operation that passed every check of the dispatcher."""

    world: World
    facts: OperationFacts
    now: datetime
    root: str
    """The root of the API at the host that the caller uses."""
    url: str
    """The requested URL without its query and a slash at the end."""
    params: Mapping[str, str]
    """The path parameters; ``me`` is replaced by the id of the user."""
    query: Mapping[str, Any]
    """The query parameters as values: numbers, booleans, datetimes, lists, texts."""
    raw_query: Sequence[tuple[str, str]]
    """The query as it was sent."""
    body: Any
    """The body, valid by the contract; an empty object if there was none."""
    language: str | None
    """The Accept-Language header."""
    applications: Mapping[str, Application]
    viewer: Viewer
    """The application and user whose view of the world is served."""
    by_user: bool
    """Whether the token belongs to a user rather than to an application."""
    expand: ExpandTree

    @functools.cached_property
    def path(self) -> str:
        """The path with its parameters filled in, without the root and the outer slashes."""
        return self.facts.path.format_map(self.params).strip("/")

    def serialize(self, row: Row) -> dict[str, Any]:
        """Return the JSON of a row, with the requested members expanded."""
        return Serializer(self.world, self.root, self.viewer).row(row, self.expand)

    def can_see(self, collection: Collection, row: Row) -> bool:
        """Return whether the row is visible to the viewer."""
        user_id = self.viewer.user_id
        return user_id is None or collection.owner_id(row) in {None, user_id}

    def stored(self, folder: str, key: str) -> tuple[Collection, Row]:
        """Return the stored row and its collection; 404 if it is not visible to the viewer."""
        found = self.world.find(Link(folder, key))
        if found is None or not self.can_see(*found):
            raise not_found()
        return found

    def find(self, folder: str, key: str) -> Row:
        """Return the row as the viewer sees it; 404 if it is not visible."""
        collection, row = self.stored(folder, key)
        return collection.view_for(row, self.viewer)

    def row(self, folder: str, name: str) -> Row:
        """Return the row whose id is the path parameter *name*; 404 if it is not visible."""
        return self.find(folder, self.params[name])

    def require_user_id(self) -> str:
        """Return the id of the user that the request is made for, or refuse with 400."""
        if self.viewer.user_id is None:
            raise missing_user()
        return self.viewer.user_id

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
    """What a handler returns."""

    body: Any = None
    """The JSON of the body; None for no body."""
    status: int = 200
    headers: Mapping[str, str] = attrs.Factory(dict[str, str])


def read_link(world: World, folder: str, value: object) -> Link | None:
    """Return the link to the row of *folder* that a URL in a body names; None if there is none."""
    try:
        path = urlsplit(str(value)).path
    except ValueError:
        return None
    *_, parent, key = ["", "", *path.rstrip("/").split("/")]
    if parent != folder or world.tables[folder].get(key) is None:
        return None
    return Link(folder, key)


def collection_at(call: Call) -> Collection:
    """Return the collection at the operation's path, limited to what the viewer sees."""
    folder = call.path
    parent_folder, _, parent_key = folder.rpartition("/")[0].rpartition("/")
    if parent_folder:
        call.stored(parent_folder, parent_key)  # below an invisible row nothing is visible
    collection = call.world.collection(folder)
    if collection is None:
        raise not_found()
    user_id = call.viewer.user_id
    return collection if user_id is None else collection.for_user(user_id)


def row_filter(call: Call, filters: Mapping[str, Filter | None]) -> RowPredicate:
    """Return the test that listed rows must pass.

    *filters* are those of parameters whose name does not tell. None marks a parameter that the
    source of the rows applies itself.
    """
    predicates: list[RowPredicate] = []
    errors: dict[str, Any] = {}
    for name, value in call.query.items():
        if name in call.facts.paging_parameters or name == "expand":
            continue
        make_predicate = filters[name] if name in filters else from_name(name)
        if make_predicate is None:
            continue
        try:
            predicates.append(make_predicate(value))
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise invalid(errors)
    if not predicates:
        return lambda _row: True
    return lambda row: all(predicate(row) for predicate in predicates)


def paged_reply(call: Call, collection: Collection, predicate: RowPredicate) -> Reply:
    """Return a page of a collection, or all of it, as the contract declares for the operation."""

    def body(rows: Sequence[Row]) -> list[Any]:
        return [call.serialize(collection.view_for(row, call.viewer)) for row in rows]

    match call.facts.paging:
        case "cursor":
            rows, links = cursor_page(collection, predicate, call.url, call.query, call.raw_query)
        case "page":
            matching: Iterator[Row] = filter(predicate, collection.after(None))
            rows, links = numbered_page(matching, call.url, call.query, call.raw_query)
        case _:
            return Reply(body(list(filter(predicate, collection.after(None)))))
    return Reply(body(rows), headers={"Link": links})


def listing(
    source: CollectionSource = collection_at,
    *,
    filters: Mapping[str, Filter | None] | None = None,
) -> Handler:
    """Return a handler that lists a collection, in pages if the operation has pages."""

    def handle(call: Call) -> Reply:
        predicate = row_filter(call, filters or {})
        return paged_reply(call, source(call), predicate)

    return handle


def log(member: str, *, filters: Mapping[str, Filter | None] | None = None) -> Handler:
    """Return a handler that lists the log at the operation's path by its instants, *member*."""
    bounds: dict[str, Filter | None] = {f"{member}__gte": None, f"{member}__lte": None}

    def source(call: Call) -> Collection:
        owner_path, _, log_name = call.path.rpartition("/")
        folder, _, key = owner_path.rpartition("/")
        _, owner = call.stored(folder, key)
        series = call.world.series(owner, log_name)
        return series.between(call.query.get(f"{member}__gte"), call.query.get(f"{member}__lte"))

    return listing(source, filters={**bounds, **(filters or {})})


def detail(extra: ExtraMembers | None = None) -> Handler:
    """Return a handler that returns the row at the operation's path.

    *extra* computes the members that a single row has and a list omits.
    """

    def handle(call: Call) -> Reply:
        folder, _, key = call.path.rpartition("/")
        parent_path, _, _ = folder.rpartition("/")
        parent_folder, _, parent_key = parent_path.rpartition("/")
        if parent_folder:
            call.stored(parent_folder, parent_key)
        row = call.find(folder, key)
        return Reply(call.serialize(row if extra is None else row | extra(call, row)))

    return handle
