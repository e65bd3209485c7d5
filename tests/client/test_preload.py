"""A preloaded or opened client imports nothing on the event loop."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from ev_energy import Client
from ev_energy._lazy_exports import Lazy

FAMILIES = sorted(name for name, value in vars(Client).items() if isinstance(value, Lazy))
#: One family of each module; families are imported by module.
ONE_OF_EACH_MODULE = sorted({vars(Client)[name].module: name for name in FAMILIES}.values())


REFUSED: set[str] = set()
#: Status and body of errors, by the last segment of the path.
PROBLEMS: dict[str, tuple[int, Any]] = {
    "missing": (404, {"type": "not_found", "title": "No", "detail": "no", "a": [1]}),
    "invalid": (400, {"type": "validation_error", "detail": {"location": ["no"]}}),
    "conflict": (409, {"detail": "no", "notification": {"id": "n", "title": "t"}}),
    "page": (200, "<!DOCTYPE html>"),
}
#: The same, for the first request only.
AT_FIRST: dict[str, tuple[int, Any]] = {
    "refused": (401, {"type": "authentication_error", "detail": "no"}),
    "busy": (429, {"detail": "wait"}),
}


def answer(path: str, query: str) -> tuple[int, Any, dict[str, str]]:
    """Return the reply for *path*; some replies deviate from the API."""
    name = path.rpartition("/")[2]
    one: dict[str, Any] = {"id": name, "url": f"http://127.0.0.1{path}"}
    one["user"] = "{origin}/v2/users/me"
    if path.startswith("/o/"):
        token = f"a-token-{len(REFUSED)}"
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600}, {}
    if name in PROBLEMS:
        return *PROBLEMS[name], {}
    if name in AT_FIRST and name not in REFUSED:
        REFUSED.add(name)
        return *AT_FIRST[name], {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    if name == "deviating":
        return 200, {**one, "lock_mode": "A_NEW_TEXT", "cpid": 5, "unheard_of": {"a": [1]}}, {}
    if name in {"me", "one", *AT_FIRST}:
        return 200, one, {}
    link = {} if "page_after" in query else {"Link": f'<{path}?page_after=x>; rel="next"'}
    return 200, [one], link


class Handler(BaseHTTPRequestHandler):
    """Send the replies of `answer`."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline()
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        asked = urlsplit(self.path)
        status, body, headers = answer(asked.path.rstrip("/"), asked.query)
        raw = json.dumps(body).replace("{origin}", origin).encode()
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value.replace("</", f"<{origin}/"))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v2"
    server.shutdown()
    thread.join()
    server.server_close()


HEAD = """
import asyncio, logging, random, sys
from ev_energy import Client
logging.disable(logging.CRITICAL)
url, families = sys.argv[1], sys.argv[2:]
"""
#: Calls of every kind with every outcome; each prints the modules that it imported.
CALLS = """
from ev_energy import (
    AuthorizationCode, ClientCredentials, Drift, Page, Pager, Ref, RetryPolicy, errors, hooks,
)

async def expected(work):
    try:
        return await work
    except errors.EvEnergyError as error:
        return f"{error!r} {error}"

async def list_family(client, name):
    found = getattr(getattr(client, name), "list", None)
    if found is not None and name not in {"charging_sub_sessions"}:
        try:
            listing = found()
        except TypeError:  # it needs arguments
            return
        await expected(listing.collect(limit=1))

async def calls(client, report):
    evse = await client.evses.get("deviating")
    repr(evse), hash(evse), evse.extra
    evse.from_dict(evse.to_dict())
    report("a reply that deviates")
    user = await client.fetch(evse.user)
    report("fetch")
    await client.request("GET", "/evses/{evse_id}", ids={"evse_id": evse}, model=type(evse))
    await client.request("POST", "/evses/one", json={"evse": evse, "user": evse.user})
    await client.request("GET", "/evses", query={"since": user.joined_at}, paged=True).first()
    report("request")
    async with client.reserve(2) as reserved:
        await reserved.evses.get("one")
    report("reserve")
    for name in ("missing", "invalid", "conflict", "page"):
        await expected(client.evses.get(name))
        report(f"an error: {name}")
    await client.evses.get("busy")
    report("a retry")
    await expected(client.evses.get("refused"))
    report("a token that is refused")
    with client.capture() as captured:
        await client.acting_for("me").with_options(timeout=3).evses.get("one")
    str(captured[0]), repr(captured[0])
    report("capture")
    async for page in client.evses.list().prefetch().pages():
        page.next_cursor
    async for item in client.evses.list():
        pass
    report("paging")
    try:
        client.evses.list().resume("no cursor")
    except errors.CursorError as error:
        str(error)
    await expected(client.evses.update("one", location=None))
    report("a write")
    for name in families:
        await list_family(client, name)
        report(name)

async def main():
    seen = set(sys.modules)
    def report(what):
        nonlocal seen
        if new := sorted(set(sys.modules) - seen):
            print(f"{what}: {', '.join(new)}")
        seen = set(sys.modules)
    credentials = ClientCredentials(client_id="app", client_secret="a-secret-12345")
    events = []
    client = Client(
        credentials, base_url=url, on_drift=events.append, retries=1, allow_insecure=True,
        on_request=events.append, on_response=events.append, on_retry=events.append,
    )
    report("creating a client")
    async with client:
        report("opening a client")
        await calls(client, report)
        await expected(client.sign_out())
    report("closing a client")
    application = AuthorizationCode(
        client_id="app", client_secret="a-secret-12345", redirect_uri="http://127.0.0.1/back",
    ).for_account("a user")
    async with Client(application, base_url=url, allow_insecure=True) as client:
        await expected(client.evses.get("one"))
        request = application.start_authorization(base_url=url, allow_insecure=True)
        await expected(client.sign_in(request, f"http://127.0.0.1/back?code=c&state={request.state}"))
        await expected(client.evses.get("one"))
    report("signing in")
    async with Client("a-token-12345", base_url="http://127.0.0.1:1", retries=0) as client:
        await expected(client.evses.get("one"))
    report("a connection that is refused")
    assert events

asyncio.run(main())
"""


