from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import Any

import pytest

EVSE = {"id": "evse0", "plug": {"mode": "SMART"}, "note": "SMARTISH"}
LIST = json.dumps([EVSE]).encode()


def lines(head: bytes) -> list[str]:
    return head.decode().split("\r\n")


def header(head: bytes, name: str) -> str | None:
    found = [line.partition(": ")[2] for line in lines(head) if line.startswith(f"{name}: ")]
    return found[0] if found else None


async def test_wrong_content_type(bench: Any) -> None:
    bench.faults.add("wrong_content_type", content_type="text/plain")
    _, headers, body = await bench.get("/v2/evses")
    assert (headers["Content-Type"], body) == ("text/plain", LIST)


async def test_body_that_is_not_json(bench: Any) -> None:
    bench.faults.add("not_json")
    status, headers, body = await bench.get("/v2/evses")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


async def test_object_instead_of_a_list_and_list_instead_of_an_object(bench: Any) -> None:
    bench.faults.add("wrong_shape")
    assert json.loads((await bench.get("/v2/evses"))[2]) == {"results": [EVSE]}
    assert json.loads((await bench.get("/v2/evses/evse1"))[2]) == [EVSE]


async def test_empty_body(bench: Any) -> None:
    bench.faults.add("empty_body")
    head, body = await bench.raw(close=True)
    assert lines(head)[0] == "HTTP/1.1 200 OK"
    assert (header(head, "Content-Length"), body) == ("0", b"")


def following(headers: Any) -> str:
    url = headers["Link"].rpartition(", ")[2]
    assert url.endswith('>; rel="next"')
    return str(url[1:].partition(">")[0])


async def test_next_link_to_the_same_page(bench: Any) -> None:
    bench.faults.add("link_loop")
    for path in ("/v2/evses?page_size=1", "/v2/evses?page_size=1&page_after=2"):
        _, headers, _ = await bench.get(path)
        assert following(headers) == bench.url(path)
        assert headers["Link"].startswith('<about:blank>; rel="previous", ')


async def test_next_link_to_the_first_page(bench: Any) -> None:
    bench.faults.add("link_loop", to="first")
    _, headers, _ = await bench.get("/v2/evses?page_after=1&page_size=1")
    assert following(headers) == bench.url("/v2/evses?page_size=1")


async def test_next_link_to_another_site(bench: Any) -> None:
    bench.faults.add("foreign_link", origin="https://evil.example:444/ignored")
    _, headers, _ = await bench.get("/v2/evses")
    assert following(headers) == "https://evil.example:444/v2/evses?page_after=0"
    _, headers, _ = await bench.get("/v2/evses?page_after=2")  # the last one leads on, too
    assert following(headers) == "https://evil.example:444/v2/evses?page_after=2"


async def test_malformed_link_header(bench: Any) -> None:
    bench.faults.add("broken_link", link="<<;;")
    assert (await bench.get("/v2/evses"))[1]["Link"] == "<<;;"


async def test_missing_link_header(bench: Any) -> None:
    bench.faults.add("missing_link")
    _, headers, body = await bench.get("/v2/evses")
    assert ("Link" in headers, body) == (False, LIST)


@pytest.mark.parametrize("announced", [True, False])
async def test_giant_body_is_json_and_is_streamed(bench: Any, announced: bool) -> None:
    size = 40 * 1024 * 1024
    bench.faults.add("giant_body", megabytes=40, announced=announced)
    ends, received = b"", 0
    tracemalloc.start()
    try:
        async with bench.session.get(bench.url("/v2/evses")) as reply:
            assert reply.headers.get("Content-Length") == (str(size + 4) if announced else None)
            async for piece in reply.content.iter_any():
                received += len(piece)
                ends = ends[:2] + piece if received == len(piece) else ends[:2] + piece[-2:]
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (received, ends[:2], ends[-2:]) == (size + 4, b'["', b'"]')
    assert held < size / 4


async def test_gzip_bomb_is_small_until_it_is_decompressed(bench: Any) -> None:
    bench.faults.add("gzip_bomb", megabytes=30)
    head, packed = await bench.raw(close=True)
    assert header(head, "Content-Encoding") == "gzip"
    assert header(head, "Content-Length") == str(len(packed))
    unpacked = gzip.decompress(packed)  # which checks the sum and the length
    assert unpacked == b'["' + b"x" * (30 * 1024 * 1024) + b'"]'
    assert len(packed) < len(unpacked) / 900


async def test_body_nested_deeper_than_parsers_allow(bench: Any) -> None:
    bench.faults.add("deep_json")
    _, _, body = await bench.get("/v2/evses")
    assert body == b"[" * 100_000 + b"]" * 100_000


async def test_headers_that_are_too_long_and_too_many(bench: Any) -> None:
    bench.faults.add("huge_header", kilobytes=100, count=1)
    head, body = await bench.raw(close=True)
    assert (len(header(head, "X-Padding") or ""), body) == (100 * 1024, LIST)
    bench.faults.add("many_headers", number=5000)
    head, body = await bench.raw(close=True)
    assert len([line for line in lines(head) if line.startswith("X-Padding-")]) == 5000


@pytest.mark.parametrize(
    ("seconds", "date"),
    [(3600, "Mon, 05 Oct 2026 13:00:00 GMT"), (-0.5, "Mon, 05 Oct 2026 11:59:59 GMT")],
)
async def test_date_of_a_wrong_clock(bench: Any, seconds: float, date: str) -> None:
    bench.faults.add("clock_skew", seconds=seconds)
    assert (await bench.get("/v2/evses"))[1]["Date"] == date


async def test_unknown_members(bench: Any) -> None:
    bench.faults.add("unknown_members")
    (one,) = json.loads((await bench.get("/v2/evses"))[2])
    assert one.items() > EVSE.items()
    bench.faults.clear()
    bench.faults.add("unknown_members", names=["brand_new"])
    assert set(json.loads((await bench.get("/v2/evses/evse1"))[2])) == {*EVSE, "brand_new"}


async def test_missing_members(bench: Any) -> None:
    bench.faults.add("missing_members", names=["id", "note", "never_there"])
    assert json.loads((await bench.get("/v2/evses"))[2]) == [{"plug": EVSE["plug"]}]
    bench.faults.clear()
    bench.faults.add("missing_members")
    assert len(json.loads((await bench.get("/v2/evses/evse1"))[2])) == len(EVSE) - 1


async def test_new_enum_value(bench: Any) -> None:
    bench.faults.add("new_enum_value")
    expected = {**EVSE, "plug": {"mode": "BRAND_NEW"}}  # and neither the id nor the note
    assert json.loads((await bench.get("/v2/evses"))[2]) == [expected]
    bench.faults.clear()
    bench.faults.add("new_enum_value", member="note", value="Other")
    assert json.loads((await bench.get("/v2/evses"))[2]) == [{**EVSE, "note": "Other"}]
