"""Dispatch coordinators, which control and measure the power of a fleet."""

from __future__ import annotations

from datetime import datetime

from ev_energy._api.paging import Pager
from ev_energy._changes.log_pager import LogPager
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
    """Coordinators of a fleet's load, their dispatch events, and the power that the fleet drew.

    The ids of coordinators have a form of their own, such as ``dc000000``. Events can be created
    and cancelled, but neither listed nor retrieved.

    Log entries are listed newest first. An entry is identified by its coordinator and
    ``logged_at``. To retrieve one, pass the entry itself or its URL if you have it: a datetime may
    not reproduce the server's spelling.
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
        """Create a dispatch event: limits or a target for the fleet's power for a period of time.

        Assume that this moves real load, although the API's description still calls it a
        placeholder that validates the event without storing it.

        Keep the reply: the event can be cancelled only by its id. Calling again may create a second
        event. The client retries only if the first call was certainly not executed. After
        `UnconfirmedWriteError` or `ServerError` the event may exist, and no operation shows it:
        find out before you call again.

        The API does not document whether the watts apply to each site or to the whole fleet, nor
        the meaning of the sign of *target_power_watts*.

        Args:
            dispatch_coordinator_id: The coordinator of the fleet.
            start_time: Aware, in any time zone.
            end_time: Aware, and after *start_time*.
            import_limit_watts: Maximum power from the grid; no limit if None or omitted.
            export_limit_watts: Maximum power into the grid; no limit if None or omitted.
            target_power_watts: The power to maintain; no target if None or omitted.

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
    ) -> LogPager[DispatchLog]:
        """List the power that the coordinator's fleet drew.

        GET /dispatch_coordinators/{dispatch_coordinator_id}/dispatch_logs, scope dispatch_coordinator:read.
        """  # noqa: E501  (the operation stays on one line)
        return self._list_log(
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
        """Retrieve the power that the fleet drew at one moment.

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
        """Cancel a dispatch event that has started or is still to come.

        Pass the event that `create_dispatch_event` returned, or its id.

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
    """Raise `ValueError` unless *end_time* is after *start_time*."""
    # Both are formatted in UTC and with the same length, so they compare like the times themselves.
    start, end = timestamp("start_time", start_time), timestamp("end_time", end_time)
    if end <= start:
        raise ValueError(f"end_time must be after start_time: {end} is not after {start}")
