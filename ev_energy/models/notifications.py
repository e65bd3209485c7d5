"""Notifications for users."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._types import Instant


class NotificationCategory(OpenEnum):
    """The purpose of a notification. The API lists the categories without explaining them."""

    ACTIONABLE = "ACTIONABLE"
    SERVICE = "SERVICE"
    RETRY = "RETRY"
    MARKETING = "MARKETING"
    INTERNAL = "INTERNAL"


@model
class Notification(Model):
    """A message about something that the user should know or do."""

    id: str
    url: str
    message_id: str
    """The kind of message, such as ``ERR0123``."""
    category: NotificationCategory
    event_time: Instant
    """When it happened."""
    short_text_title: str
    short_text_body: str
    detail_page_title: str
    detail_page_body: str
    external_link: str | None
    """A web page with more information."""
    external_button_label: str
    """The label for a button that opens that page."""
    read_at: Instant | None = None
    resolved_at: Instant | None = None
