"""`FileStore`: private, complete at every moment, and exclusively locked."""

# ruff: noqa: ASYNC220, ASYNC240  (small files and short processes are what is tested)

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ev_energy.auth import FileStore, Token, TokenStore
from ev_energy.errors import TokenStoreError
from tests.helpers.token_store_contract import FIRST, KEY, SECOND, Shared, TokenStoreContract

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX locks and file modes")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


class TestFileStore(TokenStoreContract):
    @pytest.fixture
    def shared(self, path: Path) -> Shared:
        return lambda: FileStore(path)


def run(*words: object, code: str | None = None) -> str:
    script = ["-c", code] if code is not None else []
    done = subprocess.run(
        [sys.executable, "-W", "error", *script, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def outcomes(folder: Path, mode: str, change: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in run(
            HERE.parent / "helpers" / "crash_injection.py", folder, mode, change
        ).splitlines()
    ]


BEFORE = {"renew": "old", "first": None, "forget": "old"}
AFTER = {"renew": "new", "first": "new", "forget": None}
WRITING = ["open", "write", "fsync", "close", "replace", "open", "fsync", "close"]


@pytest.mark.crash_injection
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")
@pytest.mark.parametrize("change", BEFORE)
@pytest.mark.parametrize("mode", ["crash", "partial"])
def test_process_that_dies_at_any_system_call_leaves_the_old_or_the_new_token(
    tmp_path: Path, mode: str, change: str
) -> None:
    crashes = outcomes(tmp_path / "tokens", mode, change)
    calls, kept = [crash["call"] for crash in crashes], [crash["kept"] for crash in crashes]
    after_replace = calls.index("replace") + 1
    # The file is on the disk before it replaces the old one, and its name before the call returns.
    assert calls[after_replace - 5 : after_replace + 3] == WRITING
    assert set(kept[:after_replace]) == {BEFORE[change]}
    assert set(kept[after_replace:]) == {AFTER[change]}
    assert [crash["problems"] for crash in crashes if crash["problems"]] == []


@pytest.mark.crash_injection
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("change", BEFORE)
def test_failing_system_call_is_an_error_with_the_path_and_loses_nothing(
    tmp_path: Path, change: str
) -> None:
    failures = outcomes(tmp_path / "tokens", "error", change)
    after_replace = [failure["call"] for failure in failures].index("replace") + 1
    assert {failure["call"] for failure in failures} >= set(WRITING) | {"flock", "unlink", "mkdir"}
    for number, failure in enumerate(failures):
        assert not failure["problems"], failure
        if failure["outcome"] == "TokenStoreError":
            assert failure["kept"] == (BEFORE if number < after_replace else AFTER)[change]
        else:  # an existing folder is no error, and a failure to release a lock is ignored
            assert failure["outcome"] == "no error", failure
            assert failure["call"] in {"mkdir", "fstat", "unlink", "flock", "close"}
            assert failure["kept"] == AFTER[change]


async def test_file_is_never_accessible_to_other_users(path: Path, monkeypatch) -> None:
    seen: list[int] = []
    write = os.write

    def watched(fd: int, data: bytes) -> int:
        seen.append(os.fstat(fd).st_mode & 0o777)
        return write(fd, data)

    monkeypatch.setattr(os, "write", watched)
    umask = os.umask(0)
    try:
        store = FileStore(path.parent / "new folder" / path.name)
        async with store.lock(KEY):
            await store.save(KEY, FIRST)
            made = {
                p.name: p.stat().st_mode & 0o777 for p in (path.parent / "new folder").iterdir()
            }
    finally:
        os.umask(umask)
    assert seen == [0o600]
    assert set(made.values()) == {0o600}
    assert len(made) == 2
    assert (path.parent / "new folder").stat().st_mode & 0o777 == 0o700


async def test_partial_writes_are_completed(path: Path, monkeypatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    await FileStore(path).save(KEY, FIRST)
    assert await FileStore(path).load(KEY) == FIRST


async def test_readable_file_is_warned_of_once_and_its_mode_corrected_by_the_next_save(
    path: Path, caplog
) -> None:
    store = FileStore(path)
    await store.save(KEY, FIRST)
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING, "ev_energy"):
        assert await store.load(KEY) == FIRST
        assert await store.load(KEY) == FIRST
        await store.save(KEY, SECOND)
        assert await FileStore(path).load(KEY) == SECOND
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert "chmod 600" in record.getMessage()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"not-json access-1",
        b"[]",
        b"null",
        b"{}",
        b'{"tokens": {}}',
        b'{"tokens": [], "version": 1}',
        b'{"some": "settings", "version": 3}',
        b'{"version": 2, "tokens": {"k": {"access_token": "access-1"}}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"version": 1, "tokens": {"k": {"access_token": "acc',
    ],
)
async def test_file_with_other_content_is_an_error_and_stays_unchanged(
    path: Path, text: bytes
) -> None:
    path.write_bytes(text)
    path.chmod(0o600)
    store = FileStore(path)
    for attempt in (store.load(KEY), store.save(KEY, FIRST), store.save(KEY, None)):
        with pytest.raises(TokenStoreError, match="move it away") as caught:
            await attempt
        assert str(path) in str(caught.value)
        assert "access-1" not in str(caught.value)
        assert caught.value.__cause__ is None
    assert path.read_bytes() == text
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "entry", [5, "access-1", [], {}, {"access_token": 5}, {"refresh_token": "r"}]
)
async def test_damaged_token_does_not_affect_others(path: Path, entry: Any) -> None:
    path.write_text(json.dumps({"version": 1, "tokens": {KEY: entry}}))
    path.chmod(0o600)
    store = FileStore(path)
    await store.save("another", SECOND)
    assert await store.load("another") == SECOND
    with pytest.raises(TokenStoreError, match="sign in again"):
        await store.load(KEY)
    await store.save(KEY, FIRST)  # the threads did
    assert await store.load(KEY) == FIRST


