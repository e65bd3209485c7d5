"""Exit, forks and signals of whole programs, which print nothing unexpected to standard error."""

from __future__ import annotations

import os
import signal

import pytest

pytestmark = pytest.mark.interpreter

fork_only = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")


@pytest.mark.matrix
@pytest.mark.parametrize(
    "last",
    ["", "sys.exit(0)", "raise KeyboardInterrupt", "await client.close()", "del client, calls"],
)
def test_loop_that_ends_with_calls_in_flight_warns_of_an_unclosed_client_only(run, last):
    script = run(f"""
        import contextlib
        async def main():
            client = Client("a-token", base_url=URL)
            calls = [asyncio.ensure_future(client.evses.get("slow")) for _ in range(3)]
            await client.evses.get("one")
            print("ready", flush=True)
            try:
                {last or "pass"}
            finally:
                if "calls" in locals():
                    for call in calls:
                        call.add_done_callback(lambda call: call.cancelled() or call.exception())

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(main())
    """)
    code, out, err = script.finish()
    assert (code, out) == (0, "ready\n")
    if "close" in last:
        assert err == ""
    else:
        assert err.count("ResourceWarning: unclosed <Client of") == 1
        warnings = [line for line in err.splitlines() if "Warning" in line or "Error" in line]
        assert len([one for one in warnings if "allocation traceback" not in one]) == 1, err


def test_unclosed_client_of_a_module_warns_once_at_exit(run):
    script = run("""
        client = Client("a-token", base_url=URL)
        for _ in range(3):
            print(asyncio.run(client.evses.get("one")).id)
    """)
    code, out, err = script.finish()
    assert (code, out) == (0, "one\n" * 3)
    assert err.count("Warning: unclosed <Client of") == err.count("Warning: unclosed") == 1, err
    assert "Traceback" not in err


def test_unclosed_client_warns_once_with_warnings_as_errors(run):
    script = run(
        """
        async def main():
            client = Client("a-token", base_url=URL)
            await client.evses.get("one")

        asyncio.run(main())
        gc.collect()
        print("end")
        """,
        "-W",
        "error",
    )
    code, out, err = script.finish()
    assert (code, out) == (0, "end\n")
    assert err.count("\nResourceWarning: ") == 1, err
    assert "\nResourceWarning: unclosed <Client of" in err


@pytest.mark.parametrize("what", ["Client", "ev_energy_sync.Client"])
def test_closed_or_unused_client_is_silent(run, what):
    script = run(f"""
        async def main():
            async with Client("a-token", base_url=URL) as client:
                await client.evses.get("one")
                async for item in client.evses.list().prefetch():
                    break

        never = {what}("a-token", base_url=URL)
        with ev_energy_sync.Client("a-token", base_url=URL) as client:
            client.evses.get("one")
        asyncio.run(main())
        client = ev_energy_sync.Client("a-token", base_url=URL)
        client.evses.get("an unclosed blocking client closes at exit")
    """)
    assert script.finish() == (0, "", "")


def test_loop_closed_by_hand_before_the_client_blocks_no_call(run):
    script = run("""
        client = Client("a-token", base_url=URL)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(client.evses.get("one"))
        loop.run_until_complete(loop.shutdown_asyncgens())  # as asyncio.run does
        loop.close()
        print(asyncio.run(client.evses.get("two")).id)
        asyncio.run(client.close())
    """)
    assert script.finish() == (0, "two\n", "")


def test_loop_closed_without_its_generators_blocks_no_call(run):
    script = run("""
        client = Client("a-token", base_url=URL)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(client.evses.get("one"))
        loop.close()
        print(asyncio.run(client.evses.get("two")).id)
        asyncio.run(client.close())
    """)
    code, out, err = script.finish()
    assert (code, out) == (0, "two\n")
    assert "Traceback" not in err
    assert "client session" not in err  # asyncio reports its own transport


def test_ctrl_c_interrupts_a_program_with_calls_in_flight(run):
    script = run("""
        async def main():
            async with Client("a-token", base_url=URL) as client:
                async with asyncio.TaskGroup() as group:
                    for name in ("slow", "slow", "slow"):
                        group.create_task(client.evses.get(name))
                    await client.evses.get("one")
                    print("ready", flush=True)

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
    """)
    script.wait_for("ready")
    script.send(signal.SIGINT)
    assert script.finish() == (0, "interrupted\n", "")


@pytest.mark.matrix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("blocking", [False, True], ids=["async", "blocking"])
def test_fatal_signal_ends_the_process(run, number, blocking):
    script = run(f"""
        if {blocking}:
            with ev_energy_sync.Client("a-token", base_url=URL) as client:
                client.evses.get("one")
                print("ready", flush=True)
                client.evses.get("slow")

        async def main():
            async with Client("a-token", base_url=URL) as client:
                await client.evses.get("one")
                print("ready", flush=True)
                await client.evses.get("slow")

        asyncio.run(main())
    """)
    script.wait_for("ready")
    script.send(number)
    assert script.finish() == (-number, "", "")


def test_sigterm_handler_that_cancels_the_task_closes_the_client(run):
    script = run("""
        async def main():
            task = asyncio.current_task()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            async with Client("a-token", base_url=URL) as client:
                await client.evses.get("one")
                print("ready", flush=True)
                await asyncio.gather(*(client.evses.get("slow") for _ in range(5)))

        try:
            asyncio.run(main())
        except asyncio.CancelledError:
            print("cancelled")
    """)
    script.wait_for("ready")
    script.send(signal.SIGTERM)
    assert script.finish() == (0, "cancelled\n", "")


