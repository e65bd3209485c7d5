"""Models as flat records."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ev_energy
import ev_energy_sync
from ev_energy import Client, Page, record_columns, record_types, to_records
from ev_energy._operations import operation_table
from ev_energy._records.columns import links_of
from ev_energy.expand import ChargingSubSessionExpand
from ev_energy.models import (
    EVSE,
    ChargingSession,
    ChargingSubSession,
    DailyPrices,
    EnergyUsage,
    EVSECommandLog,
    EVSEOCPPLog,
    RebateEvidenceUpload,
    RebateType,
    Tariff,
    TariffDetail,
    Times,
    UsageInterval,
    User,
    Vehicle,
    VehicleStatusLog,
    WebhookPortalLink,
)
from ev_energy.models._base import Model
from ev_energy.simulator import Simulator
from tests.helpers.strategies import MODELS, fuzzed, replies

ROOT = "https://api.ev.energy/v2"
STATUS = {"url": f"{ROOT}/evses/evse01/status_logs/2026-01-01T00:00:00Z", "charge_rate_watts": 7200}
DATA: dict[str, Any] = {
    "id": "evse01",
    "url": f"{ROOT}/evses/evse01",
    "cpid": "SHIR1",
    "model": {"id": "emod01", "url": f"{ROOT}/evse_models/emod01", "name": "EVWC"},
    "user": f"{ROOT}/users/user01/",
    "latest_status_log": STATUS,
    "ct_clamp": None,
    "lock_mode": "SMART",
    "location": {"latitude": 51.5, "longitude": -0.1},
    "new": {"a": [1]},
}
LINKS = "model, user, latest_status_log, ct_clamp"
ONE_CLASS = "to_records() takes models of one class:"
COLUMNS = [
    "id",
    "url",
    "cpid",
    "model.id",
    "user.id",
    "latest_status_log.url",
    "ct_clamp.id",
    "lock_mode",
    "location.latitude",
    "location.longitude",
    "lifecycle_state",
    "charging_sub_sessions",
]


def test_record_has_paths_of_fields_and_ids_of_links() -> None:
    (record,) = to_records([EVSE.from_dict(DATA)])
    assert record == {
        "id": "evse01",
        "url": f"{ROOT}/evses/evse01",
        "cpid": "SHIR1",
        "model.id": "emod01",
        "user.id": "user01",
        "latest_status_log.url": STATUS["url"],
        "ct_clamp.id": None,
        "lock_mode": "SMART",
        "location.latitude": 51.5,
        "location.longitude": -0.1,
        "lifecycle_state": None,
        "charging_sub_sessions": None,
    }
    assert list(record) == COLUMNS == record_columns(EVSE)
    assert type(record["lock_mode"]) is str


def test_columns_do_not_depend_on_the_data() -> None:
    bare = EVSE(id="evse02", url="u", cpid="c")
    assert [list(record) for record in to_records([bare, EVSE.from_dict(DATA)])] == [COLUMNS] * 2
    assert to_records([]) == []


def test_expanded_link_adds_the_fields_of_the_resource() -> None:
    expand = ["model", "model.make", "latest_status_log"]
    first, second = to_records(
        [EVSE.from_dict(DATA), EVSE.from_dict({**DATA, "model": f"{ROOT}/evse_models/emod02"})],
        expand=expand,
    )
    assert list(first) == list(second) == record_columns(EVSE, expand=expand)
    assert [name for name in first if name.startswith("model.")] == [
        "model.id",
        "model.url",
        "model.name",
        "model.make.id",
        "model.make.url",
        "model.make.name",
        "model.make.display_name",
        "model.make.icon",
        "model.make.onboarding_url",
        "model.make.is_beta",
        "model.make.evse_models",
        "model.display_name",
        "model.onboarding_url",
    ]
    assert (first["model.id"], first["model.name"]) == ("emod01", "EVWC")
    assert (second["model.id"], second["model.name"]) == ("emod02", None)
    assert first["latest_status_log.url"] == STATUS["url"]
    assert first["latest_status_log.charge_rate_watts"] == 7200
    assert record_columns(EVSE, expand=["model.make"]) == record_columns(EVSE, expand=expand[:2])


def test_expand_true_takes_the_links_that_some_reply_expanded() -> None:
    make = {"id": "emak01", "url": f"{ROOT}/evse_makes/emak01", "name": "Shire"}
    other = {**DATA, "model": {**DATA["model"], "make": make}, "latest_status_log": None}
    found = to_records([EVSE.from_dict(DATA), EVSE.from_dict(other)], expand=True)
    assert list(found[0]) == record_columns(
        EVSE, expand=["model", "model.make", "latest_status_log"]
    )
    assert [record["model.make.name"] for record in found] == [None, "Shire"]
    located = User.from_dict(
        {"id": "u", "url": "u", "default_location": {"tariff": {"id": "tari01", "url": "t"}}}
    )
    (record,) = to_records([located], expand=True)
    assert list(record) == record_columns(User, expand=["default_location.tariff"])
    plug = {"id": "csub01", "url": "c"}
    session = ChargingSession.from_dict({"id": "c", "url": "c", "sub_sessions": [plug, "x/y"]})
    (record,) = to_records([session], expand=True)
    assert json.loads(record["sub_sessions"])[0] == {
        **plug,
        **json.loads(record["sub_sessions"])[0],
    }


def test_link_in_a_reply_may_be_expanded_without_being_asked_for() -> None:
    (record,) = to_records([EVSE.from_dict(DATA)], expand=[])
    assert "model.name" not in record


def test_names_state_units_that_the_fields_do_not() -> None:
    columns = record_columns(ChargingSubSession)
    assert {"savings_cost_minor_units", "cost", "energy_delivered_watt_hours"} <= set(columns)
    assert record_columns(UsageInterval)[-2] == "electricity_cost_sub_unit_per_kilowatt_hour"
    assert record_columns(DailyPrices)[:2] == ["peak.price_major_units", "peak.times"]
    inherited = record_columns(TariffDetail, expand=["supplier"])
    assert "daily_prices.off_peak.price_major_units" in inherited
    assert "current_price_minor_units" in inherited


def test_values_are_scalars() -> None:
    command = "8d0a7b02-6d0f-4b0b-8b0e-0f0e0d0c0b0a"
    (log,) = to_records([EVSECommandLog.from_dict({"internal_command_id": command})])
    assert log["internal_command_id"] == command
    tariff = Tariff.from_dict(
        {
            "id": "t",
            "url": "t",
            "supplier": "s",
            "name": "Night",
            "currency": "GBP",
            "valid_from": "2026-01-01",
            "daily_prices": {"peak": {"price": "0.10", "times": [{"start": "07:00:00"}]}},
        }
    )
    (record,) = to_records([tariff])
    assert record["valid_from"] == date(2026, 1, 1)
    assert record["daily_prices.peak.price_major_units"] == Decimal("0.10")
    assert record["daily_prices.peak.times"] == '[{"start":"07:00:00"}]'
    assert json.loads(record["daily_prices.peak.times"]) == [{"start": "07:00:00"}]
    assert tariff.daily_prices
    assert tariff.daily_prices.peak.times
    assert to_records(tariff.daily_prices.peak.times) == [{"start": time(7), "end": None}]


def test_times_are_in_utc() -> None:
    log = VehicleStatusLog(sampled_at=datetime(2026, 7, 1, 1, tzinfo=timezone(timedelta(hours=2))))
    (record,) = to_records([log])
    assert record["sampled_at"] == datetime(2026, 6, 30, 23, tzinfo=UTC)
    assert record["sampled_at"].tzinfo is UTC
    early = VehicleStatusLog(sampled_at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))))
    assert to_records([early])[0]["sampled_at"] == early.sampled_at


def test_lists_are_json() -> None:
    user = User.from_dict({"id": "u", "url": "u", "vehicles": ["v/1", "v/2"]})
    assert to_records([user])[0]["vehicles"] == '["v/1","v/2"]'
    session = ChargingSession.from_dict(
        {"id": "c", "url": "c", "start": "2026-01-01T00:00:00Z", "sub_sessions": [f"{ROOT}/s/1"]}
    )
    assert to_records([session])[0]["sub_sessions"] == '["1"]'
    price = {"price": "21.3", "energy_delivered_watt_hours": 4}
    usage = EnergyUsage.from_dict(
        {"intervals": [{"started_at": "2026-01-01T00:00:00Z", "energy_delivered_by_price": price}]}
    )
    assert json.loads(to_records([usage])[0]["intervals"]) == usage.to_dict()["intervals"]
    assert usage.intervals
    (interval,) = to_records(usage.intervals)
    assert json.loads(interval["energy_delivered_by_price"]) == [price]
    log = EVSEOCPPLog.from_dict({"payload": {"a": [1.5, None, "\ud800"]}})
    assert json.loads(to_records([log])[0]["payload"]) == {"a": [1.5, None, "\ud800"]}


def test_values_of_a_wrong_type_are_kept() -> None:
    odd = EVSE.from_dict({**DATA, "user": 5, "cpid": {"a": 1}, "model": ["m"], "location": "here"})
    (record,) = to_records([odd], expand=["model"])
    assert (record["user.id"], record["cpid"], record["model.id"]) == (5, '{"a":1}', '["m"]')
    assert record["location.latitude"] is None  # it has no column of its own
    for sent, shown in (("none", "none"), (5, 5), ({"a": 1}, '{"a":1}')):
        session = ChargingSession.from_dict({"id": "c", "url": "c", "sub_sessions": sent})
        assert to_records([session])[0]["sub_sessions"] == shown


def test_ids_of_links_are_decoded() -> None:
    """They are equal to the ids of the resources, so that tables can be joined."""
    user = {"id": "u x", "url": f"{ROOT}/users/u%20x"}
    for sent in (user, user["url"]):
        (record,) = to_records([EVSE.from_dict({**DATA, "user": sent})])
        assert record["user.id"] == to_records([User.from_dict(user)])[0]["id"] == "u x"
    session = ChargingSession.from_dict(
        {"id": "c", "url": "c", "sub_sessions": [f"{ROOT}/s/a%20b"]}
    )
    assert to_records([session])[0]["sub_sessions"] == '["a b"]'


def test_part_of_a_wrong_type_has_empty_columns() -> None:
    odd = EVSE.from_dict({**DATA, "location": "POINT(1 2)"})
    (record,) = to_records([odd])
    assert (record["location.latitude"], record["location.longitude"]) == (None, None)
    assert odd.to_dict()["location"] == "POINT(1 2)"


def test_urls_that_grant_access_are_masked() -> None:
    upload = RebateEvidenceUpload(id="f", presigned_url="https://storage.example/?key=s3cret")
    assert to_records([upload]) == [{"id": "f", "url": None, "presigned_url": "***"}]
    assert to_records([WebhookPortalLink(url="https://x.example/s3cret")]) == [{"url": "***"}]
    assert to_records([WebhookPortalLink()]) == [{"url": None}]
    evidence = {
        "title": "Invoice",
        "description": None,
        "upload_required": True,
        "evidence_data": [],
        "file": {"name": "a", "url": "https://x.example/s3cret"},
        "scan": "https://x.example/?X-Amz-Signature=s3cret",
        "page": "https://x.example/?page=5",
    }
    rebate = RebateType.from_dict({"id": "r", "url": "r", "required_evidence": [evidence]})
    for expand in ([], ["required_evidence"]):
        (record,) = to_records([rebate], expand=expand)
        assert "s3cret" not in str(record)
    assert json.loads(record["required_evidence"]) == [
        {**evidence, "file": {"name": "a", "url": "***"}, "scan": "***"}
    ]
    assert to_records([RebateType.from_dict(rebate.to_dict())], expand=expand) == [record]


def test_types_of_columns_follow_from_the_model() -> None:
    types = record_types(EVSE, expand=["model", "latest_status_log"])
    assert list(types) == record_columns(EVSE, expand=["model", "latest_status_log"])
    found = {name: types[name] for name in ("id", "user.id", "location.latitude", "lock_mode")}
    assert found == {"id": str, "user.id": str, "location.latitude": float, "lock_mode": str}
    assert types["latest_status_log.charge_rate_watts"] is int
    assert types["latest_status_log.sampled_at"] is datetime
    assert types["latest_status_log.is_charging"] is bool
    assert record_types(Tariff)["valid_from"] is date
    assert record_types(EVSECommandLog)["internal_command_id"] is str
    assert record_types(ChargingSubSession)["grid_energy_delivered"] is Decimal
    assert record_types(Times) == {"start": str, "end": str}  # a time, or what the API sent
    record_types(EVSE)["id"] = int
    assert record_types(EVSE)["id"] is str


@pytest.mark.slow
def test_polars_makes_a_table_of_records() -> None:
    polars: Any = pytest.importorskip("polars", reason="needs polars: pip install polars")
    bare = {name: DATA[name] for name in ("id", "url", "cpid")}
    whole = {**DATA, "latest_status_log": {**STATUS, "sampled_at": "2026-01-01T00:00:00Z"}}
    evses = [*(EVSE.from_dict(bare) for _ in range(150)), EVSE.from_dict(whole)]
    records = to_records(evses, expand=["latest_status_log"])
    frame = polars.DataFrame(records, infer_schema_length=None)
    assert frame.columns == record_columns(EVSE, expand=["latest_status_log"])
    assert frame.to_dicts() == records
    with pytest.raises(polars.exceptions.PolarsError):
        polars.DataFrame(records)


async def test_values_are_of_the_types_of_their_columns(client: Client) -> None:
    links: list[ChargingSubSessionExpand] = ["vehicle", "energy_usage"]
    sessions = await client.charging_sub_sessions.list(expand=links).collect(limit=100)
    types = record_types(ChargingSubSession, expand=links)
    for record in to_records(sessions, expand=links):
        for name, value in record.items():
            assert value is None or type(value) is types[name], name


def test_expanded_log_may_have_no_url() -> None:
    (record,) = to_records(
        [EVSE.from_dict({**DATA, "latest_status_log": {"is_charging": True}})],
        expand=["latest_status_log"],
    )
    assert record["latest_status_log.url"] is None
    assert record["latest_status_log.is_charging"] is True


@fuzzed
@pytest.mark.fuzz
@given(st.data(), st.sampled_from(MODELS))
def test_any_reply_becomes_a_flat_record(data: st.DataObject, model: type[Model]) -> None:
    one = model.from_dict(data.draw(replies(model)))
    links = [*links_of(model)]
    expand = data.draw(st.lists(st.sampled_from(links), max_size=2)) if links else []
    for found in (to_records([one], expand=expand), to_records([one], expand=True)):
        for value in found[0].values():
            assert value is None or isinstance(
                value, bool | int | float | Decimal | str | date | time
            )
    assert list(to_records([one], expand=expand)[0]) == record_columns(model, expand=expand)
    json.dumps(found, default=str)


@pytest.mark.parametrize("model", MODELS)
def test_columns_of_a_model_are_distinct(model: type[Model]) -> None:
    for expand in ([], [*links_of(model)]):
        columns = record_columns(model, expand=expand)
        assert len(set(columns)) == len(columns) > 0


EXPANDING = {(one.model, one.expand) for one in operation_table() if one.expand}


@pytest.mark.parametrize(("name", "values"), sorted(EXPANDING))
def test_values_of_expand_in_the_api_are_accepted(name: str, values: tuple[str, ...]) -> None:
    """The list that was passed to a request can be passed on."""
    model = getattr(ev_energy.models, name)
    for expand in (values, *([value] for value in values)):
        assert set(record_columns(model)) <= set(record_columns(model, expand=expand))


def test_every_type_of_expand_belongs_to_an_operation() -> None:
    aliases = {get_args(getattr(ev_energy.expand, name)) for name in ev_energy.expand.__all__}
    assert {values for _, values in EXPANDING} == aliases


def test_records_survive_csv() -> None:
    expand = ["model", "latest_status_log"]
    records = to_records([EVSE.from_dict(DATA)], expand=expand)
    out = io.StringIO()
    writer = csv.DictWriter(out, record_columns(EVSE, expand=expand))
    writer.writeheader()
    writer.writerows(records)
    (row,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert row == {name: "" if value is None else str(value) for name, value in records[0].items()}


async def test_pages_of_an_export_have_the_same_columns(client: Client) -> None:
    expand = ["vehicle"]
    columns = record_columns(ChargingSubSession, expand=expand)
    listing = client.charging_sub_sessions.list(page_size=3, expand=["vehicle"])
    count = 0
    async for page in listing.pages():
        for record in to_records(page, expand=expand):
            assert list(record) == columns
            assert record["vehicle.description"]
            count += 1
        if count >= 9:
            break
    assert count >= 9
    first = await client.vehicles.list().first()
    assert isinstance(first, Vehicle)
    assert to_records([first])[0]["id"] == first.id


def test_blocking_listing_is_an_iterable_of_models() -> None:
    assert ev_energy_sync.to_records is to_records
    assert ev_energy_sync.record_columns is record_columns
    assert ev_energy_sync.record_types is record_types
    with Simulator.in_thread() as simulator:
        auth = ev_energy.ClientCredentials(
            client_id=simulator.client_id, client_secret=simulator.client_secret
        )
        with ev_energy_sync.Client(auth, base_url=simulator.base_url) as client:
            makes = client.evse_makes.list()
            assert [record["id"] for record in to_records(makes)] == [one.id for one in makes]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (EVSE.from_dict(DATA), "to_records() takes a list of models, not an EVSE"),
        (5, "to_records() takes a list of models, not an int"),
        (None, "to_records() takes a list of models, not None"),
        ([{"id": "x"}], "to_records() takes models: item 0 is a dict"),
        ([EVSE.from_dict(DATA), None], "to_records() takes models: item 1 is None"),
        (
            [EVSE.from_dict(DATA), VehicleStatusLog()],
            f"{ONE_CLASS} item 0 is an EVSE, item 1 is a VehicleStatusLog",
        ),
    ],
)
def test_what_are_no_models_is_refused(models: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        to_records(models)
    assert str(caught.value) == message


async def test_asynchronous_listing_is_refused() -> None:
    async with Client("a-token") as client:
        with pytest.raises(TypeError) as caught:
            to_records(client.evses.list())  # type: ignore[arg-type]  # that is the point
    assert str(caught.value) == (
        "to_records() takes models, not the listing: pass await listing.collect(), or each page of "
        "listing.pages()"
    )


@pytest.mark.parametrize(
    ("expand", "error", "message"),
    [
        (
            ["modle"],
            ValueError,
            f"expand: 'modle' is no link of EVSE, which has {LINKS}",
        ),
        (["lock_mode"], ValueError, f"expand: 'lock_mode' is no link of EVSE, which has {LINKS}"),
        (["location"], ValueError, f"expand: 'location' is no link of EVSE, which has {LINKS}"),
        (["model."], ValueError, "expand: '' is no link of EVSEModel, which has make"),
        (["model.id"], ValueError, "expand: 'id' is no link of EVSEModel, which has make"),
        (["model.make.user"], ValueError, "expand: 'user' is no link of EVSEMake, which has none"),
        ("model", TypeError, "expand must be a list: expand=['model']"),
        ([5], TypeError, "an item of expand must be a str, not an int"),
    ],
)
def test_wrong_expand_is_refused(expand: Any, error: type[Exception], message: str) -> None:
    for call in (
        lambda: record_columns(EVSE, expand=expand),
        lambda: to_records([EVSE.from_dict(DATA)], expand=expand),
    ):
        with pytest.raises(error) as caught:
            call()
        assert str(caught.value) == message


@pytest.mark.parametrize("model", [EVSE.from_dict(DATA), Model, dict, "EVSE", Page])
def test_columns_are_those_of_a_class(model: Any) -> None:
    with pytest.raises(TypeError, match=r"^model must be a class of ev_energy\.models, such as"):
        record_columns(model)
    with pytest.raises(TypeError, match=r"^model must be a class of ev_energy\.models, such as"):
        record_types(model)
