"""What all views of a client share, and what each has of its own."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import attrs
from msgspec.structs import replace
from yarl import URL

from ev_energy._api.close_scope import Waits
from ev_energy._codec.drift import Drift, DriftKind, Reporter
from ev_energy._http.retry_policy import RetryPolicy
from ev_energy._http.slash_redirects import with_slash
from ev_energy._messages import RateLimit, Request, Response, Transport
from ev_energy._redaction.scrub import scrub
from ev_energy._runtime.clocks import REAL
from ev_energy.auth._credentials import Auth, Endpoint
from ev_energy.budget import (
    Acquire,
    Budget,
    BudgetUnavailable,
    Priority,
    Reservation,
    WouldExceedDeadline,
)
from ev_energy.errors import (
    BudgetExceeded,
    BudgetUnavailableError,
    ClientClosedError,
    ForeignOriginError,
)
from ev_energy.hooks import Hooks, WaitEvent
from ev_energy.models._json import DEFAULT_LIMITS, Limits, find_repair

if TYPE_CHECKING:
    from ev_energy.auth._token_manager import TokenManager


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
    reservation: Reservation | None = None
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
    limits: Limits = DEFAULT_LIMITS
    clock: Callable[[], float] = REAL.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], float] = REAL.now
    waits: Waits = attrs.field(factory=Waits)
    rate_limit_headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Of the last reply that had some. Read when somebody asks, not for every reply."""
    closed: bool = False
    tokens: TokenManager | None = None
    network_secrets: Sequence[str] = ()
    """The credentials of proxies."""
    slashes: dict[str, bool] = attrs.field(init=False, factory=dict[str, bool])
    """Path templates that the server redirected, and whether their paths end in a slash there."""
    _reservations: dict[int, Reservation] = attrs.field(init=False, factory=dict[int, Reservation])
    """What is set aside for reservations, which end with the client at the latest."""
    bucket: str | None = attrs.field(init=False, default=None)
    """Whose allowance calls with a token use up; None without credentials."""

    def __attrs_post_init__(self) -> None:
        # Weak: a client that is dropped without being closed is collected at once, not some day.
        hide = weakref.WeakMethod(self.hide)
        self.report.redact = lambda text: found(text) if (found := hide()) else text
        if self.auth is not None:  # of this server: the live API and a simulator count apart
            self.bucket = f"{self.root.host}:{self.root.port}:{self.auth.bucket}"

    @property
    def token_manager(self) -> TokenManager:
        """The token manager; `TypeError` for a client without credentials."""
        if self.tokens is None:
            raise TypeError("this client was made without credentials: give it auth=")
        return self.tokens

    @property
    def rate_limit(self) -> RateLimit | None:
        """How the allowance stands: by the budget's reckoning, or as the API last stated it."""
        if self.budget is not None and self.bucket is not None:
            known = self.budget.state(self.bucket)
            if known is not None:
                return known
        return RateLimit.of(self.rate_limit_headers)

    def trusted(self, url: URL) -> URL:
        """*url*, if the token may go there: links come from the wire."""
        root = self.root
        if url.raw_authority == root.raw_authority and url.scheme == root.scheme:
            return url
        # Another spelling of ours, perhaps. With a name and password in it, it is nobody's.
        if "@" in url.raw_authority or not url.absolute or url.origin() != root.origin():
            raise ForeignOriginError(self.hide(str(url)), str(root.origin()))
        return url

    def in_slash_form(self, request: Request) -> Request:
        """Return *request* with or without the slash that the server last redirected it to."""
        if request.template not in self.slashes:
            return request
        return replace(request, url=with_slash(request.url, self.slashes[request.template]))

    def note_repair(self, document: str, body: bytes) -> None:
        """Report that a *document* outside the models could be read only after it was repaired."""
        repair = find_repair(body)
        if repair is not None:
            self.report.record(Drift(document, "", DriftKind.INVALID_TEXT, "$", repair.problem))

    def scrub(self, response: Response) -> Response:
        """*response* without our secrets, should the server have sent one back."""
        return response.without(self._secrets())

    def hide(self, text: str) -> str:
        """*text* without our secrets, should what the server sent be in it."""
        return scrub(text, self._secrets())

    def _secrets(self) -> list[str]:
        known = [*self.network_secrets]
        if self.auth is not None:
            known += self.auth.secrets()
        if self.tokens is not None:
            known += self.tokens.secrets()
        # A text this short is no secret, and would be found everywhere.
        return [text for text in known if len(text) >= 8]  # noqa: PLR2004

    async def pause(self, seconds: float) -> None:
        """Wait, unless the client is closed meanwhile."""
        with self.waits.ended_by_close():
            await self.sleep(seconds)

    def ask(self, options: Options, remaining: float, on_wait: Callable[[float], None]) -> Acquire:
        """Return what a call with *remaining* seconds of its deadline asks the budget."""
        return Acquire(
            self.bucket or "",
            remaining if options.when_exhausted == "wait" else 0.0,
            options.priority,
            options.reservation,
            on_wait,
            deadline=remaining,
        )

    @contextmanager
    def told_of_waits(
        self, request: Request | None, reason: Literal["budget", "retry"]
    ) -> Generator[Callable[[float], None]]:
        """Around what may wait. What it yields is to be told how long, as the wait begins."""
        hooks, began = self.hooks, None

        def tell(seconds: float) -> None:
            nonlocal began
            if began is None:
                began = self.clock()
            if hooks.on_wait is not None:
                hooks.on_wait(WaitEvent(request, seconds, reason))

        try:
            yield tell
        finally:
            if began is not None and hooks.tracer is not None:
                hooks.tracer.waited(WaitEvent(request, self.clock() - began, reason))

    @contextmanager
    def waiting_for_budget(self, request: Request | None) -> Generator[Callable[[float], None]]:
        """Around a wait for the budget: its failures become errors, and closing ends it.

        What it yields is to be told how long the wait will be.
        """
        try:
            with self.told_of_waits(request, "budget") as tell, self.waits.ended_by_close():
                yield tell
        except WouldExceedDeadline as found:
            at = datetime.fromtimestamp(self.now() + found.wait, UTC)
            raise BudgetExceeded(request, found.wait, at) from None
        except BudgetUnavailable as error:
            raise BudgetUnavailableError(str(error)) from error

    async def reserve(self, options: Options, count: int) -> Reservation:
        """*count* requests, set aside."""
        if self.budget is None or self.bucket is None:
            raise ValueError("reserve() needs a client with credentials and a budget")
        if self.closed:
            raise ClientClosedError
        with self.waiting_for_budget(None) as tell:
            reservation = await self.budget.reserve(
                self.ask(options, options.deadline, tell), count
            )
        self._reservations[id(reservation)] = reservation
        return reservation

    async def end(self, reservation: Reservation) -> None:
        """Give back what is left of *reservation*."""
        self._reservations.pop(id(reservation), None)
        await reservation.release()

    async def close(self) -> None:
        """Let go of everything. Calls that wait end at once, calls under way with an error."""
        self.closed = True
        self.waits.end()
        try:
            for reservation in tuple(self._reservations.values()):
                await self.end(reservation)
            if self.tokens is not None:
                await self.tokens.close()
        finally:  # also for who does not wait so long
            await self.transport.close()
