"""Faults of the next deliveries: dropped, repeated, reordered, badly signed or late messages."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from ev_energy.simulator.webhooks._state import DeliveryFault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ev_energy.simulator.webhooks._state import Held


class DeliveryFaults:
    """The number of next messages for each fault, and the messages held for reordering."""

    def __init__(
        self,
        remaining: Mapping[DeliveryFault, int] | None = None,
        delay: timedelta = timedelta(),
        held: Sequence[Held] = (),
    ) -> None:
        self._remaining = Counter(remaining or {})
        self.delay = delay
        self.held = list(held)

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

    def hold(self, held: Held) -> list[Held]:
        """Hold a message; return the messages to send now, in this order."""
        self.held.append(held)
        return [] if self._remaining[DeliveryFault.REORDER] else self.release()

    def release(self) -> list[Held]:
        """Return the held messages in the order to send them, and hold none."""
        held, self.held = self.held, []
        return held[::-1]

    def holds(self, message_id: str) -> bool:
        """Return whether a message is held."""
        return any(held.message_id == message_id for held in self.held)
