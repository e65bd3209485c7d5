"""Scenarios of users against the simulator, with the asynchronous and the blocking client."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import ev_energy
import ev_energy_sync
from ev_energy import ClientCredentials, errors
from ev_energy.models import EVSE, LatLong, LocationWrite
from ev_energy.simulator import Simulator

# A scenario is written once: `run` awaits the results of the asynchronous client and returns those
# of the blocking client.
Run = Callable[[Any], Any]


def credentials(simulator: Simulator) -> ClientCredentials:
    return ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)


@pytest.fixture(params=["async", "blocking"])
def setup(request: pytest.FixtureRequest) -> Any:
    """A simulator, an asynchronous or blocking client, and a function to run its calls."""
    with Simulator.in_thread() as simulator:
        if request.param == "blocking":
            with ev_energy_sync.Client(
                credentials(simulator), base_url=simulator.base_url
            ) as client:
                yield simulator, client, lambda value: value
            return
        with asyncio.Runner() as runner:
            client = ev_energy.Client(credentials(simulator), base_url=simulator.base_url)

            async def wait(value: Any) -> Any:
                return await value if inspect.isawaitable(value) else value

            def run(value: Any) -> Any:
                return runner.run(wait(value), context=contextvars.copy_context())

            yield simulator, client, run
            runner.run(client.close())


def test_command_log_is_fetched_and_decoded(setup: Any) -> None:
    _, client, run = setup
    evses = run(client.evses.list(expand=["user", "model", "model.make"]).collect(limit=5))
    evse = evses[0]
    assert evse.model.value.make.value.name
    assert evse.user.value.email
    assert run(client.fetch(evse.user)).id == evse.user.id
    with pytest.raises(errors.NotExpandedError, match="pass expand="):
        _ = evse.latest_status_log.value

    newest = run(client.evses.command_logs(evse, page_size=1).first())
    for key in (newest, newest.logged_at, newest.url, newest.url.rstrip("/").rsplit("/", 1)[1]):
        log = run(client.evses.command_log(evse.id, key, expand=["evse", "evse.model.make"]))
        assert log.logged_at == newest.logged_at
        assert log.url == newest.url
        assert log.evse.value.cpid == evse.cpid
        assert log.evse.value.model.value.make.is_expanded
    assert client.rate_limit.limit == 1000


def test_log_is_listed_between_two_instants(setup: Any) -> None:
    _, client, run = setup
    evse = run(client.evses.list().first())
    newest = run(client.evses.status_logs(evse).collect(limit=150))
    assert len(newest) == 150
    times = [log.sampled_at for log in newest]
    assert times == sorted(times, reverse=True)
    until, since = times[10], times[60]
    between = run(
        client.evses.status_logs(
            evse, sampled_at__gte=since, sampled_at__lte=until, page_size=7
        ).collect()
    )
    assert between == newest[10:61]
    assert between[0].sampled_at.tzinfo is UTC


def test_logs_have_entries_and_filters(setup: Any) -> None:
    _, client, run = setup
    evse = run(client.evses.list().first())
    errors_ = run(client.evses.error_logs(evse).collect())
    assert errors_
    assert run(client.evses.error_log(evse, errors_[0])) == errors_[0]
    sent = run(client.evses.ocpp_logs(evse, direction="SENT", page_size=50).collect(limit=120))
    assert sent
    assert {log.direction for log in sent} == {"Sent"}
    two = {"Heartbeat", "StatusNotification"}
    some = run(client.evses.ocpp_logs(evse, action__in=sorted(two)).collect(limit=200))
    assert {log.action for log in some} == two
    assert run(client.evses.ocpp_log(evse, some[0])) == some[0]
    status = run(client.evses.status_logs(evse, page_size=1).first())
    assert run(client.evses.status_log(evse, status)) == status


def test_evse_is_read_moved_and_deleted(setup: Any) -> None:
    _, client, run = setup
    evse = run(client.evses.list(page_size=1).first())
    assert run(client.evses.get(evse.url)) == evse
    assert run(client.evses.list(cpid=evse.cpid).collect()) == [evse]
    assert run(client.evses.vpp_modes(evse)).charge_mode in {True, False}
    wired = run(client.evses.connectivity(evse, expand=["latest_status_log"]))
    assert wired.latest_status_log.value.sampled_at
    assert run(client.evses.reconnect(evse)).url.startswith("http")
    here = LatLong(latitude=51.5, longitude=-0.1)
    assert run(client.evses.update(evse, location=here)).location == here
    assert run(client.evses.update(evse)).location == here
    assert run(client.evses.update(evse, location=None)).location is None
    assert run(client.evses.delete(evse)) is None
    with pytest.raises(errors.NotFoundError):
        run(client.evses.get(evse))


def test_catalogue_is_public(setup: Any) -> None:
    simulator, client, run = setup
    make = run(client.evse_makes.list().first())
    assert run(client.evse_makes.get(make)) == make
    models = run(client.evse_models.list(make_id=make, expand=["make"]).collect())
    assert {model.make.value for model in models} == {make}
    assert run(client.evse_models.get(models[0])).make.id == make.id
    assert run(client.evse_compatibility.check(evse_model_id=models[0], country="GB")).compatible
    firmware = run(client.evse_firmware_versions.list().first())
    assert run(client.evse_firmware_versions.get(firmware)) == firmware

    kind = type(client)
    anonymous = kind(base_url=simulator.base_url)
    assert run(anonymous.evse_makes.get(make.id)).name == make.name
    with pytest.raises(ValueError, match="needs an access token with the scope evse:read"):
        run(anonymous.evses.get("evse01"))
    run(anonymous.close())


def test_evse_is_onboarded_in_every_way(setup: Any) -> None:
    simulator, client, run = setup
    onboarding = client.evse_onboarding
    ids = {"user_id": simulator.user_id, "client_id": simulator.client_id}
    before = len(simulator.requests)
    link = run(onboarding.get(**ids, redirect_uri="https://drivers.example.com/done"))
    assert link.url.startswith(simulator.base_url.removesuffix("/v2"))
    assert len(simulator.requests) == before + 1
    make = run(client.evse_makes.list().first())
    assert run(onboarding.get_json(**ids, make_id=make)).url.startswith("http")
    imported = run(onboarding.import_(provider="Wallbox", serial_number="WBX-1", expand=["user"]))
    assert imported.user.value.id
    waiting = run(
        client.evse_waitlist.create(
            email="a@example.com", evse_make_name="Acme", evse_model_name="One"
        )
    )
    assert waiting.id.startswith("ewlt")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda c: c.evse_onboarding.get_json(user_id="u", client_id="c"),
            "at least one of make_id, model_id",
        ),
        (lambda c: c.evse_onboarding.get(user_id="", client_id="c"), "user_id='' is not an id"),
        (lambda c: c.evse_onboarding.get(user_id="u", client_id=" "), "client_id must not be emp"),
        (
            lambda c: c.evse_onboarding.get(user_id="u", client_id="c", redirect_uri="/done"),
            "redirect_uri must be an absolute URL",
        ),
        (
            lambda c: c.evse_onboarding.import_(provider="EO", serial_number=""),
            "serial_number must not be empty",
        ),
        (lambda c: c.evse_waitlist.create(email="a@b.c"), "pass either evse_model_id, or both"),
        (
            lambda c: c.evse_waitlist.create(email="a@b.c", evse_make_name="A"),
            "pass either evse_model_id, or both",
        ),
        (
            lambda c: c.evse_waitlist.create(
                email="a@b.c", evse_model_id="m", evse_make_name="A", evse_model_name="B"
            ),
            "pass either evse_model_id, or both",
        ),
        (
            lambda c: c.evses.update("e", location=LatLong(latitude=91, longitude=0)),
            "location.latitude must be -90 to 90",
        ),
        (
            lambda c: c.evses.update("e", location=LatLong(latitude=0, longitude=float("nan"))),
            "location.longitude must be -180 to 180",
        ),
        (lambda c: c.evses.list(page_size=0), "page_size must be 1 to 100"),
        (lambda c: c.evses.list(expand=["usr"]), "expand: 'usr' is not one of user"),
        (lambda c: c.evses.get("../users"), "evse_id='../users' is not an id"),
        (
            lambda c: c.evses.status_logs("e", sampled_at__gte=datetime(2024, 1, 1)),
            "sampled_at__gte is a naive datetime",
        ),
        (
            lambda c: c.evses.command_log("e", datetime(2024, 1, 1)),
            "logged_at is a naive datetime",
        ),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_sent(
    setup: Any, call: Callable[[Any], Any], message: str
) -> None:
    simulator, client, run = setup
    with pytest.raises(ValueError, match=message):
        run(call(client))
    assert simulator.requests == []


def test_users_are_created_found_changed_and_acted_for(setup: Any) -> None:
    simulator, client, run = setup
    here = LocationWrite(
        address_1="1 High Street", city="London", postal_code="N1 1AA", country_code="GB"
    )
    created = run(client.users.create(email="New@Example.com", default_location=here))
    assert created.default_location.city == "London"
    assert run(client.users.list(email="new@example.com").first()).id == created.id
    moved = LocationWrite(
        address_1="2 Low Street", city="Leeds", postal_code="LS1 1AA", country_code="GB"
    )
    assert (
        run(client.users.update(created, default_location=moved)).default_location.city == "Leeds"
    )

    user = run(client.users.get(simulator.user_id, expand=["default_location.tariff.supplier"]))
    tariff = user.default_location.tariff.value
    assert tariff.supplier.value.name
    assert run(client.fetch(user.default_location.tariff)).id == tariff.id
    own = run(client.acting_for(user).evses.list().collect())
    everything = run(client.evses.list().collect())
    assert {evse.user.id for evse in own} == {user.id}
    assert 0 < len(own) < len(everything)
    assert run(client.evses.get(user.evses[0])).user == own[0].user


def test_ct_clamps_have_logs(setup: Any) -> None:
    _, client, run = setup
    clamp = run(client.ct_clamps.list(expand=["evse"]).first())
    assert clamp.evse.value.ct_clamp.id == clamp.id
    logs = run(client.ct_clamps.logs(clamp, page_size=20, expand=["ct_clamp"]).collect(limit=30))
    assert len(logs) == 30
    assert logs[0].ct_clamp.value.id == clamp.id
    assert run(client.ct_clamps.log(clamp, logs[0].sampled_at)).current_milliamps == (
        logs[0].current_milliamps
    )
    assert run(client.ct_clamps.get(clamp)).calibration_factor == clamp.calibration_factor


def test_missing_scopes_and_wrong_credentials_are_errors(setup: Any) -> None:
    simulator, client, run = setup
    client_id, secret = simulator.add_application(scopes=["evse:read"])
    auth = ClientCredentials(client_id=client_id, client_secret=secret)
    narrow = type(client)(auth, base_url=simulator.base_url)
    evse = run(narrow.evses.list().first())
    with pytest.raises(errors.ForbiddenError):
        run(narrow.evses.command_logs(evse).first())
    run(narrow.close())
    wrong = type(client)(
        ClientCredentials(client_id=client_id, client_secret="wrong-secret"),
        base_url=simulator.base_url,
    )
    with pytest.raises(errors.TokenError, match="invalid_client.*check the client id and secret"):
        run(wrong.evses.list().first())
    run(wrong.close())
    with pytest.raises(errors.NotFoundError):
        run(client.evses.get("evse01HSH04KDEWF6Z4DB2J77J74K5"))
    with pytest.raises(errors.BadRequestError, match="400"):
        run(client.with_options(api_version="9").evses.list().first())


def test_rejected_tokens_are_renewed(setup: Any) -> None:
    simulator, client, run = setup
    first = run(client.evses.list(page_size=1).first())
    simulator.expire_tokens()
    assert run(client.evses.list(page_size=1).first()) == first


def test_capture_shows_requests_without_the_token(setup: Any) -> None:
    _, client, run = setup
    with client.capture() as calls:
        evse: EVSE = run(client.evses.list(page_size=1).first())
        run(client.with_options(retries=0).evses.update(evse, location=None))
    run(client.evses.get(evse))
    assert [call.request.method for call in calls] == ["GET", "PATCH"]
    assert [call.status for call in calls] == [200, 200]
    assert calls[0].headers["x-ratelimit-limit"] == "1000"
    assert calls[0].body.startswith(b"[")
    assert len(calls[0].attempts) == 1
    line = str(calls[1])
    assert line.startswith(f"curl -X PATCH {client.base_url}/evses/{evse.id} ")
    assert "-H 'Authorization: Bearer ***'" in line
    assert """--data-raw '{"location":null}'""" in line


def test_call_of_a_closed_client_is_an_error(setup: Any) -> None:
    _, client, run = setup
    run(client.close())
    with pytest.raises(errors.ClientClosedError):
        run(client.evses.get("evse01"))
