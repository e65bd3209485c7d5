"""`MemoryStore`."""

from __future__ import annotations

import pytest

from ev_energy.auth import MemoryStore
from tests.helpers.token_store_contract import Shared, TokenStoreContract


class TestMemoryStore(TokenStoreContract):
    @pytest.fixture
    def shared(self) -> Shared:
        store = MemoryStore()
        return lambda: store
