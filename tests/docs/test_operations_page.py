"""The table of operations links to the methods of the reference, and the reference to the table."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from ev_energy import Client
from ev_energy._operations import operation_table
from ev_energy_sync._generate.reference import method_links
from ev_energy_sync._generate.source_text import UnsupportedSourceError
from tests.docs.test_site import resolve
from tests.helpers.names import assert_no_problems, assert_same_names

OPERATIONS = operation_table()
DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text()
REFERENCE = {path.name: path.read_text() for path in (DOCS / "reference").glob("*.md")}
#: The method, the page, the anchor and the operation of each row.
ROWS = re.findall(
    r"^\| \[`(\w+)`\]\(reference/([\w.]+)#([\w.]+)\) \| `([^`]+)` \|", PAGE, re.MULTILINE
)


def test_each_operation_links_to_its_method() -> None:
    assert_same_names(
        [f"{operation} {anchor.rpartition('.')[2]}" for _, _, anchor, operation in ROWS],
        [f"{one.method} {one.path} {one.name}" for one in OPERATIONS],
        missing="run `python -m ev_energy_sync._generate`",
        unexpected="run `python -m ev_energy_sync._generate`",
    )


def test_each_link_leads_to_a_method_on_that_page() -> None:
    dead = [
        f"{page}#{anchor}"
        for name, page, anchor, _ in ROWS
        if f"::: {anchor.rsplit('.', 2)[0]}\n" not in REFERENCE[page]
        or not inspect.isfunction(method := resolve(anchor))
        or method.__name__ != name
    ]
    assert_no_problems(dead, "Run `python -m ev_energy_sync._generate`.")


def test_each_family_is_linked_from_the_page_with_its_methods() -> None:
    missing = [
        f"docs/reference/{page}: {family}"
        for family, rows in re.findall(
            r"^## (\w+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL
        )
        for page in set(re.findall(r"\(reference/([\w.]+)#", rows))
        if f"[`{family}`](../operations.md#{family})" not in REFERENCE[page]
    ]
    assert_no_problems(missing, "Run `python -m ev_energy_sync._generate`.")


def test_each_family_of_the_overview_links_to_its_class() -> None:
    overview = (DOCS / "families.md").read_text()
    links = re.findall(r"^\| \[`(\w+)`\]\(reference/([\w.]+)#([\w.]+)\) \|", overview, re.MULTILINE)
    assert len(links) == len(re.findall(r"^\| \[", overview, re.MULTILINE))
    dead = [
        f"{family}: reference/{page}#{anchor}"
        for family, page, anchor in links
        if f"::: {anchor.rpartition('.')[0]}\n" not in REFERENCE[page]
        or resolve(anchor) is not getattr(Client, family)
    ]
    assert_no_problems(
        dead, "Link to the class, on the page of docs/reference that has its module."
    )


def test_module_without_a_page_is_named() -> None:
    sites = "::: ev_energy.resources.sites\n"
    pages = {page: text.replace(sites, "") for page, text in REFERENCE.items()}
    with pytest.raises(
        UnsupportedSourceError,
        match="^ev_energy.resources.sites is on no page: add `::: ev_energy.resources.sites` to a "
        "page in docs/reference$",
    ):
        method_links(OPERATIONS, pages)
