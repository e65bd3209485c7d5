"""The page about the design names modules that exist, in the order of CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.helpers.names import assert_no_problems, assert_same_names

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "ev_energy"
PAGE = (DOCS / "design.md").read_text()
FILE = re.compile(r"[\w/]+\.(?:py|json)")


def texts_of(diagram: str) -> list[str]:
    """Return the texts of a diagram, from its top to its bottom."""
    root = ET.fromstring((DOCS / "assets" / diagram).read_text())
    return [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_modules_exist() -> None:
    named = [*re.findall(r"`([\w/]+(?:\.py|\.json|/))`", PAGE)]
    named += [text for text in texts_of("call.svg") if FILE.fullmatch(text)]
    named += [f"_codec/{text}" for text in texts_of("decoder.svg") if FILE.fullmatch(text)]
    assert len(named) > 20
    assert_no_problems(
        [name for name in named if not (PACKAGE / name).exists()],
        "docs/design.md or one of its diagrams names these, which do not exist in ev_energy/.",
    )


def test_modules_of_a_call_are_those_of_contributing() -> None:
    path = (ROOT / "CONTRIBUTING.md").read_text().partition("## The path of a request")[2]
    modules = FILE.findall(
        path.partition("```text")[2].partition("```")[0].replace("<family>", "evses")
    )
    assert [text for text in texts_of("call.svg") if FILE.fullmatch(text)] == modules
    table = re.findall(r"^\| `([\w/]+\.py)`", PAGE.partition("## A reply")[0], re.MULTILINE)
    assert table == modules


def test_each_diagram_has_a_text_alternative() -> None:
    images = dict(re.findall(r"!\[([^]]*)\]\(assets/([\w.]+)\)", PAGE))
    assert sorted(images.values()) == ["call.svg", "decoder.svg"]
    assert all(len(text) > 50 for text in images)


def imports_of(module: Path) -> Iterator[str]:
    """Yield the modules that *module* imports, but for those that only type checkers import."""
    nodes: list[ast.AST] = [ast.parse(module.read_text())]
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{node.module}"


def test_modules_that_use_aiohttp_are_named() -> None:
    rule = PAGE.partition("- **Four modules use aiohttp.**")[2].partition("\n- **")[0]
    client = [one for one in PACKAGE.rglob("*.py") if one.parts[len(PACKAGE.parts)] != "simulator"]
    assert_same_names(
        {
            str(module.relative_to(PACKAGE))
            for module in client
            if module.name != "testing.py"  # serves with aiohttp
            and "aiohttp" in {name.partition(".")[0] for name in imports_of(module)}
        },
        set(FILE.findall(rule)),
        missing="docs/design.md says that it uses aiohttp.",
        unexpected="docs/design.md does not say that it uses aiohttp.",
    )


def test_each_module_of_a_call_imports_none_that_is_above_it() -> None:
    modules = re.findall(r"^\| `([\w/]+)\.py`", PAGE.partition("## A reply")[0], re.MULTILINE)
    names = [f"ev_energy.{module.replace('/', '.')}" for module in modules]
    assert_no_problems(
        [
            f"{module} imports {above}"
            for index, module in enumerate(modules)
            for above in {*imports_of(PACKAGE / f"{module}.py")} & {*names[:index]}
        ],
        "docs/design.md says that no module of a call imports one above it.",
    )
