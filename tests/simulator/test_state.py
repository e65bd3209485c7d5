"""What a state file keeps, and how it is kept."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ev_energy import Client
from ev_energy.simulator import Clock, Simulator
from ev_energy.simulator import _state_file as _state
from ev_energy.simulator.resources._operations import OPERATIONS

pytestmark = pytest.mark.shows_secrets(
    "files", reason="the state of a simulator holds its applications and their tokens"
)
HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "Link")


class Caller:
    """Sends requests to one simulator after another, with the same tokens."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.simulator: Any = None
        self.tokens: list[str] = []
        self.refresh: list[str] = []

    async def send(self, method: str, path: str, token: int | None = 0, **options: Any) -> Any:
        """Status, headers that matter, and body; URLs without the host, which has another port."""
        origin = self.simulator.base_url.removesuffix("/v2")
        headers = options.pop("headers", {})
        if token is not None:
            headers = {"Authorization": f"Bearer {self.tokens[token]}"}
        async with self.session.request(
            method, origin + path, headers=headers, allow_redirects=False, **options
        ) as reply:
            text = (await reply.text()).replace(origin, "")
            told = {name: reply.headers.get(name, "").replace(origin, "") for name in HEADERS}
            return reply.status, told, json.loads(text) if text.startswith(("{", "[")) else text

    async def log_in(self) -> None:
        """Get one more token for the application."""
        pair = f"{self.simulator.client_id}:{self.simulator.client_secret}".encode()
        basic = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        form = {"grant_type": "client_credentials"}
        _, _, body = await self.send("POST", "/o/token/", None, headers=basic, data=form)
        self.tokens.append(body["access_token"])

    async def renew(self) -> None:
        """Get a token that is good for a while, and use it from now on."""
        await self.log_in()
        self.tokens.insert(0, self.tokens.pop())

    async def everything(self) -> dict[str, Any]:
        """What all operations that only look answer, followed from lists to rows and below."""
        found: dict[str, Any] = {}
        templates = sorted(template for method, template in OPERATIONS if method == "GET")
        for template in templates:
            for path in _paths(template, found):
                found[path] = await self.send("GET", f"/v2{path}")
        return found

    async def everyone(self) -> dict[str, Any]:
        """What every token and application is good for, and how much of the limit is left."""
        told: dict[str, Any] = {"now": self.simulator.clock()}
        for number in range(len(self.tokens)):
            told[f"token {number}"] = await self.send("GET", "/v2/users?page_size=1", number)
        shown = json.loads(self.simulator.state())
        told["applications"] = shown["oauth"]["applications"]
        told["endpoints"] = self.simulator.webhooks.endpoints
        told["deliveries"] = self.simulator.webhooks.deliveries
        return told


def _paths(template: str, found: dict[str, Any]) -> list[str]:
    """The paths of a template, for the first and the last row of the list above it."""
    if "{" not in template:
        return [template]
    before, _, rest = template.partition("{")
    _, _, after = rest.partition("}")
    above = found.get(before.rstrip("/"))
    rows = above[2] if above and isinstance(above[2], list) else []
    keys = [row["id"] for row in [*rows[:1], *rows[-1:]] if "id" in row]
    return [path for key in dict.fromkeys(keys) for path in _paths(f"{before}{key}{after}", found)]


async def _create_user(caller: Caller, number: int) -> Any:
    return await caller.send("POST", "/v2/users", json={"email": f"guest.{number}@example.org"})


async def _change_user(caller: Caller, number: int) -> Any:
    users = (await caller.send("GET", "/v2/users?page_size=100"))[2]
    path = f"/v2/users/{users[number % len(users)]['id']}"
    return await caller.send("PATCH", path, json={"email": f"moved.{number}@example.org"})


async def _delete_evse(caller: Caller, number: int) -> Any:
    evses = (await caller.send("GET", "/v2/evses?page_size=100"))[2]
    return await caller.send("DELETE", f"/v2/evses/{evses[number % len(evses)]['id']}")


async def _change_vehicle(caller: Caller, number: int) -> Any:
    vehicles = (await caller.send("GET", "/v2/vehicles?page_size=100"))[2]
    path = f"/v2/vehicles/{vehicles[number % len(vehicles)]['id']}"
    limit = {"maximum_charge_limit_percentage": 50 + number % 50}
    return await caller.send("PATCH", path, json=limit)


async def _wait(caller: Caller, number: int) -> Any:
    caller.simulator.clock.advance(minutes=number % 1000)
    await caller.renew()
    return (200,)


async def _get_token(caller: Caller, number: int) -> Any:
    del number
    await caller.log_in()
    return (200,)


