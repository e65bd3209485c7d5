"""Charging sessions, their sub-sessions, and the commands sent to devices meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._changes.log_pager import LogPager
from ev_energy._codec.text import as_id
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id
from ev_energy.models.charging import (
    ChargingSession,
    ChargingSubSession,
    ChargingSubSessionMode,
)
from ev_energy.models.charging_assessment import (
    ChargingSubSessionAssessment,
    ChargingSubSessionDebugMetadata,
    ChargingSubSessionFlags,
)
from ev_energy.models.charging_energy import EnergyUsage, EnergyUsageRecalculation
from ev_energy.models.schedules import DispatcherLog, SchedulePlan, SchedulePlans, Schedules
from ev_energy.resources._base import Resource

if TYPE_CHECKING:
    from ev_energy._changes.queues import EventQueue
    from ev_energy._changes.rows import RowStateStore
    from ev_energy._changes.stores import StateStore
    from ev_energy._changes.stream import SubSessionStream
    from ev_energy.models.evses import EVSE
    from ev_energy.models.users import User
    from ev_energy.models.vehicles import Vehicle

ChargingSessionExpand: TypeAlias = Literal["vehicle", "evse", "sub_sessions"]
ChargingSubSessionExpand: TypeAlias = Literal[
    "evse",
    "evse.latest_status_log",
    "evse.model",
    "evse.model.make",
    "evse.user",
    "vehicle",
    "vehicle.latest_status_log",
    "vehicle.trim",
    "vehicle.trim.model",
    "vehicle.trim.model.make",
    "vehicle.user",
    "energy_usage",
    "schedules",
    "assessment",
    "flags",
    "debug_metadata",
    "tariff",
    "tariff.supplier",
    "carbon_feed",
    "grid_feeds",
]
ChargingSubSessionPartExpand: TypeAlias = Literal["charging_sub_session"]
SchedulePlansExpand: TypeAlias = Literal["charging_sub_session", "price_data"]


class ChargingSessions(Resource):
    """Plug-in episodes, recorded since July 2026.

    `ChargingSubSessions` has the time before that, and the details of each episode.
    """

    def list(
        self, *, page_size: int = 100, expand: Sequence[ChargingSessionExpand] = ()
    ) -> Pager[ChargingSession]:
        """List plug-in episodes, newest first.

        Those of the user that the client acts for (`acting_for`), or all that you may see.

        GET /charging_sessions, scope charging_session:read.
        """
        return self._list(
            ChargingSession,
            "/charging_sessions",
            scope="charging_session:read",
            page_size=page_size,
            expand=expand_values(ChargingSessionExpand, expand),
        )

    async def get(
        self,
        charging_session_id: Id[ChargingSession],
        *,
        expand: Sequence[ChargingSessionExpand] = (),
    ) -> ChargingSession:
        """Retrieve one plug-in episode; with `acting_for`, one that the user may see.

        GET /charging_sessions/{charging_session_id}, scope charging_session:read.
        """
        return await self._get(
            ChargingSession,
            "/charging_sessions/{charging_session_id}",
            charging_session_id,
            scope="charging_session:read",
            expand=expand_values(ChargingSessionExpand, expand),
        )

    async def boost_start(self, charging_session_id: Id[ChargingSession]) -> ChargingSession:
        """Start a boost: the session's vehicle charges now rather than at the best times.

        This ends the smart sub-session and starts a boost sub-session; the session continues.
        Raises `ConflictError` if smart charging is disabled for the vehicle or the current
        sub-session is not a smart one that can be boosted, and `ServerError` with status 503 if
        the vehicle or charger could not be reached.

        POST /charging_sessions/{charging_session_id}/boost_start, scope charging_session:write.
        """
        return await self._post(
            ChargingSession,
            "/charging_sessions/{charging_session_id}/boost_start",
            charging_session_id,
            scope="charging_session:write",
        )

    async def boost_end(self, charging_session_id: Id[ChargingSession]) -> ChargingSession:
        """End a boost: the session's vehicle charges at the best times again.

        This ends the boost and starts a smart sub-session; the session continues. Raises
        `ConflictError` if smart charging is disabled for the vehicle or it is not boosting, and
        `ServerError` with status 503 if the vehicle or charger could not be reached.

        POST /charging_sessions/{charging_session_id}/boost_end, scope charging_session:write.
        """
        return await self._post(
            ChargingSession,
            "/charging_sessions/{charging_session_id}/boost_end",
            charging_session_id,
            scope="charging_session:write",
        )


class ChargingSubSessions(Resource):
    """Parts of plug-in episodes in one charging mode, with all details.

    They go further back than `ChargingSessions`. Some expanded members need additional scopes:
    ``debug:read`` for ``assessment`` and ``debug_metadata``, ``tariff:read`` for ``tariff``,
    ``carbon:read`` for ``carbon_feed`` and ``grid:read`` for ``grid_feeds``.
    """

    def list(
        self,
        *,
        evse_id: Id[EVSE] | None = None,
        vehicle_id: Id[Vehicle] | None = None,
        user_id: Id[User] | None = None,
        energy_delivered_watt_hours__gte: int | None = None,
        energy_delivered_watt_hours__lte: int | None = None,
        is_finished: bool | None = None,
        mode: ChargingSubSessionMode | str | None = None,
        start__gt: datetime | None = None,
        start__lt: datetime | None = None,
        end__gt: datetime | None = None,
        end__lt: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[ChargingSubSessionExpand] = (),
    ) -> Pager[ChargingSubSession]:
        """List sub-sessions, newest first.

        Those of the user that the client acts for (`acting_for`), or all that you may see.
        *user_id* may be ``"me"``, the owner of the token. The bounds of start and end times are
        exclusive, the bounds of the energy inclusive.

        GET /charging_sub_sessions, scope charging_session:read.
        """
        return self._list(
            ChargingSubSession,
            "/charging_sub_sessions",
            scope="charging_session:read",
            evse_id=as_id("evse_id", "EVSE", evse_id),
            vehicle_id=as_id("vehicle_id", "Vehicle", vehicle_id),
            user_id=as_id("user_id", "User", user_id),
            energy_delivered_watt_hours__gte=energy_delivered_watt_hours__gte,
            energy_delivered_watt_hours__lte=energy_delivered_watt_hours__lte,
            is_finished=is_finished,
            mode=mode,
            start__gt=start__gt,
            start__lt=start__lt,
            end__gt=end__gt,
            end__lt=end__lt,
            page_size=page_size,
            expand=expand_values(ChargingSubSessionExpand, expand),
        )

    async def get(
        self,
        charging_sub_session_id: Id[ChargingSubSession],
        *,
        expand: Sequence[ChargingSubSessionExpand] = (),
    ) -> ChargingSubSession:
        """Retrieve one sub-session.

        GET /charging_sub_sessions/{charging_sub_session_id}, scope charging_session:read.
        """
        return await self._get(
            ChargingSubSession,
            "/charging_sub_sessions/{charging_sub_session_id}",
            charging_sub_session_id,
            scope="charging_session:read",
            expand=expand_values(ChargingSubSessionExpand, expand),
        )

    def changes(
        self,
        *,
        since: datetime,
        state: str | None = None,
        store: StateStore | RowStateStore | None = None,
        inbox: EventQueue | None = None,
        budget: float = 0.5,
        freshness: timedelta = timedelta(minutes=5),
        look_back: timedelta = timedelta(hours=30),
        sweep: timedelta | None = timedelta(days=7),
        horizon: timedelta = timedelta(days=35),
        trust_webhooks: bool = True,
    ) -> SubSessionStream:
        """Return the changes of sub-sessions, each once: beginnings, ends and later corrections.

        The stream lists sub-sessions again and again, and takes webhooks as hints, which may be
        lost, late, doubled or out of order. It hands over each change at least once; exactly once
        to a consumer that stores the changes of a batch and its state in one transaction. Let one
        process read it for each application and user, and store sub-sessions by their id. Nothing
        is sent until the stream is iterated. Figures of a sub-session that has not ended change all
        the time and are no changes; ``list(is_finished=False)`` has them.

        Args:
            since: Sub-sessions that ended before are not handed over. Ignored if there is a saved
                state.
            state: The state to continue from: ``batch.state`` of an earlier stream.
            store: A store to continue from and to save each committed state in. If it has a state,
                *state* is ignored.
            inbox: A queue into which other processes put the events of webhooks.
            budget: The share of the client's requests per hour that the stream may use, more than 0
                and at most 1.
            freshness: The time between two readings of the latest sub-sessions: how long the
                stream takes to notice a change that no webhook told. It takes longer if *budget*
                demands it, and up to four times as long while webhooks tell everything first.
            look_back: The longest time between an event and its being readable, as for a device
                that was offline, that the stream itself allows for. It reads this far back every
                six hours.
            sweep: The time between two comparisons of the past with what was handed over, which
                find what became readable or was corrected later than *look_back* allows. None for
                no comparisons.
            horizon: How far back these comparisons go.
            trust_webhooks: Whether an event that says what a reading would find now is handed over
                at once. Otherwise, the sub-session is read first, which takes a request for each.

        Raises:
            ValueError: An argument is out of range.
            StateError: *state* is not a state, or is of another version, API or user.

        GET /charging_sub_sessions, scope charging_session:read, and for single sub-sessions
        GET /charging_sub_sessions/{charging_sub_session_id}.
        """
        from ev_energy._changes.stream import StreamOptions, SubSessionStream

        options = StreamOptions(
            since=since,
            state=state,
            store=store,
            inbox=inbox,
            budget=budget,
            freshness=freshness,
            look_back=look_back,
            sweep=sweep,
            horizon=horizon,
            trust_webhooks=trust_webhooks,
        )
        return SubSessionStream(self._caller, ChargingSubSessions, options)

    async def energy_usage(
        self,
        charging_sub_session_id: Id[ChargingSubSession],
        *,
        energy_delivered_watt_hours__gt: int | None = None,
        merge_consecutive_intervals: bool | None = None,
        expand: Sequence[ChargingSubSessionPartExpand] = (),
    ) -> EnergyUsage:
        """Retrieve the energy delivered during a sub-session, by interval.

        All intervals have the same length. Intervals without energy are included unless
        *energy_delivered_watt_hours__gt* is 0 or more. *merge_consecutive_intervals* merges
        adjacent intervals with energy, and adjacent intervals without.

        GET /charging_sub_sessions/{charging_sub_session_id}/energy_usage, scope charging_session:read.
        """  # noqa: E501  (the operation stays on one line)
        return await self._get(
            EnergyUsage,
            "/charging_sub_sessions/{charging_sub_session_id}/energy_usage",
            charging_sub_session_id,
            scope="charging_session:read",
            energy_delivered_watt_hours__gt=energy_delivered_watt_hours__gt,
            merge_consecutive_intervals=merge_consecutive_intervals,
            expand=expand_values(ChargingSubSessionPartExpand, expand),
        )

    async def flags(
        self,
        charging_sub_session_id: Id[ChargingSubSession],
        *,
        expand: Sequence[ChargingSubSessionPartExpand] = (),
    ) -> ChargingSubSessionFlags:
        """Retrieve the anomalies detected in a sub-session.

        GET /charging_sub_sessions/{charging_sub_session_id}/flags, scope charging_session:read.
        """
        return await self._get(
            ChargingSubSessionFlags,
            "/charging_sub_sessions/{charging_sub_session_id}/flags",
            charging_sub_session_id,
            scope="charging_session:read",
            expand=expand_values(ChargingSubSessionPartExpand, expand),
        )

    async def debug_metadata(
        self,
        charging_sub_session_id: Id[ChargingSubSession],
        *,
        expand: Sequence[ChargingSubSessionPartExpand] = (),
    ) -> ChargingSubSessionDebugMetadata:
        """Retrieve how a sub-session and its figures were determined.

        GET /charging_sub_sessions/{charging_sub_session_id}/debug_metadata, scope debug:read.
        """
        return await self._get(
            ChargingSubSessionDebugMetadata,
            "/charging_sub_sessions/{charging_sub_session_id}/debug_metadata",
            charging_sub_session_id,
            scope="debug:read",
            expand=expand_values(ChargingSubSessionPartExpand, expand),
        )

    async def schedules(
        self,
        charging_sub_session_id: Id[ChargingSubSession],
        *,
        started_at__gte: datetime | None = None,
        started_at__lte: datetime | None = None,
        schedule_plan_id: Id[SchedulePlan] | None = None,
        only_most_recently_created: bool | None = None,
        expand: Sequence[ChargingSubSessionPartExpand] = (),
    ) -> Schedules:
        """Retrieve the instructions for the device during a sub-session, with their times.

        Of several instructions for the same time the server returns only the newest, unless
        *only_most_recently_created* is False. This scope is the only one spelt ``chargingsession``.

        GET /charging_sub_sessions/{charging_sub_session_id}/schedules, scope chargingsession:read.
        """
        return await self._get(
            Schedules,
            "/charging_sub_sessions/{charging_sub_session_id}/schedules",
            charging_sub_session_id,
            scope="chargingsession:read",
            started_at__gte=started_at__gte,
            started_at__lte=started_at__lte,
            schedule_plan_id=as_id("schedule_plan_id", "SchedulePlan", schedule_plan_id),
            only_most_recently_created=only_most_recently_created,
            expand=expand_values(ChargingSubSessionPartExpand, expand),
        )

    async def schedule_plans(
        self,
        charging_sub_session_id: Id[ChargingSubSession],
        *,
        created_at__gte: datetime | None = None,
        created_at__lte: datetime | None = None,
        expand: Sequence[SchedulePlansExpand] = (),
    ) -> SchedulePlans:
        """Retrieve the plans on which the instructions of a sub-session are based.

        GET /charging_sub_sessions/{charging_sub_session_id}/schedule_plans, scope debug:read.
        """
        return await self._get(
            SchedulePlans,
            "/charging_sub_sessions/{charging_sub_session_id}/schedule_plans",
            charging_sub_session_id,
            scope="debug:read",
            created_at__gte=created_at__gte,
            created_at__lte=created_at__lte,
            expand=expand_values(SchedulePlansExpand, expand),
        )

    async def assessment(
        self,
        charging_sub_session_id: Id[ChargingSubSession],
        *,
        expand: Sequence[ChargingSubSessionPartExpand] = (),
    ) -> ChargingSubSessionAssessment:
        """Retrieve the assessment of a sub-session, which is available after its end.

        GET /charging_sub_sessions/{charging_sub_session_id}/assessment, scope debug:read.
        """
        return await self._get(
            ChargingSubSessionAssessment,
            "/charging_sub_sessions/{charging_sub_session_id}/assessment",
            charging_sub_session_id,
            scope="debug:read",
            expand=expand_values(ChargingSubSessionPartExpand, expand),
        )

    async def recalculate_energy_usages(
        self,
        charging_sub_session_id: Id[ChargingSubSession],
        *,
        dry_run: bool | Unset = UNSET,
        cap_overages: bool | Unset = UNSET,
    ) -> EnergyUsageRecalculation:
        """Recalculate the energy and the assessment of a finished sub-session.

        The result is stored unless *dry_run* is True (server default: false). Excess energy is
        capped unless *cap_overages* is False (server default: true).

        POST /charging_sub_sessions/{charging_sub_session_id}/recalculate_energy_usages, scope charging_session:write.
        """  # noqa: E501  (the operation stays on one line)
        return await self._post(
            EnergyUsageRecalculation,
            "/charging_sub_sessions/{charging_sub_session_id}/recalculate_energy_usages",
            charging_sub_session_id,
            scope="charging_session:write",
            json={"dry_run": dry_run, "cap_overages": cap_overages},
        )


class DispatcherLogs(Resource):
    """Commands to devices during sub-sessions, including those that were not sent."""

    def list(
        self,
        *,
        charging_sub_session_id: Id[ChargingSubSession],
        logged_at__gte: datetime | None = None,
        logged_at__lte: datetime | None = None,
        expand: Sequence[ChargingSubSessionPartExpand] = (),
    ) -> LogPager[DispatcherLog]:
        """List the commands of one sub-session, newest first, on a single page.

        GET /dispatcher_logs, scope debug:read.
        """
        return self._list_log(
            DispatcherLog,
            "/dispatcher_logs",
            scope="debug:read",
            charging_sub_session_id=as_id(
                "charging_sub_session_id", "ChargingSubSession", charging_sub_session_id
            ),
            logged_at__gte=logged_at__gte,
            logged_at__lte=logged_at__lte,
            expand=expand_values(ChargingSubSessionPartExpand, expand),
        )
