"""Print the state of charge of a fleet, again and again, in as many processes as you like.

Install it with ``pip install 'ev-energy[redis]'``, and run it with EV_ENERGY_CLIENT_ID,
EV_ENERGY_CLIENT_SECRET and REDIS_URL set. All processes with the same Redis share one access token
and count their requests together, so that they never exceed the rate limit of the application.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections import Counter

from ev_energy import Client, ClientCredentials
from ev_energy.errors import BudgetExceeded
from ev_energy.redis import RedisBudget, RedisTokenStore

BANDS = ("0-19 %", "20-39 %", "40-59 %", "60-79 %", "80-100 %", "unknown")


async def read_fleet(client: Client) -> Counter[str]:
    """Return the number of vehicles in each band, with one request for a hundred vehicles."""
    bands: Counter[str] = Counter()
    async for vehicle in client.vehicles.list(expand=["latest_status_log"]):
        log = vehicle.latest_status_log
        charge = log.value.state_of_charge_percentage if log else None
        bands["unknown" if charge is None else BANDS[min(charge // 20, 4)]] += 1
    return bands


async def main(readings: int, seconds: float) -> None:
    """Print *readings* of the fleet, one every *seconds*."""
    redis_url = os.environ["REDIS_URL"]
    auth = ClientCredentials(
        client_id=os.environ["EV_ENERGY_CLIENT_ID"],
        client_secret=os.environ["EV_ENERGY_CLIENT_SECRET"],
        store=RedisTokenStore(redis_url),
    )
    async with Client(
        auth,
        base_url=os.environ.get("EV_ENERGY_BASE_URL", "live"),
        budget=RedisBudget(redis_url),
        when_exhausted="raise",  # a late reading is of no use; print when the next one is possible
    ) as client:
        for number in range(readings):
            if number:
                await asyncio.sleep(seconds)
            try:
                bands = await read_fleet(client)
            except BudgetExceeded as error:
                print(f"no request is left until {error.at:%H:%M:%S} UTC", flush=True)
                continue
            print(*(f"{band}: {bands[band]}" for band in BANDS), sep=", ", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--readings", type=int, default=288, help="how many (default: 288)")
    parser.add_argument("--every", type=float, default=300, help="seconds (default: 300)")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.readings, arguments.every))
