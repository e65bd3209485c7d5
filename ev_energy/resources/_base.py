"""The verbs that every endpoint is one line of.

What comes back, the path as a literal, the ids in the order of the braces and under the same names,
then ``scope`` (the OAuth scope the operation needs, or `PUBLIC`), ``json`` for a body, ``inside``
where the API wraps what comes back into an object, under that name, and the query by its wire
names. The operation table, the blocking twin and the tests read these lines.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from ev_energy._api.paging import Pager
from ev_energy.models._base import Model

if TYPE_CHECKING:
    from ev_energy._api.caller import ApiCaller
    from ev_energy.models._types import Counts

M = TypeVar("M", bound=Model)

#: The scope of operations that answer without a token (and take one, where the client has it).
PUBLIC: Final = None
#: The scope of operations that want a token, whatever its scopes.
ANY_SCOPE: Final = ""

Body = Mapping[str, object]


class Resource:
    """One family of endpoints, bound to one view of a client."""

    __slots__ = ("_caller",)

    def __init__(self, caller: ApiCaller) -> None:
        self._caller = caller

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._caller.state.base_url}>"

    def _get(
        self, into: type[M], path: str, *ids: object, scope: str | None, **query: object
    ) -> Coroutine[Any, Any, M]:
        return self._caller.call("GET", into, path, ids, scope, query)

    def _list(
        self,
        of: type[M],
        path: str,
        *ids: object,
        scope: str | None,
        inside: str | None = None,
        **query: object,
    ) -> Pager[M]:
        return self._caller.pager(of, path, ids, scope, query, inside)

    @overload
    def _post(
        self,
        into: type[M],
        path: str,
        *ids: object,
        scope: str | None,
        json: Body | None = None,
        **query: object,
    ) -> Coroutine[Any, Any, M]: ...
    @overload
    def _post(
        self,
        into: None,
        path: str,
        *ids: object,
        scope: str | None,
        json: Body | None = None,
        **query: object,
    ) -> Coroutine[Any, Any, None]: ...
    def _post(
        self,
        into: Any,
        path: str,
        *ids: object,
        scope: str | None,
        json: Body | None = None,
        **query: object,
    ) -> Coroutine[Any, Any, Any]:
        return self._caller.call("POST", into, path, ids, scope, query, json)

    @overload
    def _patch(
        self,
        into: type[M],
        path: str,
        *ids: object,
        scope: str | None,
        json: Body,
        inside: str,
        **query: object,
    ) -> Coroutine[Any, Any, M | None]: ...
    @overload
    def _patch(
        self,
        into: type[M],
        path: str,
        *ids: object,
        scope: str | None,
        json: Body,
        inside: None = None,
        **query: object,
    ) -> Coroutine[Any, Any, M]: ...
    def _patch(
        self,
        into: type[M],
        path: str,
        *ids: object,
        scope: str | None,
        json: Body,
        inside: str | None = None,
        **query: object,
    ) -> Coroutine[Any, Any, M | None]:
        if inside is None:
            return self._caller.call("PATCH", into, path, ids, scope, query, json)
        return self._caller.call("PATCH", into, path, ids, scope, query, json, inside=inside)

    def _delete(self, path: str, *ids: object, scope: str | None) -> Coroutine[Any, Any, None]:
        return self._caller.call("DELETE", None, path, ids, scope, {})

    def _delete_counting(
        self, path: str, *ids: object, scope: str | None
    ) -> Coroutine[Any, Any, Counts]:
        return self._caller.delete_counting(path, ids, scope)

    def _redirect(
        self, path: str, *, scope: str | None, **query: object
    ) -> Coroutine[Any, Any, str]:
        return self._caller.redirect(path, scope, query)


class Workflow(Resource):
    """What takes several calls of endpoints, and is no endpoint itself."""

    __slots__ = ()
