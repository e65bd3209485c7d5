"""Makes the requests of the record that change something, and those that show what has changed."""

from __future__ import annotations

from typing import Any, Final

import attrs

from tests.workshop.frozen.simulator_reads import Recorder, key_of, rows_of

_JUMPS: Final = ({"minutes": 7}, {"hours": 3}, {"hours": 9, "minutes": 30}, {"days": 2})
_SQUARE: Final = [[[-0.2, 51.4], [0.0, 51.4], [0.0, 51.6], [-0.2, 51.6], [-0.2, 51.4]]]
_BOW_TIE: Final = [[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]
_HOME: Final = {"address_1": "1 High Street", "city": "London", "postal_code": "SW1A 1AA"}


@attrs.define
class Writer:
    """Changes everything that requests can change."""

    to: Recorder

    async def write_all(self) -> None:
        """Take the steps of all families, with jumps of the clock in between."""
        for part in (
            self._vehicles, self._charging, self._evses, self._users, self._programs,
            self._rebates, self._regions, self._catalogue, self._onboarding, self._reload,
            self._solar, self._dispatch, self._support, self._gone, self._reload,
        ):  # fmt: skip
            await part()
        await self.to.take({"do": "reset"})
        await self.to.take({"do": "state"})
        await self._look()

    async def _first(self, path: str, *, mine: bool = True, number: int = 0) -> dict[str, Any]:
        more = self.to.acting_for() if mine else {}
        rows = rows_of(await self.to.ask(f"GET /v2{path}", **more))
        return rows[number % len(rows)]

    async def _patch(self, path: str, *bodies: dict[str, Any], caller: str = "app") -> None:
        for body in bodies:
            await self.to.ask(f"PATCH /v2{path}", caller, json=body)
            await self.to.ask(f"GET /v2{path}", caller)

    async def _post(self, path: str, *bodies: dict[str, Any] | None, **more: Any) -> Any:
        body = None
        for sent in bodies or (None,):
            also = {} if sent is None else {"json": sent}
            body = await self.to.ask(f"POST /v2{path}", **also, **more)
        return body

    async def _look(self) -> None:
        """Read what charging has made of the changes so far."""
        to, mine = self.to, self.to.acting_for()
        for path in (
            "/charging_sessions?page_size=4&expand=sub_sessions",
            "/charging_sub_sessions?page_size=4&is_finished=false&expand=energy_usage&expand=tariff",
            "/vehicles?expand=latest_status_log",
            "/evses?expand=latest_status_log",
            "/home_batteries?expand=latest_status_log",
            "/notifications?page_size=5",
        ):
            await to.ask(f"GET /v2{path}", **mine)
        await to.ask("GET /v2/charging_sub_sessions?page_size=5&is_finished=false&expand=schedules")

    async def _jump(self, **span: float) -> None:
        await self.to.take({"advance": span})
        await self._look()

    async def _reload(self) -> None:
        for what in ("state", "reload", "state"):
            await self.to.take({"do": what})
        await self._look()

    async def _vehicles(self) -> None:
        to, mine = self.to, self.to.acting_for()
        model = await self._first("/vehicle_models", mine=False, number=3)
        vehicle = await self._first("/vehicles")
        path = f"/vehicles/{vehicle['id']}"
        made = await self._post(
            "/vehicles",
            {"model": "https://elsewhere.example/v2/vehicles/x"},
            {"model": model["url"], "user": "nobody"},
            {"model": model["url"], "battery_size_watt_hours": 61234, "description": "Mine"},
            **mine,
        )
        await self._post("/vehicles", {"model": model["url"]})
        await self._patch(
            f"/vehicles/{made['id']}",
            {"battery_size_watt_hours": 45678, "vehicle_class": "COMMERCIAL"},
            {"vehicle_class": None},
        )
        await self._patch(path, {"battery_size_watt_hours": 45678}, {})
        for span, body in zip(
            _JUMPS,
            (
                {"maximum_charge_limit_percentage": 60},
                {"smart_charging_enabled": False},
                {"maximum_charge_limit_percentage": 95, "smart_charging_enabled": True},
                {"vehicle_class": "PASSENGER"},
            ),
            strict=True,
        ):
            await self._patch(path, body)
            await self._jump(**span)
        await self._patch(
            f"{path}/connectors",
            {"native_connector": "CCS", "adaptors": ["CHADEMO"]},
            {"adaptors": ["CCS"]},
            {"adaptors": ["NACS", "NACS"]},
            {"native_connector": None, "adaptors": []},
        )
        await self._patch(
            f"{path}/state_of_charge",
            {"state_of_charge_percentage": 37},
            {"state_of_charge_percentage": None},
        )
        reconnect = await self._post(f"{path}/reconnect", {})
        await to.ask(f"GET {reconnect['url'].partition('localhost')[2]}", "none")
        await self._post(f"/vehicles/{made['id']}/reconnect", {})
        await self._post(f"{path}/disconnect")
        await self._jump(hours=14)
        for row in rows_of(await to.ask("GET /v2/vehicles?page_size=6"))[2:5]:
            await self._patch(f"/vehicles/{row['id']}", {"smart_charging_enabled": False})
            await self._patch(f"/vehicles/{row['id']}", {"maximum_charge_limit_percentage": 71})
        await self._jump(hours=20)

    async def _charging(self) -> None:
        to = self.to
        for span in ({"hours": 5}, {"hours": 5}, {"hours": 7}):
            await self._jump(**span)
            rows = rows_of(
                await to.ask("GET /v2/charging_sub_sessions?is_finished=false&page_size=100")
            )
            sessions = rows_of(await to.ask("GET /v2/charging_sessions?page_size=12"))
            for one in sessions[:8]:
                path = f"/charging_sessions/{one['id']}"
                await self._post(f"{path}/boost_start")
                await to.take({"advance": {"minutes": 11}})
                await to.ask(f"GET /v2{path}?expand=sub_sessions")
                await self._post(f"{path}/boost_start")
                await self._post(f"{path}/boost_end")
                await to.ask(f"GET /v2{path}?expand=sub_sessions")
            for row in rows[:2]:
                path = f"/charging_sub_sessions/{row['id']}"
                await self._post(f"{path}/recalculate_energy_usages", {"dry_run": True}, {})
            finished = rows_of(
                await to.ask("GET /v2/charging_sub_sessions?is_finished=true&page_size=3")
            )
            for row in finished:
                path = f"/charging_sub_sessions/{row['id']}"
                await self._post(
                    f"{path}/recalculate_energy_usages",
                    {"dry_run": True, "cap_overages": False},
                    {"cap_overages": True},
                )
                await to.ask(f"GET /v2{path}?expand=energy_usage&expand=assessment")
                for part in ("schedules", "schedule_plans", "debug_metadata", "flags"):
                    await to.ask(f"GET /v2{path}/{part}")

    async def _evses(self) -> None:
        evse = await self._first("/evses")
        path = f"/evses/{evse['id']}"
        await self._patch(
            path,
            {"location": {"latitude": 51.5, "longitude": -0.1}},
            {"location": {"latitude": 151.5, "longitude": -0.1}},
            {"location": None},
        )
        reconnect = await self._post(f"{path}/reconnect", {})
        await self.to.ask(f"GET {reconnect['url'].partition('localhost')[2]}", "none")
        made = await self._post(
            "/evse_onboarding/import",
            {"provider": "Easee", "serial_number": "UNKNOWN-1"},
            {"provider": "Easee", "serial_number": "EH-12345"},
            {"provider": "Easee", "serial_number": "EH-12345"},
            {"provider": "Wallbox", "serial_number": "W-1"},
            **self.to.acting_for(),
        )
        await self._jump(hours=2)
        for part in ("", "/status_logs", "/ocpp_logs?page_size=5", "/connectivity", "/vpp_modes"):
            await self.to.ask(f"GET /v2/evses/{made['id']}{part}")

    async def _users(self) -> None:
        to, me = self.to, f"/users/{self.to.user_id}"
        user = await self._post("/users", {}, {"email": "new.person@example.com"})
        await self._patch(
            f"/users/{user['id']}",
            {"default_location": {"city": "London"}},
            {"default_location": {**_HOME, "country_code": "GB"}},
            {"default_location": {"address_1": None}},
            {"email": "other@example.com"},
        )
        form = [("email", "form@example.com")]
        await to.ask(f"PATCH /v2/users/{user['id']}", form=form)
        await to.ask("GET /v2/users?email=FORM@example.com")
        tariffs = rows_of(await to.ask(f"GET /v2/tariffs?available_for_user_id={to.user_id}"))
        for tariff in tariffs[:3]:
            await self._patch(me, {"default_location": {"tariff": tariff["url"]}})
            await self._jump(days=1, hours=2)
        await self._patch(me, {"default_location": {"tariff": "http://x/v2/tariffs/none"}})
        await self._patch(
            f"{me}/notification_preferences",
            {"groups": {"charging_flow": False, "deals_and_offers": True}},
            {"groups": {"nothing": False}},
        )
        vehicle = await self._first("/vehicles", number=1)
        await self._patch(
            f"{me}/route_planner_preferences",
            {"preferred_vehicle": vehicle["url"], "min_charger_power_watts": 50000},
            {"preferred_vehicle": me, "arrive_with_min_percent": 5},
            {"preferred_vehicle": None, "arrive_with_min_percent": 15},
        )
        await self._patch(
            f"{me}/payout_method",
            {"receiver_wallet": "PAYPAL", "receiver": "me@example.com"},
            {"receiver_wallet": "PAYPAL"},
            {"receiver_wallet": "VENMO", "receiver": "+44 20 7946 0000"},
            {"receiver_wallet": "VENMO", "receiver": "none"},
            {"receiver_wallet": "BILL_CREDITS"},
            {"receiver_wallet": "BILL_CREDITS", "receiver": "x"},
        )
        await to.ask(f"DELETE /v2{me}/payout_method")
        await to.ask(f"GET /v2{me}/payout_method")
        point = {"latitude": 51.5, "longitude": -0.1, "name": "Here"}
        route = {"name": "Work", "origin": point, "destination": {**point, "name": "There"}}
        made = await self._post(
            f"{me}/saved_routes",
            route,
            route | {"arrive_with_min_percent": 101},
            route | {"arrive_with_min_percent": 10, "waypoints": [point], "favourite": True},
        )
        path = f"{me}/saved_routes/{made['id']}"
        await self._patch(
            path,
            {"name": "Work and back", "last_used_at": to.instant(days=-1)},
            {"preferred_departure_minutes": 1440},
            {"preferred_departure_minutes": 480},
        )
        await to.ask(f"GET /v2{path}", "user")
        await to.ask(f"DELETE /v2{path}", "user")
        await to.ask(f"DELETE /v2{path}")
        await to.ask(f"GET /v2{me}/saved_routes")
        await self._post("/auth/password_reset", {"email": "me@example.com"}, {"email": "no"})

    async def _programs(self) -> None:
        to, mine = self.to, self.to.acting_for()
        numbers = {"account_number": "1234567890", "said": "abc-def-123", "pin": "abcde-12345"}
        for program in rows_of(await to.ask("GET /v2/programs")):
            path = f"/programs/{program['id']}"
            await self._post(f"{path}/user_verification", {}, numbers, **mine)
            await self._post(f"{path}/join")
            await self._post(f"{path}/post-enrollment-verification", numbers, **mine)
            await self._post(f"{path}/join", **mine)
            await self._post(f"{path}/post-enrollment-verification", {}, numbers, **mine)
            versions = f"{path}/participation_agreement_versions"
            current = await to.ask(f"GET /v2{versions}/current", "user")
            accept = f"{versions}/{current.get('id', 'none')}/accept"
            for caller in ("app", "user"):
                await to.ask(f"POST /v2{accept}", caller, json={})
            await to.ask(f"POST /v2{accept}", "user", json={"more": 1})
            await to.ask(f"GET /v2{path}", **mine)
            await to.ask(f"GET /v2{path}/tiers", "user")
        await to.ask("GET /v2/incentive_schemes", **mine)
        await self._jump(days=3)
        await to.ask("GET /v2/incentive_schemes", "user")

    async def _rebates(self) -> None:
        to, mine = self.to, self.to.acting_for()
        kinds = rows_of(await to.ask("GET /v2/rebate_types?expand=required_evidence", **mine))
        await self._post("/user_rebates", {"rebate_type": kinds[0]["url"]})
        for kind in kinds[:3]:
            made = await self._post("/user_rebates", {"rebate_type": kind["url"]}, **mine)
            path, user_rebate = f"/user_rebates/{made['id']}", made["id"]
            await self._post(f"{path}:submit")
            start = f"/rebate_evidence_files:start_upload?user_rebate={user_rebate}"
            for evidence in kind["required_evidence"]:
                entries = evidence["evidence_data"]
                data = [{"id": n, "value": "42.50"} for n in range(1, len(entries) + 1)]
                both = {"rebate_type": kind["url"], "evidence_type": evidence["url"]}
                await self._patch(path, {**both, "evidence_data": [{"id": 9, "value": "x"}]})
                await self._patch(path, {**both, "evidence_data": data})
                await self._post(start, {"file_name": ""}, {"file_name": "a.pdf"})
                file = await self._post(
                    start, {"file_name": "a.pdf", "rebate_evidence_type": evidence["url"]}
                )
                if "presigned_url" in file:
                    await self._upload(file)
            await to.ask(f"GET /v2{path}?expand=rebate_type.required_evidence")
            await to.ask(f"GET /v2/rebate_evidence_files?user_rebate={user_rebate}")
            await self._post(f"{path}:submit")
            await self._post(f"{path}:submit")
            await to.ask(f"GET /v2{path}")
        for span in ({"hours": 20}, {"days": 6}, {"days": 30}):
            await to.take({"advance": span})
            await to.ask("GET /v2/user_rebates?expand=rebate_type.required_evidence", **mine)

    async def _upload(self, file: dict[str, Any]) -> None:
        to, target = self.to, file["presigned_url"].partition("localhost")[2]
        finish = f"/rebate_evidence_files/{file['id']}:finish_upload"
        pdf = {"Content-Type": "application/pdf"}
        await self._post(finish)
        await to.ask(f"PUT {target}", text="%PDF", headers=pdf)
        await to.ask(f"GET {target}", "none")
        await to.ask(f"PUT {target}0", "none", text="%PDF", headers=pdf)
        await to.ask(f"PUT {target.partition('?')[0]}", "none", text="%PDF", headers=pdf)
        await to.ask(f"PUT {target}", "none", text="%PDF-1.7", headers=pdf)
        await self._post(finish)
        await to.ask(f"GET /v2/rebate_evidence_files/{file['id']}")
        await to.take({"tick": 3601})
        await to.ask(f"PUT {target}", "none", text="%PDF", headers=pdf)

    async def _regions(self) -> None:
        to = self.to
        square = {"type": "Polygon", "coordinates": _SQUARE}
        several = {"type": "MultiPolygon", "coordinates": [_SQUARE]}
        bow_tie = {"type": "Polygon", "coordinates": _BOW_TIE}
        made = await self._post(
            "/regions",
            {"name": " ", "geometries": [square]},
            {"name": "Bow tie", "geometries": [bow_tie]},
            {"name": "London", "geometries": [square, several], "region_groups": ["none"]},
            {"name": "London", "type": "ELECTRICITY", "geometries": [square, several]},
        )
        group = {
            "name": "Cities",
            "regions": [
                {"name": "London", "geometries": [square]},
                {"name": "West", "type": "OTHER", "geometries": [several]},
                {"name": "West", "geometries": [bow_tie]},
            ],
        }
        fine = {"name": "Cities", "regions": [{"name": "West", "geometries": [several]}]}
        await self._post("/region_groups:validate", group, fine)
        grouped = await self._post("/region_groups", group, fine)
        await self._post("/region_groups", fine)
        await self._post("/region_groups:validate", fine)
        url = grouped.get("url")
        await self._post("/regions", {"name": "London", "geometries": [square]})
        await self._post(
            "/regions", {"name": "East", "geometries": [square], "region_groups": [url]}
        )
        for caller in ("app", "user"):
            for path in (
                f"/regions/{made['id']}", f"/region_groups/{grouped['id']}", "/regions?name=London",
                f"/regions?region_group_id={grouped['id']}", "/regions?contains=51.5,-0.1",
                "/regions?name__in=London,West&type=ELECTRICITY", "/region_groups?name=Cities",
            ):  # fmt: skip
                await to.ask(f"GET /v2{path}", caller)

    async def _catalogue(self) -> None:
        make = await self._first("/vehicle_makes", mine=False)
        model = await self._post(
            "/vehicle_models",
            {"name": "Two", "make": "none"},
            {"name": "Two", "make": make["url"]},
        )
        path = f"/vehicle_models/{model['id']}"
        await self._patch(path, {"default_connector_type": "NACS"}, {})
        await self._post(
            "/vehicle_trims",
            {"name": "Long", "model": "none", "battery_size_watt_hours": 70000},
            {"name": "Long", "model": model["url"], "battery_size_watt_hours": 70000},
        )
        connectors = f"{path}/connectors"
        await self._post(connectors, {"region": "EUROPE", "connector_type": "CCS"})
        for one in rows_of(await self.to.ask("GET /v2/vehicle_models?page_size=100"))[:12]:
            there = rows_of(await self.to.ask(f"GET /v2/vehicle_models/{one['id']}/connectors"))
            if len(there) == 1:
                region = {"EUROPE": "NORTH_AMERICA"}.get(there[0]["region"], "EUROPE")
                body = {"region": region, "connector_type": "NACS", "source": "USER"}
                await self._post(f"/vehicle_models/{one['id']}/connectors", body, body)
                break
        await self._patch(
            f"{connectors}/EUROPE",
            {"confidence": "HIGH", "verified_at": self.to.instant(days=-2)},
            {"source": None, "connector_type": "GBT"},
        )
        await self._patch(f"{connectors}/NORTH_AMERICA", {"confidence": "LOW"})
        await self.to.ask(f"GET /v2{connectors}")

    async def _onboarding(self) -> None:
        to = self.to
        program = await self._first("/programs", mine=False)
        for kind in ("evse", "vehicle"):
            model = await self._first(f"/{kind}_models", mine=False)
            names = {f"{kind}_make_name": "New", f"{kind}_model_name": "One"}
            for query in ("", "?client_id=sandbox"):
                await self._post(
                    f"/{kind}_waitlist{query}",
                    {"email": "a@example.com"},
                    {"email": "a@example.com", **names},
                    {"email": "a@example.com", **names, f"{kind}_model_id": model["id"]},
                    {"email": "a@example.com", f"{kind}_model_id": model["id"]},
                    {"email": "a@example.com", f"{kind}_model_id": "none", "program_id": "none"},
                    {"email": "a@example.com", **names, "program_id": program["id"]},
                )
        makes = rows_of(await to.ask("GET /v2/vehicle_makes"))
        await self._post(
            "/vehicle_onboarding/onboarding_link",
            {"email": "a@example.com", "make": "none"},
            {"email": "a@example.com", "make": makes[0]["id"]},
        )
        query = f"user_id={to.user_id}&client_id={to.replay.clients['app']}&response_type=json"
        for make in makes[:4]:
            begun = await to.ask(f"GET /v2/vehicle_onboarding?{query}&make_id={make['id']}", "none")
            request_id = begun.get(
                "authorization_request_id", "0" * 8 + "-0000-4000-8000-" + "0" * 12
            )
            complete = {"authorization_request_uid": request_id, "auth_code": "rejected"}
            for code in ("rejected", "good", "good"):
                await self._post("/vehicle_onboarding/complete", complete | {"auth_code": code})
        begun = await to.ask(f"GET /v2/vehicle_onboarding?{query}&make_id={makes[1]['id']}", "none")
        await to.take({"advance": {"minutes": 16}})
        request_id = begun.get("authorization_request_id", "none")
        late = {"authorization_request_uid": request_id, "auth_code": "good"}
        await self._post("/vehicle_onboarding/complete", late)
        await self._jump(hours=30)

    async def _solar(self) -> None:
        to, mine = self.to, self.to.acting_for()
        await self._post("/solar_arrays", {"capacity_watts": -1}, {"capacity_watts": 4000})
        array = await self._first("/solar_arrays")
        await self._patch(f"/solar_arrays/{array['id']}", {"capacity_watts": 9000}, {})
        model = await self._first("/inverter_models", mine=False)
        await self._post("/inverters", {}, {"model": "none"}, {"model": model["url"]})
        made = await self._post("/inverters", {"model": model["url"]}, **mine)
        await to.ask(f"GET /v2/inverters/{key_of(made)}?expand=model.make")
        await self._jump(days=1)
        await to.ask("GET /v2/solar_arrays?expand=inverter", **mine)
        await to.ask("GET /v2/solar_forecasts")

    async def _dispatch(self) -> None:
        to = self.to
        for row in rows_of(await to.ask("GET /v2/dispatch_coordinators"))[:2]:
            path = f"/dispatch_coordinators/{row['id']}"
            events = f"{path}/dispatch_events"
            times = {"start_time": to.instant(hours=1), "end_time": to.instant(hours=2)}
            made = await self._post(
                events,
                times,
                {**times, "end_time": times["start_time"], "import_limit_watts": -1},
                {**times, "start_time": to.instant(hours=-1), "target_power_watts": 5},
                {**times, "import_limit_watts": 10, "target_power_watts": 50},
                {**times, "import_limit_watts": 5000, "target_power_watts": 3000},
            )
            await self._post(events, {**times, "import_limit_watts": 5000})
            later = {"start_time": to.instant(hours=4), "end_time": to.instant(hours=5)}
            other = await self._post(events, {**later, "export_limit_watts": 100})
            cancel = f"{events}/{other.get('id', 'none')}/cancel"
            for target in (cancel, cancel, f"{events}/none/cancel"):
                await self._post(target)
            await to.take({"advance": {"hours": 1, "minutes": 30}})
            await to.ask(f"GET /v2{path}/dispatch_logs?page_size=10")
            await self._post(f"{events}/{made.get('id', 'none')}/cancel")
            await to.take({"advance": {"hours": 5}})
            await to.ask(f"GET /v2{path}/dispatch_logs?page_size=10")
            await self._post(f"{events}/{made.get('id', 'none')}/cancel")
            await to.ask(f"GET /v2{path}")

    async def _support(self) -> None:
        to = self.to
        for number in (0, 2):
            ticket = await self._first("/support_tickets", mine=False, number=number)
            await self._patch(
                f"/support_tickets/{ticket['id']}",
                {"human_verified_category": "SOLAR", "human_verified_subcategory": "INVERTER"},
                {"human_verified_category": "NOTHING"},
                {"ai_generated_category": None},
            )
        await to.ask("GET /v2/support-ticket-stats/sankey")
        notification = await self._first("/notifications")
        path = f"/notifications/{notification['id']}"
        await self._patch(path, {}, {"read_at": to.instant()}, {"read_at": to.instant(hours=1)})

    async def _gone(self) -> None:
        """Delete a vehicle and an EVSE, and look at what is left of their charging."""
        to, mine = self.to, self.to.acting_for()
        vehicle, evse = await self._first("/vehicles"), await self._first("/evses")
        for path in (f"/vehicles/{vehicle['id']}", f"/evses/{evse['id']}"):
            for method in ("DELETE", "GET", "DELETE"):
                await to.ask(f"{method} /v2{path}")
        await self._look()
        await self._jump(days=1)
        await to.ask(f"GET /v2/charging_sub_sessions?vehicle_id={vehicle['id']}&page_size=5")
        await to.ask(f"GET /v2/charging_sub_sessions?evse_id={evse['id']}&page_size=5", **mine)
