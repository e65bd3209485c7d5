"""Models, links, enums and values of requests as types of pydantic and FastAPI."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import logging
import subprocess
import sys
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

import attrs
import httpx
import pytest
from fastapi import Body, FastAPI, Query
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ev_energy import Id, Key, Ref
from ev_energy import _field_docs as field_docs
from ev_energy.models import (
    EVSE,
    ChargingSubSession,
    EvidenceDataWrite,
    EVSELockMode,
    EVSEModel,
    EVSEStatusLog,
    GeoJsonMultiPolygon,
    GeoJsonPolygon,
    LatLong,
    LocationWrite,
    NotificationGroupsWrite,
    OnboardingLink,
    RebateEvidenceUpload,
    RegionGroupEntry,
    Supplier,
    Tariff,
    TariffDetail,
    UsageInterval,
    User,
    Vehicle,
    VehicleReconnectionUrl,
)
from ev_energy.models._base import Model, PlainValue
from tests.helpers.fastapi_apps import open_app
from tests.helpers.strategies import MODELS

ROOT = "https://api.ev.energy/v2"
M = TypeVar("M", bound=Model)
SENT: dict[str, Any] = {
    "id": "evse01",
    "url": f"{ROOT}/evses/evse01",
    "cpid": "SHIR1",
    "model": {"id": "emod01", "url": f"{ROOT}/evse_models/emod01", "name": "EVWC", "make": "m"},
    "user": f"{ROOT}/users/user01",
    "latest_status_log": {"url": f"{ROOT}/l", "sampled_at": "2026-01-01T11:11:11.111100Z"},
    "lock_mode": "SMART",
    "location": {"latitude": 51.5, "longitude": -0.1, "altitude": 11},
    "new": {"a": [1, None]},
}


def evse() -> EVSE:
    return EVSE.from_dict(SENT)


class Row(BaseModel):
    """A user's model with members of ours."""

    evse: EVSE
    link: Ref[EVSE] | None = None
    mode: EVSELockMode = EVSELockMode.SMART


async def call(app: FastAPI, method: str, path: str, **options: Any) -> httpx.Response:
    async with open_app(app) as browser:
        return await browser.request(method, path, **options)


