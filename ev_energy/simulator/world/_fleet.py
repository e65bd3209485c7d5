"""The charging sites of a world, and the changes that requests made to them.

Most sites belong to the homes of the seed and are computed from their number. Sites that requests
connected are stored, in a group of their own.
"""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.charging._carbon import Feed
from ev_energy.simulator.charging._charging_site import (
    Car,
    Change,
    ChargePoint,
    ChargingSite,
    Group,
)
from ev_energy.simulator.charging._prices import Tariff
from ev_energy.simulator.clock._instants import read_instant, write_instant
from ev_energy.simulator.world._homes import ZONE_OFFSETS
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ev_energy.simulator.charging._charging_site import ChangeKind
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: The group of the sites that requests connected; it comes after the groups of the time zones.
CONNECTED_GROUP: Final = len(ZONE_OFFSETS)

_VEHICLE: Final = "vehicles"
_EVSE: Final = "evses"

_FEEDS: Final = {
    "GB": Feed("GB", 180, timedelta(0), wind=45),
    "NL": Feed("NL", 270, timedelta(hours=1)),
    "DE": Feed("DE", 320, timedelta(hours=1), solar=28),
    "US": Feed("US-CA", 230, timedelta(hours=-8), solar=45),
}
_OTHER_FEED: Final = Feed("elsewhere", 300, timedelta(0))
_NO_TARIFF: Final = Tariff("none", 2_500)


def carbon_feed(country: str | None) -> Feed:
    """Return the carbon feed of a country."""
    return _FEEDS.get(country or "", _OTHER_FEED)


