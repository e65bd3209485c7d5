"""What all requests of one client share: transport, hooks, clocks, secrets, and how it closes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Literal

import attrs

from ev_energy._http.close_scope import CloseScope
from ev_energy._messages import Request, Response, Transport
from ev_energy._redaction.redactor import Redactor
from ev_energy._runtime.clocks import REAL
from ev_energy.hooks import Hooks, WaitEvent, drop_result

_NO_SPAN: Final = nullcontext()


@attrs.frozen(eq=False, repr=False, kw_only=True)
class HttpContext:
    """What `attempt` and `retry` need, whichever server a request is for."""

    transport: Transport
    hooks: Hooks
    redactor: Redactor
    clock: Callable[[], float] = REAL.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    close_scope: CloseScope = attrs.field(factory=CloseScope)

    def redact(self, response: Response) -> Response:
        """Return *response* without the client's secrets, in case the server repeated one."""
        return response.without(self.redactor.secrets)

    def call_span(self, request: Request) -> AbstractContextManager[object, None]:
        """Return the tracer's span of a whole call, attempts and pauses included."""
        tracer = self.hooks.tracer
        return _NO_SPAN if tracer is None else tracer.call(request)

    async def pause(self, seconds: float) -> None:
        """Sleep, or raise `ClientClosedError` once the client is closed."""
        with self.close_scope.cancel_on_close():
            await self.sleep(seconds)

    @contextmanager
    def report_wait(
        self, request: Request | None, reason: Literal["budget", "retry"]
    ) -> Generator[Callable[[float], None]]:
        """Report a wait to hooks and tracer.

        Yields a function to call with the expected seconds once the wait begins; without that call,
        nothing is reported.
        """
        hooks, started = self.hooks, None

        def on_wait(seconds: float) -> None:
            nonlocal started
            if started is None:
                started = self.clock()
            if hooks.on_wait is not None:
                drop_result("on_wait", hooks.on_wait(WaitEvent(request, seconds, reason)))

        try:
            yield on_wait
        finally:
            if started is not None and hooks.tracer is not None:
                hooks.tracer.waited(WaitEvent(request, self.clock() - started, reason))