def test_models_load_no_pydantic_until_it_asks_for_a_schema() -> None:
    code = """
import sys
from ev_energy import Client, models, webhooks
for name in dir(models):
    getattr(models, name)
evse = models.EVSE.from_dict({"id": "e", "url": "u", "cpid": "c", "user": "u"})
evse.to_dict(), repr(evse), evse.user
assert not {"pydantic", "pydantic_core", "ev_energy._pydantic"} & sys.modules.keys()
sys.modules["pydantic"] = sys.modules["pydantic_core"] = None
models.LocationWrite(city=None), models.EVSE.from_dict(evse.to_dict())
assert not hasattr(evse, "__pydantic_serializer__")
print("done")
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


# Responses


async def test_return_annotation_keeps_the_json_of_the_api() -> None:
    app = FastAPI()

    @app.get("/one")
    async def one() -> EVSE:
        return evse()

    @app.get("/many", response_model_exclude_unset=True)
    async def many() -> list[EVSE]:
        return [evse(), evse()]

    @app.get("/named", response_model_exclude_none=True)
    async def named() -> dict[str, EVSE | None]:
        return {"a": evse(), "b": None}

    async with open_app(app) as browser:
        shown = (await browser.get("/one")).json()
        assert {**shown, **SENT, "model": 0, "latest_status_log": 0} == {
            **shown,
            "model": 0,
            "latest_status_log": 0,
        }
        assert shown["ct_clamp"] is None
        assert EVSE.from_dict(shown) == evse()
        assert (await browser.get("/many")).json() == [SENT, SENT]
        assert (await browser.get("/named")).json()["a"] == {**SENT}


async def test_dictionary_that_a_route_returns_becomes_a_model() -> None:
    app = FastAPI()

    @app.get("/", response_model=EVSE, response_model_exclude_unset=True)
    async def one() -> Any:
        return SENT

    assert (await call(app, "GET", "/")).json() == SENT


async def test_include_and_exclude_reach_into_nested_models() -> None:
    app = FastAPI()

    @app.get("/in", response_model_include={"id": True, "model": {"name"}})
    async def included() -> EVSE:
        return evse()

    @app.get("/out", response_model_exclude={"model": {"url", "id"}, "location": True, "new": True})
    async def excluded() -> EVSE:
        return evse()

    @app.get("/list", response_model_include={"__all__": {"id": True, "location": {"altitude"}}})
    async def listed() -> list[EVSE]:
        return [evse()]

    async with open_app(app) as browser:
        found = (await browser.get("/list")).json()
        assert found == [{"id": "evse01", "location": {"altitude": 11}}]
        assert (await browser.get("/in")).json() == {"id": "evse01", "model": {"name": "EVWC"}}
        found = (await browser.get("/out")).json()
        assert found.keys().isdisjoint({"location", "new"})
        assert found["model"] == {
            "name": "EVWC",
            "make": "m",
            "display_name": None,
            "onboarding_url": None,
        }


@pytest.mark.parametrize(
    ("include", "exclude"),
    [
        ({"a"}, None),
        (None, {"a"}),
        ({"a": True, "b": {"c"}}, None),
        ({"b": {"c": {"d"}}}, {"b": {"c": {"e"}}}),
        ({"l": {0: True}}, None),
        ({"l": {-1: {"x"}}}, None),
        ({"l": {"__all__": {"x"}}}, None),
        (None, {"l": {"__all__": {"x"}, 0: {"y"}}}),
        (None, {"l": {0}}),
        (None, {"l": {"__all__"}}),
        (None, {"b": ...}),
        ({"a": False, "b": True}, None),
        ({"new": {"p"}}, {"l"}),
        (set(), None),
        (None, set()),
    ],
)
def test_filters_mean_what_they_mean_to_pydantic(include: Any, exclude: Any) -> None:
    data = {
        "a": 1,
        "b": {"c": {"d": 1, "e": 2}, "f": 3},
        "l": [{"x": 1, "y": 2}, {"x": 3, "y": 4}],
        "new": {"p": 1, "q": 2},
    }

    class Inner(BaseModel):
        outer: dict[str, Any]

    ours = TypeAdapter(EVSE).dump_python(EVSE.from_dict(data), include=include, exclude=exclude)
    filters = [None if one is None else {"outer": one} for one in (include, exclude)]
    theirs = Inner(outer=data).model_dump(include=filters[0], exclude=filters[1])
    assert {name: one for name, one in ours.items() if name in data} == theirs.get("outer", {})


def test_exclude_options_leave_out_what_pydantic_leaves_out() -> None:
    supplier = TypeAdapter(Supplier)
    one = Supplier.from_dict({"id": "s", "url": "u", "name": "Acme", "icon": None, "new": None})
    always = {"id": "s", "url": "u", "name": "Acme"}
    assert supplier.dump_python(one, exclude_none=True) == always
    sent = {**always, "icon": None, "new": None}
    assert supplier.dump_python(one, exclude_unset=True) == sent == one.to_dict()
    polygon = GeoJsonPolygon(coordinates=())
    adapter = TypeAdapter(GeoJsonPolygon)
    assert adapter.dump_python(polygon, exclude_defaults=True) == {"coordinates": ()}
    assert adapter.dump_python(polygon, exclude_unset=True) == polygon.to_dict() | {
        "coordinates": ()
    }


def test_values_of_a_wrong_type_are_written_as_the_api_sent_them() -> None:
    odd = {
        "id": 5,
        "url": None,
        "cpid": {"a": 1},
        "model": [1],
        "lock_mode": ["SMART"],
        "location": "here",
        "latest_status_log": {"url": "l", "sampled_at": "soon", "voltage_millivolts": "x"},
    }
    read = EVSE.from_dict(odd)
    written = TypeAdapter(EVSE).dump_json(read, exclude_unset=True)
    assert json.loads(written) == read.to_dict()
    assert json.loads(TypeAdapter(EVSE).dump_json(read))["lock_mode"] == ["SMART"]


@pytest.mark.parametrize(
    "sent",
    [
        {"price": "21.3", "energy_delivered_watt_hours": 1800},
        [{"price": "21.3", "energy_delivered_watt_hours": 1800, "new": 1}],
        [],
    ],
)
def test_one_item_in_place_of_a_list_is_written_as_it_was_sent(sent: Any) -> None:
    interval = UsageInterval.from_dict({"energy_delivered_by_price": sent})
    adapter = TypeAdapter(UsageInterval)
    for one in (interval, attrs.evolve(interval)):
        assert json.loads(adapter.dump_json(one, exclude_unset=True)) == {
            "energy_delivered_by_price": sent
        }


def test_field_with_an_alias_is_written_by_its_own_name() -> None:
    link = VehicleReconnectionUrl.from_dict({"url": "u", "expiry": "2026-01-01T00:00:00Z"})
    adapter = TypeAdapter(VehicleReconnectionUrl)
    assert json.loads(adapter.dump_json(link)) == {
        "url": "u",
        "expires_at": "2026-01-01T00:00:00Z",
    }
    assert adapter.validate_python({"url": "u", "expiry": "2026-01-01T00:00:00Z"}) == link


def test_response_shows_the_secret_that_repr_hides() -> None:
    upload = RebateEvidenceUpload(id="f", presigned_url="https://storage.example/?key=s3cret")
    assert "s3cret" not in repr(upload)
    adapter = TypeAdapter(RebateEvidenceUpload)
    assert b"https://storage.example/?key=s3cret" in adapter.dump_json(upload)
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(EVSE).validate_python(upload)
    assert "s3cret" not in str(caught.value)


def test_subclass_is_reduced_to_the_declared_model() -> None:
    detail = TariffDetail.from_dict({"id": "t", "url": "u", "prices": f"{ROOT}/p", "new": 1})
    written = json.loads(TypeAdapter(Tariff).dump_json(detail, exclude_unset=True))
    assert written == {"id": "t", "url": "u", "new": 1}
    assert json.loads(TypeAdapter(TariffDetail).dump_json(detail))["prices"] == f"{ROOT}/p"


@attrs.frozen(kw_only=True)
class Noted(EVSE):
    """A subclass of a user with a field of its own."""

    note: str = "mine"


def test_model_of_a_user_is_written_with_its_fields() -> None:
    noted = Noted(id="e", url="u", cpid="c")
    assert json.loads(TypeAdapter(Noted).dump_json(noted, exclude_unset=True)) == {
        "id": "e",
        "url": "u",
        "cpid": "c",
        "note": "mine",
    }
    assert "note" not in TypeAdapter(EVSE).dump_python(noted)
    assert "note" in TypeAdapter(Noted).json_schema()["properties"]


# Users' own models


def test_members_of_a_users_model_survive_its_json() -> None:
    row = Row(evse=evse(), link=Ref(f"{ROOT}/evses/evse01", EVSE))
    assert json.loads(row.model_dump_json(exclude_unset=True)) == {
        "evse": SENT,
        "link": f"{ROOT}/evses/evse01",
    }
    assert Row.model_validate_json(row.model_dump_json()) == row
    assert Row.model_validate(row.model_dump()) == row
    again = Row.model_validate(row.model_dump())
    assert again.evse.to_dict() == SENT
    assert row.model_copy(deep=True) == row


def test_python_values_stay_python_values() -> None:
    dumped = Row(evse=evse()).model_dump()["evse"]
    at = dt.datetime(2026, 1, 1, 11, 11, 11, 111100, tzinfo=dt.UTC)
    assert dumped["latest_status_log"]["sampled_at"] == at
    assert dumped["lock_mode"] is EVSELockMode.SMART
    read = EVSEStatusLog.from_dict({"url": "l", "sampled_at": "2026-01-01T11:11:11.111100Z"})
    assert TypeAdapter(EVSEStatusLog).validate_python({"url": "l", "sampled_at": at}) == read


def test_dictionary_may_hold_models_links_and_enums(caplog: pytest.LogCaptureFixture) -> None:
    model = EVSEModel.from_dict(SENT["model"])
    values = {
        **SENT,
        "model": Ref(model, EVSEModel),
        "user": Ref(SENT["user"], User),
        "location": LatLong.from_dict(SENT["location"]),
        "lock_mode": EVSELockMode.SMART,
    }
    with caplog.at_level(logging.WARNING, logger="ev_energy.drift"):
        caplog.clear()
        assert TypeAdapter(EVSE).validate_python(values) == evse()
    assert not [record for record in caplog.records if "wrong type" in record.message]


class Seconds(BaseModel):
    """A user's model that writes points in time as numbers, which pydantic 2.12 can."""

    model_config = ConfigDict(ser_json_temporal="seconds")

    log: EVSEStatusLog


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "2026-01-01T00:00:00Z"),
        (dt.datetime(2026, 1, 1, 0, 0, 0, 100, tzinfo=dt.UTC), "2026-01-01T00:00:00.000100Z"),
        (
            dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
            "2026-01-01T00:00:00+05:30",
        ),
        (
            dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=30))),
            "2026-01-01T00:00:00+00:00:30",
        ),
    ],
)
def test_points_in_time_are_the_text_of_the_api_whatever_pydantic_is_told(
    at: dt.datetime, text: str
) -> None:
    log = EVSEStatusLog(url="l", sampled_at=at)
    written = json.loads(Seconds(log=log).model_dump_json())
    assert written["log"]["sampled_at"] == log.to_dict()["sampled_at"] == text


