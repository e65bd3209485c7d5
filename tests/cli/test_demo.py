"""The demo: what it shows, that its code is true, and that its links work."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import os
import re
import select
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from ev_energy import Client, ClientCredentials
from ev_energy.__main__ import main
from ev_energy.cli._chart import ASCII, Bars, axis
from ev_energy.cli._home import amount, choose_home, minor_unit, night_of
from ev_energy.models import ChargingSubSession, LocationWrite, UsageInterval
from ev_energy.simulator import Clock, Simulator
from ev_energy_sync import Client as BlockingClient

#: The same world as that of the demo.
VEHICLES = 200
EVENING = datetime(2026, 10, 4, 18, tzinfo=UTC)


def clean_environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("EV_ENERGY_")}
    return {**kept, **more}


def demo() -> tuple[int, str, str]:
    """Run the demo in this process, with stdout and stderr that are no terminals."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["demo"])
    return status, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def output() -> str:
    """What the demo prints into a pipe without credentials."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CLIENT_ID", "CLIENT_SECRET", "TOKEN", "BASE_URL"):
            patch.delenv(f"EV_ENERGY_{name}", raising=False)
        status, out, err = demo()
    assert (status, err) == (0, "")
    return out


@pytest.fixture(scope="module")
def world() -> Iterator[Simulator]:
    with Simulator.in_thread(vehicles=VEHICLES, clock=Clock(speed=0)) as simulator:
        yield simulator


def live(
    monkeypatch: pytest.MonkeyPatch, simulator: Simulator, *, scopes: list[str] | None = None
) -> None:
    """Take a simulator for the live API."""
    client_id, secret = simulator.client_id, simulator.client_secret
    if scopes is not None:
        client_id, secret = simulator.add_application(scopes=scopes)
    monkeypatch.setenv("EV_ENERGY_CLIENT_ID", client_id)
    monkeypatch.setenv("EV_ENERGY_CLIENT_SECRET", secret)
    monkeypatch.setenv("EV_ENERGY_BASE_URL", simulator.base_url)
    monkeypatch.delenv("EV_ENERGY_TOKEN", raising=False)


def as_user(monkeypatch: pytest.MonkeyPatch, simulator: Simulator, user_id: str) -> None:
    """Take a simulator for the live API, with the access token of a user."""
    monkeypatch.setenv("EV_ENERGY_TOKEN", simulator.sign_in(user_id).access_token)
    monkeypatch.setenv("EV_ENERGY_BASE_URL", simulator.base_url)
    monkeypatch.delenv("EV_ENERGY_CLIENT_ID", raising=False)
    monkeypatch.delenv("EV_ENERGY_CLIENT_SECRET", raising=False)


def blocks(output: str) -> list[str]:
    """Return the code that the demo prints."""
    return re.findall(r"(?<=\n\n)(?:    \S.*\n)+(?=\n)", output)


def test_output_in_a_pipe_is_plain_and_fits_80_columns(output: str) -> None:
    assert output.isascii()
    assert "\x1b" not in output
    lines = output.splitlines()
    assert len(lines[0]) <= 80
    assert [line for line in lines if len(line) > 80 and "http://" not in line] == []
    assert [line for line in lines if line and not line.startswith(" ")] == [
        lines[0],
        "Its clock stands at Mon 05 Oct 2026, 12:00 UTC.",
        "A home",
        "Last night",
        "A log",
        "An onboarding link",
        "990 of 1000 requests per hour remain.",
        "What next",
    ]


def test_night_of_the_demo_has_two_cars_and_prices_that_differ(output: str) -> None:
    cars = re.findall(
        r"^  (\S.*?) +(\d+\.\d) +(-?\d+\.\d\d) GBP +(\d+\.\d\d) GBP", output, re.MULTILINE
    )
    assert [name for name, *_ in cars] == [
        "Chevrolet Bolt EV LT", "Tesla Model Y Rear-Wheel Drive", "all cars"
    ]  # fmt: skip
    assert "  A cost below zero was earned: the price was negative for a while.\n" in output
    *each, total = [list(map(Decimal, values)) for _, *values in cars]
    assert [sum(column) for column in zip(*each, strict=True)] == total
    assert total[1] < 0 < total[2]  # it was paid for charging
    chart = output.partition("price of a kWh in pence\n")[2]
    assert chart.splitlines()[0].split("|")[0].strip() == "34.04"
    assert chart.splitlines()[3].split("|")[0].strip() == "-3.45"


async def test_printed_code_gives_the_printed_results(output: str, world: Simulator) -> None:
    sessions, devices, sums, usage, log, entry, link = blocks(output)
    auth = ClientCredentials(client_id=world.client_id, client_secret=world.client_secret)
    async with Client(auth, base_url=world.base_url) as client:
        names: dict[str, Any] = {
            "client": client,
            "client_id": world.client_id,
            "since": world.clock.now() - timedelta(hours=24),
        }
        await execute(sessions, names)
        assert f"\n  {len(names['sessions'])} charging sessions ended" in output

        names["user"] = user_id = re.findall(r"user01\w+", output)[0]
        await execute(devices, names)
        for car in names["cars"]:
            percent = car.latest_status_log.value.state_of_charge_percentage
            assert re.search(rf"car +{car.description} +{percent} %", output)
        for charger in names["chargers"]:
            assert f"{charger.model.value.make.value.name} {charger.model.value.name}" in output

        own = [
            session
            for session in names["sessions"]
            if session.vehicle and session.vehicle.value.user.id == user_id
        ]
        assert len(own) == 2
        await execute(sums, names := {**names, "sessions": own})
        assert re.search(
            rf"all cars +{names['kwh']:.1f} +{names['cost'] / 100:.2f} GBP"
            rf" +{names['saved'] / 100:.2f} GBP +{names['kg_co2']:.1f}\n",
            output,
        )

        watts, prices = [], []
        for session in own:
            await execute(usage, names := {**names, "session": session})
            watts += [energy * 2 for energy in names["watt_hours"]]
            prices += names["prices"]
        assert output.count(f"{max(watts) / 1000:.1f} |") == 2
        assert f"{max(prices)} |" in output
        assert f"{min(prices)} |" in output

        names["charger"] = re.findall(r"status log of (evse01\w+)", output)[0]
        await execute(log, names)
        assert names["older"].items[0].sampled_at < names["page"].items[-1].sampled_at
        await execute(entry, names)
        assert f"fetched by its timestamp {names['entry'].sampled_at}" in output

        await execute(link, names)
        shown = re.findall(r"http://\S+/onboarding/\S+", output)
        assert [urlsplit(url)[2:] for url in shown] == [urlsplit(str(names["link"]))[2:]]


async def execute(code: str, names: dict[str, Any]) -> None:
    """Execute a block of printed code, which may await calls."""
    text = "".join(line.removeprefix("    ") for line in code.splitlines(keepends=True))
    program = compile(text, "the demo", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    pending = eval(program, names)
    if asyncio.iscoroutine(pending):
        await pending


def test_link_lasts_as_long_as_the_simulator_that_the_demo_names(
    output: str, world: Simulator
) -> None:
    (shown,) = re.findall(r"http://\S+/onboarding/\S+", output)
    assert urlsplit(shown).netloc == "127.0.0.1:8420"
    # The port is the only difference to `python -m ev_energy simulator --vehicles 200`.
    assert f"    python -m ev_energy simulator --vehicles {VEHICLES}\n" in output
    here = urlsplit(shown)._replace(netloc=urlsplit(world.base_url).netloc).geturl()
    with urllib.request.urlopen(here) as reply:
        assert b"Which make is your charger?" in reply.read()


def test_demo_only_reads_from_the_live_api(
    monkeypatch: pytest.MonkeyPatch, world: Simulator
) -> None:
    live(monkeypatch, world)
    before = len(world.requests)
    status, out, err = demo()
    requests = world.requests[before:]
    assert (status, err) == (0, "")
    assert out.startswith(f"Source: {world.base_url}, with your credentials. The demo only reads.")
    assert "all cars" in out
    _, _, steps = out.partition("\nWhat next\n")
    assert "python -m ev_energy operations" in steps
    assert "With EV_ENERGY_CLIENT_ID" not in steps
    assert world.client_secret not in out
    assert {request.method for request in requests if "/o/token" not in request.path} == {"GET"}
    assert not any("onboarding" in request.path for request in requests)
    assert len(requests) < 12


def test_demo_goes_on_without_a_scope(monkeypatch: pytest.MonkeyPatch, world: Simulator) -> None:
    live(monkeypatch, world, scopes=["vehicle:read", "evse:read"])
    status, out, err = demo()
    assert (status, err) == (0, "")
    assert "Not shown: GET /v2/charging_sub_sessions" in out
    assert "403" in out
    assert "Last night" not in out
    assert "state_of_charge" not in out
    assert re.search(r"\n  car +\S.* \d+ %, ", out)  # of another home than before
    assert "fetched by its timestamp 2026-" in out


def test_demo_fails_if_it_may_read_nothing(
    monkeypatch: pytest.MonkeyPatch, world: Simulator
) -> None:
    live(monkeypatch, world, scopes=["user:read"])
    status, out, err = demo()
    assert (status, out.count("\n")) == (1, 1)
    assert err.startswith("error: ForbiddenError: GET /v2/evses")


def test_demo_says_if_there_is_no_home(monkeypatch: pytest.MonkeyPatch, world: Simulator) -> None:
    auth = ClientCredentials(client_id=world.client_id, client_secret=world.client_secret)
    with BlockingClient(auth, base_url=world.base_url) as client:
        user = client.users.create(email="new@example.com")
    as_user(monkeypatch, world, user.id)
    status, out, err = demo()
    assert (status, err) == (0, "")
    assert out.startswith(f"Source: {world.base_url}, with your credentials.")
    assert "\n  0 charging sessions ended in the last 24 hours.\n" in out
    assert "\n  No car charged at home.\n  These credentials have access to no home.\n" in out


def test_demo_shows_what_is_known_if_prices_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator.in_thread(vehicles=2, clock=Clock(speed=0)) as simulator:
        live(monkeypatch, simulator)
        with BlockingClient.from_env() as client:
            managed = next(t for t in client.tariffs.list() if t.type == "EXTERNALLY_MANAGED")
            home = LocationWrite(tariff=managed)
            client.users.update(simulator.user_id, default_location=home)
        simulator.clock.advance(days=2)
        status, out, err = demo()
    assert (status, err) == (0, "")
    car, total = re.findall(r"\n  (\S.*?) +\d+\.\d +- +- +\d+\.\d(?=\n)", out)
    assert total == "all cars"
    assert f"kW into the {car}\n" in out
    assert "  1 charging session ended in the last 24 hours.\n" in out
    assert "price of a kWh" not in out


@pytest.mark.slow
def test_demo_prints_errors_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, world: Simulator
) -> None:
    live(monkeypatch, world)
    monkeypatch.setenv("EV_ENERGY_CLIENT_SECRET", "not-the-secret")
    status, out, err = demo()
    assert status == 1
    assert err.startswith("error: InvalidClientError: no token (401 invalid_client")
    hint = "hint: without EV_ENERGY_* in the environment, the demo uses the simulator\n"
    assert err.endswith(hint)
    assert "not-the-secret" not in out + err
    assert "Traceback" not in out + err
    monkeypatch.delenv("EV_ENERGY_CLIENT_SECRET")
    assert "set EV_ENERGY_CLIENT_SECRET" in demo()[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("ending", [b"\n", b"\x04", b"\x03"], ids=["enter", "ctrl-d", "ctrl-c"])
def test_link_works_on_a_terminal_until_the_demo_is_stopped(ending: bytes) -> None:
    with terminal() as (process, screen):
        text = read_until(screen, "Press Enter to stop the demo. ")
        (link,) = re.findall(r"It works now, until you stop the demo:\r\n  (http://\S+)", text)
        with urllib.request.urlopen(link) as reply:
            assert b"Which make is your charger?" in reply.read()
        assert press(process, screen, ending) == 0
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(link)
    assert "\x1b[1mLast night\x1b[0m" in text
    assert "\x1b[36m    " not in text  # the indentation has no colour
    assert "    \x1b[36mhome = client.acting_for(user)\x1b[0m" in text
    assert "█" in text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_demo_runs_in_a_process_without_stdout() -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "ev_energy", "demo"]
    done = subprocess.run(
        command, stderr=subprocess.PIPE, env=clean_environment(), timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_terminal_without_colours_and_with_ascii_only() -> None:
    with terminal(NO_COLOR="1", PYTHONIOENCODING="ascii", PYTHONUTF8="0") as (process, screen):
        text = read_until(screen, "Press Enter to stop the demo. ")
        os.write(screen, b"\n")
        assert process.wait(timeout=20) == 0
    assert text.isascii()
    assert "\x1b" not in text
    assert "|####" in text


@contextlib.contextmanager
def terminal(**environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the demo in a pseudo-terminal."""
    import pty

    screen, end = pty.openpty()
    # The first terminal that a process without one opens is its own: Ctrl-C is a signal to it.
    open_terminal = 'exec "$@" <"$0" >"$0" 2>&1'
    with subprocess.Popen(
        ["sh", "-c", open_terminal, os.ttyname(end), sys.executable, "-m", "ev_energy", "demo"],
        start_new_session=True,
        env=clean_environment(TERM="xterm", **environment),
    ) as process:
        try:
            yield process, screen
        finally:
            process.kill()
            os.close(screen)
            os.close(end)


