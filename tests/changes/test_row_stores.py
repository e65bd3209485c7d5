"""Stores that save only the rows of a state that a batch has changed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from ev_energy._changes import row_stores
from ev_energy.changes import (
    Change,
    MemoryRowStateStore,
    MemoryStateStore,
    RowStateStore,
    SQLiteStateStore,
    StateUpdate,
    SubSessionStream,
)
from ev_energy.errors import StateConflictError, StateError, StateStoreError
from tests.helpers.changes.fleet import Fleet, running_fleet

HOUR = timedelta(hours=1)


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, prefix: str
) -> AsyncIterator[RowStateStore]:
    """A store of each kind."""
    if request.param == "memory":
        yield MemoryRowStateStore()
    elif request.param == "sqlite":
        yield SQLiteStateStore(tmp_path / "state.db", "a stream")
    else:
        from ev_energy.redis import RedisRowStateStore

        url = request.getfixturevalue("shared_redis").url
        async with RedisRowStateStore(url, "a stream", prefix=prefix) as redis_store:
            yield redis_store


def update_after(previous: str | None, head: str, **rows: str | None) -> StateUpdate:
    return StateUpdate.after(previous, head, {f"seen/{key}": text for key, text in rows.items()})


async def test_store_returns_the_rows_that_were_saved(store: RowStateStore) -> None:
    assert await store.load_rows() is None
    first = update_after(None, "1", a="[1]", b="[2]", c="é☀")
    await store.save_rows(first)
    second = update_after(first.revision, '{"2":0}', a=None, b="[3]", gone=None)
    await store.save_rows(second)
    stored = await store.load_rows()
    assert stored is not None
    assert (stored.head, stored.revision) == ('{"2":0}', second.revision)
    assert stored.rows == {"seen/b": "[3]", "seen/c": "é☀"}


async def test_update_of_another_revision_is_refused_and_changes_nothing(
    store: RowStateStore,
) -> None:
    first = update_after(None, "1", a="1")
    await store.save_rows(first)
    second = update_after(first.revision, "2", a="2")
    await store.save_rows(second)
    for expected in (first.revision, None, "0" * 40):
        with pytest.raises(StateConflictError, match="Let one process read a stream") as caught:
            await store.save_rows(update_after(expected, "3", a="3", b="3"))
        assert (caught.value.expected, caught.value.stored) == (expected, second.revision)
    stored = await store.load_rows()
    assert stored is not None
    assert (stored.head, stored.rows) == ("2", {"seen/a": "2"})


async def test_first_update_of_a_revision_is_refused(store: RowStateStore) -> None:
    with pytest.raises(StateConflictError, match="no state") as caught:
        await store.save_rows(update_after("0" * 40, "1"))
    assert caught.value.stored is None
    assert await store.load_rows() is None


async def test_update_that_was_carried_out_succeeds_again(store: RowStateStore) -> None:
    first = update_after(None, "1", a="1")
    await store.save_rows(first)
    await store.save_rows(first)  # the reply to the first one was lost
    await store.save_rows(update_after(first.revision, "2"))
    with pytest.raises(StateConflictError):
        await store.save_rows(first)


async def test_one_of_many_simultaneous_updates_succeeds(store: RowStateStore) -> None:
    first = update_after(None, "begin")
    await store.save_rows(first)
    updates = [update_after(first.revision, f"{number}", a=f"{number}") for number in range(20)]
    results = await asyncio.gather(*map(store.save_rows, updates), return_exceptions=True)
    (winner,) = [update for update, result in zip(updates, results, strict=True) if not result]
    assert sum(isinstance(result, StateConflictError) for result in results) == 19
    stored = await store.load_rows()
    assert stored is not None
    assert stored.rows == {"seen/a": winner.head}


# -- files ------------------------------------------------------------------------------------


async def test_one_file_has_the_states_of_many_streams(tmp_path: Path) -> None:
    one = SQLiteStateStore(tmp_path / "new" / "state.db", "one")
    two = SQLiteStateStore(tmp_path / "new" / "state.db", "two")
    await one.save_rows(update_after(None, "1", a="1"))
    await two.save_rows(update_after(None, "2", b="2"))
    for store, head, rows in ((one, "1", {"seen/a": "1"}), (two, "2", {"seen/b": "2"})):
        stored = await store.load_rows()
        assert stored is not None
        assert (stored.head, stored.rows) == (head, rows)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["state.db"]
    if sys.platform != "win32":
        assert (tmp_path / "new" / "state.db").stat().st_mode & 0o777 == 0o600


async def test_file_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").write_text("This is not a database, and long enough to tell." * 20)
    with pytest.raises(StateStoreError, match=f"cannot read {tmp_path}/text: file is not a"):
        await SQLiteStateStore(tmp_path / "text", "stream").load_rows()
    assert (tmp_path / "text").read_text().startswith("This is not a database")
    with pytest.raises(StateStoreError, match=f"cannot write {tmp_path}/a/b/state"):
        await SQLiteStateStore(tmp_path / "a" / "b" / "state", "stream").save_rows(
            update_after(None, "1")
        )
    monkeypatch.setattr(row_stores, "_LOCK_TIMEOUT", 0.01)
    other = sqlite3.connect(tmp_path / "locked", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateStoreError, match="locked: database is locked"):
        await SQLiteStateStore(tmp_path / "locked", "stream").save_rows(update_after(None, "1"))
    other.close()
    for name, message in (("", "must not be empty"), ("a\ud800", "must be valid Unicode")):
        with pytest.raises(ValueError, match=f"name {message}"):
            SQLiteStateStore(tmp_path / "state", name)


async def test_save_waits_for_another_transaction_without_blocking_the_loop(
    tmp_path: Path,
) -> None:
    other = sqlite3.connect(tmp_path / "state", isolation_level=None)
    other.execute("CREATE TABLE own (a)")
    other.execute("BEGIN IMMEDIATE")
    store = SQLiteStateStore(tmp_path / "state", "stream")
    saving = asyncio.ensure_future(store.save_rows(update_after(None, "1")))
    assert await store.load_rows() is None  # a reader does not wait for it
    assert not saving.done()
    other.execute("COMMIT")
    await saving
    other.close()
    stored = await store.load_rows()
    assert stored is not None
    assert stored.head == "1"


def _count_up(path: str, rounds: int) -> None:
    async def count() -> None:
        store, saved = SQLiteStateStore(path, "count"), 0
        while saved < rounds:
            stored = await store.load_rows()
            number = 0 if stored is None else int(stored.head)
            previous = None if stored is None else stored.revision
            row = f"{os.getpid()} {number}"
            try:
                await store.save_rows(
                    StateUpdate.after(previous, str(number + 1), {f"seen/{number}": row})
                )
                saved += 1
            except StateConflictError:
                continue

    asyncio.run(count())
    os._exit(0)


@pytest.mark.slow
async def test_processes_lose_no_update_of_each_other(tmp_path: Path) -> None:
    path, context = str(tmp_path / "count"), multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count_up, args=(path, 25)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    stored = await SQLiteStateStore(path, "count").load_rows()
    assert stored is not None
    assert (stored.head, len(stored.rows)) == ("50", 50)


async def test_redis_that_does_not_answer_is_a_store_error() -> None:
    redis_store = pytest.importorskip("ev_energy.redis").RedisRowStateStore
    store = redis_store("redis://127.0.0.1:9", "stream", timeout=0.5)
    with pytest.raises(StateStoreError, match="cannot load the state in the Redis key"):
        await store.load_rows()
    with pytest.raises(StateStoreError, match="cannot save the state in the Redis key"):
        await store.save_rows(update_after(None, "1"))
    await store.aclose()
    with pytest.raises(ValueError, match="name must not be empty"):
        redis_store("redis://127.0.0.1:9", "")


# -- streams ----------------------------------------------------------------------------------


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    async with running_fleet(vehicles=12, seed=3) as running:
        yield running


class RecordingStore(MemoryRowStateStore):
    """Remembers what it was told to save."""

    def __init__(self) -> None:
        super().__init__()
        self.updates: list[StateUpdate] = []

    async def save_rows(self, update: StateUpdate) -> None:
        await super().save_rows(update)
        self.updates.append(update)


def stream_of(fleet: Fleet, store: RowStateStore) -> SubSessionStream:
    since = fleet.now() - 24 * HOUR
    return fleet.client.charging_sub_sessions.changes(since=since, store=store)


async def catch_up(stream: SubSessionStream) -> list[Change]:
    """Return the changes until the stream waits."""
    changes: list[Change] = []
    async for batch in stream.batches():
        changes += batch
        await batch.commit()
        if batch.caught_up:
            break
    return changes


async def test_stream_continues_from_rows(fleet: Fleet, store: RowStateStore) -> None:
    since = fleet.now() - 24 * HOUR
    begun = {change.id for change in await catch_up(stream_of(fleet, store))}
    assert begun == {*await fleet.truth(since)}
    assert not await catch_up(stream_of(fleet, store))  # another process
    await fleet.advance(12 * HOUR)
    later = {change.id for change in await catch_up(stream_of(fleet, store))}
    assert later - begun == {*await fleet.truth(since)} - begun
    assert later - begun


async def test_commit_saves_only_what_the_batch_has_changed(fleet: Fleet) -> None:
    store = RecordingStore()
    stream = stream_of(fleet, store)
    begun = await catch_up(stream)
    rows = {key for update in store.updates for key in update.rows}
    assert {f"seen/{change.id}" for change in begun} == rows
    store.updates.clear()
    await fleet.advance(timedelta(minutes=6))
    changes = await catch_up(stream)
    assert store.updates
    for update in store.updates:
        assert update.rows.keys() <= {f"seen/{change.id}" for change in changes}
        assert len(update.head) < 4000


async def test_update_can_be_saved_in_a_transaction_of_the_consumer(fleet: Fleet) -> None:
    store = MemoryRowStateStore()
    async for batch in stream_of(fleet, store).batches():
        await store.save_rows(batch.update)  # together with the changes
        assert batch.revision == batch.update.revision
        await batch.commit()  # finds that it was saved
        with pytest.raises(ValueError, match="read the state of a batch before it is committed"):
            _ = batch.state
        break
    assert not [change for change in await catch_up(stream_of(fleet, store)) if change in batch]


async def test_second_process_is_noticed(fleet: Fleet) -> None:
    store = MemoryRowStateStore()
    first, second = stream_of(fleet, store), stream_of(fleet, store)
    batch, other = await anext(first.batches()), await anext(second.batches())
    await batch.commit()
    with pytest.raises(StateConflictError):
        await other.commit()


async def test_damaged_row_is_an_error_that_names_the_store(fleet: Fleet, tmp_path: Path) -> None:
    store = SQLiteStateStore(tmp_path / "state.db", "fleet")
    await catch_up(stream_of(fleet, store))
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("UPDATE ev_energy_state_row SET text = '[1]'")
    connection.close()
    with pytest.raises(StateError, match=r"a row of the state is damaged: .*state\.db"):
        await catch_up(stream_of(fleet, store))


async def test_log_is_followed_with_rows(fleet: Fleet, store: RowStateStore) -> None:
    evse = await fleet.client.evses.list().first()
    assert evse is not None
    since, found = fleet.now() - HOUR, []
    for _ in range(2):
        log = fleet.client.evses.status_logs(evse).follow(since=since, store=store)
        async for batch in log.batches():
            found += [entry.item.sampled_at for entry in batch]
            await batch.commit()
            if batch.caught_up:
                break
    log = fleet.client.evses.status_logs(evse, sampled_at__gte=since)
    assert found == sorted([entry.sampled_at async for entry in log if entry.sampled_at])
    assert found


class SlowStore(MemoryRowStateStore):
    """Carries an update out at once, and answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[asyncio.Future[None]] = []

    async def save_rows(self, update: StateUpdate) -> None:
        await super().save_rows(update)
        reply = asyncio.get_running_loop().create_future()
        self.replies.append(reply)
        await reply


