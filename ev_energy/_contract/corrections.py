"""Where the API differs from its description: what the description states, what holds, and why.

A correction patches one schema or operation of the facts: a keyword of the patch replaces that of
the description, and None removes it. Requests and replies have corrections of their own, because
a schema that both share may be right for one of them. Tests show that each correction is needed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

from ev_energy._contract.facts import Facts

Patch: TypeAlias = Mapping[str, Any]


class OfSchema(NamedTuple):
    """A correction of a member of a shared schema."""

    member: str
    """``Location/tariff``; of a member of a member, ``ChargingSubSession/location/coordinates``."""
    patch: Patch
    reason: str

    def nodes(self, facts: Facts) -> Iterator[Facts]:
        """Yield the node to patch."""
        name, *members = self.member.split("/")
        yield _member(facts["schemas"][name], members)


class OfBody(NamedTuple):
    """A correction of a member of a body whose schema is not shared."""

    operation: str
    member: str
    patch: Patch
    reason: str

    def nodes(self, facts: Facts) -> Iterator[Facts]:
        """Yield the node to patch."""
        content = facts["operations"][self.operation]["requestBody"]["content"]
        yield _member(content["application/json"], self.member.split("/"))


class OfParameter(NamedTuple):
    """A correction of the schema of a parameter."""

    place: str
    name: str
    operations: frozenset[str]
    """The operations that it applies to; empty for all operations with the parameter."""
    patch: Patch
    reason: str
    header_set: str | None = None
    """It also applies to the operations whose successful replies have this set of headers."""

    def nodes(self, facts: Facts) -> Iterator[Facts]:
        """Yield each node to patch; operations that share the parameter get their own."""
        shared: Facts = facts["parameters"]
        for key in sorted({*self.operations, *self._with_header_set(facts)}):
            parameters: list[Any] = facts["operations"][key]["parameters"]
            for index, parameter in enumerate(parameters):
                own = shared[parameter] if isinstance(parameter, str) else parameter
                if self._matches(own):
                    parameters[index] = copy.deepcopy(own)
                    yield parameters[index]["schema"]
        if not self.operations:
            lists = (operation.get("parameters", []) for operation in facts["operations"].values())
            own_ones = (one for one in chain(*lists) if not isinstance(one, str))
            yield from (p["schema"] for p in chain(shared.values(), own_ones) if self._matches(p))

    def _with_header_set(self, facts: Facts) -> Iterator[str]:
        for key, operation in facts["operations"].items():
            reply = operation["responses"].get("200", {})
            if self.header_set and reply.get("headers") == self.header_set:
                yield key

    def _matches(self, parameter: Facts) -> bool:
        return (parameter["in"], parameter["name"]) == (self.place, self.name)


class OfOperation(NamedTuple):
    """A correction of an operation itself."""

    operation: str
    patch: Patch
    reason: str

    def nodes(self, facts: Facts) -> Iterator[Facts]:
        """Yield the node to patch."""
        yield facts["operations"][self.operation]


Correction: TypeAlias = OfSchema | OfBody | OfParameter | OfOperation


def corrected(facts: Facts, corrections: Iterable[Correction]) -> Facts:
    """Apply *corrections* to *facts*, and return them."""
    for correction in corrections:
        try:
            nodes = list(correction.nodes(facts))
        except KeyError as error:
            raise LookupError(
                f"{correction} does not fit the facts: {error}. Adapt it, or remove it from "
                "ev_energy/_contract/corrections.py."
            ) from error
        for node in nodes:
            for keyword, value in correction.patch.items():
                if value is None:
                    node.pop(keyword, None)
                else:
                    node[keyword] = copy.deepcopy(value)
    return facts


def _member(schema: Facts, names: Iterable[str]) -> Facts:
    """Return the schema of a member, which is empty if the description lacks the member."""
    for name in names:
        schema = schema["properties"].setdefault(name, {})
    return schema


_LATITUDE: Final[Patch] = {"minimum": -90, "maximum": 90}
_LONGITUDE: Final[Patch] = {"minimum": -180, "maximum": 180}
_URL: Final[Patch] = {"type": ["string", "null"], "format": "uri", "oneOf": None}
_TEXT_OR_NULL: Final[Patch] = {"type": ["string", "null"]}
_OR_NULL: Final[Patch] = {"nullable": True}
_NO_SUCH_PLACE = "there is no such place; the points of saved routes have these limits"
_URL_ONLY = "a body holds the URL only; replies may expand it"
_ANY_ID = "an id that does not exist is refused when it is looked up, whatever its form"
_GIVEN_BY_ID = "its text: may be null if the model is given by its id"
_IS_URL = "its text and its example: a URL"
_TWO_LISTS = "an empty list has both forms, and `oneOf` allows exactly one"

#: The headers of lists whose entries are identified by their time.
_BY_TIME: Final = "standard + Link: link-timestamps"
_BY_TIME_TOO: Final = frozenset(
    {
        "GET /carbon_feeds/{carbon_feed_id}/carbon_intensities",
        "GET /ct_clamps/{ct_clamp_id}/logs",
    }
)
_OTHER_IDS: Final = frozenset({"GET /cpms_providers", "GET /dispatch_coordinators"})
_ALL: Final = frozenset[str]()
_VEHICLE_EXPAND = ["user", "trim", "trim.model", "trim.model.make", "latest_status_log"]

_COUNTRY_CODE: Final = OfSchema(
    "Location/country_code", {"$ref": None}, "null is one of its forms; the $ref excludes it again"
)


def _cursors(
    operations: frozenset[str], patch: Patch, reason: str, header_set: str | None = None
) -> list[Correction]:
    names = ("page_after", "page_before")
    return [OfParameter("query", name, operations, patch, reason, header_set) for name in names]


def _either_list(schema: str) -> Patch:
    urls = {"type": "array", "items": {"type": "string", "format": "uri"}}
    return {"oneOf": None, "anyOf": [urls, {"type": "array", "items": schema}]}


#: The corrections that apply to what is sent.
OF_REQUESTS: Final[tuple[Correction, ...]] = (
    _COUNTRY_CODE,
    OfSchema("Location/tariff", _URL, _URL_ONLY),
    OfSchema("Location/evse_site", _URL, _URL_ONLY),
    OfSchema("LatLong/latitude", _LATITUDE, _NO_SUCH_PLACE),
    OfSchema("LatLong/longitude", _LONGITUDE, _NO_SUCH_PLACE),
    OfSchema(
        "User/default_location",
        {"anyOf": None, "$ref": "Location"},
        "LocationDetail has the carbon intensity too, which replies hold and bodies do not",
    ),
    OfSchema("EVSEWaitlistRequest/program_id", {"pattern": None}, _ANY_ID),
    OfSchema("EVSEWaitlistRequest/evse_model_id", {"pattern": None}, _ANY_ID),
    OfSchema("VehicleWaitlistRequest/program_id", {"pattern": None}, _ANY_ID),
    OfSchema("VehicleWaitlistRequest/vehicle_model_id", {"pattern": None}, _ANY_ID),
    OfSchema("EVSEWaitlistRequest/evse_make_name", _TEXT_OR_NULL, _GIVEN_BY_ID),
    OfSchema("EVSEWaitlistRequest/evse_model_name", _TEXT_OR_NULL, _GIVEN_BY_ID),
    OfSchema("VehicleWaitlistRequest/vehicle_make_name", _TEXT_OR_NULL, _GIVEN_BY_ID),
    OfSchema("VehicleWaitlistRequest/vehicle_model_name", _TEXT_OR_NULL, _GIVEN_BY_ID),
    OfBody("PATCH /evses/{evse_id}", "location/latitude", _LATITUDE, _NO_SUCH_PLACE),
    OfBody("PATCH /evses/{evse_id}", "location/longitude", _LONGITUDE, _NO_SUCH_PLACE),
    OfBody("POST /user_rebates", "rebate_type", {"format": "uri"}, _IS_URL),
    OfBody("PATCH /user_rebates/{user_rebate_id}", "rebate_type", {"format": "uri"}, _IS_URL),
    OfBody("PATCH /user_rebates/{user_rebate_id}", "evidence_type", {"format": "uri"}, _IS_URL),
    OfBody(
        "POST /rebate_evidence_files:start_upload",
        "rebate_evidence_type",
        {"format": "uri"},
        _IS_URL,
    ),
    OfParameter(
        "query", "page", _ALL, {"type": "integer", "minimum": 1}, "pages are counted, from 1"
    ),
    OfParameter("query", "ordering", _ALL, {"enum": None}, "its text: an unknown order is ignored"),
    OfParameter(
        "query",
        "user",
        frozenset({"GET /support_tickets"}),
        {"format": None},
        "its text: an id, though the format is that of a URL",
    ),
    OfParameter(
        "query",
        "expand",
        frozenset({"POST /vehicles"}),
        {"type": "array", "items": {"type": "string", "enum": _VEHICLE_EXPAND}},
        "any text, given once, by its schema; what a vehicle expands is known from its GET",
    ),
    OfParameter(
        "path",
        "user_id",
        _ALL,
        {"pattern": r"^(me|user[A-Z\d]{26})$"},
        "one of its examples is me, which the pattern excludes",
    ),
    OfParameter(
        "path",
        "cpms_provider_id",
        _ALL,
        {"enum": ["CHARGEPOINT", "SWTCH"]},
        "the provider's schema has both",
    ),
    *_cursors(
        _BY_TIME_TOO,
        {"pattern": None, "format": "date-time"},
        "the entries have times and no ids to page by",
        _BY_TIME,
    ),
    *_cursors(_OTHER_IDS, {"pattern": None}, "their ids do not have the usual form"),
    OfOperation(
        "POST /region_groups:validate",
        {"problems": ["payload-too-large", "validation-failed-regions"]},
        "its body is that of POST /region_groups, whose text names the type of problem",
    ),
    *(
        OfOperation(
            operation,
            {"body_refusal": 422},
            "it declares 400 too, but its text says that a bad body is answered with 422",
        )
        for operation in ("POST /region_groups", "POST /region_groups:validate", "POST /regions")
    ),
)

#: The corrections that apply to what the API answers.
OF_REPLIES: Final[tuple[Correction, ...]] = (
    _COUNTRY_CODE,
    OfSchema("Vehicle/maximum_charge_limit_percentage", _OR_NULL, "its text says when it is null"),
    OfSchema(
        "ChargingSubSession/location/coordinates", _OR_NULL, "its text says that it can be null"
    ),
    OfSchema(
        "EVSECommandLog/reason", _OR_NULL, "null is one of its types but not one of its values"
    ),
    OfSchema("ChargingSession/sub_sessions", _either_list("ChargingSubSession"), _TWO_LISTS),
    OfSchema("ChargingSubSession/grid_feeds", _either_list("GridFeed"), _TWO_LISTS),
    OfSchema("SupportTicket/messages", _either_list("SupportTicketMessage"), _TWO_LISTS),
    OfSchema(
        "UsageInterval/energy_delivered_by_price",
        {
            "type": None,
            "$ref": None,
            "anyOf": [
                "EnergyDeliveredByPrice",
                {"type": "array", "items": "EnergyDeliveredByPrice"},
                {"type": "null"},
            ],
        },
        "one object by its schema; by its text an entry for each price",
    ),
    OfSchema(
        "Inverter/user",
        {"oneOf": [{"type": "string", "format": "uri"}, "User"]},
        "the examples of list, detail and create have a user; the schema lacks it",
    ),
)
