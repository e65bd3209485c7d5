"""The devices that drivers connect, the URLs of their pages, and the interface to the world."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlencode

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@attrs.frozen
class DeviceKind:
    """A kind of devices that drivers connect."""

    folder: str
    """The name of their collection in the API."""
    noun: str
    """What drivers call such a device."""
    prefix: str
    """The prefix of the query parameters with which the browser is sent back."""
    by_serial: bool = False
    """Whether a device is identified by model and serial number instead of a maker's account."""


#: Every kind of device that can be connected, by the name of its collection.
DEVICE_KINDS: Final = {
    kind.folder: kind
    for kind in (
        DeviceKind("evses", "charger", "evse", by_serial=True),
        DeviceKind("vehicles", "car", "vehicle"),
        DeviceKind("inverters", "inverter", "inverter"),
    )
}


@attrs.frozen
class Option:
    """One of several entries to choose from."""

    id: str
    name: str
    note: str | None = None


@attrs.frozen
class MakerAccount:
    """A driver's account at a maker."""

    devices: Sequence[Option]
    """The devices of the account that are not connected yet."""
    single: bool = False
    """Whether only one of them can be connected at a time."""


class ConnectError(Exception):
    """A device cannot be connected; the message is shown to the driver."""


class Connector(Protocol):
    """What the pages need from the world.

    *kind* is a key of `DEVICE_KINDS`. *about* is the query of the page; it holds at least one of
    ``make_id``, ``model_id`` and ``trim_id``.
    """

    def makes(self, kind: str) -> Sequence[Option]:
        """Return all makes to choose from."""
        ...

    def models(self, kind: str, make_id: str) -> Sequence[Option]:
        """Return the models of a make."""
        ...

    def make(self, kind: str, about: Mapping[str, str]) -> Option | None:
        """Return the make that the ids in *about* belong to, or None if any is unknown."""
        ...

    def account(self, kind: str, user_id: str, about: Mapping[str, str]) -> MakerAccount:
        """Return the user's account at the make in *about*."""
        ...

    def connect(
        self, kind: str, user_id: str, about: Mapping[str, str], devices: Sequence[str]
    ) -> Sequence[str]:
        """Connect devices of the account, or the one with a serial number; return their new ids.

        Raises `ConnectError`.
        """
        ...

    def owner(self, kind: str, device_id: str) -> str | None:
        """Return the id of the user who owns a device, or None if there is no such device."""
        ...

    def reconnect(self, kind: str, device_id: str) -> None:
        """Restore the connection of a device that lost it; no effect on other devices."""
        ...


def onboarding_url(root: str, kind: str, about: Mapping[str, str]) -> str:
    """Return the URL of the first page of an onboarding, on the host that serves *root*.

    *about* needs ``user_id`` and ``client_id``; ``make_id``, ``model_id`` and ``trim_id`` skip
    pages, and ``redirect_uri`` is where the browser is sent at the end.
    """
    return f"{root.removesuffix('/v2')}/onboarding/{kind}/?{urlencode(about)}"


def reconnect_url(root: str, kind: str, about: Mapping[str, str]) -> str:
    """Return the URL of the page that reconnects a device, on the host that serves *root*.

    *about* needs ``device_id`` and ``client_id``; ``expires_at`` is the instant from which the
    page is refused, and ``redirect_uri`` is where the browser is sent at the end.
    """
    return f"{root.removesuffix('/v2')}/onboarding/{kind}/reconnect/?{urlencode(about)}"


def legacy_id(uid: str) -> int:
    """Return the number beside an id, for applications that still use numeric ids."""
    return zlib.crc32(uid.encode())
