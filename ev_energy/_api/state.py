"""The state that a client and the views of it share."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from weakref import WeakSet

import msgspec
from yarl import URL

from ev_energy._api.options import CallOptions
from ev_energy._api.settings import resolve_endpoints
from ev_energy._arguments import require_whole_number
from ev_energy._codec.drift import Reporter
from ev_energy._http.context import HttpContext
from ev_energy._http.slash_redirects import SlashRedirects
from ev_energy._http.waits import WaitNote
from ev_energy._messages import RateLimit, Request
from ev_energy._misuse import NotCopied
from ev_energy._redaction.show import Unshown
from ev_energy._runtime.build_lock import build_lock
from ev_energy._runtime.clocks import REAL
from ev_energy._runtime.log_fields import LogFields
from ev_energy._runtime.structs import copy_with
from ev_energy.auth._credentials import Auth, Endpoint, bucket_at
from ev_energy.budget import (
    Acquire,
    Budget,
    BudgetUnavailable,
    Reservation,
    WouldExceedDeadline,
)
from ev_energy.errors import (
    BudgetExceeded,
    BudgetUnavailableError,
    ClientClosedError,
    ForeignOriginError,
)
from ev_energy.models._json import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from ev_energy.auth._token_manager import TokenManager


class ClientState(NotCopied, Unshown, msgspec.Struct, kw_only=True, weakref=True, eq=False):
    """What a client and its views share: connections, token, budget, and what replies taught."""

    base_url: URL
    endpoints: Mapping[Endpoint, URL]
    """The URLs of the authorization server."""
    http: HttpContext
    auth: Auth | None
    tokens: TokenManager | None
    """None without credentials."""
    budget: Budget | None
    report: Reporter
    limits: Limits = DEFAULT_LIMITS
    allow_insecure: bool = False
    """Whether ``http://`` is allowed to hosts other than this machine."""
    wall_clock: Callable[[], float] = REAL.now
    slash_redirects: SlashRedirects = msgspec.field(default_factory=SlashRedirects)
    rate_limit_headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Those of the latest reply that had some; parsed when ``client.rate_limit`` is read."""
    bucket: str | None = None
    """The allowance that calls with a token use up; None without credentials."""
    _reservations: dict[int, Reservation] = msgspec.field(default_factory=dict[int, Reservation])
    """Reservations that were not released yet; closing the client releases them."""
    _group: WeakSet[ClientState] = msgspec.field(default_factory=WeakSet["ClientState"])
    """The states that share the connections, this one included; they are closed together."""

    def __post_init__(self) -> None:
        self._group.add(self)
        if self.auth is not None:  # the live API and a simulator have separate allowances
            self.bucket = bucket_at(self.base_url, self.auth)

    def with_auth(self, auth: Auth, options: CallOptions) -> ClientState:
        """Return the state of a client with the credentials *auth*, which shares all else."""
        endpoints = resolve_endpoints(auth, self.base_url, allow_insecure=self.allow_insecure)
        redactor = self.http.redactor.extend(auth.secrets)
        http = copy_with(self.http, redactor=redactor)
        report = copy_with(self.report, redact=redactor.redact)
        origin = str(self.base_url.origin())
        return copy_with(
            self,
            endpoints=endpoints,
            http=http,
            auth=auth,
            tokens=make_token_manager(
                auth, endpoints, http, report, options, origin, self.wall_clock
            ),
            report=report,
            rate_limit_headers={},
            _reservations={},
        )

    @property
    def token_manager(self) -> TokenManager:
        """The token manager; `TypeError` for a client without credentials."""
        if self.tokens is None:
            raise TypeError("this client was made without credentials: give it auth=")
        return self.tokens

    @property
    def application(self) -> str:
        """The name of the application and account; empty for a token, which may be renewed."""
        name = "" if self.auth is None else self.auth.bucket
        return "" if name.startswith("token") else name

    @property
    def rate_limit(self) -> RateLimit | None:
        """The allowance as the budget knows it, else as the API last stated it."""
        if self.budget is not None and self.bucket is not None:
            known = self.budget.state(self.bucket)
            if known is not None:
                return known
        return RateLimit.of(self.rate_limit_headers)

    def permits(self, options: CallOptions) -> float:
        """Return how many calls may start now without waiting for the rate limit.

        Infinity if nothing is known of a limit.
        """
        known = self.rate_limit
        return float("inf") if known is None else known.remaining + options.reserved

    def require_own_origin(self, url: URL) -> URL:
        """Return *url* if the token may be sent there; links in replies may lead anywhere."""
        base_url = self.base_url
        if url.raw_authority == base_url.raw_authority and url.scheme == base_url.scheme:
            return url
        # The same origin may be spelled differently, but never with a user name in it.
        if "@" in url.raw_authority or not url.absolute or url.origin() != base_url.origin():
            raise ForeignOriginError(
                self.http.redactor.redact(str(url)), str(self.base_url.origin())
            )
        return url

    def require_own_link(self, link: str) -> URL:
        """Return the URL *link*, which may come from a reply, if the token may be sent there."""
        try:
            return self.require_own_origin(URL(link, encoded=True))
        except ValueError:
            shown = self.http.redactor.redact(link)
            raise ForeignOriginError(shown, str(self.base_url.origin())) from None

    def acquire_for(
        self, options: CallOptions, remaining: float, on_wait: Callable[[float], None]
    ) -> Acquire:
        """Return the request to the budget of a call with *remaining* seconds to its deadline."""
        return Acquire(
            self.bucket or "",
            remaining if options.when_exhausted == "wait" else 0.0,
            options.priority,
            options.reservation,
            on_wait,
            deadline=remaining,
        )

    @contextmanager
    def budget_wait(self, request: Request | str) -> Generator[Callable[[float], None]]:
        """Surround a wait for the budget: translate its failures, end it when the client closes.

        Yields the function that the budget calls with the expected seconds.
        """
        try:
            with (
                self.http.report_wait(
                    request, "budget", self._note_of_budget, self.bucket or ""
                ) as wait,
                self.http.close_scope.cancel_on_close(),
            ):
                yield wait.begin
        except WouldExceedDeadline as error:
            at = datetime.fromtimestamp(self.wall_clock() + error.wait, UTC)
            call = None if isinstance(request, str) else request
            raise BudgetExceeded(call, error.wait, at) from None
        except BudgetUnavailable as error:
            raise BudgetUnavailableError(str(error)) from error

    def _note_of_budget(self) -> WaitNote:
        """Return what to log about a wait for the budget."""
        fields: LogFields = {"bucket": self.bucket}
        known = None if self.budget is None else self.budget.state(self.bucket or "")
        if known is None:
            return WaitNote("for the rate limit", "", fields)
        others = max(known.waiting - 1, 0)
        fields |= {"limit": known.limit, "remaining": known.remaining, "waiting": others}
        detail = f"{known.remaining} of {known.limit} requests left"
        if others:
            detail += f", {others} other calls wait" if others > 1 else ", 1 other call waits"
        return WaitNote("for the rate limit", detail, fields)

    async def reserve(self, options: CallOptions, count: int) -> Reservation:
        """Reserve *count* requests."""
        require_whole_number("count", count, 1)
        if self.budget is None or self.bucket is None:
            raise ValueError("reserve() needs a client with credentials and a budget")
        if self.http.close_scope.closed:
            raise ClientClosedError
        reservation: Reservation | None = None
        try:
            with self.budget_wait("reserve()") as on_wait:
                acquire = self.acquire_for(options, options.deadline, on_wait)
                reservation = await self.budget.reserve(acquire, count)
        except BaseException:
            if reservation is not None:  # a tracer raised as the wait ended
                await reservation.release()
            raise
        self._reservations[id(reservation)] = reservation
        return reservation

    async def release(self, reservation: Reservation) -> None:
        """Release the unused requests of *reservation*."""
        self._reservations.pop(id(reservation), None)
        await reservation.release()

    async def release_all(self) -> None:
        """Release all reservations of this state."""
        for reservation in tuple(self._reservations.values()):
            await self.release(reservation)

    async def close(self) -> None:
        """Release everything. Pending waits end at once; requests in flight end with an error."""
        self.http.close_scope.close()
        try:
            for state in tuple(self._group):
                await state.release_all()
                if state.tokens is not None:
                    await state.tokens.close()
        finally:  # also if the caller cancels the close
            await self.http.transport.close()


def make_token_manager(
    auth: Auth,
    endpoints: Mapping[Endpoint, URL],
    http: HttpContext,
    report: Reporter,
    options: CallOptions,
    origin: str,
    wall_clock: Callable[[], float],
) -> TokenManager:
    """Create the manager of the token that *auth* obtains from the server at *origin*."""
    with build_lock:  # no fork during these imports
        from ev_energy.auth._token_endpoint import TokenEndpoint
        from ev_energy.auth._token_manager import TokenManager

    endpoint = TokenEndpoint(
        http, endpoints, report, options.retries, options.timeout, options.deadline
    )
    return TokenManager(auth, endpoint.post, wall_clock, origin, http.redactor, options.deadline)
