"""The guarantees of the blocking client within one process."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import inspect
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import ev_energy
from ev_energy_sync import Client, ClientCredentials, Ref, _loop_thread, errors, models
from ev_energy_sync._loop_thread import Portal
from tests.helpers.interrupts import interrupt_before_thread_runs, interrupt_start_of_thread


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ev-energy"]


def eventually(condition: Any) -> bool:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        gc.collect()
        time.sleep(0.01)
    return True


def open_events() -> int:
    """Return the number of open eventfds of this process."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed in the meantime
            count += "eventfd" in str(link.readlink())
    return count


async def tasks() -> int:
    """Return the number of other tasks on the loop."""
    return len(asyncio.all_tasks()) - 1


def test_calls_return_the_results_of_the_async_client(client, server):
    evse = client.evses.get("evse01")
    assert (type(evse), evse.id) == (models.EVSE, "evse01")
    assert client.evses.delete("evse01") is None
    assert client.fetch(Ref(evse.url, models.EVSE)) == evse
    assert client.rate_limit.limit == 1000
    assert str(client.base_url) == server.url


def test_listing_yields_the_items_of_all_pages_in_order(client):
    listing = client.evses.list()
    ids = [f"evse{page}{i}" for page in range(3) for i in range(3)]
    assert [evse.id for evse in listing] == ids
    assert [evse.id for evse in listing.prefetch()] == ids
    assert [[evse.id for evse in page.items] for page in listing.pages()] == [
        ids[:3],
        ids[3:6],
        ids[6:],
    ]
    assert [evse.id for evse in listing.page().items] == ids[:3]
    assert listing.first().id == ids[0]
    assert [evse.id for evse in listing.collect()] == ids
    assert [evse.id for evse in listing.collect(limit=4)] == ids[:4]


def test_listing_resumes_at_a_cursor_in_both_directions(client):
    *_, last = client.evses.list().pages()
    resumed = client.evses.list().resume(last.cursor)
    assert [evse.id for evse in resumed] == ["evse20", "evse21", "evse22"]
    backward = resumed.backward().pages()
    assert [page.items[0].id for page in backward] == ["evse20", "evse10", "evse00"]


def test_listing_makes_one_call_into_the_loop_per_page(client, monkeypatch):
    loop_calls = 0
    call = Portal.call

    def counting(portal, coro):
        nonlocal loop_calls
        loop_calls += 1
        return call(portal, coro)

    monkeypatch.setattr(Portal, "call", counting)
    assert len(list(client.evses.list())) == 9
    assert loop_calls == 4  # three pages and the end


def test_iterator_continues_after_an_error_with_the_page_that_failed(client, loop):
    items = iter(client.evses.list(cpid=f"fails-once-{loop}"))
    found = [next(items) for _ in range(3)]
    with pytest.raises(errors.BadRequestError) as raised:
        next(items)
    assert raised.value.cursor
    ids = [f"evse{page}{i}" for page in range(3) for i in range(3)]
    assert [evse.id for evse in [*found, *items]] == ids


def test_errors_are_those_of_the_async_client_and_their_traceback_has_the_call(client):
    with pytest.raises(errors.NotFoundError) as raised:
        client.evses.get("missing")
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert ("ev_energy_sync/resources/evses.py", "get") in {
        ("/".join(frame.filename.split("/")[-3:]), frame.name) for frame in frames
    }


def test_error_does_not_keep_the_arguments_of_the_call_alive(client):
    class Argument(str):
        __slots__ = ("__weakref__",)

    argument = Argument("missing")
    reference = weakref.ref(argument)
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(errors.NotFoundError):
            client.evses.get(argument)
        del argument
        client.evses.get("another")  # makes the loop release its previous task
        assert reference() is None
    finally:
        gc.enable()


def test_calls_inside_a_running_loop_block_and_return(server, loop):
    async def notebook() -> str:
        with Client("a-token", base_url=server.url) as client:
            return client.evses.get("evse01").id

    assert asyncio.run(notebook()) == "evse01"


def test_calls_on_the_own_loop_raise_instead_of_deadlocking(client):
    async def callback() -> str:
        return client.evses.get("evse01").id

    async def closing() -> None:
        client.close()

    for coro in (callback(), closing()):
        with pytest.raises(RuntimeError, match="would never return"):
            client._portal.call(coro)
    assert client.evses.get("evse01").id == "evse01"


