"""Everything the simulator does is compared with the official description of the API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from ev_energy.simulator._operations import OPERATIONS
from ev_energy.simulator._routes import Access

if TYPE_CHECKING:
    from collections.abc import Iterator

Operation = tuple[str, str]
IDS = [f"{method} {path}" for method, path in OPERATIONS]


def resolve(description: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = description
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def operation(description: dict[str, Any], key: Operation) -> dict[str, Any]:
    method, path = key
    return description["paths"][path][method.lower()]


def parameters(description: dict[str, Any], key: Operation) -> dict[str, dict[str, Any]]:
    shared = description["paths"][key[1]].get("parameters", [])
    listed = [*shared, *operation(description, key).get("parameters", [])]
    found = [resolve(description, one) for one in listed]
    return {one["name"]: one for one in found}


def check(description: dict[str, Any], key: Operation, answer: Any) -> None:
    """Validate a reply against the response its operation declares for its status."""
    declared = operation(description, key)["responses"]
    assert str(answer.status) in declared, (key, answer.status, answer.body)
    response = resolve(description, declared[str(answer.status)])
    content = response.get("content")
    if not content:
        assert answer.body is None
        return
    media = answer.headers["Content-Type"].partition(";")[0]
    schema = {**content[media]["schema"], "components": description["components"]}
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    errors = [
        f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(answer.body)
    ]
    assert not errors, (key, errors[:5])
    for name in response.get("headers", {}):
        if name == "Link":
            assert answer.headers["Link"]


@pytest.mark.parametrize("key", OPERATIONS, ids=IDS)
def test_the_operation_exists_with_these_scopes_and_expansions(
    description: dict[str, Any], key: Operation
) -> None:
    route, declared = OPERATIONS[key], operation(description, key)
    security = declared.get("security", description.get("security", []))
    if route.access is Access.TOKEN:
        assert [set(route.scopes)] == [set(one["oauth2"]) for one in security]
    else:
        assert security == []
    expand = parameters(description, key).get("expand")
    names = expand["schema"]["items"]["enum"] if expand else []
    assert set(route.expand) == set(names)


def test_every_described_operation_on_evses_clamps_and_users_themselves_is_simulated(
    description: dict[str, Any],
) -> None:
    wanted = re.compile(
        r"/(evses|evse_(?!sites)|ct_clamps).*|/users(/{user_id})?"
        r"|/(tariffs/{tariff_id}|suppliers/{supplier_id})"
    )
    described = {
        (method.upper(), path)
        for path, methods in description["paths"].items()
        for method in methods
        if wanted.fullmatch(path) and method in {"get", "post", "patch", "delete"}
    }
    assert len(described) == 35
    assert described <= set(OPERATIONS)


class Examples:
    """Values for the parameters of paths, taken from a running simulator."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def collect(self, api: Any) -> None:
        user = (
            await api.get(f"/users/{api.simulator.user_id}?expand=default_location.tariff")
        ).body
        evses = [(await api.get(f"{url}?expand=model")).body for url in user["evses"]]
        evse = next(one for one in evses if one["ct_clamp"])
        sites = [one["default_location"]["evse_site"] for one in (await api.get("/users")).body]
        tariff = user["default_location"]["tariff"]
        urls = {
            "user_id": user["url"],
            "evse_id": evse["url"],
            "ct_clamp_id": evse["ct_clamp"],
            "evse_model_id": evse["model"]["url"],
            "evse_make_id": evse["model"]["make"],
            "tariff_id": tariff["url"],
            "supplier_id": tariff["supplier"],
            "evse_site_id": next(url for url in sites if url),
        }
        self.values = {name: url.rpartition("/")[2] for name, url in urls.items()}
        firmware = await api.get("/evse_firmware_versions")
        self.values["evse_firmware_version_id"] = firmware.body[0]["id"]

    async def fill(self, api: Any, path: str) -> str:
        """Return the path with its parameters; the time of a log is that of its first entry."""
        for name in re.findall(r"{(\w+)}", path):
            if name not in {"sampled_at", "logged_at"}:
                path = path.replace(f"{{{name}}}", self.values[name])
                continue
            log = path.rpartition("/")[0]
            path = f"{log}/{(await api.get(log)).body[0][name]}"
        return path


@pytest.fixture
async def examples(api: Any) -> Examples:
    examples = Examples()
    await examples.collect(api)
    return examples


def expansions(key: Operation) -> Iterator[str]:
    names = OPERATIONS[key].expand
    yield ""
    yield from (f"expand={name}" for name in names)
    yield "&".join(f"expand={name}" for name in names)


READS = [
    key
    for key in OPERATIONS
    if key[0] == "GET" and key[1] not in {"/evse_onboarding", "/evse_compatibility/check"}
]


