"""The token and revocation endpoints over HTTP; the pages are tested in `test_consent_pages`."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ev_energy.simulator._secrets import Secrets
from ev_energy.simulator._seeded_random import SeededRandom
from ev_energy.simulator.clock._clock import Clock
from ev_energy.simulator.oauth import (
    Application,
    AuthorizationServer,
    TokenRefusedError,
    User,
    install,
)
from ev_energy.simulator.pages import BrowserSessions
from tests.helpers.html_browser import HtmlBrowser, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SCOPES = ("evse:read", "evse:write", "user:read")
BACK = "https://acme.example/back"
ADA = User("user-ada", "ada@example.com", "Ada Doyle")
VERIFIER = "a-verifier-is-made-of-at-least-43-letters-like-these"
S256 = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def basic(application: Application) -> dict[str, str]:
    """Return the Authorization header of an application."""
    pair = f"{application.client_id}:{application.client_secret}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


class Directory:
    """A directory of one user."""

    def by_email(self, email: str) -> User | None:
        return ADA if email.lower() == ADA.email else None

    def by_id(self, user_id: str) -> User | None:
        return ADA if user_id == ADA.user_id else None

    def suggestions(self) -> list[User]:
        return [ADA]


class Server(Site):
    """The authorization server with two confidential applications and a public one."""

    def __init__(self, clock: Clock) -> None:
        app = web.Application()
        self.auth_server = AuthorizationServer(SeededRandom(1), clock)
        install(app, self.auth_server, Directory(), BrowserSessions())
        super().__init__(app)
        self.acme = self.auth_server.register(SCOPES, [BACK], name="Acme")
        self.other = self.auth_server.register(SCOPES, [BACK], name="Other")
        self.phone = self.auth_server.register(SCOPES, ["acme://back"], public=True, name="Phone")

    def authorization_url(self, application: Application, **asked: str) -> str:
        """Return the URL of an authorization request of an application."""
        query = {"response_type": "code", "client_id": application.client_id, **asked}
        return f"{self.origin}/o/authorize/?{urlencode(query)}"

    async def code(self, application: Application, **asked: str) -> str:
        """Return the code of Ada's consent to an application."""
        browser: HtmlBrowser = await self.new_browser()
        await browser.open(self.authorization_url(application, **asked))
        await browser.press("Ada Doyle")
        return (await browser.press("Allow")).returned_query["code"][0]

    async def token(
        self, application: Application, *, auth: bool = True, **form: str
    ) -> tuple[int, Any]:
        """Return status and body of the reply to a token request."""
        headers = basic(application) if auth else {}
        status, body, _ = await self.post("/o/token/", form, headers=headers)
        return status, body

    async def tokens(self, application: Application, **asked: str) -> dict[str, Any]:
        """Return the reply with the first tokens for Ada."""
        code = await self.code(application, **asked)
        status, body = await self.token(application, grant_type="authorization_code", code=code)
        assert status == 200, body
        return body

    async def refresh(self, token: str, **form: str) -> tuple[int, Any]:
        """Return status and body of the reply to a refresh request of Acme."""
        return await self.token(self.acme, grant_type="refresh_token", refresh_token=token, **form)

    async def revoke(self, token: str, application: Application | None = None) -> int:
        """Return the status of the reply to a revocation."""
        headers = basic(application or self.acme)
        return (await self.post("/o/revoke_token/", {"token": token}, headers=headers))[0]

    def is_valid(self, token: str) -> bool:
        """Return whether the API accepts an access token."""
        return self.auth_server.introspect(token) is not None


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[Server]:
    started = Server(clock)
    await started.start()
    yield started
    await started.close()


async def test_code_is_exchanged_for_tokens_of_the_user(server: Server) -> None:
    body = await server.tokens(server.acme, scope="evse:read user:read")
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 36000)
    assert body["scope"] == "evse:read user:read"
    grant = server.auth_server.introspect(body["access_token"])
    assert grant is not None
    assert (grant.user_id, grant.application) == (ADA.user_id, server.acme)
    assert grant.scopes == {"evse:read", "user:read"}


async def test_client_credentials_grant_has_no_refresh_token(server: Server) -> None:
    status, body = await server.token(server.acme, grant_type="client_credentials")
    assert (status, "refresh_token" in body) == (200, False)
    grant = server.auth_server.introspect(body["access_token"])
    assert grant is not None
    assert grant.user_id is None


@pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 400)])
async def test_code_expires_after_a_minute(
    server: Server, clock: Clock, seconds: int, status: int
) -> None:
    code = await server.code(server.acme)
    clock.advance(seconds=seconds)
    answer = await server.token(server.acme, grant_type="authorization_code", code=code)
    assert answer[0] == status


async def test_reused_code_revokes_its_tokens(
    server: Server,
) -> None:
    code = await server.code(server.acme)
    _, first = await server.token(server.acme, grant_type="authorization_code", code=code)
    _, second = await server.token(server.acme, grant_type="authorization_code", code=code)
    assert second["error"] == "invalid_grant"
    assert not server.is_valid(first["access_token"])
    assert (await server.refresh(first["refresh_token"]))[1]["error"] == "invalid_grant"


async def test_used_code_is_remembered_as_long_as_its_tokens(server: Server, clock: Clock) -> None:
    code = await server.code(server.acme)
    _, first = await server.token(server.acme, grant_type="authorization_code", code=code)
    clock.advance(hours=1)
    later = await server.tokens(server.acme)
    await server.token(server.acme, grant_type="authorization_code", code=code)
    assert (server.is_valid(first["access_token"]), server.is_valid(later["access_token"])) == (
        False,
        True,
    )


async def test_code_of_another_application_is_rejected_and_stays_valid(server: Server) -> None:
    code = await server.code(server.acme)
    _, body = await server.token(server.other, grant_type="authorization_code", code=code)
    assert body["error"] == "invalid_grant"
    status, _ = await server.token(server.acme, grant_type="authorization_code", code=code)
    assert status == 200


async def test_code_reused_by_another_application_revokes_nothing(server: Server) -> None:
    code = await server.code(server.acme)
    _, first = await server.token(server.acme, grant_type="authorization_code", code=code)
    await server.token(server.other, grant_type="authorization_code", code=code)
    assert server.is_valid(first["access_token"])


@pytest.mark.parametrize(
    ("asked", "sent", "status"),
    [
        ({"redirect_uri": BACK}, {"redirect_uri": BACK}, 200),
        ({"redirect_uri": BACK}, {}, 400),
        ({"redirect_uri": BACK}, {"redirect_uri": f"{BACK}/"}, 400),
        ({}, {}, 200),
        ({}, {"redirect_uri": BACK}, 200),
        ({}, {"redirect_uri": "https://evil.example/"}, 400),
    ],
)
async def test_redirect_uri_of_the_token_request_must_match(
    server: Server, asked: dict[str, str], sent: dict[str, str], status: int
) -> None:
    code = await server.code(server.acme, **asked)
    answer = await server.token(server.acme, grant_type="authorization_code", code=code, **sent)
    assert answer[0] == status
    if status == 400:
        assert answer[1]["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("asked", "verifier", "error"),
    [
        ({"code_challenge": S256, "code_challenge_method": "S256"}, VERIFIER, None),
        ({"code_challenge": S256, "code_challenge_method": "S256"}, "x" * 43, "invalid_grant"),
        ({"code_challenge": S256, "code_challenge_method": "S256"}, None, "invalid_request"),
        ({"code_challenge": S256, "code_challenge_method": "S256"}, S256, "invalid_grant"),
        ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, VERIFIER, None),
        ({"code_challenge": VERIFIER}, VERIFIER, None),
        ({"code_challenge": VERIFIER}, "x" * 43, "invalid_grant"),
    ],
)
async def test_verifier_must_match_the_challenge(
    server: Server, asked: dict[str, str], verifier: str | None, error: str | None
) -> None:
    code = await server.code(server.acme, **asked)
    sent = {} if verifier is None else {"code_verifier": verifier}
    _, body = await server.token(server.acme, grant_type="authorization_code", code=code, **sent)
    assert body.get("error") == error


async def test_public_application_authenticates_with_its_verifier(server: Server) -> None:
    asked = {"code_challenge": S256, "code_challenge_method": "S256"}
    code = await server.code(server.phone, **asked)
    form = {"grant_type": "authorization_code", "code": code, "client_id": server.phone.client_id}
    status, body = await server.token(server.phone, auth=False, code_verifier=VERIFIER, **form)
    assert status == 200
    renewed, _ = await server.token(
        server.phone,
        auth=False,
        grant_type="refresh_token",
        refresh_token=body["refresh_token"],
        client_id=server.phone.client_id,
    )
    assert renewed == 200


