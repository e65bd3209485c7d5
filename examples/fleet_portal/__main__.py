"""Start the portal: for the embedded simulator, or for the API if the environment names it."""

from __future__ import annotations

import argparse
import os
import socket
from contextlib import ExitStack, suppress

import uvicorn

from ev_energy.simulator import Clock, Simulator

from .app import create_app
from .settings import Settings
from .simulated import settings_for


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m examples.fleet_portal", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument(
        "--speed",
        type=float,
        default=60,
        help="of the clock of the simulator: with 60, the default, an hour passes in a minute",
    )
    arguments = parser.parse_args()

    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", arguments.port)))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if "EV_ENERGY_CLIENT_ID" in os.environ:
            settings = Settings.from_env()
            print(f"Fleet portal for {settings.url}, listening on {url}/", flush=True)
        else:
            clock = Clock(speed=arguments.speed)
            simulator = stack.enter_context(Simulator.in_thread(clock=clock))
            settings = settings_for(simulator, url)
            print(f"Fleet portal: {url}/")
            print("Sign in as one of the suggested users; any password will do.")
            print(f"Move the clock of the simulator: {simulator.page_url}", flush=True)
        config = uvicorn.Config(create_app(settings), log_level="warning")
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has stopped
            uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
