"""The result of ``client.resolve()``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast, overload

from ev_energy._api.resolve_plan import Progress
from ev_energy._arguments import is_list
from ev_energy.errors import EvEnergyError
from ev_energy.models._base import Model
from ev_energy.models._refs import Ref

M_co = TypeVar("M_co", bound=Model, covariant=True)
T = TypeVar("T")


class Key(NamedTuple):
    """What identifies a resource: the name of its class, and its id."""

    kind: str
    id: str


class View(NamedTuple):
    """Whose resources a client sees."""

    base_url: str
    application: str
    """The application, and the account that signed in to it; empty for a token that may change."""
    user: str | None
    """The user that the client acts for."""


class ListingPosition(NamedTuple):
    """Where to continue a listing: the cursor of the next page, if an error has one."""

    cursor: str | None
    progress: Progress


class Resolved(Sequence[M_co | None], Generic[M_co]):
    """What `Client.resolve` found: for each of its arguments, in their order, a resource or None.

    None stands for a resource that is gone or could not be resolved, and for an argument that was
    None.
    """

    def __init__(
        self,
        items: Sequence[object],
        keys: Sequence[Key | None],
        known: Mapping[Key, M_co | None],
        failed: Mapping[Key, EvEnergyError],
        requests: int,
        listings: Mapping[str, ListingPosition],
        view: View,
    ) -> None:
        self._keys, self._known, self._requests = keys, known, requests
        self._listings, self._view = listings, view
        found = {key: model for key, model in known.items() if model is not None}
        self._found = _by_id(keys, found)
        self._errors = _by_id(keys, failed)
        named = [(item, key) for item, key in zip(items, keys, strict=True) if key is not None]
        self._missing = [item for item, key in named if key in known and known[key] is None]
        self._pending = [item for item, key in named if key not in known]

    @overload
    def __getitem__(self, index: int) -> M_co | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[M_co | None]: ...
    def __getitem__(self, index: int | slice) -> M_co | Sequence[M_co | None] | None:
        if isinstance(index, slice):
            return [self._resource(key) for key in self._keys[index]]
        return self._resource(self._keys[index])

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def found(self) -> Mapping[str, M_co]:
        """The resources that exist by their ids, each once, in the order of the arguments.

        If arguments of several classes have the same id, the keys have the class before the id:
        ``"EVSE/abc"``.
        """
        return self._found

    @property
    def missing(self) -> Sequence[object]:
        """The arguments whose resource is gone: the API answered 404."""
        return self._missing

    @property
    def pending(self) -> Sequence[object]:
        """The arguments that an error kept from being resolved; empty without an error."""
        return self._pending

    @property
    def errors(self) -> Mapping[str, EvEnergyError]:
        """The errors about single resources, by their ids as in `found`."""
        return self._errors

    @property
    def requests(self) -> int:
        """The number of requests that were answered, also with errors; no repeated attempts."""
        return self._requests

    def _progress(
        self, keys: Collection[Key | None], expand: Sequence[str], view: View
    ) -> tuple[dict[Key, Any], Mapping[str, ListingPosition]]:
        """Return what a call for *keys* and *expand* need not request again.

        These are the known resources (None for those that are gone), and for each class how far
        its listing was read. Listings are read anew if what was read of them may contain something
        wanted.
        """
        if view != self._view:
            raise ValueError(
                "resume: this result is of another user (acting_for, account), another application "
                "or another API than this client's"
            )
        known: dict[Key, Any] = {
            key: resource
            for key, resource in self._known.items()
            if resource is None or has_expanded(resource, expand)
        }
        is_same_job = len(known) == len(self._known) and set(keys) <= set(self._keys)
        return known, self._listings if is_same_job else {}

    def _resource(self, key: Key | None) -> M_co | None:
        return None if key is None else self._known.get(key)

    def __repr__(self) -> str:
        pending = f", {len(self._pending)} pending" if self._pending else ""
        return (
            f"<Resolved {len(self)} items: {len(self._found)} found, {len(self._missing)} missing"
            f"{pending}, {self._requests} requests>"
        )


def _by_id(keys: Sequence[Key | None], values: Mapping[Key, T]) -> Mapping[str, T]:
    """Return *values* by id in the order of *keys*, with the class where an id is ambiguous."""
    distinct = [key for key in dict.fromkeys(keys) if key is not None]
    uses = Counter(key.id for key in distinct)
    return {
        key.id if uses[key.id] == 1 else f"{key.kind}/{key.id}": values[key]
        for key in distinct
        if key in values
    }


def has_expanded(resource: object, paths: Iterable[str]) -> bool:
    """Return whether *resource* contains all that *paths* of links, such as ``trim.model``, name.

    A link that is None leads nowhere, so it is as complete as it can be.
    """
    return all(_contains(resource, path.split(".")) for path in paths)


def _contains(value: object, names: Sequence[str]) -> bool:
    if is_list(value):
        return all(_contains(item, names) for item in cast("Sequence[object]", value))
    if isinstance(value, Ref):
        ref = cast("Ref[Model]", value)
        return ref.is_expanded and _contains(ref.resource, names)
    if isinstance(value, str):  # the URL of a list
        return False
    return not names or value is None or _contains(getattr(value, names[0], None), names[1:])
