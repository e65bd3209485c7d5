"""The tables that notebooks show."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from ev_energy import Page, Request, Response, errors
from ev_energy.models import (
    EVSE,
    ChargingSubSession,
    ChargingSubSessionAssessmentMetrics,
    ChargingSubSessionCreatedWebhook,
    EnergyUsage,
    RebateEvidenceUpload,
    Region,
    UsageInterval,
    WebhookPortalLink,
)
from ev_energy.models._base import Model
from tests.helpers.strategies import MODELS, fuzzed, replies

ROOT = "https://api.ev.energy/v2"
SCRIPT = '<script>alert("x")</script>'
RIGHT_TO_LEFT = "\N{RIGHT-TO-LEFT OVERRIDE}"
EMPTY = Response(200, "OK", {}, b"[]")
DATA: dict[str, Any] = {
    "id": "evse01",
    "url": f"{ROOT}/evses/evse01",
    "cpid": "SHIR1",
    "model": {"id": "emod01", "url": f"{ROOT}/evse_models/emod01", "name": "EVWC", "make": "a/b"},
    "user": f"{ROOT}/users/user01",
    "location": {"latitude": 51.5, "longitude": -0.1},
}
TAGS = {"table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary", "p"}


class Reader(HTMLParser):
    """Reads the tags and the texts of HTML, and checks that it is well-formed and plain."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.depth = 0
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        assert attrs in ([], [("style", "text-align: left")])
        self._open.append(tag)
        self.depth = max(self.depth, self._open.count("table"))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page_of(*items: Any, **more: Any) -> Page[Any]:
    return Page(items=items, url=URL(f"{ROOT}/evses"), response=EMPTY, **more)


def test_model_is_a_table_of_its_fields() -> None:
    found = Reader(EVSE.from_dict(DATA)._repr_html_())
    assert found.texts == [
        *("EVSE", "id", "evse01", "url", f"{ROOT}/evses/evse01", "cpid", "SHIR1"),
        *("model", "emod01", "EVSEModel", "id", "emod01", "url", f"{ROOT}/evse_models/emod01"),
        *("name", "EVWC", "make", "b", "user", "user01"),
        *("location", "LatLong(latitude=51.5, longitude=-0.1)"),
        *("LatLong", "latitude", "51.5", "longitude", "-0.1"),
    ]


def test_page_is_a_table_of_its_first_items() -> None:
    others = [EVSE(id=f"evse{n:02}", url="u", cpid=f"c{n}") for n in range(99)]
    page = page_of(EVSE.from_dict(DATA), *others, next_url=URL(f"{ROOT}/evses?page=2"))
    found = Reader(page._repr_html_())
    assert found.texts[:11] == [
        "Page of 100 EVSE; more pages follow",
        *("id", "cpid", "model", "user", "location"),
        *("evse01", "SHIR1", "emod01", "user01", "LatLong(latitude=51.5, longitude=-0.1)"),
    ]
    assert found.texts[-3:] == ["evse18", "c18", "… 80 more items"]
    assert Reader(page_of()._repr_html_()).texts == ["Page of 0 items; the last page"]
    assert Reader(page_of(1, "<b>")._repr_html_()).texts[-2:] == ["1", "<b>"]


def test_wide_items_lose_columns_and_say_so() -> None:
    names = [*ChargingSubSessionAssessmentMetrics.__annotations__]
    metrics = ChargingSubSessionAssessmentMetrics.from_dict(dict.fromkeys(names, 1))
    found = Reader(page_of(metrics, metrics)._repr_html_())
    assert found.texts[1:13] == names[:12]
    assert found.texts[-1] == f"… {len(names) - 12} more columns"


def test_list_inside_a_model_is_a_table() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    usage = EnergyUsage(
        intervals=tuple(UsageInterval(started_at=start, interval_seconds=n) for n in range(48))
    )
    found = Reader(usage._repr_html_())
    assert found.texts[:5] == [
        *("EnergyUsage", "intervals", "48 UsageInterval", "interval_seconds", "started_at"),
    ]
    assert found.texts[-3:] == ["19", "2026-01-01 00:00:00+00:00", "… 28 more items"]
    region = Region(id="r", region_groups=("a", "b"))
    assert Reader(region._repr_html_()).texts[-2:] == ["region_groups", "a, b"]
    region = Region(id="r", region_groups=("a",) * 99)
    assert Reader(region._repr_html_()).texts[-2:] == ["region_groups", "99 str"]


