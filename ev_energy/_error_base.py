"""The base class of all errors, and the only error that models raise. `errors` exports both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ev_energy._redaction.scrub import printable

if TYPE_CHECKING:
    from ev_energy._api.resolved import Resolved

#: What is known about the request of a failed call; see `EvEnergyError.outcome`.
CallOutcome: TypeAlias = Literal["not_sent", "refused", "unknown"]

#: Maximum length of a message, in characters.
_MAX_MESSAGE: Final = 2000


class EvEnergyError(Exception):
    """The base class of all errors of this package, except for invalid arguments.

    The message is one line of at most 2,000 visible characters, whatever a server sent. Attributes
    such as ``detail`` and ``response`` hold the full text.
    """

    #: Set on every error that is raised while paging; resumes the listing at the failed page.
    cursor: str | None = None
    #: Whether a failed write may have been carried out. ``"not_sent"``: no request reached the API,
    #: or only such as it had refused before. ``"refused"``: the API answered that it was not.
    #: ``"unknown"``: nothing tells. None for errors that are about no call. Reads change nothing.
    outcome: CallOutcome | None = None
    #: The id of the reply, to quote when you ask ev.energy about it; see `Response.request_id`.
    #: None if there was no reply, or if the server sent no id.
    request_id: str | None = None
    #: What `Client.resolve` had resolved before the error; ``resolve(..., resume=error.partial)``
    #: continues from it. None for errors of other methods.
    partial: Resolved[Any] | None = None
    #: What the calls of `Client.gather` had returned before the error, by their positions. None for
    #: errors of other methods.
    gathered: Mapping[int, Any] | None = None

    def __init__(self, *args: object) -> None:
        super().__init__(
            *(printable(arg, _MAX_MESSAGE) if isinstance(arg, str) else arg for arg in args)
        )

    def __rich_repr__(self) -> Iterator[Any]:
        """Yield what rich shows: the message, and what is known about the call."""
        yield str(self)
        for name in ("status", "type", "outcome", "request_id"):
            yield name, getattr(self, name, None), None

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        from ev_energy._html import error_table

        return error_table(self)

    def __reduce__(self) -> Any:
        # Subclasses take other arguments than the message, so rebuild without __init__.
        # The state is set afterwards: `partial` may contain this error.
        return _rebuild, (type(self), self.args), self.__dict__ or None


def _rebuild(cls: type[EvEnergyError], args: tuple[Any, ...]) -> Any:
    error = cls.__new__(cls, *args)
    error.args = args
    return error


class NotExpandedError(EvEnergyError):
    """``ref.value`` was read, but the reply contained only the link."""

    def __init__(self, url: str, into: str) -> None:
        super().__init__(
            f"{printable(url)} was not expanded: pass expand=[...] to get the {into} in "
            "the same reply, or fetch it with client.fetch(ref)"
        )
        self.url = url


EvEnergyError.__module__ = NotExpandedError.__module__ = "ev_energy.errors"
