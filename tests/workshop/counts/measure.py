"""Do one piece of work in this process, count what it takes, and print the counts as JSON.

``python measure.py WORK KIND URL [CODE]``: KIND is ``calls`` or ``memory``, which need a process
each because counting calls allocates. CODE runs as a part of the work: tests add cost with it.

Work that is not the first of its process is repeated, and the least of each count is reported: now
and then a reply arrives in two pieces, or an allocation happens to make a table grow.
"""

import gc
import sys
from collections import Counter

_AT_START = set(sys.modules)
_REPEATS = 7
_EVSE = "evse0100000000000000000000EV01"
_PACKAGES = ("ev_energy/", "ev_energy_sync/")


def _own(filename):
    """Return the path of a file of the measured packages within the checkout, or None."""
    for package in _PACKAGES:
        before, found, after = filename.replace("\\", "/").rpartition("/" + package)
        if found and "site-packages" not in before:
            return package + after
    if filename.startswith("<") and "ev_energy" in filename:
        return filename  # a method that attrs wrote
    return None


class Calls:
    """The calls of Python functions, in all threads that started after this was made."""

    def __init__(self):
        import threading

        self._active = False
        self._codes, self._c_calls = Counter(), Counter()
        threading.setprofile(self._event)

    def __enter__(self):
        self._codes.clear()
        self._c_calls.clear()
        self._active = True
        sys.setprofile(self._event)

    def __exit__(self, *_):
        sys.setprofile(None)
        self._active = False

    def _event(self, frame, event, _):
        if self._active:
            if event == "call":
                self._codes[frame.f_code] += 1
            elif event == "c_call":
                self._c_calls[frame.f_code] += 1

    def counts(self):
        functions, lines, total = Counter(), {}, 0
        for code, count in self._codes.items():
            # Importing takes more calls if there is no byte code yet; this script is not the work.
            if code.co_filename.startswith("<frozen") or code.co_filename == __file__:
                continue
            total += count
            if path := _own(code.co_filename):
                name = f"{path} {code.co_qualname}"
                functions[name] += count
                lines[name] = f"{path}:{code.co_firstlineno} {code.co_qualname}"
        callers = Counter()
        for code, count in self._c_calls.items():
            if path := _own(code.co_filename):
                name = f"{path} {code.co_qualname}"
                callers[name] += count
                lines.setdefault(name, f"{path}:{code.co_firstlineno} {code.co_qualname}")
        return {
            "calls": sum(functions.values()),
            "calls in all packages": total,
            "C calls": sum(callers.values()),
            "functions": functions,
            "callers": callers,
            "lines": lines,
        }


class Blocks:
    """The memory blocks that the work has allocated and still holds."""

    def __enter__(self):
        gc.collect()
        self._before = sys.getallocatedblocks()

    def __exit__(self, *_):
        self._held = sys.getallocatedblocks() - self._before

    def counts(self):
        return {"blocks": self._held}


class Bytes:
    """The bytes that the work needed at its peak and still holds, and the lines that hold them."""

    def __enter__(self):
        import tracemalloc

        gc.collect()
        tracemalloc.start()

    def __exit__(self, *_):
        import tracemalloc

        self._held, self._peak = tracemalloc.get_traced_memory()
        self._snapshot = tracemalloc.take_snapshot()
        tracemalloc.stop()

    def counts(self):
        import linecache

        held, lines = Counter(), {}
        for one in self._snapshot.statistics("lineno"):
            frame = one.traceback[0]
            if path := _own(frame.filename):
                name = f"{path}: {linecache.getline(frame.filename, frame.lineno).strip()}"
            else:
                name = path = "/".join(frame.filename.split("/")[-2:])
            held[name] += one.size
            lines[name] = f"{path}:{frame.lineno}"
        return {
            "bytes": self._held,
            "bytes at the peak": self._peak,
            "allocations": dict(held.most_common(12)),
            "places": {name: lines[name] for name, _ in held.most_common(12)},
        }


def _least(of):
    """Return the least of each count; functions and lines are those of the least repeat."""
    best = min(of, key=lambda counts: next(iter(counts.values())))
    numbers = {k: min(c[k] for c in of) for k, v in best.items() if isinstance(v, int)}
    return best | numbers


def _add(code, **names):
    if code:
        exec(code, names)  # of tests


#: What CODE may keep alive.
_KEPT = []


def _import(counters, _, code):
    with counters[0]:
        from ev_energy import Client  # noqa: F401

        _add(code, kept=_KEPT)
    return counters[0].counts()


def _client(url, package):
    return package.Client(
        package.ClientCredentials(client_id="counts", client_secret="counts"),
        base_url=f"{url}/v2",
        trust_env=False,
    )


def _first(counters, url, code):
    import asyncio

    async def work():
        import ev_energy

        async with _client(url, ev_energy) as client:
            evse = await client.evses.get(_EVSE)
            _add(code, client=client, kept=_KEPT)
            return evse

    with counters[0]:
        asyncio.run(work())
    return counters[0].counts()


def _warm(one):
    """Return the repeated work of calling *one* of a client."""

    def run(counters, url, code):
        import asyncio

        import ev_energy

        async def work():
            async with _client(url, ev_energy) as client:
                for _ in range(5):
                    await one(client)
                gc.collect()
                found = {}
                for counter in counters:
                    repeats = []
                    for _ in range(_REPEATS):
                        with counter:
                            result = await one(client)
                            _add(code, client=client, kept=_KEPT)
                        repeats.append(counter.counts())
                        del result
                    found |= _least(repeats)
                return found

        return asyncio.run(work())

    return run


def _hop(counters, url, code):
    import time

    import ev_energy_sync

    async def nothing():
        pass

    found = {}
    with _client(url, ev_energy_sync) as client:
        call = client._portal.call
        for _ in range(5):
            call(nothing())
        for counter in counters:
            repeats = []
            for _ in range(_REPEATS):
                time.sleep(0.01)
                with counter:
                    call(nothing())
                    _add(code, client=client, kept=_KEPT)
                    time.sleep(0.01)  # the loop's thread goes back to waiting
                repeats.append(counter.counts())
            found |= _least(repeats)
    return found


WORKS = {
    "import": _import,
    "first reply": _first,
    "get": _warm(lambda client: client.evses.get(_EVSE)),
    "page of 1": _warm(lambda client: client.evses.list(page_size=1).page()),
    "page of 100": _warm(lambda client: client.evses.list(page_size=100).page()),
    "hop": _hop,
}
#: Work that only a fresh process can do, and only once.
ONCE = ("import", "first reply")


def main(work, kind, url, code=""):
    import json

    code = code and compile(code, "added", "exec")
    # Counting bytes changes the number of blocks, so only repeated work has both.
    of_memory = [Bytes] if work in ONCE else [Blocks, Bytes]
    counters = [counter() for counter in ([Calls] if kind == "calls" else of_memory)]
    gc.disable()
    found = WORKS[work](counters, url, code)
    if kind == "calls" and work in ONCE:
        loaded = set(sys.modules) - _AT_START
        own = sorted(m for m in loaded if m.partition(".")[0] in {"ev_energy", "ev_energy_sync"})
        found |= {"modules": len(own), "modules of all packages": len(loaded), "loaded": own}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
