"""The places where cars charge, and what requests did there."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.charging._charging_site import (
    Car,
    Change,
    ChargePoint,
    ChargingSite,
    Group,
)
from ev_energy.simulator.clock._instants import read_instant, write_instant
from ev_energy.simulator.world._homes import ZONE_OFFSETS
from ev_energy.simulator.world._markets import feed_of, pricing_of
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ev_energy.simulator.charging._charging_site import ChangeKind
    from ev_energy.simulator.charging._prices import Tariff
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: Bays that requests made are kept in a zone group of their own.
CONNECTED_GROUP: Final = len(ZONE_OFFSETS)

_VEHICLE: Final = "vehicles"
_EVSE: Final = "evses"


class WorldFleet:
    """All bays of a world, as the charging life asks for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._at_hand = functools.lru_cache(8192)(self._site)

    @property
    def groups(self) -> Sequence[Group]:
        """The zone groups, and the one of the guests."""
        layouts = self._world.homes.charging_sites_by_group
        sizes = zip(layouts, ZONE_OFFSETS, strict=True)
        own = [Group(layout.total, offset) for layout, offset in sizes]
        return [*own, Group(len(self._guests()), timedelta(0))]

    def site(self, group: int, rank: int) -> ChargingSite:
        """Return a bay by its place in a group."""
        return self._at_hand(group, rank)

    def site_by_number(self, number: int) -> ChargingSite | None:
        """Return a bay by its number in the world."""
        homes = self._world.homes
        guest = number - homes.charging_sites.total
        if guest >= 0:
            return self.site(CONNECTED_GROUP, guest) if guest < len(self._guests()) else None
        if number < 0:
            return None
        home, slot = homes.charging_sites.home_of(number)
        group = homes.template(home).city.group
        return self.site(group, homes.charging_sites_by_group[group].of_home(home)[slot])

    def site_of_row(self, row: Row) -> ChargingSite | None:
        """Return the bay of a vehicle or an EVSE; those that never reported have none."""
        world, folder = self._world, row["url"].folder
        number = world.number_of(row)
        if number is None:
            for rank, guest in enumerate(self._guests()):
                if guest.get(folder) == row["id"]:
                    return self.site(CONNECTED_GROUP, rank)
            return None
        layout = world.homes.vehicles if folder == _VEHICLE else world.homes.evses
        home, slot = layout.home_of(number)
        return self.site_by_number(world.homes.charging_sites.of_home(home)[slot])

    def vehicle(self, site: ChargingSite) -> Row | None:
        """Return the vehicle that charges there, None if there is none, or none any more."""
        return self._row(site, _VEHICLE, site.car)

    def evse(self, site: ChargingSite) -> Row | None:
        """Return the EVSE that is there, None if there is none, or none any more."""
        return self._row(site, _EVSE, site.point)

    def _row(self, site: ChargingSite, folder: str, thing: Car | ChargePoint | None) -> Row | None:
        if thing is None:
            return None
        table = self._world.tables[folder]
        if site.group == CONNECTED_GROUP:
            key = self._guests()[site.rank].get(folder)
            return None if key is None else table.get(key)
        return table.by_number(thing.number)

    def user_id(self, site: ChargingSite) -> str:
        """Return the id of the user whose bay it is."""
        if site.group == CONNECTED_GROUP:
            return str(self._guests()[site.rank]["user"])
        return self._world.user_id(self._world.homes.charging_sites.home_of(site.number)[0])

    def sites_of_user(self, user_id: str) -> Iterator[ChargingSite]:
        """Return the bays of a user."""
        home = self._world.home_of_user(user_id)
        if home is not None:
            yield from filter(
                None, map(self.site_by_number, self._world.homes.charging_sites.of_home(home))
            )
        for rank, guest in enumerate(self._guests()):
            if guest["user"] == user_id:
                yield self.site(CONNECTED_GROUP, rank)

    def changes(self, site: ChargingSite) -> Sequence[Change]:
        """Return what was done to a bay, oldest first."""
        done = self._world.extra_state.get("deeds", {}).get(str(site.number), ())
        return [
            Change(read_instant(at), what, self._tariff(value) if what == "tariff" else value)
            for at, what, value in done
        ]

    def _tariff(self, key: str) -> Tariff:
        return pricing_of(self._world, Link("tariffs", key))

    def changed_sites(self) -> Iterator[ChargingSite]:
        """Return the bays that have deeds."""
        numbers = map(int, self._world.extra_state.get("deeds", {}))
        return filter(None, map(self.site_by_number, numbers))

    def record_change(self, row: Row, what: ChangeKind, value: bool | int | None = None) -> None:
        """Note what a request did to a vehicle or an EVSE; its bay lives with it from now on."""
        site = self.site_of_row(row)
        if site is not None:
            self._note(site, what, value)

    def change_tariff(self, user_id: str, tariff: Link) -> None:
        """Note that a user pays by another tariff from now on."""
        for site in self.sites_of_user(user_id):
            self._note(site, "tariff", tariff.key)

    def _note(self, site: ChargingSite, what: ChangeKind, value: bool | int | str | None) -> None:
        done = self._world.extra_state.setdefault("deeds", {}).setdefault(str(site.number), [])
        done.append([write_instant(self._world.now), what, value])

    def add_site(
        self, user_id: str, *, vehicle: Row | None = None, evse: Row | None = None
    ) -> None:
        """Open a bay for what a request connected.

        A bay never changes, so what it was made of is kept, not where to look that up.
        """
        user = self._world.tables["users"].get(user_id) or {}
        location: Row = user.get("default_location") or {}
        tariff: Link | None = location.get("tariff")
        number = self._world.homes.charging_sites.total + len(self._guests())
        guest: Row = {
            "user": user_id,
            "began": write_instant(self._world.now),
            "tariff": tariff and tariff.key,
            "country": location.get("country_code") or "GB",
        }
        if vehicle is not None:
            guest[_VEHICLE] = vehicle["id"]
            guest["car"] = attrs.asdict(self._car(vehicle, number))
        if evse is not None:
            guest[_EVSE] = evse["id"]
            guest["point"] = attrs.asdict(self._point(evse, number))
        self._guests().append(guest)

    def _guests(self) -> list[Row]:
        kept: list[Row] = self._world.extra_state.setdefault("guests", {}).setdefault("bays", [])
        return kept

    def _site(self, group: int, rank: int) -> ChargingSite:
        return self._guest(rank) if group == CONNECTED_GROUP else self._own(group, rank)

    def _own(self, group: int, rank: int) -> ChargingSite:
        world, homes = self._world, self._world.homes
        home, slot = homes.charging_sites_by_group[group].home_of(rank)
        vehicles, evses = homes.vehicles.of_home(home), homes.evses.of_home(home)
        vehicle = vehicles[slot] if slot < len(vehicles) else None
        evse = evses[slot] if slot < len(evses) else None
        made = world.tables[_VEHICLE].generated, world.tables[_EVSE].generated
        row = None if vehicle is None else made[0].make(vehicle)
        city = homes.template(home).city
        location = world.tables["users"].generated.make(home)["default_location"]
        return ChargingSite(
            number=homes.charging_sites.of_home(home)[slot],
            group=group,
            rank=rank,
            car=None if row is None or vehicle is None else self._car(row, vehicle),
            point=None if evse is None else self._point(made[1].make(evse), evse),
            offset=ZONE_OFFSETS[group],
            tariff=pricing_of(world, location["tariff"]),
            feed=feed_of(city.country),
            began=homes.charging_start(home),
            zone=city.zone,
            country=city.country,
            smart=row is None or bool(row["smart_charging_enabled"]),
        )

    def _guest(self, rank: int) -> ChargingSite:
        guest = self._guests()[rank]
        tariff: str | None = guest["tariff"]
        return ChargingSite(
            number=self._world.homes.charging_sites.total + rank,
            group=CONNECTED_GROUP,
            rank=rank,
            car=Car(**guest["car"]) if "car" in guest else None,
            point=ChargePoint(**guest["point"]) if "point" in guest else None,
            offset=timedelta(0),
            tariff=pricing_of(self._world, None if tariff is None else Link("tariffs", tariff)),
            feed=feed_of(guest["country"]),
            began=read_instant(guest["began"]),
            country=guest["country"],
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

    def _point(self, row: Row, number: int) -> ChargePoint:
        model = self._world.follow(row["model"])
        if model is None:
            raise LookupError(row["model"])
        product: Any = model["_product"]
        return ChargePoint(number, product.watts, product.volts, product.bidirectional)