def test_many_threads_share_one_client_and_one_loop_thread(client):
    ids = [f"evse{i}" for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert [evse.id for evse in pool.map(client.evses.get, ids)] == ids
    assert len(loop_threads()) == 1


def test_calls_submitted_at_the_same_time_wake_the_loop_once(client, monkeypatch):
    client.evses.get("evse01")
    loop_thread = client._portal._loop_thread
    blocked, unblock = threading.Event(), threading.Event()

    async def block() -> None:
        blocked.set()
        unblock.wait(10)

    async def double(number: int) -> int:
        return 2 * number

    wake_ups = []
    wake = loop_thread.loop.call_soon_threadsafe

    def counting(callback, *args, **options):
        wake_ups.append(callback)
        return wake(callback, *args, **options)

    with ThreadPoolExecutor(9) as pool:
        blocking = pool.submit(client._portal.call, block())
        assert blocked.wait(10)
        # A waiting thread wakes the loop again after a while, which is not counted here.
        monkeypatch.setattr(_loop_thread, "_POLL_INTERVAL", 10)
        monkeypatch.setitem(vars(loop_thread.loop), "call_soon_threadsafe", counting)
        calls = [pool.submit(client._portal.call, double(number)) for number in range(8)]
        assert eventually(lambda: wake_ups and len(loop_thread._submitted) == 8)
        assert len(wake_ups) == 1
        unblock.set()
        assert [call.result() for call in calls] == [0, 2, 4, 6, 8, 10, 12, 14]
        blocking.result()


@pytest.mark.skipif(sys.platform != "linux", reason="no other platform has eventfd")
def test_threads_that_wait_use_a_limited_number_of_files(server, loop):
    gc.collect()  # of what earlier tests have left
    before = open_events()
    with Client("a-token", base_url=server.url) as client, ThreadPoolExecutor(24) as pool:
        client.evses.get("evse01")
        of_loop = open_events() - before - 1
        barrier = asyncio.Barrier(24)
        assert sorted(pool.map(lambda _: client._portal.call(barrier.wait()), range(24))) == [
            *range(24)
        ]
        assert open_events() - before - of_loop == 16
        client.evses.get("evse01")
    gc.collect()
    assert open_events() == before


@pytest.mark.skipif(sys.platform != "linux", reason="no other platform has eventfd")
def test_calls_succeed_while_the_process_has_too_many_open_files(client):
    resource = pytest.importorskip("resource")
    client.evses.get("evse01")
    barrier = asyncio.Barrier(2)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ThreadPoolExecutor(2) as pool:
        for soft_limit in (3, limits[0]):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft_limit, limits[1]))
            try:
                waiting = pool.map(lambda _: client._portal.call(barrier.wait()), range(2))
                assert sorted(waiting) == [0, 1]
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_interrupt_just_before_the_loop_is_woken_leaves_it_usable(client, monkeypatch, caplog):
    client.evses.get("evse01")
    loop = client._portal._loop_thread.loop
    wake = loop.call_soon_threadsafe
    started = []

    def interrupted(*_: Any) -> None:
        monkeypatch.setitem(vars(loop), "call_soon_threadsafe", wake)
        raise KeyboardInterrupt

    async def start(name: str) -> str:
        started.append(name)
        return name

    monkeypatch.setitem(vars(loop), "call_soon_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client._portal.call(start("interrupted"))
    assert client._portal.call(start("next")) == "next"
    assert started == ["next"]
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="no signal can be sent to a thread")
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
@pytest.mark.parametrize("state", ["does not run yet", "is starting", "is running"])
def test_interrupt_while_the_loop_starts_leaves_the_client_usable(
    server, loop, monkeypatch, state, error
):
    loops: list[asyncio.AbstractEventLoop] = []

    def recorded_loop(new_loop: Any = _loop_thread.new_loop) -> asyncio.AbstractEventLoop:
        loops.append(new_loop())
        return loops[-1]

    def interrupt(*_: object) -> None:
        raise error("interrupted")

    monkeypatch.setattr(_loop_thread, "new_loop", recorded_loop)
    handler = signal.signal(signal.SIGINT, interrupt)
    try:
        with Client("a-token", base_url=server.url) as client:
            with monkeypatch.context() as patch:
                if state == "does not run yet":
                    interrupt_before_thread_runs("ev-energy", patch, wait=partial(time.sleep, 0.1))
                else:
                    interrupt_start_of_thread(
                        "ev-energy",
                        patch,
                        ready=lambda: state == "is starting" or eventually(loops[0].is_running),
                    )
                with pytest.raises(error, match="interrupted"):
                    client.evses.get("evse01")
            assert (len(loops), loop_threads()) == (1, [])
            assert client.evses.get("evse01").id == "evse01"
    finally:
        signal.signal(signal.SIGINT, handler)
    assert [each.is_closed() for each in loops] == [True, True]


