"""What a type checker reports in an application of FastAPI."""

from __future__ import annotations

from ev_energy.fastapi import EvEnergy, webhook_router
from ev_energy.webhooks import Delivery, Event, Webhook

ev = EvEnergy("token")


async def handle(event: Event, delivery: Delivery) -> None:
    print(event.type, delivery.id)


EvEnergy("token", timeoot=3)  # expect-error
EvEnergy("token", timeout="3")  # expect-error
EvEnergy("token", account=lambda connection: 3)  # expect-error
webhook_router(Webhook("whsec_"), queue=handle)  # expect-error
ev.client_for(3)  # expect-error
