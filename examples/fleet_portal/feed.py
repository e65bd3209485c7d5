"""From webhooks to open pages: which vehicles and chargers have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from ev_energy import Client
from ev_energy.changes import Batch, EventQueue, Gone, SubSessionStream
from ev_energy.webhooks import Delivery

from .hub import Hub

_log: Final = logging.getLogger(__name__)

#: Seconds before the stream is tried again after an error that it cannot deal with itself.
_PAUSE: Final = 60.0


class Feed:
    """Reads the stream of changes of charging sub-sessions, and tells the hub.

    The stream finds changes by polling, and sooner if webhooks tell of them. A webhook that is
    lost, doubled or late does no harm.
    """

    def __init__(self, hub: Hub, queue: EventQueue | None = None) -> None:
        self.streams: dict[str, SubSessionStream] = {}
        """The stream that this process reads, for the health route."""
        self._hub = hub
        self._queue = queue

    async def take(self, delivery: Delivery) -> None:
        """Take a verified webhook."""
        if self._queue is not None:
            await self._queue.put(delivery.event)
        for stream in self.streams.values():
            stream.offer(delivery.event)

    async def run(self, client: Client, now: Callable[[], datetime]) -> None:
        """Read the stream until cancelled."""
        stream = client.charging_sub_sessions.changes(
            since=now() - timedelta(minutes=5), inbox=self._queue
        )
        self.streams["sub_sessions"] = stream
        try:
            while True:
                try:
                    async for batch in stream.batches():
                        await self._hub.publish(_changed_ids(batch))
                        await batch.commit()
                except Exception:  # noqa: BLE001  (it is logged, and pages still read every minute)
                    _log.exception("pages are not told about changes")
                    await asyncio.sleep(_PAUSE)
        finally:
            self.streams.clear()


def _changed_ids(batch: Batch) -> set[str]:
    sessions = [change.session for change in batch if not isinstance(change, Gone)]
    devices = [device for session in sessions for device in (session.vehicle, session.evse)]
    return {device.id for device in devices if device is not None}
