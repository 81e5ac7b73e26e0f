"""A month that nobody watches: its faults, and what some of them cost."""

import pytest

from onsale.tests.simulation.month import (
    DOWN_SECONDS,
    KINDS,
    MONTH_SECONDS,
    Fault,
    Passage,
    Told,
    faults_of,
    groups_of,
    print_arithmetic,
)

LEASE_SECONDS = 2.0
KIND = {kind.name: kind for kind in KINDS}


def told(name: str, seconds: float, node: str = "v1") -> Told:
    outcome = Passage([Fault(0, KIND[name], node, seconds)], 1, LEASE_SECONDS).run()
    assert not outcome.broken, outcome.broken
    return outcome


def test_equal_seeds_give_equal_months() -> None:
    faults = faults_of(3)
    assert faults == faults_of(3) != faults_of(4)
    assert all(0 <= fault.at_seconds < MONTH_SECONDS for fault in faults)
    groups = list(groups_of(faults))
    assert [fault for group in groups for fault in group] == faults
    assert len(groups) > 20


def test_whoever_leads_is_missed_for_its_lease_and_no_longer() -> None:
    off = told("a machine is off", 8)
    assert off.leaders == 1
    assert DOWN_SECONDS < off.longest_seconds < LEASE_SECONDS + 2


@pytest.mark.parametrize(
    ("name", "node"), [("a machine is off", "v2"), ("etcd has no majority", ""), ("a node can't reach etcd", "v2")]
)
def test_what_is_not_missed(name: str, node: str) -> None:
    outcome = told(name, 6, node)
    assert outcome.leaders == 0
    assert outcome.longest_seconds < 1, "when etcd is back who leads may be silent until it has asked again"


def test_the_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    months = [[Told(["a process ends"], 259.2, 200.0, 1)], []]
    assert print_arithmetic(months, 10) == pytest.approx(0.99995)
    assert "99.99500%" in capsys.readouterr().out
