"""Statistics of support tickets.

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
    """``category:`` or ``subcategory:`` and the label; not the value of the enum."""
    label: str


@model
class SupportTicketSankeyStatsLink(Model):
    """The number of tickets in both a category and a subcategory."""

    source: str
    """The ``id`` of a category's node."""
    target: str
    """The ``id`` of a subcategory's node."""
    value: int
    """Number of tickets."""


@model
class SupportTicketSankeyStats(Model):
    """Tickets by category and subcategory, for a Sankey diagram.

    Only tickets with a category that a human has verified are counted.
    """

    nodes: tuple[SupportTicketSankeyStatsNode, ...] | None = None
    links: tuple[SupportTicketSankeyStatsLink, ...] | None = None


@model
class SupportTicketVolumeStatsTimeSeries(Model):
    """The number of tickets created in one day, week or month."""

    date: Day
    """The day, or a day that stands for the week or month: the API does not say which."""
    count: int


@model
class SupportTicketVolumeStats(Model):
    """The number of tickets created over time."""

    time_series: tuple[SupportTicketVolumeStatsTimeSeries, ...] | None = None


@model
class SupportTicketResolutionStats(Model):
    """The number of resolved tickets and the time to resolve them."""

    resolution_rate: float
    """Share of resolved tickets, 0 to 1."""
    total_resolved: int
    total_unresolved: int
    avg_resolution_time_hours: float | None = None
    """The arithmetic mean; None until a ticket is resolved."""
    median_resolution_time_hours: float | None = None
    """None until a ticket is resolved."""


@model
class SupportTicketStatusStatsBreakdown(Model):
    """The number of tickets with one status."""

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
    """The number of tickets with one priority."""

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
    """The number of tickets from one source."""

    source: str
    count: int
    percentage: float
    """Share of all tickets, 0 to 1."""


@model
class SupportTicketSourceStats(Model):
    """Tickets by source."""

    breakdown: tuple[SupportTicketSourceStatsBreakdown, ...] | None = None


@model
class SupportTicketTopCategoriesStatsCategory(Model):
    """The number of tickets in one category."""

    category: SupportTicketCategoryEnum
    count: int
    percentage: float
    """Share of all tickets, 0 to 1."""


@model
class SupportTicketTopCategoriesStatsSubcategory(Model):
    """The number of tickets in one subcategory of one category."""

    subcategory: SupportTicketSubcategoryEnum
    category: SupportTicketCategoryEnum
    count: int
    percentage: float
    """Share of all tickets, not of the category, 0 to 1."""


@model
class SupportTicketTopCategoriesStats(Model):
    """The most frequent categories and subcategories, in descending order."""

    categories: tuple[SupportTicketTopCategoriesStatsCategory, ...] | None = None
    subcategories: tuple[SupportTicketTopCategoriesStatsSubcategory, ...] | None = None
