"""Arbitrary input of a server is read without loss, or is an error of the package."""

from __future__ import annotations

import base64
import json
import math
import pickle
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from ev_energy import errors, webhooks
from ev_energy._api.cursors import Listing
from ev_energy._api.link_header import parse_link_header
from ev_energy._codec import lenient
from ev_energy._codec.decode import decode
from ev_energy._codec.drift import DriftDetected, Reporter
from ev_energy._codec.problems import api_error
from ev_energy._codec.raw_json import DecodeFailure, unwrap
from ev_energy._messages import RateLimit, Request, Response
from ev_energy.auth._oauth import Token, parse_token_response
from ev_energy.models._base import Model
from ev_energy.models._json import json_object
from tests.helpers.spec.compare import same, tree
from tests.helpers.strategies import (
    ANY,
    MODELS,
    TEXTS,
    as_json,
    assert_printable,
    corrupted,
    fuzzed,
    raises_only,
    replies,
)

pytestmark = pytest.mark.fuzz

BASE = URL("https://api.ev.energy/v2/evses?page_size=100")
models = st.sampled_from(MODELS)


@fuzzed
@given(st.data(), models)
def test_both_passes_read_a_reply_alike_and_lose_nothing(
    data: st.DataObject, model: type[Model]
) -> None:
    sent = data.draw(replies(model))
    text = json.dumps(sent).encode()
    for links_too in (True, False):
        read = decode(text, model, Reporter(), expanded=links_too)
        assert tree(read) == tree(lenient.convert(json.loads(text), model)[0])
        assert same(sent, read.to_dict()), (sent, read.to_dict())
        assert same(read.to_dict(), model.from_dict(read.to_dict()).to_dict())
    [again] = decode(b"[" + text + b"]", model, Reporter(), as_list=True)
    assert tree(again) == tree(read)
    with suppress(DriftDetected):
        assert tree(decode(text, model, Reporter(strict=True))) == tree(read)


@fuzzed
@given(st.data(), models, st.booleans())
def test_corrupted_reply_is_read_or_is_a_decode_failure(
    data: st.DataObject, model: type[Model], many: bool
) -> None:
    whole = replies(model)
    text = data.draw(corrupted(as_json(st.lists(whole, max_size=2) if many else whole)))
    with suppress(DecodeFailure):
        read: Any = decode(text, model, Reporter(), as_list=many)  # type: ignore[call-overload]
        for one in read if many else [read]:
            one.to_dict()
            assert "\n" in repr(one) or repr(one)
            assert tree(pickle.loads(pickle.dumps(one))) == tree(one)


@fuzzed
@given(corrupted(as_json(ANY)) | st.binary(max_size=50))
def test_arbitrary_bytes_are_an_object_or_none(text: bytes) -> None:
    found = json_object(text)
    assert found is None or isinstance(found, dict)
    with suppress(DecodeFailure):
        inner, envelope = unwrap(text, "items")
        assert inner is not None or (found is not None and found.get("items") is None)
        assert isinstance(envelope, dict)


LINKS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "<",
                ">",
                ";",
                ",",
                "=",
                '"',
                "\\",
                " ",
                "rel",
                "next",
                'rel="next"',
                "<https://a/x?y=1,2;3>",
            ]
        ),
        st.sampled_from(
            ["<about:blank>", "</v2/evses?page=2>", "\udcff", "title*=UTF-8''%e2", "<//["]
        ),
        st.text(max_size=4),
    ),
    max_size=12,
).map("".join)


@fuzzed
@given(LINKS)
def test_arbitrary_link_header_is_parsed_or_is_a_value_error(header: str) -> None:
    with suppress(ValueError):
        for relation, url in parse_link_header(header, BASE).items():
            assert relation == relation.lower()
            assert url.absolute
            assert str(url).isascii()
            assert url.origin().scheme


PATHS = st.from_regex(r"/v2/[a-z_]{1,8}(\?[a-z_]{1,5}=[A-Za-z0-9:%2B.,;-]{0,12})?", fullmatch=True)
RELATIONS = st.sampled_from(["next", "previous", "last", "first"])


@fuzzed
@given(st.lists(st.tuples(PATHS, RELATIONS), max_size=4, unique_by=lambda pair: pair[1]))
def test_links_are_parsed_as_aiohttp_parses_them(pairs: list[tuple[str, str]]) -> None:
    header = ", ".join(f'<https://api.ev.energy{path}>; rel="{rel}"' for path, rel in pairs)
    reply = SimpleNamespace(headers=CIMultiDict({"Link": header}), url=BASE)
    theirs = aiohttp.ClientResponse.links.wrapped(reply)  # type: ignore[attr-defined]  # uncached
    assert {rel: URL(str(url)) for rel, url in parse_link_header(header, BASE).items()} == {
        rel: URL(str(link["url"])) for rel, link in theirs.items()
    }


