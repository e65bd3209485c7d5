"""The MCP server as a process, with the client of the package ``mcp`` and a simulator."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from ev_energy import Client, ClientCredentials
from ev_energy.simulator import Clock, Simulator

if TYPE_CHECKING:
    import mcp

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def package() -> None:
    reason = "needs mcp: pip install -r examples/mcp_server/requirements.txt"
    pytest.importorskip("mcp", reason=reason)


@attrs.define
class Model:
    """Calls tools as a language model does."""

    mcp: mcp.Client

    async def use(self, tool: str, **arguments: Any) -> str:
        """Return the text of a tool that succeeds."""
        text, is_error = await self._use(tool, arguments)
        assert not is_error, text
        return text

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """Return the text of a tool that fails."""
        text, is_error = await self._use(tool, arguments)
        assert is_error, text
        return text.removeprefix(f"Error executing tool {tool}: ")

    async def _use(self, tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        result = await self.mcp.call_tool(tool, arguments)
        (content,) = result.content
        assert content.type == "text"
        return content.text, bool(result.is_error)


@asynccontextmanager
async def started(sim: Simulator, *words: str) -> AsyncIterator[Model]:
    import mcp

    process = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-W", "error", "-m", "examples.mcp_server", *words],
        cwd=ROOT,
        env={
            "EV_ENERGY_CLIENT_ID": sim.client_id,
            "EV_ENERGY_CLIENT_SECRET": sim.client_secret,
            "EV_ENERGY_BASE_URL": sim.base_url,
            "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", ""),
        },
    )
    async with mcp.Client(process) as client:
        yield Model(client)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(vehicles=130, clock=Clock(speed=0)) as sim:
        yield sim


async def ids_of_api(sim: Simulator, **filters: Any) -> list[str]:
    auth = ClientCredentials(client_id=sim.client_id, client_secret=sim.client_secret)
    async with Client(auth, base_url=sim.base_url) as client:
        return [one.id async for one in client.charging_sub_sessions.list(**filters)]


async def test_three_small_tools_are_offered(sim: Simulator) -> None:
    async with started(sim) as model:
        tools = (await model.mcp.list_tools()).tools
        assert [tool.name for tool in tools] == ["search", "describe", "call"]
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        assert len(json.dumps([tool.model_dump(mode="json") for tool in tools])) < 5000


async def test_model_finds_an_operation_reads_about_it_and_calls_it(sim: Simulator) -> None:
    async with started(sim) as model:
        found = await model.use("search", words="charging sub session")
        assert "charging_sub_sessions.list: " in found.splitlines()[0]
        text = await model.use("describe", operation="charging_sub_sessions.list")
        assert "end__gt: 'datetime | None'" in text
        assert "expand takes a list of: evse, " in text
        since = sim.clock.now() - timedelta(days=1)
        arguments: dict[str, Any] = {"end__gt": since.isoformat(), "expand": ["vehicle"]}
        items: list[Any] = []
        cursor, results = None, 0
        while results == 0 or cursor is not None:
            text = await model.use(
                "call", operation="charging_sub_sessions.list", arguments=arguments, cursor=cursor
            )
            assert len(text) < 20_500
            result = json.loads(text)
            items += result["items"]
            cursor, results = result["next_cursor"], results + 1
        assert results > 4
        assert [item["id"] for item in items] == await ids_of_api(sim, end__gt=since)
        assert any(item["vehicle"] and item["vehicle"]["description"] for item in items)


async def test_one_resource_is_read_by_its_id(sim: Simulator) -> None:
    async with started(sim) as model:
        listed = json.loads(await model.use("call", operation="evses.list"))
        assert len(listed["items"]) <= 25
        evse_id = listed["items"][0]["id"]
        one = await model.use("call", operation="evses.get", arguments={"evse_id": evse_id})
        assert json.loads(one)["id"] == evse_id


async def test_words_that_match_nothing_are_reported(sim: Simulator) -> None:
    async with started(sim) as model:
        text = await model.use("search", words="qwertz")
        assert text == "nothing found: use other words, such as vehicle or tariff"


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"operation": "evses.lst"},
        "there is no operation 'evses.lst': search finds their names",
    ),
    ({"operation": "evses.get"}, "ValueError: the argument 'evse_id' is missing"),
    (
        {"operation": "evse_makes.get", "arguments": {"evse_make_id": "x", "odd": 1}},
        "ValueError: there is no argument 'odd': evse_makes.get takes evse_make_id",
    ),
    (
        {"operation": "evses.list", "cursor": "else"},
        "CursorError: cursor is 'else': pass next_cursor of the last result unchanged",
    ),
    (
        {"operation": "vehicles.update", "arguments": {"vehicle_id": "x"}},
        "vehicles.update is not allowed: this server only reads",
    ),
    (
        {"operation": "webhook_portal.get"},
        "webhook_portal.get is not allowed: it returns a link that grants access",
    ),
]


async def test_mistakes_are_explained_and_nothing_is_sent(sim: Simulator) -> None:
    async with started(sim) as model:
        for call, message in MISTAKES:
            assert await model.refusal("call", **call) == message
    assert not [seen for seen in sim.requests if seen.path.startswith("/v2/")]


LINKS = {
    "evse_onboarding.get",
    "evse_onboarding.get_json",
    "evses.reconnect",
    "inverter_onboarding.get",
    "vehicle_onboarding.get",
    "vehicle_onboarding.get_json",
    "vehicles.reconnect",
    "webhook_portal.get",
}


async def test_links_that_grant_access_are_refused_in_each_mode(sim: Simulator) -> None:
    async with started(sim) as reader, started(sim, "--allow-writes") as writer:
        for call in sorted(LINKS):
            message = f"{call} is not allowed: it returns a link that grants access"
            for model in (reader, writer):
                assert await model.refusal("call", operation=call) == message
    assert not [seen for seen in sim.requests if seen.path.startswith("/v2/")]


async def test_every_other_operation_may_be_allowed() -> None:
    from ev_energy._operations import operation_table
    from examples.mcp_server.server import Tools

    async with Client("t") as client:
        tools = Tools(client, allow_writes=True)
        refused = {
            one.call for one in operation_table() if "not allowed" in tools.describe(one.call)
        }
    assert refused == LINKS


async def test_error_of_the_api_reaches_the_model(sim: Simulator) -> None:
    async with started(sim) as model:
        text = await model.refusal("call", operation="evses.get", arguments={"evse_id": "none"})
        assert text.startswith("NotFoundError: ")


async def test_writes_must_be_allowed_at_the_start(sim: Simulator) -> None:
    async with started(sim, "--allow-writes") as model:
        tools = {tool.name: tool for tool in (await model.mcp.list_tools()).tools}
        annotations = tools["call"].annotations
        assert annotations
        assert annotations.read_only_hint is False
        listed = json.loads(await model.use("call", operation="vehicles.list"))
        arguments = {
            "vehicle_id": listed["items"][0]["id"],
            "smart_charging_enabled": not listed["items"][0]["smart_charging_enabled"],
        }
        text = await model.use("call", operation="vehicles.update", arguments=arguments)
        assert json.loads(text)["smart_charging_enabled"] is arguments["smart_charging_enabled"]
        assert "vehicles.update: " in await model.use("search", words="vehicles update")


def test_what_grants_access_is_masked() -> None:
    from examples.mcp_server.results import mask

    plain = {"id": "a", "url": "https://api.example/v2/users?page_size=5", "count": 3}
    assert mask(plain) == plain
    secret = {
        "presigned_url": "https://files.example/a",
        "onboarding_url": "https://api.example/onboarding?user_id=a",
        "file": {"name": "a.pdf", "url": "https://files.example/b"},
        "links": ["https://files.example/c?X-Amz-Signature=ab", "https://me:pw@files.example/"],
    }
    assert mask(secret) == {
        "presigned_url": "***",
        "onboarding_url": "***",
        "file": {"name": "a.pdf", "url": "***"},
        "links": ["***", "***"],
    }


def test_value_that_is_too_long_is_cut() -> None:
    from examples.mcp_server.results import shown

    result = json.loads(shown({"text": "x" * 30_000}))
    assert result["note"].startswith("cut: the first 20000 of 30012 characters")
    assert len(result["beginning"]) == 20_000