@pytest.mark.skipif(sys.platform == "win32", reason="no signal can be sent to a thread")
def test_late_end_of_an_interrupted_call_does_not_end_the_next_one(client, monkeypatch):
    main, released = threading.main_thread().ident, asyncio.Event()

    async def ignore_cancellation() -> None:
        signal.pthread_kill(main, signal.SIGINT)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        await released.wait()

    async def release() -> str:
        released.set()
        await asyncio.sleep(0.02)
        return "released"

    with monkeypatch.context() as patch:
        patch.setattr(_loop_thread, "_UNWIND_TIMEOUT", 0.01)
        with pytest.raises(KeyboardInterrupt):
            client._portal.call(ignore_cancellation())
    assert client._portal.call(release()) == "released"


def test_simultaneous_first_calls_start_one_loop(server, loop):
    with Client("a-token", base_url=server.url) as client:
        barrier = threading.Barrier(8)

        def call(evse_id: str) -> str:
            barrier.wait()
            return client.evses.get(evse_id).id

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(call, map(str, range(8))))) == 8
        assert len(loop_threads()) == 1


def test_first_call_starts_the_thread(server, loop):
    with Client("a-token", base_url=server.url) as client:
        _ = client.evses.list(), client.acting_for("user01").users
        assert loop_threads() == []


def test_unfinished_iteration_leaves_no_task_behind(client):
    for _ in client.evses.list():
        break
    assert client._portal.call(tasks()) == 0


def test_prefetched_page_of_an_unfinished_iteration_is_harmless(client, server):
    listed = server.count("listing")
    for _ in client.evses.list().prefetch():
        break
    assert eventually(lambda: client._portal.call(tasks()) == 0)
    assert server.count("listing") - listed <= 2
    assert client.evses.get("evse01").id == "evse01"


def test_closing_cancels_the_fetch_of_the_next_page(server, loop):
    slow, disconnected = server.count("slow"), server.count("disconnected")
    with Client("a-token", base_url=server.url) as client:
        for _ in client.evses.list(cpid="slow-from-page-1").prefetch():
            break
        server.wait_for("slow", slow + 1)
    server.wait_for("disconnected", disconnected + 1)


def test_calls_see_the_context_variables_of_the_caller(client):
    variable = contextvars.ContextVar("variable", default="unset")

    async def read() -> str:
        return variable.get()

    variable.set("main")
    assert client._portal.call(read()) == "main"
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(client._portal.call, read()).result() == "unset"


def test_capture_records_only_the_calls_of_its_thread(client):
    with client.capture() as calls:
        client.acting_for("user01").evses.get("evse01")
        list(client.evses.list())
        with ThreadPoolExecutor(1) as pool:
            pool.submit(client.evses.get, "of-another-thread").result()
            context = contextvars.copy_context()
            pool.submit(context.run, client.evses.get, "in-my-context").result()
    client.evses.get("afterwards")
    assert [call.request.url.name for call in calls] == ["evse01", *["evses"] * 3, "in-my-context"]
    assert [call.status for call in calls] == [200] * 5
    assert calls[0].request.headers["EvEnergy-User"] == "user01"


def test_repr_of_a_listing_tells_what_it_will_request(server, loop):
    with Client("a-token", base_url=server.url) as client:
        shown = "GET /v2/evses?page_size=100: EVSE, from the first page"
        assert repr(client.evses.list()) == f"<Pager {shown}>"
        assert repr(client.evses.list().prefetch()) == f"<Pager {shown}, prefetching>"
        log = client.evses.status_logs("evse01")
        since = datetime(2026, 1, 1, tzinfo=UTC)
        assert repr(log).startswith("<LogPager GET /v2/evses/evse01/status_logs?page_size=100: ")
        assert repr(log.follow(since=since)) == (
            "<LogStream of /v2/evses/evse01/status_logs, since 2026-01-01 00:00:00 UTC, not yet "
            "read>"
        )


def test_views_share_the_loop_and_closing_one_closes_all(server, loop):
    client = Client("a-token", base_url=server.url)
    view = client.acting_for("user01").with_options(timeout=5)
    assert view.evses.get("evse01") == client.evses.get("evse01")
    assert len(loop_threads()) == 1
    assert repr(view) != repr(client)
    view.close()
    for closed in (client, view):
        with pytest.raises(errors.ClientClosedError):
            closed.evses.get("evse01")


