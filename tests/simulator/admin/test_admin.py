from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

import pytest
from aiohttp import web

from ev_energy.auth import Token
from ev_energy.simulator import Clock
from ev_energy.simulator.admin import ENDPOINTS
from ev_energy.simulator.faults import kinds


class Control:
    """A client of the admin endpoints."""

    def __init__(self, api: Any) -> None:
        self.api = api

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        if method == "POST":
            options.setdefault("json", {} if body is None else body)
        url = self.api.simulator.admin_url + path
        return await self.api(method, url, token=None, **options)

    async def get(self, path: str, **options: Any) -> Any:
        answer = await self("GET", path, **options)
        assert answer.status == 200, answer.body
        return answer.body

    async def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = await self("POST", path, body)
        assert answer.status == status, answer.body
        return answer.body

    async def refused(self, path: str, body: Any) -> dict[str, Any]:
        """What is wrong with a body, by member."""
        answer = await self("POST", path, body)
        assert answer.status == 400, answer.body
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        found: dict[str, Any] = answer.body["field_errors"]
        return found


@pytest.fixture
async def control(start: Any, clock: Clock) -> Control:
    return Control(await start(clock=clock))


async def test_index_lists_every_endpoint_and_each_of_them_replies(control: Control) -> None:
    listed = await control.get("/")
    assert await control.get("") == listed
    assert {(endpoint["method"], endpoint["path"]) for endpoint in listed["endpoints"]} == {
        (endpoint.method, f"/__sim{endpoint.path}") for endpoint in ENDPOINTS
    }
    for endpoint in listed["endpoints"]:
        assert endpoint["about"].endswith(".")
        path = re.sub(r"{\w+}", "nonesuch", endpoint["path"].removeprefix("/__sim"))
        answer = await control(endpoint["method"], path)
        known = 404 if "nonesuch" in path else (400 if endpoint["body"] != {} else 200)
        assert answer.status in {known, 201, 204, 409}, (endpoint, answer.body)


async def test_each_listed_member_is_accepted_and_no_other(control: Control) -> None:
    for endpoint in (await control.get("/"))["endpoints"]:
        if (
            endpoint["method"] == "POST"
            and "{" not in endpoint["path"]
            and endpoint["body"] is not None
        ):
            path = endpoint["path"].removeprefix("/__sim")
            assert "nonesuch" in await control.refused(path, {"nonesuch": 1})
            for member in endpoint["body"]:
                said = await control("POST", path, {member: {"not": ["this"]}})
                assert said.status == 400
                assert "There is only" not in json.dumps(said.body["field_errors"].get(member))


async def test_clock_advances_jumps_and_runs(control: Control) -> None:
    assert await control.get("/clock") == {"now": "2026-10-05T12:00:00.000000Z", "speed": 0}
    moved = await control.post("/clock", {"advance": {"hours": 6, "minutes": 0.5}})
    assert moved["now"] == "2026-10-05T18:00:30.000000Z"
    moved = await control.post("/clock", {"jump_to": "2026-10-06T07:00:00+02:00"})
    assert moved["now"] == "2026-10-06T05:00:00.000000Z"
    assert (await control.post("/clock", {"speed": 60}))["speed"] == 60
    assert control.api.simulator.clock.speed == 60


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({}, "advance"),
        ({"advance": {"hours": 1}, "speed": 1}, "speed"),
        ({"advance": {"hours": -1}}, "advance"),
        ({"advance": {"fortnights": 1}}, "advance"),
        ({"advance": {}}, "advance"),
        ({"advance": {"hours": "6"}}, "advance"),
        ({"advance": {"days": 1e300}}, "advance"),
        ({"advance": 6}, "advance"),
        ({"jump_to": "2026-10-05T11:00:00Z"}, "jump_to"),
        ({"jump_to": "tomorrow"}, "jump_to"),
        ({"jump_to": None}, "jump_to"),
        ({"speed": -1}, "speed"),
        ({"speed": True}, "speed"),
        ({"spede": 1}, "spede"),
    ],
)
async def test_invalid_change_of_the_clock_is_refused_by_member(
    control: Control, body: Any, member: str
) -> None:
    before = await control.get("/clock")
    assert member in await control.refused("/clock", body)
    assert await control.get("/clock") == before


