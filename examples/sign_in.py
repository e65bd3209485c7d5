"""Sign in as a user of ev.energy, once, and list their EVSEs.

Run it with EV_ENERGY_CLIENT_ID, EV_ENERGY_CLIENT_SECRET (if the application has one) and
EV_ENERGY_REDIRECT_URI set. The argument is the file that stores the token.
"""

from __future__ import annotations

import argparse
import asyncio
import os

from ev_energy import AuthorizationCode, Client
from ev_energy.auth import FileStore
from ev_energy.errors import AuthorizationError, InvalidGrantError, SignInRequiredError


async def sign_in(client: Client, app: AuthorizationCode) -> None:
    """Have the user sign in; start again if it fails."""
    while True:
        request = app.start_authorization(client.base_url)
        print("Sign in at", request.url)
        callback = await asyncio.to_thread(input, "The URL you were redirected to: ")
        try:
            await client.sign_in(request, callback)
        except (AuthorizationError, InvalidGrantError) as error:
            print("Signing in failed:", error)
        else:
            return


async def main(path: str) -> None:
    """Print the user's EVSEs; have the user sign in first if necessary."""
    app = AuthorizationCode(
        client_id=os.environ["EV_ENERGY_CLIENT_ID"],
        client_secret=os.environ.get("EV_ENERGY_CLIENT_SECRET"),
        redirect_uri=os.environ["EV_ENERGY_REDIRECT_URI"],
        store=FileStore(path),
    )
    base_url = os.environ.get("EV_ENERGY_BASE_URL", "live")
    async with Client(app.for_account("me"), base_url=base_url) as client:
        try:
            evses = await client.evses.list().collect()
        except SignInRequiredError:
            await sign_in(client, app)
            evses = await client.evses.list().collect()
    for evse in evses:
        print(evse.id)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", help="the file that stores the token")
    asyncio.run(main(parser.parse_args().path))
