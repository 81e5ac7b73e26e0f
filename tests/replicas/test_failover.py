"""Which node may lead next, and what an operator is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.replicas.failover import (
    Change,
    Observed,
    Plan,
    Refusal,
    may_lead,
    observe,
    plan_failover,
    plan_removal,
    plan_switchover,
    plan_sync_standbys,
    promises_needed,
)
from onsale.replicas.frames import NodeStatus, Voter

JOURNAL = b"j" * 16
ABC = ("A", "B", "C")


def status(name: str, seq: int, *, voters: tuple[str, ...] = ABC, k: int = 1, **other: Any) -> NodeStatus:
    leads = other.get("role") == "primary"
    known: dict[str, Any] = {
        "node_id": name.encode() * 16, "voting": True, "role": "standby", "journal_id": JOURNAL, "epoch": 3,
        "promised_epoch": 3, "promised_to": "A", "received_seq": seq, "received_hash": b"", "committed_seq": seq,
        "applied_seq": seq, "leader": name if leads else "A", "leader_epoch": 3, "sync_standbys": k,
        "voters": [Voter(each, f"{each.lower()}.example:7400") for each in voters],
    }  # fmt: skip
    return NodeStatus(name=name, **(known | other))


def primary(name: str, seq: int, **other: Any) -> NodeStatus:
    return status(name, seq, role="primary", **other)


def planned(outcome: Plan | Refusal) -> Plan:
    assert isinstance(outcome, Plan), outcome.sentences
    return outcome


def refused(outcome: object) -> str:
    assert isinstance(outcome, Refusal), outcome
    return " ".join(outcome.sentences)


# --- failover


def test_the_standby_furthest_ahead_takes_over_and_nothing_is_lost() -> None:
    plan = planned(plan_failover(observe([status("B", 90), status("C", 100)]), None))
    assert (plan.to, plan.address, plan.epoch, plan.keeps_seq) == ("C", "c.example:7400", 4, 100)
    assert (plan.may_lose, plan.promises_needed, plan.handed_over) == (False, 2, False)
    assert plan.sentences == (
        "B answers: standby, with everything up to seq 90 of epoch 3.",
        "C answers: standby, with everything up to seq 100 of epoch 3.",
        "A does not answer.",
        "C becomes the primary in epoch 4, and keeps everything up to seq 100.",
        "No answer is lost: every answer is on at least 2 of the 3 voting members, and of B and C it has the most.",
        (
            "Whatever A may hold behind seq 100 is cut off when it is back, kept in a file there, and the bookings in "
            "it are named."
        ),
    )


def test_a_later_epoch_is_ahead_of_a_longer_journal() -> None:
    observed = observe([status("B", 90, epoch=3), status("C", 80, epoch=2)])
    assert planned(plan_failover(observed, None)).to == "B"
    assert "of the later epoch 3" in refused(plan_failover(observed, "C"))


def test_of_equals_the_one_that_has_applied_most_leads() -> None:
    observed = observe([status("B", 90, applied_seq=70), status("C", 90, applied_seq=80)])
    assert planned(plan_failover(observed, None)).to == "C"


def test_the_epoch_is_above_all_that_were_heard_of() -> None:
    observed = observe([status("B", 90, promised_epoch=7), status("C", 90, leader_epoch=5)])
    assert planned(plan_failover(observed, None)).epoch == 8


def test_too_few_voters_are_refused_saying_what_to_start_and_what_it_may_lose() -> None:
    said = plan_failover(observe([status("B", 100)]), None)
    assert isinstance(said, Refusal)
    assert said.sentences == (
        "B answers: standby, with everything up to seq 100 of epoch 3.",
        "A does not answer.",
        "C does not answer.",
        (
            "Answers waited for 1 standby, so 2 of the 3 voting members must agree to lose none, and only B can: A and "
            "C may hold answers that B lacks."
        ),
        "Start A or C again, or repeat with --accept-data-loss: it may lose the answers given after seq 100.",
    )


def test_accepted_loss_is_planned_and_told() -> None:
    plan = planned(plan_failover(observe([status("B", 100)]), None, accept_data_loss=True))
    assert (plan.to, plan.may_lose, plan.keeps_seq) == ("B", True, 100)
    told = " ".join(plan.sentences)
    assert "The answers given after seq 100 may be lost, which you accept." in told
    assert "A and C cannot be told. Make sure that all of them are stopped" in told
    assert "B answers no write until 1 more standby follows it: start A or C" in told


def test_without_sync_standbys_the_lost_primary_may_hold_more() -> None:
    observed = observe([status("B", 100, k=0), status("C", 100, k=0)])
    said = refused(plan_failover(observed, None))
    assert "Answers waited for no standby" in said
    assert "A may hold answers that B lacks. Start A again, or repeat with --accept-data-loss" in said
    assert planned(plan_failover(observed, None, accept_data_loss=True)).may_lose


def test_of_two_members_one_may_go_on_alone() -> None:
    plan = planned(plan_failover(observe([status("B", 100, voters=("A", "B"))]), None))
    assert (plan.to, plan.may_lose, plan.promises_needed) == ("B", False, 1)
    assert "B answers no write until 1 more standby follows it: start A" in plan.sentences[-1]


def test_fewer_sync_standbys_can_be_asked_for_along_with_it() -> None:
    observed = observe([status("B", 100, voters=("A", "B"))])
    unagreed = refused(plan_failover(observed, None, sync_standbys=0))
    assert "must itself be known to 1 standby, and none would know of it: A could be let lead without" in unagreed
    plan = planned(plan_failover(observed, None, sync_standbys=0, accept_data_loss=True))
    assert plan.sentences[-1] == (
        "Answers wait for 0 standbys from then on, no longer for 1. A cannot know that: before it has caught "
        "up, A must not be let lead, for the answers given meanwhile would be lost."
    )
    assert "Answers cannot wait for 2 standbys: there is 1." in refused(plan_failover(observed, None, sync_standbys=2))


def test_one_that_is_behind_is_not_let_lead_but_by_accepting() -> None:
    observed = observe([status("B", 90), status("C", 100)])
    said = refused(plan_failover(observed, "B"))
    assert "B lacks 10 facts that may have been answered." in said
    assert "Let C lead: leave out --to, or give it C." in said
    plan = planned(plan_failover(observed, "B", accept_data_loss=True))
    assert (plan.to, plan.may_lose, plan.keeps_seq) == ("B", True, 90)
    assert "B lacks 10 facts that were answered, seq 91 to 100, as C knows." in plan.sentences


def test_what_a_replica_knows_to_be_answered_is_not_lost_unawares() -> None:
    replica = status("R", 105, voting=False, role="replica")
    observed = observe([status("B", 100), status("C", 100), replica])
    said = refused(plan_failover(observed, None))
    assert "B lacks 5 facts that were answered, seq 101 to 105, as R knows." in said
    assert "This should not be possible" in said
    older = status("R", 105, voting=False, role="replica", epoch=2)
    assert not planned(plan_failover(observe([status("B", 100), status("C", 100), older]), None)).may_lose


def test_a_primary_that_answers_hands_over_instead() -> None:
    observed = observe([primary("A", 110), status("B", 100), status("C", 100)])
    assert "`onsale switchover --to B`" in refused(plan_failover(observed, None))
    plan = planned(plan_failover(observed, None, accept_data_loss=True))
    assert (plan.to, plan.may_lose, plan.keeps_seq) == ("B", True, 100)
    assert "A is the primary already" in refused(plan_failover(observed, "A", accept_data_loss=True))


def test_a_primary_that_was_succeeded_is_not_taken_for_the_one_that_leads() -> None:
    succeeded = primary("A", 120)
    leading = primary("B", 100, epoch=4, leader_epoch=4)
    observed = observe([succeeded, leading, status("C", 100, epoch=4, leader="B", leader_epoch=4)])
    assert observed.primary is leading
    assert "B is not gone" in refused(plan_failover(observed, None))


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("R", "R is a read replica, which has no vote, so it cannot lead. Leave out --to, or give it B or C."),
        ("A", "A does not answer, so it cannot lead now. Start it again, or choose another."),
        ("X", "There is no member called X; there is A, B, C and R."),
    ],
)
def test_a_name_that_cannot_lead(to: str, sentence: str) -> None:
    observed = observe([status("B", 100), status("C", 100), status("R", 90, voting=False, role="replica")])
    assert sentence in refused(plan_failover(observed, to))
    assert sentence in refused(plan_failover(observed, to, accept_data_loss=True))


def test_nobody_answers() -> None:
    assert "No standby answers that could lead." in refused(plan_failover(observe([]), None))
    assert "No standby answers" in refused(plan_failover(observe([primary("A", 9, voters=("A",), k=0)]), None))


def test_one_that_was_made_anew_has_no_vote_yet() -> None:
    observed = observe([status("B", 100), status("C", 10, voting=False)])
    assert "only B can" in refused(plan_failover(observed, None))


def test_nodes_of_another_cluster_or_without_a_journal_are_left_out() -> None:
    observed = observe([status("B", 100), status("C", 200, journal_id=b""), status("D", 50, journal_id=b"other")])
    assert list(observed.statuses) == ["B"]
    assert observed.unreachable == ("A", "C")


def test_the_one_furthest_ahead_says_who_votes() -> None:
    four = ("A", "B", "C", "D")
    observed = observe([status("B", 90), status("C", 100, voters=four, k=2), status("R", 120, voting=False, k=0)])
    assert [voter.name for voter in observed.voters] == list(four)
    assert (observed.sync_standbys, observed.unreachable) == (2, ("A", "D"))


# --- leading


def test_a_candidate_leads_with_enough_promises() -> None:
    own = status("B", 100)
    verdict = may_lead(own, [status("C", 90)], epoch=4)
    assert (verdict.leads, verdict.may_lose) == (True, False)
    assert not may_lead(own, [], epoch=4).leads
    assert not may_lead(own, [status("B", 100)], epoch=4).leads, "its own promise counts once"
    assert not may_lead(own, [status("X", 90)], epoch=4).leads, "X is no member"
    assert not may_lead(own, [status("C", 101)], epoch=4).leads


def test_accepting_a_loss_leads_and_says_so() -> None:
    verdict = may_lead(status("B", 100), [], epoch=4, accept_data_loss=True)
    assert (verdict.leads, verdict.may_lose) == (True, True)
    assert "may be lost" in verdict.sentences[-1]


def test_nobody_without_a_vote_leads() -> None:
    replica = status("R", 100, voting=False, role="replica")
    assert not may_lead(replica, [status("B", 90), status("C", 90)], epoch=4, accept_data_loss=True).leads


def test_a_copy_that_was_brought_back_leads_when_all_else_is_gone_and_that_is_accepted() -> None:
    copy = status("A", 100, voting=False)  # of a backup: its journal names another node of that name
    observed = observe([copy])
    assert "No standby answers that could lead" in refused(plan_failover(observed, None))
    plan = planned(plan_failover(observed, None, accept_data_loss=True, sync_standbys=0))
    assert (plan.to, plan.may_lose) == ("A", True)
    assert any("none of the voting members" in sentence for sentence in plan.sentences)
    assert not may_lead(copy, [], epoch=4).leads
    assert may_lead(copy, [], epoch=4, accept_data_loss=True).may_lose
    beside = observe([copy, status("B", 90)])
    assert planned(plan_failover(beside, None, accept_data_loss=True)).to == "B", "a voter goes before"


def test_after_a_hand_over_the_promise_of_the_one_that_stopped_is_enough() -> None:
    own = status("B", 100, k=0)  # else all three must agree
    assert may_lead(own, [status("A", 100)], epoch=4, handed_over_by="A").leads
    assert not may_lead(own, [status("A", 100)], epoch=4).leads
    assert not may_lead(own, [status("A", 100)], epoch=5, handed_over_by="A").leads, "epoch 4 may be another's"
    verdict = may_lead(own, [status("C", 100)], epoch=4, handed_over_by="A")
    assert not verdict.leads
    assert verdict.sentences[0] == "A has not promised to stay behind B, so B cannot lead."


@given(voters=st.integers(1, 9), sync_standbys=st.integers(0, 8))
def test_whoever_promises_meets_whoever_acknowledged(voters: int, sync_standbys: int) -> None:
    needed = promises_needed(voters, sync_standbys)
    assert 1 <= promises_needed(voters, sync_standbys, handed_over=True) <= needed <= voters
    if sync_standbys < voters:
        assert needed + sync_standbys + 1 > voters


# --- handing over


def test_a_hand_over_to_the_standby_that_is_least_behind() -> None:
    observed = observe([primary("A", 110), status("B", 100), status("C", 108)])
    plan = planned(plan_switchover(observed, None))
    assert (plan.to, plan.epoch, plan.handed_over, plan.may_lose, plan.keeps_seq) == ("C", 4, True, False, 110)
    assert plan.sentences[-2:] == (
        "A stops and hands over to C, which becomes the primary in epoch 4, once it has the 2 facts it lacks now.",
        "Nothing is lost. If C does not take over in time, A goes on.",
    )
    assert planned(plan_switchover(observed, "B")).to == "B"


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("A", "A is the primary already"),
        ("C", "C does not follow A now, but nobody."),
        ("D", "D does not answer"),
        ("R", "R is a read replica"),
        ("X", "There is no member called X"),
    ],
)
def test_no_hand_over_to(to: str, sentence: str) -> None:
    four = ("A", "B", "C", "D")
    observed = observe(
        [
            primary("A", 110, voters=four),
            status("B", 100),
            status("C", 100, leader="", leader_epoch=0),
            status("R", 100, voting=False, role="replica"),
        ]
    )
    assert sentence in refused(plan_switchover(observed, to))


def test_no_hand_over_to_one_that_is_far_behind() -> None:
    observed = observe([primary("A", 300_000), status("B", 100)])
    assert "B is 299900 facts behind" in refused(plan_switchover(observed, None))


def test_no_hand_over_without_a_primary() -> None:
    assert "`onsale failover`" in refused(plan_switchover(observe([status("B", 100)]), None))


def test_a_hand_over_needs_enough_promises() -> None:
    five = ("A", "B", "C", "D", "E")
    observed = observe([primary("A", 100, voters=five, k=2), status("B", 100, k=2)])
    assert "3 of the 5 voting members must agree, and only A and B can. Start C, D or E again." in refused(
        plan_switchover(observed, None)
    )


# --- how many standbys answers wait for, and members


def test_answers_can_wait_for_more_or_fewer() -> None:
    observed = observe([primary("A", 100), status("B", 100), status("C", 100)])
    assert isinstance(plan_sync_standbys(observed, 2), Change)
    lowered = plan_sync_standbys(observed, 0)
    assert isinstance(lowered, Change)
    assert "Answers wait for 0 standbys from now on, no longer for 1." in lowered.sentences
    assert "there are 2" in refused(plan_sync_standbys(observed, 3))


def test_answers_do_not_wait_for_standbys_that_are_away() -> None:
    observed = observe([primary("A", 100), status("B", 100)])
    assert "and only B does" in refused(plan_sync_standbys(observed, 2))
    lowered = plan_sync_standbys(observed, 0)
    assert isinstance(lowered, Change)
    assert "C cannot know that" in lowered.sentences[0]
    assert "onsale failover" in refused(plan_sync_standbys(observe([status("B", 100)]), 0))


def test_fewer_standbys_are_agreed_on_by_as_many_as_before_or_accepted() -> None:
    alone = observe([primary("A", 100)])
    assert "must itself be known to 1 standby, and none would know of it" in refused(plan_sync_standbys(alone, 0))
    assert isinstance(plan_sync_standbys(alone, 0, accept_data_loss=True), Change)


def test_members_can_be_forgotten_but_not_the_primary_nor_one_that_is_needed() -> None:
    observed = observe([primary("A", 100), status("B", 100)])
    assert isinstance(plan_removal(observed, "C"), Change)
    assert isinstance(plan_removal(observed, "R"), Change)
    assert "A is the primary" in refused(plan_removal(observed, "A"))
    needed = observe([primary("A", 100, k=2), status("B", 100, k=2)])
    assert "`onsale sync-standbys 1`" in refused(plan_removal(needed, "C"))


# --- whatever is observed


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Observed, int, int]:
    """One epoch's journals behind a primary that may be gone; what was answered; how many vote."""
    size = draw(st.integers(1, 6))
    k = draw(st.integers(0, size - 1))
    names = tuple("ABCDEF"[:size])
    last = draw(st.integers(1, 50))
    seqs = [last, *(draw(st.integers(0, last)) for _ in names[1:])]
    answered = sorted(seqs, reverse=True)[k]
    there = draw(st.sets(st.sampled_from(names)))
    statuses = [
        (primary if name == "A" and draw(st.booleans()) else status)(
            name, seq, voters=names, k=k, committed_seq=min(seq, answered)
        )
        for name, seq in zip(names, seqs, strict=True)
        if name in there
    ]
    return observe(statuses), answered, size


