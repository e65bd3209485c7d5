"""The ``simulator`` command: serve the simulated API until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from ev_energy.simulator import Simulator

if TYPE_CHECKING:
    import argparse

_PORT: Final = 8420


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--port", type=int, default=_PORT, help=f"port to listen on, 0 for a free one ({_PORT})"
    )
    parser.add_argument("--seed", type=int, default=1, help="which data to make up (1)")
    parser.add_argument("--evses", type=int, default=40, help="how many EVSEs there are (40)")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; return the exit code."""
    try:
        asyncio.run(_serve(args.port, args.seed, args.evses))
    except KeyboardInterrupt:
        print()
    except (OSError, ValueError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(port: int, seed: int, evses: int) -> None:
    def log(line: str) -> None:
        print(line, flush=True)

    async with Simulator(port=port, seed=seed, evses=evses, log=log) as simulator:
        log(welcome(simulator))
        await asyncio.Event().wait()


def welcome(simulator: Simulator) -> str:
    """Return the start-up screen."""
    credentials = f"{simulator.client_id}:{simulator.client_secret}"
    return f"""\
ev.energy v2 API, simulated. Ctrl-C ends it.

  base URL       {simulator.base_url}
  token URL      {simulator.token_url}
  client id      {simulator.client_id}
  client secret  {simulator.client_secret}
  a user         {simulator.user_id}

Without a token:

  curl {simulator.base_url}/evse_makes

With one:

  TOKEN=$(curl -s -u {credentials} \\
    -d grant_type=client_credentials {simulator.token_url} \\
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
  curl -H "Authorization: Bearer $TOKEN" "{simulator.base_url}/evses?page_size=2&expand=model"

Requests:
"""
