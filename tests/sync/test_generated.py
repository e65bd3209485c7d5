"""The generated files are current, and the generator rejects source that it cannot convert."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import pytest

from ev_energy_sync._generate.__main__ import main
from ev_energy_sync._generate.blocking import blocking_module
from ev_energy_sync._generate.files import ROOT, generate
from ev_energy_sync._generate.source_text import UnsupportedSourceError


@cache
def generated() -> dict[str, str]:
    return generate()


@pytest.fixture
def copy(tmp_path):
    """A copy of the two packages and the documentation that tests may modify."""
    for package in ("ev_energy", "ev_energy_sync", "docs"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def convert(body: str) -> str:
    """Return the blocking module of a resource class with *body*."""
    source = '"""Things."""\n\nfrom ev_energy._api.paging import Pager\n\n\n'
    source += 'class Things(Resource):\n    """Things."""\n\n' + textwrap.indent(
        textwrap.dedent(body), "    "
    )
    return blocking_module(source, "ev_energy/resources/things.py")


@pytest.mark.slow
def test_generated_files_are_current(capsys):
    status = main(["--check"])
    assert status == 0, capsys.readouterr().out


@pytest.mark.slow
def test_check_reports_differing_and_stale_files_and_writes_nothing(copy, capsys):
    resources = copy / "ev_energy_sync/resources"
    (resources / "evses.py").write_text("# edited\n")
    (resources / "users.py").unlink()
    (resources / "gone.py").write_text("# of a removed module\n")
    assert main(["--check"], copy) == 1
    assert capsys.readouterr().out.splitlines() == [
        "differs: ev_energy_sync/resources/evses.py",
        "differs: ev_energy_sync/resources/users.py",
        "stale: ev_energy_sync/resources/gone.py",
        "run `python -m ev_energy_sync._generate`",
    ]
    assert (resources / "evses.py").read_text() == "# edited\n"
    assert not (resources / "users.py").exists()


@pytest.mark.slow
def test_writing_corrects_differing_files_and_deletes_stale_ones(copy, capsys):
    resources = copy / "ev_energy_sync/resources"
    (resources / "evses.py").write_text("# edited\n")
    (resources / "gone.py").write_text("# of a removed module\n")
    assert main([], copy) == 0
    assert capsys.readouterr().out.splitlines() == [
        "written: ev_energy_sync/resources/evses.py",
        "deleted: ev_energy_sync/resources/gone.py",
    ]
    assert main(["--check"], copy) == 0


def test_coroutines_are_called_through_the_portal_and_pagers_wrapped():
    text = convert('''
        async def get(self, thing_id: str, *, size: int = 1) -> str:
            """Get."""

        async def delete(self, thing_id: str) -> None:
            """Delete."""

        def list(self) -> Pager[str]:
            """List."""

        def _private(self): ...
    ''')
    assert "        return self._portal.call(self._aio.get(thing_id, size=size))\n" in text
    assert "        self._portal.call(self._aio.delete(thing_id))\n" in text
    assert "        return self._pager(self._aio.list())\n" in text
    assert "_private" not in text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('def url(self) -> str:\n    """U."""', "Things.url is neither a coroutine nor"),
        ('async def list(self) -> Pager[str]:\n    """L."""', "Things.list is neither a coroutine"),
        ('@property\ndef size(self) -> int:\n    """S."""', "Things.size has a decorator"),
        ("async def get(self) -> str: ...", "Things.get has no return annotation, or no docstring"),
        ('async def get(self):\n    """G."""', "Things.get has no return annotation"),
        ('async def get(self, a) -> str:\n    """G."""', "the argument a has no annotation"),
        ('async def get(self, *a: str) -> str:\n    """G."""', "get takes \\*args"),
        (
            'async def get(self) -> AsyncIterator[str]:\n    """G."""',
            "Things.get takes or returns an awaitable",
        ),
        (
            'async def get(self, a: Thing) -> str:\n    """G."""',
            "get uses the name Thing, which is neither",
        ),
        ("size = 1", "Things has an attribute, `size = 1`"),
    ],
)
def test_unsupported_members_raise_an_error_with_their_name(body, message):
    with pytest.raises(UnsupportedSourceError, match=message):
        convert(body)


def test_class_with_other_bases_raises_an_error_with_its_name():
    source = '"""T."""\nclass Things(Base):\n    """T."""\n'
    with pytest.raises(UnsupportedSourceError, match="Things must inherit from Resource alone"):
        blocking_module(source, "ev_energy/resources/things.py")


def test_unsupported_source_is_reported_and_nothing_is_written(copy, capsys):
    source = copy / "ev_energy/resources/ct_clamps.py"
    source.write_text(source.read_text() + '\n    def url(self) -> str:\n        """U."""\n')
    before = digests(copy)
    assert main([], copy) == 2
    assert "ct_clamps.py: CtClamps.url is neither" in capsys.readouterr().err
    assert digests(copy) == before


@pytest.mark.slow
def test_generated_files_have_the_layout_of_ruff():
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("needs ruff: pip install -e '.[lint]'")
    for path in generated():
        for command in (["format", "--check"], ["check"]):
            done = subprocess.run(
                [ruff, *command, "--no-cache", path],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr


def test_long_signatures_and_calls_have_the_layout_of_ruff():
    arguments = [f"an_argument_of_some_length_{i}: int | None = None" for i in range(4)]
    source = ", ".join(arguments)
    text = convert(f'async def get(self, *, {source}) -> str:\n    """G."""\n')
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("needs ruff: pip install -e '.[lint]'")
    command = [ruff, "format", "--no-cache", "--line-length", "100", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert done.stdout == text


def find_other_python(version: str) -> str | None:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return None
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(map(str, versions.glob(f"{version}.*/bin/python")))
    return found[-1] if found else shutil.which(f"python{version}")


def digests(root: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*.py")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "version", [v for v in ("3.11", "3.12", "3.13", "3.14") if find_other_python(v)]
)
def test_all_python_versions_write_the_same_files(version):
    python = find_other_python(version)
    script = (
        "import json; from ev_energy_sync._generate.files import generate; "
        "print(json.dumps(generate()))"
    )
    # The generator needs only the standard library and attrs, which is pure Python.
    path = os.pathsep.join([str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))])
    done = subprocess.run(
        [python, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == generated()
