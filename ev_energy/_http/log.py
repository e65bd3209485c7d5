"""The log lines about calls: an allow-list, so that no personal data gets into the log.

The logger ``ev_energy`` has one line per attempt at level DEBUG, and whatever an operator must know
from WARNING on; ``ev_energy.drift`` has deviations from the models. Neither logs bodies.
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
    outcome: Response | BaseException,
    seconds: float,
    redact: Callable[[str], str],
) -> None:
    """Log one attempt at level DEBUG; *redact* masks secrets that a header repeats."""
    query = redact_query(request.url) if request.template else ""
    target = f"{request.label}{f'?{query}' if query else ''}"
    _log.debug("%s: attempt %d: %s in %.3f s", target, attempt, redact(_describe(outcome)), seconds)


def _describe(outcome: Response | BaseException) -> str:
    if isinstance(outcome, Response):
        headers = ", ".join(f"{n}: {v}" for n, v in redact_headers(outcome.headers).items())
        return f"{outcome.status} ({headers})" if headers else str(outcome.status)
    return str(outcome) if isinstance(outcome, ConnectionFault) else type(outcome).__name__
