from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("ev_energy", "ev_energy_sync")

#: The packages of the client: each imports from those above it here, and never from one below.
ORDER = (
    "_version _unset _runtime _redaction",
    "_lazy_exports",
    "_arguments _error_base",
    "_messages _servers",
    "models",
    "hooks errors",
    "_codec",
    "_http",
    "budget",
    "auth",
    "_api",
    "resources",
    "_client",
    "webhooks expand otel keyring redis",
    "__init__",
)

#: The one exception: imports inside functions that go the other way, and why that is right.
UPWARD = {("models", "_codec"): "to_dict() and from_dict() of a model are the codec's"}

#: Parts beside the client: what each may import of the package.
BESIDE = {
    "__main__": {"cli", "_operations"},
    "_contract": {"_contract"},
    "_operations": {"_operations"},
    "cli": {"__init__", "cli", "simulator", "_operations", "_redaction", "errors", "models"},
    # A mistake that client and simulator shared would hide: nothing of the client's work in there.
    "simulator": {"models", "simulator", "_operations", "_version", "_contract"},
    # Loaded in every run of pytest, so all but the fixtures themselves is imported late.
    "testing": {"__init__", "simulator"},
}

#: Packages that are installed with an extra, and the modules that may import them.
EXTRAS = {
    "redis": {"auth", "budget"},
    "keyring": {"keyring"},
    "opentelemetry": {"otel"},
    "uvloop": {"_loop_thread"},
    "pytest": {"testing"},
    "pytest_asyncio": {"testing"},
}

#: Packages that a dependency brings along as part of its own interface.
BROUGHT_ALONG = {"multidict": "the headers of aiohttp and the queries of yarl are made of it"}

#: Modules that may be longer than others.
LONG = {
    "ev_energy/_codec/decode.py": "three passes over one reply, and what bounds each of them",
    "ev_energy/models/__init__.py": "generated, one line a model",
    "ev_energy/models/countries.py": "one line a country",
    "ev_energy/_client.py": "two lines a family, one an option",
}
LONGEST = 350


class Import(NamedTuple):
    """One import of one name or module."""

    importer: str
    imported: str
    name: str
    place: str
    """``top``, ``function`` or ``checking``."""


def files() -> Iterator[tuple[str, Path]]:
    """Every module of both packages, by its dotted name."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports() -> tuple[Import, ...]:
    known = {name for name, _ in files()}
    return tuple(
        Import(importer, found, name, place)
        for importer, path in files()
        for node, place in _placed(tree(path), "top")
        for found, name in _names(node, known)
    )


def _placed(node: ast.AST, place: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, place
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        place = "function"
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        place = "checking"
    for child in ast.iter_child_nodes(node):
        yield from _placed(child, place)


def _names(node: ast.Import | ast.ImportFrom, known: set[str]) -> Iterator[tuple[str, str]]:
    """Module and name; a module that is imported as a name counts as the module it is."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield alias.name, ""
        else:
            assert node.level == 0, "imports are absolute"
            inner = f"{node.module}.{alias.name}"
            inside = inner in known or f"{inner}.__init__" in known
            yield (inner, "") if inside else (str(node.module), alias.name)


def part(module: str) -> str:
    """``ev_energy.models.evses`` is ``models``; ``ev_energy.resources._base`` is itself."""
    words = module.split(".")[1:] or ["__init__"]
    whole = ".".join(words)
    return whole if whole in _ranks() else words[0]


@cache
def _ranks() -> dict[str, int]:
    return {name: rank for rank, names in enumerate(ORDER) for name in names.split()}


def own(*, package: str = "ev_energy") -> list[Import]:
    """The imports of *package* from *package*."""
    return [
        found
        for found in imports()
        if found.importer.split(".")[0] == package and found.imported.split(".")[0] == package
    ]


