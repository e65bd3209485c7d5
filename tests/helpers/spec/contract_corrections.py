"""Where the simulator takes requests otherwise than the description's schemas have it, and why.

Each entry patches one schema: what it holds replaces a keyword, None takes one away. Every one is
needed: a test leaves each out and sees the contract change.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

Patch: TypeAlias = Mapping[str, Any]
Data: TypeAlias = dict[str, Any]

METHODS = ("delete", "get", "patch", "post", "put")


class OfSchema(NamedTuple):
    """Of a member of a component schema."""

    schema: str
    member: str
    patch: Patch
    why: str

    def schemas(self, data: Data) -> Iterator[Data]:
        """What the patch is for."""
        yield data["components"]["schemas"][self.schema]["properties"][self.member]


class OfBody(NamedTuple):
    """Of a member of a body that is described in place; dots lead inwards."""

    method: str
    path: str
    member: str
    patch: Patch
    why: str

    def schemas(self, data: Data) -> Iterator[Data]:
        """What the patch is for."""
        body = data["paths"][self.path][self.method.lower()]["requestBody"]
        schema = body["content"]["application/json"]["schema"]
        for name in self.member.split("."):
            schema = schema["properties"][name]
        yield schema


class OfParameter(NamedTuple):
    """Of a parameter, of some operations or, where none are named, of all that have it."""

    place: str
    name: str
    operations: frozenset[str]
    patch: Patch
    why: str

    def schemas(self, data: Data) -> Iterator[Data]:
        """What the patch is for; each has its own, whatever they shared."""
        for path, item in data["paths"].items():
            for method, node in item.items():
                if method not in METHODS and method != "parameters":
                    continue
                found = node if method == "parameters" else node.get("parameters", [])
                if self.operations and f"{method.upper()} {path}" not in self.operations:
                    continue
                for index, parameter in enumerate(found):
                    if (own := self._own(data, parameter)) is not None:
                        found[index] = own
                        yield own["schema"]

    def _own(self, data: Data, parameter: Data) -> Data | None:
        if "$ref" in parameter:
            parameter = data["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
        mine = (parameter["in"], parameter["name"]) == (self.place, self.name)
        return copy.deepcopy(parameter) if mine else None


Correction: TypeAlias = OfSchema | OfBody | OfParameter

_LATITUDE = {"minimum": -90, "maximum": 90}
_LONGITUDE = {"minimum": -180, "maximum": 180}
_URL = {"type": ["string", "null"], "format": "uri", "oneOf": None}
_ON_EARTH = "no place is beyond the poles; the points of saved routes have these limits"
_URL_ONLY = "a body holds the URL of it; what it leads to is only ever told"
_NOT_BY_FORM = "an id that nothing has is refused when it is looked up, whatever its form"
_OR_NULL = "its text: may be null, when the model is given by its id"
_IS_URL = "its text and example: a URL"

#: Lists whose entries are known by their time; most of them say so in their text.
BY_TIME = frozenset(
    {
        "GET /boundary_meters/{boundary_meter_id}/status_logs",
        "GET /carbon_feeds/{carbon_feed_id}/carbon_intensities",
        "GET /ct_clamps/{ct_clamp_id}/logs",
        "GET /dispatch_coordinators/{dispatch_coordinator_id}/dispatch_logs",
        "GET /evses/{evse_id}/command_logs",
        "GET /evses/{evse_id}/error_logs",
        "GET /evses/{evse_id}/ocpp_logs",
        "GET /evses/{evse_id}/status_logs",
        "GET /home_batteries/{home_battery_id}/status_logs",
        "GET /solar_forecasts/{solar_forecast_id}/forecast_logs",
        "GET /vehicles/{vehicle_id}/command_logs",
        "GET /vehicles/{vehicle_id}/error_logs",
        "GET /vehicles/{vehicle_id}/location_logs",
        "GET /vehicles/{vehicle_id}/status_logs",
    }
)
_OTHER_IDS = frozenset({"GET /cpms_providers", "GET /dispatch_coordinators"})
_VEHICLE_EXPAND = ["user", "trim", "trim.model", "trim.model.make", "latest_status_log"]


def _cursors(operations: frozenset[str], patch: Patch, why: str) -> list[Correction]:
    return [
        OfParameter("query", name, operations, patch, why) for name in ("page_after", "page_before")
    ]


CORRECTIONS: tuple[Correction, ...] = (
    OfSchema("Location", "country_code", {"$ref": None}, "null clears it, though the $ref forbids"),
    OfSchema("Location", "tariff", _URL, _URL_ONLY),
    OfSchema("Location", "evse_site", _URL, _URL_ONLY),
    OfSchema("LatLong", "latitude", _LATITUDE, _ON_EARTH),
    OfSchema("LatLong", "longitude", _LONGITUDE, _ON_EARTH),
    OfSchema(
        "User",
        "default_location",
        {"anyOf": None, "$ref": "#/components/schemas/Location"},
        "LocationDetail has one more member, the intensity there, which is told and not set",
    ),
    OfSchema("EVSEWaitlistRequest", "program_id", {"pattern": None}, _NOT_BY_FORM),
    OfSchema("EVSEWaitlistRequest", "evse_model_id", {"pattern": None}, _NOT_BY_FORM),
    OfSchema("VehicleWaitlistRequest", "program_id", {"pattern": None}, _NOT_BY_FORM),
    OfSchema("VehicleWaitlistRequest", "vehicle_model_id", {"pattern": None}, _NOT_BY_FORM),
    OfSchema("EVSEWaitlistRequest", "evse_make_name", {"type": ["string", "null"]}, _OR_NULL),
    OfSchema("EVSEWaitlistRequest", "evse_model_name", {"type": ["string", "null"]}, _OR_NULL),
    OfSchema("VehicleWaitlistRequest", "vehicle_make_name", {"type": ["string", "null"]}, _OR_NULL),
    OfSchema(
        "VehicleWaitlistRequest", "vehicle_model_name", {"type": ["string", "null"]}, _OR_NULL
    ),
    OfBody("PATCH", "/evses/{evse_id}", "location.latitude", _LATITUDE, _ON_EARTH),
    OfBody("PATCH", "/evses/{evse_id}", "location.longitude", _LONGITUDE, _ON_EARTH),
    OfBody("POST", "/user_rebates", "rebate_type", {"format": "uri"}, _IS_URL),
    OfBody("PATCH", "/user_rebates/{user_rebate_id}", "rebate_type", {"format": "uri"}, _IS_URL),
    OfBody("PATCH", "/user_rebates/{user_rebate_id}", "evidence_type", {"format": "uri"}, _IS_URL),
    OfBody(
        "POST",
        "/rebate_evidence_files:start_upload",
        "rebate_evidence_type",
        {"format": "uri"},
        _IS_URL,
    ),
    OfParameter(
        "query", "page", frozenset(), {"type": "integer", "minimum": 1}, "pages are counted, from 1"
    ),
    OfParameter(
        "query", "ordering", frozenset(), {"enum": None}, "its text: what is unknown is ignored"
    ),
    OfParameter(
        "query",
        "user",
        frozenset({"GET /support_tickets"}),
        {"format": None},
        "its text: an id, though the format says URL",
    ),
    OfParameter(
        "query",
        "expand",
        frozenset({"POST /vehicles"}),
        {
            "type": "array",
            "items": {"type": "string", "enum": _VEHICLE_EXPAND},
        },
        "a free text, once, with the example user: what a vehicle expands is known from its GET",
    ),
    OfParameter(
        "path",
        "user_id",
        frozenset(),
        {"pattern": r"^(me|user[A-Z\d]{26})$"},
        "its own example is me, which the pattern forbids",
    ),
    OfParameter(
        "path",
        "cpms_provider_id",
        frozenset(),
        {"enum": ["CHARGEPOINT", "SWTCH"]},
        "the provider's schema has both",
    ),
    *_cursors(
        BY_TIME, {"pattern": None, "format": "date-time"}, "entries have times and no ids to go by"
    ),
    *_cursors(_OTHER_IDS, {"pattern": None}, "their ids are not of the usual form"),
)

#: Problem types that only texts speak of, of operations whose examples show a common one or none.
PROBLEMS_IN_PROSE = {
    "GET /evse_compatibility/check": "validation-failed-evse-compatibility-check",
    "GET /vehicle_compatibility/check": "validation-failed-vehicle-compatibility-check",
    "POST /evse_waitlist": "validation-failed-evse-waitlist",
    "POST /region_groups": "validation-failed-regions",
    "POST /region_groups:validate": "validation-failed-regions",
    "POST /regions": "validation-failed-regions",
    "POST /vehicle_waitlist": "validation-failed-vehicle-waitlist",
}

#: Operations that declare 400 too, but whose texts say that a bad body is a 422.
BODY_IS_422 = frozenset({"POST /region_groups", "POST /region_groups:validate", "POST /regions"})


def merge(schema: Data, patch: Patch) -> None:
    """Patch a schema where it is."""
    for keyword, value in patch.items():
        if value is None:
            schema.pop(keyword, None)
        else:
            schema[keyword] = copy.deepcopy(value)
