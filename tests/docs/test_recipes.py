"""The recipes of the documentation: their programs print what the pages show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ev_energy.simulator import Clock, Simulator
from tests.helpers.names import assert_same_names
from tests.helpers.pages import ROOT, Page
from tests.helpers.programs import environment_of, output_of


def test_index_lists_the_recipes() -> None:
    index = Page.read("recipes/index.md").text
    listed = re.findall(r"^\| \[.+\]\((\w+\.md)\)", index, re.MULTILINE)
    pages = {path.name for path in (ROOT / "docs" / "recipes").glob("*.md")} - {"index.md"}
    assert_same_names(
        listed,
        pages,
        missing="list the recipe in docs/recipes/index.md",
        unexpected="there is no such recipe; take it out of docs/recipes/index.md",
    )


@pytest.mark.slow
def test_fleet_charge(tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    page = Page.read("recipes/fleet_charge.md")
    page.write_programs(tmp_path)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        printed = output_of(["fleet_charge.py"], tmp_path, environment_of(simulator))
        listings = [seen.path for seen in simulator.requests if seen.method == "GET"]
    assert [printed] == page.outputs
    assert listings == ["/v2/vehicles"]
