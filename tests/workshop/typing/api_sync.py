"""Blocking user code for the client. Type checkers must accept it; it is never run."""

# ruff: noqa: I001  (in the order of api.py)

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, assert_never, assert_type

from ev_energy_sync import (
    UNSET,
    Client,
    ClientCredentials,
    Drift,
    LogPager,
    Page,
    Pager,
    RateLimit,
    Ref,
    Response,
    ResponseInfo,
    StaticToken,
    Unset,
    errors,
    models,
    record_columns,
    record_types,
    response_of,
    to_records,
)
from ev_energy_sync.changes import LogBatch, LogStream
from ev_energy.errors import ApiError, BadRequestError, RateLimitError, UnconfirmedWriteError
from ev_energy.expand import EVSEExpand
from ev_energy.models import (
    EVSE,
    CTClamp,
    EVSEModel,
    EVSEStatusLog,
    LatLong,
    LocationWrite,
    Model,
    OpenEnum,
    User,
    model,
)
from ev_energy.models.onboarding import OnboardingLink


def making_clients() -> None:
    with Client(StaticToken("token"), base_url="mock", language="en-GB") as client:
        assert_type(client, Client)
    credentials = ClientCredentials(client_id="id", client_secret="secret", scopes=["evse:read"])
    drifts: list[Drift] = []
    client = Client(credentials, timeout=5, deadline=20, retries=0, on_drift=drifts.append)
    assert_type(client.acting_for("user1"), Client)
    assert_type(client.with_options(api_version=None, retries=3), Client)
    assert_type(Client.from_env(), Client)
    assert_type(client.rate_limit, RateLimit | None)
    Client.preload("evses", "users")
    client.close()


def one_resource_and_its_links(client: Client) -> None:
    evse = client.evses.get("evse1", expand=["user", "model.make"])
    assert_type(evse, EVSE)
    assert_type(evse.cpid, str)
    assert_type(evse.model, Ref[EVSEModel] | None)
    if evse.model is not None:
        assert_type(evse.model.url, str)
        assert_type(evse.model.id, str)
        assert_type(evse.model.value, EVSEModel)
        assert_type(evse.model.resource, EVSEModel | None)
        if make := evse.model.value.make:
            assert_type(make.value.name, str)
        assert_type(client.fetch(evse.model), EVSEModel)
    if evse.user is not None:
        assert_type(evse.user.value, User)
        client.acting_for(evse.user)
    if evse.location is not None:
        assert_type(evse.location.latitude, float)
    assert_type(evse.extra.get("anything"), Any | None)
    assert_type(evse.to_dict(), dict[str, Any])
    links: list[EVSEExpand] = ["model"]
    assert_type(to_records([evse], expand=links), list[dict[str, Any]])
    assert_type(to_records((evse,), expand=True), list[dict[str, Any]])
    assert_type(record_columns(EVSE, expand=links), list[str])
    assert_type(record_types(EVSE, expand=links), dict[str, type[Any]])
    assert_type(EVSE.from_dict({}), EVSE)
    assert_type(Client.evses.__name__, str)