async def test_public_application_has_no_client_credentials_grant(server: Server) -> None:
    form = {"grant_type": "client_credentials", "client_id": server.phone.client_id}
    status, body = await server.token(server.phone, auth=False, **form)
    assert (status, body["error"]) == (400, "unauthorized_client")


async def test_confidential_application_must_send_its_secret(server: Server) -> None:
    code = await server.code(server.acme)
    form = {"grant_type": "authorization_code", "code": code, "client_id": server.acme.client_id}
    status, body, headers = await server.post("/o/token/", form)
    assert (status, body["error"]) == (401, "invalid_client")
    assert headers["WWW-Authenticate"].startswith("Basic ")
    assert headers["Cache-Control"] == "no-store"


async def test_refresh_replaces_both_tokens(server: Server) -> None:
    old = await server.tokens(server.acme)
    status, new = await server.refresh(old["refresh_token"])
    assert status == 200
    assert new["refresh_token"] != old["refresh_token"]
    assert (server.is_valid(old["access_token"]), server.is_valid(new["access_token"])) == (
        False,
        True,
    )


async def test_refresh_token_outlives_its_access_token(server: Server, clock: Clock) -> None:
    old = await server.tokens(server.acme)
    clock.advance(days=90)
    assert not server.is_valid(old["access_token"])
    _, new = await server.refresh(old["refresh_token"])
    assert server.is_valid(new["access_token"])


async def test_reused_refresh_token_revokes_its_family(server: Server) -> None:
    first = await server.tokens(server.acme)
    bystander = await server.tokens(server.acme)
    _, second = await server.refresh(first["refresh_token"])
    _, third = await server.refresh(second["refresh_token"])
    _, refused = await server.refresh(first["refresh_token"])
    assert refused["error"] == "invalid_grant"
    assert not server.is_valid(third["access_token"])
    assert (await server.refresh(third["refresh_token"]))[0] == 400
    assert server.is_valid(bystander["access_token"])


async def test_refresh_may_narrow_the_scope_only(server: Server) -> None:
    body = await server.tokens(server.acme, scope="evse:read evse:write")
    _, less = await server.refresh(body["refresh_token"], scope="evse:read")
    assert less["scope"] == "evse:read"
    status, more = await server.refresh(less["refresh_token"], scope="evse:read user:read")
    assert (status, more["error"]) == (400, "invalid_scope")
    assert server.is_valid(less["access_token"])  # a rejected request changes nothing
    _, again = await server.refresh(less["refresh_token"])
    assert again["scope"] == "evse:read evse:write"


async def test_refresh_token_of_another_application_is_rejected(server: Server) -> None:
    body = await server.tokens(server.acme)
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    _, refused = await server.token(server.other, **form)
    assert refused["error"] == "invalid_grant"
    assert server.is_valid(body["access_token"])


async def test_revoking_an_access_token_keeps_its_refresh_token(server: Server) -> None:
    body = await server.tokens(server.acme)
    assert await server.revoke(body["access_token"]) == 200
    assert not server.is_valid(body["access_token"])
    assert (await server.refresh(body["refresh_token"]))[0] == 200


async def test_revoking_a_refresh_token_revokes_its_access_token(server: Server) -> None:
    body = await server.tokens(server.acme)
    assert await server.revoke(body["refresh_token"]) == 200
    assert not server.is_valid(body["access_token"])
    assert (await server.refresh(body["refresh_token"]))[0] == 400


async def test_revoking_unknown_or_foreign_tokens_does_nothing(server: Server) -> None:
    body = await server.tokens(server.acme)
    assert await server.revoke("nonsense") == 200
    assert await server.revoke(body["access_token"], server.other) == 200
    assert await server.revoke(body["refresh_token"], server.other) == 200
    assert server.is_valid(body["access_token"])
    assert (await server.refresh(body["refresh_token"]))[0] == 200


