"""Energy suppliers, their tariffs and prices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._changes.log_pager import LogPager
from ev_energy._codec.text import as_id
from ev_energy.models._refs import Id
from ev_energy.models.tariffs import Price, Supplier, Tariff, TariffDetail
from ev_energy.resources._base import Resource
from ev_energy.resources._constraints import one_of

if TYPE_CHECKING:
    from ev_energy.models.users import User

TariffExpand: TypeAlias = Literal["supplier", "scheduler_tariff"]
TariffDetailExpand: TypeAlias = Literal["supplier", "scheduler_tariff", "prices"]
TariffOptional: TypeAlias = Literal["daily_prices"]


class Suppliers(Resource):
    """Companies that sell electricity."""

    def list(
        self, *, available_for_user_id: Id[User] | None = None, page_size: int = 100
    ) -> Pager[Supplier]:
        """List suppliers by name.

        *available_for_user_id* selects those available to that user, by region and program.

        GET /suppliers, scope tariff:read.
        """
        return self._list(
            Supplier,
            "/suppliers",
            scope="tariff:read",
            available_for_user_id=as_id("available_for_user_id", "User", available_for_user_id),
            page_size=page_size,
        )

    async def get(self, supplier_id: Id[Supplier]) -> Supplier:
        """Retrieve one supplier.

        GET /suppliers/{supplier_id}, scope tariff:read.
        """
        return await self._get(
            Supplier, "/suppliers/{supplier_id}", supplier_id, scope="tariff:read"
        )


class Tariffs(Resource):
    """Tariffs for electricity, and their prices.

    Prices are on two scales: ``daily_prices`` in major units of the currency (such as pounds),
    ``current_price`` and ``prices`` in minor units (such as pence).
    """

    def list(
        self,
        *,
        supplier_id: Id[Supplier] | None = None,
        valid: bool | None = None,
        gsp_group: str | None = None,
        available_for_user_id: Id[User] | None = None,
        include_optional: TariffOptional | None = None,
        page_size: int = 100,
        expand: Sequence[TariffExpand] = (),
    ) -> Pager[Tariff]:
        """List tariffs by name.

        All that you may see or, with `acting_for`, all that the user may see.

        *valid* selects those that new customers can choose today; False selects those that they
        cannot choose yet or any more. *gsp_group* is a grid supply point group of Great Britain,
        such as ``_C`` for London. *available_for_user_id* selects those available to that user, by
        region and program. *include_optional* adds ``daily_prices`` if your contract has them.

        GET /tariffs, scope tariff:read.
        """
        return self._list(
            Tariff,
            "/tariffs",
            scope="tariff:read",
            supplier_id=as_id("supplier_id", "Supplier", supplier_id),
            valid=valid,
            gsp_group=gsp_group,
            available_for_user_id=as_id("available_for_user_id", "User", available_for_user_id),
            include_optional=one_of("include_optional", include_optional, TariffOptional),
            page_size=page_size,
            expand=expand_values(TariffExpand, expand),
        )

    async def get(
        self,
        tariff_id: Id[Tariff],
        *,
        available_for_user_id: Id[User] | None = None,
        expand: Sequence[TariffDetailExpand] = (),
    ) -> TariffDetail:
        """Retrieve one tariff, with its current price.

        With *available_for_user_id*, only if it is available to that user, by region and program.
        To expand ``prices``, the token also needs the scope ``tariff:prices:read``.

        GET /tariffs/{tariff_id}, scope tariff:read.
        """
        return await self._get(
            TariffDetail,
            "/tariffs/{tariff_id}",
            tariff_id,
            scope="tariff:read",
            available_for_user_id=as_id("available_for_user_id", "User", available_for_user_id),
            expand=expand_values(TariffDetailExpand, expand),
        )

    def prices(
        self,
        tariff_id: Id[Tariff],
        *,
        started_at__gte: datetime | None = None,
        started_at__lte: datetime | None = None,
        page_size: int = 100,
    ) -> LogPager[Price]:
        """List the prices of a tariff, latest start first. The token needs both scopes.

        GET /tariffs/{tariff_id}/prices, scope tariff:prices:read tariff:read.
        """
        return self._list_log(
            Price,
            "/tariffs/{tariff_id}/prices",
            tariff_id,
            scope="tariff:prices:read tariff:read",
            started_at__gte=started_at__gte,
            started_at__lte=started_at__lte,
            page_size=page_size,
        )
