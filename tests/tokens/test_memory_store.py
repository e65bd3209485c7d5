"""`MemoryStore`."""

from __future__ import annotations

import pytest
from tokens.store_contract import Shared, TokenStoreContract

from ev_energy.auth import MemoryStore


class TestMemoryStore(TokenStoreContract):
    @pytest.fixture
    def shared(self) -> Shared:
        store = MemoryStore()
        return lambda: store
