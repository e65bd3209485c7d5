"""What the log says of calls: an allow-list, so that nothing personal is in it by mistake.

``ev_energy`` has a line per attempt, at the level DEBUG, and what an operator must know, from
WARNING on; ``ev_energy.drift`` has what the API sends beyond the models. Bodies are in neither.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from ev_energy._messages import ConnectionFault, Request, Response
from ev_energy._redaction.show import redact_headers, redact_query

_log: Final = logging.getLogger("ev_energy")


def log_attempt(
    request: Request,
    attempt: int,
    came: Response | BaseException,
    seconds: float,
    conceal: Callable[[str], str],
) -> None:
    """Log one attempt at the level DEBUG; *conceal* masks secrets that a header repeats."""
    query = redact_query(request.url) if request.template else ""
    where = f"{request.label}{f'?{query}' if query else ''}"
    _log.debug("%s: attempt %d: %s in %.3f s", where, attempt, conceal(_said(came)), seconds)


def _said(came: Response | BaseException) -> str:
    if isinstance(came, Response):
        found = ", ".join(f"{n}: {v}" for n, v in redact_headers(came.headers).items())
        return f"{came.status} ({found})" if found else str(came.status)
    return str(came) if isinstance(came, ConnectionFault) else type(came).__name__
