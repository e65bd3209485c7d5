from __future__ import annotations

import json
from typing import Any

import pytest

from ev_energy.simulator._seeded_random import SeededRandom
from ev_energy.simulator.faults import Fault, Faults, kinds

REQUESTS = [
    ("GET", "/v2/evses"),
    ("GET", "/v2/evses/"),
    ("GET", "/v2/evses/evse1"),
    ("GET", "/v2/users"),
    ("POST", "/v2/users"),
    ("DELETE", "/v2/users/user1"),
    ("POST", "/o/token/"),
]


async def statuses(bench: Any, number: int, path: str = "/v2/evses") -> list[int]:
    return [(await bench.get(path))[0] for _ in range(number)]


@pytest.mark.parametrize(
    ("operation", "struck"),
    [
        ("*", [1, 1, 1, 1, 1, 1, 0]),
        ("GET /evses", [1, 1, 0, 0, 0, 0, 0]),
        ("get /evses/", [1, 1, 0, 0, 0, 0, 0]),
        ("GET /evses/{evse_id}", [0, 0, 1, 0, 0, 0, 0]),
        ("/users", [0, 0, 0, 1, 1, 0, 0]),
        ("POST *", [0, 0, 0, 0, 1, 0, 0]),
        ("DELETE", [0, 0, 0, 0, 0, 1, 0]),
        ("token", [0, 0, 0, 0, 0, 0, 1]),
    ],
)
async def test_fault_strikes_its_operations_and_no_others(
    bench: Any, operation: str, struck: list[int]
) -> None:
    bench.faults.add("server_error", operation=operation)
    seen: list[int] = []
    for method, path in REQUESTS:
        body = {"name": "Ada"} if method == "POST" else None
        async with bench.session.request(method, bench.url(path), json=body) as reply:
            seen.append(int(reply.status == 502))
    assert seen == struck


@pytest.mark.parametrize("path", ["/v2/nowhere", "/elsewhere", "/__sim/faults"])
async def test_requests_outside_of_the_api_are_not_struck(bench: Any, path: str) -> None:
    fault = bench.faults.add("server_error")
    assert (await bench.get(path))[0] != 502
    assert fault.seen == 0


async def test_fault_strikes_as_often_as_requested(bench: Any) -> None:
    fault = bench.faults.add("server_error", count=2, after=1)
    assert await statuses(bench, 5) == [200, 502, 502, 200, 200]
    assert (fault.remaining, fault.struck, fault.seen) == (0, 2, 3)


async def test_fault_without_a_count_strikes_until_it_is_removed(bench: Any) -> None:
    fault = bench.faults.add("server_error")
    assert await statuses(bench, 4) == [502] * 4
    bench.faults.remove(fault)
    assert await statuses(bench, 1) == [200]
    assert (fault.remaining, fault.struck) == (None, 4)


async def test_first_fault_wins_and_the_next_follows_when_it_is_used_up(bench: Any) -> None:
    bench.faults.add("server_error", status=503, count=2)
    other = bench.faults.add("server_error", status=500, count=1)
    assert await statuses(bench, 4) == [503, 503, 500, 200]
    assert other.seen == 1
    assert bench.struck == ["server_error"] * 3 + [""]


async def test_fault_without_effect_does_not_count(bench: Any) -> None:
    fault = bench.faults.add("missing_link", count=1)
    status, _, body = await bench.get("/v2/evses/evse1")
    assert (status, json.loads(body)["id"], fault.remaining) == (200, "evse0", 1)
    assert "Link" not in (await bench.get("/v2/evses"))[1]
    assert "Link" in (await bench.get("/v2/evses"))[1]
    assert bench.struck == ["", "missing_link", ""]


async def test_probability_holds_and_is_the_same_for_a_seed(bench: Any) -> None:
    bench.faults.add("server_error", probability=0.3)
    bench.faults.add("server_error", probability=0, status=500)
    first = await statuses(bench, 200)
    assert 40 < first.count(502) < 80
    assert first.count(200) == 200 - first.count(502)

    def drawn(seed: int) -> list[bool]:
        faults: Any = Faults(SeededRandom(seed), revoke=print, operations=[("GET", "/evses")])
        fault = faults.add("server_error", probability=0.3)
        drawn: list[bool] = []
        for _ in range(200):
            before = fault.struck
            faults._next(("GET", "/evses"))
            drawn.append(fault.struck > before)
        return drawn

    assert drawn(1) == [status == 502 for status in first]
    assert drawn(2) != drawn(1)


