"""Imports ahead of time: what calls import late, so that importing the package stays cheap."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from typing import Final

from ev_energy._runtime.build_lock import build_lock

#: What a call, an error or the end of a client may import, families of endpoints aside.
_LATE: Final = (
    "email.utils",
    "html",
    "encodings.idna",
    "ev_energy._http.transport",
    "ev_energy._http.failures",
    "ev_energy._http.network",
    "ev_energy._http.reply",
    "ev_energy._http.caller_session",
    "ev_energy._codec.decode",
    "ev_energy._codec.lenient",
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
    "ev_energy.auth._authorization",
    "ev_energy._api.capture",
    "ev_energy.resources._constraints",
    "ev_energy.resources._geojson",
    "ev_energy._api.resource_paths",
    "ev_energy.budget._reservation",
    "ev_energy.resources._uploads",
    "ev_energy.models.notifications",
)


def is_loaded(*, tls: bool = True) -> bool:
    """Return whether `load` has nothing left to do."""
    if not all(name in sys.modules for name in _LATE):
        return False
    return not tls or import_module("ev_energy._http.network").has_read_certificates()


def load(*, tls: bool = True) -> None:
    """Import what any call may need; with *tls*, read the certificates the environment names."""
    with build_lock:
        # What asyncio needs to look hosts up. It cannot be imported while the process exits, when
        # lookups do without (see `_in_thread`).
        with suppress(RuntimeError):
            import_module("concurrent.futures.thread")
        for name in _LATE:
            import_module(name)
        if tls:
            import_module("ev_energy._http.network").read_certificates()


def load_models() -> None:
    """Import every model: any may stand at the end of a link."""
    from ev_energy import models

    with build_lock:
        for name in dir(models):
            getattr(models, name)