async def _sign_in(caller: Caller, number: int) -> Any:
    users = (await caller.send("GET", "/v2/users?page_size=100"))[2]
    user = users[number % len(users)]["id"]
    tokens = caller.simulator.sign_in(user, scopes=["user:read", "evse:read"])
    caller.tokens.append(tokens.access_token)
    caller.refresh.append(tokens.refresh_token)
    return (200,)


async def _expire(caller: Caller, number: int) -> Any:
    del number
    caller.simulator.expire_tokens()
    await caller.renew()
    return (200,)


async def _add_application(caller: Caller, number: int) -> Any:
    caller.simulator.add_application(scopes=["evse:read"], name=f"No. {number}", public=number % 2)
    return (200,)


async def _register(caller: Caller, number: int) -> Any:
    caller.simulator.webhooks.add(f"http://127.0.0.1:9/{number}")
    caller.simulator.webhooks.publish("an.event", {"number": number})
    await caller.simulator.webhooks.settled()
    return (200,)


WRITES = (
    _create_user,
    _change_user,
    _delete_evse,
    _change_vehicle,
    _wait,
    _get_token,
    _sign_in,
    _expire,
    _add_application,
    _register,
)


async def _use_refresh_tokens(caller: Caller) -> list[Any]:
    """Renew what drivers agreed to; it works once, before and after."""
    told = []
    for refresh in caller.refresh:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh,
            "client_id": caller.simulator.client_id,
            "client_secret": caller.simulator.client_secret,
        }
        told.append(await caller.send("POST", "/o/token/", None, data=form))
    return told


# One example asks a few hundred times, so shrinking one that fails would take for ever.
@pytest.mark.fuzz
@settings(max_examples=4, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(st.tuples(st.sampled_from(WRITES), st.integers(0, 10_000)), max_size=12))
def test_state_after_any_writes_is_the_same_when_resumed(writes: Any) -> None:
    async def round_trip(path: Path) -> None:
        async with aiohttp.ClientSession() as session:
            caller = Caller(session)
            # What is made anew each time, such as the link to the portal, is compared as well.
            options: Any = {"rate_limit": 100_000, "state": path, "fixed_secrets": True}
            async with Simulator(clock=Clock(speed=0), vehicles=4, **options) as first:
                caller.simulator = first
                await caller.log_in()
                for write, number in writes:
                    status = (await write(caller, number))[0]
                    assert status < 300, write
                first.save()
                kept = bytes_of(path)  # it saves by itself, too
                before = await caller.everything(), await caller.everyone()
            put(path, kept)  # looking takes from the limit, which is to be the same
            async with Simulator(clock=Clock(speed=0), **options) as second:
                caller.simulator = second
                after = await caller.everything(), await caller.everyone()
                assert after == before
                assert len(before[0]) > 200
                assert [path for path, told in before[0].items() if told[0] >= 500] == []
                # What is made from now on is new there, too.
                status, _, made = await _create_user(caller, 99_999)
                assert status < 300
                assert f"/users/{made['id']}" not in before[0]
                renewed = [answer[0] for answer in await _use_refresh_tokens(caller)]
                assert renewed == [200] * len(caller.refresh)
                await caller.log_in()
                assert caller.tokens[-1] not in caller.tokens[:-1]

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(round_trip(Path(folder) / "state.json"))


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def beside(path: Path) -> list[str]:
    """The files in the folder of a state file."""
    return sorted(part.name for part in path.parent.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


async def rename(simulator: Simulator, email: str) -> None:
    """Change something that lasts."""
    simulator._world.tables["users"].update(simulator.user_id, {"email": email})


def email_in(path: Path) -> str:
    simulator = Simulator(state=path)
    user = simulator._world.tables["users"].get(simulator.user_id)
    assert user is not None
    return str(user["email"])


async def test_state_is_saved_at_the_end_and_resumed(path: Path) -> None:
    async with Simulator(seed=7, vehicles=3, clock=Clock(speed=0), state=path) as simulator:
        simulator.clock.advance(hours=6)
        await rename(simulator, "eve@example.com")
        ended = simulator.clock()
    resumed = Simulator(state=path)
    assert (resumed.seed, resumed.vehicles, resumed.user_id) == (7, 3, simulator.user_id)
    assert (resumed.clock(), resumed.clock.speed) == (ended, 0)
    assert email_in(path) == "eve@example.com"
    assert beside(path) == [path.name]


async def test_capacities_of_created_and_changed_solar_arrays_are_resumed(path: Path) -> None:
    async with Simulator(clock=Clock(speed=0), state=path) as simulator:
        tokens = simulator.sign_in()
        async with Client(tokens.access_token, base_url=simulator.base_url) as client:
            created = await client.solar_arrays.create(capacity_watts=3_000)
            simulator.clock.advance(hours=2)
            await client.solar_arrays.update(created.id, capacity_watts=5_000)
    async with Simulator(state=path) as resumed:
        tokens = resumed.sign_in()
        async with Client(tokens.access_token, base_url=resumed.base_url) as client:
            found = await client.solar_arrays.get(created.id)
        assert found.capacity_watts == 5_000


async def test_state_is_saved_when_the_block_raises(path: Path) -> None:
    with pytest.raises(KeyError):
        async with Simulator(state=path) as simulator:
            await rename(simulator, "eve@example.com")
            raise KeyError
    assert email_in(path) == "eve@example.com"


def test_save_works_from_any_thread(path: Path) -> None:
    with Simulator.in_thread(state=path) as simulator:
        simulator.clock.advance(hours=1)
        simulator.save()
        assert "T13:0" in json.loads(path.read_text())["clock"]["now"]
        assert json.loads(path.read_text())["seed"] == 1
        assert json.loads(simulator.state())["world"] == json.loads(path.read_text())["world"]


def test_save_without_a_file_raises() -> None:
    with pytest.raises(RuntimeError, match="no state file"):
        Simulator().save()


async def test_state_is_saved_after_changes_and_only_then(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Simulator, "_save_every", 0.01)
    saved: list[bytes] = []
    monkeypatch.setattr(_state, "_replace", lambda _path, data: saved.append(data))
    looks = 0

    async def looked_again() -> None:
        start = looks
        while looks < start + 2:
            await asyncio.sleep(0.001)

    async with Simulator(state=path) as simulator:
        dump = simulator._world.dump

        def counted() -> Any:
            nonlocal looks
            looks += 1
            return dump()

        monkeypatch.setattr(simulator._world, "dump", counted)
        await looked_again()
        assert len(saved) == 1  # that time goes by is no change
        await rename(simulator, "eve@example.com")
        await looked_again()
        await looked_again()
        assert len(saved) == 2
        assert b"eve@example.com" in saved[-1]
        simulator.clock.advance(hours=1)
        await looked_again()
        await looked_again()
        assert len(saved) == 3
    assert len(saved) == 4


async def test_save_is_repeated_after_a_full_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Simulator, "_save_every", 0.001)
    replace, failures = _state._replace, 2

    def reluctant(where: Path, data: bytes) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise OSError("no space left")
        replace(where, data)

    async with Simulator(state=path) as simulator:
        monkeypatch.setattr(_state, "_replace", reluctant)
        await rename(simulator, "eve@example.com")
        while b"eve@example.com" not in bytes_of(path):
            await asyncio.sleep(0.001)
    assert [record.message for record in caplog.records] == [
        "The state was not saved: no space left"
    ] * 2
    assert email_in(path) == "eve@example.com"


