"""Uploads of rebate evidence, with two servers: the API and a storage outside it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import pickle
import tempfile
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp import web
from aioresponses import aioresponses
from yarl import URL

import ev_energy_sync
from ev_energy import Client, errors
from ev_energy.models import RebateEvidenceFile, RebateEvidenceUpload
from tests.helpers.recording_server import Handler, RecordingServer
from tests.helpers.support import SIGNATURE, TOKEN, FakeTime, MockableResponse

SECRET_QUERY = f"X-Amz-Signature={SIGNATURE}&x-id=PutObject&key=a%2Fb+c"
#: More than two chunks, all of them different.
DATA = b"".join(number.to_bytes(4) for number in range(150_000))
ONE = "https://api.ev.energy/v2/rebate_evidence_files/rbef01"
START = "/v2/rebate_evidence_files:start_upload"
FINISH = "/v2/rebate_evidence_files/rbef01:finish_upload"
WHAT: dict[str, Any] = {"user_rebate": "rbtu01", "rebate_evidence_type": "rbet01"}

Serve = Callable[[Handler], Awaitable[RecordingServer]]
Reply = Callable[[web.Request], web.StreamResponse]


def stored(_: web.Request) -> web.Response:
    return web.Response()


def answers(status: int, **more: Any) -> Reply:
    return lambda _: web.Response(status=status, **more)


def reset(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def one_after_the_other(*replies: Reply) -> Handler:
    remaining = list(replies)

    async def handler(request: web.Request) -> web.StreamResponse:
        return (remaining.pop(0) if len(remaining) > 1 else remaining[0])(request)

    return handler


def presigned(port: int, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{port}/bucket/a%20file?{SECRET_QUERY}"


def api(url: str, *finishes: Reply, started: dict[str, Any] | None = None) -> Handler:
    """Return a handler of an API whose uploads go to *url*."""
    upload = {"id": "rbef01", "url": ONE, "presigned_url": url} if started is None else started
    finish = one_after_the_other(
        *finishes, lambda _: web.json_response({"id": "rbef01", "url": ONE})
    )

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path.endswith(":start_upload"):
            reply = web.json_response(upload, status=201)
            reply.set_cookie("session", "of-the-api")
            return reply
        return await finish(request)

    return handler


@attrs.frozen
class Setup:
    """The API and the storage."""

    api: RecordingServer
    storage: RecordingServer

    def client(self, **settings: Any) -> Client:
        return self.api.client(**settings)


async def world(serve: Serve, *replies: Reply, finishes: tuple[Reply, ...] = ()) -> Setup:
    storage = await serve(one_after_the_other(*replies or (stored,)))
    return Setup(await serve(api(presigned(storage.port), *finishes)), storage)


@pytest.fixture
def invoice(tmp_path: Path) -> Path:
    path = tmp_path / "invoice.pdf"
    path.write_bytes(DATA)
    return path


@attrs.define
class Socket:
    """A storage whose connections break after a given number of bytes."""

    port: int = 0
    connections: int = 0
    bodies: list[bytes] = attrs.field(factory=list)


@pytest.fixture
async def listen() -> AsyncIterator[Callable[..., Awaitable[Socket]]]:
    servers: list[asyncio.Server] = []

    async def start(*stop_after: int) -> Socket:
        """Start a storage whose first connections break after these bytes; 0 is a refusal."""
        socket, remaining = Socket(), list(stop_after)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            socket.connections += 1
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await answer(reader, writer)
            writer.close()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
            byte_count = remaining.pop(0) if remaining else None
            if byte_count is None:
                socket.bodies.append(await reader.readexactly(length))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            elif byte_count == 0:
                writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await reader.read()
            else:
                await reader.readexactly(byte_count)
                writer.transport.abort()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        socket.port = server.sockets[0].getsockname()[1]
        return socket

    yield start
    for server in servers:
        server.close()


# --- Destinations of requests -------------------------------------------------


@pytest.mark.parametrize("form", ["path", "text", "bytes", "open file", "memory"])
async def test_storage_receives_the_bytes_and_no_header_of_the_api(
    serve: Serve, invoice: Path, form: str
) -> None:
    there = await world(serve)
    with invoice.open("rb") as opened:
        forms = {
            "path": invoice,
            "text": str(invoice),
            "bytes": DATA,
            "open file": opened,
            "memory": io.BytesIO(DATA),
        }
        settings = {"api_version": "2", "language": "en-GB", "headers": {"X-Mine": "1"}}
        async with there.client(**settings) as client:
            done = await client.acting_for("user01").rebates.upload_evidence(
                forms[form], **WHAT, file_name="invoice.pdf"
            )
    assert done == RebateEvidenceFile(id="rbef01", url=ONE)
    start, finish = there.api.requests
    [put] = there.storage.requests
    assert (start.method, start.raw_path) == ("POST", START)
    assert start.query == [("user_rebate", "rbtu01")]
    assert start.body.decode() == (
        '{"file_name":"invoice.pdf",'
        f'"rebate_evidence_type":"{there.api.url}/rebate_evidence_types/rbet01"}}'
    )
    assert (finish.method, finish.raw_path, finish.body) == ("POST", FINISH, b"")
    assert start.headers["EvEnergy-User"] == finish.headers["EvEnergy-User"] == "user01"
    assert (put.method, put.raw_path) == ("PUT", "/bucket/a%20file")
    assert put.body == DATA
    headers = {name.lower(): value for name, value in put.headers.items()}
    assert headers["content-length"] == str(len(DATA))
    assert headers.keys() <= {
        "host", "content-length", "user-agent", "accept", "accept-encoding", "content-type"
    }  # fmt: skip
    assert TOKEN not in str(headers)


async def test_presigned_url_is_not_requoted(serve: Serve) -> None:
    asked: list[str] = []

    def note(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.Response()

    there = await world(serve, note)
    async with there.client() as client:
        await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
    assert asked == [f"/bucket/a%20file?{SECRET_QUERY}"]


async def test_content_type_is_sent_only_if_given(serve: Serve) -> None:
    there = await world(serve)
    async with there.client() as client:
        await client.rebates.upload_evidence(
            b"1", **WHAT, file_name="a", content_type="application/pdf"
        )
        await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
    given, left_out = there.storage.requests
    assert given.headers["Content-Type"] == "application/pdf"
    assert "Content-Type" not in left_out.headers


async def test_cookies_are_not_sent_between_api_and_storage(serve: Serve) -> None:
    storage = await serve(one_after_the_other(answers(200, headers={"Set-Cookie": "b=storage"})))
    server = await serve(api(presigned(storage.port, host="localhost")))
    async with Client(TOKEN, base_url=f"http://localhost:{server.port}/v2") as client:
        for _ in range(2):
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
    assert (len(server.requests), len(storage.requests)) == (4, 2)
    for seen in server.requests + storage.requests:
        assert "Cookie" not in seen.headers


async def test_open_file_is_sent_from_its_position_and_stays_open_there(
    serve: Serve, invoice: Path
) -> None:
    there = await world(serve)
    with invoice.open("rb") as opened:
        for file in (opened, io.BytesIO(DATA)):
            file.seek(5)
            async with there.client() as client:
                await client.rebates.upload_evidence(file, **WHAT, file_name="a")
            assert not file.closed
            assert file.tell() == 5
    assert [put.body for put in there.storage.requests] == [DATA[5:]] * 2
    assert there.storage.requests[0].headers["Content-Length"] == str(len(DATA) - 5)


async def test_open_file_at_its_end_is_sent_as_empty(serve: Serve) -> None:
    there = await world(serve)
    file = io.BytesIO(b"all")
    for place in (3, 99):
        file.seek(place)
        async with there.client() as client:
            await client.rebates.upload_evidence(file, **WHAT, file_name="a")
    assert [put.body for put in there.storage.requests] == [b"", b""]


@pytest.mark.parametrize("form", ["path", "bytes", "open file"])
async def test_empty_file_is_uploaded(serve: Serve, tmp_path: Path, form: str) -> None:
    there = await world(serve)
    path = tmp_path / "empty.txt"
    path.touch()
    records: list[tuple[int, int]] = []
    with path.open("rb") as opened:
        file = {"path": path, "bytes": b"", "open file": opened}[form]
        async with there.client() as client:
            await client.rebates.upload_evidence(
                file, **WHAT, file_name="a", progress=lambda *now: records.append(now)
            )
    [put] = there.storage.requests
    assert (put.body, put.headers["Content-Length"]) == (b"", "0")
    assert "Transfer-Encoding" not in put.headers
    assert records == [(0, 0)]
    assert len(there.api.requests) == 2


# --- Arguments ----------------------------------------------------------------


@pytest.mark.parametrize("given", [None, "named.png"])
@pytest.mark.parametrize("form", ["path", "text", "open file"])
async def test_file_name_defaults_to_the_name_of_the_file(
    serve: Serve, invoice: Path, form: str, given: str | None
) -> None:
    there = await world(serve)
    with invoice.open("rb") as opened:
        file = {"path": invoice, "text": str(invoice), "open file": opened}[form]
        async with there.client() as client:
            await client.rebates.upload_evidence(file, **WHAT, file_name=given)
    wanted = given or "invoice.pdf"
    assert f'"file_name":"{wanted}"'.encode() in there.api.requests[0].body


async def test_file_without_a_name_needs_file_name_before_anything_is_sent(
    serve: Serve,
) -> None:
    there = await world(serve)
    with tempfile.TemporaryFile() as nameless:
        nameless.write(b"12345")
        nameless.seek(2)
        async with there.client() as client:
            for file in (b"1", io.BytesIO(b"1"), nameless):
                with pytest.raises(ValueError, match="file_name must be given"):
                    await client.rebates.upload_evidence(file, **WHAT)
                with pytest.raises(ValueError, match="file_name must be given"):
                    await client.rebates.upload_evidence(file, **WHAT, file_name="")
        assert nameless.tell() == 2
    assert there.api.requests == []


async def test_file_that_is_not_seekable_is_refused_before_anything_is_sent(
    serve: Serve, tmp_path: Path
) -> None:
    there = await world(serve)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as opened, os.fdopen(writing, "wb"):
        async with there.client() as client:
            for file in (opened, pipe, str(pipe)):
                with pytest.raises(ValueError, match="file must be seekable"):
                    await client.rebates.upload_evidence(file, **WHAT, file_name="a")
    assert there.api.requests == []


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (bytearray(b"1"), "file must be a path, bytes or a binary file, not a bytearray"),
        (None, "file must be a path, bytes or a binary file, not None"),
        (5, "file must be a path, bytes or a binary file, not an int"),
        (io.StringIO("1"), "file must be opened in binary mode"),
    ],
)
async def test_argument_that_is_not_a_binary_file_is_refused_before_anything_is_sent(
    serve: Serve, file: Any, message: str
) -> None:
    there = await world(serve)
    async with there.client() as client:
        with pytest.raises(TypeError, match=message):
            await client.rebates.upload_evidence(file, **WHAT, file_name="a")
    assert there.api.requests == []


async def test_unreadable_file_is_refused_before_anything_is_sent(
    serve: Serve, tmp_path: Path
) -> None:
    there = await world(serve)
    closed = io.BytesIO(b"1")
    closed.close()
    async with there.client() as client:
        with pytest.raises(FileNotFoundError, match="nowhere"):
            await client.rebates.upload_evidence(tmp_path / "nowhere", **WHAT)
        for file in (tmp_path, closed):
            with pytest.raises((OSError, ValueError)):
                await client.rebates.upload_evidence(file, **WHAT, file_name="a")
    assert there.api.requests == []


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
async def test_timeout_of_zero_is_refused_before_anything_is_sent(
    serve: Serve, timeout: float
) -> None:
    there = await world(serve)
    upload = RebateEvidenceUpload(id="rbef01", presigned_url=presigned(there.storage.port))
    async with there.client() as client:
        with pytest.raises(ValueError, match="timeout must be more than 0 seconds"):
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a", timeout=timeout)
        with pytest.raises(ValueError, match="timeout must be more than 0 seconds"):
            await client.rebates.resume_upload(upload, b"1", timeout=timeout)
    assert there.api.requests == there.storage.requests == []


# --- Progress and retries -----------------------------------------------------


async def test_progress_is_reported_from_zero_to_the_total(serve: Serve, invoice: Path) -> None:
    there = await world(serve)
    records: list[tuple[int, int]] = []
    async with there.client() as client:
        await client.rebates.upload_evidence(
            invoice, **WHAT, progress=lambda *now: records.append(now)
        )
    sent = [now for now, _ in records]
    assert {total for _, total in records} == {len(DATA)}
    assert sent[0] == 0
    assert sent[-1] == len(DATA)
    assert sent == sorted(set(sent))
    assert len(sent) > 3


@pytest.mark.parametrize("form", ["path", "bytes", "open file"])
@pytest.mark.parametrize("fault", [answers(503), answers(429), reset])
async def test_all_bytes_are_sent_again_after_a_fault(
    serve: Serve, time: FakeTime, invoice: Path, form: str, fault: Reply
) -> None:
    there = await world(serve, fault, stored)
    records: list[int] = []
    with invoice.open("rb") as opened:
        file = {"path": invoice, "bytes": DATA, "open file": opened}[form]
        async with there.client(clock=time, sleep=time.sleep) as client:
            await client.rebates.upload_evidence(
                file, **WHAT, file_name="a", progress=lambda sent, _: records.append(sent)
            )
    assert [put.body for put in there.storage.requests] == [DATA, DATA]
    assert len(time.slept) == 1
    again = records.index(0, 1)
    assert records[:again] == records[again:]
    assert records[-1] == len(DATA)


async def test_upload_starts_again_after_its_connection_breaks(
    serve: Serve, time: FakeTime, invoice: Path, listen: Any
) -> None:
    storage = await listen(300_000)
    server = await serve(api(presigned(storage.port)))
    records: list[int] = []
    async with server.client(clock=time, sleep=time.sleep) as client:
        done = await client.rebates.upload_evidence(
            invoice, **WHAT, progress=lambda sent, _: records.append(sent)
        )
    assert done.id == "rbef01"
    assert storage.bodies == [DATA]
    assert storage.connections == 2
    assert records.count(0) == 2
    assert records[-1] == len(DATA)


@pytest.mark.parametrize(
    "url",
    [
        f"https://storage.example/bucket/a%20file?{SECRET_QUERY}",
        f"https://storage.example?{SECRET_QUERY}",
    ],
)
async def test_error_shows_only_the_origin_of_the_presigned_url(
    serve: Serve, time: FakeTime, invoice: Path, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    """aiohttp names the URL in its error when the storage disconnects during the body."""
    caplog.set_level(logging.DEBUG)
    server = await serve(api(url))
    fault = aiohttp.ClientOSError(32, f"Can not write request body for {url}")
    with aioresponses(passthrough=["http://127.0.0.1"]) as mocked:
        mocked.put(url, exception=fault, repeat=True)
        async with server.client(clock=time, sleep=time.sleep) as client:
            with pytest.raises(errors.UploadError) as caught:
                await client.rebates.upload_evidence(invoice, **WHAT)
    assert "Can not write request body for https://storage.example/***" in str(caught.value)
    printed = caplog.text + "".join(traceback.format_exception(caught.value))
    assert "https://storage.example/***" in caplog.text
    assert "X-Amz-Signature" not in printed
    assert "a%20file" not in printed


async def test_read_of_a_finished_attempt_does_not_disturb_the_next(
    serve: Serve, time: FakeTime, listen: Any
) -> None:
    class Slow(io.RawIOBase):
        """A file whose second read waits for a third one, or for a limited time."""

        def __init__(self) -> None:
            self.inner, self.reads, self.another = io.BytesIO(DATA), 0, threading.Event()

        def seekable(self) -> bool:
            return True

        def seek(self, place: int, whence: int = 0) -> int:
            return self.inner.seek(place, whence)

        def tell(self) -> int:
            return self.inner.tell()

        def read(self, size: int = -1) -> bytes:
            if size == 0:
                return b""
            self.reads += 1
            if self.reads == 2:
                self.another.wait(0.3)
                return self.inner.read(size)
            chunk = self.inner.read(size)
            if self.reads > 2:
                self.another.set()
            return chunk

    storage = await listen(0)
    server = await serve(api(presigned(storage.port)))
    async with server.client(clock=time, sleep=time.sleep) as client:
        await client.rebates.upload_evidence(Slow(), **WHAT, file_name="a")
    assert storage.connections == 2
    assert storage.bodies == [DATA]


async def test_upload_is_retried_as_often_as_the_client_allows(
    serve: Serve, time: FakeTime
) -> None:
    there = await world(serve, answers(503))
    async with there.client(clock=time, sleep=time.sleep, retries=3) as client:
        with pytest.raises(errors.UploadError, match="the storage answered 503") as caught:
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
    assert caught.value.status == 503
    assert len(there.storage.requests) == 4
    assert len(there.api.requests) == 1


async def test_storages_retry_after_is_honoured_within_the_deadline(
    serve: Serve, time: FakeTime
) -> None:
    def busy(seconds: int) -> Reply:
        return answers(503, headers={"Retry-After": str(seconds)})

    there = await world(serve, busy(40), busy(4000))
    async with there.client(clock=time, sleep=time.sleep) as client:
        with pytest.raises(errors.UploadError, match="the storage answered 503"):
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
    assert time.slept == [40]


async def test_storages_reply_is_kept_when_a_pause_exceeds_the_deadline(
    serve: Serve, time: FakeTime
) -> None:
    async def oversleep(seconds: float) -> None:
        await time.sleep(seconds + 1000)

    there = await world(serve, answers(503))
    async with there.client(clock=time, sleep=oversleep, deadline=100) as client:
        with pytest.raises(errors.UploadError, match="the storage answered 503") as caught:
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a", timeout=30)
    assert caught.value.status == 503


async def test_all_attempts_together_keep_to_the_deadline(serve: Serve, time: FakeTime) -> None:
    remaining: list[float] = []

    def slow(_: web.Request) -> web.Response:
        time.now += 70
        return web.Response(status=503)

    async def sleep(seconds: float) -> None:
        remaining.append(seconds)
        await time.sleep(0)

    there = await world(serve, slow)
    async with there.client(clock=time, sleep=sleep, retries=9, deadline=120) as client:
        with pytest.raises(errors.UploadError, match="the storage answered 503"):
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a", timeout=30)
        assert len(there.storage.requests) == 2, "70 s, and another 70 s"
        there.storage.requests.clear()
        with pytest.raises(errors.UploadError):
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a", timeout=250)
        assert len(there.storage.requests) == 4, (
            "a longer timeout for the bytes is a longer deadline"
        )


async def test_hooks_see_attempts_at_the_storage_without_the_presigned_url(
    serve: Serve, time: FakeTime
) -> None:
    records: list[Any] = []
    there = await world(serve, answers(503), reset, stored)
    hooks: dict[str, Any] = dict.fromkeys(
        ("on_request", "on_response", "on_retry", "on_wait"), records.append
    )
    async with there.client(clock=time, sleep=time.sleep, **hooks) as client:
        await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
    puts = [event for event in records if event.request.method == "PUT"]
    kinds = [type(event).__name__.removesuffix("Event") for event in puts]
    assert [kind for kind in kinds if kind != "Wait"] == [
        *("Request", "Response", "Retry"),
        *("Request", "Response", "Retry"),
        *("Request", "Response"),
    ]
    for event in puts:
        assert event.request.url.host == "127.0.0.1"
        printed = f"{event!r} {event.request.url} {getattr(event, 'error', None)!r}"
        assert SIGNATURE not in printed
        assert "bucket" not in printed


async def test_upload_that_exceeds_the_timeout_has_not_arrived(serve: Serve) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    storage = await serve(never)
    server = await serve(api(presigned(storage.port)))
    async with server.client(retries=0) as client:
        with pytest.raises(errors.UploadError, match=r"no reply within 0\.05 s") as caught:
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a", timeout=0.05)
    assert caught.value.status is None
    assert caught.value.body == b""


# --- Failures -----------------------------------------------------------------


@pytest.mark.parametrize("form", ["path", "bytes", "open file"])
async def test_upload_that_the_storage_refused_is_resumed_with_the_errors_upload(
    serve: Serve, invoice: Path, form: str
) -> None:
    there = await world(serve, answers(403, body=b"<Error>Expired</Error>"), stored)
    with invoice.open("rb") as opened:
        opened.seek(7)
        file = {"path": invoice, "bytes": DATA, "open file": opened}[form]
        async with there.client() as client:
            with pytest.raises(errors.UploadError, match="the storage answered 403") as caught:
                await client.rebates.upload_evidence(file, **WHAT, file_name="a")
            error = pickle.loads(pickle.dumps(caught.value))
            assert (error.status, error.body) == (403, b"<Error>Expired</Error>")
            assert error.upload == RebateEvidenceUpload(
                id="rbef01", url=ONE, presigned_url=presigned(there.storage.port)
            )
            assert len(there.api.requests) == 1
            records: list[int] = []
            done = await client.rebates.resume_upload(
                error.upload,
                file,
                content_type="application/pdf",
                progress=lambda sent, _: records.append(sent),
            )
    assert done.id == "rbef01"
    assert [seen.raw_path for seen in there.api.requests] == [START, FINISH]
    first, second = there.storage.requests
    assert first.body == second.body == (DATA[7:] if form == "open file" else DATA)
    assert second.headers["Content-Type"] == "application/pdf"
    assert records[-1] == len(second.body)


async def test_unreachable_storage_is_an_error_and_the_upload_can_be_resumed(
    serve: Serve, time: FakeTime, listen: Any
) -> None:
    gone = await listen()
    server = await serve(api(presigned(1)))
    async with server.client(clock=time, sleep=time.sleep) as client:
        with pytest.raises(errors.UploadError, match="the file did not arrive") as caught:
            await client.rebates.upload_evidence(b"12", **WHAT, file_name="a")
        assert len(time.slept) == 2
        assert caught.value.status is None
        assert isinstance(caught.value.upload, RebateEvidenceUpload)
        upload = RebateEvidenceUpload(id="rbef01", presigned_url=presigned(gone.port))
        assert (await client.rebates.resume_upload(upload, b"12")).id == "rbef01"
    assert gone.bodies == [b"12"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_of_the_storage_is_not_followed(serve: Serve, status: int) -> None:
    stranger = await serve(one_after_the_other(stored))
    away = answers(status, headers={"Location": f"http://127.0.0.1:{stranger.port}/"})
    there = await world(serve, away)
    async with there.client() as client:
        with pytest.raises(errors.UploadError, match=f"the storage answered {status}"):
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
    assert stranger.requests == []
    assert len(there.storage.requests) == len(there.api.requests) == 1


async def test_upload_that_could_not_be_finished_is_resumed(serve: Serve) -> None:
    there = await world(serve, finishes=(answers(503),))
    async with there.client() as client:
        with pytest.raises(errors.UploadError, match="the file arrived, but") as caught:
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
        assert isinstance(caught.value.__cause__, errors.ServerError)
        assert [seen.raw_path for seen in there.api.requests] == [START, FINISH]
        assert (await client.rebates.resume_upload(caught.value.upload, b"1")).id == "rbef01"
    assert [seen.raw_path for seen in there.api.requests] == [START, FINISH, FINISH]


@pytest.mark.parametrize(
    "started",
    [
        {"id": "rbef01", "url": ONE},
        {"id": "rbef01", "url": ONE, "presigned_url": ""},
        {"id": "rbef01", "url": ONE, "presigned_url": None},
        {"id": "rbef01", "url": ONE, "presigned_url": 5},
        {"id": "rbef01", "url": ONE, "presigned_url": f"/a?{SECRET_QUERY}"},
        {"id": "rbef01", "url": ONE, "presigned_url": f"ftp://127.0.0.1/a?{SECRET_QUERY}"},
        {"id": "rbef01", "url": ONE, "presigned_url": f"http://[bad/a?{SECRET_QUERY}"},
        {"id": "rbef01", "url": ONE, "presigned_url": f"http://a:99999/a?{SECRET_QUERY}"},
        {"presigned_url": f"http://127.0.0.1:1/a?{SECRET_QUERY}"},
    ],
)
async def test_upload_without_a_valid_url_or_id_is_an_error_with_the_reason(
    serve: Serve, started: dict[str, Any]
) -> None:
    server = await serve(api("", started=started))
    async with server.client(retries=0) as client:
        with pytest.raises(errors.UploadError, match="no valid presigned_url") as caught:
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
    assert SIGNATURE not in printed(caught.value)
    assert caught.value.upload.to_dict() == {k: v for k, v in started.items() if v is not None}


async def test_upload_without_an_id_is_finished_by_its_url(serve: Serve) -> None:
    storage = await serve(one_after_the_other(stored))
    server = await serve(
        api("", started={"url": ONE + "/", "presigned_url": presigned(storage.port)})
    )
    async with server.client() as client:
        assert (await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")).id == "rbef01"
    assert server.requests[-1].raw_path == FINISH


async def test_file_that_is_truncated_during_the_upload_is_an_error(
    serve: Serve, time: FakeTime, invoice: Path, listen: Any
) -> None:
    storage = await listen()
    server = await serve(api(presigned(storage.port)))
    async with server.client(clock=time, sleep=time.sleep) as client:
        with pytest.raises(errors.UploadError, match="300000 of 600000 bytes are missing") as cut:
            await client.rebates.upload_evidence(
                invoice, **WHAT, progress=lambda *_: os.truncate(invoice, 300_000)
            )
    assert (storage.bodies, storage.connections, time.slept) == ([], 1, [])
    assert len(server.requests) == 1
    assert cut.value.upload.id == "rbef01"


async def test_file_that_grows_during_the_upload_is_sent_with_its_first_size(
    serve: Serve, invoice: Path
) -> None:
    there = await world(serve)

    def grow(*_: int) -> None:
        with invoice.open("ab") as opened:
            opened.write(b"more")

    async with there.client() as client:
        await client.rebates.upload_evidence(invoice, **WHAT, progress=grow)
    [put] = there.storage.requests
    assert put.body == DATA


async def test_file_that_is_closed_during_the_upload_is_an_error(
    serve: Serve, time: FakeTime, invoice: Path, listen: Any
) -> None:
    storage = await listen()
    server = await serve(api(presigned(storage.port)))
    async with server.client(clock=time, sleep=time.sleep) as client:
        opened = invoice.open("rb")
        with pytest.raises(errors.UploadError, match="the file could not be read"):
            await client.rebates.upload_evidence(opened, **WHAT, progress=lambda *_: opened.close())
    assert (storage.bodies, time.slept) == ([], [])


async def test_exception_of_progress_reaches_the_caller(
    serve: Serve, time: FakeTime, invoice: Path, listen: Any
) -> None:
    class EnoughError(Exception):
        pass

    def byte_count(sent: int, _: int) -> None:
        if sent:
            raise EnoughError

    storage = await listen()
    server = await serve(api(presigned(storage.port)))
    async with server.client(clock=time, sleep=time.sleep) as client:
        with pytest.raises(EnoughError):
            await client.rebates.upload_evidence(invoice, **WHAT, progress=byte_count)
        assert (storage.bodies, storage.connections, time.slept) == ([], 1, [])
        assert (await client.rebates.upload_evidence(invoice, **WHAT)).id == "rbef01"


async def test_closed_client_uploads_nothing(serve: Serve, invoice: Path) -> None:
    there = await world(serve)
    client = there.client()
    await client.close()
    upload = RebateEvidenceUpload(id="rbef01", presigned_url=presigned(there.storage.port))
    with pytest.raises(errors.ClientClosedError):
        await client.rebates.upload_evidence(invoice, **WHAT)
    with pytest.raises(errors.ClientClosedError):
        await client.rebates.resume_upload(upload, invoice)
    assert there.api.requests == there.storage.requests == []


async def test_client_that_is_closed_during_an_upload_does_not_retry(serve: Serve) -> None:
    there = await world(serve, answers(503))
    client = there.client(sleep=lambda _: client.close())
    with pytest.raises(errors.ClientClosedError):
        await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
    assert len(there.storage.requests) == 1


@pytest.mark.parametrize("form", ["path", "open file"])
async def test_cancelled_upload_ends_at_once_and_the_client_stays_usable(
    serve: Serve, invoice: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    really_open = Path.open

    def note(path: Path, *args: Any) -> Any:
        opened.append(really_open(path, *args))
        return opened[-1]

    monkeypatch.setattr(Path, "open", note)
    started, remaining = asyncio.Event(), asyncio.Event()

    async def slow_once(_: web.Request) -> web.Response:
        if started.is_set():
            return web.Response()
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            remaining.set()
        raise AssertionError

    storage = await serve(slow_once)
    server = await serve(api(presigned(storage.port)))
    file = invoice if form == "path" else invoice.open("rb")
    async with server.client() as client:
        call = asyncio.ensure_future(client.rebates.upload_evidence(file, **WHAT))
        await started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await remaining.wait()
        assert [one.closed for one in opened] == [form == "path"]
        assert (await client.rebates.upload_evidence(file, **WHAT)).id == "rbef01"
        assert [one.closed for one in opened] == [form == "path"] * len(opened)
    assert storage.requests[-1].body == DATA
    opened[0].close()


@pytest.mark.parametrize("reply", [stored, answers(403), reset])
async def test_file_that_the_client_opened_is_closed(
    serve: Serve, invoice: Path, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    really_open = Path.open

    def note(path: Path, *args: Any) -> Any:
        opened.append(really_open(path, *args))
        return opened[-1]

    monkeypatch.setattr(Path, "open", note)
    there = await world(serve, reply)
    async with there.client(retries=0) as client:
        if reply is stored:
            await client.rebates.upload_evidence(invoice, **WHAT)
        else:
            with pytest.raises(errors.UploadError):
                await client.rebates.upload_evidence(invoice, **WHAT)
    assert opened
    assert all(one.closed for one in opened)


# --- Secrets ------------------------------------------------------------------


def printed(error: BaseException) -> str:
    """Return everything that is printed of an error by default."""
    return "\n".join([str(error), repr(error), *traceback.format_exception(error)])


async def test_presigned_url_without_https_is_refused_by_a_client_with_https(
    time: FakeTime,
) -> None:
    start = "https://api.ev.energy/v2/rebate_evidence_files:start_upload?user_rebate=rbtu01"
    url = f"http://storage.example/file?{SECRET_QUERY}"
    with aioresponses() as mocked:
        mocked.post(
            start,
            payload={"id": "rbef01", "url": ONE, "presigned_url": url},
            status=201,
            response_class=MockableResponse,
        )
        async with Client(TOKEN, clock=time, sleep=time.sleep) as client:
            with pytest.raises((ValueError, errors.UploadError), match="not https") as caught:
                await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
        assert mocked.requests.keys() == {("POST", URL(start))}
    assert SIGNATURE not in printed(caught.value)


async def test_presigned_url_and_token_are_in_no_message_or_log(
    serve: Serve, time: FakeTime, invoice: Path, listen: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    records: list[str] = []

    async def go_wrong(port: int, file: Any = b"1", **more: Any) -> None:
        server = await serve(api(presigned(port)))
        async with server.client(clock=time, sleep=time.sleep, retries=1) as client:
            with pytest.raises(errors.UploadError) as caught:
                await client.rebates.upload_evidence(file, **WHAT, file_name="a", **more)
            records.append(printed(caught.value))
            with pytest.raises(errors.UploadError) as again:
                await client.rebates.resume_upload(caught.value.upload, file, **more)
            records.append(printed(again.value))

    for reply in (answers(403), answers(503), answers(307, headers={"Location": "/"}), reset):
        await go_wrong((await world(serve, reply)).storage.port)
    await go_wrong(1)
    await go_wrong((await listen(100_000, 100_000, 100_000, 100_000)).port, DATA)

    def shorten(*_: int) -> None:
        os.truncate(invoice, invoice.stat().st_size // 2)

    await go_wrong((await listen()).port, invoice, progress=shorten)
    there = await world(serve, finishes=(answers(500),))
    async with there.client() as client:
        with pytest.raises(errors.UploadError) as caught:
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
        records += [printed(caught.value), repr(client.rebates)]
    # The servers of this process log their requests as well.
    logged = [r for r in caplog.records if not r.name.startswith(("aiohttp.", "asyncio"))]
    assert {record.name for record in logged} >= {"ev_energy"}
    records += [record.getMessage() for record in logged]
    assert len(records) > 20
    for text in records:
        assert SIGNATURE not in text
        assert TOKEN not in text


async def test_capture_contains_only_the_calls_of_the_api(serve: Serve) -> None:
    there = await world(serve)
    async with there.client() as client:
        with client.capture() as calls:
            await client.rebates.upload_evidence(b"1", **WHAT, file_name="a")
    assert [call.request.label for call in calls] == [f"POST {START}", f"POST {FINISH}"]
    assert len(there.storage.requests) == 1


# --- The blocking client ------------------------------------------------------


async def test_blocking_client_uploads_files(serve: Serve, invoice: Path) -> None:
    there = await world(serve, answers(403), stored)
    records: list[tuple[int, int]] = []

    def upload() -> RebateEvidenceFile:
        def progress(sent: int, total: int) -> None:
            records.append((sent, total))

        with ev_energy_sync.Client(TOKEN, base_url=there.api.url) as client:
            with pytest.raises(errors.UploadError) as caught:
                client.rebates.upload_evidence(invoice, **WHAT, progress=progress)
            records.clear()
            return client.rebates.resume_upload(caught.value.upload, invoice, progress=progress)

    done = await asyncio.to_thread(upload)
    assert done == RebateEvidenceFile(id="rbef01", url=ONE)
    assert there.storage.requests[-1].body == DATA
    assert records[0] == (0, len(DATA))
    assert records[-1] == (len(DATA), len(DATA))
