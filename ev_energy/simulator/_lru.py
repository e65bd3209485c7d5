"""Answers that are kept for a while, and not for ever."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """The last so many answers, by keys that need not be the arguments they depend on."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return an answer, None if it is not known any more."""
        return self._answers.get(key)

    def keep(self, key: K, answer: V) -> V:
        """Keep an answer, and forget the oldest one if there are too many."""
        if len(self._answers) >= self._most:
            self._answers.pop(next(iter(self._answers)), None)
        self._answers[key] = answer
        return answer
