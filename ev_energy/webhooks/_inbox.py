"""An inbox: it remembers which deliveries were handled, since the sender repeats them.

Each delivery is new, busy or done. The handler of a new one holds a lease, which is renewed while
it runs; if its process dies, the lease expires and the delivery is new again. A delivery is done
only after its handler succeeded. One that arrives meanwhile is busy, and is answered with an error,
so that the sender repeats it: answered with success, it would be lost if that handler failed.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

import attrs

from ev_energy._runtime.clocks import REAL
from ev_energy.errors import InboxUnavailableError

#: What became of a delivery: its handler ran and succeeded, it had been handled before, or another
#: handler of it is running.
InboxOutcome: TypeAlias = Literal["handled", "duplicate", "busy"]
#: The state of a delivery that was claimed; "new" means that the caller holds its lease now.
ClaimState: TypeAlias = Literal["new", "busy", "done"]


class InboxStore(Protocol):
    """Where an inbox remembers deliveries. Times are in seconds; owners are never used twice.

    Methods raise `InboxUnavailableError` if the store is unreachable.
    """

    async def claim(self, delivery_id: str, owner: str, lease: float) -> ClaimState:
        """Lease a new delivery to *owner*, and return the state that it had.

        A delivery that *owner* holds already counts as new.
        """
        ...

    async def renew(self, delivery_id: str, owner: str, lease: float) -> bool:
        """Lease a delivery for *lease* more seconds; return whether *owner* still held it."""
        ...

    async def complete(self, delivery_id: str, owner: str, keep: float) -> bool:
        """Mark a delivery as done for *keep* seconds; return whether *owner* still held it."""
        ...

    async def release(self, delivery_id: str, owner: str) -> None:
        """End the lease of *owner*, if it still holds it: the delivery is new again."""
        ...

    async def aclose(self) -> None:
        """Close the connections of this event loop. Using the store again opens new ones."""
        ...


class Inbox:
    """Handles each delivery once, however often and wherever it arrives.

    Args:
        store: Where deliveries are remembered; by default the memory of this process. Use
            `ev_energy.redis.RedisInboxStore` if several processes receive deliveries.
        lease: How long a delivery of a process that died stays busy. A lease is renewed three times
            in this time while its handler runs.
        keep: How long a delivery that is done is remembered. Svix repeats one for 27 h 35 min, and
            later by hand.
    """

    def __init__(
        self,
        store: InboxStore | None = None,
        *,
        lease: timedelta = timedelta(seconds=30),
        keep: timedelta = timedelta(days=3),
    ) -> None:
        if lease <= timedelta():
            raise ValueError(f"lease must be positive, not {lease}")
        if keep <= lease:
            raise ValueError(f"keep must be longer than the lease of {lease}, not {keep}")
        self._store: InboxStore = MemoryInboxStore() if store is None else store
        self._lease, self._keep = lease.total_seconds(), keep.total_seconds()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that the store opened for this event loop."""
        await self._store.aclose()

    async def process(
        self, delivery_id: str, handler: Callable[[], Awaitable[object]]
    ) -> InboxOutcome:
        """Call *handler* if the delivery is new, and mark it as done if that succeeds.

        An error of the handler is raised, and the delivery is new again. If the lease is lost while
        the handler runs, because this process was suspended or the store lost its data, the handler
        is cancelled and the outcome is ``"busy"``.

        Raises:
            InboxUnavailableError: The store is unreachable. If the handler has run, it will run
                again when the sender repeats the delivery.
        """
        lease = await self.claim(delivery_id)
        if not isinstance(lease, Lease):
            return "duplicate" if lease == "done" else "busy"
        work = asyncio.ensure_future(_call(handler))
        try:
            await asyncio.wait({work, lease.lost}, return_when=asyncio.FIRST_COMPLETED)
            is_lost = not work.done()
        finally:
            if not work.done():  # the lease is lost, or the caller is cancelled
                work.cancel()
                await asyncio.wait({work})
                await lease.release()
        if is_lost and work.cancelled():
            return "busy"
        if work.cancelled() or work.exception() is not None:
            await lease.release()
            work.result()  # raises the error of the handler
        return await lease.complete()

    async def claim(self, delivery_id: str) -> Lease | Literal["busy", "done"]:
        """Return the lease of a delivery, which is renewed until it ends; or the state it has."""
        owner = secrets.token_hex(12)
        expiry = REAL.monotonic() + self._lease
        state = await self._store.claim(delivery_id, owner, self._lease)
        if state != "new":
            return state
        lease = Lease(self._store, delivery_id, owner, self._lease, self._keep)
        lease.start(expiry)
        return lease