async def test_empty_file_holds_no_tokens(path: Path) -> None:
    path.touch(mode=0o600)
    store = FileStore(path)
    assert await store.load(KEY) is None
    await store.save(KEY, FIRST)
    assert await store.load(KEY) == FIRST


async def test_symbolic_link_is_not_followed(path: Path) -> None:
    target = path.with_name("elsewhere.json")
    await FileStore(target).save(KEY, FIRST)
    path.symlink_to(target)
    store = FileStore(path)
    for attempt in (store.load(KEY), store.save(KEY, SECOND)):
        with pytest.raises(TokenStoreError, match="symbolic link"):
            await attempt
    assert path.is_symlink()
    assert await FileStore(target).load(KEY) == FIRST


async def test_symbolic_links_in_place_of_auxiliary_files_are_not_followed(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_text("precious")
    store = FileStore(path)
    Path(f"{path}.new").symlink_to(victim)
    await store.save(KEY, FIRST)
    assert await store.load(KEY) == FIRST
    Path(f"{path}.lock").symlink_to(victim)
    with pytest.raises(TokenStoreError, match=r"cannot lock .*tokens\.json\.lock"):
        await store.save(KEY, SECOND)
    assert victim.read_text() == "precious"
    assert await store.load(KEY) == FIRST


async def test_fifo_or_folder_is_refused_without_waiting(path: Path) -> None:
    os.mkfifo(path, 0o600)
    with pytest.raises(TokenStoreError, match="is not a regular file"):
        await FileStore(path).load(KEY)
    with pytest.raises(
        TokenStoreError, match=f"^{path.parent} is a folder: pass the path of a file$"
    ):
        await FileStore(path.parent).load(KEY)


async def test_only_the_last_missing_folder_is_created(tmp_path: Path) -> None:
    await FileStore(tmp_path / "one" / "tokens.json").save(KEY, FIRST)
    missing = FileStore(tmp_path / "two" / "three" / "tokens.json")
    assert await missing.load(KEY) is None
    with pytest.raises(TokenStoreError, match="the folder .*/two/three does not exist: create it"):
        await missing.save(KEY, FIRST)
    with pytest.raises(TokenStoreError, match="the folder .*/two/three does not exist: create it"):
        async with missing.lock(KEY):
            pass
    assert not (tmp_path / "two").exists()


async def test_path_is_independent_of_the_working_directory(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    relative, at_home = FileStore("tokens.json"), FileStore("~/tokens.json")
    monkeypatch.chdir("/")
    await relative.save(KEY, FIRST)
    assert await at_home.load(KEY) == FIRST
    assert repr(relative) == repr(at_home) == f"FileStore('{tmp_path}/tokens.json')"


async def test_thousand_keys_leave_one_file(path: Path) -> None:
    store = FileStore(path)
    for number in range(50):
        async with store.lock(f"user {number}"):
            await store.save(f"user {number}", Token(access_token=f"a{number}"))
    assert [p.name for p in path.parent.iterdir()] == ["tokens.json"]


async def test_lock_on_a_file_removed_by_the_previous_holder_is_retried(
    path: Path, monkeypatch
) -> None:
    whole, opened = os.open, []

    def just_before_it_is_removed(file: Any, *words: Any) -> int:
        fd = whole(file, *words)
        if not opened:
            Path(file).unlink()
        opened.append(file)
        return fd

    monkeypatch.setattr(os, "open", just_before_it_is_removed)
    store = FileStore(path)
    async with asyncio.timeout(10), store.lock(KEY):
        (lock,) = path.parent.iterdir()
        assert opened == [lock, lock]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), FileStore(path).lock(KEY):
                pass


async def test_holder_of_a_removed_lock_file_does_not_remove_its_successor(path: Path) -> None:
    async with FileStore(path).lock(KEY):
        (lock,) = path.parent.iterdir()
        lock.unlink()
        second = FileStore(path).lock(KEY)
        await second.__aenter__()
    assert list(path.parent.iterdir()) == [lock]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), FileStore(path).lock(KEY):
            pass
    await second.__aexit__(None, None, None)
    assert list(path.parent.iterdir()) == []


