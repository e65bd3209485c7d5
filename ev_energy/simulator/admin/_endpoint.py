"""The base of the admin endpoints: an endpoint, and a request for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

import attrs
import msgspec

from ev_energy.simulator.http._problems import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ev_energy.simulator._simulator import Simulator
    from ev_energy.simulator.http._problems import ProblemError
    from ev_energy.simulator.oauth import AuthorizationServer
    from ev_energy.simulator.world._world import World


T = TypeVar("T")


@attrs.frozen
class AdminRequest:
    """One request to an admin endpoint."""

    simulator: Simulator
    world: World
    auth_server: AuthorizationServer
    params: Mapping[str, str]
    """Parameters of the path."""
    query: Mapping[str, str]
    body: Mapping[str, Any]

    @overload
    def get(self, name: str, kind: type[T]) -> T | None: ...
    @overload
    def get(self, name: str, kind: type[T], default: T) -> T: ...
    def get(self, name: str, kind: type[T], default: T | None = None) -> T | None:
        """Return a member of the body, or raise a 400 if it has another type."""
        value = self.body.get(name)
        if value is None:
            return default
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise invalid({name: [str(error)]}) from None

    def require(self, name: str, kind: type[T]) -> T:
        """Return a required member of the body."""
        value = self.get(name, kind)
        if value is None:
            raise invalid({name: ["This member is required."]})
        return value


@attrs.frozen(kw_only=True)
class AdminEndpoint:
    """An endpoint of the admin interface."""

    method: str
    path: str
    """Below ``/__sim``."""
    about: str
    handler: Callable[[AdminRequest], Any]
    """Returns the reply as JSON; None is sent as 204."""
    body: Mapping[str, str] | None = attrs.Factory(dict[str, str])
    """Descriptions of the members of the body; None if ``handler`` checks the body itself."""
    query: Mapping[str, str] = attrs.Factory(dict[str, str])
    """Descriptions of the parameters of the query."""
    creates: bool = False
    """Whether the reply is a 201."""


def bad_request(error: ValueError, *names: str) -> ProblemError:
    """Return a 400 for an invalid value, with the error at the member that its text begins with.

    If that is not one of ``names``, the error is at the first of them.
    """
    name, colon, reason = str(error).partition(": ")
    return invalid({name: [reason]} if colon and name in names else {names[0]: [str(error)]})
