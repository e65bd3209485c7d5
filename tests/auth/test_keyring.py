"""`KeyringStore`, with a backend for the keyring library."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ev_energy.errors import TokenStoreError
from tests.helpers.token_store_contract import FIRST, KEY, SECOND, Shared, TokenStoreContract

keyring = pytest.importorskip("keyring", reason="needs keyring: pip install -e '.[test]'")
backend = pytest.importorskip("keyring.backend", reason="needs keyring: pip install -e '.[test]'")

ROOT = Path(__file__).parents[2]


class MemoryKeyring(backend.KeyringBackend):
    """A keyring in memory that can be locked, fail or wait for its user."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.error: Exception | None = None
        self.unlocked = threading.Event()
        self.unlocked.set()
        self.asked = threading.Event()
        self.threads: set[threading.Thread] = set()

    def check(self) -> None:
        self.threads.add(threading.current_thread())
        self.asked.set()
        self.unlocked.wait(30)
        if self.error is not None:
            raise self.error

    def get_password(self, service: str, username: str) -> str | None:
        self.check()
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.check()
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self.check()
        if (service, username) not in self.entries:
            raise keyring.errors.PasswordDeleteError("there is none")
        del self.entries[service, username]


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    ring = MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    ring.unlocked.set()
    keyring.set_keyring(before)


@pytest.fixture
def shared(ring: MemoryKeyring, tmp_path: Path) -> Shared:
    from ev_energy.keyring import KeyringStore

    return lambda: KeyringStore(lock_folder=tmp_path)


class TestKeyringStore(TokenStoreContract):
    @pytest.fixture
    def shared(self, shared: Shared) -> Shared:
        return shared


async def test_entries_are_json_under_the_service_name(ring: MemoryKeyring, shared: Shared) -> None:
    await shared().save(KEY, FIRST)
    ((place, text),) = ring.entries.items()
    assert place == ("ev-energy", KEY)
    assert json.loads(text) == FIRST.to_dict()


async def test_services_share_neither_tokens_nor_locks(ring: MemoryKeyring, tmp_path: Path) -> None:
    from ev_energy.keyring import KeyringStore

    one, two = (KeyringStore(name, lock_folder=tmp_path) for name in ("one", "two"))
    await one.save(KEY, FIRST)
    assert await two.load(KEY) is None
    async with asyncio.timeout(10), one.lock(KEY), two.lock(KEY):
        pass
    with pytest.raises(ValueError, match="service"):
        KeyringStore("")


async def test_loop_continues_while_the_keyring_asks_for_a_password(
    ring: MemoryKeyring, shared: Shared
) -> None:
    store = shared()
    await store.save(KEY, FIRST)
    ring.unlocked.clear()
    loading = asyncio.ensure_future(store.load(KEY))
    await asyncio.sleep(0.01)
    assert not loading.done()
    ring.unlocked.set()
    assert await loading == FIRST
    assert threading.main_thread() not in ring.threads


async def test_cancelled_load_returns_at_once(ring: MemoryKeyring, shared: Shared) -> None:
    ring.unlocked.clear()
    loading = asyncio.ensure_future(shared().load(KEY))
    await asyncio.to_thread(ring.asked.wait, 10)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(loading, 5)


async def test_cancelled_save_finishes_before_the_lock_is_released(
    ring: MemoryKeyring, shared: Shared
) -> None:
    store = shared()
    ring.unlocked.clear()

    async def renew() -> None:
        async with store.lock(KEY):
            await store.save(KEY, SECOND)

    renewing = asyncio.ensure_future(renew())
    await asyncio.to_thread(ring.asked.wait, 10)
    renewing.cancel()
    await asyncio.sleep(0.01)
    assert not renewing.done()
    ring.unlocked.set()
    with pytest.raises(asyncio.CancelledError):
        await renewing
    assert await store.load(KEY) == SECOND


async def test_cancelled_save_is_waited_for_a_limited_time(
    ring: MemoryKeyring, shared: Shared, monkeypatch
) -> None:
    from ev_energy import keyring as ours

    monkeypatch.setattr(ours, "_SAVE_TIMEOUT", 0.05)
    ring.unlocked.clear()
    saving = asyncio.ensure_future(shared().save(KEY, FIRST))
    await asyncio.to_thread(ring.asked.wait, 10)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(saving, 5)


@pytest.mark.parametrize(
    "error",
    [
        keyring.errors.KeyringLocked("keyring is locked"),
        keyring.errors.NoKeyringError("keyring is locked"),
        OSError("keyring is locked"),
        RuntimeError("keyring is locked"),
    ],
)
async def test_unusable_keyring_is_an_error_with_the_reason(
    ring: MemoryKeyring, shared: Shared, error: Exception
) -> None:
    await shared().save(KEY, FIRST)
    ring.error = error
    for attempt in (shared().load(KEY), shared().save(KEY, SECOND), shared().save(KEY, None)):
        with pytest.raises(TokenStoreError, match="keyring is locked"):
            await attempt
    ring.error = None
    assert await shared().load(KEY) == FIRST


@pytest.mark.parametrize("text", ["", "a password", "[]", "5", "{}", '{"access_token": 5}'])
async def test_foreign_entry_is_an_error_that_does_not_show_it(
    ring: MemoryKeyring, shared: Shared, text: str
) -> None:
    ring.entries["ev-energy", KEY] = text
    with pytest.raises(TokenStoreError, match="is not a token") as caught:
        await shared().load(KEY)
    assert "a password" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_lock_folder_is_private_and_independent_of_the_environment(
    ring: MemoryKeyring, tmp_path: Path, monkeypatch
) -> None:
    from ev_energy.keyring import KeyringStore

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/nowhere")
    async with KeyringStore().lock(KEY):
        folder = tmp_path / ".local" / "state" / "ev-energy"
        (lock,) = folder.iterdir()
        assert lock.suffix == ".lock"
        assert folder.stat().st_mode & 0o777 == 0o700


async def test_lock_folder_that_cannot_be_created_is_an_error(
    ring: MemoryKeyring, tmp_path: Path
) -> None:
    from ev_energy.keyring import KeyringStore

    (tmp_path / "file").touch()
    with pytest.raises(TokenStoreError, match="cannot create"):
        KeyringStore(lock_folder=tmp_path / "file" / "folder").lock(KEY)


def test_process_ends_although_the_keyring_is_still_asking() -> None:
    code = """
import asyncio, threading, keyring
from keyring.backend import KeyringBackend
from ev_energy.keyring import KeyringStore
class Asking(KeyringBackend):
    priority = 1
    def get_password(self, service, username):
        asked.set()
        threading.Event().wait()
    set_password = delete_password = get_password
async def main():
    loading = asyncio.create_task(KeyringStore().load("k"))
    await asyncio.to_thread(asked.wait)
    loading.cancel()
asked = threading.Event()
keyring.set_keyring(Asking())
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_library_is_an_error_that_names_the_extra() -> None:
    code = """
import sys
sys.modules["keyring"] = None
import ev_energy
try:
    import ev_energy.keyring
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.stdout == "for the keyring, pip install 'ev-energy[keyring]'\n", done.stderr
