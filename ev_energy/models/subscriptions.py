"""Subscriptions and offerings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._refs import Ref

if TYPE_CHECKING:
    from ev_energy.models.users import User


@model
class Subscription(Model):
    """A user's subscription to an offering."""

    id: str
    url: str
    offering: Ref[SubscriptionOffering] | None = None
    user: Ref[User] | None = None


@model
class SubscriptionOffering(Model):
    """An offering that users can subscribe to."""

    id: str | None = None
    url: str | None = None
    name: str | None = None
