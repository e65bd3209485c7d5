"""Only genuine replies confirm a write, not those of a captive portal or a proxy."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import Client, errors
from tests.helpers.names import assert_same_names
from tests.helpers.recording_server import Handler, RecordingServer

Serve = Callable[[Handler], Awaitable[RecordingServer]]

LOGIN_PAGE = b"<!DOCTYPE html>\n<html><body>Please log in to the Wi-Fi of the hotel</body></html>"
URL = "https://api.ev.energy/v2/evses/evse01"
EVSE = {"id": "evse01", "url": URL, "cpid": "c"}

#: The methods without a result, and `vehicles.delete`, whose result is optional.
CALLS: dict[str, Callable[[Any], Any]] = {
    "users.delete_payout_method": lambda c: c.users.delete_payout_method("user01"),
    "users.delete_saved_route": lambda c: c.users.delete_saved_route("user01", "rout01"),
    "evses.delete": lambda c: c.evses.delete("evse01"),
    "vehicles.delete": lambda c: c.vehicles.delete("vhcl01"),
    "vehicle_onboarding.onboarding_link": lambda c: c.vehicle_onboarding.onboarding_link(
        email="a@example.com", make="vmak01"
    ),
    "user_rebates.submit": lambda c: c.user_rebates.submit("rbtu01"),
    "programs.user_verification": lambda c: c.programs.user_verification(
        "prog01", details={"name": "A"}
    ),
    "programs.accept_participation_agreement_version": lambda c: (
        c.programs.accept_participation_agreement_version("prog01", "part01")
    ),
    "programs.post_enrollment_verification": lambda c: c.programs.post_enrollment_verification(
        "prog01", details={"name": "A"}
    ),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


async def called(server: RecordingServer, call: Callable[[Any], Any], **settings: Any) -> list[Any]:
    """Return the results or errors of *call* with both clients."""
    found: list[Any] = []
    async with server.client(retries=0, **settings) as client:
        try:
            found.append(await call(client))
        except errors.EvEnergyError as error:
            found.append(error)

    def block() -> Any:
        with ev_energy_sync.Client("a-token", base_url=server.url, retries=0, **settings) as client:
            try:
                return call(client)
            except errors.EvEnergyError as error:
                return error

    return [*found, await asyncio.to_thread(block)]


def answering(
    status: int = 200, body: bytes = b"", content_type: str | None = None, **headers: str
) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        named = {"Content-Type": content_type} if content_type else {}
        return web.Response(status=status, body=body, headers={**named, **headers})

    return answer


def test_methods_without_a_result_are_all_tested() -> None:
    from ev_energy._operations import operation_table

    without = {o.call for o in operation_table() if o.kind == "none" or o.model == "Counts"}
    assert_same_names(
        CALLS,
        without,
        missing="the method has no result; add a call of it to CALLS",
        unexpected="the method has a result or does not exist; take it out of CALLS",
    )


@pytest.mark.matrix("body")
@every_call
@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (200, LOGIN_PAGE, "text/html"),
        (201, LOGIN_PAGE, "text/html; charset=utf-8"),
        (202, LOGIN_PAGE, "text/html"),
        (203, LOGIN_PAGE, "application/json"),
        (200, b"OK", "text/plain"),
        (200, b"<xml/>", "application/xml"),
        (200, b"\xff\xfe\x00", "application/octet-stream"),
        (200, b'{"a": ', "application/json"),
        (200, b'{"title": "Not allowed", "status": 403}', "application/problem+json"),
    ],
)
async def test_html_page_does_not_confirm_a_write(
    serve: Serve, call: Callable[[Any], Any], status: int, body: bytes, content_type: str
) -> None:
    server = await serve(answering(status, body, content_type))
    for error in await called(server, call):
        assert type(error) is errors.DecodeError
        assert "it may or may not have been carried out" in str(error)
        assert content_type in str(error)
        assert (error.status, error.body) == (status, body)
        assert error.request.is_write
        assert pickle.loads(pickle.dumps(error)).body == body
    assert len(server.requests) == 2  # an unconfirmed write is not repeated


CONFIRMING = [b"", b"  \r\n", b"{}", b'{"remaining": 0}']
#: Bodies that `vehicles.delete`, which expects an object, refuses or reports as drift.
CONFIRMING_ANYTHING = [b"null", b'\xef\xbb\xbf{"remaining": 1}']


@pytest.mark.matrix("call")
@pytest.mark.parametrize("status", [200, 201, 202, 203])
@pytest.mark.parametrize(
    ("call", "body"),
    [
        pytest.param(call, body, id=f"{name}-{body!r}")
        for name, call in CALLS.items()
        for body in CONFIRMING + CONFIRMING_ANYTHING * (name != "vehicles.delete")
    ],
)
async def test_empty_or_json_body_confirms_a_write(
    serve: Serve, call: Callable[[Any], Any], status: int, body: bytes
) -> None:
    server = await serve(answering(status, body, "application/json"))
    found = await called(server, call)
    expected = {} if call is CALLS["vehicles.delete"] else None
    if b"remaining" in body and expected is not None:
        expected = {"remaining": 0}
    assert found == [expected, expected]


@every_call
async def test_status_204_confirms_a_write(serve: Serve, call: Callable[[Any], Any]) -> None:
    found = await called(await serve(answering(204)), call, strict=True)
    assert found[0] == found[1]
    assert not found[0]


@pytest.mark.parametrize("status", [205, 206, 207, 208, 226, 299])
async def test_undocumented_status_is_no_success(serve: Serve, status: int) -> None:
    server = await serve(answering(status))
    for call in (CALLS["evses.delete"], lambda c: c.evses.get("evse01")):
        for error in await called(server, call):
            assert type(error) is errors.DecodeError
            assert f"no operation answers {status}" in str(error)
            assert error.status == status


async def test_very_long_reply_does_not_confirm_a_write(serve: Serve) -> None:
    body = b"[" + b"1," * 600_000 + b"1]"
    for error in await called(await serve(answering(200, body)), CALLS["evses.delete"]):
        assert type(error) is errors.DecodeError


WITH_RESULTS: dict[str, Callable[[Any], Any]] = {
    "evses.get": lambda c: c.evses.get("evse01"),
    "evses.update": lambda c: c.evses.update("evse01", location=None),
    "notifications.update": lambda c: c.notifications.update("noti01"),
    "auth.password_reset": lambda c: c.auth.password_reset(email="a@example.com"),
    "evses.reconnect": lambda c: c.evses.reconnect("evse01"),
}


@pytest.mark.parametrize("call", WITH_RESULTS.values(), ids=WITH_RESULTS)
@pytest.mark.parametrize(
    ("status", "body"), [(204, b""), (200, b""), (200, b" \n"), (201, LOGIN_PAGE), (200, b"OK")]
)
async def test_missing_result_is_reported(
    serve: Serve, call: Callable[[Any], Any], status: int, body: bytes
) -> None:
    server = await serve(answering(status, body, "text/html" if body.strip() else None))
    is_write = call is not WITH_RESULTS["evses.get"]
    for error in await called(server, call):
        assert type(error) is errors.DecodeError
        assert ("it may or may not have been carried out" in str(error)) == is_write
        assert ("the reply has no body" in str(error)) == (not body.strip())
        assert (error.status, error.body) == (status, body)


async def test_deviation_in_the_reply_to_a_write_does_not_make_it_unconfirmed(serve: Serve) -> None:
    body = b'{"id": "evse01", "url": "u", "cpid": "c", "new": 1}'
    server = await serve(answering(200, body, "application/json"))
    for error in await called(server, WITH_RESULTS["evses.update"], strict=True):
        assert "unknown member EVSE.new" in str(error)
        assert "may or may not" not in str(error)


async def test_problem_with_a_success_status_is_an_error(serve: Serve) -> None:
    problem = b'{"title": "Gone", "status": 410, "id": "evse01", "url": "u", "cpid": "c"}'
    server = await serve(answering(200, problem, "application/problem+json; charset=utf-8"))
    for error in await called(server, WITH_RESULTS["evses.get"]):
        assert "no operation answers 200 with application/problem+json" in str(error)
        assert error.body == problem


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.evse_onboarding.get(user_id="user01", client_id="an-app", make_id="emak01"),
        lambda c: c.vehicle_onboarding.get(user_id="user01", client_id="an-app", make_id="vmak01"),
    ],
)
async def test_html_page_is_no_redirect(serve: Serve, call: Callable[[Any], Any]) -> None:
    for error in await called(await serve(answering(200, LOGIN_PAGE, "text/html")), call):
        assert type(error) is errors.DecodeError
        assert "expected a redirect" in str(error)


def credentials_server(revoked: web.Response | None = None) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        if "revoke" in request.path and revoked is not None:
            return revoked
        if "token" in request.path and revoked is not None:
            return web.json_response(
                {"access_token": "t1", "token_type": "Bearer", "expires_in": 3600}
            )
        if "token" in request.path:
            return web.Response(body=LOGIN_PAGE, content_type="text/html")
        return web.json_response(EVSE)

    return answer


async def test_html_page_is_no_token(serve: Serve) -> None:
    server = await serve(credentials_server())
    async with server.client(server.credentials(), retries=0) as client:
        with pytest.raises(errors.TokenError, match="not a JSON object") as caught:
            await client.evses.get("evse01")
    assert caught.value.status == 200


async def test_html_page_does_not_confirm_a_revocation(serve: Serve) -> None:
    server = await serve(
        credentials_server(web.Response(body=LOGIN_PAGE, content_type="text/html"))
    )
    async with server.client(server.credentials(), retries=0) as client:
        assert (await client.evses.get("evse01")).id == "evse01"
        with pytest.raises(errors.TokenError, match="may still be valid") as caught:
            await client.sign_out()
    assert (caught.value.status, caught.value.error) == (200, "not_revoked")


@pytest.mark.parametrize("body", [b"", b"{}", b"null"])
async def test_empty_or_json_body_confirms_a_revocation(serve: Serve, body: bytes) -> None:
    server = await serve(credentials_server(web.Response(body=body)))
    async with server.client(server.credentials(), retries=0) as client:
        await client.evses.get("evse01")
        await client.sign_out()


def uploading(status: int, body: bytes, content_type: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        one = {"id": "rbef01", "url": "https://api.ev.energy/v2/rebate_evidence_files/rbef01"}
        if request.path.endswith(":start_upload"):
            url = f"http://{request.host}/bucket/file"
            return web.json_response({**one, "presigned_url": url}, status=201)
        if request.method == "PUT":
            return web.Response(status=status, body=body, content_type=content_type)
        return web.json_response(one)

    return answer


def upload(client: Any) -> Any:
    return client.rebates.upload_evidence(
        b"data", user_rebate="rbtu01", rebate_evidence_type="rbet01", file_name="a.txt"
    )


@pytest.mark.parametrize(
    "body",
    [
        LOGIN_PAGE,
        b"\xef\xbb\xbf \n" + LOGIN_PAGE.lower(),
        b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"></html>',
        b"OK",
    ],
)
async def test_html_page_does_not_confirm_an_upload(serve: Serve, body: bytes) -> None:
    server = await serve(uploading(200, body, "text/html"))
    for error in await called(server, upload):
        assert type(error) is errors.UploadError
        assert "is not from a storage service" in str(error)
        assert (error.status, error.body) == (200, body)
        assert error.upload.id == "rbef01"
    assert not [one for one in server.requests if one.raw_path.endswith(":finish_upload")]


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (200, b"", "application/octet-stream"),
        (201, b"", "application/xml"),
        (204, b"", "application/xml"),
        (201, b'<?xml version="1.0"?>\n<PostResponse><Key>a</Key></PostResponse>', "text/xml"),
        (200, b"\n<CompleteMultipartUploadResult/>", "application/xml"),
        (200, b'{"kind": "storage#object"}', "application/json"),
    ],
)
async def test_reply_of_the_storage_confirms_an_upload(
    serve: Serve, status: int, body: bytes, content_type: str
) -> None:
    server = await serve(uploading(status, body, content_type))
    for file in await called(server, upload):
        assert file.id == "rbef01"


async def test_client_stays_usable_after_an_html_page(serve: Serve) -> None:
    replies = [web.Response(body=LOGIN_PAGE, content_type="text/html"), web.Response(status=204)]

    async def answer(_: web.Request) -> web.Response:
        return replies.pop(0)

    server = await serve(answer)
    async with server.client() as client:
        assert isinstance(client, Client)
        with pytest.raises(errors.DecodeError):
            await client.evses.delete("evse01")
        await client.evses.delete("evse01")
