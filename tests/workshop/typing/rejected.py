"""Mistakes of users. Type checkers must report the marked lines, and no others."""

from __future__ import annotations

import ev_energy
import ev_energy_sync
from ev_energy import (
    UNSET,
    Client,
    ClientCredentials,
    Ref,
    StaticToken,
    models,
    record_columns,
    record_types,
    to_records,
)
from ev_energy.models import EVSE, LatLong, LocationWrite, Model, User, model


async def names(client: Client, evse: EVSE) -> None:
    client.evsses.list()  # expect-error
    client.evses.lst()  # expect-error
    evse.cpidd  # expect-error  # noqa: B018
    client.evses.list(cpidd="1")  # expect-error
    client.evses.status_logs("evse1", logged_at__gte=None)  # expect-error


async def ids(client: Client, evse: EVSE, user: User, to_user: Ref[User]) -> None:
    await client.evses.get(1)  # expect-error
    await client.evses.get(None)  # expect-error
    await client.evses.get()  # expect-error
    await client.evses.get(user)  # expect-error
    await client.evses.get(to_user)  # expect-error
    await client.evses.status_log("evse1", evse)  # expect-error
    await client.evses.get("evse1", ["user"])  # expect-error
    client.acting_for(evse)  # expect-error


async def expanding(client: Client) -> None:
    await client.evses.get("evse1", expand=["usr"])  # expect-error
    await client.evses.get("evse1", expand=["make"])  # expect-error
    await client.evses.get("evse1", expand="user")  # expect-error
    fields = ["user"]
    await client.evses.get("evse1", expand=fields)  # expect-error


def records(client: Client, evse: EVSE) -> None:
    to_records(evse)  # expect-error
    to_records(client.evses.list())  # expect-error
    to_records([evse.to_dict()])  # expect-error
    to_records([evse], expand=False)  # expect-error
    record_columns(evse)  # expect-error
    record_columns(EVSE, expand=True)  # expect-error
    record_types(evse)  # expect-error


async def arguments(client: Client) -> None:
    client.evses.status_logs("evse1", sampled_at__gte="2024-01-01")  # expect-error
    client.evses.list(page_size="50")  # expect-error
    client.evses.list().follow  # expect-error  # noqa: B018
    client.evses.status_logs("evse1").follow()  # expect-error
    client.evses.ocpp_logs("evse1", direction="Sent")  # expect-error
    client.evses.ocpp_logs("evse1", action__in=[1])  # expect-error
    await client.evse_onboarding.get(user_id="user1")  # expect-error
    await client.evse_compatibility.check()  # expect-error
    await client.evse_waitlist.create(email=None)  # expect-error
    await client.users.create(default_location=LatLong(latitude=1, longitude=1))  # expect-error
    await client.users.create(email=None)  # expect-error
    await client.evses.update("evse1", location=(51.5, -0.1))  # expect-error
    LatLong(51.5, -0.1)  # expect-error
    LatLong(latitude=51.5)  # expect-error
    LocationWrite(address1="1 The Hill")  # expect-error
    Client("token", retries="2")  # expect-error
    Client(lambda: 3)  # expect-error
    Client(lambda name: name)  # expect-error
    StaticToken(lambda: b"token")  # expect-error
    ClientCredentials(client_id="id", client_secret=lambda: None)  # expect-error


async def results(client: Client, evse: EVSE) -> None:
    client.evses.get("evse1").cpid  # expect-error  # noqa: B018
    client.evses.get("evse1")  # expect-error
    client.users.delete("user1")  # expect-error
    for _ in client.evses.list():  # expect-error
        pass
    await client.evses.list()  # expect-error
    evse.cpid = "other"  # expect-error
    evse.user.id  # expect-error  # noqa: B018
    length: int = (await client.users.get("me")).email  # expect-error
    await client.fetch(evse)  # expect-error
    await client.resolve([7])  # expect-error
    await client.resolve(["evse1"], "EVSE")  # expect-error
    client.resolve([evse]).found  # expect-error  # noqa: B018
    await client.gather(["evse1"])  # expect-error
    await client.gather([lambda: evse])  # expect-error
    client.estimate(client.evses.list(), items="5000")  # expect-error
    email: str = UNSET  # expect-error
    print(length, email)


