"""Links between resources."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NoReturn,
    SupportsIndex,
    TypeAlias,
    TypeVar,
)

from ev_energy._error_base import NotExpandedError
from ev_energy._redaction.brief import Verbatim, brief
from ev_energy.models._pydantic_serializer import PydanticSerializer

if TYPE_CHECKING:
    from ev_energy.models._base import Model

T = TypeVar("T", bound="Model")
T_co = TypeVar("T_co", bound="Model", covariant=True)


class Ref(Generic[T_co]):
    """A link to a resource, and the resource itself if the request expanded it.

    It always has ``id`` and ``url``. ``value`` is the resource, or raises `NotExpandedError`;
    ``resource`` is the resource or None. ``client.fetch(ref)`` requests it.

    Two links are equal when their URLs are, expanded or not, so ``evse.user == vehicle.user`` asks
    whether both belong to the same user. To compare contents, compare ``.value`` or ``.to_dict()``.
    """

    __slots__ = ("_into", "_raw")

    if not TYPE_CHECKING:  # for pydantic; an annotation would count as one of a field
        __pydantic_serializer__ = PydanticSerializer()

    def __init__(self, target: str | T_co, into: type[T_co]) -> None:
        self._raw = target
        self._into = into

    @property
    def url(self) -> str:
        """The URL as the server wrote it; empty for an expanded resource without a URL."""
        return self._raw if isinstance(self._raw, str) else str(getattr(self._raw, "url", "") or "")

    @property
    def id(self) -> str:
        """The id at the end of the URL (of a log entry: its timestamp, as the server wrote it).

        Empty for an expanded resource without a URL and an id.
        """
        return last_segment(self.url) or str(getattr(self._raw, "id", None) or "")

    @property
    def into(self) -> type[T_co]:
        """The class of the linked resource."""
        return self._into

    @property
    def resource(self) -> T_co | None:
        """The resource if the reply contains it, else None. ``value`` raises an error instead."""
        return self._raw if isinstance(self._raw, self._into) else None

    @property
    def is_expanded(self) -> bool:
        """Whether the reply contains the resource."""
        return self.resource is not None

    @property
    def value(self) -> T_co:
        """The resource; `NotExpandedError` if the request did not expand it."""
        resource = self.resource
        if resource is None:
            raise NotExpandedError(self.url, self._into.__name__)
        return resource

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Return the schema of a link; pydantic asks for it."""
        from ev_energy._pydantic import link_schema

        return link_schema(source)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ref):
            return NotImplemented
        return self._identity == other._identity  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportPrivateUsage]  # a Ref of any model

    def __hash__(self) -> int:
        return hash(self._identity)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            message = f"'Ref' object has no attribute {name!r}"
            if not name.startswith("_") and hasattr(self._into, name):
                model = self._into.__name__
                message = (
                    f"{message}, but its {model} has: read .value.{name}"
                    if self.is_expanded
                    else f"{message}, but its {model} has, which the reply does not contain: pass "
                    f"expand=[...] and read .value.{name}, or get it with client.fetch(ref)"
                )
            # With an `obj`, tracebacks of Python would add a suggestion of their own.
            raise AttributeError(message, name=name)

    @property
    def _identity(self) -> str:
        return self.url.rstrip("/") or self.id

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        # Below protocol 2, `object` cannot pickle objects with slots.
        return super().__reduce_ex__(max(int(protocol), 2))

    def __repr__(self) -> str:
        return f"Ref({self._raw!r}, {self._into.__name__})"

    def __rich_repr__(self) -> Iterator[Any]:
        """Yield what rich shows: which resource it is, and whether the reply contains it."""
        yield brief(self.id or self.url)
        yield Verbatim(self._into.__name__)
        yield "is_expanded", self.is_expanded, False


#: An argument that names a resource: its id, a link to it, the resource itself or its URL.
Id: TypeAlias = str | T | Ref[T]
#: An argument that names a log entry by its timestamp; all but a datetime keep its exact text.
#: A text that is a time without a zone is refused.
Key: TypeAlias = datetime | str | T | Ref[T]


def last_segment(url: str) -> str:
    """Return the last non-empty path segment of *url*, not decoded."""
    path = url.partition("?")[0].partition("#")[0]
    if "://" in path:
        path = path.partition("://")[2].partition("/")[2]
    return path.rstrip("/").rpartition("/")[2]
