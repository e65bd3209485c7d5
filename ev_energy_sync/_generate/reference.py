"""The links between ``docs/operations.md`` and the pages in ``docs/reference``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ev_energy._operations import Operation
from ev_energy_sync._generate.source_text import UnsupportedSourceError

_RESOURCES: Final = "ev_energy.resources"
_MODULE: Final = re.compile(rf"^::: {re.escape(_RESOURCES)}\.(\w+)$", re.MULTILINE)
_HEADING: Final = "## Operations\n"
_FAMILIES: Final = re.compile(rf"(?<=^{_HEADING})\n(?:Families in .*\n\n)?", re.MULTILINE)


def method_links(
    operations: Sequence[Operation], pages: Mapping[str, str]
) -> Mapping[Operation, str]:
    """Return the link from ``docs`` to the method of each operation.

    *pages* has the text of the reference, by paths relative to ``docs``.
    """
    page_of = {module: page for page, text in pages.items() for module in _MODULE.findall(text)}
    links: dict[Operation, str] = {}
    for operation in operations:
        module = f"{_RESOURCES}.{operation.module}"
        if operation.module not in page_of:
            raise UnsupportedSourceError(
                f"{module} is on no page: add `::: {module}` to a page in docs/reference"
            )
        anchor = f"{module}.{operation.owner}.{operation.name}"
        links[operation] = f"{page_of[operation.module]}#{anchor}"
    return links


def with_families(text: str, operations: Sequence[Operation]) -> str:
    """Return *text*, a page of the reference, with links to its families in the table."""
    modules = _MODULE.findall(text)
    families = sorted({o.family for o in operations if o.module in modules})
    if not families:
        return text
    links = ", ".join(f"[`{family}`](../operations.md#{family})" for family in families)
    return _FAMILIES.sub(
        f"\nFamilies in the [table of operations](../operations.md): {links}.\n\n", text
    )
