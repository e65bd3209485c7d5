"""Tables compute each generated row once, and keep what requests change beside it."""

from __future__ import annotations

from typing import Any

from ev_energy.simulator.world._tables import GeneratedRows, Table


def _table(made: list[int]) -> Table:
    def make(number: int) -> dict[str, Any]:
        made.append(number)
        return {"name": f"name {number}"}

    return Table("things", "thng", GeneratedRows(3, lambda number: f"thng{number}", make))


def test_change_of_a_row_makes_no_row_again() -> None:
    made: list[int] = []
    table = _table(made)
    assert [row["name"] for row in table] == ["name 0", "name 1", "name 2"]
    assert table.update("thng1", {"name": "changed"})["name"] == "changed"
    assert [row["name"] for row in table] == ["name 0", "changed", "name 2"]
    assert [row["name"] for row in table.before(None)] == ["name 2", "changed", "name 0"]
    assert made == [0, 1, 2]


def test_loaded_changes_replace_earlier_ones() -> None:
    made: list[int] = []
    table = _table(made)
    table.update("thng1", {"name": "changed"})
    state = table.dump()
    table.update("thng1", {"name": "changed again"})
    table.update("thng2", {"name": "changed too"})
    table.load(state)
    assert [row["name"] for row in table] == ["name 0", "changed", "name 2"]
    assert sorted(made) == [0, 1, 2]
