"""The skill for coding agents that the package contains: its form, its snippets, its claims."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ev_energy
from ev_energy.simulator import Simulator
from tests.helpers.pages import ROOT

SKILL = Path(ev_energy.__file__).parent / ".agents" / "skills" / "ev-energy" / "SKILL.md"
TEXT = SKILL.read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
PROGRAMS = [code for code in SNIPPETS if "from_env" in code and "fastapi" not in code]


def names_of(code: str) -> dict[str, Any]:
    """Run *code* and return the names that it defines."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, SKILL.name, "exec", dont_inherit=True), names)
    return names


def snippet(mark: str) -> str:
    [found] = [code for code in SNIPPETS if mark in code]
    return found


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator.in_thread(vehicles=5) as one:
        yield one


@pytest.fixture
def environment(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EV_ENERGY_CLIENT_ID", simulator.client_id)
    monkeypatch.setenv("EV_ENERGY_CLIENT_SECRET", simulator.client_secret)
    monkeypatch.setenv("EV_ENERGY_BASE_URL", simulator.base_url)


def test_skill_has_the_front_matter_that_agents_read() -> None:
    matter = re.match(r"---\nname: (.*)\ndescription: (.*)\n---\n", TEXT)
    assert matter is not None
    name, description = matter.groups()
    assert name == SKILL.parent.name
    assert 50 < len(description) <= 1024


def test_skill_is_short() -> None:
    assert len(TEXT.splitlines()) <= 120
    assert max(map(len, TEXT.partition("\n# ")[2].splitlines())) <= 120


def test_skill_leads_to_the_pages_as_markdown() -> None:
    (site,) = re.findall("^site_url: (.+)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert f"{site}llms.txt" in TEXT


def test_every_snippet_is_run_by_a_test() -> None:
    assert len(PROGRAMS) == 3
    assert len(SNIPPETS) == len(PROGRAMS) + 2


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("code", PROGRAMS, ids=["blocking", "asyncio", "write"])
def test_program_runs(code: str) -> None:
    names_of(code)


@pytest.mark.usefixtures("environment")
def test_program_of_listings_finds_something(capsys: pytest.CaptureFixture[str]) -> None:
    names = names_of(snippet("client.resolve"))
    assert len(names["cars"]) == len(names["ids"]) > 1
    assert re.match(r"vhcl\w+|veh\w+ \d+ %", capsys.readouterr().out)


@pytest.mark.ev_energy_simulator(vehicles=3)
def test_test_passes(ev_energy_simulator: Simulator, ev_energy_sync_client: Any) -> None:
    names_of(snippet("def test_"))["test_charging"](ev_energy_simulator, ev_energy_sync_client)


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_fastapi_application_answers(simulator: Simulator) -> None:
    testclient = pytest.importorskip("fastapi.testclient", reason="needs ev-energy[fastapi]")
    from ev_energy_sync import Client

    with Client.from_env() as client:
        evse = client.evses.list().first()
    assert evse is not None
    with testclient.TestClient(names_of(snippet("FastAPI"))["app"]) as http:
        assert http.get(f"/chargers/{evse.id}").json()["id"] == evse.id
        assert http.get("/chargers/evse00").status_code == 404


def test_named_things_exist() -> None:
    from ev_energy import errors, models

    fields = {"savings_cost": "ChargingSubSession", "current_price": "TariffDetail"}
    for field, model in fields.items():
        assert f"`{field}`" in TEXT
        assert hasattr(getattr(models, model), field)
    for model, field in re.findall(r"`([A-Z]\w+)\.(\w+)`", TEXT):
        assert hasattr(getattr(models, model), field)
    for error in re.findall(r"`(\w+Error)`", TEXT):
        assert error == "ValueError" or hasattr(errors, error)
    for method in re.findall(r"`client\.(\w+)\(", TEXT):
        assert hasattr(ev_energy.Client, method)
