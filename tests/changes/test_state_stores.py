"""Stores for the state of a stream."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ev_energy.changes import FileStateStore, MemoryStateStore, StateStore
from ev_energy.errors import StateConflictError, StateStoreError

KINDS = ["memory", "file", "redis"]


@pytest.fixture(params=KINDS)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, prefix: str
) -> AsyncIterator[StateStore]:
    """A store of each kind."""
    if request.param == "memory":
        yield MemoryStateStore()
    elif request.param == "file":
        yield FileStateStore(tmp_path / "state.json")
    else:
        from ev_energy.redis import RedisStateStore

        url = request.getfixturevalue("shared_redis").url
        async with RedisStateStore(url, "a stream", prefix=prefix) as redis_store:
            yield redis_store


async def test_store_returns_the_state_that_was_saved(store: StateStore) -> None:
    assert await store.load() is None
    first = await store.save('{"v":1}', None)
    second = await store.save('{"v":1,"é":"☀"}', first)
    stored = await store.load()
    assert stored is not None
    assert (stored.text, stored.revision) == ('{"v":1,"é":"☀"}', second)
    assert first != second


async def test_save_with_another_revision_is_refused(store: StateStore) -> None:
    first = await store.save("one", None)
    second = await store.save("two", first)
    for expected in (first, None, "0" * 40):
        with pytest.raises(StateConflictError, match="Let one process read a stream") as caught:
            await store.save("three", expected)
        assert (caught.value.expected, caught.value.stored) == (expected, second)
    stored = await store.load()
    assert stored is not None
    assert stored.text == "two"


async def test_first_save_with_a_revision_is_refused(store: StateStore) -> None:
    with pytest.raises(StateConflictError, match="no state") as caught:
        await store.save("one", "0" * 40)
    assert caught.value.stored is None
    assert await store.load() is None


async def test_saving_the_stored_state_again_succeeds(store: StateStore) -> None:
    first = await store.save("one", None)
    assert await store.save("one", None) == first  # the reply to the first save was lost


async def test_state_must_be_text(store: StateStore) -> None:
    with pytest.raises(TypeError, match="text must be a str, not bytes"):
        await store.save(b"one", None)  # type: ignore[arg-type]
    assert await store.load() is None


async def test_one_of_many_simultaneous_saves_succeeds(store: StateStore) -> None:
    revision = await store.save("begin", None)
    saves = (store.save(f"state {number}", revision) for number in range(20))
    results = await asyncio.gather(*saves, return_exceptions=True)
    saved = [result for result in results if isinstance(result, str)]
    assert len(saved) == 1
    assert sum(isinstance(result, StateConflictError) for result in results) == 19
    stored = await store.load()
    assert stored is not None
    assert stored.revision == saved[0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
async def test_file_is_private_and_the_only_one(tmp_path: Path) -> None:
    store = FileStateStore(tmp_path / "new" / "state.json")
    await store.save("one", None)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["state.json"]
    assert (tmp_path / "new" / "state.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new" / "state.json").read_text() == "one"


async def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with pytest.raises(StateStoreError, match=f"{tmp_path}/state is a folder"):
        await FileStateStore(tmp_path / "state").load()
    with pytest.raises(StateStoreError, match="cannot lock"):
        await FileStateStore(tmp_path / "a" / "b" / "state").save("one", None)


async def test_file_with_other_content_is_kept(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"\xff\xfe")
    with pytest.raises(StateStoreError, match="not UTF-8"):
        await FileStateStore(tmp_path / "state").save("one", None)
    assert (tmp_path / "state").read_bytes() == b"\xff\xfe"


def _count_up(path: str, rounds: int) -> None:
    async def count() -> None:
        store, saved = FileStateStore(path), 0
        while saved < rounds:
            stored = await store.load()
            number = 0 if stored is None else int(stored.text)
            try:
                await store.save(str(number + 1), stored and stored.revision)
                saved += 1
            except StateConflictError:
                continue

    asyncio.run(count())
    os._exit(0)


@pytest.mark.slow
def test_processes_lose_no_save_of_each_other(tmp_path: Path) -> None:
    path, context = str(tmp_path / "count"), multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count_up, args=(path, 25)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert Path(path).read_text() == "50"


async def test_redis_that_does_not_answer_is_a_store_error() -> None:
    redis_store = pytest.importorskip("ev_energy.redis").RedisStateStore
    store = redis_store("redis://127.0.0.1:9", "stream", timeout=0.5)
    with pytest.raises(StateStoreError, match="load the state in the Redis key 'ev-energy:state:{"):
        await store.load()
    with pytest.raises(StateStoreError, match="cannot save the state in the Redis key"):
        await store.save("one", None)
    await store.aclose()


def test_redis_store_needs_a_name() -> None:
    redis_store = pytest.importorskip("ev_energy.redis").RedisStateStore
    with pytest.raises(ValueError, match="name must not be empty"):
        redis_store("redis://127.0.0.1:9", "")
