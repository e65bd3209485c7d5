"""What the log says of calls: an allow-list, so that nothing personal is in it by mistake."""

from __future__ import annotations

import logging
from typing import Final

from ev_energy._http import ConnectionFault, Request, Response

_log: Final = logging.getLogger("ev_energy")


def log_attempt(
    request: Request, attempt: int, came: Response | ConnectionFault, seconds: float
) -> None:
    """One attempt, at the level DEBUG."""
    what = came.status if isinstance(came, Response) else came
    _log.debug("%s: attempt %d: %s in %.3f s", request.label, attempt, what, seconds)