def test_every_module_has_its_place() -> None:
    placed = _ranks().keys() | BESIDE.keys()
    parts = {part(name) for name, _ in files() if name.startswith("ev_energy.")}
    assert parts - placed == set(), "say in ORDER or BESIDE who may import whom"
    assert placed - parts == set(), "ORDER or BESIDE names what is not there"


def test_imports_go_one_way_only() -> None:
    wrong = [
        found
        for found in own()
        if found.place != "function"
        and part(found.importer) in _ranks()
        and part(found.importer) != part(found.imported)
        and _ranks().get(part(found.imported), 99) >= _ranks()[part(found.importer)]
    ]
    assert wrong == []


def test_late_imports_the_other_way_are_few_and_known() -> None:
    upward = {
        (part(found.importer), part(found.imported))
        for found in own()
        if found.place == "function"
        and part(found.importer) in _ranks()
        and part(found.importer) != part(found.imported)
        and _ranks().get(part(found.imported), 99) >= _ranks()[part(found.importer)]
    }
    assert upward == set(UPWARD)


def test_no_module_imports_itself_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for found in imports():
        if found.place == "top":
            graph.setdefault(found.importer.removesuffix(".__init__"), set()).add(found.imported)
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"{' -> '.join(path)} -> {module}"
        if module not in done:
            for imported in graph.get(module, ()):
                walk(imported, (*path, module))
            done.add(module)

    for module in graph:
        walk(module, ())


def test_aiohttp_is_imported_by_the_transport_alone_and_late() -> None:
    users = {
        (found.importer, found.place)
        for found in imports()
        if found.imported.split(".")[0] == "aiohttp" and found.place != "checking"
    }
    on_aiohttp = {f"ev_energy._http.{name}" for name in ("caller_session", "failures", "reply")}
    assert {user for user in users if part(user[0]) not in BESIDE} == {
        ("ev_energy._http.transport", "function"),
        *((name, "top") for name in on_aiohttp),
    }
    late = {
        (found.importer, found.place)
        for found in imports()
        if found.imported in on_aiohttp and found.importer not in on_aiohttp
    }
    assert late == {("ev_energy._http.transport", "function")}


def test_cattrs_is_imported_by_the_tolerant_pass_alone_and_that_late() -> None:
    users = {found.importer for found in imports() if found.imported.split(".")[0] == "cattrs"}
    users = {user for user in users if part(user) not in BESIDE}  # what stands beside costs nobody
    assert users == {"ev_energy._codec.lenient"}
    places = {found.place for found in imports() if found.imported == "ev_energy._codec.lenient"}
    assert places == {"function"}


@pytest.mark.parametrize("beside", BESIDE)
def test_what_stands_beside_the_client_keeps_to_its_few_imports(beside: str) -> None:
    used = {part(found.imported) for found in own() if part(found.importer) == beside}
    assert used - {beside} <= BESIDE[beside]


def test_the_simulator_shares_no_work_with_the_client() -> None:
    forbidden = "_codec _http _api auth budget _client"
    used = {part(found.imported) for found in own() if part(found.importer) == "simulator"}
    assert used.isdisjoint(forbidden.split())
    assert "simulator" in used


def test_the_client_knows_nothing_of_what_stands_beside_it() -> None:
    assert [
        found
        for found in own()
        if part(found.importer) not in BESIDE
        and (part(found.imported) in BESIDE or part(found.imported) == "_operations")
    ] == []


def test_resources_keep_to_themselves() -> None:
    families = [found for found in own() if found.importer.startswith("ev_energy.resources.")]
    assert families
    for found in families:
        sibling = (
            found.imported.startswith("ev_energy.resources.") and "_base" not in found.imported
        )
        assert not (sibling and found.name.startswith("_")), found
        assert found.imported != "ev_energy._api.caller" or found.place == "checking", found
        assert part(found.imported) != "_client", found
        # An upload goes to a storage that is not the API: the retry loop, without authorization.
        is_upload = found.importer == "ev_energy.resources._uploads"
        assert is_upload or part(found.imported) != "_http", found


