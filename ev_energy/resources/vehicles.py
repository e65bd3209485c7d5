"""Vehicles, their state of charge, connectors and logs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._arguments import require_list
from ev_energy._changes.log_pager import LogPager
from ev_energy._codec.encode import as_link
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id, Key
from ev_energy.models._types import Counts
from ev_energy.models.evses import VPPModes
from ev_energy.models.vehicle_logs import VehicleAPIErrorLog, VehicleCommandLog, VehicleLocationLog
from ev_energy.models.vehicles import (
    ConnectorType,
    Vehicle,
    VehicleClass,
    VehicleConnectors,
    VehicleModel,
    VehicleReconnectionUrl,
    VehicleStateOfCharge,
    VehicleStatusLog,
)
from ev_energy.resources._base import ANY_SCOPE, Resource
from ev_energy.resources._constraints import in_range

if TYPE_CHECKING:
    from ev_energy.models.users import User

VehicleExpand: TypeAlias = Literal[
    "user", "trim", "trim.model", "trim.model.make", "latest_status_log"
]
VehicleLogExpand: TypeAlias = Literal[
    "vehicle", "vehicle.trim", "vehicle.trim.model", "vehicle.trim.model.make", "vehicle.user"
]


class Vehicles(Resource):
    """Electric vehicles and their logs.

    Log entries are listed newest first. An entry is identified by its vehicle and a timestamp:
    ``logged_at`` for errors and commands, ``sampled_at`` for states and locations. To retrieve one,
    pass the entry itself, its `Ref` or its URL if you have it: a datetime may not reproduce the
    server's spelling.
    """

    def list(self, *, page_size: int = 100, expand: Sequence[VehicleExpand] = ()) -> Pager[Vehicle]:
        """List the vehicles of the user the client acts for (`acting_for`), or all you may see.

        GET /vehicles, scope vehicle:read.
        """
        return self._list(
            Vehicle,
            "/vehicles",
            scope="vehicle:read",
            page_size=page_size,
            expand=expand_values(VehicleExpand, expand),
        )

    async def create(
        self,
        *,
        model: Id[VehicleModel],
        battery_size_watt_hours: int | Unset = UNSET,
        description: str | Unset = UNSET,
        vehicle_class: VehicleClass | str | Unset | None = UNSET,
        user: Id[User] | Unset = UNSET,
        expand: Sequence[VehicleExpand] = (),
    ) -> Vehicle:
        """Create a vehicle that ev.energy cannot connect to; for others see `vehicle_onboarding`.

        With client credentials, pass *user* and also act for that user (`acting_for`): the API
        documents both as required.

        Args:
            model: The model. The server selects a trim for it, or creates a hidden one.
            battery_size_watt_hours: 1000 to 300000.
            description: A label of at most 200 characters, which cannot be changed later. If
                omitted, it consists of the user's e-mail address and the names of make and model.
            vehicle_class: The use of the vehicle; None leaves it unspecified.
            user: The owner.
            expand: The link to expand in the reply; the API accepts only one here.

        POST /vehicles, scope vehicle:write.
        """
        return await self._post(
            Vehicle,
            "/vehicles",
            scope="vehicle:write",
            json={
                "model": as_link("/vehicle_models", model),
                "battery_size_watt_hours": in_range(
                    "battery_size_watt_hours", battery_size_watt_hours, 1_000, 300_000
                ),
                "description": description,
                "vehicle_class": vehicle_class,
                "user": as_link("/users", user),
            },
            expand=expand_values(VehicleExpand, expand, single=True),
        )

    async def get(
        self, vehicle_id: Id[Vehicle], *, expand: Sequence[VehicleExpand] = ()
    ) -> Vehicle:
        """Retrieve one vehicle, as the user the client acts for (`acting_for`) may see it.

        GET /vehicles/{vehicle_id}, scope vehicle:read.
        """
        return await self._get(
            Vehicle,
            "/vehicles/{vehicle_id}",
            vehicle_id,
            scope="vehicle:read",
            expand=expand_values(VehicleExpand, expand),
        )

    async def update(
        self,
        vehicle_id: Id[Vehicle],
        *,
        battery_size_watt_hours: int | Unset = UNSET,
        maximum_charge_limit_percentage: int | Unset = UNSET,
        smart_charging_enabled: bool | Unset = UNSET,
        vehicle_class: VehicleClass | str | Unset | None = UNSET,
        expand: Sequence[VehicleExpand] = (),
    ) -> Vehicle:
        """Change a vehicle. Omitted members are unchanged.

        Args:
            vehicle_id: The vehicle.
            battery_size_watt_hours: 1000 to 300000, stored to the nearest 10. Only for an
                unintegrated vehicle; the API rejects it for others.
            maximum_charge_limit_percentage: Charge limit for smart charging, 50 to 100.
            smart_charging_enabled: Whether smart charging is enabled.
            vehicle_class: The use of the vehicle; None clears it.
            expand: Links to expand in the reply.

        PATCH /vehicles/{vehicle_id}, scope vehicle:write.
        """
        return await self._patch(
            Vehicle,
            "/vehicles/{vehicle_id}",
            vehicle_id,
            scope="vehicle:write",
            json={
                "battery_size_watt_hours": in_range(
                    "battery_size_watt_hours", battery_size_watt_hours, 1_000, 300_000
                ),
                "maximum_charge_limit_percentage": in_range(
                    "maximum_charge_limit_percentage", maximum_charge_limit_percentage, 50, 100
                ),
                "smart_charging_enabled": smart_charging_enabled,
                "vehicle_class": vehicle_class,
            },
            expand=expand_values(VehicleExpand, expand),
        )

    async def delete(self, vehicle_id: Id[Vehicle]) -> Counts:
        """Disconnect a vehicle from ev.energy and remove it.

        Returns numbers by name, such as ``{"remaining_car_count": 0}``. A vehicle of the sandbox is
        not removed; the result is then ``{}``.

        DELETE /vehicles/{vehicle_id}, scope vehicle:write.
        """
        return await self._delete_counting(
            "/vehicles/{vehicle_id}", vehicle_id, scope="vehicle:write"
        )

    async def connectors(self, vehicle_id: Id[Vehicle]) -> VehicleConnectors:
        """Retrieve the connectors that a vehicle can use for DC charging.

        GET /vehicles/{vehicle_id}/connectors, scope vehicle:read.
        """
        return await self._get(
            VehicleConnectors, "/vehicles/{vehicle_id}/connectors", vehicle_id, scope="vehicle:read"
        )

    async def update_connectors(
        self,
        vehicle_id: Id[Vehicle],
        *,
        native_connector: ConnectorType | str | Unset | None = UNSET,
        adaptors: Sequence[ConnectorType | str] | Unset = UNSET,
    ) -> VehicleConnectors:
        """Change the connectors of a vehicle. Omitted members are unchanged.

        Raises `BadRequestError` of type ``validation-failed-update-vehicle-connectors`` for values
        that the API rejects.

        Args:
            vehicle_id: The vehicle.
            native_connector: The built-in connector; None for the one of the model.
            adaptors: All other connectors for which there is an adaptor, each once and without the
                built-in one. They replace the present ones; ``[]`` removes all.

        PATCH /vehicles/{vehicle_id}/connectors, scope vehicle:write.
        """
        return await self._patch(
            VehicleConnectors,
            "/vehicles/{vehicle_id}/connectors",
            vehicle_id,
            scope="vehicle:write",
            json={
                "native_connector": native_connector,
                "adaptors": _checked_adaptors(native_connector, adaptors),
            },
        )

    async def state_of_charge(self, vehicle_id: Id[Vehicle]) -> VehicleStateOfCharge:
        """Retrieve the last known state of charge, from which route plans start.

        GET /vehicles/{vehicle_id}/state_of_charge, scope vehicle:read.
        """
        return await self._get(
            VehicleStateOfCharge,
            "/vehicles/{vehicle_id}/state_of_charge",
            vehicle_id,
            scope="vehicle:read",
        )

    async def update_state_of_charge(
        self, vehicle_id: Id[Vehicle], *, state_of_charge_percentage: int | Unset | None = UNSET
    ) -> VehicleStateOfCharge:
        """Set the state of charge manually, 0 to 100; None removes the manual value.

        Raises `BadRequestError` of type ``validation-failed-update-vehicle-state-of-charge`` for
        values that the API rejects.

        PATCH /vehicles/{vehicle_id}/state_of_charge, scope vehicle:write.
        """
        return await self._patch(
            VehicleStateOfCharge,
            "/vehicles/{vehicle_id}/state_of_charge",
            vehicle_id,
            scope="vehicle:write",
            json={
                "state_of_charge_percentage": in_range(
                    "state_of_charge_percentage", state_of_charge_percentage, 0, 100
                )
            },
        )

    def status_logs(
        self,
        vehicle_id: Id[Vehicle],
        *,
        sampled_at__gte: datetime | None = None,
        sampled_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[VehicleLogExpand] = (),
    ) -> LogPager[VehicleStatusLog]:
        """List the states that a vehicle reported.

        GET /vehicles/{vehicle_id}/status_logs, scope vehicle:read.
        """
        return self._list_log(
            VehicleStatusLog,
            "/vehicles/{vehicle_id}/status_logs",
            vehicle_id,
            scope="vehicle:read",
            sampled_at__gte=sampled_at__gte,
            sampled_at__lte=sampled_at__lte,
            page_size=page_size,
            expand=expand_values(VehicleLogExpand, expand),
        )

    async def status_log(
        self,
        vehicle_id: Id[Vehicle],
        sampled_at: Key[VehicleStatusLog],
        *,
        expand: Sequence[VehicleLogExpand] = (),
    ) -> VehicleStatusLog:
        """Retrieve one state that a vehicle reported.

        GET /vehicles/{vehicle_id}/status_logs/{sampled_at}, scope vehicle:read.
        """
        return await self._get(
            VehicleStatusLog,
            "/vehicles/{vehicle_id}/status_logs/{sampled_at}",
            vehicle_id,
            sampled_at,
            scope="vehicle:read",
            expand=expand_values(VehicleLogExpand, expand),
        )

    def error_logs(
        self,
        vehicle_id: Id[Vehicle],
        *,
        logged_at__gte: datetime | None = None,
        logged_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[VehicleLogExpand] = (),
    ) -> LogPager[VehicleAPIErrorLog]:
        """List failed attempts to reach a vehicle through its provider's API.

        GET /vehicles/{vehicle_id}/error_logs, scope vehicle:read.
        """
        return self._list_log(
            VehicleAPIErrorLog,
            "/vehicles/{vehicle_id}/error_logs",
            vehicle_id,
            scope="vehicle:read",
            logged_at__gte=logged_at__gte,
            logged_at__lte=logged_at__lte,
            page_size=page_size,
            expand=expand_values(VehicleLogExpand, expand),
        )

    async def error_log(
        self,
        vehicle_id: Id[Vehicle],
        logged_at: Key[VehicleAPIErrorLog],
        *,
        expand: Sequence[VehicleLogExpand] = (),
    ) -> VehicleAPIErrorLog:
        """Retrieve one failed attempt to reach a vehicle.

        GET /vehicles/{vehicle_id}/error_logs/{logged_at}, scope vehicle:read.
        """
        return await self._get(
            VehicleAPIErrorLog,
            "/vehicles/{vehicle_id}/error_logs/{logged_at}",
            vehicle_id,
            logged_at,
            scope="vehicle:read",
            expand=expand_values(VehicleLogExpand, expand),
        )

    def location_logs(
        self,
        vehicle_id: Id[Vehicle],
        *,
        sampled_at__gte: datetime | None = None,
        sampled_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[VehicleLogExpand] = (),
    ) -> LogPager[VehicleLocationLog]:
        """List location reports: their times and whether the vehicle was home, not its position.

        GET /vehicles/{vehicle_id}/location_logs, scope vehicle:read.
        """
        return self._list_log(
            VehicleLocationLog,
            "/vehicles/{vehicle_id}/location_logs",
            vehicle_id,
            scope="vehicle:read",
            sampled_at__gte=sampled_at__gte,
            sampled_at__lte=sampled_at__lte,
            page_size=page_size,
            expand=expand_values(VehicleLogExpand, expand),
        )

    async def location_log(
        self,
        vehicle_id: Id[Vehicle],
        sampled_at: Key[VehicleLocationLog],
        *,
        expand: Sequence[VehicleLogExpand] = (),
    ) -> VehicleLocationLog:
        """Retrieve one location report of a vehicle.

        GET /vehicles/{vehicle_id}/location_logs/{sampled_at}, scope vehicle:read.
        """
        return await self._get(
            VehicleLocationLog,
            "/vehicles/{vehicle_id}/location_logs/{sampled_at}",
            vehicle_id,
            sampled_at,
            scope="vehicle:read",
            expand=expand_values(VehicleLogExpand, expand),
        )

    def command_logs(
        self,
        vehicle_id: Id[Vehicle],
        *,
        logged_at__gte: datetime | None = None,
        logged_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[VehicleLogExpand] = (),
    ) -> LogPager[VehicleCommandLog]:
        """List the commands sent to a vehicle.

        GET /vehicles/{vehicle_id}/command_logs, scope debug:read.
        """
        return self._list_log(
            VehicleCommandLog,
            "/vehicles/{vehicle_id}/command_logs",
            vehicle_id,
            scope="debug:read",
            logged_at__gte=logged_at__gte,
            logged_at__lte=logged_at__lte,
            page_size=page_size,
            expand=expand_values(VehicleLogExpand, expand),
        )

    async def command_log(
        self,
        vehicle_id: Id[Vehicle],
        logged_at: Key[VehicleCommandLog],
        *,
        expand: Sequence[VehicleLogExpand] = (),
    ) -> VehicleCommandLog:
        """Retrieve one command sent to a vehicle.

        GET /vehicles/{vehicle_id}/command_logs/{logged_at}, scope debug:read.
        """
        return await self._get(
            VehicleCommandLog,
            "/vehicles/{vehicle_id}/command_logs/{logged_at}",
            vehicle_id,
            logged_at,
            scope="debug:read",
            expand=expand_values(VehicleLogExpand, expand),
        )

    async def vpp_modes(self, vehicle_id: Id[Vehicle]) -> VPPModes:
        """Retrieve the ways a virtual power plant may control the vehicle.

        GET /vehicles/{vehicle_id}/vpp_modes, scope vehicle:read.
        """
        return await self._get(
            VPPModes, "/vehicles/{vehicle_id}/vpp_modes", vehicle_id, scope="vehicle:read"
        )

    async def reconnect(self, vehicle_id: Id[Vehicle]) -> VehicleReconnectionUrl:
        """Create a URL on which the vehicle's user can sign in again. The URL expires.

        POST /vehicles/{vehicle_id}/reconnect, any scope.
        """
        return await self._post(
            VehicleReconnectionUrl, "/vehicles/{vehicle_id}/reconnect", vehicle_id, scope=ANY_SCOPE
        )

    async def disconnect(self, vehicle_id: Id[Vehicle]) -> Vehicle:
        """Disconnect a vehicle by revoking the provider's tokens.

        The vehicle becomes ``INACTIVE``, and `reconnect` can connect it again. The whole account at
        the provider is disconnected: open charging sessions end for every vehicle of that account.
        The call may be repeated; a vehicle without a connection stays ``UNINTEGRATED``.

        POST /vehicles/{vehicle_id}/disconnect, scope vehicle:write.
        """
        return await self._post(
            Vehicle, "/vehicles/{vehicle_id}/disconnect", vehicle_id, scope="vehicle:write"
        )


def _checked_adaptors(
    native: ConnectorType | str | Unset | None, adaptors: Sequence[ConnectorType | str] | Unset
) -> Sequence[ConnectorType | str] | Unset:
    """Return *adaptors* if all are different, and different from the native connector."""
    if isinstance(adaptors, Unset):
        return adaptors
    if len(set(require_list("adaptors", adaptors))) < len(adaptors):
        raise ValueError("adaptors must not hold a connector twice")
    if not isinstance(native, Unset) and native in adaptors:
        raise ValueError(f"adaptors must not hold the native_connector, {native}")
    return adaptors
