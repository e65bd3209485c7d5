"""An inbox: it remembers which deliveries were handled, since the sender repeats them.

Each delivery is new, busy or done. The handler of a new one holds a lease, which is renewed while
it runs; if its process dies, the lease expires and the delivery is new again. A delivery is done
only after its handler succeeded. One that arrives meanwhile is busy, and is answered with an error,
so that the sender repeats it: answered with success, it would be lost if that handler failed.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, Literal, Protocol, Self, TypeAlias, cast

from ev_energy._arguments import describe_type, require_duration
from ev_energy._redaction.scrub import printable
from ev_energy._runtime.clocks import REAL
from ev_energy._runtime.log_fields import log_fields
from ev_energy.errors import InboxUnavailableError

#: What became of a delivery: its handler ran and succeeded, it had been handled before, or another
#: handler of it is running.
InboxOutcome: TypeAlias = Literal["handled", "duplicate", "busy"]
#: The state of a delivery that was claimed; "new" means that the caller holds its lease now.
ClaimState: TypeAlias = Literal["new", "busy", "done"]

_log: Final = logging.getLogger("ev_energy.webhooks")


class InboxStore(Protocol):
    """Where an inbox remembers deliveries. Times are in seconds; owners are never used twice.

    Methods raise `InboxUnavailableError` if the store is unreachable. A delivery whose lease has
    expired, or which the store has forgotten, belongs to the first owner that asks for it again.
    """

    async def claim(self, delivery_id: str, owner: str, lease: float) -> ClaimState:
        """Lease a new delivery to *owner*, and return the state that it had.

        A delivery that *owner* holds already counts as new.
        """
        ...

    async def renew(self, delivery_id: str, owner: str, lease: float) -> bool:
        """Lease a delivery to *owner* for *lease* seconds from now.

        Return False if another owner holds it or it is done.
        """
        ...

    async def complete(self, delivery_id: str, owner: str, keep: float) -> bool:
        """Mark a delivery as done for *keep* seconds.

        Return whether it is done now: False if another owner holds it.
        """
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
        if isinstance(cast(object, store), str):
            raise TypeError("store: expected a store: pass RedisInboxStore(url) for a URL of Redis")
        if store is not None and (isinstance(store, type) or not hasattr(store, "claim")):
            raise TypeError(
                "store must be an inbox store, such as ev_energy.redis.RedisInboxStore(url), not "
                f"{describe_type(store)}"
            )
        require_duration("lease", lease)
        require_duration("keep", keep)
        if keep <= lease:
            raise ValueError(f"keep must be longer than the lease of {lease}, not {keep}")
        self._store: InboxStore = MemoryInboxStore() if store is None else store
        self._lease, self._keep = lease.total_seconds(), keep.total_seconds()
        self._settling: set[asyncio.Task[InboxOutcome]] = set()

    def __repr__(self) -> str:
        return f"Inbox({self._store!r}, lease={timedelta(seconds=self._lease)!r})"

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

        The handler runs in a task of its own, which is cancelled with the caller. If it succeeds
        nevertheless, the delivery is done. An error of the handler is raised, and the delivery is
        new again. If another process takes the lease while the handler runs, because this one was
        suspended or the store lost its data, the handler is cancelled, and the outcome is "busy".

        Raises:
            InboxUnavailableError: The store is unreachable. If the handler has run, it will run
                again when the sender repeats the delivery.
            TypeError: *handler* is not a function, or returned nothing to await.
        """
        if not callable(handler):
            raise TypeError(f"handler: expected a function, got {type(handler).__name__}")
        lease = await self.claim_lease(delivery_id)
        if not isinstance(lease, Lease):
            return "duplicate" if lease == "done" else "busy"
        work = asyncio.ensure_future(_call(handler))
        # A task of the inbox settles the lease, which a cancelled caller could not do reliably: it
        # may be cancelled again at each of its waits.
        settling = asyncio.ensure_future(_settle(lease, work))
        self._settling.add(settling)
        settling.add_done_callback(self._forget)
        try:
            return await asyncio.shield(settling)
        except asyncio.CancelledError:
            work.cancel()
            if not settling.done():
                await asyncio.wait({settling})
            raise

    async def claim_lease(self, delivery_id: str) -> Lease | Literal["busy", "done"]:
        """Return the lease of a delivery, which is renewed until it ends; or the state it has."""
        owner = secrets.token_hex(12)
        expiry = REAL.monotonic() + self._lease
        state = await self._store.claim(delivery_id, owner, self._lease)
        if state != "new":
            return state
        lease = Lease(self._store, delivery_id, owner, self._lease, self._keep)
        lease.start(expiry)
        return lease

    def _forget(self, settling: asyncio.Task[InboxOutcome]) -> None:
        self._settling.discard(settling)
        if not settling.cancelled():
            settling.exception()  # a caller that was cancelled does not retrieve it


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

    async def complete(self) -> InboxOutcome:
        """Mark the delivery as done; "busy" if another owner holds it."""
        self.lost.cancel()
        done = await self._store.complete(self._delivery_id, self._owner, self._keep)
        return "handled" if done else "busy"

    async def release(self) -> None:
        """Make the delivery new again, at the latest when the lease expires.

        Errors of the store are logged: the error that ended the handler matters more.
        """
        self.lost.cancel()
        try:
            await self._store.release(self._delivery_id, self._owner)
        except Exception as error:  # noqa: BLE001  (stores of other packages have other errors)
            _log.warning(
                "the lease of %s was not released (%s); it expires in %g s",
                printable(self._delivery_id),
                error,
                self._seconds,
                extra=log_fields(
                    "lease_not_released",
                    delivery=printable(self._delivery_id),
                    error=type(error).__name__,
                ),
            )

    async def _renew(self, expiry: float) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            # After a time in which the loop was blocked, the lease may have expired, and the
            # delivery still be free. If the store is unreachable, there is time for more attempts.
            begin = REAL.monotonic()
            try:
                async with asyncio.timeout(max(expiry - begin, self._seconds / 3)):
                    renewed = await self._store.renew(self._delivery_id, self._owner, self._seconds)
            except (InboxUnavailableError, TimeoutError):
                if REAL.monotonic() >= expiry:
                    return
                continue
            if not renewed:
                return
            expiry = begin + self._seconds


