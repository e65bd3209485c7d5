"""The description without its known faults, and the refusals that it does not declare.

`ev_energy._contract.corrections` lists the faults in the schemas of replies.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ev_energy._contract.corrections import OF_REPLIES, Correction, corrected
from ev_energy._contract.facts import facts
from tests.helpers.spec.openapi import document

#: Headers that replies declare and that are not expected.
HEADERS_NOT_SENT = {
    "RetryAfter": "a misspelling of Retry-After, on replies that need no wait",
}


class Refusal(NamedTuple):
    """A problem that is raised before the operation itself is considered."""

    reason: str
    fits: Callable[[Any], bool]
    """Return whether the request justifies it."""


#: Refusals by status; they need no declaration if the request justifies them.
GENERAL_REFUSALS = {
    400: Refusal(
        "a version or a user that does not exist",
        lambda asked: asked.has_header("EvEnergy-Version", "EvEnergy-User"),
    ),
    401: Refusal(
        "a missing or invalid token",
        lambda asked: asked.needs_token or asked.has_header("Authorization"),
    ),
    406: Refusal("JSON is not accepted", lambda asked: asked.has_header("Accept")),
    413: Refusal("an oversized body", lambda asked: asked.size > 1_000_000),
    415: Refusal("a body that is not JSON", lambda asked: asked.has_header("Content-Type")),
}


def corrected_document(corrections: Iterable[Correction] = OF_REPLIES) -> dict[str, Any]:
    """Return the document of the facts, corrected for replies."""
    made: dict[str, Any] = with_nulls(document(corrected(facts(), corrections)))
    return made


def with_nulls(node: Any) -> Any:
    """*node* with null allowed by each schema that says ``nullable``, which is OpenAPI 3.0.

    OpenAPI 3.1 does not have this keyword; validators ignore it.
    """
    if isinstance(node, list):
        return [with_nulls(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {name: with_nulls(one) for name, one in node.items()}
    if made.get("nullable") is True:
        del made["nullable"]
        return {"anyOf": [made, {"type": "null"}]}
    return made


def known_problems() -> set[str]:
    """Return the slugs of all problem types that the description documents."""
    every = facts()
    nodes = [*every["operations"].values(), *every["responses"].values()]
    return {slug for node in nodes for slug in node.get("problems", ())}


def with_general_refusals(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy in which every operation declares them, for checks that ignore causes."""
    made = copy.deepcopy(dict(data))
    problem = {"schema": {"$ref": "#/components/schemas/RFC9457ProblemDetail"}}
    for item in made["paths"].values():
        for operation in item.values():
            for status, refusal in GENERAL_REFUSALS.items():
                if isinstance(operation, dict) and "responses" in operation:
                    operation["responses"].setdefault(
                        str(status),
                        {
                            "description": refusal.reason,
                            "content": {"application/problem+json": problem},
                        },
                    )
    return made