class WorldFleet:
    """The charging sites of a world: the `Fleet` of its charging model."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cached_site = functools.lru_cache(8192)(self._site)
        self._cached_seeded_site = functools.lru_cache(8192)(self._seeded_site_of)
        seeded = [
            Group(numbering.total, offset)
            for numbering, offset in zip(
                world.homes.charging_sites_by_group, ZONE_OFFSETS, strict=True
            )
        ]
        self._groups = [*seeded, Group(0, timedelta(0))]

    @property
    def groups(self) -> Sequence[Group]:
        """One group for each time zone, and the group of the connected sites."""
        connected = len(self._connected())
        if self._groups[CONNECTED_GROUP].size != connected:
            self._groups[CONNECTED_GROUP] = Group(connected, timedelta(0))
        return self._groups

    def site(self, group: int, rank: int) -> ChargingSite:
        """Return a site by its rank in a group."""
        return self._cached_site(group, rank)

    def site_by_number(self, number: int) -> ChargingSite | None:
        """Return a site by its number in the world, or None if there is none."""
        homes = self._world.homes
        rank = number - homes.charging_sites.total
        if rank >= 0:
            return self.site(CONNECTED_GROUP, rank) if rank < len(self._connected()) else None
        if number < 0:
            return None
        home, slot = homes.charging_sites.home_of(number)
        group = homes.template(home).city.group
        return self.site(group, homes.charging_sites_by_group[group].of_home(home)[slot])

    def site_of_row(self, row: Row) -> ChargingSite | None:
        """Return the site of a vehicle or an EVSE, or None if the row never reported."""
        world, folder = self._world, row["url"].folder
        number = world.number_of(row)
        if number is None:
            for rank, stored in enumerate(self._connected()):
                if stored.get(folder) == row["id"]:
                    return self.site(CONNECTED_GROUP, rank)
            return None
        return self._cached_seeded_site(folder, number)

    def _seeded_site_of(self, folder: str, number: int) -> ChargingSite | None:
        """Return the site of a generated row; requests never move a row to another site."""
        homes = self._world.homes
        numbering = homes.vehicles if folder == _VEHICLE else homes.evses
        home, slot = numbering.home_of(number)
        return self.site_by_number(homes.charging_sites.of_home(home)[slot])

    def vehicle(self, site: ChargingSite) -> Row | None:
        """Return the vehicle of a site, or None if it has none or the vehicle was deleted."""
        return self._row(site, _VEHICLE, site.car)

    def evse(self, site: ChargingSite) -> Row | None:
        """Return the EVSE of a site, or None if it has none or the EVSE was deleted."""
        return self._row(site, _EVSE, site.point)

    def _row(self, site: ChargingSite, folder: str, device: Car | ChargePoint | None) -> Row | None:
        if device is None:
            return None
        table = self._world.tables[folder]
        if site.group == CONNECTED_GROUP:
            key = self._connected()[site.rank].get(folder)
            return None if key is None else table.get(key)
        return table.by_number(device.number)

    def user_id(self, site: ChargingSite) -> str:
        """Return the id of the user that a site belongs to."""
        if site.group == CONNECTED_GROUP:
            return str(self._connected()[site.rank]["user"])
        return self._world.user_id(self._world.homes.charging_sites.home_of(site.number)[0])

    def home(self, site: ChargingSite) -> int | None:
        """Return the number of a site's home, or None if a request created its user."""
        if site.group == CONNECTED_GROUP:
            return self._world.home_of_user(self.user_id(site))
        return self._world.homes.charging_sites.home_of(site.number)[0]

    def sites_of_user(self, user_id: str) -> Iterator[ChargingSite]:
        """Yield the sites of a user."""
        home = self._world.home_of_user(user_id)
        if home is not None:
            numbers = self._world.homes.charging_sites.of_home(home)
            yield from filter(None, map(self.site_by_number, numbers))
        for rank, stored in enumerate(self._connected()):
            if stored["user"] == user_id:
                yield self.site(CONNECTED_GROUP, rank)

    def changes(self, site: ChargingSite) -> Sequence[Change]:
        """Return the changes to a site, oldest first."""
        stored = self._world.extra_state.get("changes", {}).get(str(site.number), ())
        return [
            Change(read_instant(at), what, self._tariff(value) if what == "tariff" else value)
            for at, what, value in stored
        ]

    def _tariff(self, tariff_id: str | None) -> Tariff:
        row = None if tariff_id is None else self._world.follow(Link("tariffs", tariff_id))
        if row is None:
            return _NO_TARIFF
        pricing: Tariff = row["_pricing"]
        return pricing

    def changed_sites(self) -> Iterator[ChargingSite]:
        """Return the sites that requests changed."""
        numbers = map(int, self._world.extra_state.get("changes", {}))
        return filter(None, map(self.site_by_number, numbers))

    def record_change(self, row: Row, kind: ChangeKind, value: bool | int | None = None) -> None:
        """Record a change to the site of a vehicle or an EVSE; it takes effect now."""
        site = self.site_of_row(row)
        if site is not None:
            self._record(site, kind, value)

    def change_tariff(self, user_id: str, tariff: Link) -> None:
        """Record that the sites of a user have another tariff from now on."""
        for site in self.sites_of_user(user_id):
            self._record(site, "tariff", tariff.key)

    def _record(self, site: ChargingSite, kind: ChangeKind, value: bool | int | str | None) -> None:
        stored = self._world.extra_state.setdefault("changes", {}).setdefault(str(site.number), [])
        stored.append([write_instant(self._world.now), kind, value])

    def add_site(
        self, user_id: str, *, vehicle: Row | None = None, evse: Row | None = None
    ) -> None:
        """Store a site for a vehicle or an EVSE that a request connected.

        A site never changes, so its values are stored and not looked up again later.
        """
        user = self._world.tables["users"].get(user_id) or {}
        location: Row = user.get("default_location") or {}
        tariff: Link | None = location.get("tariff")
        number = self._world.homes.charging_sites.total + len(self._connected())
        stored: Row = {
            "user": user_id,
            "began": write_instant(self._world.now),
            "tariff": tariff and tariff.key,
            "country": location.get("country_code") or "GB",
        }
        if vehicle is not None:
            stored[_VEHICLE] = vehicle["id"]
            stored["car"] = attrs.asdict(self._car(vehicle, number))
        if evse is not None:
            stored[_EVSE] = evse["id"]
            stored["point"] = attrs.asdict(self._charge_point(evse, number))
        self._connected().append(stored)

    def _connected(self) -> list[Row]:
        sites: list[Row] = self._world.extra_state.setdefault("connected_sites", {}).setdefault(
            "sites", []
        )
        return sites

    def _site(self, group: int, rank: int) -> ChargingSite:
        return self._connected_site(rank) if group == CONNECTED_GROUP else self._seeded(group, rank)

    def _seeded(self, group: int, rank: int) -> ChargingSite:
        world, homes = self._world, self._world.homes
        home, slot = homes.charging_sites_by_group[group].home_of(rank)
        vehicles, evses = homes.vehicles.of_home(home), homes.evses.of_home(home)
        vehicle = vehicles[slot] if slot < len(vehicles) else None
        evse = evses[slot] if slot < len(evses) else None
        make_vehicle = world.tables[_VEHICLE].generated.make
        make_evse = world.tables[_EVSE].generated.make
        row = None if vehicle is None else make_vehicle(vehicle)
        city = homes.template(home).city
        location = world.tables["users"].generated.make(home)["default_location"]
        return ChargingSite(
            number=homes.charging_sites.of_home(home)[slot],
            group=group,
            rank=rank,
            car=None if row is None or vehicle is None else self._car(row, vehicle),
            point=None if evse is None else self._charge_point(make_evse(evse), evse),
            offset=ZONE_OFFSETS[group],
            tariff=self._tariff(location["tariff"] and location["tariff"].key),
            feed=carbon_feed(city.country),
            active_since=homes.charging_start(home),
            zone=city.zone,
            country=city.country,
            smart=row is None or bool(row["smart_charging_enabled"]),
        )

    def _connected_site(self, rank: int) -> ChargingSite:
        stored = self._connected()[rank]
        return ChargingSite(
            number=self._world.homes.charging_sites.total + rank,
            group=CONNECTED_GROUP,
            rank=rank,
            car=Car(**stored["car"]) if "car" in stored else None,
            point=ChargePoint(**stored["point"]) if "point" in stored else None,
            offset=timedelta(0),
            tariff=self._tariff(stored["tariff"]),
            feed=carbon_feed(stored["country"]),
            active_since=read_instant(stored["began"]),
            country=stored["country"],
        )

    def _car(self, row: Row, number: int) -> Car:
        trim = self._world.follow(row["trim"]) or {}
        return Car(
            number=number,
            battery_wh=row["battery_size_watt_hours"],
            ac_watts=trim.get("_ac_watts", 7_400),
            wh_per_km=self._world.random.between(145, 215, "consumption", number),
            telematics=row["integrated"] == "ACTIVE",
            limit=row["maximum_charge_limit_percentage"],
        )

    def _charge_point(self, row: Row, number: int) -> ChargePoint:
        model = self._world.follow(row["model"])
        if model is None:
            raise LookupError(row["model"])
        product: Any = model["_product"]
        return ChargePoint(number, product.watts, product.volts, product.bidirectional)
