"""Token requests, and the parsing of token responses."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ev_energy import AuthorizationCode, Client, ClientCredentials, StaticToken, errors
from ev_energy.auth import FileStore, Token, TokenRequest
from ev_energy.auth._oauth import parse_revocation_response, parse_token_response
from ev_energy.changes import SQLiteStateStore
from tests.helpers.secret_leaks import LEAK_SEARCH

BACK = "https://app.example.com/back"
PRINTED = st.text(min_size=1).filter(lambda text: text.isprintable() and text == text.strip())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
#: Replies with fields of a token.
REPLY = st.fixed_dictionaries(
    {},
    optional={
        "access_token": st.just("access") | JSON,
        "token_type": st.sampled_from(["Bearer", "bearer", "mac"]) | JSON,
        "expires_in": st.floats() | st.integers() | st.integers().map(str) | JSON,
        "refresh_token": st.just("refresh") | JSON,
        "scope": JSON,
        "error": st.sampled_from(sorted(errors.TokenError.classes)) | JSON,
        "error_description": JSON,
    },
)


@pytest.fixture(autouse=True)
def _forget_drawn_secrets() -> Iterator[None]:
    """Keep drawn values out of the search for secrets in later tests.

    Hypothesis also draws strings of the package's source, such as names that messages may show.
    """
    secrets = [*LEAK_SEARCH.secrets]
    yield
    LEAK_SEARCH.secrets.clear()
    LEAK_SEARCH.secrets.extend(secrets)


def form_of(request: TokenRequest) -> dict[str, str]:
    pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@example("an:app", "a%41 secret+with:all/of it")
@given(PRINTED, PRINTED)
def test_id_and_secret_arrive_unchanged(client_id: str, client_secret: str) -> None:
    who = {"client_id": client_id, "client_secret": client_secret}
    form = ClientCredentials(**who, method="form").token_request(None)
    assert form_of(form) == {"grant_type": "client_credentials", **who}
    assert "Authorization" not in form.headers
    basic = ClientCredentials(**who).token_request(None)
    assert form_of(basic) == {"grant_type": "client_credentials"}
    scheme, _, pair = basic.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    sent = base64.b64decode(pair, validate=True).decode()
    for decode in (unquote, unquote_plus):  # servers differ
        assert [decode(part) for part in sent.split(":")] == [client_id, client_secret]


@pytest.mark.parametrize("method", ["basic", "form"])
def test_authlib_sends_the_same_client_authentication(method: str) -> None:
    auth = pytest.importorskip(
        "authlib.oauth2.auth", reason="needs authlib: pip install -e '.[test]'"
    )
    name = {"basic": "client_secret_basic", "form": "client_secret_post"}[method]
    theirs = auth.ClientAuth("an-app", "a-secret.with~some-letters", name)
    body = "grant_type=client_credentials"
    _, headers, sent = theirs.prepare("POST", "https://api.ev.energy/o/token/", {}, body)
    ours = ClientCredentials(
        client_id="an-app", client_secret="a-secret.with~some-letters", method=method
    ).token_request(None)
    assert dict(parse_qsl(sent)) == form_of(ours)
    assert headers.get("Authorization") == ours.headers.get("Authorization")


def test_public_application_sends_its_client_id() -> None:
    app = AuthorizationCode(client_id="an-app", redirect_uri=BACK)
    request = app.start_authorization()
    grant = app.code_request(request, f"{BACK}?code=a-code&state={request.state}")
    assert form_of(grant) == {
        "grant_type": "authorization_code",
        "code": "a-code",
        "redirect_uri": BACK,
        "code_verifier": request.verifier,
        "client_id": "an-app",
    }
    assert "Authorization" not in grant.headers
    kept = Token(access_token="access", refresh_token="refresh")
    renewal = form_of(app.token_request(kept))
    assert renewal == {
        "grant_type": "refresh_token", "refresh_token": "refresh", "client_id": "an-app"
    }  # fmt: skip


def test_revocation_names_the_refresh_token_if_there_is_one() -> None:
    app = AuthorizationCode(client_id="an-app", client_secret="a-secret", redirect_uri=BACK)
    both = form_of(app.revocation_request(Token(access_token="access", refresh_token="refresh")))
    assert both == {"token": "refresh", "token_type_hint": "refresh_token"}
    one = form_of(app.revocation_request(Token(access_token="access")))
    assert one == {"token": "access", "token_type_hint": "access_token"}


def test_missing_refresh_token_requires_signing_in() -> None:
    app = AuthorizationCode(client_id="an-app", redirect_uri=BACK, account="user 7")
    for kept in (None, Token(access_token="access")):
        with pytest.raises(errors.SignInRequiredError, match="user 7") as caught:
            app.token_request(kept)
        assert caught.value.account == "user 7"


@pytest.mark.parametrize("bad", ["", " x", "x\n", "x\0", "\ud800", "a\u202eb"])
@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_malformed_id_or_secret_is_refused_without_showing_it(name: str, bad: str) -> None:
    given = {"client_id": "an-app", "client_secret": "a-secret", name: bad}
    with pytest.raises(ValueError, match=f"{name} must be non-empty text") as caught:
        ClientCredentials(**given)
    assert caught.value.__cause__ is None
    assert bad == "" or bad not in str(caught.value)


def test_scopes_must_be_a_list_of_single_scopes() -> None:
    given = {"client_id": "an-app", "client_secret": "a-secret"}
    with pytest.raises(TypeError, match=r"scopes=\['evse:read'\]"):
        ClientCredentials(**given, scopes="evse:read")
    with pytest.raises(TypeError, match="an item of scopes must be a str, not None"):
        ClientCredentials(**given, scopes=["user:write", None])  # type: ignore[list-item]  # wrong
    for scope in ("evse:read user:read", "", "ö"):
        with pytest.raises(ValueError, match="one scope per item"):
            ClientCredentials(**given, scopes=["user:write", scope])


@pytest.mark.parametrize("token", ["", "a b", "a\n", "a\x7f", "ä", "a\0b"])
def test_token_unfit_for_a_header_is_refused_without_showing_it(token: str) -> None:
    for make in (lambda: StaticToken(token), lambda: Token(access_token=token)):
        with pytest.raises(ValueError, match="ASCII text without spaces") as caught:
            make()
        assert len(token) < 2 or token not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "endpoints"),
    [
        ({}, ["/o/token/", "/o/revoke_token/"]),
        ({"trailing_slash": False}, ["/o/token", "/o/revoke_token"]),
        (
            {"token_url": "https://login.example/t", "revoke_url": "/r"},
            ["https://login.example/t", "/r"],
        ),
    ],
)
def test_endpoints_follow_the_settings(settings: Any, endpoints: list[str]) -> None:
    auth = ClientCredentials(client_id="an-app", client_secret="a-secret", **settings)
    assert [*auth.endpoints().values()] == endpoints
    Client(auth)


@pytest.mark.parametrize(
    "url",
    [
        "login.example/t",
        "ftp://login.example/t",
        "//login.example/t",
        "https://u:p@login.example/t",
        "https://login.example/t#f",
        "http://login.example/t",
        "javascript:alert(1)",
    ],
)
@pytest.mark.parametrize("name", ["token_url", "revoke_url", "authorize_url"])
def test_invalid_endpoint_is_refused(name: str, url: str) -> None:
    given = {"client_id": "an-app", "client_secret": "a-secret", name: url}
    if name != "authorize_url":
        with pytest.raises(ValueError, match=name):
            Client(ClientCredentials(**given))
    app = AuthorizationCode(**given, redirect_uri=BACK, account="me")
    with pytest.raises(ValueError, match=name):
        Client(app)


@given(st.integers(100, 599), REPLY | JSON, st.floats(0, 1e10))
def test_arbitrary_json_is_a_valid_token_or_a_token_error(
    status: int, reply: object, now: float
) -> None:
    for code in (status, 200):
        try:
            token = parse_token_response(code, json.dumps(reply).encode(), now)
        except errors.TokenError as error:
            assert error.status == code  # noqa: PT017
            assert str(error).isprintable()  # noqa: PT017
        else:
            assert code == 200
            assert token.access_token.isascii()
            assert token.expires_at is None or now <= token.expires_at < math.inf
            assert token.renew_at <= (token.expires_at or math.inf)
            assert Token.from_dict(json.loads(json.dumps(token.to_dict()))) == token


@given(st.binary())
def test_arbitrary_bytes_are_a_token_error(body: bytes) -> None:
    with pytest.raises(errors.TokenError):
        parse_token_response(200, body, 0)


@pytest.mark.parametrize(
    ("given_", "lifetime"),
    [
        ("3600", 3600), (3600, 3600), (0.5, 0.5), (0, None), (-1, None), ("-1", None), (None, None),
        (math.nan, None), (math.inf, None), (10**400, None), ("9" * 5000, None), ("1e3", None),
        (True, None), ("٣", None), ([], None),
    ],
)  # fmt: skip
def test_implausible_lifetime_is_unknown(given_: object, lifetime: float | None) -> None:
    body = json.dumps({"access_token": "access", "expires_in": given_}).encode()
    token = parse_token_response(200, body, 1000.0)
    assert token.lifetime == lifetime
    assert token.expires_at == (None if lifetime is None else 1000 + lifetime)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("invalid_request", errors.InvalidRequestError),
        ("invalid_client", errors.InvalidClientError),
        ("invalid_grant", errors.InvalidGrantError),
        ("unauthorized_client", errors.UnauthorizedClientError),
        ("unsupported_grant_type", errors.UnsupportedGrantTypeError),
        ("invalid_scope", errors.InvalidScopeError),
        ("something_new", errors.TokenError),
    ],
)
def test_every_error_code_of_rfc_6749_has_a_class(error: str, kind: type[Exception]) -> None:
    body = json.dumps({"error": error, "error_description": "Because"}).encode()
    with pytest.raises(errors.TokenError, match=f"{error}: Because") as caught:
        parse_token_response(400, body, 0)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"access_token": "x", "token_type": "mac"}, "'mac', not 'Bearer'"),
        ({"access_token": "x y"}, "no valid access_token"),
        ({"access_token": "x", "refresh_token": "\ud800"}, "refresh_token"),
        ({"access_token": "x", "refresh_token": ["x"]}, "refresh_token"),
    ],
)
def test_unusable_token_is_an_error_at_once(reply: object, said: str) -> None:
    with pytest.raises(errors.TokenError, match=said):
        parse_token_response(200, json.dumps(reply).encode(), 0)


def test_refusal_is_shown_in_one_short_line() -> None:
    text = "evil\r\n\x1b[2J" + "x" * 5000
    body = json.dumps({"error": text, "error_description": text}).encode()
    with pytest.raises(errors.TokenError) as caught:
        parse_token_response(400, body, 0)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_revocation_response_is_a_confirmation_or_a_helpful_error() -> None:
    parse_revocation_response(200, b"")
    with pytest.raises(errors.TokenError, match="trailing slash"):
        parse_revocation_response(405, b"405: Method Not Allowed")
    with pytest.raises(errors.InvalidClientError):
        parse_revocation_response(401, b'{"error": "invalid_client"}')
    with pytest.raises(errors.TokenError, match="403"):
        parse_revocation_response(403, b"Forbidden")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": "x\r\nEvil: 1"},
        {"access_token": "x", "expires_at": "soon"},
        {"access_token": "x", "expires_at": math.nan},
        {"access_token": "x", "expires_at": True},
        {"access_token": "x", "lifetime": math.inf},
        {"access_token": "x", "refresh_token": 5},
        {"access_token": "x", "scope": ["evse:read"]},
    ],
)
def test_invalid_stored_token_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be|not a token"):
        Token.from_dict(data)


@pytest.mark.parametrize("store", ["tokens.json", FileStore, SQLiteStateStore("states.db", "a")])
def test_store_of_another_kind_is_refused(store: Any) -> None:
    with pytest.raises(TypeError, match="store must be a token store, such as ev_energy.auth"):
        ClientCredentials(client_id="id", client_secret="secret", store=store)
