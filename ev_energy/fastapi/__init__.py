"""FastAPI: a client per application, dependencies, error replies, and routers for the usual routes.

    ev = EvEnergy.from_env()
    app = FastAPI(lifespan=ev.lifespan)

    @app.get("/vehicles/{vehicle_id}")
    async def vehicle(vehicle_id: str, client: ClientDep) -> Vehicle:
        return await client.vehicles.get(vehicle_id)

Every part can be used without the others. This package needs the extra ``fastapi``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ev_energy._lazy_exports import lazy_exports

try:
    import_module("fastapi")
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError("for FastAPI, pip install 'ev-energy[fastapi]'") from _missing

from ev_energy.fastapi._app import AccountResolver, ClientSettings, EvEnergy, NotSignedInError
from ev_energy.fastapi._dependencies import (
    ClientDep,
    UserClientDep,
    get_client,
    get_ev_energy,
    get_user_client,
)
from ev_energy.fastapi._health import HasStatus, health_router
from ev_energy.fastapi._onboarding import UserIdResolver, onboarding_router
from ev_energy.fastapi._problems import Problem, add_exception_handlers
from ev_energy.fastapi._responses import EvEnergyResponse
from ev_energy.fastapi._sign_in import sign_in_router
from ev_energy.fastapi._sign_in_stores import MemorySignInStore, SignInStore
from ev_energy.fastapi._wait_until_connected import ConnectedDevices, wait_until_connected
from ev_energy.fastapi._webhooks import (
    DeliveryStore,
    WebhookRouter,
    WebhookStatus,
    webhook_router,
)

if TYPE_CHECKING:
    from ev_energy.fastapi._redis_sign_in_store import RedisSignInStore

__all__ = [
    "AccountResolver",
    "ClientDep",
    "ClientSettings",
    "ConnectedDevices",
    "DeliveryStore",
    "EvEnergy",
    "EvEnergyResponse",
    "HasStatus",
    "MemorySignInStore",
    "NotSignedInError",
    "Problem",
    "RedisSignInStore",
    "SignInStore",
    "UserClientDep",
    "UserIdResolver",
    "WebhookRouter",
    "WebhookStatus",
    "add_exception_handlers",
    "get_client",
    "get_ev_energy",
    "get_user_client",
    "health_router",
    "onboarding_router",
    "sign_in_router",
    "wait_until_connected",
    "webhook_router",
]

if not TYPE_CHECKING:  # it needs the extra redis
    __getattr__ = lazy_exports(
        __name__, {"RedisSignInStore": "ev_energy.fastapi._redis_sign_in_store"}
    )
