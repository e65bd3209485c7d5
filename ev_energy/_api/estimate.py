"""``client.estimate()``: how many requests a job takes, and when the allowance permits them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import attrs

from ev_energy._api.paging import Pager, page_size_of
from ev_energy._api.resolve import Resolve
from ev_energy._arguments import describe_type
from ev_energy._messages import RateLimit

#: The allowance of the API, assumed until a reply states one: requests in an hour.
_ASSUMED: Final = RateLimit(1000, 1000)
_HOUR: Final = 3600.0


@attrs.frozen(kw_only=True)
class Estimate:
    """What a job costs under the present allowance. ``str()`` puts it in words."""

    requests: int
    """The number of requests, without repeated attempts; at least, if *at_most* differs."""
    at_most: int | None
    """The number of requests in the worst case; None if it is unknown."""
    fits_now: bool
    """Whether *requests* may be sent at once, before others wait for the allowance."""
    starts_at: datetime
    """When the first request may be sent, in UTC."""
    finishes_at: datetime
    """When the last of *requests* may be sent at the latest, in UTC, if no other calls are made."""
    seconds: float
    """Seconds from now until *finishes_at*."""
    limit: int
    """The allowance, in requests per rolling hour."""
    remaining: int
    """How many requests the job could send now, those of its reservation included."""
    is_assumed: bool
    """Whether the allowance is assumed, because no reply has stated one yet."""

    def __str__(self) -> str:
        count = _requests(self.requests)
        if self.at_most is None:
            count = f"at least {count}"
        elif self.at_most != self.requests:
            count = f"{self.requests:,} to {_requests(self.at_most)}"
        if self.fits_now:
            when = "may be sent now"
        else:
            minute = self.finishes_at + timedelta(seconds=59)  # rounded up, as the duration is
            when = (
                f"sent by {minute:%Y-%m-%d %H:%M} UTC at the latest, in {_duration(self.seconds)}"
            )
        allowance = f"{self.remaining:,} of {self.limit:,} an hour remaining"
        assumed = ", which is assumed, since no reply has stated it" if self.is_assumed else ""
        return f"{count}, {when} ({allowance}{assumed})"


def _requests(count: int) -> str:
    return f"{count:,} request{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    minutes = -int(-seconds // 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def estimate(
    requests: int,
    at_most: int | None,
    rate_limit: RateLimit | None,
    reserved: int,
    now: float,
    expected_wait: Callable[[int], float | None],
) -> Estimate:
    """Return the estimate of a job under an allowance; *now* is in seconds since 1970.

    *reserved* are the requests of the job's own reservation. *expected_wait* returns the seconds
    until the last of a number of requests may be sent, or None if the budget does not know when the
    requests that it counted expire, as one that processes share does not. All expire within an
    hour, so each full allowance beyond the present one then is assumed to take an hour.
    """
    limit, remaining, _, waiting, wait = rate_limit or _ASSUMED
    available = max(0, remaining - waiting) + reserved
    fits_now = requests <= available
    starts_after = 0.0 if available or not requests else wait
    finishes_after = 0.0
    if not fits_now:
        exact = expected_wait(requests - reserved)
        hours = -(-(requests - available) // max(1, limit))
        at_latest = starts_after if requests == 1 else max(starts_after, hours * _HOUR)
        finishes_after = at_latest if exact is None else exact
    moment = datetime.fromtimestamp(now, UTC)
    return Estimate(
        requests=requests,
        at_most=at_most,
        fits_now=fits_now,
        starts_at=moment + timedelta(seconds=starts_after),
        finishes_at=moment + timedelta(seconds=finishes_after),
        seconds=finishes_after,
        limit=limit,
        remaining=available,
        is_assumed=rate_limit is None,
    )


def requests_of(
    work: Any, items: int | None, resolve: Callable[[Iterable[Any]], Resolve[Any]]
) -> tuple[int, int | None]:
    """Return the least and the largest number of requests of *work*; None if that is unknown.

    *items* is the size of a listing. *resolve* makes a `Resolve` of a list of ids or links.
    """
    what = cast("object", work)
    if isinstance(what, Pager):
        return _pages(page_size_of(work), items)
    if items is not None:
        raise TypeError("items= is the number of items of a listing: pass it with a listing")
    if isinstance(what, int) and not isinstance(what, bool):
        if what < 0:
            raise ValueError(f"the number of requests must not be negative, got {what}")
        return what, what
    if isinstance(what, Resolve):
        return what.at_least, what.at_most
    if isinstance(what, Awaitable):
        return 1, 1
    if isinstance(what, Iterator):
        raise TypeError("an estimate would use up an iterator: pass a list of ids or links")
    if isinstance(what, Iterable):
        resolution = resolve(work)
        return resolution.at_least, resolution.at_most
    raise TypeError(
        "pass a number of requests, a listing, a call or a list of ids or links to estimate, not "
        f"{describe_type(what)}"
    )


def _pages(page_size: int | None, items: int | None) -> tuple[int, int | None]:
    if items is None or page_size is None:
        return 1, None
    if items < 0:
        raise ValueError(f"items must not be negative, got {items}")
    count = max(1, -(-items // page_size))  # an empty listing has one page
    return count, count
