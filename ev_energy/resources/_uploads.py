"""Putting the bytes of a file where a presigned URL says: to a storage that is not the API.

No token goes there, no header of the client, and the URL itself is a secret: it is neither logged
nor captured, nor in any message.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Any, Final, Self, TypeAlias, cast

import attrs
from yarl import URL

from ev_energy._api.options import CallOptions
from ev_energy._http.attempt import attempt
from ev_energy._http.context import HttpContext
from ev_energy._http.outgoing import Outcome, Outgoing
from ev_energy._http.retry import retry
from ev_energy._messages import Request, Response
from ev_energy._redaction.scrub import encodings
from ev_energy._redaction.tracebacks import Secret
from ev_energy._runtime.in_thread import in_thread
from ev_energy.models._json import is_confirmation

_CHUNK: Final = 256 * 1024
#: Bytes at the start of a web page that name it as one.
_PAGE_STARTS_WITHIN: Final = 4096
#: Characters that a signature, a credential or a policy in a presigned URL has at least.
_LONG: Final = 20
_REWOUND: Final = "file must be one that can be rewound: a path, bytes, or a real file"

#: What can be uploaded: a path, the bytes, or a binary file that is open and can be rewound.
File: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes]
#: Called with the bytes sent so far, and their number in all; again from 0 if it starts anew.
Progress: TypeAlias = Callable[[int, int], object]


class FileFault(Exception):  # noqa: N818  (the upload turns it into an UploadError)
    """The file to be uploaded cannot be read any more."""


@attrs.frozen(eq=False)
class Source:
    """A file to be uploaded, as often as it takes. In ``with``, it closes what it opened itself.

    It is read by place, and stands where it stood after each read. So a read that an attempt has
    left behind in its thread does no harm to the next attempt, and the file can be given again.
    """

    file: IO[bytes]
    name: str | None
    """The name of the file, where it has one."""
    start: int
    size: int
    is_own: bool
    _lock: Lock = attrs.field(factory=Lock)

    @staticmethod
    def of(file: File) -> Source:
        """*file*, measured. `ValueError`, `TypeError` or `OSError` if it cannot be read."""
        if isinstance(file, bytes):
            return Source(io.BytesIO(file), None, 0, len(file), is_own=True)
        if isinstance(file, str | os.PathLike):
            path = Path(file)
            if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
                raise ValueError(_REWOUND)
            opened = path.open("rb")
            return Source(opened, path.name, 0, _end_of(opened, 0), is_own=True)
        if not hasattr(file, "seekable"):
            raise TypeError(f"file must be a path, bytes or a binary file, not {_kind(file)}")
        if not file.seekable():
            raise ValueError(_REWOUND)
        if not isinstance(cast("Any", file.read(0)), bytes):
            raise TypeError("file must be open in binary mode")
        start, named = file.tell(), getattr(file, "name", None)
        name = Path(named).name if isinstance(named, str) else None
        return Source(file, name, start, max(0, _end_of(file, start) - start), is_own=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self.is_own:
            with self._lock:
                self.file.close()

    async def chunks(self, progress: Progress | None) -> AsyncIterator[bytes]:
        """The bytes from the start on, read in a thread so that the loop goes on."""
        sent = 0
        if progress is not None:
            progress(0, self.size)
        while sent < self.size:
            # What is in memory needs no thread.
            is_quick = isinstance(self.file, io.BytesIO)
            chunk = self._read(sent) if is_quick else await in_thread(self._read, sent)
            if not chunk:
                raise FileFault(f"the file ended {self.size - sent} bytes before its end")
            yield chunk
            sent += len(chunk)
            if progress is not None:
                progress(sent, self.size)

    def _read(self, place: int) -> bytes:
        with self._lock:
            try:
                self.file.seek(self.start + place)
                chunk = self.file.read(min(_CHUNK, self.size - place))
                self.file.seek(self.start)
            except (OSError, ValueError) as error:  # closed meanwhile, perhaps
                raise FileFault(f"the file could not be read: {error}") from error
            return chunk


async def put(
    http: HttpContext,
    options: CallOptions,
    url: Secret[str],
    source: Source,
    *,
    content_type: str | None,
    progress: Progress | None,
    timeout: float,
) -> Response:
    """Return the storage's reply to putting *source* at *url*, retried as a read is.

    All attempts together may take the client's deadline, or *timeout* where that is longer. Hooks
    and tracers see the URL's origin only: path and query are the key to the storage.

    `TransportError` or `LimitError` without a reply; `FileFault` and what *progress* raises
    propagate at once.
    """
    time_limit = max(timeout, options.deadline)
    headers = {"Content-Length": str(source.size), "User-Agent": options.headers["User-Agent"]}
    if content_type is not None:
        headers["Content-Type"] = content_type
    target = Secret(URL(url.value, encoded=True))
    shown = Request("PUT", target.value.origin() / "***", headers, None, authorised=False)
    out = Outgoing(
        request=shown,
        headers=headers,
        body=None,
        policy=options.retries,
        timeout=timeout,
        deadline=http.clock() + time_limit,
        time_limit=time_limit,
        is_write=False,
        secret_url=target,
    )

    async def send_once(out: Outgoing) -> Outcome:
        raised: list[Exception] = []
        out.body = _record_errors(source.chunks(progress), raised)
        outcome = await attempt(http, out)
        if raised:  # aiohttp takes an error of the body for one of the connection
            raise raised[0]
        if isinstance(outcome, Response):
            outcome = _without_signature(http.redact(outcome), target.value)
        return outcome

    return await retry(http, out, send_once)


def is_a_storages(response: Response) -> bool:
    """Return whether a storage can have answered this: nothing, XML or JSON, but no web page.

    A captive portal or a proxy answers with a page of its own, and calls it a success.
    """
    if is_confirmation(response.body):
        return True
    start = response.body[:_PAGE_STARTS_WITHIN].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith(b"<") and not (b"<html" in start or b"<!doctype html" in start)


def _without_signature(response: Response, url: URL) -> Response:
    """Return *response* with stars for the long values in the query of *url*.

    A storage that refuses a signature repeats it in its answer, with all that was signed.
    """
    signed = [text for text in url.query.values() if len(text) >= _LONG]
    return response.without([spelling for text in signed for spelling in encodings(text)])


async def _record_errors(
    chunks: AsyncIterator[bytes], raised: list[Exception]
) -> AsyncIterator[bytes]:
    """Yield *chunks*, and append the error they raise, which the transport may replace."""
    try:
        async for chunk in chunks:
            yield chunk
    except Exception as error:
        raised.append(error)
        raise


def _end_of(file: IO[bytes], start: int) -> int:
    try:
        file.seek(0, os.SEEK_END)
        return file.tell()
    finally:
        file.seek(start)


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
