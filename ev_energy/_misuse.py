"""Errors that say what to use instead of what an object does not have.

Type checkers report these mistakes as well, so everything here is hidden from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from ev_energy._arguments import suggest

_NO_NAMES: Final[Mapping[str, str]] = {}


def refuse(message: str) -> Any:
    """Return a method that raises `TypeError` with *message*, whatever it is called with."""

    def method(*_: object) -> NoReturn:
        raise TypeError(message)

    return method


class SuggestsNames:
    """An object that suggests a name when one is read that it does not have."""

    __slots__ = ()

    _other_names: ClassVar[Mapping[str, str]] = _NO_NAMES
    """Names in other SDKs, and those of the same things here."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            known = [own for own in dir(type(self)) if not own.startswith("_")]
            if not name.startswith("_") and name not in known:
                other = self._other_names.get(name)
                message += f"; use {other!r}" if other in known else suggest(name, known)
            # With an `obj`, tracebacks of Python would add a suggestion of their own.
            raise AttributeError(message, name=name)


class NotCallable(SuggestsNames):
    """A family of operations: its methods are called, and not the family itself."""

    __slots__ = ()

    _other_names: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("retrieve", "fetch", "find", "read"), "get"),
        **dict.fromkeys(("modify", "edit", "patch"), "update"),
        **dict.fromkeys(("all", "search", "query"), "list"),
        **dict.fromkeys(("add", "new", "post"), "create"),
        "remove": "delete",
    }

    if not TYPE_CHECKING:

        def __call__(self, *_: object, **__: object) -> NoReturn:
            known = [own for own in dir(type(self)) if not own.startswith("_")]
            first = next((name for name in ("list", "get") if name in known), known[0])
            raise TypeError(
                f"{type(self).__name__!r} object cannot be called: call one of its methods, such "
                f"as {first}()"
            )


class UnlikeHttpClient(SuggestsNames):
    """A client of one API: its families have methods, and it has one for all other requests."""

    __slots__ = ()

    _other_names: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("get", "post", "put", "patch", "delete", "stream", "send"), "request"),
        "aclose": "close",
    }


class NotCopied:
    """An object that cannot be copied or pickled, since it has open connections."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __reduce_ex__(self, _: object) -> NoReturn:
            raise TypeError(
                "a client has connections and cannot be copied or pickled: share it among threads "
                "and tasks, and make one in each process"
            )


class UnlikeList(SuggestsNames):
    """A listing, whose items are fetched when it is iterated: it has no length and no index."""

    __slots__ = ()

    _other_names: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("items", "data", "results", "all", "to_list"), "collect"),
        **dict.fromkeys(("by_page", "iter_pages", "next_page", "get_next_page"), "pages"),
        "one": "first",
    }

    if not TYPE_CHECKING:
        __len__ = refuse(
            "a listing has no length, since the API does not count items: count those of collect()"
        )
        __getitem__ = refuse("a listing has no index: use first(), or collect(limit=...)")
        __bool__ = refuse(
            "only a request tells whether a listing has items: compare first() with None"
        )
        __enter__ = __aenter__ = refuse("a listing is not opened or closed: iterate over it")
        __exit__ = __aexit__ = refuse("a listing is not opened or closed")
        __getstate__ = refuse(
            "a listing cannot be copied or pickled: make it again elsewhere, and resume it there "
            "at the cursor of a page"
        )