@pytest.mark.parametrize(
    "value",
    [
        f"{ROOT}/evses/evse01",
        SENT,
        EVSE.from_dict(SENT),
        Ref(f"{ROOT}/evses/evse01", EVSE),
        Ref(EVSE.from_dict(SENT), EVSE),
    ],
    ids=["url", "object", "model", "link", "expanded link"],
)
def test_link_is_made_of_a_url_and_of_a_resource(value: Any) -> None:
    adapter = TypeAdapter(Ref[EVSE])
    link = adapter.validate_python(value)
    assert isinstance(link, Ref)
    assert (link.id, link.into) == ("evse01", EVSE)
    written = adapter.dump_python(link, mode="json", exclude_unset=True)
    assert written == (SENT if link.is_expanded else f"{ROOT}/evses/evse01")
    assert adapter.validate_json(json.dumps(written)) == link


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "Input should be a URL, a JSON object or an instance of EVSE"),
        (Ref("u", User), "Input should be a link to EVSE, not to User"),
        (User(id="u", url="u"), "Input should be a JSON object or an instance of EVSE"),
    ],
)
def test_link_refuses_other_values(value: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Ref[EVSE]).validate_python(value)


class Generically(BaseModel, Generic[M]):
    """A user's generic model."""

    link: Ref[M]


