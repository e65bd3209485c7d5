"""``UNSET``: an argument that was not given, as opposed to ``None``, which is sent as JSON null."""

from __future__ import annotations

import enum
from typing import Final, NoReturn


class Unset(enum.Enum):
    """The type of ``UNSET``; a one-member enum, so that checkers narrow ``x is UNSET``."""

    UNSET = "UNSET"

    def __bool__(self) -> NoReturn:
        raise TypeError("UNSET is neither true nor false; compare with `is UNSET`")

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
