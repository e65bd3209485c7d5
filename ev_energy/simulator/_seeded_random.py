"""Pseudo-random numbers that follow from a seed and a key, in whatever order they are read."""

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
_PAIR_SHIFTS: Final = range(120, -1, -10)
_LETTER_PAIRS: Final = [first + second for first in ID_LETTERS for second in ID_LETTERS]

#: The seed is the key of a BLAKE2b hash, which may be 64 bytes long (RFC 7693).
_MAX_SEED_DIGITS: Final = 63


class SeededRandom:
    """A generator without state: the same key always gives the same number.

    Keys decide the ids and the data of a world, so changing one changes worlds. Raises `ValueError`
    for a seed of more than 63 digits.
    """

    def __init__(self, seed: int) -> None:
        if abs(seed) >= 10**_MAX_SEED_DIGITS:
            raise ValueError(f"seed is too large: pass at most {_MAX_SEED_DIGITS} digits")
        self._seeded = hashlib.blake2b(digest_size=16, key=str(seed).encode())

    def number(self, *key: object) -> int:
        """Return 128 bits derived from the key."""
        digest = self._seeded.copy()
        digest.update("/".join(map(str, key)).encode())
        return int.from_bytes(digest.digest(), "big")

    def between(self, low: int, high: int, *key: object) -> int:
        """Return an integer from *low* to *high*, both included."""
        return low + self.number(*key) % (high - low + 1)

    def odds(self, percent: int, *key: object) -> bool:
        """Return True for about *percent* percent of the keys."""
        return self.number(*key) % 100 < percent

    def pick(self, options: Sequence[T], *key: object) -> T:
        """Return one of the *options*."""
        return options[self.number(*key) % len(options)]

    def uid(self, prefix: str, made_at: datetime, *key: object) -> str:
        """Return an id that sorts by the time of creation, to the millisecond."""
        bits = ((micros(made_at) // 1000) << 80) | (self.number(prefix, *key) >> 48)
        return prefix + "".join([_LETTER_PAIRS[(bits >> shift) & 1023] for shift in _PAIR_SHIFTS])

    def uuid(self, *key: object) -> str:
        """Return a UUID (version 4) as text."""
        return str(uuid.UUID(int=self.number(*key), version=4))
