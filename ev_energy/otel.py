"""Spans and metrics by OpenTelemetry: ``Client(..., tracer=Tracing())``. The extra is ``otel``.

A call is one span of the kind INTERNAL, and each attempt one of the kind CLIENT inside it: by the
conventions for HTTP a CLIENT span is one request as it goes over the wire, so that a call with its
turn, pauses and attempts is something around them. Both are named by the path template, and the URL
is scrubbed. A token request is a call too, and stands inside the one that needed it.

Spans stand inside the span that is current where the call is made, in the blocking twin too.
Nothing is added to what is sent: whom you trace is no matter of the API's.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from time import perf_counter as _now
from typing import TYPE_CHECKING, Final

from ev_energy._messages import RateLimit, Request, Response
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.show import redact_url
from ev_energy._version import __version__

try:
    from opentelemetry import context, metrics, trace
except ImportError as error:  # pragma: no cover
    raise ImportError("ev_energy.otel needs an extra: pip install 'ev-energy[otel]'") from error

if TYPE_CHECKING:
    from ev_energy.hooks import WaitEvent

__all__ = ["Tracing"]

_SCOPE: Final = "ev_energy"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_WAITS: Final = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600)
_CALL: Final = context.create_key("ev-energy-call")
#: By which the instrumentation of aiohttp knows that a request has a span already. It has no public
#: name; where it is gone, there will be spans of both.
_SUPPRESS: Final[str | None] = getattr(context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", None)


class _Traced:
    """A call under way: how many attempts it had, and what came of the last one."""

    def __init__(self) -> None:
        self.attempts = 0
        self.came: Response | Exception | None = None

    def ended(self, came: Response | Exception) -> None:
        self.came = came


class Tracing:
    """A `Tracer` that makes spans and metrics. Several clients may share one.

    Metrics: ``http.client.request.duration`` (seconds an attempt took, by operation and outcome),
    ``ev_energy.wait.duration`` (seconds calls waited, by reason: ``budget`` or ``retry``), and
    ``ev_energy.allowance.remaining`` (requests left, as the API last stated it).

    Args:
        tracer_provider: Where spans go; left out, the global one.
        meter_provider: Where metrics go; left out, the global one.
        attributes: Added to every span and every measurement: what tells clients with different
            allowances apart.
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
        self._always = dict(attributes or {})
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._waits = meter.create_histogram(
            "ev_energy.wait.duration",
            "s",
            "How long calls waited before they were sent, or sent again.",
            explicit_bucket_boundaries_advisory=_WAITS,
        )
        self._remaining = meter.create_gauge(
            "ev_energy.allowance.remaining",
            "{request}",
            "Requests that the allowance leaves, as the API last stated it.",
        )

    @contextmanager
    def call(self, request: Request) -> Generator[None]:
        """A span around a call."""
        call = _Traced()
        with self._span(request, trace.SpanKind.INTERNAL, self._about(request), call):
            token = context.attach(context.set_value(_CALL, call))
            try:
                yield
            finally:
                context.detach(token)

    @contextmanager
    def attempt(self, request: Request, attempt: int) -> Generator[_Traced]:  # noqa: ARG002  (it restarts with a new token)
        """A span around one attempt."""
        call = context.get_value(_CALL)
        if not isinstance(call, _Traced):
            call = _Traced()
        call.came = None
        found: dict[str, str | int] = {
            **self._about(request),
            "url.full": redact_url(request.url, inside=bool(request.template), mask="REDACTED"),
        }
        if call.attempts:
            found["http.request.resend_count"] = call.attempts
        call.attempts += 1
        with self._span(request, trace.SpanKind.CLIENT, found, call, timed=True):
            quiet = (
                context.get_current() if _SUPPRESS is None else context.set_value(_SUPPRESS, True)
            )
            token = context.attach(quiet)
            try:
                yield call
            finally:
                context.detach(token)

    def waited(self, wait: WaitEvent) -> None:
        """A wait is over: a measurement, and an event of the call's span."""
        found = {**self._always, "ev_energy.wait.reason": wait.reason}
        if wait.request is not None and wait.request.template:
            found["url.template"] = wait.request.template
        self._waits.record(wait.seconds, found)
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
        call: _Traced,
        *,
        timed: bool = False,
    ) -> Generator[None]:
        began = _now()
        outcome: dict[str, str | int] = {}
        with self._tracer.start_as_current_span(
            request.operation,
            kind=kind,
            attributes=attributes,
            # Its text and its traceback may hold what nobody should read.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                outcome = {"error.type": _name_of(error)}
                raise
            else:
                outcome = _outcome(call.came)
            finally:
                if "error.type" in outcome:
                    span.set_status(trace.StatusCode.ERROR)
                if timed:
                    span.set_attributes(outcome)
                    self._measure(request, outcome, _now() - began, call.came)
                elif "error.type" in outcome:
                    span.set_attribute("error.type", outcome["error.type"])

    def _measure(
        self,
        request: Request,
        outcome: Mapping[str, str | int],
        seconds: float,
        came: Response | Exception | None,
    ) -> None:
        about = self._about(request)
        self._duration.record(seconds, {**about, **outcome})
        state = RateLimit.of(came.headers) if isinstance(came, Response) else None
        if state is not None and request.authorised:
            found = {**self._always, "server.address": about["server.address"]}
            self._remaining.set(state.remaining, found)

    def _about(self, request: Request) -> dict[str, str | int]:
        url = request.url
        found: dict[str, str | int] = {
            **self._always,
            "http.request.method": request.method,
            "server.address": printable(url.host or ""),
            "server.port": url.port or 0,
        }
        if request.template:
            found["url.template"] = request.template
        return found


def _outcome(came: Response | Exception | None) -> dict[str, str | int]:
    if came is None:
        return {}
    if not isinstance(came, Response):
        return {"error.type": _name_of(came.__cause__ or came)}
    found: dict[str, str | int] = {"http.response.status_code": came.status}
    if came.status >= 400:  # noqa: PLR2004  (RFC 9110; of a client, either class is an error)
        found["error.type"] = str(came.status)
    return found


def _name_of(error: BaseException) -> str:
    cls = type(error)
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )
