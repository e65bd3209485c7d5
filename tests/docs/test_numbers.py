"""The page of numbers shows the results in ``benchmarks/README.md``, and how to repeat them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES
from ev_energy_sync._generate.files import COMMAND
from ev_energy_sync._generate.numbers_page import SOURCE, numbers_page
from ev_energy_sync._generate.source_text import UnsupportedSourceError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "numbers.md").read_text()
RESULTS = (ROOT / SOURCE).read_text()


def test_figures_are_those_of_the_results() -> None:
    assert numbers_page(RESULTS, COMMAND) == PAGE, f"run `{COMMAND}`"
    [sdk] = re.findall(r"^\| one GET \| (\S+) \|", RESULTS, re.MULTILINE)
    [[shown]] = [
        re.findall(r"\*\*\S+\*\*", line) for line in PAGE.splitlines() if "after another" in line
    ]
    assert shown == sdk


def test_changed_results_change_the_page() -> None:
    changed = re.sub(
        r"^(\| one GET \|) \S+ (.*) missed ", r"\1 **1.07** \2 met ", RESULTS, flags=re.MULTILINE
    )
    page = numbers_page(changed, COMMAND)
    assert "| one call after another | aiohttp and orjson | **1.07** |" in page
    missed = [int(re.findall(r"misses (\d+) of them", text)[0]) for text in (page, PAGE)]
    assert missed[0] == missed[1] - 1


def test_missing_result_is_named() -> None:
    with pytest.raises(
        UnsupportedSourceError,
        match="^benchmarks/README.md has 0 results that begin with 'one GET', and docs/numbers.md "
        "shows one: change ev_energy_sync/_generate/numbers_page.py$",
    ):
        numbers_page(RESULTS.replace("| one GET |", "| a GET |"), COMMAND)


def test_benchmarks_to_repeat_exist() -> None:
    named = re.findall(r" \| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert len(named) > 5
    assert set(named) <= set(NAMES)


def test_linked_sections_exist() -> None:
    headings = re.findall(r"^#+ (.*)$", RESULTS, re.MULTILINE)
    linked = re.findall(rf"{SOURCE}#([a-z-]+)\)", PAGE)
    assert len(linked) > 3
    assert set(linked) <= {heading.lower().replace(" ", "-") for heading in headings}
