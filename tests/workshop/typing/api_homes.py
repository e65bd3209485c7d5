"""User code for homes and the grid. Type checkers must accept it; it is never run."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import assert_type

from ev_energy import (
    UNSET,
    Client,
    LogPager,
    Pager,
    Ref,
    models,
)
from ev_energy.expand import InverterExpand, TariffDetailExpand
from ev_energy.models import (
    EVSE,
    BoundaryMeter,
    BoundaryMeterStatusLog,
    CTClamp,
    GeoJsonMultiPolygon,
    GeoJsonPolygon,
    HEMSystem,
    HomeBattery,
    HomeBatteryStatusLog,
    Inverter,
    InverterMake,
    InverterModel,
    LatLong,
    Price,
    RegionDetail,
    RegionGroupEntry,
    SolarArray,
    SolarForecastLog,
    Supplier,
    Tariff,
    TariffDetail,
    User,
    Vehicle,
)
from ev_energy.models.onboarding import OnboardingLink


async def evse_catalogue(client: Client, user: User) -> None:
    assert_type(client.evse_makes.list(available_for_user_id=user), Pager[models.EVSEMake])
    make = await client.evse_makes.get("emak1")
    assert_type(client.evse_models.list(make_id=make, expand=["make"]), Pager[models.EVSEModel])
    model = await client.evse_models.get("emod1")
    assert_type(model.make, Ref[models.EVSEMake] | None)
    assert_type(client.evse_firmware_versions.list(), Pager[models.EVSEFirmwareVersion])
    found = await client.evse_compatibility.check(evse_model_id=model, country="GB")
    assert_type(found.compatible, bool)
    place = await client.evse_waitlist.create(email="a@example.com", evse_model_id=model)
    assert_type(place, models.EVSEWaitlistResponse)
    link = await client.evse_onboarding.get_json(user_id=user, client_id="app", model_id=model)
    assert_type(link, models.EVSEOnboardingJsonResponse)


async def evses_and_sites(client: Client, evse: EVSE, clamp: CTClamp) -> None:
    assert_type(await client.evses.reconnect(evse), models.EVSEReconnectionUrl)
    assert_type(client.ct_clamps.logs(clamp), LogPager[models.CTClampLog])
    assert_type(client.evse_sites.list(), Pager[models.EVSESite])
    site = await client.evse_sites.get("site1")
    assert_type(site.evses, tuple[str, ...])
    for url in site.evses:
        assert_type(await client.evses.get(url), EVSE)
    assert_type(client.cpms_providers.list(), Pager[models.CPMSProvider])
    provider = await client.cpms_providers.get("MONTA")
    assert_type(provider.id, models.CPMSProviderId)


async def batteries(client: Client, when: dt.datetime) -> None:
    assert_type(client.home_batteries.list(expand=["model.make"]), Pager[HomeBattery])
    battery = await client.home_batteries.get("hbat1", expand=["latest_status_log"])
    assert_type(battery.latest_status_log, Ref[HomeBatteryStatusLog] | None)
    async for log in client.home_batteries.status_logs(battery, sampled_at__lte=when):
        assert_type(log.charge_rate_watts, int | None)
        assert_type(await client.home_batteries.status_log(battery, log), HomeBatteryStatusLog)
    assert_type(client.home_battery_makes.list(), Pager[models.HomeBatteryMake])
    make = await client.home_battery_makes.get("hmak1")
    assert_type(client.home_battery_models.list(make_id=make), Pager[models.HomeBatteryModel])
    model = await client.home_battery_models.get("hmod1", expand=["make"])
    assert_type(model.make, Ref[models.HomeBatteryMake] | None)


async def inverters(client: Client, user: User, model: InverterModel) -> None:
    wanted: list[InverterExpand] = ["latest_status_log"]
    assert_type(client.inverters.list(expand=wanted), Pager[Inverter])
    inverter = await client.inverters.create(model=model, user=user)
    assert_type(inverter.user, Ref[User] | None)
    if inverter.latest_status_log is not None:
        assert_type(inverter.latest_status_log.value.solar_power_watts, int | None)
    assert_type(client.inverter_makes.list(), Pager[InverterMake])
    assert_type(client.inverter_models.list(make_id="imak1"), Pager[InverterModel])
    link = await client.inverter_onboarding.get(
        user_id=user,
        client_id="app",
        make_id="imak1",
        inverter_id=inverter,
    )
    assert_type(link, OnboardingLink)
    assert_type(str(link), str)


async def solar(client: Client, vehicle: Vehicle) -> None:
    arrays = client.solar_arrays.list(vehicle_id=vehicle, expand=["inverter"])
    assert_type(arrays, Pager[SolarArray])
    array = await client.solar_arrays.create(capacity_watts=4_000)
    assert_type(array.inverter, Ref[Inverter] | None)
    await client.solar_arrays.update(array, capacity_watts=UNSET)
    assert_type(client.solar_forecasts.list(), Pager[models.SolarForecast])
    forecast = await client.solar_forecasts.get("sfor1")
    assert_type(forecast.location, LatLong)
    async for log in client.solar_forecasts.forecast_logs(forecast):
        assert_type(log.solar_forecast, Ref[models.SolarForecast])
        assert_type(await client.solar_forecasts.forecast_log(forecast, log), SolarForecastLog)


async def boundary_meters(client: Client, when: dt.datetime) -> None:
    assert_type(client.boundary_meters.list(expand=["model.make"]), Pager[BoundaryMeter])
    meter = await client.boundary_meters.get("bmet1")
    assert_type(meter.model, Ref[models.BoundaryMeterModel] | None)
    logs = client.boundary_meters.status_logs(meter, sampled_at__gte=when)
    assert_type(await logs.first(), BoundaryMeterStatusLog | None)
    log = await client.boundary_meters.status_log(meter, when)
    assert_type(log.power_watts, int | None)
    assert_type(client.boundary_meter_makes.list(), Pager[models.BoundaryMeterMake])
    assert_type(client.boundary_meter_models.list(), Pager[models.BoundaryMeterModel])


async def home_energy(client: Client, system: HEMSystem, when: dt.datetime) -> None:
    assert_type(client.hem_systems.list(), Pager[HEMSystem])
    power = await client.hem_systems.live_power(system)
    assert_type(power.solar_to_home_watts, int | None)
    stats = await client.hem_systems.energy_stats(
        system, start=when, end=when + dt.timedelta(days=1), resolution="PT30M"
    )
    assert_type(stats.buckets, tuple[models.HEMSystemEnergyStatsBucket, ...])
    assert_type(stats.resolution, models.HEMSystemEnergyStatsResponseResolution)


async def feeds(client: Client, when: dt.datetime) -> None:
    assert_type(client.carbon_feeds.list(), Pager[models.CarbonFeed])
    feed = await client.carbon_feeds.get("carb1")
    intensities = client.carbon_feeds.carbon_intensities(feed, started_at__gte=when)
    assert_type(intensities, LogPager[models.CarbonIntensity])
    assert_type(client.grid_feeds.list(), Pager[models.GridFeed])
    async for level in client.grid_feeds.levels("grid1"):
        assert_type(level.started_at, dt.datetime | None)


async def dispatch(client: Client, when: dt.datetime) -> None:
    family = client.dispatch_coordinators
    assert_type(family.list(), Pager[models.DispatchCoordinator])
    event = await family.create_dispatch_event(
        "dc000000", start_time=when, end_time=when, import_limit_watts=None
    )
    assert_type(event, models.DispatchEvent)
    answer = await family.cancel_dispatch_event("dc000000", event)
    assert_type(answer.status, models.DispatchEventCancelResponseStatus | None)
    assert_type(family.dispatch_logs("dc000000"), LogPager[models.DispatchLog])
    log = await family.dispatch_log("dc000000", when)
    assert_type(log.dispatch_coordinator, str | None)


async def tariffs(client: Client, user: User) -> None:
    assert_type(client.suppliers.list(available_for_user_id=user), Pager[Supplier])
    assert_type(await client.suppliers.get("supl1"), Supplier)
    listing = client.tariffs.list(include_optional="daily_prices", expand=["scheduler_tariff"])
    assert_type(listing, Pager[Tariff])
    wanted: list[TariffDetailExpand] = ["prices"]
    tariff = await client.tariffs.get("tari1", expand=wanted)
    assert_type(tariff, TariffDetail)
    assert_type(tariff.supplier, Ref[Supplier])
    assert_type(tariff.scheduler_tariff, Ref[Tariff] | None)
    assert_type(tariff.prices, tuple[Price, ...] | str | None)
    if isinstance(tariff.prices, tuple):
        assert_type(tariff.prices[0].price_minor_units, int)
    if tariff.daily_prices is not None:
        assert_type(tariff.daily_prices.peak.price, Decimal | str | None)
    assert_type(client.tariffs.prices(tariff), LogPager[Price])


async def regions(client: Client, outline: GeoJsonPolygon) -> None:
    listing = client.regions.list(contains=LatLong(latitude=51.5, longitude=-0.1))
    assert_type(listing, Pager[models.Region])
    ring = ((-1.0, 51.0), (1.0, 51.0), (1.0, 52.0), (-1.0, 51.0))
    drawn = GeoJsonMultiPolygon(coordinates=((ring,),))
    made = await client.regions.create(name="South", geometries=[outline, drawn], type=None)
    assert_type(made, RegionDetail)
    assert_type(made.geometry, GeoJsonMultiPolygon | None)
    assert_type(await client.regions.get(made), RegionDetail)
    entries = [RegionGroupEntry(name="North", geometries=[GeoJsonPolygon(coordinates=(ring,))])]
    checked = await client.region_groups.validate(name="All", regions=entries)
    assert_type(checked.regions, tuple[models.RegionValidationResult, ...] | None)
    group = await client.region_groups.create(name="All", regions=entries)
    assert_type(group.regions, tuple[str, ...] | None)
    assert_type(client.region_groups.list(name="All"), Pager[models.RegionGroup])
