"""The state behind the API: collections by the path they have there."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from ev_energy.simulator._secrets import Secrets
from ev_energy.simulator._seeded_random import SeededRandom
from ev_energy.simulator.charging._charging_model import ChargingModel
from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.clock._service_time import ServiceClock
from ev_energy.simulator.world._fleet import WorldFleet
from ev_energy.simulator.world._homes import Homes
from ev_energy.simulator.world._rows import Link, Row
from ev_energy.simulator.world._tables import GeneratedRows, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from ev_energy.simulator.charging._charging_site import ChangeKind, ChargingSite
    from ev_energy.simulator.clock._clock import Clock
    from ev_energy.simulator.world._homes import HomeTemplate, Numbering
    from ev_energy.simulator.world._rows import Viewer
    from ev_energy.simulator.world._series import TimeSeries
    from ev_energy.simulator.world._tables import Collection


T = TypeVar("T")


def user_id_of(row: Row) -> str | None:
    """Return the id of the user that a row links to; nobody's row is seen by no user."""
    link: Link | None = row["user"]
    return "" if link is None else link.key


def _no_solar(_site: ChargingSite, _start: datetime, _end: datetime) -> int:
    return 0


class World:
    """Everything there is."""

    def __init__(self, seed: int, vehicles: int, clock: Clock) -> None:
        self.clock = clock
        self.random = SeededRandom(seed)
        self.secrets = Secrets(self.random)
        """What secrets that are given to clients are made by."""
        self.service_clock = ServiceClock(clock, "real")
        """What lifetimes that clients measure go by."""
        self.homes = Homes(self.random, vehicles)
        self.tables: dict[str, Table] = {}
        self.collections: dict[str, Collection] = {}
        """Collections that are no tables, by folder."""
        self.logs: dict[str, Callable[[Row], TimeSeries]] = {}
        """How to make the log of a row, by ``folder/log``."""
        self.extra_state: dict[str, dict[str, Any]] = {}
        """What requests set and no table holds, as JSON, by kind and name."""

        self.portal_link: Callable[[str, str], str] | None = None
        """Makes a link to the page where an application manages its webhooks."""
        self.on_change: Callable[[], None] | None = None
        """Called when a request did something that charging follows from."""
        self.solar_share: Callable[[ChargingSite, datetime, datetime], int] = _no_solar
        """The watt-hours of a site's charging between two instants that solar panels gave."""
        self.fleet, self.charging = self._begin()
        self._made_once: dict[object, Any] = {}

    def cached(self, name: object, make: Callable[[], T]) -> T:
        """Return what ``make`` returned the first time: for what never changes."""
        if name not in self._made_once:
            self._made_once[name] = make()
        made: T = self._made_once[name]
        return made

    def _begin(self) -> tuple[WorldFleet, ChargingModel]:
        fleet = WorldFleet(self)
        return fleet, ChargingModel(fleet, self.random, solar=self._solar_share)

    def _solar_share(self, site: ChargingSite, start: datetime, end: datetime) -> int:
        return self.solar_share(site, start, end)

    @property
    def now(self) -> datetime:
        """What time it is in the world."""
        return self.clock()

    def table(
        self,
        folder: str,
        prefix: str,
        made: GeneratedRows | None = None,
        *,
        view: Callable[[Row, Viewer], Row] | None = None,
        owned_by: Callable[[Row], str | None] | None = None,
    ) -> Table:
        """Open a table."""
        options: dict[str, Any] = {}
        if view is not None:
            options["view"] = view
        if owned_by is not None:
            options["owned_by"] = owned_by
        table = Table(folder, prefix, made or GeneratedRows.from_rows(()), **options)
        self.tables[folder] = table
        return table

    def owned_table(
        self,
        folder: str,
        prefix: str,
        of: Callable[[HomeTemplate], int] | Numbering,
        make: Callable[[int, int, int], Row],
        *,
        view: Callable[[Row, Viewer], Row] | None = None,
    ) -> Table:
        """Open a table of things that homes have.

        ``make`` takes the number of the home, which of its things it is, and the thing's own
        number; it returns the members, without those that every such row has.
        """
        homes = self.homes
        layout = homes.numbering(of) if callable(of) else of

        def made_at(number: int) -> datetime:
            home, slot = layout.home_of(number)
            return homes.made_at(folder, home, slot, len(layout.of_home(home)))

        @functools.lru_cache(8192)
        def key(number: int) -> str:
            return self.random.uid(prefix, made_at(number), number)

        def row(number: int) -> Row:
            home, slot = layout.home_of(number)
            user = Link("users", self.user_id(home))
            known_since = write_instant(made_at(number))
            return {"user": user, "_made_at": known_since, **make(home, slot, number)}

        def of_owner(user_id: str) -> range:
            home = self.home_of_user(user_id)
            return range(0) if home is None else layout.of_home(home)

        made = GeneratedRows(layout.total, key, row, of_owner)
        return self.table(folder, prefix, made, view=view, owned_by=user_id_of)

    def user_id(self, home: int) -> str:
        """Return the id of the user of a home."""
        return self.tables["users"].generated.key(home)

    def home_of_user(self, user_id: str) -> int | None:
        """Return the number of a user's home, None if a request made the user."""
        return self.tables["users"].generated.number(user_id)

    def key_of(self, folder: str, number: int) -> str:
        """Return the id of a row that was made with this number."""
        return self.tables[folder].generated.key(number)

    def number_of(self, row: Row) -> int | None:
        """Return the number a row was made with, None if a request made it."""
        return self.tables[row["url"].folder].generated.number(row["id"])

    def rows_of_user(self, user_id: str, folder: str) -> Iterator[Row]:
        """Return the rows of a table that belong to a user."""
        return self.tables[folder].for_user(user_id).after(None)

    def new_id(self, folder: str) -> str:
        """Return an id for a row that a request makes."""
        made = self.extra_state.setdefault("counters", {})
        made["rows"] = number = made.get("rows", 0) + 1
        return self.random.uid(self.tables[folder].prefix, self.now, "made", number)

    def update(self, row: Row, **members: Any) -> Row:
        """Set members of a row, and return the row as it is then."""
        link: Link = row["url"]
        return self.tables[link.folder].update(link.key, members)

    def record_change(self, row: Row, what: ChangeKind, value: bool | int | None = None) -> None:
        """Note what a request did to a vehicle or an EVSE; its charging follows from now on."""
        self.fleet.record_change(row, what, value)
        if self.on_change is not None:
            self.on_change()

    def series(self, owner: Row, log: str) -> TimeSeries:
        """Return a log of a row."""
        home: Link = owner["url"]
        return self.logs[f"{home.folder}/{log}"](owner)

    def latest(self, owner: Row, log: str) -> Link | None:
        """Return a link to the newest entry of a log."""
        return self.series(owner, log).latest()

    def collection(self, folder: str) -> Collection | None:
        """Return the collection at a path, None if it belongs to a row that is not there."""
        found: Collection | None = self.tables.get(folder)
        if found is None:
            found = self.collections.get(folder)
        if found is not None:
            return found
        home, _, log = folder.rpartition("/")
        owners, _, key = home.rpartition("/")
        if f"{owners}/{log}" not in self.logs:
            return None
        owner = self.find(Link(owners, key))
        return None if owner is None else self.series(owner[1], log)

    def find(self, link: Link) -> tuple[Collection, Row] | None:
        """Return the row a link leads to, and where it is from."""
        collection = self.collection(link.folder)
        row = None if collection is None else collection.get(link.key)
        return None if collection is None or row is None else (collection, row)

    def follow(self, link: Link | None) -> Row | None:
        """Return the row a link leads to, None if there is none."""
        found = None if link is None else self.find(link)
        return None if found is None else found[1]

    def dump(self) -> Row:
        """Return what requests did to the world, as JSON."""
        tables = {folder: table.dump() for folder, table in self.tables.items()}
        return {"tables": tables, "kept": self.extra_state}

    def load(self, state: Row) -> None:
        """Do to this world what `dump` told of another one like it."""
        for folder, changes in state["tables"].items():
            self.tables[folder].load(changes)
        self.extra_state = state["kept"]
        self.fleet, self.charging = self._begin()  # the others remember what is not so any more
