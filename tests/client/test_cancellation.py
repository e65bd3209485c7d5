"""A cancelled call leaves no connection, lock, task or budget behind, wherever it was waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import attrs
import pytest

from ev_energy import AuthorizationCode, Client, ClientCredentials, MemoryBudget, RateLimit, hooks
from ev_energy.auth import MemoryStore, Token
from ev_energy.budget import Acquire, Ticket
from tests.client.conftest import wait_for_tasks
from tests.helpers.support import SECRET, FakeTime
from tests.helpers.taskless_server import PAGES, TasklessServer

MOMENTS = ("during the wait", "at the end of the wait", "twice")
LIMIT = 1000


@attrs.define
class RecordedTicket:
    """A ticket that records its outcome."""

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


class RecordingBudget(MemoryBudget):
    """A memory budget that records its tickets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tickets: list[RecordedTicket] = []

    def try_acquire(self, *args: Any) -> Ticket | None:
        return self._record(super().try_acquire(*args))

    async def acquire(self, params: Acquire) -> Ticket:
        ticket = self._record(await super().acquire(params))
        assert ticket is not None
        return ticket

    def _record(self, ticket: Ticket | None) -> Ticket | None:
        if ticket is None or isinstance(ticket, RecordedTicket):
            return ticket
        self.tickets.append(RecordedTicket(ticket))
        return self.tickets[-1]


@attrs.define
class Setup:
    """A client with a budget, a token store and hooks, and access to its state."""

    server: TasklessServer
    time: FakeTime
    budget: RecordingBudget
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


def make_setup(server: TasklessServer, *, limit: int = LIMIT, user: bool = False) -> Setup:
    time, store, attempts = FakeTime(), MemoryStore(), list[hooks.RequestEvent]()
    budget = RecordingBudget(limit, window=60, clock=time, sleep=time.sleep)
    given: dict[str, Any] = {"client_id": "an-app", "client_secret": SECRET, "store": store}
    auth = (
        AuthorizationCode(redirect_uri="https://here.example/back", account="ada", **given)
        if user
        else ClientCredentials(**given)
    )
    client = Client(
        auth,
        base_url=server.url,
        budget=budget,
        on_request=attempts.append,
        clock=time,
        sleep=time.sleep,
        wall_clock=time,
    )
    return Setup(server, time, budget, store, client, attempts)


Prepare = Callable[[Setup], Awaitable[object]]
Act = Callable[[Setup], Coroutine[Any, Any, object]]


async def no_preparation(_: Setup) -> None:
    pass


async def warm(setup: Setup) -> None:
    """Get a token and an idle connection."""
    await setup.client.evses.get("warm")


async def disconnected(setup: Setup) -> None:
    """Get a token and lose the connection."""
    await warm(setup)
    for transport in tuple(setup.server.connections):
        transport.abort()
    for _ in range(5):  # until both sides notice
        await asyncio.sleep(0)


async def expired(setup: Setup) -> None:
    await setup.store.save(
        setup.key, Token(access_token="old", refresh_token="old-too", expires_at=1.0)
    )


async def busy(setup: Setup) -> None:
    await warm(setup)
    setup.server.busy = 1


async def spent(setup: Setup) -> None:
    await warm(setup)
    setup.time.now += 0.5


async def busier(setup: Setup) -> None:
    await warm(setup)
    setup.server.busy = 2


async def busy_storage(setup: Setup) -> None:
    await warm(setup)
    setup.server.busy, setup.server.busy_at = 2, "/bucket"


async def read(setup: Setup) -> object:
    return await setup.client.evses.get("one")


async def write(setup: Setup) -> object:
    return await setup.client.evses.update("one", location=None)


async def list_all(setup: Setup) -> object:
    found = await setup.client.evses.list().collect()
    assert len(found) == 3 * PAGES
    return found


async def prefetch(setup: Setup) -> object:
    found = [item async for item in setup.client.evses.list().prefetch()]
    assert len(found) == 3 * PAGES
    return found


async def upload(setup: Setup) -> object:
    return await setup.client.rebates.upload_evidence(
        b"x" * 600_000, user_rebate="u", rebate_evidence_type="t", file_name="f"
    )


async def sign_in(setup: Setup) -> object:
    request = setup.auth.start_authorization(setup.server.url)
    return await setup.client.sign_in(request, f"/back?code=c0de&state={request.state}")


async def sign_out(setup: Setup) -> object:
    return await setup.client.sign_out()


async def reserve(setup: Setup) -> object:
    async with setup.client.reserve(1) as reserved:
        return await reserved.evses.get("one")


