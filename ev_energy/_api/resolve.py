"""``client.resolve()``: the resources that many ids, links or URLs name, in few requests."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, cast, overload

from yarl import URL

from ev_energy._api.gather import DEFAULT_LIMIT, gather
from ev_energy._api.resolve_plan import ResolvePlan
from ev_energy._api.resource_paths import RESOURCE_PATHS
from ev_energy._arguments import describe_type, is_list, require_list
from ev_energy._codec.id_check import kind_at, kind_of_url
from ev_energy._codec.text import id_text
from ev_energy._messages import Page
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.show import redact_link
from ev_energy.errors import CursorError, EvEnergyError, NotFoundError
from ev_energy.models._base import Model
from ev_energy.models._refs import Ref

M_co = TypeVar("M_co", bound=Model, covariant=True)

#: The families whose path is ``/family/{id}``, by the class of their resources.
_FAMILIES: Final[Mapping[str, str]] = {
    name: path.split("/")[1]
    for name, (path, _) in RESOURCE_PATHS.items()
    if path.count("/") == 2 and path.endswith("}")  # noqa: PLR2004  (the family and the id)
}
#: The classes that only single requests return; those of a listing have less detail.
_DETAILED: Final = frozenset(model for name, (_, model) in RESOURCE_PATHS.items() if model != name)
_MAX_SHOWN_CHARS: Final = 100


class Key(NamedTuple):
    """What identifies a resource: the name of its class, and its id."""

    kind: str
    id: str


class Resolved(Sequence[M_co | None], Generic[M_co]):
    """What `Client.resolve` found: for each of its arguments, in their order, a resource or None.

    None stands for a resource that is gone, and for an argument that was None.
    """

    def __init__(
        self,
        items: Sequence[object],
        keys: Sequence[Key | None],
        known: Mapping[Key, M_co | None],
        requests: int,
        cursors: Mapping[str, str | None],
    ) -> None:
        self._keys, self._known, self._requests, self._cursors = keys, known, requests, cursors
        self._found = {key.id: model for key, model in known.items() if model is not None}
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
        """The resources that exist, by their ids."""
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
    def requests(self) -> int:
        """The number of requests that were answered, without repeated attempts."""
        return self._requests

    def _progress(
        self, keys: Collection[Key | None], expand: Sequence[str]
    ) -> tuple[dict[Key, Any], Mapping[str, str | None]]:
        """Return what a call for *keys* and *expand* need not request again.

        These are the known resources (None for those that are gone), and for each class whose
        listing was read, the cursor of the next page; None if no page is wanted any more. The
        listings are read anew if what was read of them may contain something wanted.
        """
        known: dict[Key, Any] = {
            key: resource
            for key, resource in self._known.items()
            if resource is None or has_expanded(resource, expand)
        }
        is_same_job = len(known) == len(self._known) and set(keys) <= set(self._keys)
        return known, self._cursors if is_same_job else {}

    def _resource(self, key: Key | None) -> M_co | None:
        return None if key is None else self._known.get(key)

    def __repr__(self) -> str:
        pending = f", {len(self._pending)} pending" if self._pending else ""
        return (
            f"<Resolved {len(self)} items: {len(self._found)} found, {len(self._missing)} missing"
            f"{pending}, {self._requests} requests>"
        )


class _Kind:
    """The resources of one class that are wanted, and the family whose methods request them."""

    def __init__(
        self, name: str, family: Any, expand: Sequence[str], cursor: str | None, plan: ResolvePlan
    ) -> None:
        self.name, self.plan = name, plan
        self._family = family
        self._expand: dict[str, Any] = {"expand": expand} if expand else {}
        if expand and "expand" not in (family.get.__kwdefaults__ or {}):
            raise ValueError(f"expand: {name} has no links that can be expanded")
        self.pages: AsyncIterator[Page[Any]] | None = None
        """The pages of the listing; after an error, it continues with the page that failed."""
        listing = getattr(family, "list", None)
        if listing is not None:
            pager = listing(**self._expand)  # checks `expand`, and that there are credentials
            with suppress(CursorError):  # of another user or another `expand`: start again
                pager = pager if cursor is None else pager.resume(cursor)
            self.pages = pager.pages()

    def get(self, id_: str) -> Awaitable[Any]:
        """Return the call that gets one resource."""
        call: Awaitable[Any] = self._family.get(id_, **self._expand)
        return call


class Resolve(Generic[M_co]):
    """The resources to resolve. Await it for the `Resolved`; until then, nothing is sent.

    After an error, it may be awaited again: it continues with what is still pending.
    """

    def __init__(
        self,
        items: Iterable[Any],
        into: type[Model] | None,
        expand: Sequence[str],
        resume: Resolved[Any] | None,
        *,
        family_named: Callable[[str], Any],
        require_own_link: Callable[[str], URL],
    ) -> None:
        _require_iterable(items)
        _require_class(into)
        self._items = list(items)
        reader = _ArgumentReader(into, require_own_link)
        self._keys = [reader.key(number, item) for number, item in enumerate(self._items)]
        self._requests = 0
        self._expand = tuple(require_list("expand", expand))
        self._known: dict[Key, Any] = {}
        self._cursors: dict[str, str | None] = {}
        """The cursors of the next pages of the listings, or None where none is wanted."""
        if resume is not None:
            known, cursors = resume._progress(self._keys, self._expand)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # of this module
            self._known |= known
            self._cursors |= cursors
        wanted: dict[str, dict[str, None]] = {}
        for item, key in zip(self._items, self._keys, strict=True):
            if key is None:
                continue
            ids = wanted.setdefault(key.kind, {})
            resource: object = cast("Ref[Model]", item).resource if isinstance(item, Ref) else item
            if _is_kind(key.kind, resource) and has_expanded(resource, self._expand):
                self._known.setdefault(key, resource)
            ids[key.id] = None
        self._kinds = [
            self._kind(name, family_named(_FAMILIES[name]), ids) for name, ids in wanted.items()
        ]

    def __await__(self) -> Generator[Any, Any, Resolved[M_co]]:
        return self._run().__await__()

    @property
    def at_least(self) -> int:
        """The number of requests if listings are full of wanted resources."""
        return sum(kind.plan.at_least for kind in self._kinds)

    @property
    def at_most(self) -> int:
        """The number of requests in the worst case."""
        return sum(kind.plan.at_most for kind in self._kinds)

    if not TYPE_CHECKING:  # a type checker reports a missing `await` because these do not exist

        def __len__(self, *_: object) -> int:
            raise TypeError("nothing is resolved yet: write `await client.resolve(...)`")

        __iter__ = __getitem__ = __len__

    def __repr__(self) -> str:
        return f"<Resolve {len(self._items)} items, not sent>"

    def _kind(self, name: str, family: Any, ids: Iterable[str]) -> _Kind:
        plan = ResolvePlan(
            (id_ for id_ in ids if Key(name, id_) not in self._known),
            has_listing=hasattr(family, "list")
            and name not in _DETAILED
            and self._cursors.get(name, ...) is not None,
        )
        return _Kind(name, family, self._expand, self._cursors.get(name), plan)

    async def _run(self) -> Resolved[M_co]:
        try:
            for kind in self._kinds:
                await self._list(kind)
                await self._get_missing(kind)
        except EvEnergyError as error:
            error.partial = self._resolved()
            raise
        return self._resolved()

    async def _list(self, kind: _Kind) -> None:
        """Read the listing as long as the plan wants pages."""
        while kind.plan.wants_page and kind.pages is not None:
            try:
                page = await anext(kind.pages)
            except EvEnergyError as error:
                if error.cursor is not None:
                    self._cursors[kind.name] = error.cursor
                raise
            self._requests += 1
            # The id of a few resources is not the one in their URL, and links have that one.
            found = {
                id_: resource
                for resource in page.items
                for id_ in (id_text("id", resource), str(resource.id))
            }
            wanted = found.keys() & kind.plan.missing.keys()
            self._known |= {Key(kind.name, id_): found[id_] for id_ in wanted}
            kind.plan.record_page(wanted, is_last=page.next_url is None)
        self._cursors[kind.name] = None

    async def _get_missing(self, kind: _Kind) -> None:
        """Get what the listing did not show. After an error, no request is started any more.

        Those under way are awaited: they are paid for, and another call need not repeat them.
        """
        failures: list[EvEnergyError] = []

        async def get(id_: str) -> None:
            try:
                resource = await kind.get(id_)
            except NotFoundError:
                resource = None
            except EvEnergyError as error:
                failures.append(error)
                return
            self._requests += 1
            self._known[Key(kind.name, id_)] = resource
            del kind.plan.missing[id_]

        missing = takewhile(lambda _: not failures, tuple(kind.plan.missing))
        await gather((get(id_) for id_ in missing), DEFAULT_LIMIT)
        if failures:
            raise failures[0]

    def _resolved(self) -> Resolved[M_co]:
        keys = [key for key in self._keys if key is not None]
        known = {key: self._known[key] for key in keys if key in self._known}
        return Resolved(
            self._items,
            self._keys,
            cast("dict[Key, M_co | None]", known),
            self._requests,
            dict(self._cursors),
        )


class _ArgumentReader:
    """Reads the arguments of `Client.resolve`."""

    def __init__(self, into: type[Model] | None, require_own_link: Callable[[str], URL]) -> None:
        self._into, self._require_own_link = into, require_own_link
        self._own_origins: set[str] = set()
        """Scheme and authority of the links so far, as they were written."""

    def key(self, number: int, item: Any) -> Key | None:
        """Return what identifies the resource of an argument; None if the argument is None."""
        if item is None:
            return None
        name = f"items[{number}]"
        kind = self._named_kind(name, item) if self._into is None else self._into.__name__
        if kind not in _FAMILIES:
            raise ValueError(f"{name}: {_cannot_be_resolved(kind)}")
        id_ = id_text(name, cast("object", item), kind_at(f"/{_FAMILIES[kind]}/{{}}"))
        if isinstance(item, Ref):
            ref = cast("Ref[Model]", item)
            if not ref.is_expanded:
                self._check_origin(ref.url)
        elif isinstance(item, str) and "://" in item:
            self._check_origin(item)
        return Key(kind, id_)

    def _check_origin(self, link: str) -> None:
        origin = "/".join(link.split("/", 3)[:3])
        if origin not in self._own_origins:  # parsing thousands of URLs would block the event loop
            self._require_own_link(link)
            self._own_origins.add(origin)

    def _named_kind(self, name: str, item: Any) -> str:
        """Return the name of the class of the resource that an argument names."""
        if isinstance(item, Ref):
            return cast("Ref[Model]", item).into.__name__
        if isinstance(item, Model):
            return type(item).__name__
        if not isinstance(item, str):
            kind = describe_type(item)
            raise TypeError(f"{name} must be an id, a Ref, a model or a URL, not {kind}")
        if "://" in item:
            if (found := kind_of_url(item)) is not None:
                return found.model
            what = "is a URL that does not tell the class of the resource"
        else:
            what = "is a bare id"
        shown = printable(redact_link(item) if "://" in item else item, _MAX_SHOWN_CHARS)
        raise ValueError(f"{name}={shown!r} {what}: pass it, such as into=models.Vehicle")


def _is_kind(kind: str, resource: object) -> bool:
    return any(cls.__name__ == kind for cls in type(resource).__mro__)


def _require_iterable(items: object) -> None:
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise TypeError(f"items must be a list of ids or links, not {describe_type(items)}")


def _require_class(into: object) -> None:
    kind = describe_type(into)
    if into is None:
        return
    if not isinstance(into, type) or not issubclass(into, Model):
        raise TypeError(f"into must be a class of models, such as models.Vehicle, not {kind}")
    if into.__name__ not in _FAMILIES:
        raise ValueError(f"into={into.__name__}: {_cannot_be_resolved(into.__name__)}")


def _cannot_be_resolved(kind: str) -> str:
    advice = (
        "fetch each with client.fetch(ref), or request its parent with expand="
        if kind in RESOURCE_PATHS
        else "request its parent with expand=, or call a method that returns it"
    )
    return f"{kind} is not a resource with an id of its own, so it cannot be resolved: {advice}"


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
    return not names or value is None or _contains(getattr(value, names[0], None), names[1:])
