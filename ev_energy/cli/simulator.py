"""The ``simulator`` command: serve the simulated API until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ev_energy._redaction.scrub import printable
from ev_energy.simulator import Clock, Simulator
from ev_energy.simulator._control import is_loopback

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from ev_energy.simulator import SeenRequest

_PORT: Final = 8420
_HOST: Final = "127.0.0.1"
_LIMIT: Final = 1000

_GREEN, _CYAN, _YELLOW, _RED, _DIM, _BOLD = "32", "36", "33", "31", "2", "1"
#: By the first digit of a status; 0 stands for no reply.
_COLOURS: Final = {2: _GREEN, 3: _CYAN, 4: _YELLOW}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--port", type=int, default=_PORT, help=f"port to listen on, 0 for a free one ({_PORT})"
    )
    parser.add_argument(
        "--host", default=_HOST, help=f"name or address to listen at ({_HOST}: this machine only)"
    )
    parser.add_argument("--seed", type=int, help="which data to make up (1)")
    parser.add_argument("--vehicles", type=int, help="how many vehicles there are (50)")
    parser.add_argument(
        "--speed", type=float, help="how fast time goes by; 0 stands still (1: as everywhere)"
    )
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="go on from this file, and save in it"
    )
    parser.add_argument(
        "--rate-limit",
        type=_limit,
        default=_LIMIT,
        metavar="N",
        help=f"requests in an hour, by application and user, or 'none' ({_LIMIT})",
    )
    parser.add_argument(
        "--fixed-secrets",
        action="store_true",
        help="the same client secret and tokens for the same seed (random ones)",
    )
    parser.add_argument(
        "--service-time",
        choices=("real", "world"),
        default="real",
        help="what lifetimes of tokens and the rate limit's hour go by (real)",
    )
    parser.add_argument(
        "--webhook-timestamps",
        choices=("real", "world"),
        default="real",
        help="which time webhooks are signed with (real)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; return the exit code."""
    state: Path | None = args.state
    ended = asyncio.Event()
    broken: list[BrokenPipeError] = []

    def stop(error: BrokenPipeError) -> None:
        broken.append(error)
        ended.set()

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
                f"simulator: whoever can reach this machine at {args.host} can read all secrets "
                "here and do as they like",
                file=sys.stderr,
            )
        asyncio.run(_serve(simulator, state, ended, resumed=resumed))
        if broken:
            raise broken[0]
    except KeyboardInterrupt:
        print()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    if state is not None:
        print(f"Saved in {state}.")
    return 0


async def _serve(
    simulator: Simulator, state: Path | None, ended: asyncio.Event, *, resumed: bool
) -> None:
    # What stops services is to be as gentle as Ctrl-C. Windows knows no such signal.
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with simulator:
        print(welcome(simulator, painter(), state, resumed=resumed), flush=True)
        await ended.wait()


def _limit(text: str) -> int | None:
    number = None if text == "none" else int(text)
    if number is not None and number < 0:
        raise ValueError(text)
    return number


def painter() -> Callable[[str, str], str]:
    """Return what colours a text, if the terminal is one and its user likes that."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return lambda colour, text: f"\x1b[{colour}m{text}\x1b[0m"
    return lambda _colour, text: text


def _log(
    paint: Callable[[str, str], str], stop: Callable[[BrokenPipeError], None]
) -> Callable[[SeenRequest], None]:
    """Return what prints a line for a request, and calls *stop* once there is no reader for it."""

    def write(seen: SeenRequest) -> None:
        try:
            print(line(seen, paint), flush=True)
        except BrokenPipeError as error:  # the request is to be answered all the same
            stop(error)

    return write


def line(seen: SeenRequest, paint: Callable[[str, str], str]) -> str:
    """Return what the live log says of a request."""
    # Whoever can send a request must not be able to steer the terminal with it.
    what = printable(seen.target, 2000)
    status = str(seen.status or "---")
    text = f"{printable(seen.method, 20):6} {what}"
    took = f"{seen.seconds * 1000:.0f} ms"
    if seen.control:
        return paint(_DIM, f"    {status} {text}  {took}")
    struck = f"  {paint(_RED, seen.fault)}" if seen.fault else ""
    colour = _COLOURS.get(seen.status // 100, _RED)
    return (
        f"{paint(colour, status)} {text}  {paint(_DIM, f'{took}  {printable(seen.who)}')}{struck}"
    )


def welcome(
    simulator: Simulator,
    paint: Callable[[str, str], str],
    state: Path | None = None,
    *,
    resumed: bool = False,
) -> str:
    """Return the start-up screen."""
    speed = f"{simulator.clock.speed:g}"
    pace = {"0": "standing still", "1": "in real time"}.get(speed, f"{speed} times as fast as ours")
    rows = {
        "for browsers": simulator.page_url,
        "base URL": simulator.base_url,
        "token URL": simulator.token_url,
        "client id": simulator.client_id,
        "client secret": simulator.client_secret,
        "a user": simulator.user_id,
        "the clock": f"{simulator.clock():%Y-%m-%d %H:%M:%S} UTC, {pace}",
        "control": f"{simulator.control_url}/",
    }
    if state is not None:
        rows["state"] = f"{state}, {'resumed' if resumed else 'new'}"
    shown = "\n".join(f"  {name:13}  {value}" for name, value in rows.items())
    curl = "\n".join(f"  {text}" for text in simulator.curl().splitlines())
    title = f"ev.energy v2 API, simulated: {simulator.vehicles:,} vehicles, seed {simulator.seed}."
    return f"""\
{paint(_BOLD, title)} Ctrl-C ends it.

{shown}

Without a token:

  curl {simulator.base_url}/evse_makes

With one:

{curl}

Requests:
"""
