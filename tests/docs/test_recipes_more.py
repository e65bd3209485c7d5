"""More recipes of the documentation: their programs print what the pages show."""

from __future__ import annotations

import os
import re
import urllib.request
from pathlib import Path

import pytest

from ev_energy.simulator import Clock, Simulator
from tests.helpers.pages import ROOT, Page
from tests.helpers.programs import environment_of, output_of, printed_by, running
from tests.helpers.redis_server import PrivateRedis, free_port

pytestmark = pytest.mark.slow


def test_dispatch(tmp_path: Path) -> None:
    page = Page.read("recipes/dispatch.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        environment = environment_of(simulator)
        printed = [printed_by(command, tmp_path, environment) for command in page.commands]
        sent = [seen.status for seen in simulator.requests if "dispatch_events" in seen.path]
    assert printed == page.outputs
    assert sent == [201, 400, 201]


def test_dispatch_that_was_not_carried_out_can_be_told_from_one_that_was(tmp_path: Path) -> None:
    page = Page.read("recipes/dispatch.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        simulator.clock.advance(hours=18)
        words = ["dispatch.py", "check", "2026-10-06T03:00+00:00"]
        printed = output_of(words, tmp_path, environment_of(simulator))
    assert printed == "2 of 6 readings above 10000 W, the highest 14720 W\n"
    assert "two of the readings would be 14720 W" in page.text


def test_dispatch_is_checked_before_there_are_readings(tmp_path: Path) -> None:
    page = Page.read("recipes/dispatch.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        words = ["dispatch.py", "check", "2027-10-06T03:00+00:00"]
        printed = output_of(words, tmp_path, environment_of(simulator))
    assert printed == "no readings yet\n"


def test_rebates(tmp_path: Path) -> None:
    page = Page.read("recipes/rebates.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        environment = environment_of(simulator)
        fails, works = page.commands
        assert simulator.user_id in works
        assert printed_by(fails, tmp_path, environment) == page.outputs[0]
        (saved,) = tmp_path.glob("user*.json")
        assert saved.stat().st_mode & 0o777 == 0o600
        (tmp_path / "another.pdf").write_bytes(b"%PDF-1.7 another")
        another = works.replace("registration.pdf", "another.pdf")
        assert "another.pdf is evidence" in printed_by(another, tmp_path, environment)
        assert printed_by(works, tmp_path, environment) == page.outputs[1]
        assert not saved.exists()

        # A URL that has expired is not tried for ever.
        printed_by(fails, tmp_path, environment)
        simulator.clock.advance(hours=2)
        assert "403" in printed_by(works, tmp_path, environment)
        assert printed_by(works, tmp_path, environment) == page.outputs[1]


def test_processes(tmp_path: Path, redis: PrivateRedis) -> None:
    for module in ("gunicorn", "celery"):
        pytest.importorskip(module, reason=f"needs {module}: pip install -e '.[test]'")
    page = Page.read("recipes/processes.md")
    page.write_programs(tmp_path)
    serve, request, work, count, invoke = page.commands
    (output,) = page.outputs
    with Simulator.in_thread(clock=Clock(speed=0), rate_limit=6) as simulator:
        environment = environment_of(simulator, REDIS_URL=redis.url)
        assert printed_by(invoke, tmp_path, environment) == output * 2

        port = str(free_port())
        words = ["-m", *serve.replace("8000", port).split()]
        with running(words, tmp_path, environment, ready="Booting worker"):
            url = request.split()[1].replace("8000", port)
            for _ in range(2):
                with urllib.request.urlopen(url) as reply:
                    assert reply.read().decode() == output

        with running(["-m", *work.split()], tmp_path, environment, ready=r" ready\."):
            for _ in range(2):
                assert printed_by(count, tmp_path, environment) == output
            # All six requests are sent, so the next task comes again later.
            waits = (
                "import time; from tasks import charging; task = charging.delay()\n"
                "while task.state == 'PENDING': time.sleep(0.01)\n"
                "print(task.state, 'allows no request now' in str(task.result))"
            )
            assert output_of(["-c", waits], tmp_path, environment) == "RETRY True\n"
        statuses = [(seen.path, seen.status) for seen in simulator.requests]
    assert statuses == [("/o/token/", 200), *[("/v2/vehicles", 200)] * 6]


def test_notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ipykernel", "nbclient"):
        pytest.importorskip(module, reason=f"needs {module}: pip install -e '.[test]'")
    pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    import nbclient
    import nbformat

    page = Page.read("recipes/notebooks.md")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    titles = ["cell 1", "cell 2", "cell 3", "cell 4", "cell 5"]
    assert titles == list(page.programs)
    cells = [nbformat.v4.new_code_cell(page.programs[title]) for title in titles]
    # Jupyter opens what `?` finds beside the notebook, so it is not an output of the cell.
    help_ = nbformat.v4.new_code_cell("print(get_ipython().object_inspect_text('client.vehicles'))")
    notebook = nbformat.v4.new_notebook(cells=[*cells, help_])
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        for name, value in environment_of(simulator).items():
            monkeypatch.setenv(name, value)
        nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    shape, charge, vehicle, *_, counts, text = (
        output.get("data", output) for cell in notebook.cells for output in cell.outputs
    )
    assert page.outputs[2].removesuffix("...\n") in text["text"]
    plain = [f"{output['text/plain']}\n" for output in (shape, charge, counts)]
    assert plain == [page.outputs[number] for number in (0, 1, 3)]
    assert "<caption" in vehicle["text/html"]
    assert "VehicleStatusLog" in vehicle["text/html"]


def test_home_assistant(tmp_path: Path) -> None:
    page = Page.read("recipes/home_assistant.md")
    page.write_programs(tmp_path)
    example = ROOT / "examples/home_assistant/custom_components/ev_energy"
    for name in ("fleet.py", "coordinator.py", "__init__.py"):
        assert page.programs[name] == (example / name).read_text(), (
            f"copy examples/home_assistant/.../{name} into docs/recipes/home_assistant.md"
        )
    (command,) = page.commands
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        assert [printed_by(command, tmp_path, environment_of(simulator))] == page.outputs


def test_own_tests(tmp_path: Path) -> None:
    page = Page.read("recipes/own_tests.md")
    page.write_programs(tmp_path)
    # A project of its own: options of this run do not apply to it.
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    python, *words = page.commands[0].splitlines()[-1].split()
    assert python == "python"
    printed = output_of([*words, "-p", "no:cacheprovider"], tmp_path, environment)
    assert _timeless(printed) == _timeless(page.outputs[0])


def _timeless(text: str) -> str:
    """Return *text* without the time that tests took."""
    return re.sub(r"in [\d.]+s", "in a while", text)
