"""Numbers that look random and are the same for a seed, in whatever order they are asked for."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Final, TypeVar

from ev_energy.simulator.clock._instants import micros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


T = TypeVar("T")

ID_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class SeededRandom:
    """A source of numbers that are named, not drawn: the same name gives the same number."""

    def __init__(self, seed: int) -> None:
        self._seed = str(seed).encode()

    def number(self, *about: object) -> int:
        """Return 128 bits that belong to ``about``."""
        name = "/".join(map(str, about)).encode()
        return int.from_bytes(hashlib.blake2b(name, digest_size=16, key=self._seed).digest(), "big")

    def between(self, low: int, high: int, *about: object) -> int:
        """Return a whole number from ``low`` to ``high``, both included."""
        return low + self.number(*about) % (high - low + 1)

    def odds(self, percent: int, *about: object) -> bool:
        """Return true in about ``percent`` of a hundred cases."""
        return self.number(*about) % 100 < percent

    def pick(self, options: Sequence[T], *about: object) -> T:
        """Return one of ``options``."""
        return options[self.number(*about) % len(options)]

    def uid(self, prefix: str, made_at: datetime, *about: object) -> str:
        """Return an identifier that sorts by when the thing was made."""
        bits = ((micros(made_at) // 1000) << 80) | (self.number(prefix, *about) >> 48)
        letters = (ID_LETTERS[(bits >> shift) & 31] for shift in range(125, -1, -5))
        return prefix + "".join(letters)

    def uuid(self, *about: object) -> str:
        """Return a UUID as text."""
        return str(uuid.UUID(int=self.number(*about), version=4))
