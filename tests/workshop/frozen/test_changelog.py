"""Changes of public names since the last release stand in CHANGELOG.md."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.workshop.frozen.changelog import unnamed

_HERE: Final = Path(__file__).parent
_CHANGELOG: Final = _HERE.parents[2] / "CHANGELOG.md"
RELEASED = [
    "(every Model).extra property -> Mapping[str, Any]",
    "ev_energy.Client class(PublicClient)",
    "ev_energy.Client.gather def (self) -> None",
    "ev_energy.webhooks.Inbox class()",
    "ev_energy.webhooks.Inbox.close def (self) -> None",
]
NEW = "ev_energy.Client.estimate def (self) -> None"
CHANGED = "ev_energy.webhooks.Inbox.close def (self, now: bool) -> None"


def test_changes_since_the_last_release_are_in_the_changelog() -> None:
    released = (_HERE / "released_names.txt").read_text(encoding="utf-8").splitlines()
    current = (_HERE / "public_names.txt").read_text(encoding="utf-8").splitlines()
    found = unnamed(released, current, _CHANGELOG.read_text(encoding="utf-8"))
    assert found == [], (
        "name these public names in backquotes in the unreleased section of CHANGELOG.md; a new or "
        "removed class or module stands for its members"
    )


def changelog(text: str, heading: str = "1.1.0 - unreleased") -> str:
    return (
        f"# Changelog\n\n## {heading}\n\n- {text}\n\n## 1.0.0 - 2026-01-01\n\n- `Inbox` is new.\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "`Client.estimate` tells the costs.",
        "`client.estimate()` tells the costs.",
        "`await client.estimate(calls)` tells the costs.",
        "`ev_energy.Client.estimate` tells the costs.",
        "`estimate` is new.",
    ],
)
def test_added_name_is_covered(text: str) -> None:
    assert unnamed(RELEASED, [*RELEASED, NEW], changelog(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Client.estimate tells the costs.",
        "`Client` has a new method.",
        "`ev_energy` has a new method.",
        "`estimates` is new.",
        "`Client.gather` is faster.",
    ],
)
def test_added_name_is_not_covered(text: str) -> None:
    assert unnamed(RELEASED, [*RELEASED, NEW], changelog(text)) == [f"+ {NEW}"]


def test_removed_and_changed_names_are_told() -> None:
    current = [RELEASED[1], RELEASED[3], CHANGED]
    expected = [f"- {RELEASED[0]}", f"- {RELEASED[2]}", f"- {RELEASED[4]}", f"+ {CHANGED}"]
    assert sorted(unnamed(RELEASED, current, changelog("Nothing."))) == sorted(expected)
    named = changelog("`Model.extra` and `gather` are gone. `Inbox.close` takes `now=`.")
    assert unnamed(RELEASED, current, named) == []


@pytest.mark.parametrize("name", ["Outbox", "ev_energy.outboxes"])
def test_new_class_or_module_stands_for_its_members(name: str) -> None:
    new = [f"ev_energy.outboxes.Outbox{end}" for end in (" class()", ".close def (self) -> None")]
    assert unnamed(RELEASED, [*RELEASED, *new], changelog(f"`{name}` is new.")) == []
    assert unnamed([*RELEASED, *new], RELEASED, changelog(f"`{name}` is gone.")) == []
    method = [*RELEASED, new[0]], [*RELEASED, *new]
    assert unnamed(*method, changelog("`ev_energy.outboxes` has news.")) == [f"+ {new[1]}"]


def test_released_sections_cover_nothing() -> None:
    dated = changelog("`Client.estimate` is new.", "1.1.0 - 2026-02-01")
    assert unnamed(RELEASED, [*RELEASED, NEW], dated) == [f"+ {NEW}"]
    assert unnamed(RELEASED, RELEASED, dated) == []
