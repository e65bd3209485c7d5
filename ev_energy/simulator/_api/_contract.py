"""The facts of the API's operations, as its description declares them.

They lie in ``_contract.json``, which a script writes from the description; what it corrects and why
is told there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Final, Literal

import attrs
import msgspec

#: Parameters of queries that say which page is wanted.
_PAGING: Final = frozenset({"page", "page_after", "page_before", "page_size"})
_JSON: Final = ("application/json",)


@attrs.frozen(kw_only=True)
class Shape:
    """What a value must look like. Where a shape is wanted, the name of one will do."""

    type: Literal["array", "boolean", "integer", "number", "object", "string"] | None = None
    """None where it is one of several: `any_of`."""
    nullable: bool = False
    any_of: tuple[Shape | str, ...] = ()
    enum: tuple[Any, ...] = ()
    format: Literal["date", "date-time", "decimal", "email", "uri", "uuid"] | None = None
    pattern: str | None = None
    """Found anywhere in the text, as Python's `re` has it."""
    min_length: int = 0
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    default: Any = None
    items: Shape | str | None = None
    min_items: int = 0
    max_items: int | None = None
    properties: Mapping[str, Shape | str] | None = None
    """None where an object may hold anything."""
    required: tuple[str, ...] = ()
    closed: bool = False
    """Whether there may be no other members."""
    needs: Mapping[str, tuple[str, ...]] = attrs.Factory(dict[str, tuple[str, ...]])
    """Members, and those that must be there, and not null, where they are."""


@attrs.frozen(kw_only=True)
class ReplyFacts:
    """What is declared of one status of an operation."""

    media: str | None = None
    """None where there is no body."""
    headers: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class BodyFacts:
    """What an operation takes as body."""

    shape: Shape | str
    required: bool = False
    media: tuple[str, ...] = _JSON


@attrs.frozen(kw_only=True)
class _Declared:
    """An operation as the file has it."""

    statuses: Mapping[int, str]
    public: bool = False
    scopes: tuple[str, ...] = ()
    anonymous_limit: int | None = None
    in_path: Mapping[str, Shape | str] = attrs.Factory(dict[str, Shape | str])
    query: Mapping[str, Shape | str] = attrs.Factory(dict[str, Shape | str])
    required: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    paging: Literal["cursor", "page"] | None = None
    cursor: Literal["id", "time"] | None = None
    user_header: Literal["optional", "required"] | None = None
    version_header: bool = False
    language_header: bool = False
    body: BodyFacts | None = None
    problem: str | None = None
    body_refusal: int | None = None


@attrs.frozen(kw_only=True)
class _File:
    shapes: Mapping[str, Shape]
    replies: Mapping[str, ReplyFacts]
    operations: Mapping[str, _Declared]


@attrs.frozen(kw_only=True)
class OperationFacts:
    """What is declared of one operation."""

    method: str
    path: str
    """With the names of parameters in braces, below the API's root."""
    public: bool
    """Whether it can be called without a token."""
    scopes: tuple[str, ...]
    """What a token must have, all of them; of operations that are not public, maybe none."""
    anonymous_limit: int | None
    """How many requests an hour it allows an address without a token, if fewer than usual."""
    in_path: Mapping[str, Shape]
    query: Mapping[str, Shape]
    required: tuple[str, ...]
    """Parameters of the query that cannot be left out."""
    expand: tuple[str, ...]
    """What it can expand; then ``expand`` is a parameter of the query as well."""
    paging: Literal["cursor", "page"] | None
    """Whether its pages are told by a neighbour or by numbers; None if there are none."""
    cursor: Literal["id", "time"] | None
    """What ``page_after`` and ``page_before`` are made of."""
    user_header: Literal["optional", "required"] | None
    """Whether it looks at EvEnergy-User; required of tokens that are no user's."""
    version_header: bool
    """Whether it looks at EvEnergy-Version."""
    language_header: bool
    """Whether it looks at Accept-Language."""
    body: BodyFacts | None
    problem: str | None
    """The type of problem, by its last word, that tells which members were not accepted."""
    refusal_status: int | None
    """What a bad request is answered with; None if nothing is declared that would do."""
    body_refusal_status: int | None
    """The same of a request whose body is JSON, but not as it should be."""
    statuses: Mapping[int, ReplyFacts]

    @property
    def paging_parameters(self) -> frozenset[str]:
        """The parameters of its query that say which page is wanted."""
        return _PAGING & self.query.keys()

    def declares(self, status: int) -> bool:
        """Return whether this is a status that callers are told to expect."""
        return status in self.statuses


class Contract(Mapping[tuple[str, str], OperationFacts]):
    """The facts of every operation, by method and path; read when first asked for."""

    def __getitem__(self, key: tuple[str, str]) -> OperationFacts:
        """Return the facts of an operation."""
        return self._operations[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Iterate over methods and paths."""
        return iter(self._operations)

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self._operations)

    def shape(self, shape: Shape | str) -> Shape:
        """Return a shape, or the one of this name."""
        return self._file.shapes[shape] if isinstance(shape, str) else shape

    @functools.cached_property
    def _file(self) -> _File:
        data = resources.files("ev_energy.simulator._api").joinpath("_contract.json").read_bytes()
        return msgspec.json.decode(data, type=_File)

    @functools.cached_property
    def _operations(self) -> dict[tuple[str, str], OperationFacts]:
        return {
            (method, path): self._facts(method, path, declared)
            for name, declared in self._file.operations.items()
            for method, _, path in [name.partition(" ")]
        }

    def _facts(self, method: str, path: str, declared: _Declared) -> OperationFacts:
        query = {name: self.shape(one) for name, one in declared.query.items()}
        if declared.expand:
            query["expand"] = Shape(type="array", items=Shape(type="string", enum=declared.expand))
        refusal = next((status for status in (400, 422) if status in declared.statuses), None)
        return OperationFacts(
            method=method,
            path=path,
            public=declared.public,
            scopes=declared.scopes,
            anonymous_limit=declared.anonymous_limit,
            in_path={name: self.shape(one) for name, one in declared.in_path.items()},
            query=query,
            required=declared.required,
            expand=declared.expand,
            paging=declared.paging,
            cursor=declared.cursor,
            user_header=declared.user_header,
            version_header=declared.version_header,
            language_header=declared.language_header,
            body=declared.body,
            problem=declared.problem,
            refusal_status=refusal,
            body_refusal_status=declared.body_refusal or refusal,
            statuses={
                status: self._file.replies[name] for status, name in declared.statuses.items()
            },
        )


#: Every operation there is.
CONTRACT: Final = Contract()
