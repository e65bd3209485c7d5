"""Errors do not show secrets that a server repeats in its replies."""

from __future__ import annotations

import base64
import html
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy import AuthorizationCode, Client, ClientCredentials, errors
from ev_energy._redaction.scrub import encodings, scrub
from ev_energy.auth import MemoryStore, Token
from tests.helpers.support import SECRET

BACK = "https://app.example.com/back"
ODD = '/+"odd" é&='
CODE, REFRESH, APP_SECRET = f"a-code{ODD}", f"a-refresh-token{ODD}", f"{SECRET}{ODD}"

SHOWN = st.characters(exclude_categories=["C", "Z"])
WORD = st.text(SHOWN, max_size=6)

SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "small percent": lambda text: re.sub(
        "%..", lambda found: found[0].lower(), quote(text, safe="")
    ),
    "html": html.escape,
    "json": lambda text: json.dumps(text, ensure_ascii=False),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "url-safe base64": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 of more": lambda text: base64.b64encode(f"and {text} more".encode()).decode(),
    "quoted base64": lambda text: quote(base64.b64encode(f"x{text}".encode()).decode(), safe=""),
}


def decoded(shown: str) -> list[str]:
    """Return *text* in all decoded forms."""
    found = [shown]
    for begin in range(4):
        for word in shown.replace('"', " ").replace("'", " ").replace("%2B", "+").split():
            part = word[begin:].replace("-", "+").replace("_", "/")
            part = part[: len(part) // 4 * 4]
            try:
                found.append(base64.b64decode(part, validate=True).decode(errors="replace"))
            except ValueError:
                continue
    return found


@settings(max_examples=40)
@given(st.text(SHOWN, min_size=12, max_size=60), WORD, WORD)
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_secret_is_found_in_any_encoding(
    spell: Callable[[str], str], secret: str, before: str, after: str
) -> None:
    said = scrub(spell(secret), encodings(secret))
    assert "***" in said
    assert not any(secret in text for text in decoded(said))
    # Also inside a longer encoded text.
    raw = f"{before}{secret}{after}".encode()
    whole = base64.b64encode(raw).decode()
    assert "***" in scrub(whole, encodings(secret))


def test_other_text_is_not_masked() -> None:
    text = "invalid_client: the client is unknown"
    assert scrub(text, [*encodings(APP_SECRET), ""]) == text


@pytest.mark.matrix("spell")
@pytest.mark.parametrize(
    ("method", "status"), [("basic", 400), ("form", 401), ("basic", 500), ("form", 429)]
)
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
async def test_secrets_that_a_server_repeats_show_in_no_error_log_or_pickle(
    serve, time, caplog, spell: Callable[[str], str], method: str, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [CODE, REFRESH, APP_SECRET]

    async def parrot(request: web.Request) -> web.Response:
        sent = await request.text()
        secret_fields = [text for _, text in parse_qsl(sent) if text in {*secrets, begun.verifier}]
        repeated = " ".join([spell(text) for text in (*secret_fields, APP_SECRET)])
        # The raw secret as well: Basic uses base64, and forms are percent-encoded.
        repeated += f" {request.headers.get('Authorization')} {sent}"
        body = {"error": "invalid_request", "error_description": repeated}
        shown = request.headers.get("Authorization") or sent
        return web.json_response(body, status=status, headers={"X-Heard": shown})

    server = await serve(parrot)
    store = MemoryStore()
    app = AuthorizationCode(
        client_id="an-app",
        client_secret=APP_SECRET,
        redirect_uri=BACK,
        method=method,
        store=store,
        account="me",
    )
    begun = app.start_authorization(server.url)
    callback = f"/back?code={quote(CODE)}&state={begun.state}"
    caught: list[Exception] = []
    async with Client(
        app, base_url=server.url, clock=time, sleep=time.sleep, wall_clock=time
    ) as client:

        async def failing(what: object) -> None:
            with pytest.raises((errors.TokenError, errors.ApiError)) as found:
                await what
            caught.append(found.value)

        await failing(client.sign_in(begun, callback))
        token = Token(access_token="access-that-is-over", refresh_token=REFRESH, expires_at=1.0)
        await store.save(app.key(str(client.base_url.origin())), token)
        await failing(client.evses.get("evse01"))
        await failing(client.sign_out())
    shown = [text for error in caught for text in shown_by(error)]
    shown += [record.getMessage() for record in caplog.records]
    assert any("***" in text for text in shown)
    for text in shown:
        for look in decoded(text):
            for secret in (*secrets, begun.verifier, begun.state):
                assert secret not in look
                assert quote(secret, safe="") not in look
                assert json.dumps(secret)[1:-1] not in look


@pytest.mark.parametrize(
    "escaped", [{"/": r"\/"}, {"&": r"\u0026", "+": r"\u002B"}, {"a": r"\u0061"}]
)
async def test_json_with_unusual_escapes_shows_no_secret(serve, escaped: dict[str, str]) -> None:
    async def parrot(request: web.Request) -> web.Response:
        repeated = json.dumps(dict(parse_qsl(await request.text()))["client_secret"])
        for letter, spelt in escaped.items():
            repeated = repeated.replace(letter, spelt)
        text = f'{{"error": "invalid_client", "error_description": {repeated}}}'
        return web.Response(status=401, text=text)

    server = await serve(parrot)
    app = ClientCredentials(client_id="an-app", client_secret=APP_SECRET, method="form")
    async with Client(app, base_url=server.url) as client:
        with pytest.raises(errors.InvalidClientError, match=r"\*\*\*") as caught:
            await client.evses.get("evse01")
    assert not any(APP_SECRET in text for text in shown_by(caught.value))


def shown_by(error: Exception) -> list[str]:
    """Return everything that a log, a terminal or an error tracker prints of an error."""
    response = getattr(error, "response", None)
    return [
        "".join(traceback.format_exception(error)),
        repr(error),
        str(vars(error)),
        pickle.dumps(error).decode("latin-1"),
        str(response and (dict(response.headers), response.body.decode())),
    ]
