"""What a node says about itself to the others."""

from onsale.node.cluster.report import lag_ms_of
from onsale.tests.node.cluster.members import Group


def test_a_standby_that_loses_its_source_lags_from_that_moment() -> None:
    group = Group()
    a, b, _ = group.leader_with_standbys(2)
    assert a.answered("ada")
    group.run(60_000)
    assert lag_ms_of(b.member) == 0
    a.kill()
    group.run(900)
    assert 0 < lag_ms_of(b.member) < 2_000
    group.run(5_000)
    assert 5_000 < lag_ms_of(b.member) < 7_000
