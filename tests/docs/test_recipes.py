"""The recipes of the documentation: their programs print what the pages show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ev_energy.models import ChargingSubSessionMode
from ev_energy.simulator import Clock, Simulator
from ev_energy_sync import Client
from tests.helpers.html_browser import open_browser
from tests.helpers.names import assert_same_names
from tests.helpers.pages import ROOT, Page
from tests.helpers.programs import environment_of, output_of, printed_by, serving, started
from tests.helpers.redis_server import free_port

RECIPES = sorted(
    path for path in (ROOT / "docs" / "recipes").glob("*.md") if path.name != "index.md"
)
#: Pages with modules that are no part of a package, whose imports would need the rest of it.
TYPED = [
    path
    for path in RECIPES
    if any(name.endswith(".py") for name in Page.read(f"recipes/{path.name}").programs)
    and "__init__.py" not in Page.read(f"recipes/{path.name}").programs
]


def test_index_lists_the_recipes() -> None:
    index = Page.read("recipes/index.md").text
    listed = re.findall(r"^\| \[.+\]\((\w+\.md)\)", index, re.MULTILINE)
    assert_same_names(
        listed,
        (path.name for path in RECIPES),
        missing="list the recipe in docs/recipes/index.md",
        unexpected="there is no such recipe; take it out of docs/recipes/index.md",
    )


@pytest.mark.type_checkers
@pytest.mark.parametrize("path", TYPED, ids=lambda path: path.name)
def test_programs_have_types_that_mypy_accepts(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="needs mypy: pip install -e '.[lint]'")
    Page.read(f"recipes/{path.name}").write_programs(tmp_path)
    # What is not installed here has no types, so nothing can be said about its use.
    lenient = ("ignore-missing-imports", "allow-subclassing-any", "allow-untyped-decorators")
    options = [*(f"--{name}" for name in lenient), "--no-warn-return-any", "--no-pretty"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            str(ROOT / "pyproject.toml"),
            *options,
            ".",
        ],
        cwd=tmp_path,
        env={**os.environ, "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_fleet_charge(tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    page = Page.read("recipes/fleet_charge.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        printed = output_of(["fleet_charge.py"], tmp_path, environment_of(simulator))
        listings = [seen.path for seen in simulator.requests if seen.method == "GET"]
    assert [printed] == page.outputs
    assert listings == ["/v2/vehicles"]


@pytest.mark.slow
def test_nightly_export_continues_after_a_kill(tmp_path: Path) -> None:
    page = Page.read("recipes/nightly_export.md")
    page.write_programs(tmp_path)
    words = page.commands[0].split()[1:]
    with Simulator.in_thread(clock=Clock(speed=0), vehicles=300) as simulator:
        environment = environment_of(simulator, PYTHONUNBUFFERED="1")
        simulator.faults.add("hang", operation="GET /charging_sub_sessions", after=2)
        lines = page.outputs[0].splitlines()
        with started(words, tmp_path, environment) as process:
            assert process.stdout is not None
            printed = [process.stdout.readline().rstrip() for _ in lines[:-1]]
            process.kill()  # as kill -9 does
        simulator.faults.clear()
        assert [*printed, "Killed"] == lines
        with next(tmp_path.glob("*.part")).open("ab") as part:
            part.write(b'{"id": "csub')  # written, but not counted
        assert output_of(words, tmp_path, environment) == page.outputs[1]
        with Client.from_env(environment) as client:
            day = datetime(2026, 10, 4, tzinfo=UTC)
            listing = client.charging_sub_sessions.list(
                end__gt=day - timedelta(microseconds=1), end__lt=day + timedelta(days=1)
            )
            expected = [session.to_dict() for session in listing]
    exported = (tmp_path / "sub_sessions_2026-10-04.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in exported] == expected
    assert not [*tmp_path.glob("*.part"), *tmp_path.glob("*.state")]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 5, 25 * 60])
def test_boosts_do_not_depend_on_the_minute(tmp_path: Path, seconds: int) -> None:
    page = Page.read("recipes/boost.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        environment = environment_of(simulator)
        simulator.clock.advance(seconds=seconds)
        assert printed_by(page.commands[0], tmp_path, environment).endswith(page.outputs[0])
        assert output_of(["boost.py"], tmp_path, environment) == ""
        find_no_electricity_clean(tmp_path)
        ended = page.outputs[0].replace("now", "as planned again")
        assert output_of(["boost.py"], tmp_path, environment) == ended
        assert output_of(["boost.py"], tmp_path, environment) == ""
        boosts = [seen.path for seen in simulator.requests if "/boost_" in seen.path]
    assert [path.rpartition("_")[2] for path in boosts] == ["start"] * 3 + ["end"] * 3
    assert (tmp_path / "boosts.json").read_text() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("failing", ["boost_start", "boost_end"])
@pytest.mark.parametrize(
    ("kind", "details", "message"),
    [
        ("problem", {"status": 503, "detail": "Unreachable."}, "503 Service Unavailable"),
        ("reset_after", {}, "Connection reset by peer"),
    ],
    ids=["503", "reset"],
)
def test_next_run_boosts_or_ends_what_failed(
    tmp_path: Path, kind: str, details: dict[str, object], message: str, failing: str
) -> None:
    page = Page.read("recipes/boost.md")
    page.write_programs(tmp_path)
    first, *others = ids = [line.split()[0] for line in page.outputs[0].splitlines()]
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        environment = environment_of(simulator)
        operation = f"POST /charging_sessions/{{charging_session_id}}/{failing}"
        simulator.faults.add(kind, operation=operation, count=1, **details)
        simulator.clock.advance(hours=11)

        def printed_of(state: str) -> dict[str, str]:
            """Return the lines of two runs by their sessions, without the one of the fault."""
            lines = output_of(["boost.py"], tmp_path, environment).splitlines()
            if failing.endswith(state):
                assert lines[0].startswith(f"{first} is left to the next run: POST /v2/"), lines
                assert message in lines.pop(0)
            lines += output_of(["boost.py"], tmp_path, environment).splitlines()
            return dict(line.split(maxsplit=1) for line in lines)

        reported = others if kind == "reset_after" else ids
        started = printed_of("start")
        assert started == dict.fromkeys(
            reported if failing == "boost_start" else ids, "charges now"
        )
        assert boosted_sessions(environment) == {*ids}
        find_no_electricity_clean(tmp_path)
        ended = printed_of("end")
        assert ended == dict.fromkeys(
            reported if failing == "boost_end" else ids, "charges as planned again"
        )
        assert boosted_sessions(environment) == set()
    assert (tmp_path / "boosts.json").read_text() == "[]"


@pytest.mark.slow
def test_boost_of_a_user_continues(tmp_path: Path) -> None:
    page = Page.read("recipes/boost.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        environment = environment_of(simulator)
        simulator.faults.add("problem", operation="POST *", status=503)
        simulator.clock.advance(hours=11)
        assert output_of(["boost.py"], tmp_path, environment).count("is left to the next run") == 3
        simulator.faults.clear()
        find_no_electricity_clean(tmp_path)
        assert output_of(["boost.py"], tmp_path, environment) == ""
        session_id = page.outputs[0].split()[0]
        with Client.from_env(environment) as client:
            client.charging_sessions.boost_start(session_id)
        assert output_of(["boost.py"], tmp_path, environment) == ""
        assert boosted_sessions(environment) == {session_id}
        assert not [seen for seen in simulator.requests if "/boost_end" in seen.path]


@pytest.mark.slow
def test_no_boost_starts_without_carbon_intensities(tmp_path: Path) -> None:
    Page.read("recipes/boost.md").write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        simulator.clock.advance(hours=11)
        later = timedelta(days=3)  # the forecast ends before
        simulator.faults.add("clock_skew", operation="GET *", seconds=later.total_seconds())
        assert output_of(["boost.py"], tmp_path, environment_of(simulator)) == ""
        asked = [seen for seen in simulator.requests if "carbon_intensities" in seen.path]
    assert asked


def find_no_electricity_clean(folder: Path) -> None:
    """Change the recipe of boosts, so that it finds no carbon intensity low enough."""
    program = folder / "boost.py"
    before = program.read_text()
    program.write_text(before.replace("< len(grams) / 3", "< 0"))
    assert program.read_text() != before


def boosted_sessions(environment: dict[str, str]) -> set[str]:
    """Return the ids of the sessions that the API shows in a boost."""
    with Client.from_env(environment) as client:
        return {
            session.id
            for session in client.charging_sessions.list(expand=["sub_sessions"]).collect(limit=100)
            if session.end is None and session.sub_sessions
            if session.sub_sessions[0].value.mode is ChargingSubSessionMode.BOOST
        }


@pytest.mark.slow
def test_bills_are_right_after_bad_webhooks_and_a_downtime(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs uvicorn: pip install -e '.[test]'")
    page = Page.read("recipes/webhooks.md")
    page.write_programs(tmp_path)
    before, after = [output.strip() for output in page.outputs]
    start, control = page.commands
    (secret,) = re.findall("WEBHOOK_SECRET=(.+)", start)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        environment = environment_of(simulator, WEBHOOK_SECRET=secret)
        with serving("billing:app", tmp_path, environment) as url:
            fetched(f"{url}/health", lambda health: '"requests":4' in health)  # it has caught up
            assert listings(simulator) == 4
            api = simulator.base_url.removesuffix("/v2")
            for shown, real in (("http://127.0.0.1:8000", url), ("http://127.0.0.1:8420", api)):
                control = control.replace(shown, real)
            subprocess.run(["sh", "-c", control], capture_output=True, timeout=60, check=True)
            simulator.webhooks.block_until_settled()
            assert fetched(f"{url}/bills", before.__eq__) == before
            assert listings(simulator) == 4  # so webhooks have told
            with pytest.raises(urllib.error.HTTPError, match="400"):  # it is not signed
                urllib.request.urlopen(f"{url}/webhooks", b"{}")
        simulator.webhooks.remove(simulator.webhooks.endpoints[0].id)
        simulator.clock.advance(hours=12)
        with serving("billing:app", tmp_path, environment) as url:
            assert fetched(f"{url}/bills", after.__eq__) == after
        with Client.from_env(environment) as client:
            costs: Counter[str] = Counter()
            for session in client.charging_sub_sessions.list(
                start__gt=datetime(2026, 10, 4, tzinfo=UTC), is_finished=True
            ):
                if session.end is not None and session.end >= datetime(2026, 10, 5, tzinfo=UTC):
                    costs[session.currency] += session.cost or 0
    assert json.loads(after) == costs


@pytest.mark.slow
async def test_user_connects_a_charger_and_sees_it(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs uvicorn: pip install -e '.[test]'")
    page = Page.read("recipes/onboarding.md")
    page.write_programs(tmp_path)
    origin = f"http://127.0.0.1:{(port := free_port())}"
    with Simulator.in_thread(clock=Clock(speed=0), fixed_secrets=True) as simulator:
        variables = variables_of_redirecting_application(simulator, f"{origin}/connect")
        variables["EV_ENERGY_USER_ID"] = simulator.user_id
        assert all(f"export {name}={value}\n" in page.text for name, value in variables.items())
        environment = environment_of(simulator, APP_URL=origin, **variables)
        with serving("connect:app", tmp_path, environment, port=port):
            async with open_browser() as browser:
                browser.session.headers["Accept"] = "text/html"
                await browser.open(f"{origin}/devices")
                await browser.follow("Connect a charger")
                await browser.open(browser.page.location or "")
                await browser.follow("Wallbox")
                await browser.follow("Pulsar Max")
                back = await browser.press("Connect", serial="S-1")
                shown = await browser.open(back.location or "")
    assert re.findall("<li>(.*)</li>", shown.html) == page.outputs[0].splitlines()


def test_sign_in_app_is_the_example_and_its_output_is_true() -> None:
    page = Page.read("recipes/sign_in.md")  # tests/examples/test_programs.py signs in
    assert page.programs["sign_in_app.py"] == (ROOT / "examples" / "sign_in_app.py").read_text()
    with Simulator.in_thread(clock=Clock(speed=0), fixed_secrets=True) as simulator:
        variables = variables_of_redirecting_application(simulator, "http://127.0.0.1:8000/")
        assert all(f"export {name}={value}\n" in page.text for name, value in variables.items())
        with Client.from_env(environment_of(simulator)) as client:
            cars = client.acting_for(simulator.user_id).vehicles.list(expand=["latest_status_log"])
            logs = [(car, car.latest_status_log) for car in cars]
    assert page.outputs[0].splitlines() == [
        f"{car.description}: battery {log.value.state_of_charge_percentage} %"
        for car, log in logs
        if log is not None
    ]


def variables_of_redirecting_application(simulator: Simulator, uri: str) -> dict[str, str]:
    """Return the variables of the application that ``--redirect-uri`` makes."""
    client_id, secret = simulator.add_application(redirect_uris=[uri])
    return {"EV_ENERGY_CLIENT_ID": client_id, "EV_ENERGY_CLIENT_SECRET": secret}


def listings(simulator: Simulator) -> int:
    """Return how often sub-sessions were listed."""
    return sum(seen.path == "/v2/charging_sub_sessions" for seen in simulator.requests)


def fetched(url: str, is_expected: Callable[[str], bool]) -> str:
    """Return what a URL answers, as soon as it is expected, or else after 30 seconds."""
    end = time.monotonic() + 30
    while True:
        with urllib.request.urlopen(url) as reply:
            answer: str = reply.read().decode()
        if is_expected(answer) or time.monotonic() > end:
            return answer
        time.sleep(0.1)
