"""Rows into JSON: links become URLs, or what they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from ev_energy.simulator.world._rows import ApiPath, Link, Row, Viewer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ev_energy.simulator.world._world import World


class ExpandTree(dict[str, "ExpandTree"]):
    """What to expand, by member: ``model.make`` stands as make below model."""

    @classmethod
    def from_names(cls, names: Iterable[str]) -> ExpandTree:
        """Return the tree of dotted names; a nested name brings its parents along."""
        tree = cls()
        for name in names:
            branch = tree
            for part in name.split("."):
                branch = branch.setdefault(part, cls())
        return tree


@attrs.frozen
class Serializer:
    """Writes rows for one caller, with URLs as this caller reaches the server."""

    world: World
    root: str
    viewer: Viewer

    def row(self, row: Row, tree: ExpandTree) -> dict[str, Any]:
        """Return the JSON object of a row."""
        return {
            name: self._value(value, tree.get(name))
            for name, value in row.items()
            if not name.startswith("_")
        }

    def _value(self, value: object, tree: ExpandTree | None) -> Any:
        match value:
            case Link():
                return self._link(value, tree)
            case ApiPath():
                return self.root + value.path
            case dict():
                return self.row(cast("Row", value), tree or ExpandTree())
            case list():
                return [self._value(item, tree) for item in cast("list[object]", value)]
            case _:
                return value

    def _link(self, link: Link, tree: ExpandTree | None) -> Any:
        found = self.world.find(link) if tree is not None else None
        if tree is None or found is None:
            return self.root + link.path
        collection, row = found
        return self.row(collection.view_for(row, self.viewer), tree)
