"""The checker of replies: valid replies pass, and each deviation is found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from ev_energy._contract.corrections import OF_REPLIES, OfSchema
from ev_energy._contract.facts import facts
from ev_energy.simulator import Simulator
from tests.helpers.conformity import closed, faults
from tests.helpers.conformity.checker import JSON, PROBLEM, ReplyChecker
from tests.helpers.conformity.exchange import Exchange
from tests.helpers.conformity.monitor import ReplyMonitor
from tests.helpers.spec import corrections
from tests.helpers.spec.description import Described, Description, from_vendor
from tests.helpers.spec.openapi import document
from tests.helpers.spec.wire import least

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ORIGIN = "http://127.0.0.1:8000"
LOG = "/evses/evse01HSH04KDEWF6Z4DB2J77J74K5/command_logs"
NO_NEIGHBOURS = '<about:blank>; rel="previous", <about:blank>; rel="next"'
ENTRY = {
    "url": "https://api.ev.energy/v2/x",
    "logged_at": "2026-10-05T12:00:00.5Z",
    "reason": None,
    "internal_command_id": "123e4567-e89b-12d3-a456-426614174000",
}
GONE = {"status": 404, "title": "Not found", "detail": "Nothing is to be found here."}


@pytest.fixture(scope="module")
def checker() -> ReplyChecker:
    return ReplyChecker(faults.corrected_document())


def exchange(
    body: Any = (ENTRY,),
    *,
    method: str = "GET",
    path: str = LOG,
    status: int = 200,
    media_type: str | None = None,
    asked: Mapping[str, str] | None = None,
    **headers: str | None,
) -> Exchange:
    sent = {
        "Content-Type": media_type or (JSON if status < 400 else PROBLEM),
        "EvEnergy-Version": "2",
        "Link": NO_NEIGHBOURS,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Exchange(
        method,
        ORIGIN,
        "/v2" + path,
        CIMultiDictProxy(CIMultiDict(asked or {})),
        status,
        CIMultiDictProxy(CIMultiDict({n: v for n, v in sent.items() if v is not None})),
        body if isinstance(body, bytes) else json.dumps(body).encode(),
    )


def links(previous: str, following: str) -> str:
    return f'<{previous}>; rel="previous", <{following}>; rel="next"'


VALID = {
    "a list": exchange(),
    "a path with a slash": exchange(path=LOG + "/"),
    "an instant in a path": exchange(ENTRY, path=f"{LOG}/2026-10-05T12:00:00.5Z"),
    "a media type with a charset": exchange(media_type=f"{JSON}; charset=utf-8"),
    "a page between two": exchange(
        Link=links(f"{ORIGIN}/v2{LOG}?page_before=2", f"{ORIGIN}/v2{LOG}?page_size=1&page_after=1")
    ),
    "a problem": exchange(GONE, status=404),
    "a problem with members of its own": exchange({**GONE, "conflicts": ["x"]}, status=404),
    "a path that is no operation": exchange(GONE, path="/nothing", status=404),
    "a method that is no operation": exchange({**GONE, "status": 405}, method="PUT", status=405),
    "an undeclared refusal with cause": exchange(
        {**GONE, "status": 415}, status=415, asked={"Content-Type": "text/csv"}
    ),
    "no body": exchange(b"", method="DELETE", path="/evses/evse1", status=204),
}
INVALID = {
    "a number where a text should be": (exchange([{"reason": 1}]), "$[0].reason: 1 is not"),
    "a text that is no known value": (exchange([{"reason": "TO_TEST"}]), '"TO_TEST" is not one of'),
    "a misspelt member": (exchange([{"loged_at": None}]), "('loged_at' was unexpected)"),
    "an instant without zone": (
        exchange([{"logged_at": "2026-10-05T12:00:00"}]),
        'is not a "date-time"',
    ),
    "a URL without host": (exchange([{"url": "/v2/x"}]), '$[0].url: "/v2/x" is not a "uri"'),
    "a uuid of letters": (exchange([{"internal_command_id": "x"}]), 'is not a "uuid"'),
    "an object where a list should be": (exchange(ENTRY), 'is not of type "array"'),
    "a required member that is missing": (
        exchange({}, path="/evses/evse1"),
        '$: "id" is a required property',
    ),
    "an id that is too long": (
        exchange({"id": "evse01HSH04KDEWF6Z4DB2J77J74K555"}, path="/evses/evse1"),
        "$.id:",
    ),
    "an error inside a link that is expanded": (
        exchange([{"evse": {"id": 5, "url": "https://x.example/", "cpid": "x"}}]),
        "$[0].evse.id: 5 is not of type",
    ),
    "an error inside a part of a whole": (
        exchange({"geometry": {"type": "Point"}}, path="/regions/regn1"),
        "$.geometry",
    ),
    "a price that is no decimal number": (
        exchange(
            {"intervals": [{"electricity_cost_sub_unit": "1e3"}]},
            path="/charging_sub_sessions/csub1/energy_usage",
        ),
        'is not a "decimal"',
    ),
    "a number that JSON has not": (exchange(b'[{"reason": NaN}]'), "NaN is not JSON"),
    "a truncated body": (exchange(b'[{"reason": '), "the body is not JSON"),
    "a page for browsers": (exchange(b"<html>", media_type="text/html"), "'text/html', not"),
    "JSON that does not say it is a problem": (
        exchange(GONE, status=404, media_type=JSON),
        "the media type is 'application/json', not application/problem+json",
    ),
    "a problem with another status": (
        exchange({**GONE, "status": 400}, status=404),
        "$.status: 400 is not the status of the reply",
    ),
    "a problem without a title": (exchange({"detail": "x"}, status=404), '"title" is a required'),
    "an undocumented problem type": (
        exchange(
            {**GONE, "type": "https://api.ev.energy/v2/problems/out-of-tea-bags/"}, status=404
        ),
        "not a documented problem type",
    ),
    "a status that is not declared": (exchange(GONE, status=409), "status 409 is not declared"),
    "another success than declared": (exchange(status=201), "status 201 is not declared"),
    "an undeclared refusal without cause": (
        exchange({**GONE, "status": 415}, status=415),
        "status 415 is not declared",
    ),
    "a success that is no operation": (exchange(path="/nothing"), "there is no such operation"),
    "a plain 404 of the web server": (
        exchange(b"404: Not Found", path="/nothing", status=404, media_type="text/plain"),
        "'text/plain', not application/problem+json",
    ),
    "a body where none is declared": (
        exchange({}, method="DELETE", path="/evses/evse1", status=204),
        "no body is declared",
    ),
    "no version": (exchange(EvEnergy_Version=None), "EvEnergy-Version is declared and missing"),
    "another version": (exchange(EvEnergy_Version="3"), "'3' is not one of [2]"),
    "a limit in words": (
        exchange(X_RateLimit_Limit="many", X_RateLimit_Remaining="1"),
        "'many' is not a number",
    ),
    "a limit without its remainder": (exchange(X_RateLimit_Limit="5"), "is missing"),
    "no time to wait": (
        exchange({**GONE, "status": 429}, status=429),
        "Retry-After is declared and missing",
    ),
    "no links": (exchange(Link=None), "Link is declared and missing"),
    "one link": (exchange(Link='<about:blank>; rel="next"'), "is not a link to the previous page"),
    "another relation": (
        exchange(Link=NO_NEIGHBOURS.replace("previous", "prev")),
        "is not a link to",
    ),
    "two links to the next page": (
        exchange(Link=NO_NEIGHBOURS.replace("previous", "next")),
        "two links with rel='next'",
    ),
    "a link to another host": (
        exchange(Link=links("about:blank", "https://elsewhere.example/v2?page_after=1")),
        "does not point to",
    ),
    "a link to another list": (
        exchange(Link=links("about:blank", f"{ORIGIN}/v2/evses?page_after=1")),
        "does not point to",
    ),
    "a link to the same page": (
        exchange(Link=links("about:blank", f"{ORIGIN}/v2{LOG}?page_size=1")),
        "has no single cursor",
    ),
}


@pytest.mark.parametrize("reply", VALID.values(), ids=VALID.keys())
def test_valid_reply_has_no_deviations(checker: ReplyChecker, reply: Exchange) -> None:
    assert checker.report(reply) is None


@pytest.mark.parametrize(("reply", "said"), INVALID.values(), ids=INVALID.keys())
def test_each_deviation_is_found(checker: ReplyChecker, reply: Exchange, said: str) -> None:
    report = checker.report(reply)
    assert report is not None
    assert said in report


def test_report_shows_operation_deviation_and_body(checker: ReplyChecker) -> None:
    entries = [*[ENTRY] * 50, {**ENTRY, "reason": "TO_TEST"}]
    operation, deviation, asked, body = str(checker.report(exchange(entries))).splitlines()
    assert operation == "GET /evses/{evse_id}/command_logs -> 200"
    assert deviation.startswith('  $[50].reason: "TO_TEST" is not one of "SCHEDULED_CHARGING"')
    assert asked == f"  asked: /v2{LOG}"
    assert '"reason": "TO_TEST"' in body
    assert len(body) < 800


def test_body_is_checked_again_for_another_operation(
    checker: ReplyChecker,
) -> None:
    assert checker.report(exchange([])) is None
    assert checker.report(exchange([], path="/evses/evse1")) is not None


Reply = tuple[str, int, str, str, Any]


def replies(checker: ReplyChecker) -> Iterator[Reply]:
    """Yield the minimal successful reply of each operation."""
    for operation, status, media_type, media in declared(checker.spec):
        if status < 400:
            body = least(checker.spec, media["schema"])
            yield operation.method, status, operation.path, media_type, body


def declared(spec: Description) -> Iterator[tuple[Described, int, str, Any]]:
    """Yield every media type of every reply."""
    for operation in spec.operations:
        for status, node in operation.raw["responses"].items():
            for media_type, media in spec.resolve(node).get("content", {}).items():
                yield operation, int(status), media_type, media


def assert_right(checker: ReplyChecker, reply: Reply) -> None:
    method, status, path, media_type, body = reply
    sent = exchange(
        body,
        method=method,
        path=path,
        status=status,
        media_type=media_type,
        Retry_After="5",
        Location="https://app.example.com/",
    )
    assert checker.report(sent) is None


def test_minimal_reply_of_each_operation_is_valid(checker: ReplyChecker) -> None:
    made = list(replies(checker))
    for reply in made:
        assert_right(checker, reply)
    assert len(made) > 200


@pytest.mark.description
def test_example_replies_are_valid(checker: ReplyChecker) -> None:
    spec, seen = from_vendor(), 0
    for operation, status, media_type, media in declared(spec):
        for name, body in spec.examples(media).items():
            where = f"{operation.method} {operation.path} {status} {name}"
            # The examples of five forecasts contain a time without a zone.
            forecast = isinstance(body, dict | list) and "last_updated_at" in json.dumps(body)
            if where not in corrections.FAULTY_EXAMPLES and not forecast:
                assert_right(checker, (operation.method, status, operation.path, media_type, body))
                seen += 1
    assert seen > 400


def test_undeclared_members_are_found_at_any_depth(checker: ReplyChecker) -> None:
    for method, status, path, media_type, body in replies(checker):
        if status >= 400 or not isinstance(body, dict) or "last_updated_at" in json.dumps(body):
            continue
        if path == "/vehicles/{vehicle_id}" and method == "DELETE":
            continue  # an object with any names
        more = {**body, "brand_new": True}
        reply = exchange(more, method=method, path=path, status=status, media_type=media_type)
        assert "'brand_new' was unexpected" in str(checker.report(reply)), (method, path)


#: A value for each correction that the description rejects; null if not listed.
WITNESSES = {
    "ChargingSession/sub_sessions": [],
    "ChargingSubSession/grid_feeds": [],
    "SupportTicket/messages": [],
    "UsageInterval/energy_delivered_by_price": [],
    "Inverter/user": "https://api.ev.energy/v2/users/user01HN2NJ9NMRZBXT1H6FT9N7735",
}


def accepts(document: Mapping[str, Any], member: str, witness: Any) -> bool:
    """Return whether the closed schemas of a document accept *witness* as a member's value."""
    schema, *names = member.split("/")
    for name in reversed(names):
        witness = {name: witness}
    schemas = closed.components(document["components"]["schemas"])
    optional = {name: value for name, value in schemas[schema].items() if name != "required"}
    whole = {**optional, "components": {"schemas": schemas}}
    return bool(jsonschema_rs.Draft202012Validator(whole).is_valid(witness))