def encoded(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


LISTING = Listing(BASE)
CURSOR = LISTING.cursor(BASE.update_query(page_after="evse01"))
FINGERPRINT = json.loads(base64.urlsafe_b64decode(f"{CURSOR}=="))[1]
CURSORS = st.one_of(
    st.text(max_size=40),
    corrupted(st.just(CURSOR.encode())).map(lambda text: text.decode("latin-1")),
    ANY.map(encoded),
    st.tuples(st.just(FINGERPRINT), ANY).map(encoded),
    st.tuples(st.just(2), st.just(FINGERPRINT), ANY).map(encoded),
    st.tuples(
        st.just(2),
        st.just(FINGERPRINT),
        st.dictionaries(st.sampled_from(["page", "page_after", "page_size", "email"]), ANY),
    ).map(encoded),
)


@fuzzed
@given(CURSORS)
def test_arbitrary_cursor_belongs_to_its_listing_or_is_an_error(cursor: str) -> None:
    with raises_only(errors.CursorError):
        url = LISTING.resume(cursor)
        assert (url.origin(), url.raw_path) == (BASE.origin(), BASE.raw_path)
        assert url.query.keys() <= {"page", "page_after", "page_before", "page_size"}


REQUEST = Request("GET", BASE, template="/evses")
NAMES = [
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "field_errors",
    "notification",
    "extra",
    "error",
]
PROBLEM = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, ANY))


@fuzzed
@given(st.integers(400, 999), corrupted(as_json(PROBLEM | ANY)), st.text(max_size=5))
def test_arbitrary_problem_is_a_printable_error(status: int, body: bytes, reason: str) -> None:
    error = api_error(REQUEST, Response(status, reason, CIMultiDict(), body))
    assert_printable(error)
    assert (error.status, error.body) == (status, body)
    assert isinstance(error.title, str)
    assert isinstance(error.detail, str)
    assert isinstance(error.field_errors, dict)
    assert error.instance is None or isinstance(error.instance, str)
    assert error.type is None or isinstance(error.type, str)
    assert error.notification is None or error.notification.to_dict() is not None


DATES = corrupted(
    st.sampled_from(
        [
            b"Sun, 06 Nov 1994 08:49:37 GMT",
            b"Sunday, 06-Nov-94 08:49:37 GMT",
            b"Sun Nov  6 08:49:37 1994",
        ]
    )
).map(lambda text: text.decode("utf-8", "surrogateescape"))
HEADER_TEXTS = st.one_of(st.text(max_size=20), DATES, st.floats().map(str) | st.integers().map(str))


@fuzzed
@given(HEADER_TEXTS, HEADER_TEXTS)
def test_arbitrary_retry_after_is_none_or_a_number_of_seconds(after: str, date: str) -> None:
    for name in ("Retry-After", "RetryAfter"):
        found = Response(429, "", CIMultiDict({name: after, "Date": date}), b"").retry_after
        assert found is None or (math.isfinite(found) and found >= 0)


@fuzzed
@given(HEADER_TEXTS, HEADER_TEXTS)
def test_arbitrary_rate_limit_is_none_or_two_numbers(limit: str, remaining: str) -> None:
    headers = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining}
    found = RateLimit.of(CIMultiDict(headers))
    assert found is None or (0 <= found.limit < 10**12 and 0 <= found.remaining < 10**12)


TYPES = st.sampled_from(
    ["charging_sub_session.created", "charging_sub_session.ended", "x", "", None, 1]
)
DELIVERIES = st.one_of(
    ANY,
    st.fixed_dictionaries({"type": TYPES}, optional={"data": ANY, "timestamp": TEXTS, "id": ANY}),
    *(replies(model) for model in (webhooks.UnknownEvent, webhooks.ChargingSubSessionEnded)),
    replies(webhooks.ChargingSubSessionEnded).map(
        lambda event: {**event, "type": "charging_sub_session.ended"}
    ),
)


@fuzzed
@given(
    corrupted(as_json(DELIVERIES)) | st.binary(max_size=40) | st.text(max_size=40), st.booleans()
)
def test_arbitrary_delivery_is_an_event_or_a_webhook_error(body: bytes | str, strict: bool) -> None:
    with raises_only(errors.UnreadableEventError):
        webhooks.read(body, strict=strict).to_dict()


TOKENS = st.fixed_dictionaries(
    {},
    optional={
        "access_token": st.text(max_size=8) | st.just("a-token") | ANY,
        "expires_in": st.integers() | st.floats() | st.just(36000) | ANY,
        "refresh_token": st.text(max_size=8) | ANY,
        "token_type": st.just("Bearer") | ANY,
        "scope": ANY,
        "error": st.sampled_from(["invalid_grant", "invalid_client", ""]) | ANY,
        "error_description": ANY,
    },
)


@fuzzed
@given(st.sampled_from([200, 400, 401, 403, 0, 999]), corrupted(as_json(TOKENS | ANY)))
def test_arbitrary_token_reply_is_a_token_or_a_token_error(status: int, body: bytes) -> None:
    with raises_only(errors.TokenError):
        token = parse_token_response(status, body, 1e9)
        assert status == 200
        assert not math.isnan(token.renew_at)
        f"Bearer {token.access_token}".encode("ascii")
        assert Token.from_dict(json.loads(json.dumps(token.to_dict()))) == token
