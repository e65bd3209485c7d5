"""Secrets: random, or derived from the seed on request."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ev_energy.simulator._seeded_random import SeededRandom


class Secrets:
    """Creates client secrets, tokens, codes, signing secrets and the keys of links.

    They are random by default: a web page open in a browser on this machine could compute secrets
    that follow from a known seed. With *fixed*, they follow from the seed, for recordings and for
    settings that are written down once.
    """

    def __init__(self, random: SeededRandom, *, fixed: bool = False) -> None:
        self._random = random
        self._fixed = fixed

    def bits(self, *key: object) -> int:
        """Return 128 secret bits; if fixed, they are derived from the key."""
        return self._random.number(*key) if self._fixed else secrets.randbits(128)

    def text(self, *key: object) -> str:
        """Return 128 secret bits as 32 hexadecimal digits."""
        return f"{self.bits(*key):032x}"

    def uuid(self, *key: object) -> str:
        """Return a secret UUID as text."""
        return str(uuid.UUID(int=self.bits(*key), version=4))
