"""Makes, models and firmware of EVSEs, and where they can be used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ev_energy.simulator._filters import links_to
from ev_energy.simulator._problems import ProblemError, invalid
from ev_energy.simulator._routes import (
    Access,
    Reply,
    Route,
    detail,
    list_of,
    listing,
    one_of_list,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ev_energy.simulator._catalogue import Maker
    from ev_energy.simulator._routes import Call, Handler, Routes
    from ev_energy.simulator._world import Row

_ANONYMOUS_LIMIT: Final = 50
_FALLBACK_COUNTRY: Final = "US"


def _public(answer: Handler, expand: tuple[str, ...] = ()) -> Route:
    return Route(answer, access=Access.PUBLIC, expand=expand, anonymous_limit=_ANONYMOUS_LIMIT)


def _sold_where_user_lives(call: Call, rows: Sequence[Row]) -> Sequence[Row]:
    user_id = call.given("available_for_user_id")
    if user_id is None:
        return rows
    user = call.world.tables["users"].get(user_id)
    if user is None:
        raise invalid({"available_for_user_id": ["No such user."]})
    country = user.get("default_location", {}).get("country_code")
    return [row for row in rows if country in row["_maker"].countries]


def country_of(accept_language: str | None) -> str:
    """Return the country that a language tag names first, such as GB in en-GB."""
    found = re.search(r"\b[A-Za-z]{2,3}-([A-Za-z]{2})\b", accept_language or "")
    return found[1].upper() if found else _FALLBACK_COUNTRY


def _check(call: Call) -> Reply:
    slug = "validation-failed-evse-compatibility-check"
    model_id, country = call.given("evse_model_id"), call.given("country")
    if model_id is None or not re.fullmatch("emod[A-Z0-9]{26}", model_id):
        raise invalid({"evse_model_id": ["Not the id of a model."]}, slug=slug)
    if country is not None and not re.fullmatch("[A-Za-z]{2}", country):
        raise invalid({"country": ["Not a code of two letters."]}, slug=slug)
    if call.given("program_id") is not None:
        raise ProblemError(404, "Not found", "There is no such program.", slug="program-not-found")
    model = call.world.tables["evse_models"].get(model_id)
    if model is None:
        raise ProblemError(404, "Not found", "There is no such model.", slug="evse-model-not-found")
    maker: Maker = model["_maker"]
    country = country.upper() if country else country_of(call.accept_language)
    compatible = model["_product"].supported and country in maker.countries
    return Reply({
        "compatible": compatible,
        "beta": compatible and maker.beta,
        "recommendation_rank": maker.rank,
    })  # fmt: skip


EVSE_CATALOGUE: Final[Routes] = {
    ("GET", "/evse_makes"): _public(list_of({}, _sold_where_user_lives)),
    ("GET", "/evse_makes/{evse_make_id}"): _public(one_of_list()),
    ("GET", "/evse_models"): _public(
        list_of({"make_id": links_to("make")}, _sold_where_user_lives), ("make",)
    ),
    ("GET", "/evse_models/{evse_model_id}"): _public(one_of_list(), ("make",)),
    ("GET", "/evse_compatibility/check"): Route(_check, access=Access.PUBLIC),
    ("GET", "/evse_firmware_versions"): listing("evse:read"),
    ("GET", "/evse_firmware_versions/{evse_firmware_version_id}"): detail("evse:read"),
}
