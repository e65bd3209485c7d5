"""Faults of the connection: what breaks, what is late, and what is sent besides the reply."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ev_energy.simulator.faults._kind import ByHand, Incident, Kind, Wire
from ev_energy.simulator.faults._options import Number

if TYPE_CHECKING:
    from aiohttp import web


_LONGEST: Final = 24 * 3600


@attrs.frozen(kw_only=True)
class ResetBefore(Kind):
    """The connection is reset before the body of the request is read; nothing is done."""

    handled: ClassVar = False

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Break off."""
        return ByHand(incident, 0, Wire.reset)


@attrs.frozen(kw_only=True)
class ResetAfter(Kind):
    """The request is carried out, and the connection reset instead of a reply."""

    handled: ClassVar = True

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Do what was asked, and break off."""
        answer = await incident.answer()
        return ByHand(incident, answer.status, Wire.reset)


@attrs.frozen(kw_only=True)
class Truncated(Kind):
    """The connection is closed in the middle of the body, whose full length was announced."""

    handled: ClassVar = True
    share: float = attrs.field(
        default=0.5, validator=Number("how much of the body is sent", most=1)
    )

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Send less than promised, by a byte at least."""
        answer = await incident.answer()
        if not answer.body:
            incident.give_back()
            return answer.response()
        kept = min(int(len(answer.body) * self.share), len(answer.body) - 1)

        async def send(wire: Wire) -> None:
            await wire.write(answer.head(wire.now) + answer.body[:kept])

        return ByHand(incident, answer.status, send)


@attrs.frozen(kw_only=True)
class BadChunk(Kind):
    """A body in chunks, the second of which begins with something that is no size."""

    handled: ClassVar = True

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Send one good chunk, and a bad one."""
        answer = await incident.answer()
        if not answer.body:
            incident.give_back()
            return answer.response()
        good, rest = answer.body[: len(answer.body) // 2], answer.body[len(answer.body) // 2 :]
        first = b"%x\r\n%b\r\n" % (len(good), good) if good else b""

        async def send(wire: Wire) -> None:
            await wire.write(answer.head(wire.now, chunked=True) + first + b"zz\r\n" + rest)

        return ByHand(incident, answer.status, send)


@attrs.frozen(kw_only=True)
class SlowDrip(Kind):
    """The body arrives in small pieces, with a pause before each."""

    handled: ClassVar = True
    seconds: float = attrs.field(
        default=0.1, validator=Number("the pause before each piece", most=_LONGEST)
    )
    pieces: int | None = attrs.field(
        default=None,
        validator=Number(
            "how many there are; null for one a byte", least=1, whole=True, optional=True
        ),
    )

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Send the head at once and the rest bit by bit."""
        answer = await incident.answer()
        if not answer.body:
            incident.give_back()
            return answer.response()
        size = math.ceil(len(answer.body) / self.pieces) if self.pieces else 1

        async def send(wire: Wire) -> None:
            await wire.write(answer.head(wire.now))
            for start in range(0, len(answer.body), size):
                await wire.wait(self.seconds)
                await wire.write(answer.body[start : start + size])

        return ByHand(incident, answer.status, send, stay=True)


@attrs.frozen(kw_only=True)
class SlowStart(Kind):
    """The request is carried out at once, but the reply comes late."""

    handled: ClassVar = True
    seconds: float = attrs.field(
        default=5.0, validator=Number("the pause before the status line", most=_LONGEST)
    )

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Do what was asked, and take a while to say so."""
        answer = await incident.answer()

        async def send(wire: Wire) -> None:
            await wire.wait(self.seconds)
            await wire.write(answer.wire(wire.now))

        return ByHand(incident, answer.status, send, stay=True)


@attrs.frozen(kw_only=True)
class Hang(Kind):
    """Nothing happens, and no reply comes, until the client goes or a time is over."""

    handled: ClassVar = False
    seconds: float | None = attrs.field(
        default=None,
        validator=Number(
            "after how long the connection is closed; null for never", most=_LONGEST, optional=True
        ),
    )

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Keep the client waiting."""
        seconds = math.inf if self.seconds is None else self.seconds

        async def send(wire: Wire) -> None:
            await wire.wait(seconds)

        return ByHand(incident, 0, send)


@attrs.frozen(kw_only=True)
class DuplicateReply(Kind):
    """The reply is sent twice, the second as if to a request that was never made."""

    handled: ClassVar = True

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Say everything again."""
        answer = await incident.answer()

        async def send(wire: Wire) -> None:
            await wire.write(answer.wire(wire.now) * 2)

        return ByHand(incident, answer.status, send, stay=True)


@attrs.frozen(kw_only=True)
class Informational(Kind):
    """A 103 comes before the reply, which is as it should be."""

    handled: ClassVar = True

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Announce the reply."""
        answer = await incident.answer()
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n"

        async def send(wire: Wire) -> None:
            await wire.write(hints)
            await wire.write(answer.wire(wire.now))

        return ByHand(incident, answer.status, send, stay=True)


@attrs.frozen(kw_only=True)
class ConnectionClose(Kind):
    """The reply is as it should be, but the connection is closed without a word."""

    handled: ClassVar = True

    async def strike(self, incident: Incident) -> web.StreamResponse:
        """Answer, and hang up."""
        answer = await incident.answer()

        async def send(wire: Wire) -> None:
            await wire.write(answer.wire(wire.now))

        return ByHand(incident, answer.status, send)
