"""Programs that reward their members for charging at the right time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant

if TYPE_CHECKING:
    from ev_energy.models.vehicles import VehicleModel


class ProgramVehicleCompatibilityType(OpenEnum):
    """The drive of a vehicle."""

    BEV = "BEV"
    """Battery only."""
    PHEV = "PHEV"
    """Battery and engine: a plug-in hybrid."""


@model
class Program(Model):
    """A program, usually a utility's, that rewards its members for how they charge."""

    id: str | None = None
    url: str | None = None
    name: str | None = None
    """The name to show to people."""
    description: str | None = None
    """What it offers and requires, in plain text."""
    logo: str | None = None
    """URL of an image; None if there is none."""
    sponsor_name: str | None = None
    """The sponsor of the program; in most cases a utility."""
    external_url: str | None = None
    """A web page where people can join."""


@model
class ProgramTier(Model):
    """A kind of membership in a program."""

    id: str | None = None
    url: str | None = None
    short_name: str | None = None
    """A slug that is unique within the program."""
    name: str | None = None
    """The name to show to people; None if there is none."""
    logo_svg: str | None = None
    """URL of an SVG image; None if there is none."""
    description_short: str | None = None
    """HTML, between ``<html>`` tags; None if there is none."""
    description_long: str | None = None
    """HTML, between ``<html>`` tags; None if there is none."""
    smart_charging_enabled: bool | None = None
    """Whether its members get smart charging."""
    disable_changing_tariff: bool | None = None
    """Whether its members have to keep their tariff."""
    visible: bool | None = None
    """Whether to offer it to users who choose a tier."""
    eligible: bool | None = None
    """Whether the user may choose it; None unless the request is made for a user."""


@model
class ParticipationAgreementVersion(Model):
    """One version of the agreement between a program and its members.

    A program has one agreement. The published version with the highest number is in force.
    """

    id: str | None = None
    url: str | None = None
    version_number: int | None = None
    """Each version of an agreement has a higher number than the earlier ones."""
    published: bool | None = None
    """Whether users can see it; several versions should not be published at once."""
    content: str | None = None
    """HTML, in the language of the user."""
    created_at: Instant | None = None


@model
class IncentiveScheme(Model):
    """A rule by which a user earns money. It has no URL."""

    id: str | None = None
    name: str | None = None
    """The name to show to the user."""
    description: str | None = None
    """How it is earned."""
    visible: bool | None = None
    """Whether to show it to the user."""
    available: bool | None = None
    """Whether the user can earn it now.

    False before its period begins and after it ends, and when the user or the device has earned it
    as often as allowed.
    """


@model
class ProgramVehicleCompatibility(Model):
    """A vehicle model that a program supports."""

    can_control_charge: bool | None = None
    """Whether ev.energy can start and stop its charging."""
    model: Ref[VehicleModel] | None = None
    type: ProgramVehicleCompatibilityType | None = None
    """None if not known."""
    supported_countries: tuple[str, ...] | None = None
    """The countries of this support: two-letter codes (ISO 3166-1 alpha-2)."""
    start_year: int | None = None
    """The earliest model year that is supported."""
    end_year: int | None = None
    """The latest model year that is supported; None while the model is still made."""
