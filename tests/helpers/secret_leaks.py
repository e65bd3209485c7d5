"""Secrets must show nowhere: what every test makes is searched for those that it used.

Always on. Secrets are planted as they come to be: those of `support`, every token that a client
gets or a simulator issues, codes, verifiers, and the signatures of presigned URLs. Searched are

========  ========================================================================================
logs      every record of every logger, with its arguments and its exception; ours at any level
errors    every error of ours, and whatever `pytest.raises` catches: its text, repr, attributes,
          notes, pickle, and those of its causes
captures  what ``client.capture()`` recorded, in print
warnings  what `pytest.warns` catches
output    what a test, or a process it started, writes to stdout and stderr
files     what is left under ``tmp_path``; the file of a `FileStore` is the place for tokens
spans     what tests of tracing export
========  ========================================================================================

A find fails the test that made it. A test that handles secrets on purpose says where and why::

    @pytest.mark.shows_secrets("output", reason="the command prints the token it was asked for")
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
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import attrs
import pytest

from ev_energy import auth
from ev_energy._api import capture
from ev_energy.auth import _oauth
from ev_energy.errors import EvEnergyError
from ev_energy.simulator.oauth import _tokens
from ev_energy.simulator.resources import _evidence_bucket as _uploads
from tests.helpers.support import SECRET, SIGNATURE, TOKEN

KINDS = frozenset({"logs", "errors", "captures", "warnings", "output", "files", "spans"})
#: What is shorter is found where it is no secret.
SHORTEST = 16
LARGEST_FILE = 64 * 2**20


@attrs.define(eq=False)
class Canaries:
    """What is not to be seen, and where it was."""

    planted: deque[str] = attrs.field(factory=lambda: deque(maxlen=250))
    """The last ones: no test uses more, and searching stays cheap."""
    always: tuple[str, ...] = (TOKEN, SECRET, SIGNATURE)
    allowed: frozenset[str] = frozenset()
    found: list[str] = attrs.field(factory=list)
    stores: set[Path] = attrs.field(factory=set)
    """Files in which tokens are kept on purpose."""
    living: dict[int, weakref.ref[BaseException]] = attrs.field(factory=dict)
    """Errors that were made, and not searched yet."""

    def plant(self, *secrets: object) -> None:
        for secret in secrets:
            if isinstance(secret, str) and len(secret) >= SHORTEST and secret not in self.planted:
                self.planted.append(secret)

    def look(self, kind: str, where: str, text: str | bytes) -> None:
        """Search *text*, which was found *where*."""
        if kind in self.allowed or not text:
            return
        for secret in (*self.always, *tuple(self.planted)):
            shown: int = text.find(secret) if isinstance(text, str) else text.find(secret.encode())
            if shown >= 0:
                around = text[max(0, shown - 60) : shown + 4]
                self.found.append(f"{kind}: {where}: ...{around!r}... goes on with a secret")
        for reading in readings(text):
            for secret in (*self.always, *tuple(self.planted)):
                if secret in reading:
                    self.found.append(f"{kind}: {where}: a secret in another spelling")

    def look_at(self, error: BaseException) -> None:
        """Search an error and what it came from."""
        self.living.pop(id(error), None)
        if "errors" in self.allowed:
            return
        seen: set[int] = set()
        todo: list[BaseException | None] = [error]
        while todo:
            one = todo.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            name = type(one).__qualname__
            self.look("errors", f"str of {name}", str(one))
            self.look("errors", f"repr of {name}", repr(one))
            self.look("errors", f"attributes of {name}", repr(getattr(one, "__dict__", "")))
            if isinstance(one, EvEnergyError):
                self.look("errors", f"pickle of {name}", _pickled(one))
            todo += [one.__cause__, None if one.__suppress_context__ else one.__context__]
            todo += one.exceptions if isinstance(one, BaseExceptionGroup) else ()

    def settle(self) -> list[str]:
        """What was found since this was asked last."""
        for living in list(self.living.values()):
            error = living()
            if error is not None:
                self.look_at(error)
        self.living.clear()
        found, self.found = self.found, []
        return list(dict.fromkeys(found))


# Beginning with a whole run of backslashes, so that a long run is not searched from each of them.
_JSON_ESCAPE = re.compile(r"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|/)")


def readings(text: str | bytes) -> Iterator[str]:
    """Yield what *text* reads as once its escapes, or its letters of 16 bits, are resolved."""
    if isinstance(text, bytes):
        narrow = text.replace(b"\0", b"") if b"\0" in text else text
        if narrow is not text:
            yield narrow.decode(errors="replace")
        text = narrow.decode(errors="replace")
    if "\\" in text:
        yield _JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "/", text)
    if "%" in text:
        yield unquote(text)
    if "&" in text:
        yield html.unescape(text)


CANARIES = Canaries()


class Plugin:
    """The hooks of pytest; see the top of this file."""

    _folder: Path | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            allowed_in(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        CANARIES.settle()  # what came after the last test is nobody's
        CANARIES.allowed = allowed_in(item)
        try:
            return (yield)
        finally:
            CANARIES.allowed = frozenset()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        for name, text in report.sections:
            if "log" not in name:  # its records were searched one by one
                CANARIES.look("output", name, text)
        if call.when == "call":
            self._folder = getattr(item, "funcargs", {}).get("tmp_path")
        elif call.when == "teardown" and "files" not in CANARIES.allowed:
            _look_at_files(self._folder)  # now that nothing is in the place of anything any more
            self._folder = None
        found = CANARIES.settle()
        if found and report.outcome != "skipped":
            said = "\n".join(["secrets were shown (see tests/helpers/secret_leaks.py):", *found])
            if report.passed:
                report.outcome, report.longrepr = "failed", said
            else:
                report.sections.append(("Secrets", said))
        return report


def install(config: pytest.Config) -> None:
    """Begin to watch."""
    config.addinivalue_line(
        "markers",
        "shows_secrets(*kinds, reason): this test handles secrets on purpose; see secret_leaks.py",
    )
    config.pluginmanager.register(Plugin(), "canaries")
    logging.getLogger("ev_energy").setLevel(logging.DEBUG)
    _watch_secrets()
    _watch_errors()
    _watch_texts()


def allowed_in(item: pytest.Item) -> frozenset[str]:
    """Where *item* may show secrets; `pytest.UsageError` if it does not say why."""
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
    plain = getattr(owner, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        result = plain(*args, **kwargs)
        then(result, *args, **kwargs)
        return result

    setattr(owner, name, watched)


def _before(owner: Any, name: str, first: Callable[..., object]) -> None:
    """Call *first* before the method *name* of *owner*, with its arguments."""
    plain = getattr(owner, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        first(*args, **kwargs)
        return plain(*args, **kwargs)

    setattr(owner, name, watched)


def _watch_secrets() -> None:
    """Plant each secret when it comes to be, on either side."""
    plant = CANARIES.plant
    _after(_oauth.Token, "__init__", lambda _, self, *a, **k: plant(*self.secrets()))
    _after(auth.StaticToken, "__init__", lambda _, self, *a, **k: plant(*self.secrets()))
    for kind in (auth.ClientCredentials, auth.AuthorizationCode):
        _after(kind, "__init__", lambda _, self, *a, **k: plant(*self.secrets()))
    _after(
        auth.AuthorizationRequest,
        "__init__",
        lambda _, self, *a, **k: plant(self.state, self.verifier),
    )
    _after(_tokens.Tokens, "_new", lambda made, *a, **k: plant(made))
    _after(_uploads, "_signed", lambda made, *a, **k: plant(made["Signature"]))
    _before(
        auth.FileStore,
        "__init__",
        lambda self, path, *a, **k: CANARIES.stores.add(Path(path).absolute()),
    )


def _watch_errors() -> None:
    """Search errors of ours as they die, or when the test is over; any that a test expects."""

    def make(cls: type[EvEnergyError], *args: Any, **_: Any) -> EvEnergyError:
        error = Exception.__new__(cls, *args)
        CANARIES.living[id(error)] = weakref.ref(error)
        return error

    def die(self: EvEnergyError) -> None:
        if id(self) in CANARIES.living:
            CANARIES.look_at(self)

    EvEnergyError.__new__ = make  # type: ignore[assignment,method-assign]
    EvEnergyError.__del__ = die  # type: ignore[attr-defined]
    _before(
        type(pytest.raises(Exception)),  # noqa: PT011  (its class is all that is wanted)
        "__exit__",
        lambda _self, _type, error, _tb: error is not None and CANARIES.look_at(error),
    )


def _watch_texts() -> None:
    """Search what is logged, captured, warned of and printed."""
    look = CANARIES.look
    _before(logging.Logger, "handle", lambda _, record: _look_at_record(record))
    _before(
        type(pytest.warns(UserWarning)),  # noqa: PT030  (as above)
        "__exit__",
        lambda self, *_: [look("warnings", "warning", str(one.message)) for one in self],
    )
    _after(
        pytest.CaptureFixture,
        "readouterr",
        lambda found, _: [look("output", "captured", text) for text in found],
    )
    _after(
        subprocess.Popen,
        "communicate",
        lambda found, *_, **__: [look("output", "a process", text or "") for text in found],
    )
    record = capture.record

    @contextmanager
    def watched(owner: object) -> Iterator[list[capture.CapturedCall]]:
        recording: AbstractContextManager[list[capture.CapturedCall]] = record(owner)
        with recording as calls:
            yield calls
        for call in calls:
            look("captures", "a call in print", f"{call} {call!r} {call.attempts!r}")

    capture.record = watched  # type: ignore[assignment]


def _look_at_record(record: logging.LogRecord) -> None:
    where = f"logger {record.name}"
    CANARIES.look("logs", where, f"{record.getMessage()} {vars(record)!r}")
    if record.exc_info and record.exc_info[1] is not None:
        CANARIES.look_at(record.exc_info[1])


def _look_at_files(folder: Path | None) -> None:
    if folder is None:
        return
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if path.absolute() in CANARIES.stores:
                continue
            try:
                if path.is_file() and path.stat().st_size <= LARGEST_FILE:
                    CANARIES.look("files", str(path.relative_to(folder)), path.read_bytes())
            except OSError:  # gone meanwhile, or nobody may read it
                continue


def _pickled(error: EvEnergyError) -> bytes:
    # What an `UploadError` goes on with is a presigned URL: data, which it has but does not show.
    state = {name: value for name, value in vars(error).items() if name != "upload"}
    try:
        return pickle.dumps((error.args, state))
    except Exception:  # noqa: BLE001  (what a test put into it)
        return b""
