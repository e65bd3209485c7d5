"""The fields of log records, as formatters read them that write JSON."""

from __future__ import annotations

import ast
import json
import logging
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from ev_energy._runtime.log_fields import LogFields, log_fields
from ev_energy.webhooks import Webhook, WebhookReceiver
from tests.helpers.names import assert_same_names
from tests.helpers.recording_server import RecordingServer, scripted_replies
from tests.helpers.support import TOKEN, FakeTime

ROOT = Path(__file__).parents[2]
EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}
#: The attributes that every record has. All others are fields to formatters.
RESERVED = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


class JsonHandler(logging.Handler):
    """Formats records as structlog, python-json-logger and others do: each field is a key."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: value for name, value in vars(record).items() if name not in RESERVED}
        text = json.dumps({"level": record.levelname, "message": record.getMessage(), **fields})
        self.records.append(json.loads(text))

    @property
    def fields(self) -> list[dict[str, Any]]:
        """The fields of the records, without level and message."""
        return [
            {n: v for n, v in record.items() if n not in {"level", "message"}}
            for record in self.records
        ]


@pytest.fixture
def handler() -> Any:
    handler, logger = JsonHandler(), logging.getLogger("ev_energy")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


async def test_records_of_a_call_have_fields(serve, time: FakeTime, handler: JsonHandler) -> None:
    eve = "eve@example.com"
    replies = scripted_replies([{**EVSE, "unheard_of": eve}], None, (429, {"Retry-After": "9"}))
    server: RecordingServer = await serve(replies)
    async with server.client(clock=time, sleep=time.sleep) as client:
        await client.users.list(email=eve).first()
    get = {"ev_operation": "GET /users"}
    broken = {"ev_attempt": 1, "ev_error": "ServerDisconnectedError"}
    refused = {"ev_attempt": 2, "ev_status": 429}
    elapsed = {"ev_elapsed": 0.0}
    backoff = time.slept[0]
    expected: list[dict[str, Any]] = [
        {"ev_event": "attempt", **get, **broken, **elapsed},
        {"ev_event": "retry", **get, **broken, "ev_wait": backoff},
        {"ev_event": "attempt", **get, **refused, **elapsed},
        {"ev_event": "retry", **get, **refused, "ev_wait": 9.0},
        {"ev_event": "wait", **get, **refused, "ev_wait": 9.0, "ev_reason": "retry"},
        {"ev_event": "attempt", **get, "ev_attempt": 3, "ev_status": 200, **elapsed},
    ]
    drift = [f for f in handler.fields if f["ev_event"] == "drift"]
    assert [f for f in handler.fields if f["ev_event"] != "drift"] == expected
    assert {
        "ev_event": "drift",
        "ev_model": "User",
        "ev_member": "unheard_of",
        "ev_kind": "unknown member",
    } in drift
    text = json.dumps(handler.records)
    assert eve not in text
    assert TOKEN not in text


async def test_path_shows_in_the_message_and_not_in_the_fields(serve, handler: JsonHandler) -> None:
    server: RecordingServer = await serve(scripted_replies(EVSE))
    async with server.client() as client:
        await client.evses.get("evse01")
    [fields] = handler.fields
    assert fields["ev_operation"] == "GET /evses/{evse_id}"
    assert "evse01" not in json.dumps(fields)
    assert "evse01" in handler.records[0]["message"]


async def test_key_that_the_server_chose_shows_only_if_it_is_a_name(
    serve, handler: JsonHandler
) -> None:
    keys = ["eve@example.com", "+44 20 7946 0000", "New-Field_2", TOKEN, "x" * 200]
    server: RecordingServer = await serve(scripted_replies({**EVSE, **dict.fromkeys(keys, 1)}))
    async with server.client() as client:
        await client.evses.get("evse01")
    found = [fields["ev_member"] for fields in handler.fields if fields["ev_event"] == "drift"]
    assert found == ["***", "***", "New-Field_2", "***", "***"]


async def test_records_of_webhooks_have_fields(handler: JsonHandler) -> None:
    from ev_energy.webhooks import EventRouter, Inbox, MemoryInboxStore

    async def ignore(*_: object) -> None: ...

    webhook = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    receiver = WebhookReceiver(webhook, EventRouter(fallback=ignore), Inbox(MemoryInboxStore()))
    await receiver.receive(b"{}", {})
    [fields] = handler.fields
    assert fields == {"ev_event": "delivery_refused", "ev_error": "SignatureError"}


def test_fields_clash_with_no_attribute_of_a_record() -> None:
    extra = log_fields("attempt", **dict.fromkeys(LogFields.__annotations__, 1))  # type: ignore[arg-type]
    assert not RESERVED & set(extra)
    logging.getLogger("ev_energy").debug("all of them", extra=extra)  # a clash would raise


def calls_of_loggers() -> dict[str, ast.Call]:
    """Return the calls that log, by place."""
    return {
        f"{path.relative_to(ROOT)}:{node.lineno}": node
        for package in ("ev_energy", "ev_energy_sync")
        for path in sorted((ROOT / package).rglob("*.py"))
        if "_log: Final = logging" in path.read_text()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "_log"
        and node.func.attr != "isEnabledFor"
    }


def test_every_record_has_fields() -> None:
    calls = calls_of_loggers()
    assert len(calls) > 30
    without = [
        place for place, call in calls.items() if "extra" not in {k.arg for k in call.keywords}
    ]
    assert without == [], "pass extra=log_fields(...)"


def documentation() -> str:
    """Return the section about the fields of records."""
    text = (ROOT / "docs" / "observability.md").read_text().partition("## Log records as JSON")[2]
    return text.partition("\n## ")[0]


def test_documented_fields_are_those_that_exist() -> None:
    assert_same_names(
        re.findall(r"^\| `ev_(\w+)` \| \w+ \| ", documentation(), re.MULTILINE),
        {"event", *LogFields.__annotations__},
        missing="describe the field in docs/observability.md",
        unexpected="no record has this field; take it out of docs/observability.md",
    )


@attrs.define
class Event:
    """One kind of records."""

    logger: str
    levels: set[str]
    fields: set[str]


def events_in_the_source() -> dict[str, Event]:
    """Return the kinds of records, with the levels and fields that stand in the calls that log."""
    found: dict[str, Event] = {}
    for place, call in calls_of_loggers().items():
        text = (ROOT / place.partition(":")[0]).read_text()
        source = ast.unparse(call)
        if "extra=fields" in source:  # made before the call
            source += "".join(re.findall(r"fields = (log_fields\(.*\))", text))
        [(name, fields)] = re.findall(r"log_fields\(\W(\w+)\W(.*)\)", source)
        [logger] = re.findall(r'getLogger\("ev_energy(.*)"\)', text)
        event = found.setdefault(name, Event(logger, set(), set()))
        [method] = re.findall(r"^_log\.(\w+)", source)
        levels = re.findall(r"logging\.([A-Z]+)", source) or [method.upper()]
        event.levels |= {"ERROR" if level == "EXCEPTION" else level for level in levels}
        event.fields |= set(re.findall(r"\b(\w+)=", fields))
    return found


#: The events whose fields are put together at run time: tests above have examples of them.
OF_CALLS = {"attempt", "retry", "wait"}


def test_documented_events_are_those_that_exist() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| `?(\S*?)`? ?\| ([A-Z].*?) \| (.*?) ?\| .+ \|$",
        documentation(),
        re.MULTILINE,
    )
    documented = {
        name: Event(logger, set(re.findall(r"[A-Z]{4,}", levels)), set(re.findall(r"\w+", fields)))
        for name, logger, levels, fields in rows
    }
    expected = events_in_the_source()
    for name in OF_CALLS:
        expected[name].fields = documented[name].fields
    assert_same_names(
        documented,
        expected,
        missing="describe the event in docs/observability.md",
        unexpected="no record has this event; take it out of docs/observability.md",
    )
    assert documented == expected
