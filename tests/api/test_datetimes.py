"""Datetimes as arguments, at the ends of the calendar and in the hour that clocks repeat."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st

from ev_energy import Client
from ev_energy._api.urls import datetime_range
from ev_energy._codec.text import timestamp
from ev_energy.models import RoutePoint

LONDON = ZoneInfo("Europe/London")
#: 00:50 and 01:10 UTC; the second has the earlier local time.
EARLY = datetime(2026, 10, 25, 1, 50, tzinfo=LONDON)
LATE = datetime(2026, 10, 25, 1, 10, tzinfo=LONDON, fold=1)
HOME = RoutePoint(latitude=51.0, longitude=0.0, name="Home")


def hours(number: int) -> tzinfo:
    return timezone(timedelta(hours=number))


class Unknown(tzinfo):
    """A zone without an offset, which makes a datetime naive by definition."""

    def utcoffset(self, _: datetime | None) -> None:
        return None


async def empty(request: web.Request) -> web.Response:
    is_list = request.path.endswith(("/status_logs", "/support_tickets"))
    return web.json_response([] if is_list else {})


#: The ways in which a datetime is sent.
WAYS: dict[str, Callable[[Client, datetime], Any]] = {
    "sampled_at__gte": lambda c, when: c.evses.status_logs("e", sampled_at__gte=when).collect(),
    "created_at__range": lambda c, when: c.support_tickets.list(
        created_at__range=(when, when)
    ).collect(),
    "logged_at": lambda c, when: c.evses.command_log("e", when),
    "last_used_at": lambda c, when: c.users.update_saved_route("u", "s", last_used_at=when),
}
EARLY_YEARS = [
    (datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    (datetime.min.replace(tzinfo=hours(-2)), "0001-01-01T02:00:00.000000Z"),
    (datetime(900, 1, 1, tzinfo=UTC), "0900-01-01T00:00:00.000000Z"),
    (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    (datetime.max.replace(tzinfo=hours(2)), "9999-12-31T21:59:59.999999Z"),
]
BEYOND = [
    datetime.min.replace(tzinfo=hours(2)),
    datetime.max.replace(tzinfo=hours(-2)),
    datetime.max.replace(tzinfo=ZoneInfo("America/New_York")),
]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(("when", "text"), EARLY_YEARS)
async def test_years_are_sent_with_four_digits(
    serve, way: Callable[..., Any], when: datetime, text: str
) -> None:
    server = await serve(empty)
    async with server.client() as client:
        await way(client, when)
    [seen] = server.requests
    everything = f"{seen.raw_path} {dict(seen.query)} {seen.body!r}"
    assert text in everything


@pytest.mark.parametrize(("name", "way"), WAYS.items(), ids=WAYS.keys())
@pytest.mark.parametrize("when", BEYOND)
async def test_datetime_outside_the_years_of_utc_is_a_value_error(
    serve, name: str, way: Callable[..., Any], when: datetime
) -> None:
    server = await serve(empty)
    async with server.client() as client:
        with pytest.raises(ValueError, match=f"{name}=.* is outside the years 1 to 9999"):
            await way(client, when)
    assert server.requests == []


@pytest.mark.parametrize(("name", "way"), WAYS.items(), ids=WAYS.keys())
async def test_zone_without_an_offset_is_naive(serve, name: str, way: Callable[..., Any]) -> None:
    server = await serve(empty)
    async with server.client() as client:
        with pytest.raises(ValueError, match=f"{name} is a naive datetime"):
            await way(client, datetime(2024, 1, 1, tzinfo=Unknown()))
    assert server.requests == []


async def test_range_in_the_repeated_hour_is_compared_by_instants(serve) -> None:
    server = await serve(empty)
    async with server.client() as client:
        await client.support_tickets.list(created_at__range=(EARLY, LATE)).collect()
        text = "2026-10-25T00:50:00.000000Z,2026-10-25T01:10:00.000000Z"
        assert dict(server.requests[0].query)["created_at__range"] == text
        with pytest.raises(ValueError, match="created_at__range must not end before it starts"):
            client.support_tickets.list(created_at__range=(LATE, EARLY))
        await client.dispatch_coordinators.create_dispatch_event(
            "d", start_time=EARLY, end_time=LATE
        )
        with pytest.raises(ValueError, match="end_time must be after start_time"):
            await client.dispatch_coordinators.create_dispatch_event(
                "d", start_time=LATE, end_time=EARLY
            )
        await client.hem_systems.energy_stats("h", start=EARLY, end=LATE, resolution="PT30M")
        with pytest.raises(ValueError, match="end must be after start"):
            await client.hem_systems.energy_stats("h", start=LATE, end=EARLY, resolution="PT30M")
    assert len(server.requests) == 3


async def test_instants_are_compared_across_zones(serve) -> None:
    server = await serve(empty)
    async with server.client() as client:
        await client.dispatch_coordinators.create_dispatch_event(
            "d",
            start_time=datetime(999, 1, 1, tzinfo=UTC),
            end_time=datetime(1000, 1, 1, tzinfo=UTC),
        )
        with pytest.raises(ValueError, match="start_time=.* is outside the years"):
            await client.dispatch_coordinators.create_dispatch_event(
                "d", start_time=BEYOND[0], end_time=LATE
            )
        with pytest.raises(ValueError, match="end=.* is outside the years"):
            await client.hem_systems.energy_stats("h", start=LATE, end=BEYOND[1], resolution="P1M")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ("2024-01-01,2024-01-02", TypeError, "created_at__range must be a list"),
        ((EARLY,), ValueError, "created_at__range must hold two datetimes, not 1"),
        ((EARLY, LATE, LATE), ValueError, "created_at__range must hold two datetimes, not 3"),
        ((EARLY, "2024"), TypeError, "created_at__range must be a datetime, not a str"),
        ((EARLY.date(), LATE.date()), TypeError, "must be a datetime, not a date"),
    ],
)
async def test_range_requires_two_datetimes(
    serve, given: Any, kind: type[Exception], message: str
) -> None:
    server = await serve(empty)
    async with server.client() as client:
        with pytest.raises(kind, match=message):
            client.support_tickets.list(created_at__range=given)
    assert server.requests == []


ANY_TIME = st.datetimes(timezones=st.timezones() | st.builds(hours, st.integers(-23, 23)))


@given(ANY_TIME)
@example(LATE)
@example(BEYOND[0])
def test_datetime_is_sent_as_its_instant_or_refused(when: datetime) -> None:
    try:
        text = timestamp("start", when)
    except ValueError:
        with pytest.raises(OverflowError):
            when.astimezone(UTC)
        return
    assert len(text) == len("2024-01-01T00:00:00.000000Z")
    assert datetime.fromisoformat(text) == when.astimezone(UTC)


@given(ANY_TIME, ANY_TIME)
@example(EARLY, LATE)
@example(LATE, EARLY)
def test_range_runs_forward_by_instants(first: datetime, last: datetime) -> None:
    try:
        forward = first.astimezone(UTC) <= last.astimezone(UTC)
    except OverflowError:
        forward = False
    if forward:
        assert datetime_range("range", (first, last))
    else:
        with pytest.raises(ValueError, match="range"):
            datetime_range("range", (first, last))