def test_link_of_a_generic_model_knows_its_resource() -> None:
    assert Generically[EVSE](link="evse01").link.into is EVSE  # type: ignore[arg-type]  # pydantic reads it
    assert Generically[User](link={"id": "u"}).link.into is User  # type: ignore[arg-type]


class Arguments(BaseModel):
    """The types of arguments of the client."""

    evse: Id[EVSE]
    entry: Key[EVSEStatusLog]


def test_ids_and_keys_accept_what_the_client_accepts() -> None:
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    log = EVSEStatusLog(url="l", sampled_at=at)
    for one in ("evse01", evse(), Ref("evse01", EVSE)):
        assert Arguments(evse=one, entry=at).evse == one
    for entry in (at, "2026-01-01T00:00:00Z", log, Ref("l", EVSEStatusLog)):
        given = Arguments(evse="e", entry=entry)
        assert given.entry == entry
        assert type(given.entry) is type(entry)
    assert Arguments(evse=evse(), entry=at).model_dump(exclude_unset=True)["evse"]["id"] == "evse01"


def test_union_of_models_writes_the_one_that_it_holds() -> None:
    adapter = TypeAdapter(EVSE | User)
    user = User(id="u", url="u")
    assert adapter.dump_python(adapter.validate_python(user), exclude_unset=True) == user.to_dict()
    assert adapter.dump_python(evse(), exclude_unset=True, mode="json") == SENT


