"""The programs, commands and outputs that a page of the documentation shows."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]


@attrs.frozen
class Page:
    """A page of the documentation. Its blocks may be indented, as in tabs and lists."""

    text: str

    @classmethod
    def read(cls, path: str) -> Page:
        """Return a page of ``docs``, such as ``start.md``."""
        return cls((ROOT / "docs" / path).read_text())

    @property
    def programs(self) -> dict[str, str]:
        """The programs with a title, by their titles, which are names of files."""
        return {
            title[1]: code
            for info, code in self._blocks
            if (title := re.fullmatch(r'python title="([^"]+)"', info))
        }

    @property
    def snippets(self) -> list[str]:
        """The blocks of Python without a title."""
        return [code for info, code in self._blocks if info == "python"]

    @property
    def commands(self) -> list[str]:
        """The blocks of commands."""
        return [code for info, code in self._blocks if info == "sh"]

    @property
    def outputs(self) -> list[str]:
        """The blocks of text, which are what programs and commands print."""
        return [code for info, code in self._blocks if info == "text"]

    def write_programs(self, folder: Path) -> None:
        """Write each program to a file of its title."""
        for name, code in self.programs.items():
            (folder / name).write_text(code)

    @property
    def _blocks(self) -> list[tuple[str, str]]:
        """The fenced blocks, each as the text after its fence and its content."""
        return [
            (info, textwrap.dedent(code))
            for _, info, code in re.findall(
                r"^( *)```(\S[^\n]*)\n(.*?)^\1```$", self.text, re.MULTILINE | re.DOTALL
            )
        ]
