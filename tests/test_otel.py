"""Spans and metrics, as exporters of the SDK receive them."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import errors
from tests.helpers.recording_server import Handler, scripted_replies
from tests.helpers.secret_leaks import LEAK_SEARCH
from tests.helpers.support import TOKEN, FakeTime

sdk = pytest.importorskip(
    "opentelemetry.sdk", reason="needs opentelemetry-sdk: pip install -e '.[test]'"
)

from opentelemetry import context, trace  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData  # noqa: E402
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: E402
    InMemorySpanExporter,
)
from opentelemetry.trace import SpanKind, StatusCode  # noqa: E402

from ev_energy.otel import Tracing  # noqa: E402

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}
GET = "GET /evses/{evse_id}"
RATE = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "998"}


@attrs.define
class Telemetry:
    """The exported spans and metrics."""

    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    tracers: TracerProvider
    meters: MeterProvider
    tracing: Tracing
    metrics: MetricsData | None = None

    @property
    def spans(self) -> list[ReadableSpan]:
        """The finished spans in the order of their start."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def points(self, name: str) -> list[Any]:
        # Read once: old releases of opentelemetry-sdk report each value of a gauge once.
        self.metrics = self.metrics or self.reader.get_metrics_data()
        return [
            point
            for resource in ([] if self.metrics is None else self.metrics.resource_metrics)
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    exporter, reader, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader])
    yield Telemetry(exporter, reader, tracers, meters, Tracing(tracers, meters))
    for span in exporter.get_finished_spans():
        LEAK_SEARCH.search("spans", span.name, span.to_json())
    data = reader.get_metrics_data()
    LEAK_SEARCH.search("spans", "metrics", "" if data is None else data.to_json())
    tracers.shutdown()
    meters.shutdown()


def replies(*script: Any) -> Handler:
    return scripted_replies(EVSE, *script, headers=RATE)


async def test_call_is_the_parent_span_of_its_attempt(serve, telemetry: Telemetry) -> None:
    server = await serve(replies())
    async with server.client(tracer=telemetry.tracing) as client:
        await client.evses.get("evse01", expand=["user"])
    call, attempt = telemetry.spans
    assert (call.name, call.kind, call.parent) == (GET, SpanKind.INTERNAL, None)
    assert (attempt.name, attempt.kind) == (GET, SpanKind.CLIENT)
    assert attempt.parent == call.context
    common = {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "url.template": "/evses/{evse_id}",
    }
    assert dict(call.attributes or {}) == common
    assert dict(attempt.attributes or {}) == common | {
        "url.full": f"{server.url}/evses/evse01?expand=user",
        "http.response.status_code": 200,
    }
    assert {call.status.status_code, attempt.status.status_code} == {StatusCode.UNSET}
    # No header is added to the request.
    assert "traceparent" not in {name.lower() for name in server.requests[0].headers}


async def test_url_of_a_span_is_redacted(serve, telemetry: Telemetry) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response([])

    server = await serve(answer)
    async with server.client(tracer=telemetry.tracing) as client:
        await client.users.list(email="eve@example.com", page_size=5).collect()
    url = (telemetry.spans[1].attributes or {})["url.full"]
    assert url == f"{server.url}/users?email=REDACTED&page_size=5"


async def test_retry_is_a_sibling_span(serve, time: FakeTime, telemetry: Telemetry) -> None:
    server = await serve(replies(503, None, 200))
    async with server.client(tracer=telemetry.tracing, clock=time, sleep=time.sleep) as client:
        await client.evses.get("evse01")
    call, *attempts = telemetry.spans
    assert call.status.status_code is StatusCode.UNSET
    assert [span.parent for span in attempts] == [call.context] * 3
    found = [span.attributes or {} for span in attempts]
    assert [one.get("http.request.resend_count") for one in found] == [None, 1, 2]
    assert [one.get("http.response.status_code") for one in found] == [503, None, 200]
    errors_seen = [one.get("error.type") for one in found]
    assert errors_seen == ["503", "aiohttp.client_exceptions.ServerDisconnectedError", None]
    assert [span.status.status_code for span in attempts] == [
        *[StatusCode.ERROR, StatusCode.ERROR],
        StatusCode.UNSET,
    ]
    # The pauses are events of the call, and are measured.
    assert [event.name for event in call.events] == ["ev_energy.wait"] * 2
    waits = [(event.attributes or {})["ev_energy.wait.seconds"] for event in call.events]
    assert waits == pytest.approx(time.slept)
    [waits] = telemetry.points("ev_energy.wait.duration")
    assert (waits.count, waits.sum) == (2, pytest.approx(sum(time.slept)))
    assert dict(waits.attributes) == {
        "ev_energy.wait.reason": "retry",
        "url.template": "/evses/{evse_id}",
    }