def _used_at_run_time(path: Path) -> set[str]:
    """Names outside of annotations."""
    used: set[str] = set()
    todo: list[ast.AST] = [tree(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name):
            used.add(node.id)
        skipped = {"annotation", "returns"}
        for name, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and name not in skipped:
                    todo.append(child)
    return used


def test_a_family_imports_the_models_of_others_for_checkers_only() -> None:
    """What is but the type of an id need not be made for the first reply."""
    for path in (ROOT / "ev_energy" / "resources").glob("[!_]*.py"):
        used = _used_at_run_time(path)
        for node in tree(path).body:
            if isinstance(node, ast.ImportFrom) and re.match(
                r"ev_energy\.models(?!\._)", str(node.module)
            ):
                names = {alias.name for alias in node.names}
                assert names & used, f"{path.name}: {node.module} is for checkers only"


def test_the_blocking_twin_imports_few_inner_modules_of_the_async_package() -> None:
    inner = "_api _http _codec simulator cli"
    crossing = {
        (found.importer, part(found.imported), found.name)
        for found in imports()
        if found.importer.startswith("ev_energy_sync") and found.imported.startswith("ev_energy.")
    }
    assert {cross for cross in crossing if cross[1] in inner.split()} == {
        ("ev_energy_sync._blocking", "_api", "Pager"),
        ("ev_energy_sync._client", "_api", "CapturedCall"),
        ("ev_energy_sync._client", "_codec", "DriftHook"),
        ("ev_energy_sync._loop_thread", "_api", ""),  # imports aiohttp before the loop runs
    }
    back = {
        found.importer
        for found in imports()
        if found.importer.startswith("ev_energy.") and found.imported.startswith("ev_energy_sync")
    }
    assert back == {"ev_energy.testing"}, "only the pytest plugin uses both packages"


def test_what_is_imported_is_installed_with_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {text.split(">")[0].split("[")[0] for text in project["dependencies"]}
    allowed = {*declared, *sys.stdlib_module_names, *PACKAGES, *BROUGHT_ALONG}
    foreign = {
        (found.imported.split(".")[0], part(found.importer))
        for found in imports()
        if found.place != "checking" and found.imported.split(".")[0] not in allowed
    }
    assert {pair for pair in foreign if pair[1] not in EXTRAS.get(pair[0], ())} == set()


def code_lines(path: Path) -> int:
    """Lines that are neither blank nor comment nor docstring."""
    docstrings: set[int] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = path.read_text(encoding="utf-8").splitlines()
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in docstrings
        for number, line in enumerate(lines, 1)
    )


def test_no_module_is_longer_than_one_can_keep_in_mind() -> None:
    lengths = {str(path.relative_to(ROOT)): code_lines(path) for _, path in files()}
    long = {name for name, length in lengths.items() if length > LONGEST}
    assert long - LONG.keys() == set()
    assert lengths["ev_energy/resources/evses.py"] > 100
    assert code_lines(ROOT / "ev_energy" / "_operations.py") < 300


def _generated(path: Path) -> bool:
    return path.parts[-3:-1] == ("ev_energy_sync", "resources")


def _documented(body: list[ast.stmt], where: str) -> Iterator[str]:
    """Public classes and functions without a docstring."""
    for node in body:
        match node:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                if ast.get_docstring(node) is None:
                    yield f"{where}.{name}"
                yield from _documented(node.body, f"{where}.{name}")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                decorators = set(map(ast.unparse, node.decorator_list))
                if (
                    not name.startswith("_")
                    and ast.get_docstring(node) is None
                    and not decorators & {"overload"}
                ):
                    yield f"{where}.{name}"
            case _:
                pass


def test_whatever_is_public_has_a_docstring() -> None:
    missing = [
        what
        for name, path in files()
        for what in [
            *([name] if ast.get_docstring(tree(path)) is None else []),
            *_documented(tree(path).body, name),
        ]
    ]
    assert missing == []


