"""Answers that are kept for a while, and not for ever."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """The last so many answers, by keys that need not be the arguments they depend on."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._answers: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return an answer, None if it is not known any more."""
        return self._answers.get(key)

    def put(self, key: K, answer: V) -> V:
        """Keep an answer, and forget the oldest one if there are too many."""
        if len(self._answers) >= self._max_size:
            self._answers.pop(next(iter(self._answers)), None)
        self._answers[key] = answer
        return answer
