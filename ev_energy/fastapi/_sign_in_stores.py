"""The protocol of a store of pending sign-ins, and the store in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Final, Protocol, cast

import attrs

from ev_energy._arguments import describe_type
from ev_energy._runtime.clocks import REAL
from ev_energy.errors import TokenStoreError

#: How many sign-ins of one browser may be pending, in as many tabs.
PER_BROWSER: Final = 5
#: How many browsers may have pending sign-ins.
MAX_BROWSERS: Final = 10_000


class SignInStore(Protocol):
    """Keeps what a sign-in needs when the browser returns. Any class with these methods can be one.

    A pending sign-in belongs to one browser and to one random value of its own; both are passed as
    digests. With the store and the cookie of a browser, a sign-in could be completed, so keep it as
    private as a token store. A method raises `TokenStoreError` if the store
    cannot be reached.
    """

    async def put(self, browser: str, key: str, pending: str, *, ttl: float) -> None:
        """Keep *pending* for *ttl* seconds; replace it if there is one with the same *key*.

        The store bounds how many one browser may have, and how many there may be in all. The oldest
        ones make room: if new ones were refused instead, anyone could keep all users from signing
        in.
        """
        ...

    async def pop(self, browser: str, key: str) -> str | None:
        """Remove a pending sign-in and return it, or None if this browser has none with *key*.

        Must be atomic: of two calls at the same time, one gets None.
        """
        ...


@attrs.frozen
class _Entry:
    pending: str = attrs.field(repr=False)
    expires_at: float


class MemorySignInStore:
    """A store of pending sign-ins in memory, for an application in one process. The default.

    Args:
        per_browser: How many sign-ins of one browser may be pending.
        max_browsers: How many browsers may have pending sign-ins. The one that started its latest
            sign-in the longest time ago makes room.
        clock: Returns seconds that never go back.
    """

    def __init__(
        self,
        *,
        per_browser: int = PER_BROWSER,
        max_browsers: int = MAX_BROWSERS,
        clock: Callable[[], float] = REAL.monotonic,
    ) -> None:
        check_limits(per_browser, max_browsers)
        self._per_browser, self._max_browsers, self._clock = per_browser, max_browsers, clock
        self._browsers: OrderedDict[str, OrderedDict[str, _Entry]] = OrderedDict()

    def __repr__(self) -> str:
        return f"MemorySignInStore({len(self._browsers)} browsers)"

    async def put(self, browser: str, key: str, pending: str, *, ttl: float) -> None:
        """See `SignInStore.put`."""
        now = self._clock()
        entries = self._browsers.setdefault(browser, OrderedDict())
        self._browsers.move_to_end(browser)
        for other in [k for k, entry in entries.items() if k == key or entry.expires_at <= now]:
            del entries[other]
        entries[key] = _Entry(pending, now + ttl)
        while len(entries) > self._per_browser:
            entries.popitem(last=False)
        while self._browsers:
            oldest = next(iter(self._browsers))
            has_expired = all(e.expires_at <= now for e in self._browsers[oldest].values())
            if not has_expired and len(self._browsers) <= self._max_browsers:
                break
            del self._browsers[oldest]

    async def pop(self, browser: str, key: str) -> str | None:
        """See `SignInStore.pop`."""
        entries = self._browsers.get(browser)
        entry = None if entries is None else entries.pop(key, None)
        if entries is not None and not entries:
            del self._browsers[browser]
        return None if entry is None or entry.expires_at <= self._clock() else entry.pending


@attrs.frozen
class TimedStore:
    """A store that fails if it takes too long: a browser waits for it."""

    store: SignInStore
    timeout: timedelta

    async def put(self, browser: str, key: str, pending: str, *, ttl: float) -> None:
        """See `SignInStore.put`."""
        async with self._in_time():
            await self.store.put(browser, key, pending, ttl=ttl)

    async def pop(self, browser: str, key: str) -> str | None:
        """See `SignInStore.pop`."""
        async with self._in_time():
            return await self.store.pop(browser, key)

    @asynccontextmanager
    async def _in_time(self) -> AsyncGenerator[None]:
        seconds = self.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise TokenStoreError(
                f"the pending sign-ins: {describe_type(self.store)} did not answer within "
                f"{seconds:g} s"
            ) from error


def sign_in_store(store: SignInStore | None) -> SignInStore:
    """Return *store*, or a new one in memory; `TypeError` if it is no store."""
    given: object = MemorySignInStore() if store is None else store
    if isinstance(given, type) or not (hasattr(given, "put") and hasattr(given, "pop")):
        raise TypeError(
            "store must be a store of sign-ins, such as ev_energy.redis.RedisSignInStore(url), not "
            f"{describe_type(given)}"
        )
    return cast("SignInStore", given)


def closing(store: SignInStore) -> Callable[[object], AbstractAsyncContextManager[None]]:
    """Return a lifespan that closes the connections of *store*, if it has any, at the end."""

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncGenerator[None]:  # noqa: ARG001  (FastAPI passes it)
        yield
        close: Callable[[], Awaitable[None]] | None = getattr(store, "aclose", None)
        if close is not None:
            await close()

    return lifespan


def check_limits(per_browser: int, max_browsers: int) -> None:
    """Raise ``ValueError`` unless a store with these limits can keep a sign-in."""
    for name, value in (("per_browser", per_browser), ("max_browsers", max_browsers)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, not {value}")