@pytest.mark.parametrize(
    ("status", "error"), [(404, errors.NotFoundError), (500, errors.ServerError)]
)
async def test_api_error_marks_both_spans(
    serve, telemetry: Telemetry, status: int, error: type[Exception]
) -> None:
    server = await serve(replies(status))
    async with server.client(tracer=telemetry.tracing, retries=0) as client:
        with pytest.raises(error):
            await client.evses.get("evse01")
    for span in telemetry.spans:
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description is None  # a query may identify a person
        assert (span.attributes or {})["error.type"] == str(status)
        assert span.events == ()


async def test_missing_reply_and_cancellation_mark_the_spans(serve, telemetry: Telemetry) -> None:
    asked = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    server = await serve(never)
    async with server.client(tracer=telemetry.tracing) as client:
        task = asyncio.ensure_future(client.evses.get("evse01"))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for span in telemetry.spans:
            assert span.status.status_code is StatusCode.ERROR
            assert (span.attributes or {})["error.type"] == "asyncio.exceptions.CancelledError"
        telemetry.exporter.clear()
        with pytest.raises(errors.TransportError):
            await client.with_options(timeout=0.05, retries=0).evses.get("evse01")
    call, attempt = telemetry.spans
    assert (call.attributes or {})["error.type"] == "ev_energy.errors.TransportError"
    assert "Timeout" in str((attempt.attributes or {})["error.type"])


