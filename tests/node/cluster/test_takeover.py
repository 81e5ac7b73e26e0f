"""How leadership passes: taken over with enough promises, handed over whole, and what becomes of it when that fails."""

import pytest

from onsale.engine.commands import Idempotency
from onsale.engine.replies import Refusal
from onsale.replicas.frames import AskLead, Outcome
from onsale.tests.node.cluster.members import Group, Machine, Stranger

Told = list[tuple[bool, list[str], int]]


@pytest.fixture
def group() -> Group:
    return Group()


def take_over(
    machine: Machine, epoch: int = 5, *, accept_data_loss: bool = False, sync_standbys: int | None = None
) -> Told:
    told: Told = []
    machine.member.take_over(
        epoch,
        accept_data_loss=accept_data_loss,
        handed_over=False,
        sync_standbys=sync_standbys,
        told=lambda *outcome: told.append(outcome),
    )
    return told


def hand_over(machine: Machine, name: str) -> Told:
    told: Told = []
    machine.member.hand_over(name, lambda *outcome: told.append(outcome))
    return told


# --- taking over


def test_with_enough_promises_it_leads_and_has_everything(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    assert a.answered("ada")
    a.kill()
    told = take_over(b)
    assert b.member.promise.epoch == 5, "before anybody is asked"
    group.until(lambda: bool(told))
    ((done, sentences, epoch),) = told
    assert (done, epoch) == (True, 5)
    assert sentences[-1].startswith("b leads in epoch 5 and answers, from seq ")
    assert "ada" in b.users
    assert c.followed == "b"
    assert b.answered("bob")
    group.run(3_000)
    assert len(told) == 1


def test_too_few_promises_leave_everything_as_it_was(group: Group) -> None:
    """Three voters and one standby that answers wait for: two must promise."""
    a, b, c = group.leader_with_standbys(2)
    a.kill()
    group.cut_off("c")
    told = take_over(b)
    group.until(lambda: bool(told))
    ((done, sentences, _epoch),) = told
    assert not done
    assert sentences[0] == "b does not lead: the promises it needs were not given."
    assert "No answer from a, c." in sentences
    assert b.member.leading is None
    assert b.member.following is not None, "it looks for somebody to follow"
    assert c.member.leading is None


def test_with_data_loss_accepted_it_leads_without_them(group: Group) -> None:
    a, b, _c = group.leader_with_standbys(2)
    a.kill()
    group.cut_off("c")
    told = take_over(b, accept_data_loss=True, sync_standbys=0)
    group.until(lambda: bool(told))
    ((done, sentences, epoch),) = told
    assert (done, epoch) == (True, 5)
    assert any("lost" in sentence for sentence in sentences)
    assert b.answered()


def test_with_data_loss_accepted_nobody_may_refuse(group: Group) -> None:
    """Whoever refuses knows of a later leader."""
    a, b, c = group.leader_with_standbys(2)
    a.kill()
    group.network.block("c", "b")
    group.network.block("b", "c")
    assert take_over(c, 9) == []
    group.run(3)
    group.network.unblock_all()
    told = take_over(b, accept_data_loss=True)
    group.until(lambda: bool(told))
    ((done, sentences, _),) = told
    assert not done
    assert "c refuses: it has promised epoch 9, led by c" in sentences


def test_it_leads_and_says_so_where_no_answer_can_be_given_yet(group: Group) -> None:
    a, b = group.leader_with_standbys(1)
    a.kill()
    told = take_over(b)
    group.until(lambda: bool(told))
    ((done, sentences, _),) = told
    assert done
    assert "answers wait for 1 standbys, and 0 are there" in sentences[-1]
    assert not b.answered()


def test_one_that_is_behind_does_not_lead(group: Group) -> None:
    """Its journal lacks what another one that promised has, and what may have been answered."""
    a, b, c = group.leader_with_standbys(2)
    group.network.block("a", "b")
    assert a.answered()
    a.kill()
    told = take_over(b)
    group.until(lambda: bool(told))
    ((done, sentences, _),) = told
    assert not done
    assert any("c" in sentence.split() for sentence in sentences)
    told = take_over(c, 6)
    group.until(lambda: bool(told))
    assert told[0][0]


def test_one_that_leads_says_so(group: Group) -> None:
    a, _ = group.leader_with_standbys(1)
    assert take_over(a) == [(True, ["a leads already, in epoch 1."], 1)]


def test_an_epoch_that_was_promised_is_not_asked_for(group: Group) -> None:
    _, b = group.leader_with_standbys(1)
    ((done, (sentence,), epoch),) = take_over(b, 1)
    assert (done, epoch) == (False, 1)
    assert "somebody else was faster" in sentence
    assert b.followed == "a"


def test_one_takeover_at_a_time(group: Group) -> None:
    a, b, _ = group.leader_with_standbys(2)
    a.kill()
    first = take_over(b, 5)
    ((done, (sentence,), _),) = take_over(b, 6)
    assert (done, sentence) == (False, "b is taking over already, with epoch 5.")
    group.until(lambda: bool(first))
    assert first[0][0]


def test_of_two_candidates_the_later_epoch_wins(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    a.kill()
    earlier, later = take_over(b, 5), take_over(c, 6)
    group.until(lambda: bool(earlier and later))
    assert not earlier[0][0] or b.member.leading is None
    group.until(lambda: c.member.leading is not None and b.followed == "c")
    assert c.answered()


def test_what_was_received_is_on_its_disk_before_it_asks(group: Group) -> None:
    a, b, _c = group.leader_with_standbys(2)
    b.sync_us = 100_000
    a.ask("ada")
    group.run(3)
    assert b.member.copy.writer.pending_batches
    a.kill()
    told = take_over(b)
    group.run(50)
    assert b.member.leading is None
    group.until(lambda: bool(told))
    assert told[0][0]
    assert "ada" in b.users


def test_one_that_stops_meanwhile_does_not_lead(group: Group) -> None:
    a, b, _c = group.leader_with_standbys(2)
    a.kill()
    told = take_over(b)
    b.member.end()
    assert [(done, sentences) for done, sentences, _ in told] == [(False, ["b stops."])]
    group.run(1_000)
    assert b.member.leading is None
    assert len(told) == 1


def test_it_is_asked_over_the_network(group: Group) -> None:
    a, b, _c = group.leader_with_standbys(2)
    a.kill()
    stranger = Stranger(group).dial(b)
    stranger.say(AskLead(4, 5, accept_data_loss=False, handed_over=False, sync_standbys=0), wait_ms=500)
    (outcome,) = stranger.of(Outcome)
    assert (outcome.id, outcome.done, outcome.epoch) == (4, True, 5)
    assert b.member.copy.state.sync_standbys == 0


# --- the one who led before


def test_a_leader_that_is_back_follows_and_cuts_off_what_nobody_was_told_of(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    group.cut_off("a")
    answers = a.ask("never told")
    group.run(20)
    assert not answers
    told = take_over(b)
    group.until(lambda: bool(told))
    assert b.answered("ada")
    group.network.unblock_all()
    for _ in range(3):  # its lives: it steps down, it cuts, it follows
        group.run(2_000)
        if a.again:
            a.live_again()
    assert a.followed == "b"
    group.until(lambda: a.member.copy.state.seq == b.member.copy.state.seq)
    assert a.users == {"ada"}
    assert "cut" in [kind for kind, _ in a.told]
    assert isinstance(answers[0], Refusal), "that nobody knows what became of it"
    assert c.followed == "b"


def test_a_leader_cut_off_answers_nothing(group: Group) -> None:
    a, *_ = group.leader_with_standbys(2)
    group.cut_off("a")
    assert not a.answered()
    group.run(3_000)
    assert not a.answered()


# --- handing over


def test_a_hand_over(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    assert a.answered("ada")
    told = hand_over(a, "c")
    assert a.member.leads is False
    assert ("pauses", None) in a.told
    group.until(lambda: bool(told))
    ((done, sentences, epoch),) = told
    assert (done, epoch) == (True, 2)
    assert sentences[-1].startswith("c leads in epoch 2 and answers")
    group.until(lambda: a.followed == b.followed == "c")
    assert not a.again, "what it had was all committed: nothing is taken back"
    assert c.answered("bob")
    group.run(3_000)
    assert len(told) == 1


def test_what_was_asked_before_is_answered_before_it_hands_over(group: Group) -> None:
    a, _b, c = group.leader_with_standbys(2)
    for machine in group.machines.values():
        machine.sync_us = 20_000
    answers = [a.ask(f"user-{number}", Idempotency(bytes([number]) * 16, b"f" * 16)) for number in range(5)]
    told = hand_over(a, "c")
    refused = a.ask("late")
    assert isinstance(refused[0], Refusal)
    group.until(lambda: bool(told))
    assert told[0][0]
    assert all(given and not isinstance(given[0], Refusal) for given in answers)
    assert "user-4" in c.users
    assert "late" not in c.users


@pytest.mark.parametrize("name", ["nobody", "r"])
def test_only_a_standby_that_follows_is_handed_over_to(group: Group, name: str) -> None:
    a, *_ = group.leader_with_standbys(1)
    replica = group.machine("r", voting=False, sources=("a:7400",))
    group.until(lambda: replica.followed == "a")
    told = hand_over(a, name)
    assert [done for done, _, _ in told] == [False]
    assert a.member.leads
    assert a.answered()


def test_one_that_does_not_lead_hands_nothing_over(group: Group) -> None:
    _, b = group.leader_with_standbys(1)
    ((done, (sentence,), _),) = hand_over(b, "a")
    assert not done
    assert "it must lead" in sentence


def test_a_second_hand_over_is_refused_while_one_is_under_way(group: Group) -> None:
    a, *_ = group.leader_with_standbys(2)
    first = hand_over(a, "b")
    second = hand_over(a, "c")
    assert [done for done, _, _ in second] == [False]
    group.until(lambda: bool(first))
    assert first[0][0]


def test_one_that_does_not_catch_up_leaves_the_leader_leading(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    group.network.block("a", "c")
    a.ask("ada")
    group.run(10)
    told = hand_over(a, "c")
    group.until(lambda: bool(told))
    ((done, sentences, _),) = told
    assert not done
    assert "c did not catch up within 1.5 s: it lacks" in sentences[0]
    assert sentences[-1] == "a goes on leading; nothing was lost."
    assert a.member.leads
    assert a.told[-1] == ("leads", 1)
    assert a.answered()
    assert b.followed == "a"
    assert c.member.leading is None


def test_one_that_does_not_answer_leaves_the_leader_leading(group: Group) -> None:
    a, b, c = group.leader_with_standbys(2)
    group.run(500)
    c.scheduler.pause()
    told = hand_over(a, "c")
    group.until(lambda: bool(told))
    assert not told[0][0]
    assert a.member.leads
    assert a.answered()
    assert b.followed == "a"
    c.scheduler.resume()
    group.run(3_000)
    assert sum(machine.member.leads for machine in (a, b, c)) == 1
    leader = next(machine for machine in (a, b, c) if machine.member.leads)
    assert leader.answered("after all")


def test_one_that_leads_without_being_heard_ends_the_hand_over(group: Group) -> None:
    """The next one reaches the others, but not the leader: that learns it from the answer, or from the others."""
    a, b, c = group.leader_with_standbys(2)
    told = hand_over(a, "c")
    group.until(lambda: c.member.leading is not None or bool(told))
    group.run(5_000)
    if a.again:
        a.live_again()
    group.run(2_000)
    assert len(told) == 1
    assert (a.member.leads, a.member.hand_over_under_way) == (False, None)
    assert a.followed == b.followed == "c"


@pytest.mark.parametrize("blocked", [("c", "a"), ("a", "c"), ("c", "b"), ("b", "c")])
@pytest.mark.parametrize("after_ms", [0, 0.5, 1, 2, 4, 8, 16])
def test_a_way_that_breaks_in_the_middle_leaves_one_leader_that_answers(
    group: Group, blocked: tuple[str, str], after_ms: float
) -> None:
    a, b, c = group.leader_with_standbys(2)
    assert a.answered("before")
    told = hand_over(a, "c")
    group.run(after_ms)
    group.network.block(*blocked)
    group.run(6_000)
    assert len(told) == 1
    group.network.unblock_all()
    for _ in range(8):
        group.run(1_000)
        for machine in (a, b, c):
            if machine.again:
                machine.live_again()
    leaders = [machine for machine in (a, b, c) if machine.member.leads]
    assert len(leaders) == 1
    assert leaders[0].answered("after")
    assert {"before", "after"} <= leaders[0].users


def test_a_rival_of_the_same_epoch_that_comes_back_pushes_nobody_aside(group: Group) -> None:
    """Both led in epoch 2, and only what a answered since lasts: b follows in a later one, which a leads."""
    a, b = group.leader_with_standbys(1)
    a.kill()
    take_over(b, epoch=2)
    group.until(lambda: b.member.leading is not None)
    b.kill()
    a.start()
    told = take_over(a, epoch=2, accept_data_loss=True, sync_standbys=0)
    group.until(lambda: bool(told))
    assert a.answered("ada")
    b.start()

    def follows() -> bool:
        if b.again:  # it had the beginning of an epoch that nobody has by now
            b.live_again()
        return b.followed == "a" and b.member.copy.state.seq == a.member.copy.state.seq

    group.until(follows, within_ms=20_000)
    assert a.member.leading is not None
    assert a.member.leading.epoch > 2
    assert "ada" in b.users
    assert a.answered("bob")
