"""A call that is cancelled, wherever it waits, leaves nothing behind but that it did not happen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import attrs
import pytest

from ev_energy import AuthorizationCode, Client, ClientCredentials, MemoryBudget, RateLimit, hooks
from ev_energy.auth import MemoryStore, Token
from ev_energy.budget import Acquire, Ticket
from tests.client.conftest import quiet
from tests.helpers.support import SECRET, FakeTime
from tests.helpers.taskless_server import PAGES, Line

HOW = ("while it waits", "as its wait is over", "twice")
LIMIT = 1000


@attrs.define
class Seen:
    """A ticket, and what became of it."""

    ticket: Ticket
    ends: list[str] = attrs.field(factory=list)

    def complete(
        self, stated: RateLimit | None, *, success: bool, retry_after: float | None
    ) -> None:
        self.ends.append("may have been sent")
        self.ticket.complete(stated, success=success, retry_after=retry_after)

    def release(self) -> None:
        self.ends.append("was not sent")
        self.ticket.release()


class Watched(MemoryBudget):
    """The usual budget; it remembers every ticket it gave."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self.tickets: list[Seen] = []

    def try_acquire(self, *words: Any) -> Ticket | None:
        return self._watch(super().try_acquire(*words))

    async def acquire(self, params: Acquire) -> Ticket:
        ticket = self._watch(await super().acquire(params))
        assert ticket is not None
        return ticket

    def _watch(self, ticket: Ticket | None) -> Ticket | None:
        if ticket is None or isinstance(ticket, Seen):
            return ticket
        self.tickets.append(Seen(ticket))
        return self.tickets[-1]


@attrs.define
class World:
    """A client with everything switched on, and the means to look behind it."""

    line: Line
    time: FakeTime
    budget: Watched
    store: MemoryStore
    client: Client
    attempts: list[hooks.RequestEvent]

    @property
    def auth(self) -> Any:
        return self.client._caller.state.auth

    @property
    def key(self) -> str:
        manager = self.client._caller.state.tokens
        assert manager is not None
        return manager._key

    @property
    def api_attempts(self) -> int:
        return sum(event.request.authorised for event in self.attempts)


def world(line: Line, *, limit: int = LIMIT, user: bool = False) -> World:
    time, store, attempts = FakeTime(), MemoryStore(), list[hooks.RequestEvent]()
    budget = Watched(limit, window=60, clock=time, sleep=time.sleep)
    given: dict[str, Any] = {"client_id": "an-app", "client_secret": SECRET, "store": store}
    auth = (
        AuthorizationCode(redirect_uri="https://here.example/back", account="somebody", **given)
        if user
        else ClientCredentials(**given)
    )
    client = Client(
        auth,
        base_url=line.url,
        budget=budget,
        on_request=attempts.append,
        clock=time,
        sleep=time.sleep,
        wall_clock=time,
    )
    return World(line, time, budget, store, client, attempts)


Prepare = Callable[[World], Awaitable[object]]
Act = Callable[[World], Coroutine[Any, Any, object]]


async def nothing(_: World) -> None:
    pass


async def warm(w: World) -> None:
    """With a token, and a connection that is kept."""
    await w.client.evses.get("warm")


async def disconnected(w: World) -> None:
    """With a token, but without a connection."""
    await warm(w)
    for transport in tuple(w.line.connections):
        transport.abort()
    for _ in range(5):  # until both sides have heard of it
        await asyncio.sleep(0)


async def expired(w: World) -> None:
    await w.store.save(w.key, Token(access_token="old", refresh_token="old-too", expires_at=1.0))


async def busy(w: World) -> None:
    await warm(w)
    w.line.busy = 1


async def spent(w: World) -> None:
    await warm(w)
    w.time.now += 0.5


async def busier(w: World) -> None:
    await warm(w)
    w.line.busy = 2


async def busy_storage(w: World) -> None:
    await warm(w)
    w.line.busy, w.line.busy_at = 2, "/bucket"


async def read(w: World) -> object:
    return await w.client.evses.get("one")


async def write(w: World) -> object:
    return await w.client.evses.update("one", location=None)


async def walk(w: World) -> object:
    found = await w.client.evses.list().collect()
    assert len(found) == 3 * PAGES
    return found


async def prefetch(w: World) -> object:
    found = [item async for item in w.client.evses.list().prefetch()]
    assert len(found) == 3 * PAGES
    return found


async def upload(w: World) -> object:
    return await w.client.rebates.upload_evidence(
        b"x" * 600_000, user_rebate="u", rebate_evidence_type="t", file_name="f"
    )


async def sign_in(w: World) -> object:
    request = w.auth.start_authorization(w.line.url)
    return await w.client.sign_in(request, f"/back?code=c0de&state={request.state}")


async def sign_out(w: World) -> object:
    return await w.client.sign_out()


async def reserve(w: World) -> object:
    async with w.client.reserve(1) as reserved:
        return await reserved.evses.get("one")


