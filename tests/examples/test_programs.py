"""The small examples, run as a user runs them, with a simulator as the API."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from ev_energy import ClientCredentials, to_records
from ev_energy.simulator import Clock, Simulator
from ev_energy_sync import Client
from examples import dispatch
from tests.helpers import programs
from tests.helpers.html_browser import HtmlBrowser, open_browser
from tests.helpers.programs import environment_of
from tests.helpers.redis_server import PrivateRedis, free_port

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def client_of(simulator: Simulator) -> Client:
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    return Client(auth, base_url=simulator.base_url)


def started(
    simulator: Simulator, program: str, *words: str, folder: Path, **environment: str
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run an example, and kill it at the end if it still runs."""
    path = str(EXAMPLES / program)
    return programs.started([path, *words], folder, environment_of(simulator, **environment))


def run(
    simulator: Simulator, program: str, *words: str, folder: Path, **environment: str
) -> tuple[str, str]:
    """Run an example to its end, and return what it printed on stdout and stderr."""
    with started(simulator, program, *words, folder=folder, **environment) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out, err


def api_requests(simulator: Simulator) -> list[str]:
    """Return the targets of the requests that count for the rate limit."""
    return [seen.target for seen in simulator.requests if seen.path.startswith("/v2/")]


def test_all_examples_are_listed() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    listed = re.findall(r"^\| \[([\w.]+)\]", readme, re.MULTILINE)
    entries = {path.name for path in EXAMPLES.iterdir()} - {"README.md", "__pycache__"}
    assert sorted(listed) == sorted(entries)
    for target in re.findall(r"\]\(([^)#]+)", readme):
        assert (EXAMPLES / target).exists(), target


# --- nightly_export ---------------------------------------------------------------------------

DAY = datetime(2026, 10, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulator]:
    with Simulator.in_thread(vehicles=250, clock=Clock(speed=0)) as simulator:
        yield simulator


def expected_rows(simulator: Simulator) -> list[dict[str, str]]:
    """Return what the API says about the day of the export, as a CSV file has it."""
    with client_of(simulator) as client:
        ended = client.charging_sub_sessions.list(
            end__gt=DAY - timedelta(microseconds=1),
            end__lt=DAY + timedelta(days=1),
            expand=["vehicle"],
        )
        records = to_records(ended.collect(), expand=["vehicle"])
    return [
        {name: "" if value is None else str(value) for name, value in record.items()}
        for record in records
    ]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_killed_export_continues_without_a_gap_and_without_a_double(
    fleet: Simulator, tmp_path: Path
) -> None:
    expected = expected_rows(fleet)
    assert len(expected) > 200
    hang = fleet.faults.add("hang", operation="/charging_sub_sessions", after=1)
    words = ("2026-10-04", "sessions.csv")
    with started(fleet, "nightly_export/export.py", *words, folder=tmp_path) as process:
        while not (tmp_path / "sessions.state").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    fleet.faults.remove(hang)
    assert not (tmp_path / "sessions.csv").exists()
    # As if it had been killed while it wrote rows that the state does not know of.
    with (tmp_path / "sessions.part").open("a") as part:
        part.write("csub01,half a r")

    done = len(api_requests(fleet))
    run(fleet, "nightly_export/export.py", *words, folder=tmp_path)
    assert rows_of(tmp_path / "sessions.csv") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["sessions.csv"]
    pages = -(-len(expected) // 100)
    again = api_requests(fleet)[done:]
    assert len(again) == pages - 1
    assert all("page_after" in target for target in again)


@pytest.mark.slow
def test_frame_and_plot_have_the_numbers_of_the_api(fleet: Simulator, tmp_path: Path) -> None:
    reason = "needs pandas and matplotlib: pip install -r examples/nightly_export/requirements.txt"
    for module in ("matplotlib", "pandas"):
        pytest.importorskip(module, reason=reason)
    run(fleet, "nightly_export/export.py", "2026-10-04", "sessions.csv", folder=tmp_path)
    out, _ = run(fleet, "nightly_export/plot.py", "sessions.csv", "night.png", folder=tmp_path)
    sums = {line.split()[0]: line.split()[1:] for line in out.splitlines()[2:]}
    expected = expected_rows(fleet)
    assert sums.keys() == {row["currency"] for row in expected}
    for currency, (kwh, cost, co2) in sums.items():
        rows = [row for row in expected if row["currency"] == currency]
        watt_hours = sum(int(row["energy_delivered_watt_hours"]) for row in rows)
        assert float(kwh) == pytest.approx(watt_hours / 1000)
        assert float(cost) == sum(int(row["cost"] or 0) for row in rows)
        assert float(co2) == sum(int(row["total_co2_grams"] or 0) for row in rows)
    assert (tmp_path / "night.png").read_bytes().startswith(b"\x89PNG")


# --- fleet_state ------------------------------------------------------------------------------


@pytest.mark.swarm
def test_processes_share_one_rate_limit_and_one_token(redis: PrivateRedis, tmp_path: Path) -> None:
    with Simulator.in_thread(vehicles=250, clock=Clock(speed=0), rate_limit=20) as simulator:
        words = ("--readings", "5", "--every", "0")
        with (
            started(
                simulator, "fleet_state.py", *words, folder=tmp_path, REDIS_URL=redis.url
            ) as first,
            started(
                simulator, "fleet_state.py", *words, folder=tmp_path, REDIS_URL=redis.url
            ) as second,
        ):
            printed = [process.communicate(timeout=60) for process in (first, second)]
        assert [err for _, err in printed] == ["", ""]
        # Ten readings of three pages each are more than the rate limit allows.
        statuses = [seen.status for seen in simulator.requests if seen.path == "/v2/vehicles"]
        assert statuses == [200] * 20
        tokens = [seen for seen in simulator.requests if "/o/token" in seen.path]
        assert len(tokens) == 1
        lines = "".join(out for out, _ in printed).splitlines()
        assert len(lines) == 10
        readings = [line for line in lines if line.startswith("0-19 %: ")]
        refusals = [line for line in lines if line.startswith("no request is left until ")]
        assert len(readings) + len(refusals) == 10
        assert 4 <= len(readings) <= 6
        (bands,) = {tuple(map(int, re.findall(r": (\d+)", line))) for line in readings}
        assert sum(bands) == 250


# --- sign_in_app ------------------------------------------------------------------------------


@pytest.mark.slow
async def test_user_signs_in_on_a_page_and_sees_the_cars(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs uvicorn: pip install -e '.[test]'")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        client_id, secret = simulator.add_application(redirect_uris=[f"{url}/sign-in/callback"])
        environment = environment_of(
            simulator,
            APP_URL=url,
            EV_ENERGY_CLIENT_ID=client_id,
            EV_ENERGY_CLIENT_SECRET=secret,
            PYTHONPATH=str(EXAMPLES),
        )
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "sign_in_app:app", "--port", str(port)),
            "--no-access-log",
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
        )
        assert server.stderr is not None
        try:
            while b"Uvicorn running" not in (line := await server.stderr.readline()):
                assert line, "uvicorn ended before it accepted connections"
            async with open_browser() as browser:
                await browse(browser, url, simulator)
        finally:
            server.terminate()
            log = (await server.stderr.read()).decode()
            await server.wait()
        assert "Traceback" not in log
        assert secret not in log


