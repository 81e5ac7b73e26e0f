"""How many may come in, and who has to go when there are too many."""

import pytest

from onsale.replicas import entrance as entrance_module
from onsale.replicas.entrance import UNPROVED_MAX
from onsale.replicas.frames import Refused
from onsale.tests.replicas.linking import Node, Stranger, World


def test_those_who_prove_nothing_keep_nobody_out(caplog: pytest.LogCaptureFixture):
    world = World()
    near, far = Node(world, "near"), Node(world, "far")
    strangers = [Stranger(world, f"stranger{number}").dial("far") for number in range(UNPROVED_MAX)]
    world.run(20)
    assert not any(stranger.reasons for stranger in strangers)
    near.dial("far")
    world.run(20)
    assert len(far.links) == 1
    assert [len(stranger.reasons) for stranger in strangers] == [1] + [0] * (UNPROVED_MAX - 1)
    [line] = [record.getMessage() for record in caplog.records]
    assert "stranger0" in line
    assert f"{UNPROVED_MAX} connections are open that have proved nothing" in line


def test_a_flood_leaves_a_bounded_number_open():
    world = World()
    far = Node(world, "far")
    strangers = [Stranger(world, f"stranger{number}").dial("far") for number in range(3 * UNPROVED_MAX)]
    world.run(20)
    assert sum(not stranger.reasons for stranger in strangers) == UNPROVED_MAX
    world.run(3000)
    assert all(stranger.reasons for stranger in strangers)
    assert not far.links


def test_those_who_proved_themselves_stay_and_more_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(entrance_module, "LINKS_MAX", 3)
    world = World()
    far = Node(world, "far")
    nodes = [Node(world, f"node{number}") for number in range(4)]
    links = []
    for node in nodes:
        links.append(node.dial("far"))
        world.run(20)
    assert [link.is_open for link in links] == [True, True, True, False]
    assert links[3].refused == Refused("overloaded", "3 nodes are connected already: let it follow another node")
    assert len(far.links) == 3
    links[0].close()
    world.run(20)
    again = nodes[3].dial("far")
    world.run(20)
    assert again.is_open
