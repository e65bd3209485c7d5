"""The order of imports, the dependencies of the packages, and other rules for the source."""

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

from tests.helpers.names import assert_no_problems, assert_same_names

ROOT = Path(__file__).parents[2]
PACKAGES = ("ev_energy", "ev_energy_sync")

#: The parts of the client. Each may import from the lines above its own, and from no other line.
ORDER = (
    "_version _unset _runtime",
    "_redaction",
    "_lazy_exports",
    "_arguments _error_base",
    "_misuse",
    "_callbacks",
    "_messages _servers",
    "models",
    "hooks errors",
    "_html _field_docs",
    "_codec",
    "_pydantic _records",
    "_help",
    "_http",
    "budget",
    "auth",
    "_api",
    "_changes",
    "resources",
    "_client",
    "webhooks changes expand otel keyring",
    "redis",
    "fastapi",
    "__init__",
)

#: The exceptions: imports inside functions from a part below, with the reason.
UPWARD = {
    ("_lazy_exports", "_help"): "`help` asks classes for their docstrings",
    ("_lazy_exports", "_misuse"): "messages about a name that a package lacks suggest one",
    ("_error_base", "_html"): "notebooks ask errors for their HTML",
    ("_messages", "_html"): "notebooks ask pages for their HTML",
    ("models", "_html"): "notebooks ask models for their HTML",
    ("models", "_codec"): "`Model.to_dict` and `from_dict` call the codec",
    ("models", "_pydantic"): "pydantic asks the classes for their schemas",
}

#: The exceptions: imports for type checkers from a part below, with the reason.
ANNOTATED = {("_error_base", "_api"): "`error.partial` is the result of a method of the client"}

#: The parts beside the client, with the parts that each may import.
BESIDE = {
    "__main__": {"__init__", "cli"},
    "_contract": {"_contract"},
    "_operations": {"_operations"},
    "cli": {
        "__init__",
        "cli",
        "simulator",
        "_contract",
        "_operations",
        "_redaction",
        "errors",
        "hooks",
        "models",
    },
    # If client and simulator shared logic, tests of one against the other would miss its mistakes.
    "simulator": {"models", "simulator", "_operations", "_version", "_contract"},
    # pytest loads this plugin in every run, so its functions import what they need.
    "testing": {"__init__", "errors", "simulator", "webhooks"},
}

#: The parts of the simulator. Each may import from the lines above its own, and from no other line.
SIMULATOR_ORDER = (
    "clock _bounded_cache",
    "_seeded_random",
    "_secrets pages",
    "charging",
    "world",
    "oauth",
    "http",
    "home_energy onboarding_pages",
    "resources",
    "webhooks",
    "faults",
    "_request_log _state_file _threads",
    "admin _status_page",
    "_simulator",
    "__init__",
)

#: The exceptions: imports for type checkers from a part below, with the reason.
SIMULATOR_UPWARD = {
    ("_lazy_exports", "_help"): "`help` asks classes for their docstrings",
    ("admin", "_simulator"): "the endpoints below /__sim/ call the methods of Simulator",
    ("_status_page", "_simulator"): "the page at / shows the state of a Simulator",
}

#: Imports of values of the client, which have no logic, with the reason.
SIMULATOR_VALUES = {
    ("ev_energy.simulator._simulator", "ev_energy.auth"): "`Simulator.sign_in` returns a `Token`",
}

#: Packages that an extra installs, with the parts that may import them.
EXTRAS = {
    "cyclopts": {"cli"},
    "pyarrow": {"cli"},
    "rich": {"cli"},
    "yaml": {"cli"},
    "redis": {"auth", "budget", "webhooks"},
    "keyring": {"keyring"},
    "fastapi": {"fastapi"},
    "pydantic_core": {"_pydantic"},
    "starlette": {"fastapi"},
    "opentelemetry": {"otel"},
    "uvloop": {"_loop_thread"},
    "pytest": {"testing"},
    "pytest_asyncio": {"testing"},
}

#: Undeclared packages that belong to the interface of a dependency.
BROUGHT_ALONG = {"multidict": "the type of aiohttp's headers and yarl's queries"}

#: Modules that may have more lines of code than `LONGEST`, with the reason.
LONG = {
    "ev_energy/_codec/decode.py": "three passes over one reply, with the limits of each",
    "ev_energy/models/__init__.py": "generated, one line a model",
    "ev_energy/models/countries.py": "one line a country",
    "ev_energy/_client.py": "two lines a family, one an option",
    "ev_energy_sync/_client.py": "the same for the blocking client, with its overloads",
    "ev_energy/simulator/http/_validation.py": "one schema validator",
    "ev_energy/simulator/resources/programs.py": "one family",
    "ev_energy/simulator/resources/rebates.py": "one family",
    "ev_energy/simulator/resources/regions.py": "one family",
    "ev_energy/simulator/resources/solar.py": "one family",
    "ev_energy/simulator/resources/support.py": "one family",
    "ev_energy/simulator/resources/tariffs.py": "one family",
}
LONGEST = 350


