"""Dispatch coordinators: order what a fleet may draw, and see what it draws."""

from __future__ import annotations

from datetime import datetime

from ev_energy._api.paging import Pager
from ev_energy._codec.text import timestamp
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id, Key
from ev_energy.models.dispatch import (
    DispatchCoordinator,
    DispatchEvent,
    DispatchEventCancelResponse,
    DispatchLog,
)
from ev_energy.resources._base import Resource


class DispatchCoordinators(Resource):
    """Coordinators of a fleet's load, the events they order, and what the fleet drew.

    Ids of coordinators are unlike those of other resources, such as ``dc000000``. Events can be
    made and cancelled, but neither listed nor retrieved.

    Log entries come newest first. An entry is named by its coordinator and ``logged_at``; give the
    entry itself or its URL where you have one, since a datetime does not keep the server's
    spelling.
    """

    def list(self, *, page_size: int = 100) -> Pager[DispatchCoordinator]:
        """List the coordinators you may see; with `acting_for`, those of that user.

        GET /dispatch_coordinators, scope dispatch_coordinator:read.
        """
        return self._list(
            DispatchCoordinator,
            "/dispatch_coordinators",
            scope="dispatch_coordinator:read",
            page_size=page_size,
        )

    async def get(self, dispatch_coordinator_id: Id[DispatchCoordinator]) -> DispatchCoordinator:
        """Retrieve one coordinator.

        GET /dispatch_coordinators/{dispatch_coordinator_id}, scope dispatch_coordinator:read.
        """
        return await self._get(
            DispatchCoordinator,
            "/dispatch_coordinators/{dispatch_coordinator_id}",
            dispatch_coordinator_id,
            scope="dispatch_coordinator:read",
        )

    async def create_dispatch_event(
        self,
        dispatch_coordinator_id: Id[DispatchCoordinator],
        *,
        start_time: datetime,
        end_time: datetime,
        import_limit_watts: int | Unset | None = UNSET,
        export_limit_watts: int | Unset | None = UNSET,
        target_power_watts: int | Unset | None = UNSET,
    ) -> DispatchEvent:
        """Order a dispatch event: limits or a target for the fleet's power, for a while.

        Take it that this moves real load, though the API's description still calls it a placeholder
        that checks the event and keeps nothing.

        Keep what comes back: only its id can cancel the event. Calling again may make a second one.
        It is done for you only where the first call provably was not carried out; after an
        `UnconfirmedWriteError` or a `ServerError` it is unclear whether there is an event, and no
        operation tells, so settle that first.

        The API documents neither whether watts are meant for each site or for the fleet as a whole,
        nor which sign of *target_power_watts* means what.

        Args:
            dispatch_coordinator_id: Whose fleet.
            start_time: Aware; in any zone.
            end_time: Aware, and after *start_time*.
            import_limit_watts: The most that may be drawn from the grid; None or left out, no limit.
            export_limit_watts: The most that may be fed into the grid; None or left out, no limit.
            target_power_watts: The power to hold; None or left out, no target.

        POST /dispatch_coordinators/{dispatch_coordinator_id}/dispatch_events, scope dispatch_event:write.
        """  # noqa: E501  (the operation stays on one line)
        _check_order(start_time, end_time)
        return await self._post(
            DispatchEvent,
            "/dispatch_coordinators/{dispatch_coordinator_id}/dispatch_events",
            dispatch_coordinator_id,
            scope="dispatch_event:write",
            json={
                "start_time": start_time,
                "end_time": end_time,
                "import_limit_watts": import_limit_watts,
                "export_limit_watts": export_limit_watts,
                "target_power_watts": target_power_watts,
            },
        )

    def dispatch_logs(
        self,
        dispatch_coordinator_id: Id[DispatchCoordinator],
        *,
        logged_at__gte: datetime | None = None,
        logged_at__lte: datetime | None = None,
        page_size: int = 100,
    ) -> Pager[DispatchLog]:
        """List what the coordinator's fleet drew.

        GET /dispatch_coordinators/{dispatch_coordinator_id}/dispatch_logs, scope dispatch_coordinator:read.
        """  # noqa: E501  (the operation stays on one line)
        return self._list(
            DispatchLog,
            "/dispatch_coordinators/{dispatch_coordinator_id}/dispatch_logs",
            dispatch_coordinator_id,
            scope="dispatch_coordinator:read",
            logged_at__gte=logged_at__gte,
            logged_at__lte=logged_at__lte,
            page_size=page_size,
        )

    async def dispatch_log(
        self, dispatch_coordinator_id: Id[DispatchCoordinator], logged_at: Key[DispatchLog]
    ) -> DispatchLog:
        """Retrieve what the fleet drew at one moment.

        GET /dispatch_coordinators/{dispatch_coordinator_id}/dispatch_logs/{logged_at}, scope dispatch_coordinator:read.
        """  # noqa: E501  (the operation stays on one line)
        return await self._get(
            DispatchLog,
            "/dispatch_coordinators/{dispatch_coordinator_id}/dispatch_logs/{logged_at}",
            dispatch_coordinator_id,
            logged_at,
            scope="dispatch_coordinator:read",
        )

    async def cancel_dispatch_event(
        self, dispatch_coordinator_id: Id[DispatchCoordinator], dispatch_event_id: Id[DispatchEvent]
    ) -> DispatchEventCancelResponse:
        """Stop a dispatch event that is under way, or one still to come.

        Give the event that `create_dispatch_event` returned, or its id.

        POST /dispatch_coordinators/{dispatch_coordinator_id}/dispatch_events/{dispatch_event_id}/cancel, scope dispatch_event:write.
        """  # noqa: E501  (the operation stays on one line)
        return await self._post(
            DispatchEventCancelResponse,
            "/dispatch_coordinators/{dispatch_coordinator_id}/dispatch_events/{dispatch_event_id}/cancel",
            dispatch_coordinator_id,
            dispatch_event_id,
            scope="dispatch_event:write",
        )


def _check_order(start_time: datetime, end_time: datetime) -> None:
    """Two points in time, the second after the first."""
    # As they are sent: of one zone and one length, so that texts compare as times do.
    start, end = timestamp("start_time", start_time), timestamp("end_time", end_time)
    if end <= start:
        raise ValueError(f"end_time must be after start_time: {end} is not after {start}")
