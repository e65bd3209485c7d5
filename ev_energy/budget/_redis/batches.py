"""Which callers share one call of the script. Nothing here does I/O."""

from __future__ import annotations

from typing import Final

from ev_energy.budget._redis.grants import RedisWaiter

#: Waiters that one call of the script acquires capacity for at most. One call is under way at a
#: time, so this bounds the calls per round trip.
_BATCH_SIZE: Final = 256
#: The part of a round trip for which a call of the script waits for more callers to join it.
_GATHERING: Final = 1 / 20
#: Bounds of that wait, in seconds. The first leaves a near Redis alone, the second ignores what a
#: command that was sent twice took.
_MIN_GATHERING: Final = 0.001
_MAX_GATHERING: Final = 0.02


def next_batch(waiters: list[RedisWaiter]) -> list[RedisWaiter]:
    """Return the waiters to serve next: for tickets, of one rank; or one for a reservation."""
    batch: list[RedisWaiter] = []
    for waiter in waiters[:_BATCH_SIZE]:
        if waiter.order[0] != waiters[0].order[0] or (waiter.reservation and batch):
            break
        batch.append(waiter)
        if waiter.reservation:
            break
    return batch


def gathering_seconds(served: int, round_trip: float) -> float:
    """Return how long the next call waits for more callers, after one that served some.

    Callers that were served together return almost together. If the first of them started the next
    call alone, the others would wait for two round trips.
    """
    seconds = min(_GATHERING * round_trip, _MAX_GATHERING)
    return seconds if served > 1 and seconds >= _MIN_GATHERING else 0.0