class Import(NamedTuple):
    """An import of a name or a module."""

    importer: str
    imported: str
    name: str
    place: str
    """``top``, ``function`` or ``checking``."""


def files() -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and the path of every module of both packages."""
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
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _placed(child, place)


def _names(node: ast.Import | ast.ImportFrom, known: set[str]) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import; ``from package import module`` imports the module."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield alias.name, ""
        else:
            assert node.level == 0, "imports are absolute"
            inner = f"{node.module}.{alias.name}"
            inside = inner in known or f"{inner}.__init__" in known
            yield (inner, "") if inside else (str(node.module), alias.name)


def part(module: str) -> str:
    """Return the part that a module belongs to: ``models`` for ``ev_energy.models.evses``."""
    words = module.split(".")[1:] or ["__init__"]
    whole = ".".join(words)
    return whole if whole in _ranks() else words[0]


@cache
def _ranks() -> dict[str, int]:
    return {name: rank for rank, names in enumerate(ORDER) for name in names.split()}


def own(*, package: str = "ev_energy") -> list[Import]:
    """Return the imports within *package*."""
    return [
        found
        for found in imports()
        if found.importer.split(".")[0] == package and found.imported.split(".")[0] == package
    ]


def test_modules_are_in_the_order() -> None:
    assert_same_names(
        {part(name) for name, _ in files() if name.startswith("ev_energy.")},
        _ranks().keys() | BESIDE.keys(),
        missing="no such module exists; take it out of ORDER or BESIDE",
        unexpected="add it to ORDER, or to BESIDE if the client does not import it",
    )


def against_the_order() -> list[Import]:
    """Return the imports within the client from the same line of `ORDER` or from one below."""
    ranks = _ranks()
    return [
        found
        for found in own()
        if part(found.importer) in ranks
        and part(found.importer) != part(found.imported)
        and ranks.get(part(found.imported), len(ORDER)) >= ranks[part(found.importer)]
    ]


def test_imports_follow_the_order() -> None:
    assert_no_problems(
        (
            found
            for found in against_the_order()
            if found.place != "function"
            and not (
                found.place == "checking"
                and (part(found.importer), part(found.imported)) in ANNOTATED
            )
        ),
        "These imports go against ORDER: move the code that is needed to a part further up in it.",
    )


def test_late_imports_against_the_order_are_known() -> None:
    late = (found for found in against_the_order() if found.place == "function")
    assert_same_names(
        {(part(found.importer), part(found.imported)) for found in late},
        UPWARD,
        missing="no function imports this any more; take it out of UPWARD",
        unexpected="a function imports a part below its own; move the code further up in ORDER",
    )


def simulator_part(module: str) -> str | None:
    """Return the part of the simulator that has *module*; None for other modules."""
    words = module.split(".")
    if words[:2] != ["ev_energy", "simulator"]:
        return None
    return words[2] if words[2:] else "__init__"


def test_parts_of_the_simulator_are_in_its_order() -> None:
    listed = {name for names in SIMULATOR_ORDER for name in names.split()}
    assert_same_names(
        {found for name, _ in files() if (found := simulator_part(name))},
        listed,
        missing="no such part exists any more; take it out of SIMULATOR_ORDER",
        unexpected="list the part in SIMULATOR_ORDER, below the parts that it imports",
    )


def test_imports_of_the_simulator_follow_its_order() -> None:
    ranks = {name: rank for rank, names in enumerate(SIMULATOR_ORDER) for name in names.split()}
    upward = {
        (importer, imported): found
        for found in imports()
        if (importer := simulator_part(found.importer))
        and (imported := simulator_part(found.imported))
        and importer != imported
        and ranks[imported] >= ranks[importer]
    }
    assert {pair: found for pair, found in upward.items() if pair not in SIMULATOR_UPWARD} == {}
    assert {found.place for found in upward.values()} <= {"checking"}


def test_imports_form_no_cycle() -> None:
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


def test_aiohttp_is_imported_by_the_transport_only() -> None:
    users = {
        (found.importer, found.place)
        for found in imports()
        if found.imported.split(".")[0] == "aiohttp" and found.place != "checking"
    }
    on_aiohttp = {f"ev_energy._http.{name}" for name in ("caller_session", "failures", "reply")}
    assert_same_names(
        {user for user in users if part(user[0]) not in BESIDE},
        {("ev_energy._http.transport", "function"), *((name, "top") for name in on_aiohttp)},
        missing="the module does not use aiohttp any more; take it out of this test",
        unexpected="use aiohttp in ev_energy/_http/transport.py; the package loads without it",
    )
    late = {
        (found.importer, found.place)
        for found in imports()
        if found.imported in on_aiohttp and found.importer not in on_aiohttp
    }
    assert late == {("ev_energy._http.transport", "function")}, (
        "import these late, or aiohttp loads"
    )


def test_cattrs_is_imported_by_the_lenient_decoder_only() -> None:
    users = {found.importer for found in imports() if found.imported.split(".")[0] == "cattrs"}
    # The client does not load the parts beside it.
    users = {user for user in users if part(user) not in BESIDE}
    assert users == {"ev_energy._codec.lenient"}, "cattrs is slow to import; most calls need none"
    places = {found.place for found in imports() if found.imported == "ev_energy._codec.lenient"}
    assert places == {"function"}, (
        "import the lenient decoder late, or cattrs loads with the client"
    )


def is_value(found: Import) -> bool:
    """Return whether an import is that of a value without logic, which has a reason."""
    return (found.importer, found.imported) in SIMULATOR_VALUES


@pytest.mark.parametrize("beside", BESIDE)
def test_part_beside_the_client_imports_only_what_it_may(beside: str) -> None:
    used = {
        part(found.imported)
        for found in own()
        if part(found.importer) == beside and not is_value(found)
    }
    assert_no_problems(
        used - {beside} - BESIDE[beside],
        f"{beside} may not import these parts; BESIDE lists the parts that it may import.",
    )


def test_simulator_shares_no_logic_with_the_client() -> None:
    forbidden = "_codec _http _api auth budget _client"
    used = {
        part(found.imported)
        for found in own()
        if part(found.importer) == "simulator" and not is_value(found)
    }
    assert used.isdisjoint(forbidden.split())
    assert "simulator" in used


def test_client_imports_no_part_beside_it() -> None:
    assert_no_problems(
        (
            found
            for found in own()
            if part(found.importer) not in BESIDE
            and (part(found.imported) in BESIDE or part(found.imported) == "_operations")
        ),
        "The client may not import the parts in BESIDE.",
    )


def test_families_import_neither_each_other_nor_the_pipeline() -> None:
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
    """Return the names that a module uses outside of annotations."""
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


def test_models_that_only_annotate_ids_are_imported_for_type_checkers() -> None:
    """The first call of a family then loads its own models only."""
    for path in (ROOT / "ev_energy" / "resources").glob("[!_]*.py"):
        used = _used_at_run_time(path)
        for node in tree(path).body:
            if isinstance(node, ast.ImportFrom) and re.match(
                r"ev_energy\.models(?!\._)", str(node.module)
            ):
                names = {alias.name for alias in node.names}
                assert names & used, f"{path.name}: import {node.module} under TYPE_CHECKING"


def test_blocking_twin_imports_few_private_modules() -> None:
    inner = "_api _http _codec simulator cli"
    crossing = {
        (found.importer, part(found.imported), found.name)
        for found in imports()
        if found.importer.startswith("ev_energy_sync") and found.imported.startswith("ev_energy.")
    }
    assert_same_names(
        {cross for cross in crossing if cross[1] in inner.split()},
        {
            ("ev_energy_sync._blocking", "_api", "Pager"),
            ("ev_energy_sync._client", "_api", "CapturedCall"),
            ("ev_energy_sync._client", "_codec", "DriftHook"),
            ("ev_energy_sync._gather", "_api", "FINAL_ERRORS"),
            ("ev_energy_sync._gather", "_api", "checked_limit"),
            ("ev_energy_sync._loop_thread", "_api", ""),  # imports aiohttp before the loop runs
        },
        missing="the twin does not import it any more; take it out of this test",
        unexpected="use the public names of ev_energy in the blocking twin",
    )
    back = {
        found.importer
        for found in imports()
        if found.importer.startswith("ev_energy.") and found.imported.startswith("ev_energy_sync")
    }
    assert back == {"ev_energy.testing"}, "only the pytest plugin uses both packages"


def test_imported_packages_are_declared_in_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {text.split(">")[0].split("[")[0] for text in project["dependencies"]}
    allowed = {*declared, *sys.stdlib_module_names, *PACKAGES, *BROUGHT_ALONG}
    foreign = {
        (found.imported.split(".")[0], part(found.importer))
        for found in imports()
        if found.place != "checking" and found.imported.split(".")[0] not in allowed
    }
    assert_no_problems(
        (pair for pair in foreign if pair[1] not in EXTRAS.get(pair[0], ())),
        "Declare these packages in pyproject.toml; if an extra installs them, add them to EXTRAS.",
    )


def code_lines(path: Path) -> int:
    """Return the number of lines that are neither blank nor comment nor docstring."""
    docstrings: set[int] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = path.read_text(encoding="utf-8").splitlines()
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in docstrings
        for number, line in enumerate(lines, 1)
    )


def test_modules_are_short() -> None:
    lengths = {str(path.relative_to(ROOT)): code_lines(path) for _, path in files()}
    long = {name for name, length in lengths.items() if length > LONGEST}
    assert_no_problems(
        (f"{name} has {lengths[name]} lines of code" for name in sorted(long - LONG.keys())),
        f"A module has at most {LONGEST}: divide it, or add it to LONG with a reason.",
    )
    assert lengths["ev_energy/resources/evses.py"] > 100  # `code_lines` counts something
    assert code_lines(ROOT / "ev_energy" / "_operations.py") < 320


def _generated(path: Path) -> bool:
    return path.parts[-3:-1] == ("ev_energy_sync", "resources")


def _documented(body: list[ast.stmt], where: str) -> Iterator[str]:
    """Yield public classes and functions without a docstring."""
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


def test_public_definitions_have_docstrings() -> None:
    missing = [
        what
        for name, path in files()
        for what in [
            *([name] if ast.get_docstring(tree(path)) is None else []),
            *_documented(tree(path).body, name),
        ]
    ]
    assert_no_problems(missing, "Add a docstring to each of these.")


def run(*lines: str) -> set[str]:
    """Run *lines* in a new interpreter and return the modules that are loaded afterwards."""
    program = "\n".join([*lines, "import json, sys; print(json.dumps(sorted(sys.modules)))"])
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


def heavy(modules: set[str]) -> set[str]:
    """Return those of *modules* that take long to import."""
    return {
        name
        for name in modules
        if name.split(".")[0] in {"aiohttp", "cattrs", "msgspec", "asyncio", "ssl"}
        or re.match(r"ev_energy\.(models\.[^_]|resources\.|simulator)", name)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_import_of_the_package_loads_nothing_heavy(package: str) -> None:
    assert heavy(run(f"import {package}")) == set(), "import these modules late"


@pytest.mark.parametrize("package", PACKAGES)
def test_import_of_the_client_loads_neither_aiohttp_nor_models(package: str) -> None:
    found = heavy(run(f"from {package} import Client"))
    assert {name.split(".")[0] for name in found} <= {"asyncio", "ssl", "msgspec"}


@pytest.mark.parametrize("package", PACKAGES)
def test_new_client_loads_neither_aiohttp_nor_models_nor_cattrs(package: str) -> None:
    found = heavy(run(f"from {package} import Client", "client = Client('token')"))
    assert {name.split(".")[0] for name in found} <= {"asyncio", "ssl", "msgspec"}


def test_preload_loads_the_modules_that_calls_need() -> None:
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
    assert_same_names(
        shown,
        names,
        missing=f"export it under TYPE_CHECKING in {package}/__init__.py",
        unexpected=f"{package} does not have this name at run time",
    )
    for name in names:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("package", ["ev_energy", "ev_energy.models", "ev_energy_sync"])
def test_unknown_name_raises_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        _ = import_module(package).nonesuch


def test_models_are_exported() -> None:
    exports = import_module("ev_energy.models")
    public = {
        node.name: path.stem
        for path in (ROOT / "ev_energy" / "models").glob("[!_]*.py")
        for node in tree(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert_no_problems(
        public.keys() - set(dir(exports)),
        "Run `python -m ev_energy_sync._generate` to export these models.",
    )
    for name, module in public.items():
        assert getattr(exports, name).__module__ == f"ev_energy.models.{module}"


def test_expand_types_are_exported() -> None:
    aliases = {
        ast.unparse(node.target): path.stem
        for path in (ROOT / "ev_energy" / "resources").glob("[!_]*.py")
        for node in tree(path).body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target).endswith("Expand")
    }
    exports = import_module("ev_energy.expand")
    assert_same_names(
        exports.__all__,
        aliases,
        missing="run `python -m ev_energy_sync._generate` to export it",
        unexpected="run `python -m ev_energy_sync._generate` to take it out of ev_energy/expand.py",
    )
    for name, module in aliases.items():
        source = import_module(f"ev_energy.resources.{module}")
        assert getattr(exports, name) is getattr(source, name)


def test_errors_are_exported_and_in_the_tree_of_the_docstring() -> None:
    errors = import_module("ev_energy.errors")
    classes = {
        node.name
        for name in ("errors", "_error_base")
        for node in tree(ROOT / "ev_energy" / f"{name}.py").body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert_same_names(
        set(errors.__all__) - {"CallOutcome"},  # a type alias
        classes,
        missing="add it to __all__ in ev_energy/errors.py",
        unexpected="there is no such class; take it out of __all__ in ev_energy/errors.py",
    )
    tree_of_errors = set((errors.__doc__ or "").split())
    assert_no_problems(
        classes - tree_of_errors, "Add these to the tree in the docstring of ev_energy/errors.py."
    )
