"""The Lua script: each rule alone, and random sequences against a model."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from ev_energy.budget._redis.script import (
    BUDGET_SCRIPT,
    ScriptReply,
    ScriptRequest,
    StatedLimit,
    decode,
    encode,
)

HEARTBEAT_TTL = 60.0
WINDOW = 3600.0
IN_FLIGHT_TTL = 120.0


class Talk:
    """A process that calls the script."""

    numbers = itertools.count()

    def __init__(self, redis: Redis, key: str, me: str, window: float = WINDOW) -> None:
        self.redis, self.key, self.me, self.window = redis, key, me, window
        self.epoch: str | None = None
        self.calls = itertools.count(1)
        self.reservations: dict[int, int] = {}

    def say(self, **more: Any) -> ScriptReply:
        request = ScriptRequest(
            **{
                "process": self.me,
                "call": next(self.calls),
                "new_epoch": f"epoch{next(self.numbers)}",
                "window": self.window,
                "in_flight_ttl": IN_FLIGHT_TTL if self.window == WINDOW else 0.01,
                "heartbeat_ttl": HEARTBEAT_TTL,
                "check_interval": 60.0,
                "check_tolerance": 60.0,
                "epoch": self.epoch,
                "reservations": list(self.reservations.items()),
                **more,
            }
        )
        answer = decode(
            self.redis.execute_command("EVAL", BUDGET_SCRIPT.text, 1, self.key, encode(request))
        )
        if not answer.lost:
            self.epoch = answer.epoch
        return answer

    def take(self, *names: str, rank: int = 1, **more: Any) -> list[str]:
        answer = self.say(acquire=list(names), rank=rank, **more)
        return [names[index] for index in answer.granted]


@pytest.fixture
def talk(redis_client: Redis, prefix: str) -> Any:
    return lambda me="a", **more: Talk(redis_client, prefix, me, **more)


def names(*numbers: int) -> list[str]:
    return [f"n{number}" for number in numbers]


def test_granted_requests_do_not_exceed_the_limit(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.take(*names(1, 2), local_limit=3) == names(1, 2)
    assert b.take(*names(3, 4), local_limit=3) == names(3)


def test_repeated_call_is_granted_nothing_twice(talk: Any) -> None:
    a = talk()
    a.take(*names(1, 2), local_limit=3)
    assert a.take(*names(9, 1, 2), local_limit=3) == names(9, 1, 2)
    assert a.take(*names(4), local_limit=3) == []
    assert a.say(local_limit=3).remaining == 0


def test_released_requests_are_available_again_and_completed_ones_are_not(talk: Any) -> None:
    a = talk()
    a.take(*names(1, 2), local_limit=2)
    assert a.take(*names(3), local_limit=2, completed=[("n1", 0.0)]) == []
    assert a.take(*names(3), local_limit=2, released=["n2"]) == names(3)


def test_completed_request_counts_for_a_window_from_its_reply_and_no_longer(talk: Any) -> None:
    a = talk()
    a.take(*names(1), local_limit=1)
    answer = a.say(acquire=["n2"], rank=1, local_limit=1, completed=[("n1", 3000.0)])
    assert answer.waits == [pytest.approx(600, abs=1)]
    assert a.take("n2", local_limit=1, completed=[("n1", 3601.0)]) == ["n2"]


def test_request_without_an_outcome_counts_a_little_longer_than_a_window(talk: Any) -> None:
    a = talk(window=0.2)
    a.take(*names(1), local_limit=1)
    (wait,) = a.say(acquire=["n2"], rank=1, local_limit=1).waits
    assert 0.15 < wait <= 0.21
    time.sleep(wait)
    assert a.take("n2", local_limit=1) == ["n2"]


def test_processes_are_served_by_priority_then_by_how_long_they_waited(talk: Any) -> None:
    batch, late, early = talk("batch"), talk("late"), talk("early")
    batch.take(*names(1, 2), local_limit=2)
    assert batch.take("b", local_limit=2, rank=2, waited=9.0) == []
    assert late.take("l", local_limit=2, waited=1.0) == []
    assert early.take("e", local_limit=2, waited=5.0) == []
    assert batch.take("b", local_limit=2, rank=2, released=["n1"], waited=9.0) == []
    assert late.take("l", local_limit=2, waited=1.0) == []
    assert early.take("e", local_limit=2, waited=5.0) == ["e"]
    assert batch.take("b", local_limit=2, rank=2, released=["n2"], waited=9.0) == []
    assert late.take("l", local_limit=2, waited=1.0) == ["l"]
    assert batch.take("b", local_limit=2, rank=2, released=["e"], waited=9.0) == ["b"]


def test_waiters_are_told_their_own_waits(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    ages = [(f"n{n}", 3600.0 - 100 * n) for n in range(1, 5)]
    a.take(*names(1, 2, 3, 4), local_limit=4)
    a.say(completed=ages, local_limit=4)
    hears = [a.say(acquire=["x", "y"], rank=1, waited=2.0, local_limit=4).waits]
    hears.append(b.say(acquire=["z"], rank=1, waited=1.0, local_limit=4).waits)
    assert hears == [
        [pytest.approx(100, abs=1), pytest.approx(200, abs=1)],
        [pytest.approx(300, abs=1)],
    ]


def test_waiter_that_gave_up_or_died_loses_its_place(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    a.take("n1", local_limit=1)
    assert b.take("b", local_limit=1, waited=9.0, check_interval=0.01, check_tolerance=0.02) == []
    assert a.take("a", local_limit=1, released=["n1"]) == []
    time.sleep(0.05)
    assert a.take("a", local_limit=1) == ["a"]


def test_reservation_is_held_and_ends_with_its_process(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(reserve=(7, 3), rank=1, local_limit=4, heartbeat_ttl=0.05).granted == [0]
    assert b.take(*names(1, 2), local_limit=4) == ["n1"]
    time.sleep(0.06)
    assert b.take(*names(2, 3, 4), local_limit=4) == names(2, 3, 4)
    a.reservations[7] = 3
    assert a.say(local_limit=4).reservations == [
        (7, 0)
    ]  # it was assumed dead, and others used its capacity


def test_reservation_cannot_exceed_the_limit(talk: Any) -> None:
    assert talk().say(reserve=(1, 5), rank=1, local_limit=4).exceeds_limit


def test_refusal_blocks_all_processes_until_it_ends(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    a.say(blocked_for=0.1)
    answer = b.say(acquire=["n1"], rank=1)
    assert answer.granted == []
    assert answer.waits == [pytest.approx(0.1, abs=0.05)]
    time.sleep(0.11)
    assert b.take("n1") == ["n1"]


def test_leased_requests_count_as_used_and_are_prolonged_or_given_back(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(local_limit=100, lease=(0, 4)).leased == 4
    assert b.say(local_limit=100).remaining == 96
    answer = a.say(local_limit=100, lease=(3, 4), in_flight=["n1"])
    assert (answer.leased, answer.remaining, answer.reserved) == (4, 99, 0)
    assert b.say(local_limit=100).remaining == 95
    assert a.say(local_limit=100).leased == 0
    assert b.say(local_limit=100).remaining == 99


def test_one_process_may_lease_a_sixteenth_of_what_is_available(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(local_limit=100, lease=(0, 1000)).leased == 6
    assert a.say(local_limit=100, lease=(6, 1000)).leased == 6
    assert b.say(local_limit=100, lease=(0, 1000)).leased == 5
    assert len(b.take(*(f"n{n}" for n in range(100)), local_limit=100, lease=(5, 5))) == 89
    assert talk("c").say(local_limit=100, lease=(0, 1000)).leased == 0


def test_reservation_does_not_grow_into_a_lease(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    b.take(*(f"n{n}" for n in range(96)), local_limit=160)
    assert b.say(local_limit=160, lease=(0, 4)).leased == 4
    a.reservations[1] = 64  # Redis no longer has it: a was cut off for long
    answer = a.say(local_limit=160)
    assert (answer.reservations, answer.remaining) == ([(1, 60)], 0)


def test_own_lease_is_available_without_a_wait(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(local_limit=160, lease=(0, 9)).leased == 9
    b.take(*(f"n{n}" for n in range(151)), local_limit=160)
    answer = a.say(local_limit=160, lease=(9, 9))
    assert (answer.leased, answer.remaining, answer.wait) == (9, 9, 0.0)
    answer = b.say(local_limit=160)
    assert (answer.remaining, answer.wait) == (0, pytest.approx(1.0))


def test_lease_counts_towards_the_sixteenth(talk: Any) -> None:
    a = talk()
    assert a.say(local_limit=32, lease=(0, 1)).leased == 1
    assert a.say(local_limit=32, lease=(1, 9)).leased == 2


def test_lease_of_a_call_that_was_never_made_grants_nothing(
    talk: Any, redis_client: Redis, prefix: str
) -> None:
    a = talk("a")
    a.say(local_limit=100)
    redis_client.zadd(prefix, {"lease a 5 1e300": -1e18})
    answer = a.say(local_limit=100, lease=(0, 6))
    assert answer.leased == 0


def test_unlimited_requests_are_leased_as_wanted(talk: Any) -> None:
    assert talk().say(unlimited=True, lease=(0, 1000)).leased == 1000


def test_lease_of_a_dead_process_may_have_been_used(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(local_limit=100, lease=(0, 6), heartbeat_ttl=0.05).leased == 6
    time.sleep(0.06)
    answer = b.say(acquire=[f"n{n}" for n in range(100)], rank=1, local_limit=100)
    assert len(answer.granted) == 94
    assert 3600 < answer.waits[0] < 3720  # a may have used it until now
    assert b.say(local_limit=100).remaining == 0
    # The API has seen no other requests than those of b.
    rate_limit = StatedLimit(100, 6, 0.5)
    completed = [(f"n{n}", 1.0) for n in range(94)]
    assert b.say(completed=completed, rate_limit=rate_limit, local_limit=100).remaining == 6


def test_process_that_was_cut_off_keeps_its_lease_if_no_other_called(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(local_limit=100, lease=(0, 6), heartbeat_ttl=0.05).leased == 6
    time.sleep(0.06)
    assert a.say(local_limit=100, lease=(2, 6), in_flight=names(1, 2, 3, 4)).leased == 6
    assert b.say(local_limit=100).remaining == 100 - 4 - 6


def test_process_that_waits_gets_what_another_one_leased_and_did_not_use(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(local_limit=48, lease=(0, 3)).leased == 3
    answer = b.say(reserve=(1, 47), rank=1, waited=1.0, local_limit=48)
    assert (answer.granted, answer.waits) == ([], [pytest.approx(1.0)])
    assert a.say(local_limit=48, lease=(3, 3)).leased == 0
    # a may have used all of it before that reply.
    assert b.say(reserve=(1, 47), rank=1, waited=1.1, local_limit=48).granted == []
    assert a.say(local_limit=48, in_flight=["n1"]).leased == 0
    assert b.say(reserve=(1, 47), rank=1, waited=1.2, local_limit=48).granted == [0]


def test_waits_that_exceed_all_leases_are_for_requests_to_expire(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(local_limit=64, lease=(0, 4)).leased == 4
    b.take(*(f"n{n}" for n in range(60)), local_limit=64)
    completed = [(f"n{n}", 3600.0 - 100 - n) for n in range(60)]
    b.say(completed=completed, local_limit=64)
    answer = b.say(acquire=names(91, 92, 93, 94, 95, 96), rank=1, local_limit=64)
    assert answer.granted == []
    assert answer.waits == [pytest.approx(each, abs=1) for each in (1, 1, 1, 1, 100, 101)]


def test_refusal_ends_all_leases(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(lease=(0, 6)).leased == 6
    assert b.say(blocked_for=0.1, lease=(0, 6)).leased == 0
    assert a.say(lease=(6, 6)).leased == 0
    time.sleep(0.11)
    assert a.say(lease=(0, 6)).leased == 6


def test_lease_that_the_stated_limit_does_not_cover_is_not_confirmed(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(lease=(0, 6)).leased == 6
    b.take("n1")
    b.say(completed=[("n1", 0.0)], rate_limit=StatedLimit(5, 4, 0.0))
    assert a.say(lease=(6, 6)).leased == 0


def test_call_that_is_executed_after_a_later_one_changes_no_lease(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(local_limit=1000, lease=(0, 40)).leased == 40
    for late in ((1, 1), (5, 60), None):
        a.say(local_limit=1000, lease=late, call=0)
        assert b.say(local_limit=1000).remaining == 960
    assert a.say(local_limit=1000, lease=(40, 40)).leased == 40
    b.take(*(f"n{n}" for n in range(960)), local_limit=1000)
    assert a.take("x", local_limit=1000, lease=(1, 1), call=0) == []


def test_requests_taken_from_a_lease_are_not_foreign_before_they_are_named(talk: Any) -> None:
    a, b = talk("a"), talk("b")
    assert a.say(local_limit=100, lease=(0, 5)).leased == 5
    b.take("n1", local_limit=100)
    # The server has counted n1, and three requests that a took from its lease.
    told = b.say(completed=[("n1", 0.0)], rate_limit=StatedLimit(100, 96, 0.0), local_limit=100)
    assert told.remaining == 94
    answer = a.say(local_limit=100, lease=(2, 2), in_flight=names(2, 3, 4))
    assert answer.remaining == 96


def test_requests_are_unlimited_without_a_stated_limit(talk: Any) -> None:
    a = talk()
    assert len(a.take(*(f"n{n}" for n in range(1001)))) == 1000
    assert a.say(unlimited=True).limit is None
    assert a.take("more") == ["more"]
    assert a.say(unlimited=True, local_limit=5).limit == 5


def test_foreign_requests_are_added_and_removed_by_stated_limits(talk: Any) -> None:
    a = talk()
    a.take("n1")
    answer = a.say(completed=[("n1", 0.0)], rate_limit=StatedLimit(100, 39, 0.01))
    assert (answer.limit, answer.remaining) == (100, 39)
    a.take("n2")
    answer = a.say(completed=[("n2", 0.0)], rate_limit=StatedLimit(100, 79, 0.0))
    assert answer.remaining == 79
    assert len(a.take(*(f"m{n}" for n in range(90)))) == 79


def test_request_that_expired_while_a_reply_was_in_flight_is_not_foreign(
    talk: Any,
) -> None:
    a = talk()
    a.take("n1", "n2", local_limit=10)
    a.say(completed=[("n1", 3599.9)], local_limit=10)
    time.sleep(0.2)  # n1 has expired; the server still counted it 0.5 s ago, when it answered n2
    answer = a.say(completed=[("n2", 0.0)], rate_limit=StatedLimit(10, 8, 0.5), local_limit=10)
    assert answer.remaining == 9


@pytest.mark.parametrize("limit", [0, 1, 10**11])
def test_statements_of_a_server_do_not_block_redis(talk: Any, limit: int) -> None:
    started = time.monotonic()
    answer = talk().say(rate_limit=StatedLimit(limit, 0, 0.1))
    assert answer.remaining == 0
    assert talk().say(rate_limit=StatedLimit(limit, 10**11, 0.1)).limit == max(1, min(limit, 10**6))
    assert time.monotonic() - started < 10


def test_lost_key_is_detected_and_blocks_grants_until_reports_arrive(
    talk: Any, redis_client: Redis, prefix: str
) -> None:
    a, b = talk("a"), talk("b")
    for each in (a, b):
        each.reservations = {}
    a.take(*names(1, 2), local_limit=4)
    b.take("n3", local_limit=4)
    redis_client.delete(prefix)
    answer = a.say(acquire=["x"], rank=1, local_limit=4, heartbeat_ttl=0.2)
    assert answer.lost
    assert answer.granted == []
    report = {"epoch": answer.epoch, "is_report": True, "in_flight": names(1, 2)}
    answer = a.say(acquire=["x"], rank=1, local_limit=4, heartbeat_ttl=0.2, **report)
    assert (answer.granted, answer.remaining) == ([], 2)
    lost = b.say(acquire=["y"], rank=1, local_limit=4, heartbeat_ttl=0.2)
    assert lost.lost
    b.say(epoch=lost.epoch, is_report=True, in_flight=["n3"], local_limit=4, heartbeat_ttl=0.2)
    time.sleep(0.21)
    b.epoch = lost.epoch
    assert a.take("x", "z", local_limit=4) == ["x"]


def test_first_start_waits_for_no_reports(talk: Any) -> None:
    assert talk().take("n1") == ["n1"]


def test_unused_key_expires(talk: Any, redis_client: Redis, prefix: str) -> None:
    talk().take("n1")
    assert 0 < redis_client.pttl(prefix) < 3 * 3600 * 1000


class Model:
    """The expected state: requests that count, reservations and leases, by process."""

    def __init__(self, redis: Redis, key: str, limit: int) -> None:
        self.redis, self.key, self.limit = redis, key, limit
        self.talks = {me: Talk(redis, key, me) for me in "abc"}
        self.counted: dict[str, str] = {}
        self.reserved = {me: dict[int, int]() for me in "abc"}
        self.leased = dict.fromkeys("abc", 0)
        self.usable = dict.fromkeys("abc", 0)
        self.waiting: dict[str, tuple[int, int]] = {}
        self.numbers = itertools.count(1)

    @property
    def free(self) -> int:
        reserved = sum(sum(each.values()) for each in self.reserved.values())
        return self.limit - len(self.counted) - reserved - sum(self.leased.values())

    def ahead(self, me: str, rank: int) -> int:
        """Return the number of requests of waiters that are served earlier."""
        return sum(
            want for who, (other, want) in self.waiting.items() if who != me and other <= rank
        )

    def others_wait(self, me: str) -> bool:
        return any(process != me for process in self.waiting)

    def state_lease(self, me: str) -> None:
        self.leased[me] = min(self.leased[me], self.usable[me])

    def say(self, me: str, **more: Any) -> ScriptReply:
        talk = self.talks[me]
        talk.reservations = self.reserved[me]
        self.state_lease(me)
        more = {"lease": (self.usable[me], self.usable[me]), **more}
        answer = talk.say(local_limit=self.limit, **more)
        if answer.lost:
            more["lease"] = (0, 0)
            self.leased[me] = 0
            own = [name for name, who in self.counted.items() if who == me]
            more["in_flight"] = [*more.get("in_flight", []), *own]
            again = {**more, "epoch": answer.epoch, "is_report": True}
            answer = talk.say(local_limit=self.limit, **again)
            assert not answer.lost
        if self.others_wait(me):
            self.usable[me] = 0
        else:
            part = (self.free - len(answer.granted) + self.leased[me]) // 16
            if "reserve" in more:
                part = 0
            self.leased[me] = max(self.leased[me], min(more["lease"][1], part))
            self.usable[me] = self.leased[me]
        assert answer.leased == self.usable[me]
        self.last = me
        if "rank" not in more:
            self.waiting.pop(me, None)
        return answer

    def take(self, me: str, rank: int, count: int) -> None:
        names = [f"{me}{next(self.numbers)}" for _ in range(count)]
        self.state_lease(me)
        can = max(0, self.free - self.ahead(me, rank))
        answer = self.say(me, acquire=names, rank=rank)
        granted = [names[index] for index in answer.granted]
        assert granted == names[: min(count, can)]
        assert len(answer.waits) == count - len(granted)
        assert answer.waits == sorted(answer.waits)
        self.counted |= dict.fromkeys(granted, me)
        self.waiting.pop(me, None)
        if len(granted) < count:
            self.waiting[me] = (rank, count - len(granted))
        self.check(answer)

    def reserve(self, me: str, rank: int, count: int) -> None:
        number = next(self.numbers)
        self.usable[me] = 0
        self.state_lease(me)
        can = self.free - self.ahead(me, rank) >= count
        answer = self.say(me, reserve=(number, count), rank=rank)
        assert bool(answer.granted) == can
        self.waiting.pop(me, None)
        if can:
            self.reserved[me][number] = count
        else:
            self.waiting[me] = (rank, count)
        self.check(answer)

    def spend(self, me: str) -> None:
        if self.reserved[me]:
            number, left = self.reserved[me].popitem()
            if left > 1:
                self.reserved[me][number] = left - 1
            name = f"{me}{next(self.numbers)}"
            self.counted[name] = me
            self.check(self.say(me, in_flight=[name]))

    def lease(self, me: str, wanted: int) -> None:
        self.usable[me] = min(self.usable[me], wanted)
        self.check(self.say(me, lease=(self.usable[me], wanted)))

    def spend_lease(self, me: str) -> None:
        if self.usable[me]:
            self.usable[me] -= 1
            name = f"{me}{next(self.numbers)}"
            self.counted[name] = me
            self.check(self.say(me, in_flight=[name]))

    def end_reservations(self, me: str) -> None:
        self.reserved[me].clear()
        self.check(self.say(me))

    def complete(self, me: str, age: float) -> None:
        own = [name for name, who in self.counted.items() if who == me]
        for name in own[:1]:
            if age > WINDOW:
                del self.counted[name]
            self.check(self.say(me, completed=[(name, age)]))

    def release(self, me: str) -> None:
        own = [name for name, who in self.counted.items() if who == me]
        for name in own[:1]:
            del self.counted[name]
            self.check(self.say(me, released=[name, name]))

    def lose(self) -> None:
        """Delete the key; the processes notice and report, which restores the state."""
        for me in "abc":
            self.say(me)
        self.redis.delete(self.key)
        self.waiting.clear()
        for me in "abc":
            answer = self.say(me)
        self.check(answer)
        # The time for reports has ended.
        for member in self.redis.zrange(self.key, 0, -1):
            if member == b"recovering":
                self.redis.zrem(self.key, member)

    def check(self, answer: ScriptReply) -> None:
        assert answer.remaining == self.free + self.leased[self.last]
        assert answer.reserved == sum(sum(each.values()) for each in self.reserved.values())


WHO = st.sampled_from("abc")
RANK = st.sampled_from([1, 2])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), WHO, RANK, st.sampled_from([1, 2, 4, 20])),
        st.tuples(st.just("reserve"), WHO, RANK, st.integers(1, 4)),
        st.tuples(st.just("spend"), WHO),
        st.tuples(st.just("lease"), WHO, st.integers(0, 6)),
        st.tuples(st.just("spend_lease"), WHO),
        st.tuples(st.just("end_reservations"), WHO),
        st.tuples(st.just("complete"), WHO, st.sampled_from([0.0, 1800.0, 3601.0, 4000.0])),
        st.tuples(st.just("release"), WHO),
        st.tuples(st.just("lose")),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, limit=st.sampled_from([6, 20, 48]))
def test_count_is_right_after_any_sequence_of_calls(
    redis_client: Redis, prefix: str, steps: list[tuple[Any, ...]], limit: int
) -> None:
    redis_client.delete(prefix)
    model = Model(redis_client, prefix, limit)
    for name, *words in steps:
        getattr(model, name)(*words)
