from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from typing import Any

import pytest

from ev_energy.simulator import Simulator


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def test_in_a_thread_it_answers_blocking_code_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with Simulator.in_thread(evses=3) as simulator:
        assert len(set(threading.enumerate()) - before) == 1
        assert len(ask(f"{simulator.base_url}/evse_makes")) == 9
        assert simulator.requests[0].path == "/v2/evse_makes"
    assert set(threading.enumerate()) == before


def test_a_thread_ends_when_the_block_raises() -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyError), Simulator.in_thread():
        raise KeyError
    assert set(threading.enumerate()) == before


def test_two_threads_serve_side_by_side() -> None:
    with Simulator.in_thread(seed=1) as one, Simulator.in_thread(seed=2) as two:
        assert one.base_url != two.base_url
        assert ask(f"{one.base_url}/evse_makes") != ask(f"{two.base_url}/evse_makes")


def test_a_thread_that_cannot_listen_says_so_and_ends() -> None:
    before = set(threading.enumerate())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            Simulator.in_thread(port=taken.getsockname()[1]).__enter__()
    assert set(threading.enumerate()) == before


async def test_it_closes_its_port_and_can_be_entered_again() -> None:
    simulator = Simulator(evses=1)
    for _ in range(2):
        async with simulator:
            port = int(simulator.base_url.split(":")[2].split("/")[0])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_running_simulator_is_not_entered_twice() -> None:
    async with Simulator() as simulator:
        with pytest.raises(RuntimeError, match="running already"):
            await simulator.__aenter__()


def test_before_it_runs_it_has_no_url() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = Simulator().base_url


@pytest.mark.parametrize("evses", [1, 2, 3, 40, 250])
async def test_there_are_as_many_evses_as_asked_for_each_with_its_user(
    start: Any, evses: int
) -> None:
    api = await start(evses=evses, rate_limit=None)
    found, url = [], "/evses?page_size=100"
    while url != "about:blank":
        answer = await api.get(url)
        found += answer.body
        url = answer.headers["Link"].rpartition("<")[2].partition(">")[0]
    assert len({evse["id"] for evse in found}) == len({evse["cpid"] for evse in found}) == evses
    first = (await api.get(f"/users/{api.simulator.user_id}")).body
    assert len(first["evses"]) == min(3, evses)


def test_a_world_without_evses_is_refused() -> None:
    with pytest.raises(ValueError, match="evses"):
        Simulator(evses=0)


def test_the_secret_and_tokens_are_not_shown_by_repr() -> None:
    simulator = Simulator()
    assert simulator.client_secret not in repr(simulator._authority.applications)
    assert simulator.client_secret not in repr(simulator)


COMMAND = """
import argparse, sys
from ev_energy.cli.simulator import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(run(parser.parse_args()))
"""


def test_the_command_shows_where_it_serves_logs_requests_and_ends_quietly() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "--port", "0", "--seed", "5", "--evses", "4"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout
        screen = ""
        while "Requests:" not in screen:
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            screen += line
        base_url = next(line.split()[-1] for line in screen.splitlines() if "base URL" in line)
        for word in ("token URL", "client id", "client secret", "a user", f"curl {base_url}/"):
            assert word in screen
        assert len(ask(f"{base_url}/evse_makes?page_size=2")) == 2
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
    assert rest.split() == ["200", "GET", "/v2/evse_makes?page_size=2"]
    assert (process.returncode, errors) == (0, "")


def test_the_command_says_when_its_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    from ev_energy.cli.simulator import run

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        args = argparse.Namespace(port=taken.getsockname()[1], seed=1, evses=1)
        assert run(args) == 1
    assert "address already in use" in capsys.readouterr().err