def press(process: subprocess.Popen[bytes], screen: int, key: bytes) -> int:
    """Press a key until the process ends, and return its exit status."""
    while True:
        os.write(screen, key)
        # A signal that arrives just before Python begins to read a line does not end the reading.
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=10)


def read_until(screen: int, ending: str) -> str:
    shown = b""
    while not shown.decode(errors="ignore").endswith(ending):
        ready, _, _ = select.select([screen], [], [], 30)
        assert ready, shown.decode(errors="ignore")
        shown += os.read(screen, 65536)
    return shown.decode()


def session(vehicle_id: str, user_id: str, **fields: Any) -> ChargingSubSession:
    api = "https://api.example/v2"
    return ChargingSubSession.from_dict({
        "id": "csub01",
        "url": f"{api}/charging_sub_sessions/csub01",
        "start": "2026-10-04T18:00:00Z",
        "end": "2026-10-05T06:00:00Z",
        "mode": "SMART",
        "energy_delivered_watt_hours": 7500,
        "cost": 84,
        "currency": "GBP",
        "vehicle": {
            "id": vehicle_id,
            "url": f"{api}/vehicles/{vehicle_id}",
            "user": f"{api}/users/{user_id}",
        },
        **fields,
    })  # fmt: skip


def test_home_is_that_with_the_most_cars_then_that_with_the_lowest_price() -> None:
    alone = session("vehi01", "user01", cost=-100)
    two = [session(f"vehi0{number}", "user02") for number in (2, 3)]
    cheaper = [
        session("vehi04", "user03", cost=10),
        session("vehi05", "user03", energy_delivered_watt_hours=9000),
    ]
    unknown = [session(f"vehi0{number}", "user04", cost=None) for number in (6, 7)]
    away = [session("vehi08", "user05", mode="UNMANAGED_OTG") for _ in range(3)]
    home = choose_home([alone, *two, *cheaper, *unknown, *away])
    assert home is not None
    assert home.user.id == "user03"
    assert [car.vehicle.id for car in home.cars] == ["vehi05", "vehi04"]  # most energy first
    for sessions, user_id in (([alone, *unknown], "user04"), ([alone, *away], "user01")):
        home = choose_home(sessions)
        assert home is not None
        assert home.user.id == user_id
    assert choose_home(away) is None


