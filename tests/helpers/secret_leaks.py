"""Search everything that a test produces for the secrets that it used.

The search runs in every test. It knows the secrets of `support`, and every token that a client
obtains or a simulator issues, every authorization code, every PKCE verifier, and the signatures of
presigned URLs. It reads:

========  ========================================================================================
logs      every record of every logger, with its arguments and its exception; ours at any level
errors    every error of this package and every error that `pytest.raises` expects: text, repr,
          attributes, notes and pickle, also of its causes
captures  the printed calls of ``client.capture()``
warnings  the warnings that `pytest.warns` expects
output    what a test, or a process that it started, writes to stdout and stderr
files     the files below ``tmp_path`` after the test, except the file of a `FileStore`
spans     the spans and metrics that tests of tracing export
========  ========================================================================================

A leak fails the test that caused it. A test that shows secrets on purpose says where and why::

    @pytest.mark.shows_secrets("output", reason="the command prints the requested token")
"""

from __future__ import annotations

import html
import logging
import os
import pickle
import re
import subprocess
import weakref
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from ev_energy import auth
from ev_energy._api import capture
from ev_energy.auth import _oauth
from ev_energy.errors import EvEnergyError
from ev_energy.simulator.oauth import _tokens
from ev_energy.simulator.resources import _evidence_bucket
from tests.helpers.support import SECRET, SIGNATURE, TOKEN

KINDS = frozenset({"logs", "errors", "captures", "warnings", "output", "files", "spans"})
#: Shorter secrets would be found in texts that do not hold them.
MIN_SECRET_LENGTH = 16
MAX_FILE_SIZE = 64 * 2**20


class _Index:
    """Secrets by their first characters: a search that costs the same for one secret or 250."""

    _WORD = re.compile(rf"[\w.~-]{{{MIN_SECRET_LENGTH},}}")
    _MAX_WORD_LENGTH = 5_000

    def __init__(self, secrets: Collection[str]) -> None:
        self._secrets = secrets
        self._by_head: dict[str, list[str]] = {}
        self._odd = [secret for secret in secrets if not self._WORD.match(secret)]
        for secret in secrets:
            self._by_head.setdefault(secret[:MIN_SECRET_LENGTH], []).append(secret)

    def find(self, text: str) -> Iterator[int]:
        """Yield the positions of secrets in *text*."""
        yield from self._find_each(self._odd, text)
        for word in self._WORD.finditer(text):
            start, end = word.span()
            if end - start > self._MAX_WORD_LENGTH:
                yield from (
                    start + position for position in self._find_each(self._secrets, word[0])
                )
                continue
            for position in range(start, end - MIN_SECRET_LENGTH + 1):
                for secret in self._by_head.get(text[position : position + MIN_SECRET_LENGTH], ()):
                    if text.startswith(secret, position):
                        yield position

    @staticmethod
    def _find_each(secrets: Collection[str], text: str) -> Iterator[int]:
        return (text.find(secret) for secret in secrets if secret in text)


@attrs.define(eq=False)
class LeakSearch:
    """The known secrets and the leaks that were found."""

    secrets: deque[str] = attrs.field(factory=lambda: deque(maxlen=250))
    """The latest secrets. No test uses more, and the search stays cheap."""
    constants: tuple[str, ...] = (TOKEN, SECRET, SIGNATURE)
    allowed: frozenset[str] = frozenset()
    """The kinds of places in which the current test may show secrets."""
    leaks: list[str] = attrs.field(factory=list)
    stores: set[Path] = attrs.field(factory=set)
    """Files that keep tokens on purpose."""
    unsearched: dict[int, weakref.ref[BaseException]] = attrs.field(factory=dict)
    """Errors that still exist and were not searched yet, by `id`."""
    _index: _Index | None = None

    def add_secrets(self, *secrets: object) -> None:
        """Search for *secrets* from now on; values that are no text or too short are ignored."""
        for secret in secrets:
            is_long = isinstance(secret, str) and len(secret) >= MIN_SECRET_LENGTH
            if is_long and secret not in self.secrets:
                self.secrets.append(secret)
                self._index = None

    def find(self, text: str) -> Iterator[int]:
        """Yield the positions of secrets in *text*."""
        if self._index is None:
            self._index = _Index((*self.constants, *self.secrets))
        return self._index.find(text)

    def search(self, kind: str, place: str, text: str | bytes) -> None:
        """Search *text*; *kind* and *place* say where it comes from."""
        if kind in self.allowed or not text:
            return
        raw = text if isinstance(text, str) else text.decode(errors="replace")
        for position in self.find(raw):
            before = raw[max(0, position - 60) : position + 4]
            self.leaks.append(f"{kind}: {place}: ...{before!r}... is followed by a secret")
        for decoded in decodings(text):
            self.leaks += [f"{kind}: {place}: an encoded secret" for _ in self.find(decoded)]

    def search_error(self, error: BaseException) -> None:
        """Search an error, its causes and the members of a group."""
        self.unsearched.pop(id(error), None)
        if "errors" in self.allowed:
            return
        seen: set[int] = set()
        todo: list[BaseException | None] = [error]
        while todo:
            exc = todo.pop()
            if exc is None or id(exc) in seen:
                continue
            seen.add(id(exc))
            name = type(exc).__qualname__
            self.search("errors", f"str of {name}", str(exc))
            self.search("errors", f"repr of {name}", repr(exc))
            self.search("errors", f"attributes of {name}", repr(getattr(exc, "__dict__", "")))
            if isinstance(exc, EvEnergyError):
                self.search("errors", f"pickle of {name}", _pickled(exc))
            todo += [exc.__cause__, None if exc.__suppress_context__ else exc.__context__]
            todo += exc.exceptions if isinstance(exc, BaseExceptionGroup) else ()

    def take_leaks(self) -> list[str]:
        """Search the errors that still exist, and return the leaks since the last call."""
        for reference in list(self.unsearched.values()):
            error = reference()
            if error is not None:
                self.search_error(error)
        self.unsearched.clear()
        leaks, self.leaks = self.leaks, []
        return list(dict.fromkeys(leaks))


