"""One allowance, set of tokens and inbox for many processes and machines, in Redis 5 or later.

Requires the extra ``redis``: ``pip install ev-energy[redis]``.
"""

from __future__ import annotations

from importlib import import_module

try:
    import_module("redis.asyncio")
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError("for Redis, pip install 'ev-energy[redis]'") from _missing

from ev_energy._changes.redis_queue import RedisEventQueue
from ev_energy._changes.redis_store import RedisRowStateStore, RedisStateStore
from ev_energy.auth._redis_store import RedisTokenStore
from ev_energy.budget._redis.budget import RedisBudget
from ev_energy.webhooks._redis_inbox import RedisInboxStore

__all__ = [
    "RedisBudget",
    "RedisEventQueue",
    "RedisInboxStore",
    "RedisRowStateStore",
    "RedisStateStore",
    "RedisTokenStore",
]
