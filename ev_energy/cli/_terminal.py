"""What stdout can show: colours, and characters beyond ASCII."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final, TypeAlias

GREEN: Final = "32"
CYAN: Final = "36"
YELLOW: Final = "33"
RED: Final = "31"
DIM: Final = "2"
BOLD: Final = "1"

#: Returns a text in a colour, or unchanged.
Painter: TypeAlias = Callable[[str, str], str]


def is_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def painter() -> Painter:
    """Return a function that colours a text if stdout is a terminal and NO_COLOR is not set."""
    if is_terminal() and not os.environ.get("NO_COLOR"):
        return lambda colour, text: f"\x1b[{colour}m{text}\x1b[0m"
    return lambda _colour, text: text


def encodable(text: str) -> bool:
    """Return whether stdout can encode *text*, as it cannot in a locale with ASCII only."""
    try:
        text.encode(_encoding("ascii"))
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def write(text: str) -> None:
    """Print *text*, with a question mark for each character that stdout cannot encode."""
    encoding = _encoding("utf-8")
    print(text.encode(encoding, "replace").decode(encoding))


def _encoding(default: str) -> str:
    """Return the encoding of stdout, which is None in a process that is started without one."""
    return getattr(sys.stdout, "encoding", None) or default
