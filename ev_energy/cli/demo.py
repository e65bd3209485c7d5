"""A tour of the SDK: list EVSEs, follow their links, page through a log, fetch one entry of it.

The demo runs against the embedded simulator. If EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET, or
EV_ENERGY_TOKEN, are set, it reads from the live API (or EV_ENERGY_BASE_URL) and changes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence

from ev_energy import Client, ClientCredentials
from ev_energy._redaction.scrub import printable
from ev_energy.cli._table import table
from ev_energy.errors import EvEnergyError
from ev_energy.models import EVSE, User

ROWS = 8
LOG_PAGES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options: the environment selects the server."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and return its exit status."""
    del arguments
    live = any(os.environ.get(f"EV_ENERGY_{name}") for name in ("CLIENT_ID", "TOKEN"))
    try:
        asyncio.run(_against_the_api() if live else _against_the_simulator())
    except (EvEnergyError, ValueError) as error:
        print(f"{type(error).__name__}: {printable(error, 2000)}")
        return 1
    return 0


async def _against_the_api() -> None:
    async with Client.from_env() as client:
        print(f"Source: {client.base_url}, with your credentials. The demo only reads.")
        await _read(client)


async def _against_the_simulator() -> None:
    from ev_energy.simulator import Simulator

    async with Simulator() as simulator:
        auth = ClientCredentials(
            client_id=simulator.client_id, client_secret=simulator.client_secret
        )
        async with Client(auth, base_url=simulator.base_url) as client:
            print(f"Source: the embedded simulator at {client.base_url}. All data is made up.")
            await _read(client)
            link = await client.evse_onboarding.get(
                user_id=simulator.user_id, client_id=simulator.client_id
            )
            print(f"\nTo connect another EVSE, {simulator.user_id} opens\n  {printable(link)}")


async def _read(client: Client) -> None:
    evses = await client.evses.list(expand=["model", "model.make"]).collect(limit=ROWS)
    if not evses:
        print("\nThese credentials have access to no EVSE.")
        return
    print(f"\nEVSEs (the first {len(evses)}), with model and make expanded and the user fetched:")
    rows = [_row(evse, await _user(client, evse)) for evse in evses]
    print(table(("EVSE", "charge point", "make and model", "user", "lock mode"), rows))
    await _read_status_logs(client, evses[0])
    await _fetch_command_log(client, evses)
    if client.rate_limit is not None:
        print(
            f"\nRate limit: {client.rate_limit.remaining} of {client.rate_limit.limit} requests per"
            " hour remaining."
        )


def _row(evse: EVSE, user: User | None) -> Sequence[str]:
    model = evse.model.value if evse.model else None
    make = model.make.value.name if model and model.make else "?"
    user_name = user.email or user.full_name or user.id if user else "-"
    model_name = f"{make} {model.name if model else '?'}"
    return (evse.id, evse.cpid, model_name, user_name, str(evse.lock_mode or "-"))


async def _user(client: Client, evse: EVSE) -> User | None:
    return await client.fetch(evse.user) if evse.user else None


async def _read_status_logs(client: Client, evse: EVSE) -> None:
    pages = items = 0
    cursor = None
    charging: list[int] = []
    async for page in client.evses.status_logs(evse, page_size=25).pages():
        pages, items, cursor = pages + 1, items + len(page.items), page.next_cursor
        charging += [log.charge_rate_watts or 0 for log in page.items if log.is_charging]
        if pages == LOG_PAGES:
            break
    print(f"\nStatus log of {printable(evse.id)}: {items} entries on {pages} pages, newest first.")
    print(f"  It was charging in {len(charging)} of them, at up to {max(charging, default=0):,} W.")
    if cursor:
        print(f"  To resume later, or in another process, use the cursor {cursor[:24]}...")


async def _fetch_command_log(client: Client, evses: Sequence[EVSE]) -> None:
    for evse in evses:
        newest = await client.evses.command_logs(evse, page_size=1).first()
        if newest is not None and newest.logged_at is not None:
            break
    else:
        print("\nNo command has been sent to any of them yet.")
        return
    log = await client.evses.command_log(evse, newest.logged_at, expand=["evse", "evse.model"])
    evse_id, timestamp = printable(evse.id), printable(newest.logged_at)
    print(f"\nThe newest command to {evse_id}, fetched by its timestamp {timestamp}:")
    max_load = log.max_load_target_milliamps
    rows = (
        ("reason", str(log.reason or "-")),
        ("maximum load", "-" if max_load is None else f"{max_load / 1000:g} A"),
        ("free-vend", str(log.is_enabled_target)),
        ("command id", str(log.internal_command_id or "-")),
        ("EVSE", log.evse.value.cpid if log.evse else "-"),
    )
    print(table(("field", "value"), rows))
