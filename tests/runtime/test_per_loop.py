"""One resource per event loop, whichever thread, loop or process its owner uses."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ev_energy._runtime.per_loop import AlreadyClosed, PerLoop


class Resource:
    """A resource that records the loops on which it was opened and closed."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closed_on: list[asyncio.AbstractEventLoop] = []
        self.closed_now = 0


async def close(resource: Resource) -> None:
    await asyncio.sleep(0)
    resource.closed_on.append(asyncio.get_running_loop())


def close_now(resource: Resource) -> None:
    resource.closed_now += 1


@pytest.fixture
def per_loop() -> PerLoop[Resource]:
    return PerLoop(Resource, close, close_now=close_now)


def in_thread(work: Callable[[], Awaitable[None]]) -> None:
    """Run *work* on an event loop of its own, in another thread."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())  # type: ignore[arg-type]  # an async function
        except BaseException as error:  # noqa: BLE001  (raised again in the test's thread)
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


async def test_each_loop_opens_one_resource(per_loop: PerLoop[Resource]) -> None:
    own = per_loop.for_running_loop()
    assert per_loop.for_running_loop() is own
    assert (own.loop, own.value.loop) == (asyncio.get_running_loop(),) * 2

    async def other_thread() -> None:
        other = per_loop.for_running_loop().value
        assert other is not own.value
        assert set(per_loop.all()) == {own.value, other}

    in_thread(other_thread)
    assert per_loop.all() == [own.value]
    await per_loop.close()


def test_resource_is_closed_on_its_loop_when_the_loop_ends(per_loop: PerLoop[Resource]) -> None:
    opened: list[Resource] = []

    async def work() -> None:
        opened.append(per_loop.for_running_loop().value)

    for _ in range(3):
        asyncio.run(work())
    assert [each.closed_on for each in opened] == [[each.loop] for each in opened]
    assert [each.closed_now for each in opened] == [0, 0, 0]
    assert per_loop.all() == []
    assert per_loop, "the owner did not close it: a destructor still warns"


def test_resource_outlives_its_loop_if_its_owner_closes_it() -> None:
    per_loop = PerLoop(Resource, close, close_with_loop=False)
    opened: list[Resource] = []

    async def work() -> None:
        opened.append(per_loop.for_running_loop().value)

    asyncio.run(work())
    assert opened[0].closed_on == []


async def test_closing_waits_for_the_running_loop_and_no_other(per_loop: PerLoop[Resource]) -> None:
    own = per_loop.for_running_loop().value
    other_is_open, may_end = threading.Event(), threading.Event()
    others: list[Resource] = []

    async def other_thread() -> None:
        others.append(per_loop.for_running_loop().value)
        other_is_open.set()
        await asyncio.to_thread(may_end.wait, 10)

    thread = threading.Thread(target=lambda: asyncio.run(other_thread()))
    thread.start()
    other_is_open.wait(10)
    await per_loop.close()
    assert (own.closed_on, own.closed_now) == ([own.loop], 0)
    may_end.set()
    thread.join(10)
    assert (others[0].closed_on, others[0].closed_now) == ([], 1)
    assert not per_loop
    with pytest.raises(AlreadyClosed):
        per_loop.for_running_loop()


async def test_resource_that_is_closed_for_one_loop_is_opened_again(
    per_loop: PerLoop[Resource],
) -> None:
    first = per_loop.for_running_loop().value
    await per_loop.close_for_running_loop()
    await per_loop.close_for_running_loop()  # no resource is open
    assert first.closed_on == [first.loop]
    assert per_loop.for_running_loop().value is not first
    await per_loop.close()


async def test_resource_opened_while_its_owner_closes_is_closed_too() -> None:
    def open_late() -> Resource:
        per_loop.closed = True  # as another thread might at this moment
        opened.append(Resource())
        return opened[0]

    opened: list[Resource] = []
    per_loop = PerLoop(open_late, close, close_now=close_now)
    with pytest.raises(AlreadyClosed):
        per_loop.for_running_loop()
    assert (opened[0].closed_on, opened[0].closed_now) == ([], 1)
    assert not per_loop


@pytest.mark.parametrize("can_close_now", [True, False])
def test_loop_that_was_closed_without_its_generators_is_forgotten(*, can_close_now: bool) -> None:
    per_loop = PerLoop(Resource, close, close_now=close_now if can_close_now else None)

    async def work() -> Resource:
        return per_loop.for_running_loop().value

    loop = asyncio.new_event_loop()
    abandoned = loop.run_until_complete(work())
    loop.close()  # unlike asyncio.run, without closing the generators
    kept = asyncio.run(work())
    assert (abandoned.closed_on, abandoned.closed_now) == ([], int(can_close_now))
    assert list(per_loop._resources) == [kept.loop]


async def test_abandoning_closes_without_waiting(per_loop: PerLoop[Resource]) -> None:
    resource = per_loop.for_running_loop().value
    per_loop.abandon()
    assert (resource.closed_on, resource.closed_now) == ([], 1)
    assert not per_loop


async def test_failure_to_close_is_raised_and_closes_only_once() -> None:
    closed: list[Resource] = []

    async def fail(resource: Resource) -> None:
        closed.append(resource)
        raise OSError("the peer is gone")

    per_loop = PerLoop(Resource, fail)
    resource = per_loop.for_running_loop()
    with pytest.raises(OSError, match="gone"):
        await per_loop.close_for_running_loop()
    await resource.close()
    assert closed == [resource.value]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")
async def test_child_keeps_the_resources_of_its_parent_and_closes_none(
    per_loop: PerLoop[Resource],
) -> None:
    reference = weakref.ref(per_loop.for_running_loop().value)
    per_loop._lock.acquire()  # as another thread does while this one forks
    child = os.fork()
    if child == 0:
        os._exit(_in_child(per_loop, reference))
    per_loop._lock.release()
    _, status = os.waitpid(child, 0)  # noqa: ASYNC222  (the child ends at once)
    assert os.waitstatus_to_exitcode(status) == 0
    [resource] = per_loop.all()
    await per_loop.close()
    assert resource.closed_on == [resource.loop]


def _in_child(per_loop: PerLoop[Resource], reference: weakref.ref[Resource]) -> int:
    try:
        assert not per_loop
        assert per_loop.all() == []
        per_loop.abandon()
        gc.collect()
        inherited: Any = reference()
        assert inherited is not None
        assert (inherited.closed_on, inherited.closed_now) == ([], 0)
    except BaseException:  # noqa: BLE001  (a child must not return into pytest)
        return 1
    return 0
