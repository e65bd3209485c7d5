from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from ev_energy.cli import simulator as simulator_command
from ev_energy.cli._terminal import painter
from ev_energy.simulator import Simulator
from tests.helpers.interrupts import interrupt_before_thread_runs, interrupt_start_of_thread

if TYPE_CHECKING:
    from pathlib import Path

needs_signals_to_threads = pytest.mark.skipif(
    sys.platform == "win32", reason="no signal can be sent to a thread"
)


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def test_thread_serves_blocking_code_and_ends() -> None:
    before = set(threading.enumerate())
    with Simulator.in_thread(vehicles=3) as simulator:
        assert len(set(threading.enumerate()) - before) == 1
        assert len(ask(f"{simulator.base_url}/evse_makes")) == 9
        assert simulator.requests[0].path == "/v2/evse_makes"
    assert set(threading.enumerate()) <= before


def test_thread_ends_when_the_block_raises() -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyError), Simulator.in_thread():
        raise KeyError
    assert set(threading.enumerate()) <= before


def test_interrupt_while_the_thread_starts_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    interrupt_start_of_thread("ev-energy-simulator", monkeypatch)
    with pytest.raises(KeyboardInterrupt), Simulator.in_thread():
        pass
    assert set(threading.enumerate()) <= before


@needs_signals_to_threads
def test_interrupt_while_the_server_starts_ends_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = set(threading.enumerate())
    start, main = Simulator.__aenter__, threading.get_ident()

    async def interrupted_start(simulator: Simulator) -> Simulator:
        signal.pthread_kill(main, signal.SIGINT)
        return await start(simulator)

    monkeypatch.setattr(Simulator, "__aenter__", interrupted_start)
    with pytest.raises(KeyboardInterrupt), Simulator.in_thread():
        pass
    assert set(threading.enumerate()) <= before


@needs_signals_to_threads
def test_interrupt_before_the_thread_runs_starts_no_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, started, left = set(threading.enumerate()), [], threading.Event()
    monkeypatch.setattr(Simulator, "__aenter__", started.append)
    interrupt_before_thread_runs("ev-energy-simulator", monkeypatch, wait=lambda: left.wait(10))
    with pytest.raises(KeyboardInterrupt), Simulator.in_thread():
        pass
    left.set()
    deadline = time.monotonic() + 10
    while not set(threading.enumerate()) <= before:  # it cannot be joined before it runs
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert started == []


@needs_signals_to_threads
def test_interrupt_while_the_server_ends_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = set(threading.enumerate())
    end, main = Simulator.__aexit__, threading.get_ident()

    async def slow_end(simulator: Simulator, *error: Any) -> None:
        signal.pthread_kill(main, signal.SIGINT)
        await asyncio.sleep(0.1)
        await end(simulator, *error)

    monkeypatch.setattr(Simulator, "__aexit__", slow_end)
    with pytest.raises(KeyboardInterrupt), Simulator.in_thread():
        pass
    assert set(threading.enumerate()) <= before


def test_interrupt_just_before_the_server_is_told_to_stop_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt), Simulator.in_thread() as simulator:
        loop = simulator._loop
        assert loop is not None
        wake = loop.call_soon_threadsafe

        def interrupted(*_: Any) -> None:
            monkeypatch.setitem(vars(loop), "call_soon_threadsafe", wake)
            raise KeyboardInterrupt

        monkeypatch.setitem(vars(loop), "call_soon_threadsafe", interrupted)
    assert set(threading.enumerate()) <= before


def test_server_that_fails_at_its_end_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    before, end = set(threading.enumerate()), Simulator.__aexit__

    async def fail(simulator: Simulator, *error: Any) -> None:
        await end(simulator, *error)
        raise ZeroDivisionError

    monkeypatch.setattr(Simulator, "__aexit__", fail)
    with pytest.raises(ZeroDivisionError), Simulator.in_thread():
        pass
    assert set(threading.enumerate()) <= before


