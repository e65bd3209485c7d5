"""Copies of msgspec's structs."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)


def copy_with(struct: S, **changes: Any) -> S:
    """Return a copy of *struct* with *changes*, made by its constructor.

    Before msgspec 0.21, `msgspec.structs.replace` does not call `__post_init__`.
    """
    return type(struct)(**(msgspec.structs.asdict(struct) | changes))
