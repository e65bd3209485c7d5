"""Tracebacks from which tools that print local variables learn no secret.

``pytest -l``, rich, cgitb and error trackers call ``repr`` on every local variable of every frame
of an exception. Frames of this package therefore hold secrets in objects whose repr is silent
(`Secret`, `Token`), and frames that cannot (aiohttp's, with the headers and the body that are
sent) are taken out of the traceback where the exception comes into the package (`trim_traceback`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])
T = TypeVar("T")

#: Packages below this one, besides the standard library. The frames of everything else belong to
#: the user (middlewares, hooks, token stores), and are kept.
_BELOW: Final = frozenset(
    {"ev_energy", "ev_energy_sync", "aiohttp", "aiohappyeyeballs", "async_timeout", "keyring"}
    | {"multidict", "propcache", "redis", "uvloop", "yarl"}
)


class Secret(Generic[T]):
    """A value that the repr of a frame's local variables does not show."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"


class trim_traceback:  # noqa: N801  (it reads as a function: ``with trim_traceback():``)
    """Take the frames below the ``with`` out of the traceback of whatever is raised inside.

    Those of its causes and contexts go as well, as far as they arose inside.
    """

    __slots__ = ("_outer",)

    def __enter__(self) -> None:
        # An exception that the caller is handling is a context of all that is raised in here.
        self._outer = sys.exception()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if error is None:
            return
        if error.__traceback__ is not None:
            error.__traceback__.tb_next = _kept(error.__traceback__.tb_next)
        seen = {id(error), id(self._outer)}
        todo = [*_from(error)]
        while todo:
            cause = todo.pop()
            if id(cause) not in seen:
                seen.add(id(cause))
                cause.__traceback__ = _kept(cause.__traceback__)
                todo += _from(cause)


def _from(error: BaseException) -> Iterator[BaseException]:
    """Yield what led to *error*."""
    if error.__cause__ is not None:
        yield error.__cause__
    if error.__context__ is not None:
        yield error.__context__
    if isinstance(error, BaseExceptionGroup):
        yield from cast("BaseExceptionGroup[BaseException]", error).exceptions


def _kept(traceback: TracebackType | None) -> TracebackType | None:
    """Return *traceback* with the user's frames alone."""
    found: list[TracebackType] = []
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if module not in _BELOW and module not in sys.stdlib_module_names:
            found.append(traceback)
        traceback = traceback.tb_next
    kept: TracebackType | None = None
    for one in reversed(found):
        kept = TracebackType(kept, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return kept


def with_trimmed_traceback(function: F) -> F:
    """Decorate an async *function* whose frames hold secrets, so that no exception shows them."""

    @functools.wraps(function)
    async def outer(*args: Any, **kwargs: Any) -> Any:
        with trim_traceback():
            return await function(*args, **kwargs)

    return cast(F, outer)


def hide_init_arguments(cls: type[Any]) -> None:
    """Have *cls*, which is made of secrets, show none of them when it refuses one.

    The ``__init__`` that attrs writes has every argument among its local variables. This is no
    decorator, after which pyright would know nothing of the class.
    """
    build: Callable[..., None] = cls.__init__

    @functools.wraps(build)
    def construct(self: object, *args: Any, **kwargs: Any) -> None:
        given = Secret((self, args, kwargs))
        del self, args, kwargs  # of an instance without members, the repr fails
        with trim_traceback():
            build(given.value[0], *given.value[1], **given.value[2])

    setattr(cls, "__init__", construct)  # noqa: B010  (checkers allow no assignment to a method)
