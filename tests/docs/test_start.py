"""The steps of docs/start.md, followed word for word, end with a web service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.redis_server import free_port

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "start.md").read_text()
PROGRAMS = {
    name: textwrap.dedent(code)
    for _, name, code in re.findall(
        r'^( *)```python title="(\S+)"\n(.*?)^\1```', PAGE, re.MULTILINE | re.DOTALL
    )
}
COMMANDS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
OUTPUTS = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@contextmanager
def running(
    words: list[str], folder: Path, environment: Mapping[str, str], *, ready: str
) -> Iterator[None]:
    """Run a server of the page, from when it has printed *ready* until the block ends."""
    with subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            printed = []
            for line in server.stdout:
                printed.append(line)
                if ready in line:
                    break
            else:
                pytest.fail(f"the server ended before it was ready:\n{''.join(printed)}")
            yield
        finally:
            server.terminate()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url) as reply:
        found: bytes = reply.read()
    return found


def words_of(command: str, ports: Mapping[str, str]) -> list[str]:
    """Return *command* of the page, run by this interpreter, with its ports replaced."""
    for port, free in ports.items():
        command = command.replace(port, free)
    first, *others = command.split()
    return [sys.executable, *(["-m", first] if first != "python" else []), *others]


@pytest.mark.slow
def test_following_the_page_ends_with_a_web_service(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs uvicorn: pip install -e '.[test]'")
    pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    for name, code in PROGRAMS.items():
        (tmp_path / name).write_text(code)
    ports = {"8420": str(free_port()), "8000": str(free_port())}
    _, simulator, exports, first, service, request, table, live = COMMANDS
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        **dict(
            line.removeprefix("export ").replace("8420", ports["8420"]).split("=")
            for line in exports.splitlines()
        ),
    }
    assert simulator.startswith(". .venv/bin/activate\n")
    command = words_of(simulator.splitlines()[1] + " --port 8420", ports)
    with running(command, tmp_path, environment, ready="Requests:"):

        def output_of(command: str) -> str:
            return subprocess.run(
                words_of(command, ports),
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout

        listed = output_of(first)
        assert listed == output_of("python vehicles_blocking.py")
        assert listed.splitlines()[:4] == OUTPUTS[0].splitlines()[:4]
        assert OUTPUTS[0].endswith("\n...\n")
        assert len(listed.splitlines()) == 50
        assert "a line for each of the 50 vehicles" in PAGE
        assert output_of(table) == OUTPUTS[1]

        with running(words_of(service, ports), tmp_path, environment, ready="Uvicorn running"):
            url = request.split()[1].replace("8000", ports["8000"])
            vehicles = json.loads(fetch(url))
            assert len(vehicles) == 50
            assert all(vehicle["trim"]["model"]["name"] for vehicle in vehicles)
            assert b"swagger" in fetch(url.replace("/vehicles", "/docs"))
    assert live.startswith("unset EV_ENERGY_BASE_URL\n")


def test_every_extra_for_users_is_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = set(project["optional-dependencies"]) - {"test", "lint", "bench", "docs"}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == ours
