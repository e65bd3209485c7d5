"""Invalid arguments of uploads are refused before the upload starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import errors
from ev_energy.models import RebateEvidenceUpload
from tests.helpers.recording_server import RecordingServer
from tests.helpers.support import TOKEN

SECRET_QUERY = "X-Signature=s1gnature"
WHAT: dict[str, Any] = {
    "user_rebate": "rbtu01",
    "rebate_evidence_type": "rbet01",
    "file_name": "a.pdf",
}


@attrs.define
class Setup:
    """An API whose uploads go to a storage on another port."""

    api: RecordingServer
    storage: RecordingServer

    @property
    def presigned(self) -> str:
        return f"http://127.0.0.1:{self.storage.port}/bucket/a?{SECRET_QUERY}"

    @property
    def stored(self) -> dict[str, Any]:
        """The resume data as an application stores it, in a database or a queue."""
        upload = RebateEvidenceUpload(id="rbef01", presigned_url=self.presigned)
        return upload.to_dict()


@pytest.fixture
async def setup(serve: Callable[..., Awaitable[RecordingServer]]) -> Setup:
    async def accept_file(_: web.Request) -> web.Response:
        return web.Response()

    async def api(request: web.Request) -> web.Response:
        body = {"id": "rbef01", "url": "https://x/v2/rebate_evidence_files/rbef01"}
        if request.path.endswith(":start_upload"):
            body["presigned_url"] = there.presigned
        return web.json_response(body, status=201)

    there = Setup(await serve(api), await serve(accept_file))
    return there


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"content_type": "text/plain\r\nX-Evil: 1"}, ValueError, "content_type must be a media type"),
    ({"content_type": "a/b\0"}, ValueError, "content_type must be a media type"),
    ({"content_type": "text/plain; a=\x7f"}, ValueError, "content_type must be a media type"),
    ({"content_type": "pdf"}, ValueError, "content_type must be a media type"),
    ({"content_type": "application/"}, ValueError, "content_type must be a media type"),
    ({"content_type": "image/é"}, ValueError, "content_type must be a media type"),
    ({"content_type": ""}, ValueError, "content_type must be a media type"),
    ({"content_type": b"a/b"}, TypeError, "content_type must be a str, not bytes"),
    ({"progress": 5}, TypeError, "progress must be a function, not an int"),
    ({"timeout": "5"}, TypeError, "timeout must be a number of seconds, not a str"),
    ({"timeout": None}, TypeError, "timeout must be a number of seconds, not None"),
    ({"timeout": 0}, ValueError, "timeout must be more than 0"),
]
ANNOUNCED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"file_name": b"a.pdf"}, TypeError, "file_name must be a str, not bytes"),
    ({"user_rebate": None}, TypeError, "user_rebate must be a UserRebate, its id"),
    ({"user_rebate": "../users"}, ValueError, "user_rebate='../users' is not an id"),
    (
        {"rebate_evidence_type": b"rbet"},
        TypeError,
        "rebate_evidence_type must be a RebateEvidenceType, its id",
    ),
]


@pytest.mark.parametrize(("change", "kind", "message"), [*WRONG, *ANNOUNCED])
async def test_wrong_argument_is_refused_before_the_file_is_announced(
    setup: Setup, change: dict[str, Any], kind: type[Exception], message: str
) -> None:
    async with setup.api.client() as client:
        with pytest.raises(kind, match=message):
            await client.rebates.upload_evidence(b"x", **{**WHAT, **change})
    assert setup.api.requests == setup.storage.requests == []


@pytest.mark.parametrize(("change", "kind", "message"), WRONG)
async def test_wrong_argument_is_refused_before_an_upload_is_resumed(
    setup: Setup, change: dict[str, Any], kind: type[Exception], message: str
) -> None:
    upload = RebateEvidenceUpload.from_dict(setup.stored)
    async with setup.api.client() as client:
        with pytest.raises(kind, match=message):
            await client.rebates.resume_upload(upload, b"x", **change)
    assert setup.api.requests == setup.storage.requests == []


@pytest.mark.parametrize(
    "content_type",
    ["application/pdf", "text/plain; charset=utf-8", 'a/b;c="d e"', "image/svg+xml", "a.b/c-d"],
)
async def test_media_type_reaches_the_storage_unchanged(setup: Setup, content_type: str) -> None:
    async with setup.api.client() as client:
        await client.rebates.upload_evidence(b"x", **WHAT, content_type=content_type)
    [put] = setup.storage.requests
    assert put.headers["Content-Type"] == content_type


async def test_restored_uploads_are_sent_only_to_the_storage_that_the_caller_names(
    setup: Setup,
) -> None:
    forged = {**setup.stored, "presigned_url": f"http://127.0.0.1:9/steal?{SECRET_QUERY}"}
    storage = f"http://127.0.0.1:{setup.storage.port}"
    async with setup.api.client(retries=0) as client:
        with pytest.raises(
            ValueError, match="another origin than storage, which is http://127"
        ) as caught:
            await client.rebates.resume_upload(
                RebateEvidenceUpload.from_dict(forged), b"x", storage=storage
            )
        assert "steal" not in str(caught.value)
        assert setup.api.requests == setup.storage.requests == []
        upload = RebateEvidenceUpload.from_dict(setup.stored)
        done = await client.rebates.resume_upload(upload, b"x", storage=f"{storage}/")
    assert done.id == "rbef01"
    assert [seen.body for seen in setup.storage.requests] == [b"x"]


@pytest.mark.parametrize("named", ["../users/u", "a/b", "..", "", 5, ["rbef01"], None])
async def test_forged_upload_calls_no_other_path_and_sends_no_file(
    setup: Setup, named: Any
) -> None:
    upload = RebateEvidenceUpload.from_dict({**setup.stored, "id": named})
    async with setup.api.client(retries=0) as client:
        with pytest.raises(errors.UploadError, match="or no valid id"):
            await client.rebates.resume_upload(upload, b"x")
    assert setup.api.requests == setup.storage.requests == []


async def test_storage_never_gets_the_token_for_any_restored_upload(setup: Setup) -> None:
    upload = RebateEvidenceUpload.from_dict(
        {**setup.stored, "url": "https://evil.example/v2/x/rbef02"}
    )
    async with setup.api.client() as client:
        await client.rebates.resume_upload(upload, b"x")
    assert TOKEN not in str(setup.storage.requests)
    assert [seen.raw_path for seen in setup.api.requests] == [
        "/v2/rebate_evidence_files/rbef01:finish_upload"
    ]


async def test_upload_must_be_restored_with_from_dict(setup: Setup) -> None:
    async with setup.api.client() as client:
        with pytest.raises(TypeError, match="upload must be a RebateEvidenceUpload, not a dict"):
            await client.rebates.resume_upload(setup.stored, b"x")  # type: ignore[arg-type]  # wrong


async def test_blocking_client_refuses_the_same(setup: Setup) -> None:
    with (
        ev_energy_sync.Client(TOKEN, base_url=setup.api.url) as client,
        pytest.raises(ValueError, match="content_type must be a media type"),
    ):
        client.rebates.upload_evidence(b"x", **WHAT, content_type="a/b\n")
    assert setup.api.requests == []
