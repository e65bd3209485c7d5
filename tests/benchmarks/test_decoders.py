"""What the benchmarks compare: each library decodes the same bytes to the same values."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("pydantic")


def test_models_of_pydantic_hold_what_the_page_holds(benchmarks: Any) -> None:
    for name, (model, body) in benchmarks.data.pages().items():
        if name.endswith("one bad item"):
            continue  # pydantic refuses the page
        items = benchmarks.decoders.decoder("pydantic", model)(body)
        page = json.loads(body)
        assert len(items) == len(page) == 100
        for item, sent in zip(items[:3], page, strict=False):
            assert_holds(item, sent, name)


def assert_holds(model: Any, sent: dict[str, Any], path: str) -> None:
    """Check that *model* has typed values, with the names and the texts of *sent*."""
    values = {**dict(model), **(model.model_extra or {})}
    assert sent.keys() <= values.keys(), path
    for name, value in sent.items():
        if isinstance(value, dict) and not isinstance(values[name], dict):
            assert_holds(values[name], value, f"{path}.{name}")
    for name in ("sampled_at", "logged_at", "start"):
        if sent.get(name):
            assert values[name].tzinfo is not None, f"{path}.{name}: {values[name]!r}"


def test_a_link_of_pydantic_is_a_url_or_a_model(benchmarks: Any) -> None:
    decode = benchmarks.decoders.decoder("pydantic", "EVSE")
    link, model = (
        decode(benchmarks.data.body(benchmarks.data.evses(1, expanded=expanded)))[0].model
        for expanded in (False, True)
    )
    assert link.startswith("https://")
    assert model.make.name
