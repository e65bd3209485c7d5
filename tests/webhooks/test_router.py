"""`EventRouter`: handlers of events by their class."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from ev_energy.models import ChargingSubSession
from ev_energy.webhooks import (
    ChargingSubSessionCreated,
    ChargingSubSessionEnded,
    Delivery,
    EventRouter,
    UnknownEvent,
    read,
)
from tests.webhooks.test_events import CREATED, ENDED, delivery

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Recorder:
    """Handlers that record what they were called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Delivery]] = []

    def handler(self, name: str) -> Any:
        async def handle(event: Any, delivery: Delivery) -> None:
            self.calls.append((name, event, delivery))

        return handle


async def dispatch(router: EventRouter, type_: str) -> Delivery:
    body = delivery(type_)
    received = Delivery("msg_1", NOW, read(body), body)
    await router.dispatch(received.event, received)
    return received


async def test_event_is_dispatched_to_the_handler_of_its_class() -> None:
    recorder = Recorder()
    router = EventRouter(fallback=recorder.handler("fallback"))
    router.on(ChargingSubSessionEnded)(recorder.handler("ended"))
    router.on(ChargingSubSessionCreated)(recorder.handler("created"))
    assert router.registered_types == (ChargingSubSessionEnded, ChargingSubSessionCreated)
    deliveries = [await dispatch(router, type_) for type_ in (CREATED, ENDED, "vehicle.seen")]
    assert recorder.calls == [
        (name, received.event, received)
        for name, received in zip(("created", "ended", "fallback"), deliveries, strict=True)
    ]
    assert isinstance(recorder.calls[0][1].data, ChargingSubSession)


async def test_event_without_a_handler_reaches_the_fallback() -> None:
    recorder = Recorder()
    router = EventRouter(fallback=recorder.handler("fallback"))
    router.on(UnknownEvent)(recorder.handler("unknown"))
    await dispatch(router, CREATED)
    await dispatch(router, "vehicle.seen")
    assert [name for name, *_ in recorder.calls] == ["fallback", "unknown"]


def test_fallback_is_mandatory() -> None:
    with pytest.raises(TypeError, match="fallback"):
        EventRouter()  # type: ignore[call-arg]


def test_second_handler_of_a_class_is_refused() -> None:
    recorder = Recorder()
    router, other = (EventRouter(fallback=recorder.handler("x")) for _ in range(2))
    router.on(ChargingSubSessionEnded)(recorder.handler("first"))
    other.on(ChargingSubSessionEnded)(recorder.handler("second"))
    message = "ChargingSubSessionEnded.* has a handler already"
    with pytest.raises(ValueError, match=message):
        router.on(ChargingSubSessionEnded)(recorder.handler("second"))
    with pytest.raises(ValueError, match=message):
        router.include(other)


async def test_handler_is_refused_after_the_first_event() -> None:
    recorder = Recorder()
    router = EventRouter(fallback=recorder.handler("fallback"))
    await dispatch(router, CREATED)
    with pytest.raises(RuntimeError, match="takes no more handlers: it has dispatched events"):
        router.on(ChargingSubSessionEnded)(recorder.handler("late"))


def test_handler_is_refused_after_the_router_was_included() -> None:
    recorder = Recorder()
    router, other = (EventRouter(fallback=recorder.handler("x")) for _ in range(2))
    router.include(other)
    with pytest.raises(RuntimeError, match="it was included in another router"):
        other.on(ChargingSubSessionEnded)(recorder.handler("late"))


def test_conflicting_router_is_not_included_in_part() -> None:
    recorder = Recorder()
    router, other = (EventRouter(fallback=recorder.handler("x")) for _ in range(2))
    other.on(ChargingSubSessionCreated)(recorder.handler("created"))
    for one in (router, other):
        one.on(ChargingSubSessionEnded)(recorder.handler("ended"))
    with pytest.raises(ValueError, match="has a handler already"):
        router.include(other)
    assert router.registered_types == (ChargingSubSessionEnded,)


@pytest.mark.parametrize("handler", [None, "bill", 5])
def test_handler_that_is_no_function_is_refused(handler: Any) -> None:
    with pytest.raises(TypeError, match="fallback: expected a function, got"):
        EventRouter(fallback=handler)
    router = EventRouter(fallback=Recorder().handler("x"))
    with pytest.raises(TypeError, match="handler: expected a function, got"):
        router.on(ChargingSubSessionEnded)(handler)


async def test_blocking_handler_of_an_async_router_is_named_as_the_error() -> None:
    router = EventRouter(fallback=cast("Any", lambda event, delivery: None))
    with pytest.raises(TypeError, match="returned NoneType, which cannot be awaited"):
        await dispatch(router, CREATED)


@pytest.mark.parametrize("cls", [ChargingSubSession, str, None, "charging_sub_session.ended"])
def test_handler_of_anything_but_an_event_is_refused(cls: Any) -> None:
    router = EventRouter(fallback=Recorder().handler("x"))
    with pytest.raises(TypeError, match="is no class of events; these are: ChargingSubSession"):
        router.on(cls)(Recorder().handler("x"))


async def test_included_handlers_are_called() -> None:
    recorder = Recorder()
    router, other = (EventRouter(fallback=recorder.handler(name)) for name in ("own", "other"))
    router.on(ChargingSubSessionCreated)(recorder.handler("created"))
    other.on(ChargingSubSessionEnded)(recorder.handler("ended"))
    router.include(other)
    assert router.registered_types == (ChargingSubSessionCreated, ChargingSubSessionEnded)
    for type_ in (ENDED, CREATED, "vehicle.seen"):
        await dispatch(router, type_)
    assert [name for name, *_ in recorder.calls] == ["ended", "created", "own"]


async def test_error_of_a_handler_is_raised() -> None:
    async def fail(event: Any, delivery: Delivery) -> None:
        raise LookupError(delivery.id)

    router = EventRouter(fallback=cast("Any", fail))
    with pytest.raises(LookupError, match="msg_1"):
        await dispatch(router, CREATED)


async def test_decorated_handler_stays_a_function() -> None:
    router = EventRouter(fallback=Recorder().handler("x"))

    @router.on(ChargingSubSessionEnded)
    async def bill(event: ChargingSubSessionEnded, delivery: Delivery) -> None:
        """Bill a sub-session."""

    assert bill.__doc__ == "Bill a sub-session."
