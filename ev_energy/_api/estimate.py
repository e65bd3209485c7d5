"""``client.estimate()``: how many requests a job takes, and when the allowance permits them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import attrs

from ev_energy._api.options import CallOptions
from ev_energy._api.paging import Pager, page_limits_of
from ev_energy._api.resolve import Resolve
from ev_energy._api.resolved import Resolved
from ev_energy._api.state import ClientState
from ev_energy._arguments import describe_type, require_whole_number
from ev_energy._messages import RateLimit
from ev_energy.budget import MemoryBudget
from ev_energy.models._base import Model

#: The allowance of the API, assumed until a reply states one: requests in an hour.
_ASSUMED: Final = RateLimit(1000, 1000)
_HOUR: Final = 3600.0


@attrs.frozen(kw_only=True)
class Allowance:
    """What a client may send now and later, if it makes no other calls."""

    limit: int | None
    """The number of requests in a window; None if there is no limit."""
    available: int
    """The number of requests that may be sent now; without a limit, 0."""
    window: float = _HOUR
    """Seconds that a request counts for."""
    is_assumed: bool = False
    wait: Callable[[int], float]
    """Returns the seconds until the last of a number of requests may be sent, at the latest."""


def allowance_of(state: ClientState, options: CallOptions) -> Allowance:
    """Return the allowance of a client."""
    budget, bucket, reserved = state.budget, state.bucket, options.reserved
    is_stated = RateLimit.of(state.rate_limit_headers) is not None
    if isinstance(budget, MemoryBudget) and bucket is not None:
        forecast = budget.forecast(bucket, options.priority, reserved)
        return Allowance(
            limit=forecast.limit,
            available=(forecast.available or 0) + reserved,
            window=budget.window,
            is_assumed=forecast.limit is not None and not (is_stated or forecast.is_stated),
            wait=forecast.wait,
        )
    known = state.rate_limit or _ASSUMED
    queued: Callable[[str], int] | None = getattr(budget, "queued", None)
    waiting = known.waiting if queued is None else queued(bucket or "")
    available = max(0, known.remaining - waiting) + reserved
    window: float = getattr(budget, "window", _HOUR)
    return Allowance(
        limit=known.limit,
        available=available,
        window=window,
        is_assumed=not is_stated,
        wait=lambda count: latest_wait(count, known.limit, available, known.wait, window),
    )


def latest_wait(count: int, limit: int, available: int, wait: float, window: float) -> float:
    """Return the seconds until the last of *count* requests may be sent, at the latest.

    *wait* are those until the next one, as far as they are known. When the requests that were
    counted cease to count is unknown. All do within a window, so each full allowance beyond the
    present one is assumed to take a window.
    """
    if count <= available:
        return 0.0
    windows = -(-(count - available) // max(1, limit))
    if count == 1 and wait:
        return wait
    return max(wait, windows * window)


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
    limit: int | None
    """The allowance, in requests per *window*; None if there is no limit."""
    window: float
    """Seconds that a request counts for: an hour, unless the budget has another window."""
    remaining: int | None
    """How many requests the job could send now, those of its reservation included.

    After the calls that wait already. None if there is no limit.
    """
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
        if self.limit is None or self.remaining is None:
            return f"{count}, {when} (the API states no limit)"
        period = "an hour" if self.window == _HOUR else f"in {self.window:g} s"
        allowance = f"{self.remaining:,} of {self.limit:,} {period} remaining"
        assumed = ", which is assumed, since no reply has stated it" if self.is_assumed else ""
        return f"{count}, {when} ({allowance}{assumed})"


def _requests(count: int) -> str:
    return f"{count:,} request{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    minutes = -int(-seconds // 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def estimate(requests: int, at_most: int | None, allowance: Allowance, now: float) -> Estimate:
    """Return the estimate of a job under an allowance; *now* is in seconds since 1970."""
    starts_after = allowance.wait(1) if requests else 0.0
    finishes_after = max(starts_after, allowance.wait(requests)) if requests else 0.0
    moment = datetime.fromtimestamp(now, UTC)
    try:
        starts_at, finishes_at = (
            moment + timedelta(seconds=seconds) for seconds in (starts_after, finishes_after)
        )
    except OverflowError:
        raise ValueError(f"{requests:,} requests would end after the year 9999") from None
    return Estimate(
        requests=requests,
        at_most=at_most,
        fits_now=finishes_after <= 0,
        starts_at=starts_at,
        finishes_at=finishes_at,
        seconds=finishes_after,
        limit=allowance.limit,
        window=allowance.window,
        remaining=None if allowance.limit is None else allowance.available,
        is_assumed=allowance.is_assumed,
    )


def requests_of(
    work: Any,
    into: type[Model] | None,
    expand: Sequence[str],
    resume: Resolved[Any] | None,
    items: int | None,
    resolve: Callable[[Iterable[Any]], Resolve[Any]],
) -> tuple[int, int | None]:
    """Return the least and the largest number of requests of *work*; None if that is unknown.

    *items* is the size of a listing. *resolve* makes a `Resolve` of a list of ids or links.
    """
    what = cast("object", work)
    if items is not None and not isinstance(what, Pager):
        raise TypeError("items= is the number of items of a listing: pass it with a listing")
    if isinstance(what, Pager | int | Resolve):
        given = {"into": into is not None, "expand": len(expand) > 0, "resume": resume is not None}
        if unused := [name for name, is_given in given.items() if is_given]:
            raise TypeError(f"{unused[0]}= is an argument of resolve(): pass it with a list of ids")
    if isinstance(what, Pager):
        return _pages(work, items)
    if isinstance(what, int) and not isinstance(what, bool):
        if what < 0:
            raise ValueError(f"the number of requests must not be negative, got {what}")
        return what, what
    if not isinstance(what, Resolve):
        _require_ids(what)
    resolution: Resolve[Any] = work if isinstance(what, Resolve) else resolve(work)
    return resolution.at_least, resolution.at_most


def _require_ids(work: object) -> None:
    """Raise `TypeError` unless *work* can be a list of ids or links."""
    kind = describe_type(work)
    if isinstance(work, Iterator):
        raise TypeError("an estimate would use up an iterator: pass a list of ids or links")
    if isinstance(work, Iterable) and not isinstance(work, type):
        return
    hint = ""
    if isinstance(work, Coroutine) or callable(work):
        hint = ": pass the number of calls, since how many requests they make is unknown"
    raise TypeError(
        "pass a number of requests, a listing or a list of ids or links to estimate, not "
        f"{kind}{hint}"
    )


def _pages(pager: Pager[Any], items: int | None) -> tuple[int, int | None]:
    page_size, max_pages = page_limits_of(pager)
    if items is not None:
        require_whole_number("items", items, 0)
    if items is None or page_size is None:
        return 1, None
    count = min(max_pages, max(1, -(-items // page_size)))  # an empty listing has one page
    return count, count
