"""What is kept for each user: preferences, and where payouts go."""

from __future__ import annotations

import attrs

from ev_energy._unset import UNSET, Unset
from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._types import Instant


class PayoutMethodReceiverType(OpenEnum):
    """What kind of text names the receiver of payouts."""

    EMAIL = "EMAIL"
    PHONE = "PHONE"
    ACCOUNT_NUMBER = "ACCOUNT_NUMBER"


class PayoutMethodReceiverWallet(OpenEnum):
    """What payouts go through."""

    PAYPAL = "PAYPAL"
    """The receiver is an e-mail address."""
    VENMO = "VENMO"
    """The receiver is a phone number."""
    BILL_CREDITS = "BILL_CREDITS"
    """Credit on the utility bill; the receiver is the billing account."""


@model
class UserNotificationPreferencesGroups(Model):
    """Which groups of notifications a user wants, by push and e-mail."""

    charging_flow: bool | None = None
    """The course of a session: plugged in, scheduled, done."""
    charging_issues: bool | None = None
    """What goes wrong while charging."""
    charging_optimisation: bool | None = None
    """Smart charging's schedules, and what they save."""
    deals_and_offers: bool | None = None
    """Marketing; the user must have agreed to that as well."""
    power_supply_notifications: bool | None = None
    """What happens in the grid; not switched on for everybody."""


@model
class UserNotificationPreferences(Model):
    """What a user wants to be notified of."""

    url: str | None = None
    groups: UserNotificationPreferencesGroups | None = None
    """Every group there is, when read."""


@attrs.frozen(kw_only=True)
class NotificationGroupsWrite:
    """Groups of notifications to be switched on or off; what is left out stays as it is.

    The groups mean what they do in `UserNotificationPreferencesGroups`.
    """

    charging_flow: bool | Unset = UNSET
    charging_issues: bool | Unset = UNSET
    charging_optimisation: bool | Unset = UNSET
    deals_and_offers: bool | Unset = UNSET
    power_supply_notifications: bool | Unset = UNSET


@model
class RoutePlannerPreferences(Model):
    """What the route planner assumes for a user until told otherwise."""

    url: str
    preferred_vehicle: str | None
    """URL of the vehicle that is chosen beforehand; None if the user has to choose."""
    min_charger_power_watts: int | None
    """Chargers along the way should be at least this strong; None: any charger.

    Not a hard limit.
    """
    arrive_with_min_percent: int
    """State of charge that must be left on arrival, 0 to 100; new routes start with this value."""
    updated_at: Instant


@model
class PayoutMethod(Model):
    """Where a user is paid what was earned. All but the URL is None until it is set up."""

    url: str
    receiver: str | None
    """E-mail address, phone number or billing account number, as the wallet wants it.

    Of bill credits it can be an empty text.
    """
    receiver_type: PayoutMethodReceiverType | None
    """What ``receiver`` is; follows from the wallet."""
    receiver_wallet: PayoutMethodReceiverWallet | None
