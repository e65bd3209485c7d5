"""Measure the size of the wheel and of its two packages, with and without byte code."""

from __future__ import annotations

import compileall
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import peers
from harness import HERE, Row, Settings

_PACKAGES: Final = ("ev_energy", "ev_energy_sync")


def rows(_: Settings) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        wheel = _wheel(Path(folder) / "wheel")
        if wheel is None:
            yield Row("wheel", None, note="skipped: pip could not build it")
            return
        root = Path(folder) / "installed"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root)
        sizes = {name: _sizes(root / name) for name in _PACKAGES}
        wheel_size, total = wheel.stat().st_size, sum(source for source, _ in sizes.values())
        note = _kilobytes(wheel_size, total)
        yield Row("wheel over its content", wheel_size / total, note=note)
        for name, (source, byte_code) in sizes.items():
            note = _kilobytes(source + byte_code, source)
            yield Row(f"{name} with byte code over without", 1 + byte_code / source, note=note)
        if generated := peers.generated():
            source, byte_code = _sizes(generated / peers.PACKAGE)
            note = f"{_kilobytes(source, total)}; {(source + byte_code) / 1000:,.0f} with byte code"
            yield Row(f"{peers.GENERATOR} over both packages", source / total, note=note)


def _wheel(folder: Path) -> Path | None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir"]
    done = subprocess.run(
        [*command, str(folder), str(HERE.parent)], capture_output=True, check=False
    )
    return next(folder.glob("*.whl"), None) if not done.returncode else None


def _sizes(package: Path) -> tuple[int, int]:
    """Return the bytes of the files of *package*, and of their byte code."""
    source = [p for p in package.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    compileall.compile_dir(package, quiet=1)
    byte_code = list(package.rglob("*.pyc"))
    return sum(p.stat().st_size for p in source), sum(p.stat().st_size for p in byte_code)


def _kilobytes(one: int, other: int) -> str:
    return f"{one / 1000:,.0f} kB over {other / 1000:,.0f}"
