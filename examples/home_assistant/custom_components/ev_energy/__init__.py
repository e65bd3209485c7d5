"""The integration of ev.energy: sensors of the vehicles of an application."""

from __future__ import annotations

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_CLIENT_ID, CONF_CLIENT_SECRET, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from ev_energy import Client

from .coordinator import FleetCoordinator
from .fleet import create_client

PLATFORMS = [Platform.SENSOR]


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry[FleetCoordinator]) -> bool:
    """Read the fleet for the first time, and add the sensors."""
    # In a thread, since imports would block the event loop.
    await hass.async_add_import_executor_job(Client.preload, "vehicles")
    client = create_client(
        async_get_clientsession(hass),
        entry.data[CONF_CLIENT_ID],
        entry.data[CONF_CLIENT_SECRET],
        entry.data.get("base_url", "live"),
    )
    entry.async_on_unload(client.close)
    entry.runtime_data = FleetCoordinator(hass, entry, client)
    await entry.runtime_data.async_config_entry_first_refresh()
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: ConfigEntry[FleetCoordinator]) -> bool:
    """Remove the sensors."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
