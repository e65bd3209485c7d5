"""What all views of a client share, and what each has of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import attrs
from yarl import URL

from ev_energy._drift import Reporter
from ev_energy._http import RateLimit, Request, Response, Transport
from ev_energy._policy import RetryPolicy
from ev_energy._waits import Waits
from ev_energy.auth import Auth, Endpoint
from ev_energy.budget import Ask, Budget, Exhausted, Priority, Share, Unavailable
from ev_energy.errors import BudgetExceeded, BudgetUnavailableError, ForeignOriginError
from ev_energy.hooks import Hooks, WaitEvent

if TYPE_CHECKING:
    from ev_energy._tokens import TokenKeeper


@attrs.frozen(kw_only=True, eq=False)
class Options:
    """What a call may be told besides its arguments."""

    timeout: float = 30.0
    deadline: float = 120.0
    retries: RetryPolicy = attrs.field(factory=RetryPolicy)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    user: str | None = None
    priority: Priority = "interactive"
    when_exhausted: Literal["wait", "raise"] = "wait"
    share: Share | None = None
    max_pages: int = 100_000

    def __attrs_post_init__(self) -> None:
        for name in ("timeout", "deadline"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {getattr(self, name)}")
        if self.priority not in {"interactive", "batch"}:
            raise ValueError(f"priority must be 'interactive' or 'batch', not {self.priority!r}")
        if self.when_exhausted not in {"wait", "raise"}:
            raise ValueError(
                f"when_exhausted must be 'wait' or 'raise', not {self.when_exhausted!r}"
            )
        if self.max_pages < 1:
            raise ValueError(f"max_pages must be 1 or more, not {self.max_pages}")


@attrs.define(eq=False, repr=False, kw_only=True)
class Core:
    """What every view of a client shares: connections, token, budget, what was learnt."""

    root: URL
    endpoints: Mapping[Endpoint, URL]
    transport: Transport
    auth: Auth | None
    report: Reporter
    budget: Budget | None
    hooks: Hooks
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], float] = time.time
    waits: Waits = attrs.field(factory=Waits)
    rate_limit_headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Of the last reply that had some. Read when somebody asks, not for every reply."""
    closed: bool = False
    tokens: TokenKeeper | None = None

    @property
    def bucket(self) -> str | None:
        """Whose allowance calls with a token use up; None without credentials."""
        return None if self.auth is None else self.auth.bucket

    @property
    def keeper(self) -> TokenKeeper:
        """Who looks after the token; `TypeError` if there is none to look after."""
        if self.tokens is None:
            raise TypeError("this client was made without credentials: give it auth=")
        return self.tokens

    @property
    def rate_limit(self) -> RateLimit | None:
        """How the allowance stands: by the budget's reckoning, or as the API last stated it."""
        if self.budget is not None and self.bucket is not None and self.rate_limit_headers:
            return self.budget.state(self.bucket)
        return RateLimit.of(self.rate_limit_headers)

    def trusted(self, url: URL) -> URL:
        """*url*, if the token may go there: links come from the wire."""
        root = self.root
        if url.raw_authority == root.raw_authority and url.scheme == root.scheme:
            return url
        if not url.absolute or url.origin() != root.origin():  # another spelling of ours, perhaps
            raise ForeignOriginError(str(url), str(root.origin()))
        return url

    def scrub(self, response: Response) -> Response:
        """*response* without our secrets, should the server have sent one back."""
        known = [] if self.auth is None else self.auth.secrets()
        if self.tokens is not None:
            known += self.tokens.secrets()
        # A text this short is no secret, and would be found everywhere.
        return response.without([text for text in known if len(text) >= 8])  # noqa: PLR2004

    async def pause(self, seconds: float) -> None:
        """Wait, unless the client is closed meanwhile."""
        with self.waits.ended_by_close():
            await self.sleep(seconds)

    def ask(self, options: Options, patience: float, on_wait: Callable[[float], None]) -> Ask:
        """What a call asks the budget."""
        return Ask(
            self.bucket or "",
            patience if options.when_exhausted == "wait" else 0.0,
            options.priority,
            options.share,
            on_wait,
        )

    @contextmanager
    def waiting_for_budget(self, request: Request | None) -> Generator[Callable[[float], None]]:
        """Around a wait for the budget: its failures become errors, and closing ends it.

        What it yields is to be told how long the wait will be.
        """

        def tell(seconds: float) -> None:
            if self.hooks.on_wait is not None:
                self.hooks.on_wait(WaitEvent(request, seconds, "budget"))

        try:
            with self.waits.ended_by_close():
                yield tell
        except Exhausted as found:
            at = datetime.fromtimestamp(self.now() + found.wait, UTC)
            raise BudgetExceeded(request, found.wait, at) from None
        except Unavailable as error:
            raise BudgetUnavailableError(str(error)) from error

    async def reserve(self, options: Options, count: int) -> Share:
        """*count* requests, set aside."""
        if self.budget is None or self.bucket is None:
            raise ValueError("reserve() needs a client with credentials and a budget")
        with self.waiting_for_budget(None) as tell:
            return await self.budget.reserve(self.ask(options, options.deadline, tell), count)

    async def close(self) -> None:
        """Let go of everything. Calls that wait end at once, calls under way with an error."""
        self.closed = True
        self.waits.end()
        if self.tokens is not None:
            await self.tokens.close()
        await self.transport.close()
