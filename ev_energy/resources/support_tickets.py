"""Support tickets, and statistics about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import comma_separated, datetime_range, expand_values
from ev_energy._codec.encode import as_link
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id
from ev_energy.models.support_ticket_stats import (
    SupportTicketPriorityStats,
    SupportTicketResolutionStats,
    SupportTicketSankeyStats,
    SupportTicketSourceStats,
    SupportTicketStatusStats,
    SupportTicketTopCategoriesStats,
    SupportTicketVolumeStats,
)
from ev_energy.models.support_tickets import (
    SupportTicket,
    SupportTicketCategories,
    SupportTicketCategoryEnum,
    SupportTicketMessage,
    SupportTicketMessageTypeEnum,
    SupportTicketSubcategoryEnum,
)
from ev_energy.resources._base import ANY_SCOPE, Resource
from ev_energy.resources._constraints import in_range, one_of

if TYPE_CHECKING:
    from ev_energy.models.users import User

SupportTicketExpand: TypeAlias = Literal["user", "messages"]
SupportTicketPeriod: TypeAlias = Literal["day", "week", "month"]


class SupportTickets(Resource):
    """Support tickets from a support system. Only their categories can be changed here.

    The tickets of all users that you may see are visible. Tickets without a user need a token with
    full access; for other tokens they and their messages raise `NotFoundError`.
    """

    def list(
        self,
        *,
        external_ticket_id: str | None = None,
        human_verified_category: SupportTicketCategoryEnum | str | None = None,
        human_verified_subcategory: SupportTicketSubcategoryEnum | str | None = None,
        ai_generated_category: SupportTicketCategoryEnum | str | None = None,
        ai_generated_subcategory: SupportTicketSubcategoryEnum | str | None = None,
        human_verified_category__isnull: bool | None = None,
        human_verified_subcategory__isnull: bool | None = None,
        ai_generated_category__isnull: bool | None = None,
        ai_generated_subcategory__isnull: bool | None = None,
        status: str | None = None,
        status__in: Sequence[str] | None = None,
        priority: str | None = None,
        priority__in: Sequence[str] | None = None,
        priority__isnull: bool | None = None,
        created_at__gte: datetime | None = None,
        created_at__lte: datetime | None = None,
        created_at__range: tuple[datetime, datetime] | None = None,
        user: Id[User] | None = None,
        user__isnull: bool | None = None,
        tags: str | None = None,
        source: str | None = None,
        source__in: Sequence[str] | None = None,
        resolved_at__gte: datetime | None = None,
        resolved_at__lte: datetime | None = None,
        resolved_at__range: tuple[datetime, datetime] | None = None,
        resolved_at__isnull: bool | None = None,
        ticket_updated_at__gte: datetime | None = None,
        ticket_updated_at__lte: datetime | None = None,
        ticket_updated_at__range: tuple[datetime, datetime] | None = None,
        ticket_updated_at__isnull: bool | None = None,
        page_size: int = 100,
        expand: Sequence[SupportTicketExpand] = (),
    ) -> Pager[SupportTicket]:
        """List tickets: of the user the client acts for (`acting_for`), or all that you may see.

        A ticket must match all filters. *status*, *priority* and *source* are values as in tickets,
        such as ``Open``, ``High`` and ``Email``; *tags* is a single tag. An ``...__isnull`` filter
        selects tickets that lack the member (True) or have it (False); ``resolved_at__isnull=True``
        selects the unresolved ones. The time filters ``gte`` and ``lte`` are inclusive; a
        ``...__range`` consists of the first and the last moment.

        *user* is always sent as the user's URL: the API declares a URL here, although its
        documentation mentions an id.

        GET /support_tickets, scope support:read.
        """
        return self._list(
            SupportTicket,
            "/support_tickets",
            scope="support:read",
            external_ticket_id=external_ticket_id,
            human_verified_category=human_verified_category,
            human_verified_subcategory=human_verified_subcategory,
            ai_generated_category=ai_generated_category,
            ai_generated_subcategory=ai_generated_subcategory,
            human_verified_category__isnull=human_verified_category__isnull,
            human_verified_subcategory__isnull=human_verified_subcategory__isnull,
            ai_generated_category__isnull=ai_generated_category__isnull,
            ai_generated_subcategory__isnull=ai_generated_subcategory__isnull,
            status=status,
            status__in=comma_separated("status__in", status__in),
            priority=priority,
            priority__in=comma_separated("priority__in", priority__in),
            priority__isnull=priority__isnull,
            created_at__gte=created_at__gte,
            created_at__lte=created_at__lte,
            created_at__range=datetime_range("created_at__range", created_at__range),
            user=as_link("/users", user),
            user__isnull=user__isnull,
            tags=tags,
            source=source,
            source__in=comma_separated("source__in", source__in),
            resolved_at__gte=resolved_at__gte,
            resolved_at__lte=resolved_at__lte,
            resolved_at__range=datetime_range("resolved_at__range", resolved_at__range),
            resolved_at__isnull=resolved_at__isnull,
            ticket_updated_at__gte=ticket_updated_at__gte,
            ticket_updated_at__lte=ticket_updated_at__lte,
            ticket_updated_at__range=datetime_range(
                "ticket_updated_at__range", ticket_updated_at__range
            ),
            ticket_updated_at__isnull=ticket_updated_at__isnull,
            page_size=page_size,
            expand=expand_values(SupportTicketExpand, expand),
        )

    async def get(
        self, support_ticket_id: Id[SupportTicket], *, expand: Sequence[SupportTicketExpand] = ()
    ) -> SupportTicket:
        """Retrieve one ticket.

        GET /support_tickets/{support_ticket_id}, scope support:read.
        """
        return await self._get(
            SupportTicket,
            "/support_tickets/{support_ticket_id}",
            support_ticket_id,
            scope="support:read",
            expand=expand_values(SupportTicketExpand, expand),
        )

    async def update(
        self,
        support_ticket_id: Id[SupportTicket],
        *,
        human_verified_category: SupportTicketCategoryEnum | str | Unset | None = UNSET,
        human_verified_subcategory: SupportTicketSubcategoryEnum | str | Unset | None = UNSET,
        ai_generated_category: SupportTicketCategoryEnum | str | Unset | None = UNSET,
        ai_generated_subcategory: SupportTicketSubcategoryEnum | str | Unset | None = UNSET,
    ) -> SupportTicket:
        """Change the categories of a ticket. Omitted ones are unchanged; None clears a category.

        PATCH /support_tickets/{support_ticket_id}, scope support:write.
        """
        return await self._patch(
            SupportTicket,
            "/support_tickets/{support_ticket_id}",
            support_ticket_id,
            scope="support:write",
            json={
                "human_verified_category": human_verified_category,
                "human_verified_subcategory": human_verified_subcategory,
                "ai_generated_category": ai_generated_category,
                "ai_generated_subcategory": ai_generated_subcategory,
            },
        )

    def messages(
        self,
        support_ticket_id: Id[SupportTicket],
        *,
        message_type: SupportTicketMessageTypeEnum | str | None = None,
        message_type__in: Sequence[SupportTicketMessageTypeEnum | str] | None = None,
        position: int | None = None,
        position__gte: int | None = None,
        position__lte: int | None = None,
    ) -> Pager[SupportTicketMessage]:
        """List the messages of a ticket, oldest first. The list is not paged.

        Positions start at 0; ``gte`` and ``lte`` are inclusive.

        GET /support_tickets/{support_ticket_id}/messages, scope support:read.
        """
        return self._list(
            SupportTicketMessage,
            "/support_tickets/{support_ticket_id}/messages",
            support_ticket_id,
            scope="support:read",
            message_type=message_type,
            message_type__in=comma_separated("message_type__in", message_type__in),
            position=position,
            position__gte=position__gte,
            position__lte=position__lte,
        )

    async def message(
        self, support_ticket_id: Id[SupportTicket], message_id: Id[SupportTicketMessage]
    ) -> SupportTicketMessage:
        """Retrieve one message of a ticket.

        GET /support_tickets/{support_ticket_id}/messages/{message_id}, scope support:read.
        """
        return await self._get(
            SupportTicketMessage,
            "/support_tickets/{support_ticket_id}/messages/{message_id}",
            support_ticket_id,
            message_id,
            scope="support:read",
        )

    async def categories(self) -> SupportTicketCategories:
        """Retrieve all categories and subcategories, with labels for display.

        The reply does not tell which category a subcategory belongs to.

        GET /support_tickets/categories, any scope.
        """
        return await self._get(
            SupportTicketCategories, "/support_tickets/categories", scope=ANY_SCOPE
        )


class SupportTicketStats(Resource):
    """Statistics about support tickets. Shares are fractions of 1, even if named percentages.

    The case of statuses, priorities and sources may differ from that of tickets: the vendor's
    examples have ``open`` here, and ``Open`` for tickets.
    """

    async def sankey(self) -> SupportTicketSankeyStats:
        """Count tickets by category and subcategory, for a Sankey diagram.

        GET /support-ticket-stats/sankey, any scope.
        """
        return await self._get(
            SupportTicketSankeyStats, "/support-ticket-stats/sankey", scope=ANY_SCOPE
        )

    async def volume(
        self, *, group_by: SupportTicketPeriod | None = None
    ) -> SupportTicketVolumeStats:
        """Count the tickets created per day, week or month; *group_by* defaults to ``day``.

        GET /support-ticket-stats/volume, any scope.
        """
        return await self._get(
            SupportTicketVolumeStats,
            "/support-ticket-stats/volume",
            scope=ANY_SCOPE,
            group_by=one_of("group_by", group_by, SupportTicketPeriod),
        )

    async def resolution(self) -> SupportTicketResolutionStats:
        """Retrieve the number of resolved tickets and the time to resolution.

        GET /support-ticket-stats/resolution, any scope.
        """
        return await self._get(
            SupportTicketResolutionStats, "/support-ticket-stats/resolution", scope=ANY_SCOPE
        )

    async def status(self) -> SupportTicketStatusStats:
        """Count tickets by status.

        GET /support-ticket-stats/status, any scope.
        """
        return await self._get(
            SupportTicketStatusStats, "/support-ticket-stats/status", scope=ANY_SCOPE
        )

    async def priority(self) -> SupportTicketPriorityStats:
        """Count tickets by priority.

        GET /support-ticket-stats/priority, any scope.
        """
        return await self._get(
            SupportTicketPriorityStats, "/support-ticket-stats/priority", scope=ANY_SCOPE
        )

    async def source(self) -> SupportTicketSourceStats:
        """Count tickets by source.

        GET /support-ticket-stats/source, any scope.
        """
        return await self._get(
            SupportTicketSourceStats, "/support-ticket-stats/source", scope=ANY_SCOPE
        )

    async def top_categories(self, *, limit: int | None = None) -> SupportTicketTopCategoriesStats:
        """Retrieve the most frequent categories and subcategories.

        *limit* is their maximum number, 1 or more; the server default is 10.

        GET /support-ticket-stats/top-categories, any scope.
        """
        return await self._get(
            SupportTicketTopCategoriesStats,
            "/support-ticket-stats/top-categories",
            scope=ANY_SCOPE,
            limit=in_range("limit", limit, 1),
        )
