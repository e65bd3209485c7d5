"""The filters of a listing by time, as one half-open interval."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Self

import attrs

from ev_energy.cli._parameters import Parameter
from ev_energy.cli._types import arms

#: The resolution of the times that the API takes.
_TICK: Final = timedelta(microseconds=1)


@attrs.frozen
class TimeFilters:
    """The lower and upper bound of the time that a listing is ordered by.

    The API has inclusive bounds for most times, and exclusive ones for sub-sessions.
    """

    key: str
    """The field of the items: ``sampled_at``."""
    inclusive: bool

    @classmethod
    def of(cls, parameters: Sequence[Parameter]) -> Self | None:
        """Return the filters among *parameters*: the first ones, if there are several."""
        for parameter in parameters:
            key, _, bound = parameter.name.rpartition("__")
            if bound in {"gt", "gte"} and arms(parameter.type) == (datetime,):
                return cls(key, inclusive=bound == "gte")
        return None

    def of_item(self, item: object) -> datetime | None:
        """Return the time of an item of the listing."""
        value = getattr(item, self.key, None)
        return value if isinstance(value, datetime) else None

    def arguments(self, since: datetime | None, until: datetime | None) -> dict[str, Any]:
        """Return the arguments for the times from *since* to before *until*."""
        low, high = ("gte", "lte") if self.inclusive else ("gt", "lt")
        found: dict[str, Any] = {}
        if since is not None:
            found[f"{self.key}__{low}"] = since if self.inclusive else since - _TICK
        if until is not None:
            found[f"{self.key}__{high}"] = until - _TICK if self.inclusive else until
        return found
