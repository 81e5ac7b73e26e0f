"""Plans and readings for tests of the scaler."""

from typing import Any

from onsale.node.scaler.decision import Reading
from onsale.node.scaler.rules import Plan, PrometheusQuery, Rule


def rule(name: str = "load", **settings: Any) -> Rule:
    defaults: dict[str, Any] = {"up_above": 10.0, "down_below": 2.0, "for_up_seconds": 0.0, "for_down_seconds": 0.0}
    return Rule(name, PrometheusQuery(name), **(defaults | settings))


def plan(*rules: Rule, **settings: Any) -> Plan:
    defaults: dict[str, Any] = {
        "least": 1, "most": 5, "after_up_seconds": 60.0, "after_down_seconds": 300.0, "stale_seconds": 30.0,
        "gap_seconds": 50.0,
    }  # fmt: skip
    return Plan(rules or (rule(),), **(defaults | settings))


def read(at: float, **values: float | None) -> dict[str, Reading]:
    """None: nothing was read."""
    return {name: Reading(value, at, "" if value is not None else f"{name} is away") for name, value in values.items()}
