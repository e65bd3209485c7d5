"""The catalogue of EVSEs: makes, models and firmware."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.http._problems import ProblemError
from ev_energy.simulator.http._routes import Reply, detail, listing
from ev_energy.simulator.resources.catalogues import (
    AVAILABLE_LISTING,
    EUROPE,
    EVERYWHERE,
    country_to_check,
    filtered_list,
    onboarding_link,
)
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._tables import GeneratedRows

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


@attrs.frozen
class Product:
    """A model, and the capabilities of its EVSEs."""

    name: str
    watts: int
    volts: int = 230
    telemetry: bool = True
    """Whether EVSEs report voltage, signal strength and the control pilot."""
    bidirectional: bool = False
    supported: bool = True
    """Whether EVSEs can be connected."""


@attrs.frozen
class Maker:
    """A make, and the countries where it is sold."""

    name: str
    serial: str
    """The prefix of its serial numbers."""
    products: tuple[Product, ...]
    countries: frozenset[str] = EUROPE
    provider: str | None = None
    """Its name in imports by serial number."""
    display_name: str | None = None
    rank: int | None = None
    beta: bool = False
    by_make: bool = True
    """Whether onboarding can start with the make alone."""


_ONBOARDING: Final = "/evse_onboarding"

MAKERS: Final = (
    Maker(
        "Wallbox", "WB", provider="Wallbox", rank=1, countries=EVERYWHERE,
        products=(
            Product("Pulsar Plus", 7360),
            Product("Pulsar Max", 22080),
            Product("Quasar 2", 11500, bidirectional=True),
        ),
    ),
    Maker(
        "Easee", "EH", provider="Easee", rank=2,
        products=(Product("Home", 22080), Product("Charge", 22080), Product("One", 7360)),
    ),
    Maker(
        "Zaptec", "ZAP", provider="Zaptec", rank=3,
        products=(Product("Go", 22080, telemetry=False), Product("Pro", 22080, telemetry=False)),
    ),
    Maker(
        "EO", "EO", provider="EO", display_name="EO Charging", rank=4,
        products=(Product("Mini Pro 3", 7360), Product("Genius 2", 22080)),
    ),
    Maker(
        "BG SyncEV", "SHIR", provider="SyncEV", display_name="BG Sync EV", rank=5,
        countries=frozenset({"GB", "IE"}),
        products=(Product("Wall Charger 2", 7360), Product("Link Charger", 7360)),
    ),
    Maker(
        "ChargePoint", "CP", provider="ChargePoint", rank=6, by_make=False,
        countries=frozenset({"US", "CA", "GB"}),
        products=(Product("Home Flex", 12000, 240), Product("CPF50", 12000, 240)),
    ),
    Maker(
        "Enel X", "JB", provider="EnelX", display_name="Enel X Way", rank=10,
        countries=frozenset({"US", "CA"}),
        products=(Product("JuiceBox 40", 9600, 240), Product("JuiceBox 48", 11500, 240)),
    ),
    Maker(
        "Pod Point", "PG", beta=True, countries=frozenset({"GB", "IE"}),
        products=(Product("Solo 3", 7360, telemetry=False), Product("Solo 3S", 7360)),
    ),
    Maker(
        "Hypervolt", "HV", countries=frozenset({"GB"}), by_make=False,
        products=(Product("Home 3 Pro", 7360, supported=False),),
    ),
)  # fmt: skip


def _make_view(row: Row, viewer: Viewer) -> Row:
    choice = {"make_id": row["id"]}
    link = onboarding_link(viewer, _ONBOARDING, choice) if row["_maker"].by_make else None
    return row | {"onboarding_url": link}


def _model_view(row: Row, viewer: Viewer) -> Row:
    choice = {"model_id": row["id"]}
    link = onboarding_link(viewer, _ONBOARDING, choice) if row["_product"].supported else None
    return row | {"onboarding_url": link}


def add_evse_catalogue(world: World) -> None:
    """Add the tables of makes, models and firmware versions."""
    makes: list[Row] = []
    models: list[Row] = []
    firmware: list[Row] = []
    start = ANCHOR - timedelta(days=800)
    for number, maker in enumerate(MAKERS):
        make_id = world.random.uid("emak", start + timedelta(days=number, minutes=7), maker.name)
        makes.append({
            "id": make_id,
            "name": maker.name,
            "display_name": maker.display_name,
            "icon": f"https://cdn.example.com/makes/{maker.serial.lower()}.png",
            "is_beta": maker.beta,
            "evse_models": filtered_list("evse_models", make_id=make_id),
            "_maker": maker,
        })  # fmt: skip
        for product in maker.products:
            name = (maker.name, product.name)
            published_at = start + timedelta(
                days=30 + number, seconds=world.random.between(1, 80000, *name)
            )
            models.append({
                "id": world.random.uid("emod", published_at, *name),
                "name": product.name,
                "display_name": f"{maker.name} {product.name}" if product.telemetry else None,
                "make": Link("evse_makes", make_id),
                "_product": product,
                "_maker": maker,
            })  # fmt: skip
            for release in range(2):
                version = f"{2 + release}.{world.random.between(0, 30, *name, release)}.0"
                full_version = (
                    f"{maker.serial}-{version}+build.{world.random.between(100, 999, *name)}"
                )
                released_at = published_at + timedelta(days=200 * (release + 1))
                firmware.append({
                    "id": world.random.uid("evsf", released_at, *name, release),
                    "version": full_version,
                    "public_version": version if release else None,
                    "change_log": "Fewer reconnections on weak signals." if release else None,
                    "support_url": f"https://support.example.com/firmware/{version}"
                    if release
                    else None,
                    "_model": product,
                })  # fmt: skip
    world.table("evse_makes", "emak", GeneratedRows.from_rows(makes), view=_make_view)
    world.table("evse_models", "emod", GeneratedRows.from_rows(models), view=_model_view)
    world.table("evse_firmware_versions", "evsf", GeneratedRows.from_rows(firmware))


def product_of(world: World, evse: Row) -> Product:
    """Return the model of an EVSE with its capabilities."""
    model = world.follow(evse["model"])
    if model is None:
        raise LookupError(evse["model"])
    product: Product = model["_product"]
    return product


def _check_compatibility(call: Call) -> Reply:
    country = country_to_check(call, unknown_program="program-not-found")
    model = call.world.tables["evse_models"].get(call.query["evse_model_id"])
    if model is None:
        detail = "There is no such model."
        raise ProblemError(HTTPStatus.NOT_FOUND, "Not found", detail, slug="evse-model-not-found")
    maker: Maker = model["_maker"]
    compatible = model["_product"].supported and country in maker.countries
    return Reply({
        "compatible": compatible,
        "beta": compatible and maker.beta,
        "recommendation_rank": maker.rank,
    })  # fmt: skip


ROUTES: Final[Routes] = {
    ("GET", "/evse_makes"): AVAILABLE_LISTING,
    ("GET", "/evse_makes/{evse_make_id}"): detail(),
    ("GET", "/evse_models"): AVAILABLE_LISTING,
    ("GET", "/evse_models/{evse_model_id}"): detail(),
    ("GET", "/evse_compatibility/check"): _check_compatibility,
    ("GET", "/evse_firmware_versions"): listing(),
    ("GET", "/evse_firmware_versions/{evse_firmware_version_id}"): detail(),
}
