"""The base class of resources. Its verbs, such as ``_get``, make the calls of all operations.

The arguments of a verb are the model of the reply, the path template as a literal, and the ids in
the order of its placeholders and under the same names. ``scope`` is the OAuth scope that the
operation requires, or `PUBLIC`, ``json`` is the body, and ``envelope_key`` is the field of the
reply that holds the model, if the API wraps it in an object. All other keyword arguments are the
query, by its names in the API. The table of operations, the generator of the blocking twin and the
tests parse these calls from the source.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from ev_energy._api.paging import Pager
from ev_energy._changes.log_pager import LogPager, log_pager
from ev_energy._lazy_exports import complete_docs
from ev_energy._misuse import OnlyMethods
from ev_energy.models._base import Model

if TYPE_CHECKING:
    from ev_energy._api.caller import ApiCaller
    from ev_energy.models._types import Counts

M = TypeVar("M", bound=Model)

#: The scope of operations that need no token. The client sends its token with them if it has one.
PUBLIC: Final = None
#: The scope of operations that need a token with any scope.
ANY_SCOPE: Final = ""

Body = Mapping[str, object]


class Resource(OnlyMethods):
    """A family of operations, bound to a client and its options."""

    __slots__ = ("_caller",)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        complete_docs(cls)

    def __init__(self, caller: ApiCaller) -> None:
        self._caller = caller

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._caller.state.base_url}>"

    def _get(
        self, model: type[M], path: str, /, *ids: object, scope: str | None, **query: object
    ) -> Coroutine[Any, Any, M]:
        return self._caller.call("GET", model, path, ids, scope, query)

    def _list(
        self,
        model: type[M],
        path: str,
        /,
        *ids: object,
        scope: str | None,
        envelope_key: str | None = None,
        **query: object,
    ) -> Pager[M]:
        return self._caller.pager(model, path, ids, scope, query, envelope_key)

    def _list_log(
        self,
        model: type[M],
        path: str,
        /,
        *ids: object,
        scope: str | None,
        envelope_key: str | None = None,
        **query: object,
    ) -> LogPager[M]:
        return log_pager(self._caller, model, path, ids, scope, query, envelope_key)

    @overload
    def _post(
        self,
        model: type[M],
        path: str,
        /,
        *ids: object,
        scope: str | None,
        json: Body | None = None,
        **query: object,
    ) -> Coroutine[Any, Any, M]: ...
    @overload
    def _post(
        self,
        model: None,
        path: str,
        /,
        *ids: object,
        scope: str | None,
        json: Body | None = None,
        **query: object,
    ) -> Coroutine[Any, Any, None]: ...
    def _post(
        self,
        model: Any,
        path: str,
        /,
        *ids: object,
        scope: str | None,
        json: Body | None = None,
        **query: object,
    ) -> Coroutine[Any, Any, Any]:
        return self._caller.call("POST", model, path, ids, scope, query, json)

    @overload
    def _patch(
        self,
        model: type[M],
        path: str,
        /,
        *ids: object,
        scope: str | None,
        json: Body,
        envelope_key: str,
        **query: object,
    ) -> Coroutine[Any, Any, M | None]: ...
    @overload
    def _patch(
        self,
        model: type[M],
        path: str,
        /,
        *ids: object,
        scope: str | None,
        json: Body,
        envelope_key: None = None,
        **query: object,
    ) -> Coroutine[Any, Any, M]: ...
    def _patch(
        self,
        model: type[M],
        path: str,
        /,
        *ids: object,
        scope: str | None,
        json: Body,
        envelope_key: str | None = None,
        **query: object,
    ) -> Coroutine[Any, Any, M | None]:
        if envelope_key is None:
            return self._caller.call("PATCH", model, path, ids, scope, query, json)
        return self._caller.call(
            "PATCH", model, path, ids, scope, query, json, envelope_key=envelope_key
        )

    def _delete(self, path: str, /, *ids: object, scope: str | None) -> Coroutine[Any, Any, None]:
        return self._caller.call("DELETE", None, path, ids, scope, {})

    def _delete_counting(
        self, path: str, /, *ids: object, scope: str | None
    ) -> Coroutine[Any, Any, Counts]:
        return self._caller.delete_counting(path, ids, scope)

    def _redirect(
        self, path: str, /, *, scope: str | None, **query: object
    ) -> Coroutine[Any, Any, str]:
        return self._caller.redirect(path, scope, query)


class Workflow(Resource):
    """A family of methods that each make several calls, and are not operations of the API."""

    __slots__ = ()
