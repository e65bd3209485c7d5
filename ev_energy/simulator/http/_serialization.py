"""Serialization of rows: a link becomes a URL or, if it is expanded, the JSON of its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from ev_energy.simulator.world._rows import ApiPath, Link, Row, Viewer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ev_energy.simulator.world._world import World


class ExpandTree(dict[str, "ExpandTree"]):
    """The members to expand: ``model.make`` is the branch make of the branch model."""

    @classmethod
    def from_names(cls, names: Iterable[str]) -> ExpandTree:
        """Return the tree of dotted names; a nested name includes its parents."""
        tree = cls()
        for name in names:
            branch = tree
            for part in name.split("."):
                branch = branch.setdefault(part, cls())
        return tree


#: Types whose values are JSON already, as most members are; a page costs a twentieth less so.
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


@attrs.frozen
class Serializer:
    """Serializes rows for one viewer, with URLs below the root that the caller uses."""

    world: World
    root: str
    viewer: Viewer

    def row(self, row: Row, tree: ExpandTree) -> dict[str, Any]:
        """Return the JSON object of a row; members that begin with an underscore are internal."""
        return {
            name: value if type(value) in _PLAIN else self._value(value, tree.get(name))
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
