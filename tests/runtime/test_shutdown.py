"""Calls made while the process exits, from handlers registered with `atexit`."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = pytest.mark.interpreter

BODY = b'{"id": "one", "url": "http://127.0.0.1/v2/evses/one", "cpid": "A"}'


class Handler(BaseHTTPRequestHandler):
    """Answer every request with one EVSE."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def outcome(code: str, *options: str, order: str = "last") -> str:
    """Run *code* in a process that calls its function *at_exit* at exit; return the output."""
    head = """
    import asyncio, atexit, os, sys, threading
    if "asyncio" in sys.argv:
        sys.modules["uvloop"] = None
    url = sys.argv[1]

    def handler():
        from ev_energy.errors import EvEnergyError
        try:
            print(at_exit())
        except EvEnergyError as error:
            print(type(error).__name__)
        except BaseException as error:
            print("not ours:", repr(error))
    """
    register = "\natexit.register(handler)\n"
    parts = [textwrap.dedent(head), textwrap.dedent(code)]
    # Handlers run in reverse order: the first one registered runs after that of the package.
    parts.insert(1 if order == "last" else 2, register)
    result = subprocess.run(
        [sys.executable, "-c", "".join(parts), *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stdout.strip()


BLOCKING = {
    "first use": """
        def at_exit():
            from ev_energy_sync import Client
            return Client("a-token-12345", base_url=url, retries=0).evses.get("one").id
    """,
    "made before": """
        from ev_energy_sync import Client
        client = Client("a-token-12345", base_url=url, retries=0)
        def at_exit():
            return client.evses.get("one").id
    """,
    "used before": """
        from ev_energy_sync import Client
        client = Client("a-token-12345", base_url=url, retries=0)
        client.evses.get("one")
        def at_exit():
            client.users  # a family that was not used before
            return client.evses.get("one").id
    """,
}


@pytest.mark.matrix("case")
@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("loop", ["asyncio", pytest.param("uvloop", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", BLOCKING)
def test_blocking_call_at_exit_is_answered(case: str, loop: str, order: str, port: int) -> None:
    found = outcome(BLOCKING[case], f"http://localhost:{port}", loop, order=order)
    if found == "EvEnergyError":  # Python 3.12.1 starts no thread while it exits
        assert sys.version_info[:2] == (3, 12)
    elif case == "used before" and order == "last":
        assert found == "ClientClosedError"  # the handler of the package has closed it
    else:
        assert found == "one"


@pytest.mark.matrix("when")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("when", ["before", "at exit"])
def test_async_call_at_exit_is_answered_or_fails_as_not_sent(
    host: str, when: str, port: int
) -> None:
    code = """
        {before}import ev_energy
        async def main():
            from ev_energy import Client
            async with Client("a-token-12345", base_url=url, retries=0) as client:
                other = asyncio.ensure_future(asyncio.Event().wait())
                try:
                    return (await client.evses.get("one")).id
                finally:
                    other.cancel()
        def at_exit():
            return asyncio.run(main())
    """
    before = "" if when == "before" else "# "
    found = outcome(code.replace("{before}", before), f"http://{host}:{port}")
    # asyncio looks up host names in threads, which have ended by now.
    assert found == ("one" if host == "127.0.0.1" else "NotSentError")


def test_file_is_uploaded_at_exit() -> None:
    code = """
        def at_exit():
            import tempfile
            from ev_energy.resources._uploads import UploadSource
            async def main():
                with tempfile.TemporaryFile() as file:
                    file.write(b"evidence")
                    file.seek(0)
                    with UploadSource.open(file) as source:
                        return b"".join([chunk async for chunk in source.chunks(None)]).decode()
            return asyncio.run(main())
    """
    assert outcome(code, "unused") == "evidence"


def test_failure_to_start_a_thread_raises_an_error_of_the_package() -> None:
    code = """
        from ev_energy_sync import Client
        def at_exit():
            def start(self):
                raise RuntimeError("can't start new thread")
            threading.Thread.start = start
            return Client("a-token-12345", base_url=url).evses.get("one")
    """
    assert outcome(code, "http://127.0.0.1:1") == "EvEnergyError"
