"""What a type checker reports in an application of FastAPI."""

from __future__ import annotations

from pydantic import BaseModel

from ev_energy import Ref
from ev_energy.fastapi import ClientDep, EvEnergy, webhook_router
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


class Charger(BaseModel):
    """A model of pydantic with a member of ours."""

    evse: EVSE
    owner: Ref[User]


async def charger(client: ClientDep) -> EVSE:
    Charger(evse=await client.users.get("me"), owner=Ref("u", User))  # expect-error
    return await client.users.get("me")  # expect-error
