"""User code for vehicles. Type checkers must accept it; it is never run."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_type

from ev_energy import (
    UNSET,
    Client,
    LogPager,
    Page,
    Pager,
    Ref,
    Unset,
    errors,
    models,
    webhooks,
)
from ev_energy.expand import ChargingSubSessionExpand, VehicleExpand
from ev_energy.models import (
    EVSE,
    ChargingSession,
    ChargingSubSession,
    ChargingSubSessionMode,
    ConnectorType,
    EnergyDeliveredByPrice,
    User,
    Vehicle,
    VehicleIntegrated,
    VehicleMake,
    VehicleModel,
    VehicleModelConnector,
    VehicleStatusLog,
    VehicleTrim,
)
from ev_energy.models.onboarding import OnboardingLink


async def vehicles(client: Client, user: User, model: VehicleModel) -> None:
    wanted: list[VehicleExpand] = ["user", "trim.model.make"]
    assert_type(client.vehicles.list(expand=wanted), Pager[Vehicle])
    vehicle = await client.vehicles.get("vehi1", expand=["trim", "latest_status_log"])
    assert_type(vehicle, Vehicle)
    assert_type(vehicle.integrated, VehicleIntegrated)
    assert_type(vehicle.trim, Ref[VehicleTrim] | None)
    assert_type(vehicle.user, Ref[User] | None)
    assert_type(vehicle.maximum_charge_limit_percentage, int | None)
    if vehicle.trim and vehicle.trim.value.model:
        assert_type(vehicle.trim.value.model.value, VehicleModel)
        assert_type(await client.fetch(vehicle.trim), VehicleTrim)
    if vehicle.latest_status_log:
        assert_type(await client.fetch(vehicle.latest_status_log), VehicleStatusLog)
    made = await client.vehicles.create(
        model=model,
        user=user,
        battery_size_watt_hours=60_000,
        vehicle_class=None,
        expand=["user"],
    )
    assert_type(made, Vehicle)
    await client.vehicles.update(made, smart_charging_enabled=True, vehicle_class=None)
    await client.vehicles.update(made, maximum_charge_limit_percentage=UNSET)
    assert_type(await client.vehicles.disconnect(made), Vehicle)
    link = await client.vehicles.reconnect(made)
    assert_type(link.expires_at, dt.datetime | None)
    assert_type(await client.vehicles.delete(made), dict[str, int])
    assert_type((await client.vehicles.delete(made)).get("remaining_car_count"), int | None)
    assert_type(await client.vehicles.vpp_modes(made), models.VPPModes)


async def plugs_and_charge(client: Client, vehicle: Vehicle, percent: int | Unset | None) -> None:
    plugs = await client.vehicles.connectors(vehicle)
    assert_type(plugs.native_connector, ConnectorType | None)
    assert_type(plugs.adaptors, tuple[ConnectorType, ...])
    assert_type(plugs.vehicle, str)
    await client.vehicles.get(plugs.vehicle)
    await client.vehicles.update_connectors(
        vehicle, native_connector=None, adaptors=[ConnectorType.NACS, "TYPE_OF_TOMORROW"]
    )
    charge = await client.vehicles.update_state_of_charge(
        vehicle,
        state_of_charge_percentage=percent,
    )
    assert_type(charge.source, models.VehicleStateOfChargeSource | None)
    assert_type(await client.vehicles.state_of_charge(vehicle), models.VehicleStateOfCharge)


async def logs(client: Client, vehicle: Vehicle, when: dt.datetime) -> None:
    states = client.vehicles.status_logs(vehicle, sampled_at__gte=when, expand=["vehicle.user"])
    assert_type(states, LogPager[VehicleStatusLog])
    async for state in states:
        assert_type(state.vehicle, Ref[Vehicle] | None)
        assert_type(await client.vehicles.status_log(vehicle, state), VehicleStatusLog)
    assert_type(client.vehicles.error_logs(vehicle), LogPager[models.VehicleAPIErrorLog])
    assert_type(client.vehicles.location_logs(vehicle), LogPager[models.VehicleLocationLog])
    assert_type(client.vehicles.command_logs(vehicle), LogPager[models.VehicleCommandLog])
    command = await client.vehicles.command_log(vehicle, when)
    assert_type(command.internal_command_id, uuid.UUID | None)
    assert_type(await client.vehicles.error_log(vehicle, "now"), models.VehicleAPIErrorLog)
    assert_type(await client.vehicles.location_log(vehicle, when), models.VehicleLocationLog)


async def catalogue(client: Client, make: VehicleMake, when: dt.datetime) -> None:
    assert_type(client.vehicle_makes.list(ordering="-name"), Pager[VehicleMake])
    assert_type(await client.vehicle_makes.get(make), VehicleMake)
    assert_type(client.vehicle_models.list(make_id=make, expand=["make"]), Pager[VehicleModel])
    model = await client.vehicle_models.create(name="One", make=make)
    assert_type(model.make, Ref[VehicleMake] | None)
    if model.make is not None:
        assert_type(client.vehicle_models.list(make_id=model.make), Pager[VehicleModel])
    await client.vehicle_models.update(model, default_connector_type=None)
    assert_type(client.vehicle_models.connectors(model), Pager[VehicleModelConnector])
    region = models.VehicleModelConnectorRegion.NORTH_AMERICA
    plug = await client.vehicle_models.create_connector(
        model, region=region, connector_type="NACS", verified_at=when
    )
    assert_type(plug.region, models.VehicleModelConnectorRegion)
    assert_type(await client.vehicle_models.connector(model, region), VehicleModelConnector)
    await client.vehicle_models.update_connector(model, "EUROPE", source=None)
    assert_type(client.vehicle_trims.list(model_id=model), Pager[VehicleTrim])
    trim = await client.vehicle_trims.create(
        name="Long",
        model=model,
        battery_size_watt_hours=60_000,
    )
    assert_type(trim.battery_size_watt_hours, int | None)
    found = await client.vehicle_compatibility.check(vehicle_model_id=model, country="GB")
    assert_type(found.recommendation_rank, int | None)


async def connecting(client: Client, user: User, make: VehicleMake) -> None:
    link = await client.vehicle_onboarding.get(user_id=user, client_id="app", make_id=make)
    assert_type(link, OnboardingLink)
    start = await client.vehicle_onboarding.get_json(user_id=user, client_id="app", make_id=make)
    assert_type(start.authorization_request_id, uuid.UUID)
    assert_type(start.scopes, tuple[str, ...] | None)
    done = await client.vehicle_onboarding.complete(
        authorization_request_uid=start.authorization_request_id, auth_code="code"
    )
    for vehicle in done.vehicles:
        assert_type(vehicle.id, str)
    family = client.vehicle_onboarding
    assert_type(await family.onboarding_link(email="a@example.com", make=make), None)
    place = await client.vehicle_waitlist.create(email="a@example.com", vehicle_model_id="vmod1")
    assert_type(place.id, str)


async def sessions(client: Client, session: ChargingSession) -> None:
    assert_type(client.charging_sessions.list(expand=["sub_sessions"]), Pager[ChargingSession])
    assert_type(session.end, dt.datetime | None)
    assert_type(session.sub_sessions, tuple[Ref[ChargingSubSession], ...] | None)
    for link in session.sub_sessions or ():
        assert_type(link, Ref[ChargingSubSession])
        assert_type(link.value.mode, ChargingSubSessionMode)
        assert_type(await client.fetch(link), ChargingSubSession)
        await client.charging_sub_sessions.get(link)
    try:
        assert_type(await client.charging_sessions.boost_start(session), ChargingSession)
        await client.charging_sessions.boost_end(session.id)
    except errors.ConflictError as error:
        assert_type(error.status, int)


async def sub_sessions(client: Client, vehicle: Vehicle, evse: EVSE, when: dt.datetime) -> None:
    wanted: tuple[ChargingSubSessionExpand, ...] = ("energy_usage", "tariff.supplier")
    listing = client.charging_sub_sessions.list(
        vehicle_id=vehicle,
        evse_id=evse,
        user_id="me",
        mode=ChargingSubSessionMode.SMART,
        start__gt=when,
        is_finished=True,
        expand=wanted,
    )
    assert_type(listing, Pager[ChargingSubSession])
    sub = await client.charging_sub_sessions.get("csub1", expand=["grid_feeds"])
    assert_type(sub.grid_feeds, tuple[Ref[models.GridFeed], ...] | None)
    assert_type(sub.labels, tuple[models.ChargingSubSessionLabel, ...] | None)
    assert_type(sub.cost, int | None)
    assert_type(sub.percentage_added, float | None)
    assert_type(sub.location.coordinates, models.LatLong | None)
    if sub.energy_usage and sub.energy_usage.is_expanded:
        assert_type(sub.energy_usage.value, models.EnergyUsage)
    usage = await client.charging_sub_sessions.energy_usage(sub, merge_consecutive_intervals=True)
    for interval in usage.intervals or ():
        assert_type(interval.electricity_cost_sub_unit, Decimal | None)
        several = interval.energy_delivered_by_price
        assert_type(several, tuple[EnergyDeliveredByPrice, ...] | None)
        for part in several or ():
            assert_type(part.price, Decimal | None)
    redone = await client.charging_sub_sessions.recalculate_energy_usages(sub, dry_run=True)
    assert_type(redone.new_energy_delivered_watt_hours, int)


async def what_is_behind_them(client: Client, sub: ChargingSubSession, when: dt.datetime) -> None:
    family = client.charging_sub_sessions
    flags = await family.flags(sub)
    assert_type(flags.flags, tuple[models.ChargingSessionFlag, ...])
    assert_type(flags.charging_sub_session, Ref[ChargingSubSession])
    debug = await family.debug_metadata(sub, expand=["charging_sub_session"])
    assert_type(debug.charging_sub_session.value, ChargingSubSession)
    found = await family.assessment(sub)
    rating = models.ChargingSubSessionAssessmentRating
    assert_type(found.ratings, dict[str, models.ChargingSubSessionAssessmentRating] | None)
    if found.ratings and found.ratings.get("overall") is rating.GREEN:
        assert_type(found.ratings["overall"].known, bool)
    schedules = await family.schedules(sub, started_at__gte=when)
    assert_type(schedules.schedules, tuple[models.ScheduleInterval, ...] | None)
    plans = await family.schedule_plans(sub, expand=["price_data"])
    for plan in plans.schedule_plans or ():
        assert_type(plan.price_data, tuple[models.Price, ...] | None)
        await family.schedules(sub, schedule_plan_id=plan)
    sent = client.dispatcher_logs.list(charging_sub_session_id=sub, logged_at__gte=when)
    assert_type(sent, LogPager[models.DispatcherLog])


async def around_a_page(client: Client) -> None:
    page = await client.carbon_feeds.carbon_intensities("carb1").page()
    assert_type(page, Page[models.CarbonIntensity])
    assert_type(page.envelope, Mapping[str, Any])


def events(body: bytes, text: str) -> str:
    assert_type(webhooks.read(text, strict=True), webhooks.Event)
    event = webhooks.read(body)
    match event:
        case webhooks.ChargingSubSessionCreated():
            assert_type(event, models.ChargingSubSessionCreatedWebhook)
            assert_type(event.data, ChargingSubSession)
            return event.data.id
        case webhooks.ChargingSubSessionEnded(data=sub, timestamp=when):
            assert_type(sub, ChargingSubSession)
            assert_type(when, dt.datetime)
            return sub.id
        case webhooks.UnknownEvent():
            assert_type(event.type, str | None)
            assert_type(event.data, dict[str, Any] | None)
            return event.type or "unknown"


def events_by_class(event: webhooks.Event) -> None:
    if isinstance(event, models.UnknownEvent):
        assert_type(event.extra.get("anything"), Any | None)
    else:
        assert_type(event.data, ChargingSubSession)
        assert_type(event.timestamp, dt.datetime)


def events_that_are_none(body: bytes) -> None:
    try:
        webhooks.read(body, on_drift=print)
    except errors.UnreadableEventError as error:
        assert_type(error.body, bytes)
        assert_type(error.path, str)
