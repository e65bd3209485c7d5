"""Settings of a user: preferences and the payout method."""

from __future__ import annotations

import attrs

from ev_energy._unset import UNSET, Unset
from ev_energy.models._base import Model, PlainValue, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._types import Instant


class PayoutMethodReceiverType(OpenEnum):
    """The kind of identifier of the receiver of payouts."""

    EMAIL = "EMAIL"
    """An e-mail address, for PayPal."""
    PHONE = "PHONE"
    """A phone number, for Venmo."""
    ACCOUNT_NUMBER = "ACCOUNT_NUMBER"
    """The account at the utility, for bill credits."""


class PayoutMethodReceiverWallet(OpenEnum):
    """The service that makes payouts."""

    PAYPAL = "PAYPAL"
    """The receiver is an e-mail address."""
    VENMO = "VENMO"
    """The receiver is a phone number."""
    BILL_CREDITS = "BILL_CREDITS"
    """Credit on the utility bill; the receiver is the billing account."""


@model
class UserNotificationPreferencesGroups(Model):
    """The groups of notifications that a user gets, by push and e-mail."""

    charging_flow: bool | None = None
    """The course of a session: plugged in, scheduled, done."""
    charging_issues: bool | None = None
    """Problems while charging."""
    charging_optimisation: bool | None = None
    """Schedules of smart charging and the savings."""
    deals_and_offers: bool | None = None
    """Marketing; it also needs the user's consent."""
    power_supply_notifications: bool | None = None
    """Events in the grid; not enabled for all users."""


@model
class UserNotificationPreferences(Model):
    """The notification settings of a user."""

    url: str | None = None
    groups: UserNotificationPreferencesGroups | None = None
    """All groups, in a reply."""


@attrs.frozen(kw_only=True)
class NotificationGroupsWrite(PlainValue):
    """Groups of notifications to switch on or off; groups that are omitted are not changed.

    `UserNotificationPreferencesGroups` explains the groups.
    """

    charging_flow: bool | Unset = UNSET
    charging_issues: bool | Unset = UNSET
    charging_optimisation: bool | Unset = UNSET
    deals_and_offers: bool | Unset = UNSET
    power_supply_notifications: bool | Unset = UNSET


@model
class RoutePlannerPreferences(Model):
    """The defaults of the route planner for a user."""

    url: str
    preferred_vehicle: str | None
    """URL of the vehicle that is selected by default; None if the user has to select one."""
    min_charger_power_watts: int | None
    """The preferred minimum power of chargers along the way; None: any charger.

    It is not a hard limit.
    """
    arrive_with_min_percent: int
    """The minimum state of charge on arrival, 0 to 100; the default for new routes."""
    updated_at: Instant


@model
class PayoutMethod(Model):
    """The payout method of a user. All fields but the URL are None until it is set up."""

    url: str
    receiver: str | None
    """E-mail address, phone number or billing account number, depending on the wallet.

    For bill credits it can be empty.
    """
    receiver_type: PayoutMethodReceiverType | None
    """The kind of ``receiver``, which depends on the wallet."""
    receiver_wallet: PayoutMethodReceiverWallet | None