def run(*lines: str) -> set[str]:
    """Every module that is loaded after *lines* ran in a fresh interpreter."""
    program = "\n".join([*lines, "import json, sys; print(json.dumps(sorted(sys.modules)))"])
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


def heavy(modules: set[str]) -> set[str]:
    """What the import budget is about."""
    return {
        name
        for name in modules
        if name.split(".")[0] in {"aiohttp", "cattrs", "msgspec", "asyncio", "ssl"}
        or re.match(r"ev_energy\.(models\.[^_]|resources\.|simulator)", name)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_the_package_loads_nothing_heavy(package: str) -> None:
    assert heavy(run(f"import {package}")) == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_the_client_loads_neither_aiohttp_nor_models(package: str) -> None:
    found = heavy(run(f"from {package} import Client"))
    assert {name.split(".")[0] for name in found} <= {"asyncio", "ssl", "msgspec"}


@pytest.mark.parametrize("package", PACKAGES)
def test_making_a_client_loads_neither_aiohttp_nor_models_nor_cattrs(package: str) -> None:
    found = heavy(run(f"from {package} import Client", "client = Client('token')"))
    assert {name.split(".")[0] for name in found} <= {"asyncio", "ssl", "msgspec"}


def test_preloading_loads_what_calls_need() -> None:
    found = run("from ev_energy import Client", "Client.preload('evses')")
    assert {"aiohttp", "ev_energy.resources.evses", "ev_energy.models.evses"} <= found
    assert "ev_energy.resources.ct_clamps" not in found


def _checked_names(path: Path) -> set[str]:
    """Return the names that a package exports to type checkers."""
    shown: set[str] = set()
    for node in tree(path).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom):
                    assert all(alias.asname == alias.name for alias in inner.names), "export it"
                    shown |= {alias.name for alias in inner.names}
                elif isinstance(inner, ast.AnnAssign):
                    shown.add(ast.unparse(inner.target))
    return shown


@pytest.mark.parametrize("package", ["ev_energy", "ev_energy.models", "ev_energy_sync"])
def test_type_checkers_see_the_names_that_exist_at_run_time(package: str) -> None:
    module = import_module(package)
    names = set(dir(module)) | (
        {"auth", "errors", "models"} if package != "ev_energy.models" else set()
    )
    shown = _checked_names(ROOT / package.replace(".", "/") / "__init__.py")
    assert shown == names
    for name in names:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("package", ["ev_energy", "ev_energy.models", "ev_energy_sync"])
def test_an_unknown_name_raises_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        import_module(package).nonesuch  # noqa: B018


def test_all_models_are_exported() -> None:
    exports = import_module("ev_energy.models")
    public = {
        node.name: path.stem
        for path in (ROOT / "ev_energy" / "models").glob("[!_]*.py")
        for node in tree(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert public.keys() - set(dir(exports)) == set()
    for name, module in public.items():
        assert getattr(exports, name).__module__ == f"ev_energy.models.{module}"


def test_all_expand_types_are_exported() -> None:
    aliases = {
        ast.unparse(node.target): path.stem
        for path in (ROOT / "ev_energy" / "resources").glob("[!_]*.py")
        for node in tree(path).body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target).endswith("Expand")
    }
    exports = import_module("ev_energy.expand")
    assert set(exports.__all__) == aliases.keys()
    for name, module in aliases.items():
        source = import_module(f"ev_energy.resources.{module}")
        assert getattr(exports, name) is getattr(source, name)


def test_every_error_is_in_the_list_of_the_errors_and_in_the_drawing() -> None:
    errors = import_module("ev_energy.errors")
    classes = {
        node.name
        for name in ("errors", "_error_base")
        for node in tree(ROOT / "ev_energy" / f"{name}.py").body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert set(errors.__all__) == classes
    drawing = {word for line in (errors.__doc__ or "").splitlines() for word in line.split()}
    assert classes <= drawing
