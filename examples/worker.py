"""A worker that warns of empty batteries, with traces and with logs as JSON.

Install it with ``pip install 'ev-energy[otel]' opentelemetry-sdk``, and run it with
EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET set. It looks at the fleet every five minutes until
it gets SIGINT or SIGTERM. LOG_LEVEL=DEBUG logs each request.

Log records go to stderr, one JSON object on each line. Those of the SDK have the fields that begin
with ``ev_``; all that are written while a job runs have its ``trace_id``. Spans go to stdout in the
same way; replace `ConsoleSpanExporter` by the exporter of your tracing system.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
from datetime import UTC, datetime

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from ev_energy import Client
from ev_energy.errors import EvEnergyError
from ev_energy.otel import Tracing

log = logging.getLogger("worker")
tracer = trace.get_tracer("worker")


class JsonFormatter(logging.Formatter):
    """Writes a record as JSON, with its ``extra`` fields and the trace that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line."""
        fields = {k: v for k, v in vars(record).items() if k.startswith(("ev_", "worker_"))}
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields,
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            entry["trace_id"] = trace.format_trace_id(span.trace_id)
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure_logging() -> None:
    """Write all log records as JSON to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), handlers=[handler])


def configure_tracing() -> None:
    """Write all spans as JSON to stdout; at the end of the program, those that are left."""
    provider = TracerProvider(resource=Resource.create({"service.name": "battery-worker"}))
    exporter = ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


async def warn_of_empty_batteries(client: Client, below: int) -> None:
    """Log a warning for each vehicle that is not plugged in with less than *below* percent."""
    count = 0
    async for vehicle in client.vehicles.list(expand=["latest_status_log"]):
        count += 1
        link = vehicle.latest_status_log
        charge = link.value.state_of_charge_percentage if link else None
        if link and charge is not None and charge < below and not link.value.is_plugged_in:
            log.warning(
                "the battery is nearly empty",
                extra={"worker_vehicle": vehicle.id, "worker_percent": charge},
            )
    log.info("looked at all vehicles", extra={"worker_vehicles": count})


async def work(runs: int | None, seconds: float, below: int) -> None:
    """Run the job every *seconds*, *runs* times or until a signal arrives."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    done = 0
    async with Client.from_env(tracer=Tracing()) as client:
        while done != runs and not stopped.is_set():
            with tracer.start_as_current_span("warn of empty batteries") as span:
                try:
                    await warn_of_empty_batteries(client, below)
                except EvEnergyError:
                    span.set_status(trace.StatusCode.ERROR)
                    log.exception("the job failed; the next one is due as usual")
            done += 1
            if done != runs:
                try:
                    await asyncio.wait_for(stopped.wait(), seconds)
                except TimeoutError:
                    continue


def main() -> None:
    """Run the worker."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, help="how many (default: until a signal arrives)")
    parser.add_argument("--every", type=float, default=300, help="seconds (default: 300)")
    parser.add_argument("--below", type=int, default=25, help="percent (default: 25)")
    options = parser.parse_args()
    configure_logging()
    configure_tracing()
    asyncio.run(work(options.runs, options.every, options.below))


if __name__ == "__main__":
    main()
