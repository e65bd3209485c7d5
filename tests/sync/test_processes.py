"""The blocking client under interrupts, forks, exits without close, and a crash of its loop."""

from __future__ import annotations

import os
import time

import pytest

pytestmark = pytest.mark.interpreter

fork_only = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")


def test_ctrl_c_cancels_the_request_and_the_client_remains_usable(run, server):
    slow, disconnected = server.count("slow"), server.count("disconnected")
    script = run("""
        client.evses.get("warm")
        try:
            client.evses.get("slow")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        sys.stdin.readline()
        print(client.evses.get("after").id)
        client.close()
    """)
    server.wait_for("slow", slow + 1)
    script.interrupt()
    server.wait_for(
        "disconnected", disconnected + 1
    )  # while the script waits for a line, so before it closes the client
    script.process.stdin.write("go on\n")
    assert script.finish() == (0, "interrupted\nafter\n", "")


def test_ctrl_c_is_raised_after_the_call_has_unwound(run, server):
    script = run("""
        import asyncio

        async def unwinding():
            try:
                print("ready", flush=True)
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.2)
                print("unwound", flush=True)

        try:
            client._portal.call(unwinding())
        except KeyboardInterrupt:
            print("interrupted")
    """)
    assert script.process.stdout.readline() == "ready\n"
    script.interrupt()
    assert script.finish() == (0, "unwound\ninterrupted\n", "")


def test_ctrl_c_does_not_affect_the_calls_of_other_threads(run, server):
    slow, disconnected = server.count("slow"), server.count("disconnected")
    script = run("""
        done = threading.Event()

        async def other():
            await __import__("asyncio").to_thread(done.wait)
            return "undisturbed"

        found = []
        thread = threading.Thread(target=lambda: found.append(client._portal.call(other())))
        thread.start()
        try:
            client.evses.get("slow")
        except KeyboardInterrupt:
            done.set()
        thread.join()
        print(found)
    """)
    server.wait_for("slow", slow + 1)
    script.interrupt()
    assert script.finish() == (0, "['undisturbed']\n", "")
    server.wait_for("disconnected", disconnected + 1)


@pytest.mark.matrix
@pytest.mark.parametrize(
    "last",
    [
        "",
        "client = None",
        "kept = iter(client.evses.list().prefetch()); print(next(kept).id)",
        "sys.exit(0)",
    ],
    ids=["in use", "deleted", "in the middle of a listing", "sys.exit"],
)
def test_exit_without_close_is_prompt_and_silent(run, server, last):
    script = run(f"""
        print(client.evses.get("evse01").id)
        {last}
    """)
    code, out, err = script.finish()
    assert (code, out.split()[0], err) == (0, "evse01", "")


def test_exit_stops_open_portals(run):
    script = run("""
        from ev_energy_sync._loop_thread import Portal

        async def on_stop():
            os.write(1, b"closed\\n")  # one write, so that lines do not mix

        async def nothing():
            pass

        portals = [Portal(on_stop) for _ in range(3)]
        for portal in portals[:2]:
            portal.call(nothing())
        keep = sys.modules["keep"] = portals  # so that none is collected before the exit
        print("end", flush=True)
    """)
    assert script.finish() == (0, "end\nclosed\nclosed\n", "")


def test_exit_does_not_wait_for_the_request_of_a_daemon_thread(run, server):
    slow, disconnected = server.count("slow"), server.count("disconnected")
    script = run("""
        def ask():
            try:
                client.evses.get("slow")
            except Exception as error:
                pass

        threading.Thread(target=ask, daemon=True).start()
        sys.stdin.readline()
    """)
    server.wait_for("slow", slow + 1)
    start = time.monotonic()
    script.process.stdin.write("exit\n")
    assert script.finish() == (0, "", "")
    assert time.monotonic() - start < 8
    server.wait_for("disconnected", disconnected + 1)


@fork_only
def test_parent_and_child_both_work_after_each_of_three_forks(run):
    script = run("""
        client.evses.get("warm")  # a connection is kept alive
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                ok = client.evses.get("child").id == "child" and len(list(client.evses.list())) == 9
                client.close()
                os._exit(0 if ok else 1)
            assert client.evses.get("parent").id == "parent"
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert client.evses.get("parent").id == "parent"
        client.close()
        print("both")
    """)
    assert script.finish() == (0, "both\n", "")


@pytest.mark.matrix
@fork_only
@pytest.mark.parametrize(
    "last",
    [
        "sys.exit(0)",
        "client.close(); sys.exit(0)",
        "client = None; __import__('gc').collect(); os._exit(0)",
        "client.evses.get('child'); sys.exit(0)",
        "client.evses.get('child'); client = None; __import__('gc').collect(); sys.exit(0)",
    ],
    ids=["exits", "closes", "deletes it", "calls and exits", "calls and deletes it"],
)
def test_parent_keeps_its_connection_when_a_child_exits(run, last):
    script = run(f"""
        # A connection that was unregistered from the epoll instance would time out.
        client = client.with_options(timeout=5, retries=0)
        client.evses.get("warm")
        connector = client._aio._caller.state.http.transport._current.value.connector
        kept = [protocol for conns in connector._conns.values() for protocol, _ in conns]
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                del connector, kept
                {last}
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert client.evses.get("parent").id == "parent"
        print([protocol for conns in connector._conns.values() for protocol, _ in conns] == kept)
    """)
    assert script.finish() == (0, "True\n", "")