async def test_late_end_of_a_first_commit_forgets_no_change_of_the_next_batch(
    fleet: Fleet,
) -> None:
    store = SlowStore()
    batches = stream_of(fleet, store).batches()
    batch = await anext(batches)
    first = asyncio.ensure_future(batch.commit())
    second = asyncio.ensure_future(batch.commit())  # the caller gave up waiting for the first
    await asyncio.sleep(0)
    store.replies[1].set_result(None)
    await second
    following = await anext(batches)
    while not following.changes:
        commit = asyncio.ensure_future(following.commit())
        await asyncio.sleep(0)
        store.replies[-1].set_result(None)
        await commit
        following = await anext(batches)
    store.replies[0].set_result(None)
    await first
    assert {f"seen/{change.id}" for change in following} <= following.update.rows.keys()
    stored = await store.load_rows()
    assert stored is not None
    assert following.update.previous_revision == stored.revision


async def test_state_moves_from_a_store_of_texts_to_one_of_rows(
    fleet: Fleet, store: RowStateStore
) -> None:
    texts = MemoryStateStore()
    changes = fleet.client.charging_sub_sessions.changes
    since = fleet.now() - 24 * HOUR
    begun = await catch_up(changes(since=since, store=texts))
    saved = await texts.load()
    assert saved is not None
    assert begun
    assert not await catch_up(changes(since=since, state=saved.text, store=store))
    assert not await catch_up(changes(since=since, store=store))
    # From then on, the state of the store counts.
    await fleet.advance(12 * HOUR)
    later = await catch_up(changes(since=since, store=store))
    assert later
    assert not await catch_up(changes(since=since, state=saved.text, store=store))


async def test_lost_row_and_head_alone_are_refused(fleet: Fleet, tmp_path: Path) -> None:
    store = SQLiteStateStore(tmp_path / "state.db", "fleet")
    await catch_up(stream_of(fleet, store))
    stored = await store.load_rows()
    assert stored is not None
    since = fleet.now()
    with pytest.raises(StateError, match="the part of a state without its rows"):
        fleet.client.charging_sub_sessions.changes(since=since, state=stored.head)
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("DELETE FROM ev_energy_state_row WHERE key = ?", [min(stored.rows)])
    connection.close()
    with pytest.raises(StateError, match=r"it has \d+ rows, and had \d+"):
        await catch_up(stream_of(fleet, store))


def test_other_objects_are_refused(fleet: Fleet) -> None:
    for wrong in (object(), MemoryRowStateStore, "a file"):
        with pytest.raises(TypeError, match=r"store must be an object with the methods load\(\)"):
            stream_of(fleet, wrong)  # type: ignore[arg-type]
