"""The state behind the API: its collections by path, its homes, and their charging.

Rows are computed from the seed when they are needed. A world stores only what requests did: the
rows they added, changed and removed, and `World.extra_state`.
"""

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
    """Return the id of the user that a row links to; no user sees a row without one."""
    link: Link | None = row["user"]
    return "" if link is None else link.key


def _no_solar(_site: ChargingSite, _start: datetime, _end: datetime) -> int:
    return 0


class World:
    """The state of one simulator."""

    def __init__(self, seed: int, vehicles: int, clock: Clock) -> None:
        self.clock = clock
        self.random: SeededRandom = SeededRandom(seed)
        self.secrets: Secrets = Secrets(self.random)
        """The generator of the secrets that clients get."""
        self.service_clock: ServiceClock = ServiceClock(clock, "real")
        """The clock for lifetimes that clients measure, such as those of tokens."""
        self.homes: Homes = Homes(self.random, vehicles)
        self.tables: dict[str, Table] = {}
        self.collections: dict[str, Collection] = {}
        """Collections that are not tables, by folder."""
        self.logs: dict[str, Callable[[Row], TimeSeries]] = {}
        """Functions that return the log of a row, by ``folder/log``."""
        self.extra_state: dict[str, dict[str, Any]] = {}
        """State that requests set outside tables, as JSON, by kind and name."""

        self.portal_link: Callable[[str, str], str] | None = None
        """Return a link to the page where an application manages its webhooks."""
        self.on_change: Callable[[], None] | None = None
        """Called after a request changed a charging site."""
        self.solar_share: Callable[[ChargingSite, datetime, datetime], int] = _no_solar
        """Return how many watt-hours of a site's charging between two instants came from panels."""
        self.fleet: WorldFleet
        self.charging: ChargingModel
        self.fleet, self.charging = self._create_models()
        self._cache: dict[object, Any] = {}

    def cached(self, name: object, make: Callable[[], T]) -> T:
        """Return the cached result of *make*, for values that never change."""
        if name not in self._cache:
            self._cache[name] = make()
        result: T = self._cache[name]
        return result

    def _create_models(self) -> tuple[WorldFleet, ChargingModel]:
        fleet = WorldFleet(self)
        return fleet, ChargingModel(fleet, self.random, solar=self._solar_share)

    def _solar_share(self, site: ChargingSite, start: datetime, end: datetime) -> int:
        return self.solar_share(site, start, end)

    @property
    def now(self) -> datetime:
        """The current time of the world."""
        return self.clock()

    def table(
        self,
        folder: str,
        prefix: str,
        generated: GeneratedRows | None = None,
        *,
        view: Callable[[Row, Viewer], Row] | None = None,
        owned_by: Callable[[Row], str | None] | None = None,
    ) -> Table:
        """Add a table."""
        options: dict[str, Any] = {}
        if view is not None:
            options["view"] = view
        if owned_by is not None:
            options["owned_by"] = owned_by
        table = Table(folder, prefix, generated or GeneratedRows.from_rows(()), **options)
        self.tables[folder] = table
        return table

    def owned_table(
        self,
        folder: str,
        prefix: str,
        count: Callable[[HomeTemplate], int] | Numbering,
        make: Callable[[int, int, int], Row],
        *,
        view: Callable[[Row, Viewer], Row] | None = None,
    ) -> Table:
        """Add a table of things that homes have.

        Args:
            folder: The path of the table.
            prefix: The prefix of its ids.
            count: How many things a home has, or their numbering.
            make: Return the members of a row, besides ``user`` and ``_made_at``, from the number
                of its home, its index there, and its own number.
            view: Return a row as a viewer sees it.
        """
        homes = self.homes
        numbering = homes.numbering(count) if callable(count) else count

        def made_at(number: int) -> datetime:
            home, slot = numbering.home_of(number)
            return homes.made_at(folder, home, slot, len(numbering.of_home(home)))

        @functools.lru_cache(8192)
        def key(number: int) -> str:
            return self.random.uid(prefix, made_at(number), number)

        def row(number: int) -> Row:
            home, slot = numbering.home_of(number)
            user = Link("users", self.user_id(home))
            known_since = write_instant(made_at(number))
            return {"user": user, "_made_at": known_since, **make(home, slot, number)}

        def numbers_of_user(user_id: str) -> range:
            home = self.home_of_user(user_id)
            return range(0) if home is None else numbering.of_home(home)

        generated = GeneratedRows(numbering.total, key, row, numbers_of_user)
        return self.table(folder, prefix, generated, view=view, owned_by=user_id_of)

    def user_id(self, home: int) -> str:
        """Return the id of the user of a home."""
        return self.tables["users"].generated.key(home)

    def home_of_user(self, user_id: str) -> int | None:
        """Return the number of a user's home, or None if a request created the user."""
        return self.tables["users"].generated.number(user_id)

    def key_of(self, folder: str, number: int) -> str:
        """Return the id of the generated row with this number."""
        return self.tables[folder].generated.key(number)

    def number_of(self, row: Row) -> int | None:
        """Return the number of a generated row, or None if a request created the row."""
        return self.tables[row["url"].folder].generated.number(row["id"])

    def rows_of_user(self, user_id: str, folder: str) -> Iterator[Row]:
        """Return the rows of a table that belong to a user."""
        return self.tables[folder].for_user(user_id).after(None)

    def new_id(self, folder: str) -> str:
        """Return an id for a row that a request creates."""
        counters = self.extra_state.setdefault("counters", {})
        counters["rows"] = number = counters.get("rows", 0) + 1
        return self.random.uid(self.tables[folder].prefix, self.now, "made", number)

    def update(self, row: Row, **members: Any) -> Row:
        """Set members of a row, and return the updated row."""
        link: Link = row["url"]
        return self.tables[link.folder].update(link.key, members)

    def record_change(self, row: Row, kind: ChangeKind, value: bool | int | None = None) -> None:
        """Record a change to a vehicle or an EVSE; its charging depends on it from now on."""
        self.fleet.record_change(row, kind, value)
        if self.on_change is not None:
            self.on_change()

    def series(self, owner: Row, log: str) -> TimeSeries:
        """Return a log of a row."""
        link: Link = owner["url"]
        path = f"{link.folder}/{log}"
        if path not in self.logs:
            raise LookupError(
                f"a route reads the log {path}, which no module adds: add a function that returns "
                f"its entries to World.logs, as resources/evse_logs.py does for its logs"
            )
        return self.logs[path](owner)

    def latest(self, owner: Row, log: str) -> Link | None:
        """Return a link to the newest entry of a log, or None if the log is empty."""
        return self.series(owner, log).latest()

    def collection(self, folder: str) -> Collection | None:
        """Return the collection at a path, or None if there is none.

        The log of a row is at ``FOLDER/ID/LOG``.
        """
        found: Collection | None = self.tables.get(folder)
        if found is None:
            found = self.collections.get(folder)
        if found is not None:
            return found
        owner_path, _, log = folder.rpartition("/")
        owners, _, key = owner_path.rpartition("/")
        if f"{owners}/{log}" not in self.logs:
            return None
        owner = self.find(Link(owners, key))
        return None if owner is None else self.series(owner[1], log)

    def find(self, link: Link) -> tuple[Collection, Row] | None:
        """Return the row that a link refers to and its collection, or None."""
        collection = self.collection(link.folder)
        row = None if collection is None else collection.get(link.key)
        return None if collection is None or row is None else (collection, row)

    def follow(self, link: Link | None) -> Row | None:
        """Return the row that a link refers to, or None."""
        found = None if link is None else self.find(link)
        return None if found is None else found[1]

    def dump(self) -> Row:
        """Return the changes that requests made to the world, as JSON."""
        tables = {folder: table.dump() for folder, table in self.tables.items()}
        return {"tables": tables, "extra_state": self.extra_state}

    def load(self, state: Row) -> None:
        """Replace the changes to this world by *state*, which `dump` returned."""
        for folder, changes in state["tables"].items():
            self.tables[folder].load(changes)
        self.extra_state = state["extra_state"]
        self.fleet, self.charging = self._create_models()  # the others have cached earlier state
