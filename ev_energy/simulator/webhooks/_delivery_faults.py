"""Tricks that are played on the next messages, as they were ordered."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from ev_energy.simulator.webhooks._state import Trick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ev_energy.simulator.webhooks._state import Held


class Mischief:
    """How often each trick is still to be played, and the messages held for reordering."""

    def __init__(
        self,
        ordered: Mapping[Trick, int] | None = None,
        delay: timedelta = timedelta(),
        held: Sequence[Held] = (),
    ) -> None:
        self._ordered = Counter(ordered or {})
        self.delay = delay
        self.held = list(held)

    @property
    def ordered(self) -> dict[Trick, int]:
        """How often each trick is still to be played."""
        return dict(+self._ordered)

    def order(self, trick: Trick, times: int) -> None:
        """Have a trick played on the next so many messages, whatever was ordered before."""
        if times < 0:
            raise ValueError(f"{times} messages cannot be meant")
        self._ordered[trick] = times

    def for_next(self) -> frozenset[Trick]:
        """Return what is to be done to the next message."""
        # Nothing else is of any use to a message that is never sent.
        wanted = [Trick.DROP] if self._ordered[Trick.DROP] else list(Trick)
        tricks = frozenset(trick for trick in wanted if self._ordered[trick])
        self._ordered.subtract(tricks)
        return tricks

    def hold(self, held: Held) -> list[Held]:
        """Keep a message back; return those to be sent now, in this order."""
        self.held.append(held)
        return [] if self._ordered[Trick.REORDER] else self.let_go()

    def let_go(self) -> list[Held]:
        """Return the messages that were kept back, in the order to send them."""
        held, self.held = self.held, []
        return held[::-1]

    def holds(self, message_id: str) -> bool:
        """Return whether a message is kept back."""
        return any(held.message_id == message_id for held in self.held)
