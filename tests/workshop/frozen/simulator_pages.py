"""Makes the requests of the record that are not for the API: OAuth, pages, webhooks, ``/__sim``."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs

from tests.workshop.frozen.simulator_reads import Recorder, rows_of

_VERIFIER: Final = "a-verifier-that-is-long-enough-for-every-server-there-is"
_CHALLENGE: Final = (
    base64.urlsafe_b64encode(hashlib.sha256(_VERIFIER.encode()).digest()).decode().rstrip("=")
)
_BACK: Final = "https://partner.example/back"
_BROWSER: Final[dict[str, Any]] = {"browser": True}


@attrs.define
class Outside:
    """Walks through all that is beside the API."""

    to: Recorder
    secrets: dict[str, str] = attrs.field(factory=dict)

    async def _get(self, target: str, **more: Any) -> Any:
        return await self.to.ask(f"GET {target}", "none", **_BROWSER, **more)

    async def _submit(self, target: str, *pairs: tuple[str, str], seal: bool = True) -> Any:
        form = [*([("seal", "$seal")] if seal else []), *pairs]
        return await self.to.ask(f"POST {target}", "none", form=form, **_BROWSER)

    @property
    def _location(self) -> str:
        reply = self.to.replay.reply
        return "" if reply is None else reply.header("Location")

    async def _token(self, *pairs: tuple[str, str], **more: Any) -> Any:
        return await self.to.ask("POST /o/token/", "none", form=list(pairs), **more)

    async def _learn_secrets(self) -> None:
        """Ask for the secrets of the applications."""
        for one in await self.to.ask("GET /__sim/applications", "none"):
            self.secrets[one["client_id"]] = one["client_secret"] or ""

    def _basic(self, name: str) -> dict[str, Any]:
        client_id = self.to.replay.clients[name]
        pair = f"{client_id}:{self.secrets[client_id]}"
        return {"headers": {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}}

    def _named(self, name: str) -> list[tuple[str, str]]:
        client_id = self.to.replay.clients[name]
        secret, pairs = self.secrets[client_id], [("client_id", client_id)]
        return [*pairs, ("client_secret", secret)] if secret else pairs

    async def oauth(self) -> None:
        """Ask for tokens in every way, good and bad, and revoke them."""
        to = self.to
        await self._learn_secrets()
        itself = ("grant_type", "client_credentials")
        for name in ("app", "narrow", "partner", "public"):
            await self._token(itself, **self._basic(name))
            await self._token(itself, *self._named(name))
        await self._token(itself, ("scope", "evse:read user:read"), **self._basic("app"))
        await self._token(itself, ("scope", "everything"), **self._basic("app"))
        await self._token(itself, *self._named("app"), **self._basic("app"))
        await self._token(itself, ("client_id", "nobody"), ("client_secret", "x"))
        await self._token(itself, headers={"Authorization": "Basic !"})
        await self._token(itself, headers={"Authorization": "Bearer x"})
        await self._token(itself, itself, **self._basic("app"))
        await self._token(**self._basic("app"))
        await self._token(("grant_type", "password"), **self._basic("app"))
        await self._token(("grant_type", "authorization_code"), **self._basic("app"))
        await self._token(("grant_type", "authorization_code"), ("code", "x"), **self._basic("app"))
        await self._token(("grant_type", "refresh_token"), **self._basic("app"))
        await self._token(
            ("grant_type", "refresh_token"), ("refresh_token", "x"), **self._basic("app")
        )
        json_type = {"Content-Type": "application/json"}
        await to.ask("POST /o/token/", "none", text="{}", headers=json_type)
        await to.ask("POST /o/token/?grant_type=x", "none", form=[itself])
        for method, path in (
            ("GET", "/o/token/"), ("POST", "/o/token"), ("GET", "/o/revoke_token"),
            ("POST", "/o/revoke_token"), ("GET", "/o/revoke_token/"), ("POST", "/o/introspect/"),
        ):  # fmt: skip
            await to.ask(f"{method} {path}", "none")
        for number in range(3):
            await self._code_flow(public=number == 1, plain=number == 2)
        await self._refusals()
        await self._lifetimes()

    async def _code_flow(self, *, public: bool, plain: bool) -> None:
        to, name = self.to, "public" if public else "partner"
        back = "https://app.example/b" if public else _BACK
        query = {"client_id": to.replay.clients[name], "response_type": "code", "state": "s & t"}
        if public or plain:
            query |= {"redirect_uri": back, "code_challenge": _CHALLENGE if public else _VERIFIER}
            query |= {"code_challenge_method": "S256"} if public else {}
            query |= {"scope": "evse:read vehicle:read"}
        target = f"/o/authorize/?{urlencode(query)}"
        await self._get(target)
        await self._submit(target, ("answer", "login"), seal=False)
        await self._submit(target, ("answer", "login"), ("email", "none"), ("password", "x"))
        user = await to.ask(f"GET /v2/users/{to.user_id}")
        email = ("email", user["email"])
        await self._submit(target, ("answer", "login"), email)
        await self._submit(target, ("answer", "login"), email, ("password", "x"))
        await self._get(target)
        await self._get(f"{target}&prompt=login")
        await self._get(target)
        await self._submit(target, ("answer", "deny"))
        await self._submit(target, ("answer", "nothing"))
        await self._submit(target, ("answer", "allow"))
        code = dict(parse_qsl(urlsplit(self._location).query)).get("code", "")
        given = [("grant_type", "authorization_code"), ("code", code)]
        client = self._named(name)
        if public or plain:
            await self._token(*given, *client)
            given.append(("redirect_uri", back))
            await self._token(*given, *client)
            await self._token(*given, ("code_verifier", "x" * 43), *client)
            given.append(("code_verifier", _VERIFIER))
        else:
            await self._token(*given, ("redirect_uri", "https://elsewhere.example/"), *client)
        tokens = await self._token(*given, *client)
        again = ("grant_type", "refresh_token")
        refresh = ("refresh_token", tokens["refresh_token"])
        bearer = {"headers": {"Authorization": f"Bearer {tokens['access_token']}"}}
        await to.ask("GET /v2/users/me", "none", **bearer)
        await self._token(again, refresh, ("scope", "user:write"), *client)
        rotated = await self._token(again, refresh, ("scope", "evse:read"), *client)
        await self._token(again, refresh, *client)
        await to.ask("GET /v2/users/me", "none", **bearer)
        token = ("token", rotated.get("access_token", "none"))
        for pairs in ([token], [token, *client], [*client], [("token", "x"), *client]):
            await to.ask("POST /o/revoke_token/", "none", form=pairs)
        await self._token(*given, *client)
        await self._get(target)
        await self._submit(target, ("answer", "other"))
        await self._get(target)

    async def _refusals(self) -> None:
        ids = self.to.replay.clients
        base = {"client_id": ids["partner"], "response_type": "code", "redirect_uri": _BACK}
        for changed in (
            {"client_id": "none"}, {"redirect_uri": "https://elsewhere.example/"},
            {"response_type": ""}, {"response_type": "token"}, {"scope": "everything"},
            {"code_challenge": "short"}, {"code_challenge_method": "S256"},
            {"client_id": ids["public"], "redirect_uri": ""},
            {"client_id": ids["public"], "redirect_uri": "https://app.example/a", "state": "x"},
            {"code_challenge": "x" * 43, "code_challenge_method": "none"},
        ):  # fmt: skip
            query = urlencode(base | changed)
            await self._get(f"/o/authorize?{query}")
            await self._submit(f"/o/authorize?{query}", ("answer", "allow"))
        await self._get(f"/o/authorize/?{urlencode(base)}&state=1&state=2")
        await self._get(f"/o/authorize/?{urlencode(base)}&client_id=x")

    async def _lifetimes(self) -> None:
        to = self.to
        await to.take({"sign_in": "short", "user": None})
        for step in ({"tick": 1800}, {"advance": {"hours": 1}}, {"tick": 35000}, {"tick": 400000}):
            await to.take(step)
            await to.ask("GET /v2/users/me", "short")
        await to.take({"sign_in": "short", "user": None})
        await to.take({"do": "expire_tokens"})
        await to.ask("GET /v2/users/me", "short")

    async def onboarding(self) -> None:
        """Walk through the pages on which drivers connect chargers, cars and inverters."""
        to = self.to
        for client in ("partner", "app"):
            base = {"user_id": to.user_id, "client_id": to.replay.clients[client]}
            if client == "app":
                base["redirect_uri"] = "https://drivers.example.com/done?x=1"
            for kind in ("evses", "vehicles", "inverters"):
                await self._journey(kind, base)
        base = {"user_id": to.user_id, "client_id": to.replay.clients["narrow"]}
        await self._journey("vehicles", base)
        for kind, query in (
            ("nothing", base), ("evses", {}), ("evses", {**base, "client_id": "none"}),
            ("evses", {**base, "user_id": "none"}), ("evses", {**base, "make_id": "none"}),
            ("evses", {**base, "redirect_uri": "https://elsewhere.example/"}),
            ("vehicles/reconnect", base),
            ("vehicles/reconnect", {**base, "expires_at": "yesterday"}),
            ("vehicles/reconnect", {**base, "expires_at": "2001-01-01T00:00:00Z"}),
        ):  # fmt: skip
            await self._get(f"/onboarding/{kind}/?{urlencode(query)}")
        vehicles = rows_of(await to.ask("GET /v2/vehicles", **to.acting_for()))
        query = {"client_id": to.replay.clients["partner"], "device_id": vehicles[0]["id"]}
        await to.ask(f"POST /v2/vehicles/{vehicles[0]['id']}/disconnect")
        target = f"/onboarding/vehicles/reconnect?{urlencode(query)}"
        await self._get(target)
        await self._submit(target, ("answer", "reconnect"), seal=False)
        await self._submit(target, ("answer", "cancel"))
        await self._submit(target, ("answer", "reconnect"))
        await to.ask(f"GET /v2/vehicles/{vehicles[0]['id']}")
        for path in ("evses", "vehicles", "inverters"):
            await to.ask(f"GET /v2/{path}?page_size=100", **to.acting_for())
        await to.take({"advance": {"days": 1}})
        await to.ask("GET /v2/charging_sessions?page_size=10", **to.acting_for())
        await to.take({"do": "state"})

    async def _journey(self, kind: str, base: dict[str, str]) -> None:
        to, thing = self.to, {"evses": "evse", "vehicles": "vehicle", "inverters": "inverter"}[kind]
        start = f"/onboarding/{kind}/?{urlencode(base)}"
        await self._get(start)
        await self._get(f"{start}&q=te")
        await self._get(f"{start}&q=nothing-like-that")
        await self._submit(start, ("answer", "cancel"))
        makes = rows_of(await to.ask(f"GET /v2/{thing}_makes?page_size=100"))
        models = rows_of(await to.ask(f"GET /v2/{thing}_models?page_size=100"))
        for make in makes[:3]:
            chosen = f"{start}&make_id={make['id']}"
            await self._get(chosen)
            if kind == "evses":
                mine = [one["id"] for one in models if one["make"].endswith(make["id"])]
                chosen += f"&model_id={mine[0]}" if mine else ""
                await self._get(chosen)
                for serial in ("", "UNKNOWN-1", f"S-{make['id'][-6:]}", f"S-{make['id'][-6:]}"):
                    await self._submit(chosen, ("answer", "connect"), ("serial", serial))
                continue
            account = ("answer", "account"), ("email", "a@example.com")
            await self._submit(chosen, *account)
            await self._submit(chosen, ("answer", "account"), ("email", "x"), ("password", "x"))
            page = await self._submit(chosen, *account, ("password", "x"))
            devices = [
                line.split()[3]
                for line in page
                if line.startswith(("input checkbox device", "input radio device"))
            ]
            pairs = [("device", one) for one in devices]
            await self._submit(chosen, ("answer", "allow"))
            await self._submit(chosen, ("answer", "allow"), ("device", "none"))
            await self._submit(chosen, ("answer", "allow"), *pairs, seal=False)
            await self._submit(chosen, ("answer", "allow"), *pairs)
            await self._submit(chosen, ("answer", "allow"), *pairs[:1])

    async def webhooks(self) -> None:
        """Register endpoints, let time pass, and read what they were sent."""
        to, sim = self.to, "/__sim/webhooks"
        created = "charging_sub_session.created"
        await to.ask(f"GET {sim}/endpoints", "none")
        for body in (
            {"url": "$receiver/ok"},
            {"url": "$receiver/bad", "events": [created]},
            {"url": "$receiver/flaky", "application": to.replay.clients["app"]},
            {"url": "$receiver/moved", "events": ["nothing"]},
            {"url": "$receiver/fine", "secret": "whsec_" + base64.b64encode(b"k" * 24).decode()},
            {"url": "ftp://x"}, {}, {"url": "$receiver/ok", "secret": "whsec_!"},
            {"url": "$receiver/ok", "application": "none"}, {"url": "$receiver/ok", "events": "x"},
        ):  # fmt: skip
            await to.ask(f"POST {sim}/endpoints", "none", json=body)
        endpoints = await to.ask(f"GET {sim}/endpoints", "none")
        for span in ({"minutes": 20}, {"seconds": 5}, {"hours": 3}, {"hours": 9}, {"days": 1}):
            await to.take({"advance": span})
            await to.take({"do": "deliveries"})
            await to.ask(f"GET {sim}/deliveries", "none")
        first, second = endpoints[0]["id"], endpoints[1]["id"]
        for name, more in (
            ("duplicate", {"drop": 1}), ("reorder", {}), ("corrupt_signature", {}),
            ("stale_timestamp", {"delay_seconds": 90}),
        ):  # fmt: skip
            await to.ask(f"POST {sim}/delivery_faults", "none", json={name: 2, **more})
            await to.take({"advance": {"hours": 6}})
            await to.take({"do": "deliveries"})
        for body in ({"duplicate": -1}, {"nothing": 1}, {"delay_seconds": -1}, {"drop": "x"}):
            await to.ask(f"POST {sim}/delivery_faults", "none", json=body)
        await to.ask(f"POST {sim}/endpoints/{first}/rotate_secret", "none", json={})
        await to.take({"advance": {"hours": 5}})
        await to.take({"do": "deliveries"})
        deliveries = await to.ask(f"GET {sim}/deliveries", "none")
        message = deliveries[0]["message_id"]
        for body in (
            {"message_id": message}, {"message_id": message, "endpoint_id": second},
            {"message_id": message, "endpoint_id": "none"}, {"message_id": "none"}, {},
        ):  # fmt: skip
            await to.ask(f"POST {sim}/replay", "none", json=body)
        await to.take({"do": "deliveries"})
        await self._portal()
        await to.ask(f"DELETE {sim}/endpoints/{second}", "none")
        await to.ask(f"DELETE {sim}/endpoints/{second}", "none")
        await to.ask(f"POST {sim}/endpoints/{second}/rotate_secret", "none", json={})
        await to.take({"advance": {"days": 2}})
        await to.take({"do": "deliveries"})
        await to.take({"do": "state"})
        await to.take({"do": "reload"})
        await to.take({"advance": {"hours": 8}})
        await to.take({"do": "deliveries"})
        await to.take({"do": "state"})
        for endpoint in (await to.ask(f"GET {sim}/endpoints", "none"))[1:]:
            await to.ask(f"DELETE {sim}/endpoints/{endpoint['id']}", "none")
        await to.take({"advance": {"days": 17}})
        await to.take({"do": "deliveries"})

    async def _portal(self) -> None:
        to, path = self.to, "/webhooks/"
        await self._get(path)
        for caller in ("user", "narrow", "app"):
            found = await to.ask("GET /v2/webhook_portal", caller)
        link = found["url"].partition("localhost")[2]
        await self._get(link)
        await self._get(link)
        await self._get(path)
        await self._submit(path, ("do", "add"), ("url", "$receiver/ok"), seal=False)
        await self._submit(path, ("do", "add"), ("url", "nothing"))
        await self._submit(path, ("do", "add"), ("url", "$receiver/added"), ("event", "x"))
        await self._submit(path, ("do", "nothing"))
        await self._submit(path, ("do", "remove"), ("endpoint", "none"))
        endpoints = await to.ask("GET /__sim/webhooks/endpoints", "none")
        deliveries = await to.ask("GET /__sim/webhooks/deliveries", "none")
        mine = ("endpoint", endpoints[-1]["id"])
        first = ("endpoint", endpoints[0]["id"])
        await self._submit(path, ("do", "rotate"), mine)
        await self._submit(path, ("do", "replay"), first, ("message", deliveries[0]["message_id"]))
        await self._submit(path, ("do", "replay"), first, ("message", "none"))
        await to.take({"do": "deliveries"})
        await self._get(path)
        await self._submit(path, ("do", "remove"), mine)
        await to.ask("GET /__sim/webhooks/endpoints", "none")

    async def admin(self) -> None:
        """Call every endpoint below ``/__sim``, rightly and wrongly."""
        to = self.to
        for path in (
            "/__sim", "/__sim/", "/__sim/nothing", "/__sim/clock", "/__sim/clock?x=1",
            "/__sim/faults", "/__sim/faults/kinds", "/__sim/faults/fault-9",
            "/__sim/applications", "/__sim/requests", "/__sim/requests?limit=2",
            "/__sim/requests?limit=x", "/__sim/state",
        ):  # fmt: skip
            await to.ask(f"GET {path}", "none")
        for path in ("/__sim/clock", "/__sim/faults", "/__sim/reset", "/__sim/state/save"):
            await to.ask(f"DELETE {path}x", "none")
            await to.ask(f"PUT {path}", "none")
            await to.ask(f"POST {path}", "none")
            await to.ask(f"POST {path}", "none", form=[("a", "b")])
            kind = {"Content-Type": "application/json"}
            for text in ("{", "[]", '{"unknown": 1}'):
                await to.ask(f"POST {path}", "none", text=text, headers=kind)
        for body in (
            {"advance": {"hours": 2, "minutes": 1.5}}, {"advance": {"weeks": 1}}, {"advance": {}},
            {"advance": {"days": 400}}, {"advance": {"hours": -1}}, {"advance": "x"},
            {"jump_to": to.instant(hours=5)}, {"jump_to": to.instant()}, {"jump_to": "now"},
            {"speed": 60}, {"speed": -1}, {"speed": 4e6}, {"speed": 1, "advance": {"hours": 1}},
        ):  # fmt: skip
            await to.ask("POST /__sim/clock", "none", json=body)
        await to.take({"tick": 10})
        await to.ask("GET /__sim/clock", "none")
        await to.ask("POST /__sim/clock", "none", json={"speed": 0})
        for body in (
            {}, {"scopes": ["evse:read"], "name": "Third", "organisation": None},
            {"public": True, "redirect_uris": ["https://x.example/"]}, {"redirect_uris": ["x"]},
            {"onboarding_redirect_url": "x"}, {"scopes": "x"}, {"organisation": "Others"},
            {"scopes": ["nothing"]},
        ):  # fmt: skip
            await to.ask("POST /__sim/applications", "none", json=body)
        tokens = await to.ask("POST /__sim/tokens", "none", json={})
        for body in (
            {"user_id": "none"}, {"client_id": "none"}, {"scopes": ["evse:read"]},
            {"scopes": ["nothing"]}, {"user_id": 1},
        ):  # fmt: skip
            await to.ask("POST /__sim/tokens", "none", json=body)
        bearer = {"headers": {"Authorization": f"Bearer {tokens['access_token']}"}}
        await to.ask("GET /v2/users/me", "none", **bearer)
        for body in ({"token": tokens["access_token"]}, {"token": "none"}, {}):
            await to.ask("POST /__sim/tokens/revoke", "none", json=body)
        await to.ask("GET /v2/users/me", "none", **bearer)
        await to.ask("POST /__sim/tokens/expire", "none", json={})
        await to.ask("GET /v2/evses", "narrow")
        await self._faults_by_admin()
        for host in ("elsewhere.example", "localhost.", "[::1]:80", "127.0.0.1", "x y"):
            await to.ask("GET /__sim/clock", "none", headers={"Host": host})
            html = {"Host": host, "Accept": "text/html"}
            await to.ask("GET /nothing", "none", headers=html)
        await self._status_page()
        await to.ask("GET /__sim/requests", "none")
        await to.ask("DELETE /__sim/requests", "none")
        await to.ask("GET /__sim/requests", "none")
        await to.ask("POST /__sim/state/save", "none", json={})
        await to.ask("GET /__sim/state", "none")
        await to.ask("POST /__sim/reset", "none", json={})
        await to.ask("GET /__sim/state", "none")

    async def _faults_by_admin(self) -> None:
        to = self.to
        for body in (
            {"kind": "problem", "operation": "GET /evses", "count": 1, "status": 418},
            {"kind": "server_error", "probability": 0.5, "after": 1, "retry_after": 7},
            {"kind": "nothing"}, {}, {"kind": "problem", "operation": "nothing"},
            {"kind": "problem", "status": 200}, {"kind": "problem", "nothing": 1},
            {"kind": "problem", "count": 0}, {"kind": "problem", "probability": 2},
            {"kind": "problem", "after": -1}, {"kind": 1},
        ):  # fmt: skip
            await to.ask("POST /__sim/faults", "none", json=body)
        await to.take({"sign_in": "user", "user": None})
        for _ in range(6):
            await to.ask("GET /v2/evses", "user")
        await to.ask("GET /__sim/faults", "none")
        await to.ask("GET /__sim/faults/fault-1", "none")
        await to.ask("DELETE /__sim/faults/fault-1", "none")
        await to.ask("DELETE /__sim/faults/fault-1", "none")
        await to.ask("GET /", "none")
        await to.ask("DELETE /__sim/faults", "none")
        await to.ask("GET /__sim/faults", "none")

    async def _status_page(self) -> None:
        await self._get("/")
        for pair in (("advance", "6"), ("speed", "0"), ("advance", "x"), ("nothing", "1")):
            await self._submit("/", pair)
        await self._submit("/", ("advance", "1"), seal=False)
        await self._get("/?refresh=5")
        await self._get("/?refresh=x")
        await self.to.ask("GET /?refresh=9", "none")

    async def faults(self) -> None:
        """Have each kind of fault strike replies of several kinds."""
        to = self.to
        await self._learn_secrets()
        page = {"as": "user", "request": "GET /v2/evses?page_size=1&expand=model"}
        one = {"as": "user", "request": f"GET /v2/users/{to.user_id}"}
        missing = {"as": "user", "request": "GET /v2/evses/none"}
        token = {
            "request": "POST /o/token/", "form": [("grant_type", "client_credentials")],
            **self._basic("app"),
        }  # fmt: skip
        empty = {"as": "user", "request": f"DELETE /v2/users/{to.user_id}/payout_method"}
        slow = {"slow_drip": {"seconds": 0, "pieces": 3}, "slow_start": {"seconds": 0.05},
                "hang": {"seconds": 0.05}}  # fmt: skip
        waits = {"slow_drip": "for the head", "slow_start": "briefly", "hang": "briefly"}
        small = {"giant_body": {"megabytes": 1}, "gzip_bomb": {"megabytes": 1}}
        for kind in await to.ask("GET /__sim/faults/kinds", "none"):
            await to.take({**page, "fault": {"kind": kind}, "wait": waits.get(kind, "long")})
            quick = {"kind": kind, **slow.get(kind, {}), **small.get(kind, {})}
            for request in (page, one, missing, empty):
                await to.take({"sign_in": "user", "user": None})
                await to.take({**request, "fault": quick})
            await to.take({**token, "fault": {**quick, "operation": "token"}})
        await to.take({"sign_in": "user", "user": None})
        for fault in (
            {"kind": "rate_limited", "header": "RetryAfter", "seconds": 9, "limit": 5},
            {"kind": "rate_limited", "header": None},
            {"kind": "problem", "slug": "x", "title": "T", "field_errors": {"a": ["b"]}},
            {"kind": "redirect", "to": "https://x.example/", "status": 307},
            {"kind": "truncated", "share": 0}, {"kind": "truncated", "share": 1},
            {"kind": "link_loop", "to": "first"}, {"kind": "broken_link", "link": "none"},
            {"kind": "foreign_link", "origin": "http://x.example:81"},
            {"kind": "giant_body", "megabytes": 1, "announced": True},
            {"kind": "deep_json", "levels": 5}, {"kind": "many_headers", "number": 3},
            {"kind": "clock_skew", "seconds": -7200}, {"kind": "server_error", "status": 503},
            {"kind": "problem", "after": 1}, {"kind": "problem", "operation": "POST *"},
            {"kind": "problem", "operation": "/evses"}, {"kind": "problem", "probability": 0.3},
            {"kind": "problem", "operation": "upload"}, {"kind": "problem", "operation": "GET *"},
        ):  # fmt: skip
            await to.take({**page, "fault": fault})

    async def limits(self) -> None:
        """Use up the limits of an application, of users and of an address."""
        to = self.to
        users = rows_of(await to.ask("GET /v2/users?page_size=2"))
        await to.take({"sign_in": "other", "user": users[-1]["id"]})
        for step in ({"tick": 0}, {"tick": 1800}, {"advance": {"minutes": 31}}, {"tick": 3600}):
            await to.take(step)
            for caller in ("app", "user", "other", "narrow", "none"):
                for _ in range(3):
                    await to.ask("GET /v2/evses?page_size=1", caller)
                await to.ask("GET /v2/evse_makes?page_size=1", caller)
                await to.ask("GET /v2/programs", caller)
                await to.ask("GET /v2/nothing", caller)
            await to.ask("GET /v2/users", **to.acting_for(users[-1]["id"]))
        await to.take({"do": "state"})
