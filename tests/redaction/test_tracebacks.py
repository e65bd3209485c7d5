"""Local variables of tracebacks, as pytest -l, rich, cgitb and error trackers print them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.pretty import pretty_repr

import ev_energy
import ev_energy_sync
from ev_energy import AuthorizationCode, ClientCredentials, StaticToken, errors
from ev_energy.auth import FileStore, MemoryStore, Token
from tests.helpers.support import SECRET, TOKEN

REFRESH, CODE, SIGNATURE = "r3fresh-never-seen/+", "c0de-that-nobody-sees", "s1gned-" + "x" * 40
#: The tests, whose frames are not those of the package.
HERE = str(Path(__file__).parent.parent)
SECRETS = (TOKEN, SECRET, REFRESH, CODE, SIGNATURE)


def shown(error: BaseException) -> list[str]:
    """Return where a tool that prints local variables would print a secret.

    The frames of this file are left out: what a user's own frames hold is the user's.
    """
    found: list[str] = []
    chain: list[BaseException | None] = [error]
    seen: set[int] = set()
    while chain:
        one = chain.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        chain += [one.__cause__, one.__context__]
        found += [f"text of {type(one)}" for text in (str(one), repr(one)) if tells(text)]
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename.startswith(HERE):
                continue
            for name, value in frame.f_locals.items():
                if tells(repr(value)) or tells(pretty_repr(value)):
                    found.append(f"{frame.f_code.co_filename}: {frame.f_code.co_name}: {name}")
        captured = traceback.TracebackException.from_exception(one, capture_locals=True)
        found += [
            f"captured in {frame.name}: {name}"
            for frame in captured.stack
            if not frame.filename.startswith(HERE)
            for name, text in (frame.locals or {}).items()
            if tells(text)
        ]
    return found


def tells(text: str) -> bool:
    return any(secret in text for secret in SECRETS)


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def said(value: object, status: str = "200 OK", *headers: str) -> bytes:
    return http(json.dumps(value).encode(), status, "Content-Type: application/json", *headers)


GRANTED = said({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})
ECHO, CLIENT_ECHO = f"Authorization: Bearer {TOKEN}", f"client_secret={SECRET}"


class Line:
    """A server that answers token requests and calls with these bytes, and hangs up; None hangs."""

    def __init__(self, call: bytes | None, token: bytes | None = GRANTED) -> None:
        self.call, self.token, self.url = call, token, ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            answer = self.token if b" /o/" in head.split(b"\r\n")[0] else self.call
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.contextmanager
def listening(line: Line) -> Iterator[Line]:
    """Serve *line* on a thread of its own, for clients of either kind."""
    ready = threading.Event()
    ended = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
        line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        async with server:
            await ended.wait()
            # A connection that is accepted just as the server closes is left open by asyncio, with
            # a ResourceWarning some day. No new ones come now, and these turns accept the others.
            for _ in range(5):
                await asyncio.sleep(0)
        # The clients are closed: each connection ends once it is served.
        while serving := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(serving)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    ready.wait(10)
    try:
        yield line
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join(10)


def application(**more: Any) -> ClientCredentials:
    return ClientCredentials(client_id="an-app", client_secret=SECRET, **more)


LINES: dict[str, Line] = {
    "connection lost": Line(b""),
    "head cut off": Line(f"HTTP/1.1 200 OK\r\nX-Echo: {ECHO}\r\nX-".encode()),
    "body cut off": Line(f"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{ECHO}".encode()),
    "bad chunk": Line(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{ECHO}\r\n".encode()),
    "no HTTP": Line(f"{ECHO}\r\n\r\n".encode()),
    "bad header": Line(f"HTTP/1.1 200 OK\r\n{TOKEN} \x00: {ECHO}\r\n\r\n".encode()),
    "header too long": Line(b"HTTP/1.1 200 OK\r\nX: " + TOKEN.encode() * 1000 + b"\r\n\r\n"),
    "body too long": Line(http(TOKEN.encode() * 100)),
    "timeout": Line(None),
    "not the model": Line(said([ECHO])),
    "not JSON": Line(http(ECHO.encode())),
    "a redirect": Line(http(b"", "302 Found", f"Location: /v2/{TOKEN}?token={TOKEN}")),
    "content type": Line(http(b"x", "200 OK", f"Content-Type: {TOKEN}")),
    "refused": Line(said({"title": ECHO, "detail": ECHO}, "403 Forbidden")),
    "no token endpoint": Line(b"", b""),
    "no client": Line(
        b"", said({"error": "invalid_client", "error_description": CLIENT_ECHO}, "401 No")
    ),
    "no token": Line(b"", said({"access_token": TOKEN, "refresh_token": ["x"]})),
    "no OAuth": Line(b"", said([TOKEN])),
    "endpoint limits": Line(
        b"", said({"detail": CLIENT_ECHO}, "429 Too Many", f"X-Echo: {SECRET}")
    ),
    "endpoint fails": Line(b"", said({"detail": CLIENT_ECHO}, "500 Oops")),
    "endpoint hangs": Line(b"", None),
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "read": lambda client: client.evses.get("evse1"),
    "write": lambda client: client.vehicles.delete("vehi1"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
async def test_no_local_variable_of_a_failed_call_shows_a_secret(line: Line, call: Any) -> None:
    options: dict[str, Any] = {"retries": 0, "timeout": 0.1, "deadline": 0.2, "max_body": 2000}
    with listening(line):
        for auth in (application(), StaticToken(TOKEN)):
            async with ev_energy.Client(auth, base_url=f"{line.url}/v2", **options) as client:
                with pytest.raises(errors.EvEnergyError) as caught:
                    await call(client)
            assert shown(caught.value) == []


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_no_local_variable_of_the_blocking_client_shows_a_secret(line: Line) -> None:
    options: dict[str, Any] = {"retries": 0, "timeout": 0.1, "deadline": 0.2, "max_body": 2000}
    with listening(line):
        for auth in (application(), StaticToken(TOKEN)):
            with (
                ev_energy_sync.Client(auth, base_url=f"{line.url}/v2", **options) as client,
                pytest.raises(errors.EvEnergyError) as caught,
            ):
                client.evses.get("evse1")
            assert shown(caught.value) == []


async def test_link_header_that_repeats_the_token_shows_in_no_local_variable() -> None:
    with listening(Line(http(b"[]", "200 OK", f"Link: <{TOKEN}"))) as line:
        async with ev_energy.Client(TOKEN, base_url=f"{line.url}/v2", retries=0) as client:
            with pytest.raises(errors.PagingError) as caught:
                await client.evses.list().page()
    assert shown(caught.value) == []


def raising(error: BaseException) -> Callable[[object], None]:
    def hook(_: object) -> None:
        raise error

    return hook


@pytest.mark.parametrize("error", [ValueError("a hook's"), asyncio.CancelledError()])
@pytest.mark.parametrize("hook", ["on_request", "on_response", "on_retry", "on_wait"])
async def test_exception_of_a_hook_shows_no_secret(hook: str, error: BaseException) -> None:
    with listening(Line(said({}, "503 Later", "Retry-After: 0"))) as line:
        options: dict[str, Any] = {hook: raising(error), "retries": 1}
        async with ev_energy.Client(application(), base_url=f"{line.url}/v2", **options) as client:
            with pytest.raises((type(error), errors.EvEnergyError)) as caught:
                await client.evses.get("evse1")
    assert shown(caught.value) == []


async def test_cancelled_call_shows_no_secret() -> None:
    with listening(Line(None)) as line:
        began = asyncio.Event()

        async def call() -> None:
            with pytest.raises(asyncio.CancelledError) as caught:
                await client.evses.get("evse1")
            assert shown(caught.value) == []
            assert caught.value.__traceback__ is not None

        async with ev_energy.Client(
            StaticToken(TOKEN), base_url=f"{line.url}/v2", on_request=lambda _: began.set()
        ) as client:
            task = asyncio.create_task(call())
            await began.wait()
            for _ in range(20):
                await asyncio.sleep(0)
            task.cancel()
            await task


async def test_exception_of_a_middleware_keeps_the_frames_of_the_user() -> None:
    import aiohttp

    async def broken(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        raise ZeroDivisionError

    with listening(Line(said({}))) as line:
        async with (
            aiohttp.ClientSession(middlewares=[broken]) as session,
            ev_energy.Client(
                StaticToken(TOKEN), base_url=f"{line.url}/v2", session=session
            ) as client,
        ):
            with pytest.raises(ZeroDivisionError) as caught:
                await client.evses.get("evse1")
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert names[-1] == "broken"
    assert shown(caught.value) == []


@pytest.mark.shows_secrets("files", reason="the store is where the token belongs")
@pytest.mark.parametrize(
    "kept", ['{"version": 1, "tokens": {%s: {"access_token": 7, "x": %s}}}', "%s%s"]
)
async def test_damaged_token_file_shows_no_secret(tmp_path: Path, kept: str) -> None:
    path = tmp_path / "tokens.json"
    key = application().key("http://127.0.0.1:1")
    path.write_text(kept % (json.dumps(key), json.dumps(REFRESH)))
    path.chmod(0o600)
    store = FileStore(path)
    for work in (
        lambda: store.load(key),
        lambda: store.save(key, Token(access_token=TOKEN, refresh_token=REFRESH)),
    ):
        with contextlib.suppress(errors.TokenStoreError):
            await work()
            continue
    with pytest.raises(errors.TokenStoreError) as caught:
        await FileStore(path.with_name("missing") / "deep" / "f").save(
            key, Token(access_token=TOKEN, refresh_token=REFRESH)
        )
    assert shown(caught.value) == []


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize(
    ("callback", "token"),
    [
        ("/back?code={code}&state=wrong", GRANTED),
        ("/back?code={code}&code={code}&state={state}", GRANTED),
        ("/back?error=denied&error_description={state}&state={state}", GRANTED),
        ("/back?code={code}&state={state}", said({"error": "invalid_grant"}, "400 No")),
        ("/back?code={code}&state={state}", b""),
    ],
)
def test_failed_sign_in_shows_no_code_and_no_verifier(
    callback: str, token: bytes, blocking: bool
) -> None:
    with listening(Line(b"", token)) as line:
        app = AuthorizationCode(
            client_id="an-app",
            client_secret=SECRET,
            redirect_uri="https://app.example.com/back",
            store=MemoryStore(),
            account="me",
        )
        begun = app.start_authorization(line.url)
        came = callback.format(code=CODE, state=begun.state)
        options: dict[str, Any] = {"base_url": f"{line.url}/v2", "retries": 0}
        caught: list[BaseException] = []

        async def sign_in() -> None:
            async with ev_energy.Client(app, **options) as client:
                with pytest.raises(errors.EvEnergyError) as found:
                    await client.sign_in(begun, came)
            caught.append(found.value)

        if blocking:
            with (
                ev_energy_sync.Client(app, **options) as client,
                pytest.raises(errors.EvEnergyError) as found,
            ):
                client.sign_in(begun, came)
            caught.append(found.value)
        else:
            asyncio.run(sign_in())
    assert shown(caught[0]) == []
    assert begun.verifier not in "".join(
        traceback.TracebackException.from_exception(caught[0].__cause__ or caught[0]).format()
    )


@pytest.mark.parametrize("make", [ev_energy.Client, ev_energy_sync.Client])
@pytest.mark.parametrize(
    "arguments", [{"timeout": -1}, {"base_url": "nonsense"}, {"max_body": 0}], ids=str
)
def test_failing_client_constructor_shows_no_token(make: Any, arguments: Any) -> None:
    with pytest.raises(ValueError, match="must|URL|base_url") as caught:
        make(TOKEN, **arguments)
    assert shown(caught.value) == []
    environ = {"EV_ENERGY_TOKEN": TOKEN, "EV_ENERGY_CLIENT_SECRET": SECRET}
    with pytest.raises(ValueError, match="must|URL|base_url") as caught:
        make.from_env(environ, **arguments)
    assert shown(caught.value) == []


def test_invalid_static_token_is_not_shown() -> None:
    with pytest.raises(ValueError, match="bare access token") as caught:
        ev_energy.Client(f"{TOKEN}\n")
    assert shown(caught.value) == []


@pytest.mark.parametrize(
    "construct",
    [
        lambda: ClientCredentials(client_id="", client_secret=SECRET),
        lambda: ClientCredentials(client_id="app", client_secret=f"{SECRET}\n"),
        lambda: ClientCredentials(client_id="app", client_secret=SECRET.encode()),
        lambda: AuthorizationCode(client_id="app", client_secret=SECRET, redirect_uri="nowhere"),
        lambda: Token(access_token=f"{TOKEN}\n", refresh_token=REFRESH),
        lambda: Token.from_dict({"access_token": TOKEN, "expires_at": "soon"}),
    ],
)
def test_invalid_credentials_are_not_shown(construct: Callable[[], Any]) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        construct()
    assert not shown(caught.value)
