"""Whatever happens, nobody who may lead lacks what was answered: all that a small cluster can do, and much of a larger
one. And each part of the rule is needed: without it the same search finds a lost answer.
"""

import random
from typing import Any

import pytest

from onsale.replicas import failover
from onsale.replicas.failover import Verdict, counted, may_lead, promises_needed
from onsale.replicas.frames import NodeStatus

from . import cluster_model
from .cluster_model import LostAnswerError, Model, explore, first

STATES_MAX = 20_000


@pytest.mark.parametrize(
    ("size", "sync_standbys", "entries_max", "epochs_max"),
    [(size, count, 2, 3) for size in (1, 2) for count in range(size)]
    + [(3, 0, 2, 3), (3, 1, 2, 3), (3, 2, 1, 3)]
    + [(4, count, 2, 2) for count in range(4)]
    + [(4, 1, 1, 3)]
    + [(5, count, 1, 2) for count in range(5)],
)
def test_nothing_that_can_happen_loses_an_answer(
    monkeypatch: pytest.MonkeyPatch, size: int, sync_standbys: int, entries_max: int, epochs_max: int
) -> None:
    monkeypatch.setattr(cluster_model, "EPOCHS_MAX", epochs_max)
    assert explore(Model(size, sync_standbys, entries_max), STATES_MAX) > 1


@pytest.mark.parametrize(("size", "sync_standbys"), [(3, 2), (4, 2), (4, 3), (5, 0), (5, 1), (5, 2), (5, 3), (5, 4)])
def test_no_long_walk_through_a_larger_cluster_loses_an_answer(
    monkeypatch: pytest.MonkeyPatch, size: int, sync_standbys: int
) -> None:
    monkeypatch.setattr(cluster_model, "EPOCHS_MAX", 5)
    assert walk(Model(size, sync_standbys, 3), walks=30) > 200


def walk(model: Model, walks: int) -> int:
    """Goes on at random as long as it can; the number of steps."""
    steps = 0
    for seed in range(walks):
        chance = random.Random(seed)
        cluster = first(model.size)
        for _ in range(40):
            leaders = [number for number, node in enumerate(cluster.nodes) if node.leads]
            following = [after for leader in leaders for after in model.leader_steps(cluster, leader)]
            if not following or chance.random() < 0.2:
                following = list(model.steps(cluster))
            if not following:
                break
            cluster = chance.choice(following)
            steps += 1
    return steps


# --- the search can find something


def one_promise_less(own: NodeStatus, promised: list[NodeStatus], **asked: Any) -> Verdict:
    verdict = may_lead(own, promised, **asked)
    names = counted([own, *promised], own.voters)
    enough = len(names) >= promises_needed(len(own.voters), own.sync_standbys) - 1
    behind = any(failover.is_ahead(each, own) for each in promised)
    return Verdict(leads=verdict.leads or (enough and not behind), may_lose=False, sentences=())


def whoever_is_ahead(own: NodeStatus, promised: list[NodeStatus], **asked: Any) -> Verdict:
    enough = len(promised) + 1 >= promises_needed(len(own.voters), own.sync_standbys)
    return Verdict(leads=enough, may_lose=False, sentences=())


def handed_over_in_any_epoch(own: NodeStatus, promised: list[NodeStatus], **asked: Any) -> Verdict:
    enough = len(promised) + 1 >= promises_needed(len(own.voters), own.sync_standbys, handed_over=True)
    verdict = may_lead(own, promised, **asked)
    return Verdict(leads=verdict.leads or (enough and own.leader != own.name), may_lose=False, sentences=())


def handed_over_by_one_that_may_go_on(own: NodeStatus, promised: list[NodeStatus], **asked: Any) -> Verdict:
    verdict = may_lead(own, promised, **asked)
    enough = len(promised) + 1 >= promises_needed(len(own.voters), own.sync_standbys, handed_over=True)
    return Verdict(leads=verdict.leads or (enough and "handed_over_by" in asked), may_lose=False, sentences=())


@pytest.mark.parametrize(
    ("rule", "size", "sync_standbys", "entries_max"),
    [
        (one_promise_less, 3, 1, 2),
        (one_promise_less, 3, 0, 2),
        (whoever_is_ahead, 3, 1, 2),
        (handed_over_in_any_epoch, 3, 0, 2),
        (handed_over_by_one_that_may_go_on, 2, 0, 2),
    ],
)
def test_without_a_part_of_the_rule_an_answer_is_lost(
    rule: Any, size: int, sync_standbys: int, entries_max: int
) -> None:
    with pytest.raises(LostAnswerError):
        explore(Model(size, sync_standbys, entries_max, rule), STATES_MAX)


def test_a_hand_over_to_two_of_five_would_lose_an_answer() -> None:
    """Answers wait for two standbys: the other three could give the same epoch to another."""
    model = Model(5, 2, 2)
    assert promises_needed(5, 2, handed_over=True) == 3
    cluster = model.promise(first(5), 1, 2, [0], leads=True)  # what the rule does not allow
    cluster = next(model.leader_steps(cluster, 1))  # a second entry, never answered
    cluster = model.campaign(cluster, 2, 2, (3, 4))
    for other in (3, 4):
        sent = model.send(cluster, 2, other)
        assert sent is not None
        cluster = sent
    assert cluster.answered == ((1, 0), (2, 2))
    with pytest.raises(LostAnswerError):
        model.campaign(cluster, 1, 3, (2, 3))
