"""Webhooks."""

from __future__ import annotations

from ev_energy.models._base import Model, model


@model
class WebhookPortalLink(Model):
    """The way into the portal where webhooks are set up. Whoever has it gets in: keep it secret."""

    url: str | None = None
    """To be opened in a browser. It works once. It is not printed."""
    _secret = ("url",)