@pytest.mark.parametrize("correction", OF_REPLIES, ids=lambda one: one.member)
def test_each_correction_of_replies_is_needed(checker: ReplyChecker, correction: OfSchema) -> None:
    others = [one for one in OF_REPLIES if one is not correction]
    witness = WITNESSES.get(correction.member)
    assert not accepts(faults.corrected_document(others), correction.member, witness)
    assert accepts(checker.spec.data, correction.member, witness)


def nullable_members() -> Iterator[str]:
    """Yield the members of schemas that are nullable by the keyword of OpenAPI 3.0."""
    for schema, facts_of_it in facts()["schemas"].items():
        for name, member in facts_of_it.get("properties", {}).items():
            if isinstance(member, dict) and "nullable" in member:
                yield f"{schema}/{name}"


@pytest.mark.parametrize("member", [*nullable_members()])
def test_null_is_allowed_where_openapi_3_0_would_allow_it(
    checker: ReplyChecker, member: str
) -> None:
    assert not accepts(document(facts()), member, None)
    assert accepts(checker.spec.data, member, None)


def test_general_refusals_are_undeclared_somewhere(checker: ReplyChecker) -> None:
    for status in faults.GENERAL_REFUSALS:
        assert any(str(status) not in o.raw["responses"] for o in checker.spec.operations)


@pytest.mark.parametrize("in_thread", [False, True])
async def test_monitor_reports_a_wrong_simulator(
    monkeypatch: pytest.MonkeyPatch, start: Any, in_thread: bool
) -> None:
    @web.middleware
    async def corrupted(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        return web.json_response({"evses": []}) if request.path == "/v2/evses" else response

    monitor = ReplyMonitor()
    monkeypatch.setattr(Simulator, "_middlewares", (monitor.middleware, corrupted))
    if in_thread:
        api = await start()
        with Simulator.in_thread() as simulator:
            api.simulator = simulator
            await api.log_in()
            await api.get("/users")
            await api.get("/evses")
    else:
        api = await start()
        await api.get("/users")
        await api.get("/evses")
    with pytest.raises(AssertionError, match="do not conform to the description: 1") as e:
        monitor.assert_no_deviations()
    assert "GET /evses -> 200" in str(e.value)
    monitor.assert_no_deviations()  # a deviation is reported once
