"""Spans and metrics for OpenTelemetry: ``Client(..., tracer=Tracing())``. Needs the extra ``otel``.

A call is a span of kind INTERNAL, and each of its attempts a child span of kind CLIENT: by the HTTP
conventions a CLIENT span is one request on the wire, while a call also covers waiting and pauses.
Both are named by the path template, and URLs are redacted. A token request is a call inside the one
that needed it.

The parent of a span is the span that is current where the call is made, also for the blocking
client. Nothing is added to requests: trace context is not propagated to the API.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Final

from ev_energy._messages import RateLimit, Request, Response
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.show import redact_url
from ev_energy._version import __version__

try:
    from opentelemetry import context, metrics, trace
except ImportError as _error:  # pragma: no cover
    raise ImportError("ev_energy.otel needs an extra: pip install 'ev-energy[otel]'") from _error

if TYPE_CHECKING:
    from ev_energy.hooks import WaitEvent

__all__ = ["Tracing"]

_SCOPE: Final = "ev_energy"
#: Boundaries of the histograms, in seconds; the first are those of the HTTP conventions.
_DURATION_BUCKETS: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    2.5,
    5,
    7.5,
    10,
)
_WAIT_BUCKETS: Final = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600)
_CALL: Final = context.create_key("ev-energy-call")
#: The key with which the instrumentation of aiohttp is told not to create a second span. It has no
#: public name; if it is ever removed, both will create spans.
_SUPPRESS_KEY: Final[str | None] = getattr(context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", None)


class _TracedCall:
    """A running call: the number of its attempts, and the outcome of the last one."""

    def __init__(self) -> None:
        self.attempts = 0
        self.outcome: Response | Exception | None = None

    def ended(self, outcome: Response | Exception) -> None:
        self.outcome = outcome


class Tracing:
    """A `Tracer` that creates spans and records metrics. Several clients may share one.

    Metrics: ``http.client.request.duration`` (seconds per attempt, by operation and outcome),
    ``ev_energy.wait.duration`` (seconds that calls waited, by reason: ``budget``, ``retry`` or
    ``token``), and ``ev_energy.allowance.remaining`` (remaining requests of the rate limit, as last
    stated by the API).

    Args:
        tracer_provider: The provider for spans. Default: the global one.
        meter_provider: The provider for metrics. Default: the global one.
        attributes: Added to every span and measurement, for example to distinguish clients with
            separate rate limits.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        *,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
        self._attributes = dict(attributes or {})
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_DURATION_BUCKETS,
        )
        self._waits = meter.create_histogram(
            "ev_energy.wait.duration",
            "s",
            "Time that calls waited before they were sent or sent again.",
            explicit_bucket_boundaries_advisory=_WAIT_BUCKETS,
        )
        self._remaining = meter.create_gauge(
            "ev_energy.allowance.remaining",
            "{request}",
            "Remaining requests of the rate limit, as the API last stated.",
        )

    @contextmanager
    def call(self, request: Request) -> Generator[None]:
        """Create the span of a call."""
        call = _TracedCall()
        with self._span(request, trace.SpanKind.INTERNAL, self._request_attributes(request), call):
            token = context.attach(context.set_value(_CALL, call))
            try:
                yield
            finally:
                context.detach(token)

    @contextmanager
    def attempt(self, request: Request, attempt: int) -> Generator[_TracedCall]:  # noqa: ARG002  (does not count repeats with a new token)
        """Create the span of one attempt."""
        call = context.get_value(_CALL)
        if not isinstance(call, _TracedCall):
            call = _TracedCall()
        call.outcome = None
        attributes: dict[str, str | int] = {
            **self._request_attributes(request),
            "url.full": redact_url(request.url, inside=bool(request.template), mask="REDACTED"),
        }
        if call.attempts:
            attributes["http.request.resend_count"] = call.attempts
        call.attempts += 1
        with self._span(request, trace.SpanKind.CLIENT, attributes, call, timed=True):
            token = context.attach(
                context.get_current()
                if _SUPPRESS_KEY is None
                else context.set_value(_SUPPRESS_KEY, True)
            )
            try:
                yield call
            finally:
                context.detach(token)

    def waited(self, wait: WaitEvent) -> None:
        """Record a finished wait as a measurement and as an event of the call's span."""
        attributes = {**self._attributes, "ev_energy.wait.reason": wait.reason}
        if wait.request is not None and wait.request.template:
            attributes["url.template"] = wait.request.template
        self._waits.record(wait.seconds, attributes)
        trace.get_current_span().add_event(
            "ev_energy.wait",
            {"ev_energy.wait.reason": wait.reason, "ev_energy.wait.seconds": wait.seconds},
        )

    @contextmanager
    def _span(
        self,
        request: Request,
        kind: trace.SpanKind,
        attributes: Mapping[str, str | int],
        call: _TracedCall,
        *,
        timed: bool = False,
    ) -> Generator[None]:
        started = perf_counter()
        outcome: dict[str, str | int] = {}
        with self._tracer.start_as_current_span(
            request.operation,
            kind=kind,
            attributes=attributes,
            # The message and the traceback may hold personal data.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                outcome = {"error.type": _class_name(error)}
                raise
            else:
                outcome = _outcome_attributes(call.outcome)
            finally:
                if "error.type" in outcome:
                    span.set_status(trace.StatusCode.ERROR)
                if timed:
                    span.set_attributes(outcome)
                    self._record(request, outcome, perf_counter() - started, call.outcome)
                elif "error.type" in outcome:
                    span.set_attribute("error.type", outcome["error.type"])

    def _record(
        self,
        request: Request,
        outcome_attributes: Mapping[str, str | int],
        seconds: float,
        outcome: Response | Exception | None,
    ) -> None:
        attributes = self._request_attributes(request)
        self._duration.record(seconds, {**attributes, **outcome_attributes})
        state = RateLimit.of(outcome.headers) if isinstance(outcome, Response) else None
        if state is not None and request.authorised:
            address = {"server.address": attributes["server.address"]}
            self._remaining.set(state.remaining, {**self._attributes, **address})

    def _request_attributes(self, request: Request) -> dict[str, str | int]:
        url = request.url
        attributes: dict[str, str | int] = {
            **self._attributes,
            "http.request.method": request.method,
            "server.address": printable(url.host or ""),
            "server.port": url.port or 0,
        }
        if request.template:
            attributes["url.template"] = request.template
        return attributes


def _outcome_attributes(outcome: Response | Exception | None) -> dict[str, str | int]:
    if outcome is None:
        return {}
    if not isinstance(outcome, Response):
        return {"error.type": _class_name(outcome.__cause__ or outcome)}
    attributes: dict[str, str | int] = {"http.response.status_code": outcome.status}
    if outcome.status >= HTTPStatus.BAD_REQUEST:  # for a client, both 4xx and 5xx are errors
        attributes["error.type"] = str(outcome.status)
    return attributes


def _class_name(error: BaseException) -> str:
    cls = type(error)
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )
