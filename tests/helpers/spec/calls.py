"""Calling any operation of the table, by the blocking client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ev_energy._operations import Operation, operation_table
from ev_energy_sync import Client, Pager
from tests.helpers.spec.description import Described, Description

TABLE = operation_table()


def kind_of_reply(operation: Operation) -> tuple[object, ...]:
    """Return what selects the path of a reply through the client, except for its model."""
    wrapped, expandable = operation.envelope_key is not None, bool(operation.expand)
    return operation.kind, wrapped, expandable, operation.paginated


def described(spec: Description, operation: Operation) -> Described:
    return spec.operation(operation.method, operation.path)


def call(client: Client, operation: Operation, given: Mapping[str, Any]) -> Any:
    """Call the method; of a listing, fetch its first page."""
    keywords = dict(given)
    positional = [keywords.pop(name) for name in operation.ids]
    method = getattr(getattr(client, operation.family), operation.name)
    answer = method(*positional, **keywords)
    return answer.page().items if isinstance(answer, Pager) else answer
