"""The generated modules: that they are up to date, and that the generator takes nothing amiss."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ev_energy_sync._generate import __main__ as _generate
from ev_energy_sync._generate.source_text import Refused

ROOT = _generate.ROOT


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The two packages and the documentation, to be meddled with."""
    for package in ("ev_energy", "ev_energy_sync", "docs"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    monkeypatch.setattr(_generate, "ROOT", tmp_path)
    monkeypatch.setattr(_generate, "generate", lambda: _made(tmp_path))
    monkeypatch.setattr(_generate, "stale", lambda made: _stale(made, tmp_path))
    return tmp_path


_made, _stale = _generate.generate, _generate.stale


def twin(body: str) -> str:
    source = '"""Things."""\n\nfrom ev_energy._api.paging import Pager\n\n\n'
    source += 'class Things(Resource):\n    """Things."""\n\n' + textwrap.indent(
        textwrap.dedent(body), "    "
    )
    return _generate.twin(source, "ev_energy/resources/things.py")


def test_the_generated_modules_are_up_to_date(capsys):
    assert (_generate.main(["--check"]), capsys.readouterr().out) == (0, "")


def test_check_names_what_differs_and_what_is_stale_and_writes_nothing(copy, capsys):
    resources = copy / "ev_energy_sync/resources"
    (resources / "evses.py").write_text("# edited\n")
    (resources / "users.py").unlink()
    (resources / "gone.py").write_text("# of a module that is no more\n")
    assert _generate.main(["--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "differs: ev_energy_sync/resources/evses.py",
        "differs: ev_energy_sync/resources/users.py",
        "stale: ev_energy_sync/resources/gone.py",
        "run `python -m ev_energy_sync._generate`",
    ]
    assert (resources / "evses.py").read_text() == "# edited\n"
    assert not (resources / "users.py").exists()


def test_writing_mends_what_differs_and_deletes_what_is_stale(copy, capsys):
    resources = copy / "ev_energy_sync/resources"
    (resources / "evses.py").write_text("# edited\n")
    (resources / "gone.py").write_text("# of a module that is no more\n")
    assert _generate.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "written: ev_energy_sync/resources/evses.py",
        "deleted: ev_energy_sync/resources/gone.py",
    ]
    assert _generate.main(["--check"]) == 0


def test_a_coroutine_is_waited_for_and_a_pager_wrapped():
    text = twin('''
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
    ("body", "complaint"),
    [
        ('def url(self) -> str:\n    """U."""', "Things.url is neither a coroutine nor"),
        ('async def list(self) -> Pager[str]:\n    """L."""', "Things.list is neither a coroutine"),
        ('@property\ndef size(self) -> int:\n    """S."""', "Things.size is decorated"),
        ("async def get(self) -> str: ...", "Things.get has no return annotation, or no docstring"),
        ('async def get(self):\n    """G."""', "Things.get has no return annotation"),
        ('async def get(self, a) -> str:\n    """G."""', "the argument a has no annotation"),
        ('async def get(self, *a: str) -> str:\n    """G."""', "get takes \\*args"),
        (
            'async def get(self) -> AsyncIterator[str]:\n    """G."""',
            "Things.get hands over something to await",
        ),
        (
            'async def get(self, a: Thing) -> str:\n    """G."""',
            "get mentions Thing, which no plain",
        ),
        ("size = 1", "Things has the member `size = 1`"),
    ],
)
def test_an_unknown_kind_of_member_is_refused_by_name(body, complaint):
    with pytest.raises(Refused, match=complaint):
        twin(body)


def test_a_class_that_inherits_endpoints_is_refused_by_name():
    with pytest.raises(Refused, match="Things must have the one base Resource, not \\['Base'\\]"):
        _generate.twin('"""T."""\nclass Things(Base):\n    """T."""\n', "ev_energy/resources/a.py")


def test_what_is_refused_is_said_and_nothing_is_written(copy, capsys):
    source = copy / "ev_energy/resources/ct_clamps.py"
    source.write_text(source.read_text() + '\n    def url(self) -> str:\n        """U."""\n')
    before = digests(copy)
    assert _generate.main([]) == 2
    assert "ct_clamps.py: CtClamps.url is neither" in capsys.readouterr().err
    assert digests(copy) == before


def test_the_layout_is_that_of_ruff():
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("needs ruff")
    for path in _generate.generate():
        for command in (["format", "--check"], ["check"]):
            done = subprocess.run(
                [ruff, *command, "--no-cache", path],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr


def test_long_signatures_and_calls_are_laid_out_like_ruff_does():
    arguments = [f"an_argument_of_some_length_{i}: int | None = None" for i in range(4)]
    source = ", ".join(arguments)
    text = twin(f'async def get(self, *, {source}) -> str:\n    """G."""\n')
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("needs ruff")
    command = [ruff, "format", "--no-cache", "--line-length", "100", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert done.stdout == text


def find_python(version: str) -> str | None:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(map(str, versions.glob(f"{version}.*/bin/python")))
    return found[-1] if found else shutil.which(f"python{version}")


def digests(root: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*.py")}


@pytest.mark.parametrize("version", [v for v in ("3.11", "3.12", "3.13", "3.14") if find_python(v)])
def test_every_version_of_python_writes_the_same(version):
    python = find_python(version)
    script = "import json; from ev_energy_sync._generate import __main__ as g; print(json.dumps(g.generate()))"
    # The generator needs nothing but the standard library and attrs, which is pure Python.
    path = os.pathsep.join([str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))])
    done = subprocess.run(
        [python, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == _generate.generate()
