"""The Home Assistant component, with a stand-in for Home Assistant and a simulator as the API."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from ev_energy.simulator import Clock, Simulator
from tests.examples import home_assistant_stand_in as stand_in

NAME = "examples.home_assistant.custom_components.ev_energy"
FOLDER = Path(__file__).parents[2] / NAME.replace(".", "/")

pytestmark = pytest.mark.slow


@attrs.define
class Home:
    """A running Home Assistant."""

    sim: Simulator
    hass: stand_in.HomeAssistant
    entry: stand_in.ConfigEntry[Any]

    async def set_up(self) -> list[Any]:
        """Set the integration up, and return the list to which it adds entities."""
        component = importlib.import_module(NAME)
        assert await component.async_setup_entry(self.hass, self.entry)
        entities: list[Any] = []
        assert self.hass.platforms == ["sensor"]
        sensor = importlib.import_module(f"{NAME}.sensor")
        await sensor.async_setup_entry(self.hass, self.entry, entities.extend)
        return entities

    def flow(self) -> Any:
        """Return a new dialogue."""
        flow = importlib.import_module(f"{NAME}.config_flow").EvEnergyConfigFlow()
        flow.hass = self.hass
        return flow


@pytest.fixture(autouse=True)
def stood_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    stand_in.install(monkeypatch)
    yield
    for name in [name for name in sys.modules if name.startswith(NAME)]:
        del sys.modules[name]


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    async with (
        Simulator(vehicles=30, clock=Clock(speed=0), rate_limit=2) as sim,
        aiohttp.ClientSession() as session,
    ):
        data = {
            "client_id": sim.client_id,
            "client_secret": sim.client_secret,
            "base_url": sim.base_url,
        }
        entry: stand_in.ConfigEntry[Any] = stand_in.ConfigEntry(data)
        yield Home(sim, stand_in.HomeAssistant(session), entry)
        await entry.unload()
        assert not session.closed  # it is Home Assistant's


async def test_sensors_have_the_values_of_one_request(home: Home) -> None:
    home.sim.clock.advance(hours=14)
    entities = await home.set_up()
    assert [seen.path for seen in home.sim.requests if "/v2/" in seen.path] == ["/v2/vehicles"]
    assert len({entity._attr_unique_id for entity in entities}) == len(entities) == 60
    charge = [one for one in entities if one.entity_description.key == "state_of_charge"]
    power = [one for one in entities if one.entity_description.key == "charging_power"]
    assert all(0 <= one.native_value <= 100 for one in charge if one.native_value is not None)
    assert any(one.native_value > 1000 for one in power if one.native_value is not None)
    assert any(one.native_value == 0 for one in power)
    assert all(one.available for one in entities)


async def test_new_vehicles_get_sensors_and_gone_ones_become_unavailable(home: Home) -> None:
    entities = await home.set_up()
    coordinator = home.entry.runtime_data
    gone = entities[0]._vehicle_id
    state = coordinator.data.pop(gone)
    coordinator.data["new"] = state
    for listener in coordinator.listeners:
        listener()
    assert [one._attr_unique_id for one in entities[60:]] == [
        "new_state_of_charge",
        "new_charging_power",
    ]
    assert not entities[0].available
    assert entities[0].native_value is None


async def test_exhausted_rate_limit_tells_when_to_come_again(home: Home) -> None:
    await home.set_up()
    await home.entry.runtime_data.refresh()
    with pytest.raises(stand_in.UpdateFailed, match="the rate limit allows no request") as caught:
        await home.entry.runtime_data.refresh()
    assert caught.value.retry_after == pytest.approx(3600, abs=60)


async def test_failing_api_is_a_failed_update(home: Home) -> None:
    home.sim.faults.add("server_error", operation="/vehicles", status=500)
    with pytest.raises(stand_in.UpdateFailed, match="500") as caught:
        await home.set_up()
    assert caught.value.retry_after is None


async def test_refused_credentials_ask_for_new_ones_without_showing_them(home: Home) -> None:
    home.entry.data["client_secret"] = "a-wrong-secret"
    with pytest.raises(stand_in.ConfigEntryAuthFailed) as caught:
        await home.set_up()
    assert "a-wrong-secret" not in str(caught.value)


async def test_dialogue_accepts_only_credentials_that_work(home: Home) -> None:
    data = home.entry.data
    assert (await home.flow().async_step_user())["errors"] == {}
    wrong = await home.flow().async_step_user({**data, "client_secret": "a-wrong-secret"})
    assert (wrong["type"], wrong["errors"]) == ("form", {"base": "invalid_auth"})
    made = await home.flow().async_step_user(data)
    assert (made["type"], made["data"]) == ("create_entry", data)
    fault = home.sim.faults.add("server_error", operation="/vehicles", status=500)
    failed = await home.flow().async_step_user(data)
    assert failed["errors"] == {"base": "cannot_connect"}
    home.sim.faults.remove(fault)
    flow = home.flow()
    flow.configured = [home.sim.client_id]
    with pytest.raises(stand_in.AbortFlow):
        await flow.async_step_user(data)


async def test_dialogue_takes_a_new_secret(home: Home) -> None:
    flow = home.flow()
    flow.reauth_entry = stand_in.ConfigEntry({**home.entry.data, "client_secret": "an-old-one"})
    assert (await flow.async_step_reauth({}))["step_id"] == "reauth_confirm"
    wrong = await flow.async_step_reauth_confirm({"client_secret": "another"})
    assert wrong["errors"] == {"base": "invalid_auth"}
    new = {"client_secret": home.sim.client_secret}
    done = await flow.async_step_reauth_confirm(new)
    assert done == {"type": "abort", "data_updates": new}


def test_texts_are_translated() -> None:
    strings = json.loads((FOLDER / "strings.json").read_text())
    assert json.loads((FOLDER / "translations/en.json").read_text()) == strings
    assert json.loads((FOLDER / "manifest.json").read_text())["domain"] == "ev_energy"
