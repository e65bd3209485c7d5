"""Write the files that `test_frozen` compares with, from what the packages do now.

Exchanges that are on record stay as they are; delete their lines to have them made anew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.spec import corrections, description
from tests.helpers.spec.calls import TABLE, described
from tests.helpers.spec.operation_server import success_of, wrapped
from tests.helpers.spec.replies import Replies, Style
from tests.helpers.spec.wire import Wire
from tests.workshop.frozen import exchanges, public_names, simulator_replies, simulator_script
from tests.workshop.frozen.exchanges import Exchange, ReplayServer

_HERE: Final = Path(__file__).parent
#: Of the made-up calls, the longest below these many characters is kept.
_MOST_REQUEST, _MOST_REPLY = 1_500, 3_000


def _longest(strategy: st.SearchStrategy[Any], most: int) -> Any:
    """Return the longest of 30 values that has *most* characters of JSON at most."""
    found: list[Any] = []

    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    by_size = sorted(found, key=lambda value: len(json.dumps(value)))
    fitting = [value for value in by_size if len(json.dumps(value)) <= most]
    return fitting[-1] if fitting else by_size[0]


def _made_up(spec: description.Description, known: set[str]) -> Iterator[Exchange]:
    """Yield two calls of each operation: with as few and with many arguments and members."""
    sparse, rich = Replies(spec, Style("required")), Replies(spec, Style("all", "no", news=True))
    for operation in TABLE:
        if operation.call in known:
            continue
        there = described(spec, operation)
        wire = Wire(spec, operation, there)
        success = success_of(there, as_json=operation.call in corrections.SECOND_FORMS)
        for arguments, replies in (
            (wire.least(), sparse),
            (_longest(wire.values(), _MOST_REQUEST), rich),
        ):
            if success.kind == "redirect":
                reply: Any = "https://go.example/"
            elif success.kind == "none":
                reply = None
            elif success.schema_name == "Counts":
                reply = {"deleted": 3}
            else:
                made: Any = replies.of(str(success.schema_name), depth=1)
                one = _longest(made, _MOST_REPLY)
                reply = wrapped(there, [one] if success.kind == "list" else one)
            yield Exchange(operation.call, arguments, success.status, reply)


async def _record(spec: description.Description) -> list[Exchange]:
    order = {operation.call: number for number, operation in enumerate(TABLE)}
    kept = exchanges.recorded() if exchanges.FILE.exists() else []
    kept = [one for one in kept if one.call in order]
    async with ReplayServer() as server:
        made_up = _made_up(spec, {one.call for one in kept})
        added = [await server.replay(one) for one in made_up]
    return sorted(kept + added, key=lambda one: order[one.call])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", action="store_true", help="the public names")
    parser.add_argument(
        "--released",
        action="store_true",
        help="the public names, also as those of the release that is prepared",
    )
    parser.add_argument("--exchanges", action="store_true", help="the exchanges")
    parser.add_argument(
        "--simulator",
        nargs="*",
        choices=simulator_script.NAMES,
        metavar="TRACK",
        help="the replies of the simulator, of all tracks or of these",
    )
    chosen = parser.parse_args()
    if chosen.names or chosen.released:
        text = "\n".join(public_names.lines())
        for name in ["public_names.txt", *(["released_names.txt"] if chosen.released else [])]:
            (_HERE / name).write_text(f"{text}\n", encoding="utf-8")
        # The names on record are the present ones now, so no change is pending.
        none = json.dumps({"renamed": {}, "removed": [], "added": []}, indent=2)
        (_HERE / "changes.json").write_text(f"{none}\n", encoding="utf-8")
    if chosen.exchanges:
        logging.disable()  # deviations are there on purpose
        made = asyncio.run(_record(description.from_facts()))
        rows = ",\n".join(json.dumps(attrs.asdict(one)) for one in made)
        exchanges.FILE.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
    if chosen.simulator is not None:
        simulator_replies.write(asyncio.run(simulator_script.made(chosen.simulator)))


if __name__ == "__main__":
    main()
