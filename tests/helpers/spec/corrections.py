"""Where the SDK departs from the official description on purpose, each with its reason.

Everything here is needed: a test takes each entry out and sees the comparison complain.
"""

from __future__ import annotations

#: Methods that are a second form of an operation which another method stands for.
SECOND_FORMS = {
    "evse_onboarding.get_json": "one operation answers 302 or 200, by response_type; two methods",
    "vehicle_onboarding.get_json": "one operation answers 302 or 200, by response_type",
}

#: Operations with two successes that one method stands for: the one that it is compared with.
TWO_SUCCESSES = {
    "vehicles.delete": (200, "204 has no numbers to tell, and reads as none"),
}

#: Values of ``expand`` that a method does not offer.
EXPAND_LEFT_OUT = {
    ("tariffs.list", "prices"): "a tariff of a list has no member of that name",
    ("carbon_feeds.carbon_intensities", "carbon_feed"): "the items have no member of that name",
    ("subscription_offerings.get", "user"): "an offering has no member of that name",
    ("subscription_offerings.get", "offering"): "an offering has no member of that name",
    ("user_rebates.update", "rebate_type"): "the answer is id and url",
    ("user_rebates.update", "rebate_type.required_evidence"): "the answer is id and url",
}

#: Methods that offer values of ``expand`` where the description takes any text: whose they are.
EXPAND_LIKE = {
    "vehicles.create": ("vehicles.get", "a free text, with the example user"),
}

#: Problem types that are no operation's own.
COMMON_PROBLEMS = {
    "example-problem": "the placeholder, where an operation shows no example of its own",
    "pagination-parameters": "any paged listing",
    "rate-limit-exceeded": "any operation",
    "validation-failed-create-vehicle": "the example of sixteen operations, of whatever kind",
}

#: Scopes that operations want and the list of scopes lacks.
UNDECLARED_SCOPES = {
    "chargingsession:read": "schedules only; everywhere else it is charging_session:read",
    "programs:write": "agreement acceptance",
    "site:read": "shared sites",
    "support:read": "tickets",
    "support:write": "tickets",
    "utility_account:write": "joining a program",
}

#: Query parameters that a method leaves out.
QUERY_LEFT_OUT = {
    ("evse_onboarding.get", "response_type"): "sent by get_json only: it asks for the other form",
    ("vehicle_onboarding.get", "response_type"): "sent by get_json only",
}

#: Members of a body that may be null by their schema, and may not here.
NULL_LEFT_OUT = {
    ("users.update_payout_method", "receiver"): (
        "two of the wallets need a receiver, and the third must be given none"
    ),
}

#: Members of a body that a method leaves out.
BODY_LEFT_OUT: dict[tuple[str, str], str] = {}

