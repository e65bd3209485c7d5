"""Users and the places where they charge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ev_energy._unset import UNSET, Unset
from ev_energy.models._base import Model, PlainValue, link_to, model
from ev_energy.models._refs import Id, Ref
from ev_energy.models._types import Instant

if TYPE_CHECKING:
    from ev_energy.models.common import LatLong
    from ev_energy.models.countries import CountryCode
    from ev_energy.models.sites import EVSESite
    from ev_energy.models.tariffs import Tariff


@model
class Location(Model):
    """The place where a user charges."""

    address_1: str | None = None
    address_2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country_code: CountryCode | None = None
    coordinates: LatLong | None = None
    tariff: Ref[Tariff] | None = None
    evse_site: Ref[EVSESite] | None = None
    """None unless it is a shared site."""
    current_carbon_intensity_grams_per_kilowatt_hour: int | None = None
    """The current carbon intensity of the grid at this place, in gCO2/kWh.

    Only in replies about a single user (the API calls this form of a location LocationDetail).
    """


@model
class User(Model):
    """A person with a vehicle, a charger or both."""

    id: str
    url: str
    email: str | None = None
    full_name: str | None = None
    joined_at: Instant | None = None
    terms_consent_datetime: Instant | None = None
    """When the user agreed to the terms; None if never."""
    default_location: Location | None = None
    """Always the place itself, never a link."""
    vehicles: tuple[str, ...] | None = None
    """URLs of the user's vehicles."""
    evses: tuple[str, ...] | None = None
    """URLs of the user's EVSEs."""


@attrs.frozen(kw_only=True)
class LocationWrite(PlainValue):
    """A location to be set on a user.

    Fields that are omitted are not changed; ``None`` clears a field. If any part of the address or
    ``coordinates`` is set, ``address_1``, ``city``, ``postal_code`` and ``country_code`` are
    required too: the API refuses the request otherwise, and this class raises `ValueError`.
    """

    address_1: str | Unset | None = UNSET
    """The first line of the address."""
    address_2: str | Unset | None = UNSET
    """The second line of the address."""
    city: str | Unset | None = UNSET
    """The town or city."""
    state: str | Unset | None = UNSET
    """The state or province, in countries that have them."""
    postal_code: str | Unset | None = UNSET
    """The postal code."""
    country_code: CountryCode | str | Unset | None = UNSET
    """ISO 3166-1 code of two letters."""
    coordinates: LatLong | Unset | None = UNSET
    """The point on Earth."""
    tariff: Id[Tariff] | Unset | None = link_to("/tariffs")
    """The tariff, its URL, a link to it, or its id."""
    evse_site: Id[EVSESite] | Unset | None = link_to("/evse_sites")
    """The site with EVSEs, its URL, a link to it, or its id."""

    def __attrs_post_init__(self) -> None:
        address = ("address_1", "address_2", "city", "state", "postal_code", "country_code")
        given = [n for n in (*address, "coordinates") if getattr(self, n) not in (None, UNSET)]
        needed = ("address_1", "city", "postal_code", "country_code")
        if given and (missing := [n for n in needed if n not in given]):
            raise ValueError(
                f"default_location: with {given[0]} given, {', '.join(missing)} must be given too"
            )
