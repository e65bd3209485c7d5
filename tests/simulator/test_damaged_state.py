"""A damaged or forged state file raises a `ValueError`, or loads as a state that works."""

from __future__ import annotations

import asyncio
import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ev_energy.simulator import Clock, Simulator
from tests.helpers.conformity.monitor import MONITOR

ADDRESS = {"address_1": "1 High St", "city": "Leeds", "postal_code": "LS1", "country_code": "GB"}


async def _write_used_state(path: Path) -> None:
    """Write the state of a simulator that requests of many kinds have changed."""
    options: Any = {"state": path, "vehicles": 4, "clock": Clock(speed=0)}
    async with Simulator(**options) as simulator, aiohttp.ClientSession() as session:

        async def send(method: str, path: str, **body: Any) -> Any:
            async with session.request(
                method, simulator.base_url + path, headers=await _token(simulator, session), **body
            ) as reply:
                return await reply.json(content_type=None)

        await send("POST", "/users", json={"email": "a@b.example", "default_location": ADDRESS})
        await send("PATCH", f"/users/{simulator.user_id}", json={"email": "q@b.example"})
        vehicle = (await send("GET", "/vehicles"))[0]["id"]
        await send("PATCH", f"/vehicles/{vehicle}", json={"maximum_charge_limit_percentage": 70})
        await send("POST", f"/users/{simulator.user_id}/saved_routes", json={"name": "Work"})
        simulator.add_application(scopes=["evse:read"], redirect_uris=["http://x.example/"])
        simulator.sign_in()
        simulator.webhooks.add("http://127.0.0.1:9/")
        simulator.webhooks.drop(2)
        simulator.webhooks.publish("an.event", {"number": 1})
        simulator.clock.advance(hours=30)
        await simulator.webhooks.settled()


async def _token(simulator: Simulator, session: aiohttp.ClientSession) -> dict[str, str]:
    form = {
        "grant_type": "client_credentials",
        "client_id": simulator.client_id,
        "client_secret": simulator.client_secret,
    }
    async with session.post(simulator.token_url, data=form) as reply:
        token = (await reply.json()).get("access_token", "")
        assert reply.status < 500
    return {"Authorization": f"Bearer {token}", "EvEnergy-User": simulator.user_id}


async def _statuses_after_resume(path: Path) -> list[int]:
    """Return the statuses of some requests to a simulator that resumes from a file."""
    lists = ("/users", "/vehicles", "/evses", "/charging_sub_sessions", "/webhook_portal")
    statuses: list[int] = []
    options: Any = {"state": path, "clock": Clock(speed=0)}
    async with Simulator(**options) as simulator, aiohttp.ClientSession() as session:
        headers = await _token(simulator, session)
        for folder in (*lists, f"/users/{simulator.user_id}/saved_routes"):
            async with session.get(simulator.base_url + folder, headers=headers) as reply:
                statuses.append(reply.status)
        simulator.clock.advance(hours=1)
        async with asyncio.timeout(30):
            await simulator.webhooks.settled()
    return statuses


class UsedState(dict[str, Any]):
    """A state, of which a failure prints the names of the sections only."""

    def __repr__(self) -> str:
        return f"<state with {', '.join(self)}>"


@pytest.fixture(scope="module")
def used_state() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.json"
        asyncio.run(_write_used_state(path))
        return UsedState(json.loads(path.read_text(encoding="utf-8")))


