"""Charging sites, and the changes that requests make to them: the input of the charging model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from ev_energy.simulator.charging._carbon import Feed
    from ev_energy.simulator.charging._prices import Tariff


#: The charge limit in percent where none was set.
DEFAULT_LIMIT: Final = 80
#: The lowest charge limit in percent. Driving profiles are such that it is always enough.
MIN_LIMIT: Final = 50


@attrs.frozen
class Car:
    """The properties of a vehicle that charging depends on."""

    number: int
    battery_wh: int
    ac_watts: int
    """The highest power it accepts from an EVSE or a socket."""
    wh_per_km: int
    telematics: bool
    """Whether it reports to the API. If not, its charging is known from an EVSE only."""
    limit: int | None = DEFAULT_LIMIT
    """The charge limit in percent."""


@attrs.frozen
class ChargePoint:
    """The properties of an EVSE that charging depends on."""

    number: int
    watts: int
    volts: int
    bidirectional: bool = False


@attrs.frozen
class ChargingSite:
    """A place where one car charges: at an EVSE, at a socket, or an EVSE without a known car.

    It never changes; what requests change is stored as `Change`.
    """

    number: int
    """Unique in the world."""
    group: int
    rank: int
    """Unique in the group, from 0 without gaps. `active_since` never decreases with the rank."""
    car: Car | None
    point: ChargePoint | None
    offset: timedelta
    """The standard offset of its zone, which driving profiles use; the same for the whole group."""
    tariff: Tariff
    feed: Feed
    active_since: datetime
    """No episode starts earlier."""
    zone: str = "UTC"
    country: str = ""
    smart: bool = True
    """Whether smart charging is on until a change says otherwise."""


ChangeKind = Literal[
    "boost_start",
    "boost_end",
    "limit",
    "smart",
    "battery",
    "tariff",
    "car_gone",
    "car_back",
    "point_gone",
]


@attrs.frozen
class Change:
    """A change that a request made to a site, and when."""

    at: datetime
    kind: ChangeKind
    value: int | bool | Tariff | None = None
    """The limit in percent, whether smart, the battery's watt-hours, or the tariff."""


@attrs.frozen
class Group:
    """Sites that share a standard offset. A group may grow, but never shrinks."""

    size: int
    offset: timedelta


class Fleet(Protocol):
    """All charging sites, computed on request."""

    @property
    def groups(self) -> Sequence[Group]:
        """All groups; new ones are added at the end."""
        ...

    def site(self, group: int, rank: int) -> ChargingSite:
        """Return a site by its rank in a group."""
        ...

    def site_by_number(self, number: int) -> ChargingSite | None:
        """Return a site by its number in the world, or None."""
        ...

    def changes(self, site: ChargingSite) -> Sequence[Change]:
        """Return the changes made to a site, oldest first. Changes are only ever appended."""
        ...

    def changed_sites(self) -> Iterable[ChargingSite]:
        """Return the sites with changes."""
        ...


def limit_of(value: object) -> int:
    """Return the charge limit in percent that results from a requested *value*."""
    return max(MIN_LIMIT, min(100, value)) if isinstance(value, int) else DEFAULT_LIMIT
