"""Webhooks."""

from __future__ import annotations

from ev_energy.models._base import Model, model


@model
class WebhookPortalLink(Model):
    """A link that signs in to the portal for webhooks. It grants access: keep it secret."""

    url: str | None = None
    """To be opened in a browser. It works once, and `repr` hides it."""
    _secret = ("url",)
