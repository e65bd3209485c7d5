"""Catalogues: makes and models of EVSEs, vehicles and home devices, and where they are sold."""

from typing import Final

EUROPE: Final = frozenset({"GB", "IE", "NL", "DE", "BE", "FR", "NO", "SE", "DK"})
EVERYWHERE: Final = EUROPE | {"US", "CA"}
