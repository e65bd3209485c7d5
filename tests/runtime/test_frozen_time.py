"""The package works in tests of users that freeze time, and after them.

Decoders are built once in each process, so each case runs in a new one.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("freezegun", reason="needs freezegun: pip install -e '.[test]'")
pytest.importorskip("time_machine", reason="needs time-machine: pip install -e '.[test]'")

FREEZERS = {
    "freezegun": "import freezegun\nfreeze = lambda: freezegun.freeze_time('2031-02-03 04:05:06')",
    "time_machine": (
        "import datetime as _dt, time_machine\n"
        "freeze = lambda: time_machine.travel(\n"
        "    _dt.datetime(2031, 2, 3, 4, 5, 6, tzinfo=_dt.UTC), tick=False)"
    ),
}

HEAD = """
import asyncio, datetime, decimal, json, logging, sys, threading
logging.disable(logging.CRITICAL)
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        log = {"sampled_at": "2025-06-07T08:09:10Z", "mode": None, "url": f"{url}/l", "evse": url}
        raw = json.dumps(log if "status_logs/" in self.path else [log]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
    def log_message(self, *args):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
url = f"http://127.0.0.1:{server.server_port}/v2"
threading.Thread(target=server.serve_forever, daemon=True).start()
real = datetime.datetime, datetime.date, datetime.time

def check_types():
    from ev_energy import models
    from ev_energy.models import EVSEStatusLog, Model
    for extra in ({}, {"unknown": 1}, {"mode": "A_NEW_TEXT"}):
        data = {"sampled_at": "2025-06-07T08:09:10Z", "url": "https://example.com/l", **extra}
        log = EVSEStatusLog.from_dict(data)
        assert type(log.sampled_at) is real[0], type(log.sampled_at)
        assert log.to_dict()["sampled_at"] == "2025-06-07T08:09:10Z", log.to_dict()
    from ev_energy._codec.fields import fields_of
    for name in dir(models):
        found = getattr(models, name)
        if isinstance(found, type) and issubclass(found, Model) and found is not Model:
            for member in fields_of(found).values():
                text = str(member.type)
                assert "Fake" not in text, (name, member)

def check_blocking(client):
    log = client.evses.status_logs("one").first()
    assert type(log.sampled_at) is real[0]
    # Datetimes of the frozen clock are accepted.
    client.evses.status_log("one", datetime.datetime.now(datetime.UTC))
    since = datetime.datetime.now(datetime.UTC)
    client.evses.status_logs("one", sampled_at__gte=since).first()

def check_async():
    async def main():
        from ev_energy import Client
        async with Client("a-token-12345", base_url=url) as client:
            log = await client.evses.status_logs("one").first()
            assert type(log.sampled_at) is real[0]
    asyncio.run(main())
"""

CASES = {
    "the package is imported before": """
        import ev_energy, ev_energy_sync
        with freeze():
            check_types()
            client = ev_energy_sync.Client("a-token-12345", base_url=url)
            check_blocking(client)
            check_async()
        check_types()
        check_blocking(client)
        check_async()
        client.close()
    """,
    "everything is imported before": """
        import ev_energy, ev_energy_sync
        ev_energy_sync.Client.preload()
        with freeze():
            check_types()
            check_async()
        check_types()
        check_async()
    """,
    "the package is imported while time is frozen": """
        with freeze():
            import ev_energy, ev_energy_sync
            check_types()
            client = ev_energy_sync.Client("a-token-12345", base_url=url)
            check_blocking(client)
            check_async()
        check_types()
        check_blocking(client)
        check_async()
        client.close()
    """,
    "time is frozen twice": """
        import ev_energy, ev_energy_sync
        with freeze():
            check_types()
        with freeze():
            check_types()
            client = ev_energy_sync.Client("a-token-12345", base_url=url)
            check_blocking(client)
        with freeze():
            check_blocking(client)
        check_types()
        check_blocking(client)
        client.close()
    """,
    "timeouts": """
        import ev_energy_sync, socket
        from ev_energy.errors import TransportError
        silent = socket.create_server(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with freeze():
            client = ev_energy_sync.Client(
                "a-token-12345", base_url=f"http://127.0.0.1:{port}", timeout=0.1, retries=0
            )
            try:
                client.evses.get("one")
            except TransportError as error:
                assert "0.1 s" in str(error), error
            client.close()
    """,
}


@pytest.mark.slow
@pytest.mark.matrix("freezer")
@pytest.mark.parametrize("freezer", FREEZERS)
@pytest.mark.parametrize("case", CASES)
def test_package_works_while_time_is_frozen_and_afterwards(case: str, freezer: str) -> None:
    code = "\n".join([HEAD, FREEZERS[freezer], textwrap.dedent(CASES[case])])
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
