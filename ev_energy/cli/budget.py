"""Show the allowance of requests per hour, which takes one request.

The server counts the requests of all processes that use the same credentials.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ev_energy import RateLimit
from ev_energy.cli import _connection
from ev_energy.cli._app import parse
from ev_energy.cli._exit import ExitCode, report_error
from ev_energy.cli._options import BUDGET_OPTIONS
from ev_energy.errors import RateLimitError


def run(prog: str, words: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    values = parse(f"{prog} budget", __doc__ or "", BUDGET_OPTIONS, words)
    return ExitCode.OK if values is None else _connection.run(_show(values))


async def _show(values: dict[str, Any]) -> ExitCode:
    next_at: datetime | None = None
    async with _connection.open_client(values) as client:
        try:
            # The smallest listing that any token may read.
            page = await client.timezones.list(page_size=1).page()
        except RateLimitError as error:
            allowance = RateLimit.of(error.response.headers)
            next_at = datetime.now(UTC) + timedelta(seconds=error.retry_after or 0)
            if allowance is None:
                raise
        else:
            allowance = page.rate_limit
    if allowance is None:
        report_error("the reply did not state the allowance")
        return ExitCode.FAILED
    limit, remaining = allowance.limit, allowance.remaining
    if "json" in values:
        counts: dict[str, Any] = {"limit": limit, "remaining": remaining, "used": limit - remaining}
        if next_at is not None:
            counts["next_at"] = next_at.isoformat(timespec="seconds")
        print(json.dumps(counts))
    elif next_at is not None:
        print(
            f"{remaining:,} of {limit:,} requests an hour are left: the next one is allowed at "
            f"{next_at:%Y-%m-%d %H:%M:%S} UTC."
        )
    else:
        used = f"{limit - remaining:,} {'was' if limit - remaining == 1 else 'were'} used"
        print(f"{remaining:,} of {limit:,} requests an hour are left: {used} in the last hour.")
    return ExitCode.OK
