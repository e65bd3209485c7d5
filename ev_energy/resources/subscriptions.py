"""Subscriptions, and the offerings that can be subscribed to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy.models._refs import Id
from ev_energy.models.subscriptions import Subscription, SubscriptionOffering
from ev_energy.resources._base import Resource

SubscriptionExpand: TypeAlias = Literal["user", "offering"]


class Subscriptions(Resource):
    """Subscriptions of users."""

    def list(
        self, *, page_size: int = 100, expand: Sequence[SubscriptionExpand] = ()
    ) -> Pager[Subscription]:
        """List the subscriptions that are valid.

        Those of the user that the client acts for (`acting_for`), or all that you may see. Texts
        are in the client's *language*.

        GET /subscriptions, scope subscription:read.
        """
        return self._list(
            Subscription,
            "/subscriptions",
            scope="subscription:read",
            page_size=page_size,
            expand=expand_values(SubscriptionExpand, expand),
        )


class SubscriptionOfferings(Resource):
    """Offerings that can be subscribed to. There is no list; subscriptions have the ids."""

    async def get(self, offering_id: Id[SubscriptionOffering]) -> SubscriptionOffering:
        """Retrieve one offering, with its name in the client's *language*.

        GET /subscription_offerings/{offering_id}, scope subscription:read.
        """
        return await self._get(
            SubscriptionOffering,
            "/subscription_offerings/{offering_id}",
            offering_id,
            scope="subscription:read",
        )
