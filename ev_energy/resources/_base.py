"""The verbs that every endpoint is one line of.

What comes back, the path as a literal, the ids in the order of the braces and under the same names,
then ``scope`` (the OAuth scope the operation needs, or `PUBLIC`), ``json`` for a body, and the
query by its wire names. The operation table, the blocking twin and the tests read these lines.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ev_energy._model import Model
from ev_energy._pages import Pager

if TYPE_CHECKING:
    from ev_energy._session import Session

M = TypeVar("M", bound=Model)

#: The scope of operations that answer without a token (and take one, where the client has it).
PUBLIC: Final = None
#: The scope of operations that want a token, whatever its scopes.
ANY_SCOPE: Final = ""

Body = Mapping[str, object]


class Resource:
    """One family of endpoints, bound to one view of a client."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._session.core.root}>"

    def _get(
        self, into: type[M], path: str, *ids: object, scope: str | None, **query: object
    ) -> Coroutine[Any, Any, M]:
        return self._session.call("GET", into, path, ids, scope, query)

    def _list(
        self, of: type[M], path: str, *ids: object, scope: str | None, **query: object
    ) -> Pager[M]:
        return self._session.pager(of, path, ids, scope, query)

    def _post(
        self,
        into: type[M],
        path: str,
        *ids: object,
        scope: str | None,
        json: Body | None = None,
        **query: object,
    ) -> Coroutine[Any, Any, M]:
        return self._session.call("POST", into, path, ids, scope, query, json)

    def _patch(
        self,
        into: type[M],
        path: str,
        *ids: object,
        scope: str | None,
        json: Body,
        **query: object,
    ) -> Coroutine[Any, Any, M]:
        return self._session.call("PATCH", into, path, ids, scope, query, json)

    def _delete(self, path: str, *ids: object, scope: str | None) -> Coroutine[Any, Any, None]:
        return self._session.call("DELETE", None, path, ids, scope, {})

    def _redirect(self, path: str, **query: object) -> Coroutine[Any, Any, str]:
        return self._session.redirect(path, query)
