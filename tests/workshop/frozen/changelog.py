"""The changes of public names since the last release that CHANGELOG.md does not name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final, TypeAlias

#: A dotted name.
Name: TypeAlias = tuple[str, ...]

_SECTION: Final = re.compile(r"^## .*? - unreleased$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`\n]+)`")
_DOTTED: Final = re.compile(r"[A-Za-z_][\w.]*\w")
#: The name that a line of public_names.txt begins with; some are those of every model.
_NAME: Final = re.compile(r"(?:\(every (\w+)\)|([\w.]+))([\w.]*)")


def unnamed(released: Iterable[str], current: Iterable[str], changelog: str) -> list[str]:
    """Return the lines that were added (+) or removed (-) and are not named as unreleased.

    A changed line is removed and added. A new or removed class or module stands for its members.
    """
    before, after = {*released}, {*current}
    named = _named(changelog)
    return [
        f"{sign} {line}"
        for sign, lines, others in (("-", before, after), ("+", after, before))
        for line in sorted(lines - others)
        if not _is_covered(_name_of(line), named, _families(others))
    ]


def _named(changelog: str) -> set[Name]:
    """Return the names in backquotes, of the sections that are not released."""
    codes = (code for text in _SECTION.findall(changelog) for code in _CODE.findall(text))
    names = (name for code in codes for name in _DOTTED.findall(code))
    return {tuple(re.sub(r"^client\b", "Client", name).split(".")) for name in names}


def _name_of(line: str) -> Name:
    match = _NAME.match(line)
    assert match, line
    return tuple("".join(part or "" for part in match.groups()).split("."))


def _families(lines: Iterable[str]) -> set[Name]:
    """Return the classes and modules of *lines*."""
    names = {_name_of(line) for line in lines}
    return {name[:end] for name in names for end in range(1, len(name))}


def _is_covered(name: Name, named: Collection[Name], families: Collection[Name]) -> bool:
    """Return whether *named* has *name*, or a class or module of it that *families* has not."""
    told = [name, *(name[:end] for end in range(1, len(name)) if name[:end] not in families)]
    return any(one[start:] in named for one in told for start in range(len(one)))