@fork_only
def test_child_of_a_child_works(run):
    script = run("""
        client.evses.get("warm")
        pid = os.fork()
        if pid == 0:
            client.evses.get("child")
            pid = os.fork()
            ok = client.evses.get("both").id == "both"
            if pid:
                ok = ok and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            os._exit(0 if ok else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), client.evses.get("parent").id)
    """)
    assert script.finish() == (0, "0 parent\n", "")


@fork_only
def test_forks_during_calls_of_four_threads_are_harmless(run):
    script = run("""
        stop = threading.Event()

        def hammer():
            while not stop.is_set():
                client.evses.get("busy")

        client.evses.get("warm")
        threads = [threading.Thread(target=hammer) for _ in range(4)]
        [thread.start() for thread in threads]
        failures = 0
        for _ in range(15):
            pid = os.fork()
            if pid == 0:
                os._exit(client.evses.get("child").id != "child")
            failures += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
        stop.set()
        [thread.join() for thread in threads]
        client.close()
        print("failures", failures)
    """)
    assert script.finish() == (0, "failures 0\n", "")


@fork_only
def test_fork_waits_for_the_import_of_another_thread(run):
    script = run("""
        importing = threading.Event()

        class SlowFinder:  # delays one import while its module lock is held
            def find_spec(self, name, path=None, target=None):
                if name == "ev_energy.models.evses":
                    importing.set()
                    time.sleep(0.3)

        sys.meta_path.insert(0, SlowFinder())
        thread = threading.Thread(target=lambda: client.evses)
        thread.start()
        importing.wait()
        pid = os.fork()
        if pid == 0:
            os._exit(client.evses.get("child").id != "child")
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), client.evses.get("parent").id)
    """)
    assert script.finish() == (0, "0 parent\n", "")


@fork_only
def test_fork_during_a_token_renewal_blocks_neither_process(run, server):
    requested = server.count("token")
    script = run("""
        auth = ClientCredentials(client_id="id", client_secret="secret", scopes=["slow"])
        client = Client(auth, base_url=str(client.base_url))
        found = []
        thread = threading.Thread(target=lambda: found.append(client.evses.get("parent").id))
        thread.start()
        sys.stdin.readline()
        assert not found
        pid = os.fork()
        if pid == 0:
            os._exit(client.evses.get("child").id != "child")
        thread.join()
        print(found, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """)
    server.wait_for("token", requested + 1)  # the reply takes a second
    script.process.stdin.write("fork\n")
    assert script.finish() == (0, "['parent'] 0\n", "")
    assert server.count("token") == requested + 2  # the child has requested a token of its own


@fork_only
def test_client_closed_before_a_fork_is_closed_in_the_child(run):
    script = run("""
        from ev_energy.errors import ClientClosedError

        client.evses.get("warm")
        client.close()
        pid = os.fork()
        try:
            client.evses.get("evse01")
        except ClientClosedError:
            if pid == 0:
                os._exit(3)
            print("closed", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """)
    assert script.finish() == (0, "closed 3\n", "")


def test_multiprocessing_workers_use_a_module_level_client(run):
    if not hasattr(os, "fork"):
        pytest.skip("needs os.fork, which Windows lacks")
    script = run("""
        import multiprocessing

        def work(evse_id):
            return client.evses.get(evse_id).id

        client.evses.get("warm")
        with multiprocessing.get_context("fork").Pool(3) as pool:
            print(pool.map(work, ["a", "b", "c", "d"]))
            pool.close()
            pool.join()
        print(work("parent"))
    """)
    assert script.finish() == (0, "['a', 'b', 'c', 'd']\nparent\n", "")


def test_calls_on_a_crashed_loop_raise_and_the_next_call_starts_another_loop(run):
    script = run("""
        import asyncio
        from ev_energy.errors import ClientClosedError

        client.evses.get("warm")
        started = threading.Event()
        found = []

        async def waiting():
            started.set()
            await asyncio.sleep(60)

        def call():
            try:
                client._portal.call(waiting())
            except ClientClosedError:
                found.append("closed")

        async def crashing():
            raise MemoryError

        thread = threading.Thread(target=call)
        thread.start()
        started.wait()
        loop_thread = client._portal._loop_thread
        loop_thread._shut_down = crashing
        loop_thread.request_stop()
        loop_thread.thread.join()
        thread.join()
        print(found, client.evses.get("afterwards").id, flush=True)
        os._exit(0)  # the sockets of the crashed loop cannot be closed, and Python would warn
    """)
    code, out, err = script.finish()
    assert (code, out) == (0, "['closed'] afterwards\n")
    assert err.count("\nMemoryError\n") == 1  # the error was reported


def test_thread_that_cannot_be_started_raises_and_the_next_call_retries(run):
    script = run("""
        start = threading.Thread.start
        for error in ZeroDivisionError, MemoryError:
            def fail(self):
                raise error
            threading.Thread.start = fail
            try:
                client.evses.get("evse01")
            except error:
                print("not started")
        threading.Thread.start = start
        print(client.evses.get("evse01").id)
    """)
    assert script.finish() == (0, "not started\nnot started\nevse01\n", "")
