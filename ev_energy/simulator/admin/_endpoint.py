"""What can be asked of the simulator, and how: one door each."""

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
class Ask:
    """One request for the control surface."""

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
    def get(self, name: str, kind: type[T], usual: T) -> T: ...
    def get(self, name: str, kind: type[T], usual: T | None = None) -> T | None:
        """Return a member of the body, or refuse with 400 if it is of another type."""
        value = self.body.get(name)
        if value is None:
            return usual
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise invalid({name: [str(error)]}) from None

    def need(self, name: str, kind: type[T]) -> T:
        """Return a member of the body that must be there."""
        value = self.get(name, kind)
        if value is None:
            raise invalid({name: ["It must be there."]})
        return value


@attrs.frozen(kw_only=True)
class Door:
    """One thing that can be asked for."""

    method: str
    path: str
    """Below ``/__sim``."""
    about: str
    answer: Callable[[Ask], Any]
    """Returns JSON; None is sent as 204."""
    takes: Mapping[str, str] | None = attrs.Factory(dict[str, str])
    """Members of the body and what they are to be; None if ``answer`` sees to that itself."""
    query: Mapping[str, str] = attrs.Factory(dict[str, str])
    """Parameters of the query."""
    made: bool = False
    """Whether it makes something, which is answered with 201."""


def refused(error: ValueError, *names: str) -> ProblemError:
    """Return the 400 for a value that will not do, by the member its text begins with.

    If that is none of ``names``, it is the first of them.
    """
    name, colon, said = str(error).partition(": ")
    return invalid({name: [said]} if colon and name in names else {names[0]: [str(error)]})