@pytest.mark.parametrize("value", [5, None, "{}", [SENT], User(id="u", url="u")])
def test_model_refuses_other_values(value: Any) -> None:
    with pytest.raises(ValidationError, match="Input should be a JSON object or an instance"):
        TypeAdapter(EVSE).validate_python(value)


def test_model_refuses_keys_that_are_no_strings_and_deep_nesting() -> None:
    with pytest.raises(ValidationError, match="expects strings as keys"):
        TypeAdapter(EVSE).validate_python({5: 1})
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"a": deep}
    with pytest.raises(ValidationError, match="nested too deeply"):
        TypeAdapter(EVSE).validate_python(deep)


def test_base_of_all_models_writes_any_model() -> None:
    written = TypeAdapter(Model).dump_python(evse(), mode="json", exclude_unset=True)
    assert written == SENT


# Query parameters and bodies


async def test_enum_is_a_query_parameter_that_may_be_unknown() -> None:
    app = FastAPI()

    @app.get("/")
    async def modes(
        others: Annotated[list[EVSELockMode], Query()], mode: EVSELockMode | None = None
    ) -> list[EVSELockMode]:
        return [one for one in (mode, *others) if one is not None]

    async with open_app(app) as browser:
        found = await browser.get("/", params={"mode": "SMART", "others": ["LOCKED", "NEWER"]})
        assert found.json() == ["SMART", "LOCKED", "NEWER"]
    shape = app.openapi()["components"]["schemas"]["EVSELockMode"]
    assert shape["type"] == "string"
    assert shape["x-extensible-enum"] == [one.value for one in EVSELockMode]
    assert "enum" not in shape


def body_app(cls: type[Any]) -> tuple[FastAPI, list[Any]]:
    """Return an application with a body of *cls*, and the list of those that it receives."""
    app, received = FastAPI(), []

    async def take(body: Any) -> Any:
        received.append(body)
        return body

    # The annotations of this module are text, which FastAPI evaluates without local names.
    take.__annotations__ = {"body": Annotated[cls, Body()], "return": cls}
    app.post("/")(take)
    return app, received


ADDRESS = {"address_1": "1 High St", "city": "Ely", "postal_code": "CB7", "country_code": "GB"}
POLYGON = {"type": "Polygon", "coordinates": [[[1, 2], [1, 3], [2, 2], [1, 2]]]}
MULTI = {"type": "MultiPolygon", "coordinates": [POLYGON["coordinates"]]}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (
            {**ADDRESS, "coordinates": {"latitude": 51.5, "longitude": 0}, "tariff": "t"},
            LocationWrite(
                address_1="1 High St",
                city="Ely",
                postal_code="CB7",
                country_code="GB",
                coordinates=LatLong(latitude=51.5, longitude=0),
                tariff="t",
            ),
        ),
        ({"tariff": None}, LocationWrite(tariff=None)),
        ({}, LocationWrite()),
        ({"charging_flow": False}, NotificationGroupsWrite(charging_flow=False)),
        ({"id": 5, "value": "x"}, EvidenceDataWrite(id=5, value="x")),
        ({"url": "https://x"}, OnboardingLink(url="https://x")),
        (
            {"name": "r", "type": "NEWER", "geometries": [POLYGON, MULTI]},
            RegionGroupEntry(
                name="r",
                type="NEWER",
                geometries=(
                    GeoJsonPolygon.from_dict(POLYGON),
                    GeoJsonMultiPolygon.from_dict(MULTI),
                ),
            ),
        ),
    ],
)
async def test_value_of_a_request_is_a_body_and_a_response(sent: Any, expected: Any) -> None:
    app, received = body_app(type(expected))
    answer = await call(app, "POST", "/", json=sent)
    assert received == [expected]
    assert answer.json() == sent


