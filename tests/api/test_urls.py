"""URLs of requests: paths, ids, timestamps and queries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Literal
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from ev_energy import UNSET, Ref
from ev_energy._api.urls import (
    build_url,
    comma_separated,
    expand_values,
    fill_path,
    query_pairs,
    valid_page_size,
)
from ev_energy._codec.text import as_id, id_text
from ev_energy.models import EVSE, EVSECommandLog, EVSELockMode, EVSEMake

ROOT = URL("https://api.ev.energy/v2")
ROOT_TEXT = str(ROOT)
EVSE_URL = "https://api.ev.energy/v2/evses/evse01HSH04KDEWF6Z4DB2J77J74K5"
IDS = st.text(min_size=1).filter(
    lambda t: t not in {".", ".."} and not set(t) & {"/", "\\"} and t.isprintable()
)


@given(IDS)
def test_id_stays_one_segment_and_arrives_unchanged(text: str) -> None:
    if "://" in text:
        return
    path = fill_path("/evses/{evse_id}/status_logs", [text])
    head, segment, tail = path.strip("/").split("/")
    assert (head, tail) == ("evses", "status_logs")
    assert unquote(segment) == text
    assert build_url(ROOT, path, {}).raw_path == f"/v2{path}"


@pytest.mark.parametrize(
    "bad",
    ["", ".", "..", "../users", "a/b", "a\\b", "a\nb", "a\0b", "https://api.ev.energy/"],
)
def test_invalid_id_is_refused_by_name(bad: str) -> None:
    with pytest.raises(ValueError, match="evse_id=.* is not an id: pass the bare id"):
        fill_path("/evses/{evse_id}", [bad])


@pytest.mark.parametrize("template", ["/evses/{evse_id}", "/evses/{evse_id}/logs/{logged_at}"])
def test_member_of_an_enum_of_ids_is_its_id(template: str) -> None:
    class Charger(str, Enum):  # noqa: UP042  (whose str() is not its value, unlike that of a StrEnum)
        DEPOT = "evse01"
        GATE = "evse 02"

    others = ["2026"] * (template.count("{") - 1)
    assert fill_path(template, [Charger.DEPOT, *others]).split("/")[2] == "evse01"
    assert fill_path(template, [Charger.GATE, *others]).split("/")[2] == "evse%2002"


@pytest.mark.parametrize("bad", [None, 5, b"evse01", ["evse01"], UNSET])
def test_id_of_another_kind_is_refused_by_name(bad: object) -> None:
    with pytest.raises(TypeError, match="evse_id must be an id, a Ref, a model or a URL"):
        id_text("evse_id", bad)


@pytest.mark.parametrize(
    "form",
    [
        "evse01HSH04KDEWF6Z4DB2J77J74K5",
        EVSE_URL,
        EVSE_URL + "/",
        EVSE_URL + "/?expand=user",
        Ref(EVSE_URL, EVSE),
        Ref(EVSE_URL + "/", EVSE),
        EVSE(id="evse01HSH04KDEWF6Z4DB2J77J74K5", url=EVSE_URL, cpid="c"),
        Ref(EVSE(id="evse01HSH04KDEWF6Z4DB2J77J74K5", url=EVSE_URL, cpid="c"), EVSE),
    ],
)
def test_id_is_accepted_in_every_form(form: object) -> None:
    assert id_text("evse_id", form) == "evse01HSH04KDEWF6Z4DB2J77J74K5"


@pytest.mark.parametrize("text", ["2024-01-01T11:11:11.1111Z", "2024-01-01T11:11:11+00:00"])
def test_spelling_of_a_timestamp_of_the_server_is_kept(text: str) -> None:
    url = f"https://api.ev.energy/v2/evses/e/command_logs/{text}/"
    entry = EVSECommandLog.from_dict({"url": url, "logged_at": "2024-01-01T11:11:11.1111Z"})
    for key in (entry, Ref(url, EVSECommandLog), url, text):
        path = fill_path("/evses/{evse_id}/command_logs/{logged_at}", ["e", key])
        assert path == f"/evses/e/command_logs/{text}"


def test_log_entry_without_a_url_is_identified_by_its_timestamp() -> None:
    entry = EVSECommandLog.from_dict({"logged_at": "2024-01-01T11:11:11.1111Z"})
    path = fill_path("/evses/{evse_id}/command_logs/{logged_at}", ["e", entry])
    assert path == "/evses/e/command_logs/2024-01-01T11:11:11.111100Z"
    with pytest.raises(TypeError, match="logged_at must be an id"):
        fill_path("/command_logs/{logged_at}", [EVSECommandLog()])


def test_datetime_in_a_path_has_microseconds_and_z() -> None:
    for when, text in (
        (datetime(2024, 4, 17, 9, 39, 45, 984584, UTC), "2024-04-17T09:39:45.984584Z"),
        (datetime(2024, 4, 17, 9, 39, 45, tzinfo=UTC), "2024-04-17T09:39:45.000000Z"),
        (
            datetime(2024, 4, 17, 11, 39, 45, 5, timezone(timedelta(hours=2))),
            "2024-04-17T09:39:45.000005Z",
        ),
    ):
        assert fill_path("/logs/{logged_at}", [when]) == f"/logs/{text}"


@given(st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.timezones()))
def test_datetime_in_a_query_is_parsed_as_the_same_instant(when: datetime) -> None:
    try:
        when.astimezone(UTC)
    except OverflowError:
        return
    [(_, text)] = query_pairs({"start": when}, ROOT)
    assert datetime.fromisoformat(text) == when.astimezone(UTC)


def test_naive_datetime_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="logged_at__gte is a naive datetime: set its time zone"):
        query_pairs({"logged_at__gte": datetime(2024, 1, 1)}, ROOT_TEXT)


def test_query_contains_exactly_the_given_values() -> None:
    query = {
        "none": None,
        "unset": UNSET,
        "empty": (),
        "yes": True,
        "no": False,
        "number": 5,
        "mode": EVSELockMode.SMART,
        "expand": expand_values(Literal["user", "model.make"], ["user", "model.make"]),
        "make_id": as_id(
            "make_id", "EVSEMake", Ref("https://api.ev.energy/v2/evse_makes/emak01", EVSEMake)
        ),
        "external_id": "https://desk.example/tickets/42",
    }
    assert query_pairs(query, ROOT_TEXT) == [
        ("yes", "true"),
        ("no", "false"),
        ("number", "5"),
        ("mode", "SMART"),
        ("expand", "user"),
        ("expand", "model.make"),
        ("make_id", "emak01"),
        ("external_id", "https://desk.example/tickets/42"),
    ]


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.text(), max_size=5))
def test_text_in_a_query_arrives_unchanged(query: dict[str, str]) -> None:
    sent = build_url(ROOT, "/evses", query)
    assert dict(URL(str(sent), encoded=True).query) == query
    assert sent.path == "/v2/evses"


def test_unsupported_type_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="cpid is an object, which cannot be sent"):
        query_pairs({"cpid": object()}, ROOT_TEXT)


def test_unknown_expand_value_is_refused_with_the_known_ones() -> None:
    allowed = Literal["user", "model"]
    assert expand_values(allowed, ["user"]) == ("user",)
    with pytest.raises(ValueError, match="expand: 'usr' is not one of user, model"):
        expand_values(allowed, ["usr"])
    with pytest.raises(TypeError, match=r"expand must be a list: expand=\['user'\]"):
        expand_values(allowed, "user")


@pytest.mark.parametrize("bad", [0, 101, -1])
def test_page_size_out_of_range_is_refused_by_name(bad: int) -> None:
    with pytest.raises(ValueError, match="page_size must be 1 to 100"):
        valid_page_size(bad)


@pytest.mark.parametrize("bad", [True, 2.5, 5.0, "10"])
def test_page_size_that_is_no_whole_number_is_refused_by_name(bad: object) -> None:
    with pytest.raises(TypeError, match="page_size must be a whole number, not"):
        valid_page_size(bad)


def test_values_of_an_in_filter_are_joined_and_must_not_contain_a_comma() -> None:
    assert comma_separated("action__in", ["Heartbeat", EVSELockMode.SMART]) == "Heartbeat,SMART"
    with pytest.raises(ValueError, match="action__in: an empty list would not filter anything"):
        comma_separated("action__in", [])
    with pytest.raises(TypeError, match=r"action__in must be a list: action__in=\['a,b'\]"):
        comma_separated("action__in", "a,b")
    with pytest.raises(ValueError, match="action__in: 'a,b' contains a comma"):
        comma_separated("action__in", ["a,b"])
