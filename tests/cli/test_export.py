"""The command ``export``: complete files, whatever happens to the process that writes them."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ev_energy import record_columns, to_records
from ev_energy.cli._calls import operation_parameters, operations_of
from ev_energy.cli._export_files import ExportFiles
from ev_energy.cli._time_filters import TimeFilters
from ev_energy.models import ChargingSubSession
from ev_energy.simulator import Simulator
from ev_energy_sync import Client, ClientCredentials
from tests.cli.conftest import Printed, variables
from tests.cli.test_cli import clean_environment
from tests.helpers.terminal import run_in_terminal

pytest.importorskip("cyclopts", reason="needs cyclopts: pip install -e '.[test]'")

Command = Callable[..., Printed]

SINCE = datetime(2026, 9, 28, tzinfo=UTC)
UNTIL = datetime(2026, 10, 5, tzinfo=UTC)
WORDS = ("export", "charging_sub_sessions", "--since", "2026-09-28", "--until", "2026-10-05")
_NEEDS_PYARROW = pytest.mark.skipif(
    find_spec("pyarrow") is None, reason="needs pyarrow: pip install -e '.[parquet]'"
)
#: The first one in the fast tier, which needs no pyarrow.
FORMATS = [
    ".csv",
    pytest.param(".jsonl", marks=pytest.mark.slow),
    pytest.param(".parquet", marks=[pytest.mark.slow, _NEEDS_PYARROW]),
]


@pytest.fixture(scope="module")
def client(shared_simulator: Simulator) -> Iterator[Client]:
    auth = ClientCredentials(
        client_id=shared_simulator.client_id, client_secret=shared_simulator.client_secret
    )
    with Client(auth, base_url=shared_simulator.base_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def expected(client: Client) -> list[ChargingSubSession]:
    """All sub-sessions of the week, with vehicles."""
    listing = client.charging_sub_sessions.list(
        start__gt=SINCE - timedelta(microseconds=1), start__lt=UNTIL, expand=["vehicle"]
    )
    found = listing.collect()
    assert len(found) > 200
    return found


def ids_in(path: Path) -> list[str]:
    match path.suffix:
        case ".csv":
            with path.open(newline="") as file:
                return [row["id"] for row in csv.DictReader(file)]
        case ".jsonl":
            return [json.loads(line)["id"] for line in path.read_text().splitlines()]
        case _:
            parquet = pytest.importorskip(
                "pyarrow.parquet", reason="needs pyarrow: pip install -e '.[parquet]'"
            )
            return list(parquet.read_table(path, columns=["id"])["id"].to_pylist())


def assert_complete(path: Path, expected: list[ChargingSubSession]) -> None:
    assert ids_in(path) == [one.id for one in expected]
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_csv_has_the_records_of_the_listing(
    command: Command, tmp_path: Path, expected: list[ChargingSubSession]
) -> None:
    target = tmp_path / "week.csv"
    done = command(*WORDS, "--expand", "vehicle", "--to", str(target))
    assert (done.status, done.out) == (0, "")
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    records = to_records(expected, expand=["vehicle"])
    assert list(rows[0]) == record_columns(ChargingSubSession, expand=["vehicle"])
    assert [row["vehicle.description"] for row in rows] == [
        one["vehicle.description"] or "" for one in records
    ]
    assert [datetime.fromisoformat(row["start"]) for row in rows] == [one.start for one in expected]
    pages = -(-len(expected) // 100)
    first, last = done.err.splitlines()
    assert re.fullmatch(
        rf"still needed, about: [{pages - 2}-{pages + 1}] requests?, may be sent now "
        r"\(the API states no limit\)",
        first,
    )
    assert last == f"{len(expected):,} rows in {pages} requests: {target}"
    assert_complete(target, expected)


def test_json_lines_are_whole_models(
    command: Command, tmp_path: Path, expected: list[ChargingSubSession]
) -> None:
    target = tmp_path / "week.jsonl"
    assert command(*WORDS, "--expand", "vehicle", "--to", str(target)).status == 0
    lines = target.read_text().splitlines()
    assert [ChargingSubSession.from_dict(json.loads(line)) for line in lines] == expected


@pytest.mark.slow
def test_parquet_has_the_types_of_the_model(
    command: Command, tmp_path: Path, expected: list[ChargingSubSession]
) -> None:
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="needs pyarrow: pip install -e '.[parquet]'"
    )
    target = tmp_path / "week.parquet"
    assert command(*WORDS, "--expand", "vehicle", "--to", str(target)).status == 0
    table = parquet.read_table(target)
    types = {field.name: str(field.type) for field in table.schema}
    assert list(types) == record_columns(ChargingSubSession, expand=["vehicle"])
    assert types["start"] == "timestamp[us, tz=UTC]"
    assert types["energy_delivered_watt_hours"] == "int64"
    assert types["vehicle.id"] == "string"
    assert "null" not in types.values()
    assert table.to_pylist() == to_records(expected, expand=["vehicle"])


def test_adjacent_exports_have_each_row_once(
    command: Command, tmp_path: Path, expected: list[ChargingSubSession]
) -> None:
    middle = expected[len(expected) // 2].start
    assert middle is not None
    older, newer = tmp_path / "older.csv", tmp_path / "newer.csv"
    words = ("export", "charging_sub_sessions.list", "--since")
    command(*words, "2026-09-28", "--until", middle.isoformat(), "--to", str(older))
    command(*words, middle.isoformat(), "--until", "2026-10-05", "--to", str(newer))
    assert ids_in(newer) + ids_in(older) == [one.id for one in expected]


def test_log_of_a_resource_is_exported(command: Command, client: Client, tmp_path: Path) -> None:
    vehicle = client.vehicles.list().first()
    assert vehicle is not None
    target = tmp_path / "log.csv"
    since = ("--since", "2026-10-03T00:00:00Z", "--until", "2026-10-04")
    done = command("export", "vehicles.status_logs", vehicle.id, *since, "--to", str(target))
    assert done.status == 0
    with target.open(newline="") as file:
        times = [datetime.fromisoformat(row["sampled_at"]) for row in csv.DictReader(file)]
    listing = client.vehicles.status_logs(
        vehicle, sampled_at__gte=datetime(2026, 10, 3, tzinfo=UTC)
    )
    day = [one.sampled_at for one in listing if one.sampled_at and one.sampled_at.day == 3]
    assert times == day


def test_listing_without_times_is_exported(
    command: Command, client: Client, tmp_path: Path
) -> None:
    target = tmp_path / "cars.jsonl"
    assert command("export", "vehicles", "--to", str(target)).status == 0
    assert ids_in(target) == [one.id for one in client.vehicles.list()]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("suffix", FORMATS)
def test_killed_export_is_continued_without_lost_or_doubled_rows(
    command: Command,
    shared_simulator: Simulator,
    expected: list[ChargingSubSession],
    tmp_path: Path,
    suffix: str,
) -> None:
    target = tmp_path / f"week{suffix}"
    words = (*WORDS, "--page-size", "50", "--to", str(target))
    operation = "GET /charging_sub_sessions"
    fault = shared_simulator.faults.add("hang", operation=operation, after=3, count=1, seconds=60)
    shared_simulator.requests.clear()
    process = subprocess.Popen(
        [sys.executable, "-m", "ev_energy", *words],
        env=clean_environment(**variables(shared_simulator)),
        stderr=subprocess.DEVNULL,
    )
    state = tmp_path / f"week{suffix}.state"
    wait_until(lambda: state.exists() and '"pages": 3' in state.read_text())
    process.kill()
    process.wait(10)
    shared_simulator.faults.remove(fault)
    with (tmp_path / f"week{suffix}.part").open("ab") as file:
        file.write(b"half a li")  # written, but not yet counted
    done = command(*words)
    assert done.status == 0
    assert done.err.startswith("continuing after 150 rows\n")
    assert_complete(target, expected)
    pages = [one for one in shared_simulator.requests if one.path == "/v2/charging_sub_sessions"]
    assert len(pages) <= 1 + -(-len(expected) // 50)  # the one that hung, again


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Killed(BaseException):
    """Ends an export at once: only open files are closed, as by the end of a process."""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_export_survives_a_crash_between_any_two_changes_of_its_files(
    command: Command,
    expected: list[ChargingSubSession],
    tmp_path: Path,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = 0
    crash_at = -1

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == crash_at:
                raise Killed
            return function(*args, **kwargs)

        return step

    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))

    def words(number: int) -> tuple[str, ...]:
        (tmp_path / f"{number}").mkdir()
        return (*WORDS, "--to", str(tmp_path / f"{number}" / f"week{suffix}"))

    assert command(*words(0)).status == 0
    total = steps
    assert total > 4 * len(expected) // 100
    for number in range(1, total + 1):
        again = words(number)
        steps, crash_at = 0, number
        with pytest.raises(Killed):
            command(*again)
        crash_at = -1
        command(*again)
        assert_complete(Path(again[-1]), expected)


def test_export_that_only_left_its_state_is_not_taken_for_an_unfinished_one(
    command: Command,
    shared_simulator: Simulator,
    expected: list[ChargingSubSession],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "week.csv"
    words = (*WORDS, "--to", str(target))

    def kill(*_: object, **__: object) -> None:
        raise Killed

    for more, pages in (((), 0), (("--overwrite",), -(-len(expected) // 100))):
        target.unlink(missing_ok=True)
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(Path, "unlink", kill)
            command(*words)
        shared_simulator.requests.clear()
        assert command(*words, *more).status == 0
        assert_complete(target, expected)
        paths = [one.path for one in shared_simulator.requests]
        assert paths.count("/v2/charging_sub_sessions") == pages


def test_failed_call_says_how_to_continue(
    command: Command,
    shared_simulator: Simulator,
    expected: list[ChargingSubSession],
    tmp_path: Path,
) -> None:
    target = tmp_path / "week.csv"
    words = (*WORDS, "--to", str(target))
    fault = shared_simulator.faults.add(
        "problem", status=403, operation="GET /charging_sub_sessions", after=2
    )
    done = command(*words)
    shared_simulator.faults.remove(fault)
    assert done.status == 1
    error, hint = done.err.splitlines()[-2:]
    assert error.startswith("error: ForbiddenError: GET /v2/charging_sub_sessions: 403 ")
    assert hint == f"hint: 200 rows are in {target}.part; the same command continues"
    assert command(*words).status == 0
    assert_complete(target, expected)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_interrupted_export_says_how_to_continue(
    shared_simulator: Simulator, tmp_path: Path
) -> None:
    target = tmp_path / "week.csv"
    fault = shared_simulator.faults.add("hang", after=2, operation="GET /charging_sub_sessions")
    process = subprocess.Popen(
        [sys.executable, "-m", "ev_energy", *WORDS, "--to", str(target)],
        env=clean_environment(**variables(shared_simulator)),
        stderr=subprocess.PIPE,
        text=True,
    )
    state = tmp_path / "week.csv.state"
    wait_until(lambda: state.exists() and '"pages": 2' in state.read_text())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    shared_simulator.faults.remove(fault)
    assert process.returncode == 130
    said = f"200 rows are in {target}.part; the same command continues\ninterrupted\n"
    assert err.endswith(said)


def test_unfinished_export_is_not_mixed_with_another(
    command: Command,
    shared_simulator: Simulator,
    expected: list[ChargingSubSession],
    tmp_path: Path,
) -> None:
    target = tmp_path / "week.csv"
    fault = shared_simulator.faults.add(
        "problem", status=403, operation="GET /charging_sub_sessions", after=1
    )
    assert command(*WORDS, "--to", str(target)).status == 1
    shared_simulator.faults.remove(fault)
    other = ("--is-finished", "true", "--to", str(target))
    done = command(*WORDS, *other)
    assert done == (
        2,
        "",
        (
            f"error: {target}.state is of an unfinished export with other arguments; --overwrite "
            f"begins again\nhint: to finish it: ev-energy {' '.join(WORDS)} --to {target}\n"
        ),
    )
    assert command(*WORDS, *other, "--overwrite").status == 0
    finished = [one for one in expected if one.end is not None]
    assert_complete(target, finished)
    # A file of an earlier export is replaced only if the command says so.
    done = command(*WORDS, "--to", str(target))
    assert done == (2, "", f"error: {target} exists\nhint: --overwrite replaces it\n")
    assert command(*WORDS, "--to", str(target), "--overwrite").status == 0
    assert_complete(target, expected)


def test_unfinished_export_from_another_server_names_it(
    command: Command, shared_simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "week.csv"
    fault = shared_simulator.faults.add(
        "problem", status=403, operation="GET /charging_sub_sessions", after=1
    )
    assert command(*WORDS, "--to", str(target)).status == 1
    shared_simulator.faults.remove(fault)
    monkeypatch.setenv("EV_ENERGY_BASE_URL", "mock")
    server = shared_simulator.base_url
    assert command(*WORDS, "--to", str(target)) == (
        2,
        "",
        (
            f"error: {target}.state is of an unfinished export with the server {server}; "
            f"--overwrite begins again\nhint: --base-url {server} finishes it\n"
        ),
    )


def test_export_that_fails_at_its_first_page_leaves_no_files(
    command: Command, client: Client, tmp_path: Path
) -> None:
    target = tmp_path / "log.jsonl"
    words = ("--since", "2026-10-04", "--to", str(target))
    done = command("export", "vehicles.status_logs", "nope", *words)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert list(tmp_path.iterdir()) == []
    vehicle = client.vehicles.list().first()
    assert vehicle is not None
    assert command("export", "vehicles.status_logs", vehicle.id, *words).status == 0


def test_killed_export_without_rows_does_not_block_another(
    command: Command, expected: list[ChargingSubSession], tmp_path: Path
) -> None:
    target = tmp_path / "week.csv"
    with ExportFiles(target, {"typed": "wrong"}) as files:
        files.open(overwrite=False)
    assert (tmp_path / "week.csv.state").exists()
    assert command(*WORDS, "--to", str(target)).status == 0
    assert_complete(target, expected)


def test_estimate_is_near_the_truth_also_when_it_continues(
    command: Command, shared_simulator: Simulator, tmp_path: Path
) -> None:
    target = tmp_path / "month.jsonl"
    words = ("export", "charging_sub_sessions", "--since=2026-09-05", "--page-size", "25")
    fault = shared_simulator.faults.add(
        "problem", status=403, operation="GET /charging_sub_sessions", after=10
    )
    begun = command(*words, "--to", str(target))
    shared_simulator.faults.remove(fault)
    continued = command(*words, "--to", str(target))
    total = int(re.findall(r"rows in (\d+) requests", continued.err)[0])
    [first], [second] = (re.findall(r"about: (\d+) req", one.err) for one in (begun, continued))
    assert int(first) == pytest.approx(total, rel=0.2)
    assert int(second) == pytest.approx(total - 11, rel=0.1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX locks")
def test_two_exports_do_not_write_to_one_file(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "week.csv"
    with ExportFiles(target, {}) as files:
        files.open(overwrite=False)
        (tmp_path / "week.csv.state").unlink()
        done = command(*WORDS, "--to", str(target))
    assert done == (2, "", f"error: another export writes to {target}\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["charging_sub_sessions", "--to", "x.xls"],
            "--to: x.xls must end in .csv, .jsonl, .parquet",
        ),
        (["charging_sub_sessions", "--to", "/nonesuch/x.csv"], "there is no folder /nonesuch"),
        (
            ["vehicles", "--to", "-"],
            "--to: an export needs a file, as only a file can be continued",
        ),
        (
            ["charging_sub_sessions", "--since=2026-10-02", "--until=2026-10-01", "--to=x.csv"],
            "--until: 2026-10-01 is not after --since 2026-10-02",
        ),
        (["charging_sub_session", "--to", "x.csv"], "there is no listing 'charging_sub_session'"),
        (["evses.get", "--to", "x.csv"], "there is no listing 'evses.get'"),
        (["vehicles", "--since", "2026-10-01", "--to", "x.csv"], "Unknown option: --since."),
        (
            ["charging_sub_sessions", "--since=2026-10-01", "--start-gt=2026-10-01", "--to=x.csv"],
            "--start-gt is set by --since or --until",
        ),
    ],
)
def test_wrong_words_are_refused(command: Command, words: list[str], error: str) -> None:
    done = command("export", *words)
    assert (done.status, done.err.splitlines()[0]) == (2, f"error: {error}")


def test_error_of_a_file_is_one_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "week.csv.part").mkdir()
    done = command(*WORDS, "--to", str(tmp_path / "week.csv"))
    assert (done.status, done.out) == (1, "")
    assert done.err == f"error: {tmp_path}/week.csv.part: Is a directory\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_full_disk_says_how_to_continue(
    command: Command,
    shared_simulator: Simulator,
    expected: list[ChargingSubSession],
    tmp_path: Path,
) -> None:
    target = tmp_path / "week.csv"
    done = subprocess.run(
        [
            *("sh", "-c", 'ulimit -f 100; exec "$@"', "sh", sys.executable, "-m", "ev_energy"),
            *(*WORDS, "--page-size", "50", "--to", str(target)),
        ],
        env=clean_environment(**variables(shared_simulator)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    error, hint = done.stderr.splitlines()[-2:]
    assert error == f"error: {target}.part: File too large"
    assert re.fullmatch(rf"hint: \d+ rows are in {target}\.part; the same command continues", hint)
    assert command(*WORDS, "--page-size", "50", "--to", str(target)).status == 0
    assert_complete(target, expected)


def test_bounds_of_time_are_arguments_of_their_listing() -> None:
    bounded = set()
    for operation in operations_of(listing=True):
        parameters = operation_parameters(operation)
        if times := TimeFilters.of(parameters):
            bounded.add(operation.call)
            names = {one.name for one in parameters}
            assert times.arguments(SINCE, UNTIL).keys() <= names, operation.call
        assert times is not None or not operation.followable
    assert {"charging_sub_sessions.list", "vehicles.status_logs", "tariffs.prices"} <= bounded


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 1, "arguments": {}, "progress": {"x": 1}}']
)
def test_damaged_state_is_refused(command: Command, tmp_path: Path, text: str) -> None:
    state = tmp_path / "week.csv.state"
    state.write_text(text)
    done = command(*WORDS, "--to", str(tmp_path / "week.csv"))
    assert done == (
        2,
        "",
        f"error: {state} is not the state of an export\nhint: delete {state} to begin again\n",
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_progress_is_drawn_on_a_terminal_only(
    shared_simulator: Simulator, tmp_path: Path, expected: list[ChargingSubSession]
) -> None:
    target = tmp_path / "week.csv"
    command = [sys.executable, "-m", "ev_energy", *WORDS, "--to", str(target)]
    environment = clean_environment(**variables(shared_simulator))
    ended = run_in_terminal(command, environment, width=200)
    assert ended.status == 0
    assert f"{len(expected):,} rows" in ended.output
    assert "\x1b[" in ended.output  # the line moves
    plain = subprocess.run(
        [*command, "--overwrite"], env=environment, capture_output=True, text=True, check=True
    )
    assert "\x1b" not in plain.stderr
    assert len(plain.stderr.splitlines()) == 2


def test_parquet_without_pyarrow_says_what_to_install() -> None:
    code = (
        "import sys\nsys.modules['pyarrow'] = None\n"
        "from ev_energy.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    )
    words = ["export", "vehicles", "--to", "x.parquet"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        (
            "error: a .parquet file needs the package pyarrow\n"
            "hint: pip install 'ev-energy[parquet]'\n"
        ),
    )
