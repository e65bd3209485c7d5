"""Client secrets and access tokens that functions return."""

from __future__ import annotations

import asyncio
import functools
import pickle
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import attrs
import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import AuthorizationCode, Client, ClientCredentials, StaticToken, errors
from ev_energy.auth._oauth import basic_credentials
from tests.helpers.recording_server import RecordingServer
from tests.helpers.secret_leaks import LEAK_SEARCH
from tests.helpers.support import SECRET, TOKEN

EVSE = {"id": "evse01", "url": "https://api.ev.energy/v2/evses/evse01", "cpid": "SHIR1"}
BACK = "https://app.example.com/back"


@attrs.define(eq=False)
class Vault:
    """A secret manager and the server that knows its secret, which is both rotated."""

    version: int = 1
    asked: int = 0
    issued: int = 0
    lifetime: float = 3600.0
    failures: list[Exception] = attrs.field(factory=list)
    """What the function raises next."""
    statuses: list[int] = attrs.field(factory=list)
    """The statuses of the next replies of the API."""

    @property
    def secret(self) -> str:
        return f"{SECRET}-{self.version}"

    @property
    def token(self) -> str:
        return f"{TOKEN}-{self.version}"

    def rotate(self) -> None:
        self.version += 1

    def get_secret(self) -> str:
        self.asked += 1
        if self.failures:
            raise self.failures.pop()
        return self.secret

    async def get_secret_async(self) -> str:
        await asyncio.sleep(0)
        return self.get_secret()

    def get_token(self) -> str:
        self.get_secret()
        return self.token

    async def get_token_async(self) -> str:
        await asyncio.sleep(0)
        return self.get_token()

    async def serve_token_endpoint(self, request: web.Request) -> web.Response:
        """Issue tokens to the application with the current secret."""
        if not request.path.startswith("/o/"):
            status = self.statuses.pop(0) if self.statuses else 200
            return web.json_response(EVSE, status=status)
        given = request.headers["Authorization"]
        if given != f"Basic {basic_credentials('an-app', self.secret)}":
            description = f"{given} is not {SECRET}-1"
            body = {"error": "invalid_client", "error_description": description}
            return web.json_response(body, status=401)
        self.issued += 1
        body = {"access_token": f"{TOKEN}-{self.issued}", "expires_in": self.lifetime}
        body["refresh_token"] = f"{SECRET}-refresh"
        return web.json_response({} if "revoke" in request.path else body)

    async def serve_api(self, request: web.Request) -> web.Response:
        """Answer calls with the current token."""
        given = request.headers["Authorization"]
        if given != f"Bearer {self.token}":
            return web.json_response({"detail": f"{given} is not {TOKEN}-1"}, status=401)
        status = self.statuses.pop(0) if self.statuses else 200
        return web.json_response(EVSE, status=status)


class Provider:
    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    async def __call__(self) -> str:
        return self.vault.get_secret()


KINDS: dict[str, Callable[[Vault], Any]] = {
    "function": lambda vault: vault.get_secret,
    "coroutine function": lambda vault: vault.get_secret_async,
    "partial": lambda vault: functools.partial(Vault.get_secret_async, vault),
    "object": Provider,
    "function that returns a coroutine": lambda vault: lambda: Vault.get_secret_async(vault),
}


@pytest.fixture
def vault() -> Vault:
    return Vault()


def credentials(provider: Any, **settings: Any) -> ClientCredentials:
    return ClientCredentials(client_id="an-app", client_secret=provider, **settings)


def shown(error: BaseException) -> str:
    """Return *error* with the local variables of its frames, as error trackers show it."""
    lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    own_frames = [line for line in lines if __file__ not in line]
    return f"{error!r} {vars(error)} {''.join(own_frames)}"


