"""Uploading evidence for a rebate: start, put the bytes, finish."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from yarl import URL

from ev_energy._arguments import describe_type, require_text
from ev_energy._codec.text import id_text
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.tracebacks import Secret
from ev_energy.errors import EvEnergyError, LimitError, TransportError, UploadError
from ev_energy.models._refs import Id
from ev_energy.resources._base import Workflow
from ev_energy.resources._constraints import absolute_url
from ev_energy.resources._uploads import File, FileFault, Progress, Source, is_a_storages, put
from ev_energy.resources.rebates import RebateEvidenceFiles

if TYPE_CHECKING:
    from ev_energy.models.rebates import (
        RebateEvidenceFile,
        RebateEvidenceType,
        RebateEvidenceUpload,
        UserRebate,
        UserRebateCreated,
    )

#: RFC 9110 §8.3.1: a type, a subtype and parameters, in the visible letters of ASCII.
_MEDIA_TYPE: Final = re.compile(
    r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+(?:[ \t]*;[ -~]*)?", re.ASCII
)


class Rebates(Workflow):
    """What several calls do together for a rebate. The single calls are families of their own."""

    async def upload_evidence(
        self,
        file: File,
        *,
        user_rebate: Id[UserRebate | UserRebateCreated],
        rebate_evidence_type: Id[RebateEvidenceType],
        file_name: str | None = None,
        content_type: str | None = None,
        progress: Progress | None = None,
        timeout: float = 600.0,
    ) -> RebateEvidenceFile:
        """Upload a file as evidence for a user's rebate; what comes back has its id and URL.

        The bytes go to a storage outside the API, which gets no token. They are streamed, and sent
        anew after a fault, as often as the client's *retries* say. If they do not arrive, or the
        API does not take note of it, `UploadError` has what `resume_upload` needs to go on.

        Args:
            file: A path, the bytes, or a binary file, from where it stands on. A file must be one
                that can be rewound, and stays open.
            user_rebate: Whose rebate it is evidence for.
            rebate_evidence_type: What kind of evidence it is.
            file_name: What the file is called; left out, its own name.
            content_type: Sent to the storage as ``Content-Type``; left out, none is.
            progress: Called with the bytes sent so far and their number in all; from the thread
                that the client runs on.
            timeout: Seconds for one attempt to put the bytes.
        """
        _check(content_type, progress, timeout)
        id_text("user_rebate", user_rebate)
        id_text("rebate_evidence_type", rebate_evidence_type)
        with Source.of(file) as source:
            name = require_text("file_name", file_name or source.name or "")
            if not name:
                raise ValueError("file_name must be given: the file has no name of its own")
            upload = await RebateEvidenceFiles(self._caller).start_upload(
                user_rebate=user_rebate, rebate_evidence_type=rebate_evidence_type, file_name=name
            )
            return await self._go_on(upload, source, content_type, progress, timeout)

    async def resume_upload(
        self,
        upload: RebateEvidenceUpload,
        file: File,
        *,
        storage: str | URL | None = None,
        content_type: str | None = None,
        progress: Progress | None = None,
        timeout: float = 600.0,
    ) -> RebateEvidenceFile:
        """Put the bytes of an upload that was started, and finish it.

        After an `UploadError`, with its ``.upload`` and the same file. The bytes are put from the
        start; that does no harm where they had arrived. The presigned URL does not last for ever:
        once the storage refuses it, start again.

        Args:
            upload: The upload as `upload_evidence` or `start_upload` announced it.
            file: The same file.
            storage: The origin that the file may go to, such as
                ``"https://bucket.s3.eu-west-1.amazonaws.com"``. Nothing proves where an *upload*
                that was restored from text would send the file: with this, an *upload* that names
                another origin is a ``ValueError``, and nothing is sent.
            content_type: As in `upload_evidence`.
            progress: As in `upload_evidence`.
            timeout: As in `upload_evidence`.
        """
        _check(content_type, progress, timeout)
        _check_upload(upload, storage)
        with Source.of(file) as source:
            return await self._go_on(upload, source, content_type, progress, timeout)

    async def _go_on(
        self,
        upload: RebateEvidenceUpload,
        source: Source,
        content_type: str | None,
        progress: Progress | None,
        timeout: float,
    ) -> RebateEvidenceFile:
        url, named = upload.presigned_url, upload.id or upload.url
        if not url or not _is_on_the_web(url) or not named or not _is_id(named):
            raise UploadError("the API did not say where to put the file, or its id", upload)
        is_https, target = URL(url).scheme == "https", Secret(url)
        del url  # it is a secret, and tools print the local variables of this frame
        if not is_https and self._caller.state.base_url.scheme == "https":
            raise UploadError("the URL for the file is not https: it would go in the clear", upload)
        try:
            response = await put(
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
            reason = error.__cause__ or error  # without the URL in the message of a call's error
            message = f"the file did not arrive at the storage: {reason}"
            raise UploadError(message, upload) from reason
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            raise UploadError(
                f"the storage answered {response.status} {printable(response.reason, 100)}",
                upload,
                response.status,
                response.body,
            )
        if not is_a_storages(response):
            message = (
                f"the reply ({response.status}) is not a storage's: a proxy or a captive portal "
                "may have sent it"
            )
            raise UploadError(message, upload, response.status, response.body)
        try:
            return await RebateEvidenceFiles(self._caller).finish_upload(named)
        except EvEnergyError as error:
            raise UploadError(
                f"the file arrived, but the upload could not be finished: {error}", upload
            ) from error


def _check(content_type: object, progress: object, timeout: object) -> None:
    """Refuse what the storage would be sent in vain, before a file is announced to the API."""
    if content_type is not None and not _MEDIA_TYPE.fullmatch(
        require_text("content_type", content_type)
    ):
        raise ValueError(
            f"content_type must be a media type such as 'application/pdf', not {content_type!r:.80}"
        )
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a function, not {describe_type(progress)}")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds, not {describe_type(timeout)}")
    if not timeout > 0:
        raise ValueError(f"timeout must be more than 0 seconds, not {timeout}")


def _check_upload(upload: object, storage: str | URL | None) -> None:
    """Refuse an *upload* that is none, or that names another origin than *storage*."""
    from ev_energy.models.rebates import RebateEvidenceUpload

    if not isinstance(upload, RebateEvidenceUpload):
        raise TypeError(
            f"upload must be a RebateEvidenceUpload, not {describe_type(upload)}; "
            "its from_dict() takes what its to_dict() gave"
        )
    allowed, url = absolute_url("storage", storage), upload.presigned_url
    if allowed is None or not _is_on_the_web(url):
        return
    if URL(str(url)).origin() != URL(allowed).origin():
        raise ValueError(f"the upload names another storage than {URL(allowed).origin()}")


def _is_id(named: object) -> bool:
    """Return whether *named* is an id, or a URL that ends in one."""
    try:
        return bool(id_text("upload", named))
    except (TypeError, ValueError):
        return False


def _is_on_the_web(url: object) -> bool:
    """Return whether bytes can be put to *url*: a reply may hold anything in its place."""
    try:
        return isinstance(url, str) and URL(url).absolute and URL(url).scheme in {"http", "https"}
    except ValueError:
        return False
