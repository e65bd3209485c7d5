"""One reading of the fleet for all sensors."""

from __future__ import annotations

import logging
from datetime import timedelta

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from ev_energy import Client
from ev_energy.errors import EvEnergyError

from .fleet import AUTH_ERRORS, VehicleState, read_fleet, seconds_to_wait

_LOGGER = logging.getLogger(__name__)


class FleetCoordinator(DataUpdateCoordinator[dict[str, VehicleState]]):
    """Reads all vehicles every five minutes."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry[FleetCoordinator], client: Client
    ) -> None:
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name="ev.energy",
            update_interval=timedelta(minutes=5),
        )
        self._client = client

    async def _async_update_data(self) -> dict[str, VehicleState]:
        try:
            return await read_fleet(self._client)
        except AUTH_ERRORS as error:
            raise ConfigEntryAuthFailed(str(error)) from error  # asks for a new secret
        except EvEnergyError as error:
            raise UpdateFailed(str(error), retry_after=seconds_to_wait(error)) from error
