"""Numbers about support tickets.

Shares are fractions, 0 to 1, although most are called percentages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._types import Day

if TYPE_CHECKING:
    from ev_energy.models.support_tickets import (
        SupportTicketCategoryEnum,
        SupportTicketSubcategoryEnum,
    )


@model
class SupportTicketSankeyStatsNode(Model):
    """A category or a subcategory, as a node of the diagram."""

    id: str
    """``category:`` or ``subcategory:`` and the label; not the text of the enum."""
    label: str


@model
class SupportTicketSankeyStatsLink(Model):
    """How many tickets a category and a subcategory have in common."""

    source: str
    """The ``id`` of a category's node."""
    target: str
    """The ``id`` of a subcategory's node."""
    value: int
    """Tickets."""


@model
class SupportTicketSankeyStats(Model):
    """Tickets by category and subcategory, to be drawn as a Sankey diagram.

    Tickets whose category no human has verified are not counted.
    """

    nodes: tuple[SupportTicketSankeyStatsNode, ...] | None = None
    links: tuple[SupportTicketSankeyStatsLink, ...] | None = None


@model
class SupportTicketVolumeStatsTimeSeries(Model):
    """How many tickets were created in one day, week or month."""

    date: Day
    """The day, or a day that stands for the week or month: the API does not say which."""
    count: int


@model
class SupportTicketVolumeStats(Model):
    """How many tickets were created, over time."""

    time_series: tuple[SupportTicketVolumeStatsTimeSeries, ...] | None = None


@model
class SupportTicketResolutionStats(Model):
    """How many tickets were resolved, and how fast."""

    resolution_rate: float
    """Share of resolved tickets, 0 to 1."""
    total_resolved: int
    total_unresolved: int
    avg_resolution_time_hours: float | None = None
    """The arithmetic mean; None before any ticket was resolved."""
    median_resolution_time_hours: float | None = None
    """None before any ticket was resolved."""


@model
class SupportTicketStatusStatsBreakdown(Model):
    """How many tickets have one status."""

    status: str
    count: int
    percentage: float
    """Share of all tickets, 0 to 1."""


@model
class SupportTicketStatusStats(Model):
    """Tickets by status."""

    breakdown: tuple[SupportTicketStatusStatsBreakdown, ...] | None = None


@model
class SupportTicketPriorityStatsBreakdown(Model):
    """How many tickets have one priority."""

    priority: str
    count: int
    percentage: float
    """Share of all tickets, 0 to 1."""


@model
class SupportTicketPriorityStats(Model):
    """Tickets by priority."""

    breakdown: tuple[SupportTicketPriorityStatsBreakdown, ...] | None = None


@model
class SupportTicketSourceStatsBreakdown(Model):
    """How many tickets came in one way."""

    source: str
    count: int
    percentage: float
    """Share of all tickets, 0 to 1."""


@model
class SupportTicketSourceStats(Model):
    """Tickets by the way they came in."""

    breakdown: tuple[SupportTicketSourceStatsBreakdown, ...] | None = None


@model
class SupportTicketTopCategoriesStatsCategory(Model):
    """How many tickets are in one category."""

    category: SupportTicketCategoryEnum
    count: int
    percentage: float
    """Share of all tickets, 0 to 1."""


@model
class SupportTicketTopCategoriesStatsSubcategory(Model):
    """How many tickets are in one subcategory of one category."""

    subcategory: SupportTicketSubcategoryEnum
    category: SupportTicketCategoryEnum
    count: int
    percentage: float
    """Share of all tickets, not of those in the category, 0 to 1."""


@model
class SupportTicketTopCategoriesStats(Model):
    """What most tickets are about, the most frequent first."""

    categories: tuple[SupportTicketTopCategoriesStatsCategory, ...] | None = None
    subcategories: tuple[SupportTicketTopCategoriesStatsSubcategory, ...] | None = None
