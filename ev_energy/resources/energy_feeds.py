"""Carbon intensities and grid signals, by source."""

from __future__ import annotations

from datetime import datetime

from ev_energy._api.paging import Pager
from ev_energy._changes.log_pager import LogPager
from ev_energy.models._refs import Id
from ev_energy.models.carbon import CarbonFeed, CarbonIntensity
from ev_energy.models.grid import GridFeed, GridLevel
from ev_energy.resources._base import Resource


class CarbonFeeds(Resource):
    """Sources of carbon intensities."""

    def list(self, *, page_size: int = 100) -> Pager[CarbonFeed]:
        """List the carbon feeds you may see, by name.

        GET /carbon_feeds, scope carbon:read.
        """
        return self._list(CarbonFeed, "/carbon_feeds", scope="carbon:read", page_size=page_size)

    async def get(self, carbon_feed_id: Id[CarbonFeed]) -> CarbonFeed:
        """Retrieve one carbon feed.

        GET /carbon_feeds/{carbon_feed_id}, scope carbon:read.
        """
        return await self._get(
            CarbonFeed, "/carbon_feeds/{carbon_feed_id}", carbon_feed_id, scope="carbon:read"
        )

    def carbon_intensities(
        self,
        carbon_feed_id: Id[CarbonFeed],
        *,
        started_at__gte: datetime | None = None,
        started_at__lte: datetime | None = None,
        page_size: int = 100,
    ) -> LogPager[CarbonIntensity]:
        """List the carbon intensities of a feed, latest start first.

        The API wraps each page in an object. Its other members, the URLs ``url`` and
        ``carbon_feed``, are in ``page.envelope``.

        GET /carbon_feeds/{carbon_feed_id}/carbon_intensities, scope carbon:read.
        """
        return self._list_log(
            CarbonIntensity,
            "/carbon_feeds/{carbon_feed_id}/carbon_intensities",
            carbon_feed_id,
            scope="carbon:read",
            envelope_key="carbon_intensities",
            started_at__gte=started_at__gte,
            started_at__lte=started_at__lte,
            page_size=page_size,
        )


class GridFeeds(Resource):
    """Sources of grid signals."""

    def list(self, *, page_size: int = 100) -> Pager[GridFeed]:
        """List the grid feeds you may see, by name.

        GET /grid_feeds, scope grid:read.
        """
        return self._list(GridFeed, "/grid_feeds", scope="grid:read", page_size=page_size)

    async def get(self, grid_feed_id: Id[GridFeed]) -> GridFeed:
        """Retrieve one grid feed.

        GET /grid_feeds/{grid_feed_id}, scope grid:read.
        """
        return await self._get(
            GridFeed, "/grid_feeds/{grid_feed_id}", grid_feed_id, scope="grid:read"
        )

    def levels(
        self,
        grid_feed_id: Id[GridFeed],
        *,
        started_at__gte: datetime | None = None,
        started_at__lte: datetime | None = None,
        page_size: int = 100,
    ) -> LogPager[GridLevel]:
        """List the grid signals of a feed, latest start first.

        GET /grid_feeds/{grid_feed_id}/levels, scope grid:read.
        """
        return self._list_log(
            GridLevel,
            "/grid_feeds/{grid_feed_id}/levels",
            grid_feed_id,
            scope="grid:read",
            started_at__gte=started_at__gte,
            started_at__lte=started_at__lte,
            page_size=page_size,
        )
