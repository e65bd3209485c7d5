"""Authorization requests and their callbacks."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from ev_energy import AuthorizationCode, Client, errors
from ev_energy.auth import AuthorizationRequest
from ev_energy.auth._authorization import code_challenge

BACK = "https://app.example.com/back"
#: Visible characters.
SHOWN = st.characters(categories=["L", "N", "P", "S"])
WORD = st.text(SHOWN, min_size=1, max_size=30)


def app(**changes: object) -> AuthorizationCode:
    return AuthorizationCode(**{"client_id": "an-app", "redirect_uri": BACK, **changes})


def query_of(url: str) -> dict[str, str]:
    """Return the query parameters of *url*; each must occur once."""
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def came_back(request: AuthorizationRequest, **changes: str | None) -> str:
    given = {"code": "a-code", "state": request.state, **changes}
    return f"{BACK}?{urlencode({n: t for n, t in given.items() if t is not None})}"


@given(
    client_id=WORD,
    redirect_uri=st.builds(
        "{}?{}".format,
        st.sampled_from(
            [BACK, "com.acme.app:/back", "http://127.0.0.1:8080", "https://bücher.example/ö"]
        ),
        st.dictionaries(WORD.map("x{}".format), WORD).map(urlencode),
    ),
    scopes=st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)),
    authorize_url=st.sampled_from([None, "https://login.example.com/a?keep=%26+1", "/other/place"]),
)
def test_authorization_parameters_arrive_unchanged(
    client_id: str, redirect_uri: str, scopes: list[str], authorize_url: str | None
) -> None:
    asked = app(
        client_id=client_id, redirect_uri=redirect_uri, scopes=scopes, authorize_url=authorize_url
    )
    request = asked.start_authorization()
    assert request.url.isascii()
    assert "#" not in request.url
    found = query_of(request.url)
    assert found.pop("keep", "& 1") == "& 1"
    assert found.pop("code_challenge") == code_challenge(request.verifier)
    assert found.pop("state") == request.state
    assert found.pop("scope", "") == " ".join(scopes)
    assert found == {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "code_challenge_method": "S256",
    }


def test_code_challenge_is_that_of_rfc_7636() -> None:
    # RFC 7636, appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_authlib_builds_the_same_authorization_url() -> None:
    session = pytest.importorskip(
        "authlib.oauth2.client", reason="needs authlib: pip install -e '.[test]'"
    )
    request = app(scopes=["evse:read", "user:read"]).start_authorization()
    other = session.OAuth2Client(
        None, "an-app", scope="evse:read user:read", redirect_uri=BACK, code_challenge_method="S256"
    )
    theirs, _ = other.create_authorization_url(
        "https://api.ev.energy/o/authorize/", request.state, code_verifier=request.verifier
    )
    assert query_of(theirs) == query_of(request.url)
    assert theirs.partition("?")[0] == request.url.partition("?")[0]


def test_requests_share_no_secrets() -> None:
    requests = [app().start_authorization() for _ in range(100)]
    assert len({r.state for r in requests} | {r.verifier for r in requests}) == 200
    for request in requests:
        assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", request.verifier)  # RFC 7636 §4.1
        assert len(request.state) >= 32


@pytest.mark.parametrize(
    ("base_url", "settings", "endpoint"),
    [
        ("live", {}, "https://api.ev.energy/o/authorize/"),
        ("live", {"trailing_slash": False}, "https://api.ev.energy/o/authorize"),
        ("staging", {}, "https://api-staging.ev.energy/o/authorize/"),
        (URL("http://127.0.0.1:8080/v2"), {}, "http://127.0.0.1:8080/o/authorize/"),
        ("https://gateway.example/ev/v2", {}, "https://gateway.example/o/authorize/"),
        ("live", {"authorize_url": "https://login.example/a"}, "https://login.example/a"),
        ("live", {"authorize_url": "/sign/in"}, "https://api.ev.energy/sign/in"),
    ],
)
def test_users_are_sent_to_the_server_of_the_client(
    base_url: str | URL, settings: Mapping[str, object], endpoint: str
) -> None:
    request = app(**settings).start_authorization(base_url)
    assert request.url.partition("?")[0] == endpoint
    origin = str(URL(endpoint).origin())
    assert request.issuer == origin


def test_authorize_endpoint_must_be_https() -> None:
    with pytest.raises(ValueError, match="https"):
        app().start_authorization("http://api.example/v2")
    assert (
        app()
        .start_authorization("http://api.example/v2", allow_insecure=True)
        .url.startswith("http://api")
    )
    with pytest.raises(ValueError, match="authorize_url"):
        app(authorize_url="http://login.example/").start_authorization()


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_code_is_extracted_from_the_callback_unchanged(code: str) -> None:
    request = app().start_authorization()
    callback = came_back(request, code=code, more="1")
    query = callback.partition("?")[2]
    for form in (
        callback,
        f"/back?{query}",
        f"?{query}",
        f"{callback}#_=_",
        f" {callback}\n",
        URL(callback),
    ):
        assert request.extract_code(form) == code
    assert request.extract_code(f"{came_back(request, code=code)}#_=_") == code


@pytest.mark.parametrize(
    "change",
    [
        {"state": "another"},
        {"state": ""},
        {"state": None},
        {"state": None, "error": "access_denied", "code": None},
        {"state": "another", "error": "access_denied", "code": None},
    ],
)
def test_callback_with_another_state_is_refused(change: Mapping[str, str | None]) -> None:
    request = app().start_authorization()
    with pytest.raises(errors.AuthorizationError, match="does not belong to this") as caught:
        request.extract_code(came_back(request, **change))
    assert caught.value.error == "state_mismatch"


@pytest.mark.parametrize("extra", ["&state={state}", "&state=other", "&state="])
def test_repeated_state_is_refused(extra: str) -> None:
    request = app().start_authorization()
    for callback in (
        came_back(request) + extra.format(state=request.state),
        came_back(request).replace("?", "?" + extra.format(state=request.state)[1:] + "&"),
    ):
        with pytest.raises(errors.AuthorizationError) as caught:
            request.extract_code(callback)
        assert caught.value.error == "state_mismatch"


@pytest.mark.parametrize("rest", ["", "&code=", "&code=a&code=b", "&code=a&code=a", "&code=%00"])
def test_callback_without_exactly_one_code_is_an_error(rest: str) -> None:
    request = app().start_authorization()
    with pytest.raises(errors.AuthorizationError) as caught:
        request.extract_code(f"{BACK}?state={request.state}{rest}")
    assert caught.value.error == "no_code"


def test_code_in_a_fragment_is_ignored() -> None:
    request = app().start_authorization()
    with pytest.raises(errors.AuthorizationError):
        request.extract_code(came_back(request).replace("?", "#"))


def test_refusal_by_the_user_is_an_authorization_error() -> None:
    request = app().start_authorization()
    refused = came_back(request, code=None, error="access_denied", error_description="Not today")
    with pytest.raises(errors.AuthorizationError, match=r"access_denied: Not today") as caught:
        request.extract_code(refused)
    assert (caught.value.error, caught.value.description) == ("access_denied", "Not today")
    with pytest.raises(errors.AuthorizationError):  # an error beside a code is no success
        request.extract_code(came_back(request, error="server_error"))


def test_error_of_the_server_is_shown_in_one_short_line() -> None:
    request = app().start_authorization()
    text = "evil\r\n\x1b[2J2026-01-01 root logged in\u202e" + "x" * 5000
    with pytest.raises(errors.AuthorizationError) as caught:
        request.extract_code(came_back(request, code=None, error=text, error_description=text))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_error_shows_no_secret() -> None:
    request = app().start_authorization()
    description = f"state={request.state} {request.verifier} code=the-secret-code"
    callback = came_back(
        request, code="the-secret-code", error=description, error_description=quote(description)
    )
    with pytest.raises(errors.AuthorizationError) as caught:
        request.extract_code(callback)
    shown = str(caught.value) + repr(vars(caught.value)) + repr(pickle.dumps(caught.value))
    for secret in (request.state, request.verifier, "the-secret-code"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("issuer", "said", "good"),
    [
        (None, "https://api.ev.energy", True),
        (None, "https://api.ev.energy/o", True),
        (None, "https://evil.example", False),
        (None, "https://api.ev.energy.evil.example", False),
        (None, "http://api.ev.energy", False),
        (None, "", False),
        ("https://login.example/ev", "https://login.example/ev", True),
        ("https://login.example/ev", "https://login.example/other", False),
        ("https://login.example/ev", "https://api.ev.energy", False),
    ],
)
def test_callback_of_another_server_is_refused(
    issuer: str | None, said: str, *, good: bool
) -> None:
    request = app(issuer=issuer).start_authorization()
    callback = came_back(request, iss=said)
    if good:
        assert request.extract_code(callback) == "a-code"
        callback += f"&iss={quote('https://evil.example')}"
    with pytest.raises(errors.AuthorizationError) as caught:
        request.extract_code(callback)
    assert caught.value.error == "issuer_mismatch"


@given(st.text() | st.builds("?{}".format, st.text(st.sampled_from("codestaer=&?#%[]:/\ud800\n"))))
def test_arbitrary_callback_is_a_code_or_an_authorization_error(text: str) -> None:
    request = app().start_authorization()
    for callback in (text, f"{text}&state={request.state}", f"?state={request.state}&{text}"):
        try:
            code = request.extract_code(callback)
        except errors.AuthorizationError as error:
            assert request.state not in str(error)  # noqa: PT017
        else:
            assert code.isprintable()


def test_callback_must_not_be_bytes() -> None:
    request = app().start_authorization()
    with pytest.raises(TypeError, match="text, not bytes"):
        request.extract_code(came_back(request).encode())


def test_request_survives_a_round_trip_through_a_session() -> None:
    request = app(scopes=["evse:read"]).start_authorization("staging")
    kept = json.loads(json.dumps(request.to_dict()))
    again = AuthorizationRequest.from_dict(kept)
    assert again == request
    assert again.extract_code(came_back(request)) == "a-code"
    assert len(json.dumps(kept)) < 2000  # a cookie holds 4096 bytes


@pytest.mark.parametrize(
    "change",
    [{"state": ""}, {"verifier": None}, {"state": 5}, {"url": ["x"]}, {"redirect_uri": None}],
)
def test_incomplete_request_is_refused(change: Mapping[str, object]) -> None:
    kept = {**app().start_authorization().to_dict(), **change}
    for data in (kept, {}, None, {"state": "x"}):
        with pytest.raises(errors.AuthorizationError) as caught:
            AuthorizationRequest.from_dict(data)
        assert caught.value.error == "no_request"


def test_reprs_show_no_secret() -> None:
    secret = app(client_secret="a-secret-of-the-application", account="user 7")
    request = secret.start_authorization()
    exchange = secret.code_request(request, came_back(request, code="the-secret-code"))
    shown = repr([secret, request, exchange, Client(secret)]) + str(exchange)
    for text in (
        "a-secret-of-the-application", "the-secret-code", request.state, request.verifier
    ):  # fmt: skip
        assert text not in shown
    assert "an-app" in shown


async def test_client_of_another_server_or_application_refuses_the_request() -> None:
    request = app().start_authorization("staging")
    async with Client(app(account="user 7")) as client:
        with pytest.raises(ValueError, match=r"start_authorization\(client.base_url\)"):
            await client.sign_in(request, came_back(request))
    async with Client(app(client_id="other", account="user 7")) as client:
        with pytest.raises(ValueError, match="for client_id 'an-app', not 'other'"):
            await client.sign_in(app().start_authorization(), came_back(request))


async def test_sign_in_needs_authorization_code_credentials() -> None:
    request = app().start_authorization()
    async with Client("a-token") as client:
        with pytest.raises(TypeError, match="AuthorizationCode"):
            await client.sign_in(request, came_back(request))
    async with Client() as client:
        with pytest.raises(TypeError, match="without credentials"):
            await client.sign_in(request, came_back(request))


def test_client_needs_an_account() -> None:
    with pytest.raises(ValueError, match=r"auth\.for_account\("):
        Client(app())
    with pytest.raises(ValueError, match="account"):
        app().for_account("")
    assert app().for_account("user 7") is not None


def test_store_key_names_application_account_and_server() -> None:
    here = "https://api.ev.energy"
    variants = [
        app(account="a"),
        app(account="b"),
        app(account="a", client_id="other"),
    ]
    keys = [one.key(origin) for one in variants for origin in (here, "https://staging.example")]
    assert len(set(keys)) == 6
    assert len({one.bucket for one in variants}) == 3
    # The consent of the user is independent of later changes of the application.
    assert attrs.evolve(variants[0], scopes=["evse:read"]).key(here) == keys[0]


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/back",
        "app.example.com/back",
        f"{BACK}#x",
        "https://a.example/ b",
        "https:",
        ":/x",
        "a\n:b",
    ]
    + [f"{BACK}?{name}=1" for name in ("code", "state", "error", "iss")],
)
def test_invalid_redirect_uri_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="redirect_uri"):
        app(redirect_uri=uri)
