"""The cluster as one node shows it: who is there, who leads, what is wrong."""

import pytest

from onsale.node.cluster_view import UNREACHABLE, cluster_view, primary_address
from onsale.tests.node.cluster.members import Group, Machine


@pytest.fixture
def group() -> Group:
    return Group()


def states(machine: Machine) -> dict[str, tuple[str, str]]:
    return {each.name: (each.role, each.state) for each in cluster_view(machine.member).members}


def test_every_node_shows_all_of_them(group: Group) -> None:
    machines = group.leader_with_standbys(2)
    replica = group.machine("r", voting=False, sources=("b:7400",))
    group.run(3_000)
    for machine in (*machines, replica):
        view = cluster_view(machine.member)
        assert states(machine) == {
            "a": ("primary", "serving"),
            "b": ("standby", "following"),
            "c": ("standby", "following"),
            "r": ("replica", "following"),
        }
        assert [each.name for each in view.members] == ["a", "b", "c", "r"]
        assert (view.name, view.primary, view.epoch, view.sync_standbys) == (machine.name, "a", 1, 1)
        assert view.problems == []
        assert [each.sync for each in view.members] == [False, True, True, False]
        assert primary_address(machine.member) == "http://a"


def test_a_standby_that_is_gone_is_shown_as_such_for_good(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    group.run(2_000)
    b.kill()
    group.run(4_000)
    assert states(a)["b"] == ("standby", UNREACHABLE)
    assert states(c)["b"] == ("standby", UNREACHABLE)
    group.run(200_000)
    assert states(a)["b"] == ("standby", UNREACHABLE), "it stands in the journal, however long ago it was heard of"


def test_without_a_primary_a_standby_says_so(group: Group) -> None:
    a, b, _ = group.leader_with_standbys(2)
    group.run(2_000)
    a.kill()
    group.run(4_000)
    view = cluster_view(b.member)
    assert states(b)["a"] == ("primary", UNREACHABLE)
    assert view.primary == ""
    (problem,) = view.problems
    assert problem.startswith("b follows nobody: ")


def test_a_node_that_hands_over_is_not_shown_as_serving(group: Group) -> None:
    a, b, _ = group.leader_with_standbys(2)
    b.sync_us = 1_000_000
    a.ask()
    group.run(5)
    a.member.hand_over("b", lambda *_outcome: None)
    assert states(a)["a"] == ("primary", "handing_over")
    assert primary_address(a.member) == ""