@pytest.mark.parametrize("threaded", [False, True])
async def test_failed_save_at_the_end_raises(
    path: Path, monkeypatch: pytest.MonkeyPatch, threaded: bool
) -> None:
    def fail(_path: Path, _data: bytes) -> None:
        raise OSError("no space left")

    if threaded:
        with pytest.raises(OSError, match="no space"), Simulator.in_thread(state=path):
            monkeypatch.setattr(_state, "_replace", fail)
    else:
        with pytest.raises(OSError, match="no space"):
            async with Simulator(state=path):
                monkeypatch.setattr(_state, "_replace", fail)


async def test_unwritable_file_raises_at_the_start(tmp_path: Path) -> None:
    simulator = Simulator(state=tmp_path / "gone" / "state.json")
    with pytest.raises(FileNotFoundError, match="gone"):
        await simulator.__aenter__()
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.base_url


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file modes")
async def test_file_is_private_from_the_first_byte(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    sync = os.fsync

    def look(handle: int) -> None:
        modes.extend(stat.S_IMODE(part.stat().st_mode) for part in path.parent.iterdir())
        sync(handle)

    monkeypatch.setattr(os, "fsync", look)
    old = os.umask(0)
    try:
        async with Simulator(state=path):
            pass
    finally:
        os.umask(old)
    assert set(modes) == {0o600}


@pytest.mark.parametrize("step", ["mkstemp", "fsync", "replace"])
async def test_interrupted_save_leaves_the_old_state_intact(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with Simulator(state=path) as simulator:
        await rename(simulator, "old@example.com")
        simulator.save()
        old = bytes_of(path)
        await rename(simulator, "new@example.com")

        def fail(*_: Any, **__: Any) -> Any:
            raise OSError(step)

        owner = {"mkstemp": tempfile, "fsync": os, "replace": Path}[step]
        with monkeypatch.context() as broken:
            broken.setattr(owner, step, fail)
            with pytest.raises(OSError, match=step):
                simulator.save()
        assert bytes_of(path) == old
        assert beside(path) == [path.name]
    assert email_in(path) == "new@example.com"


SAVING = """
import sys
from ev_energy.simulator import Simulator
simulator = Simulator(vehicles=2, state=sys.argv[1])
users = simulator._world.tables["users"]
for number in range(1_000_000):
    users.update(simulator.user_id, {"email": f"{number}@example.com" + "x" * (number % 5000)})
    simulator.save()
    if number == 0:
        print("begun", flush=True)
"""


@pytest.mark.crash_injection
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_process_killed_while_saving_leaves_a_readable_file(path: Path) -> None:
    chance = random.Random(0)
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", SAVING, str(path)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.random() / 10)  # it is killed in the middle of anything
            process.send_signal(signal.SIGKILL)
        assert "@example.com" in email_in(path)


@pytest.mark.parametrize("given", [{"seed": 2}, {"vehicles": 51}, {"seed": 1, "vehicles": 3}])
async def test_other_seed_or_fleet_than_that_of_the_file_is_refused(
    path: Path, given: dict[str, int]
) -> None:
    async with Simulator(state=path):
        pass
    with pytest.raises(ValueError, match=r"(seed|vehicles): the state file was made with (1|50)"):
        Simulator(state=path, **given)  # type: ignore[arg-type]
    assert Simulator(state=path, seed=1, vehicles=50).seed == 1


def changed(path: Path, **members: Any) -> str:
    """The text of a state file with some members changed; None takes one out."""
    state = json.loads(path.read_text()) | members
    return json.dumps({name: value for name, value in state.items() if value is not None})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: "", "damaged, or not a state file"),
        (lambda path: path.read_text()[:-20], "damaged, or not a state file"),
        (lambda path: "\x80", "not a state file|damaged"),
        (lambda path: "[1]", "not a state file"),
        (lambda path: '{"seed": 1, "vehicles": 50}', "not a state file"),
        (lambda path: changed(path, format=_state.FORMAT + 1), "a newer version"),
        (lambda path: changed(path, format="1"), "damaged"),
        (lambda path: changed(path, format=0), "damaged"),
        (lambda path: changed(path, seed="1"), "seed"),
        (lambda path: changed(path, vehicles=None), "vehicles"),
        (lambda path: changed(path, clock=None), "damaged"),
        (lambda path: changed(path, clock={"now": "noon", "speed": 1}), "damaged"),
        (lambda path: changed(path, world={"tables": {"nonesuch": {}}}), "damaged"),
        (lambda path: changed(path, oauth={"applications": [{}]}), "damaged"),
        (lambda path: changed(path, webhooks=[]), "damaged"),
        (lambda path: changed(path, rate_limiter=7), "damaged"),
    ],
)
async def test_invalid_file_is_refused_by_name_and_left_unchanged(
    path: Path, spoil: Any, said: str
) -> None:
    async with Simulator(state=path):
        pass
    put(path, spoil(path).encode("latin-1"))
    kept = bytes_of(path)
    with pytest.raises(ValueError, match=said) as refused:
        Simulator(state=path)
    assert str(path) in str(refused.value)
    assert bytes_of(path) == kept