async def test_jump_of_the_clock_makes_tokens_expire(control: Control) -> None:
    assert (await control.api.get("/evses")).status == 200
    await control.post("/clock", {"advance": {"hours": 10}})
    assert (await control.api.get("/evses")).status == 401


async def test_faults_are_added_counted_and_removed(control: Control) -> None:
    wanted = {"kind": "rate_limited", "operation": "/evses", "count": 1}
    made = await control.post("/faults", wanted, status=201)
    assert made.items() >= (wanted | {"struck": 0, "remaining": 1}).items()
    assert (await control.api.get("/evses")).status == 429
    assert (await control.api.get("/evses")).status == 200
    assert (await control.get(f"/faults/{made['id']}"))["struck"] == 1
    other = await control.post("/faults", {"kind": "hang"}, status=201)
    assert [fault["id"] for fault in await control.get("/faults")] == [made["id"], other["id"]]
    assert (await control("DELETE", f"/faults/{made['id']}")).status == 204
    assert (await control("GET", f"/faults/{made['id']}")).status == 404
    assert (await control("DELETE", "/faults")).status == 204
    assert await control.get("/faults") == []


async def test_kinds_of_faults_are_those_of_the_registry(control: Control) -> None:
    shown = await control.get("/faults/kinds")
    assert shown == json.loads(json.dumps(kinds()))
    assert shown["server_error"]["details"]


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({}, "kind"),
        ({"kind": "nonesuch"}, "kind"),
        ({"kind": 3}, "kind"),
        ({"kind": "hang", "operation": "/nonesuch"}, "operation"),
        ({"kind": "hang", "count": 0}, "count"),
        ({"kind": "hang", "probability": 2}, "probability"),
        ({"kind": "hang", "colour": "red"}, "colour"),
        ({"kind": "server_error", "status": 200}, "status"),
    ],
)
async def test_invalid_fault_is_refused_by_member(control: Control, body: Any, member: str) -> None:
    assert list(await control.refused("/faults", body)) == [member]
    assert await control.get("/faults") == []


async def test_admin_requests_are_neither_struck_counted_nor_recorded(start: Any) -> None:
    api = await start(rate_limit=2, clock=Clock(speed=0))
    control = Control(api)
    await control.post("/faults", {"kind": "server_error"}, status=201)
    for _ in range(5):
        await control.get("/clock")
    assert await control.get("/requests") == []
    await control("DELETE", "/faults")
    assert [(await api.get("/evses")).status for _ in range(3)] == [200, 200, 429]


