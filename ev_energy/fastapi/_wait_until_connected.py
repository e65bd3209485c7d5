"""Waiting until a device that a user has connected in the browser can be used."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, Literal, TypeAlias

import attrs

from ev_energy._arguments import require_list
from ev_energy._client import Client
from ev_energy._codec.text import id_text
from ev_energy._runtime.clocks import REAL
from ev_energy.errors import EvEnergyError, NotFoundError
from ev_energy.fastapi._browser import check_positive
from ev_energy.models import EVSE, Vehicle, VehicleIntegrated
from ev_energy.models._refs import Id

#: The kinds of devices that users connect in a browser.
DeviceKind: TypeAlias = Literal["charger", "vehicle"]

#: Seconds between two looks at the devices: at first, and at most. The pause doubles each time.
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0


@attrs.frozen
class ConnectedDevices:
    """The devices that are connected, and those that are not (yet)."""

    connected: tuple[EVSE | Vehicle, ...]
    """The devices that are connected."""
    missing: tuple[str, ...]
    """The ids of the devices that are not connected, or not those of the user."""
    requests: int
    """The number of calls that were made."""

    @property
    def is_complete(self) -> bool:
        """Whether all devices are connected."""
        return not self.missing


async def wait_until_connected(
    client: Client,
    kind: DeviceKind,
    device_ids: Sequence[Id[EVSE] | Id[Vehicle]],
    *,
    user_id: str | None = None,
    timeout: timedelta = timedelta(seconds=10),
    max_requests: int = 10,
    clock: Callable[[], float] = REAL.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> ConnectedDevices:
    """Wait until the devices are connected, but neither longer nor with more requests than allowed.

    A charger is connected if the API has it; a vehicle, if ``integrated`` is ``ACTIVE`` too. Looks
    twice as long after each look, from half a second on, and does not wait for the rate limit.

    Args:
        client: The client of the user.
        kind: The kind of the devices.
        device_ids: The ids with which ev.energy sent the browser back (``evse_uid``,
            ``vehicle_uid``). They are not trusted: the API decides whether the user has them.
        user_id: The ev.energy id of the user. A device of another user counts as missing. Pass it
            if *client* may see devices of other users, as with client credentials.
        timeout: The time to wait in all.
        max_requests: The maximum number of calls.
        clock: Returns seconds that never go back.
        sleep: Waits for some seconds.

    Raises:
        ValueError: If an argument is not valid.
        BudgetExceeded: If the rate limit allows no request now.
        EvEnergyError: If a call fails in any other way than that the device does not exist.

    GET /evses/{evse_id}, scope evse:read, or GET /vehicles/{vehicle_id}, scope vehicle:read.
    """
    return await wait_and_count(
        RequestCount(),
        client,
        kind,
        device_ids,
        user_id=user_id,
        timeout=timeout,
        max_requests=max_requests,
        clock=clock,
        sleep=sleep,
    )


@attrs.define
class RequestCount:
    """The requests of a wait, also of one that fails."""

    sent: int = 0


async def wait_and_count(
    count: RequestCount,
    client: Client,
    kind: DeviceKind,
    device_ids: Sequence[Id[EVSE] | Id[Vehicle]],
    *,
    user_id: str | None,
    timeout: timedelta,
    max_requests: int,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> ConnectedDevices:
    """Wait as `wait_until_connected` does, and count the requests that were sent."""
    _check_limits(kind, timeout, max_requests)
    items = require_list("device_ids", device_ids)
    pending = list(dict.fromkeys(id_text("an item of device_ids", item) for item in items))
    refused: list[str] = []
    connected: list[EVSE | Vehicle] = []
    deadline, pause = clock() + timeout.total_seconds(), _FIRST_PAUSE
    while pending:
        for device_id in [*pending]:
            remaining = deadline - clock()
            if remaining <= 0 or count.sent == max_requests:
                break
            count.sent += 1
            try:
                device = await _get(client, kind, device_id, remaining)
            except EvEnergyError as error:
                if error.outcome == "not_sent":
                    count.sent -= 1
                raise
            if device is None:
                continue
            pending.remove(device_id)
            if _belongs_to(device, user_id):
                connected.append(device)
            else:
                refused.append(device_id)
        if not pending or count.sent == max_requests or deadline - clock() <= pause:
            break
        await sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return ConnectedDevices(tuple(connected), (*pending, *refused), count.sent)


def _belongs_to(device: EVSE | Vehicle, user_id: str | None) -> bool:
    return user_id is None or device.user is None or device.user.id == user_id


async def _get(
    client: Client, kind: DeviceKind, device_id: str, deadline: float
) -> EVSE | Vehicle | None:
    """Return the device, or None if it is not connected."""
    client = client.with_options(deadline=deadline, retries=0, when_exhausted="raise")
    try:
        if kind == "charger":
            return await client.evses.get(device_id)
        vehicle = await client.vehicles.get(device_id)
    except NotFoundError:
        return None
    return vehicle if vehicle.integrated == VehicleIntegrated.ACTIVE else None


def _check_limits(kind: str, timeout: timedelta, max_requests: int) -> None:
    if kind not in ("charger", "vehicle"):
        raise ValueError(f"kind must be 'charger' or 'vehicle', not {kind!r}")
    check_positive(timeout=timeout)
    if max_requests < 1:
        raise ValueError(f"max_requests must be 1 or more, not {max_requests}")