def test_thread_that_cannot_be_started_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="can't start new thread"), Simulator.in_thread():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_child_may_leave_the_block() -> None:
    code = """if True:
        import os, sys
        from ev_energy.simulator import Simulator
        with Simulator.in_thread():
            if (child := os.fork()) == 0:
                sys.exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"7\n", b"")


def test_two_threads_serve_side_by_side() -> None:
    with Simulator.in_thread(seed=1) as one, Simulator.in_thread(seed=2) as two:
        assert one.base_url != two.base_url
        assert ask(f"{one.base_url}/evse_makes") != ask(f"{two.base_url}/evse_makes")


def test_thread_that_cannot_listen_raises_and_ends() -> None:
    before = set(threading.enumerate())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            Simulator.in_thread(port=taken.getsockname()[1]).__enter__()
    assert set(threading.enumerate()) <= before


async def test_simulator_closes_its_port_and_can_be_entered_again() -> None:
    simulator = Simulator(vehicles=1)
    for _ in range(2):
        async with simulator:
            port = int(simulator.base_url.split(":")[2].split("/")[0])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_running_simulator_cannot_be_entered_twice() -> None:
    async with Simulator() as simulator:
        with pytest.raises(RuntimeError, match="already running"):
            await simulator.__aenter__()


def test_simulator_has_no_url_before_it_runs() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = Simulator().base_url


@pytest.mark.parametrize("vehicles", [1, 2, 3, 40, 250])
async def test_number_of_vehicles_is_as_requested(start: Any, vehicles: int) -> None:
    api = await start(vehicles=vehicles, rate_limit=None)
    found, url = [], "/vehicles?page_size=100"
    while url != "about:blank":
        answer = await api.get(url)
        found += answer.body
        url = answer.headers["Link"].rpartition("<")[2].partition(">")[0]
    assert len({vehicle["id"] for vehicle in found}) == vehicles
    first = (await api.get(f"/users/{api.simulator.user_id}")).body
    assert len(first["vehicles"]) == min(2, vehicles)
    assert len(first["evses"]) == 3


def test_world_without_vehicles_is_refused() -> None:
    with pytest.raises(ValueError, match="vehicles"):
        Simulator(vehicles=0)


def test_secret_and_tokens_are_not_in_reprs() -> None:
    simulator = Simulator()
    assert simulator.client_secret not in repr(simulator._auth_server.applications)
    assert simulator.client_secret not in repr(simulator)


COMMAND = """
import argparse, sys
from ev_energy.cli.simulator import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(run(parser.parse_args()))
"""


class Command:
    """The command, running in a process of its own."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", COMMAND, "--port", "0", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout
        self.screen = ""
        while "Requests:" not in self.screen:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            self.screen += line
        self.base_url = self.row("base URL")

    def row(self, name: str) -> str:
        """What the start-up screen says of something."""
        (line,) = [line for line in self.screen.splitlines() if line.startswith(f"  {name}  ")]
        return line.removeprefix(f"  {name}").strip()

    def end(self, how: signal.Signals = signal.SIGINT) -> tuple[str, str]:
        """What it says after it was told to end."""
        self.process.send_signal(how)
        out, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, errors
        return out, errors


def steer(url: str, body: Any) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def test_command_prints_its_urls_logs_requests_and_ends_quietly() -> None:
    command = Command("--seed", "5", "--vehicles", "4", "--speed", "60")
    screen, base_url = command.screen, command.base_url
    assert "4 vehicles, seed 5" in screen
    for name in (
        "token URL",
        "client id",
        "client secret",
        "user id",
        "status page",
        "admin API",
    ):
        assert command.row(name)
    assert re.fullmatch(r"2026-10-05 12:\d\d:\d\d UTC, at 60 times .*", command.row("clock"))
    assert f"curl {base_url}/evse_makes" in screen
    assert "\x1b" not in screen
    assert len(ask(f"{base_url}/evse_makes?page_size=2")) == 2
    steer(command.row("admin API") + "clock", {"speed": 0})
    out, errors = command.end()
    api, control = filter(None, out.splitlines())
    assert re.fullmatch(r"200 GET    /v2/evse_makes\?page_size=2  \d+ ms  -", api)
    assert re.fullmatch(r"    200 POST   /__sim/clock  \d+ ms", control)
    assert errors == ""


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl")
def test_printed_curl_commands_work() -> None:
    with Simulator.in_thread() as simulator:
        done = subprocess.run(
            ["sh", "-c", simulator.curl()],
            capture_output=True,
            text=True,
            timeout=20,
            env={"PATH": os.environ["PATH"], "NO_PROXY": "*"},
            check=True,
        )
    assert [evse["model"]["id"][:4] for evse in json.loads(done.stdout)] == ["emod", "emod"]


@pytest.mark.matrix
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.shows_secrets("files", reason="the state of a simulator has its tokens in it")
def test_command_saves_its_state_at_the_end_and_resumes(
    tmp_path: Path, how: signal.Signals
) -> None:
    path = tmp_path / "state.json"
    command = Command("--vehicles", "4", "--speed", "0", "--state", str(path))
    assert command.row("state") == f"{path}, new"
    steer(command.row("admin API") + "clock", {"advance": {"hours": 6}})
    out, errors = command.end(how)
    assert out.endswith(f"Saved to {path}.\n")
    assert errors == ""
    resumed = Command("--state", str(path))
    assert resumed.row("state") == f"{path}, resumed"
    assert "4 vehicles, seed 1" in resumed.screen
    assert resumed.row("clock") == "2026-10-05 18:00:00 UTC, stopped"
    resumed.end(how)


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    simulator_command.add_arguments(parser)
    return parser.parse_args(words)


