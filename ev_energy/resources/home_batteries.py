"""Home batteries: the catalogue, the batteries of users, and their states."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._changes.log_pager import LogPager
from ev_energy._codec.text import as_id
from ev_energy.models._refs import Id, Key
from ev_energy.models.home_batteries import (
    HomeBattery,
    HomeBatteryMake,
    HomeBatteryModel,
    HomeBatteryStatusLog,
)
from ev_energy.resources._base import Resource

HomeBatteryExpand: TypeAlias = Literal["model", "model.make", "latest_status_log"]
HomeBatteryStatusLogExpand: TypeAlias = Literal[
    "home_battery", "home_battery.model", "home_battery.model.make"
]
HomeBatteryModelExpand: TypeAlias = Literal["make"]


class HomeBatteries(Resource):
    """Home batteries and the states that they reported.

    There is no method to connect a battery: send the user's browser to the ``onboarding_url`` of
    a make or model.

    Log entries are listed newest first. An entry is identified by its battery and ``sampled_at``.
    To retrieve one, pass the entry itself, its `Ref` or its URL if you have it: a datetime may not
    reproduce the server's spelling.
    """

    def list(
        self, *, page_size: int = 100, expand: Sequence[HomeBatteryExpand] = ()
    ) -> Pager[HomeBattery]:
        """List the home batteries you may see; with `acting_for`, those of that user.

        GET /home_batteries, scope home_battery:read.
        """
        return self._list(
            HomeBattery,
            "/home_batteries",
            scope="home_battery:read",
            page_size=page_size,
            expand=expand_values(HomeBatteryExpand, expand),
        )

    async def get(
        self, home_battery_id: Id[HomeBattery], *, expand: Sequence[HomeBatteryExpand] = ()
    ) -> HomeBattery:
        """Retrieve one home battery; with `acting_for`, one that the user may see.

        GET /home_batteries/{home_battery_id}, scope home_battery:read.
        """
        return await self._get(
            HomeBattery,
            "/home_batteries/{home_battery_id}",
            home_battery_id,
            scope="home_battery:read",
            expand=expand_values(HomeBatteryExpand, expand),
        )

    def status_logs(
        self,
        home_battery_id: Id[HomeBattery],
        *,
        sampled_at__gte: datetime | None = None,
        sampled_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[HomeBatteryStatusLogExpand] = (),
    ) -> LogPager[HomeBatteryStatusLog]:
        """List the states that a home battery reported.

        GET /home_batteries/{home_battery_id}/status_logs, scope home_battery:read.
        """
        return self._list_log(
            HomeBatteryStatusLog,
            "/home_batteries/{home_battery_id}/status_logs",
            home_battery_id,
            scope="home_battery:read",
            sampled_at__gte=sampled_at__gte,
            sampled_at__lte=sampled_at__lte,
            page_size=page_size,
            expand=expand_values(HomeBatteryStatusLogExpand, expand),
        )

    async def status_log(
        self,
        home_battery_id: Id[HomeBattery],
        sampled_at: Key[HomeBatteryStatusLog],
        *,
        expand: Sequence[HomeBatteryStatusLogExpand] = (),
    ) -> HomeBatteryStatusLog:
        """Retrieve one state that a home battery reported.

        GET /home_batteries/{home_battery_id}/status_logs/{sampled_at}, scope home_battery:read.
        """
        return await self._get(
            HomeBatteryStatusLog,
            "/home_batteries/{home_battery_id}/status_logs/{sampled_at}",
            home_battery_id,
            sampled_at,
            scope="home_battery:read",
            expand=expand_values(HomeBatteryStatusLogExpand, expand),
        )


class HomeBatteryMakes(Resource):
    """Manufacturers of home batteries."""

    def list(self, *, page_size: int = 100) -> Pager[HomeBatteryMake]:
        """List makes, with texts in the client's *language*.

        GET /home_battery_makes, scope home_battery:read.
        """
        return self._list(
            HomeBatteryMake, "/home_battery_makes", scope="home_battery:read", page_size=page_size
        )

    async def get(self, home_battery_make_id: Id[HomeBatteryMake]) -> HomeBatteryMake:
        """Retrieve one make, with texts in the client's *language*.

        GET /home_battery_makes/{home_battery_make_id}, scope home_battery:read.
        """
        return await self._get(
            HomeBatteryMake,
            "/home_battery_makes/{home_battery_make_id}",
            home_battery_make_id,
            scope="home_battery:read",
        )


class HomeBatteryModels(Resource):
    """Models of home batteries."""

    def list(
        self,
        *,
        make_id: Id[HomeBatteryMake] | None = None,
        page_size: int = 100,
        expand: Sequence[HomeBatteryModelExpand] = (),
    ) -> Pager[HomeBatteryModel]:
        """List models, optionally of one make, with texts in the client's *language*.

        GET /home_battery_models, scope home_battery:read.
        """
        return self._list(
            HomeBatteryModel,
            "/home_battery_models",
            scope="home_battery:read",
            make_id=as_id("make_id", "HomeBatteryMake", make_id),
            page_size=page_size,
            expand=expand_values(HomeBatteryModelExpand, expand),
        )

    async def get(
        self,
        home_battery_model_id: Id[HomeBatteryModel],
        *,
        expand: Sequence[HomeBatteryModelExpand] = (),
    ) -> HomeBatteryModel:
        """Retrieve one model, with texts in the client's *language*.

        GET /home_battery_models/{home_battery_model_id}, scope home_battery:read.
        """
        return await self._get(
            HomeBatteryModel,
            "/home_battery_models/{home_battery_model_id}",
            home_battery_model_id,
            scope="home_battery:read",
            expand=expand_values(HomeBatteryModelExpand, expand),
        )
