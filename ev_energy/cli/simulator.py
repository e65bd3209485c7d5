"""Run the simulator of the ev.energy v2 API until Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ev_energy._redaction.scrub import printable
from ev_energy.cli._terminal import BOLD, CYAN, DIM, GREEN, RED, YELLOW, Painter, painter
from ev_energy.simulator import Clock, Simulator
from ev_energy.simulator.admin import is_loopback

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from ev_energy.simulator import SeenRequest

#: The default port.
PORT: Final = 8420
_HOST: Final = "127.0.0.1"
_LIMIT: Final = 1000

#: By the first digit of a status; 0 if there was no reply.
_COLOURS: Final = {2: GREEN, 3: CYAN, 4: YELLOW}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--port",
        type=int,
        default=PORT,
        help=f"port to listen on; 0 selects a free one (default: {PORT})",
    )
    parser.add_argument(
        "--host", default=_HOST, help=f"host name or address to listen on (default: {_HOST})"
    )
    parser.add_argument("--seed", type=int, help="seed of the data (default: 1)")
    parser.add_argument("--vehicles", type=int, help="number of vehicles (default: 50)")
    parser.add_argument(
        "--speed", type=float, help="speed of the clock; 0 stops it (default: 1, real time)"
    )
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="resume from this file, and save to it"
    )
    parser.add_argument(
        "--rate-limit",
        type=_limit,
        default=_LIMIT,
        metavar="N",
        help="requests per rolling hour for each application and user, or 'none' "
        f"(default: {_LIMIT})",
    )
    parser.add_argument(
        "--fixed-secrets",
        action="store_true",
        help="derive client secret and tokens from the seed (default: random)",
    )
    parser.add_argument(
        "--redirect-uri",
        action="append",
        default=[],
        metavar="URL",
        help="register an application that signs users in, with this redirect URI; may be repeated",
    )
    parser.add_argument(
        "--service-time",
        choices=("real", "world"),
        default="real",
        help="clock for the lifetimes of tokens and for the rate limit (default: real)",
    )
    parser.add_argument(
        "--webhook-timestamps",
        choices=("real", "world"),
        default="real",
        help="clock for the signatures of webhooks (default: real)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted, and return the exit status."""
    state: Path | None = args.state
    stopped = asyncio.Event()
    pipe_errors: list[BrokenPipeError] = []

    def stop(error: BrokenPipeError) -> None:
        pipe_errors.append(error)
        stopped.set()

    try:
        resumed = state is not None and state.exists()
        simulator = Simulator(
            seed=args.seed,
            vehicles=args.vehicles,
            port=args.port,
            host=args.host,
            rate_limit=args.rate_limit,
            clock=None if args.speed is None else Clock(speed=args.speed),
            log=_log(painter(), stop),
            state=state,
            fixed_secrets=args.fixed_secrets,
            service_time=args.service_time,
            webhook_timestamps=args.webhook_timestamps,
        )
        if not is_loopback(args.host):
            print(
                f"simulator: warning: any client that can reach {args.host} can read all secrets "
                "of the simulator and control it",
                file=sys.stderr,
            )
        asyncio.run(_serve(simulator, state, stopped, args.redirect_uri, resumed=resumed))
        if pipe_errors:
            raise pipe_errors[0]
    except KeyboardInterrupt:
        print()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        print(f"simulator: {_reason(error, args.host, args.port)}", file=sys.stderr)
        return 1
    if state is not None:
        print(f"Saved to {state}.")
    return 0


def _reason(error: OSError | ValueError, host: str, port: int) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use: choose another one with --port, or a free one with "
            "--port 0"
        )
    return str(error)


async def _serve(
    simulator: Simulator,
    state: Path | None,
    stopped: asyncio.Event,
    redirect_uris: Sequence[str],
    *,
    resumed: bool,
) -> None:
    # Service managers stop a process with SIGTERM, which must save the state as Ctrl-C does.
    # Windows has no such signal.
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with simulator:
        print(welcome(simulator, painter(), state, resumed=resumed))
        if redirect_uris:
            client_id, client_secret = simulator.add_application(redirect_uris=redirect_uris)
            print("Signs users in, with the redirect URIs that were given:")
            print(f"  export EV_ENERGY_CLIENT_ID={client_id}")
            print(f"  export EV_ENERGY_CLIENT_SECRET={client_secret}")
        sys.stdout.flush()
        await stopped.wait()


def _limit(text: str) -> int | None:
    number = None if text == "none" else int(text)
    if number is not None and number < 0:
        raise ValueError(text)
    return number


def _log(paint: Painter, stop: Callable[[BrokenPipeError], None]) -> Callable[[SeenRequest], None]:
    """Return a function that prints a line per request, and calls *stop* if the pipe is closed."""

    def write(seen: SeenRequest) -> None:
        try:
            print(line(seen, paint), flush=True)
        except BrokenPipeError as error:  # must not keep the request from being answered
            stop(error)

    return write


def line(seen: SeenRequest, paint: Painter) -> str:
    """Return the line of the log for a request."""
    # A request must not be able to send control characters to the terminal.
    target = printable(seen.target, 2000)
    status = str(seen.status or "---")
    request = f"{printable(seen.method, 20):6} {target}"
    duration = f"{seen.seconds * 1000:.0f} ms"
    if seen.is_admin:
        return paint(DIM, f"    {status} {request}  {duration}")
    fault = f"  {paint(RED, seen.fault)}" if seen.fault else ""
    colour = _COLOURS.get(seen.status // 100, RED)
    details = paint(DIM, f"{duration}  {printable(seen.sender)}")
    return f"{paint(colour, status)} {request}  {details}{fault}"


def welcome(
    simulator: Simulator,
    paint: Painter,
    state: Path | None = None,
    *,
    resumed: bool = False,
) -> str:
    """Return the text that is printed at the start."""
    speed = f"{simulator.clock.speed:g}"
    speed_text = {"0": "stopped", "1": "in real time"}.get(speed, f"at {speed} times real time")
    rows = {
        "status page": simulator.page_url,
        "base URL": simulator.base_url,
        "token URL": simulator.token_url,
        "client id": simulator.client_id,
        "client secret": simulator.client_secret,
        "user id": simulator.user_id,
        "clock": f"{simulator.clock():%Y-%m-%d %H:%M:%S} UTC, {speed_text}",
        "admin API": f"{simulator.admin_url}/",
    }
    if state is not None:
        rows["state"] = f"{state}, {'resumed' if resumed else 'new'}"
    shown = "\n".join(f"  {name:13}  {value}" for name, value in rows.items())
    curl = "\n".join(f"  {text}" for text in simulator.curl().splitlines())
    title = f"Simulated ev.energy v2 API: {simulator.vehicles:,} vehicles, seed {simulator.seed}."
    return f"""\
{paint(BOLD, title)} Stop it with Ctrl-C.

{shown}

Without an access token:

  curl {simulator.base_url}/evse_makes

With an access token:

{curl}

For programs that use this SDK:

  export EV_ENERGY_BASE_URL={simulator.base_url}
  export EV_ENERGY_CLIENT_ID={simulator.client_id}
  export EV_ENERGY_CLIENT_SECRET={simulator.client_secret}

Requests:
"""