def test_command_reports_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert simulator_command.run(parsed("--port", str(port), "--vehicles", "1")) == 1
    assert capsys.readouterr().err == (
        f"simulator: port {port} of 127.0.0.1 is in use: choose another one with --port, or a free "
        "one with --port 0\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--vehicles", "0"), "vehicles"),
        (("--speed", "-1"), "speed"),
        (("--state", "{folder}"), "directory"),
        (("--state", "{folder}/foreign.json"), "foreign.json: not a state file"),
    ],
)
def test_command_reports_errors_without_a_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "foreign.json").write_text("{}")
    given = [word.replace("{folder}", str(tmp_path)) for word in words]
    assert simulator_command.run(parsed("--port", "0", *given)) == 1
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.startswith("simulator: ")
    assert shown.out == ""


@pytest.mark.slow
def test_command_warns_of_a_host_that_is_not_loopback() -> None:
    command = Command("--host", "0.0.0.0", "--vehicles", "1")
    port = command.base_url.split(":")[2].partition("/")[0]
    assert ask(f"http://127.0.0.1:{port}/v2/evse_makes")
    assert "0.0.0.0 can read all secrets" in command.end()[1]
    assert Command("--host", "localhost", "--vehicles", "1").end()[1] == ""


@pytest.mark.parametrize(("words", "limit"), [((), 1000), (("3",), 3), (("none",), None)])
def test_rate_limit_option_is_a_number_or_none(words: tuple[str, ...], limit: int | None) -> None:
    assert parsed(*(f"--rate-limit={word}" for word in words)).rate_limit == limit


@pytest.mark.parametrize("word", ["-1", "many"])
def test_invalid_rate_limit_option_is_refused(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed(f"--rate-limit={word}")
    assert "--rate-limit" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "environment", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_printed_on_terminals_without_no_color(
    monkeypatch: pytest.MonkeyPatch, out: io.StringIO, environment: Any, coloured: bool
) -> None:
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b" in painter()("31", "text")) is coloured


async def test_log_has_sender_request_and_fault(start: Any) -> None:
    lines: list[str] = []

    def painted(colour: str, text: str) -> str:
        return f"<{colour} {text}>"

    api = await start(log=lambda seen: lines.append(simulator_command.line(seen, painted)))
    client_id, user_id = api.simulator.client_id, api.simulator.user_id
    lines.clear()
    await api.get("/evses/evse00")
    tokens = api.simulator.sign_in()
    await api.get("/users/me", token=tokens.access_token)
    api.simulator.faults.add("reset_before", count=1)
    with pytest.raises(aiohttp.ClientError):
        await api("POST", "/users", token=None, json={})
    await api.get(api.simulator.admin_url + "/clock", token=None)
    lines = [re.sub(r"\d+ ms", "7 ms", line) for line in lines]
    assert lines == [
        f"<33 404> GET    /v2/evses/evse00  <2 7 ms  {client_id}>",
        f"<32 200> GET    /v2/users/me  <2 7 ms  {client_id} {user_id}>",
        "<31 ---> POST   /v2/users  <2 7 ms  ->  <31 reset_before>",
        "<2     200 GET    /__sim/clock  7 ms>",
    ]


async def test_log_escapes_control_characters_of_requests(start: Any) -> None:
    lines: list[str] = []
    api = await start(log=lambda seen: lines.append(simulator_command.line(seen, lambda _, t: t)))
    port = int(api.simulator.base_url.split(":")[2].split("/")[0])
    for path in (b"/v2/\xc2\x9b31m", b"/v2/%1b[31m", b"/v2/\xe2\x80\xae", b"/v2/?a=%0a"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
    assert all(line.isprintable() for line in lines)


def test_line_of_the_log_is_the_text_of_a_request() -> None:
    seen: list[Any] = []
    with Simulator.in_thread(vehicles=1, log=seen.append) as simulator:
        ask(f"{simulator.base_url}/evse_makes?page_size=1")
    (one,) = seen
    assert re.fullmatch(r"200 GET    /v2/evse_makes\?page_size=1 \d+ ms -", str(one))
    assert one in simulator.requests
