"""The faults that were asked for, and the middleware in which they strike."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
from aiohttp import web

from ev_energy.simulator.faults._kind import Incident, Tools
from ev_energy.simulator.faults._kinds import KINDS, make
from ev_energy.simulator.faults._matcher import Where, operation_of
from ev_energy.simulator.faults._options import Number
from ev_energy.simulator.resources._operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

    from aiohttp.typedefs import Handler

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.faults._kind import Kind
    from ev_energy.simulator.faults._matcher import Operation


_PARTS: Final = 1_000_000


@attrs.define(eq=False)
class Fault:
    """Something that goes wrong, with some requests."""

    id: str
    kind: str
    where: Where
    count: int | None = attrs.field(
        validator=Number("how often it strikes at most", least=1, whole=True, optional=True)
    )
    probability: float = attrs.field(validator=Number("how likely it strikes", most=1))
    after: int = attrs.field(validator=Number("how many requests it lets pass first", whole=True))
    how: Kind
    seen: int = 0
    """How many requests of its operations came to it while it was not used up."""
    struck: int = 0
    """How many of them it struck."""

    @property
    def remaining(self) -> int | None:
        """How often it will strike yet; None for no end."""
        return None if self.count is None else self.count - self.struck

    @property
    def details(self) -> dict[str, Any]:
        """What its kind was told, or is by default."""
        return attrs.asdict(self.how, recurse=False)

    def as_json(self) -> dict[str, Any]:
        """Return everything there is to know."""
        return {
            "id": self.id,
            "kind": self.kind,
            "operation": str(self.where),
            "count": self.count,
            "probability": self.probability,
            "after": self.after,
            "seen": self.seen,
            "struck": self.struck,
            "remaining": self.remaining,
            **self.details,
        }


#: The fault that struck a request, kept on the request.
STRUCK_BY: Final = web.RequestKey("struck_by", Fault)


class Faults:
    """Things that go wrong on demand. May be changed from any thread.

    For each request, the first fault that is for its operation, is not used up and has the odds
    on its side strikes; it alone, the others do not see the request. `kinds` says what there is.
    Faults that wait do so in real time, as the time-outs of clients do.
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
        self._tools = Tools(random, sleep, now, revoke)
        self._operations = frozenset(
            (method, template.rstrip("/") or "/") for method, template in operations
        )
        self._faults: list[Fault] = []
        self._made = 0
        self._lock = threading.Lock()

    def install(self, app: web.Application) -> None:
        """Strike inside the middlewares that ``app`` has so far, and outside of later ones."""
        app.middlewares.append(self.middleware)
        app.on_shutdown.append(self._let_go)

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
        """Let something go wrong from now on; `ValueError` names an argument that will not do."""
        how = make(kind, details)
        where = Where.read(operation, self._operations)
        with self._lock:
            number = self._made + 1
            fault = Fault(f"fault-{number}", kind, where, count, probability, after, how)
            self._made = number
            self._faults.append(fault)
        return fault

    def add_json(self, wanted: object) -> Fault:
        """Do as `add` does, with all arguments as members of one object."""
        if not isinstance(wanted, dict):
            raise ValueError("a fault is asked for with an object")  # noqa: TRY004 - one error
        arguments = cast("dict[str, Any]", wanted).copy()
        if "kind" not in arguments:
            raise ValueError(f"kind: must be there, and one of {', '.join(KINDS)}")
        return self.add(arguments.pop("kind"), **arguments)

    def remove(self, fault: Fault | str) -> None:
        """Let one go, by itself or by its id."""
        with self._lock:
            for kept in self._faults:
                if fault is kept or fault == kept.id:
                    self._faults.remove(kept)
                    return
        name = fault.id if isinstance(fault, Fault) else fault
        raise ValueError(f"fault: there is no {name!r}")

    def clear(self) -> None:
        """Let all go. What has begun goes on to its end."""
        with self._lock:
            self._faults.clear()

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter(self._faults.copy())

    def __len__(self) -> int:
        return len(self._faults)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Have a request answered, unless something goes wrong."""
        if not self._faults:
            return await handler(request)
        operation = operation_of(request, self._operations)
        fault = None if operation is None else self._next(operation)
        if fault is None:
            return await handler(request)
        request[STRUCK_BY] = fault

        def give_back() -> None:
            with self._lock:
                fault.struck -= 1
            del request[STRUCK_BY]

        number = (fault.id, fault.seen)
        return await fault.how.strike(Incident(request, handler, self._tools, number, give_back))

    def _next(self, operation: Operation) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.remaining == 0 or not fault.where.covers(operation):
                    continue
                fault.seen += 1
                if fault.seen > fault.after and self._odds(fault):
                    fault.struck += 1
                    return fault
        return None

    def _odds(self, fault: Fault) -> bool:
        drawn = self._tools.random.between(1, _PARTS, "odds", fault.id, fault.seen)
        return drawn <= fault.probability * _PARTS

    async def _let_go(self, _app: web.Application) -> None:
        """Break off what is being sent by hand, so that the server can stop at once."""
        for transport in self._tools.connections:
            transport.abort()
