"""Known faults of the official description: what it says, and what must be read instead.

Everything here is needed: a test shows a value for each entry that the description refuses as it
stands and that is right, by its own prose, its examples or its other half.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Schema = dict[str, Any]


class Fault(NamedTuple):
    """A schema that does not say what is meant."""

    where: str
    mend: Callable[[Schema], Schema]
    witness: Any
    """A value that is right, and that only the mended schema allows."""
    reason: str


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def any_of(schema: Schema) -> Schema:
    return {("anyOf" if name == "oneOf" else name): value for name, value in schema.items()}


def one_or_several(schema: Schema) -> Schema:
    return or_null({"anyOf": [schema, {"type": "array", "items": schema}]})


def without_ref(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name != "$ref"}


def a_user_too(schema: Schema) -> Schema:
    user = {"oneOf": [{"type": "string", "format": "uri"}, {"$ref": "#/components/schemas/User"}]}
    return {
        **schema,
        "properties": {**schema["properties"], "user": user},
    }


_NULLABLE = "says so with `nullable`, a keyword of OpenAPI 3.0 that 3.1 does not know"
_TWO_LISTS = "an empty list is of both forms, and `oneOf` wants exactly one"

FAULTS = (
    Fault("UsageInterval/properties/meter_usage_watt_hours", or_null, None, _NULLABLE),
    Fault("UsageInterval/properties/alt_usage_watt_hours", or_null, None, _NULLABLE),
    Fault("UsageInterval/properties/percentage_import", or_null, None, _NULLABLE),
    Fault("UsageInterval/properties/electricity_cost_sub_unit", or_null, None, _NULLABLE),
    Fault("GridLevel/properties/started_at", or_null, None, _NULLABLE),
    Fault("GridLevel/properties/interval_seconds", or_null, None, _NULLABLE),
    Fault(
        "Vehicle/properties/maximum_charge_limit_percentage",
        or_null,
        None,
        "its text says when it is null",
    ),
    Fault(
        "ChargingSubSession/properties/location/properties/coordinates",
        or_null,
        None,
        "its text says that it can be null",
    ),
    Fault(
        "EVSECommandLog/properties/reason",
        or_null,
        None,
        "null is one of its types, and not one of its values",
    ),
    Fault(
        "Location/properties/country_code",
        without_ref,
        None,
        "null is one of its forms, and a reference beside them takes it away again",
    ),
    Fault("ChargingSession/properties/sub_sessions", any_of, [], _TWO_LISTS),
    Fault("ChargingSubSession/properties/grid_feeds", any_of, [], _TWO_LISTS),
    Fault("SupportTicket/properties/messages", any_of, [], _TWO_LISTS),
    Fault(
        "UsageInterval/properties/energy_delivered_by_price",
        one_or_several,
        [],
        "one object by its schema; by its text an entry for each price",
    ),
)

#: Where it forgets a member that its own examples show. (Other unknown members are refused.)
MEMBERS_FORGOTTEN = (
    Fault(
        "Inverter",
        a_user_too,
        {"user": "https://api.ev.energy/v2/users/user01HN2NJ9NMRZBXT1H6FT9N7735"},
        "the examples of list, detail and create have a user",
    ),
)

#: Headers that replies declare and that are not looked for.
HEADERS_NOT_SENT = {
    "RetryAfter": "a slip for Retry-After, on replies after which nobody has to wait",
}


class Refusal(NamedTuple):
    """A problem that comes before anything of the operation is looked at."""

    reason: str
    fits: Callable[[Any], bool]
    """Whether the request gives cause for it."""


#: By status; they need no declaration where there is cause for them.
GENERAL_REFUSALS = {
    400: Refusal(
        "a version or a user that does not exist",
        lambda asked: asked.has_header("EvEnergy-Version", "EvEnergy-User"),
    ),
    401: Refusal(
        "a token that is missing or not good",
        lambda asked: asked.needs_token or asked.has_header("Authorization"),
    ),
    406: Refusal("no JSON wanted", lambda asked: asked.has_header("Accept")),
    413: Refusal("a body beyond any sense", lambda asked: asked.size > 1_000_000),
    415: Refusal("a body that is not JSON", lambda asked: asked.has_header("Content-Type")),
}


def pointed_at(data: Mapping[str, Any], where: str) -> tuple[Any, str]:
    """The schema that holds *where*, and under which name."""
    *steps, last = where.split("/")
    found: Any = data["components"]["schemas"]
    for step in steps:
        found = found[step]
    return found, last


def mended(data: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the description without its known faults."""
    made = copy.deepcopy(dict(data))
    for fault in (*FAULTS, *MEMBERS_FORGOTTEN):
        holder, name = pointed_at(made, fault.where)
        holder[name] = fault.mend(holder[name])
    return made


def with_general_refusals(data: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which every operation declares them: for who cannot judge of causes."""
    made = copy.deepcopy(dict(data))
    problem = {"schema": {"$ref": "#/components/schemas/RFC9457ProblemDetail"}}
    for item in made["paths"].values():
        for operation in item.values():
            for status, refusal in GENERAL_REFUSALS.items():
                if isinstance(operation, dict) and "responses" in operation:
                    operation["responses"].setdefault(
                        str(status),
                        {
                            "description": refusal.reason,
                            "content": {"application/problem+json": problem},
                        },
                    )
    return made
