"""Handlers of events by their class."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Self, TypeVar, get_args

from ev_energy.webhooks._events import Event
from ev_energy.webhooks._signature import Delivery

E = TypeVar("E", bound=Event)
R = TypeVar("R")

_EVENT_CLASSES: Final[tuple[type[Any], ...]] = get_args(Event)


class HandlerRegistry(Generic[R]):
    """The handlers of a router. *R* is what they return: something to await, or nothing."""

    def __init__(self, *, fallback: Callable[[Any, Delivery], R]) -> None:
        self._fallback = fallback
        self._handlers: dict[type[Any], Callable[[Any, Delivery], R]] = {}
        self._has_dispatched = False

    @property
    def registered_types(self) -> tuple[type[Any], ...]:
        """The classes of events that have a handler, in the order of registration."""
        return tuple(self._handlers)

    def on(
        self, event_class: type[E]
    ) -> Callable[[Callable[[E, Delivery], R]], Callable[[E, Delivery], R]]:
        """Register the decorated function as the handler of a class of events.

        Raises:
            TypeError: *event_class* is no class of events.
            ValueError: It has a handler already.
            RuntimeError: This router has dispatched an event already.
        """

        def register(handler: Callable[[E, Delivery], R]) -> Callable[[E, Delivery], R]:
            self._register(event_class, handler)
            return handler

        return register

    def include(self, router: Self) -> None:
        """Register the handlers of another router here, but not its fallback; see `on`."""
        for event_class, handler in router._handlers.items():
            self._register(event_class, handler)

    def _handle(self, event: Event, delivery: Delivery) -> R:
        self._has_dispatched = True
        return self._handlers.get(type(event), self._fallback)(event, delivery)

    def _register(self, event_class: type[Any], handler: Callable[[Any, Delivery], R]) -> None:
        if event_class not in _EVENT_CLASSES:
            expected = ", ".join(cls.__name__ for cls in _EVENT_CLASSES)
            raise TypeError(f"{event_class!r} is no class of events; these are: {expected}")
        if event_class in self._handlers:
            raise ValueError(f"{event_class.__name__} has a handler already")
        if self._has_dispatched:
            raise RuntimeError(
                f"cannot register a handler of {event_class.__name__}: this router has dispatched "
                "events already, and earlier ones were not handled by it"
            )
        self._handlers[event_class] = handler


class EventRouter(HandlerRegistry[Awaitable[None]]):
    """Calls the handler of an event's class.

    ::

        router = EventRouter(fallback=log_event)

        @router.on(ChargingSubSessionEnded)
        async def bill(event: ChargingSubSessionEnded, delivery: Delivery) -> None: ...

        await router.dispatch(event, delivery)

    Args:
        fallback: The handler of all events whose class has none: the API may send new types at any
            time, so there must be one.
    """

    async def dispatch(self, event: Event, delivery: Delivery) -> None:
        """Call the handler of *event*, or the fallback. Its errors are raised unchanged."""
        await self._handle(event, delivery)
