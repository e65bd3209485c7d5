"""The dialogue in which a user enters the credentials of an application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import voluptuous as vol
from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.const import CONF_CLIENT_ID, CONF_CLIENT_SECRET
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from ev_energy.errors import EvEnergyError

from .fleet import AUTH_ERRORS, DOMAIN, create_client


class EvEnergyConfigFlow(ConfigFlow, domain=DOMAIN):
    """Asks for the credentials, and again when they are refused."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for both."""
        errors: dict[str, str] = {}
        if user_input is not None:
            await self.async_set_unique_id(user_input[CONF_CLIENT_ID])
            self._abort_if_unique_id_configured()
            errors = await self._check(user_input)
            if not errors:
                return self.async_create_entry(title="ev.energy", data=user_input)
        schema = vol.Schema(
            {vol.Required(CONF_CLIENT_ID): str, vol.Required(CONF_CLIENT_SECRET): str}
        )
        return self.async_show_form(step_id="user", data_schema=schema, errors=errors)

    async def async_step_reauth(
        self,
        entry_data: Mapping[str, Any],  # noqa: ARG002  (Home Assistant passes it)
    ) -> ConfigFlowResult:
        """Begin again after the API has refused the credentials."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a new secret."""
        errors: dict[str, str] = {}
        if user_input is not None:
            entry = self._get_reauth_entry()
            errors = await self._check({**entry.data, **user_input})
            if not errors:
                return self.async_update_reload_and_abort(entry, data_updates=user_input)
        schema = vol.Schema({vol.Required(CONF_CLIENT_SECRET): str})
        return self.async_show_form(step_id="reauth_confirm", data_schema=schema, errors=errors)

    async def _check(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Return the errors that the form shows; none if the credentials work."""
        client = create_client(
            async_get_clientsession(self.hass),
            data[CONF_CLIENT_ID],
            data[CONF_CLIENT_SECRET],
            data.get("base_url", "live"),
        )
        async with client:
            try:
                await client.vehicles.list(page_size=1).first()
            except AUTH_ERRORS:
                return {"base": "invalid_auth"}
            except EvEnergyError:
                return {"base": "cannot_connect"}
        return {}
