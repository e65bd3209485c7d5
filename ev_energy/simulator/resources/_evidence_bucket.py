"""The bucket that presigned URLs of evidence files lead to.

It stores only the size and the type of a file. As with object storage services, the signature is
the only credential: a request with an Authorization header, too, is refused.
"""

from __future__ import annotations

import hmac
import html
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from aiohttp import hdrs, web

from ev_energy.simulator.clock._instants import micros, read_instant

if TYPE_CHECKING:
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: How long a presigned URL is valid.
LIFETIME: Final = timedelta(hours=1)
_FOLDER: Final = "rebate_evidence_files"
_CHUNK_SIZE: Final = 2**16


def file_url(root: str, row: Row) -> str:
    """Return the URL of a file, on the host that serves the API at *root*."""
    return f"{root.removesuffix('/v2')}/uploads/{row['id']}"


def presigned_url(root: str, row: Row) -> str:
    """Return the URL that accepts a PUT of the file until it expires."""
    return f"{file_url(root, row)}?{urlencode(_signature_parameters(row))}"


def _signature_parameters(row: Row) -> dict[str, str]:
    expires = str(micros(read_instant(row["_expires_at"])) // 1_000_000)
    signature: str = row["_upload_key"]
    return {"AWSAccessKeyId": "SIMULATED", "Expires": expires, "Signature": signature}


def add_routes(app: web.Application, world: World) -> None:
    """Add the route of presigned URLs to *app*."""

    async def receive(request: web.Request) -> web.Response:
        row = world.tables[_FOLDER].get(request.match_info["file_id"])
        if request.method != hdrs.METH_PUT:
            return _error_reply(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "Presigned URLs accept only PUT.",
                Allow="PUT",
            )
        if hdrs.AUTHORIZATION in request.headers:
            text = "The signature authorizes the request; send no Authorization header."
            return _error_reply(HTTPStatus.BAD_REQUEST, "InvalidArgument", text)
        if row is None or not _has_valid_signature(row, request):
            text = "The URL does not have a valid signature."
            return _error_reply(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", text)
        if world.service_clock() >= read_instant(row["_expires_at"]):
            return _error_reply(HTTPStatus.FORBIDDEN, "AccessDenied", "The URL has expired.")
        size = 0
        async for chunk in request.content.iter_chunked(_CHUNK_SIZE):
            size += len(chunk)
        world.update(row, _upload={"size": size, "type": request.content_type})
        return web.Response()

    app.router.add_route("*", "/uploads/{file_id}", receive)


def _has_valid_signature(row: Row, request: web.Request) -> bool:
    if "_upload_key" not in row:  # files of the seeded world have no presigned URL
        return False
    return all(
        hmac.compare_digest(request.query.get(name, "").encode(), text.encode())
        for name, text in _signature_parameters(row).items()
    )


def _error_reply(status: int, code: str, text: str, **headers: str) -> web.Response:
    body = f"<Error><Code>{code}</Code><Message>{html.escape(text, quote=False)}</Message></Error>"
    return web.Response(
        status=status, text=body, content_type="application/xml", headers=headers or None
    )