async def test_revocation_requires_credentials_and_a_token(server: Server) -> None:
    status, body, _ = await server.post("/o/revoke_token/", {"token": "x"})
    assert (status, body["error"]) == (401, "invalid_client")
    form, headers = {"a": "b"}, basic(server.acme)
    status, body, _ = await server.post("/o/revoke_token/", form, headers=headers)
    assert (status, body["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_revocation_url_without_slash_is_a_405(server: Server, method: str) -> None:
    session = (await server.new_browser()).session
    async with session.request(method, f"{server.origin}/o/revoke_token") as response:
        assert response.status == 405


async def test_token_url_works_with_and_without_slash(server: Server) -> None:
    session = (await server.new_browser()).session
    for path in ("/o/token/", "/o/token"):
        form = {
            "grant_type": "client_credentials",
            "client_id": server.acme.client_id,
            "client_secret": server.acme.client_secret,
        }
        assert (await server.post(path, form))[0] == 200
        async with session.get(server.origin + path) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("query", "raw", "headers"),
    [
        ("", b"grant_type=client_credentials&grant_type=client_credentials", FORM),
        ("?client_secret=in-the-log", b"grant_type=client_credentials", FORM),
        ("", b'{"grant_type": "client_credentials"}', {"Content-Type": "application/json"}),
        ("", b"grant_type=client_credentials", {"Content-Type": "text/plain; charset=no-such"}),
        ("", b"grant_type=\xff\xfe", FORM),
        ("", b"a=b&" * 5000, FORM),
        ("", b"", FORM),
        ("", b"grant_type=%00%ff&client_id=%ff", FORM),
        ("", b"grant_type=client_credentials", FORM | {"Authorization": "Basic !"}),
        ("", b"grant_type=client_credentials", FORM | {"Authorization": "Basic \xe9\xff"}),
        ("", b"grant_type=client_credentials", FORM | {"Authorization": "Basic "}),
        ("", b"grant_type=client_credentials", FORM | {"Authorization": "Bearer abc"}),
    ],
)
@pytest.mark.parametrize("path", ["/o/token/", "/o/revoke_token/"])
async def test_malformed_request_gets_an_error_of_rfc_6749(
    server: Server, path: str, query: str, raw: bytes, headers: dict[str, str]
) -> None:
    status, body, answered = await server.post(path + query, raw, headers=headers)
    assert (status, body["error"]) in {(400, "invalid_request"), (401, "invalid_client")}
    assert answered["Cache-Control"] == "no-store"


async def test_repeated_parameter_is_rejected(server: Server) -> None:
    raw, headers = b"grant_type=client_credentials&scope=a&scope=b", basic(server.acme)
    _, body, _ = await server.post("/o/token/", raw, headers=headers | FORM)
    assert (body["error"], "more than once" in body["error_description"]) == (
        "invalid_request",
        True,
    )


async def test_empty_parameter_is_absent(server: Server) -> None:
    status, body = await server.token(server.acme, grant_type="client_credentials", scope="")
    assert (status, body["scope"]) == (200, " ".join(SCOPES))
    status, body = await server.token(server.acme, grant_type="")
    assert (status, body["error"]) == (400, "invalid_request")


async def test_client_id_in_the_body_must_match_the_header(
    server: Server,
) -> None:
    form = {"grant_type": "client_credentials", "client_id": server.acme.client_id}
    assert (await server.token(server.acme, **form))[0] == 200
    form["client_id"] = server.other.client_id
    assert (await server.token(server.acme, **form))[1]["error"] == "invalid_request"


async def test_tokens_can_be_revoked_singly_or_expired_together(server: Server) -> None:
    one, two = [await server.tokens(server.acme) for _ in range(2)]
    assert server.auth_server.revoke_any(one["access_token"])
    assert not server.auth_server.revoke_any("nonsense")
    assert (server.is_valid(one["access_token"]), server.is_valid(two["access_token"])) == (
        False,
        True,
    )
    server.auth_server.expire_tokens()
    assert not server.is_valid(two["access_token"])
    assert (await server.refresh(two["refresh_token"]))[0] == 200


async def test_sign_in_works_without_pages(server: Server) -> None:
    body = server.auth_server.sign_in(server.acme.client_id, ADA.user_id, ["evse:read"])
    grant = server.auth_server.introspect(body["access_token"])
    assert grant is not None
    assert (grant.user_id, grant.scopes) == (ADA.user_id, {"evse:read"})
    assert (await server.refresh(body["refresh_token"]))[0] == 200
    with pytest.raises(ValueError, match="moon:write"):
        server.auth_server.sign_in(server.acme.client_id, ADA.user_id, ["moon:write"])


@pytest.mark.parametrize(
    "uri",
    ["", "/back", "javascript:alert(1)", "data:text/html,x", f"{BACK}#part", f"{BACK}\r\nA:b"],
)
def test_invalid_redirect_uri_cannot_be_registered(clock: Clock, uri: str) -> None:
    auth_server = AuthorizationServer(SeededRandom(1), clock)
    with pytest.raises(ValueError, match="redirect"):
        auth_server.register(SCOPES, [uri])
    with pytest.raises(ValueError, match="redirect"):
        auth_server.register(SCOPES, onboarding_redirect_url=uri)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("client_credentials", "sign_in", "refresh", "revoke", "expire", "wait")),
        st.integers(0, 20),
    ),
    max_size=25,
)


