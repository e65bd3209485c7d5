"""The notebook about a week of a fleet, run as Jupyter runs it."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ev_energy import ClientCredentials
from ev_energy.simulator import Clock, Simulator
from ev_energy_sync import Client
from tests.helpers.programs import environment_of

PATH = Path(__file__).parents[2] / "examples/fleet_week/fleet_week.ipynb"
MONDAY = datetime(2026, 9, 28, tzinfo=UTC)
#: Tells what the notebook drew, by the values of the bars and colours.
LOOK = """

import json

print(json.dumps({
    "totals": json.loads(totals.to_json(orient="index", double_precision=15)),
    "labels": [
        [axis.get_ylabel() or axis.get_xlabel() for axis in one.axes]
        for one in (days_figure, vehicles_figure, heat_figure)
    ],
    "titles": [
        days_figure.get_suptitle(), vehicles_figure.get_suptitle(), heat_figure.axes[0].get_title()
    ],
    "bars": [sum(bar.get_height() for bar in axis.patches) for axis in days_figure.axes],
    "widths": sum(bar.get_width() for bar in vehicles_figure.axes[0].patches),
    "most": float(most["kwh"].sum()),
    "heat": float(heat_figure.axes[0].images[0].get_array().sum()),
}))
"""


def test_notebook_has_no_outputs() -> None:
    """They would be large, change with each release of Matplotlib, and show vehicles."""
    cells = json.loads(PATH.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code), (
        "clear all outputs of examples/fleet_week/fleet_week.ipynb"
    )


def totals_of_the_week(simulator: Simulator) -> dict[str, dict[str, float]]:
    """Return the totals by currency, as the API states them."""
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    totals: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    with Client(auth, base_url=simulator.base_url) as client:
        week = client.charging_sub_sessions.list(
            end__gt=MONDAY - timedelta(microseconds=1), end__lt=MONDAY + timedelta(days=7)
        )
        for session in week:
            total = totals[session.currency]
            total["sub_sessions"] += 1
            total["without_cost"] += session.cost is None
            total["kwh"] += session.energy_delivered_watt_hours / 1000
            total["cost"] += (session.cost or 0) / 100
            total["co2_kg"] += (session.total_co2_grams or 0) / 1000
    return totals


@pytest.mark.slow
@pytest.mark.parametrize("api", ["of its environment", "its own simulator"])
def test_notebook(api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ipykernel", "nbclient"):
        pytest.importorskip(module, reason=f"needs {module}: pip install -e '.[test]'")
    for module in ("matplotlib", "pandas"):
        requirements = "examples/fleet_week/requirements.txt"
        pytest.importorskip(module, reason=f"needs {module}: pip install -r {requirements}")
    import nbclient
    import nbformat

    notebook: Any = nbformat.read(PATH, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[-1].source == "resources.close()"
    code[-1].source += LOOK
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    for name in ("CLIENT_ID", "CLIENT_SECRET", "BASE_URL", "TOKEN"):
        monkeypatch.delenv(f"EV_ENERGY_{name}", raising=False)
    with Simulator.in_thread(clock=Clock(speed=0)) as simulator:
        if api == "of its environment":
            environment = environment_of(simulator)
            for name in ("CLIENT_ID", "CLIENT_SECRET", "BASE_URL"):
                monkeypatch.setenv(f"EV_ENERGY_{name}", environment[f"EV_ENERGY_{name}"])
        nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
        paths = [seen.path for seen in simulator.requests]
        assert len(paths) == (6 if api == "of its environment" else 0), paths
        expected = totals_of_the_week(simulator)

    outputs = [output for cell in code for output in cell.outputs]
    assert not [one for one in outputs if one.get("name") == "stderr"]
    images = [
        base64.b64decode(o["data"]["image/png"])
        for o in outputs
        if "image/png" in o.get("data", {})
    ]
    assert [image[:4] for image in images] == [b"\x89PNG"] * 3
    [read, look] = [one["text"] for one in outputs if one.get("name") == "stdout"]
    count = int(sum(total["sub_sessions"] for total in expected.values()))
    assert read == f"{count} sub-sessions that ended from Mon 28 Sep to Sun 04 Oct 2026\n"
    found = json.loads(look)
    assert {*found["totals"]} == {*expected} == {"EUR", "GBP", "USD"}
    for currency, total in expected.items():
        stated = {name: found["totals"][currency][name] for name in total}
        assert stated == pytest.approx(total)
    assert found["titles"] == [
        "Charging of the fleet by day",
        "The 15 vehicles that charged most",
        "Energy by weekday and hour",
    ]
    assert found["labels"] == [
        ["energy (kWh)", "cost (each in its currency)", "emissions (kg CO2)"],
        ["energy (kWh)", "cost (in the currency beside the bar)", "emissions (kg CO2)"],
        ["local time", "energy (kWh)"],
    ]
    sums = [sum(total[name] for total in expected.values()) for name in ("kwh", "cost", "co2_kg")]
    assert found["bars"] == pytest.approx(sums)
    assert found["heat"] == pytest.approx(sums[0])
    assert found["widths"] == pytest.approx(found["most"])
