"""Show the allowance of requests per hour, which takes one request.

The server counts the requests of all processes that use the same credentials.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ev_energy.cli import _connection
from ev_energy.cli._app import parse
from ev_energy.cli._exit import ExitCode, report_error
from ev_energy.cli._options import BUDGET_OPTIONS


def run(prog: str, words: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    values = parse(f"{prog} budget", __doc__ or "", BUDGET_OPTIONS, words)
    return ExitCode.OK if values is None else _connection.run(_show(values))


async def _show(values: dict[str, Any]) -> ExitCode:
    # The smallest listing that any token may read.
    async with _connection.open_client(values) as client:
        page = await client.timezones.list(page_size=1).page()
    allowance = page.rate_limit
    if allowance is None:
        report_error("the reply did not state the allowance")
        return ExitCode.FAILED
    limit, remaining = allowance.limit, allowance.remaining
    if "json" in values:
        print(json.dumps({"limit": limit, "remaining": remaining, "used": limit - remaining}))
    else:
        used = f"{limit - remaining:,} {'was' if limit - remaining == 1 else 'were'} used"
        print(f"{remaining:,} of {limit:,} requests an hour are left: {used} in the last hour.")
    return ExitCode.OK
