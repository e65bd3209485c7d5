"""Secrets do not follow from the seed, unless ``fixed_secrets`` is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from ev_energy.simulator import Clock, Simulator

if TYPE_CHECKING:
    from pathlib import Path


def token_request(client_id: str, secret: str) -> dict[str, str]:
    """Return the form that requests a token for an application."""
    return {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret,
    }


async def secrets_of(simulator: Simulator) -> dict[str, str]:
    """Return a secret of each kind that a simulator gives to its clients."""
    async with aiohttp.ClientSession() as session:
        form = token_request(simulator.client_id, simulator.client_secret)
        async with session.post(simulator.token_url, data=form) as reply:
            token = (await reply.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "EvEnergy-User": simulator.user_id}
        url = f"{simulator.base_url}/webhook_portal"
        async with session.get(url, headers=headers) as reply:
            portal = (await reply.json())["url"]
        query = {"user_id": simulator.user_id, "client_id": simulator.client_id}
        async with session.get(f"{simulator.base_url}/vehicle_makes", headers=headers) as reply:
            makes = await reply.json()
        for make in makes:
            query |= {"make_id": make["id"], "response_type": "json"}
            async with session.get(
                f"{simulator.base_url}/vehicle_onboarding", params=query
            ) as reply:
                if reply.status == 200:
                    onboarding = (await reply.json())["authorization_request_id"]
                    break
    user = simulator.sign_in()
    return {
        "client secret": simulator.client_secret,
        "other client secret": simulator.add_application()[1],
        "token": token,
        "token of a user": user.access_token,
        "refresh token": user.refresh_token,
        "signing secret": simulator.webhooks.add("http://127.0.0.1:9/").secret,
        "portal": portal.rpartition("=")[2],
        "onboarding": onboarding,
    }


async def secrets_of_run(**options: Any) -> tuple[str, str, dict[str, str]]:
    """Run a new simulator, and return its client id, its user id and its secrets."""
    async with Simulator(vehicles=4, clock=Clock(speed=0), **options) as simulator:
        return simulator.client_id, simulator.user_id, await secrets_of(simulator)


async def test_secrets_differ_between_runs_and_the_data_do_not() -> None:
    *ids, one = await secrets_of_run(seed=5)
    *other_ids, other = await secrets_of_run(seed=5)
    assert ids == other_ids
    assert [kind for kind in one if one[kind] == other[kind]] == []
    assert len({*one.values(), *other.values()}) == 2 * len(one)


async def test_fixed_secrets_are_the_same_in_every_run_with_a_seed() -> None:
    one = await secrets_of_run(seed=5, fixed_secrets=True)
    assert one == await secrets_of_run(seed=5, fixed_secrets=True)
    other = (await secrets_of_run(seed=6, fixed_secrets=True))[2]
    assert [kind for kind in other if one[2][kind] == other[kind]] == []


@pytest.mark.shows_secrets("files", reason="a state file keeps tokens")
async def test_secrets_survive_in_a_state_file_and_a_reset(
    tmp_path: Path,
) -> None:
    options: dict[str, Any] = {"state": tmp_path / "state.json", "clock": Clock(speed=0)}
    async with Simulator(vehicles=4, **options) as first:
        secrets = await secrets_of(first)
    async with Simulator(**options) as second, aiohttp.ClientSession() as session:
        assert second.client_secret == secrets["client secret"]
        assert second.webhooks.endpoints[0].secret == secrets["signing secret"]
        headers = {"Authorization": f"Bearer {secrets['token']}"}
        async with session.get(f"{second.base_url}/evses", headers=headers) as reply:
            assert reply.status == 200
        second.reset()
        assert second.client_secret == secrets["client secret"]
        form = token_request(second.client_id, secrets["client secret"])
        async with session.post(second.token_url, data=form) as reply:
            assert reply.status == 200
