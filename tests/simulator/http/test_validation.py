"""The parsing and validation of queries and bodies, with the messages for invalid ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_energy.simulator.http._contract import CONTRACT
from ev_energy.simulator.http._validation import FORMATS, clean_body, parse_query, validate_body

USERS = CONTRACT["GET", "/users"]
LOGS = CONTRACT["GET", "/evses/{evse_id}/status_logs"]
SUB_SESSIONS = CONTRACT["GET", "/charging_sub_sessions"]
ROUTES = CONTRACT["POST", "/users/{user_id}/saved_routes"]
POINT = {"latitude": 51.5, "longitude": -0.1, "name": "Home"}
ROUTE = {"name": "x", "origin": POINT, "destination": POINT, "arrive_with_min_percent": 10}
RING = [[0, 0], [0, 1], [1, 1], [0, 0]]


def errors_of(facts: Any, *pairs: tuple[str, str]) -> Any:
    return parse_query(facts, pairs)[1]


def test_query_is_parsed_into_values() -> None:
    pairs = [
        ("is_finished", "true"),
        ("energy_delivered_watt_hours__gte", "-5"),
        ("start__gt", "2026-10-05T13:00:00.25+01:00"),
        ("mode", "SMART"),
        ("expand", "evse"),
        ("expand", "evse.model"),
    ]
    values, errors = parse_query(SUB_SESSIONS, pairs)
    assert errors == {}
    assert values == {
        "is_finished": True,
        "energy_delivered_watt_hours__gte": -5,
        "start__gt": datetime(2026, 10, 5, 12, 0, 0, 250000, tzinfo=UTC),
        "mode": "SMART",
        "expand": ["evse", "evse.model"],
        "page_size": 25,
    }


def test_cursors_stay_texts() -> None:
    time = "2026-10-05T13:00:00.1234+01:00"
    assert parse_query(LOGS, [("page_after", time)])[0]["page_after"] == time


def test_missing_list_parameter_is_absent() -> None:
    assert "expand" not in parse_query(USERS, [])[0]


@pytest.mark.parametrize("text", ["True", "TRUE", "1", "0", "yes", "", " true", "null"])
def test_only_true_and_false_are_booleans(text: str) -> None:
    assert errors_of(SUB_SESSIONS, ("is_finished", text)) == {
        "is_finished": ["Must be true or false."]
    }


@pytest.mark.parametrize("text", ["0", "101", "1.0", "+5", " 5", "²", "٣", "", "1e1", "9" * 9999])
def test_page_size_has_a_range_and_a_default(text: str) -> None:
    values, errors = parse_query(USERS, [("page_size", text)])
    assert errors == {"page_size": ["Must be an integer from 1 to 100."]}
    assert values == {"page_size": 25}
    assert set(errors) <= USERS.paging_parameters


def test_unknown_parameter_gets_a_suggestion() -> None:
    assert errors_of(USERS, ("page_siz", "1"), ("page", "1"), ("\ud800", "")) == {
        "page_siz": ["This operation has no such parameter. Did you mean page_size?"],
        "page": ["This operation has no such parameter. Did you mean page_size?"],
        "\ud800": ["This operation has no such parameter."],
    }


def test_repeated_parameter_must_be_a_list() -> None:
    assert errors_of(USERS, ("email", "a@b.example"), ("email", "a@b.example")) == {
        "email": ["This can be sent only once."]
    }


def test_list_joined_by_commas_gets_a_hint() -> None:
    (message,) = errors_of(LOGS, ("expand", "evse,evse.user"))["expand"]
    assert message.endswith("Repeat the parameter to send several values.")
    (message,) = errors_of(LOGS, ("expand", "evse"), ("expand", "nobody"))["expand"]
    assert message == "Must be one of evse, evse.model, evse.model.make, evse.user."


@pytest.mark.parametrize(
    ("facts", "name", "text"),
    [
        (LOGS, "sampled_at__gte", "2026-10-05T12:00:00 01:00"),
        (LOGS, "page_after", "2026-10-05T12:00:00 01:00"),
        (USERS, "email", "other name@example.com"),
    ],
)
def test_plus_sign_decoded_as_a_space_gets_a_hint(facts: Any, name: str, text: str) -> None:
    (message,) = errors_of(facts, (name, text))[name]
    assert message.endswith("Write a plus sign in a query as %2B.")


@pytest.mark.parametrize("text", ["2026-10-05T12:00:00", "2026-10-05", "0001-01-01T00:00:00+01:00"])
def test_time_must_have_a_zone_and_be_in_the_calendar(text: str) -> None:
    assert errors_of(LOGS, ("sampled_at__lte", text)) == {
        "sampled_at__lte": ["Must be a date and time with its zone, such as 2026-10-05T12:00:00Z."]
    }


def test_missing_parameter_is_required() -> None:
    facts = CONTRACT["GET", "/hem_systems/{hem_system_id}/energy_stats"]
    assert errors_of(facts, ("resolution", "P1D"), ("end", "now")) == {
        "start": ["This is required."],
        "end": ["Must be a date and time with its zone, such as 2026-10-05T12:00:00Z."],
    }


@pytest.mark.parametrize("text", ["51.5,-0.12", "90,180", "-90.0, +179.9"])
def test_coordinates_are_latitude_and_longitude(text: str) -> None:
    facts = CONTRACT["GET", "/regions"]
    assert errors_of(facts, ("contains", text)) == {}
    assert errors_of(facts, ("contains", text + "\n")) == {
        "contains": ["Must be a string of the form latitude,longitude."]
    }


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2024-02-29", "2023-02-29 20240229 2024-2-9 ٢024-02-29 2024-02-29Z"),
        ("date-time", "2024-02-29T00:00:00Z", "2024-02-30T00:00:00Z 2024-02-29T24:00:00Z 2024"),
        ("decimal", "-12.50", "1. .5 1,5 1e5 ٣ NaN"),
        ("email", "a+b@c.example", "a@b @b.example a@.b a@b. a@b@c.example a"),
        ("uri", "https://h:1/p?q#f", "//h/p h/p http://h/ä http://h:x/ http://[::1]x http://[1]"),
        (
            "uuid",
            "123E4567-e89b-12d3-a456-426614174000",
            "123e4567e89b12d3a456426614174000 123e4567-e89b12d3-a456-426614174000 {} x",
        ),
    ],
)
def test_format_matches_the_whole_text(name: str, good: str, bad: str) -> None:
    matches = FORMATS[name].matches
    assert matches(good)
    assert [
        text for text in [*bad.split(), "", f" {good}", f"{good} ", f"{good}\n"] if matches(text)
    ] == []


def test_errors_are_nested_like_the_body() -> None:
    route = ROUTE | {
        "name": "x" * 201,
        "origin": POINT | {"latitude": 91, "name": 1},
        "waypoints": [POINT, {"latitude": 1, "longitude": True}, None],
        "preferred_departure_minutes": 1440,
        "favourite": None,
    }
    del route["arrive_with_min_percent"]
    assert validate_body(ROUTES, route) == {
        "name": ["Must be a string of at most 200 characters."],
        "origin": {
            "latitude": ["Must be a number from -90 to 90."],
            "name": ["Must be a string of at most 100 characters."],
        },
        "waypoints": {
            "1": {
                "longitude": ["Must be a number from -180 to 180."],
                "name": ["This is required."],
            },
            "2": ["Must be an object."],
        },
        "preferred_departure_minutes": ["Must be an integer from 0 to 1439 or null."],
        "favourite": ["Must be true or false."],
        "arrive_with_min_percent": ["This is required."],
    }
    assert validate_body(ROUTES, ROUTE | {"name": "x" * 200}) == {}


@pytest.mark.parametrize("value", [None, [], "x", 1, 1.5, True])
def test_body_that_is_not_an_object_has_one_error(value: object) -> None:
    assert validate_body(ROUTES, value) == {"body": ["Must be an object."]}


def test_required_address_members_are_set_together() -> None:
    facts = CONTRACT["PATCH", "/users/{user_id}"]
    needed = ("address_1", "city", "postal_code", "country_code")
    whole = dict.fromkeys(needed, "GB")
    assert validate_body(facts, {"default_location": whole}) == {}
    assert validate_body(facts, {"default_location": dict.fromkeys(whole)}) == {}
    assert validate_body(facts, {"default_location": {"tariff": None, "evse_site": None}}) == {}
    for given_name in (*needed, "address_2", "state"):
        wrong = validate_body(facts, {"default_location": {"city": None, given_name: "GB"}})
        assert wrong == {
            "default_location": {
                name: [f"This is required together with {given_name}."]
                for name in needed
                if name != given_name
            }
        }


def test_read_only_and_unknown_members_are_dropped() -> None:
    facts = CONTRACT["PATCH", "/users/{user_id}"]
    body = {"id": 5, "full_name": None, "joined_at": "now", "who": [], "email": "a@b.example"}
    assert validate_body(facts, body) == {}
    assert clean_body(facts, body) == {"email": "a@b.example"}
    waypoint = {**POINT, "colour": "red"}
    assert clean_body(ROUTES, {"waypoints": [waypoint]}) == {"waypoints": [POINT]}


def test_closed_object_rejects_unknown_members() -> None:
    preferences = CONTRACT["PATCH", "/users/{user_id}/notification_preferences"]
    assert validate_body(preferences, {"groups": {"charging_flow": True, "sales": True}}) == {
        "groups": {"sales": ["Unknown member."]}
    }
    path = (
        "/programs/{program_id}/participation_agreement_versions"
        "/{participation_agreement_version_id}/accept"
    )
    assert validate_body(CONTRACT["POST", path], {}) == {}
    assert validate_body(CONTRACT["POST", path], {"x": 1}) == {"x": ["Unknown member."]}


def test_free_form_object_stays_unchanged() -> None:
    facts = CONTRACT["POST", "/programs/{program_id}/user_verification"]
    body = {"account": [{"number": 1.0}], "x": None}
    assert validate_body(facts, body) == {}
    assert clean_body(facts, body) == body


def test_integer_with_a_zero_fraction_becomes_int() -> None:
    facts = CONTRACT["PATCH", "/vehicles/{vehicle_id}"]
    body = {"battery_size_watt_hours": 50000.0, "vehicle_class": None}
    assert validate_body(facts, body) == {}
    assert json.dumps(clean_body(facts, body)) == (
        '{"battery_size_watt_hours": 50000, "vehicle_class": null}'
    )
    for value in (50000.5, True, "50000"):
        assert "battery_size_watt_hours" in validate_body(facts, {"battery_size_watt_hours": value})


@pytest.mark.parametrize("value", [10**400, -(10**400), 2**63, -(2**63) - 1, 1e300])
def test_integer_must_fit_into_64_bits(value: float) -> None:
    facts = CONTRACT["POST", "/solar_arrays"]
    dispatch = CONTRACT["POST", "/dispatch_coordinators/{dispatch_coordinator_id}/dispatch_events"]
    assert "capacity_watts" in validate_body(facts, {"capacity_watts": value})
    assert "target_power_watts" in validate_body(dispatch, {"target_power_watts": value})
    assert validate_body(facts, {"capacity_watts": 2**63 - 1}) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 10**400, "1", False])
def test_number_must_be_finite_json(value: object) -> None:
    facts = CONTRACT["PATCH", "/user_rebates/{user_rebate_id}"]
    body = {"evidence_data": [{"id": value, "value": "x"}]}
    assert validate_body(facts, body)["evidence_data"] == {"0": {"id": ["Must be a number."]}}


@pytest.mark.parametrize("text", ["\0", "a\ud800", "\udfff"])
def test_unstorable_text_is_rejected(text: str) -> None:
    assert validate_body(ROUTES, ROUTE | {"name": text}) == {
        "name": ["Must not contain NUL or unpaired surrogates."]
    }
    assert "cpid" in errors_of(CONTRACT["GET", "/evses"], ("cpid", text))


@pytest.mark.parametrize("coordinates", [[RING], [[RING]]])
def test_geometry_is_validated_by_its_type_member(coordinates: object) -> None:
    facts = CONTRACT["POST", "/regions"]
    kinds = ("Polygon", "MultiPolygon")
    kind = kinds[coordinates == [[RING]]]
    for other in kinds:
        body = {"name": "x", "geometries": [{"type": other, "coordinates": coordinates}]}
        assert (validate_body(facts, body) == {}) == (other == kind)
    body = {"name": "x", "geometries": [{"type": "Point", "coordinates": [0, 0]}, 5]}
    assert validate_body(facts, body)["geometries"] == {
        "0": ["Must be a Polygon or a MultiPolygon."],
        "1": ["Must be a Polygon or a MultiPolygon."],
    }


def test_errors_of_a_long_list_are_limited() -> None:
    body = {"name": "x", "geometries": [None] * 1000}
    message = validate_body(CONTRACT["POST", "/regions"], body)["geometries"]
    assert list(message) == [str(number) for number in range(25)]


def test_long_enum_is_abbreviated_in_messages() -> None:
    body = {"default_location": {"country_code": "XX"}}
    message = validate_body(CONTRACT["PATCH", "/users/{user_id}"], body)["default_location"]
    assert message["country_code"][0].startswith("Must be one of AD, AE, ")
    assert message["country_code"][0].endswith(" … (249 in all) or null.")


def test_deeply_nested_value_is_rejected() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    body = {"name": "x", "geometries": [{"type": "Polygon", "coordinates": deep}], "type": deep}
    assert set(validate_body(CONTRACT["POST", "/regions"], body)) == {"geometries", "type"}


BODIES = [facts.body for facts in CONTRACT.values() if facts.body is not None]
#: Names of real members, so that generated bodies are validated in depth.
NAMES = st.sampled_from(
    sorted({name for body in BODIES for name in CONTRACT.shape(body.shape).properties or ()})
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=12,
)


@given(value=ANYTHING)
def test_any_json_body_is_validated(value: object) -> None:
    for facts in CONTRACT.values():
        errors = validate_body(facts, value)
        assert json.loads(json.dumps(errors)) == errors
        if not errors:
            clean_body(facts, value)


@given(pairs=st.lists(st.tuples(st.text(st.characters()), st.text(st.characters())), max_size=4))
def test_any_query_is_parsed(pairs: list[tuple[str, str]]) -> None:
    for facts in CONTRACT.values():
        texts = [text for _, text in pairs]
        known = list(zip(facts.query, texts, strict=False))
        values, errors = parse_query(facts, pairs + known)
        assert not values.keys() & errors.keys() - {
            name for name, shape in facts.query.items() if shape.default is not None
        }
