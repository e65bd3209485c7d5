"""Errors that say what to use instead of what an object does not have.

Type checkers report these mistakes as well, so everything here is hidden from them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from ev_energy._arguments import suggest
from ev_energy._redaction.tracebacks import Secret

_NO_NAMES: Final[Mapping[str, str]] = {}


#: Classes that are looked for in `ev_energy` or `ev_energy_sync`, and are elsewhere.
_CLASSES: Final[Mapping[str, str]] = {
    "AsyncClient": "ev_energy.Client",
    "BlockingClient": "ev_energy_sync.Client",
    "RedisBudget": "ev_energy.redis.RedisBudget",
    "Simulator": "ev_energy.simulator.Simulator",
    "SyncClient": "ev_energy_sync.Client",
}


def suggest_class(name: str, known: Iterable[str], modules: Collection[str]) -> str:
    """Return the end of a message about *name*, which a package lacks: the class to use.

    It is one in *modules*, or one of the package's own, which are *known*.
    """
    if modules and name in _CLASSES:
        return f"; use {_CLASSES[name]!r}"
    for module in modules:
        loaded = import_module(module)
        if name in getattr(loaded, "__all__", dir(loaded)):
            return f"; use '{module}.{name}'"
    return suggest(name, known)


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


class OnlyMethods(SuggestsNames):
    """A family of operations: its methods are called, and it is no function and no collection."""

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
            self._refuse("cannot be called", ("list", "get"))

        def __getitem__(self, _: object) -> NoReturn:
            self._refuse("has no index", ("get", "list"))

        def __iter__(self) -> NoReturn:
            self._refuse("cannot be iterated", ("list", "get"))

        __aiter__ = __iter__

        def _refuse(self, reason: str, likely: tuple[str, ...]) -> NoReturn:
            known = [own for own in dir(type(self)) if not own.startswith("_")]
            method = next((name for name in likely if name in known), known[0])
            raise TypeError(
                f"{type(self).__name__!r} object {reason}: call one of its methods, such as "
                f"{method}()"
            )


class UnlikeHttpClient(SuggestsNames):
    """A client of one API: its families have methods, and it has one for all other requests."""

    __slots__ = ()

    _other_names: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("get", "post", "put", "patch", "delete", "stream", "send"), "request"),
        "aclose": "close",
        # The usual words of the field for families
        "batteries": "home_batteries",
        "cars": "vehicles",
        "charge_points": "evses",
        "chargepoints": "evses",
        "chargers": "evses",
        "charging_stations": "evses",
        "charges": "charging_sessions",
        "customers": "users",
        "drivers": "users",
        "evs": "vehicles",
        "meters": "boundary_meters",
        "sessions": "charging_sessions",
        "stations": "evses",
        "sub_sessions": "charging_sub_sessions",
        "tickets": "support_tickets",
        "wallboxes": "evses",
    }


_APPLICATION: Final = (
    "pass auth=ClientCredentials(client_id=..., client_secret=...), or use Client.from_env(), "
    "which reads both from the environment"
)
_BARE: Final = "pass the access token as auth"
#: Arguments that a client does not have, since *auth* stands for them.
_CREDENTIALS: Final[Mapping[str, str]] = {
    "client_id": _APPLICATION,
    "client_secret": _APPLICATION,
    "token": _BARE,
    "access_token": _BARE,
    "api_key": _BARE,
}


def explain_credentials(client: type[Any]) -> None:
    """Let ``client(client_id=..., client_secret=...)`` say which argument takes these.

    This is not a class decorator, for type checkers must know the signature of the class.
    """
    init: Callable[..., None] = client.__init__

    @functools.wraps(init)
    def wrapper(self: object, *args: Any, **kwargs: Any) -> None:
        mistaken = next((name for name in kwargs if name in _CREDENTIALS), None)
        given = Secret((args, kwargs))
        del args, kwargs  # tools print the local variables of this frame
        if mistaken is not None:
            raise TypeError(f"Client has no argument {mistaken!r}: {_CREDENTIALS[mistaken]}")
        init(self, *given.value[0], **given.value[1])

    setattr(client, "__init__", wrapper)  # noqa: B010  (type checkers reject assigning to a method)


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
