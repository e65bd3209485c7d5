"""Uploading evidence for a rebate: start the upload, send the file, finish the upload."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from yarl import URL

from ev_energy._arguments import describe_type, require_seconds, require_text
from ev_energy._callbacks import plain_function
from ev_energy._codec.id_check import kind_of
from ev_energy._codec.text import id_text
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.tracebacks import Secret
from ev_energy.errors import EvEnergyError, LimitError, TransportError, UploadError
from ev_energy.models._refs import Id
from ev_energy.resources._base import Workflow
from ev_energy.resources._constraints import absolute_url
from ev_energy.resources._uploads import (
    FileFault,
    FileInput,
    ProgressCallback,
    UploadSource,
    is_storage_reply,
    put_file,
)
from ev_energy.resources.rebates import RebateEvidenceFiles

if TYPE_CHECKING:
    from ev_energy.models.rebates import (
        RebateEvidenceFile,
        RebateEvidenceType,
        RebateEvidenceUpload,
        UserRebate,
        UserRebateCreated,
    )

#: RFC 9110 §8.3.1: a type, a subtype and parameters, in printable ASCII.
_MEDIA_TYPE: Final = re.compile(
    r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+(?:[ \t]*;[ -~]*)?", re.ASCII
)


class Rebates(Workflow):
    """Operations on rebates that take several calls. Each single call is in its own family."""

    async def upload_evidence(
        self,
        file: FileInput,
        *,
        user_rebate: Id[UserRebate | UserRebateCreated],
        rebate_evidence_type: Id[RebateEvidenceType],
        file_name: str | None = None,
        content_type: str | None = None,
        progress: ProgressCallback | None = None,
        timeout: float = 600.0,
    ) -> RebateEvidenceFile:
        """Upload a file as evidence for a user's rebate; return the file's id and URL.

        The file is sent to a storage service outside the API, which does not get the token. It is
        streamed, and sent again from its start after a connection fault, according to the client's
        *retries*. If the file does not arrive, or the API cannot be told that it did, this raises
        `UploadError`, whose ``upload`` can be passed to `resume_upload`.

        Args:
            file: A path, the bytes, or an open, seekable binary file, which is sent from its
                current position and stays open.
            user_rebate: The user's rebate that the file is evidence for.
            rebate_evidence_type: The type of the evidence.
            file_name: The name of the file; by default, its name on disk.
            content_type: The header ``Content-Type`` for the storage; by default, it is not sent.
            progress: Called with the bytes sent so far and their total, on the thread that the
                client runs on.
            timeout: Seconds for one attempt to send the file.
        """
        _check_options(content_type, progress, timeout)
        id_text("user_rebate", user_rebate, kind_of("UserRebate"))
        id_text("rebate_evidence_type", rebate_evidence_type, kind_of("RebateEvidenceType"))
        with UploadSource.open(file) as source:
            name = require_text("file_name", file_name or source.name or "")
            if not name:
                raise ValueError("file_name must be given, because the file has no name on disk")
            upload = await RebateEvidenceFiles(self._caller).start_upload(
                user_rebate=user_rebate, rebate_evidence_type=rebate_evidence_type, file_name=name
            )
            return await self._send_and_finish(upload, source, content_type, progress, timeout)

    async def resume_upload(
        self,
        upload: RebateEvidenceUpload,
        file: FileInput,
        *,
        storage: str | URL | None = None,
        content_type: str | None = None,
        progress: ProgressCallback | None = None,
        timeout: float = 600.0,
    ) -> RebateEvidenceFile:
        """Send the file of an upload that was started, and finish the upload.

        Use it after an `UploadError`, with its ``upload`` and the same file. The file is sent from
        its start, even if it had arrived before. The presigned URL expires; if the storage refuses
        it, start a new upload.

        Args:
            upload: The upload that `upload_evidence` or `start_upload` started.
            file: The same file.
            storage: The origin that the file may be sent to, such as
                ``"https://bucket.s3.eu-west-1.amazonaws.com"``. If *upload* was restored from text,
                nothing else proves that its URL came from the API. If the URL has another origin,
                this raises `ValueError` and sends nothing.
            content_type: As in `upload_evidence`.
            progress: As in `upload_evidence`.
            timeout: As in `upload_evidence`.
        """
        _check_options(content_type, progress, timeout)
        _check_upload(upload, storage)
        with UploadSource.open(file) as source:
            return await self._send_and_finish(upload, source, content_type, progress, timeout)

    async def _send_and_finish(
        self,
        upload: RebateEvidenceUpload,
        source: UploadSource,
        content_type: str | None,
        progress: ProgressCallback | None,
        timeout: float,
    ) -> RebateEvidenceFile:
        url, id_or_url = upload.presigned_url, upload.id or upload.url
        if not url or not _is_http_url(url) or not id_or_url or not _is_id(id_or_url):
            raise UploadError(
                "the upload has no valid presigned_url or no valid id; start a new one", upload
            )
        is_https, target = URL(url).scheme == "https", Secret(url)
        del url  # it is a secret, and tools print the local variables of this frame
        if not is_https and self._caller.state.base_url.scheme == "https":
            raise UploadError(
                "the presigned_url is not https, so the file would be sent unencrypted", upload
            )
        try:
            response = await put_file(
                self._caller.state.http,
                self._caller.options,
                target,
                source,
                content_type=content_type,
                progress=progress,
                timeout=timeout,
            )
        except FileFault as fault:
            raise UploadError(str(fault), upload) from fault
        except (TransportError, LimitError) as error:
            reason = error.__cause__ or error  # the cause's message does not contain the URL
            message = f"the file did not arrive at the storage: {reason}"
            raise UploadError(message, upload, request_id=error.request_id) from reason
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            raise UploadError(
                f"the storage answered {response.status} {printable(response.reason, 100)}",
                upload,
                response.status,
                response.body,
                response.request_id,
            )
        if not is_storage_reply(response):
            message = (
                f"the reply ({response.status}) is not from a storage service: a proxy or a "
                "captive portal may have sent it"
            )
            raise UploadError(message, upload, response.status, response.body, response.request_id)
        try:
            return await RebateEvidenceFiles(self._caller).finish_upload(id_or_url)
        except EvEnergyError as error:
            raise UploadError(
                f"the file arrived, but the upload could not be finished: {error}",
                upload,
                request_id=error.request_id,
            ) from error


def _check_options(
    content_type: object, progress: ProgressCallback | None, timeout: object
) -> None:
    """Validate these arguments before the upload is started, so that none is started in vain."""
    if content_type is not None and not _MEDIA_TYPE.fullmatch(
        require_text("content_type", content_type)
    ):
        raise ValueError(
            f"content_type must be a media type such as 'application/pdf', not {content_type!r:.80}"
        )
    plain_function("progress", progress)
    require_seconds("timeout", timeout)


def _check_upload(upload: object, storage: str | URL | None) -> None:
    """Check the type of *upload*, and that the origin of its URL is *storage*."""
    from ev_energy.models.rebates import RebateEvidenceUpload

    if not isinstance(upload, RebateEvidenceUpload):
        raise TypeError(
            f"upload must be a RebateEvidenceUpload, not {describe_type(upload)}; "
            "restore a saved one with RebateEvidenceUpload.from_dict()"
        )
    allowed, url = absolute_url("storage", storage), upload.presigned_url
    if allowed is None or not _is_http_url(url):
        return
    if URL(str(url)).origin() != URL(allowed).origin():
        raise ValueError(
            f"the presigned_url of the upload has another origin than storage, which is "
            f"{URL(allowed).origin()}"
        )


def _is_id(value: object) -> bool:
    """Return whether *value* is an id, or a URL that ends in one."""
    try:
        return bool(id_text("upload", value))
    except (TypeError, ValueError):
        return False


def _is_http_url(value: object) -> bool:
    """Return whether *value* is an absolute HTTP URL. A reply may contain any JSON in its place."""
    try:
        return (
            isinstance(value, str)
            and URL(value).absolute
            and URL(value).scheme in {"http", "https"}
        )
    except ValueError:
        return False
