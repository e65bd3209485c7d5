"""The snippets and examples of the documentation run, and its tables and counts are current."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import textwrap
import threading
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from ev_energy import Client
from ev_energy._lazy_exports import Lazy
from ev_energy._operations import operation_table
from ev_energy.cli import simulator
from ev_energy.simulator import Simulator
from ev_energy.simulator.admin import ENDPOINTS
from ev_energy.simulator.admin import ROOT as ADMIN_ROOT
from ev_energy.simulator.faults import kinds
from ev_energy.simulator.resources._operations import OPERATIONS
from ev_energy_sync import Client as BlockingClient
from tests.helpers.names import assert_no_problems, assert_same_names
from tests.helpers.pages import Page
from tests.helpers.programs import environment_of, output_of, serving

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PAGES = sorted((ROOT / "docs").glob("*.md"))

# The code around the snippets of docs/uploads.md, which run against `Storage`.
UPLOADS_FRAME = """
import asyncio
import ev_energy

async def page():
    async with ev_energy.Client.from_env() as client:
        application, kind = "rbtu01", "rbte01"
{body}

asyncio.run(page())
"""


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Environment variables as in the README, with the simulator as the API."""
    with Simulator.in_thread() as simulator:
        yield environment_of(simulator)


class Storage(BaseHTTPRequestHandler):
    """An API that has only uploads, and the storage for the files."""

    files: list[bytes]
    refuses: bool
    """Whether the storage refuses the next file."""

    def do_POST(self) -> None:
        here = f"http://127.0.0.1:{self.server.server_address[1]}"
        made = {"id": "rbtf01", "url": f"{here}/v2/rebate_evidence_files/rbtf01"}
        target = {"presigned_url": f"{here}/storage/rbtf01?signature=s"}
        self.answer(200, {**made, **(target if ":start_upload" in self.path else {})})

    def do_PUT(self) -> None:
        refused, Storage.refuses = Storage.refuses, False
        Storage.files += [] if refused else [self.rfile.read(int(self.headers["Content-Length"]))]
        self.answer(403 if refused else 200, {})

    def answer(self, status: int, body: dict[str, str]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def storage() -> Iterator[dict[str, str]]:
    """Environment variables for a client of `Storage`."""
    Storage.files, Storage.refuses = [], False
    with ThreadingHTTPServer(("127.0.0.1", 0), Storage) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v2"
        yield {**os.environ, "EV_ENERGY_TOKEN": "a-token", "EV_ENERGY_BASE_URL": url}
        server.shutdown()


def run(code: str, environment: dict[str, str], *words: str, folder: Path = ROOT) -> str:
    return output_of(["-c", code, *words], folder, environment)


def snippet(mark: str) -> str:
    [found] = [text for text in SNIPPETS if mark in text]
    return found


def test_async_and_blocking_snippets_print_the_same(environment: dict[str, str]) -> None:
    asynchronous = run(snippet("asyncio.run"), environment)
    blocking = run(snippet("ev_energy_sync"), environment)
    count = len(re.findall(r"^vhcl\w{26} (?:\d+|None) %$", asynchronous, re.MULTILINE))
    assert len(asynchronous.splitlines()) == count > 1
    assert asynchronous == blocking


@pytest.mark.slow
def test_fastapi_snippet_serves_its_route(environment: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs uvicorn: pip install -e '.[test]'")
    (tmp_path / "shop.py").write_text(snippet("FastAPI"))
    with serving("shop:app", tmp_path, environment) as url:
        vehicle_id = run(
            "from ev_energy_sync import Client\n"
            "with Client.from_env() as c: print(c.vehicles.list().first().id)",
            environment,
        ).strip()
        with urllib.request.urlopen(f"{url}/vehicles/{vehicle_id}") as reply:
            assert vehicle_id.encode() in reply.read()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/vehicles/vhcl00")


def in_uploads_frame(code: str) -> str:
    return UPLOADS_FRAME.format(body=textwrap.indent(code, " " * 8))


@pytest.mark.slow
def test_snippets_about_uploads_run(storage: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "invoice.pdf").write_bytes(b"%PDF-1.7")
    plain, watched, resumed = Page.read("uploads.md").snippets
    assert run(in_uploads_frame(plain), storage, folder=tmp_path) == "rbtf01\n"
    shown = run(in_uploads_frame(watched), storage, folder=tmp_path)
    assert shown == "0 of 12 bytes\n12 of 12 bytes\n"
    Storage.refuses = True
    shown = run(in_uploads_frame(resumed), storage, folder=tmp_path)
    assert shown.endswith(" 403\n")
    assert Storage.files == [b"%PDF-1.7", b"%PDF-1.7 ...", b"%PDF-1.7"]


def test_families_are_listed_once_on_their_page() -> None:
    rows = re.findall(r"^\| \[`(\w+)`\]", (ROOT / "docs" / "families.md").read_text(), re.MULTILINE)
    assert_same_names(
        rows,
        [name for name, value in vars(Client).items() if isinstance(value, Lazy)],
        missing="add the family to docs/families.md",
        unexpected="the client has no such family; take it out of docs/families.md",
    )
    assert len(rows) == len(set(rows)), "docs/families.md lists a family twice"


@pytest.mark.slow
def test_tests_in_the_docs_pass(tmp_path: Path) -> None:
    tests = Page.read("testing.md").snippets
    for number, test in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(test)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
    )
    # Options of this run do not apply to the inner one.
    plain = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    plugin = "ev_energy.testing"
    installed = plugin in {e.value for e in entry_points(group="pytest11")}
    words = ["-q", "-W", "error", "-p", "no:cacheprovider", *([] if installed else ["-p", plugin])]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={**plain, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = sum(test.count("def test_") for test in tests)
    assert f"{written} passed" in done.stdout


def _wrong_counts(page: Path, noun: str, count: int) -> Iterator[str]:
    """Yield each number of *noun* on a page that is not *count*, with its line."""
    text = page.read_text()
    words = r"\s+".join(noun.split())  # a line may end between two of them
    # In brackets, it is a part of them: `parameter page_size (sent by 55 operations)`.
    for found in re.finditer(rf"\b(\d+)\s+{words}\b(?!\))", text):
        if int(found[1]) != count:
            line = text.count("\n", 0, found.start()) + 1
            yield f"{page.relative_to(ROOT)} line {line} says {found[1]} {noun}: change to {count}"


def test_counts_in_the_documentation_are_right() -> None:
    operations = len({(o.method, o.path) for o in operation_table()})
    counts = {"operations": operations, "kinds of faults": len(kinds())}
    assert_no_problems(
        (
            problem
            for page in (ROOT / "README.md", *PAGES)
            for noun, count in counts.items()
            for problem in _wrong_counts(page, noun, count)
        ),
        "`python -m ev_energy_sync._generate` writes the number of operations of the README and "
        "docs/simulator.md; correct other numbers by hand.",
    )
    assert f"all {operations} operations" in README


def test_simulator_has_every_operation_of_the_client() -> None:
    assert_same_names(
        map(" ".join, OPERATIONS),
        {f"{o.method} {o.path}" for o in operation_table()},
        missing="add it to ROUTES in ev_energy/simulator/resources/<family>.py",
        unexpected="add a method to ev_energy/resources/ (see CONTRIBUTING.md)",
    )


def rows_of(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is *heading*."""
    text = (ROOT / "docs" / page).read_text()
    (found,) = re.findall(rf"^\| {heading} \|.*\n\|.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in found.strip().splitlines()]


def test_table_of_faults_is_current() -> None:
    assert rows_of("simulator.md", "Kind") == [
        [
            f"| `{name}`",
            ", ".join(f"`{detail}`" for detail in kind["details"]) or "-",
            "yes" if kind["handled"] else "no",
            f"{kind['about']} |",
        ]
        for name, kind in kinds().items()
    ], "copy the right side of this comparison into the table of docs/simulator.md"


def test_table_of_the_admin_endpoints_is_current() -> None:
    assert rows_of("simulator.md", "Request") == [
        [
            f"| `{endpoint.method} {ADMIN_ROOT}{endpoint.path}`",
            ", ".join(f"`{name}`" for name in endpoint.body or ()) or "-",
            f"{endpoint.about} |",
        ]
        for endpoint in ENDPOINTS
    ], "copy the right side of this comparison into the table of docs/simulator.md"


def test_options_of_the_command_are_documented() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    simulator.add_arguments(parser)
    text = (ROOT / "docs" / "simulator.md").read_text().partition("| Option |")[2]
    listed = re.findall(r"`(--[\w-]+)", text.partition("\n\n")[0])
    assert_same_names(
        listed,
        parser._option_string_actions,
        missing="describe the option in docs/simulator.md",
        unexpected="the command has no such option; take it out of docs/simulator.md",
    )


def test_page_of_the_demo_shows_its_current_output() -> None:
    page = (ROOT / "docs" / "demo.md").read_text()
    (shown,) = re.findall(r"```text\n(Source: .*?)```", page, re.DOTALL)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EV_ENERGY_")}
    printed = run("from ev_energy.__main__ import main; main(['demo'])", environment)
    assert _portless(printed) == _portless(shown), (
        "replace the output in docs/demo.md with that of `python -m ev_energy demo`"
    )


def _portless(text: str) -> str:
    """Return *text* without the port of the simulator, which is also part of a cursor."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    return re.sub(r"the cursor \S+", "the cursor CURSOR", text)


@pytest.mark.slow
def test_charging_now_judges_by_the_clock_of_the_api() -> None:
    code = (ROOT / "examples/charging_now.py").read_text()
    with Simulator.in_thread() as simulator:
        with BlockingClient.from_env(environment_of(simulator)) as client:
            total = len(client.evses.list().collect())
        charging: list[list[str]] = []
        for hours in (14, 0):  # at noon, and at night
            lines = run(code, environment_of(simulator)).splitlines()
            silent = [line for line in lines if line.endswith("has sent no status recently")]
            charging.append([line for line in lines if " charges at " in line])
            assert len(lines) == len(silent) + len(charging[-1])
            assert len(silent) < total / 4
            simulator.clock.advance(hours=hours)
    assert charging[0] != charging[1]
    assert charging[1]


@pytest.mark.parametrize(
    ("example", "usage"),
    [
        ("follow_log.py", "[-h] evse_id target since"),
        ("sign_in.py", "[-h] path"),
        ("nightly_export/export.py", "[-h] day target"),
    ],
)
def test_example_without_arguments_prints_its_usage(example: str, usage: str) -> None:
    path = ROOT / "examples" / example
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: {path.name} {usage}\n")


@pytest.mark.slow
def test_follow_log_appends_what_is_new(tmp_path: Path) -> None:
    code = (ROOT / "examples/follow_log.py").read_text()
    target = tmp_path / "log.jsonl"
    with Simulator.in_thread() as simulator:
        environment = environment_of(simulator)
        with BlockingClient.from_env(environment) as client:
            evse = client.evses.list().first()
            assert evse is not None
            since = simulator.clock.now() - timedelta(days=3)
            counts = []
            for hours in (5, 0, 50, 0):
                run(code, environment, evse.id, str(target), f"{since:%Y-%m-%d}")
                lines = target.read_text().splitlines()
                listing = client.evses.status_logs(
                    evse, sampled_at__gte=since.replace(hour=0, minute=0, second=0, microsecond=0)
                )
                expected = [entry.to_dict() for entry in listing]
                assert [json.loads(line) for line in lines] == expected[::-1]
                counts.append(len(lines))
                simulator.clock.advance(hours=hours)
    assert counts[0] > 200
    assert counts[1] == counts[0] + 20
    assert counts[2] == counts[1]
    assert counts[3] == counts[2] + 200


def test_links_lead_to_existing_files() -> None:
    for text, base in ((README, ROOT), *((page.read_text(), ROOT / "docs") for page in PAGES)):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert (base / target).exists(), f"a link leads to {target}, which does not exist"


def test_readme_has_its_commands_on_one_line_each() -> None:
    commands = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)
    assert [command.count("\n") for command in commands] == [0, 0]
    assert commands[0].endswith("python -m ev_energy demo")
    assert commands[1].endswith("python -m pytest -n auto")
