"""The steps of docs/start.md, followed word for word, end with a web service."""

from __future__ import annotations

import json
import os
import re
import tomllib
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers.pages import Page
from tests.helpers.programs import output_of, running
from tests.helpers.redis_server import free_port

ROOT = Path(__file__).parents[2]
PAGE = Page.read("start.md")


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url) as reply:
        found: bytes = reply.read()
    return found


def words_of(command: str, ports: Mapping[str, str]) -> list[str]:
    """Return the arguments of ``python`` for *command* of the page, with its ports replaced."""
    for port, free in ports.items():
        command = command.replace(port, free)
    first, *others = command.split()
    return [*(["-m", first] if first != "python" else []), *others]


@pytest.mark.slow
def test_following_the_page_ends_with_a_web_service(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs uvicorn: pip install -e '.[test]'")
    pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    PAGE.write_programs(tmp_path)
    ports = {"8420": str(free_port()), "8000": str(free_port())}
    _, simulator, exports, first, service, request, table, live = PAGE.commands
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

        def printed_by(command: str) -> str:
            return output_of(words_of(command, ports), tmp_path, environment)

        listed = printed_by(first)
        assert listed == printed_by("python vehicles_blocking.py")
        assert listed.splitlines()[:4] == PAGE.outputs[0].splitlines()[:4]
        assert PAGE.outputs[0].endswith("\n...\n")
        assert len(listed.splitlines()) == 50
        assert "a line for each of the 50 vehicles" in PAGE.text
        assert printed_by(table) == PAGE.outputs[1]

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
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.text, re.MULTILINE)) == ours
