"""Serve the API that the environment names over stdin and stdout, until stdin ends."""

from __future__ import annotations

import argparse
import asyncio

from ev_energy import Client

from .server import create_server


async def _serve(*, allow_writes: bool) -> None:
    # Calls of a model come after those of people, and do not wait for the rate limit.
    async with Client.from_env(priority="batch", when_exhausted="raise") as client:
        await create_server(client, allow_writes=allow_writes).run_stdio_async()


def main() -> None:
    """Run the server."""
    parser = argparse.ArgumentParser(prog="python -m examples.mcp_server")
    parser.add_argument(
        "--allow-writes", action="store_true", help="permit operations that change something"
    )
    asyncio.run(_serve(allow_writes=parser.parse_args().allow_writes))


if __name__ == "__main__":
    main()
