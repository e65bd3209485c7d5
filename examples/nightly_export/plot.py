"""Read what ``export.py`` wrote into a pandas frame, and plot the energy by the hour.

::

    python plot.py sessions.csv night.png
"""

# matplotlib does not annotate all parameters:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd


def read(source: Path) -> pd.DataFrame:
    """Return the sub-sessions, with the kilowatt-hours in a column of their own."""
    frame = pd.read_csv(source, parse_dates=["start", "end"])
    frame["kwh"] = frame["energy_delivered_watt_hours"] / 1000
    return frame


def by_hour(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the energy of each mode, in kWh, by the hour at which the cars were plugged in."""
    hours = frame["start"].dt.hour.rename("hour (UTC)")
    return frame.pivot_table(
        index=hours, columns="mode", values="kwh", aggfunc="sum", fill_value=0.0
    )


def plot(frame: pd.DataFrame, target: Path) -> None:
    """Save a bar chart."""
    figure, axes = plt.subplots()
    by_hour(frame).plot.bar(
        ax=axes, stacked=True, ylabel="kWh", title="Energy by time of arrival", rot=0
    )
    figure.savefig(target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="the CSV file that export.py wrote")
    parser.add_argument("target", type=Path, help="the image to write")
    arguments = parser.parse_args()
    sessions = read(arguments.source)
    plot(sessions, arguments.target)
    print(sessions.groupby("currency")[["kwh", "cost", "total_co2_grams"]].sum())
