"""What a type checker reports in an application of FastAPI."""

from __future__ import annotations

from pydantic import BaseModel

from ev_energy import Ref
from ev_energy.fastapi import (
    ClientDep,
    EvEnergy,
    onboarding_router,
    sign_in_router,
    wait_until_connected,
    webhook_router,
)
from ev_energy.models import EVSE, User
from ev_energy.webhooks import Delivery, Event, Webhook

ev = EvEnergy("token")


async def handle(event: Event, delivery: Delivery) -> None:
    print(event.type, delivery.id)


EvEnergy("token", timeoot=3)  # expect-error
EvEnergy("token", timeout="3")  # expect-error
EvEnergy("token", account=lambda connection: 3)  # expect-error
webhook_router(Webhook("whsec_"), queue=handle)  # expect-error
ev.client_for(3)  # expect-error
sign_in_router(ev, store=ev)  # expect-error
sign_in_router(ev, expires_after=600)  # expect-error
onboarding_router(ev, wait=5)  # expect-error
wait = wait_until_connected(ev.client, "battery", [])  # expect-error


class Charger(BaseModel):
    """A model of pydantic with a member of ours."""

    evse: EVSE
    owner: Ref[User]


async def charger(client: ClientDep) -> EVSE:
    Charger(evse=await client.users.get("me"), owner=Ref("u", User))  # expect-error
    return await client.users.get("me")  # expect-error
