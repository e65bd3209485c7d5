"""Secrets: random, or the same for a seed where that was asked for."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ev_energy.simulator._seeded_random import SeededRandom


class Secrets:
    """Makes client secrets, tokens, codes, signing secrets and the keys of links.

    They are random, since a web page that is open in a browser on this machine could work out
    those that follow from a seed. ``fixed`` ones do follow from it, for recordings and for
    settings that are written down once.
    """

    def __init__(self, random: SeededRandom, *, fixed: bool = False) -> None:
        self._random = random
        self._fixed = fixed

    def bits(self, *about: object) -> int:
        """Return 128 bits that are secret; fixed ones belong to ``about``."""
        return self._random.number(*about) if self._fixed else secrets.randbits(128)

    def text(self, *about: object) -> str:
        """Return 128 secret bits as 32 hexadecimal digits."""
        return f"{self.bits(*about):032x}"

    def uuid(self, *about: object) -> str:
        """Return a secret UUID as text."""
        return str(uuid.UUID(int=self.bits(*about), version=4))
