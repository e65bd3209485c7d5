"""Makes the requests of the record that few clients send: odd forms, numbers, pages and shapes."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

import attrs

from tests.workshop.frozen.simulator_reads import Recorder, rows_of

_FORM: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data; boundary=xyz"
_OUTER: Final = [[0.0, 50.0], [4.0, 50.0], [4.0, 54.0], [0.0, 54.0], [0.0, 50.0]]
_HOLE: Final = [[1.0, 51.0], [1.0, 53.0], [3.0, 53.0], [3.0, 51.0], [1.0, 51.0]]
_ISLAND: Final = [[1.5, 51.5], [2.5, 51.5], [2.5, 52.5], [1.5, 52.5], [1.5, 51.5]]
_OVERLAP: Final = [[3.5, 53.0], [6.0, 53.0], [6.0, 55.0], [3.5, 55.0], [3.5, 53.0]]


def _part(name: str, content: str, kind: str = "") -> str:
    kind = f"Content-Type: {kind}\r\n" if kind else ""
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n{kind}\r\n{content}\r\n'


@attrs.define
class Corners:
    """Sends what is legal and rare, or wrong in a way of its own."""

    to: Recorder

    async def send_all(self) -> None:
        """Send everything."""
        for part in (
            self._forms, self._values, self._queries, self._pages, self._compatibility,
            self._onboarding, self._areas, self._routes, self._energy, self._boosts, self._codes,
        ):  # fmt: skip
            await part()
        await self.to.take({"do": "state"})

    async def _first(self, path: str) -> dict[str, Any]:
        return rows_of(await self.to.ask(f"GET /v2{path}", **self.to.acting_for()))[0]

    async def _forms(self) -> None:
        to, me = self.to, f"/v2/users/{self.to.user_id}"
        ticket = await self._first("/support_tickets")
        tickets = f"/v2/support_tickets/{ticket['id']}"
        place = (
            '{"address_1": "1 Road", "city": "A", "postal_code": "N1 1AA", "country_code": "GB"}'
        )
        for method, target, kind, text in (
            ("PATCH", me, _FORM, "email=a%40example.com&unknown=1"),
            ("PATCH", me, _FORM, "email=a%40example.com&email=b%40example.com"),
            ("PATCH", me, _FORM, "email=%ff"),
            ("PATCH", me, f"{_FORM}; charset=latin-1", "email=%e9%40example.com"),
            ("PATCH", me, f"{_FORM}; charset=none", "email=a%40example.com"),
            ("PATCH", me, _FORM, f"default_location={quote(place)}"),
            ("POST", "/v2/users", _FORM, "email=c%40example.com"),
            ("PATCH", tickets, _FORM, "human_verified_category=SOLAR"),
            ("PATCH", tickets, _FORM, "human_verified_category="),
            ("PATCH", me, _MULTIPART, _part("email", "d@example.com") + "--xyz--\r\n"),
            ("PATCH", me, _MULTIPART, _part("default_location", place) + "--xyz--\r\n"),
            ("PATCH", me, _MULTIPART, _part("default_location", "none") + "--xyz--\r\n"),
            ("PATCH", me, _MULTIPART, _part("email", "{", "application/json") + "--xyz--\r\n"),
            ("PATCH", me, _MULTIPART, _part("email", "x", "text/plain; charset=none") + "--xyz--"),
            ("PATCH", me, _MULTIPART, "--xyz\r\n\r\nno name\r\n--xyz--\r\n"),
            ("PATCH", me, _MULTIPART, "nothing at all"),
            ("PATCH", me, "multipart/form-data", _part("email", "d@example.com")),
            ("POST", "/v2/users", _MULTIPART, _part("email", "e@example.com") + "--xyz--\r\n"),
        ):
            await to.ask(f"{method} {target}", text=text, headers={"Content-Type": kind})
            await to.ask(f"GET {me}")

    async def _values(self) -> None:
        to, me = self.to, f"/v2/users/{self.to.user_id}"
        vehicle, model = await self._first("/vehicles"), await self._first("/vehicle_models")
        point = {"latitude": 51.5, "longitude": -0.1, "name": "Here"}
        route = {"name": "W", "origin": point, "destination": point, "arrive_with_min_percent": 9}
        json_type = {"Content-Type": "application/json"}
        for target, bodies in (
            (f"PATCH /v2/vehicles/{vehicle['id']}", (
                {"maximum_charge_limit_percentage": 70.0},
                {"maximum_charge_limit_percentage": 70.5},
                {"maximum_charge_limit_percentage": True},
                {"maximum_charge_limit_percentage": 10**30},
                {"vehicle_class": "BUS"}, {"smart_charging_enabled": None},
            )),
            (f"POST {me}/saved_routes", (
                route | {"name": "x" * 201}, route | {"name": "a\x00b"}, route | {"name": "\ud800"},
                route | {"waypoints": [point] * 26}, route | {"waypoints": [point, 1, {}]},
                route | {"waypoints": {}}, route | {"last_used_at": "2027-02-30T00:00:00Z"},
                route | {"last_used_at": "2027-02-20T10:00:00+02:00"}, route | {"origin": [point]},
                route | {"origin": point | {"latitude": 91}}, route | {"favourite": 1},
            )),
            (f"PATCH {me}", (
                {"email": "a@b"}, {"email": "@b.example"}, {"email": "a b@c.example"},
                {"default_location": {"tariff": "not a url"}}, {"default_location": None},
                {"default_location": {"country_code": "XX", "city": 1}},
            )),
            ("POST /v2/vehicles", (
                {"model": "http://[::1]:80/v2/vehicle_models/x"},
                {"model": "http://[::x]/v2"}, {"model": model["url"], "user": me},
                {"model": model["url"], "description": "x" * 201},
            )),
            ("POST /v2/vehicle_onboarding/complete", (
                {"authorization_request_uid": "none", "auth_code": "x"},
                {"authorization_request_uid": "0" * 8 + "-0000-4000-8000-" + "0" * 12,
                 "auth_code": "x", "smartcar_user_id": "y" * 101},
            )),
        ):  # fmt: skip
            for body in bodies:
                await to.ask(target, "user", json=body)
        for text in (
            '{"maximum_charge_limit_percentage": NaN}',
            "[" * 3000,
            '{"a": 1}x',
            "\ufeff{}",
        ):
            await to.ask(f"PATCH /v2/vehicles/{vehicle['id']}", text=text, headers=json_type)
        for accept in (
            "application/json;q=0", "*/*;q=0.1", "text/*, application/*", "application/json; q=0.0",
            " ", "application/problem+json", "text/html;q=0.9,*/*;q=0",
        ):  # fmt: skip
            await to.ask("GET /v2/evses?page_size=1", headers={"Accept": accept})
        for version in ("2.0", "1", "", "two"):
            await to.ask("GET /v2/evses?page_size=1", headers={"EvEnergy-Version": version})
        for user in (f"http://x/v2/users/{to.user_id}/", "me", "", to.user_id.lower()):
            await to.ask("GET /v2/evses?page_size=1", headers={"EvEnergy-User": user})

    async def _queries(self) -> None:
        to = self.to
        for target in (
            "/evses?page_size=1.0", "/evses?page_size=1&page_size=2", "/evses?expand=model,user",
            "/evses?expand=model&expand=model", "/evses?expnd=model", "/evses?page_size=%00",
            "/tariffs?page=1.0", "/tariffs?page=1e0", "/tariffs?page=2&page_size=5",
            "/tariffs?page=999", "/tariffs?page=0", "/tariffs?page=-1", "/tariffs?page=1.5",
            "/tariffs?valid=True", "/tariffs?include_optional=daily_prices&page_size=3",
            "/charging_sub_sessions?start__gt=2027-07-14T20:00:00+02:00",
            "/charging_sub_sessions?start__gt=2027-07-14T20:00:00%2B02:00&page_size=2",
            "/charging_sub_sessions?start__lt=1999-01-01T00:00:00Z",
            "/charging_sub_sessions?end__gt=2027-07-14T20:00:00Z&end__lt=2027-07-15T01:00:00Z",
            "/charging_sub_sessions?energy_delivered_watt_hours__gte=99999999",
            "/charging_sub_sessions?energy_delivered_watt_hours__lte=-1", "/regions?contains=91,0",
            "/charging_sub_sessions?energy_delivered_watt_hours__gte=5000&page_size=3",
            "/charging_sub_sessions?energy_delivered_watt_hours__lte=9000&page_size=3",
            "/charging_sub_sessions?user_id=me&page_size=2",
            "/charging_sub_sessions?mode=MANAGED_OTG",
            "/programs?postal_code=SW1A%201AA", "/programs?coordinates=51.5,-0.12&country_code=GB",
            "/programs?country_code=GB&postal_code=nothing", "/programs?country_code=US",
            "/programs?coordinates=34.05,-118.24", "/programs?country_code=US&postal_code=94103",
            "/support-ticket-stats/top-categories?limit=2",
            "/support-ticket-stats/volume?group_by=week",
            "/support_tickets?created_at__range=2026-01-01T00:00:00Z", "/tariffs?gsp_group=_C",
            "/support_tickets?created_at__range=2026-01-01T00:00:00Z,2027-09-01T00:00:00Z",
            f"/suppliers?available_for_user_id={'user' + '0' * 26}",
            "/users?email=nobody@example.com",
            f"/vehicle_makes?available_for_user_id={'user' + '0' * 26}",
            f"/evse_makes?available_for_user_id={'user' + '0' * 26}",
        ):  # fmt: skip
            for caller in ("app", "user"):
                await to.ask(f"GET /v2{target}", caller)

    async def _pages(self) -> None:
        to = self.to
        evse = await self._first("/evses")
        for folder, key in (
            ("evses", evse["id"]), ("evses", "evse" + "0" * 26), ("evses", "evse" + "Z" * 26),
            ("cpms_providers", "SWTCH"), ("cpms_providers", "nothing"),
            ("timezones", "Europe/London"), ("dispatch_coordinators", "dc000001"),
            ("charging_sessions", "cses01MTZC5JT7MK9W5300ACZGKDYX"), ("regions", "none"),
            ("vehicles", "vhcl01JCB3SMKPGRJVXKVAZ4AH37TV"), ("solar_forecasts", "solf" + "0" * 26),
            (f"evses/{evse['id']}/status_logs", to.instant(hours=-3)),
            (f"evses/{evse['id']}/status_logs", "1999-01-01T00:00:00Z"),
            (f"evses/{evse['id']}/error_logs", to.instant(days=-30)),
            (f"evses/{evse['id']}/ocpp_logs", to.instant(days=3)),
        ):  # fmt: skip
            for name in ("page_after", "page_before"):
                pairs = {name: key} | ({"page_size": "2"} if folder != "cpms_providers" else {})
                await to.ask(f"GET /v2/{folder}?{urlencode(pairs)}")
            both = {"page_before": "nonsense", "page_after": key}
            await to.ask(f"GET /v2/{folder}?{urlencode(both)}")

    async def _compatibility(self) -> None:
        to = self.to
        program = await self._first("/programs")
        for kind in ("evse", "vehicle"):
            rows = rows_of(await to.ask(f"GET /v2/{kind}_models?page_size=100"))
            for row in rows[:6]:
                for query in ("", "&country=de", "&country=US", f"&program_id={program['id']}"):
                    target = f"/v2/{kind}_compatibility/check?{kind}_model_id={row['id']}{query}"
                    await to.ask(f"GET {target}", "none")
            target = f"/v2/{kind}_compatibility/check?{kind}_model_id={rows[0]['id']}"
            await to.ask(f"GET {target}", headers={"Accept-Language": "en-GB,en;q=0.9"})
            await to.ask(f"GET {target}&program_id=prog{'0' * 26}")
            unknown = rows[0]["id"][:4] + "0" * 26
            await to.ask(f"GET /v2/{kind}_compatibility/check?{kind}_model_id={unknown}")

    async def _onboarding(self) -> None:
        to = self.to
        base = {"user_id": to.user_id, "client_id": to.replay.clients["app"]}
        inverters = rows_of(await to.ask("GET /v2/inverters"))
        makes = rows_of(await to.ask("GET /v2/inverter_makes"))
        trims = rows_of(await to.ask("GET /v2/vehicle_trims"))
        model = await self._first("/inverter_models")
        mine = await self._first("/inverters")
        for more in (
            {"inverter_id": mine["id"]}, {"inverter_id": inverters[-1]["id"]},
            {"inverter_id": mine["id"], "make_id": makes[0]["id"]},
            {"inverter_id": mine["id"], "make_id": makes[-1]["id"]},
            {"make_id": makes[0]["id"]}, {"make_id": "none"}, {"client_id": "none"},
            {"user_id": "user" + "0" * 26},
        ):  # fmt: skip
            for caller in ("app", "user"):
                await to.ask(f"GET /v2/inverter_onboarding?{urlencode(base | more)}", caller)
        for body in (
            {"model": model["url"], "user": f"http://x/v2/users/{to.user_id}"},
            {"model": model["url"], "user": "none"}, {"model": "none"},
        ):  # fmt: skip
            for caller in ("app", "user"):
                await to.ask("POST /v2/inverters", caller, json=body)
        for about in (
            {"trim_id": trims[0]["id"]}, {"trim_id": "none"},
            {"trim_id": trims[0]["id"], "make_id": makes[0]["id"]},
            {"model_id": trims[0]["model"].rpartition("/")[2]}, {"model_id": "none"},
        ):  # fmt: skip
            query = urlencode(base | about)
            await to.ask(f"GET /onboarding/vehicles/?{query}", "none", browser=True)
            await to.ask(f"GET /v2/vehicle_onboarding?{query}", "none")
            await to.ask(f"GET /v2/vehicle_onboarding?{query}&response_type=json", "none")
        for make in rows_of(await to.ask("GET /v2/evse_makes?page_size=100")):
            query = urlencode(base | {"make_id": make["id"]})
            await to.ask(f"GET /onboarding/evses/?{query}", "none", browser=True)

    async def _areas(self) -> None:
        to = self.to
        holed = {"type": "Polygon", "coordinates": [_OUTER, _HOLE]}
        island = {"type": "Polygon", "coordinates": [_ISLAND]}
        overlap = {"type": "MultiPolygon", "coordinates": [[_OVERLAP], [_ISLAND]]}
        wrong = {"type": "Polygon", "coordinates": [[*_OUTER[:-1], [0.0, 50.1]]]}
        beyond = {"type": "Polygon", "coordinates": [[[181.0, 0.0], *_OUTER[1:-1], [181.0, 0.0]]]}
        flat = {
            "type": "Polygon",
            "coordinates": [[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.0, 0.0]]],
        }
        for number, geometries in enumerate((
            [holed], [holed, island], [overlap, holed], [holed, island, overlap], [wrong], [beyond],
            [flat], [], [{"type": "Point", "coordinates": [0, 0]}],
            [{"type": "Polygon", "coordinates": [_OUTER, _ISLAND[::-1], _OVERLAP]}],
        )):  # fmt: skip
            body = {"name": f"Area {number}", "geometries": geometries}
            made = await to.ask("POST /v2/regions", json=body)
            await to.ask("POST /v2/region_groups:validate", json={"name": "G", "regions": [body]})
            if "id" in made:
                for caller in ("app", "narrow"):
                    await to.ask(f"GET /v2/regions/{made['id']}", caller)
        for point in ("52,2", "51.2,0.5", "54.5,5", "60,0"):
            await to.ask(f"GET /v2/regions?contains={point}")
        partner = await to.ask("POST /__sim/tokens", "none", json={
            "client_id": to.replay.clients["partner"]})  # fmt: skip
        bearer = {"headers": {"Authorization": f"Bearer {partner['access_token']}"}}
        await to.ask("GET /v2/regions", "none", **bearer)
        await to.ask(
            "POST /v2/regions", "none", json={"name": "P", "geometries": [holed]}, **bearer
        )
        await to.ask("GET /v2/regions", "none", **bearer)
        await to.ask("GET /v2/support_tickets?page_size=3", "none", **bearer)

    async def _routes(self) -> None:
        to, routes = self.to, f"/v2/users/{self.to.user_id}/saved_routes"
        point = {"latitude": 51.5, "longitude": -0.1, "name": "Here"}
        for number in range(51):
            body = {"name": f"R{number}", "origin": point, "destination": point}
            await to.ask(f"POST {routes}", json=body | {"arrive_with_min_percent": number})
        await to.ask(f"GET {routes}?page_size=100")
        for notification in rows_of(await to.ask("GET /v2/notifications?page_size=100")):
            if "read_at" not in notification:
                read = {"read_at": to.instant(hours=-1)}
                for body in (read, {"read_at": to.instant()}):
                    await to.ask(f"PATCH /v2/notifications/{notification['id']}", json=body)
                break

    async def _energy(self) -> None:
        to = self.to
        for system in rows_of(await to.ask("GET /v2/hem_systems"))[:2]:
            for start, end, resolution in (
                ("2027-07-14T00:00:00Z", "2027-07-15T00:00:00Z", "PT30M"),
                ("2027-07-14T00:10:00Z", "2027-07-15T00:00:00Z", "PT30M"),
                ("2027-03-27T00:00:00Z", "2027-03-29T23:00:00Z", "PT30M"),
                ("2027-07-01T23:00:00Z", "2027-07-10T23:00:00Z", "P1D"),
                ("2027-03-20T00:00:00Z", "2027-04-03T23:00:00Z", "P1D"),
                ("2027-07-01T12:00:00Z", "2027-07-10T23:00:00Z", "P1D"),
                ("2026-12-01T00:00:00Z", "2027-02-01T00:00:00Z", "P1M"),
                ("2026-09-30T23:00:00Z", "2027-06-30T23:00:00Z", "P1M"),
                ("2026-09-15T23:00:00Z", "2027-06-30T23:00:00Z", "P1M"),
                ("2027-07-14T00:00:00Z", "2027-07-13T00:00:00Z", "PT30M"),
                ("2017-07-14T00:00:00Z", "2027-07-13T00:00:00Z", "P1D"),
                ("0001-01-01T00:00:00Z", "9999-12-31T23:00:00Z", "P1M"),
            ):
                pairs = {"start": start, "end": end, "resolution": resolution}
                target = f"/v2/hem_systems/{system['id']}/energy_stats?{urlencode(pairs)}"
                await to.ask(f"GET {target}")

    async def _boosts(self) -> None:
        """Boost, turn smart charging off and on, and read what that has the EVSE told."""
        to = self.to
        for span in ({"hours": 3}, {"hours": 2}, {"hours": 4}):
            await to.take({"advance": span})
            sessions = rows_of(await to.ask("GET /v2/charging_sessions?page_size=40"))
            for session in [one for one in sessions if one["end"] is None][:6]:
                await self._boost(session)
        await to.take({"advance": {"days": 2}})
        finished = "GET /v2/charging_sub_sessions?is_finished=true&page_size=100"
        for row in rows_of(await to.ask(finished))[:60:6]:
            path = f"/v2/charging_sub_sessions/{row['id']}"
            for body in ({"cap_overages": False}, {"cap_overages": True}, {"cap_overages": False}):
                await to.ask(f"POST {path}/recalculate_energy_usages", json=body)
                await to.ask(f"GET {path}?expand=energy_usage&expand=assessment&expand=tariff")
            for query in (
                "merge_consecutive_intervals=true",
                "energy_delivered_watt_hours__gt=200",
            ):
                await to.ask(f"GET {path}/energy_usage?{query}")
            await to.ask(f"GET {path}/schedules?only_most_recently_created=false")
            await to.ask(f"GET {path}/schedule_plans?expand=price_data")

    async def _boost(self, session: dict[str, Any]) -> None:
        to, path = self.to, f"/v2/charging_sessions/{session['id']}"
        evse, vehicle = (
            str(session[name]).partition("localhost")[2] for name in ("evse", "vehicle")
        )
        for what in ("boost_start", "boost_end", "boost_start"):
            await to.ask(f"POST {path}/{what}")
            await to.take({"advance": {"minutes": 4}})
        for enabled in (False, True) if vehicle else ():
            await to.ask(f"PATCH {vehicle}", json={"smart_charging_enabled": enabled})
            await to.take({"advance": {"minutes": 7}})
        await to.ask(f"GET {path}?expand=sub_sessions")
        for log in ("command_logs", "status_logs", "ocpp_logs"):
            for device in filter(None, (evse, "" if log == "ocpp_logs" else vehicle)):
                await to.ask(f"GET {device}/{log}?page_size=12")

    async def _codes(self) -> None:
        """Let a code and a link get too old."""
        to = self.to
        back = "https://partner.example/back"
        query = {"client_id": to.replay.clients["partner"], "response_type": "code"}
        target = f"/o/authorize/?{urlencode(query)}"
        user = await to.ask(f"GET /v2/users/{to.user_id}")
        await to.ask(f"GET {target}", "none", browser=True)
        for pairs in (
            [("answer", "login"), ("email", user["email"]), ("password", "x")],
            [("answer", "allow")],
        ):
            form = [("seal", "$seal"), *pairs]
            await to.ask(f"POST {target}", "none", form=form, browser=True)
            await to.ask(f"GET {target}", "none", browser=True)
        await to.take({"tick": 3600})
        vehicle = await self._first("/vehicles")
        made = await to.ask(f"POST /v2/vehicles/{vehicle['id']}/reconnect", json={})
        await to.take({"advance": {"days": 2}})
        link = made.get("url", f"http://localhost{back}").partition("localhost")[2]
        await to.ask(f"GET {link}", "none", browser=True)
