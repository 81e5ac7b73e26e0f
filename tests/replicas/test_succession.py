"""When a voter takes over by itself, and what it says when it does not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.replicas.failover import is_ahead, may_lead, observe
from onsale.replicas.frames import NodeStatus, Voter
from onsale.replicas.lease import Holder, OutOfReach, Seen
from onsale.replicas.succession import (
    PASSED_OVER_SECONDS,
    TURN_SECONDS,
    Stay,
    Try,
    look,
    others_would_answer,
    succeed,
)

FREE = Seen(None, paused=False)


def status(name: str, seq: int, *, voters: str = "ABC", k: int = 1, **other: Any) -> NodeStatus:
    known: dict[str, Any] = {
        "node_id": name.encode() * 16, "voting": True, "role": "standby", "journal_id": b"j" * 16, "epoch": 3,
        "promised_epoch": 3, "promised_to": "A", "received_seq": seq, "received_hash": b"", "committed_seq": seq,
        "applied_seq": seq, "leader": "A", "leader_epoch": 3, "sync_standbys": k,
        "voters": [Voter(each, f"{each}:7400") for each in voters],
    }  # fmt: skip
    return NodeStatus(name=name, **(known | other))


def stays(step: Try | Stay | None) -> Stay:
    assert isinstance(step, Stay), step
    return step


def tries(step: Try | Stay) -> Try:
    assert isinstance(step, Try), step
    return step


def test_while_somebody_has_the_lease_nobody_tries() -> None:
    seen = Seen(Holder("A", b"A" * 16, "a:7400", 5), paused=False)
    assert stays(look(status("B", 9), seen)) == Stay("A has the lease.")


def test_a_lease_of_its_own_is_no_hindrance() -> None:
    """It had it before it was started anew."""
    assert look(status("B", 9), Seen(Holder("B", b"B" * 16, "b:7400", 5), paused=False)) is None
    assert look(status("B", 9), FREE) is None


def test_without_the_store_nobody_new_leads_and_that_is_said() -> None:
    step = stays(look(status("B", 9), OutOfReach("no member of etcd can answer.")))
    assert step.urgent
    assert "Nobody new leads" in step.sentence


def test_maintenance() -> None:
    step = stays(look(status("B", 9), Seen(None, paused=True)))
    assert step.urgent
    assert "onsale resume" in step.sentence
    holder = Holder("A", b"A" * 16, "a:7400", 5)
    assert not stays(look(status("B", 9), Seen(holder, paused=True))).urgent, "nothing is wrong"


def test_who_has_most_goes_first() -> None:
    ahead, behind = status("C", 100), status("B", 90)
    both = observe([ahead, behind])
    step = tries(succeed(ahead, both, free_seconds=0))
    assert step.above_epoch == 3
    assert "everything up to seq 100" in step.sentence
    assert stays(succeed(behind, both, free_seconds=2)).sentence == "C has more than B, and goes first."
    urgent = stays(succeed(behind, both, free_seconds=99))
    assert urgent.urgent
    assert "C has more than B" in urgent.sentence


def test_who_has_more_and_does_not_lead_is_passed_over_in_the_end() -> None:
    """What enough others lack was never answered."""
    ahead, behind, equal = status("A", 100), status("B", 90), status("C", 90)
    all_three = observe([ahead, behind, equal])
    assert not stays(succeed(behind, all_three, free_seconds=PASSED_OVER_SECONDS)).urgent
    tries(succeed(behind, all_three, free_seconds=PASSED_OVER_SECONDS + TURN_SECONDS))
    stays(succeed(equal, all_three, free_seconds=PASSED_OVER_SECONDS + TURN_SECONDS))


def test_of_equals_the_second_waits_its_turn() -> None:
    first, second = status("B", 100), status("C", 100)
    both = observe([first, second])
    tries(succeed(first, both, free_seconds=0))
    assert stays(succeed(second, both, free_seconds=TURN_SECONDS * 0.9)) == Stay("B goes first.")
    tries(succeed(second, both, free_seconds=TURN_SECONDS))


@pytest.mark.parametrize(
    ("voters", "k", "there", "enough"),
    [
        ("ABC", 1, "B", False),
        ("ABC", 1, "BC", True),
        ("ABC", 0, "BC", False),  # an answer may be on the one that is gone alone
        ("ABC", 2, "B", True),
        ("AB", 1, "B", True),
        ("ABCDE", 2, "BC", False),
        ("ABCDE", 2, "BCD", True),
    ],
)
def test_enough_must_agree_that_nothing_is_lost(voters: str, k: int, there: str, enough: bool) -> None:
    statuses = [status(name, 100, voters=voters, k=k) for name in there]
    step = succeed(statuses[0], observe(statuses), free_seconds=0)
    assert isinstance(step, Try) == enough
    if isinstance(step, Stay):
        assert step.urgent
        assert "A" in step.sentence.partition("bring back")[2], "it says who is missing"


def test_one_without_a_vote_does_not_try() -> None:
    anew = status("B", 100, voting=False)
    step = stays(succeed(anew, observe([anew, status("C", 100)]), free_seconds=9))
    assert "no vote" in step.sentence


def test_epochs_that_anybody_has_heard_of_are_passed_over() -> None:
    own = status("B", 100)
    assert tries(succeed(own, observe([own, status("C", 100, promised_epoch=8)]), free_seconds=0)).above_epoch == 8


@given(st.data())
def test_whoever_tries_may_lead_once_all_who_answer_promise(data: st.DataObject) -> None:
    """The two rules agree: nobody asks for what it can't be given."""
    voters = "ABCDE"[: data.draw(st.integers(2, 5))]
    k = data.draw(st.integers(0, len(voters) - 1))
    there = data.draw(st.lists(st.sampled_from(voters), min_size=1, unique=True))
    statuses = [
        status(name, data.draw(st.integers(1, 3)), voters=voters, k=k, epoch=data.draw(st.integers(1, 3)))
        for name in there
    ]
    trying = [each for each in statuses if isinstance(succeed(each, observe(statuses), free_seconds=99), Try)]
    for own in trying:
        assert may_lead(own, [each for each in statuses if not is_ahead(each, own)], epoch=9).leads
    if len(there) >= len(voters) - k:
        assert trying, "somebody tries"


@pytest.mark.parametrize(
    ("voters", "k", "following", "would"),
    [(3, 1, 0, True), (3, 1, 1, False), (2, 1, 0, False), (3, 2, 1, False), (5, 2, 1, True), (4, 2, 1, False)],
)
def test_whether_others_would_answer_without_the_one_that_leads(
    voters: int, k: int, following: int, would: bool
) -> None:
    assert others_would_answer(voters, k, following) == would
