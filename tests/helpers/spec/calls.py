"""Calling any operation of the table, by the blocking client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ev_energy._operations import Operation, operation_table
from ev_energy_sync import Client, Pager
from tests.helpers.spec.description import Described, Description

TABLE = operation_table()


def described(spec: Description, operation: Operation) -> Described:
    return spec.operation(operation.method, operation.path)


def call(client: Client, operation: Operation, given: Mapping[str, Any]) -> Any:
    """Call the method; of a listing, fetch its first page."""
    keywords = dict(given)
    positional = [keywords.pop(name) for name in operation.ids]
    method = getattr(getattr(client, operation.family), operation.name)
    answer = method(*positional, **keywords)
    return answer.page().items if isinstance(answer, Pager) else answer
