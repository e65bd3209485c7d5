"""One allowance and one set of tokens for many processes and machines, in Redis 5 or later.

Requires the extra ``redis``: ``pip install ev-energy[redis]``.
"""

from __future__ import annotations

from ev_energy._changes.redis_store import RedisStateStore
from ev_energy.auth._redis_store import RedisTokenStore
from ev_energy.budget._redis.budget import RedisBudget

__all__ = ["RedisBudget", "RedisStateStore", "RedisTokenStore"]
