"""Blocking user code for users and programs. Type checkers must accept it; it is never run."""

# ruff: noqa: I001  (in the order of api_people.py)

from __future__ import annotations

import datetime as dt
import pathlib
from typing import IO, Any, assert_type

from ev_energy_sync import (
    UNSET,
    Client,
    Pager,
    Ref,
    errors,
    models,
)
from ev_energy.models import (
    EvidenceDataWrite,
    LatLong,
    Notification,
    NotificationGroupsWrite,
    PayoutMethod,
    Program,
    ProgramTier,
    RebateEvidenceFile,
    RebateEvidenceType,
    RebateEvidenceUpload,
    RebateType,
    RoutePlannerPreferences,
    RoutePoint,
    SavedRoute,
    Subscription,
    SupportTicket,
    SupportTicketMessage,
    User,
    UserRebate,
    VehicleModel,
)


def around_a_user(client: Client, user: User) -> None:
    assert_type(user.vehicles, tuple[str, ...] | None)
    groups = NotificationGroupsWrite(charging_issues=True)
    wanted = client.users.update_notification_preferences(user, groups=groups)
    assert_type(wanted.groups, models.UserNotificationPreferencesGroups | None)
    planner = client.users.update_route_planner_preferences(
        "me", preferred_vehicle=None, min_charger_power_watts=50000
    )
    assert_type(planner, RoutePlannerPreferences)
    assert_type(planner.preferred_vehicle, str | None)
    paid = client.users.update_payout_method(
        user, receiver_wallet="PAYPAL", receiver="a@example.com"
    )
    assert_type(paid, PayoutMethod)
    assert_type(client.users.delete_payout_method(user), None)


def routes(client: Client, user: User, when: dt.datetime) -> None:
    here = RoutePoint(latitude=51.5, longitude=-0.1, name="Here")
    route = client.users.create_saved_route(
        user,
        name="Commute",
        origin=here,
        destination=here,
        arrive_with_min_percent=20,
        preferred_departure_minutes=None,
    )
    assert_type(route, SavedRoute)
    assert_type(route.waypoints, tuple[RoutePoint, ...])
    client.users.update_saved_route(user, route, last_used_at=when, waypoints=[here])
    assert_type(client.users.saved_routes(user), Pager[SavedRoute])
    assert_type(client.users.delete_saved_route(user, route), None)


def programs(client: Client, program: Program, tier: ProgramTier) -> None:
    place = LatLong(latitude=40, longitude=-74)
    assert_type(client.programs.list(coordinates=place), Pager[Program])
    client.programs.list(postal_code="10001", country_code=models.CountryCode.US)
    assert_type(client.programs.join(program), Program)
    assert_type(client.programs.tiers(program), Pager[ProgramTier])
    assert_type(client.programs.tier(program, tier), ProgramTier)
    details = {"account_number": "12345678-A"}
    assert_type(client.programs.user_verification(program, details=details), None)
    current = client.programs.current_participation_agreement_version(program)
    assert_type(current.version_number, int | None)
    client.programs.accept_participation_agreement_version(program, current)
    for found in client.programs.vehicle_compatibility(program, expand=["model"]):
        assert_type(found.model, Ref[VehicleModel] | None)
        assert_type(found.supported_countries, tuple[str, ...] | None)
    assert_type(client.incentive_schemes.list(), Pager[models.IncentiveScheme])


def rebates(client: Client, kind: RebateType) -> None:
    assert_type(client.rebate_types.list(expand=["required_evidence"]), Pager[RebateType])
    assert_type(kind.required_evidence, tuple[Ref[RebateEvidenceType], ...] | None)
    made = client.user_rebates.create(rebate_type=kind)
    assert_type(made.id, str | None)
    application = client.user_rebates.get(made.url or "", expand=["rebate_type"])
    assert_type(application.rebate_type, Ref[RebateType] | None)
    for link in kind.required_evidence or ():
        data = [EvidenceDataWrite(id=1, value="12.50")]
        client.user_rebates.update(
            application, rebate_type=kind, evidence_type=link, evidence_data=data
        )
        assert_type(client.fetch(link), RebateEvidenceType)
    assert_type(client.user_rebates.submit(application), None)
    evidence = client.rebate_evidence_types.get("evid1")
    assert_type(evidence.evidence_data, tuple[models.RebateEvidenceSupportingData, ...])
    files = client.rebate_evidence_files.list(user_rebate=application)
    assert_type(files, Pager[RebateEvidenceFile])


def uploads(
    client: Client, application: UserRebate, kind: Ref[RebateEvidenceType], file: IO[bytes]
) -> None:
    def show(sent: int, total: int) -> None:
        assert_type(sent, int)
        assert_type(total, int)

    uploaded = client.rebates.upload_evidence(
        pathlib.Path("invoice.pdf"),
        user_rebate=application,
        rebate_evidence_type=kind,
        content_type="application/pdf",
        progress=show,
    )
    assert_type(uploaded, RebateEvidenceFile)
    try:
        client.rebates.upload_evidence(
            b"%PDF-", user_rebate="rbtu1", rebate_evidence_type="evid1", file_name="a.pdf"
        )
    except errors.UploadError as error:
        assert_type(error.upload, RebateEvidenceUpload)
        assert_type(error.status, int | None)
        resumed = client.rebates.resume_upload(error.upload, file, timeout=60)
        assert_type(resumed, RebateEvidenceFile)
    started = client.rebate_evidence_files.start_upload(file_name="a.pdf")
    assert_type(started.presigned_url, str | None)


def tickets(client: Client, user: User, when: dt.datetime) -> None:
    listing = client.support_tickets.list(
        user=user,
        status__in=["Open", "Closed"],
        created_at__range=(when, when),
        resolved_at__isnull=True,
        expand=["messages"],
    )
    assert_type(listing, Pager[SupportTicket])
    ticket = client.support_tickets.get("tick1")
    assert_type(ticket.messages, tuple[Ref[SupportTicketMessage], ...] | None)
    assert_type(ticket.custom_fields, dict[str, Any] | None)
    category = models.SupportTicketCategoryEnum.MOBILE_APP
    client.support_tickets.update(ticket, human_verified_category=category)
    client.support_tickets.update(
        ticket,
        human_verified_category=None,
        ai_generated_category=UNSET,
    )
    assert_type(client.support_tickets.messages(ticket), Pager[SupportTicketMessage])
    known = client.support_tickets.categories()
    assert_type(known.categories, tuple[models.SupportTicketCategoriesCategory, ...] | None)
    volume = client.support_ticket_stats.volume(group_by="week")
    for point in volume.time_series or ():
        assert_type(point.date, dt.date)
    assert_type((client.support_ticket_stats.resolution()).resolution_rate, float)


def the_rest(client: Client, when: dt.datetime) -> None:
    assert_type(client.subscriptions.list(expand=["offering"]), Pager[Subscription])
    offering = client.subscription_offerings.get("offe1")
    assert_type(offering.name, str | None)
    assert_type(client.notifications.list(), Pager[Notification])
    assert_type(client.notifications.update("noti1", read_at=when), Notification | None)
    sent = client.auth.password_reset(email="a@example.com")
    assert_type(sent.status, models.PasswordResetResultStatus)
    assert_type((client.root.get()).evses, str | None)
    assert_type(client.timezones.list(), Pager[models.Timezone])
    assert_type((client.webhook_portal.get()).url, str | None)
