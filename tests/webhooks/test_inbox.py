"""`Inbox`: each delivery is handled once. The same tests run in memory and on Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from ev_energy.auth import FileStore
from ev_energy.errors import InboxUnavailableError
from ev_energy.redis import RedisInboxStore
from ev_energy.webhooks import Inbox, InboxStore, MemoryInboxStore


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[InboxStore]:
    if request.param == "memory":
        yield MemoryInboxStore()
        return
    redis = request.getfixturevalue("shared_redis")
    prefix: str = request.getfixturevalue("prefix")
    async with RedisInboxStore(redis.url, prefix=prefix) as opened:
        yield opened


class Work:
    """A handler that starts, waits to be told to end, and may fail."""

    def __init__(self) -> None:
        self.started, self.may_end = asyncio.Event(), asyncio.Event()
        self.runs = self.cancelled = 0
        self.error: BaseException | None = None

    async def __call__(self) -> None:
        self.runs += 1
        self.started.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error


def ready() -> Work:
    work = Work()
    work.may_end.set()
    return work


async def test_delivery_is_handled_once(store: InboxStore) -> None:
    inbox, work = Inbox(store), ready()
    assert await inbox.process("msg_1", work) == "handled"
    assert await inbox.process("msg_1", work) == "duplicate"
    assert await Inbox(store).process("msg_1", work) == "duplicate"
    assert await inbox.process("msg_2", work) == "handled"
    assert work.runs == 2


async def test_delivery_is_busy_while_its_handler_runs(store: InboxStore) -> None:
    inbox, work = Inbox(store), Work()
    first = asyncio.ensure_future(inbox.process("msg_1", work))
    await work.started.wait()
    assert await inbox.process("msg_1", ready()) == "busy"
    work.may_end.set()
    assert await first == "handled"
    assert await inbox.process("msg_1", ready()) == "duplicate"


@pytest.mark.parametrize(
    ("error", "raised"),
    [(LookupError("no"), LookupError), (asyncio.CancelledError(), RuntimeError)],
)
async def test_delivery_of_a_failed_handler_is_new_again(
    store: InboxStore, error: BaseException, raised: type[Exception]
) -> None:
    inbox, work = Inbox(store), ready()
    work.error = error
    with pytest.raises(raised):
        await inbox.process("msg_1", work)
    assert await inbox.process("msg_1", ready()) == "handled"


async def test_cancellation_reaches_the_handler_and_makes_the_delivery_new(
    store: InboxStore,
) -> None:
    inbox, work = Inbox(store), Work()
    task = asyncio.ensure_future(inbox.process("msg_1", work))
    await work.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.cancelled == 1
    assert await inbox.process("msg_1", ready()) == "handled"


async def test_lease_of_a_holder_that_died_expires(store: InboxStore) -> None:
    assert await store.claim("msg_1", "dead", 0.05) == "new"
    assert await store.claim("msg_1", "other", 0.05) == "busy"
    async with asyncio.timeout(5):
        while await store.claim("msg_1", "other", 5) == "busy":
            await asyncio.sleep(0.005)
    assert await store.renew("msg_1", "dead", 5) is False
    assert await store.complete("msg_1", "dead", 60) is False
    await store.release("msg_1", "dead")
    assert await store.claim("msg_1", "third", 5) == "busy"


async def test_expired_lease_that_no_other_owner_took_is_still_good(store: InboxStore) -> None:
    # A handler blocked the event loop for longer than its lease, or Redis restarted empty.
    assert await store.claim("msg_1", "a", 0.01) == "new"
    assert await store.claim("msg_2", "a", 5) == "new"
    await forget_all(store)
    assert await store.renew("msg_1", "a", 5) is True
    assert await store.claim("msg_1", "b", 5) == "busy"
    assert await store.complete("msg_2", "a", 60) is True
    assert await store.claim("msg_2", "b", 5) == "done"
    assert await store.complete("msg_2", "c", 60) is True  # it is done, by another owner
    assert await store.renew("msg_2", "a", 60) is False


async def test_handler_that_blocks_the_loop_beyond_its_lease_is_done(store: InboxStore) -> None:
    inbox = Inbox(store, lease=timedelta(seconds=0.05))

    async def block() -> None:
        time.sleep(0.15)  # noqa: ASYNC251  (on purpose)

    assert await inbox.process("msg_1", block) == "handled"
    assert await inbox.process("msg_1", ready()) == "duplicate"


@pytest.mark.parametrize("fails", [False, True])
async def test_caller_cancelled_as_the_handler_ends_leaves_no_lease(
    store: InboxStore, fails: bool
) -> None:
    inbox, work = Inbox(store), Work()
    work.error = LookupError("no") if fails else None
    task = asyncio.ensure_future(inbox.process("msg_1", work))
    await work.started.wait()
    work.may_end.set()
    for _ in range(20):  # cancelled at a different moment of the end in each turn of the loop
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait({task})
    while inbox._settling:
        await asyncio.wait(inbox._settling)
    outcome = await inbox.process("msg_1", ready())
    assert outcome == ("duplicate" if work.runs and not work.cancelled and not fails else "handled")


async def test_handler_that_succeeds_in_spite_of_cancellation_is_done(store: InboxStore) -> None:
    inbox, started, may_end = Inbox(store), asyncio.Event(), asyncio.Event()

    async def insist() -> None:
        started.set()
        with suppress(asyncio.CancelledError):
            await may_end.wait()

    task = asyncio.ensure_future(inbox.process("msg_1", insist))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await inbox.process("msg_1", ready()) == "duplicate"


async def test_other_error_of_a_store_is_raised(store: InboxStore) -> None:
    class Broken:
        async def renew(self, *_: Any) -> bool:
            raise OSError("disk full")

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    with pytest.raises(OSError, match="disk full"):
        await Inbox(Broken(), lease=timedelta(seconds=0.05)).process("msg_1", Work())


async def test_error_of_the_handler_is_raised_when_its_release_fails(
    store: InboxStore, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def release(self, *_: Any) -> None:
            raise OSError("disk full")

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    work = ready()
    work.error = LookupError("no such customer")
    with pytest.raises(LookupError, match="no such customer"):
        await Inbox(Broken()).process("msg_1", work)
    assert "the lease of msg_1 was not released (disk full)" in caplog.text


async def test_anything_but_an_async_function_is_refused(store: InboxStore) -> None:
    inbox = Inbox(store)
    for wrong in (None, "work"):
        with pytest.raises(TypeError, match="handler: expected a function"):
            await inbox.process("msg_1", wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="returned NoneType, which cannot be awaited"):
        await inbox.process("msg_1", lambda: None)  # type: ignore[arg-type,return-value]
    assert await inbox.process("msg_1", ready()) == "handled"


async def test_lease_is_renewed_while_the_handler_runs(store: InboxStore) -> None:
    renewals = 0

    class Counting:
        async def renew(self, delivery_id: str, owner: str, lease: float) -> bool:
            nonlocal renewals
            renewals += 1
            if renewals == 4:
                work.may_end.set()
            return await store.renew(delivery_id, owner, lease)

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    work = Work()
    inbox = Inbox(Counting(), lease=timedelta(seconds=0.3))
    # Four renewals take longer than the lease lasts without any.
    assert await inbox.process("msg_1", work) == "handled"
    assert renewals == 4


async def test_handler_is_cancelled_when_its_lease_is_lost(store: InboxStore) -> None:
    class Forgetful:
        async def renew(self, *_: Any) -> bool:
            return False

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    work = Work()
    assert await Inbox(Forgetful(), lease=timedelta(seconds=0.05)).process("msg_1", work) == "busy"
    assert (work.runs, work.cancelled) == (1, 1)


async def test_lease_that_was_lost_unnoticed_is_not_completed(store: InboxStore) -> None:
    work = Work()
    first = asyncio.ensure_future(Inbox(store).process("msg_1", work))
    await work.started.wait()
    await forget_all(store)
    assert await store.claim("msg_1", "other", 5) == "new"
    work.may_end.set()
    assert await first == "busy"
    assert await store.complete("msg_1", "other", 60) is True


async def forget_all(store: Any) -> None:
    """Lose the state of all deliveries, as a server that restarts empty does."""
    if isinstance(store, MemoryInboxStore):
        store._leased.clear()
    else:
        connection = store._connections.for_running_loop().value
        for key in await connection.command("KEYS", f"{store._prefix}:inbox:*"):
            await connection.command("DEL", key)


async def test_repeated_commands_have_the_same_result(store: InboxStore) -> None:
    # A command is repeated if its reply was lost.
    assert [await store.claim("msg_1", "a", 5) for _ in "12"] == ["new", "new"]
    assert [await store.renew("msg_1", "a", 5) for _ in "12"] == [True, True]
    assert await store.complete("msg_1", "a", 60) is True
    assert await store.complete("msg_1", "a", 60) is True
    assert await store.claim("msg_1", "a", 5) == "done"
    await store.release("msg_1", "a")
    assert await store.claim("msg_1", "b", 5) == "done"


@pytest.mark.parametrize("delivery_id", ["", "a b", "{x}", "\u20ac\n", "a" * 200, "a%20b"])
async def test_ids_of_any_characters_are_distinguished(store: InboxStore, delivery_id: str) -> None:
    assert await store.claim(delivery_id, "a", 5) == "new"
    assert await store.claim(delivery_id + "x", "b", 5) == "new"
    assert await store.claim(delivery_id, "c", 5) == "busy"


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def test_memory_is_bounded_by_number() -> None:
    store = MemoryInboxStore(max_entries=100)
    inbox = Inbox(store)
    for number in range(1000):
        assert await inbox.process(f"msg_{number}", ready()) == "handled"
    assert len(store) == 100
    assert await inbox.process("msg_900", ready()) == "duplicate"
    assert await inbox.process("msg_899", ready()) == "handled"


async def test_memory_is_bounded_by_time() -> None:
    clock = Clock()
    store = MemoryInboxStore(monotonic=clock)
    inbox = Inbox(store, keep=timedelta(days=3))
    for number in range(500):
        await inbox.process(f"msg_{number}", ready())
    clock.seconds += 3 * 86_400 - 1
    assert await inbox.process("msg_7", ready()) == "duplicate"
    clock.seconds += 1
    assert await inbox.process("msg_7", ready()) == "handled"
    for number in range(100):
        await inbox.process(f"other_{number}", ready())
    assert len(store) == 101


async def test_leases_that_expired_are_forgotten() -> None:
    clock = Clock()
    store = MemoryInboxStore(monotonic=clock)
    for number in range(300):
        await store.claim(f"msg_{number}", "dead", 5)
    clock.seconds += 6
    for number in range(60):
        await store.claim(f"other_{number}", "a", 5)
    assert len(store) == 60


async def test_delivery_that_is_done_again_is_remembered_from_then_on() -> None:
    clock = Clock()
    store = MemoryInboxStore(monotonic=clock)
    for delivery_id, owner in (("msg_1", "a"), ("msg_2", "a"), ("msg_1", "b")):
        assert await store.claim(delivery_id, owner, 5) == "new"
        assert await store.complete(delivery_id, owner, 60) is True
        clock.seconds += 40
    clock.seconds += 10
    assert await store.claim("msg_1", "c", 5) == "done"
    assert await store.claim("msg_2", "c", 5) == "new"
    clock.seconds += 60
    await store.claim("msg_3", "a", 5)
    assert len(store) == 1


async def test_leased_deliveries_are_never_forgotten() -> None:
    store = MemoryInboxStore(max_entries=2)
    for number in range(5):
        assert await store.claim(f"msg_{number}", "a", 5) == "new"
    assert await store.complete("msg_0", "a", 60) is True
    assert [await store.claim(f"msg_{number}", "b", 5) for number in range(1, 5)] == ["busy"] * 4


async def test_delivery_is_remembered_for_at_least_three_days(
    shared_redis: Any, prefix: str
) -> None:
    async with RedisInboxStore(shared_redis.url, prefix=prefix) as store:
        await Inbox(store).process("msg_1", ready())
        connection = store._connections.for_running_loop().value
        (key,) = await connection.command("KEYS", f"{prefix}:inbox:*")
        assert b"{msg_1}" in key
        assert 3 * 86_400_000 - 60_000 < await connection.command("PTTL", key) <= 3 * 86_400_000


async def test_outage_of_redis_is_an_error_and_no_delivery_is_lost(redis: Any) -> None:
    async with RedisInboxStore(redis.url, timeout=0.3) as store:
        work = Work()
        first = asyncio.ensure_future(Inbox(store).process("msg_1", work))
        await work.started.wait()
        redis.kill()
        work.may_end.set()
        with pytest.raises(InboxUnavailableError, match="the inbox in Redis"):
            await first
        with pytest.raises(InboxUnavailableError):
            await Inbox(store).process("msg_2", ready())
        redis.start()
        assert await Inbox(store).process("msg_1", ready()) == "handled"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lease": timedelta()}, "lease must be positive"),
        ({"keep": timedelta(seconds=30)}, "keep must be longer than the lease"),
        ({"lease": 30}, "lease must be a timedelta, not an int"),
        ({"store": "redis://127.0.0.1"}, "pass RedisInboxStore"),
        ({"store": FileStore("tokens.json")}, "store must be an inbox store, such as"),
    ],
)
def test_invalid_settings_of_an_inbox_are_refused(settings: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Inbox(**settings)


def test_invalid_settings_of_a_store_are_refused() -> None:
    with pytest.raises(ValueError, match="max_entries must be at least 1, not 0"):
        MemoryInboxStore(max_entries=0)
    with pytest.raises(ValueError, match="timeout must be more than 0 seconds"):
        RedisInboxStore("redis://127.0.0.1", timeout=0)


async def test_many_concurrent_repetitions_run_one_handler(store: InboxStore) -> None:
    inbox, succeeded = Inbox(store), 0

    async def handler() -> None:
        nonlocal succeeded
        await asyncio.sleep(0)
        succeeded += 1

    async def deliver(_: int) -> None:
        while await inbox.process("msg_1", handler) == "busy":
            await asyncio.sleep(0.001)

    await asyncio.gather(*map(deliver, range(50)))
    assert succeeded == 1
