"""A Prometheus exporter for a fleet: what it does now, its energy, and the rate limit.

``python -m examples.prometheus_exporter`` starts it; the README beside this file describes it.
"""
