"""The verbs that every endpoint is one line of.

What comes back, the path as a literal, the ids in the order of the braces and under the same names,
then ``scope`` (the OAuth scope the operation needs, or `PUBLIC`), ``json`` for a body, and the
query by its wire names. The operation table, the blocking twin and the tests read these lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeVar, cast

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

    async def _get(
        self, into: type[M], path: str, *ids: object, scope: str | None, **query: object
    ) -> M:
        return cast(M, await self._session.call("GET", into, path, ids, scope=scope, query=query))

    def _list(
        self, of: type[M], path: str, *ids: object, scope: str | None, **query: object
    ) -> Pager[M]:
        return self._session.pager(of, path, ids, scope=scope, query=query)

    async def _post(
        self,
        into: type[M],
        path: str,
        *ids: object,
        scope: str | None,
        json: Body | None = None,
        **query: object,
    ) -> M:
        call = self._session.call
        return cast(M, await call("POST", into, path, ids, scope=scope, query=query, body=json))

    async def _patch(
        self,
        into: type[M],
        path: str,
        *ids: object,
        scope: str | None,
        json: Body,
        **query: object,
    ) -> M:
        call = self._session.call
        return cast(M, await call("PATCH", into, path, ids, scope=scope, query=query, body=json))

    async def _delete(self, path: str, *ids: object, scope: str | None) -> None:
        await self._session.call("DELETE", None, path, ids, scope=scope, query={})

    async def _redirect(self, path: str, **query: object) -> str:
        return await self._session.redirect(path, query)