@given(clusters(), st.sampled_from([None, *"ABCDEFG"]), st.booleans())
def test_what_is_said_to_lose_nothing_loses_nothing(
    cluster: tuple[Observed, int, int], to: str | None, accept_data_loss: bool
) -> None:
    observed, answered, _ = cluster
    for outcome in (
        plan_failover(observed, to, accept_data_loss=accept_data_loss),
        plan_switchover(observed, to),
    ):
        assert outcome.sentences
        assert all(each[0].isupper() and each.endswith(".") for each in outcome.sentences)
        if isinstance(outcome, Plan):
            target = observed.statuses[outcome.to]
            assert to in (None, outcome.to)
            assert outcome.epoch > observed.highest_epoch
            assert outcome.may_lose or outcome.keeps_seq >= answered
            assert accept_data_loss or not outcome.may_lose
            if not outcome.handed_over:
                verdict = may_lead(target, observed.counted, epoch=outcome.epoch)
                assert verdict.leads is not outcome.may_lose


@given(clusters())
def test_a_gone_primary_is_succeeded_whenever_that_can_be_proven(cluster: tuple[Observed, int, int]) -> None:
    observed, _, size = cluster
    enough = len(observed.statuses) >= promises_needed(size, observed.sync_standbys)
    outcome = plan_failover(observed, None)
    if observed.statuses and observed.primary is None:
        assert isinstance(outcome, Plan) is enough