class Lease:
    """The exclusive right to handle a delivery, renewed in the background until it ends."""

    def __init__(
        self, store: InboxStore, delivery_id: str, owner: str, seconds: float, keep: float
    ) -> None:
        self._store, self._delivery_id, self._owner = store, delivery_id, owner
        self._seconds, self._keep = seconds, keep
        self.lost: asyncio.Task[None]
        """Finishes when the lease is lost."""

    def start(self, expiry: float) -> None:
        """Renew the lease from now on; it expires at *expiry* otherwise."""
        self.lost = asyncio.ensure_future(self._renew(expiry))

    async def complete(self) -> Literal["handled", "busy"]:
        """Mark the delivery as done; "busy" if the lease was lost before."""
        self.lost.cancel()
        done = await asyncio.shield(
            self._store.complete(self._delivery_id, self._owner, self._keep)
        )
        return "handled" if done else "busy"

    async def release(self) -> None:
        """Make the delivery new again, at the latest when the lease expires."""
        self.lost.cancel()
        with suppress(InboxUnavailableError):
            await asyncio.shield(self._store.release(self._delivery_id, self._owner))

    async def _renew(self, expiry: float) -> None:
        while (now := REAL.monotonic()) < expiry:
            await asyncio.sleep(min(self._seconds / 3, expiry - now))
            # If the store is unreachable, there is time for another attempt.
            with suppress(InboxUnavailableError):
                renewed = REAL.monotonic()
                if not await self._store.renew(self._delivery_id, self._owner, self._seconds):
                    return
                expiry = renewed + self._seconds


@attrs.define
class _Entry:
    owner: str | None
    """The holder of the lease; None if the delivery is done."""
    expiry: float


class MemoryInboxStore:
    """Remembers deliveries in the memory of this process, for receivers of a single process.

    Args:
        max_entries: The number of deliveries that are remembered; beyond it, those that were done
            first are forgotten. One takes about 300 bytes.
        monotonic: Returns seconds that never go back.
    """

    _EXPIRED_PER_CLAIM: Final = 8

    def __init__(
        self, *, max_entries: int = 100_000, monotonic: Callable[[], float] | None = None
    ) -> None:
        if max_entries < 1:
            raise ValueError(f"max_entries must be at least 1, not {max_entries}")
        self._max_entries, self._monotonic = max_entries, monotonic or REAL.monotonic
        self._leased: dict[str, _Entry] = {}
        self._done: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._leased) + len(self._done)

    async def claim(self, delivery_id: str, owner: str, lease: float) -> ClaimState:
        """See `InboxStore.claim`."""
        with self._lock:
            now = self._monotonic()
            self._forget_expired(now)
            if self._done.get(delivery_id, now) > now:
                return "done"
            entry = self._leased.get(delivery_id)
            if entry is not None and entry.owner != owner and entry.expiry > now:
                return "busy"
            self._leased[delivery_id] = _Entry(owner, now + lease)
            return "new"

    async def renew(self, delivery_id: str, owner: str, lease: float) -> bool:
        """See `InboxStore.renew`."""
        with self._lock:
            entry = self._held(delivery_id, owner)
            if entry is not None:
                entry.expiry = self._monotonic() + lease
            return entry is not None

    async def complete(self, delivery_id: str, owner: str, keep: float) -> bool:
        """See `InboxStore.complete`."""
        with self._lock:
            if self._held(delivery_id, owner) is None:
                return False
            del self._leased[delivery_id]
            self._done[delivery_id] = self._monotonic() + keep
            while len(self) > self._max_entries and self._done:
                self._done.popitem(last=False)
            return True

    async def release(self, delivery_id: str, owner: str) -> None:
        """See `InboxStore.release`."""
        with self._lock:
            if self._held(delivery_id, owner) is not None:
                del self._leased[delivery_id]

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    def _held(self, delivery_id: str, owner: str) -> _Entry | None:
        entry = self._leased.get(delivery_id)
        held = entry is not None and entry.owner == owner and entry.expiry > self._monotonic()
        return entry if held else None

    def _forget_expired(self, now: float) -> None:
        # A few in each claim: there are never many more expired ones than claims.
        for _ in range(self._EXPIRED_PER_CLAIM):
            oldest = next(iter(self._done.items()), None)
            if oldest is None or oldest[1] > now:
                break
            del self._done[oldest[0]]


async def _call(handler: Callable[[], Awaitable[object]]) -> Any:
    return await handler()
