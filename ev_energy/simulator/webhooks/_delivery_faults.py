"""Faults of deliveries: dropped, repeated, reordered, badly signed or late messages."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ev_energy.simulator.webhooks._state import DeliveryFault, Misdelivery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

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
class _DrawnFaults:
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

    def apply_next(self, message: Held) -> list[Held]:
        """Apply the faults of the next message to it; return the messages to send, in this order.

        That is none if the message is held, and more than one if others are held no longer.
        """
        counted, drawn = self._take_counted(), self._draw()
        faults = (counted | drawn.faults) - {DeliveryFault.REORDER}
        copy_due: datetime | None = None
        if DeliveryFault.DUPLICATE in drawn.faults:
            faults -= {DeliveryFault.DUPLICATE} - counted
            copy_due = message.due + drawn.copy_delay
        to_send: list[Held] = []
        one = attrs.evolve(message, due=message.due + drawn.delay, faults=faults, copy_due=copy_due)
        if DeliveryFault.DROP in faults:
            to_send.append(attrs.evolve(message, faults=frozenset({DeliveryFault.DROP})))
        elif DeliveryFault.REORDER not in counted | drawn.faults:
            to_send.append(one)
        else:
            self.held.append(one)
            if DeliveryFault.REORDER not in counted:
                return []  # until the next message
        if not self._holds_next:
            to_send += self.release(message.due)
        return to_send

    def _take_counted(self) -> frozenset[DeliveryFault]:
        # Other faults have no effect on a message that is never sent.
        applicable = (
            [DeliveryFault.DROP] if self._remaining[DeliveryFault.DROP] else list(DeliveryFault)
        )
        faults = frozenset(fault for fault in applicable if self._remaining[fault])
        self._remaining.subtract(faults)
        return faults

    def misdeliver(self, misdelivery: Misdelivery, now: datetime) -> list[Held]:
        """Draw faults with other probabilities; return the messages that are held no longer."""
        self.misdelivery = attrs.evolve(misdelivery, drawn=self.misdelivery.drawn)
        return [] if misdelivery.reorder or self._holds_next else self.release(now)

    def _draw(self) -> _DrawnFaults:
        misdelivery = self.misdelivery
        if not misdelivery.is_active:
            return _DrawnFaults()
        self.misdelivery = misdelivery = attrs.evolve(misdelivery, drawn=misdelivery.drawn + 1)
        faults = frozenset(
            fault for name, fault in _DRAWN_FAULTS.items() if self._is_drawn(misdelivery, name)
        )
        if DeliveryFault.DROP in faults:
            return _DrawnFaults(frozenset({DeliveryFault.DROP}))
        delay = self._drawn_delay(misdelivery)
        if delay:  # it comes late anyway, and must not hold up those that are held with it
            faults -= {DeliveryFault.REORDER}
        return _DrawnFaults(faults, delay, self._drawn_delay(misdelivery, "of the copy"))

    def _is_drawn(self, misdelivery: Misdelivery, name: str, *key: str) -> bool:
        number = self._random.between(1, _RESOLUTION, "misdelivery", misdelivery.drawn, name, *key)
        probability: float = getattr(misdelivery, name)
        return number <= probability * _RESOLUTION

    def _drawn_delay(self, misdelivery: Misdelivery, *key: str) -> timedelta:
        if not self._is_drawn(misdelivery, "delay", *key):
            return timedelta()
        name = ("misdelivery", misdelivery.drawn, "by", *key)
        return misdelivery.max_delay * self._random.between(1, _RESOLUTION, *name) / _RESOLUTION

    @property
    def _holds_next(self) -> bool:
        return self._remaining[DeliveryFault.REORDER] > 0

    def release(self, not_before: datetime) -> list[Held]:
        """Return the held messages in the order to send them, and hold none."""
        held, self.held = self.held, []
        due = max((not_before, *(one.due for one in held)))
        return [attrs.evolve(one, due=due) for one in held[::-1]]

    def holds(self, message_id: str) -> bool:
        """Return whether a message is held."""
        return any(held.message_id == message_id for held in self.held)