async def test_clock_of_the_caller_keeps_its_speed(path: Path) -> None:
    async with Simulator(state=path, clock=Clock(speed=60)) as simulator:
        simulator.clock.advance(days=1)
    assert Simulator(state=path).clock.speed == 60
    resumed = Simulator(state=path, clock=Clock(speed=0))
    assert resumed.clock.speed == 0
    assert resumed.clock() > Clock(speed=0).advance(hours=23)


async def test_reset_restores_the_initial_state_and_not_the_file(path: Path) -> None:
    async with Simulator(state=path, clock=Clock(speed=0)) as simulator:
        await rename(simulator, "eve@example.com")
    async with Simulator(state=path, clock=Clock(speed=0)) as simulator:
        simulator.clock.advance(hours=1)
        simulator.reset()
        assert simulator.clock() == Clock(speed=0)()
    assert email_in(path) != "eve@example.com"


async def test_devices_connected_before_a_reset_are_forgotten(start: Any) -> None:
    from ev_energy.simulator.resources.evses import add_evse

    api = await start(clock=Clock(speed=0), vehicles=2, rate_limit=None)
    world = api.simulator._world
    model = next(row for row in world.tables["evse_models"] if row["_product"].supported)
    seen = []
    for serial in ("A1", "B2"):
        evse = add_evse(world, api.simulator.user_id, model, serial)
        world.fleet.add_site(api.simulator.user_id, evse=evse)
        site = world.fleet.site_of_row(evse)
        seen.append(site)
        assert site is not None
        assert world.fleet.evse(site)["id"] == evse["id"]
        api.simulator.clock.advance(days=1)
        assert world.charging.state(site, world.now).meter_wh is not None
        api.simulator.reset()
    assert seen[0] == seen[1]
    assert [row for row in world.fleet.sites_of_user(api.simulator.user_id) if row == seen[0]] == []