async def listings(client: Client, blocking: ev_energy_sync.Client) -> None:
    listing, other = client.evses.list(), blocking.evses.list()
    list(listing)  # expect-error
    len(listing)  # expect-error
    listing[0]  # expect-error
    listing.data  # expect-error  # noqa: B018
    async with listing:  # expect-error
        pass
    async for _ in other:  # expect-error
        pass
    await other  # expect-error
    len(other)  # expect-error
    other[0]  # expect-error
    with other:  # expect-error
        pass
    client.evses()  # expect-error
    blocking.evses()  # expect-error
    Client(client_id="a", client_secret="b")  # expect-error
    ev_energy_sync.Client(client_id="a", client_secret="b")  # expect-error
    client.chargers  # expect-error  # noqa: B018
    blocking.chargers  # expect-error  # noqa: B018
    client.vehicles["vhcl1"]  # expect-error
    blocking.vehicles["vhcl1"]  # expect-error
    for _ in blocking.vehicles:  # expect-error
        pass
    async for _ in client.vehicles:  # expect-error
        pass
    blocking.vehicle  # expect-error  # noqa: B018
    client.evses.retrieve("evse1")  # expect-error
    (await client.vehicles.get("vhcl1")).trim.name  # expect-error  # noqa: B018


def exports() -> None:
    from ev_energy import Clint  # expect-error  # noqa: F401
    from ev_energy.auth import StaticTokn  # expect-error  # noqa: F401
    from ev_energy.errors import ApiEror  # expect-error  # noqa: F401
    from ev_energy.expand import EVSEExpnd  # expect-error  # noqa: F401
    from ev_energy.models import EVES  # expect-error  # noqa: F401
    from ev_energy_sync import Clientt  # expect-error  # noqa: F401

    ev_energy.Clint  # expect-error  # noqa: B018
    ev_energy.AsyncClient  # expect-error  # noqa: B018
    ev_energy.Vehicle  # expect-error  # noqa: B018
    ev_energy_sync.Clint  # expect-error  # noqa: B018
    models.EVES  # expect-error  # noqa: B018
    ev_energy_sync.models.EVES  # expect-error  # noqa: B018


async def replies(client: Client) -> None:
    ev_energy.response_of(client.evses.get("evse1"))  # expect-error
    ev_energy.response_of(await client.evses.list().collect())  # expect-error
    ev_energy.response_of(await client.evses.get("evse1")).status  # expect-error  # noqa: B018
    ev_energy_sync.response_of({})  # expect-error


@model
class ModeChange(Model):
    mode: str


async def requests(client: Client, blocking: ev_energy_sync.Client) -> None:
    await client.request("GET")  # expect-error
    await client.request("GET", "/evses", {"page_size": 1})  # expect-error
    await client.request("GET", "/evses", model=dict)  # expect-error
    await client.request("GET", "/evses", paged=True)  # expect-error
    await client.request("GET", "/evses", query=[("a", 1)])  # expect-error
    await client.request("GET", "/evses", envelope_key="items")  # expect-error
    client.request("GET", "/evses", model=EVSE).cpid  # expect-error  # noqa: B018
    client.request("GET", "/evses")  # expect-error
    client.request("GET", "/evses", model=EVSE, paged=True).items  # expect-error  # noqa: B018
    blocking.request("GET", "/evses", model=EVSE).cpidd  # expect-error  # noqa: B018
    (await client.request("GET", "/changes/x", model=ModeChange)).mod  # expect-error  # noqa: B018
    model(int)  # expect-error
    ModeChange()  # expect-error
    ModeChange(mode=1)  # expect-error
    ModeChange(mode="x").mode = "y"  # expect-error
    for _ in client.request("GET", "/evses", paged=True):  # expect-error
        pass


async def estimating(client: Client, blocking: ev_energy_sync.Client) -> None:
    client.estimate(client.evses.get("evse1"))  # expect-error
    client.estimate(client.evses.list().collect())  # expect-error
    client.estimate(EVSE)  # expect-error
    client.estimate(5, EVSE)  # expect-error
    client.estimate(client.evses.list(), EVSE)  # expect-error
    client.estimate(["evse1"], EVSE, items=3)  # expect-error
    blocking.estimate(blocking.evses.list)  # expect-error
    blocking.estimate(lambda: blocking.evses.get("evse1"))  # expect-error
