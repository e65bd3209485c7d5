"""FastAPI: a client per application, dependencies, error replies, and routers for the usual routes.

::

    ev = EvEnergy.from_env()
    app = FastAPI(lifespan=ev.lifespan)

    @app.get("/vehicles/{vehicle_id}")
    async def vehicle(vehicle_id: str, client: ClientDep) -> Vehicle:
        return await client.vehicles.get(vehicle_id)

Every part can be used without the others. This package needs the extra ``fastapi``.
"""

from __future__ import annotations

from ev_energy.fastapi._app import AccountResolver, EvEnergy, NotSignedInError
from ev_energy.fastapi._dependencies import (
    ClientDep,
    UserClientDep,
    get_client,
    get_ev_energy,
    get_user_client,
)

__all__ = [
    "AccountResolver",
    "ClientDep",
    "EvEnergy",
    "NotSignedInError",
    "UserClientDep",
    "get_client",
    "get_ev_energy",
    "get_user_client",
]
