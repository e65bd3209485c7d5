"""The table of problem types is that of the facts, with the methods and the classes of errors."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from ev_energy import errors
from ev_energy._operations import Operation, operation_table
from ev_energy_sync._generate.reference import method_links
from tests.docs.test_operations_page import REFERENCE
from tests.helpers.names import assert_no_problems, assert_same_names

ROOT = Path(__file__).parents[2]
FACTS: dict[str, Any] = json.loads((ROOT / "ev_energy" / "_contract" / "api.json").read_text())
OPERATIONS = operation_table()
#: The class and the methods, as links, by type.
ROWS = {
    slug: (name, methods)
    for slug, name, methods in re.findall(
        r"^\| `([a-z-]+)` \| `(\w+)` \| (.*) \|$", REFERENCE["errors.md"], re.MULTILINE
    )
}
STATUSES = {cls: str(status) for status, cls in errors.ApiError.classes.items()} | {
    errors.ApiError: "413"
}


def replies(operation: Operation) -> dict[str, Any]:
    """Return the replies of *operation* by status, as the facts state them."""
    declared = FACTS["operations"][f"{operation.method} {operation.path}"]["responses"]
    return {
        status: FACTS["responses"][reply] if isinstance(reply, str) else reply
        for status, reply in declared.items()
    }


def types_of(operation: Operation) -> set[str]:
    """Return the problem types of *operation*."""
    own = FACTS["operations"][f"{operation.method} {operation.path}"].get("problems", ())
    return {
        *own,
        *(slug for reply in replies(operation).values() for slug in reply.get("problems", ())),
    }


def operations_by_type() -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = defaultdict(list)
    for operation in OPERATIONS:
        for slug in types_of(operation):
            found[slug].append(operation)
    return found


def test_types_are_those_of_the_facts() -> None:
    assert_same_names(
        ROWS,
        operations_by_type(),
        missing="add a row to docs/reference/errors.md",
        unexpected="the facts name no such type; take it out of docs/reference/errors.md",
    )


def test_methods_of_a_type_are_those_whose_operations_have_it() -> None:
    pages = {f"reference/{page}": text for page, text in REFERENCE.items()}
    links = method_links(OPERATIONS, pages)
    expected = {
        slug: ", ".join(
            sorted(f"[`{o.call}`]({links[o].removeprefix('reference/')})" for o in operations)
        )
        for slug, operations in operations_by_type().items()
    }
    assert_no_problems(
        [
            f"{slug}: {expected[slug]}"
            for slug, (_, methods) in ROWS.items()
            if "](" in methods and methods != expected[slug]
        ],
        "Write these methods into the rows of docs/reference/errors.md.",
    )
    common = {
        slug: len(operations_by_type()[slug]) for slug, row in ROWS.items() if "](" not in row[1]
    }
    assert common.pop("validation-failed-create-vehicle") == 16
    assert min(common.values()) > 150


def test_class_of_a_type_is_that_of_a_status_that_its_operations_have() -> None:
    for slug, operations in operations_by_type().items():
        cls = getattr(errors, ROWS[slug][0])
        assert [o.call for o in operations if STATUSES[cls] not in replies(o)] == [], slug
        for operation in operations:
            if f"``{slug}``" in operation.doc:
                assert f"`{cls.__name__}`" in operation.doc, operation.call
