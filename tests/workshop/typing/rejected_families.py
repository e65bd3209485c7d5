"""Mistakes of users by family. Type checkers must report the marked lines, and no others."""

from __future__ import annotations

import datetime as dt
import io

from ev_energy import UNSET, Client, Ref, webhooks
from ev_energy.models import (
    EVSE,
    ChargingSubSession,
    EvidenceDataWrite,
    EVSEModel,
    GeoJsonPolygon,
    LatLong,
    RegionGroupEntry,
    RoutePoint,
    TariffDetail,
    UsageInterval,
    User,
    Vehicle,
)

POINT = RoutePoint(latitude=51.5, longitude=-0.1, name="Here")


async def names(client: Client, vehicle: Vehicle, when: dt.datetime) -> None:
    client.vehicle.list()  # expect-error
    client.subscriptions.get("subs1")  # expect-error
    client.inverters.status_logs("inve1")  # expect-error
    client.charging_sub_sessions.list(start__gte=when)  # expect-error
    await client.vehicles.update("vehi1", smart_charging=True)  # expect-error
    await client.support_tickets.update("tick1", human_category="OTHER")  # expect-error
    await client.vehicle_trims.create(name="Long", model="vmod1")  # expect-error
    await client.hem_systems.energy_stats("hems1", start=when, end=when)  # expect-error
    await client.users.update_payout_method("me", receiver="a@example.com")  # expect-error
    vehicle.state_of_charge  # expect-error  # noqa: B018


async def ids(client: Client, vehicle: Vehicle, evse: EVSE, model: EVSEModel, user: User) -> None:
    await client.vehicles.get(evse)  # expect-error
    await client.evses.get(vehicle)  # expect-error
    await client.charging_sessions.boost_start(vehicle)  # expect-error
    client.charging_sub_sessions.list(evse_id=vehicle)  # expect-error
    client.vehicle_models.list(make_id=model)  # expect-error
    await client.vehicles.create(model=model)  # expect-error
    await client.inverters.create(model="imod1", user=evse)  # expect-error
    planner = client.users.update_route_planner_preferences
    await planner("me", preferred_vehicle=evse)  # expect-error
    await client.vehicles.status_log(vehicle, vehicle)  # expect-error
    await client.programs.tier("prog1", user)  # expect-error
    await client.user_rebates.create(rebate_type=None)  # expect-error
    await client.programs.join(UNSET)  # expect-error
    client.tariffs.prices(7)  # expect-error


async def expanding(client: Client) -> None:
    client.vehicles.list(expand=["model"])  # expect-error
    client.charging_sessions.list(expand=["sub_session"])  # expect-error
    client.charging_sub_sessions.list(expand=["vehicle.model"])  # expect-error
    client.tariffs.list(expand=["prices"])  # expect-error
    await client.home_batteries.get("hbat1", expand="model")  # expect-error
    await client.notifications.get("noti1", expand=["user"])  # expect-error


async def null_and_unset(client: Client) -> None:
    await client.vehicles.update("vehi1", smart_charging_enabled=None)  # expect-error
    await client.notifications.update("noti1", read_at=None)  # expect-error
    await client.solar_arrays.update("sola1", capacity_watts=None)  # expect-error
    await client.vehicles.update_connectors("vehi1", adaptors=None)  # expect-error
    await client.vehicle_models.create(name="One", make=UNSET)  # expect-error
    await client.auth.password_reset(email=UNSET)  # expect-error
    client.timezones.list(page_size=None)  # expect-error
    client.vehicle_makes.list(ordering=UNSET)  # expect-error


async def listed_values(client: Client, when: dt.datetime) -> None:
    client.vehicle_makes.list(ordering="created")  # expect-error
    client.tariffs.list(include_optional="prices")  # expect-error
    await client.support_ticket_stats.volume(group_by="year")  # expect-error
    family = client.hem_systems
    await family.energy_stats("hems1", start=when, end=when, resolution="P1Y")  # expect-error
    planner = client.users.update_route_planner_preferences
    await planner("me", min_charger_power_watts=11_000)  # expect-error
    client.support_tickets.list(status=["Open"])  # expect-error


async def kinds_of_values(client: Client, when: dt.datetime, ring: list[list[float]]) -> None:
    client.support_tickets.list(created_at__range=when)  # expect-error
    client.support_tickets.list(created_at__range=[when, when])  # expect-error
    client.boundary_meters.status_logs("bmet1", sampled_at__gte=when.date())  # expect-error
    client.programs.list(coordinates=(40.0, -74.0))  # expect-error
    await client.vehicles.update("vehi1", battery_size_watt_hours="60000")  # expect-error
    charge = client.vehicles.update_state_of_charge
    await charge("vehi1", state_of_charge_percentage=0.5)  # expect-error
    await client.programs.user_verification("prog1", details="12345678-A")  # expect-error
    await client.regions.create(name="South", geometries=["Polygon"])  # expect-error
    route = client.users.update_saved_route
    await route("me", "rout1", origin=LatLong(latitude=1, longitude=1))  # expect-error
    await route("me", "rout1", waypoints=POINT)  # expect-error
    RoutePoint(latitude="51.5", longitude=-0.1, name="Here")  # expect-error
    RoutePoint(latitude=51.5, longitude=-0.1)  # expect-error
    GeoJsonPolygon(coordinates=ring)  # expect-error
    RegionGroupEntry(name="South")  # expect-error
    EvidenceDataWrite(id="1", value="12.50")  # expect-error
    EvidenceDataWrite(id=1, value=12.5)  # expect-error


async def uploads(client: Client, text: io.StringIO) -> None:
    family = client.rebates
    await family.upload_evidence("a.pdf", rebate_evidence_type="evid1")  # expect-error
    await family.upload_evidence(text, user_rebate="r", rebate_evidence_type="e")  # expect-error
    await family.upload_evidence(b"", user_rebate="r", rebate_evidence_type=None)  # expect-error
    await family.resume_upload("uplo1", "a.pdf")  # expect-error

    def show(percent: float) -> None:
        print(percent)

    start = client.rebate_evidence_files.start_upload
    await family.resume_upload(await start(), "a.pdf", progress=show)  # expect-error
    family.upload_evidence("a.pdf", user_rebate="r", rebate_evidence_type="e")  # expect-error


async def results(client: Client, usage: UsageInterval, tariff: TariffDetail) -> None:
    (await client.vehicles.delete("vehi1")).remaining_car_count  # expect-error  # noqa: B018
    client.carbon_feeds.carbon_intensities("carb1").envelope  # expect-error  # noqa: B018
    usage.energy_delivered_by_price.price  # expect-error  # noqa: B018
    pounds: float = usage.electricity_cost_sub_unit  # expect-error
    print(pounds, tariff.prices[0].price_minor_units)  # expect-error
    tariff.supplier.name  # expect-error  # noqa: B018
    client.vehicles.delete("vehi1")  # expect-error
    session = await client.charging_sessions.get("sess1")
    session.sub_sessions[0]  # expect-error
    wrong: tuple[ChargingSubSession, ...] | None = session.sub_sessions  # expect-error
    link: Ref[EVSE] | None = session.vehicle  # expect-error
    print(wrong, link)


def events(body: bytes) -> ChargingSubSession:
    webhooks.read({"type": "charging_sub_session.ended"})  # expect-error
    event = webhooks.read(body)
    print(event.data.id)  # expect-error
    return event.data  # expect-error


def matching(event: webhooks.Event) -> str:  # expect-error
    match event:  # expect-error
        case webhooks.ChargingSubSessionCreated():
            return event.type
        case webhooks.ChargingSubSessionEnded():
            return event.type