async def _settle(lease: Lease, work: asyncio.Task[Any]) -> InboxOutcome:
    """Wait for a handler, cancel it if its lease is lost, and settle the lease."""
    try:
        await asyncio.wait({work, lease.lost}, return_when=asyncio.FIRST_COMPLETED)
        if is_lost := not work.done():
            work.cancel()
            await asyncio.wait({work})
    except asyncio.CancelledError:  # the event loop ends
        work.cancel()
        await lease.release()
        raise
    if not work.cancelled() and work.exception() is None:
        return await lease.complete()
    await lease.release()
    if is_lost and work.cancelled():
        lease.lost.result()  # raises the error with which renewing it failed
        return "busy"
    if work.cancelled() and not work.cancelling():
        raise RuntimeError("the handler of the delivery was cancelled from within")
    return cast("InboxOutcome", work.result())  # raises the error of the handler


class MemoryInboxStore:
    """Remembers deliveries in the memory of this process, for receivers of a single process.

    Args:
        max_entries: The number of deliveries that are remembered; beyond it, those that were done
            first are forgotten. One takes about 200 bytes.
        monotonic: Returns seconds that never go back.
    """

    #: There are never many more expired entries than claims.
    _EXPIRED_PER_CLAIM: Final = 8

    def __init__(
        self, *, max_entries: int = 100_000, monotonic: Callable[[], float] | None = None
    ) -> None:
        if max_entries < 1:
            raise ValueError(f"max_entries must be at least 1, not {max_entries}")
        self._max_entries, self._monotonic = max_entries, monotonic or REAL.monotonic
        self._leased: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """By delivery, its owner and the end of the lease; the one renewed last is the last."""
        self._done: OrderedDict[str, float] = OrderedDict()
        """By delivery, until when it is remembered; the one done last is the last."""
        self._lock, self._pid = threading.Lock(), os.getpid()

    def __repr__(self) -> str:
        return f"MemoryInboxStore(max_entries={self._max_entries})"

    def __len__(self) -> int:
        return len(self._leased) + len(self._done)

    async def claim(self, delivery_id: str, owner: str, lease: float) -> ClaimState:
        """See `InboxStore.claim`."""
        with self._exclusive():
            now = self._monotonic()
            self._forget_expired(now)
            if self._done.get(delivery_id, now) > now:
                return "done"
            self._done.pop(delivery_id, None)
            if not self._is_free(delivery_id, owner):
                return "busy"
            self._lease(delivery_id, owner, lease)
            return "new"

    async def renew(self, delivery_id: str, owner: str, lease: float) -> bool:
        """See `InboxStore.renew`."""
        with self._exclusive():
            if delivery_id in self._done or not self._is_free(delivery_id, owner):
                return False
            self._lease(delivery_id, owner, lease)
            return True

    async def complete(self, delivery_id: str, owner: str, keep: float) -> bool:
        """See `InboxStore.complete`."""
        with self._exclusive():
            if delivery_id in self._done:
                return True
            if not self._is_free(delivery_id, owner):
                return False
            self._leased.pop(delivery_id, None)
            self._done[delivery_id] = self._monotonic() + keep
            while len(self) > self._max_entries and self._done:
                self._done.popitem(last=False)
            return True

    async def release(self, delivery_id: str, owner: str) -> None:
        """See `InboxStore.release`."""
        with self._exclusive():
            if self._leased.get(delivery_id, ("", 0.0))[0] == owner:
                del self._leased[delivery_id]

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    def _is_free(self, delivery_id: str, owner: str) -> bool:
        holder, expiry = self._leased.get(delivery_id, (owner, 0.0))
        return holder == owner or expiry <= self._monotonic()

    def _lease(self, delivery_id: str, owner: str, lease: float) -> None:
        self._leased[delivery_id] = owner, self._monotonic() + lease
        self._leased.move_to_end(delivery_id)

    def _forget_expired(self, now: float) -> None:
        for _ in range(self._EXPIRED_PER_CLAIM):
            if self._done and next(iter(self._done.values())) <= now:
                self._done.popitem(last=False)
            if self._leased and next(iter(self._leased.values()))[1] <= now:
                self._leased.popitem(last=False)

    def _exclusive(self) -> threading.Lock:
        if self._pid != os.getpid():  # a thread of the parent may have held it during the fork
            self._lock, self._pid = threading.Lock(), os.getpid()
        return self._lock


async def _call(handler: Callable[[], Awaitable[object]]) -> object:
    result: object = handler()
    if not inspect.isawaitable(result):
        raise TypeError(
            f"the handler returned {type(result).__name__}, which cannot be awaited: define it "
            "with `async def`, or use ev_energy_sync.webhooks"
        )
    return await result