def test_closing_twice_is_allowed_and_later_calls_raise(server, loop):
    with Client("a-token", base_url=server.url) as client:
        listing = client.evses.list()
        assert listing.first() is not None
        client.close()
        assert loop_threads() == []
        for call in (listing.first, listing.collect, lambda: client.evses.get("evse01")):
            with pytest.raises(errors.ClientClosedError):
                call()
    client.close()
    assert loop_threads() == []


def test_with_closes_the_client_after_an_error(server, loop):
    with pytest.raises(LookupError), Client("a-token", base_url=server.url) as client:
        client.evses.get("evse01")
        raise LookupError
    assert loop_threads() == []


def test_closing_cancels_the_calls_of_other_threads(server, loop):
    slow = server.count("slow")
    client = Client("a-token", base_url=server.url)
    with ThreadPoolExecutor(2) as pool:
        read = pool.submit(client.evses.get, "slow")
        write = pool.submit(client.evses.update, "evse01", location=None)
        server.wait_for("slow", slow + 2)
        start = time.monotonic()
        client.close()
        assert isinstance(read.exception(10), errors.ClientClosedError)
        # The server may have executed it; only this error tells the caller.
        assert isinstance(write.exception(10), errors.UnconfirmedWriteError)
        assert time.monotonic() - start < 5


def test_calls_during_closing_succeed_or_raise_an_error_of_the_package(server, loop):
    for _ in range(10):
        client = Client("a-token", base_url=server.url)
        client.evses.get("warm")
        with ThreadPoolExecutor(6) as pool:
            calls = [pool.submit(client.evses.get, f"evse{i}") for i in range(30)]
            client.close()
            unexpected = [
                error
                for call in calls
                if (error := call.exception(20)) and not isinstance(error, errors.EvEnergyError)
            ]
        assert unexpected == []


def test_garbage_collected_client_stops_its_thread(server, loop):
    client = Client("a-token", base_url=server.url)
    client.evses.get("evse01")
    assert len(loop_threads()) == 1
    del client
    assert eventually(lambda: loop_threads() == [])


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_exit_and_interrupt_of_a_coroutine_reach_the_caller_and_the_loop_continues(client, error):
    async def raising() -> None:
        raise error("from the coroutine")

    for _ in range(3):
        with pytest.raises(error, match="from the coroutine"):
            client._portal.call(raising())
    assert client.evses.get("evse01").id == "evse01"
    assert len(loop_threads()) == 1


def test_simultaneous_calls_of_threads_request_one_token(server, loop):
    requested = server.count("token")
    auth = ClientCredentials(client_id="id", client_secret="secret")
    with Client(auth, base_url=server.url) as client, ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(client.evses.get, map(str, range(20))))) == 20
    assert server.count("token") == requested + 1


def test_client_is_made_from_the_environment(server):
    environ = {"EV_ENERGY_TOKEN": "a-token", "EV_ENERGY_BASE_URL": server.url}
    with Client.from_env(environ, timeout=5) as client:
        assert client.evses.get("evse01").id == "evse01"
    with pytest.raises(ValueError, match="EV_ENERGY_CLIENT_ID"):
        Client.from_env({})
    with pytest.raises(TypeError, match="session"):
        Client.from_env(environ, session=None)


def test_preload_of_an_unknown_family_raises():
    Client.preload("evses")
    with pytest.raises(ValueError, match="no family 'vehicels'"):
        Client.preload("vehicels")


def members(cls: type) -> Iterator[tuple[str, Any]]:
    for name in dir(cls):
        if not name.startswith("_"):
            yield name, inspect.getattr_static(cls, name)


def parameters(method: Any) -> dict[str, str]:
    """Return the parameters as text. A blocking `resolve` sends at once, so it has no `Resolve`."""
    found = inspect.signature(method).parameters
    return {name: str(each).replace("Resolve[Any] | ", "") for name, each in found.items()}


@pytest.mark.parametrize(
    ("blocking", "aio"),
    [(Client, ev_energy.Client), (__import__("ev_energy_sync").Pager, ev_energy.Pager)],
    ids=["Client", "Pager"],
)
def test_public_members_of_the_async_class_have_blocking_counterparts(blocking, aio):
    theirs, ours = dict(members(aio)), dict(members(blocking))
    assert ours.keys() == theirs.keys()
    for name, member in theirs.items():
        if not inspect.isfunction(member):
            continue
        assert parameters(ours[name]) == parameters(member), name


def test_constructor_takes_the_arguments_of_the_async_one_except_the_session():
    theirs = dict(inspect.signature(ev_energy.Client).parameters)
    del theirs["session"]
    assert dict(inspect.signature(Client).parameters) == theirs