@attrs.frozen
class Kind:
    """A kind of call, and where it starts from."""

    name: str
    act: Act
    prepare: Prepare = warm
    limit: int = LIMIT
    user: bool = False

    def __str__(self) -> str:
        return self.name


KINDS = [
    Kind("read", read),
    Kind("read, connecting", read, disconnected),
    Kind("write", write),
    Kind("write, connecting", write, disconnected),
    Kind("page walk", walk),
    Kind("prefetch", prefetch),
    Kind("first call, with its token", read, nothing),
    Kind("refresh", read, expired, user=True),
    Kind("retry", read, busy),
    Kind("two retries", read, busier),
    Kind("wait for the budget", read, spent, limit=1),
    Kind("wait of a walk", walk, spent, limit=2),
    Kind("upload", upload),
    Kind("upload that is put again", upload, busy_storage),
    Kind("sign in", sign_in, nothing, user=True),
    Kind("sign out", sign_out, expired, user=True),
    Kind("reservation", reserve),
    Kind("reservation that waits", reserve, spent, limit=1),
]


class Stepping:
    """Runs a coroutine, and has its task cancelled at its wait number *at*."""

    def __init__(self, coro: Coroutine[Any, Any, object], at: int, how: str) -> None:
        self.coro, self.at, self.how, self.waits = coro, at, how, 0

    def __await__(self) -> Generator[Any, None, object]:
        raised: BaseException | None = None
        while True:
            try:
                awaited = self.coro.throw(raised) if raised else self.coro.send(None)
            except StopIteration as end:
                return end.value
            raised = None
            self.waits += 1
            if self.waits == self.at:
                self._cancel(awaited)
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001  (whatever it is, it is passed on)
                raised = error

    def _cancel(self, awaited: Any) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        if self.how == "as its wait is over" and awaited is not None:
            awaited.add_done_callback(lambda _: task.cancel())  # before the task hears of it
            return
        loop.call_soon(task.cancel)
        if self.how == "twice":
            loop.call_soon(loop.call_soon, task.cancel)


async def run(stepping: Stepping) -> object:
    return await stepping


async def assert_unharmed(w: World) -> None:
    """Nothing is left of what was broken off, and the client goes on."""
    await quiet()
    connector = w.client._caller.state.http.transport._current  # type: ignore[attr-defined]
    if connector is not None:
        assert not connector.value.connector._acquired
    assert not w.client._caller.state.http.close_scope._waits
    # Each attempt that began may have been sent; nothing else is counted.
    ends = [end for ticket in w.budget.tickets for end in ticket.ends]
    assert len(ends) == len(w.budget.tickets)
    assert ends.count("may have been sent") == w.api_attempts >= w.line.api_requests
    async with asyncio.timeout(5), w.store.lock(w.key):
        pass
    w.line.busy = 0
    if isinstance(w.auth, AuthorizationCode) and await w.store.load(w.key) is None:
        await sign_in(w)
    async with asyncio.timeout(5):
        assert await read(w)
    w.time.now += 61  # whatever was counted has left by now, unless nobody settled it
    state = w.client.rate_limit
    assert state is not None
    assert (state.remaining, state.reserved, state.waiting) == (state.limit, 0, 0)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_cancelled_at_each_of_its_waits(line: Line, kind: Kind, how: str) -> None:
    at, ended = 0, False
    while not ended:
        at += 1
        w = world(line, limit=kind.limit, user=kind.user)
        line.busy, line.busy_at = 0, ""
        line.seen.clear()
        async with w.client:
            await kind.prepare(w)
            stepping = Stepping(kind.act(w), at, how)
            task = asyncio.ensure_future(run(stepping))
            await asyncio.wait({task}, timeout=10)
            assert task.done(), f"it hangs, cancelled at its wait {at}"
            ended = stepping.waits < at
            if ended:
                await task
            elif not task.cancelled():
                # The wait was its last one, and was over: then it was too late.
                assert how != "while it waits"
                await task
            await assert_unharmed(w)
        assert at < 500
    assert at > 1, "it never waited"


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_cancelled_after_each_turn_of_the_loop(line: Line, kind: Kind) -> None:
    """Between its own waits, too: while a task of its own works for it."""
    turns, ended = -1, False
    while not ended:
        turns += 1
        w = world(line, limit=kind.limit, user=kind.user)
        line.busy, line.busy_at = 0, ""
        line.seen.clear()
        async with w.client:
            await kind.prepare(w)
            task = asyncio.ensure_future(kind.act(w))
            for _ in range(turns):
                await asyncio.sleep(0)
            ended = not task.cancel()
            await asyncio.wait({task}, timeout=10)
            assert task.done(), f"it hangs, cancelled after {turns} turns"
            if ended or not task.cancelled():
                await task
            await assert_unharmed(w)
        assert turns < 2000
    assert turns > 1
