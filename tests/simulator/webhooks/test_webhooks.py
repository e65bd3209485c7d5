from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections import Counter, deque
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy import webhooks as sdk
from ev_energy.simulator import Simulator
from ev_energy.simulator._secrets import Secrets
from ev_energy.simulator._seeded_random import SeededRandom
from ev_energy.simulator.clock._clock import Clock
from ev_energy.simulator.webhooks import Delivery, Endpoint, Outcome, Webhooks, sign
from tests.helpers.recording_server import RecordingServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
CREATED = "charging_sub_session.created"
ENDED = "charging_sub_session.ended"
#: As Svix documents it: in seconds, each after the failure before.
WAITS = [timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18_000, 36_000, 36_000)]


@attrs.frozen
class Arrival:
    """A request as the receiver got it."""

    headers: dict[str, str]
    body: bytes
    at: datetime

    @property
    def id(self) -> str:
        return self.headers["svix-id"]

    @property
    def number(self) -> int:
        """What `publish_number` was given."""
        return json.loads(self.body)["data"]["number"]

    @property
    def timestamp(self) -> int:
        return int(self.headers["svix-timestamp"])

    def is_signed_with(self, secret: str) -> bool:
        """Look for the signature, by other means than the simulator's."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.id}.{self.timestamp}.".encode() + self.body
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{wanted}" in self.headers["svix-signature"].split(" ")


@attrs.define
class Receiver:
    """A web server on this machine that records deliveries."""

    clock: Clock
    url: str = ""
    arrivals: list[Arrival] = attrs.Factory(list)
    answers: deque[int] = attrs.Factory(deque)
    """Statuses for the next requests; after those it is always 200."""
    open: asyncio.Event = attrs.Factory(asyncio.Event)
    """Nothing is answered before this is set."""

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): text for name, text in request.headers.items()}
        self.arrivals.append(Arrival(headers, body, self.clock()))
        await self.open.wait()
        status = self.answers.popleft() if self.answers else 200
        return web.Response(status=status, headers={"Location": self.url + "elsewhere"})


@attrs.frozen
class Played:
    """The result of a script."""

    published: dict[str, datetime]
    """When each message was."""
    moments: list[datetime]
    """At which the clock stood."""
    arrivals: list[Arrival]
    deliveries: list[Delivery]


@asynccontextmanager
async def receiving(clock: Clock) -> AsyncIterator[Receiver]:
    receiver = Receiver(clock)
    receiver.open.set()
    async with RecordingServer(receiver.receive, shutdown_timeout=0.1) as server:
        receiver.url = f"{server.origin}/"
        yield receiver


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON, speed=0)


@pytest.fixture
async def receiver(clock: Clock) -> AsyncIterator[Receiver]:
    async with receiving(clock) as one:
        yield one


@pytest.fixture
async def webhooks(clock: Clock) -> AsyncIterator[Webhooks]:
    async with Webhooks(clock, SeededRandom(1)) as running:
        yield running


def publish(webhooks: Webhooks, number: int = 0) -> str:
    return webhooks.publish(CREATED, {"number": number})


async def settle(webhooks: Webhooks) -> None:
    async with asyncio.timeout(20):
        await webhooks.settled()


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


def test_signature_equals_the_public_test_vector() -> None:
    body = b'{"test": 2432232314}'
    for secret in ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"):
        assert sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        )


async def test_event_arrives_signed_dated_and_readable_for_the_sdk(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    endpoint = webhooks.add(receiver.url + "hooks")
    data = {"id": "chss01", "url": "https://api.ev.energy/v2/charging_sub_sessions/chss01"}
    message_id = webhooks.publish(ENDED, data, at=NOON - timedelta(minutes=3))
    await settle(webhooks)

    [arrival] = receiver.arrivals
    assert arrival.id == message_id
    assert message_id.startswith("msg_")
    assert arrival.headers["svix-event-type"] == ENDED
    assert arrival.headers["content-type"] == "application/json"
    assert arrival.timestamp == NOON.timestamp()
    assert arrival.is_signed_with(endpoint.secret)
    assert len(arrival.headers["svix-signature"].split(" ")) == 1
    event = sdk.read(arrival.body)
    assert isinstance(event, sdk.ChargingSubSessionEnded)
    assert event.timestamp == NOON - timedelta(minutes=3)
    assert event.data.id == "chss01"


def added(clock: Clock, seed: int, *, fixed: bool) -> Endpoint:
    random = SeededRandom(seed)
    return Webhooks(clock, random, Secrets(random, fixed=fixed)).add("http://localhost/")


def test_secrets_and_ids_have_the_form_of_svix(clock: Clock) -> None:
    one, other = added(clock, 7, fixed=False), added(clock, 7, fixed=False)
    assert one.id.startswith("ep_")
    assert one.secret.startswith("whsec_")
    assert len(base64.b64decode(one.secret.removeprefix("whsec_"))) == 24
    assert one.id == other.id
    assert one.secret != other.secret


def test_fixed_secrets_follow_from_the_seed(clock: Clock) -> None:
    assert added(clock, 7, fixed=True) == added(clock, 7, fixed=True)
    assert added(clock, 7, fixed=True).secret != added(clock, 8, fixed=True).secret


def test_secrets_are_not_in_reprs(clock: Clock) -> None:
    webhooks = Webhooks(clock, SeededRandom(1))
    endpoint = webhooks.add("http://localhost/")
    assert endpoint.secret not in repr(webhooks.rotate_secret(endpoint.id)) + repr(endpoint)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda w: w.add("ftp://localhost/"),
        lambda w: w.add("/hooks"),
        lambda w: w.add("http://[::1"),
        lambda w: w.add("http://localhost/", secret="whsec_not base64"),
        lambda w: w.add("http://localhost/", secret="whsec_"),
        lambda w: w.publish(CREATED, {"energy": float("nan")}),
        lambda w: w.delay(timedelta(seconds=-1)),
        lambda w: w.duplicate(-1),
        lambda w: [w.add("http://localhost/") for _ in range(1000)],
    ],
)
def test_invalid_arguments_are_refused(clock: Clock, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wrong(Webhooks(clock, SeededRandom(1)))


async def test_endpoint_receives_its_event_types_from_registration_to_removal(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    publish(webhooks)  # without an endpoint
    ended = webhooks.add(receiver.url + "ended", events=[ENDED])
    everything = webhooks.add(receiver.url + "all")
    assert webhooks.endpoints == [ended, everything]
    first = publish(webhooks, 1)
    second = webhooks.publish(ENDED, {"number": 2})
    await settle(webhooks)
    assert Counter(arrival.id for arrival in receiver.arrivals) == {first: 1, second: 2}

    webhooks.remove(everything.id)
    publish(webhooks, 3)
    await settle(webhooks)
    assert len(receiver.arrivals) == 3
    with pytest.raises(KeyError):
        webhooks.remove(everything.id)


@pytest.mark.parametrize("status", [200, 204, 299])
async def test_every_2xx_is_a_success(webhooks: Webhooks, receiver: Receiver, status: int) -> None:
    webhooks.add(receiver.url)
    receiver.answers.append(status)
    publish(webhooks)
    await settle(webhooks)
    assert webhooks.next_due is None
    assert [(d.status, d.outcome) for d in webhooks.deliveries] == [(status, Outcome.DELIVERED)]


@pytest.mark.parametrize("status", [302, 307, 400, 410, 429, 500])
async def test_other_statuses_are_failures_and_redirects_are_not_followed(
    webhooks: Webhooks, receiver: Receiver, status: int
) -> None:
    webhooks.add(receiver.url)
    receiver.answers.append(status)
    publish(webhooks)
    await settle(webhooks)
    assert len(receiver.arrivals) == 1
    assert webhooks.next_due == NOON + timedelta(seconds=5)
    assert [(d.status, d.outcome) for d in webhooks.deliveries] == [(status, Outcome.RETRYING)]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", f"http://{'x' * 70}.localhost/", "http://localhost:99999/"]
)
async def test_unreachable_endpoint_is_retried_and_the_log_has_the_reason(
    webhooks: Webhooks, url: str
) -> None:
    try:
        webhooks.add(url)
    except ValueError:
        return  # refused at once, which is as good
    publish(webhooks)
    await settle(webhooks)
    [delivery] = webhooks.deliveries
    assert delivery.status is None
    assert delivery.error
    assert delivery.outcome is Outcome.RETRYING


async def test_endpoint_that_times_out_is_retried(clock: Clock, receiver: Receiver) -> None:
    receiver.open.clear()
    async with Webhooks(clock, SeededRandom(1), timeout=0.05) as webhooks:
        webhooks.add(receiver.url)
        publish(webhooks)
        await settle(webhooks)
        assert webhooks.deliveries[0].error == "no reply within 0.05 s"
        receiver.open.set()
        clock.advance(seconds=5)
        await settle(webhooks)
        assert webhooks.deliveries[-1].outcome is Outcome.DELIVERED


async def test_message_is_attempted_eight_times_on_the_schedule_of_svix(
    webhooks: Webhooks, receiver: Receiver, clock: Clock
) -> None:
    endpoint = webhooks.add(receiver.url)
    receiver.answers.extend([500] * 100)
    publish(webhooks)
    await settle(webhooks)
    due = [NOON]
    for wait in WAITS:
        due.append(due[-1] + wait)
        assert webhooks.next_due == due[-1]
        clock.jump_to(due[-1] - timedelta(microseconds=1))
        await settle(webhooks)
        assert len(receiver.arrivals) == len(due) - 1
        clock.jump_to(due[-1])
        await settle(webhooks)
    assert [arrival.at for arrival in receiver.arrivals] == due
    assert [arrival.timestamp for arrival in receiver.arrivals] == [int(d.timestamp()) for d in due]
    assert len({(arrival.id, arrival.body) for arrival in receiver.arrivals}) == 1
    assert all(arrival.is_signed_with(endpoint.secret) for arrival in receiver.arrivals)
    assert [d.attempt for d in webhooks.deliveries] == list(range(1, 9))
    assert [d.outcome for d in webhooks.deliveries[-2:]] == [Outcome.RETRYING, Outcome.FAILED]
    assert webhooks.next_due is None
    clock.advance(days=30)
    await settle(webhooks)
    assert len(receiver.arrivals) == 8


async def test_running_clock_makes_the_retries(receiver: Receiver) -> None:
    clock = Clock(NOON, speed=3600)
    async with Webhooks(clock, SeededRandom(1)) as webhooks:
        webhooks.add(receiver.url)
        receiver.answers.extend([500] * 2)
        publish(webhooks)
        await until(lambda: len(receiver.arrivals) == 3)
        await settle(webhooks)
        assert webhooks.next_due is None


async def test_messages_arrive_in_the_order_they_were_published(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    webhooks.add(receiver.url)
    for number in range(20):
        # An earlier event may be published later; the order of publishing counts.
        webhooks.publish(CREATED, {"number": number}, at=NOON - timedelta(hours=number))
    await settle(webhooks)
    assert [arrival.number for arrival in receiver.arrivals] == list(range(20))


async def test_later_events_are_sent_later(
    webhooks: Webhooks, receiver: Receiver, clock: Clock
) -> None:
    webhooks.add(receiver.url)
    webhooks.publish(CREATED, {"number": 2}, at=NOON + timedelta(hours=2))
    webhooks.publish(CREATED, {"number": 1}, at=NOON + timedelta(hours=1))
    await settle(webhooks)
    assert not receiver.arrivals
    clock.advance(hours=1)
    await settle(webhooks)
    clock.advance(hours=1)
    await settle(webhooks)
    assert [(a.number, a.at) for a in receiver.arrivals] == [
        (1, NOON + timedelta(hours=1)),
        (2, NOON + timedelta(hours=2)),
    ]


async def test_slow_endpoint_does_not_delay_the_others(webhooks: Webhooks, clock: Clock) -> None:
    async with receiving(clock) as slow, receiving(clock) as quick:
        slow.open.clear()
        webhooks.add(slow.url)
        webhooks.add(quick.url)
        quick.answers.append(500)
        for number in range(3):
            publish(webhooks, number)
        await until(lambda: len(webhooks.deliveries) == 3 and slow.arrivals)
        await until(lambda: clock._changed._listeners)
        clock.advance(seconds=5)  # its retry comes on time as well
        await until(lambda: len(quick.arrivals) == 4)
        assert len(slow.arrivals) == 1
        slow.open.set()
        await settle(webhooks)
        assert [a.number for a in slow.arrivals] == [0, 1, 2]
        assert [a.number for a in quick.arrivals] == [0, 1, 2, 0]


async def test_waiting_for_a_reply_takes_no_cpu_time(
    webhooks: Webhooks, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks.add(receiver.url)
    receiver.open.clear()
    publish(webhooks)
    await until(lambda: receiver.arrivals)
    looks = 0

    def look() -> datetime:
        nonlocal looks
        looks += 1
        return NOON

    monkeypatch.setattr(clock, "now", look)
    for _ in range(100):
        await asyncio.sleep(0)
    assert looks == 0
    receiver.open.set()
    await settle(webhooks)
    assert looks


async def test_both_secrets_sign_for_a_day_after_a_rotation(
    webhooks: Webhooks, receiver: Receiver, clock: Clock
) -> None:
    old = webhooks.add(receiver.url, secret="MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert old.secret == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    new = webhooks.rotate_secret(old.id)
    assert webhooks.endpoints == [new]
    publish(webhooks)
    await settle(webhooks)
    clock.advance(days=1)
    publish(webhooks)
    await settle(webhooks)
    during, after = receiver.arrivals
    assert len(during.headers["svix-signature"].split(" ")) == 2
    assert during.is_signed_with(new.secret)
    assert during.is_signed_with(old.secret)
    assert after.is_signed_with(new.secret)
    assert not after.is_signed_with(old.secret)


async def test_duplicates_have_the_same_id_and_come_after_a_success(
    webhooks: Webhooks, receiver: Receiver, clock: Clock
) -> None:
    webhooks.add(receiver.url)
    webhooks.duplicate(2)
    receiver.answers.append(500)
    for number in range(3):
        publish(webhooks, number)
    await settle(webhooks)
    clock.advance(seconds=5)
    await settle(webhooks)
    assert [arrival.number for arrival in receiver.arrivals] == [0, 1, 1, 2, 0, 0]
    assert len({arrival.id for arrival in receiver.arrivals}) == 3


async def test_held_messages_are_sent_in_reverse(webhooks: Webhooks, receiver: Receiver) -> None:
    webhooks.add(receiver.url)
    webhooks.reorder(3)
    for number in range(2):
        publish(webhooks, number)
    await settle(webhooks)
    assert not receiver.arrivals
    for number in range(2, 5):
        publish(webhooks, number)
    await settle(webhooks)
    assert [arrival.number for arrival in receiver.arrivals] == [2, 1, 0, 3, 4]


async def test_held_messages_are_sent_when_reordering_is_cancelled(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    webhooks.add(receiver.url)
    webhooks.reorder(5)
    publish(webhooks, 0)
    publish(webhooks, 1)
    webhooks.reorder(0)
    publish(webhooks, 2)
    await settle(webhooks)
    assert [arrival.number for arrival in receiver.arrivals] == [1, 0, 2]


async def test_delay_applies_to_messages_published_while_it_is_set(
    webhooks: Webhooks, receiver: Receiver, clock: Clock
) -> None:
    webhooks.add(receiver.url)
    webhooks.delay(timedelta(minutes=10))
    publish(webhooks, 0)
    webhooks.delay(timedelta())
    publish(webhooks, 1)
    await settle(webhooks)
    assert [arrival.number for arrival in receiver.arrivals] == [1]
    clock.advance(minutes=10)
    await settle(webhooks)
    assert [arrival.number for arrival in receiver.arrivals] == [1, 0]
    assert receiver.arrivals[1].timestamp == (NOON + timedelta(minutes=10)).timestamp()


async def test_dropped_messages_are_not_sent_but_can_be_replayed(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    publish(webhooks)
    webhooks.drop(1)
    publish(webhooks)  # without an endpoint, so it does not count as dropped
    webhooks.add(receiver.url)
    lost = publish(webhooks, 1)
    publish(webhooks, 2)
    await settle(webhooks)
    assert [arrival.number for arrival in receiver.arrivals] == [2]
    assert [d.outcome for d in webhooks.deliveries] == [Outcome.DROPPED, Outcome.DELIVERED]
    webhooks.replay(lost)
    await settle(webhooks)
    assert [arrival.number for arrival in receiver.arrivals] == [2, 1]


async def test_wrong_signature_or_old_timestamp_is_corrected_by_the_next_attempt(
    webhooks: Webhooks, receiver: Receiver, clock: Clock
) -> None:
    endpoint = webhooks.add(receiver.url)
    webhooks.corrupt_signature(1)
    receiver.answers.append(400)
    publish(webhooks)
    await settle(webhooks)
    clock.advance(seconds=5)
    await settle(webhooks)
    assert [a.is_signed_with(endpoint.secret) for a in receiver.arrivals] == [False, True]

    webhooks.stale_timestamp(1)
    receiver.answers.append(400)
    publish(webhooks)
    await settle(webhooks)
    clock.advance(seconds=5)
    await settle(webhooks)
    stale, fresh = receiver.arrivals[2:]
    assert stale.at.timestamp() - stale.timestamp > 300
    assert fresh.at.timestamp() == fresh.timestamp
    assert stale.is_signed_with(endpoint.secret)  # it is old, not forged


async def test_replay_has_the_same_id_and_body_and_a_new_timestamp(
    webhooks: Webhooks, clock: Clock
) -> None:
    async with receiving(clock) as one, receiving(clock) as other:
        endpoint = webhooks.add(one.url)
        webhooks.add(other.url)
        message_id = publish(webhooks)
        await settle(webhooks)
        clock.advance(hours=1)
        webhooks.replay(message_id, endpoint.id)
        await settle(webhooks)
        first, again = one.arrivals
        assert (first.id, first.body) == (again.id, again.body)
        assert again.timestamp == first.timestamp + 3600
        assert again.is_signed_with(endpoint.secret)
        assert len(other.arrivals) == 1
        webhooks.replay(message_id)
        await settle(webhooks)
        assert (len(one.arrivals), len(other.arrivals)) == (3, 2)
        one.answers.append(500)
        webhooks.replay(message_id, endpoint.id)
        await settle(webhooks)
        assert webhooks.deliveries[-1].outcome is Outcome.FAILED
        assert webhooks.next_due is None  # it is not tried again
        for wrong in (("msg_none", None), (message_id, "ep_none"), (message_id, "")):
            with pytest.raises(KeyError):
                webhooks.replay(*wrong)


async def test_messages_published_before_the_start_are_sent_after_it(
    clock: Clock, receiver: Receiver
) -> None:
    webhooks = Webhooks(clock, SeededRandom(1))
    await webhooks.settled()  # nothing to do
    webhooks.add(receiver.url)
    publish(webhooks)
    with pytest.raises(RuntimeError, match="not running"):
        await webhooks.settled()
    async with webhooks:
        with pytest.raises(RuntimeError, match="already running"):
            await webhooks.start()
        await settle(webhooks)
    assert len(receiver.arrivals) == 1
    await webhooks.close()  # once more does no harm


async def test_attempt_in_flight_at_the_close_is_made_again_after_the_next_start(
    clock: Clock, receiver: Receiver
) -> None:
    webhooks = Webhooks(clock, SeededRandom(1))
    kept, removed = webhooks.add(receiver.url + "1"), webhooks.add(receiver.url + "2")
    receiver.open.clear()
    async with webhooks:
        publish(webhooks, 1)
        await until(lambda: len(receiver.arrivals) == 2)
        webhooks.remove(removed.id)
    receiver.open.set()
    assert not webhooks.deliveries
    async with webhooks:
        await settle(webhooks)
    assert len(receiver.arrivals) == 3
    assert [d.endpoint_id for d in webhooks.deliveries] == [kept.id]


async def test_other_threads_may_publish_jump_and_wait(
    webhooks: Webhooks, receiver: Receiver, clock: Clock
) -> None:
    webhooks.add(receiver.url)
    receiver.answers.append(500)

    def work() -> None:
        publish(webhooks)
        asyncio.run(settle(webhooks))
        clock.advance(seconds=5)
        asyncio.run(settle(webhooks))

    await asyncio.to_thread(work)
    assert [d.outcome for d in webhooks.deliveries] == [Outcome.RETRYING, Outcome.DELIVERED]


async def test_concurrent_publishing_threads_lose_no_message(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    webhooks.add(receiver.url)
    threads = [
        threading.Thread(target=lambda: [publish(webhooks) for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
    await settle(webhooks)
    assert len({arrival.id for arrival in receiver.arrivals}) == 80


async def test_jump_callback_may_publish(
    webhooks: Webhooks, receiver: Receiver, clock: Clock
) -> None:
    webhooks.add(receiver.url)
    clock.on_jump(lambda: webhooks.publish(CREATED, {"number": 1}, at=NOON + timedelta(hours=2)))
    clock.advance(hours=6)
    await settle(webhooks)
    assert receiver.arrivals[0].at == NOON + timedelta(hours=6)


async def test_deliveries_and_finished_messages_are_bounded(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ev_energy.simulator.webhooks._outbox._MAX_FINISHED", 5)
    webhooks = Webhooks(clock, SeededRandom(1))
    for _ in range(20):
        publish(webhooks)
    assert len(webhooks.dump()["messages"]) == 5
    webhooks.add("http://127.0.0.1:1/")
    for _ in range(20):
        publish(webhooks)
    webhooks.drop(2000)
    for _ in range(2000):
        publish(webhooks)
    dumped = webhooks.dump()
    assert len(dumped["deliveries"]) == 1000
    assert len(dumped["messages"]) == 25  # the 20 that are still to be sent, too


async def test_dump_during_a_delivery_loses_no_message(clock: Clock, receiver: Receiver) -> None:
    async with Webhooks(clock, SeededRandom(1)) as first:
        first.add(receiver.url)
        receiver.open.clear()
        for number in range(3):
            publish(first, number)
        await until(lambda: receiver.arrivals)
        dumped = json.loads(json.dumps(first.dump()))
    receiver.open.set()
    receiver.arrivals.clear()
    other = Webhooks(clock, SeededRandom(1))
    other.load(dumped)
    assert other.dump() == dumped
    async with other:
        await settle(other)
    assert [arrival.number for arrival in receiver.arrivals] == [0, 1, 2]
    assert publish(other) not in {arrival.id for arrival in receiver.arrivals}


async def test_state_loaded_while_running_replaces_the_old_one(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    webhooks.add(receiver.url)
    empty = Webhooks(Clock(NOON, speed=0), SeededRandom(1)).dump()
    receiver.open.clear()
    publish(webhooks)
    await until(lambda: receiver.arrivals)
    webhooks.load(empty)
    receiver.open.set()
    await settle(webhooks)
    webhooks.add(receiver.url)
    publish(webhooks, 5)
    await settle(webhooks)
    assert receiver.arrivals[-1].number == 5
    assert [d.outcome for d in webhooks.deliveries] == [Outcome.DELIVERED]


async def test_delivery_faults_survive_a_dump(clock: Clock, receiver: Receiver) -> None:
    first = Webhooks(clock, SeededRandom(1))
    first.add(receiver.url)
    first.delay(timedelta(minutes=1))
    first.reorder(2)
    first.duplicate(1)
    publish(first, 0)
    other = Webhooks(clock, SeededRandom(1))
    other.load(json.loads(json.dumps(first.dump())))
    async with other:
        publish(other, 1)
        clock.advance(minutes=1)
        await settle(other)
    assert [arrival.number for arrival in receiver.arrivals] == [1, 0, 0]


STEPS = st.one_of(
    st.just(("publish", 0)),
    st.tuples(st.just("fail"), st.integers(1, 12)),
    st.tuples(st.just("advance"), st.sampled_from([1, 5, 60, 300, 1800, 7200, 36_000, 90_000])),
    st.just(("to the next", 0)),
    st.just(("reload", 0)),
)


async def play(steps: list[tuple[str, int]], clock: Clock) -> Played:
    """Take steps, and then all that it takes until there is nothing more to send."""
    published: dict[str, datetime] = {}
    moments = [clock()]
    async with receiving(clock) as receiver:
        webhooks = Webhooks(clock, SeededRandom(1))
        webhooks.add(receiver.url)
        try:
            await webhooks.start()
            while steps or webhooks.next_due:
                kind, amount = steps.pop(0) if steps else ("to the next", 0)
                match kind:
                    case "publish":
                        published[publish(webhooks)] = clock()
                    case "fail":
                        receiver.answers.extend([503] * amount)
                    case "advance":
                        clock.advance(seconds=amount)
                    case "reload":
                        await webhooks.close()
                        dumped = json.loads(json.dumps(webhooks.dump()))
                        webhooks = Webhooks(clock, SeededRandom(1))
                        webhooks.load(dumped)
                        await webhooks.start()
                    case _:
                        clock.jump_to(webhooks.next_due or clock())
                moments.append(clock())
                await settle(webhooks)
        finally:
            await webhooks.close()
    return Played(published, moments, receiver.arrivals, webhooks.deliveries)


@given(st.lists(STEPS, min_size=1, max_size=25))
@settings(max_examples=40, deadline=None)
async def test_each_message_is_delivered_or_fails_after_eight_attempts_in_time(
    steps: list[tuple[str, int]],
) -> None:
    played = await play(steps, Clock(NOON, speed=0))
    assert {arrival.id for arrival in played.arrivals} == set(played.published)
    assert [a.at for a in played.arrivals] == sorted(a.at for a in played.arrivals)
    for message_id, since in played.published.items():
        attempts = [d for d in played.deliveries if d.message_id == message_id]
        *failed, last = attempts
        assert all(d.outcome is Outcome.RETRYING for d in failed)
        if last.outcome is not Outcome.DELIVERED:
            assert (last.outcome, len(attempts)) == (Outcome.FAILED, 8)
        expected = since
        for wait, attempt in zip((timedelta(), *WAITS), attempts, strict=False):
            expected = next(moment for moment in played.moments if moment >= expected + wait)
            assert attempt.at == expected
        received = [a for a in played.arrivals if a.id == message_id]
        assert [a.at for a in received] == [d.at for d in attempts]
        assert len({a.body for a in received}) == 1


def test_blocking_code_waits_until_deliveries_are_settled(
    receiver_in_thread: RecordingServer,
) -> None:
    with Simulator.in_thread(vehicles=30, clock=Clock(speed=0)) as simulator:
        simulator.webhooks.add(f"{receiver_in_thread.origin}/")
        simulator.clock.advance(hours=12)
        simulator.webhooks.block_until_settled()
        assert len(receiver_in_thread.requests) == len(simulator.webhooks.deliveries) > 10
    with pytest.raises(RuntimeError, match="not running"):
        simulator.webhooks.block_until_settled()


async def test_blocking_in_a_running_event_loop_is_refused(webhooks: Webhooks) -> None:
    with pytest.raises(RuntimeError, match="await settled"):
        webhooks.block_until_settled()


@pytest.fixture
def receiver_in_thread() -> Iterator[RecordingServer]:
    async def accept(_request: web.Request) -> web.Response:
        return web.Response()

    with RecordingServer(accept).in_thread() as server:
        yield server
