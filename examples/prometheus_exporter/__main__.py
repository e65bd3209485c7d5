"""Serve the metrics of the fleet that the environment names, until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import logging
from collections.abc import AsyncGenerator
from pathlib import Path

from aiohttp import web

from ev_energy import Client

from .exporter import Exporter, create_app
from .ledger import EnergyLedger


async def _app(state: Path, max_age: float) -> web.Application:
    client = Client.from_env(retries=0)  # the next scrape is the next attempt
    ledger = EnergyLedger(state)

    async def resources(_app: web.Application) -> AsyncGenerator[None]:
        async with client:
            yield
        ledger.close()

    app = create_app(Exporter(client, ledger, max_age=max_age))
    app.cleanup_ctx.insert(0, resources)  # what is opened first is closed last
    return app


def main() -> None:
    """Run the exporter."""
    parser = argparse.ArgumentParser(prog="python -m examples.prometheus_exporter")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=9469)
    parser.add_argument("--state", type=Path, default=Path("ev_energy_exporter.sqlite3"))
    parser.add_argument("--max-age", type=float, default=60, help="seconds between two readings")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    app = _app(options.state, options.max_age)
    web.run_app(app, host=options.host, port=options.port, access_log=None)


if __name__ == "__main__":
    main()
