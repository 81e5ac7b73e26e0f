"""What a node says of itself, as Prometheus' families."""

import re
from typing import Any

import pytest

from onsale.http.gateway import ROLES
from onsale.http.measures.gauges import OTHER, OWED_KINDS, gauges
from onsale.http.measures.reading import MemberReading, Reading, Stock

LEAST: dict[str, Any] = {
    "role": "standby", "epoch": 3, "seq": 9, "durable_seq": 8, "checkpoint_seq": 4, "bookings": {}, "waiting": 1,
    "held": 2, "events": 5,
}  # fmt: skip
MOST = LEAST | {
    "version": "1.2.3", "takes_writes": True, "replies_waiting": 7, "unsafe_seconds": 0.5, "sync_standbys": 2,
    "sync_standbys_met": 1, "lag_ms": 1_500, "members": [MemberReading("b", "standby", 20, 3)],
    "owed": dict.fromkeys(OWED_KINDS, 2), "given_up": {"refunds": 1}, "failing_seconds": {"mail": 61.5}, "streams": 4,
    "queued": 10, "inside": 11, "stock": [Stock("7", 5, 3, 2, 1)], "disk_free_bytes": 60, "disk_size_bytes": 100,
    "lease_valid_seconds": 8.5, "etcd_reachable": False, "takeover_paused": True,
}  # fmt: skip
UNITS = ("seconds", "bytes")  # base units, and last in names; what has none is a number of things


def values(**fields: Any) -> dict[tuple[str, ...], float]:
    """By name and label values."""
    families = list(gauges(Reading(**fields)))
    assert len({family.name for family in families}) == len(families)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_all_that_is_read_is_told() -> None:
    found = values(**MOST)
    assert found[("onsale_role", "standby")] == 1
    assert sum(found[("onsale_role", role)] for role in ROLES) == 1
    single = {
        "epoch": 3, "seq": 9, "durable_seq": 8, "checkpoint_seq": 4, "takes_writes": 1, "sync_standbys": 2,
        "sync_standbys_met": 1, "lag_seconds": 1.5, "replies_waiting": 7, "unsafe_seconds": 0.5, "streams": 4,
        "queue_waiting": 10, "queue_inside": 11, "waiting": 1, "held": 2, "events": 5, "disk_free_bytes": 60,
        "disk_size_bytes": 100, "lease_valid_seconds": 8.5, "etcd_reachable": 0, "takeover_paused": 1,
    }  # fmt: skip
    assert {name: found[(f"onsale_{name}",)] for name in single} == single
    assert found[("onsale_build_info", "1.2.3")] == 1
    assert [found[("onsale_event_tickets", "7", state)] for state in ("available", "held", "sold")] == [5, 3, 2]
    assert found[("onsale_event_waiting", "7")] == 1
    assert found[("onsale_member_lag_seconds", "b", "standby")] == 0.02
    assert [found[("onsale_owed", kind)] for kind in OWED_KINDS] == [2] * len(OWED_KINDS)
    assert found[("onsale_given_up", "refunds")] == 1
    assert found[("onsale_outside_failing_seconds", "mail")] == 61.5


@pytest.mark.parametrize("field", ["disk_free_bytes", "disk_size_bytes", "lease_valid_seconds", "etcd_reachable"])
def test_what_is_not_known_is_not_told(field: str) -> None:
    """A zero would be an alarm."""
    assert (f"onsale_{field}",) in values(**MOST)
    assert (f"onsale_{field}",) not in values(**(MOST | {field: None}))


def test_kinds_that_nobody_knows_make_no_series() -> None:
    found = values(**(LEAST | {"owed": {"payments": 1, "whatever a caller says": 2}}))
    assert [labels for name, *labels in found if name == "onsale_owed"] == [["payments"]]


def test_names_and_help_follow_the_rules() -> None:
    for family in gauges(Reading(**MOST)):
        assert re.fullmatch(r"onsale(_[a-z]+)+", family.name)
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket")), "those are counters' and histograms'"
        assert family.documentation.endswith("."), family.name
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)\b", family.name)
        for unit in UNITS:
            assert unit not in family.name or family.name.endswith(unit), family.name
        labels = {tuple(sample.labels) for sample in family.samples}
        assert len(labels) == 1, family.name


def test_series_are_bounded_whatever_members_are_called() -> None:
    members = [MemberReading(f"m{number}", "replica", number, number) for number in range(1_000)]
    found = values(**(LEAST | {"members": members}))
    assert len([each for each in found if each[0] == "onsale_member_lag_seconds"]) == 101
    assert found[("onsale_member_lag_seconds", OTHER, OTHER)] == 0.999
