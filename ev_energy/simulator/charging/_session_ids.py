"""Identifiers of sessions and sub-sessions, which say what they are of: nothing is looked up.

From the left: 48 bits of the episode's start in milliseconds, 32 of the bay, mixed with the time,
8 of the ordinal, and 40 that only this world can tell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ev_energy.simulator._seeded_random import ID_LETTERS

if TYPE_CHECKING:
    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.clock._instants import Micros


_VALUES: Final = {letter: value for value, letter in enumerate(ID_LETTERS)}
_LENGTH: Final = 26
_FORM: Final = re.compile(f"[{ID_LETTERS}]{{{_LENGTH}}}", re.ASCII)
_MILLISECOND: Final = 1000
_CHECK: Final = 40
_ORDINAL: Final = 8
_SITE: Final = 32
_TIME: Final = 48


class Ids:
    """Writes and reads the identifiers of one world."""

    def __init__(self, random: SeededRandom) -> None:
        self._random = random

    def write(self, prefix: str, start: Micros, site: int, ordinal: int) -> str:
        """Return the identifier of a thing that began with the bay's episode at ``start``."""
        time = start // _MILLISECOND
        bits = (((time << _SITE) | site ^ self._mask(time)) << _ORDINAL) | ordinal
        bits = bits << _CHECK | self._check(prefix, bits)
        letters = [ID_LETTERS[bits >> shift & 31] for shift in range(5 * _LENGTH - 5, -1, -5)]
        return prefix + "".join(letters)

    def read(self, prefix: str, text: str) -> tuple[int, int, int] | None:
        """Return milliseconds, bay and ordinal, None if this world wrote no such identifier."""
        if not text.startswith(prefix) or not _FORM.fullmatch(text, len(prefix)):
            return None
        bits = 0
        for letter in text[len(prefix) :]:
            bits = bits << 5 | _VALUES[letter]
        bits, check = bits >> _CHECK, bits & (1 << _CHECK) - 1
        if bits >> (_ORDINAL + _SITE + _TIME) or check != self._check(prefix, bits):
            return None
        rest, ordinal = bits >> _ORDINAL, bits & (1 << _ORDINAL) - 1
        time, mixed = rest >> _SITE, rest & (1 << _SITE) - 1
        return time, mixed ^ self._mask(time), ordinal

    def _mask(self, time: int) -> int:
        return self._random.number("id of a bay", time) & (1 << _SITE) - 1

    def _check(self, prefix: str, bits: int) -> int:
        return self._random.number("id", prefix, bits) & (1 << _CHECK) - 1
