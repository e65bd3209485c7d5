"""CT clamps, and the currents that they measure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._changes.log_pager import LogPager
from ev_energy.models._refs import Id, Key
from ev_energy.models.evses import CTClamp, CTClampLog
from ev_energy.resources._base import Resource

CTClampExpand: TypeAlias = Literal["evse"]
CTClampLogExpand: TypeAlias = Literal["ct_clamp", "ct_clamp.evse"]


class CtClamps(Resource):
    """Current transformers around a home's supply cable."""

    def list(self, *, page_size: int = 100, expand: Sequence[CTClampExpand] = ()) -> Pager[CTClamp]:
        """List the CT clamps you may see.

        GET /ct_clamps, scope evse:read.
        """
        return self._list(
            CTClamp,
            "/ct_clamps",
            scope="evse:read",
            page_size=page_size,
            expand=expand_values(CTClampExpand, expand),
        )

    async def get(
        self, ct_clamp_id: Id[CTClamp], *, expand: Sequence[CTClampExpand] = ()
    ) -> CTClamp:
        """Retrieve one CT clamp.

        GET /ct_clamps/{ct_clamp_id}, scope evse:read.
        """
        return await self._get(
            CTClamp,
            "/ct_clamps/{ct_clamp_id}",
            ct_clamp_id,
            scope="evse:read",
            expand=expand_values(CTClampExpand, expand),
        )

    def logs(
        self,
        ct_clamp_id: Id[CTClamp],
        *,
        sampled_at__gte: datetime | None = None,
        sampled_at__lte: datetime | None = None,
        page_size: int = 100,
        expand: Sequence[CTClampLogExpand] = (),
    ) -> LogPager[CTClampLog]:
        """List the current measurements of a clamp.

        GET /ct_clamps/{ct_clamp_id}/logs, scope evse:read.
        """
        return self._list_log(
            CTClampLog,
            "/ct_clamps/{ct_clamp_id}/logs",
            ct_clamp_id,
            scope="evse:read",
            sampled_at__gte=sampled_at__gte,
            sampled_at__lte=sampled_at__lte,
            page_size=page_size,
            expand=expand_values(CTClampLogExpand, expand),
        )

    async def log(
        self,
        ct_clamp_id: Id[CTClamp],
        sampled_at: Key[CTClampLog],
        *,
        expand: Sequence[CTClampLogExpand] = (),
    ) -> CTClampLog:
        """Retrieve one current measurement of a clamp.

        GET /ct_clamps/{ct_clamp_id}/logs/{sampled_at}, scope evse:read.
        """
        return await self._get(
            CTClampLog,
            "/ct_clamps/{ct_clamp_id}/logs/{sampled_at}",
            ct_clamp_id,
            sampled_at,
            scope="evse:read",
            expand=expand_values(CTClampLogExpand, expand),
        )
