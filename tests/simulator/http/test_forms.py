"""Bodies that are forms: JSON parts, encodings, and malformed forms."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_energy.simulator.http._body import parse_form
from ev_energy.simulator.http._contract import CONTRACT

ADDRESS = {"address_1": "1 High St", "city": "Leeds", "postal_code": "LS1", "country_code": "GB"}
MULTIPART = "multipart/form-data; boundary=cut"


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """Return a multipart form; each part is its headers and its content."""
    lines = [b"--cut\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n" for head, body in parts]
    return b"".join([*lines, b"--cut--\r\n"])


def part(name: str, kind: str | None = None, more: str = "") -> str:
    head = f'Content-Disposition: form-data; name="{name}"{more}'
    return head if kind is None else f"{head}\r\nContent-Type: {kind}"


async def sent(api: Any, body: bytes, kind: str = MULTIPART, method: str = "POST") -> Any:
    path = "/users" if method == "POST" else f"/users/{api.simulator.user_id}"
    return await api(method, path, data=io.BytesIO(body), headers={"Content-Type": kind})


@pytest.mark.parametrize("kind", ["application/json", "text/plain", None])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_form_part_of_json_is_parsed(api: Any, method: str, kind: str | None) -> None:
    location = part("default_location", kind), json.dumps(ADDRESS).encode()
    answer = await sent(api, multipart(location), method=method)
    assert answer.status in {200, 201}
    assert answer.body["default_location"]["city"] == "Leeds"


async def test_form_texts_are_decoded_with_their_charset(api: Any) -> None:
    location = json.dumps(ADDRESS | {"city": "Zürich"}, ensure_ascii=False).encode("latin-1")
    latin = multipart((part("default_location", "text/plain; charset=latin-1"), location))
    assert (await sent(api, latin)).body["default_location"]["city"] == "Zürich"
    body, kind = b"email=a%40b.example", "application/x-www-form-urlencoded; charset=latin-1"
    assert (await sent(api, body, kind)).body["email"] == "a@b.example"


NO_FORMS = [
    (MULTIPART, multipart((part("default_location", "application/json"), b"{"))),
    (MULTIPART, multipart((part("default_location", "application/json"), b"[" * 100_000))),
    (MULTIPART, multipart((part("default_location"), b"x"))),
    (MULTIPART, multipart((part("default_location"), json.dumps({"city": "x"}).encode()))),
    (MULTIPART, multipart((part("email", "text/plain; charset=nonsense"), b"a@b.example"))),
    (MULTIPART, multipart((part("email", "text/plain; charset=hex"), b"a@b.example"))),
    (MULTIPART, multipart((part("email"), b"\xff\xfe"))),
    (MULTIPART, multipart((part("email"), b"a@b.example"), (part("email"), b"a@b.example"))),
    (MULTIPART, multipart(*[(part(f"x{n}"), b"") for n in range(1001)])),
    (MULTIPART, multipart(("Content-Disposition: form-data", b"x"))),
    (MULTIPART, multipart(("", b"x"))),
    (
        MULTIPART,
        multipart((part("email", "multipart/mixed; boundary=b"), b"--b\r\n\r\nx\r\n--b--")),
    ),
    (MULTIPART, b"--cut\r\n\r\nx"),
    (MULTIPART, b"x"),
    ("multipart/form-data", b"x"),
    ("multipart/form-data; boundary=", b"x"),
    ("application/x-www-form-urlencoded; charset=nonsense", b"email=a"),
    ("application/x-www-form-urlencoded", b"email=%ff"),
    ("application/x-www-form-urlencoded", b"\xff=1"),
    ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 1001)),
    ("application/json", b"\xff"),
]


@pytest.mark.parametrize(("kind", "body"), NO_FORMS)
async def test_malformed_form_is_a_400(api: Any, kind: str, body: bytes) -> None:
    answer = await sent(api, body, kind)
    assert answer.status == 400
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_form_larger_than_a_mebibyte_is_a_413(api: Any) -> None:
    answer = await sent(api, multipart((part("x"), b"\n" * (2**20 + 1))))
    assert answer.status == 413


SHAPE = CONTRACT["POST", "/users"].body
PIECES = st.sampled_from(
    [b"--cut", b"--", b"\r\n", b"\n", b":", b";", b"=", b'"', part("email").encode(), b"\xff", b"{"]
)


@given(st.lists(PIECES | st.binary(max_size=5)), st.sampled_from([MULTIPART, NO_FORMS[-4][0]]))
def test_parse_form_returns_or_raises_value_error_for_any_bytes(
    pieces: list[bytes], kind: str
) -> None:
    assert SHAPE is not None
    try:
        fields = parse_form(b"".join(pieces), kind, CONTRACT.shape(SHAPE.shape))
    except ValueError:
        return
    assert all(isinstance(name, str) for name in fields)


LOCATION = "default_location"


async def test_address_is_not_set_or_cleared_in_part(api: Any) -> None:
    url = f"/users/{api.simulator.user_id}"
    before = (await api.get(url)).body
    for name, text in ADDRESS.items():
        for value in (None, text):
            answer = await api("PATCH", url, json={LOCATION: {name: value}})
            assert answer.status == 400, (name, value)
            assert LOCATION in answer.body["field_errors"]
    assert (await api.get(url)).body == before


async def test_clearing_the_required_members_clears_the_address(api: Any) -> None:
    url = f"/users/{api.simulator.user_id}"
    assert (await api.get(url)).body[LOCATION]["coordinates"]
    answer = await api("PATCH", url, json={LOCATION: dict.fromkeys(ADDRESS)})
    assert answer.status == 200
    left = {name for name, value in answer.body[LOCATION].items() if value is not None}
    assert left <= {"tariff", "evse_site", "current_carbon_intensity_grams_per_kilowatt_hour"}
    again = await api("PATCH", url, json={LOCATION: {"city": None}})
    assert again.status == 200  # there is no address left to be incomplete


@pytest.mark.parametrize("text", ["1.0", "1e0", "1.00", "10e-1"])
async def test_page_accepts_every_notation_of_an_integer(api: Any, text: str) -> None:
    first = await api.get("/tariffs?page=1&page_size=2")
    answer = await api.get("/tariffs", params={"page": text, "page_size": "2"})
    assert (answer.status, answer.body) == (200, first.body)
    following = first.headers["Link"].rpartition("<")[2].partition(">")[0]
    assert (await api.get(following)).status == 200


@pytest.mark.parametrize(
    "text", ["0", "-1", "1.5", "0.5", "+1", " 1", "01x", "٣", "1_0", "NaN", "Infinity", "1e400", ""]
)
async def test_invalid_page_is_a_400(api: Any, text: str) -> None:
    answer = await api.get("/tariffs", params={"page": text})
    assert answer.status == 400
    assert answer.body["type"].endswith("/pagination-parameters/")


async def test_invalid_page_before_is_ignored_with_page_after(api: Any) -> None:
    ids = [row["id"] for row in (await api.get("/evses?page_size=5")).body]
    after = await api.get(f"/evses?page_size=2&page_after={ids[1]}")
    assert [row["id"] for row in after.body] == ids[2:4]
    for before in (ids[0], ids[4], "nonsense", ""):
        query = {"page_size": "2", "page_after": ids[1], "page_before": before}
        answer = await api.get("/evses", params=query)
        assert (answer.status, answer.body) == (200, after.body)
        assert answer.headers["Link"] == after.headers["Link"]
    wrong = await api.get("/evses", params={"page_after": "nonsense", "page_before": ids[4]})
    assert wrong.status == 400
