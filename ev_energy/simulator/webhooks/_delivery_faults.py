"""Faults of deliveries: dropped, repeated, reordered, badly signed or late messages."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.webhooks._state import DeliveryFault, Misdelivery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ev_energy.simulator._seeded_random import SeededRandom
    from ev_energy.simulator.webhooks._state import Held


_RESOLUTION: Final = 1_000_000
#: The faults that are drawn, by the name of their probability.
_DRAWN_FAULTS: Final = {
    "drop": DeliveryFault.DROP,
    "duplicate": DeliveryFault.DUPLICATE,
    "reorder": DeliveryFault.REORDER,
}


@attrs.frozen
class DrawnFaults:
    """The faults that were drawn for one message."""

    faults: frozenset[DeliveryFault] = frozenset()
    delay: timedelta = timedelta()
    copy_delay: timedelta = timedelta()
    """The delay of the copy of a duplicated message."""


class DeliveryFaults:
    """The faults of the next messages by number or probability, and the messages that are held."""

    def __init__(
        self,
        random: SeededRandom,
        *,
        remaining: Mapping[DeliveryFault, int] | None = None,
        delay: timedelta = timedelta(),
        held: Sequence[Held] = (),
        misdelivery: Misdelivery | None = None,
    ) -> None:
        self._random = random
        self._remaining = Counter(remaining or {})
        self.delay = delay
        self.held = list(held)
        self.misdelivery = misdelivery or Misdelivery()

    @property
    def remaining(self) -> dict[DeliveryFault, int]:
        """The number of next messages that each fault still applies to."""
        return dict(+self._remaining)

    def set(self, fault: DeliveryFault, times: int) -> None:
        """Apply a fault to the next ``times`` messages, instead of an earlier number."""
        if times < 0:
            raise ValueError(f"The number of messages must be 0 or more, not {times}")
        self._remaining[fault] = times

    def take_next(self) -> frozenset[DeliveryFault]:
        """Return the faults of the next message, and count it."""
        # Other faults have no effect on a message that is never sent.
        applicable = (
            [DeliveryFault.DROP] if self._remaining[DeliveryFault.DROP] else list(DeliveryFault)
        )
        faults = frozenset(fault for fault in applicable if self._remaining[fault])
        self._remaining.subtract(faults)
        return faults

    def draw_next(self) -> DrawnFaults:
        """Return the faults that the seed draws for the next message, and count it."""
        misdelivery = self.misdelivery
        if not misdelivery.is_active:
            return DrawnFaults()
        self.misdelivery = attrs.evolve(misdelivery, drawn=misdelivery.drawn + 1)
        faults = frozenset(
            fault for name, fault in _DRAWN_FAULTS.items() if self._is_drawn(misdelivery, name)
        )
        if DeliveryFault.DROP in faults:
            return DrawnFaults(frozenset({DeliveryFault.DROP}))
        delay = self._drawn_delay(misdelivery)
        if delay:  # it comes late anyway, and must not hold up those that are held with it
            faults -= {DeliveryFault.REORDER}
        return DrawnFaults(faults, delay, self._drawn_delay(misdelivery, "of the copy"))

    def _is_drawn(self, misdelivery: Misdelivery, name: str, *key: str) -> bool:
        number = self._random.between(1, _RESOLUTION, "misdelivery", misdelivery.drawn, name, *key)
        return number <= getattr(misdelivery, name) * _RESOLUTION

    def _drawn_delay(self, misdelivery: Misdelivery, *key: str) -> timedelta:
        if not self._is_drawn(misdelivery, "delay", *key):
            return timedelta()
        name = ("misdelivery", misdelivery.drawn, "by", *key)
        return misdelivery.max_delay * self._random.between(1, _RESOLUTION, *name) / _RESOLUTION

    @property
    def holds_next(self) -> bool:
        """Whether the next message will be held, because `set` said so."""
        return self._remaining[DeliveryFault.REORDER] > 0

    def release(self) -> list[Held]:
        """Return the held messages in the order to send them, and hold none."""
        held, self.held = self.held, []
        return held[::-1]

    def holds(self, message_id: str) -> bool:
        """Return whether a message is held."""
        return any(held.message_id == message_id for held in self.held)


def checked_misdelivery(
    *, drop: float, duplicate: float, reorder: float, delay: float, max_delay: timedelta, drawn: int
) -> Misdelivery:
    """Return the probabilities of misdelivery; `ValueError` names an invalid one."""
    for name, probability in {
        "drop": drop,
        "duplicate": duplicate,
        "reorder": reorder,
        "delay": delay,
    }.items():
        if not (math.isfinite(probability) and 0 <= probability <= 1):
            raise ValueError(f"{name}: must be a probability from 0 to 1, not {probability}")
    if max_delay < timedelta():
        raise ValueError(f"max_delay: must be 0 or more, not {max_delay}")
    return Misdelivery(
        drop=drop,
        duplicate=duplicate,
        reorder=reorder,
        delay=delay,
        max_delay=max_delay,
        drawn=drawn,
    )
