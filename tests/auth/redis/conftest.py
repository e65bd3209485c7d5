"""The Redis of the tests of `RedisBudget`."""

from tests.budget.redis.conftest import lasting, make_redis, prefix, redis, wire

__all__ = ["lasting", "make_redis", "prefix", "redis", "wire"]
