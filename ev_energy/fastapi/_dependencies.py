"""Dependencies of routes: the clients of the application and of its users."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends
from starlette.requests import HTTPConnection

from ev_energy._client import Client
from ev_energy.fastapi._app import STATE_KEY, ClientNotOpenError, EvEnergy


# Coroutine functions: FastAPI calls plain functions in another thread, which takes longer.
async def get_ev_energy(connection: HTTPConnection) -> EvEnergy:
    """Return the `EvEnergy` whose lifespan the application has."""
    found = getattr(connection.state, STATE_KEY, None)
    if not isinstance(found, EvEnergy):
        raise ClientNotOpenError(
            "the lifespan of EvEnergy does not run: pass lifespan=ev.lifespan to FastAPI, have a "
            "lifespan of your own yield its state, and in tests use `with TestClient(app)`"
        )
    return found


async def get_client(connection: HTTPConnection) -> Client:
    """Return the client of the application.

    In tests, replace it by ``app.dependency_overrides[get_client] = lambda: client``.
    """
    return (await get_ev_energy(connection)).client


async def get_user_client(connection: HTTPConnection) -> Client:
    """Return the client of the user who is signed in; `NotSignedInError` if no user is."""
    return await (await get_ev_energy(connection)).user_client(connection)


#: The client of the application.
ClientDep: TypeAlias = Annotated[Client, Depends(get_client)]
#: The client of the user who is signed in.
UserClientDep: TypeAlias = Annotated[Client, Depends(get_user_client)]
