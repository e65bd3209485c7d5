"""Errors and log records print the text of a server in one short line."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from ev_energy import Client, errors
from ev_energy._codec.drift import Drift, DriftKind
from ev_energy._codec.problems import api_error
from ev_energy._messages import ConnectionFault, Request, Response
from ev_energy.auth._oauth import parse_token_response
from ev_energy.models._json import MAX_DOCUMENT_BYTES
from tests.helpers.support import TOKEN

# Otherwise, this warning would replace the report of a failing example.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

TEXT = st.text(st.characters(exclude_categories=()), max_size=3000) | st.sampled_from(
    ["\x1b]0;owned\x07", "a\r\nb" * 900, "\u202e" * 3000, "\ud800", "x" * 10**5]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(TEXT, inner, max_size=12),
    max_leaves=20,
)
SLOW = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
PLACE = Request("GET", URL("https://api.example/v2/evses"), template="/evses")


def assert_printable(error: BaseException) -> None:
    for text in (str(error), repr(error)):
        assert text.isprintable()
        text.encode()
    # The only limit on the length of a printed reply.
    assert len(str(error)) <= 2001


@pytest.mark.fuzz
@SLOW
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "title": JSON,
            "detail": JSON,
            "type": JSON,
            "instance": JSON,
            "field_errors": st.dictionaries(TEXT, JSON, max_size=20) | JSON,
            "other": JSON,
        },
    ),
    TEXT,
    st.sampled_from([400, 401, 403, 404, 406, 409, 418, 422, 429, 500]),
)
def test_problem_is_shown_in_one_short_line(problem: Any, reason: str, status: int) -> None:
    body = json.dumps(problem).encode()
    error = api_error(PLACE, Response(status, reason, CIMultiDict(), body))
    assert_printable(error)
    detail = problem.get("detail")
    # Lone surrogates are replaced, and documents of more than 1 MiB are not read.
    if (
        isinstance(detail, str)
        and detail
        and b"\\ud" not in body
        and len(body) <= MAX_DOCUMENT_BYTES
    ):
        assert error.detail == detail  # complete: only the message is short


@SLOW
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=3000))
@example("\ud800")
@example("a\udc00b")
@example("\ud800\udc00\ud800")
def test_detail_of_a_problem_is_complete_except_for_lone_surrogates(detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    error = api_error(PLACE, Response(400, "", CIMultiDict(), body))
    in_utf_16 = detail.encode("utf-16-le", "surrogatepass")
    assert error.detail == in_utf_16.decode("utf-16-le", "replace")
    assert_printable(error)


def test_message_of_ten_thousand_field_errors_is_short() -> None:
    wrong = {f"field{number}": ["x" * 20] for number in range(10_000)}
    body = json.dumps({"field_errors": wrong}).encode()
    error = api_error(PLACE, Response(400, "No", CIMultiDict(), body))
    assert_printable(error)
    assert "and 9990 more" in str(error)
    assert error.field_errors == wrong


@SLOW
@given(TEXT, st.binary(max_size=400), TEXT)
def test_error_with_text_of_the_server_is_shown_in_one_short_line(
    text: str, body: bytes, other: str
) -> None:
    response = Response(200, other, CIMultiDict(), body)
    request = Request("GET", URL("https://api.example/v2/evses"), template="/evses")
    made = [
        api_error(request, Response(502, text, CIMultiDict(), body)),
        errors.AuthorizationError(text, other),
        errors.CursorError(text),
        errors.DecodeError(text, request, response, other),
        errors.ForeignOriginError(text, "https://api.example"),
        errors.NotExpandedError(text, "EVSE"),
        errors.PagingError(text, request),
        errors.TokenError.of(400, {"error": text, "error_description": other}),
        errors.TokenStoreError(text),
        errors.TransportError(text, request),
        errors.UnreadableEventError(text, body, other),
        ConnectionFault(text, sent=True),
    ]
    for error in made:
        assert_printable(error)
    drift = Drift("EVSE", text, DriftKind.UNKNOWN_MEMBER, f"$.{other}", None)
    for shown in (str(drift), repr(drift)):
        assert shown.isprintable()
        assert len(shown) < 1000


@SLOW
@given(st.dictionaries(TEXT, JSON, max_size=4), TEXT, st.sampled_from([200, 400, 401]))
def test_refused_token_is_shown_in_one_short_line(
    reply: dict[str, Any], text: str, status: int
) -> None:
    body = json.dumps({"error": text, "error_description": text, "token_type": text, **reply})
    with pytest.raises(errors.TokenError) as caught:
        parse_token_response(status, body.encode(), 0)
    assert_printable(caught.value)


HOSTILE = "hostile \x1b[31m\u202e\u2028 " + "x" * 3000


async def test_replies_of_every_kind_are_logged_in_short_visible_lines(serve, caplog) -> None:
    caplog.set_level(logging.DEBUG, "ev_energy")
    kinds: list[tuple[int, Any, dict[str, str]]] = [
        (200, {"id": "e", "url": "u", "cpid": "c", HOSTILE: 1}, {}),
        (200, [HOSTILE], {"Content-Type": f"application/json; charset={'x' * 3000}"}),
        (200, {"id": {HOSTILE: HOSTILE}}, {}),
        (302, {}, {"Location": "/v2/evses/" + "x%1b" * 900}),
        (302, {}, {"Location": "https://elsewhere.example/" + "é" * 2000}),
        (403, {"title": HOSTILE, "detail": HOSTILE, "field_errors": {HOSTILE: [HOSTILE]}}, {}),
        (503, {"detail": HOSTILE}, {"Retry-After": "x" * 3000, "X-Request-Id": "y" * 3000}),
    ]

    async def answer(_: web.Request) -> web.Response:
        status, value, headers = kinds[0]
        return web.Response(status=status, body=json.dumps(value).encode(), headers=headers)

    server = await serve(answer)
    while kinds:
        for strict in (False, True):
            async with Client(TOKEN, base_url=server.url, retries=0, strict=strict) as client:
                try:
                    await client.evses.get("evse1")
                except errors.EvEnergyError as error:
                    assert_printable(error)
        del kinds[0]
    for record in caplog.records:
        if record.name.startswith("ev_energy"):
            assert record.getMessage().isprintable()
            assert len(record.getMessage()) < 1500
