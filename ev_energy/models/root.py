"""The root of the API."""

from __future__ import annotations

from ev_energy.models._base import Model, model


@model
class ApiRoot(Model):
    """URLs of collections, each under the collection's name. Many collections are not listed."""

    users: str | None = None
    carbon_feeds: str | None = None
    evses: str | None = None
    evse_models: str | None = None
    evse_makes: str | None = None
    vehicles: str | None = None
    vehicle_trims: str | None = None
    vehicle_models: str | None = None
    vehicle_makes: str | None = None
    suppliers: str | None = None
    tariffs: str | None = None
    support_tickets: str | None = None
    dispatch_coordinators: str | None = None
    grid_feeds: str | None = None
