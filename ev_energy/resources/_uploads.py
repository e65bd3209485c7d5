"""Sending a file to the presigned URL of a storage service outside the API.

The storage receives neither the token nor the headers of the client. The URL itself is a secret: no
log, capture or message contains it.
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
from ev_energy._arguments import describe_type
from ev_energy._callbacks import plain_function
from ev_energy._http.attempt import attempt
from ev_energy._http.context import HttpContext
from ev_energy._http.outgoing import Outcome, Outgoing
from ev_energy._http.retry import retry
from ev_energy._messages import Request, Response
from ev_energy._redaction.scrub import MASK, encodings
from ev_energy._redaction.tracebacks import Secret
from ev_energy._runtime.in_thread import in_thread
from ev_energy.errors import DeadlineError
from ev_energy.models._json import is_confirmation

_CHUNK_SIZE: Final = 256 * 1024
#: Bytes at the start of a body that are searched for the signs of a web page.
_HTML_SEARCH_BYTES: Final = 4096
#: The minimum length of a signature, a credential or a policy in a presigned URL.
_MIN_SIGNATURE_CHARS: Final = 20
_NOT_SEEKABLE: Final = "file must be seekable: pass a path, bytes, or a file on disk"

#: A file to upload: a path, the bytes, or an open, seekable binary file.
FileInput: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes]
#: Called with the bytes sent so far and their total; starts at 0 again if the upload is retried.
ProgressCallback: TypeAlias = Callable[[int, int], object]


class FileFault(Exception):  # noqa: N818  (translated into the public UploadError)
    """The file that is being uploaded can no longer be read."""


@attrs.frozen(eq=False)
class UploadSource:
    """A file that can be read from its start for each attempt. As a context manager, it closes it.

    A file that the caller opened stays open. Each read seeks to its own position and then restores
    the file's original position. So a read that a cancelled attempt left running in its thread does
    not disturb the next attempt, and the caller can upload the same file object again.
    """

    file: IO[bytes]
    name: str | None
    """The name of the file, if it has one."""
    start: int
    """The position from which the file is uploaded."""
    size: int
    """Bytes from *start* to the end."""
    should_close: bool
    """Whether the file was opened here, and not by the caller."""
    _lock: Lock = attrs.field(factory=Lock)

    @staticmethod
    def open(file: FileInput) -> UploadSource:
        """Open *file* and determine its size.

        `ValueError`, `TypeError` or `OSError` if it cannot be read.
        """
        if isinstance(file, bytes):
            return UploadSource(io.BytesIO(file), None, 0, len(file), should_close=True)
        if isinstance(file, str | os.PathLike):
            path = Path(file)
            if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
                raise ValueError(_NOT_SEEKABLE)
            opened = path.open("rb")
            return UploadSource(opened, path.name, 0, _end_of(opened, 0), should_close=True)
        if not hasattr(file, "seekable"):
            raise TypeError(
                f"file must be a path, bytes or a binary file, not {describe_type(file)}"
            )
        if not file.seekable():
            raise ValueError(_NOT_SEEKABLE)
        if not isinstance(cast("Any", file.read(0)), bytes):
            raise TypeError("file must be opened in binary mode, such as open(path, 'rb')")
        start, file_name = file.tell(), getattr(file, "name", None)
        name = Path(file_name).name if isinstance(file_name, str) else None
        size = max(0, _end_of(file, start) - start)
        return UploadSource(file, name, start, size, should_close=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self.should_close:
            with self._lock:
                self.file.close()

    async def chunks(self, progress: ProgressCallback | None) -> AsyncIterator[bytes]:
        """Yield the bytes from the start, read in a thread to keep the event loop free."""
        sent = 0
        if progress is not None:
            progress(0, self.size)
        while sent < self.size:
            in_memory = isinstance(self.file, io.BytesIO)  # does not need a thread
            chunk = self._read(sent) if in_memory else await in_thread(self._read, sent)
            if not chunk:
                raise FileFault(
                    f"the file was truncated during the upload: {self.size - sent} of {self.size} "
                    "bytes are missing"
                )
            yield chunk
            sent += len(chunk)
            if progress is not None:
                progress(sent, self.size)

    def _read(self, offset: int) -> bytes:
        with self._lock:
            try:
                self.file.seek(self.start + offset)
                chunk = self.file.read(min(_CHUNK_SIZE, self.size - offset))
                self.file.seek(self.start)
            except (OSError, ValueError) as error:  # ValueError: the caller closed the file
                raise FileFault(f"the file could not be read: {error}") from error
            return chunk


async def put_file(
    http: HttpContext,
    options: CallOptions,
    url: Secret[str],
    source: UploadSource,
    *,
    content_type: str | None,
    progress: ProgressCallback | None,
    timeout: float,
) -> Response:
    """Send *source* to *url* with a ``PUT`` request, and return the storage's reply.

    The upload is retried like a read: sending the same bytes again has no further effect. All
    attempts together may take the client's deadline, or *timeout* if that is longer. Hooks and
    tracers see only the origin of the URL, since its path and query grant access to the storage.

    Raises `TransportError` or `LimitError` if there is no reply. `FileFault` and exceptions of
    *progress* end the upload without a retry.
    """
    time_limit = max(timeout, options.deadline)
    headers = {"Content-Length": str(source.size), "User-Agent": options.headers["User-Agent"]}
    if content_type is not None:
        headers["Content-Type"] = content_type
    progress = plain_function("progress", progress)
    target = Secret(URL(url.value, encoded=True))
    visible_url = target.value.origin() / MASK
    out = Outgoing(
        request=Request("PUT", visible_url, headers, None, authorised=False),
        headers=headers,
        body=None,
        policy=options.retries,
        timeout=timeout,
        deadline=http.clock() + time_limit,
        time_limit=time_limit,
        is_write=False,
        secret_url=target,
    )

    reply: Response | None = None

    async def send_once(out: Outgoing) -> Outcome:
        nonlocal reply
        errors: list[Exception] = []
        out.body = _record_errors(source.chunks(progress), errors)
        outcome = await attempt(http, out)
        if errors:  # aiohttp reports an exception of the body as a connection error
            raise errors[0]
        if isinstance(outcome, Response):
            outcome = reply = _without_signature(http.redact(out, outcome), target.value)
        return outcome

    with http.call_span(out.request):
        try:
            return await retry(http, out, send_once)
        except DeadlineError:
            if reply is None:
                raise
            return reply  # the reason of the retry that there was no time for


def is_storage_reply(response: Response) -> bool:
    """Return whether *response* can be a storage's: its body is empty, XML or JSON.

    A captive portal or a proxy may answer with a web page and the status of a success.
    """
    if is_confirmation(response.body):
        return True
    start = response.body[:_HTML_SEARCH_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith(b"<") and not (b"<html" in start or b"<!doctype html" in start)


def _without_signature(response: Response, url: URL) -> Response:
    """Return *response* with the long values in the query of *url* masked.

    A storage that refuses a signature repeats it in its reply, together with all signed values.
    """
    signed = [value for value in url.query.values() if len(value) >= _MIN_SIGNATURE_CHARS]
    return response.without([text for value in signed for text in encodings(value)])


async def _record_errors(
    chunks: AsyncIterator[bytes], errors: list[Exception]
) -> AsyncIterator[bytes]:
    """Yield *chunks*, and append their exception to *errors*: the transport may replace it."""
    try:
        async for chunk in chunks:
            yield chunk
    except Exception as error:
        errors.append(error)
        raise


def _end_of(file: IO[bytes], start: int) -> int:
    try:
        file.seek(0, os.SEEK_END)
        return file.tell()
    finally:
        file.seek(start)
