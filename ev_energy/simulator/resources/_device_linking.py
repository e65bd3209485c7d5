"""Devices that users connect on the onboarding pages, and the rows that result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.onboarding_pages import ConnectError, MakerAccount, Option
from ev_energy.simulator.resources.evses import add_evse, serial_is_known
from ev_energy.simulator.resources.solar import connect_inverter
from ev_energy.simulator.world._rows import Link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_MAKES: Final = {
    "evses": "evse_makes",
    "vehicles": "vehicle_makes",
    "inverters": "inverter_makes",
}
_MODELS: Final = {
    "evses": "evse_models",
    "vehicles": "vehicle_models",
    "inverters": "inverter_models",
}
_CARS_PER_ACCOUNT: Final = 2


class WorldConnector:
    """Connects the devices of the users of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def makes(self, kind: str) -> Sequence[Option]:
        """Return the makes to choose from."""
        rows = self._world.tables[_MAKES[kind]]
        return [_option(row) for row in rows if row.get("_connected", True)]

    def models(self, kind: str, make_id: str) -> Sequence[Option]:
        """Return the models of a make."""
        return [_option(row) for row in self._models(kind, make_id)]

    def make(self, kind: str, about: Mapping[str, str]) -> Option | None:
        """Return the make that ids select, or None if an id is unknown or the makes differ."""
        world, found = self._world, list[str]()
        steps = {"trim_id": "vehicle_trims", "model_id": _MODELS[kind], "make_id": _MAKES[kind]}
        for name, folder in steps.items():
            if name not in about:
                continue
            row = world.tables[folder].get(about[name])
            if row is None:
                return None
            if name == "trim_id":
                row = world.follow(row["model"]) or {}
            found.append(row["make"].key if "make" in row else row["id"])
        if len(set(found)) != 1:
            return None
        make = world.tables[_MAKES[kind]].get(found[0])
        return None if make is None else _option(make)

    def account(self, kind: str, user_id: str, about: Mapping[str, str]) -> MakerAccount:
        """Return the devices in the user's account at a make that are not connected yet."""
        make = self.make(kind, about)
        if make is None:
            return MakerAccount(())
        known = self._known(kind, user_id, make.id)
        owned = [option for option in self._owned(kind, user_id, make) if option.id not in known]
        return MakerAccount(owned, single=kind == "inverters")

    def connect(
        self, kind: str, user_id: str, about: Mapping[str, str], devices: Sequence[str]
    ) -> Sequence[str]:
        """Connect devices of an account, or EVSEs by serial number, and return their ids."""
        make = self.make(kind, about)
        if make is None:
            raise ConnectError("This make is not known.")
        if kind == "evses":
            return [self._connect_evse(user_id, about, make, serial) for serial in devices]
        offered = {option.id for option in self.account(kind, user_id, about).devices}
        if not offered.issuperset(devices):
            raise ConnectError(
                "This account does not have this device, or it is connected already."
            )
        connect = self._connect_vehicle if kind == "vehicles" else self._connect_inverter
        connected = [connect(user_id, device) for device in devices]
        account = _account(kind, user_id, make.id)
        self._world.extra_state.setdefault("accounts", {}).setdefault(account, []).extend(devices)
        return connected

    def owner(self, kind: str, device_id: str) -> str | None:
        """Return the id of a device's user, or None if there is no such device."""
        row = self._world.tables[kind].get(device_id)
        user: Link | None = None if row is None else row["user"]
        return None if user is None else user.key

    def reconnect(self, kind: str, device_id: str) -> None:
        """Reconnect a disconnected device; connected ones stay unchanged."""
        row = self._world.tables[kind].get(device_id)
        if row is not None and row.get("integrated") == "INACTIVE":
            self._world.record_change(row, "car_back")
            self._world.update(row, integrated="ACTIVE")

    def _models(self, kind: str, make_id: str) -> list[Row]:
        rows = self._world.tables[_MODELS[kind]]
        return [row for row in rows if row["make"].key == make_id and not row.get("_hidden")]

    def _known(self, kind: str, user_id: str, make_id: str) -> list[str]:
        known: list[str] = self._world.extra_state.get("accounts", {}).get(
            _account(kind, user_id, make_id), []
        )
        return known

    def _owned(self, kind: str, user_id: str, make: Option) -> list[Option]:
        """Return the devices in an account, which are the same at each call."""
        models = self._models(kind, make.id)
        if kind == "inverters":
            return [Option(row["id"], row["name"]) for row in models[:1]]
        world = self._world
        trims = [
            row for row in world.tables["vehicle_trims"]
            if row["model"].key in {model["id"] for model in models} and not row.get("_hidden")
        ]  # fmt: skip
        if not trims:
            return []
        picked = [
            world.random.pick(trims, "account", user_id, make.id, n)
            for n in range(_CARS_PER_ACCOUNT)
        ]
        return [Option(f"{trim['id']}-{n}", trim["_full_name"]) for n, trim in enumerate(picked)]

    def _connect_evse(
        self, user_id: str, about: Mapping[str, str], make: Option, serial: str
    ) -> str:
        world = self._world
        if serial.startswith("UNKNOWN"):
            raise ConnectError(f"{make.name} has no charger {serial}.")
        if serial_is_known(world, serial):
            raise ConnectError(f"{serial} is connected already.")
        model = world.tables["evse_models"].get(about.get("model_id", ""))
        model = model or world.random.pick(self._models("evses", make.id), "connect", serial)
        if not model["_product"].supported:
            raise ConnectError(f"{model['name']} cannot be connected yet.")
        row = add_evse(world, user_id, model, serial, reports=True)
        world.fleet.add_site(user_id, evse=row)
        return str(row["id"])

    def _connect_vehicle(self, user_id: str, device: str) -> str:
        world = self._world
        trim = world.tables["vehicle_trims"].get(device.rpartition("-")[0]) or {}
        size: int = trim["battery_size_watt_hours"]
        row = world.tables["vehicles"].add({
            "id": world.new_id("vehicles"),
            "trim": trim["url"],
            "user": Link("users", user_id),
            "integrated": "ACTIVE",
            "battery_size_watt_hours": size,
            "effective_battery_size_watt_hours": size,
            "maximum_charge_limit_percentage": 80,
            "description": trim["_full_name"],
            "disabled": False,
            "smart_charging_enabled": True,
            "vehicle_class": None,
            "_made_at": write_instant(world.now),
        })  # fmt: skip
        world.fleet.add_site(user_id, vehicle=row)
        return str(row["id"])

    def _connect_inverter(self, user_id: str, model_id: str) -> str:
        row = connect_inverter(self._world, user_id, Link("inverter_models", model_id))
        return str(row["id"])


def _account(kind: str, user_id: str, make_id: str) -> str:
    return f"{user_id}/{kind}/{make_id}"


def _option(row: Row) -> Option:
    return Option(row["id"], row.get("display_name") or row["name"])
