"""Functions that users pass to be called: which are accepted, and what becomes of their results."""

from __future__ import annotations

import functools
import inspect
import logging
from typing import Final

from ev_energy._arguments import describe_type
from ev_energy._runtime.log_fields import log_fields

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


def require_plain_function(name: str, function: object) -> None:
    """Raise `TypeError` if *function* is neither None nor a function that returns at once."""
    if function is None:
        return
    if not callable(function):
        raise TypeError(f"{name} must be a function, not {describe_type(function)}")
    if is_async(function):
        raise TypeError(
            f"{name} must be a plain function, not an async one: it is called on the event loop "
            "and not awaited. A plain function can start a task with asyncio.create_task(), or "
            "pass on what it is called with by queue.put_nowait()"
        )


def drop_result(name: str, result: object) -> None:
    """Drop what the function passed as *name* returned; log an error if it is a coroutine.

    A plain function may return one by mistake, such as ``lambda event: send(event)`` with an async
    ``send``. The call during which it was called is not to blame, so it goes on.
    """
    if inspect.iscoroutine(result):
        result.close()
        _log.error(
            "%s returned a coroutine, which is not awaited, so its code does not run: return "
            "nothing, and start a task with asyncio.create_task()",
            name,
            extra=log_fields("callback_misused", callback=name),
        )