def intervals(start: datetime, *watt_hours: int, seconds: int = 1800) -> list[UsageInterval]:
    return [
        UsageInterval(
            started_at=start + timedelta(seconds=seconds * number),
            interval_seconds=seconds,
            total_energy_delivered_watt_hours=each,
            electricity_cost_sub_unit=Decimal(number),
        )
        for number, each in enumerate(watt_hours)
    ]


def test_night_has_the_average_power_of_each_half_hour() -> None:
    first = intervals(EVENING, 0, 3500, 1000)
    second = intervals(EVENING + timedelta(hours=2), *[500] * 6, 0, seconds=300)
    night = night_of([first, second])
    assert night is not None
    assert [f"{time:%H:%M}" for time in night.times] == [
        "18:00", "18:30", "19:00", "19:30", "20:00", "20:30"
    ]  # fmt: skip
    assert night.power == [[0, 7000, 2000, 0, 0, 0], [0, 0, 0, 0, 6000, 0]]
    assert night.prices == [0, 1, 2, None, 0, 6]
    assert night.end == EVENING + timedelta(hours=3)


def test_night_begins_at_most_8_hours_before_charging_and_has_at_most_16() -> None:
    usage = intervals(EVENING, *[0] * 40, 2000, *[0] * 40)
    night = night_of([usage])
    assert night is not None
    assert night.times[0] == EVENING + timedelta(hours=12)
    assert night.end - night.times[0] == timedelta(hours=16)
    assert night_of([intervals(EVENING, 0, 0)]) is None
    assert night_of([[UsageInterval(total_energy_delivered_watt_hours=5)]]) is None


def test_bars_rise_with_their_values_and_have_colours() -> None:
    bars = Bars([None, -3.0, 0.0, 1.0, 3.0], low=-3, high=3, height=2)
    lines = bars.lines(ASCII, lambda value: "+" if value > 0 else "-", lambda c, text: f"{c}{text}")
    assert list(lines) == [
        "      3.0 |      +..##",
        "     -3.0 |  -..##+####",
    ]
    assert axis(["18", "", "19", ""]) == "           18  19"


@pytest.mark.parametrize(
    ("minor_units", "currency", "text", "unit"),
    [
        (-34, "GBP", "-0.34 GBP", "pence"),
        (-34, "EUR", "-0.34 EUR", "cents"),
        (-34, "CHF", "-0.34 CHF", "hundredths of CHF"),
        (310, "JPY", "310 JPY", "JPY"),
    ],
)
def test_amounts_are_shown_in_major_units(
    minor_units: int, currency: str, text: str, unit: str
) -> None:
    assert amount(minor_units, currency) == text
    assert minor_unit(currency) == unit
