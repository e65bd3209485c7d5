"""Budgets: permission to send requests within the API's limit of 1000 per rolling hour.

A budget keeps one allowance for each pair of application and user. A *bucket* names an allowance:
a text without secrets. `MemoryBudget` serves one process, `ev_energy.redis.RedisBudget` serves
many.
"""

from __future__ import annotations

from ev_energy.budget._memory import MemoryBudget
from ev_energy.budget._protocol import (
    Acquire,
    Budget,
    BudgetUnavailable,
    Priority,
    Reservation,
    Ticket,
    WouldExceedDeadline,
)

__all__ = [
    "Acquire",
    "Budget",
    "BudgetUnavailable",
    "MemoryBudget",
    "Priority",
    "Reservation",
    "Ticket",
    "WouldExceedDeadline",
]
