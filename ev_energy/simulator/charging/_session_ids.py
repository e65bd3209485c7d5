"""Ids of sessions and sub-sessions. They encode what they identify, so no table is needed.

From the left: 48 bits of the episode's start in milliseconds, 32 bits of the site's number, masked
by the time, 8 bits of the ordinal, and a 40-bit checksum keyed by the world's seed.
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
_PATTERN: Final = re.compile(f"[{ID_LETTERS}]{{{_LENGTH}}}", re.ASCII)
_MILLISECOND: Final = 1000
_CHECKSUM_BITS: Final = 40
_ORDINAL_BITS: Final = 8
_SITE_BITS: Final = 32
_TIME_BITS: Final = 48


class SessionIds:
    """Writes and reads the ids of one world."""

    def __init__(self, random: SeededRandom) -> None:
        self._random = random

    def write(self, prefix: str, start: Micros, site: int, ordinal: int) -> str:
        """Return the id of a session (ordinal 0) or sub-session of the episode at *start*."""
        time = start // _MILLISECOND
        bits = (((time << _SITE_BITS) | site ^ self._mask(time)) << _ORDINAL_BITS) | ordinal
        bits = bits << _CHECKSUM_BITS | self._checksum(prefix, bits)
        letters = [ID_LETTERS[bits >> shift & 31] for shift in range(5 * _LENGTH - 5, -1, -5)]
        return prefix + "".join(letters)

    def read(self, prefix: str, text: str) -> tuple[int, int, int] | None:
        """Return start in ms, site number and ordinal; None if this world wrote no such id."""
        if not text.startswith(prefix) or not _PATTERN.fullmatch(text, len(prefix)):
            return None
        bits = 0
        for letter in text[len(prefix) :]:
            bits = bits << 5 | _VALUES[letter]
        bits, checksum = bits >> _CHECKSUM_BITS, bits & (1 << _CHECKSUM_BITS) - 1
        if bits >> (_ORDINAL_BITS + _SITE_BITS + _TIME_BITS) or checksum != self._checksum(
            prefix, bits
        ):
            return None
        rest, ordinal = bits >> _ORDINAL_BITS, bits & (1 << _ORDINAL_BITS) - 1
        time, masked = rest >> _SITE_BITS, rest & (1 << _SITE_BITS) - 1
        return time, masked ^ self._mask(time), ordinal

    def _mask(self, time: int) -> int:
        return self._random.number("id of a bay", time) & (1 << _SITE_BITS) - 1

    def _checksum(self, prefix: str, bits: int) -> int:
        return self._random.number("id", prefix, bits) & (1 << _CHECKSUM_BITS) - 1
