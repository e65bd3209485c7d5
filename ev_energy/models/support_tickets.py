"""Support tickets, their messages and their categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref
from ev_energy.models._types import Instant, JsonObject

if TYPE_CHECKING:
    from ev_energy.models.users import User


class SupportTicketCategoryEnum(OpenEnum):
    """The topic of a ticket."""

    ACCOUNT = "ACCOUNT"
    CHARGER = "CHARGER"
    CHARGING_SESSION = "CHARGING_SESSION"
    MOBILE_APP = "MOBILE_APP"
    OTHER = "OTHER"
    SOLAR = "SOLAR"
    USABILITY_UX = "USABILITY_UX"
    VEHICLE = "VEHICLE"


class SupportTicketSubcategoryEnum(OpenEnum):
    """The topic of a ticket within its category."""

    ACCESSIBILITY = "ACCESSIBILITY"
    ACCURACY = "ACCURACY"
    ADD_NON_INTEGRATED_VEHICLE = "ADD_NON_INTEGRATED_VEHICLE"
    ADD_NEW_TARIFF = "ADD_NEW_TARIFF"
    API_ACCESS_TOKEN = "API_ACCESS_TOKEN"
    APP_CRASH_FREEZE = "APP_CRASH_FREEZE"
    APP_OR_EMAIL_NOTIFICATIONS = "APP_OR_EMAIL_NOTIFICATIONS"
    APP_SETTINGS_CONFUSION = "APP_SETTINGS_CONFUSION"
    BOOST_CONFUSION = "BOOST_CONFUSION"
    BUSINESS_LEAD_NON_SUPPORT = "BUSINESS_LEAD_NON_SUPPORT"
    CAMPAIGN_MARKETING_FEEDBACK = "CAMPAIGN_MARKETING_FEEDBACK"
    CARBON_FEED = "CARBON_FEED"
    CHARGE_LOCATION = "CHARGE_LOCATION"
    CHARGE_PAST_READY_BY_TIME = "CHARGE_PAST_READY_BY_TIME"
    CHARGING_ON_PEAK = "CHARGING_ON_PEAK"
    COMMISSIONING = "COMMISSIONING"
    COMPATIBILITY = "COMPATIBILITY"
    COMPLAINT = "COMPLAINT"
    CONFLICTING_SCHEDULE = "CONFLICTING_SCHEDULE"
    DASHBOARD_COSMETIC_ISSUE = "DASHBOARD_COSMETIC_ISSUE"
    DASHBOARD_UI_ISSUE = "DASHBOARD_UI_ISSUE"
    DATA_EXPORT = "DATA_EXPORT"
    DELETION = "DELETION"
    DUPLICATE = "DUPLICATE"
    ELIGIBILITY = "ELIGIBILITY"
    ENERGY_DELIVERED_CALCULATION = "ENERGY_DELIVERED_CALCULATION"
    ERROR_REPORT = "ERROR_REPORT"
    FEATURE_REQUEST_FEEDBACK = "FEATURE_REQUEST_FEEDBACK"
    FIRMWARE = "FIRMWARE"
    HARDWARE = "HARDWARE"
    HARDWARE_ISSUE = "HARDWARE_ISSUE"
    HIDDEN_INCENTIVES = "HIDDEN_INCENTIVES"
    INCENTIVES_BILL_CREDITS = "INCENTIVES_BILL_CREDITS"
    INCOMPLETE_CHARGE = "INCOMPLETE_CHARGE"
    INCORRECT_CHARGE_TIME_DURATION = "INCORRECT_CHARGE_TIME_DURATION"
    INCORRECT_INCENTIVES_DISPLAYED = "INCORRECT_INCENTIVES_DISPLAYED"
    INCORRECT_KWH_DISPLAYED = "INCORRECT_KWH_DISPLAYED"
    INCORRECT_LOCATION_DISPLAYED = "INCORRECT_LOCATION_DISPLAYED"
    INCORRECT_MESSAGING = "INCORRECT_MESSAGING"
    INCORRECT_PRICE_THRESHOLD = "INCORRECT_PRICE_THRESHOLD"
    INCORRECT_TRIM = "INCORRECT_TRIM"
    INVERTER = "INVERTER"
    LOCALISATION = "LOCALISATION"
    LOCATION_INCORRECT = "LOCATION_INCORRECT"
    LOGIN_CREDENTIALS = "LOGIN_CREDENTIALS"
    MANUAL_UPLOAD = "MANUAL_UPLOAD"
    MAX_CHARGE_LIMIT = "MAX_CHARGE_LIMIT"
    MISSING_SESSIONS = "MISSING_SESSIONS"
    MISSING_TARIFF = "MISSING_TARIFF"
    MOBILE_COMPATIBILITY = "MOBILE_COMPATIBILITY"
    MULTI_VEHICLE = "MULTI_VEHICLE"
    NETWORK = "NETWORK"
    NO_CHARGE = "NO_CHARGE"
    NON_SUPPORT_EXTERNAL = "NON_SUPPORT_EXTERNAL"
    NOT_COMPATIBLE = "NOT_COMPATIBLE"
    MANGED_TARIFF_INTERFERENCE = "MANGED_TARIFF_INTERFERENCE"
    """The API also spells it without the second A."""
    OFFLINE = "OFFLINE"
    OFF_PEAK_HOURS_CONFUSION = "OFF_PEAK_HOURS_CONFUSION"
    ONBOARDING = "ONBOARDING"
    ONLY_CHARGE_OFF_PEAK_OFF = "ONLY_CHARGE_OFF_PEAK_OFF"
    OTHER = "OTHER"
    OUTAGE = "OUTAGE"
    OWNERSHIP_TRANSFER = "OWNERSHIP_TRANSFER"
    PASSWORD = "PASSWORD"
    PLATFORM_OUTAGE = "PLATFORM_OUTAGE"
    POOR_UPTIME = "POOR_UPTIME"
    PRIVACY_CONCERNS = "PRIVACY_CONCERNS"
    REAUTHENTICATION = "REAUTHENTICATION"
    REBATE_REQUEST = "REBATE_REQUEST"
    REFERRAL_PROMO_CODE = "REFERRAL_PROMO_CODE"
    REFUNDS = "REFUNDS"
    REFUSING_COMMANDS = "REFUSING_COMMANDS"
    RELIABILITY = "RELIABILITY"
    REPLACE_VEHICLE = "REPLACE_VEHICLE"
    REQUEST_TO_DISCONNECT = "REQUEST_TO_DISCONNECT"
    REWARDS = "REWARDS"
    REWARDS_INCENTIVES_UI_ISSUE = "REWARDS_INCENTIVES_UI_ISSUE"
    SESSION_RECALCULATION = "SESSION_RECALCULATION"
    SESSION_START_END_TIME = "SESSION_START_END_TIME"
    SESSION_START_END_TIME_CONFUSION = "SESSION_START_END_TIME_CONFUSION"
    SMART_CHARGING_CONFUSION = "SMART_CHARGING_CONFUSION"
    SMART_TAB_UI_ISSUE = "SMART_TAB_UI_ISSUE"
    SOLAR_CHARGING_CONFUSION = "SOLAR_CHARGING_CONFUSION"
    SOLAR_FEED = "SOLAR_FEED"
    SOLAR_PAYMENT = "SOLAR_PAYMENT"
    SPAM = "SPAM"
    STATS_COSMETIC_ISSUE = "STATS_COSMETIC_ISSUE"
    STATS_UI_ISSUE = "STATS_UI_ISSUE"
    SUBSCRIPTION_ISSUE = "SUBSCRIPTION_ISSUE"
    TARIFF_IS_OUTDATED_INCORRECT = "TARIFF_IS_OUTDATED_INCORRECT"
    TARIFF_REQUEST = "TARIFF_REQUEST"
    TELEMATICS_ISSUE = "TELEMATICS_ISSUE"
    TIER_SELECTION = "TIER_SELECTION"
    TRIM = "TRIM"
    UI_ISSUE = "UI_ISSUE"
    UNABLE_TO_DETECT_CAR_PLUGGED_IN = "UNABLE_TO_DETECT_CAR_PLUGGED_IN"
    UTILITY_PARTNER_INQUIRY = "UTILITY_PARTNER_INQUIRY"
    VEHICLE_DELETION = "VEHICLE_DELETION"
    VERIFICATION = "VERIFICATION"
    WRONG_COMPANY = "WRONG_COMPANY"


class SupportTicketMessageTypeEnum(OpenEnum):
    """The kind of author of a message."""

    INITIAL_REQUEST = "INITIAL_REQUEST"
    """The message that opened the ticket."""
    CUSTOMER_RESPONSE = "CUSTOMER_RESPONSE"
    """A reply of the customer."""
    HUMAN_AGENT_RESPONSE = "HUMAN_AGENT_RESPONSE"
    """A reply of a person of the support team."""
    AI_AGENT_RESPONSE = "AI_AGENT_RESPONSE"
    """A reply that was generated."""


@model
class SupportTicketMessage(Model):
    """One message of a ticket. It has no URL: identify it by ticket and ``id``."""

    id: str
    position: int
    """Its place in the conversation; the first message has 0."""
    message_type: SupportTicketMessageTypeEnum
    message: str
    created_at: Instant
    """When the support system received it."""
    message_clean: str | None = None
    """The message reduced to its content; None if there is no such version."""


@model
class SupportTicket(Model):
    """A support ticket, as stored in the support system.

    Only the categories can be changed through this API.
    """

    id: str
    url: str
    external_ticket_id: str
    """Its number in the support system."""
    created_at: Instant
    """When the support system opened it."""
    user: Ref[User] | None = None
    """The user who opened it; None if that person has no account (yet).

    Only tokens with full access see tickets without a user.
    """
    subject: str | None = None
    status: str | None = None
    """Such as ``Open`` or ``Closed``; the support system defines the values."""
    priority: str | None = None
    """Such as ``Low`` or ``Urgent``; the support system defines the values."""
    source: str | None = None
    """The channel, such as ``Email`` or ``Phone``."""
    human_verified_category: SupportTicketCategoryEnum | None = None
    """None until a human has verified it, like the subcategory."""
    human_verified_subcategory: SupportTicketSubcategoryEnum | None = None
    ai_generated_category: SupportTicketCategoryEnum | None = None
    """The category that an AI assigned."""
    ai_generated_subcategory: SupportTicketSubcategoryEnum | None = None
    type_deprecated: str | None = None
    """The former classification; use the categories instead."""
    tags: tuple[str, ...] | None = None
    messages: tuple[Ref[SupportTicketMessage], ...] | None = None
    """Links unless expanded; expanded messages have an ``id`` but no ``url``."""
    conversation_summary: str | None = None
    """Written by an AI."""
    custom_fields: JsonObject | None = None
    """Additional fields of the support system; its members are not specified."""
    attributes: JsonObject | None = None
    """Data about the user and the user's devices; its members are not specified."""
    ticket_updated_at: Instant | None = None
    """When the support system last changed it."""
    resolved_at: Instant | None = None
    """None while it is unresolved."""


@model
class SupportTicketCategoriesCategory(Model):
    """A category and its display name."""

    value: SupportTicketCategoryEnum
    label: str


@model
class SupportTicketCategoriesSubcategory(Model):
    """A subcategory and its display name."""

    value: SupportTicketSubcategoryEnum
    label: str


@model
class SupportTicketCategories(Model):
    """All categories and subcategories of tickets."""

    categories: tuple[SupportTicketCategoriesCategory, ...] | None = None
    subcategories: tuple[SupportTicketCategoriesSubcategory, ...] | None = None
