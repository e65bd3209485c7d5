"""The units of all numbers of the models."""

from __future__ import annotations

import decimal
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_args, get_origin

import pytest

from ev_energy import record_columns
from ev_energy._codec.fields import fields_of, union_args
from ev_energy._records.units import NO_UNIT, NOT_STATED, STATED, SUFFIXES
from ev_energy.models._base import Model
from tests.helpers.names import assert_no_problems, assert_same_names
from tests.helpers.strategies import MODELS

PAGE = Path(__file__).parents[2] / "docs" / "units.md"
LISTED = (SUFFIXES.keys(), NOT_STATED, NO_UNIT)


def numbers() -> Iterator[tuple[type[Model], str]]:
    """Yield the class that declares each field with a number, and the name of the field."""
    for model in MODELS:
        for name, field in fields_of(model).items():
            types = {
                get_args(one)[0] if get_origin(one) is Annotated else one
                for one in union_args(field.type)
            }
            inherited = any(name in fields_of(base) for base in model.__bases__ if base in MODELS)
            if types & {int, float, decimal.Decimal} and not inherited:
                yield model, name


def test_unit_of_every_number_is_stated() -> None:
    found = {f"{model.__name__}.{name}" for model, name in numbers()}
    assert len(found) > 150
    assert_no_problems(
        (
            key
            for key in sorted(found)
            if not STATED.search(key.partition(".")[2]) and not any(key in keys for keys in LISTED)
        ),
        "The names of these numbers do not state a unit. Add each to SUFFIXES in "
        "ev_energy/_records/units.py, to NOT_STATED if the API does not state it, or to NO_UNIT; "
        "or add the word for the unit to STATED. The docstring of the field must state it, too.",
    )
    assert_no_problems(
        {key for keys in LISTED for key in keys} - found,
        "No model has these numbers any more: take them out of ev_energy/_records/units.py.",
    )


def test_unit_is_stated_in_one_way() -> None:
    keys = [key for keys in LISTED for key in keys]
    assert len(keys) == len(set(keys))
    superfluous = [key for key in (*NOT_STATED, *NO_UNIT) if STATED.search(key.partition(".")[2])]
    assert superfluous == []


@pytest.mark.parametrize("key", SUFFIXES)
def test_suffix_is_in_the_name_of_the_column(key: str) -> None:
    name, _, field = key.partition(".")
    (model,) = (model for model in MODELS if model.__name__ == name)
    assert f"{field}_{SUFFIXES[key]}" in record_columns(model)
    assert field not in record_columns(model)


def test_page_lists_the_columns_with_a_suffix() -> None:
    table = PAGE.read_text().partition("| field | column |\n| --- | --- |\n")[2]
    rows = re.findall(r"^\| `(\S+)` \| `(\S+)` \|$", table, re.MULTILINE)
    assert_same_names(
        rows,
        {(key, f"{key.partition('.')[2]}_{suffix}") for key, suffix in SUFFIXES.items()},
        missing="add this row to the table of columns in docs/units.md",
        unexpected="take this row out of the table of columns in docs/units.md",
    )