@pytest.fixture
async def receiver() -> Any:
    """Serve an endpoint of webhooks; give its URL and a queue of deliveries."""
    deliveries: asyncio.Queue[Any] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        await deliveries.put((request.headers["svix-id"], await request.json()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", deliveries
    await runner.cleanup()


async def test_webhooks_are_registered_given_faults_replayed_and_removed(
    control: Control, receiver: Any
) -> None:
    url, deliveries = receiver
    made = await control.post("/webhooks/endpoints", {"url": url, "events": ["a"]}, status=201)
    assert made["secret"].startswith("whsec_")
    assert await control.get("/webhooks/endpoints") == [made]
    webhooks = control.api.simulator.webhooks

    assert (
        await control("POST", "/webhooks/delivery_faults", {"drop": 1, "reorder": 2})
    ).status == 204
    for number in range(3):
        webhooks.publish("a", {"number": number})
    await webhooks.settled()
    sent = [deliveries.get_nowait() for _ in range(deliveries.qsize())]
    assert [body["data"]["number"] for _, body in sent] == [2, 1]

    message_id = sent[0][0]
    assert (await control("POST", "/webhooks/replay", {"message_id": message_id})).status == 204
    await webhooks.settled()
    assert deliveries.get_nowait()[0] == message_id
    outcomes = [delivery["outcome"] for delivery in await control.get("/webhooks/deliveries")]
    assert outcomes == ["dropped", "delivered", "delivered", "delivered"]

    rotated = await control.post(f"/webhooks/endpoints/{made['id']}/rotate_secret")
    assert rotated["secret"] != made["secret"]
    assert (await control("DELETE", f"/webhooks/endpoints/{made['id']}")).status == 204
    assert (await control("DELETE", f"/webhooks/endpoints/{made['id']}")).status == 404
    assert await control.get("/webhooks/endpoints") == []


async def test_webhooks_can_be_delayed(control: Control, receiver: Any) -> None:
    url, deliveries = receiver
    await control.post("/webhooks/endpoints", {"url": url}, status=201)
    await control("POST", "/webhooks/delivery_faults", {"delay_seconds": 90})
    webhooks = control.api.simulator.webhooks
    webhooks.publish("a", {})
    await webhooks.settled()
    assert deliveries.empty()
    await control.post("/clock", {"advance": {"seconds": 90}})
    await webhooks.settled()
    assert deliveries.qsize() == 1


@pytest.mark.parametrize(
    ("path", "body", "member"),
    [
        ("/webhooks/endpoints", {}, "url"),
        ("/webhooks/endpoints", {"url": "ftp://here"}, "url"),
        ("/webhooks/endpoints", {"url": "http://here", "events": "all"}, "events"),
        ("/webhooks/endpoints", {"url": "http://here", "application": "no"}, "application"),
        ("/webhooks/delivery_faults", {"drop": -1}, "drop"),
        ("/webhooks/delivery_faults", {"drop": 1.5}, "drop"),
        ("/webhooks/delivery_faults", {"delay_seconds": -1}, "delay_seconds"),
        ("/webhooks/delivery_faults", {"delay_seconds": 1e300}, "delay_seconds"),
        ("/webhooks/replay", {}, "message_id"),
        ("/webhooks/replay", {"message_id": "msg_none"}, "message_id"),
        ("/applications", {"redirect_uris": ["javascript:alert(1)"]}, "redirect_uris"),
        ("/applications", {"redirect_uris": ["http://[x"]}, "redirect_uris"),
        ("/applications", {"onboarding_redirect_url": "nope nope"}, "onboarding_redirect_url"),
        ("/applications", {"scopes": "evse:read"}, "scopes"),
        ("/webhooks/endpoints", {"url": "http://[x"}, "url"),
        ("/webhooks/endpoints", {"url": "http://x/", "secret": "whsec_!!"}, "secret"),
        ("/applications", {"public": "yes"}, "public"),
        ("/tokens", {"user_id": "user00"}, "user_id"),
        ("/tokens", {"client_id": "nobody"}, "client_id"),
        ("/tokens", {"scopes": ["nothing:read"]}, "scopes"),
        ("/tokens/revoke", {}, "token"),
        ("/reset", {"really": True}, "really"),
    ],
)
async def test_invalid_values_are_refused_by_member(
    control: Control, path: str, body: Any, member: str
) -> None:
    assert list(await control.refused(path, body)) == [member]


async def test_applications_are_added_with_all_their_settings(control: Control) -> None:
    wanted = {
        "scopes": ["evse:read"],
        "redirect_uris": ["https://acme.example/back"],
        "name": "Acme",
        "onboarding_redirect_url": "https://acme.example/done",
    }
    made = await control.post("/applications", wanted, status=201)
    assert made.items() >= wanted.items()
    await control.api.log_in(made["client_id"], made["client_secret"])
    assert (await control.api.get("/evses")).status == 200
    assert (await control.api.get("/vehicles")).status == 403
    assert made["organisation"]
    alone = await control.post("/applications", {"public": True, "organisation": None}, status=201)
    assert alone["organisation"] is None
    public = await control.post("/applications", {"public": True}, status=201)
    assert (public["client_secret"], len(public["scopes"])) == (None, 41)
    assert [one["client_id"] for one in await control.get("/applications")] == [
        control.api.simulator.client_id,
        made["client_id"],
        alone["client_id"],
        public["client_id"],
    ]


async def test_user_is_signed_in_without_a_page(control: Control) -> None:
    api = control.api
    tokens = await control.post("/tokens", {"scopes": ["user:read"]}, status=201)
    assert tokens["scope"] == "user:read"
    me = await api.get("/users/me", token=tokens["access_token"])
    assert me.body["id"] == api.simulator.user_id
    other = (await api.get("/users?page_size=2")).body[1]["id"]
    tokens = await control.post("/tokens", {"user_id": other}, status=201)
    assert (await api.get("/users/me", token=tokens["access_token"])).body["id"] == other


async def test_tokens_are_expired_together_or_revoked_one_by_one(control: Control) -> None:
    api = control.api
    tokens = await control.post("/tokens", status=201)
    revoked = {"token": tokens["refresh_token"]}
    assert (await control("POST", "/tokens/revoke", revoked)).status == 204
    assert (await api.get("/evses", token=tokens["access_token"])).status == 401
    assert (await control("POST", "/tokens/revoke", revoked)).status == 404
    assert (await api.get("/evses")).status == 200
    assert (await control("POST", "/tokens/expire")).status == 204
    assert (await api.get("/evses")).status == 401


async def test_requests_are_listed_with_their_senders_and_cleared(control: Control) -> None:
    api = control.api
    await control.post("/faults", {"kind": "rate_limited", "count": 1}, status=201)
    await api.get("/evses?page_size=1", headers={"X-Trace": "7"})
    tokens = await control.post("/tokens", status=201)
    await api.get("/users/me", token=tokens["access_token"])
    struck, mine = await control.get("/requests")
    assert (struck["status"], struck["fault"]) == (429, "rate_limited")
    assert (struck["path"], struck["query"]) == ("/v2/evses", [["page_size", "1"]])
    assert ["X-Trace", "7"] in struck["headers"]
    assert api.token not in json.dumps(struck)
    assert (struck["client_id"], struck["user_id"]) == (api.simulator.client_id, None)
    assert (mine["status"], mine["fault"]) == (200, None)
    assert mine["user_id"] == api.simulator.user_id
    assert await control.get("/requests?limit=1") == [mine]
    assert await control.get("/requests?limit=0") == []
    assert (await control("GET", "/requests?limit=-1")).body["field_errors"]["limit"]
    assert (await control("DELETE", "/requests")).status == 204
    assert await control.get("/requests") == []


async def test_reset_restores_the_initial_state(control: Control) -> None:
    api = control.api
    me = f"/users/{api.simulator.user_id}"
    first = (await api.get(me)).body
    evses = (await api.get("/evses")).body
    await control.post("/clock", {"advance": {"hours": 6}})
    await api("PATCH", me, json={"email": "eve@example.com"})
    await api("DELETE", f"/evses/{evses[0]['id']}")
    await control.post("/applications", status=201)
    await control.post("/faults", {"kind": "hang", "operation": "/users"}, status=201)
    await control.post("/webhooks/endpoints", {"url": "http://127.0.0.1:9/"}, status=201)
    assert (await control("POST", "/reset")).status == 204
    assert (await api.get(me)).status == 401  # not even the token was issued yet
    await api.log_in()
    assert (await api.get(me)).body == first
    assert (await api.get("/evses")).body == evses
    assert (await control.get("/clock"))["now"] == "2026-10-05T12:00:00.000000Z"
    assert len(await control.get("/applications")) == 1
    assert (await control.get("/faults"), await control.get("/webhooks/endpoints")) == ([], [])


async def test_save_without_a_state_file_is_a_conflict(control: Control) -> None:
    answer = await control("POST", "/state/save")
    assert answer.status == 409
    assert "state" in answer.body["detail"]
    assert (await control.get("/state"))["seed"] == 1


async def test_body_that_a_page_of_another_site_could_send_is_refused(control: Control) -> None:
    forms = {"application/x-www-form-urlencoded": "a=b", "text/plain": "{}", "": "{}"}
    for kind, text in forms.items():
        for path in ("/reset", "/clock", "/tokens/expire"):
            answer = await control(
                "POST", path, data=text, json=None, headers={"Content-Type": kind}
            )
            assert answer.status == 415
    assert (await control.api.get("/evses")).status == 200


@pytest.mark.parametrize("text", ["{", "[]", '"a"', "NaN", '{"speed": NaN}', "[" * 100_000])
async def test_body_that_is_not_a_json_object_is_refused(control: Control, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await control("POST", "/clock", data=text, json=None, headers=headers)
    assert answer.status == 400
    assert answer.body["title"] == "Malformed request"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:80", 200),
        ("LOCALHOST.", 200),
        ("sim.localhost", 200),
        ("127.0.0.9:8420", 200),
        ("[::1]:80", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("192.168.0.1", 403),
        ("0.0.0.0", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
async def test_hosts_that_are_not_loopback_are_refused(
    control: Control, host: str, status: int
) -> None:
    answer = await control("GET", "/clock", headers={"Host": host})
    assert answer.status == status
    url = control.api.simulator.page_url
    async with control.api.session.get(url, headers={"Host": host}) as page:
        assert page.status == status


async def test_simulator_on_another_host_accepts_every_host(start: Any) -> None:
    api = await start(host="0.0.0.0")
    answer = await Control(api)("GET", "/clock", headers={"Host": "my-desk.example"})
    assert answer.status == 200


async def test_other_paths_and_methods_are_refused_as_problems(control: Control) -> None:
    for method, path, status in (
        ("GET", "/nonesuch", 404),
        ("GET", "/faults/kinds/more", 404),
        ("PUT", "/clock", 405),
        ("OPTIONS", "/reset", 405),
        ("GET", "/clock?now=1", 400),
    ):
        answer = await control(method, path)
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_methods_of_the_simulator_do_the_same_from_any_thread(
    start: Any, clock: Clock
) -> None:
    api = await start(clock=clock)
    simulator = api.simulator

    def steer() -> None:
        client_id, secret = simulator.add_application(scopes=["evse:read"], name="Acme")
        assert secret
        token = simulator.sign_in(client_id=client_id)
        assert isinstance(token, Token)
        assert token.scope == "evse:read"
        assert token.expires_at == pytest.approx(time.time() + 36_000, abs=60)
        assert simulator.revoke_token(token.access_token)
        assert not simulator.revoke_token(token.access_token)
        with pytest.raises(ValueError, match="user_id"):
            simulator.sign_in("user00")
        simulator.expire_tokens()

    await asyncio.to_thread(steer)
    assert (await api.get("/evses")).status == 401
    await asyncio.to_thread(simulator.reset)
    assert (await Control(api).get("/applications"))[0]["client_id"] == simulator.client_id
    assert len(await Control(api).get("/applications")) == 1


async def test_request_without_a_host_is_refused(control: Control) -> None:
    port = control.api.simulator._runner.addresses[0][1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /__sim/clock HTTP/1.0\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"403"
    writer.close()
    await writer.wait_closed()


async def test_admin_replies_are_not_cacheable(control: Control) -> None:
    answer = await control("GET", "/applications")
    assert answer.headers["Cache-Control"] == "no-store"
