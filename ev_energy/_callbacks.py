"""Functions that users pass to be called: which are accepted, and what becomes of their results."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Final, Generic, ParamSpec

from ev_energy._arguments import describe_type
from ev_energy._runtime.log_fields import log_fields

P = ParamSpec("P")

_log: Final = logging.getLogger("ev_energy")


def is_async(function: object) -> bool:
    """Return whether *function* is a coroutine function or an async generator function.

    Also one that is bound, in a `functools.partial`, or the ``__call__`` of an object. A plain
    function that returns a coroutine cannot be told before it is called.
    """
    while isinstance(function, functools.partial):
        function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return any(
        inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called)
        for called in (function, getattr(type(function), "__call__", None))  # noqa: B004
    )


def plain_function(name: str, function: Callable[P, object] | None) -> PlainFunction[P] | None:
    """Return *function* as it is to be called; None for None.

    `TypeError` unless it is a function that returns at once. *name* is the argument.
    """
    if function is None or isinstance(function, PlainFunction):
        return function
    if not callable(function):
        raise TypeError(f"{name} must be a function, not {describe_type(function)}")
    if isinstance(function, type):
        raise TypeError(
            f"{name} must be a function, not {describe_type(function)}: pass an object of it, or "
            "one of its methods"
        )
    if is_async(function):
        raise TypeError(
            f"{name} must be a plain function, not an async one: it is called on the event loop "
            "and not awaited. A plain function can start a task with asyncio.create_task(), or "
            "pass on what it is called with by queue.put_nowait()"
        )
    return PlainFunction(name, function)


class PlainFunction(Generic[P]):
    """A function that the user passed as the argument *name*. What it returns is dropped.

    A plain function may return a coroutine by mistake, such as ``lambda event: send(event)`` with
    an async ``send``. The call during which it was called is not to blame, so it goes on, and the
    first one is logged as an error.
    """

    __slots__ = ("_function", "_is_reported", "_name")

    def __init__(self, name: str, function: Callable[P, object]) -> None:
        self._name, self._function, self._is_reported = name, function, False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call the function."""
        result = self._function(*args, **kwargs)
        if not inspect.iscoroutine(result):
            return
        result.close()
        if self._is_reported:
            return
        self._is_reported = True
        _log.error(
            "%s returned a coroutine, which is not awaited, so its code does not run: return "
            "nothing, and start a task with asyncio.create_task()",
            self._name,
            extra=log_fields("callback_misused", callback=self._name),
        )
