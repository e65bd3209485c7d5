"""The settings of the portal, from environment variables."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ev_energy.fastapi import ClientSettings


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What differs between your machine, the simulator and production."""

    url: str
    """The public URL of the portal, without a slash at the end."""
    client_id: str
    client_secret: str = field(repr=False)
    base_url: str = "live"
    """The API: ``live``, ``staging``, or a URL."""
    webhook_secret: str | None = field(default=None, repr=False)
    """The secret of the endpoint ``{url}/webhooks``. Without it, changes are found by polling."""
    redis_url: str | None = field(default=None, repr=False)
    """Where several processes keep what they share; None for a single process."""
    now: Callable[[], datetime] = _utc_now
    """Returns the time, with its zone. The simulator has its own."""
    client: ClientSettings = field(default_factory=ClientSettings)
    """Further settings of the client."""

    @classmethod
    def from_env(cls) -> Settings:
        """Read the environment variables that the README lists."""
        return cls(
            url=os.environ["PORTAL_URL"].rstrip("/"),
            client_id=os.environ["EV_ENERGY_CLIENT_ID"],
            client_secret=os.environ["EV_ENERGY_CLIENT_SECRET"],
            base_url=os.environ.get("EV_ENERGY_BASE_URL", "live"),
            webhook_secret=os.environ.get("EV_ENERGY_WEBHOOK_SECRET"),
            redis_url=os.environ.get("REDIS_URL"),
        )