async def test_faults_can_be_listed_found_by_id_and_cleared(bench: Any) -> None:
    one, two = bench.faults.add("hang"), bench.faults.add("reset_after")
    assert list(bench.faults) == [one, two]
    assert len(bench.faults) == 2
    bench.faults.remove(one.id)
    assert list(bench.faults) == [two]
    with pytest.raises(ValueError, match=f"fault: '{one.id}' does not exist"):
        bench.faults.remove(one)
    bench.faults.clear()
    assert list(bench.faults) == []
    assert bench.faults.add("hang").id not in {one.id, two.id}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "rate_limit"}, r"kind: 'rate_limit' is not one of rate_limited, server_error"),
        ({"kind": ["hang"]}, r"kind: \['hang'\] is not one of"),
        (["hang"], "a fault must be a JSON object"),
        ({}, "kind: required; one of rate_limited"),
        ({"kind": "hang", "operation": "GET /evse"}, "operation: .*'GET /evse'.*GET /evses"),
        ({"kind": "hang", "operation": "PATCH /evses"}, "operation: .*a method.*GET /evses"),
        (
            {"kind": "hang", "operation": "GET /evses please"},
            "operation: 'GET /evses please' matches no operation",
        ),
        ({"kind": "hang", "operation": None}, "operation: None matches no operation"),
        ({"kind": "hang", "count": 0}, "count: must be a whole number, 1 or more, or null"),
        ({"kind": "hang", "count": 1.5}, "count: must be"),
        ({"kind": "hang", "count": True}, "count: must be"),
        ({"kind": "hang", "probability": 1.01}, "probability: must be a number, from 0 to 1"),
        ({"kind": "hang", "probability": "1"}, "probability: must be"),
        ({"kind": "hang", "probability": float("nan")}, "probability: must be"),
        ({"kind": "hang", "after": -1}, "after: must be a whole number, 0 or more"),
        ({"kind": "hang", "self": 1}, "self: hang has no such detail; it has seconds"),
        ({"kind": "reset_after", "seconds": 1}, "seconds: .* no such detail; it has none"),
        ({"kind": "hang", "seconds": -1}, "seconds: must be a number, from 0 to 86,400, or null"),
        ({"kind": "server_error", "status": 400}, "status: must be a whole number, from 500"),
        ({"kind": "rate_limited", "header": "X"}, "header: must be one of Retry-After, RetryA"),
        ({"kind": "rate_limited", "as_date": 1}, "as_date: must be true or false"),
        ({"kind": "wrong_content_type", "content_type": "a\r\nb"}, "content_type: must be a text"),
        ({"kind": "wrong_content_type", "content_type": None}, "content_type: must be a text"),
        ({"kind": "redirect", "to": "/here"}, "to: must be an absolute http or https URL"),
        ({"kind": "foreign_link", "origin": "http://["}, "origin: must be an absolute"),
        ({"kind": "missing_members", "names": "url"}, "names: must be a list of texts, or null"),
        ({"kind": "problem", "field_errors": []}, "field_errors: must be an object"),
    ],
)
def test_invalid_arguments_are_refused_by_name(bench: Any, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        bench.faults.add_json(arguments)
    assert len(bench.faults) == 0


def test_fault_can_be_added_and_shown_as_json(bench: Any) -> None:
    fault = bench.faults.add_json(
        {"kind": "rate_limited", "operation": "get /evses", "count": 3, "seconds": 9}
    )
    assert isinstance(fault, Fault)
    assert json.loads(json.dumps(fault.as_json())) == {
        "id": fault.id,
        "kind": "rate_limited",
        "operation": "GET /evses",
        "count": 3,
        "probability": 1.0,
        "after": 0,
        "seen": 0,
        "struck": 0,
        "remaining": 3,
        "header": "Retry-After",
        "seconds": 9,
        "as_date": False,
        "limit": 1000,
    }


def test_every_kind_is_described_and_accepts_its_defaults(bench: Any) -> None:
    own = set(bench.faults.add("reset_after").as_json())
    descriptions = json.loads(json.dumps(kinds()))
    assert len(descriptions) > 30
    for name, kind in descriptions.items():
        assert kind["about"].endswith(".")
        assert isinstance(kind["handled"], bool)
        assert not own & set(kind["details"])
        assert all(detail["about"] and detail["takes"] for detail in kind["details"].values())
        defaults = {detail: shown["default"] for detail, shown in kind["details"].items()}
        assert bench.faults.add(name, **defaults).details == defaults


def test_every_operation_of_the_simulator_can_be_matched() -> None:
    from ev_energy.simulator.resources._operations import OPERATIONS

    faults = Faults(SeededRandom(1), revoke=print)
    for method, template in OPERATIONS:
        assert faults.add("hang", operation=f"{method} {template}").matcher.matches(
            (method, template.rstrip("/") or "/")
        )