# The pattern starts at the first backslash of a run, so that a long run is searched only once.
_JSON_ESCAPE = re.compile(r"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|/)")
_PERCENT_ENCODED = re.compile(r"(?:%[0-9a-fA-F]{2})+")


def _percent_decoded(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode(errors="replace")


def decodings(text: str | bytes) -> Iterator[str]:
    """Yield *text* decoded from UTF-16, JSON escapes, percent-encoding and HTML references."""
    if isinstance(text, bytes):
        narrow = text.replace(b"\0", b"") if b"\0" in text else text
        if narrow is not text:
            yield narrow.decode(errors="replace")
        text = narrow.decode(errors="replace")
    if "\\" in text:
        yield _JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "/", text)
    if "%" in text:
        # Like urllib's unquote, which is slow for texts with many characters that are not ASCII.
        yield _PERCENT_ENCODED.sub(_percent_decoded, text)
    if "&" in text:
        yield html.unescape(text)


LEAK_SEARCH = LeakSearch()


class Plugin:
    """Hooks of pytest that search each test and fail it if it leaks a secret."""

    _folder: Path | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            allowed_in(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        LEAK_SEARCH.take_leaks()  # leaks between two tests belong to no test
        LEAK_SEARCH.allowed = allowed_in(item)
        try:
            return (yield)
        finally:
            LEAK_SEARCH.allowed = frozenset()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        for name, text in report.sections:
            if "log" not in name:  # the records were searched already
                LEAK_SEARCH.search("output", name, text)
        if call.when == "call":
            self._folder = getattr(item, "funcargs", {}).get("tmp_path")
        elif call.when == "teardown" and "files" not in LEAK_SEARCH.allowed:
            _search_files(self._folder)
            self._folder = None
        leaks = LEAK_SEARCH.take_leaks()
        if leaks and report.outcome != "skipped":
            message = "\n".join(["secrets were shown (see tests/helpers/secret_leaks.py):", *leaks])
            if report.passed:
                report.outcome, report.longrepr = "failed", message
            else:
                report.sections.append(("Secrets", message))
        return report


def install(config: pytest.Config) -> None:
    """Start the search in this run of pytest."""
    config.addinivalue_line(
        "markers",
        "shows_secrets(*kinds, reason): this test shows secrets on purpose; see secret_leaks.py",
    )
    config.pluginmanager.register(Plugin(), "secret_leaks")
    logging.getLogger("ev_energy").setLevel(logging.DEBUG)
    _collect_secrets()
    _search_errors()
    _search_texts()


def allowed_in(item: pytest.Item) -> frozenset[str]:
    """Return the kinds that *item* may show secrets in; `pytest.UsageError` without a reason."""
    kinds: set[str] = set()
    for mark in item.iter_markers("shows_secrets"):
        if not mark.args or not set(mark.args) <= KINDS or not mark.kwargs.get("reason"):
            raise pytest.UsageError(
                f"{item.nodeid}: shows_secrets takes some of {sorted(KINDS)}, and reason="
            )
        kinds |= set(mark.args)
    return frozenset(kinds)


def _after(owner: Any, name: str, then: Callable[..., object]) -> None:
    """Call *then* after the function *name* of *owner*, with its result and arguments."""
    original = getattr(owner, name)

    def patched(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        then(result, *args, **kwargs)
        return result

    setattr(owner, name, patched)


def _before(owner: Any, name: str, first: Callable[..., object]) -> None:
    """Call *first* before the method *name* of *owner*, with its arguments."""
    original = getattr(owner, name)

    def patched(*args: Any, **kwargs: Any) -> Any:
        first(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(owner, name, patched)


def _collect_secrets() -> None:
    """Add each secret when the client or the simulator creates it."""
    add = LEAK_SEARCH.add_secrets
    _after(_oauth.Token, "__init__", lambda _, self, *a, **k: add(*self.secrets()))
    _after(auth.StaticToken, "__init__", lambda _, self, *a, **k: add(*self.secrets()))
    for kind in (auth.ClientCredentials, auth.AuthorizationCode):
        _after(kind, "__init__", lambda _, self, *a, **k: add(*self.secrets()))
    _after(
        auth.AuthorizationRequest,
        "__init__",
        lambda _, self, *a, **k: add(self.state, self.verifier),
    )
    _after(_tokens.TokenStore, "_new_text", lambda made, *a, **k: add(made))
    _after(_evidence_bucket, "_signature_parameters", lambda made, *a, **k: add(made["Signature"]))
    _before(
        auth.FileStore,
        "__init__",
        lambda self, path, *a, **k: path and LEAK_SEARCH.stores.add(Path(path).absolute()),
    )


def _search_errors() -> None:
    """Search expected errors, and those of this package when they are deleted or the test ends."""

    def new(cls: type[EvEnergyError], *args: Any, **_: Any) -> EvEnergyError:
        error = Exception.__new__(cls, *args)
        LEAK_SEARCH.unsearched[id(error)] = weakref.ref(error)
        return error

    def delete(self: EvEnergyError) -> None:
        if id(self) in LEAK_SEARCH.unsearched:
            LEAK_SEARCH.search_error(self)

    EvEnergyError.__new__ = new  # type: ignore[assignment,method-assign]
    EvEnergyError.__del__ = delete  # type: ignore[attr-defined]
    _before(
        type(pytest.raises(Exception)),  # noqa: PT011  (only its class is used)
        "__exit__",
        lambda _self, _type, error, _tb: error is not None and LEAK_SEARCH.search_error(error),
    )


def _search_texts() -> None:
    """Search log records, captured calls, warnings and output."""
    search = LEAK_SEARCH.search
    _before(logging.Logger, "handle", lambda _, record: _search_record(record))
    _before(
        type(pytest.warns(UserWarning)),  # noqa: PT030  (as above)
        "__exit__",
        lambda self, *_: [search("warnings", "warning", str(item.message)) for item in self],
    )
    _after(
        pytest.CaptureFixture,
        "readouterr",
        lambda outputs, _: [search("output", "captured", text) for text in outputs],
    )
    _after(
        subprocess.Popen,
        "communicate",
        lambda outputs, *_, **__: [search("output", "a process", text or "") for text in outputs],
    )
    record = capture.record

    @contextmanager
    def searched(owner: object) -> Iterator[list[capture.CapturedCall]]:
        recording: AbstractContextManager[list[capture.CapturedCall]] = record(owner)
        with recording as calls:
            yield calls
        for call in calls:
            search("captures", "a printed call", f"{call} {call!r} {call.attempts!r}")

    capture.record = searched  # type: ignore[assignment]


def _search_record(record: logging.LogRecord) -> None:
    LEAK_SEARCH.search("logs", f"logger {record.name}", f"{record.getMessage()} {vars(record)!r}")
    if record.exc_info and record.exc_info[1] is not None:
        LEAK_SEARCH.search_error(record.exc_info[1])


def _search_files(folder: Path | None) -> None:
    if folder is None:
        return
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if path.absolute() in LEAK_SEARCH.stores:
                continue
            try:
                if path.is_file() and path.stat().st_size <= MAX_FILE_SIZE:
                    LEAK_SEARCH.search("files", str(path.relative_to(folder)), path.read_bytes())
            except OSError:  # deleted in the meantime, or not readable
                continue


def _pickled(error: EvEnergyError) -> bytes:
    # The upload of an `UploadError` holds a presigned URL: its caller needs it to continue.
    state = {name: value for name, value in vars(error).items() if name != "upload"}
    try:
        return pickle.dumps((error.args, state))
    except Exception:  # noqa: BLE001  (a test gave it an attribute that cannot be pickled)
        return b""
