"""The root of all errors, and the one error that models raise: both are public in `errors`."""

from __future__ import annotations

from typing import Any, Final

from ev_energy._redaction.scrub import printable

#: Characters of the longest message.
LONGEST_MESSAGE: Final = 2000


class EvEnergyError(Exception):
    """The root of every error this package raises, but for bad arguments.

    The message is one line of visible characters, at most 2,000 of them, whatever a server sent;
    attributes such as ``detail`` and ``response`` hold the whole.
    """

    #: Set on every error raised while paging: resumes at the page that failed.
    cursor: str | None = None

    def __init__(self, *args: object) -> None:
        super().__init__(
            *(printable(arg, LONGEST_MESSAGE) if isinstance(arg, str) else arg for arg in args)
        )

    def __reduce__(self) -> Any:
        # Subclasses take other arguments than their message; rebuild without __init__.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[EvEnergyError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class NotExpandedError(EvEnergyError):
    """``ref.value`` was read, but the reply held only the link."""

    def __init__(self, url: str, into: str) -> None:
        super().__init__(
            f"{printable(url)} was not expanded: pass expand=[...] to get the {into} in "
            "the same reply, or fetch it with client.fetch(ref)"
        )
        self.url = url


EvEnergyError.__module__ = NotExpandedError.__module__ = "ev_energy.errors"