@pytest.mark.parametrize(
    ("cls", "sent", "locations"),
    [
        (LocationWrite, {"city": 5}, {("body", "city")}),
        (LocationWrite, {"cty": "Ely"}, {("body", "cty")}),
        (LocationWrite, {"tariff": 5}, {("body", "tariff")}),
        (LocationWrite, {"tariff": ""}, {("body", "tariff")}),
        (
            LocationWrite,
            {"coordinates": {"latitude": "north"}},
            {("body", "coordinates", "latitude"), ("body", "coordinates", "longitude")},
        ),
        (NotificationGroupsWrite, {"charging_flow": None}, {("body", "charging_flow")}),
        (EvidenceDataWrite, {"id": "x"}, {("body", "id"), ("body", "value")}),
        (RegionGroupEntry, {"name": "r"}, {("body", "geometries")}),
        (
            RegionGroupEntry,
            {"name": "r", "geometries": [POLYGON, {"type": "Point"}]},
            {("body", "geometries", 1)},
        ),
        (
            RegionGroupEntry,
            {"name": "r", "geometries": [{"coordinates": [[["a", 2]]]}]},
            {("body", "geometries", 0, "Polygon", "coordinates", 0, 0, 0)},
        ),
        (LocationWrite, [1], {("body",)}),
        (LocationWrite, {"city": "Ely"}, {("body",)}),
    ],
)
async def test_bad_body_is_422_and_names_the_field(
    cls: type[Any], sent: Any, locations: set[tuple[Any, ...]]
) -> None:
    app, received = body_app(cls)
    answer = await call(app, "POST", "/", json=sent)
    assert answer.status_code == 422
    assert {tuple(error["loc"]) for error in answer.json()["detail"]} == locations
    assert received == []


async def test_error_of_the_class_itself_names_the_missing_fields() -> None:
    app, _ = body_app(LocationWrite)
    (error,) = (await call(app, "POST", "/", json={"city": "Ely"})).json()["detail"]
    assert "with city given, address_1, postal_code, country_code must be given" in error["msg"]


def test_links_of_a_request_are_written_as_urls() -> None:
    tariff = Tariff.from_dict({"id": "t", "url": f"{ROOT}/tariffs/t"})
    for target in (tariff, Ref(tariff.url, Tariff), Ref(tariff, Tariff)):
        location = TypeAdapter(LocationWrite).validate_python({"tariff": target})
        assert location.tariff is target
        written = TypeAdapter(LocationWrite).dump_python(location)
        assert written == {"tariff": f"{ROOT}/tariffs/t"}


# The OpenAPI document


def document_of(models: list[type[Model]], values: list[type[PlainValue]]) -> dict[str, Any]:
    app = FastAPI()
    for model in models:
        app.get(f"/{model.__name__}", response_model=list[model])(list)  # type: ignore[valid-type]
    for cls in values:

        def take(body: Any) -> Any:
            return body

        take.__annotations__ = {"body": Annotated[cls, Body()], "return": cls}
        app.post(f"/{cls.__name__}")(take)
    return app.openapi()


VALUES = [LocationWrite, NotificationGroupsWrite, EvidenceDataWrite, RegionGroupEntry]


def test_every_class_that_requests_contain_is_a_value() -> None:
    from ev_energy import models

    found = [getattr(models, name) for name in dir(models)]
    plain = {
        one
        for one in found
        if isinstance(one, type) and attrs.has(one) and not issubclass(one, Model)
    }
    assert plain == {*VALUES, OnboardingLink}
    assert all(issubclass(one, PlainValue) for one in plain)


