"""What all requests of one client share: transport, hooks, clocks, secrets, and how it closes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

import msgspec

from ev_energy._http.close_scope import CloseScope
from ev_energy._http.outgoing import Outgoing
from ev_energy._http.waits import Wait, WaitLog, WaitNote
from ev_energy._messages import Request, Response, Transport
from ev_energy._redaction.redactor import Redactor
from ev_energy._redaction.show import Unshown
from ev_energy._runtime.clocks import REAL
from ev_energy.hooks import Hooks, WaitEvent, WaitReason

_NO_SPAN: Final = nullcontext()


class HttpContext(Unshown, msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What `attempt` and `retry` need, whichever server a request is for."""

    transport: Transport
    hooks: Hooks
    redactor: Redactor
    clock: Callable[[], float] = REAL.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    close_scope: CloseScope = msgspec.field(default_factory=CloseScope)
    wait_log: WaitLog = msgspec.field(default_factory=WaitLog)

    def redactor_of(self, out: Outgoing) -> Redactor:
        """Return what masks the client's secrets and the token that *out* was sent with."""
        return self.redactor.including(out.access_token)

    def redact(self, out: Outgoing, response: Response) -> Response:
        """Return *response* to *out* without secrets, in case the server repeated one."""
        return response.without(self.redactor_of(out).secrets)

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
        self,
        request: Request | str,
        reason: WaitReason,
        describe: Callable[[], WaitNote],
        bucket: str = "",
    ) -> Generator[Wait]:
        """Report a wait to hooks, tracer and log, once `Wait.begin` is called.

        *request* may be the name of something that waits and is no request. Waits of different
        *bucket* are logged apart; *describe* is called if the wait is logged.
        """
        event = WaitEvent(None if isinstance(request, str) else request, 0.0, reason)
        operation = request if isinstance(request, str) else request.operation
        wait = Wait(
            self.hooks, self.clock, self.wait_log, event, operation, (reason, bucket), describe
        )
        try:
            yield wait
        finally:
            wait.end()
