"""The few parts of Home Assistant that the example uses, as far as its tests need them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any, Generic, TypeVar

import aiohttp
import pytest

T = TypeVar("T")
CONF_CLIENT_ID, CONF_CLIENT_SECRET, PERCENTAGE = "client_id", "client_secret", "%"
Platform = SimpleNamespace(SENSOR="sensor")
UnitOfPower = SimpleNamespace(WATT="W")
SensorDeviceClass = SimpleNamespace(BATTERY="battery", POWER="power")
SensorStateClass = SimpleNamespace(MEASUREMENT="measurement")
DeviceInfo = dict
Schema = dict
ConfigFlowResult = dict
AddConfigEntryEntitiesCallback = Callable


class HomeAssistant:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session, self.config_entries = session, self
        self.platforms: list[str] = []

    async def async_add_import_executor_job(self, target: Callable[..., Any], *args: Any) -> Any:
        return target(*args)

    async def async_forward_entry_setups(self, entry: Any, platforms: list[str]) -> None:
        self.platforms += platforms


class ConfigEntry(Generic[T]):
    def __init__(self, data: dict[str, Any]) -> None:
        self.data, self.runtime_data = data, None
        self.on_unload: list[Callable[[], Any]] = []

    def async_on_unload(self, function: Callable[[], Any]) -> None:
        self.on_unload.append(function)

    async def unload(self) -> None:
        for function in self.on_unload:
            result = function()
            if isinstance(result, Awaitable):
                await result


def async_get_clientsession(hass: HomeAssistant) -> aiohttp.ClientSession:
    return hass.session


class ConfigEntryAuthFailed(Exception):  # noqa: N818  (Home Assistant's name)
    pass


class UpdateFailed(Exception):  # noqa: N818  (Home Assistant's name)
    def __init__(self, *args: Any, retry_after: float | None = None) -> None:
        super().__init__(*args)
        self.retry_after = retry_after


class AbortFlow(Exception):  # noqa: N818  (Home Assistant's name)
    pass


class DataUpdateCoordinator(Generic[T]):
    def __init__(self, hass: HomeAssistant, logger: Any, **options: Any) -> None:
        self.options, self.last_update_success = options, True
        self.listeners: list[Callable[[], None]] = []
        self.data: Any = None

    async def async_config_entry_first_refresh(self) -> None:
        self.data = await self._async_update_data()  # type: ignore[attr-defined]

    async def refresh(self) -> None:
        await self.async_config_entry_first_refresh()
        for listener in self.listeners:
            listener()

    def async_add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


class CoordinatorEntity(Generic[T]):
    def __init__(self, coordinator: Any) -> None:
        self.coordinator = coordinator

    @property
    def available(self) -> bool:
        return bool(self.coordinator.last_update_success)


class SensorEntity:
    pass


@dataclass(frozen=True, kw_only=True)
class SensorEntityDescription:
    key: str
    name: str
    device_class: str
    native_unit_of_measurement: str
    state_class: str


class ConfigFlow:
    hass: HomeAssistant
    configured: Iterable[str] = ()
    reauth_entry: ConfigEntry[Any]

    def __init_subclass__(cls, *, domain: str) -> None:
        cls.domain = domain  # type: ignore[attr-defined]

    async def async_set_unique_id(self, unique_id: str) -> None:
        self.unique_id = unique_id

    def _abort_if_unique_id_configured(self) -> None:
        if self.unique_id in self.configured:
            raise AbortFlow

    def _get_reauth_entry(self) -> ConfigEntry[Any]:
        return self.reauth_entry

    def async_create_entry(self, **result: Any) -> dict[str, Any]:
        return {"type": "create_entry", **result}

    def async_show_form(self, **result: Any) -> dict[str, Any]:
        return {"type": "form", **result}

    def async_update_reload_and_abort(self, entry: Any, **result: Any) -> dict[str, Any]:
        return {"type": "abort", **result}


def Required(key: str) -> str:  # noqa: N802
    return key


_MODULES = (
    "components config_entries const core exceptions helpers components.sensor "
    "helpers.aiohttp_client helpers.device_registry helpers.entity_platform "
    "helpers.update_coordinator"
)


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make these classes importable under the names of Home Assistant's modules."""
    names = ["homeassistant", *(f"homeassistant.{one}" for one in _MODULES.split()), "voluptuous"]
    for name in names:
        module = ModuleType(name)
        vars(module).update({k: v for k, v in globals().items() if not k.startswith("__")})
        module.__path__ = []
        monkeypatch.setitem(sys.modules, name, module)