def test_threads_with_their_own_loops_exclude_each_other(path: Path) -> None:
    store, inside, most = FileStore(path), 0, 0

    async def enter(number: int) -> None:
        nonlocal inside, most
        for after_replace in range(5):
            async with store.lock(KEY):
                inside += 1
                most = max(most, inside)
                await store.save(f"{number}-{after_replace}", SECOND)
                inside -= 1

    threads = [threading.Thread(target=lambda n=n: asyncio.run(enter(n))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 1
    assert len(json.loads(path.read_text())["tokens"]) == 20


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_lock_held_in_a_closed_loop_is_free(path: Path, kind: str) -> None:
    from ev_energy.auth import MemoryStore

    store: TokenStore = MemoryStore() if kind == "memory" else FileStore(path)

    async def hold() -> Any:
        lock = store.lock(KEY)
        await lock.__aenter__()
        return lock

    loop = asyncio.new_event_loop()
    abandoned = loop.run_until_complete(hold())
    loop.close()

    async def take() -> None:
        async with asyncio.timeout(5), store.lock(KEY):
            pass

    asyncio.run(take())
    del abandoned


@pytest.mark.slow
def test_processes_that_save_concurrently_lose_no_token(path: Path) -> None:
    code = """
import asyncio, sys
from ev_energy.auth import FileStore, Token
async def main():
    for n in range(25):
        await FileStore(sys.argv[1]).save(f"{sys.argv[2]} {n}", Token(access_token=sys.argv[2]))
asyncio.run(main())
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    savers = [
        subprocess.Popen([sys.executable, "-c", code, path, str(number)], env=env)
        for number in range(4)
    ]
    assert [saver.wait(60) for saver in savers] == [0, 0, 0, 0]
    kept = json.loads(path.read_text())["tokens"]
    assert {key: entry["access_token"] for key, entry in kept.items()} == {
        f"{number} {n}": str(number) for number in range(4) for n in range(25)
    }


FORKING = """
import asyncio, os, signal, sys
from ev_energy.auth import FileStore

async def is_free(store):
    try:
        async with asyncio.timeout(0.1), store.lock("k"):
            return True
    except TimeoutError:
        return False

async def main():
    store = FileStore(sys.argv[1])
    begun, ended = os.pipe(), os.pipe()
    lock = store.lock("k")
    await lock.__aenter__()
    child = os.fork()
    if child == 0:
        # On its way out it leaves the block, too, as an exception there would have it do.
        try:
            lock.gen.aclose().send(None)
        except StopIteration:
            pass
        os.write(begun[1], b".")
        os.read(ended[0], 1)
        os._exit(0)
    os.read(begun[0], 1)
    print("the child let go:", await is_free(FileStore(sys.argv[1])))
    await lock.__aexit__(None, None, None)
    print("the child holds on:", not await is_free(store))
    await (again := store.lock("k")).__aenter__()
    second = os.fork()
    if second == 0:
        os.write(begun[1], b".")
        os.read(ended[0], 1)
        os._exit(0)
    os.read(begun[0], 1)
    third = os.fork()
    if third == 0:
        os._exit(3 if asyncio.run(is_free(store)) else 4)
    print("a child takes it as well:", os.waitstatus_to_exitcode(os.waitpid(third, 0)[1]) != 4)
    await again.__aexit__(None, None, None)
    os.write(ended[1], b"..")
    for one in (child, second):
        os.waitpid(one, 0)

asyncio.run(main())
"""

DYING = """
import asyncio, os, sys
from ev_energy.auth import FileStore

async def main():
    await FileStore(sys.argv[1]).lock("k").__aenter__()
    if os.fork() == 0:
        sys.stdin.read()  # longer than its parent lives
        os._exit(0)
    print("dying", flush=True)
    os._exit(1)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")
def test_forked_child_neither_holds_nor_releases_the_lock_of_its_parent(path: Path) -> None:
    assert run(path, code=FORKING).splitlines() == [
        "the child let go: False",
        "the child holds on: False",
        "a child takes it as well: False",
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")
async def test_lock_ends_with_its_holder_although_a_child_survives(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DYING, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"dying\n"
        async with asyncio.timeout(10), FileStore(path).lock("k"):
            pass
    assert list(path.parent.iterdir()) == []