@pytest.mark.parametrize(
    "models",
    [[EVSE, Vehicle, ChargingSubSession], pytest.param(MODELS, marks=pytest.mark.slow)],
    ids=["a few models", "every model"],
)
def test_openapi_document_of_models_is_valid(models: list[type[Model]]) -> None:
    document = document_of(models, VALUES)
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()
    schemas = document["components"]["schemas"]
    for cls in (*models, *VALUES):
        assert schemas[cls.__name__]["title"] == cls.__name__
        assert schemas[cls.__name__]["description"]
    assert not [name for name in schemas if name.endswith(("-Input", "-Output"))]
    assert schemas["LocationWrite"]["additionalProperties"] is False
    assert "required" not in schemas["LocationWrite"]
    assert schemas["RegionGroupEntry"]["required"] == ["name", "geometries"]


def test_json_schema_tells_units_and_the_forms_of_a_link() -> None:
    schema = TypeAdapter(EVSEStatusLog).json_schema()
    properties = schema["$defs"]["EVSEStatusLog"]["properties"]
    assert properties["evse"]["anyOf"] == [
        {"type": "string", "format": "uri"},
        {"$ref": "#/$defs/EVSE"},
        {"type": "null"},
    ]
    assert properties["sampled_at"]["anyOf"][0] == {"type": "string", "format": "date-time"}
    row = Row.model_json_schema()
    assert row["properties"]["evse"] == {"$ref": "#/$defs/EVSE"}
    assert row["properties"]["link"]["anyOf"] == properties["evse"]["anyOf"]
    latitude = TypeAdapter(LatLong).json_schema()["properties"]["latitude"]
    assert latitude["description"] == "North is positive, -90 to 90."
    assert latitude["type"] == "number"


def test_every_docstring_of_a_field_is_in_the_json_schema() -> None:
    written = 0
    for model in (ChargingSubSession, EVSE, Vehicle, TariffDetail, LocationWrite):
        whole = TypeAdapter(model).json_schema()
        schema = whole.get("$defs", {}).get(model.__name__, whole)
        docs = field_docs.field_docs(model)
        for name, text in docs.items():
            if name in schema["properties"]:
                assert schema["properties"][name]["description"] == text
                written += 1
    assert written > 40
    inherited = field_docs.field_docs(TariffDetail)
    assert inherited.keys() > field_docs.field_docs(Tariff).keys()


def test_json_schema_does_without_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> str:
        raise OSError("could not get source code")

    field_docs._docs_of_module.cache_clear()
    monkeypatch.setattr(inspect, "getsource", refuse)
    try:
        latitude = TypeAdapter(LatLong).json_schema()["properties"]["latitude"]
        assert latitude == {"title": "Latitude", "type": "number"}
    finally:
        field_docs._docs_of_module.cache_clear()


class Theirs:
    """The models of a user, one of which has the name of a model."""

    class Vehicle(BaseModel):
        """A vehicle with a plate."""

        plate: str


class Both(BaseModel):
    """Two classes of the same name."""

    ours: Vehicle
    theirs: Theirs.Vehicle


def test_users_class_of_the_same_name_gets_a_schema_of_its_own() -> None:
    schema = Both.model_json_schema()
    ours, theirs = (schema["properties"][name]["$ref"] for name in ("ours", "theirs"))
    assert ours != theirs
    assert schema["$defs"][theirs.rpartition("/")[2]]["required"] == ["plate"]


def test_prices_are_strings_in_the_document_and_in_the_reply() -> None:
    from ev_energy.models import EnergyDeliveredByPrice

    adapter = TypeAdapter(EnergyDeliveredByPrice)
    one = EnergyDeliveredByPrice.from_dict({"price": "21.30", "energy_delivered_watt_hours": 5})
    assert one.price == Decimal("21.30")
    assert json.loads(adapter.dump_json(one))["price"] == "21.30"
    price = adapter.json_schema()["properties"]["price"]
    assert {"type": "string", "format": "decimal"} in price["anyOf"]


