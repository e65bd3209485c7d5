"""Sensors: the state of charge and the charging power of each vehicle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import PERCENTAGE, UnitOfPower
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .coordinator import FleetCoordinator
from .fleet import DOMAIN, VehicleState


@dataclass(frozen=True, kw_only=True)
class VehicleSensorDescription(SensorEntityDescription):
    """A sensor, and where its value comes from."""

    value: Callable[[VehicleState], int | None]


SENSORS = (
    VehicleSensorDescription(
        key="state_of_charge",
        name="State of charge",
        device_class=SensorDeviceClass.BATTERY,
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda state: state.state_of_charge,
    ),
    VehicleSensorDescription(
        key="charging_power",
        name="Charging power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda state: state.charging_power,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001  (Home Assistant passes it)
    entry: ConfigEntry[FleetCoordinator],
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of all vehicles, and later those of new ones."""
    coordinator = entry.runtime_data
    known: set[str] = set()

    def add_new() -> None:
        new = coordinator.data.keys() - known
        known.update(new)
        async_add_entities(
            VehicleSensor(coordinator, vehicle_id, one)
            for vehicle_id in sorted(new)
            for one in SENSORS
        )

    add_new()
    entry.async_on_unload(coordinator.async_add_listener(add_new))


class VehicleSensor(CoordinatorEntity[FleetCoordinator], SensorEntity):
    """A value of a vehicle. It is unavailable if the vehicle is not listed any more."""

    _attr_has_entity_name = True
    entity_description: VehicleSensorDescription

    def __init__(
        self, coordinator: FleetCoordinator, vehicle_id: str, description: VehicleSensorDescription
    ) -> None:
        super().__init__(coordinator)
        self._vehicle_id = vehicle_id
        self.entity_description = description
        self._attr_unique_id = f"{vehicle_id}_{description.key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, vehicle_id)}, name=coordinator.data[vehicle_id].name
        )

    @property
    def available(self) -> bool:
        """Whether the last reading succeeded and had the vehicle."""
        return super().available and self._vehicle_id in self.coordinator.data

    @property
    def native_value(self) -> int | None:
        """The value in the unit of the sensor."""
        state = self.coordinator.data.get(self._vehicle_id)
        return None if state is None else self.entity_description.value(state)
