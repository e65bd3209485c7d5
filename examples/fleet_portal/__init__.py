"""A portal for people who charge at home: their vehicles, chargers and charging, live.

``python -m examples.fleet_portal`` starts it; the README beside this file describes it.
"""
