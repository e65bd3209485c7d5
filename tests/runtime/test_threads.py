"""Threads that use the package for the first time at the same moment.

Modules and decoders are built once in each process, so each case runs in a new one, which switches
threads as often as possible. ``EV_ENERGY_FUZZ`` sets the number of processes for each case; the
default is small.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.interpreter

#: The number of processes for each case.
ROUNDS = int(os.environ.get("EV_ENERGY_FUZZ", "2"))

HEAD = """
import asyncio, json, logging, random, sys, threading, traceback
logging.disable(logging.CRITICAL)
sys.setswitchinterval(1e-6)
SEED = int(sys.argv[1])
failures, barrier = [], threading.Barrier(12)

def race(work):
    def run():
        barrier.wait()
        try:
            work()
        except BaseException:
            failures.append(traceback.format_exc())
    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, f"{len(failures)} of 12 threads failed, one with {failures[0]}"

def serve():
    # Answer every path with one resource, or with a list of it.
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
            one = {"id": "one", "url": f"{url}{self.path}/one", "user": f"{url}/users/one"}
            body = json.dumps(one if self.path.endswith("/one") else [one]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *args):
            pass
    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True
    server = Server(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}/v2"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return url

FAMILIES = ["evses", "vehicles", "users", "charging_sessions", "tariffs", "programs", "regions"]
"""

CASES = {
    "webhooks": """
        from ev_energy import webhooks
        body = {"id": "evt", "type": "charging_sub_session.ended", "data": {"id": "a", "x": 1}}
        race(lambda: webhooks.read(json.dumps(body)))
    """,
    "every model": """
        from ev_energy import models
        found = [getattr(models, name) for name in dir(models)]
        classes = [c for c in found if isinstance(c, type) and issubclass(c, models.Model)]
        classes.remove(models.Model)
        assert len(classes) > 100
        random.Random(SEED).shuffle(classes)
        texts = {}
        def work():
            for model in classes:
                made = model.from_dict({"url": "https://example.com/v2/a/b", "id": "b"})
                text = repr(made.to_dict()), repr(made), hash(made)
                assert texts.setdefault(model, text) == text
        race(work)
    """,
    "late imports": """
        # Nothing is imported yet, and the threads start with different names.
        names = ["Client", "models", "webhooks", "auth", "errors", "Pager", "budget", "Ref"]
        def work():
            import ev_energy, ev_energy_sync
            shuffled = names[:]
            random.shuffle(shuffled)
            for name in shuffled:
                assert getattr(ev_energy, name), name
                assert getattr(ev_energy_sync, name), name
            for name in ("EVSE", "Vehicle", "ChargingSubSession", "Tariff"):
                getattr(ev_energy.models, name).from_dict({}).to_dict()
        race(work)
    """,
    "loops": """
        url = serve()
        from ev_energy import Client
        def work():
            async def main():
                async with Client("a-token-12345", base_url=url, budget=None) as client:
                    for name in random.sample(FAMILIES, 3):
                        page = await getattr(client, name).list().page()
                        assert [item.id for item in page.items] == ["one"]
            asyncio.run(main())
        race(work)
    """,
    "one client": """
        url = serve()
        from ev_energy_sync import Client
        used = {}
        with Client("a-token-12345", base_url=url, budget=None) as client:
            def work():
                for name in random.sample(FAMILIES, 4):
                    family = getattr(client, name)
                    assert used.setdefault(name, family) is family
                    assert family.list().first().id == "one"
                evse = client.evses.get("one")
                assert client.fetch(evse.user).id == "one"
            race(work)
    """,
    "forks": """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads and fork
        from ev_energy import models
        children = []
        def work():
            child = os.fork()
            if child == 0:
                models.EVSE.from_dict({"id": "b"}).to_dict()
                os._exit(0)
            children.append(child)
            models.ChargingSubSession.from_dict({"id": "b"}).to_dict()
        race(work)
        assert len(children) == 12
        for child in children:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """,
}

FORK_BEFORE_IMPORT = """
import logging, os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads and fork
from ev_energy._runtime.build_lock import build_lock
is_held, is_forking = threading.Event(), threading.Event()
def build():
    with build_lock:
        is_held.set()
        is_forking.wait()
        import ev_energy.auth._stores
os.register_at_fork(before=is_forking.set)  # the last that is registered is called first
thread = threading.Thread(target=build)
thread.start()
is_held.wait()
child = os.fork()
from ev_energy.auth._stores import FORK_LOCK
def take():
    with FORK_LOCK, build_lock:
        pass
other = threading.Thread(target=take, daemon=True)
other.start()
other.join(10)
assert not other.is_alive()
if child == 0:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


FORK_BEFORE_LOCK = """
import os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads and fork
from ev_energy._runtime.build_lock import build_lock, hold_over_forks
lock = threading.RLock()
is_held, is_forking = threading.Event(), threading.Event()
def build():
    with build_lock:
        is_held.set()
        is_forking.wait()
        hold_over_forks(lock)  # as a module does while it is imported
        lock.acquire()
    for _ in range(3_000_000):  # other threads run meanwhile
        pass
    lock.release()
os.register_at_fork(before=is_forking.set)  # the last that is registered is called first
thread = threading.Thread(target=build)
thread.start()
is_held.wait()
child = os.fork()
is_free = lock.acquire(timeout=10)
if child == 0:
    os._exit(0 if is_free else 1)
thread.join()
assert is_free
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")
@pytest.mark.parametrize("code", [FORK_BEFORE_IMPORT, FORK_BEFORE_LOCK], ids=["import", "lock"])
def test_fork_that_waits_for_an_import_leaves_no_lock_held_and_prints_nothing(code: str) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.matrix
@pytest.mark.parametrize("case", CASES)
def test_first_use_in_twelve_threads_at_once_succeeds(case: str) -> None:
    if case == "forks" and not hasattr(os, "fork"):
        pytest.skip("needs os.fork, which Windows lacks")
    code = HEAD + textwrap.dedent(CASES[case])
    for seed in range(ROUNDS):
        result = subprocess.run(
            [sys.executable, "-W", "error", "-X", "faulthandler", "-c", code, str(seed)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        # A negative code is a crash of the interpreter.
        assert (result.returncode, result.stderr) == (0, ""), f"process {seed} of {ROUNDS}"
