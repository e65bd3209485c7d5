"""Handlers of events by their class."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Self, TypeVar, get_args

from ev_energy._callbacks import is_async
from ev_energy.webhooks._events import Event
from ev_energy.webhooks._signature import Delivery

E = TypeVar("E", bound=Event)
R = TypeVar("R")

_EVENT_CLASSES: Final[tuple[type[Any], ...]] = get_args(Event)


class HandlerRegistry(Generic[R]):
    """The handlers of a router. *R* is what they return: something to await, or nothing."""

    _is_blocking = False
    """Whether handlers are plain functions."""

    def __init__(self, *, fallback: Callable[[Any, Delivery], R]) -> None:
        self._check_handler("fallback", fallback)
        self._fallback = fallback
        self._handlers: dict[type[Any], Callable[[Any, Delivery], R]] = {}
        self._closed_because = ""
        """Why no more handlers can be registered; empty if they can."""

    def __repr__(self) -> str:
        names = ", ".join(cls.__name__ for cls in self._handlers)
        return f"<{type(self).__name__} with handlers of: {names or 'nothing'}>"

    @property
    def registered_types(self) -> tuple[type[Any], ...]:
        """The classes of events that have a handler, in the order of registration."""
        return tuple(self._handlers)

    def on(
        self, event_class: type[E]
    ) -> Callable[[Callable[[E, Delivery], R]], Callable[[E, Delivery], R]]:
        """Register the decorated function as the handler of a class of events.

        Raises:
            TypeError: *event_class* is no class of events, or the handler is not a function of the
                right kind.
            ValueError: It has a handler already.
            RuntimeError: This router has dispatched an event, or was included in another one.
        """

        def register(handler: Callable[[E, Delivery], R]) -> Callable[[E, Delivery], R]:
            self._check_handler("handler", handler)
            self._check_class(event_class)
            self._handlers[event_class] = handler
            return handler

        return register

    def include(self, router: Self) -> None:
        """Register the handlers of another router here, but not its fallback; see `on`.

        No handler can be registered with the other router afterwards.
        """
        for event_class in router._handlers:
            self._check_class(event_class)
        self._handlers |= router._handlers
        router._closed_because = "it was included in another router"

    def _handle(self, event: Event, delivery: Delivery) -> R:
        self._closed_because = "it has dispatched events, and earlier ones were not handled by it"
        return self._handlers.get(type(event), self._fallback)(event, delivery)

    def _check_class(self, event_class: type[Any]) -> None:
        if event_class not in _EVENT_CLASSES:
            raise TypeError(
                f"{event_class!r} is no class of events; these are: ChargingSubSessionCreated, "
                "ChargingSubSessionEnded, UnknownEvent"
            )
        if event_class in self._handlers:
            raise ValueError(f"{event_class.__name__} has a handler already")
        if self._closed_because:
            raise RuntimeError(f"this router takes no more handlers: {self._closed_because}")

    def _check_handler(self, argument: str, handler: object) -> None:
        if not callable(handler):
            raise TypeError(f"{argument}: expected a function, got {type(handler).__name__}")
        if self._is_blocking and is_async(handler):
            raise TypeError(
                f"{argument}: {handler!r} is async, and this router is for blocking handlers: use "
                "that of ev_energy.webhooks"
            )


class EventRouter(HandlerRegistry[Awaitable[None]]):
    """Calls the handler of an event's class.

        router = EventRouter(fallback=log_event)

        @router.on(ChargingSubSessionEnded)
        async def bill(event: ChargingSubSessionEnded, delivery: Delivery) -> None: ...

        await router.dispatch(event, delivery)

    Args:
        fallback: The handler of all events whose class has none: the API may send new types at any
            time, so there must be one.
    """

    async def dispatch(self, event: Event, delivery: Delivery) -> None:
        """Call the handler of *event*, or the fallback. Its errors are raised unchanged.

        Raises:
            TypeError: The handler returned nothing to await.
        """
        result: object = self._handle(event, delivery)
        if not inspect.isawaitable(result):
            raise TypeError(
                f"the handler of {type(event).__name__} returned {type(result).__name__}, which "
                "cannot be awaited: define it with `async def`, or use ev_energy_sync.webhooks"
            )
        await result
