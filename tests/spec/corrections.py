"""Where the SDK departs from the official description on purpose, each with its reason.

Everything here is needed: a test takes each entry out and sees the comparison complain.
"""

from __future__ import annotations

#: Methods that are a second form of an operation which another method stands for.
SECOND_FORMS = {
    "evse_onboarding.get_json": "one operation answers 302 or 200, by response_type; two methods",
}

#: Query parameters that a method leaves out.
QUERY_LEFT_OUT = {
    ("evse_onboarding.get", "response_type"): "sent by get_json only: it asks for the other form",
}

#: Members of a body that a method leaves out.
BODY_LEFT_OUT: dict[tuple[str, str], str] = {}

#: Required members of a body that may be left out.
NOT_NEEDED = {
    ("users.create", "id"): "the body is the read model, whose id is read-only",
    ("users.create", "url"): "the body is the read model, whose url is read-only",
    ("users.update", "id"): "the body is the read model, whose id is read-only",
    ("users.update", "url"): "the body is the read model, whose url is read-only",
}

#: Nested bodies whose class has other members than the schema they are described by.
NESTED_LEFT_OUT = {
    ("LocationWrite", "current_carbon_intensity_grams_per_kilowatt_hour"): (
        "told about a place, not set on it, though not marked read-only"
    ),
}

#: Component schemas that are no model.
NO_MODEL = {
    "EVSEImportRequest": "a body: its members are keyword arguments",
    "EVSEWaitlistRequest": "a body: its members are keyword arguments",
    "LocationDetail": "Location has its one more member, so that a user has one class of place",
    "RFC9457ProblemDetail": "ApiError reads it",
}

#: Public classes of the models that no component schema is behind.
NO_SCHEMA = {
    "LocationWrite": "the writable part of Location, where UNSET and None differ",
    "OnboardingLink": "what a redirect says",
}

#: Members that a model has beyond its schema.
MEMBERS_ADDED = {
    ("Location", "current_carbon_intensity_grams_per_kilowatt_hour"): "LocationDetail's",
}

#: Members whose type is another than the schema says by itself.
MEMBER_TYPES = {
    ("EVSE", "location"): ("LatLong", "the inline object has the members of LatLong"),
    ("PriceSummary", "price"): ("Money", "a decimal number as text, in major units"),
    ("Tariff", "scheduler_tariff"): ("link Tariff", "the inline object is an incomplete Tariff"),
    ("Times", "start"): ("ClockTime", "text of the form HH:MM:SS"),
    ("Times", "end"): ("ClockTime", "text of the form HH:MM:SS"),
    ("User", "default_location"): ("Location", "Location or LocationDetail: one class for both"),
}

#: Response examples that a strict client refuses, and what is wrong with them.
FAULTY_EXAMPLES = {
    "GET /evses/{evse_id} 200 Example 1": "cpid is missing, and url of the embedded model and make",
}

#: Parameter values for the tests where the description has no example of use.
PARAMETER_VALUES = {
    "country": ("GB", "has no example"),
    "program_id": ("prog01HRS4TSK26BPBV7127DH7E0HA", "has no example as a query parameter"),
    "sampled_at": ("2024-04-17T09:39:45.984584Z", "has an example in some operations only"),
    "sampled_at__lte": ("2024-04-18T09:39:45.984584Z", "has the example of sampled_at__gte"),
    "logged_at__lte": ("2024-04-18T09:39:45.984584Z", "has the example of logged_at__gte"),
    "logged_at": ("2024-04-17T09:39:45.984584Z", "has an example in some operations only"),
}
