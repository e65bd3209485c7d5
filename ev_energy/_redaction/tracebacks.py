"""Keeping secrets out of tracebacks that show local variables.

``pytest -l``, rich, cgitb and error trackers call ``repr`` on every local variable of every frame
of an exception. Frames of this package therefore keep secrets in objects whose repr hides them
(`Secret`, `Token`). Frames that cannot, such as aiohttp's with the headers and the body of a
request, are removed from the traceback where the exception enters the package (`trim_traceback`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

from ev_energy._redaction.scrub import MASK

F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])
T = TypeVar("T")

#: Packages whose frames are removed, besides the standard library. All other frames belong to the
#: user (middlewares, hooks, token stores) and are kept.
_REMOVED: Final = frozenset(
    {"ev_energy", "ev_energy_sync", "aiohttp", "aiohappyeyeballs", "async_timeout", "attr"}
    | {"keyring", "multidict", "propcache", "redis", "uvloop", "yarl"}
)


class Secret(Generic[T]):
    """A value that its repr does not show."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value: T = value

    def __repr__(self) -> str:
        return MASK


class trim_traceback:  # noqa: N801  (a context manager in the manner of contextlib.suppress)
    """Remove the frames below the ``with`` statement from the traceback of an exception.

    Frames of its causes and contexts are removed as well if they arose inside the statement.
    """

    __slots__ = ("_handled",)

    def __enter__(self) -> None:
        # An exception that the caller is handling is the context of all that is raised inside.
        self._handled = sys.exception()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if error is not None:
            trim(error, self._handled)


def trim(error: BaseException, handled: BaseException | None) -> None:
    """Remove the frames below the current one from the traceback of *error*, which it handles.

    `trim_traceback` does this at the end of a block. Code that every call runs does so itself, in
    an ``except`` clause, which costs nothing unless something is raised. *handled* is what
    `sys.exception` returned before: what the caller is handling is the context of all that is
    raised inside.
    """
    if error.__traceback__ is not None:
        error.__traceback__.tb_next = _user_frames(error.__traceback__.tb_next)
    seen = {id(error), id(handled)}
    pending = [*_origins(error)]
    while pending:
        origin = pending.pop()
        if id(origin) not in seen:
            seen.add(id(origin))
            origin.__traceback__ = _user_frames(origin.__traceback__)
            pending += _origins(origin)


def _origins(error: BaseException) -> Iterator[BaseException]:
    """Yield the cause and the context of *error*, and the members of a group."""
    if error.__cause__ is not None:
        yield error.__cause__
    if error.__context__ is not None:
        yield error.__context__
    if isinstance(error, BaseExceptionGroup):
        yield from cast("BaseExceptionGroup[BaseException]", error).exceptions


def _user_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return *traceback* with the user's frames only."""
    found: list[TracebackType] = []
    while traceback is not None:
        package = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in _REMOVED and package not in sys.stdlib_module_names:
            found.append(traceback)
        traceback = traceback.tb_next
    kept: TracebackType | None = None
    for entry in reversed(found):
        kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def with_trimmed_traceback(function: F) -> F:
    """Decorate an async *function* whose frames hold secrets, so that no traceback shows them."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with trim_traceback():
            return await function(*args, **kwargs)

    return cast(F, wrapper)


def hide_init_arguments(cls: type[Any]) -> None:
    """Keep the arguments of ``cls()`` out of the traceback when it raises.

    The local variables of the ``__init__`` that attrs generates are all the arguments. This is not
    a class decorator because pyright would no longer know the signature of the class.
    """
    init: Callable[..., None] = cls.__init__

    @functools.wraps(init)
    def wrapper(self: object, *args: Any, **kwargs: Any) -> None:
        arguments = Secret((self, args, kwargs))
        del self, args, kwargs  # the repr of an instance without its attributes would raise
        with trim_traceback():
            init(arguments.value[0], *arguments.value[1], **arguments.value[2])

    setattr(cls, "__init__", wrapper)  # noqa: B010  (type checkers reject assigning to a method)
