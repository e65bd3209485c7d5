"""What people write to support about, and what they are told."""

from __future__ import annotations

from typing import Final

import attrs

from ev_energy.models.support_tickets import SupportTicketCategoryEnum as Category
from ev_energy.models.support_tickets import SupportTicketSubcategoryEnum as Subcategory


@attrs.frozen
class Topic:
    """A matter that comes up again and again."""

    category: Category
    subcategory: Subcategory
    subject: str
    question: str
    advice: str
    legacy_type: str | None = None


TOPICS: Final = (
    Topic(Category.VEHICLE, Subcategory.TELEMATICS_ISSUE, "Car shows the wrong charge level",
          "The app says 34 % but my dashboard says 61 %.",
          "Please log in to the maker's account again; the level should follow within the hour.",
          "Vehicle data"),
    Topic(Category.CHARGER, Subcategory.OFFLINE, "Charger offline since Tuesday",
          "My charger has been offline for days although the Wi-Fi works everywhere else.",
          "Switch it off at the fuse for a minute, then wait for the green light."),
    Topic(Category.CHARGING_SESSION, Subcategory.INCOMPLETE_CHARGE, "Car was not full this morning",
          "I had set 80 % by seven and found 63 %.",
          "You plugged in at five, which left too little time. A boost skips the plan.",
          "Charging"),
    Topic(Category.MOBILE_APP, Subcategory.APP_CRASH_FREEZE, "App closes when I open statistics",
          "Each time I tap on statistics the app is gone.",
          "The update of this week mends that. Is yours the newest version?"),
    Topic(Category.ACCOUNT, Subcategory.LOGIN_CREDENTIALS, "Cannot log in on a new phone",
          "I moved to another phone and my password is refused.",
          "We sent you a link for a new one; look among the unwanted mail as well."),
    Topic(Category.SOLAR, Subcategory.SOLAR_CHARGING_CONFUSION, "Sun is out and nothing charges",
          "It is a bright day and the car still takes nothing from the roof.",
          "Below 1.4 kW of surplus a car cannot charge; the clamp saw 0.9."),
    Topic(Category.USABILITY_UX, Subcategory.SMART_CHARGING_CONFUSION, "When does it charge?",
          "I would like to see beforehand at which hours it is going to charge.",
          "Tap on the plan: the green bars are the hours it has picked."),
    Topic(Category.OTHER, Subcategory.UTILITY_PARTNER_INQUIRY, "Offer for our customers",
          "We supply electricity to 40,000 homes and would like to talk to somebody.",
          "Thank you! A colleague is going to call you this week."),
    Topic(Category.VEHICLE, Subcategory.ADD_NON_INTEGRATED_VEHICLE, "My van is not in the list",
          "The list has no electric vans. Can I use the app with mine all the same?",
          "Yes: add it by hand and let the charger do the planning."),
    Topic(Category.CHARGER, Subcategory.HARDWARE_ISSUE, "Cable stays locked",
          "After charging the cable stays locked until I cut the power.",
          "That is the latch. We have asked the maker to send somebody.", "Hardware"),
    Topic(Category.CHARGING_SESSION, Subcategory.CHARGING_ON_PEAK, "Charged at the dearest hour",
          "It charged from 17:00 to 18:00, which is my peak.",
          "Your tariff here is an older one than on your bill; we have put that right."),
    Topic(Category.ACCOUNT, Subcategory.TARIFF_REQUEST, "Please add my tariff",
          "My municipal supplier is missing.",
          "It has been added. Choose it under Home, then Tariff."),
    Topic(Category.CHARGING_SESSION, Subcategory.MISSING_SESSIONS, "Last weekend is missing",
          "I charged twice at the weekend and neither is in the history.",
          "Both were at another place; switch on charging on the go to see them."),
    Topic(Category.SOLAR, Subcategory.INVERTER, "Inverter cannot be connected",
          "The page of the inverter's maker comes back with an error.",
          "They had an outage. It is over; please try once more."),
)  # fmt: skip

#: Words that are written their own way in labels.
_WORDS: Final = {
    "API": "API",
    "UI": "UI",
    "KWH": "kWh",
    "UX": "UX",
    "OR": "or",
    "BY": "by",
    "TO": "to",
    "MANGED": "Managed",
}
_LABELS: Final = {"USABILITY_UX": "Usability/UX", "APP_CRASH_FREEZE": "App Crash / Freeze"}


def label_of(value: str) -> str:
    """Return what people read for a category or subcategory."""
    words = (_WORDS.get(word, word.capitalize()) for word in value.split("_"))
    return _LABELS.get(value, " ".join(words))


#: All categories and subcategories, by value and label.
CATEGORIES: Final = tuple((str(one), label_of(str(one))) for one in Category)
SUBCATEGORIES: Final = tuple((str(one), label_of(str(one))) for one in Subcategory)
