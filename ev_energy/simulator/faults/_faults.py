"""The registered faults, and the middleware that applies them."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
from aiohttp import web

from ev_energy.simulator.faults._kind import FaultRequest, FaultTools
from ev_energy.simulator.faults._matcher import Matcher, operation_of
from ev_energy.simulator.faults._options import Number
from ev_energy.simulator.resources._operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

    from aiohttp.typedefs import Handler

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.faults._kind import FaultKind
    from ev_energy.simulator.faults._matcher import Operation


_RESOLUTION: Final = 1_000_000


@attrs.define(eq=False)
class Fault:
    """A fault that strikes some of the requests."""

    id: str
    kind: str
    matcher: Matcher
    count: int | None = attrs.field(
        validator=Number(
            "the maximum number of requests that it strikes", minimum=1, whole=True, optional=True
        )
    )
    probability: float = attrs.field(
        validator=Number("the probability that it strikes a request", maximum=1)
    )
    after: int = attrs.field(
        validator=Number(
            "the number of requests that pass before the first that it may strike", whole=True
        )
    )
    effect: FaultKind
    seen: int = 0
    """The number of matching requests, until it is used up."""
    struck: int = 0
    """The number of requests that it struck."""

    @property
    def remaining(self) -> int | None:
        """The number of requests that it will still strike; None for no limit."""
        return None if self.count is None else self.count - self.struck

    @property
    def details(self) -> dict[str, Any]:
        """The details of its kind, defaults included."""
        return attrs.asdict(self.effect, recurse=False)

    def as_json(self) -> dict[str, Any]:
        """Return all its attributes as JSON."""
        return {
            "id": self.id,
            "kind": self.kind,
            "operation": str(self.matcher),
            "count": self.count,
            "probability": self.probability,
            "after": self.after,
            "seen": self.seen,
            "struck": self.struck,
            "remaining": self.remaining,
            **self.details,
        }


#: The fault that struck a request, stored on the request.
STRUCK_BY: Final = web.RequestKey("struck_by", Fault)


class Faults:
    """The faults of a simulator. Any thread may change them.

    The first fault strikes that matches the operation of a request, is not used up and is drawn
    with its probability; later faults do not see that request. `kinds` lists the kinds of faults.
    Faults that wait do so in real time, as the timeouts of clients do. ``now`` is the time in Date
    headers.
    """

    def __init__(
        self,
        random: SeededRandom,
        *,
        revoke: Callable[[str], object],
        operations: Collection[Operation] = OPERATIONS.keys(),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tools = FaultTools(random, sleep, now, revoke)
        self._operations = frozenset(
            (method, template.rstrip("/") or "/") for method, template in operations
        )
        self._faults: list[Fault] = []
        self._made = 0
        self._lock = threading.Lock()

    def install(self, app: web.Application) -> None:
        """Add the middleware to ``app``, inside of its present middlewares."""
        app.middlewares.append(self.middleware)
        app.on_shutdown.append(self._abort_raw_connections)

    def add(
        self,
        kind: str,
        /,
        *,
        operation: str = "*",
        count: int | None = None,
        probability: float = 1.0,
        after: int = 0,
        **details: Any,
    ) -> Fault:
        """Add a fault for later requests; `ValueError` names an invalid argument."""
        # Most simulators have no faults, and their kinds take a tenth of the imports.
        from ev_energy.simulator.faults._kinds import make

        effect = make(kind, details)
        matcher = Matcher.parse(operation, self._operations)
        with self._lock:
            number = self._made + 1
            fault = Fault(f"fault-{number}", kind, matcher, count, probability, after, effect)
            self._made = number
            self._faults.append(fault)
        return fault

    def add_json(self, wanted: object) -> Fault:
        """Add a fault, with all arguments of `add` as members of one object."""
        if not isinstance(wanted, dict):
            raise ValueError("a fault must be a JSON object")  # noqa: TRY004 - one error
        arguments = cast("dict[str, Any]", wanted).copy()
        if "kind" not in arguments:
            from ev_energy.simulator.faults._kinds import KINDS

            raise ValueError(f"kind: required; one of {', '.join(KINDS)}")
        return self.add(arguments.pop("kind"), **arguments)

    def remove(self, fault: Fault | str) -> None:
        """Remove a fault, given as such or by its id."""
        with self._lock:
            for kept in self._faults:
                if fault is kept or fault == kept.id:
                    self._faults.remove(kept)
                    return
        name = fault.id if isinstance(fault, Fault) else fault
        raise ValueError(f"fault: {name!r} does not exist")

    def clear(self) -> None:
        """Remove all faults. Replies that have begun continue."""
        with self._lock:
            self._faults.clear()

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter(self._faults.copy())

    def __len__(self) -> int:
        return len(self._faults)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle the request, or let a fault reply."""
        if not self._faults:
            return await handler(request)
        operation = operation_of(request, self._operations)
        fault = None if operation is None else self._next(operation)
        if fault is None:
            return await handler(request)
        request[STRUCK_BY] = fault

        def discount() -> None:
            with self._lock:
                fault.struck -= 1
            del request[STRUCK_BY]

        number = (fault.id, fault.seen)
        return await fault.effect.apply(
            FaultRequest(request, handler, self._tools, number, discount)
        )

    def _next(self, operation: Operation) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.remaining == 0 or not fault.matcher.matches(operation):
                    continue
                fault.seen += 1
                if fault.seen > fault.after and self._is_drawn(fault):
                    fault.struck += 1
                    return fault
        return None

    def _is_drawn(self, fault: Fault) -> bool:
        number = self._tools.random.between(1, _RESOLUTION, "odds", fault.id, fault.seen)
        return number <= fault.probability * _RESOLUTION

    async def _abort_raw_connections(self, _app: web.Application) -> None:
        """Abort connections that a `RawResponse` writes to, so that the server can stop at once."""
        for transport in self._tools.connections:
            transport.abort()
