"""A web application: its users sign in with ev.energy and see their cars.

Install it with ``pip install 'ev-energy[fastapi]' uvicorn``, and run it for the simulator::

    python -m ev_energy simulator --redirect-uri http://127.0.0.1:8000/sign-in/callback
    uvicorn sign_in_app:app

The first command prints the values of EV_ENERGY_CLIENT_ID, EV_ENERGY_CLIENT_SECRET and
EV_ENERGY_BASE_URL (its base URL) for the second one. APP_URL is the URL of the application, if it
is not http://127.0.0.1:8000. Its ``/sign-in/callback`` must be registered with ev.energy.
"""

from __future__ import annotations

import os
from html import escape

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from ev_energy import AuthorizationCode
from ev_energy.auth import FileStore
from ev_energy.errors import SignInRequiredError
from ev_energy.fastapi import EvEnergy, UserClientDep, sign_in_router

APP_URL = os.environ.get("APP_URL", "http://127.0.0.1:8000")

ev = EvEnergy(
    sign_in=AuthorizationCode(
        client_id=os.environ["EV_ENERGY_CLIENT_ID"],
        client_secret=os.environ.get("EV_ENERGY_CLIENT_SECRET"),
        redirect_uri=f"{APP_URL}/sign-in/callback",
        scopes=["vehicle:read"],
        store=FileStore("sign_in_app_tokens.json"),  # users stay signed in when it restarts
    ),
    base_url=os.environ.get("EV_ENERGY_BASE_URL", "live"),
    deadline=10,  # seconds that a page waits for the API
)

app = FastAPI(lifespan=ev.lifespan)
ev.add_exception_handlers(app)
app.include_router(sign_in_router(ev), prefix="/sign-in")


def page(body: str) -> HTMLResponse:
    """Return a page."""
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>My cars</title>'
    return HTMLResponse(f"{head}<h1>My cars</h1>{body}</html>")


@app.get("/")
async def cars(client: UserClientDep) -> HTMLResponse:
    """Show the cars of the user."""
    rows = ""
    async for car in client.vehicles.list(expand=["latest_status_log"]):
        log = car.latest_status_log
        charge = log.value.state_of_charge_percentage if log else None
        battery = "unknown" if charge is None else f"{charge} %"
        rows += f"<li>{escape(car.description)}: battery {battery}</li>"
    sign_out = '<form method="post" action="/sign-in/sign-out"><button>Sign out</button></form>'
    return page(f"<ul>{rows}</ul>{sign_out}")


@app.exception_handler(SignInRequiredError)
async def welcome(_request: Request, _error: SignInRequiredError) -> Response:
    """Show a link to sign in instead of a page that needs a user."""
    return page('<p><a href="/sign-in/start">Sign in with ev.energy</a></p>')
