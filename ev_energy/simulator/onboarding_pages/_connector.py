"""What can be connected, and what the pages need of the world to do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@attrs.frozen
class DeviceKind:
    """A kind of things that drivers connect."""

    folder: str
    """What the API calls their collection."""
    thing: str
    """What drivers call one."""
    prefix: str
    """What its parameters of the URL back begin with."""
    by_serial: bool = False
    """Whether one is known by model and serial number, instead of by an account that holds it."""


#: Everything that can be connected, by the name of its collection.
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
    """One of several things to choose from."""

    id: str
    name: str
    note: str | None = None


@attrs.frozen
class MakerAccount:
    """What a driver's account at a maker holds."""

    devices: Sequence[Option]
    single: bool = False
    """Whether only one of them can be connected at a time."""


class ConnectError(Exception):
    """Something that cannot be connected; drivers are shown the message."""


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
        """Return the make in question, None if any of the ids is unknown."""
        ...

    def account(self, kind: str, user_id: str, about: Mapping[str, str]) -> MakerAccount:
        """Return what the user's account at that make holds and has not connected yet."""
        ...

    def connect(
        self, kind: str, user_id: str, about: Mapping[str, str], devices: Sequence[str]
    ) -> Sequence[str]:
        """Connect devices of the account, or the one with a serial number; return their new ids.

        Raises `ConnectError`.
        """
        ...

    def owner(self, kind: str, device_id: str) -> str | None:
        """Return the id of the user whose device this is, None if there is no such device."""
        ...

    def reconnect(self, kind: str, device_id: str) -> None:
        """Give back its connection to a device that lost it; others stay as they are."""
        ...
