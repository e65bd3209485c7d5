"""The blocking client in a process whose threads gevent has replaced by greenlets."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("gevent", reason="needs gevent: pip install -e '.[test]'")

# The server is a greenlet, so a client that blocked the only real thread would get no reply.
HEAD = """
from gevent import monkey
{before}monkey.patch_all()
import sys
import gevent, gevent.pywsgi
body = b'{{"id": "one", "url": "http://127.0.0.1/v2/evses/one", "cpid": "A"}}'
def answer(environ, start):
    gevent.sleep(0.2)
    start("200 OK", [("Content-Type", "application/json")])
    return [body]
server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), answer, log=None)
server.start()
url = f"http://localhost:{{server.server_port}}"
"""


def run(code: str, before: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HEAD.format(before=before) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "import ev_energy_sync; ev_energy_sync.Client\n"])
def test_blocking_call_returns_under_gevent(before: str) -> None:
    found = run(
        """
        from ev_energy_sync import Client
        with Client("a-token-12345", base_url=url, timeout=5, deadline=10) as client:
            print(client.evses.get("one").id)
        """,
        before,
    )
    assert found == "one"


def test_interrupt_while_the_thread_starts_leaves_the_client_usable() -> None:
    found = run("""
        import signal, threading
        from ev_energy_sync import Client
        start = threading.Thread.start
        def interrupted_start(self):
            threading.Thread.start = start
            gevent.get_hub().loop.run_callback(signal.raise_signal, signal.SIGINT)
            start(self)
        with Client("a-token-12345", base_url=url, timeout=5, deadline=10) as client:
            threading.Thread.start = interrupted_start
            try:
                client.evses.get("one")
            except KeyboardInterrupt:
                print("interrupted", client.evses.get("one").id)
    """)
    assert found == "interrupted one"


def test_greenlets_share_a_blocking_client_and_wait_at_the_same_time() -> None:
    found = run("""
        from ev_energy_sync import Client
        ticks = []
        def tick():
            while True:
                ticks.append(1)
                gevent.sleep(0.01)
        gevent.spawn(tick)
        with Client("a-token-12345", base_url=url, timeout=5, deadline=10) as client:
            calls = [gevent.spawn(lambda: client.evses.get("one").id) for _ in range(8)]
            gevent.joinall(calls)
        print([call.value for call in calls] == ["one"] * 8, len(ticks) > 3)
    """)
    assert found == "True True"


@pytest.mark.slow
def test_gathered_calls_run_at_the_same_time_under_gevent() -> None:
    found = run("""
        import time
        from functools import partial
        from ev_energy_sync import Client
        with Client("a-token-12345", base_url=url, timeout=5, deadline=10) as client:
            client.evses.get("one")
            start = time.monotonic()
            evses = client.gather([partial(client.evses.get, "one")] * 12)
            print(len(evses), time.monotonic() - start < 12 * 0.2)
    """)
    assert found == "12 True"


@pytest.mark.slow
def test_deadline_is_kept_under_gevent() -> None:
    found = run("""
        from ev_energy_sync import Client
        from ev_energy.errors import TransportError
        with Client("a-token-12345", base_url=url, timeout=0.05, retries=0) as client:
            try:
                client.evses.get("one")
            except TransportError as error:
                print(type(error).__name__)
    """)
    assert found == "TransportError"


@pytest.mark.slow
def test_second_client_under_gevent_is_refused_with_advice() -> None:
    found = run("""
        from ev_energy_sync import Client
        from ev_energy.errors import EvEnergyError
        first, second = (Client("a-token-12345", base_url=url, deadline=10) for _ in range(2))
        first.evses.get("one")
        try:
            second.evses.get("one")
        except EvEnergyError as error:
            print(type(error).__name__, "share that one" in str(error))
        first.close()
        print(second.evses.get("one").id)
        second.close()
    """)
    assert found.split() == ["EvEnergyError", "True", "one"]


@pytest.mark.slow
def test_handlers_of_an_inbox_use_its_client_under_gevent() -> None:
    found = run("""
        import time
        from ev_energy.webhooks import Webhook
        from ev_energy_sync import Client
        from ev_energy_sync.webhooks import EventRouter, Inbox, WebhookReceiver
        handled = []
        def handle(event, delivery):
            handled.append(client.evses.get("one").id)
        webhook = Webhook("whsec_" + "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=")
        sent = b'{"type": "vehicle.seen", "timestamp": "2026-11-29T12:00:00Z", "data": {}}'
        with Client("a-token-12345", base_url=url, timeout=5, deadline=10) as client:
            receiver = WebhookReceiver(webhook, EventRouter(fallback=handle), Inbox(client=client))
            def receive(number):
                headers = webhook.sign(sent, delivery_id=f"msg_{number % 4}")
                return int(receiver.receive(sent, headers).status)
            calls = [gevent.spawn(receive, number) for number in range(8)]
            gevent.joinall(calls)
            again = receive(0)
        print(sorted(call.value for call in calls), again, handled)
    """)
    assert found == "[204, 204, 204, 204, 503, 503, 503, 503] 204 ['one', 'one', 'one', 'one']"
