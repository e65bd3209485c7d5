"""Limit the power of a fleet for a while, and know afterwards whether the limit is in force.

Run it with EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET set::

    python dispatch.py send dc000000 --limit 20000 --start 2026-11-30T17:00+00:00 --minutes 60

A dispatch event moves real load, and the API can neither list nor retrieve events. So the program
writes each step to a journal, ``dispatch.jsonl``, and sends nothing as long as it is unknown what
became of the last request. The exit status of ``send`` says what to do next:

====== =============== ===========================================================
status the event       what to do
====== =============== ===========================================================
0      was created     nothing; ``cancel`` ends it early
65     was refused     correct the request, as the message says
70     may exist       find out: ``check`` shows whether the fleet keeps the limit.
                       Then run ``settle``, which allows the next ``send``
75     does not exist  send it again
====== =============== ===========================================================
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

from ev_energy.errors import EvEnergyError, RateLimitError
from ev_energy_sync import Client

JOURNAL = Path("dispatch.jsonl")


class Status(IntEnum):
    """The exit status. The numbers are those of sysexits.h."""

    CREATED = 0
    REFUSED = 65
    UNKNOWN = 70
    NOT_SENT = 75


def record(step: str, **details: Any) -> None:
    """Append a step to the journal. It is on the disk when this returns."""
    entry = {"step": step, "at": datetime.now(UTC), **details}
    with JOURNAL.open("a") as file:
        file.write(json.dumps(entry, default=str) + "\n")
        file.flush()
        os.fsync(file.fileno())


def last_step(*names: str) -> dict[str, Any] | None:
    """Return the last step with one of these names, or of any name; None if there is none."""
    lines = JOURNAL.read_text().splitlines() if JOURNAL.exists() else []
    steps = (json.loads(line) for line in reversed(lines))
    return next((step for step in steps if not names or step["step"] in names), None)


def send(
    client: Client, coordinator: str, *, start: datetime, end: datetime, limit_watts: int
) -> Status:
    """Create an event, and return what became of it."""
    last = last_step()
    if last is not None and last["step"] in {"sending", "unknown"}:
        # A program that was killed after "sending" has left no outcome.
        print("It is unknown whether the last event exists. Run check, and then settle.")
        return Status.UNKNOWN
    record("sending", coordinator=coordinator, start=start, end=end, limit_watts=limit_watts)
    try:
        event = client.dispatch_coordinators.create_dispatch_event(
            coordinator, start_time=start, end_time=end, import_limit_watts=limit_watts
        )
    except (EvEnergyError, ValueError) as error:
        status = status_of(error)
        record(status.name.lower(), error=str(error))
        print(f"{status.name.lower()}: {error}")
        return status
    record("created", coordinator=coordinator, event=event.id)
    print("created", event.id)
    return Status.CREATED


def status_of(error: EvEnergyError | ValueError) -> Status:
    """Return what a failed call says about the event."""
    if isinstance(error, ValueError):  # an invalid argument: the client sent nothing
        return Status.REFUSED
    if isinstance(error, RateLimitError):  # refused, but not because of the request
        return Status.NOT_SENT
    match error.outcome:
        case "not_sent":
            return Status.NOT_SENT
        case "refused":
            return Status.REFUSED
        case _:
            return Status.UNKNOWN


def check(client: Client) -> None:
    """Print the power of the fleet in the time of the last event that was sent."""
    event = last_step("sending")
    if event is None:
        print("Nothing was sent.")
        return
    start, end = (datetime.fromisoformat(event[name]) for name in ("start", "end"))
    logs = client.dispatch_coordinators.dispatch_logs(
        event["coordinator"], logged_at__gte=start, logged_at__lte=end
    )
    watts = [log.total_charge_rate_watts for log in logs if log.total_charge_rate_watts is not None]
    above = sum(value > event["limit_watts"] for value in watts)
    print(f"{above} of {len(watts)} readings are above {event['limit_watts']} W.")


def cancel(client: Client) -> None:
    """Cancel the last event that was created."""
    event = last_step("created")
    if event is None:
        print("No event was created.")
        return
    client.dispatch_coordinators.cancel_dispatch_event(event["coordinator"], event["event"])
    record("cancelled", event=event["event"])
    print("cancelled", event["event"])


def main() -> int:
    """Run one command, and return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    sending = commands.add_parser("send", help="create an event")
    sending.add_argument("coordinator", help="id of the dispatch coordinator")
    sending.add_argument("--limit", type=int, required=True, help="watts from the grid")
    sending.add_argument("--start", type=datetime.fromisoformat, required=True)
    sending.add_argument("--minutes", type=float, required=True)
    for name in ("check", "settle", "cancel"):
        commands.add_parser(name)
    options = parser.parse_args()
    if options.command == "settle":
        record("settled")
        return Status.CREATED
    with Client.from_env() as client:
        if options.command == "send":
            start: datetime = options.start
            end = start + timedelta(minutes=options.minutes)
            return send(
                client, options.coordinator, start=start, end=end, limit_watts=options.limit
            )
        if options.command == "check":
            check(client)
        else:
            cancel(client)
    return 0


if __name__ == "__main__":
    sys.exit(main())
