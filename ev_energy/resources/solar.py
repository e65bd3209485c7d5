"""Solar arrays, and forecasts of the solar yield."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._changes.log_pager import LogPager
from ev_energy._codec.text import as_id
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id, Key
from ev_energy.models.solar import SolarArray, SolarForecast, SolarForecastLog
from ev_energy.resources._base import Resource
from ev_energy.resources._constraints import in_range

if TYPE_CHECKING:
    from ev_energy.models.vehicles import Vehicle

SolarArrayExpand: TypeAlias = Literal["user", "inverter"]
SolarForecastLogExpand: TypeAlias = Literal["solar_forecast"]


class SolarArrays(Resource):
    """Solar arrays. Their ``forecast`` is for ev.energy's internal users; for others it is None.

    With *vehicle_id* the forecast also has the yield in percentage points of that vehicle's
    battery, ``percent_vehicle_battery_charge_until_midnight``.
    """

    def list(
        self,
        *,
        vehicle_id: Id[Vehicle] | None = None,
        page_size: int = 100,
        expand: Sequence[SolarArrayExpand] = (),
    ) -> Pager[SolarArray]:
        """List the solar arrays you may see; with `acting_for`, those of that user.

        Texts are in the client's *language*.

        GET /solar_arrays, scope solar:read.
        """
        return self._list(
            SolarArray,
            "/solar_arrays",
            scope="solar:read",
            vehicle_id=as_id("vehicle_id", "Vehicle", vehicle_id),
            page_size=page_size,
            expand=expand_values(SolarArrayExpand, expand),
        )

    async def create(self, *, capacity_watts: int | Unset = UNSET) -> SolarArray:
        """Create a solar array for the owner of the token.

        *capacity_watts* is 0 or more. For client credentials, the API does not document the owner
        of the array. Texts are in the client's *language*.

        POST /solar_arrays, scope solar:write.
        """
        return await self._post(
            SolarArray,
            "/solar_arrays",
            scope="solar:write",
            json={"capacity_watts": in_range("capacity_watts", capacity_watts, 0)},
        )

    async def get(
        self,
        solar_array_id: Id[SolarArray],
        *,
        vehicle_id: Id[Vehicle] | None = None,
        expand: Sequence[SolarArrayExpand] = (),
    ) -> SolarArray:
        """Retrieve one solar array, with texts in the client's *language*.

        GET /solar_arrays/{solar_array_id}, scope solar:read.
        """
        return await self._get(
            SolarArray,
            "/solar_arrays/{solar_array_id}",
            solar_array_id,
            scope="solar:read",
            vehicle_id=as_id("vehicle_id", "Vehicle", vehicle_id),
            expand=expand_values(SolarArrayExpand, expand),
        )

    async def update(
        self,
        solar_array_id: Id[SolarArray],
        *,
        capacity_watts: int | Unset = UNSET,
        expand: Sequence[SolarArrayExpand] = (),
    ) -> SolarArray:
        """Change the capacity of a solar array to 0 or more. Nothing else can be changed.

        Texts are in the client's *language*.

        PATCH /solar_arrays/{solar_array_id}, scope solar:write.
        """
        return await self._patch(
            SolarArray,
            "/solar_arrays/{solar_array_id}",
            solar_array_id,
            scope="solar:write",
            json={"capacity_watts": in_range("capacity_watts", capacity_watts, 0)},
            expand=expand_values(SolarArrayExpand, expand),
        )


class SolarForecasts(Resource):
    """Forecasts of the solar yield, one per location, with one log entry per period.

    Log entries are listed newest first. An entry is identified by its forecast and the start of its
    period (``valid_period_start`` in the path, ``started_at`` in the entry). To retrieve one, pass
    the entry itself or its URL if you have it: a datetime may not reproduce the server's spelling.
    """

    def list(self, *, page_size: int = 100) -> Pager[SolarForecast]:
        """List the solar forecasts you may see.

        GET /solar_forecasts, scope solar_forecast:read.
        """
        return self._list(
            SolarForecast, "/solar_forecasts", scope="solar_forecast:read", page_size=page_size
        )

    async def get(self, solar_forecast_id: Id[SolarForecast]) -> SolarForecast:
        """Retrieve one solar forecast, which has its location.

        GET /solar_forecasts/{solar_forecast_id}, scope solar_forecast:read.
        """
        return await self._get(
            SolarForecast,
            "/solar_forecasts/{solar_forecast_id}",
            solar_forecast_id,
            scope="solar_forecast:read",
        )

    def forecast_logs(
        self,
        solar_forecast_id: Id[SolarForecast],
        *,
        started_at__gte: datetime | None = None,
        started_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[SolarForecastLogExpand] = (),
    ) -> LogPager[SolarForecastLog]:
        """List the forecasts by period. The filters refer to its start, ``started_at``.

        GET /solar_forecasts/{solar_forecast_id}/forecast_logs, scope solar_forecast:read.
        """
        return self._list_log(
            SolarForecastLog,
            "/solar_forecasts/{solar_forecast_id}/forecast_logs",
            solar_forecast_id,
            scope="solar_forecast:read",
            started_at__gte=started_at__gte,
            started_at__lte=started_at__lte,
            page_size=page_size,
            expand=expand_values(SolarForecastLogExpand, expand),
        )

    async def forecast_log(
        self,
        solar_forecast_id: Id[SolarForecast],
        valid_period_start: Key[SolarForecastLog],
        *,
        expand: Sequence[SolarForecastLogExpand] = (),
    ) -> SolarForecastLog:
        """Retrieve the forecast for one period.

        GET /solar_forecasts/{solar_forecast_id}/forecast_logs/{valid_period_start}, scope solar_forecast:read.
        """  # noqa: E501  (the operation stays on one line)
        return await self._get(
            SolarForecastLog,
            "/solar_forecasts/{solar_forecast_id}/forecast_logs/{valid_period_start}",
            solar_forecast_id,
            valid_period_start,
            scope="solar_forecast:read",
            expand=expand_values(SolarForecastLogExpand, expand),
        )