def test_error_is_a_table_of_what_is_known_about_the_call() -> None:
    request = Request("GET", URL(f"{ROOT}/users?email=eve@x.example"), template="/users")
    response = Response(404, "Not Found", {"x-request-id": "r-1"}, b"")
    error = errors.NotFoundError(request, response, detail="no <b>user</b>", type="not-found")
    assert Reader(error._repr_html_()).texts == [
        *("NotFoundError", "message", str(error), "status", "404", "type", "not-found"),
        *("detail", "no <b>user</b>", "request", "GET /v2/users"),
        *("outcome", "refused", "request_id", "r-1"),
    ]
    assert Reader(errors.CursorError("no")._repr_html_()).texts == [
        *("CursorError", "message", "no", "outcome", "not_sent"),
    ]


def test_texts_of_a_server_cannot_contain_markup_or_turn_the_text_around() -> None:
    evse = EVSE.from_dict({**DATA, "cpid": SCRIPT, "lock_mode": SCRIPT, SCRIPT: {SCRIPT: SCRIPT}})
    link = EVSE.from_dict({**DATA, "id": SCRIPT, "user": f"{ROOT}/{SCRIPT}", "cpid": RIGHT_TO_LEFT})
    request = Request("GET", URL(ROOT), template="/x")
    error = errors.ApiError(
        request,
        Response(400, SCRIPT, {}, b""),
        detail=f"{SCRIPT}{RIGHT_TO_LEFT}",
        field_errors={SCRIPT: SCRIPT},
    )
    for shown in (evse, link, page_of(evse, link), page_of(SCRIPT), error):
        html = shown._repr_html_()
        Reader(html)
        assert RIGHT_TO_LEFT not in html
    assert SCRIPT in Reader(evse._repr_html_()).texts


def test_model_inside_a_model_is_cut_at_the_third_level() -> None:
    place = {"location": {"coordinates": {"latitude": 51.5, "longitude": -0.1}}}
    event = ChargingSubSessionCreatedWebhook.from_dict({"data": place})
    shown = (
        "ChargingSubSession(location=ChargingSubSessionLocation(coordinates=LatLong with 2 fields))"
    )
    assert Reader(event._repr_html_()).texts[2] == shown


def test_long_texts_are_cut() -> None:
    request = Request("GET", URL(ROOT), template="/x")
    error = errors.ApiError(request, Response(400, "Bad", {}, b""), detail="x" * 9999)
    assert f"{'x' * 2000}…" in Reader(error._repr_html_()).texts


def test_secrets_are_masked() -> None:
    upload = RebateEvidenceUpload(id="rbtf01", presigned_url=f"{ROOT}/s3cret")
    portal = WebhookPortalLink(url=f"{ROOT}/s3cret")
    for shown in (upload, portal, page_of(upload, portal)):
        assert "s3cret" not in shown._repr_html_()
        assert "***" in shown._repr_html_()


def test_size_is_bounded() -> None:
    nested: dict[str, Any] = {"id": "x" * 5000, "url": "u", "name": "y" * 5000}
    for _ in range(50):
        nested = {**nested, "scheduler_tariff": nested}
    vehicle = {"id": "v" * 5000, "url": "u", "trim": {"id": "t", "url": "u", "name": "n" * 5000}}
    session = ChargingSubSession.from_dict(
        {
            "tariff": nested,
            "vehicle": vehicle,
            "grid_feeds": [{"id": "g" * 5000, "url": "u", "name": "n"}] * 5000,
            **{f"unknown_{n}": "z" * 5000 for n in range(900)},
        }
    )
    found = Reader(session._repr_html_())
    assert found.depth == 3
    assert len("".join(found.texts)) < 12_000
    assert len(page_of(*[session] * 100)._repr_html_()) < 100_000


@fuzzed
@pytest.mark.fuzz
@given(st.data(), st.sampled_from(MODELS))
def test_any_model_is_a_well_formed_table(data: st.DataObject, model: type[Model]) -> None:
    one = model.from_dict(data.draw(replies(model)))
    Reader(one._repr_html_())
    Reader(page_of(one, one)._repr_html_())
