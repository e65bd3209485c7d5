from __future__ import annotations

from typing import Any


def limit_headers(answer: Any) -> tuple[int, int]:
    headers = answer.headers
    return int(headers["X-RateLimit-Limit"]), int(headers["X-RateLimit-Remaining"])


async def test_request_1001_of_an_hour_is_a_429(start: Any, clock: Any) -> None:
    api = await start(rate_limit=3, clock=clock)
    remaining = [limit_headers(await api.get("/evse_firmware_versions")) for _ in range(3)]
    assert remaining == [(3, 2), (3, 1), (3, 0)]
    clock.advance(seconds=1234.5)
    rejected = await api.get("/evse_firmware_versions")
    assert rejected.status == 429
    assert rejected.body["type"].endswith("/problems/rate-limit-exceeded/")
    assert rejected.headers["Retry-After"] == "2366"
    assert "2366" in rejected.body["detail"]
    assert limit_headers(rejected) == (3, 0)


async def test_window_rolls_without_counting_rejected_requests(start: Any, clock: Any) -> None:
    api = await start(rate_limit=2, clock=clock)
    await api.get("/evses")
    clock.advance(minutes=30)
    await api.get("/evses")
    assert [(await api.get("/evses")).status for _ in range(3)] == [429, 429, 429]
    clock.advance(minutes=30)
    answer = await api.get("/evses")
    assert (answer.status, limit_headers(answer)) == (200, (2, 0))
    assert (await api.get("/evses")).status == 429


async def test_request_succeeds_after_retry_after(start: Any, clock: Any) -> None:
    api = await start(rate_limit=1, clock=clock)
    await api.get("/evses")
    clock.advance(seconds=0.25)
    wait = int((await api.get("/evses")).headers["Retry-After"])
    clock.advance(seconds=wait - 1)
    assert (await api.get("/evses")).status == 429
    clock.advance(seconds=1)
    assert (await api.get("/evses")).status == 200


async def test_each_application_has_one_allowance_for_all_users(start: Any) -> None:
    api = await start(rate_limit=5)
    assert limit_headers(await api.get("/evses")) == (5, 4)
    for_user = {"EvEnergy-User": api.simulator.user_id}
    assert limit_headers(await api.get("/evses", headers=for_user)) == (5, 3)
    await api.log_in(*api.simulator.add_application(scopes=["evse:read"]))
    assert limit_headers(await api.get("/evses")) == (5, 4)


async def test_errors_count_and_carry_the_limit_headers(start: Any) -> None:
    api = await start(rate_limit=5)
    assert limit_headers(await api.get("/evses/evse00000000000000000000000000")) == (5, 4)
    assert limit_headers(await api.get("/evses?page_size=0")) == (5, 3)
    assert limit_headers(await api.get("/evses", token=None)) == (5, 5)


async def test_anonymous_callers_get_fifty_catalogue_requests(start: Any) -> None:
    api = await start()
    answers = [await api.get("/evse_makes", token=None) for _ in range(50)]
    assert (limit_headers(answers[0]), answers[-1].status) == ((50, 49), 200)
    assert (await api.get("/evse_models", token=None)).status == 429
    assert limit_headers(await api.get("/evse_models")) == (1000, 999)


async def test_no_limit_headers_without_a_limit(api: Any) -> None:
    answer = await api.get("/evses")
    assert not [name for name in answer.headers if name.lower().startswith("x-ratelimit")]
