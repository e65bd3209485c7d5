"""The command ``call``."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ev_energy import record_columns
from ev_energy._operations import operation_table
from ev_energy.cli._calls import operation_parameters
from ev_energy.cli._options import call_options
from ev_energy.cli._table import display_width
from ev_energy.models import EVSE
from ev_energy.simulator import Simulator
from ev_energy_sync import Client, ClientCredentials
from tests.cli.conftest import Printed, variables
from tests.cli.test_cli import clean_environment
from tests.helpers.terminal import run_in_terminal

pytest.importorskip("cyclopts", reason="needs cyclopts: pip install -e '.[test]'")

Command = Callable[..., Printed]


@pytest.fixture(scope="module")
def evses(shared_simulator: Simulator) -> list[EVSE]:
    auth = ClientCredentials(
        client_id=shared_simulator.client_id, client_secret=shared_simulator.client_secret
    )
    with Client(auth, base_url=shared_simulator.base_url) as client:
        return client.evses.list(expand=["model"]).collect()


def test_listing_is_one_json_object_a_line_in_a_pipe(command: Command, evses: list[EVSE]) -> None:
    done = command("call", "evses.list", "--expand", "model", "--all")
    assert [json.loads(line) for line in done.out.splitlines()] == [e.to_dict() for e in evses]
    assert (done.status, done.err) == (0, "")


def test_listing_stops_at_its_limit_and_continues_at_its_cursor(
    command: Command, evses: list[EVSE], shared_simulator: Simulator
) -> None:
    shared_simulator.requests.clear()
    done = command("call", "evses.list", "--limit", "3")
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == [e.id for e in evses[:3]]
    first, second = done.err.splitlines()
    assert first == "stopped after 3 items, but there are more: --all prints all of them"
    cursor = second.removeprefix("--cursor ").removesuffix(" continues after them")
    assert len([one for one in shared_simulator.requests if "/evses" in one.path]) == 1
    done = command("call", "evses.list", "--limit=2", "--cursor", cursor)
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == [e.id for e in evses[3:5]]


def test_limit_within_a_page_says_what_the_cursor_repeats(
    command: Command, evses: list[EVSE]
) -> None:
    done = command("call", "evses.list", "--limit", "7", "--page-size", "5")
    assert len(done.out.splitlines()) == 7
    cursor, _, rest = done.err.splitlines()[1].removeprefix("--cursor ").partition(" ")
    assert rest == "continues with the last 2 of them"
    done = command("call", "evses.list", "--all", "--cursor", cursor, "--page_size", "5")
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == [e.id for e in evses[5:]]


def test_listing_without_pages_has_no_cursor(command: Command) -> None:
    done = command("call", "evse_sites.list", "--limit", "1")
    said = "stopped after 1 item, but there are more: --all prints all of them\n"
    assert (done.status, done.out.count("\n"), done.err) == (0, 1, said)


def test_csv_has_the_columns_of_records(command: Command, evses: list[EVSE]) -> None:
    done = command("call", "evses.list", "--expand=model", "--limit", "2", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert list(rows[0]) == record_columns(EVSE, expand=["model"])
    assert [row["id"] for row in rows] == [evse.id for evse in evses[:2]]
    assert evses[0].model
    assert rows[0]["model.name"] == evses[0].model.value.name
    done = command("call", "evses.list", "--cpid", "none", "--csv")
    assert done.out == ",".join(record_columns(EVSE)) + "\n"


def test_single_resource_is_json_csv_or_a_table(command: Command, evses: list[EVSE]) -> None:
    words = ("call", "evses.get", evses[0].id)
    assert json.loads(command(*words).out)["cpid"] == evses[0].cpid
    assert command(*words, "--csv").out.count("\n") == 2
    table = command(*words, "--table").out
    assert f"\n  cpid                   {evses[0].cpid}\n" in table


def test_link_is_whole_and_in_clear_in_each_form(
    command: Command, shared_simulator: Simulator
) -> None:
    words = ("call", "webhook_portal.get")
    for text in (
        command(*words).out,
        command(*words, "--json").out,
        command(*words, "--table").out,
    ):
        assert re.search(r"https?://[^\s\"]+/[^\s\"]+", text), text
    assert command(*words, "--csv").out == "url\n***\n"
    if sys.platform != "win32":
        ended = run_in_terminal(
            [sys.executable, "-m", "ev_energy", *words],
            clean_environment(**variables(shared_simulator)),
            width=30,
        )
        url = json.loads(command(*words).out)["url"]
        shown = ended.output.splitlines()[2].split()
        assert (shown[0], len(shown[1])) == ("url", len(url))  # each link has another token


def test_table_in_a_pipe_is_not_cut(command: Command, shared_simulator: Simulator) -> None:
    done = command("call", "vehicles.list", "--limit=1", "--table")
    assert "…" not in done.out
    item = json.loads(command("call", "vehicles.list", "--limit=1").out)
    assert item["url"] in done.out


def test_redirect_is_printed_as_a_url(command: Command, shared_simulator: Simulator) -> None:
    ids = ("--user-id", shared_simulator.user_id, "--client-id", shared_simulator.client_id)
    done = command("call", "evse_onboarding.get", *ids)
    assert done.out.startswith("http://127.0.0.1:")
    assert done.out.count("\n") == 1


def test_public_operation_needs_no_credentials(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EV_ENERGY_CLIENT_ID")
    monkeypatch.delenv("EV_ENERGY_CLIENT_SECRET")
    assert command("call", "evse_makes.list", "--limit", "1").status == 0
    assert command("call", "evses.list") == (
        2,
        "",
        (
            "error: set EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET (or EV_ENERGY_TOKEN) in "
            "the environment\nhint: --simulator needs no credentials\n"
        ),
    )
    assert command("call", "evses.list", "--simulator", "--limit", "1").status == 0


def test_call_acts_for_a_user(command: Command, shared_simulator: Simulator) -> None:
    shared_simulator.requests.clear()
    command("call", "vehicles.list", "--acting-for", shared_simulator.user_id)
    assert shared_simulator.requests[-1].headers["EvEnergy-User"] == shared_simulator.user_id


def test_values_are_sent_as_their_types(
    command: Command, shared_simulator: Simulator, evses: list[EVSE]
) -> None:
    shared_simulator.requests.clear()
    words = ("--start-gt", "2026-10-01", "--start__lt", "2026-10-05T01:00:00+02:00")
    command("call", "charging_sub_sessions.list", *words, "--is-finished", "true", "--mode=SMART")
    assert dict(shared_simulator.requests[-1].query) == {
        "start__gt": "2026-10-01T00:00:00.000000Z",
        "start__lt": "2026-10-04T23:00:00.000000Z",
        "is_finished": "true",
        "mode": "SMART",
        "page_size": "100",
    }
    words = ("--action-in", "Authorize", "--action-in", "BootNotification")
    command("call", "evses.ocpp_logs", evses[0].id, *words)
    assert dict(shared_simulator.requests[-1].query)["action__in"] == "Authorize,BootNotification"
    words = ("--created-at-range", "2026-10-01,2026-10-02")
    command("call", "support_tickets.list", *words)
    sent = dict(shared_simulator.requests[-1].query)["created_at__range"]
    assert sent == "2026-10-01T00:00:00.000000Z,2026-10-02T00:00:00.000000Z"


def test_body_is_made_of_options_and_of_json(
    command: Command, shared_simulator: Simulator, evses: list[EVSE], tmp_path: Path
) -> None:
    evse_id, place = evses[0].id, {"latitude": 52.5, "longitude": 13.25}
    file = tmp_path / "body.json"
    file.write_text(json.dumps({"location": place}))
    for words in (
        ("--location", json.dumps(place)),
        ("--json-body", json.dumps({"location": place})),
        ("--json-body", f"@{file}"),
    ):
        assert command("call", "evses.update", evse_id, "--location", "null").status == 0
        done = command("call", "evses.update", evse_id, *words)
        assert json.loads(done.out)["location"] == place
    sub = command("call", "vehicles.list", "--limit", "1")
    vehicle_id = json.loads(sub.out)["id"]
    done = command("call", "vehicles.update", vehicle_id, "--smart-charging-enabled=false")
    assert json.loads(done.out)["smart_charging_enabled"] is False


@pytest.mark.parametrize("option", ["--json-body", "--location"])
def test_dash_is_stdin(
    command: Command, evses: list[EVSE], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    place = {"latitude": 52.5, "longitude": 13.25}
    body = {"location": place} if option == "--json-body" else place
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(body)))
    assert command("call", "evses.update", evses[0].id, "--location", "null").status == 0
    done = command("call", "evses.update", evses[0].id, option, "-")
    assert json.loads(done.out)["location"] == place


def test_listing_that_fails_says_how_to_continue(
    command: Command, evses: list[EVSE], shared_simulator: Simulator
) -> None:
    fault = shared_simulator.faults.add("problem", status=403, operation="GET /evses", after=2)
    done = command("call", "evses.list", "--all", "--page-size", "5", "--table")
    shared_simulator.faults.remove(fault)
    assert (done.status, len(done.out.splitlines())) == (1, 2 + 10)
    error, hint = done.err.splitlines()
    assert error.startswith("error: ForbiddenError: GET /v2/evses: 403 ")
    cursor, _, rest = hint.removeprefix("hint: --cursor ").partition(" ")
    assert rest == "continues after 10 items"
    done = command("call", "evses.list", "--all", "--page-size", "5", "--cursor", cursor)
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == [
        one.id for one in evses[10:]
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_interrupted_listing_says_how_to_continue(
    command: Command, evses: list[EVSE], shared_simulator: Simulator
) -> None:
    fault = shared_simulator.faults.add("hang", after=2, operation="GET /evses", seconds=60)
    words = ["call", "evses.list", "--all", "--page-size", "5"]
    with subprocess.Popen(
        [sys.executable, "-m", "ev_energy", *words],
        env=clean_environment(**variables(shared_simulator)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for _ in range(10):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    shared_simulator.faults.remove(fault)
    assert process.returncode == 130
    found = re.fullmatch(r"--cursor (\S+) continues after 10 items\ninterrupted\n", err)
    assert found, err
    done = command(*words, "--cursor", found[1])
    assert json.loads(done.out.splitlines()[0])["id"] == evses[10].id


def test_nothing_is_printed_for_an_empty_reply(command: Command) -> None:
    point = {"latitude": 1, "longitude": 2.5, "name": "a"}
    body = {"name": "r", "origin": point, "destination": point, "arrive_with_min_percent": 10}
    user = json.loads(command("call", "users.list", "--limit", "1").out)["id"]
    words = ("call", "users.create_saved_route", user, "--json-body", json.dumps(body))
    made = json.loads(command(*words).out)
    done = command("call", "users.delete_saved_route", user, made["id"])
    assert done == (0, "", "")


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["evses.lst"], "there is no operation 'evses.lst'", "did you mean evses.list?"),
        (
            ["timezones.nonesuch"],
            "there is no operation 'timezones.nonesuch'",
            "timezones has timezones.list, timezones.get",
        ),
        (
            ["evses.get"],
            "EVSE_ID is missing",
            "ev-energy call evses.get --help lists the options",
        ),
        (
            ["evses.list", "--exand", "x"],
            "Unknown option: --exand. Did you mean --expand?",
            "ev-energy call evses.list --help lists the options",
        ),
        (
            ["evses.list", "--expand", "modle"],
            "--expand: 'modle' is not one of user, model, model.make, latest_status_log, ct_clamp",
            "did you mean model?",
        ),
        (
            ["vehicles.update", "v", "--vehicle-class", "passenger"],
            "--vehicle-class: 'passenger' is not one of PASSENGER, COMMERCIAL",
            "did you mean PASSENGER?",
        ),
        (
            ["charging_sub_sessions.list", "--is-finished", "maybe"],
            "--is-finished: 'maybe' is not one of true, false",
            "",
        ),
        (
            ["charging_sub_sessions.list", "--start-gt", "2026-10-01T01:00"],
            "--start-gt: '2026-10-01T01:00' has no time zone",
            "write 2026-10-01T01:00Z for UTC, or 2026-10-01T01:00+01:00",
        ),
        (
            ["charging_sub_sessions.list", "--start-gt", "today"],
            "--start-gt: 'today' is not a time",
            "write 2026-11-01T06:30:00Z, or 2026-11-01 for midnight in UTC",
        ),
        (
            ["evses.list", "extra"],
            "there is no place for the argument 'extra'",
            "ev-energy call evses.list --help lists the options",
        ),
        (
            ["evses.list", "--limit"],
            "--limit needs a value",
            "ev-energy call evses.list --help lists the options",
        ),
        (
            ["evses.list", "--limit", "x"],
            "--limit: 'x' is not a whole number",
            "ev-energy call evses.list --help lists the options",
        ),
        (
            ["evses.list", "--page-size", "1", "--page-size", "2"],
            "--page-size is given more than once",
            "ev-energy call evses.list --help lists the options",
        ),
        (
            ["evses.list", "--expand", "user,model"],
            "--expand takes one value at a time",
            "repeat it: --expand user --expand model",
        ),
        (
            ["charging_sub_sessions.list", "--mode", "SMART,BOOST"],
            (
                "--mode: 'SMART,BOOST' is not one of SMART, BOOST, UNMANAGED_HOME, "
                "UNMANAGED_OTG, MANAGED_OTG"
            ),
            "did you mean SMART?",
        ),
        (
            ["evses", "list"],
            "evses list is called evses.list",
            "ev-energy call evses.list --help describes it",
        ),
        (
            ["GET", "/evses/evse01"],
            "GET /evses/evse01 is called evses.get",
            "ev-energy call evses.get --help describes it",
        ),
        (
            ["evses.list", "--base-url", "sandbox"],
            ("--base-url must be 'live', 'mock', 'staging' or an absolute URL, not 'sandbox'"),
            "--simulator is a server to try calls on",
        ),
        (["evses.list", "--page-size", "many"], "--page-size: 'many' is not a whole number", ""),
        (["evses.list", "--page-size", "101"], "page_size must be 1 to 100, not 101", ""),
        (["evses.list", "--limit", "0"], "--limit: 0 is less than 1", ""),
        (["evses.list", "--limit", "1", "--all"], "--all and --limit exclude each other", ""),
        (["evses.list", "--csv", "--json"], "--json and --csv exclude each other", ""),
        (
            ["evses.list", "--simulator", "--base-url", "mock"],
            "--simulator and --base-url exclude each other",
            "",
        ),
        (
            ["evses.list", "--cursor", "abc"],
            "--cursor: this text is not a cursor",
            "a cursor continues the command that printed it",
        ),
        (["evses.update", "e", "--json-body", "{"], None, ""),
        (["evses.update", "e", "--json-body", "[]"], "--json-body must be a JSON object", ""),
        (
            ["evses.update", "e", "--json-body", "@/nonesuch"],
            "--json-body: cannot read /nonesuch: No such file or directory",
            "",
        ),
        (
            ["evses.update", "e", "--json-body", '{"locatin": 1}'],
            "--json-body has the member 'locatin', but evses.update takes location",
            "did you mean location?",
        ),
        (
            ["evses.update", "e", "--json-body", '{"location": null}', "--location", "null"],
            "--json-body and --location both set location",
            "",
        ),
        (
            ["evses.update", "e", "--location", '{"latitude": 1, "longitud": 2}'],
            "--location has no member 'longitud'; its members are latitude, longitude",
            "did you mean longitude?",
        ),
        (
            ["evses.update", "e", "--location", '{"latitude": 1}'],
            "--location needs the member 'longitude'",
            "",
        ),
        (
            ["evses.update", "e", "--location", '{"latitude": null, "longitude": 2}'],
            "--location.latitude must not be null",
            "",
        ),
        (["evses.get", "e", "--json-body", "{}"], None, ""),
        (
            ["evses.delete", "e", "--csv"],
            "the reply of evses.delete has no rows for --csv",
            "use --json",
        ),
        (
            ["auth.password_reset"],
            "--email is missing",
            "ev-energy call auth.password_reset --help lists the options",
        ),
    ],
)
def test_wrong_words_are_refused_before_a_request(
    command: Command, shared_simulator: Simulator, words: list[str], error: str | None, hint: str
) -> None:
    shared_simulator.requests.clear()
    done = command("call", *words)
    assert (done.status, done.out) == (2, "")
    if error is not None:
        assert done.err == f"error: {error}\n" + (f"hint: {hint}\n" if hint else "")
    assert [one for one in shared_simulator.requests if "token" not in one.path] == []


def test_error_of_the_api_is_one_line(command: Command) -> None:
    done = command("call", "evses.get", "evse01nope")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: NotFoundError: GET /v2/evses/evse01nope: 404 ")
    assert done.err.count("\n") == 1


def test_write_of_unknown_outcome_has_a_status_of_its_own(
    command: Command, shared_simulator: Simulator, evses: list[EVSE]
) -> None:
    shared_simulator.faults.add("reset_after", count=1, operation="PATCH /evses/{evse_id}")
    done = command("call", "evses.update", evses[0].id, "--location", "null")
    assert done.status == 3
    assert done.err.startswith("error: UnconfirmedWriteError: PATCH /v2/evses/")
    hint = "hint: the change may or may not have been made: look before you repeat it\n"
    assert done.err.endswith(hint)


@pytest.mark.slow
def test_wait_for_the_rate_limit_is_reported() -> None:
    with Simulator.in_thread(rate_limit=1) as limited:
        environment = clean_environment(**variables(limited))
        words = ["-m", "ev_energy", "call", "evses.list", "--all", "--page-size", "10"]
        process = subprocess.Popen(
            [sys.executable, *words],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            stdout=subprocess.DEVNULL,
        )
        assert process.stderr is not None
        line = process.stderr.readline()
        process.kill()
        process.communicate()
    assert re.fullmatch(r"waiting 3[56]\d\d s for the rate limit\n", line)


def test_wrong_secret_is_not_printed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EV_ENERGY_CLIENT_SECRET", "not-the-secret-of-anyone")
    done = command("call", "evses.list")
    assert done.status == 1
    assert "InvalidClientError: no token (401 invalid_client" in done.err
    assert "hint: check EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET" in done.err
    assert "not-the-secret" not in done.err


def test_help_describes_the_operation_and_its_options(command: Command) -> None:
    text = command("call", "vehicles.update", "--help").out
    assert "Change a vehicle. Omitted members are unchanged." in text
    assert "PATCH /vehicles/{vehicle_id}, scope vehicle:write." in text
    assert "--vehicle-class" in text
    assert "Charge limit for smart charging" in text
    assert "Args:" not in text
    assert "OPERATION" in command("call", "--help").out
    assert command("call").out == ""


def test_help_has_no_words_of_python(command: Command) -> None:
    text = " ".join(command("call", "vehicles.update", "--help").out.replace("│", " ").split())
    assert "None clears it" not in text
    assert "null clears it" in text
    for words in (("call", "--help"), ("export", "--help")):
        assert "`" not in command(*words).out


def test_server_that_is_down_is_named_as_a_wrong_base_url(command: Command) -> None:
    done = command("call", "evses.list", "--base-url", "http://127.0.0.1:1/v2")
    assert done.status == 1
    assert done.err.endswith("\nhint: is the server running, and is the base URL right?\n")


def test_exhausted_allowance_says_when_it_allows_more(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator.in_thread(rate_limit=1) as limited:
        for name, value in variables(limited).items():
            monkeypatch.setenv(name, value)
        command("budget")
        done = command("call", "evses.list")
    assert done.status == 1
    assert re.search(
        r"\nhint: the rate limit is used up; it allows the next request at "
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n$",
        done.err,
    )


def test_every_operation_has_options_without_collisions() -> None:
    for operation in operation_table():
        parameters = operation_parameters(operation)
        assert [one.name for one in parameters if one.positional] == list(operation.ids)
        names = [option.name for option in call_options(operation, parameters)]
        assert len(names) == len(set(names)), operation.call
        assert ("--json-body" in names) == bool(operation.json)


@pytest.mark.slow
def test_call_imports_only_the_family_that_is_named() -> None:
    code = (
        "import sys\nfrom ev_energy.__main__ import main\n"
        "main(['call', 'timezones.get', '--help'])\n"
        "print(*[n for n in sys.modules if n.startswith('ev_energy.resources.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == [
        "ev_energy.resources._base",
        "ev_energy.resources._constraints",
        "ev_energy.resources.account",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
@pytest.mark.matrix
@pytest.mark.parametrize("width", [80, 60, 200])
def test_listing_is_a_table_that_fits_the_terminal(shared_simulator: Simulator, width: int) -> None:
    command = [sys.executable, "-m", "ev_energy", "call", "evses.list", "--limit", "4"]
    environment = clean_environment(**variables(shared_simulator), NO_COLOR="1")
    ended = run_in_terminal(command, environment, width=width)
    assert ended.status == 0
    table, _, notices = ended.output.partition("stopped after 4 items")
    lines = table.splitlines()
    assert len(lines) == 2 + 4
    assert lines[0].split()[:2] == ["id", "cpid"]
    assert max(map(display_width, lines)) <= width
    assert "--cursor " in notices
    assert "\x1b" not in ended.output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_change_is_confirmed_on_a_terminal(shared_simulator: Simulator) -> None:
    words = ["call", "evses.update", "evse01nope", "--location", "null"]
    environment = clean_environment(**variables(shared_simulator))
    question = f"PATCH /evses/{{evse_id}} on {shared_simulator.base_url.removesuffix('/v2')}"
    for typed, more, status in (("n\n", [], 2), ("y\n", [], 1), ("", ["--yes"], 1)):
        shared_simulator.requests.clear()
        command = [sys.executable, "-m", "ev_energy", *words, *more]
        ended = run_in_terminal(command, environment, typed=typed, width=200)
        assert ended.status == status, ended.output
        assert (f"{question}: continue? [y/N] " in ended.output) == (not more)
        sent = [one for one in shared_simulator.requests if one.method == "PATCH"]
        assert len(sent) == (status == 1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_ctrl_c_ends_the_question_at_once(shared_simulator: Simulator) -> None:
    shared_simulator.requests.clear()
    ended = run_in_terminal(
        [sys.executable, "-m", "ev_energy", "call", "evses.delete", "evse01nope"],
        clean_environment(**variables(shared_simulator)),
        interrupt_at="continue? [y/N] ",
        timeout=15,
    )
    assert ended.status == 130
    assert ended.output.endswith("continue? [y/N] \ninterrupted\n")
    assert not shared_simulator.requests


def test_commands_without_the_extra_say_what_to_install() -> None:
    code = (
        "import sys\nsys.modules['cyclopts'] = sys.modules['rich'] = None\n"
        "from ev_energy.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    )
    endings = []
    for words in (["call", "evses.list"], ["operations", "timezones", "{"]):
        command = [sys.executable, "-W", "error", "-c", code, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        endings.append((done.returncode, done.stdout[-12:], done.stderr))
    missing = "error: the command call needs the package cyclopts\n"
    hint = "hint: pip install 'ev-energy[cli]'\n"
    assert endings == [(2, "", missing + hint), (0, "1 operation\n", "")]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
@pytest.mark.parametrize("words", [["evses.list", "--help"], ["evses.list", "--limit=1", "--csv"]])
def test_no_color_is_respected(shared_simulator: Simulator, words: list[str]) -> None:
    command = [sys.executable, "-m", "ev_energy", "call", *words]
    environment = clean_environment(**variables(shared_simulator))
    plain = run_in_terminal(command, {**environment, "NO_COLOR": "1"})
    assert plain.status == 0
    assert not re.search(r"\x1b\[[\d;]*[34]\d", plain.output)
