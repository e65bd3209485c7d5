"""``client.resolve()``: the resources that many ids, links or URLs name, in few requests."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Sequence,
)
from contextlib import suppress
from http import HTTPStatus
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, cast

from yarl import URL

from ev_energy._api.gather import DEFAULT_LIMIT, gather
from ev_energy._api.paging import page_limits_of
from ev_energy._api.resolve_arguments import (
    DETAILED,
    FAMILIES,
    ArgumentReader,
    can_list,
    is_of_class,
    listed_ids,
    require_iterable,
    without_detail,
)
from ev_energy._api.resolve_plan import Progress, ResolvePlan
from ev_energy._api.resolved import Key, ListingPosition, Resolved, View, has_expanded
from ev_energy._arguments import describe_type, require_list
from ev_energy._messages import Page, Response
from ev_energy.errors import (
    ApiError,
    CursorError,
    DecodeError,
    EvEnergyError,
    LimitError,
    NotFoundError,
    PagingError,
)
from ev_energy.models._base import Model
from ev_energy.models._refs import Ref

M_co = TypeVar("M_co", bound=Model, covariant=True)

#: Statuses that say nothing about the resource that was requested.
_GENERAL: Final = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
)


class ResolveContext(NamedTuple):
    """What resolving needs of the client."""

    family_named: Callable[[str], Any]
    require_own_link: Callable[[str], URL]
    view: View
    permits: Callable[[], float]
    """Returns how many calls the allowance permits now."""


class _Kind:
    """The resources of one class that are wanted, and the family whose methods request them."""

    def __init__(
        self,
        name: str,
        family: Any,
        wanted: Iterable[str],
        expand: Sequence[str],
        position: ListingPosition,
    ) -> None:
        self.name, self._family = name, family
        self._expand: dict[str, Any] = {"expand": expand} if expand else {}
        self.pages: AsyncIterator[Page[Any]] | None = None
        """The pages of the listing; after an error, it continues with the page that failed."""
        has_listing = name not in DETAILED.values() and can_list(family, expand)
        page_size, max_pages = None, 0
        if has_listing:
            pager = family.list(**self._expand)  # checks that there are credentials
            page_size, max_pages = page_limits_of(pager)
            with suppress(CursorError):  # of another `expand`: start again
                pager = pager if position.cursor is None else pager.resume(position.cursor)
            self.pages = pager.pages()
        self.plan = ResolvePlan(
            wanted,
            has_listing=has_listing,
            page_size=page_size,
            max_pages=max_pages,
            progress=position.progress,
        )

    def get(self, id_: str) -> Awaitable[Any]:
        """Return the call that gets one resource."""
        call: Awaitable[Any] = self._family.get(id_, **self._expand)
        return call


class Resolve(Coroutine[Any, Any, Resolved[M_co]], Generic[M_co]):
    """The resources to resolve. Await it for the `Resolved`; until then, nothing is sent.

    It may be awaited again: after an error, it continues with what is still pending.
    """

    def __init__(
        self,
        items: Iterable[Any],
        into: type[Model] | None,
        expand: Sequence[str],
        resume: Resolved[Any] | None,
        context: ResolveContext,
        *,
        refresh: bool = False,
        return_exceptions: bool = False,
    ) -> None:
        require_iterable(items)
        self._items, self._expand = list(items), tuple(require_list("expand", expand))
        self._context, self._return_exceptions = context, return_exceptions
        family_named = context.family_named
        reader = ArgumentReader(into, self._expand, family_named, context.require_own_link)
        self._keys = [reader.key(number, item) for number, item in enumerate(self._items)]
        self.__qualname__ = "Client.resolve"  # which asyncio shows of tasks
        self._requests = 0
        self._known: dict[Key, Any] = {}
        self._failed: dict[Key, EvEnergyError] = {}
        self._listings: dict[str, ListingPosition] = {}
        self._running = asyncio.Lock()
        self._runs: dict[asyncio.Task[Any] | None, Coroutine[Any, Any, Resolved[M_co]]] = {}
        """The runs of the tasks that were made of this object itself."""
        if resume is not None:
            self._continue_from(resume)
        wanted: dict[str, dict[str, None]] = {}
        for item, key in zip(self._items, self._keys, strict=True):
            if key is None:
                continue
            wanted.setdefault(key.kind, {})[key.id] = None
            resource: object = cast("Ref[Model]", item).resource if isinstance(item, Ref) else item
            if (
                not refresh
                and key not in self._known
                and is_of_class(key.kind, resource)
                and has_expanded(resource, self._expand)
            ):
                self._known[key] = without_detail(key.kind, resource)
        self._kinds = [
            _Kind(
                name,
                family_named(FAMILIES[name]),
                [id_ for id_ in ids if Key(name, id_) not in self._known],
                self._expand,
                self._listings.get(name, ListingPosition(None, Progress())),
            )
            for name, ids in wanted.items()
        ]

    def __await__(self) -> Generator[Any, Any, Resolved[M_co]]:
        return self._run().__await__()

    def send(self, value: Any) -> Any:
        """Advance the run of the current task, as a coroutine does."""
        return self._advance(lambda run: run.send(value))

    def throw(self, *error: Any) -> Any:
        """Raise an error in the run of the current task, as a coroutine does."""
        return self._advance(lambda run: run.throw(*error))

    def close(self) -> None:
        """End the runs that tasks have started."""
        for run in self._runs.values():
            run.close()

    def _advance(self, step: Callable[[Coroutine[Any, Any, Resolved[M_co]]], Any]) -> Any:
        task = asyncio.current_task()
        run = self._runs.get(task) or self._runs.setdefault(task, self._run())
        try:
            return step(run)
        except BaseException:  # also StopIteration, with the result
            del self._runs[task]
            raise

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

        def __bool__(self) -> bool:
            return True  # since Python 3.12, asyncio asks a coroutine that it shows

    def __repr__(self) -> str:
        return f"<Resolve {len(self._items)} items, not sent>"

    def _continue_from(self, resume: object) -> None:
        if not isinstance(resume, Resolved):
            raise TypeError(
                f"resume must be the partial result of an error, not {describe_type(resume)}"
            )
        known, listings = resume._progress(self._keys, self._expand, self._context.view)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # of this package
        self._known |= known
        self._listings |= listings

    async def _run(self) -> Resolved[M_co]:
        async with self._running:  # a second task finds everything done
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
        plan = kind.plan
        while plan.wants_page and kind.pages is not None:
            try:
                page = await anext(kind.pages)
            except EvEnergyError as error:
                self._requests += _was_answered(error)
                self._listings[kind.name] = ListingPosition(error.cursor, plan.progress)
                if not (_is_unreadable(error) or (self._return_exceptions and _is_of_one(error))):
                    raise
                if isinstance(error, PagingError) and error.page is not None:
                    self._record(kind, error.page, is_last=True)
                break
            self._requests += 1
            self._record(kind, page, is_last=page.next_url is None)
        plan.end_listing()
        self._listings[kind.name] = ListingPosition(None, plan.progress)

    def _record(self, kind: _Kind, page: Page[Any], *, is_last: bool) -> None:
        found = {id_: resource for resource in page.items for id_ in listed_ids(resource)}
        wanted = found.keys() & kind.plan.missing.keys()
        self._known |= {Key(kind.name, id_): found[id_] for id_ in wanted}
        kind.plan.record_page(wanted, is_last=is_last)

    async def _get_missing(self, kind: _Kind) -> None:
        """Get what the listing did not show. After an error, no request is started any more.

        Those under way are awaited: they are paid for, and another call need not repeat them.
        """
        failures: list[EvEnergyError] = []

        async def get(id_: str) -> None:
            key = Key(kind.name, id_)
            resource = None
            try:
                resource = await kind.get(id_)
                self._requests += 1
            except EvEnergyError as error:
                self._requests += _was_answered(error)
                if not _is_gone(error):
                    if is_of_one := _is_of_one(error):
                        self._failed[key] = error
                    if not (is_of_one and self._return_exceptions):
                        failures.append(error)
                    return
            self._failed.pop(key, None)
            self._known[key] = resource and without_detail(kind.name, resource)
            del kind.plan.missing[id_]

        missing = takewhile(lambda _: not failures, tuple(kind.plan.missing))
        await gather((get(id_) for id_ in missing), DEFAULT_LIMIT, self._context.permits)
        if failures:
            raise failures[0]

    def _resolved(self) -> Resolved[M_co]:
        keys = [key for key in self._keys if key is not None]
        known = {key: self._known[key] for key in keys if key in self._known}
        return Resolved(
            self._items,
            self._keys,
            cast("dict[Key, M_co | None]", known),
            dict(self._failed),
            self._requests,
            dict(self._listings),
            self._context.view,
        )


def _is_json(response: Response) -> bool:
    """Return whether the API sent *response*, rather than a proxy or captive portal its page."""
    return "json" in response.header("content-type").lower()


def _is_gone(error: EvEnergyError) -> bool:
    return isinstance(error, NotFoundError) and _is_json(error.response)


def _is_of_one(error: EvEnergyError) -> bool:
    """Return whether *error* is about what was requested, so that other requests may succeed."""
    if isinstance(error, ApiError):
        is_general = error.status in _GENERAL or error.status > HTTPStatus.INTERNAL_SERVER_ERROR
        return _is_json(error.response) and not is_general
    return _is_unreadable(error)


def _is_unreadable(error: EvEnergyError) -> bool:
    """Return whether the API answered with a reply that cannot be read, or cannot be continued."""
    if isinstance(error, DecodeError):
        return _is_json(error.response)
    return isinstance(error, PagingError) or (
        isinstance(error, LimitError) and error.status is not None
    )


def _was_answered(error: EvEnergyError) -> bool:
    return isinstance(error, ApiError) or _is_unreadable(error) or isinstance(error, DecodeError)
