"""Unreliable data: sub-sessions that are shown late, wrongly or not at all."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy.simulator import Clock, Simulator, UnreliableData
from ev_energy.simulator.clock._instants import ANCHOR
from ev_energy.simulator.resources.charging_sessions._sessions import all_sub_sessions
from ev_energy.simulator.resources.charging_sessions._unreliable_data import set_unreliable_data
from tests.helpers.recording_server import RecordingServer
from tests.helpers.sessions import all_items, page_links, parse_time, query_string
from tests.helpers.tiers import examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from random import Random

HOUR = timedelta(hours=1)
#: Everything that changes the data, all at once.
WILD = UnreliableData(
    late=0.3, late_end=0.3, withdrawn_end=0.3, corrected=0.3, deleted=0.2, max_delay=6 * HOUR
)
SINCE = query_string(start__gt=ANCHOR.isoformat(), page_size=100)
LIST = "/charging_sub_sessions"


@pytest.fixture
async def api(start: Any) -> Any:
    return await start(rate_limit=None, vehicles=30, clock=Clock(speed=0))


@pytest.fixture
async def truth(start: Any) -> Any:
    """A simulator of the same world with reliable data."""
    return await start(rate_limit=None, vehicles=30, clock=Clock(speed=0))


async def advance(*apis: Any, **span: Any) -> None:
    for api in apis:
        api.simulator.clock.advance(**span)
        await api.log_in()


async def listed(api: Any, query: str = SINCE) -> dict[str, dict[str, Any]]:
    """Return the sub-sessions of a list by their ids, without the port of the simulator."""
    items = await all_items(api, f"{LIST}?{query}")
    text = json.dumps({item["id"]: item for item in items})
    found: dict[str, dict[str, Any]] = json.loads(text.replace(api.simulator.base_url, ""))
    return found


def ended(items: dict[str, dict[str, Any]]) -> set[str]:
    return {key for key, item in items.items() if item["end"] is not None}


async def test_data_is_reliable_unless_asked_otherwise(api: Any, truth: Any) -> None:
    assert api.simulator.unreliable_data == UnreliableData()
    api.simulator.unreliable_data = WILD
    await advance(api, truth, hours=8)
    assert await listed(api) != await listed(truth)
    api.simulator.unreliable_data = UnreliableData()
    assert await listed(api) == await listed(truth)
    worlds = [json.loads(one.simulator.state())["world"] for one in (api, truth)]
    assert worlds[0] == worlds[1]


async def test_what_started_before_is_reliable(api: Any, truth: Any) -> None:
    query = query_string(start__gt=(ANCHOR - 48 * HOUR).isoformat(), page_size=100)
    before = await listed(truth, query)
    api.simulator.unreliable_data = attrs.evolve(WILD, late=1, deleted=1, max_delay=3 * HOUR)
    assert api.simulator.unreliable_data.since == ANCHOR
    assert await listed(api, query) == before
    await advance(api, truth, hours=30)
    shown, true = await listed(api, query), await listed(truth, query)
    assert {key: item for key, item in shown.items() if key in before} == {
        key: true[key] for key in before
    }


async def test_earlier_sub_sessions_are_unreliable_with_since(api: Any) -> None:
    query = query_string(start__gt=(ANCHOR - 24 * HOUR).isoformat(), page_size=100)
    before = await listed(api, query)
    options = UnreliableData(deleted=1, max_delay=HOUR, since=ANCHOR - 12 * HOUR)
    api.simulator.unreliable_data = options
    assert api.simulator.unreliable_data == options
    hidden = {before[key]["start"] for key in before.keys() - (await listed(api, query)).keys()}
    assert hidden
    assert min(map(parse_time, hidden)) >= ANCHOR - 12 * HOUR
    # Other probabilities, not another beginning.
    api.simulator.unreliable_data = attrs.evolve(options, late=1, since=None)
    assert api.simulator.unreliable_data.since == options.since


async def test_sub_session_appears_late(api: Any, truth: Any) -> None:
    api.simulator.unreliable_data = UnreliableData(late=1, max_delay=2 * HOUR)
    await advance(api, truth, hours=7)
    shown, true = await listed(api), await listed(truth)
    assert 5 < len(shown) < len(true)
    assert {key: true[key] for key in shown} == shown
    hidden = true.keys() - shown.keys()
    assert all(parse_time(true[key]["start"]) > api.simulator.clock() - 2 * HOUR for key in hidden)
    for key in sorted(hidden)[:3]:
        assert (await api.get(f"{LIST}/{key}")).status == 404
        assert (await api.get(f"{LIST}/{key}/energy_usage")).status == 404
    sessions = (await api.get("/charging_sessions?page_size=100")).body
    linked = {url.rpartition("/")[2] for session in sessions for url in session["sub_sessions"]}
    assert not linked & hidden
    assert linked >= shown.keys()
    await advance(api, truth, hours=2)
    assert (await listed(api)).keys() >= true.keys()


async def test_end_is_told_late_and_backdated(api: Any, truth: Any) -> None:
    api.simulator.unreliable_data = UnreliableData(late_end=1, max_delay=4 * HOUR)
    await advance(api, truth, hours=21)
    shown, true = await listed(api), await listed(truth)
    assert shown.keys() == true.keys()
    late = ended(true) - ended(shown)
    assert late
    assert ended(shown)
    unfinished = await listed(api, f"{SINCE}&is_finished=false")
    assert late <= unfinished.keys()
    recent = query_string(end__gt=(api.simulator.clock() - 5 * HOUR).isoformat(), page_size=100)
    assert not late & (await listed(api, recent)).keys()
    for key in late:
        assert shown[key]["end"] is None
        energies = [items[key]["energy_delivered_watt_hours"] for items in (shown, true)]
        assert 0 <= energies[1] - energies[0] <= 1
        parts = {part: (await api.get(f"{LIST}/{key}/{part}")).body for part in
                 ("energy_usage", "debug_metadata", "assessment")}  # fmt: skip
        usage = parts["energy_usage"]["intervals"]
        assert sum(one["total_energy_delivered_watt_hours"] for one in usage) == energies[0]
        assert parts["debug_metadata"]["finish_reason"] is None
        assert parts["assessment"]["metrics"] == {}
        refused = await api("POST", f"{LIST}/{key}/recalculate_energy_usages", json={})
        assert refused.status == 400
    await advance(api, truth, hours=4)
    shown = await listed(api)
    assert {key: shown[key] for key in late} == {
        key: item for key, item in (await listed(truth)).items() if key in late
    }


async def test_unfinished_sub_sessions_may_be_days_old(api: Any) -> None:
    api.simulator.unreliable_data = UnreliableData(late_end=1, max_delay=60 * HOUR)
    await advance(api, hours=50)
    shown = await listed(api)
    unfinished = await listed(api, f"{SINCE}&is_finished=false")
    assert unfinished.keys() == shown.keys() - ended(shown)
    oldest = min(parse_time(item["start"]) for item in unfinished.values())
    assert oldest < api.simulator.clock() - 36 * HOUR


async def test_end_is_withdrawn_and_comes_again(api: Any, truth: Any) -> None:
    api.simulator.unreliable_data = UnreliableData(withdrawn_end=1, max_delay=12 * HOUR)
    ends: defaultdict[str, list[str | None]] = defaultdict(list)
    for _ in range(30):
        await advance(api, hours=1)
        for key, item in (await listed(api)).items():
            if not ends[key] or ends[key][-1] != item["end"]:
                ends[key].append(item["end"])
    await advance(truth, hours=30)
    true = await listed(truth)
    complete = [found for found in ends.values() if len(found) == 4]
    assert len(complete) > 3
    for key, found in ends.items():
        first = next((end for end in found if end is not None), None)
        if len(found) == 4:
            assert found == [None, first, None, true[key]["end"]]
        if first is not None and true[key]["end"] is not None:
            assert true[key]["start"] < first <= true[key]["end"]


async def test_figures_are_corrected_after_the_end(api: Any, truth: Any) -> None:
    energy = "energy_delivered_watt_hours"
    api.simulator.unreliable_data = UnreliableData(corrected=1, max_delay=3 * HOUR)
    await advance(api, truth, hours=20)
    shown, true = await listed(api), await listed(truth)
    early = {key for key in ended(true) if shown[key][energy] == true[key][energy] > 0}
    await advance(api, truth, hours=6)
    shown, true = await listed(api), await listed(truth)
    assert early
    assert all(shown[key][energy] > true[key][energy] for key in early)
    assert [(key, item["end"]) for key, item in shown.items()] == [
        (key, item["end"]) for key, item in true.items()
    ]
    settled = [
        key for key in ended(true)
        if parse_time(true[key]["end"]) < api.simulator.clock() - 3 * HOUR and true[key][energy]
    ]  # fmt: skip
    assert len(settled) > 5
    for key in settled:
        assert true[key][energy] < shown[key][energy] <= true[key][energy] * 1.03 + 1
        usage = (await api.get(f"{LIST}/{key}/energy_usage")).body
        intervals = usage["intervals"]
        assert (
            sum(one["total_energy_delivered_watt_hours"] for one in intervals) == shown[key][energy]
        )
        assert true[key]["end"] < usage["last_updated_at"] < api.simulator.clock().isoformat()
    above = query_string(
        energy_delivered_watt_hours__gte=shown[settled[0]][energy],
        energy_delivered_watt_hours__lte=shown[settled[0]][energy],
    )
    assert settled[0] in await listed(api, f"{SINCE}&{above}")
    path = f"{LIST}/{settled[0]}/recalculate_energy_usages"
    figures = (await api("POST", path, json={})).body
    assert figures["new_energy_delivered_watt_hours"] == shown[settled[0]][energy]
    assert (await listed(api))[settled[0]][energy] == shown[settled[0]][energy]


async def test_deleted_sub_session_is_not_found(api: Any, truth: Any) -> None:
    api.simulator.unreliable_data = UnreliableData(deleted=0.5, max_delay=2 * HOUR)
    await advance(api, truth, hours=12)
    first, true = await listed(api), await listed(truth)
    deleted = true.keys() - first.keys()
    assert 2 < len(deleted) < len(true) - 2
    assert {(await api.get(f"{LIST}/{key}")).status for key in deleted} == {404}
    await advance(api, hours=2)
    assert not deleted & (await listed(api)).keys()
    assert first.keys() - (await listed(api)).keys()  # deleted meanwhile


async def test_delays_are_ten_times_as_long_with_very_late(api: Any, truth: Any) -> None:
    api.simulator.unreliable_data = UnreliableData(late=1, max_delay=HOUR, very_late=0.5)
    await advance(api, truth, hours=10)
    true = await listed(truth)
    hidden = true.keys() - (await listed(api)).keys()
    ages = [api.simulator.clock() - parse_time(true[key]["start"]) for key in hidden]
    assert max(ages) > HOUR
    await advance(api, hours=10)
    assert not hidden - (await listed(api)).keys()


async def test_reads_are_stale_now_and_then(api: Any) -> None:
    await advance(api, hours=9)
    path = f"{LIST}?is_finished=false&page_size=100"
    running = {item["id"]: item for item in (await api.get(path)).body}
    key = max(running, key=lambda key: running[key]["start"])
    now = api.simulator.clock()
    shift = now - parse_time(running[key]["start"])
    options = UnreliableData(stale_reads=0.5, max_staleness=2 * shift)
    api.simulator.unreliable_data = options
    statuses = [(await api.get(f"{LIST}/{key}")).status for _ in range(40)]
    assert 25 < statuses.count(200) < 40  # stale half the time, and half of that before the start
    found = [len((await api.get(path)).body) for _ in range(20)]
    assert len(set(found)) > 1
    api.simulator.unreliable_data = attrs.evolve(options, stale_reads=0)
    assert {(await api.get(f"{LIST}/{key}")).status for _ in range(10)} == {200}


@pytest.mark.shows_secrets("files", reason="a state file keeps tokens")
async def test_stale_reads_follow_from_the_seed_and_continue_after_a_restart(
    start: Any, tmp_path: Path
) -> None:
    async def statuses(api: Any, reads: int) -> list[int]:
        await api.log_in()
        return [len((await api.get(f"{LIST}?{SINCE}")).body) for _ in range(reads)]

    options: Any = {"vehicles": 30, "rate_limit": None}
    stale = UnreliableData(stale_reads=0.5, max_staleness=8 * HOUR)
    whole, first = [await start(clock=Clock(speed=0), **options) for _ in range(2)]
    for api in (whole, first):
        api.simulator.unreliable_data = stale
        await advance(api, hours=8)
    expected = await statuses(whole, 20)
    assert len(set(expected)) > 3
    assert await statuses(first, 10) == expected[:10]
    state = tmp_path / "state.json"
    state.write_text(first.simulator.state())
    again = await start(state=state, clock=Clock(speed=0), **options)
    assert again.simulator.unreliable_data == attrs.evolve(stale, since=ANCHOR)
    assert await statuses(again, 10) == expected[10:]


async def test_cursor_ends_the_list_when_its_row_has_left_it(api: Any) -> None:
    async def next_page(path: str) -> tuple[int, list[str | None]]:
        answer = await api.get(path)
        return len(answer.body), page_links(answer)

    await advance(api, hours=13)
    path = f"{LIST}?is_finished=false&page_size=1"
    following = page_links(await api.get(path))[1]
    assert following is not None
    assert (await next_page(following))[0] == 1
    api.simulator.unreliable_data = UnreliableData(fragile_cursors=True)
    assert (await next_page(following))[0] == 1
    await advance(api, hours=24)
    assert (await next_page(following)) == (0, [None, None])
    preceding = following.replace("page_after", "page_before")
    assert (await next_page(preceding)) == (0, [None, None])
    assert (await next_page(following.replace("is_finished=false&", "")))[0] == 1
    assert (await api.get(f"{path}&page_after=nonsense")).status == 400
    api.simulator.unreliable_data = UnreliableData()
    assert (await next_page(preceding))[0] == 1


@attrs.define
class Receiver:
    """A web server on this machine that records messages."""

    url: str = ""
    messages: list[dict[str, Any]] = attrs.Factory(list)

    async def receive(self, request: web.Request) -> web.Response:
        self.messages.append(await request.json())
        return web.Response()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with RecordingServer(receiver.receive, shutdown_timeout=0.1) as server:
        receiver.url = f"{server.origin}/"
        yield receiver


def outline(messages: list[dict[str, Any]]) -> list[tuple[str, str, str, str | None]]:
    return [(m["timestamp"], m["type"], m["data"]["id"], m["data"]["end"]) for m in messages]


@pytest.mark.parametrize(
    "unreliable",
    [WILD, UnreliableData(late=1, late_end=0.5, withdrawn_end=0.5, max_delay=18 * HOUR)],
    ids=["everything", "most are shown after their end"],
)
async def test_webhooks_tell_what_is_readable_within_a_minute(
    start: Any, receiver: Receiver, unreliable: UnreliableData
) -> None:
    options: Any = {"vehicles": 8, "rate_limit": None}
    first = await start(clock=Clock(speed=0), **options)
    first.simulator.unreliable_data = unreliable
    first.simulator.webhooks.add(receiver.url)
    await advance(first, hours=30)
    await first.simulator.webhooks.settled()
    messages = list(receiver.messages)
    assert [m["timestamp"] for m in messages] == sorted(m["timestamp"] for m in messages)
    assert len(messages) > 10

    then = await start(clock=Clock(speed=0), **options)
    then.simulator.unreliable_data = unreliable
    then.simulator.webhooks.add(receiver.url)
    early = 0
    for message in messages:
        sent_at, data = parse_time(message["timestamp"]), message["data"]
        then.simulator.clock.jump_to(max(sent_at, then.simulator.clock()))
        await then.log_in()
        shown = await then.get(f"{LIST}/{data['id']}")
        is_early = shown.status == 404 or (shown.body["end"] != data["end"])
        early += is_early
        if is_early:
            then.simulator.clock.jump_to(sent_at + timedelta(minutes=1))
            shown = await then.get(f"{LIST}/{data['id']}")
        assert (shown.status, shown.body["start"]) == (200, data["start"])
        assert shown.body["end"] == data["end"]
    assert 0 < early < len(messages) / 2
    # The same messages, in many small jumps.
    then.simulator.clock.jump_to(first.simulator.clock())
    await then.simulator.webhooks.settled()
    assert outline(receiver.messages) == 2 * outline(messages)


async def test_publisher_wakes_up_for_put_off_webhooks(start: Any, receiver: Receiver) -> None:
    api = await start(clock=Clock(speed=0), vehicles=8, rate_limit=None)
    api.simulator.unreliable_data = UnreliableData(late=1, max_delay=30 * HOUR)
    api.simulator.webhooks.add(receiver.url)
    due: datetime | None = None
    for _ in range(30):
        api.simulator.clock.advance(minutes=40)
        await api.simulator.webhooks.settled()
        progress = api.simulator._world.extra_state["published_events"]
        due = min((parse_time(event[0]) for event in progress.get("put_off", [])), default=None)
        next_check = api.simulator._event_publisher._next_check()
        assert due is None or api.simulator.clock() < next_check <= due
    assert due is not None


@pytest.mark.shows_secrets("files", reason="a state file keeps the secrets of endpoints")
async def test_put_off_webhooks_survive_a_restart(
    start: Any, receiver: Receiver, tmp_path: Path
) -> None:
    options: Any = {"vehicles": 8, "rate_limit": None}
    whole = await start(clock=Clock(speed=0), **options)
    half = await start(clock=Clock(speed=0), **options)
    for api in (whole, half):
        api.simulator.unreliable_data = WILD
        api.simulator.webhooks.add(receiver.url)
    await advance(whole, hours=30)
    await whole.simulator.webhooks.settled()
    expected = outline(receiver.messages)
    receiver.messages.clear()
    await advance(half, hours=15)
    await half.simulator.webhooks.settled()
    state = tmp_path / "state.json"
    state.write_text(half.simulator.state())
    half.simulator.webhooks.remove(half.simulator.webhooks.endpoints[0].id)
    again = await start(state=state, clock=Clock(speed=0), **options)
    again.simulator.clock.advance(hours=15)
    await again.simulator.webhooks.settled()
    assert outline(receiver.messages) == expected


async def test_endpoint_receives_no_put_off_webhooks_from_before_its_registration(
    start: Any, receiver: Receiver
) -> None:
    api = await start(clock=Clock(speed=0), vehicles=8, rate_limit=None)
    api.simulator.unreliable_data = UnreliableData(late=1, max_delay=12 * HOUR)
    first = api.simulator.webhooks.add(receiver.url)
    api.simulator.clock.advance(hours=8)
    await api.simulator.webhooks.settled()
    api.simulator.webhooks.remove(first.id)
    api.simulator.clock.advance(hours=8)
    registered = api.simulator.clock()
    receiver.messages.clear()
    api.simulator.webhooks.add(receiver.url)
    api.simulator.clock.advance(hours=24)
    await api.simulator.webhooks.settled()
    times = [parse_time(message["timestamp"]) for message in receiver.messages]
    assert len(times) > 5
    assert min(times) >= registered
    starts = [parse_time(message["data"]["start"]) for message in receiver.messages]
    assert min(starts) < registered - HOUR  # put off before, and due after the registration


async def test_reset_makes_data_reliable(api: Any) -> None:
    api.simulator.unreliable_data = WILD
    api.simulator.reset()
    assert api.simulator.unreliable_data == UnreliableData()


_PROBABILITIES = st.sampled_from([0.0, 0.3, 1.0])


@examples(fast=5, slow=100)
def test_shown_states_agree_with_the_charging(examples: int) -> None:
    """What is shown at any time is what was, or becomes, true."""

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(
        seed=st.integers(1, 50),
        options=st.builds(
            UnreliableData,
            late=_PROBABILITIES,
            late_end=_PROBABILITIES,
            withdrawn_end=_PROBABILITIES,
            corrected=_PROBABILITIES,
            deleted=_PROBABILITIES,
            very_late=st.sampled_from([0.0, 0.5]),
            max_delay=st.sampled_from([timedelta(), timedelta(minutes=1), 6 * HOUR, 26 * HOUR]),
            fragile_cursors=st.just(value=True),
        ),
        random=st.randoms(use_true_random=False),
    )
    def check(seed: int, options: UnreliableData, random: Random) -> None:
        world = Simulator(seed=seed, vehicles=4, clock=Clock(speed=0))._world
        horizon = ANCHOR + timedelta(days=2)
        settled = horizon + options.longest_delay + timedelta(days=1)
        everything = all_sub_sessions(world, read_at=settled)
        query = everything.query.within(since=ANCHOR, before=horizon)
        true = {row["id"]: row for row in attrs.evolve(everything, query=query).after(None)}
        set_unreliable_data(world, options)
        for key, truth in true.items():
            start, end = parse_time(truth["start"]), parse_time(truth["end"])
            instants = sorted(start + (settled - start) * random.random() for _ in range(12))
            instants += [settled]
            shown = [all_sub_sessions(world, read_at=at).get(key) for at in instants]
            readable = [row is not None for row in shown]
            assert readable == sorted(readable) or options.deleted
            for at, row in zip(instants, shown, strict=True):
                if row is not None:
                    _check_shown(row, truth, at)
                    assert row["end"] == truth["end"] or at <= end + options.longest_delay
            if not options.deleted:
                assert shown[-1] is not None

    check()


def _check_shown(row: dict[str, Any], truth: dict[str, Any], at: datetime) -> None:
    energy, true_energy = (one["energy_delivered_watt_hours"] for one in (row, truth))
    assert row["start"] == truth["start"]
    assert row["end"] is None or truth["start"] <= row["end"] <= truth["end"]
    assert row["end"] is None or parse_time(row["end"]) <= at
    assert 0 <= energy <= true_energy * 1.03 + 1
    if row["end"] == truth["end"]:
        assert energy >= true_energy
    else:
        assert energy <= true_energy


async def test_admin_endpoint_sets_and_shows_the_options(api: Any) -> None:
    url = f"{api.simulator.admin_url}/unreliable_data"
    off = UnreliableData().as_json()
    assert (await api.get(url)).body == off
    wild = {"late": 0.25, "max_delay_seconds": 7200, "fragile_cursors": True}
    on = {**off, **wild, "since": "2026-10-05T12:00:00.000000Z"}
    assert (await api("POST", url, json=wild)).status == 204
    assert (await api.get(url)).body == on
    assert api.simulator.unreliable_data.max_delay == 2 * HOUR
    for name, value in (
        ("late", 2), ("late_end", "often"), ("deleted", True), ("max_delay_seconds", -1),
        ("max_delay_seconds", 1e300), ("max_staleness_seconds", "long"), ("since", "yesterday"),
        ("max_staleness_seconds", True), ("fragile_cursors", 1), ("since", 5), ("lose", 1),
    ):  # fmt: skip
        refused = await api("POST", url, json={name: value})
        assert (refused.status, list(refused.body["field_errors"])) == (400, [name])
    assert (await api.get(url)).body == on
    assert (await api("POST", url, json={})).status == 204
    assert (await api.get(url)).body == off


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"late": 1.5}, "late"),
        ({"late_end": -0.5}, "late_end"),
        ({"corrected": float("nan")}, "corrected"),
        ({"deleted": True}, "deleted"),
        ({"max_delay": timedelta(days=37)}, "max_delay"),
        ({"max_delay": 5}, "max_delay"),
        ({"max_staleness": -HOUR}, "max_staleness"),
        ({"since": datetime(2026, 10, 5)}, "since"),
    ],
)
def test_invalid_options_are_refused_by_name(options: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: must "):
        UnreliableData(**options)


def test_options_of_another_type_are_refused() -> None:
    simulator: Any = Simulator(vehicles=1)
    with pytest.raises(TypeError, match="UnreliableData"):
        simulator.unreliable_data = None


def test_options_are_read_from_their_json() -> None:
    options = attrs.evolve(WILD, since=datetime(2026, 10, 5, tzinfo=UTC), fragile_cursors=True)
    assert UnreliableData.from_json(json.loads(json.dumps(options.as_json()))) == options


@pytest.mark.parametrize(
    "damage",
    [
        {"reads": -1},
        {"reads": True},
        {"options": {}},
        {"options": {"late": 2, "since": "2026-10-05T12:00:00Z"}},
        {"options": {"late": 0.5, "since": "today"}},
        {"options": {"unknown": 0.5, "since": "2026-10-05T12:00:00Z"}},
        "nothing",
    ],
)
def test_damaged_options_of_a_state_file_are_refused(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "state.json"
    simulator = Simulator(vehicles=1)
    simulator.unreliable_data = WILD
    state = json.loads(simulator.state())
    stored = state["world"]["extra_state"]["unreliable_data"]
    damaged = damage if isinstance(damage, str) else stored | damage
    state["world"]["extra_state"]["unreliable_data"] = damaged
    path.write_text(json.dumps(state))
    with pytest.raises(ValueError, match="damaged"):
        Simulator(state=path)
