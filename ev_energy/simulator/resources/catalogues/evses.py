"""Makes, models and firmware of charge points."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import attrs

from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.http._problems import ProblemError
from ev_energy.simulator.http._routes import Reply, detail, listing
from ev_energy.simulator.resources.catalogues import AVAILABLE_LISTING, EUROPE, EVERYWHERE
from ev_energy.simulator.world._rows import ApiPath, Link
from ev_energy.simulator.world._tables import GeneratedRows

if TYPE_CHECKING:
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._world import World


@attrs.frozen
class Product:
    """A model, and what its charge points can do."""

    name: str
    watts: int
    volts: int = 230
    telemetry: bool = True
    """Whether it reports voltage, signal and the control pilot."""
    bidirectional: bool = False
    supported: bool = True


@attrs.frozen
class Maker:
    """A make, and where it is sold."""

    name: str
    serial: str
    """What its serial numbers begin with."""
    products: tuple[Product, ...]
    countries: frozenset[str] = EUROPE
    provider: str | None = None
    """What it is called where charge points are imported by serial number."""
    display_name: str | None = None
    rank: int | None = None
    beta: bool = False
    by_make: bool = True
    """Whether a driver can begin with the make alone."""


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


def onboarding_link(viewer: Viewer, **about: str) -> ApiPath | None:
    """Return the link that begins onboarding; it needs a client, and has the user if one acts."""
    if viewer.client_id is None:
        return None
    user = {} if viewer.user_id is None else {"user_id": viewer.user_id}
    return ApiPath(
        f"/evse_onboarding?{urlencode({'client_id': viewer.client_id, **about, **user})}"
    )


def _make_view(row: Row, viewer: Viewer) -> Row:
    link = onboarding_link(viewer, make_id=row["id"]) if row["_maker"].by_make else None
    return row | {"onboarding_url": link}


def _model_view(row: Row, viewer: Viewer) -> Row:
    link = onboarding_link(viewer, model_id=row["id"]) if row["_product"].supported else None
    return row | {"onboarding_url": link}


def add_catalogue(world: World) -> None:
    """Fill the tables of makes, models and firmware versions."""
    makes: list[Row] = []
    models: list[Row] = []
    firmware: list[Row] = []
    began = ANCHOR - timedelta(days=800)
    for number, maker in enumerate(MAKERS):
        make_id = world.random.uid("emak", began + timedelta(days=number, minutes=7), maker.name)
        makes.append({
            "id": make_id,
            "name": maker.name,
            "display_name": maker.display_name,
            "icon": f"https://cdn.example.com/makes/{maker.serial.lower()}.png",
            "is_beta": maker.beta,
            "evse_models": ApiPath(f"/evse_models?{urlencode({'make_id': make_id})}"),
            "_maker": maker,
        })  # fmt: skip
        for product in maker.products:
            name = (maker.name, product.name)
            day = began + timedelta(days=30 + number, seconds=world.random.between(1, 80000, *name))
            models.append({
                "id": world.random.uid("emod", day, *name),
                "name": product.name,
                "display_name": f"{maker.name} {product.name}" if product.telemetry else None,
                "make": Link("evse_makes", make_id),
                "_product": product,
                "_maker": maker,
            })  # fmt: skip
            for release in range(2):
                version = f"{2 + release}.{world.random.between(0, 30, *name, release)}.0"
                text = f"{maker.serial}-{version}+build.{world.random.between(100, 999, *name)}"
                published = day + timedelta(days=200 * (release + 1))
                firmware.append({
                    "id": world.random.uid("evsf", published, *name, release),
                    "version": text,
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
    """Return what an EVSE can do."""
    model = world.follow(evse["model"])
    if model is None:
        raise LookupError(evse["model"])
    product: Product = model["_product"]
    return product


_FALLBACK_COUNTRY: Final = "US"


def country_named(accept_language: str | None) -> str:
    """Return the country that a language tag names first, such as GB in en-GB."""
    found = re.search(r"\b[A-Za-z]{2,3}-([A-Za-z]{2})\b", accept_language or "")
    return found[1].upper() if found else _FALLBACK_COUNTRY


def _check(call: Call) -> Reply:
    country: str | None = call.query.get("country")
    program_id = call.query.get("program_id")
    if program_id is not None:
        program = call.world.tables["programs"].get(program_id)
        if program is None:
            detail = "There is no such program."
            raise ProblemError(404, "Not found", detail, slug="program-not-found")
        country = program.get("_country", country)
    model_id = call.query["evse_model_id"]
    model = call.world.tables["evse_models"].get(model_id)
    if model is None:
        raise ProblemError(404, "Not found", "There is no such model.", slug="evse-model-not-found")
    maker: Maker = model["_maker"]
    country = country.upper() if country else country_named(call.language)
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
    ("GET", "/evse_compatibility/check"): _check,
    ("GET", "/evse_firmware_versions"): listing(),
    ("GET", "/evse_firmware_versions/{evse_firmware_version_id}"): detail(),
}
