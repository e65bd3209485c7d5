"""The page about configuration names all options and variables, with their defaults."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

import ev_energy_sync
from ev_energy import AuthorizationCode, Client, ClientCredentials
from ev_energy._unset import UNSET
from ev_energy.auth import StaticToken
from tests.helpers.names import assert_same_names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "configuration.md").read_text()
#: Values for the arguments that credentials require.
VALUES = {
    "client_id": "app",
    "client_secret": "s3cret",
    "redirect_uri": "https://app.example.com/back",
    "token": "t0ken",
}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the tables below *heading*, without those of headers."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (`.*?) \|$", section, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r" ?\| ", line)] for line in lines]


def default_of(cell: str) -> object:
    """Return the default value that *cell* shows."""
    if cell == "required":
        return inspect.Parameter.empty
    return cell if cell.startswith("a new") else ast.literal_eval(cell.strip("`").partition(" ")[0])


def same_names(found: list[str], expected: Any) -> None:
    assert_same_names(
        found,
        expected,
        missing="describe it in docs/reference/configuration.md",
        unexpected="it does not exist; take it out of docs/reference/configuration.md",
    )


def test_options_of_a_client_are_those_of_its_constructor() -> None:
    options = inspect.signature(Client).parameters
    table = {name.strip("`"): cells for name, *cells in rows("Client")}
    same_names([*table], options)
    for name, (default, *_) in table.items():
        expected = options[name].default
        if name == "budget":
            assert (default, expected) == ("a new `MemoryBudget`", UNSET)
        elif name == "max_body":
            assert (default, expected) == ("`64 * 1024 * 1024`", 64 * 1024 * 1024)
        else:
            assert (name, default_of(default)) == (name, expected)


def test_options_for_some_calls_are_those_of_with_options() -> None:
    marked = [name.strip("`") for name, _, mark, *_ in rows("Client") if mark == "yes"]
    same_names(marked, [*inspect.signature(Client.with_options).parameters][1:])


def test_blocking_client_lacks_the_option_that_the_page_says() -> None:
    options = inspect.signature(Client).parameters
    blocking = inspect.signature(ev_energy_sync.Client).parameters
    assert set(options) - set(blocking) == {
        name.strip("`")
        for name, *_, meaning in rows("Client")
        if "not in `ev_energy_sync`" in meaning
    }
    assert {name: options[name].default for name in blocking} == {
        name: parameter.default for name, parameter in blocking.items()
    }


@pytest.mark.parametrize(
    ("credentials", "column"), [(ClientCredentials, 1), (AuthorizationCode, 2), (StaticToken, 1)]
)
def test_options_of_credentials_are_those_of_their_constructors(
    credentials: type[Any], column: int
) -> None:
    table = {
        cells[0].strip("`"): cells[column]
        for cells in rows("Credentials")
        if (len(cells) == 3) == (credentials is StaticToken) and cells[column]
    }
    same_names([*table], attrs.fields_dict(credentials))
    required = {name: VALUES[name] for name, cell in table.items() if cell == "required"}
    made = credentials(**required)
    for name in required:
        with pytest.raises((TypeError, ValueError), match=name):
            credentials(**{key: value for key, value in required.items() if key != name})
    for name in table.keys() - required.keys():
        value = getattr(made, name)
        default = attrs.fields_dict(credentials)[name].default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            assert (name, table[name]) == (name, f"a new `{type(value).__name__}`")
        else:
            assert (name, default_of(table[name])) == (name, value)


def test_environment_variables_are_those_that_the_source_reads() -> None:
    documented = [
        name for cells in rows("Environment variables") for name in re.findall(r"`(\w+)`", cells[0])
    ]
    proxies = (ROOT / "docs" / "proxies.md").read_text()
    names = "".join(re.findall(r"^\| (`[A-Z_`, ]+) \|", proxies, re.MULTILINE))
    read = set(re.findall(r"\w+", names))
    for path in sorted((ROOT / "ev_energy").rglob("*.py")):
        text = path.read_text()
        if re.search(r"\benviron\b", text) is None:
            continue
        read |= {
            node.value.upper()
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if re.fullmatch(r"[A-Z]+_?[A-Z_]{4,}[A-Z]|[a-z]+_proxy", node.value)
        }
    same_names(documented, read - {"CLIENT_ID"})