@pytest.mark.parametrize("kind", KINDS)
async def test_client_secret_is_asked_for_at_each_token_request(
    serve, vault: Vault, kind: str
) -> None:
    server: RecordingServer = await serve(vault.serve_token_endpoint)
    async with server.client(credentials(KINDS[kind](vault))) as client:
        for _ in range(3):
            await client.evses.get("evse01")
        assert (vault.asked, vault.issued) == (1, 1)
        vault.rotate()
        vault.statuses = [401]
        await client.evses.get("evse01")
        assert (vault.asked, vault.issued) == (2, 2)
        vault.rotate()
        await client.sign_out()
        assert (vault.asked, vault.issued) == (3, 3)


@pytest.mark.parametrize("method", ["basic", "form"])
async def test_code_exchange_and_renewal_ask_for_the_secret(
    serve, vault: Vault, method: Any
) -> None:
    bodies: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        if method == "basic":
            return await vault.serve_token_endpoint(request)
        if not request.path.startswith("/o/"):
            return web.json_response(EVSE)
        bodies.append({name: str(value) for name, value in (await request.post()).items()})
        token = {"access_token": TOKEN, "expires_in": 3600, "refresh_token": f"{SECRET}-refresh"}
        return web.json_response(token)

    server: RecordingServer = await serve(answer)
    app = AuthorizationCode(
        client_id="an-app", client_secret=vault.get_secret, redirect_uri=BACK, method=method
    )
    now = 1_000_000.0
    async with server.client(app.for_account("eve"), wall_clock=lambda: now) as client:
        request = app.start_authorization(server.url)
        with pytest.raises(errors.AuthorizationError):
            await client.sign_in(request, f"{BACK}?error=access_denied&state={request.state}")
        assert vault.asked == 0  # a callback without a code costs no secret
        await client.sign_in(request, f"{BACK}?code=a-code-of-a-user&state={request.state}")
        vault.rotate()
        now += 4000
        await client.evses.get("evse01")
    assert vault.asked == 2
    if method == "form":
        sent = [(body["grant_type"], body["client_secret"]) for body in bodies]
        assert sent == [
            ("authorization_code", f"{SECRET}-1"),
            ("refresh_token", f"{SECRET}-2"),
        ]


async def test_error_of_the_function_is_the_cause_and_is_not_remembered(
    serve, vault: Vault
) -> None:
    server: RecordingServer = await serve(vault.serve_token_endpoint)
    cause = KeyError("the entry is missing")
    for provider in (vault.get_secret, vault.get_secret_async):
        vault.failures = [cause]
        async with server.client(credentials(provider)) as client:
            with pytest.raises(errors.CredentialUnavailableError) as caught:
                await client.evses.delete("evse01")
            assert str(caught.value) == (
                "the function passed as client_secret raised KeyError, the cause of this error"
            )
            assert caught.value.__cause__ is cause
            assert caught.value.outcome == "not_sent"
            assert server.requests == []
            await client.evses.get("evse01")
        server.requests.clear()


async def test_error_of_the_function_that_returns_tokens_is_the_cause(serve, vault: Vault) -> None:
    server: RecordingServer = await serve(vault.serve_api)
    async with server.client(vault.get_token) as client:
        vault.failures = [KeyError("the entry is missing")]
        with pytest.raises(
            errors.CredentialUnavailableError, match="^the function passed as token raised KeyError"
        ):
            await client.evses.get("evse01")
        assert server.requests == []
        await client.evses.get("evse01")


async def test_stop_iteration_and_cancellation_of_the_function_are_errors(serve) -> None:
    server: RecordingServer = await serve(Vault().serve_api)

    async def cancelled() -> str:
        raise asyncio.CancelledError

    for provider, name in ((iter(()).__next__, "StopIteration"), (cancelled, "CancelledError")):
        async with server.client(provider) as client:
            async with asyncio.timeout(5):
                with pytest.raises(errors.CredentialUnavailableError, match=f"raised {name}, "):
                    await client.evses.get("evse01")