async def test_body_that_is_nested_too_deeply_is_422() -> None:
    # What is nested much deeper, FastAPI itself refuses, or fails to repeat in its 422.
    depth, app = 500, FastAPI()

    @app.post("/evse")
    async def evse(evse: Annotated[EVSE, Body()]) -> bool:
        return True

    @app.post("/link")
    async def link(link: Annotated[Ref[EVSE], Body()]) -> bool:
        return True

    content = '{"id": "x", "unknown": %s}' % ("[" * depth + "]" * depth)
    headers = {"content-type": "application/json"}
    async with open_app(app) as browser:
        for path in ("/evse", "/link"):
            reply = await browser.post(path, content=content, headers=headers)
            assert reply.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


class Filter(BaseModel):
    """Parameters of a query that are links."""

    evse: Ref[EVSE]
    others: list[Ref[EVSE]] = []


async def test_link_in_a_model_of_the_query_takes_ids_and_urls() -> None:
    app = FastAPI()

    @app.get("/evses")
    async def evses(wanted: Annotated[Filter, Query()]) -> list[str]:
        return [wanted.evse.id, *(other.id for other in wanted.others)]

    query = {"evse": f"{ROOT}/evses/evse01", "others": ["evse02", "evse03"]}
    async with open_app(app) as browser:
        reply = await browser.get("/evses", params=query)
    assert reply.json() == ["evse01", "evse02", "evse03"]


def test_link_as_a_parameter_is_refused_by_fastapi() -> None:
    """If FastAPI begins to allow it, the documentation is wrong."""
    app = FastAPI()

    async def evse(evse: Ref[EVSE]) -> None: ...

    with pytest.raises(AssertionError, match="Path params must be of one of the supported types"):
        app.get("/evses/{evse}")(evse)


@pytest.mark.parametrize("model", [EVSE, Vehicle, User, Tariff], ids=lambda model: model.__name__)
def test_value_of_any_type_is_written_as_one_of_its_own_type(model: type[Model]) -> None:
    value = model.from_dict({**SENT, "unknown": [1]} if model is EVSE else {"id": "one"})
    for adapter, written in (
        (TypeAdapter(Any), value),
        (TypeAdapter(dict[str, Any]), {"x": [value]}),
        (TypeAdapter(list[object]), [value]),
    ):
        found = json.loads(adapter.dump_json(written, exclude_unset=True))
        while not (isinstance(found, dict) and "id" in found):
            (found,) = found.values() if isinstance(found, dict) else found
        assert model.from_dict(found) == value
        assert found == json.loads(TypeAdapter(model).dump_json(value, exclude_unset=True))


def test_links_and_values_of_requests_are_written_in_a_field_of_any_type() -> None:
    evse = EVSE.from_dict(SENT)
    assert evse.model is not None
    values = [evse.user, evse.model, LocationWrite(tariff=None), evse.lock_mode, Ref("u1", User)]
    written = json.loads(TypeAdapter(Any).dump_json(values, exclude_unset=True))
    assert written == [SENT["user"], SENT["model"], {"tariff": None}, SENT["lock_mode"], "u1"]


async def test_route_can_return_models_inside_of_a_dictionary() -> None:
    app = FastAPI()

    @app.get("/", response_model_exclude_none=True, response_model_include={"evse": {"id"}})
    async def route() -> dict[str, Any]:
        return {"evse": EVSE.from_dict(SENT), "count": 1}

    async with open_app(app) as browser:
        assert (await browser.get("/")).json() == {"evse": {"id": SENT["id"]}}


def test_serializing_as_any_writes_the_fields_of_a_subclass() -> None:
    class Labelled(EVSE):
        @property
        def label(self) -> str:
            return "label"

    class Holder(BaseModel):
        evse: EVSE

    holder = Holder(evse=Labelled.from_dict(SENT))
    assert json.loads(holder.model_dump_json(serialize_as_any=True, exclude_unset=True)) == {
        "evse": json.loads(TypeAdapter(EVSE).dump_json(holder.evse, exclude_unset=True))
    }
