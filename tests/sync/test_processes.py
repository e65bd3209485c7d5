"""What the blocking client does when it is interrupted, forked, abandoned, or its loop dies."""

from __future__ import annotations

import os
import time

import pytest

fork_only = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_ctrl_c_cancels_the_request_and_the_client_lives_on(run, server):
    slow, left = server.seen("slow"), server.seen("left")
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
    server.wait_for("left", left + 1)  # before the client is closed: it waits for a line
    script.process.stdin.write("go on\n")
    assert script.finish() == (0, "interrupted\nafter\n", "")


def test_ctrl_c_lets_the_call_unwind_before_it_is_raised(run, server):
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


def test_ctrl_c_leaves_the_calls_of_other_threads_alone(run, server):
    slow, left = server.seen("slow"), server.seen("left")
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
    server.wait_for("left", left + 1)


@pytest.mark.parametrize(
    "last",
    [
        "",
        "client = None",
        "kept = iter(client.evses.list().prefetch()); print(next(kept).id)",
        "sys.exit(0)",
    ],
    ids=["held", "dropped", "in the middle of a listing", "sys.exit"],
)
def test_exit_without_close_is_prompt_and_silent(run, server, last):
    script = run(f"""
        print(client.evses.get("evse01").id)
        {last}
    """)
    code, out, err = script.finish()
    assert (code, out.split()[0], err) == (0, "evse01", "")


def test_exit_closes_what_was_left_open(run):
    script = run("""
        from ev_energy_sync._loop_thread import Portal

        async def farewell():
            os.write(1, b"closed\\n")  # in one go

        async def nothing():
            pass

        portals = [Portal(farewell) for _ in range(3)]
        for portal in portals[:2]:
            portal.call(nothing())
        keep = sys.modules["keep"] = portals  # whatever is collected, and when
        print("end", flush=True)
    """)
    assert script.finish() == (0, "end\nclosed\nclosed\n", "")


def test_exit_does_not_wait_for_the_request_of_a_daemon_thread(run, server):
    slow, left = server.seen("slow"), server.seen("left")
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
    server.wait_for("left", left + 1)


@fork_only
def test_after_a_fork_parent_and_child_both_work_three_times_over(run):
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
    ids=["exits", "closes", "drops it", "calls and exits", "calls and drops it"],
)
def test_however_a_child_ends_the_parent_keeps_its_connection(run, last):
    script = run(f"""
        client = client.with_options(timeout=5, retries=0)  # a deaf connection would time out
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
def test_a_child_that_forks_again_works_too(run):
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
def test_forks_while_four_threads_are_calling_harm_nobody(run):
    script = run("""
        stop = threading.Event()

        def hammer():
            while not stop.is_set():
                client.evses.get("busy")

        client.evses.get("warm")
        threads = [threading.Thread(target=hammer) for _ in range(4)]
        [thread.start() for thread in threads]
        bad = 0
        for _ in range(15):
            pid = os.fork()
            if pid == 0:
                os._exit(client.evses.get("child").id != "child")
            bad += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
        stop.set()
        [thread.join() for thread in threads]
        client.close()
        print("bad", bad)
    """)
    assert script.finish() == (0, "bad 0\n", "")


@fork_only
def test_a_fork_waits_for_an_import_that_another_thread_is_at(run):
    script = run("""
        importing = threading.Event()

        class Slowly:  # stands in the way of one import, inside its module lock
            def find_spec(self, name, path=None, target=None):
                if name == "ev_energy.models.evses":
                    importing.set()
                    time.sleep(0.3)

        sys.meta_path.insert(0, Slowly())
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
def test_a_fork_during_a_token_renewal_leaves_neither_side_waiting(run, server):
    asked = server.seen("token")
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
    server.wait_for("token", asked + 1)  # it takes its time to answer
    script.process.stdin.write("fork\n")
    assert script.finish() == (0, "['parent'] 0\n", "")
    assert server.seen("token") == asked + 2  # the child fetched one of its own


@fork_only
def test_a_client_closed_before_the_fork_is_closed_after_it(run):
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


def test_multiprocessing_workers_use_the_client_of_the_module(run):
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
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


def test_callers_of_a_loop_that_died_do_not_hang_and_the_next_call_starts_another(run):
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
                found.append("told")

        async def dying():
            raise MemoryError

        thread = threading.Thread(target=call)
        thread.start()
        started.wait()
        home = client._portal._home
        home._leave = dying
        home.end()
        home.thread.join()
        thread.join()
        print(found, client.evses.get("afterwards").id, flush=True)
        os._exit(0)  # what the dead loop held cannot be closed, and would be complained of
    """)
    code, out, err = script.finish()
    assert (code, out) == (0, "['told'] afterwards\n")
    assert err.count("\nMemoryError\n") == 1  # it did not die silently


def test_a_thread_that_cannot_be_started_is_an_error_and_the_next_call_tries_again(run):
    script = run("""
        start, threading.Thread.start = threading.Thread.start, lambda self: 1 / 0
        try:
            client.evses.get("evse01")
        except ZeroDivisionError:
            print("not started")
        threading.Thread.start = start
        print(client.evses.get("evse01").id)
    """)
    assert script.finish() == (0, "not started\nevse01\n", "")
