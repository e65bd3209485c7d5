"""Where cars charge, and what was done to change how: all that the charging life starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from ev_energy.simulator.charging._carbon import Feed
    from ev_energy.simulator.charging._prices import Tariff


#: How full a battery is made where nobody said.
DEFAULT_LIMIT: Final = 80
#: Nobody may ask for less, and driving is planned so that this much is enough.
LEAST_LIMIT: Final = 50


@attrs.frozen
class Car:
    """A vehicle, as far as charging goes."""

    number: int
    battery_wh: int
    ac_watts: int
    """The most it takes from an EVSE or a socket."""
    wh_per_km: int
    telematics: bool
    """Whether it reports; where it does not, an EVSE must."""
    limit: int | None = DEFAULT_LIMIT
    """How full it is to become, of 100."""


@attrs.frozen
class ChargePoint:
    """An EVSE, as far as charging goes."""

    number: int
    watts: int
    volts: int
    bidirectional: bool = False


@attrs.frozen
class ChargingSite:
    """A place where a car charges. It never changes: what changes is told by deeds."""

    number: int
    """Its own in the whole world."""
    group: int
    rank: int
    """Its own in the group, from 0 without gaps; who has a greater one did not begin earlier."""
    car: Car | None
    point: ChargePoint | None
    offset: timedelta
    """Its zone's standard offset, in which habits are kept; the same in all of a group."""
    tariff: Tariff
    feed: Feed
    began: datetime
    """Nothing happens before."""
    zone: str = "UTC"
    country: str = ""
    smart: bool = True
    """Whether smart charging is on, until a deed says otherwise."""


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
    """What a request did to a bay, and when."""

    at: datetime
    kind: ChangeKind
    value: int | bool | Tariff | None = None
    """The limit in percent, whether smart, the battery's watt-hours, or the tariff."""


@attrs.frozen
class Group:
    """Bays that share an offset. It may grow, and never shrinks."""

    size: int
    offset: timedelta


class Fleet(Protocol):
    """All bays there are, found by arithmetic."""

    @property
    def groups(self) -> Sequence[Group]:
        """All groups; more may be added at the end."""
        ...

    def site(self, group: int, rank: int) -> ChargingSite:
        """Return a bay by its place in a group."""
        ...

    def site_by_number(self, number: int) -> ChargingSite | None:
        """Return a bay by its number in the world, None if there is none."""
        ...

    def changes(self, site: ChargingSite) -> Sequence[Change]:
        """Return what was done to a bay, oldest first; nothing is ever taken back."""
        ...

    def changed_sites(self) -> Iterable[ChargingSite]:
        """Return the bays that have deeds."""
        ...


def limit_of(value: object) -> int:
    """Return how full a battery is to become, of 100, where ``value`` was asked for."""
    return max(LEAST_LIMIT, min(100, value)) if isinstance(value, int) else DEFAULT_LIMIT
