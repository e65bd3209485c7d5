"""Protection from pages of other sites, which reach this machine through a browser on it."""

from __future__ import annotations

import functools
import ipaddress
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from ev_energy.simulator.pages import notice, page

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler


#: ``Host`` of RFC 9112 section 3.2: a name, an IPv4 address or an IPv6 address, and a port.
_HOST: Final = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?"
)


def is_loopback(host: str) -> bool:
    """Return whether a name or address always means this machine."""
    name = host.removesuffix(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


class HostCheck:
    """Refuses requests whose host is not a loopback name or address.

    Otherwise a page could read the simulator through a browser on this machine, by a name of its
    own site that resolves to a loopback address (DNS rebinding). A simulator that listens at
    another address than a loopback one has names that it cannot know: it accepts all hosts.
    """

    def __init__(self, host: str) -> None:
        self._open = not is_loopback(host)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Reply 403 to a request with another host, whatever its path."""
        foreign = None if self._open else _foreign_host(request)
        if foreign is None:
            return await handler(request)
        detail = f"The host must be a loopback name or address, not {foreign!r}."
        if "text/html" in request.headers.get(hdrs.ACCEPT, ""):
            return page("Forbidden", notice(detail, error=True), status=HTTPStatus.FORBIDDEN)
        body = {"status": HTTPStatus.FORBIDDEN, "title": "Forbidden", "detail": detail}
        return web.json_response(
            body, status=HTTPStatus.FORBIDDEN, content_type="application/problem+json"
        )


def _foreign_host(request: web.Request) -> str | None:
    """Return the first host of a request that is not this machine, or None.

    A request has a host in its header, and one in its target if that is a whole URL (RFC 9112,
    section 3.2.2). Browsers and proper clients always send a host, so its absence is refused.
    """
    sent = request.headers.getall(hdrs.HOST, []) or [""]
    foreign = [host for host in sent if not _is_this_machine(host)]
    if request.host not in sent and not is_loopback(request.host):
        foreign.append(request.host)  # the host of the target, which aiohttp prefers
    return foreign[0][:100] if foreign else None


@functools.lru_cache(256)
def _is_this_machine(host: str) -> bool:
    found = _HOST.fullmatch(host.strip())
    return found is not None and is_loopback(found["address"] or found["name"])
