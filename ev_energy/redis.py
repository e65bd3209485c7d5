"""One allowance and one set of tokens for many processes and machines, by Redis 5 or later.

Installed with the extra: ``pip install ev-energy[redis]``.
"""

from __future__ import annotations

from ev_energy._redis._budget import RedisBudget
from ev_energy._redis._tokens import RedisTokenStore

__all__ = ["RedisBudget", "RedisTokenStore"]
