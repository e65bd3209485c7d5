"""A cache with a limited number of entries."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """The most recently added values, under explicit keys.

    Unlike with `functools.lru_cache`, a key need not be the arguments of a function, and reading
    an entry does not prolong its life.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._values: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return the value of *key*, or None if it is not cached."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> V:
        """Add *value*, evict the oldest entry if the cache is full, and return *value*."""
        if len(self._values) >= self._max_size:
            self._values.pop(next(iter(self._values)), None)
        self._values[key] = value
        return value
