"""Log records of calls, and the redaction of URLs, headers and reprs."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr
from yarl import URL

from ev_energy import Client, errors
from ev_energy._messages import Request, Response
from ev_energy._redaction.show import redact_headers, redact_path, redact_query, redact_url
from ev_energy.models import RebateEvidenceUpload, WebhookPortalLink
from ev_energy.simulator import Simulator
from tests.helpers.pages import Page
from tests.helpers.support import SECRET, SIGNATURE, TOKEN


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    return [
        (record.name, record.levelname, re.sub(r"\d+\.\d{3} s", "T s", record.getMessage()))
        for record in caplog.records
        if record.name.partition(".")[0] == "ev_energy"
    ]


async def test_attempt_is_logged_in_one_line_without_personal_data(serve, caplog) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(
            [],
            headers={
                "X-Request-Id": "4f0c",
                "X-RateLimit-Remaining": "912",
                "Set-Cookie": f"session={TOKEN}; not a cookie",
                "X-Customer": "Eve",
            },
        )

    caplog.set_level(logging.DEBUG)  # of all loggers
    server = await serve(answer)
    async with server.client() as client:
        await client.users.list(email="eve@example.com").collect()
    on_the_page = Page.read("observability.md").outputs[0]
    line = re.sub(r"0\.182 s$", "T s", " ".join(on_the_page.split()))
    assert said(caplog) == [("ev_energy", "DEBUG", line)]
    assert {record.name for record in caplog.records} <= {"ev_energy", "aiohttp.access", "asyncio"}


async def test_ordinary_calls_log_nothing_at_info_or_above(
    simulator: Simulator, client: Client, caplog
) -> None:
    caplog.set_level(logging.DEBUG, logger="ev_energy")
    evse = await client.evses.list().first()
    assert evse is not None
    await client.evses.get(evse)
    with pytest.raises(errors.NotFoundError):
        await client.evses.get("evse00")
    assert len(said(caplog)) == 4
    assert {level for _, level, _ in said(caplog)} == {"DEBUG"}


async def test_broken_connection_and_its_retry_are_logged(serve, time, caplog) -> None:
    async def answer(request: web.Request) -> web.Response:
        if len(server.requests) == 1:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"id": "evse01", "url": "u", "cpid": "c"})

    caplog.set_level(logging.DEBUG, logger="ev_energy")
    server = await serve(answer)
    async with server.client(clock=time, sleep=time.sleep) as client:
        await client.evses.get("evse01")
    lines = [line for _, _, line in said(caplog)]
    assert lines[0].startswith("GET /v2/evses/evse01: attempt 1: ServerDisconnectedError")
    assert re.fullmatch(r"GET /v2/evses/evse01: trying again in \d\.\d\d s", lines[1])
    assert lines[2].startswith("GET /v2/evses/evse01: attempt 2: 200 (")


NAMES = st.sampled_from(
    [
        "email",
        "postal_code",
        "coordinates",
        "name",
        "code",
        "state",
        "token",
        "X-Amz-Signature",
        "user_id",
        "page_after",
        "cpid",
        "nonesuch",
    ]
)


@given(NAMES, st.text(min_size=4))
def test_only_allow_listed_query_values_are_shown(name: str, value: str) -> None:
    value = f"§{value}"
    url = URL("https://api.ev.energy/v2/users").with_query([(name, value), ("page_size", "5")])
    assert redact_query(url) == f"{name if '-' not in name else '***'}=***&page_size=5"


@given(st.sampled_from(["page_size", "expand", "start__gte", "ordering", "status"]))
def test_secret_under_an_allow_listed_name_is_masked(name: str) -> None:
    """A server may put secrets anywhere into a link."""
    for secret in (TOKEN, SECRET, SIGNATURE, "eve@example.com", "51.5,-0.1"):
        url = URL("https://api.ev.energy/v2/users").with_query([(name, secret), (secret, "1")])
        assert secret not in redact_query(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "https://api.ev.energy/v2/status_logs?sampled_at__gte=2026-01-01T00:00:00%2B00:00",
            "https://api.ev.energy/v2/status_logs?sampled_at__gte=2026-01-01T00:00:00+00:00",
        ),
        (
            "https://api.ev.energy/v2/users?expand=user,model.make&is_finished=true&page=2",
            "https://api.ev.energy/v2/users?expand=user,model.make&is_finished=true&page=2",
        ),
        ("https://api.ev.energy/v2/users/eve%40x.example", "https://api.ev.energy/v2/users/***"),
        ("https://eve:pw@api.ev.energy:8443/v2#x", "https://api.ev.energy:8443/v2"),
    ],
)
def test_query_values_that_select_a_part_are_shown(url: str, shown: str) -> None:
    assert redact_url(URL(url, encoded=True), inside=True) == shown


def test_presigned_url_is_reduced_to_its_origin() -> None:
    url = URL(f"https://bucket.example/{SIGNATURE}?X-Amz-Signature={SIGNATURE}&page_size=5")
    request = Request("PUT", url)
    assert redact_url(url, inside=False) == "https://bucket.example/***"
    assert (request.label, request.operation) == ("PUT https://bucket.example/***", "PUT")
    assert repr(request) == "<Request PUT https://bucket.example/***>"


def test_reprs_of_requests_and_replies_show_no_content() -> None:
    url = URL("https://api.ev.energy/v2/users?email=eve@example.com&expand=programs")
    request = Request("POST", url, {"X-Key": SECRET}, b"eve", template="/users")
    shown = "https://api.ev.energy/v2/users?email=***&expand=programs"
    assert repr(request) == f"<Request POST {shown} with 3 bytes>"
    reply = Response(200, TOKEN, {"x-echo": TOKEN, "content-type": "text/html"}, TOKEN.encode())
    assert repr(reply) == f"<Response 200, text/html, {len(TOKEN)} bytes>"


async def test_repr_of_a_page_shows_no_filter_values(serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        link = f'<{request.url}&page_after=eve@example.com>; rel="next"'
        return web.json_response([], headers={"Link": link})

    server = await serve(answer)
    async with server.client() as client:
        page = await client.users.list(email="eve@example.com").page()
    assert str(page.url.query["email"]) == "eve@example.com"
    assert "eve" not in repr(page)
    assert f"url={server.url}/users?email=***&page_size=100, " in repr(page)


def test_repr_of_a_model_masks_urls_that_are_credentials() -> None:
    upload = RebateEvidenceUpload(id="rbtf01", presigned_url=f"https://x.example/{SIGNATURE}")
    assert repr(upload) == "RebateEvidenceUpload(id='rbtf01', url=None, presigned_url=***)"
    assert upload.to_dict()["presigned_url"].endswith(SIGNATURE)
    assert repr(WebhookPortalLink(url="https://x.example")) == "WebhookPortalLink(url=***)"
    assert repr(WebhookPortalLink()) == "WebhookPortalLink(url=None)"


SIGNED = [
    f"https://b.example/f?X-Amz-Algorithm=a&X-Amz-Signature={SIGNATURE}",
    f"https://b.example/f?GoogleAccessId=a&Expires=5&Signature={SIGNATURE}",
    f"https://b.example/f?sv=2026&sig={SIGNATURE}",
    f"https://b.example/f?x-goog-signature={SIGNATURE}",
    f"https://b.example/f#access_token={SIGNATURE}",
    f"https://b.example/login#key={SIGNATURE}",
    f"https://b.example/f?api_key={SIGNATURE}",
    f"ftp://eve:{SIGNATURE}@b.example/f",
]


@pytest.mark.parametrize("url", SIGNED)
def test_unknown_fields_with_a_signed_url_are_masked(url: str) -> None:
    extra = {"upload-url": url, "page": 5, "files": [{"url": url}, "x"]}
    upload = RebateEvidenceUpload(id="rbtf01", extra=extra)
    assert repr(upload).endswith(
        ", extra={'upload-url': ***, 'page': 5, 'files': [{'url': ***}, 'x']})"
    )
    for shown in (pretty_repr(upload), upload._repr_html_()):
        assert SIGNATURE not in shown
    flat = RebateEvidenceUpload(id="rbtf01", extra={"upload-url": url})
    assert pretty_repr(flat) == "RebateEvidenceUpload(id='rbtf01', extra={'upload-url': ***})"
    assert "{&#x27;upload-url&#x27;: ***}" in flat._repr_html_()
    assert upload.extra == extra == {name: upload.to_dict()[name] for name in extra}


@pytest.mark.parametrize(
    "value",
    [
        "https://api.ev.energy/v2/evses?page_size=5&sampled_at__gte=2026-01-01T00:00:00Z",
        "https://b.example:8443/design?keyboard=1&page_key=5#eve@x.example",
        "signature=5, which is no URL",
        5,
        None,
    ],
)
def test_other_unknown_fields_are_shown(value: object) -> None:
    upload = RebateEvidenceUpload(id="rbtf01", extra={"a": [value]})
    assert repr(upload).endswith(f", extra={{'a': [{value!r}]}})")


def test_only_allow_listed_well_formed_headers_are_shown() -> None:
    headers: dict[str, Any] = {
        "content-type": "a/b",
        "content-length": "12 and more",
        "x-request-id": "id\r\nforged: line",
        "set-cookie": "c=1",
        "x-ratelimit-remaining": "7",
    }
    assert redact_headers(headers) == {"content-type": "a/b", "x-ratelimit-remaining": "7"}


def test_path_segment_that_may_be_an_email_address_is_masked() -> None:
    assert redact_path(URL("https://x/v2/timezones/Europe%2FLondon", encoded=True)) == (
        "/v2/timezones/Europe%2FLondon"
    )