#: Required members of a body that may be left out.
NOT_NEEDED = {
    ("support_tickets.update", "created_at"): "the body is the read model; read-only",
    ("support_tickets.update", "external_ticket_id"): "the body is the read model; read-only",
    ("support_tickets.update", "id"): "the body is the read model; read-only",
    ("support_tickets.update", "url"): "the body is the read model; read-only",
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

#: Replies that are described in place: the model they are read into, and why it is called that.
INLINE_REPLIES = {
    ("GET", "/"): ("ApiRoot", "what is there to start from"),
    ("GET", "/webhook_portal"): ("WebhookPortalLink", "what it holds"),
    ("GET", "/support_tickets/categories"): ("SupportTicketCategories", "the path"),
    ("GET", "/support-ticket-stats/sankey"): ("SupportTicketSankeyStats", "the path"),
    ("GET", "/support-ticket-stats/volume"): ("SupportTicketVolumeStats", "the path"),
    ("GET", "/support-ticket-stats/resolution"): ("SupportTicketResolutionStats", "the path"),
    ("GET", "/support-ticket-stats/status"): ("SupportTicketStatusStats", "the path"),
    ("GET", "/support-ticket-stats/priority"): ("SupportTicketPriorityStats", "the path"),
    ("GET", "/support-ticket-stats/source"): ("SupportTicketSourceStats", "the path"),
    ("GET", "/support-ticket-stats/top-categories"): (
        "SupportTicketTopCategoriesStats",
        "the path",
    ),
    (
        "POST",
        "/charging_sub_sessions/{charging_sub_session_id}/recalculate_energy_usages",
    ): ("EnergyUsageRecalculation", "the path"),
    ("PATCH", "/user_rebates/{user_rebate_id}"): (
        "UserRebateCreated",
        "id and url, as the component of that name has them",
    ),
    ("POST", "/rebate_evidence_files:start_upload"): ("RebateEvidenceUpload", "what it starts"),
    ("POST", "/rebate_evidence_files/{rebate_evidence_file_id}:finish_upload"): (
        "RebateEvidenceFile",
        "id and url of the file; the other members of the component are not required either",
    ),
    ("DELETE", "/vehicles/{vehicle_id}"): ("Counts", "numbers by any name"),
}

#: Replies that wrap what comes back: the member that holds it.
ENVELOPE_KEYS = {
    ("GET", "/carbon_feeds/{carbon_feed_id}/carbon_intensities"): "carbon_intensities",
    ("PATCH", "/notifications/{notification_id}"): "Notification",
}

#: Component schemas that are no model.
NO_MODEL = {
    "CarbonIntensities": "its items are a listing; what else it holds is in page.envelope",
    "ChargingSubSessionAssessmentRatings": "a map: dict[str, ChargingSubSessionAssessmentRating]",
    "DispatchEventWrite": "a body: its members are keyword arguments",
    "EVSEImportRequest": "a body: its members are keyword arguments",
    "EVSEWaitlistRequest": "a body: its members are keyword arguments",
    "PasswordResetRequest": "a body: its members are keyword arguments",
    "PayoutMethodUpdate": "a body: its members are keyword arguments",
    "RegionCreate": "a body: its members are keyword arguments",
    "RegionGroupCreate": "a body: its members are keyword arguments",
    "RoutePlannerPreferencesUpdate": "a body: its members are keyword arguments",
    "SavedRouteCreate": "a body: its members are keyword arguments",
    "SavedRoutePatch": "a body: its members are keyword arguments",
    "VehicleConnectorsUpdate": "a body: its members are keyword arguments",
    "VehicleModelConnectorCreate": "a body: its members are keyword arguments",
    "VehicleModelConnectorPatch": "a body: its members are keyword arguments",
    "VehicleModelUpdate": "a body: its members are keyword arguments",
    "VehicleModelWrite": "a body: its members are keyword arguments",
    "VehicleOnboardingCompleteRequest": "a body: its members are keyword arguments",
    "VehicleStateOfChargeUpdate": "a body: its members are keyword arguments",
    "VehicleTrimCreate": "a body: its members are keyword arguments",
    "VehicleWaitlistRequest": "a body: its members are keyword arguments",
    "VehicleWrite": "a body: its members are keyword arguments",
    "LocationDetail": "Location has its one more member, so that a user has one class of place",
    "RFC9457ProblemDetail": "ApiError reads it",
    "TariffBase": "Tariff has its members, and no operation answers with less",
}

#: Public classes of the models that no component schema is behind.
NO_SCHEMA = {
    "EvidenceDataWrite": "an item of evidence_data, which is described in place",
    "LocationWrite": "the writable part of Location, where UNSET and None differ",
    "NotificationGroupsWrite": "what is written of UserNotificationPreferencesGroups, in part",
    "OnboardingLink": "what a redirect says",
    "UnknownEvent": "an event of a later version of the API",
}

#: Classes that are sent and never received: component schemas whose members may be ``UNSET``.
WRITTEN_ONLY = {
    "RegionGroupEntry": "an item of the body that makes a group of regions",
}

#: Enums that are only ever sent.
BODY_ENUMS = {
    "EVSEImportRequestProvider": "EVSEImportRequest is a body, whose members are arguments",
}

#: Members with a default other than None.
DEFAULTS = {
    ("GeoJsonPolygon", "type"): "the only possible value, so callers need not pass it",
    ("GeoJsonMultiPolygon", "type"): "the only possible value, so callers need not pass it",
}

#: Members that a model has beyond its schema.
MEMBERS_ADDED = {
    ("Location", "current_carbon_intensity_grams_per_kilowatt_hour"): "LocationDetail's",
}

#: Members whose type is another than the schema says by itself.
MEMBER_TYPES = {
    ("EVSE", "location"): ("LatLong", "the inline object has the members of LatLong"),
    ("SolarForecast", "location"): ("LatLong", "the inline object has the members of LatLong"),
    ("PriceSummary", "price"): ("Money or str", "a decimal number as text, in major units"),
    ("Tariff", "scheduler_tariff"): ("link Tariff", "the inline object is an incomplete Tariff"),
    ("EnergyUsage", "charging_sub_session"): (
        "link ChargingSubSession",
        "it can be expanded, though only its URL is described",
    ),
    ("TariffDetail", "prices"): ("tuple of Price or str", "the URL of the list, or the list"),
    ("GeoJsonPolygon", "type"): ("str", "has one value"),
    ("GeoJsonMultiPolygon", "type"): ("str", "has one value"),
    ("GeoJsonPolygon", "coordinates"): (
        "tuple of tuple of Position",
        "a position is two numbers: longitude and latitude",
    ),
    ("GeoJsonMultiPolygon", "coordinates"): (
        "tuple of tuple of tuple of Position",
        "a position is two numbers: longitude and latitude",
    ),
    ("ChargingSubSessionAssessment", "ratings"): (
        "dict of ChargingSubSessionAssessmentRating",
        "a map from any metric to its rating",
    ),
    ("VehicleConnectors", "native_connector"): ("ConnectorType", "shared with adaptors"),
    ("VehicleConnectors", "adaptors"): ("tuple of ConnectorType", "shared with native_connector"),
    ("VehicleModel", "default_connector_type"): ("ConnectorType", "the same texts as a vehicle's"),
    ("ChargingSubSessionCreatedWebhook", "type"): ("str", "has one value, which the class says"),
    ("ChargingSubSessionEndedWebhook", "type"): ("str", "has one value, which the class says"),
    ("Times", "start"): ("ClockTime or str", "text of the form HH:MM:SS"),
    ("Times", "end"): ("ClockTime or str", "text of the form HH:MM:SS"),
    ("User", "default_location"): ("Location", "Location or LocationDetail: one class for both"),
}

#: Response examples that a strict client refuses, and what is wrong with them.
FAULTY_EXAMPLES = {
    "GET /evses/{evse_id} 200 Example 1": "cpid is missing, and url of the embedded model and make",
    "GET /inverter_makes 200 Example 1": "icon is missing",
    "GET /inverter_makes/{inverter_make_id} 200 Example 1": "icon is missing",
    "GET /inverter_models/{inverter_model_id} 200 Example 1": "icon of the make is missing",
    "GET /inverters/{inverter_id} 200 Example 1": "icon of the make is missing",
    "POST /inverters 201 Example 1": "icon of the make is missing",
    "GET /rebate_types 200 Example 1": "a member is called $ref: an unresolved reference",
    "GET /user_rebates 200 Example 1": "a member is called $ref",
    "GET /user_rebates/{user_rebate_id} 200 Example 1": "a member is called $ref",
}
