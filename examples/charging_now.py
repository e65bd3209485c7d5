"""Print the EVSEs that are charging now, with one request per hundred EVSEs.

Run it with EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET set.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email.utils import parsedate_to_datetime

from ev_energy import Client

MAX_AGE = timedelta(minutes=30)


async def main() -> None:
    """Print each EVSE that charges, and each that has sent no status recently."""
    async with Client.from_env() as client:
        async for page in client.evses.list(expand=["latest_status_log"]).pages():
            # The API's clock: this machine's may be wrong, and a simulator has another time.
            now = parsedate_to_datetime(page.response.header("date"))
            for evse in page.items:
                status = evse.latest_status_log.value if evse.latest_status_log else None
                if status is None or status.sampled_at is None or now - status.sampled_at > MAX_AGE:
                    print(evse.id, "has sent no status recently")
                elif status.is_charging:
                    print(evse.id, f"charges at {status.charge_rate_watts or 0:,} W")


if __name__ == "__main__":
    asyncio.run(main())
