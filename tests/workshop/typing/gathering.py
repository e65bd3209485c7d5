"""User code for many calls. Type checkers must accept it; it is never run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from functools import partial
from typing import assert_type

import ev_energy_sync
from ev_energy import Client, Resolve, Resolved
from ev_energy.models import EVSE, Vehicle, VehicleStateOfCharge


async def awaiting(client: Client, ids: list[str]) -> None:
    found = await client.gather(client.vehicles.get(id_) for id_ in ids)
    assert_type(found, list[Vehicle])
    several = await client.gather([client.vehicles.get(ids[0])], limit=3, return_exceptions=True)
    assert_type(several, list[Vehicle | BaseException])
    assert_type(await client.gather(calls(client)), list[VehicleStateOfCharge])


async def calls(client: Client) -> AsyncIterator[Awaitable[VehicleStateOfCharge]]:
    async for vehicle in client.vehicles.list():
        yield client.vehicles.state_of_charge(vehicle)


async def unsent(client: Client, evses: list[EVSE]) -> None:
    resolution: Resolve[EVSE] = client.resolve(evses)
    print(client.estimate(resolution))
    assert_type(await resolution, Resolved[EVSE])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(client.resolve(evses))
    assert_type(task.result(), Resolved[EVSE])


def blocking(client: ev_energy_sync.Client, ids: list[str]) -> None:
    found = client.gather(partial(client.vehicles.get, id_) for id_ in ids)
    assert_type(found, list[Vehicle])
    several = client.gather([lambda: client.vehicles.get("vhcl1")], return_exceptions=True)
    assert_type(several, list[Vehicle | Exception])
    print(client.gather(blocking_calls(client), limit=3))


def blocking_calls(client: ev_energy_sync.Client) -> Iterator[partial[VehicleStateOfCharge]]:
    for vehicle in client.vehicles.list():
        yield partial(client.vehicles.state_of_charge, vehicle)
