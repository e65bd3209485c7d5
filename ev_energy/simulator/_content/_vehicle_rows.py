"""What requests do to vehicles and their models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ev_energy.simulator._store._instants import ANCHOR, write_instant
from ev_energy.simulator._store._rows import Address

if TYPE_CHECKING:
    from ev_energy.simulator._store._rows import Row
    from ev_energy.simulator._store._world import World


def hidden_trim(world: World, model: Row, size: int, *, name: str = "Custom") -> Row:
    """Return a trim of a model with this battery; one that is made is in no list."""
    return world.tables["vehicle_trims"].add({
        "id": world.new_id("vehicle_trims"),
        "name": name,
        "model": model["url"],
        "battery_size_watt_hours": size,
        "_connected": False,
        "_america": True,
        "_hidden": True,
        "_ac_watts": 7_400,
        "_full_name": f"{model['name']} {name}",
    })  # fmt: skip


def default_connector(world: World, vehicle: Row) -> str | None:
    """Return the plug that a vehicle's model has."""
    trim = world.follow(vehicle["trim"]) or {}
    model = world.follow(trim.get("model")) or {}
    return model.get("default_connector_type")


def connectors_of(world: World, model: Row) -> dict[str, Row]:
    """Return the connectors of a model by region: what is known, and what requests made of it."""
    known: dict[str, Any] = {}
    default = model["default_connector_type"]
    since = write_instant(ANCHOR)
    if default is not None:
        for region in ("EUROPE", "NORTH_AMERICA"):
            if region == "EUROPE" or model["_america"]:
                plug = "CCS" if region == "EUROPE" and default == "NACS" else default
                known[region] = {"connector_type": plug, "source": "CAR_API", "updated_at": since}
    changed = world.kept.get("model_connectors", {}).get(model["id"], {})
    home = model["url"].path
    return {
        region: {
            "url": Address(f"{home}/connectors/{region}"),
            "vehicle_model": Address(home),
            "region": region,
            "confidence": "HIGH" if region in known else None,
            "source": None,
            "verified_at": None,
            **known.get(region, {}),
            **changed.get(region, {}),
        }
        for region in {**known, **changed}
    }


def disconnect(world: World, vehicle: Row) -> Row:
    """Take away the maker's permission; one that never had it stays as it is."""
    if vehicle["integrated"] != "ACTIVE":
        return vehicle
    world.do(vehicle, "car_gone")
    return world.change(vehicle, integrated="INACTIVE")
