"""Importing in advance the modules that are otherwise imported at the first call.

They are deferred so that ``import ev_energy`` stays fast.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from typing import Final

from ev_energy._runtime.build_lock import build_lock

#: What any call, its failure or closing a client may import, except the modules of resources.
_DEFERRED: Final = (
    "encodings.idna",
    "ev_energy._http.transport",
    "ev_energy._http.failures",
    "ev_energy._http.network",
    "ev_energy._http.reply",
    "ev_energy._codec.decode",
    "ev_energy._api.state",
    "ev_energy._api.authorize",
    "ev_energy._http.retry",
    "ev_energy.auth._token_endpoint",
    "ev_energy._api.caller",
    "ev_energy._codec.drift",
    "ev_energy._http.retry_policy",
    "ev_energy.auth._token_manager",
    "ev_energy.budget",
    "ev_energy.hooks",
)

#: What only some methods, arguments and replies import; each takes a millisecond or two, or 10 ms
#: for the lenient pass of a reply that deviates from the models, which needs cattrs.
_SELDOM_USED: Final = (
    "difflib",  # mistaken names
    "email.utils",  # the date of a Retry-After
    "html",  # a reply that repeats a secret
    "ev_energy._codec.lenient",
    "ev_energy._http.caller_session",
    "ev_energy._api.raw_request",
    "ev_energy._api.capture",
    "ev_energy._api.estimate",
    "ev_energy._api.resource_paths",
    "ev_energy._changes.follow",
    "ev_energy._changes.log_pager",
    "ev_energy._changes.log_state",
    "ev_energy._changes.stream",
    "ev_energy.auth._authorization",
    "ev_energy.budget._reservation",
    "ev_energy.models.notifications",  # a conflict (409)
    "ev_energy.resources._constraints",
)


def is_loaded(*, tls: bool = True) -> bool:
    """Return whether `load` has nothing left to import or read."""
    if not all(name in sys.modules for name in _DEFERRED):
        return False
    return not tls or import_module("ev_energy._http.network").has_read_certificates()


def load(*, tls: bool = True) -> None:
    """Import the modules that any call may need.

    With *tls*, also read the certificates that the environment names.
    """
    with build_lock:
        # asyncio needs it for DNS lookups. It cannot be imported while the interpreter exits;
        # `in_thread` then works without it.
        with suppress(RuntimeError):
            import_module("concurrent.futures.thread")
        for name in _DEFERRED:
            import_module(name)
        if tls:
            import_module("ev_energy._http.network").read_certificates()


def load_seldom_used() -> None:
    """Import what only some methods, arguments and replies need."""
    with build_lock:
        for name in _SELDOM_USED:
            import_module(name)


def load_models() -> None:
    """Import all models: a link may lead to any of them."""
    from ev_energy import models

    with build_lock:
        for name in dir(models):
            getattr(models, name)
