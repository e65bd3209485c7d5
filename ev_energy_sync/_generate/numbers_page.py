"""The page ``docs/numbers.md``: rows of the results in ``benchmarks/README.md``, for users."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import attrs

from ev_energy_sync._generate.source_text import UnsupportedSourceError

SOURCE: Final = "benchmarks/README.md"


@attrs.frozen
class _Row:
    """A row of the page."""

    source: str
    """How its row in `SOURCE` begins."""
    what: str
    peer: str
    """What the ratios are relative to."""
    run: str
    """The argument of ``--only``."""


_LESS: Final = (
    _Row("`import ev_energy`", "`import ev_energy`", "`import aiohttp`", "import"),
    _Row("import, client,", "a script that gets one EVSE", "aiohttp and `json`", "import"),
    _Row("one GET", "one call after another", "aiohttp and orjson", "http"),
    _Row("blocking GET", "the same with the blocking client", "`requests.Session`", "blocking"),
    _Row("100 EVSEs", "decoding 100 EVSEs", "`orjson.loads`", "decode"),
    _Row("100 expanded EVSEs", "the same with expanded links", "`orjson.loads`", "decode"),
    _Row("100 expanded sub-", "decoding 100 sub-sessions, expanded", "`orjson.loads`", "decode"),
    _Row("bytes held per expanded EVSE", "memory of an expanded EVSE", "dictionaries", "memory"),
)
_MORE: Final = (
    _Row("64 concurrent,", "64 calls at once", "aiohttp and orjson", "http"),
    _Row("20,000 expanded EVSEs,", "listing 20,000 expanded EVSEs", "aiohttp and orjson", "http"),
    _Row(
        "16 threads,", "16 threads with one blocking client", "one `requests.Session`", "blocking"
    ),
)

_PAGE: Final = """\
# Numbers

What the SDK costs in CPU time and memory, **relative to code that is written by hand** with fast
libraries. That code makes dictionaries. The SDK makes typed models, renews tokens, keeps to the
rate limit, retries, limits the time of a call, and looks for unknown fields; its figures include
all of this.

## Less is better

2 means twice the cost of the code by hand.

{less}
## More is better

Calls or items for each second of CPU time. 0.5 means half as many as by the code by hand.

{more}
Two figures in a cell are with uvloop, and with the event loop of asyncio.

## Read them with care

{caveats}
- The figures are CPU time. A call also waits for the network and the server, alike with all
  clients.
- The peers do less. httpx makes dictionaries. The client that openapi-python-client generates
  makes models, and has no pages and no retries.
- An empty cell was not measured.
- The project set itself {targets} targets, and misses {missed} of them
  ([why](https://ev-energy.example/{source}#why-targets-are-missed)):

{missed_rows}

{measured}

## Measure them yourself

In a checkout of the repository, with Python 3.11:

```console
python -m benchmarks --only http
```

The last column of the tables is what `--only` takes; without it, all benchmarks run. They install
the peers in an environment of their own, and write a report to `benchmarks/results/`.

[The benchmarks](https://ev-energy.example/{source}) have the method, all rows, and more:
[where the time of a call goes](https://ev-energy.example/{source}#where-the-time-of-a-get-goes),
[memory](https://ev-energy.example/{source}#memory),
[size](https://ev-energy.example/{source}#size),
[the simulator](https://ev-energy.example/{source}#the-simulator) and
[leaks](https://ev-energy.example/{source}#leaks).
`{command}` writes this page from their results.
"""


def numbers_page(benchmarks: str, command: str) -> str:
    """Return the text of ``docs/numbers.md`` from that of `SOURCE`."""
    results = benchmarks.partition("\n## Results\n")[2].partition("\n### ")[0]
    introduction, _, table = results.partition("\n|")
    header, _, *rows = _cells(f"|{table}")
    if "ev-energy" not in header or "target" not in header:
        raise UnsupportedSourceError(f"{SOURCE} has no results with ev-energy and targets")
    ours, target = header.index("ev-energy"), header.index("target")
    peers = [index for index, name in enumerate(header) if index > target and name]
    judged = [row for row in rows if row[target + 1]]
    missed = [
        f"    - {row[0].removesuffix(' †')}: {row[ours].replace('*', '')}, target {row[target]}"
        for row in judged
        if row[target + 1] == "missed"
    ]

    def shown(chosen: Sequence[_Row]) -> str:
        names = ("ev-energy", "target", *(header[index] for index in peers))
        columns = ["", "compared with", *names, "`--only`"]
        lines = [columns, ["---"] * len(columns)]
        for row in chosen:
            found = [cells for cells in rows if cells[0].startswith(row.source)]
            if len(found) != 1:
                raise UnsupportedSourceError(
                    f"{SOURCE} has {len(found)} results that begin with {row.source!r}, and "
                    "docs/numbers.md shows one: change ev_energy_sync/_generate/numbers_page.py"
                )
            [cells] = found
            figures = (cells[index] for index in (ours, target, *peers))
            lines.append([row.what, row.peer, *figures, f"`{row.run}`"])
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    measured, *notes = re.split(r"\n\n|\n- |^- ", introduction.strip())
    caveats = [note for note in notes if note.startswith("The peers") or " vary by " in note]
    first_sentences = [re.split(r"(?<=\.)\s", note, maxsplit=1)[0] for note in caveats]
    return _PAGE.format(
        less=shown(_LESS),
        more=shown(_MORE),
        caveats="\n".join(f"- {sentence}" for sentence in first_sentences),
        targets=len(judged),
        missed=len(missed),
        missed_rows="\n".join(missed),
        measured=measured,
        source=SOURCE,
        command=command,
    )


def _cells(text: str) -> list[list[str]]:
    """Return the cells of the rows of the table in *text*."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