def ids_in_every_form(client: Client, evse: EVSE, log: EVSEStatusLog) -> None:
    client.evses.get("evse1")
    client.evses.get("https://api.ev.energy/v2/evses/evse1")
    client.evses.get(evse)
    if log.evse is not None:
        client.evses.get(log.evse)
    client.evses.status_log(evse, log)
    client.evses.status_log(evse, "2024-01-01T11:11:11.1111Z")
    client.evses.status_log(evse, dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    if evse.latest_status_log is not None:
        client.evses.status_log(evse, evse.latest_status_log)


def listings(client: Client) -> None:
    pager = client.evses.list(page_size=50, expand=("user",))
    assert_type(pager, Pager[EVSE])
    for evse in pager:
        assert_type(evse, EVSE)
    for page in pager.prefetch().pages():
        assert_type(page, Page[EVSE])
        assert_type(page.items, Sequence[EVSE])
        assert_type(to_records(page), list[dict[str, Any]])
        assert_type(page.cursor, str)
        assert_type(page.next_cursor, str | None)
        assert_type(page.response, Response)
    assert_type(pager.first(), EVSE | None)
    assert_type(pager.collect(limit=10), list[EVSE])
    assert_type(pager.resume("cursor").backward(), Pager[EVSE])
    since = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert_type(client.evses.status_logs("evse1", sampled_at__gte=since), LogPager[EVSEStatusLog])
    assert_type(client.ct_clamps.list(), Pager[CTClamp])
    stream = client.evses.status_logs("evse1").follow(since=since)
    assert_type(stream, LogStream[EVSEStatusLog])
    for log in stream:
        assert_type(log, EVSEStatusLog)
    for batch in stream.batches():
        assert_type(batch, LogBatch[EVSEStatusLog])
        assert_type([entry.item for entry in batch], list[EVSEStatusLog])
        batch.commit()
    client.evses.ocpp_logs(
        "evse1",
        action=models.EVSEOCPPLogAction.HEARTBEAT,
        action__in=["Heartbeat", models.EVSEOCPPLogAction.RESET],
        direction="SENT",
    )


def expanding_a_variable_list(client: Client, more: bool) -> None:
    wanted: list[EVSEExpand] = ["user"]
    if more:
        wanted.append("model")
    client.evses.get("evse1", expand=wanted)
    client.evses.get("evse1", expand=("user", "model") if more else ())


def writing(client: Client, email: str | Unset) -> None:
    place = LatLong(latitude=51.5, longitude=-0.1)
    assert_type(client.evses.update("evse1", location=place), EVSE)
    client.evses.update("evse1", location=None)
    client.evses.update("evse1", location=UNSET)
    client.evses.update("evse1")
    assert_type(client.evses.delete("evse1"), None)
    assert_type(client.users.create(email=email), User)
    client.users.update(
        "me",
        email="a@example.com",
        default_location=LocationWrite(
            address_1="1 The Hill",
            address_2=None,
            city="Hobbiton",
            postal_code="SH1 1RE",
            country_code="GB",
            tariff="tari1",
        ),
    )
    if email is not UNSET:
        assert_type(email, str)
    client.evse_onboarding.import_(provider="Wallbox", serial_number="1")
    link = client.evse_onboarding.get(user_id="user1", client_id="app")
    assert_type(link, OnboardingLink)
    assert_type(link.url, str)


def enums(log: EVSEStatusLog, evse: EVSE) -> str:
    assert_type(evse.lock_mode, models.EVSELockMode | None)
    if evse.lock_mode == "LOCKED":
        return "locked"
    if evse.lock_mode is models.EVSELockMode.SMART:
        return "smart"
    if evse.lock_mode is not None:
        assert_type(evse.lock_mode.known, bool)
    match log.mode:
        case models.EVSEStatusLogMode.CHARGE | models.EVSEStatusLogMode.DISCHARGE:
            return "busy"
        case None:
            return "unknown"
        case other:
            return other.lower()


def money_and_time(price: models.PriceSummary, times: models.Times, tariff: models.Tariff) -> None:
    assert_type(price.price, Decimal | str | None)
    assert_type(times.start, dt.time | str | None)
    assert_type(tariff.valid_until, dt.date | None)
    assert_type(tariff.supplier.value.name, str)


def failing(client: Client) -> None:
    try:
        client.evses.update("evse1", location=None)
    except BadRequestError as error:
        assert_type(error.type, str | None)
        for name, why in error.field_errors.items():
            assert_type(name, str)
            assert_type(why, Any)
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except ApiError as error:
        assert_type(error.status, int)
        assert_type(error.body, bytes)
        assert_type(error.notification, models.Notification | None)
    except UnconfirmedWriteError as error:
        assert_type(error.request.method, str)
    except errors.DecodeError as error:
        assert_type(error.path, str)
    except errors.EvEnergyError as error:
        assert_type(error.cursor, str | None)


def unset_has_one_value(value: Unset) -> None:
    if value is not UNSET:
        assert_never(value)


def capturing(client: Client) -> None:
    with client.capture() as calls:
        client.users.list().first()
    assert_type(calls[0].status, int | None)
    assert_type(str(calls[0]), str)


def replies(client: Client) -> None:
    found = response_of(client.evses.get("evse1"))
    assert_type(found, ResponseInfo | None)
    assert_type(response_of(client.evses.list().page()), ResponseInfo | None)
    if found is not None:
        assert_type(found.request_id, str | None)
        assert_type(found.api_version, str | None)
        assert_type(found.rate_limit, RateLimit | None)
        assert_type(found.elapsed, float)
        assert_type(found.request.operation, str)


def requests(client: Client, evse: EVSE) -> None:
    assert_type(client.request("GET", "/evses/evse1"), Any)
    assert_type(client.request("POST", "/things", json=[1, {"evse": evse, "b": UNSET}]), Any)
    assert_type(client.request("GET", "/evses/evse1", model=EVSE), EVSE)
    wrapped = client.request("GET", "/evses/evse1", model=EVSE, envelope_key="evse")
    assert_type(wrapped, EVSE | None)
    path, ids = "/evses/{evse_id}", {"evse_id": evse}
    query = {"expand": ["model"]}
    assert_type(client.request("GET", path, ids=ids, query=query, model=EVSE), EVSE)
    models = client.request("GET", "/evses", query={"page_size": 5}, model=EVSE, paged=True)
    assert_type(models, Pager[EVSE])
    pager = client.request("GET", "/evses", paged=True, envelope_key="items")
    assert_type(pager, Pager[dict[str, Any]])
    for item in pager:
        assert_type(item, dict[str, Any])


class State(OpenEnum):
    ON = "ON"


@model
class ModeChange(Model):
    sampled_at: dt.datetime
    state: State | None = None
    evse: Ref[EVSE] | None = None
    previous: tuple[ModeChange, ...] = ()


def own_models(client: Client) -> None:
    change = client.request("GET", "/mode_changes/x", model=ModeChange)
    assert_type(change, ModeChange)
    assert_type(change.sampled_at, dt.datetime)
    assert_type(change.evse, Ref[EVSE] | None)
    assert_type(change.extra, Mapping[str, Any])
    made = ModeChange(sampled_at=change.sampled_at, state=State.ON, previous=(change,))
    assert_type(made.previous, tuple[ModeChange, ...])
    for item in client.request("GET", "/mode_changes", model=ModeChange, paged=True):
        assert_type(item, ModeChange)


def maybe_paged(client: Client, paged: bool) -> None:
    found = client.request("GET", "/evses", model=EVSE, paged=paged)
    if isinstance(found, Pager):
        found.pages()