def run(code: str, *options: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", HEAD + textwrap.dedent(code), *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_calls_of_a_preloaded_client_import_nothing(url: str) -> None:
    assert run(f"Client.preload()\n{CALLS}", url, *FAMILIES) == ""


#: Prints what questions about many resources import.
FLEET = """
async def main():
    from ev_energy.models import EVSE, Region
    async with Client("a-token-12345", base_url=url, retries=0) as client:
        seen = set(sys.modules)
        names = ["one", "missing", "me"]
        str(client.estimate(names, EVSE)), str(client.estimate(client.evses.list(), items=7))
        evses = await client.resolve(names, EVSE, expand=["model"])
        repr(evses), evses[0], evses.missing
        await client.gather([client.evses.get(name) for name in names], return_exceptions=True)
        try:
            await client.resolve(["page", "one"], Region)
        except Exception as error:
            repr(error.partial)
        print(sorted(set(sys.modules) - seen))

asyncio.run(main())
"""


def test_questions_about_many_resources_import_nothing(url: str) -> None:
    assert run(f"Client.preload()\n{FLEET}", url) == "[]\n"


#: Calls a family in a fork for each name that it reads, and prints what the call imported.
FORKS = """
import os

async def call(family):
    async with Client("a-token-12345", base_url=url, budget=None) as client:
        before = set(sys.modules)
        methods = getattr(client, family)
        if hasattr(methods, "list"):
            try:
                listing = methods.list()
            except TypeError:  # it needs arguments
                pass
            else:
                for item in await listing.collect(limit=1):
                    repr(item), hash(item), item.to_dict()
        print(sorted(set(sys.modules) - before), flush=True)

for line in sys.stdin:
    if (child := os.fork()) == 0:
        Client.preload(line.strip())
        asyncio.run(call(line.strip()))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"the call of {line.strip()} failed")
    # The first fork imported these itself; that all others do takes half of the time.
    import aiohttp, cattrs
"""


@pytest.fixture(scope="module")
def forks(url: str) -> Iterator[subprocess.Popen[str]]:
    """Return a process that has imported the client, but no family."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HEAD + FORKS, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.communicate(timeout=120)
    assert process.returncode == 0


@pytest.mark.matrix  # a call of each family is made in the test before
@pytest.mark.parametrize("family", ONE_OF_EACH_MODULE)
def test_calls_of_a_preloaded_family_import_nothing(
    family: str, forks: subprocess.Popen[str]
) -> None:
    assert forks.stdin is not None
    assert forks.stdout is not None
    forks.stdin.write(f"{family}\n")
    forks.stdin.flush()
    assert forks.stdout.readline() == "[]\n"


#: Imported with the first family, with the first reply that deviates from the models, or by a
#: method or a reply that most programs never see.
LATE = (
    "ev_energy.models",
    "ev_energy.resources",
    "ev_energy._codec.lenient",
    "cattrs",
    "dataclasses",
    "difflib",
    "ev_energy._api.path_words",
    "ev_energy._api.raw_request",
    "ev_energy._api.resource_paths",
    "ev_energy._changes",
    "ev_energy._codec.model_check",
    "ev_energy.auth._authorization",
    "ev_energy.budget._reservation",
    "hmac",
    "secrets",
)


#: Prints which modules are imported while another thread could fork: the child would wait forever
#: for an import that the fork interrupted.
UNGUARDED = """
from ev_energy import hooks  # an import of the program itself
from ev_energy._runtime.build_lock import build_lock

class Finder:
    def find_spec(self, name, path, target=None):
        if name.startswith("ev_energy") and not build_lock._is_owned():
            print(f"without the lock: {name}")

sys.meta_path.insert(0, Finder())
"""


def test_calls_of_an_opened_client_import_families_and_seldom_used_modules_only(url: str) -> None:
    found = run(UNGUARDED + CALLS, url)
    assert "without the lock" not in found, found
    late = {name for line in found.splitlines() for name in line.partition(": ")[2].split(", ")}
    opening = next(line for line in found.splitlines() if line.startswith("opening a client"))
    late -= set(opening.partition(": ")[2].split(", "))
    creating = next(line for line in found.splitlines() if line.startswith("creating a client"))
    late -= set(creating.partition(": ")[2].split(", "))
    assert {name for name in late if not name.startswith(LATE)} == set()


#: Prints what opening a client has imported needlessly.
OPENING = """
async def main():
    async with Client("a-token-12345", base_url=url):
        client_modules = sys.modules.copy()
    print([name for name in ("cattrs", "ev_energy.models.regions") if name in client_modules])

asyncio.run(main())
"""


def test_opening_a_client_imports_neither_cattrs_nor_models_of_families(url: str) -> None:
    assert run(OPENING, url) == "[]\n"