def paths_in(value: Any, parent: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a state, without the empty path."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    paths = []
    for key, inner in members:
        paths.append((*parent, key))
        if isinstance(inner, dict | list):
            paths += paths_in(inner, (*parent, key))
    return paths


WRONG_VALUES = st.sampled_from(
    [
        *(None, True, -1, 0, 1e300, 10**300, "", "x", "\ud800", [], {}, [1], {"a": 1}, [[]]),
        *("9999-99-99T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        *({"$link": [1]}, {"$link": ["users", 3]}, {"$address": 5}),
    ]
)


def corrupt(state: dict[str, Any], path: tuple[Any, ...], value: Any, *, remove: bool) -> str:
    """Return a state as JSON, with the value at *path* replaced or removed."""
    corrupted = copy.deepcopy(state)
    inner: Any = corrupted
    for key in path[:-1]:
        inner = inner[key]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(corrupted)


def try_resume(text: str | bytes) -> list[int] | None:
    """Return the statuses of requests to a simulator with this state; None if it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        try:
            return asyncio.run(_statuses_after_resume(path))
        except ValueError as error:
            assert str(path) in str(error) or "vehicles" in str(error) or "seed" in str(error)  # noqa: PT017 - the function returns if nothing is raised
            return None


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_corrupted_state_is_refused_or_works(
    used_state: dict[str, Any], data: st.DataObject
) -> None:
    section = data.draw(st.sampled_from(sorted(used_state)))
    paths = [path for path in paths_in(used_state) if path[0] == section]
    text = corrupt(
        used_state,
        data.draw(st.sampled_from(paths)),
        data.draw(WRONG_VALUES),
        remove=data.draw(st.booleans()),
    )
    statuses = try_resume(text)
    assert statuses is None or max(statuses) < 500
    # A saved value is returned as it is, so replies of such a state may not conform.
    MONITOR.reports()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("oauth", "applications", 0, "scopes", 0), True),
        (("oauth", "applications"), []),
        (("oauth", "tokens", "made"), "many"),
        (("webhooks", "endpoints", 0, "secret"), "whsec_%%%"),
        (("webhooks", "endpoints", 0, "id"), "ep_uuu"),
        (("webhooks", "endpoints", 0, "url"), 5),
        (("webhooks", "messages"), []),
        (("webhooks", "faults"), {"drop": -1}),
        (("world", "extra_state", "counters"), {"rows": "one"}),
        (("world", "extra_state", "changes"), {"0": [["now", "limit", 70]]}),
        (("world", "extra_state"), {"connected_sites": {"sites": [{}]}}),
        (("world", "tables", "users", "gone"), ["user00"]),
        (("world", "tables", "users", "added", 0, "id"), "../../x"),
        (("clock", "speed"), 1e308),
        (("clock", "now"), "9999-12-31T23:59:59Z"),
        (("clock", "service_now"), 5),
        (("rate_limiter",), {"a": 1}),
        (("vehicles",), 10**30),
        (("vehicles",), -1),
        (("seed",), "one"),
        (("seed",), 10**300),
        (("format",), True),
        (("what",), None),
    ],
)
def test_invalid_state_is_refused(
    used_state: dict[str, Any], path: tuple[Any, ...], value: Any
) -> None:
    assert try_resume(corrupt(used_state, path, value, remove=False)) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"what": "state of the ev.energy simulator", "format": NaN}',
        b'{"what": "state of the ev.energy simulator", "format": ' + b"9" * 5000 + b"}",
        b'{"what": "state of the ev.energy simulator", "format": 1, "x": "\\ud800"}',
        b'{"what": "state of the ev.energy simulator", "format": 1}',
    ],
)
def test_file_without_state_is_refused(text: bytes) -> None:
    assert try_resume(text) is None


def test_forged_token_expires_like_a_new_one(used_state: dict[str, Any]) -> None:
    forged = copy.deepcopy(used_state)
    client_id = forged["oauth"]["applications"][0]["client_id"]
    forged["oauth"]["tokens"]["access"]["forged"] = {
        "client_id": client_id,
        "scope": "evse:read",
        "user_id": None,
        "ends": 10**18,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.json"
        path.write_text(json.dumps(forged), encoding="utf-8")
        simulator = Simulator(state=path, clock=Clock(speed=0))
        assert simulator._auth_server.introspect("forged") is not None
        simulator.clock.advance(hours=10, minutes=1)
        assert simulator._auth_server.introspect("forged") is None
