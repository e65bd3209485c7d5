"""What an error tells about a write that failed."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Final

import pytest

from ev_energy import Client, ClientCredentials, errors
from ev_energy.models import RoutePoint
from ev_energy.simulator import Simulator
from tests.helpers.support import TOKEN, FakeTime

PAGE: Final = Path(__file__).parents[2] / "docs" / "errors.md"
HERE: Final = RoutePoint(latitude=51.5, longitude=-0.1, name="here")
#: By error class. All others have that of their base class.
OUTCOMES: Final = {
    "EvEnergyError": None,
    "ClientClosedError": "not_sent",
    "ForeignOriginError": "not_sent",
    "CursorError": "not_sent",
    "SignInRequiredError": "not_sent",
    "TokenStoreError": "not_sent",
    "CredentialUnavailableError": "not_sent",
    "TokenError": "not_sent",
    "BudgetExceeded": "not_sent",
    "BudgetUnavailableError": "not_sent",
    "CallError": "unknown",
    "NotSentError": "not_sent",
    "ApiError": "refused",
    "ServerError": "unknown",
    "UploadError": "unknown",
}
_CLASSES: Final = [
    getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)
]


@pytest.mark.parametrize("cls", _CLASSES)
def test_class_has_the_outcome_of_the_table(cls: type[errors.EvEnergyError]) -> None:
    nearest = next(base.__name__ for base in cls.__mro__ if base.__name__ in OUTCOMES)
    assert cls.outcome == OUTCOMES[nearest]


def test_page_has_the_outcome_of_each_class() -> None:
    rows = re.findall(r"^\| `\"?(\w+)\"?` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    by_outcome = {
        name: set(re.findall(r"`(\w+)`", text))
        for name, text in rows
        if name in {"not_sent", "refused", "unknown", "None"}
    }
    named = set[str]().union(*by_outcome.values())
    assert len(by_outcome) == 4
    assert named <= set(errors.__all__), "the page names classes that do not exist"
    for cls in _CLASSES:
        if cls in {errors.EvEnergyError, errors.CallError}:
            continue
        nearest = next((base.__name__ for base in cls.__mro__ if base.__name__ in named), "")
        assert nearest in by_outcome[str(cls.outcome)], (
            f"add {cls.__name__} to the row {cls.outcome} of docs/errors.md"
        )


def test_page_has_the_class_of_each_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert {int(status): name for status, name in rows} == {
        status: cls.__name__ for status, cls in errors.ApiError.classes.items()
    }


async def write(client: Client, user: str) -> errors.EvEnergyError:
    with pytest.raises(errors.EvEnergyError) as caught:
        await client.users.create_saved_route(
            user, name="a", origin=HERE, destination=HERE, arrive_with_min_percent=20
        )
    assert pickle.loads(pickle.dumps(caught.value)).outcome == caught.value.outcome
    return caught.value


def credentials(simulator: Simulator, **changes: str) -> ClientCredentials:
    settings = {"client_id": simulator.client_id, "client_secret": simulator.client_secret}
    return ClientCredentials(**{**settings, **changes})


async def test_write_that_was_never_sent_until_its_deadline_is_not_sent(
    simulator: Simulator,
) -> None:
    clock = FakeTime()
    async with Client(
        TOKEN,
        base_url="http://127.0.0.1:9/v2",
        retries=50,
        deadline=3,
        clock=clock,
        sleep=clock.sleep,
    ) as client:
        error = await write(client, simulator.user_id)
    assert isinstance(error, errors.NotSentError | errors.DeadlineError)
    assert error.outcome == "not_sent"


async def test_refused_write_is_refused(simulator: Simulator) -> None:
    async with Client(credentials(simulator), base_url=simulator.base_url, retries=0) as client:
        for kind in ("rate_limited", "problem", "redirect"):
            simulator.faults.add(kind, operation="POST /users/{user_id}/saved_routes")
            assert (await write(client, simulator.user_id)).outcome == "refused"


async def test_call_whose_token_request_fails_was_not_sent(simulator: Simulator) -> None:
    auth = credentials(simulator, client_secret="a-wrong-secret")
    async with Client(auth, base_url=simulator.base_url) as client:
        error = await write(client, simulator.user_id)
    assert isinstance(error, errors.InvalidClientError)
    assert error.outcome == "not_sent"
    auth = credentials(simulator, token_url="http://127.0.0.1:9/o/token/")
    async with Client(auth, base_url=simulator.base_url, retries=0) as client:
        error = await write(client, simulator.user_id)
    assert error.outcome == "not_sent"


async def test_read_that_had_no_reply_until_its_deadline_is_unknown(simulator: Simulator) -> None:
    clock, settings = FakeTime(), {"retries": 50, "deadline": 3}
    async with Client(
        credentials(simulator),
        base_url=simulator.base_url,
        clock=clock,
        sleep=clock.sleep,
        **settings,
    ) as client:
        evse = await client.evses.list().first()
        assert evse is not None
        simulator.faults.add("reset_after", operation="GET /evses/{evse_id}", count=None)
        with pytest.raises(errors.TransportError) as caught:
            await client.evses.get(evse)
    assert caught.value.outcome == "unknown"
