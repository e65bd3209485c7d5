"""Local variables in tracebacks, as pytest -l or error trackers print them, show no secret."""

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

REFRESH, CODE, SIGNATURE = "r3fresh-never-seen/+", "c0de-that-is-never-seen", "s1gned-" + "x" * 40
#: The folder of the tests, whose frames are not checked.
HERE = str(Path(__file__).parent.parent)
SECRETS = (TOKEN, SECRET, REFRESH, CODE, SIGNATURE)


def leaks(error: BaseException) -> list[str]:
    """Return the places in which a tool that prints local variables would show a secret.

    The frames of the tests are left out: the frames of a user may hold secrets.
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
        found += [f"text of {type(one)}" for text in (str(one), repr(one)) if has_secret(text)]
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename.startswith(HERE):
                continue
            for name, value in frame.f_locals.items():
                if has_secret(repr(value)) or has_secret(pretty_repr(value)):
                    found.append(f"{frame.f_code.co_filename}: {frame.f_code.co_name}: {name}")
        captured = traceback.TracebackException.from_exception(one, capture_locals=True)
        found += [
            f"captured in {frame.name}: {name}"
            for frame in captured.stack
            if not frame.filename.startswith(HERE)
            for name, text in (frame.locals or {}).items()
            if has_secret(text)
        ]
    return found


def has_secret(text: str) -> bool:
    return any(secret in text for secret in SECRETS)


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def said(value: object, status: str = "200 OK", *headers: str) -> bytes:
    return http(json.dumps(value).encode(), status, "Content-Type: application/json", *headers)


GRANTED = said({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})
ECHO, CLIENT_ECHO = f"Authorization: Bearer {TOKEN}", f"client_secret={SECRET}"


class Script:
    """A server with one reply for token requests and one for calls; it never sends None."""

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
def serving(script: Script) -> Iterator[Script]:
    """Serve *script* from a thread of its own, for asynchronous and blocking clients."""
    ready = threading.Event()
    stopped = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
        script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        async with server:
            await stopped.wait()
            # asyncio leaves connections open that it accepts while the server closes, which causes
            # ResourceWarnings. These turns of the loop accept the last connections of the test.
            for _ in range(5):
                await asyncio.sleep(0)
        # The clients are closed, so each connection ends after its reply.
        while serving := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(serving)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    ready.wait(10)
    try:
        yield script
    finally:
        loops[0].call_soon_threadsafe(stopped.set)
        thread.join(10)


def application(**more: Any) -> ClientCredentials:
    return ClientCredentials(client_id="an-app", client_secret=SECRET, **more)


SCRIPTS: dict[str, Script] = {
    "connection lost": Script(b""),
    "head cut off": Script(f"HTTP/1.1 200 OK\r\nX-Echo: {ECHO}\r\nX-".encode()),
    "body cut off": Script(f"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{ECHO}".encode()),
    "bad chunk": Script(
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{ECHO}\r\n".encode()
    ),
    "no HTTP": Script(f"{ECHO}\r\n\r\n".encode()),
    "bad header": Script(f"HTTP/1.1 200 OK\r\n{TOKEN} \x00: {ECHO}\r\n\r\n".encode()),
    "header too long": Script(b"HTTP/1.1 200 OK\r\nX: " + TOKEN.encode() * 1000 + b"\r\n\r\n"),
    "body too long": Script(http(TOKEN.encode() * 100)),
    "timeout": Script(None),
    "not the model": Script(said([ECHO])),
    "not JSON": Script(http(ECHO.encode())),
    "a redirect": Script(http(b"", "302 Found", f"Location: /v2/{TOKEN}?token={TOKEN}")),
    "content type": Script(http(b"x", "200 OK", f"Content-Type: {TOKEN}")),
    "refused": Script(said({"title": ECHO, "detail": ECHO}, "403 Forbidden")),
    "no token endpoint": Script(b"", b""),
    "no client": Script(
        b"", said({"error": "invalid_client", "error_description": CLIENT_ECHO}, "401 No")
    ),
    "no token": Script(b"", said({"access_token": TOKEN, "refresh_token": ["x"]})),
    "no OAuth": Script(b"", said([TOKEN])),
    "endpoint limits": Script(
        b"", said({"detail": CLIENT_ECHO}, "429 Too Many", f"X-Echo: {SECRET}")
    ),
    "endpoint fails": Script(b"", said({"detail": CLIENT_ECHO}, "500 Oops")),
    "endpoint hangs": Script(b"", None),
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "read": lambda client: client.evses.get("evse1"),
    "write": lambda client: client.vehicles.delete("vehi1"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
async def test_local_variables_of_a_failed_call_show_no_secret(script: Script, call: Any) -> None:
    options: dict[str, Any] = {"retries": 0, "timeout": 0.1, "deadline": 0.2, "max_body": 2000}
    with serving(script):
        for auth in (application(), StaticToken(TOKEN)):
            async with ev_energy.Client(auth, base_url=f"{script.url}/v2", **options) as client:
                with pytest.raises(errors.EvEnergyError) as caught:
                    await call(client)
            assert leaks(caught.value) == []


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_local_variables_of_the_blocking_client_show_no_secret(script: Script) -> None:
    options: dict[str, Any] = {"retries": 0, "timeout": 0.1, "deadline": 0.2, "max_body": 2000}
    with serving(script):
        for auth in (application(), StaticToken(TOKEN)):
            with (
                ev_energy_sync.Client(auth, base_url=f"{script.url}/v2", **options) as client,
                pytest.raises(errors.EvEnergyError) as caught,
            ):
                client.evses.get("evse1")
            assert leaks(caught.value) == []


async def test_local_variables_do_not_show_a_token_in_a_link_header() -> None:
    with serving(Script(http(b"[]", "200 OK", f"Link: <{TOKEN}"))) as script:
        async with ev_energy.Client(TOKEN, base_url=f"{script.url}/v2", retries=0) as client:
            with pytest.raises(errors.PagingError) as caught:
                await client.evses.list().page()
    assert leaks(caught.value) == []


def raising(error: BaseException) -> Callable[[object], None]:
    def hook(_: object) -> None:
        raise error

    return hook


@pytest.mark.parametrize("error", [ValueError("a hook's"), asyncio.CancelledError()])
@pytest.mark.parametrize("hook", ["on_request", "on_response", "on_retry", "on_wait"])
async def test_exception_of_a_hook_shows_no_secret(hook: str, error: BaseException) -> None:
    with serving(Script(said({}, "503 Later", "Retry-After: 0"))) as script:
        options: dict[str, Any] = {hook: raising(error), "retries": 1}
        async with ev_energy.Client(
            application(), base_url=f"{script.url}/v2", **options
        ) as client:
            with pytest.raises((type(error), errors.EvEnergyError)) as caught:
                await client.evses.get("evse1")
    assert leaks(caught.value) == []


async def test_cancelled_call_shows_no_secret() -> None:
    with serving(Script(None)) as script:
        started = asyncio.Event()

        async def call() -> None:
            with pytest.raises(asyncio.CancelledError) as caught:
                await client.evses.get("evse1")
            assert leaks(caught.value) == []
            assert caught.value.__traceback__ is not None

        async with ev_energy.Client(
            StaticToken(TOKEN), base_url=f"{script.url}/v2", on_request=lambda _: started.set()
        ) as client:
            task = asyncio.create_task(call())
            await started.wait()
            for _ in range(20):
                await asyncio.sleep(0)
            task.cancel()
            await task


async def test_exception_of_a_middleware_keeps_the_frames_of_the_user() -> None:
    import aiohttp

    async def broken(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        raise ZeroDivisionError

    with serving(Script(said({}))) as script:
        async with (
            aiohttp.ClientSession(middlewares=[broken]) as session,
            ev_energy.Client(
                StaticToken(TOKEN), base_url=f"{script.url}/v2", session=session
            ) as client,
        ):
            with pytest.raises(ZeroDivisionError) as caught:
                await client.evses.get("evse1")
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert names[-1] == "broken"
    assert leaks(caught.value) == []


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
    assert leaks(caught.value) == []


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
    with serving(Script(b"", token)) as script:
        app = AuthorizationCode(
            client_id="an-app",
            client_secret=SECRET,
            redirect_uri="https://app.example.com/back",
            store=MemoryStore(),
            account="me",
        )
        request = app.start_authorization(script.url)
        callback_url = callback.format(code=CODE, state=request.state)
        options: dict[str, Any] = {"base_url": f"{script.url}/v2", "retries": 0}
        caught: list[BaseException] = []

        async def sign_in() -> None:
            async with ev_energy.Client(app, **options) as client:
                with pytest.raises(errors.EvEnergyError) as found:
                    await client.sign_in(request, callback_url)
            caught.append(found.value)

        if blocking:
            with (
                ev_energy_sync.Client(app, **options) as client,
                pytest.raises(errors.EvEnergyError) as found,
            ):
                client.sign_in(request, callback_url)
            caught.append(found.value)
        else:
            asyncio.run(sign_in())
    assert leaks(caught[0]) == []
    assert request.verifier not in "".join(
        traceback.TracebackException.from_exception(caught[0].__cause__ or caught[0]).format()
    )


@pytest.mark.parametrize("make", [ev_energy.Client, ev_energy_sync.Client])
@pytest.mark.parametrize(
    "arguments", [{"timeout": -1}, {"base_url": "nonsense"}, {"max_body": 0}], ids=str
)
def test_failing_client_constructor_shows_no_token(make: Any, arguments: Any) -> None:
    with pytest.raises(ValueError, match="must|URL|base_url") as caught:
        make(TOKEN, **arguments)
    assert leaks(caught.value) == []
    environ = {"EV_ENERGY_TOKEN": TOKEN, "EV_ENERGY_CLIENT_SECRET": SECRET}
    with pytest.raises(ValueError, match="must|URL|base_url") as caught:
        make.from_env(environ, **arguments)
    assert leaks(caught.value) == []


def test_invalid_static_token_is_not_shown() -> None:
    with pytest.raises(ValueError, match="bare access token") as caught:
        ev_energy.Client(f"{TOKEN}\n")
    assert leaks(caught.value) == []


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
    assert not leaks(caught.value)


def test_what_calls_share_shows_no_header() -> None:
    client = ev_energy.Client(TOKEN, headers={"X-Key": SECRET})
    caller = client._caller
    for value in (caller, caller.options, caller.state, caller.state.http, caller.state.report):
        assert repr(value).startswith("<ev_energy."), value
        assert pretty_repr(value) == f"{type(value).__name__}()"