@pytest.mark.parametrize("key", READS, ids=[path for _, path in READS])
async def test_every_read_answers_as_described_with_every_expansion(
    description: dict[str, Any], api: Any, examples: Examples, key: Operation
) -> None:
    path = await examples.fill(api, key[1])
    for query in expansions(key):
        answer = await api.get(f"{path}?page_size=100&{query}")
        assert answer.status == 200
        check(description, key, answer)


@pytest.mark.parametrize("key", READS, ids=[path for _, path in READS])
async def test_every_refusal_of_a_read_is_as_described(
    description: dict[str, Any], start: Any, key: Operation
) -> None:
    api = await start(rate_limit=15)
    examples = Examples()
    examples.values = dict.fromkeys(re.findall(r"{(\w+)}", key[1]), "2026-06-01T00:00:00.000001Z")
    path = key[1].format_map(examples.values)
    requests = [
        (400, {"headers": {"EvEnergy-Version": "3.0"}}),
        (401, {"token": "stale"}),
        (406, {"headers": {"Accept": "text/csv"}}),
    ]
    if "{" in key[1]:
        requests.append((404, {}))
    if OPERATIONS[key].access is Access.TOKEN:
        poor = api.simulator.add_application(scopes=["nothing:read"])
        rich, _ = api.token, await api.log_in(*poor)
        requests.append((403, {"token": api.token}))
        api.token = rich
    for status, options in requests:
        answer = await api.get(path, **options)
        assert answer.status == status, answer.body
        check(description, key, answer)
    while (answer := await api.get(path)).status != 429:
        pass
    check(description, key, answer)


async def test_every_other_operation_answers_as_described(
    description: dict[str, Any], api: Any, examples: Examples
) -> None:
    point = {"location": {"latitude": 51.5, "longitude": -0.1}}
    home = {
        "address_1": "1 Test Road",
        "city": "Leeds",
        "postal_code": "LS1 1UR",
        "country_code": "GB",
    }
    who = f"client_id={api.simulator.client_id}&user_id={api.simulator.user_id}"
    model = examples.values["evse_model_id"]
    make = examples.values["evse_make_id"]
    serial = {"provider": "Easee", "serial_number": "EH1"}
    waiting = {"email": "a@b.example", "evse_model_id": model}
    calls: list[tuple[str, str, str, int, Any]] = [
        ("POST", "/users", "", 201, {"email": "a@b.example", "default_location": home}),
        ("POST", "/users", "", 201, {}),
        ("POST", "/users", "", 400, {"email": 1}),
        (
            "PATCH",
            "/users/{user_id}",
            "expand=default_location.tariff",
            200,
            {"email": "a@b.example"},
        ),
        ("PATCH", "/users/{user_id}", "", 400, {"default_location": {"city": "Leeds"}}),
        ("GET", "/evse_compatibility/check", f"evse_model_id={model}", 200, None),
        ("GET", "/evse_compatibility/check", "", 400, None),
        ("GET", "/evse_compatibility/check", "evse_model_id=emod" + "0" * 26, 404, None),
        ("GET", "/evse_onboarding", who, 302, None),
        ("GET", "/evse_onboarding", f"{who}&response_type=json&make_id={make}", 200, None),
        ("GET", "/evse_onboarding", "", 400, None),
        ("GET", "/evse_onboarding", f"{who}&make_id=none", 404, None),
        ("POST", "/evse_waitlist", "", 201, waiting),
        ("POST", "/evse_waitlist", "", 400, {}),
        ("POST", "/evse_onboarding/import", "expand=user&expand=model.make", 201, serial),
        ("POST", "/evse_onboarding/import", "", 422, serial),
        ("POST", "/evse_onboarding/import", "", 404, serial | {"serial_number": "UNKNOWN"}),
        ("POST", "/evse_onboarding/import", "", 400, {}),
        ("PATCH", "/evses/{evse_id}", "expand=user&expand=ct_clamp", 200, point),
        ("PATCH", "/evses/{evse_id}", "", 200, {"location": None}),
        ("PATCH", "/evses/{evse_id}", "", 400, {"location": 1}),
        ("POST", "/evses/{evse_id}/reconnect", "", 201, None),
        ("DELETE", "/evses/{evse_id}", "", 204, None),
        ("DELETE", "/evses/{evse_id}", "", 404, None),
    ]
    for method, path, query, status, body in calls:
        url = f"{await examples.fill(api, path)}?{query}"
        options = {} if body is None else {"json": body}
        answer = await api(method, url, **options)
        assert answer.status == status, (method, path, answer.body)
        check(description, (method, path), answer)
    assert {(method, path) for method, path, *_ in calls} | set(READS) == set(OPERATIONS)
