"""What the integration reads; nothing here needs Home Assistant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import aiohttp

from ev_energy import Client, ClientCredentials
from ev_energy.errors import (
    BudgetExceeded,
    EvEnergyError,
    InvalidClientError,
    RateLimitError,
    UnauthorizedClientError,
    UnauthorizedError,
)

DOMAIN: Final = "ev_energy"
#: Errors that other credentials would resolve.
AUTH_ERRORS: Final = (InvalidClientError, UnauthorizedClientError, UnauthorizedError)


@dataclass(frozen=True, kw_only=True)
class VehicleState:
    """The last state that a vehicle has reported; a value that it does not report is None."""

    name: str
    state_of_charge: int | None
    charging_power: int | None
    """In watts."""


def create_client(
    session: aiohttp.ClientSession, client_id: str, client_secret: str, base_url: str = "live"
) -> Client:
    """Return a client that uses the connections of Home Assistant, and never closes them."""
    return Client(
        ClientCredentials(client_id=client_id, client_secret=client_secret),
        base_url=base_url,
        session=session,
        when_exhausted="raise",  # the coordinator comes again
    )


async def read_fleet(client: Client) -> dict[str, VehicleState]:
    """Return the states of all vehicles by their ids, with one request for 100 vehicles."""
    states: dict[str, VehicleState] = {}
    async for vehicle in client.vehicles.list(expand=["latest_status_log"]):
        log = vehicle.latest_status_log.value if vehicle.latest_status_log else None
        power: int | None = None
        if log is not None and log.is_charging is not None:
            power = (log.charge_rate_watts or log.estimated_charge_rate_watts) or 0
            power = power if log.is_charging else 0
        states[vehicle.id] = VehicleState(
            name=vehicle.description,
            state_of_charge=None if log is None else log.state_of_charge_percentage,
            charging_power=power,
        )
    return states


def seconds_to_wait(error: EvEnergyError) -> float | None:
    """Return when to come again, if the rate limit says so."""
    if isinstance(error, BudgetExceeded):
        return error.wait
    return error.retry_after if isinstance(error, RateLimitError) else None