@attrs.frozen
class Case:
    """A call, and the state of the client before it."""

    name: str
    act: Act
    prepare: Prepare = warm
    limit: int = LIMIT
    user: bool = False

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("read", read),
    Case("read, connecting", read, disconnected),
    Case("write", write),
    Case("write, connecting", write, disconnected),
    Case("page walk", list_all),
    Case("prefetch", prefetch),
    Case("first call, with its token", read, no_preparation),
    Case("refresh", read, expired, user=True),
    Case("retry", read, busy),
    Case("two retries", read, busier),
    Case("wait for the budget", read, spent, limit=1),
    Case("wait of a walk", list_all, spent, limit=2),
    Case("upload", upload),
    Case("upload that is put again", upload, busy_storage),
    Case("sign in", sign_in, no_preparation, user=True),
    Case("sign out", sign_out, expired, user=True),
    Case("reservation", reserve),
    Case("reservation that waits", reserve, spent, limit=1),
]


class CancelledAt:
    """An awaitable that runs a coroutine and cancels its task at wait number *number*."""

    def __init__(self, coro: Coroutine[Any, Any, object], number: int, moment: str) -> None:
        self.coro, self.number, self.moment, self.waits = coro, number, moment, 0

    def __await__(self) -> Generator[Any, None, object]:
        raised: BaseException | None = None
        while True:
            try:
                awaited = self.coro.throw(raised) if raised else self.coro.send(None)
            except StopIteration as end:
                return end.value
            raised = None
            self.waits += 1
            if self.waits == self.number:
                self._cancel(awaited)
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001  (raised in the coroutine)
                raised = error

    def _cancel(self, awaited: Any) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        if self.moment == "at the end of the wait" and awaited is not None:
            awaited.add_done_callback(lambda _: task.cancel())  # before the task resumes
            return
        loop.call_soon(task.cancel)
        if self.moment == "twice":
            loop.call_soon(loop.call_soon, task.cancel)


async def run(cancelled: CancelledAt) -> object:
    return await cancelled


async def assert_nothing_left(setup: Setup) -> None:
    """Check that the cancelled call left nothing behind and that the client is usable."""
    await wait_for_tasks()
    connector = setup.client._caller.state.http.transport._current  # type: ignore[attr-defined]
    if connector is not None:
        assert not connector.value.connector._acquired
    assert not setup.client._caller.state.http.close_scope._waits
    # Started attempts may have been sent, and only those are counted.
    ends = [end for ticket in setup.budget.tickets for end in ticket.ends]
    assert len(ends) == len(setup.budget.tickets)
    assert ends.count("may have been sent") == setup.api_attempts >= setup.server.api_requests
    async with asyncio.timeout(5), setup.store.lock(setup.key):
        pass
    setup.server.busy = 0
    if isinstance(setup.auth, AuthorizationCode) and await setup.store.load(setup.key) is None:
        await sign_in(setup)
    async with asyncio.timeout(5):
        assert await read(setup)
    setup.time.now += 61  # completed tickets have left the window by now
    state = setup.client.rate_limit
    assert state is not None
    assert (state.remaining, state.reserved, state.waiting) == (state.limit, 0, 0)


@pytest.mark.matrix("moment")
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_call_cancelled_at_any_wait_leaves_nothing_behind(
    server: TasklessServer, case: Case, moment: str
) -> None:
    number, ended = 0, False
    while not ended:
        number += 1
        setup = make_setup(server, limit=case.limit, user=case.user)
        server.busy, server.busy_at = 0, ""
        server.counts.clear()
        async with setup.client:
            await case.prepare(setup)
            cancelled = CancelledAt(case.act(setup), number, moment)
            task = asyncio.ensure_future(run(cancelled))
            await asyncio.wait({task}, timeout=10)
            assert task.done(), f"the call hangs, cancelled at wait {number}"
            ended = cancelled.waits < number
            if ended:
                await task
            elif not task.cancelled():
                # The cancellation came after the last wait.
                assert moment != "during the wait"
                await task
            await assert_nothing_left(setup)
        assert number < 500
    assert number > 1, "the call did not wait"


@pytest.mark.matrix("case", of=lambda case: case.act)
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_call_cancelled_after_any_turn_of_the_loop_leaves_nothing_behind(
    server: TasklessServer, case: Case
) -> None:
    """This includes moments at which tasks of the call run, such as a prefetch."""
    turns, ended = -1, False
    while not ended:
        turns += 1
        setup = make_setup(server, limit=case.limit, user=case.user)
        server.busy, server.busy_at = 0, ""
        server.counts.clear()
        async with setup.client:
            await case.prepare(setup)
            task = asyncio.ensure_future(case.act(setup))
            for _ in range(turns):
                await asyncio.sleep(0)
            ended = not task.cancel()
            await asyncio.wait({task}, timeout=10)
            assert task.done(), f"the call hangs, cancelled after {turns} turns"
            if ended or not task.cancelled():
                await task
            await assert_nothing_left(setup)
        assert turns < 2000
    assert turns > 1
