"""Links between resources."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import attrs

from ev_energy.errors import NotExpandedError

if TYPE_CHECKING:
    from ev_energy._model import Model  # noqa: F401  (named in the bound below)

T = TypeVar("T", bound="Model")
T_co = TypeVar("T_co", bound="Model", covariant=True)


@attrs.frozen(eq=False, repr=False)
class Ref(Generic[T_co]):
    """A link to a resource; the resource too, where the request expanded it.

    Two links are equal when they lead to the same place, expanded or not: ``evse.user ==
    vehicle.user`` means what it says. To compare contents, compare ``.value`` or ``.to_dict()``.
    """

    #: Where the link leads: an absolute URL, as the server wrote it.
    url: str
    #: The class of the resource at the end of the link.
    into: type[T_co]
    #: The resource if the reply held it, else None. ``value`` is the same with an error.
    resource: T_co | None = None

    @property
    def id(self) -> str:
        """The id at the end of the URL (of a log entry: its timestamp, as the server wrote it)."""
        if not self.url:
            return str(getattr(self.resource, "id", ""))
        return last_segment(self.url)

    @property
    def is_expanded(self) -> bool:
        """Whether the reply held the resource."""
        return self.resource is not None

    @property
    def value(self) -> T_co:
        """The resource; `NotExpandedError` if the request did not expand it."""
        if self.resource is None:
            raise NotExpandedError(self.url, self.into.__name__)
        return self.resource

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ref):
            return NotImplemented
        return self.url.rstrip("/") == other.url.rstrip("/")

    def __hash__(self) -> int:
        return hash(self.url.rstrip("/"))

    def __repr__(self) -> str:
        more = f", {self.resource!r}" if self.resource is not None else ""
        return f"Ref({self.url!r}, {self.into.__name__}{more})"


#: What is accepted wherever an id is wanted: the id, a link, the resource itself, or its URL.
Id: TypeAlias = str | T | Ref[T]
#: What is accepted for the timestamp that names a log entry; all but a datetime keep its text.
Key: TypeAlias = datetime | str | T | Ref[T]


def last_segment(url: str) -> str:
    """The last non-empty path segment of *url*, just as it stands there."""
    return url.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]
