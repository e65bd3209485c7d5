"""Keeps web pages from elsewhere out, which can send requests through a browser on this host."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from aiohttp import hdrs
from yarl import URL

from ev_energy.simulator._api._problems import ProblemError

if TYPE_CHECKING:
    from aiohttp import web


def is_loopback(host: str) -> bool:
    """Return whether a name or address always means this machine."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Guard:
    """Lets in whoever calls this machine by a name that is its own.

    A name of somebody else's that was made to lead here would let their page read what it likes.
    Who listens at another address than a loopback one has names that nobody can know.
    """

    def __init__(self, host: str) -> None:
        self._open = not is_loopback(host)

    def check(self, request: web.Request) -> None:
        """Raise `ProblemError` for a request that calls this machine by another name."""
        if self._open:
            return
        sent = request.headers.get(hdrs.HOST, "")
        try:
            host = URL(f"http://{sent}").host
        except ValueError:
            host = None
        if not is_loopback(host or ""):
            raise ProblemError(
                403, "Forbidden", f"Only a loopback name or address will do here, not {sent!r}."
            )