async def browse(browser: HtmlBrowser, url: str, simulator: Simulator) -> None:
    """Sign in, look at the cars, and sign out."""
    page = await browser.open(url)
    assert page.text == "My cars My cars Sign in with ev.energy"
    await browser.follow("Sign in with ev.energy")
    page = await browser.open(browser.page.location or "")
    email = next(text for name, text in page.forms[1].fields if name == "email")
    await browser.press("Log in", email=email, password="any")
    page = await browser.press("Allow")
    page = await browser.open(page.location or "")
    with client_of(simulator) as client:
        cars = client.acting_for(simulator.user_id).vehicles.list(expand=["latest_status_log"])
        expected = [
            f"{car.description}: battery {car.latest_status_log.value.state_of_charge_percentage} %"
            for car in cars
            if car.latest_status_log is not None
        ]
    assert len(expected) == 2
    assert re.findall(r"<li>(.*?)</li>", page.html) == expected
    browser.session.headers["Origin"] = url  # as browsers send it with a form
    page = await browser.press("Sign out")
    assert "Sign in with ev.energy" in page.text


# --- dispatch ---------------------------------------------------------------------------------


class Dispatcher:
    """Runs commands of ``dispatch.py`` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, simulator: Simulator) -> None:
        self._patch = monkeypatch
        self._folder = folder
        self.simulator = simulator

    def run(self, *words: str) -> int:
        self._patch.setattr(sys, "argv", ["dispatch.py", *words])
        return int(dispatch.main())

    def send(self, limit: int = 1000, **until_start: float) -> int:
        """Send a request for an hour that begins some time from now."""
        start = self.simulator.clock.now() + timedelta(**(until_start or {"hours": 6}))
        words = ("send", "dc000000", "--limit", str(limit), "--minutes", "60")
        return self.run(*words, "--start", start.isoformat())

    @property
    def steps(self) -> list[str]:
        lines = (self._folder / "dispatch.jsonl").read_text().splitlines()
        return [json.loads(line)["step"] for line in lines]

    @property
    def sent(self) -> int:
        """The number of requests that the API has received."""
        return sum(seen.path.endswith("/dispatch_events") for seen in self.simulator.requests)


@pytest.fixture
def dispatcher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Dispatcher]:
    with Simulator.in_thread(vehicles=20, clock=Clock(speed=0)) as simulator:
        monkeypatch.chdir(tmp_path)
        for name in ("CLIENT_ID", "CLIENT_SECRET", "BASE_URL"):
            value = environment_of(simulator)[f"EV_ENERGY_{name}"]
            monkeypatch.setenv(f"EV_ENERGY_{name}", value)
        yield Dispatcher(monkeypatch, tmp_path, simulator)


def test_dispatch_that_is_created_is_kept_to_and_can_be_cancelled(
    dispatcher: Dispatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatcher.send(hours=13) == 0
    assert capsys.readouterr().out.startswith("created devt01")
    dispatcher.simulator.clock.advance(hours=15)
    assert dispatcher.run("check") == 0
    assert capsys.readouterr().out == "0 of 6 readings are above 1000 W.\n"
    assert dispatcher.send(hours=3) == 0
    assert dispatcher.run("cancel") == 0
    assert dispatcher.steps == ["sending", "created", "sending", "created", "cancelled"]
    assert dispatcher.send(hours=3) == 0  # it does not overlap an event


def test_dispatch_that_is_refused_says_why_and_may_be_corrected(
    dispatcher: Dispatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatcher.send(hours=-1) == 65
    assert "refused: POST " in (said := capsys.readouterr().out)
    assert "start_time: ['Must not be in the past.']" in said
    words = ("send", "dc000000", "--limit", "1000", "--minutes", "60", "--start", "2026-11-30")
    assert dispatcher.run(*words) == 65  # without a time zone: the client sends nothing
    assert dispatcher.sent == 1
    assert dispatcher.send() == 0
    assert dispatcher.steps == ["sending", "refused"] * 2 + ["sending", "created"]


def test_dispatch_that_was_not_sent_may_be_sent_again(dispatcher: Dispatcher) -> None:
    client_id = os.environ["EV_ENERGY_CLIENT_ID"]
    os.environ["EV_ENERGY_CLIENT_ID"] = "another"  # monkeypatch restores it
    assert dispatcher.send() == 75
    os.environ["EV_ENERGY_CLIENT_ID"] = client_id
    dispatcher.simulator.faults.add("rate_limited", operation="POST *", seconds=7200, count=1)
    assert dispatcher.send() == 75
    assert dispatcher.send() == 0
    assert dispatcher.steps == ["sending", "not_sent"] * 2 + ["sending", "created"]


@pytest.mark.parametrize(
    ("fault", "above"), [("reset_after", "0 of 6"), ("reset_before", r"[1-6] of 6")]
)
def test_dispatch_of_unknown_outcome_is_not_sent_again_until_it_is_settled(
    dispatcher: Dispatcher, capsys: pytest.CaptureFixture[str], fault: str, above: str
) -> None:
    dispatcher.simulator.faults.add(fault, operation="POST *", count=1)
    assert dispatcher.send(hours=13) == 70
    assert "unknown: POST " in capsys.readouterr().out
    assert dispatcher.send() == 70
    assert "Run check, and then settle." in capsys.readouterr().out
    assert dispatcher.sent == 1
    dispatcher.simulator.clock.advance(hours=15)  # over the night, when cars charge
    assert dispatcher.run("check") == 0
    # The power of the fleet tells whether the event exists.
    assert re.fullmatch(f"{above} readings are above 1000 W.\n", capsys.readouterr().out)
    assert dispatcher.run("settle") == 0
    assert dispatcher.send() == 0
    assert dispatcher.steps == ["sending", "unknown", "settled", "sending", "created"]


def test_dispatch_is_not_sent_again_after_a_kill(dispatcher: Dispatcher, tmp_path: Path) -> None:
    assert dispatcher.send() == 0
    journal = tmp_path / "dispatch.jsonl"
    journal.write_text(journal.read_text().splitlines(keepends=True)[0])
    assert dispatcher.send() == 70
    assert dispatcher.sent == 1


# --- worker -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_log_records_of_the_worker_belong_to_its_traces(tmp_path: Path) -> None:
    with Simulator.in_thread(vehicles=50, clock=Clock(speed=0)) as simulator:
        simulator.clock.advance(hours=5)
        with client_of(simulator) as client:
            vehicles = client.vehicles.list(expand=["latest_status_log"]).collect()
        states = {
            vehicle.id: vehicle.latest_status_log.value
            for vehicle in vehicles
            if vehicle.latest_status_log is not None
        }
        away = {
            vehicle_id: state.state_of_charge_percentage
            for vehicle_id, state in states.items()
            if state.state_of_charge_percentage is not None and not state.is_plugged_in
        }
        below = sorted(away.values())[len(away) // 2]
        empty = {vehicle_id: percent for vehicle_id, percent in away.items() if percent < below}
        assert 0 < len(empty) < len(states)
        simulator.faults.add("server_error", operation="/vehicles", count=1, status=503)
        words = ("--runs", "2", "--every", "0", "--below", str(below))
        out, err = run(simulator, "worker.py", *words, folder=tmp_path, LOG_LEVEL="DEBUG")
        assert simulator.client_secret not in out + err
    spans = [json.loads(line) for line in out.splitlines()]
    records = [json.loads(line) for line in err.splitlines()]
    jobs = [span for span in spans if span["name"] == "warn of empty batteries"]
    assert [job["parent_id"] for job in jobs] == [None, None]
    traces = [job["context"]["trace_id"].removeprefix("0x") for job in jobs]
    for trace in traces:
        warnings = [
            one for one in records if one.get("trace_id") == trace and "worker_vehicle" in one
        ]
        assert {one["worker_vehicle"]: one["worker_percent"] for one in warnings} == empty
        assert {one["level"] for one in warnings} == {"WARNING"}
    (retry,) = [record for record in records if record.get("ev_event") == "retry"]
    assert retry["trace_id"] == traces[0]
    assert (retry["ev_operation"], retry["ev_status"]) == ("GET /vehicles", 503)
    by_id = {span["context"]["span_id"]: span for span in spans}
    attempts = [span for span in spans if span["kind"] == "SpanKind.CLIENT"]
    assert [span["attributes"]["http.response.status_code"] for span in attempts] == [
        200, 503, 200, 200
    ]  # fmt: skip
    for attempt in attempts:
        ancestor = attempt
        while ancestor["parent_id"] is not None:
            ancestor = by_id[ancestor["parent_id"]]
        assert ancestor in jobs


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_worker_survives_a_failure_and_writes_its_spans_when_it_is_stopped(tmp_path: Path) -> None:
    with Simulator.in_thread(vehicles=5, clock=Clock(speed=0)) as simulator:
        simulator.faults.add("problem", operation="/vehicles", status=403, count=1)
        with started(simulator, "worker.py", "--every", "0.01", folder=tmp_path) as process:
            assert process.stderr is not None
            failed = json.loads(process.stderr.readline())
            assert json.loads(process.stderr.readline())["message"] == "looked at all vehicles"
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=20)
        assert process.returncode == 0
    assert failed["message"] == "the job failed; the next one is due as usual"
    assert "ForbiddenError" in failed["traceback"]
    spans = [json.loads(line) for line in out.splitlines()]
    jobs = [span for span in spans if span["name"] == "warn of empty batteries"]
    assert [job["status"]["status_code"] for job in jobs[:2]] == ["ERROR", "UNSET"]


# --- own_tests --------------------------------------------------------------------------------


def run_own_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
    plugin = [] if "ev_energy" in plugins() else ["-p", "ev_energy.testing"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        check=False,
    )


def plugins() -> set[str]:
    return {plugin.name for plugin in entry_points(group="pytest11")}


#: Mistakes in the application, by the name of the test that notices each.
MISTAKES = {
    "test_bills_are_right_although_webhooks_are_lost_and_doubled": (
        "self._sessions[session.id] =",
        "self._sessions[str(id(session))] =",
    ),
    "test_driver_is_told_that_the_car_charges": ("except ConflictError", "except KeyError"),
    "test_driver_is_told_what_is_known_and_nothing_is_sent_twice": (
        'error.outcome == "unknown"',
        'error.outcome == "refused"',
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistakes", [{}, MISTAKES], ids=["right", "wrong"])
def test_own_tests_pass_and_notice_mistakes(
    tmp_path: Path, mistakes: dict[str, tuple[str, str]]
) -> None:
    for name in ("billing.py", "pytest.ini", "test_billing.py"):
        shutil.copy(EXAMPLES / "own_tests" / name, tmp_path)
    application = (tmp_path / "billing.py").read_text()
    for right, wrong in mistakes.values():
        assert right in application
        application = application.replace(right, wrong)
    (tmp_path / "billing.py").write_text(application)
    done = run_own_tests(tmp_path)
    failed = re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE)
    assert set(failed) == mistakes.keys(), done.stdout + done.stderr
    assert done.returncode == (1 if mistakes else 0)
    assert mistakes or re.search(r"^8 passed in ", done.stdout, re.MULTILINE)