@pytest.mark.parametrize("returned", [None, SECRET.encode(), 3, [SECRET]])
async def test_value_of_a_wrong_type_is_an_error_that_does_not_show_it(
    serve, returned: Any
) -> None:
    server: RecordingServer = await serve(Vault().serve_api)
    article = {"NoneType": "None", "bytes": "bytes", "int": "an int", "list": "a list"}
    described = article[type(returned).__name__]

    def give() -> Any:
        return returned

    for name, auth in {"client_secret": credentials(give), "token": give}.items():
        async with server.client(auth) as client:
            with pytest.raises(errors.CredentialUnavailableError) as caught:
                await client.evses.delete("evse01")
        assert str(caught.value) == (
            f"the function passed as {name} must return a str, not {described}"
        )
        assert caught.value.outcome == "not_sent"
        assert SECRET not in shown(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("returned", ["", "\n", f"{SECRET}\n\n", f"{SECRET}\nx", f" {SECRET}"])
async def test_value_that_cannot_be_sent_is_an_error_that_does_not_show_it(
    serve, returned: str
) -> None:
    server: RecordingServer = await serve(Vault().serve_api)
    messages = {
        "client_secret": "the function passed as client_secret must return non-empty text without "
        "line breaks or surrounding spaces",
        "token": "the function passed as token must return the bare access token: ASCII text "
        "without spaces or line breaks",
    }

    def give() -> str:
        return returned

    for name, auth in {"client_secret": credentials(give), "token": give}.items():
        async with server.client(auth) as client:
            with pytest.raises(
                errors.CredentialUnavailableError, match=f"^{messages[name]}$"
            ) as caught:
                await client.evses.get("evse01")
        assert SECRET not in shown(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
async def test_final_line_break_of_a_file_is_removed(serve, vault: Vault, line_break: str) -> None:
    server: RecordingServer = await serve(vault.serve_token_endpoint)
    async with server.client(credentials(lambda: f"{vault.secret}{line_break}")) as client:
        await client.evses.get("evse01")
    server = await serve(vault.serve_api)
    async with server.client(lambda: f"{vault.token}{line_break}") as client:
        await client.evses.get("evse01")


async def test_slow_function_is_bounded_by_the_deadline(serve) -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        raise AssertionError

    server: RecordingServer = await serve(Vault().serve_api)
    for auth in (never, credentials(never)):
        async with server.client(auth, deadline=0.05) as client:
            with pytest.raises(errors.CredentialUnavailableError) as caught:
                await client.evses.get("evse01")
        name = "token" if auth is never else "client_secret"
        assert str(caught.value) == (
            f"the function passed as {name} did not return before the deadline of the call (0.05 s)"
        )
        async with server.client(auth, deadline=0.05) as client:
            with pytest.raises(
                errors.CredentialUnavailableError,
                match=r"did not return within 0\.05 s, the deadline of the client$",
            ):
                await client.with_options(deadline=5).evses.get("evse01")
    assert server.requests == []


async def test_function_that_blocks_does_not_block_the_event_loop(serve, vault: Vault) -> None:
    goes_on = threading.Event()

    def blocking() -> str:
        assert goes_on.wait(5)
        return vault.get_token()

    server: RecordingServer = await serve(vault.serve_api)
    async with server.client(blocking) as client:
        call = asyncio.ensure_future(client.evses.get("evse01"))
        await asyncio.sleep(0)
        goes_on.set()
        await call


async def test_call_that_joins_a_hanging_function_late_has_its_whole_deadline(
    serve, vault: Vault
) -> None:
    is_called = asyncio.Event()

    async def hang_once() -> str:
        vault.asked += 1
        if vault.asked == 1:
            is_called.set()
            await asyncio.Event().wait()
        return vault.token

    server: RecordingServer = await serve(vault.serve_api)
    async with server.client(hang_once, deadline=0.05) as client:
        first = asyncio.ensure_future(client.evses.get("evse01"))
        await is_called.wait()
        await client.with_options(deadline=5).evses.get("evse02")
        with pytest.raises(errors.CredentialUnavailableError, match="did not return"):
            await first
    assert vault.asked == 2


async def test_function_that_hangs_takes_no_thread_of_the_application(serve, vault: Vault) -> None:
    goes_on, threads = threading.Event(), list[threading.Thread]()

    def hang() -> str:
        threads.append(threading.current_thread())
        assert goes_on.wait(5)
        return vault.get_token()

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    server: RecordingServer = await serve(vault.serve_api)
    async with server.client(hang, deadline=0.02) as client:
        for _ in range(3):
            with pytest.raises(errors.CredentialUnavailableError, match="did not return"):
                await client.evses.get("evse01")
            await asyncio.sleep(0.01)  # the limit of the function, which is just as long
        async with asyncio.timeout(5):
            await asyncio.to_thread(int)
        # The end of the process does not wait for it, and there is only one.
        assert [thread.daemon for thread in threads] == [True]
        patient = client.with_options(deadline=5)
        call = asyncio.ensure_future(patient.evses.get("evse01"))
        await asyncio.sleep(0)
        goes_on.set()
        await call
        assert vault.asked == 1  # the call waited for the function that was still running
        await patient.evses.get("evse01")
    assert vault.asked == 2


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("name", ["client_secret", "token"])
async def test_function_runs_in_the_context_that_the_client_was_made_in(
    serve, vault: Vault, name: str, is_async: bool
) -> None:
    tenant = ContextVar[str]("tenant")
    seen: list[str] = []

    def look() -> str:
        seen.append(tenant.get())
        return vault.token if name == "token" else vault.secret

    async def look_async() -> str:
        return look()

    provider = look_async if is_async else look
    answer = vault.serve_api if name == "token" else vault.serve_token_endpoint
    server: RecordingServer = await serve(answer)

    def client() -> Client:
        return server.client(provider if name == "token" else credentials(provider))

    async with client() as early:
        tenant.set("north")
        with pytest.raises(errors.CredentialUnavailableError) as caught:
            await early.evses.get("evse01")
    assert isinstance(caught.value.__cause__, LookupError)
    async with client() as late:
        tenant.set("south")
        await late.evses.get("evse01")
    assert seen == ["north"]


async def test_concurrent_calls_ask_once(serve, vault: Vault) -> None:
    server: RecordingServer = await serve(vault.serve_token_endpoint)
    async with server.client(credentials(vault.get_secret)) as client:
        await asyncio.gather(*(client.evses.get("evse01") for _ in range(100)))
        assert (vault.asked, vault.issued) == (1, 1)
        vault.statuses = [401] * 20
        await asyncio.gather(*(client.evses.get("evse01") for _ in range(20)))
        assert (vault.asked, vault.issued) == (2, 2)


async def test_concurrent_calls_with_a_rejected_token_ask_once(serve, vault: Vault) -> None:
    stale = f"{TOKEN}-0"

    async def provide() -> str:
        vault.asked += 1
        await asyncio.sleep(0.01)
        return stale if vault.asked == 1 else vault.token

    server: RecordingServer = await serve(vault.serve_api)
    async with server.client(provide) as client:
        await asyncio.gather(*(client.evses.get("evse01") for _ in range(100)))
    assert vault.asked == 2
    assert len(server.requests) == 200


@pytest.mark.parametrize("name", ["get_token", "get_token_async"])
async def test_token_is_asked_for_before_each_attempt(serve, vault: Vault, name: str) -> None:
    server: RecordingServer = await serve(vault.serve_api)
    async with server.client(getattr(vault, name)) as client:
        assert client.token_state == (False, None)
        await client.evses.get("evse01")
        assert client.token_state == (True, None)
        vault.rotate()
        await client.evses.get("evse01")
        assert vault.asked == 2
        vault.statuses = [503, 200]
        instant = client.with_options(
            retries=attrs.evolve(client._caller.options.retries, initial_backoff=0.0)
        )
        await instant.evses.get("evse01")
    assert vault.asked == 4
    assert [r.headers["Authorization"][-2:] for r in server.requests] == ["-1", "-2", "-2", "-2"]


async def test_call_is_repeated_if_a_rejected_token_has_changed(serve, vault: Vault) -> None:
    answers = [f"{TOKEN}-0", f"{TOKEN}-1", f"{TOKEN}-0", f"{TOKEN}-0"]
    asked: list[str] = []

    def provide() -> str:
        asked.append(answers.pop(0))
        return asked[-1]

    server: RecordingServer = await serve(vault.serve_api)
    async with server.client(provide) as client:
        await client.evses.delete("evse01")
        assert (len(asked), len(server.requests)) == (2, 2)
        with pytest.raises(errors.UnauthorizedError) as caught:
            await client.evses.get("evse01")
        assert (len(asked), len(server.requests)) == (4, 3)
    assert caught.value.detail == "Bearer *** is not ***"


async def test_late_rejection_of_an_earlier_token_asks_no_more(serve, vault: Vault) -> None:
    is_sent, is_newer_known = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        is_stale = request.headers["Authorization"].endswith("-1")
        if request.path.endswith("slow") and is_stale:
            is_sent.set()
            await is_newer_known.wait()
        return web.json_response(EVSE, status=401 if is_stale else 200)

    server: RecordingServer = await serve(answer)
    async with server.client(vault.get_token) as client:
        slow = asyncio.ensure_future(client.evses.get("slow"))
        await is_sent.wait()
        vault.rotate()
        await client.evses.get("evse01")
        is_newer_known.set()
        await slow
    assert vault.asked == 2


async def test_answer_from_before_a_rejection_is_not_taken_for_a_new_one(
    serve, vault: Vault
) -> None:
    """The second call asks before the token of the first one is rejected, and is answered after."""
    is_asked, goes_on, is_rejected = asyncio.Event(), asyncio.Event(), asyncio.Event()
    asked = 0

    async def provide() -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            is_asked.set()
            await goes_on.wait()
        return f"{TOKEN}-0" if asked <= 2 else vault.token

    async def answer(request: web.Request) -> web.Response:
        if request.headers["Authorization"] != f"Bearer {vault.token}":
            await is_asked.wait()
            is_rejected.set()
            return web.json_response({}, status=401)
        return web.json_response(EVSE)

    server: RecordingServer = await serve(answer)
    async with server.client(provide) as client:
        first = asyncio.ensure_future(client.evses.get("evse01"))
        while not server.requests:
            await asyncio.sleep(0.001)
        second = asyncio.ensure_future(client.evses.get("evse02"))
        await is_rejected.wait()
        await asyncio.sleep(0.02)  # the first call waits for the answer too
        goes_on.set()
        await asyncio.gather(first, second)
    assert asked == 3


async def test_secrets_are_masked_and_so_are_those_before(
    serve, vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    server: RecordingServer = await serve(vault.serve_token_endpoint)
    versions = [1, 2, 4]  # no token was ever issued for the last one

    def provide() -> str:
        return f"{SECRET}-{versions.pop(0)}"

    async with server.client(credentials(provide)) as client:
        await client.evses.get("evse01")
        vault.statuses, vault.version = [401], 2
        await client.evses.get("evse01")
        vault.statuses, vault.version = [401], 3
        with pytest.raises(errors.InvalidClientError) as caught:
            await client.evses.get("evse01")
        assert caught.value.description == "Basic *** is not ***"
        assert SECRET not in shown(caught.value)
        redact = client._caller.state.http.redactor.redact
        for secret in (f"{SECRET}-1", f"{SECRET}-2", f"{SECRET}-4"):
            for text in (secret, basic_credentials("an-app", secret)):
                assert redact(f"the server says {text}") == "the server says ***"
        assert SECRET not in repr([client, vars(caught.value)]) + caplog.text


async def test_captured_call_shows_no_token_of_a_function(serve, vault: Vault) -> None:
    server: RecordingServer = await serve(vault.serve_api)
    LEAK_SEARCH.add_secrets(vault.token)
    async with server.client(vault.get_token) as client:
        with client.capture() as calls:
            await client.evses.get("evse01")
    assert TOKEN not in f"{calls[0]} {calls!r}"


def test_rate_limit_of_a_function_is_named_by_the_account() -> None:
    first, second = (StaticToken(lambda: TOKEN, account="eve") for _ in range(2))
    assert first.bucket == second.bucket == "account:85262adf74518bbb"
    assert StaticToken(TOKEN, account="eve").bucket == first.bucket
    assert StaticToken(lambda: TOKEN, account="ada").bucket != first.bucket
    assert StaticToken(lambda: TOKEN).bucket == "token"
    assert repr(first) == "StaticToken()"


async def test_one_of_several_clients_needs_an_account(serve, vault: Vault) -> None:
    server: RecordingServer = await serve(vault.serve_api)
    message = (
        r"^a function that returns tokens needs an account: pass StaticToken\(function, "
        r"account='your name for the user'\)$"
    )
    async with server.client() as client:
        with pytest.raises(ValueError, match=message):
            client.with_auth(vault.get_token)
        view = client.with_auth(StaticToken(vault.get_token, account="eve"))
        await view.evses.get("evse01")
    assert vault.asked == 1


def test_credentials_with_a_function_are_copied_and_pickled() -> None:
    made = AuthorizationCode(client_id="an-app", client_secret=a_secret, redirect_uri=BACK)
    for copy in (made.for_account("eve"), pickle.loads(pickle.dumps(made))):
        assert copy.client_secret is a_secret
    assert attrs.evolve(credentials(a_secret), scopes=["evse:read"]).client_secret is a_secret
    token = StaticToken(a_secret, account="eve")
    for same in (attrs.evolve(token), pickle.loads(pickle.dumps(token))):
        assert (same.token, same.account, same.bucket) == (a_secret, "eve", token.bucket)
    assert credentials(a_secret).secrets() == []
    with pytest.raises(TypeError, match="^client_secret is a function, which only a client calls$"):
        credentials(a_secret).token_request(None)


def a_secret() -> str:
    return SECRET


def test_blocking_client_takes_both_kinds_of_functions(vault: Vault) -> None:
    with RecordingServer(vault.serve_token_endpoint).in_thread() as server:
        for provider in (vault.get_secret, vault.get_secret_async):
            auth = credentials(provider)
            with ev_energy_sync.Client(auth, base_url=server.url) as client:
                assert client.evses.get("evse01").id == "evse01"
    assert (vault.asked, vault.issued) == (2, 2)
    with RecordingServer(vault.serve_api).in_thread() as server:
        for provider in (vault.get_token, vault.get_token_async):
            with ev_energy_sync.Client(provider, base_url=server.url) as client:
                client.evses.get("evse01")
                client.with_auth(StaticToken(provider, account="eve")).evses.get("evse01")
                vault.failures = [KeyError("missing")]
                with pytest.raises(errors.CredentialUnavailableError):
                    client.evses.get("evse01")
    assert vault.asked == 8


def test_blocking_client_refuses_what_is_no_secret_without_showing_it(vault: Vault) -> None:
    tenant = ContextVar[str]("tenant")
    with RecordingServer(vault.serve_token_endpoint).in_thread() as server:
        for provider in (tenant.get, lambda: f"{SECRET}\n\n", lambda: [SECRET]):
            with ev_energy_sync.Client(credentials(provider), base_url=server.url) as client:
                tenant.set(vault.secret)  # too late: the function belongs to the client
                with pytest.raises(errors.CredentialUnavailableError) as caught:
                    client.evses.get("evse01")
            assert SECRET not in shown(caught.value)
        with ev_energy_sync.Client(
            credentials(lambda: f"{vault.secret}\n"), base_url=server.url
        ) as client:
            client.evses.get("evse01")


async def test_application_of_the_fastapi_kit_takes_a_function(serve, vault: Vault) -> None:
    pytest.importorskip("fastapi", reason="needs fastapi: pip install -e '.[test]'")
    from ev_energy.fastapi import EvEnergy

    server: RecordingServer = await serve(vault.serve_api)
    ev = EvEnergy(vault.get_token, base_url=server.url)
    async with ev.lifespan():
        await ev.client.evses.get("evse01")
        vault.rotate()
        await ev.client_for("user01").evses.get("evse01")
    assert vault.asked == 2


def test_classes_are_not_functions() -> None:
    with pytest.raises(TypeError, match="client_secret must be a str, not the class str"):
        credentials(str)
    with pytest.raises(TypeError, match="auth must be credentials or an access token"):
        Client(ClientCredentials)
