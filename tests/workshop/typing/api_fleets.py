"""User code for questions about fleets. Type checkers must accept it; it is never run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, assert_type

from ev_energy import Client, Estimate, Ref, Resolved, errors
from ev_energy.models import EVSE, ChargingSubSession, Vehicle


async def resolving(client: Client, ids: list[str], subs: list[ChargingSubSession]) -> None:
    resolved = await client.resolve(ids, Vehicle, expand=["latest_status_log"])
    assert_type(resolved, Resolved[Vehicle])
    assert_type(resolved.found, Mapping[str, Vehicle])
    assert_type(resolved[0], Vehicle | None)
    assert_type(resolved[:2], Sequence[Vehicle | None])
    for id_, vehicle in zip(ids, resolved, strict=True):
        assert_type(vehicle, Vehicle | None)
        print(id_, vehicle and vehicle.trim)
    assert_type(resolved.missing, Sequence[object])
    assert_type(resolved.errors, Mapping[str, errors.EvEnergyError])
    assert_type(resolved.requests, int)
    assert_type(await client.resolve(sub.vehicle for sub in subs), Resolved[Vehicle])
    print(await client.resolve(["https://api.ev.energy/v2/evses/evse1", *links(subs)]))


def links(subs: list[ChargingSubSession]) -> list[Ref[EVSE] | None]:
    return [sub.evse for sub in subs]


async def resolving_links(client: Client, links: list[Ref[EVSE]], evses: list[EVSE]) -> None:
    assert_type(await client.resolve(links), Resolved[EVSE])
    assert_type(await client.resolve(evses, expand=["model"]), Resolved[EVSE])
    assert_type(await client.resolve([*links, "evse1", None], EVSE), Resolved[EVSE])
    print(await client.resolve(evses, refresh=True, return_exceptions=True))


async def resuming(client: Client, ids: list[str]) -> None:
    try:
        await client.resolve(ids, into=Vehicle)
    except errors.EvEnergyError as error:
        assert_type(error.partial, Resolved[Any] | None)
        if error.partial is not None:
            print(client.estimate(ids, into=Vehicle, resume=error.partial))
            await client.resolve(ids, into=Vehicle, resume=error.partial)


async def estimating(client: Client, ids: list[str]) -> None:
    estimate = client.estimate(client.vehicles.list(), items=5000)
    assert_type(estimate, Estimate)
    assert_type(estimate.requests, int)
    assert_type(estimate.at_most, int | None)
    assert_type(estimate.fits_now, bool)
    assert_type(estimate.finishes_at, dt.datetime)
    assert_type(client.estimate(ids, into=Vehicle), Estimate)
    assert_type(client.estimate(5050).seconds, float)