@pytest.mark.matrix
@fork_only
@pytest.mark.parametrize(
    "last",
    [
        "os._exit(0)",
        "asyncio.run(client.close()); os._exit(0)",
        "client = None; gc.collect(); os._exit(0)",
        "ok = asyncio.run(client.evses.get('child')).id == 'child'; os._exit(not ok)",
        "asyncio.run(both()); client = None; gc.collect(); os._exit(0)",
    ],
    ids=["exits", "closes", "deletes", "calls", "calls, closes and deletes"],
)
def test_fork_with_calls_in_flight_affects_neither_process(run, last):
    script = run(f"""
        client = Client("a-token", base_url=URL, retries=0, timeout=20)

        async def both():
            await client.evses.get("child")
            await client.close()

        def child():
            global client
            {last}

        async def main():
            calls = [asyncio.ensure_future(client.evses.get("slow")) for _ in range(3)]
            await client.evses.get("warm")
            home = client._caller.state.http.transport._current
            kept = [p for conns in home.value.connector._conns.values() for p, _ in conns]
            for _ in range(3):
                pid = os.fork()
                if pid == 0:
                    del home, kept
                    asyncio._set_running_loop(None)  # as multiprocessing does
                    child()
                while os.waitpid(pid, os.WNOHANG) == (0, 0):
                    assert (await client.evses.get("parent")).id == "parent"
                assert (await client.evses.get("parent")).id == "parent"
            print(kept == [p for cs in home.value.connector._conns.values() for p, _ in cs])
            print([call.done() for call in calls])
            await client.close()
            await asyncio.gather(*calls, return_exceptions=True)

        asyncio.run(main())
    """)
    assert script.finish() == (0, "True\n[False, False, False]\n", "")


@fork_only
def test_child_process_exits_silently(run):
    script = run("""
        client = Client("a-token", base_url=URL)

        async def main():
            await client.evses.get("one")

        asyncio.run(main())
        pid = os.fork()
        if pid:
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            asyncio.run(client.close())
        else:
            sys.exit(0)
    """)
    assert script.finish() == (0, "0\n", "")


@pytest.mark.parametrize("loops", ["asyncio", pytest.param("uvloop", marks=pytest.mark.slow)])
def test_threads_with_separate_loops_share_a_client(run, loops):
    if loops == "uvloop":
        pytest.importorskip("uvloop", reason="needs uvloop: pip install -e '.[speed]'")
    script = run(f"""
        if {loops == "uvloop"}:
            from uvloop import new_event_loop
        else:
            from asyncio import new_event_loop
        client = Client(ClientCredentials(client_id="a", client_secret="secret"), base_url=URL)
        found = []

        async def work():
            for _ in range(30):
                found.append((await client.evses.get("one")).id)

        def run():
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(work())

        for _ in range(2):
            threads = [threading.Thread(target=run) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        asyncio.run(client.close())
        print(len(found))
    """)
    assert script.finish() == (0, "240\n", "")


def test_blocking_client_waits_for_a_token_for_a_limited_time_when_closing(run):
    script = run("""
        url = URL.removesuffix("/v2") + "/o/slow/"
        auth = ClientCredentials(client_id="a", client_secret="secret", token_url=url)
        client = ev_energy_sync.Client(auth, base_url=URL)
        found, started = [], threading.Event()

        def call():
            try:
                client.with_options(headers={"X-Is": "in flight"}).evses.get("one")
            except errors.ClientClosedError as error:
                found.append("closed")

        thread = threading.Thread(target=call)
        thread.start()
        tokens = client._aio._caller.state.tokens
        while client._portal._loop_thread is None or tokens._renewal is None:
            time.sleep(0.01)
        started = time.monotonic()
        client.close()
        thread.join()
        print(found, time.monotonic() - started < 4)
    """)
    assert script.finish() == (0, "['closed'] True\n", "")


def test_exit_does_not_wait_for_a_loop_in_a_daemon_thread(run):
    script = run("""
        client, started = Client("a-token", base_url=URL), threading.Event()

        async def main():
            await client.evses.get("one")
            started.set()
            await client.evses.get("slow")

        threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
        started.wait()
        time.sleep(0.05)
    """)
    code, out, err = script.finish()
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert "client session" not in err


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
def test_ctrl_c_at_any_moment_of_a_blocking_call_leaves_the_client_usable(run):
    """The signal arrives at forty moments of a call, from before to after it."""
    script = run("""
        from ev_energy import MemoryBudget

        # The interrupt may arrive when a coroutine was created and not yet passed on.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        budget = MemoryBudget(1000)
        client = ev_energy_sync.Client("a-token", base_url=URL, budget=budget)
        client.evses.get("one")
        started = time.perf_counter()
        client.evses.get("one")
        duration = time.perf_counter() - started
        interrupted, longest = 0, 0.0
        for step in range(40):
            started = time.perf_counter()
            try:
                signal.setitimer(signal.ITIMER_REAL, max(1e-6, duration * step / 30))
                client.evses.get("one")
                time.sleep(duration * 2)
            except KeyboardInterrupt:
                interrupted += 1
            longest = max(longest, time.perf_counter() - started)
            assert client.evses.get("after").id == "after"
        bucket = client._aio._caller.state.bucket
        assert budget.state(bucket).waiting == 0
        home = client._aio._caller.state.http.transport._current
        assert not home.value.connector._acquired
        client.close()
        print(interrupted > 30, longest < 1.8)
    """)
    code, out, err = script.finish()
    assert (code, out) == (0, "True True\n")
    # An interrupt of a destructor is printed by Python.
    assert "never retrieved" not in err
    assert "Warning" not in err