async def test_token_request_is_a_child_of_the_call_that_needed_it(
    serve, telemetry: Telemetry
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/o/token/":
            return web.json_response({"access_token": TOKEN, "expires_in": 3600})
        return web.json_response(EVSE)

    server = await serve(answer)
    async with server.client(server.credentials(), tracer=telemetry.tracing) as client:
        await client.evses.get("evse01")
    call, token, token_attempt, attempt = telemetry.spans
    assert [span.name for span in (call, token, token_attempt, attempt)] == [
        *[GET, "POST /o/token/", "POST /o/token/"],
        GET,
    ]
    assert token.parent == attempt.parent == call.context
    assert token_attempt.parent == token.context


def tracer_of(telemetry: Telemetry) -> trace.Tracer:
    return telemetry.tracers.get_tracer("the caller")


async def test_call_is_a_child_of_the_current_span(serve, telemetry: Telemetry) -> None:
    server = await serve(replies())
    async with server.client(tracer=telemetry.tracing) as client:
        with tracer_of(telemetry).start_as_current_span("mine") as mine:
            await asyncio.gather(client.evses.get("evse01"), client.evses.get("evse01"))
            assert trace.get_current_span() is mine
    calls = [span for span in telemetry.spans if span.kind is SpanKind.INTERNAL and span.parent]
    assert [span.parent for span in calls] == [mine.get_span_context()] * 2
    attempts = [span for span in telemetry.spans if span.kind is SpanKind.CLIENT]
    assert {_id(span.parent) for span in attempts} == {_id(span.context) for span in calls}


def _id(span: trace.SpanContext | None) -> int:
    assert span is not None
    return span.span_id


async def test_blocking_call_is_a_child_of_the_current_span(serve, telemetry: Telemetry) -> None:
    server = await serve(replies())

    def call() -> trace.SpanContext:
        with (
            ev_energy_sync.Client(TOKEN, base_url=server.url, tracer=telemetry.tracing) as client,
            tracer_of(telemetry).start_as_current_span("mine") as mine,
        ):
            client.evses.get("evse01")
            return mine.get_span_context()

    mine = await asyncio.to_thread(call)
    [call_span] = [span for span in telemetry.spans if span.name == GET and span.parent == mine]
    assert call_span.kind is SpanKind.INTERNAL


async def test_instrumentation_of_aiohttp_is_suppressed(serve, telemetry: Telemetry) -> None:
    """The instrumentation checks this key of the context before it creates a span."""
    key, during = context._SUPPRESS_HTTP_INSTRUMENTATION_KEY, []

    async def look(request: Any, handler: Any) -> Any:
        during.append(context.get_value(key))
        return await handler(request)

    import aiohttp

    server = await serve(replies())
    async with (
        aiohttp.ClientSession(middlewares=[look]) as session,
        server.client(tracer=telemetry.tracing, session=session) as client,
    ):
        await client.evses.get("evse01")
        during.append(context.get_value(key))
    assert during == [True, None]


async def test_metrics_record_durations_and_remaining_requests(serve, telemetry: Telemetry) -> None:
    server = await serve(replies(200, 404))
    tracing = Tracing(telemetry.tracers, telemetry.meters, attributes={"deployment": "blue"})
    async with server.client(tracer=tracing) as client:
        await client.evses.get("evse01")
        with pytest.raises(errors.NotFoundError):
            await client.evses.get("evse02")
    points = telemetry.points("http.client.request.duration")
    assert sorted(
        (point.attributes["http.response.status_code"], point.count) for point in points
    ) == [(200, 1), (404, 1)]
    assert all(0 < point.sum < 10 for point in points)
    assert {point.attributes["url.template"] for point in points} == {"/evses/{evse_id}"}
    assert points[0].explicit_bounds[0] == 0.005
    [left] = telemetry.points("ev_energy.allowance.remaining")
    assert left.value == 998
    assert dict(left.attributes) == {"deployment": "blue", "server.address": "127.0.0.1"}


async def test_documented_attributes_are_those_that_are_sent(
    serve, time: FakeTime, telemetry: Telemetry
) -> None:
    server = await serve(replies(200, 503, None, 404))
    async with server.client(tracer=telemetry.tracing, clock=time, sleep=time.sleep) as client:
        await client.evses.get("evse01")
        with pytest.raises(errors.NotFoundError):
            await client.evses.get("evse01")
    sent: dict[str, set[str]] = {
        kind.name: {
            name for span in telemetry.spans if span.kind is kind for name in span.attributes or {}
        }
        for kind in (SpanKind.INTERNAL, SpanKind.CLIENT)
    }
    metrics = (
        "http.client.request.duration",
        "ev_energy.wait.duration",
        "ev_energy.allowance.remaining",
    )
    sent |= {
        name: {attribute for point in telemetry.points(name) for attribute in point.attributes}
        for name in metrics
    }
    page = (Path(__file__).parents[1] / "docs" / "observability.md").read_text()
    cell = "(yes|) ?"
    rows = re.findall(rf"^\| (`[a-z.`, _]+`) \| {cell}\| {cell}\| {cell}\| ", page, re.MULTILINE)
    columns = list(zip(*[[cell == "yes" for cell in cells] for _, *cells in rows], strict=True))
    documented = {
        kind: {
            name
            for (names, *_), has in zip(rows, column, strict=True)
            if has
            for name in re.findall(r"[a-z._]+", names)
        }
        for kind, column in zip(("INTERNAL", "CLIENT", metrics[0]), columns, strict=True)
    }
    documented |= {
        name: set(re.findall(r"[a-z._]+", attributes))
        for name, attributes in re.findall(
            r"^\| `([a-z._]+)` \(.*?\| .*?\| (`.*?) \|", page, re.MULTILINE
        )
    }
    assert documented == sent


async def test_wait_for_the_budget_is_recorded(serve, time: FakeTime, telemetry: Telemetry) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(EVSE, headers=RATE | {"X-RateLimit-Remaining": "0"})

    server = await serve(answer)
    settings: dict[str, Any] = {"clock": time, "sleep": time.sleep, "deadline": 10_000}
    async with server.client(tracer=telemetry.tracing, **settings) as client:
        await client.evses.get("evse01")
        await client.evses.get("evse01")
    [wait] = telemetry.points("ev_energy.wait.duration")
    assert wait.attributes["ev_energy.wait.reason"] == "budget"
    assert wait.sum == pytest.approx(sum(time.slept))
    assert wait.sum > 1


async def test_tracing_without_an_sdk_does_nothing(serve) -> None:
    server = await serve(replies(503))
    time = FakeTime()
    async with server.client(tracer=Tracing(), clock=time, sleep=time.sleep) as client:
        assert (await client.evses.get("evse01")).id == "evse01"


def test_client_does_not_import_opentelemetry() -> None:
    code = "import sys, ev_energy; ev_energy.Client('t'); assert 'opentelemetry' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_import_without_the_extra_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "try: import ev_energy.otel\n"
        "except ImportError as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "ev_energy.otel needs an extra: pip install 'ev-energy[otel]'\n"


def test_tracing_accepts_any_request() -> None:
    """No attribute is None for a request without optional parts."""
    from yarl import URL

    from ev_energy._messages import Request, Response

    tracing = Tracing()
    request = Request("GET", URL("http://localhost/"))
    with tracing.attempt(request, 1) as attempt:
        attempt.ended(Response(200, "", {}, b""))
    assert tracing._request_attributes(request)["server.port"] == 80