class Scenario:
    """An authorization server that executes steps with any token issued so far."""

    def __init__(self, *, reloads: bool) -> None:
        self.clock = Clock(speed=0)
        self.auth_server = self.new_server()
        self.reloads = reloads
        self.acme = self.auth_server.register(SCOPES, [BACK])
        self.tokens: list[str] = []

    def new_server(self) -> AuthorizationServer:
        return AuthorizationServer(
            SeededRandom(7), self.clock, Secrets(SeededRandom(7), fixed=True)
        )

    def execute(self, step: str, number: int) -> Any:
        if self.reloads:  # as after a restart
            state = json.loads(json.dumps(self.auth_server.dump()))
            self.auth_server = self.new_server()
            self.auth_server.load(state)
        token = self.tokens[number % len(self.tokens)] if self.tokens else ""
        keys = {"client_id": self.acme.client_id, "client_secret": self.acme.client_secret}
        try:
            reply = self._reply(step, number, token, keys)
        except TokenRefusedError as error:
            return error.body
        self.tokens += [v for k, v in (reply or {}).items() if k.endswith("token")]
        return reply, [self.auth_server.introspect(issued) for issued in self.tokens]

    def _reply(self, step: str, number: int, token: str, keys: dict[str, str]) -> Any:
        match step:
            case "client_credentials":
                return self.auth_server.issue(None, {"grant_type": "client_credentials", **keys})
            case "sign_in":
                return self.auth_server.sign_in(self.acme.client_id, f"user-{number}")
            case "refresh":
                form = {"grant_type": "refresh_token", "refresh_token": token or "x", **keys}
                return self.auth_server.issue(None, form)
            case "revoke":
                return self.auth_server.revoke(None, {"token": token or "x", **keys})
            case "expire":
                return self.auth_server.expire_tokens()
            case _:
                self.clock.advance(hours=number)
                return None


@given(STEPS)
def test_dump_and_load_change_no_reply(steps: list[tuple[str, int]]) -> None:
    one, other = Scenario(reloads=False), Scenario(reloads=True)
    for step, number in steps:
        assert one.execute(step, number) == other.execute(step, number)
    assert len(set(one.tokens)) == len(one.tokens)


async def test_used_refresh_token_is_recognised_after_a_restart(server: Server) -> None:
    old = await server.tokens(server.acme)
    _, new = await server.refresh(old["refresh_token"])
    server.auth_server.load(json.loads(json.dumps(server.auth_server.dump())))
    assert server.is_valid(new["access_token"])
    await server.refresh(old["refresh_token"])
    assert not server.is_valid(new["access_token"])


async def test_codes_survive_a_restart(server: Server, clock: Clock) -> None:
    unused, used = await server.code(server.acme), await server.code(server.acme)
    await server.token(server.acme, grant_type="authorization_code", code=used)
    clock.advance(seconds=30)
    server.auth_server.load(json.loads(json.dumps(server.auth_server.dump())))
    status, body = await server.token(server.acme, grant_type="authorization_code", code=unused)
    assert status == 200
    await server.token(server.acme, grant_type="authorization_code", code=used)
    assert server.is_valid(body["access_token"])


async def test_user_token_reads_the_data_of_its_user_only(api: Any) -> None:
    simulator = api.simulator
    body = simulator._auth_server.sign_in(simulator.client_id, simulator.user_id)
    everybody = await api.get("/users")
    answer = await api.get("/users", token=body["access_token"])
    assert [user["id"] for user in answer.body] == [simulator.user_id]
    assert len(everybody.body) > 1
