"""Makes, models and firmware of EVSEs, and where they can be used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._problems import ProblemError
from ev_energy.simulator._api._routes import Reply, detail, listing
from ev_energy.simulator._families._sold import SOLD

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Routes
    from ev_energy.simulator._content._catalogue import Maker

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


EVSE_CATALOGUE: Final[Routes] = {
    ("GET", "/evse_makes"): SOLD,
    ("GET", "/evse_makes/{evse_make_id}"): detail(),
    ("GET", "/evse_models"): SOLD,
    ("GET", "/evse_models/{evse_model_id}"): detail(),
    ("GET", "/evse_compatibility/check"): _check,
    ("GET", "/evse_firmware_versions"): listing(),
    ("GET", "/evse_firmware_versions/{evse_firmware_version_id}"): detail(),
}
