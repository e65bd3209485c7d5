"""Where the bytes of evidence files go: a stand-in for the bucket that signed URLs lead to.

Only the size and the type of a file are kept. As with the real thing the signature is the only
key: a request that also brings a token is refused.
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from aiohttp import hdrs, web

from ev_energy.simulator.clock._instants import micros, read_instant

if TYPE_CHECKING:
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


#: How long a signed URL is good.
LIFETIME: Final = timedelta(hours=1)
_FOLDER: Final = "rebate_evidence_files"
_PIECE: Final = 2**16


def file_url(root: str, row: Row) -> str:
    """Return where a file is, on the host that serves the API at ``root``."""
    return f"{root.removesuffix('/v2')}/uploads/{row['id']}"


def presigned_url(root: str, row: Row) -> str:
    """Return the URL that a file can be put to for a while."""
    return f"{file_url(root, row)}?{urlencode(_signed(row))}"


def _signed(row: Row) -> dict[str, str]:
    expires = str(micros(read_instant(row["_expires_at"])) // 1_000_000)
    signature: str = row["_upload_key"]
    return {"AWSAccessKeyId": "SIMULATED", "Expires": expires, "Signature": signature}


def install(app: web.Application, world: World) -> None:
    """Serve signed URLs."""

    async def receive(request: web.Request) -> web.Response:
        row = world.tables[_FOLDER].get(request.match_info["file_id"])
        if request.method != hdrs.METH_PUT:
            return _refusal(405, "MethodNotAllowed", "Only PUT will do here.", Allow="PUT")
        if hdrs.AUTHORIZATION in request.headers:
            text = "The signature is the only key; send no Authorization header."
            return _refusal(400, "InvalidArgument", text)
        if row is None or not _is_signed(row, request):
            return _refusal(403, "SignatureDoesNotMatch", "This is not a URL that was given out.")
        if world.service_clock() >= read_instant(row["_expires_at"]):
            return _refusal(403, "AccessDenied", "The URL has expired.")
        size = 0
        async for piece in request.content.iter_chunked(_PIECE):
            size += len(piece)
        world.update(row, _upload={"size": size, "type": request.content_type})
        return web.Response()

    app.router.add_route("*", "/uploads/{file_id}", receive)


def _is_signed(row: Row, request: web.Request) -> bool:
    if "_upload_key" not in row:  # a row of the world's history, which no URL was given out for
        return False
    return all(
        hmac.compare_digest(request.query.get(name, "").encode(), text.encode())
        for name, text in _signed(row).items()
    )


def _refusal(status: int, code: str, text: str, **headers: str) -> web.Response:
    body = f"<Error><Code>{code}</Code><Message>{escape(text)}</Message></Error>"
    return web.Response(
        status=status, text=body, content_type="application/xml", headers=headers or None
    )
