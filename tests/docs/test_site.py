"""The site has a reference for every public name, and its links lead to files that exist."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ev_energy_sync._generate.overview_page import FILE_URL
from tests.helpers.names import assert_no_problems

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TARGETS = [
    target
    for page in (ROOT / "docs" / "reference").glob("*.md")
    for target in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
]
#: The modules that users import names from.
PUBLIC = (
    "ev_energy",
    "ev_energy.auth",
    "ev_energy.budget",
    "ev_energy.changes",
    "ev_energy.errors",
    "ev_energy.fastapi",
    "ev_energy.keyring",
    "ev_energy.models",
    "ev_energy.otel",
    "ev_energy.redis",
    "ev_energy.simulator",
    "ev_energy.webhooks",
)


def resolve(target: str) -> object:
    """Return what *target* of the reference names."""
    try:
        return importlib.import_module(target)
    except ModuleNotFoundError:
        module, _, name = target.rpartition(".")
        return getattr(resolve(module), name)


@functools.cache
def _documented() -> list[object]:
    """Return all values that the reference describes."""
    found: list[object] = []
    for value in map(resolve, TARGETS):
        found += vars(value).values() if isinstance(value, ModuleType) else [value]
    return found


def _undocumented(module: ModuleType) -> Iterator[str]:
    """Yield the public names of *module* that are not part of a page of the reference."""
    for name in getattr(module, "__all__", None) or dir(module):
        value = getattr(module, name)
        if name.startswith("_") or isinstance(value, ModuleType):
            continue
        if not any(value is documented for documented in _documented()):
            yield f"{module.__name__}.{name}"


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    pytest.importorskip(name)
    assert_no_problems(
        list(_undocumented(importlib.import_module(name))),
        "Add `::: the name` to a page in docs/reference.",
    )


def test_no_name_is_twice_in_the_reference() -> None:
    assert_no_problems(
        [target for target in set(TARGETS) if TARGETS.count(target) > 1],
        "Leave it on one page of docs/reference.",
    )


def test_links_to_the_repository_lead_to_files() -> None:
    link = re.compile(re.escape(f"({FILE_URL}").replace(r"\{path\}", "([^)#]+)"))
    found = [(page, path) for page in PAGES for path in link.findall(page.read_text())]
    assert found
    assert_no_problems(
        [f"{page.relative_to(ROOT)}: {path}" for page, path in found if not (ROOT / path).exists()],
        "These links lead to no file of the repository.",
    )


def test_docstrings_are_markdown() -> None:
    assert_no_problems(
        [
            f"{path.relative_to(ROOT)}:{number}"
            for package in ("ev_energy", "ev_energy_sync")
            for path in sorted((ROOT / package).rglob("*.py"))
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if re.search(r"(^\s*|\w)::$", line)
        ],
        "Pages show `::` as it stands: indent the code without it.",
    )
