"""Programs: what users join to be rewarded for charging at the right time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant

if TYPE_CHECKING:
    from ev_energy.models.vehicles import VehicleModel


class ProgramVehicleCompatibilityType(OpenEnum):
    """What drives a vehicle."""

    BEV = "BEV"
    """A battery alone."""
    PHEV = "PHEV"
    """A battery and an engine: a plug-in hybrid."""


@model
class Program(Model):
    """A program, usually a utility's, that rewards its members for how they charge."""

    id: str | None = None
    url: str | None = None
    name: str | None = None
    """The name to show to people."""
    description: str | None = None
    """What it offers and asks for, in plain text."""
    logo: str | None = None
    """URL of an image; None without one."""
    sponsor_name: str | None = None
    """Whose program it is; a utility in most cases."""
    external_url: str | None = None
    """A web page where people can join."""


@model
class ProgramTier(Model):
    """A kind of membership in a program."""

    id: str | None = None
    url: str | None = None
    short_name: str | None = None
    """A slug; no other tier of the program has it."""
    name: str | None = None
    """The name to show to people; None without one."""
    logo_svg: str | None = None
    """URL of an SVG image; None without one."""
    description_short: str | None = None
    """HTML, between ``<html>`` tags; None without one."""
    description_long: str | None = None
    """HTML, between ``<html>`` tags; None without one."""
    smart_charging_enabled: bool | None = None
    """Whether its members get smart charging."""
    disable_changing_tariff: bool | None = None
    """Whether its members have to keep the tariff they are on."""
    visible: bool | None = None
    """Whether to offer it where a user chooses a tier."""
    eligible: bool | None = None
    """Whether the user may choose it; None unless the request stands for a user."""


@model
class ParticipationAgreementVersion(Model):
    """What members of a program agree to, as worded at some time.

    A program has one agreement; of its published versions, the one with the highest number is in
    force.
    """

    id: str | None = None
    url: str | None = None
    version_number: int | None = None
    """Each version of an agreement has a higher number than those before."""
    published: bool | None = None
    """Whether users get to see it; not meant to be true of several versions at once."""
    content: str | None = None
    """HTML, in the language of the user who asks."""
    created_at: Instant | None = None


@model
class IncentiveScheme(Model):
    """A rule by which a user earns money. It has no page of its own, and so no URL."""

    id: str | None = None
    name: str | None = None
    """The name to show to the user."""
    description: str | None = None
    """How it is earned."""
    visible: bool | None = None
    """Whether to show it to the user."""
    available: bool | None = None
    """Whether the user can earn it now.

    Not before its period begins or after it ends; nor when it was earned as often as it may be,
    by that user or for that device.
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
    """Where that holds: two-letter codes (ISO 3166-1 alpha-2)."""
    start_year: int | None = None
    """The earliest model year that is supported."""
    end_year: int | None = None
    """The latest model year that is supported; None while the model is still made."""
