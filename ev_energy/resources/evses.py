"""EVSEs (charge points) and their logs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import comma_separated, expand_values
from ev_energy._changes.log_pager import LogPager
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id, Key
from ev_energy.models.evse_logs import (
    EVSEAPIErrorLog,
    EVSECommandLog,
    EVSEOCPPCallResponseErrorCode,
    EVSEOCPPLog,
    EVSEOCPPLogAction,
)
from ev_energy.models.evses import (
    EVSE,
    EVSEConnectivity,
    EVSEReconnectionUrl,
    EVSEStatusLog,
    VPPModes,
)
from ev_energy.resources._base import Resource
from ev_energy.resources._constraints import one_of, valid_lat_lng

if TYPE_CHECKING:
    from ev_energy.models.common import LatLong

EVSEExpand: TypeAlias = Literal["user", "model", "model.make", "latest_status_log", "ct_clamp"]
EVSELogExpand: TypeAlias = Literal["evse", "evse.model", "evse.model.make", "evse.user"]
OcppDirection: TypeAlias = Literal["SENT", "RECEIVED"]
EVSEConnectivityExpand: TypeAlias = Literal["latest_status_log"]


class Evses(Resource):
    """Charge points and their logs.

    Log entries are listed newest first. An entry is identified by its EVSE and its timestamp. To
    retrieve one, pass the entry itself, its `Ref` or its URL if you have it: a datetime may not
    reproduce the server's spelling.
    """

    def list(
        self, *, cpid: str | None = None, page_size: int = 100, expand: Sequence[EVSEExpand] = ()
    ) -> Pager[EVSE]:
        """List EVSEs; with *cpid*, the one with exactly that charge point identity.

        Those of the user that the client acts for (`acting_for`), or all that you may see.

        GET /evses, scope evse:read.
        """
        return self._list(
            EVSE,
            "/evses",
            scope="evse:read",
            cpid=cpid,
            page_size=page_size,
            expand=expand_values(EVSEExpand, expand),
        )

    async def get(self, evse_id: Id[EVSE], *, expand: Sequence[EVSEExpand] = ()) -> EVSE:
        """Retrieve one EVSE.

        GET /evses/{evse_id}, scope evse:read.
        """
        return await self._get(
            EVSE,
            "/evses/{evse_id}",
            evse_id,
            scope="evse:read",
            expand=expand_values(EVSEExpand, expand),
        )

    async def update(
        self,
        evse_id: Id[EVSE],
        *,
        location: LatLong | Unset | None = UNSET,
        expand: Sequence[EVSEExpand] = (),
    ) -> EVSE:
        """Change the location of an EVSE; None clears it. Other properties cannot be changed.

        Raises `ValueError` for coordinates out of range, and `BadRequestError` of type
        ``validation-failed-update-evse`` for other values that the API rejects.

        PATCH /evses/{evse_id}, scope evse:write.
        """
        return await self._patch(
            EVSE,
            "/evses/{evse_id}",
            evse_id,
            scope="evse:write",
            json={"location": valid_lat_lng("location", location)},
            expand=expand_values(EVSEExpand, expand),
        )

    async def delete(self, evse_id: Id[EVSE]) -> None:
        """Decommission an EVSE: disconnect it from ev.energy.

        DELETE /evses/{evse_id}, scope evse:write.
        """
        await self._delete("/evses/{evse_id}", evse_id, scope="evse:write")

    async def reconnect(self, evse_id: Id[EVSE]) -> EVSEReconnectionUrl:
        """Create a URL on which the EVSE's user can sign in again. The EVSE must have a user.

        POST /evses/{evse_id}/reconnect, scope evse:write.
        """
        return await self._post(
            EVSEReconnectionUrl, "/evses/{evse_id}/reconnect", evse_id, scope="evse:write"
        )

    async def vpp_modes(self, evse_id: Id[EVSE]) -> VPPModes:
        """Retrieve the ways a virtual power plant may control the EVSE.

        GET /evses/{evse_id}/vpp_modes, scope evse:read.
        """
        return await self._get(VPPModes, "/evses/{evse_id}/vpp_modes", evse_id, scope="evse:read")

    async def connectivity(
        self, evse_id: Id[EVSE], *, expand: Sequence[EVSEConnectivityExpand] = ()
    ) -> EVSEConnectivity:
        """Retrieve the quality of the EVSE's connection.

        GET /evses/{evse_id}/connectivity, scope evse:read.
        """
        return await self._get(
            EVSEConnectivity,
            "/evses/{evse_id}/connectivity",
            evse_id,
            scope="evse:read",
            expand=expand_values(EVSEConnectivityExpand, expand),
        )

    def status_logs(
        self,
        evse_id: Id[EVSE],
        *,
        sampled_at__gte: datetime | None = None,
        sampled_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[EVSELogExpand] = (),
    ) -> LogPager[EVSEStatusLog]:
        """List the states that an EVSE reported.

        GET /evses/{evse_id}/status_logs, scope evse:read.
        """
        return self._list_log(
            EVSEStatusLog,
            "/evses/{evse_id}/status_logs",
            evse_id,
            scope="evse:read",
            sampled_at__gte=sampled_at__gte,
            sampled_at__lte=sampled_at__lte,
            page_size=page_size,
            expand=expand_values(EVSELogExpand, expand),
        )

    async def status_log(
        self,
        evse_id: Id[EVSE],
        sampled_at: Key[EVSEStatusLog],
        *,
        expand: Sequence[EVSELogExpand] = (),
    ) -> EVSEStatusLog:
        """Retrieve one state that an EVSE reported.

        GET /evses/{evse_id}/status_logs/{sampled_at}, scope evse:read.
        """
        return await self._get(
            EVSEStatusLog,
            "/evses/{evse_id}/status_logs/{sampled_at}",
            evse_id,
            sampled_at,
            scope="evse:read",
            expand=expand_values(EVSELogExpand, expand),
        )

    def command_logs(
        self,
        evse_id: Id[EVSE],
        *,
        logged_at__gte: datetime | None = None,
        logged_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[EVSELogExpand] = (),
    ) -> LogPager[EVSECommandLog]:
        """List the commands sent to an EVSE.

        GET /evses/{evse_id}/command_logs, scope debug:read.
        """
        return self._list_log(
            EVSECommandLog,
            "/evses/{evse_id}/command_logs",
            evse_id,
            scope="debug:read",
            logged_at__gte=logged_at__gte,
            logged_at__lte=logged_at__lte,
            page_size=page_size,
            expand=expand_values(EVSELogExpand, expand),
        )

    async def command_log(
        self,
        evse_id: Id[EVSE],
        logged_at: Key[EVSECommandLog],
        *,
        expand: Sequence[EVSELogExpand] = (),
    ) -> EVSECommandLog:
        """Retrieve one command sent to an EVSE.

        GET /evses/{evse_id}/command_logs/{logged_at}, scope debug:read.
        """
        return await self._get(
            EVSECommandLog,
            "/evses/{evse_id}/command_logs/{logged_at}",
            evse_id,
            logged_at,
            scope="debug:read",
            expand=expand_values(EVSELogExpand, expand),
        )

    def error_logs(
        self,
        evse_id: Id[EVSE],
        *,
        sampled_at__gte: datetime | None = None,
        sampled_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[EVSELogExpand] = (),
    ) -> LogPager[EVSEAPIErrorLog]:
        """List failed attempts to reach an EVSE through its manufacturer's API.

        GET /evses/{evse_id}/error_logs, scope debug:read.
        """
        return self._list_log(
            EVSEAPIErrorLog,
            "/evses/{evse_id}/error_logs",
            evse_id,
            scope="debug:read",
            sampled_at__gte=sampled_at__gte,
            sampled_at__lte=sampled_at__lte,
            page_size=page_size,
            expand=expand_values(EVSELogExpand, expand),
        )

    async def error_log(
        self,
        evse_id: Id[EVSE],
        sampled_at: Key[EVSEAPIErrorLog],
        *,
        expand: Sequence[EVSELogExpand] = (),
    ) -> EVSEAPIErrorLog:
        """Retrieve one failed attempt to reach an EVSE.

        GET /evses/{evse_id}/error_logs/{sampled_at}, scope debug:read.
        """
        return await self._get(
            EVSEAPIErrorLog,
            "/evses/{evse_id}/error_logs/{sampled_at}",
            evse_id,
            sampled_at,
            scope="debug:read",
            expand=expand_values(EVSELogExpand, expand),
        )

    def ocpp_logs(
        self,
        evse_id: Id[EVSE],
        *,
        sampled_at__gte: datetime | None = None,
        sampled_at__lte: datetime | None = None,
        action: EVSEOCPPLogAction | str | None = None,
        action__in: Sequence[EVSEOCPPLogAction | str] | None = None,
        direction: OcppDirection | None = None,
        error_code: EVSEOCPPCallResponseErrorCode | str | None = None,
        error_code__in: Sequence[EVSEOCPPCallResponseErrorCode | str] | None = None,
        page_size: int = 100,
        expand: Sequence[EVSELogExpand] = (),
    ) -> LogPager[EVSEOCPPLog]:
        """List the OCPP messages between the server and an EVSE.

        The filter *direction* is in capitals; the entries have ``Sent`` and ``Received``.

        GET /evses/{evse_id}/ocpp_logs, scope debug:read.
        """
        return self._list_log(
            EVSEOCPPLog,
            "/evses/{evse_id}/ocpp_logs",
            evse_id,
            scope="debug:read",
            sampled_at__gte=sampled_at__gte,
            sampled_at__lte=sampled_at__lte,
            action=action,
            action__in=comma_separated("action__in", action__in),
            direction=one_of("direction", direction, OcppDirection),
            error_code=error_code,
            error_code__in=comma_separated("error_code__in", error_code__in),
            page_size=page_size,
            expand=expand_values(EVSELogExpand, expand),
        )

    async def ocpp_log(
        self,
        evse_id: Id[EVSE],
        sampled_at: Key[EVSEOCPPLog],
        *,
        expand: Sequence[EVSELogExpand] = (),
    ) -> EVSEOCPPLog:
        """Retrieve one OCPP message.

        GET /evses/{evse_id}/ocpp_logs/{sampled_at}, scope debug:read.
        """
        return await self._get(
            EVSEOCPPLog,
            "/evses/{evse_id}/ocpp_logs/{sampled_at}",
            evse_id,
            sampled_at,
            scope="debug:read",
            expand=expand_values(EVSELogExpand, expand),
        )
