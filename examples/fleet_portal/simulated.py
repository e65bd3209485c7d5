"""The settings of a portal for the embedded simulator, which needs no account and no network."""

from __future__ import annotations

from ev_energy import MemoryBudget
from ev_energy.simulator import Simulator

from .settings import Settings


def settings_for(simulator: Simulator, url: str) -> Settings:
    """Register the portal with a simulator, as ev.energy does by hand, and return its settings."""
    client_id, client_secret = simulator.add_application(
        name="Fleet portal", redirect_uris=[f"{url}/sign-in/callback"]
    )
    clock = simulator.service_clock
    return Settings(
        url=url,
        client_id=client_id,
        client_secret=client_secret,
        base_url=simulator.base_url,
        webhook_secret=simulator.webhooks.add(f"{url}/webhooks").secret,
        now=simulator.clock.now,
        # Moving the clock of the simulator moves the hour of the rate limit too.
        client={
            "budget": MemoryBudget(clock=clock.monotonic, sleep=clock.sleep),
            "wall_clock": clock.timestamp,
        },
    )
