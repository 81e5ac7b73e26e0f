"""What a member answers to other nodes: who may follow it, what it promises, and who is refused and why."""

import pytest

from onsale.node.cluster.followers import ANOTHER_TIME, BEHIND, NAME_TAKEN, NOT_LEADING
from onsale.replicas.frames import (
    Accepted,
    Acked,
    Announce,
    AskLead,
    AskPromise,
    AskStatus,
    BatchSent,
    Committed,
    Follow,
    MemberReport,
    Outcome,
    Promise,
    Refused,
    Reports,
    SnapshotEnds,
    Status,
)
from onsale.tests.node.cluster.members import JOURNAL_ID, Group, Machine, Stranger


@pytest.fixture
def group() -> Group:
    return Group()


@pytest.fixture
def alone(group: Group) -> Machine:
    """A node that leads, and waits for nobody."""
    machine = group.machine("a", lead_if_new=True)
    group.until(lambda: machine.member.leading is not None and machine.member.copy.at_rest)
    return machine


@pytest.fixture
def pair(group: Group) -> list[Machine]:
    """A node that leads, and a standby."""
    return group.leader_with_standbys(1)


def follow(
    seq: int = 0, *, voting: bool = False, blank: bool = False, promised_epoch: int = 0, promised_to: bytes = b""
) -> Follow:
    return Follow(seq, b"", 0, [], promised_epoch, voting, blank, promised_to)


# --- following it


def test_one_that_leads_is_followed_from_where_the_journals_part(group: Group, alone: Machine) -> None:
    stranger = Stranger(group, voting=False).dial(alone)
    stranger.say(follow())
    (accepted,) = stranger.of(Accepted)
    copy = alone.member.copy
    assert accepted == Accepted(1, "a", JOURNAL_ID, 0, JOURNAL_ID, copy.position.seq)
    assert len(stranger.of(BatchSent)) >= 1
    assert stranger.of(Committed)[-1].seq == copy.position.seq


def test_one_that_votes_becomes_a_member(group: Group, alone: Machine) -> None:
    Stranger(group, replication="stranger:7400").dial(alone).say(follow(voting=True))
    member = alone.member.copy.state.members.rows["stranger"]
    assert (member.voting, member.replication, member.node_id) == (True, "stranger:7400", b"stranger")


def test_one_without_a_vote_does_not(group: Group, alone: Machine) -> None:
    Stranger(group, voting=False).dial(alone).say(follow())
    assert list(alone.member.copy.state.members.rows) == ["a"]


def test_a_standby_is_no_source_for_one_that_votes_and_says_who_leads(group: Group, pair: list[Machine]) -> None:
    stranger = Stranger(group).dial(pair[1])
    stranger.say(follow(voting=True))
    (refused,) = stranger.of(Refused)
    assert (refused.reason_code, refused.leader, refused.epoch) == (NOT_LEADING, "a:7400", 1)
    assert stranger.reasons == ["b does not lead."] or len(stranger.reasons) == 1


def test_a_standby_is_a_source_for_others(group: Group, pair: list[Machine]) -> None:
    stranger = Stranger(group, voting=False).dial(pair[1])
    stranger.say(follow())
    (accepted,) = stranger.of(Accepted)
    assert (accepted.epoch, accepted.leader) == (1, "a")
    assert accepted.committed_seq == pair[1].member.copy.state.seq


def test_a_standby_can_not_tell_one_that_is_ahead_to_cut_anything_off(group: Group, pair: list[Machine]) -> None:
    """What it lacks itself may be committed."""
    copy = pair[1].member.copy
    stranger = Stranger(group, voting=False).dial(pair[1])
    stranger.say(Follow(copy.position.seq + 3, b"x" * 16, 1, list(copy.available.epochs), 1, False, False))
    assert [refused.reason_code for refused in stranger.of(Refused)] == [BEHIND]


def test_one_that_leads_can(group: Group, pair: list[Machine]) -> None:
    copy = pair[0].member.copy
    stranger = Stranger(group, voting=False).dial(pair[0])
    stranger.say(Follow(copy.position.seq + 3, b"x" * 16, 1, list(copy.available.epochs), 1, False, False))
    (accepted,) = stranger.of(Accepted)
    assert (accepted.common_seq, accepted.common_hash) == (copy.position.seq, copy.position.hash)


def test_another_node_of_a_followers_name_is_refused(group: Group, pair: list[Machine]) -> None:
    stranger = Stranger(group, "b", node_id=b"another").dial(pair[0])
    stranger.say(follow(voting=True))
    assert [refused.reason_code for refused in stranger.of(Refused)] == [NAME_TAKEN]
    assert pair[0].member.copy.state.members.rows["b"].node_id == pair[1].settings.node_id
    assert pair[1].followed == "a"


def test_the_same_node_that_connects_anew_takes_its_own_place(group: Group, alone: Machine) -> None:
    first = Stranger(group, voting=False).dial(alone)
    first.say(follow())
    second = Stranger(group, voting=False).dial(alone)
    second.say(follow())
    assert second.of(Accepted)
    assert first.reasons
    assert list(alone.member.followers.senders) == ["stranger"]


def test_nobody_follows_twice_on_one_link(group: Group, alone: Machine) -> None:
    stranger = Stranger(group, voting=False).dial(alone)
    stranger.say(follow(), follow())
    assert len(stranger.of(Accepted)) == 1
    assert stranger.reasons


def test_one_without_a_copy_is_given_one(group: Group, alone: Machine) -> None:
    stranger = Stranger(group).dial(alone)
    stranger.say(follow(voting=True, blank=True))
    assert [kind for kind, _ in alone.told if kind == "newcomer"] == ["newcomer"]
    assert not alone.member.followers.senders
    assert "stranger" not in alone.member.copy.state.members.rows, "it has nothing yet"


def test_a_member_that_has_seen_a_later_epoch_ends_this_one(group: Group, pair: list[Machine]) -> None:
    a, b = pair
    b.kill()
    stranger = Stranger(group, "b", node_id=b.settings.node_id).dial(a)
    stranger.say(follow(voting=True, promised_epoch=5), wait_ms=1)
    assert not stranger.of(Accepted), "it would take nothing of this one"
    assert a.member.leading is None


@pytest.mark.parametrize("name", ["stranger", "b"], ids=["another name", "a member's name"])
def test_a_strangers_promise_ends_nothing_and_keeps_it_out(group: Group, pair: list[Machine], name: str) -> None:
    a, b = pair
    b.kill()
    stranger = Stranger(group, name, node_id=b"stranger").dial(a)
    stranger.say(follow(voting=True, promised_epoch=5))
    (refused,) = stranger.of(Refused)
    assert refused.reason_code == ANOTHER_TIME
    assert "has promised epoch 5, which this cluster has not come to" in refused.sentence
    assert a.member.leading is not None
    assert a.member.copy.rules().node_ids.get(name) != b"stranger"


def test_one_without_a_vote_ends_nothing(group: Group, alone: Machine) -> None:
    Stranger(group, voting=False).dial(alone).say(follow(promised_epoch=5))
    assert alone.member.leading is not None
    assert alone.member.leading.epoch == 1


@pytest.mark.parametrize(("promised_to", "leads_on"), [(b"a" * 8, True), (b"", True), (b"another", False)])
def test_a_voter_that_promised_this_epoch_to_another(
    group: Group, alone: Machine, promised_to: bytes, leads_on: bool
) -> None:
    """It can follow in a later epoch alone."""
    stranger = Stranger(group).dial(alone)
    stranger.say(follow(voting=True, promised_epoch=1, promised_to=promised_to), wait_ms=2)
    assert bool(stranger.of(Accepted)) == leads_on
    group.run(3_000)
    leading = alone.member.leading
    assert leading is not None
    assert (leading.epoch == 1) == leads_on


# --- acknowledgements


@pytest.mark.parametrize(
    "acked", [Acked(2, 0, 0), Acked(1, 10**6, 0), Acked(1, 0, 1)], ids=["epoch", "never sent", "applied, not received"]
)
def test_an_acknowledgement_that_can_not_be_true_closes_the_link(group: Group, alone: Machine, acked: Acked) -> None:
    stranger = Stranger(group).dial(alone)
    stranger.say(follow(voting=True))
    stranger.say(acked)
    assert stranger.reasons
    assert not alone.member.followers.senders


def test_one_that_does_not_follow_acknowledges_nothing(group: Group, pair: list[Machine]) -> None:
    stranger = Stranger(group).dial(pair[0])
    pair[1].kill()
    answers = pair[0].ask()
    stranger.say(Acked(1, 10**6, 0), wait_ms=500)
    assert not [answer for answer in answers if type(answer).__name__ != "Refusal"]


# --- promises


def ask(epoch: int, candidate: str = "stranger") -> AskPromise:
    return AskPromise(7, epoch, candidate, "stranger:7400")


def test_a_later_epoch_is_promised_and_kept(group: Group, pair: list[Machine]) -> None:
    b = pair[1]
    group.cut_off("a")
    stranger = Stranger(group).dial(b)
    stranger.say(ask(5))
    (promise,) = stranger.of(Promise)
    assert (promise.id, promise.granted, promise.sentence) == (7, True, "")
    assert promise.status.promised_epoch == 5
    assert promise.status.received_seq == b.member.copy.durable.seq
    b.kill()
    b.start()
    assert (b.member.promise.epoch, b.member.promise.node_id, b.member.promise.name) == (5, b"stranger", "stranger")


def test_no_epoch_is_promised_twice(group: Group, pair: list[Machine]) -> None:
    group.cut_off("a")
    Stranger(group).dial(pair[1]).say(ask(5))
    again = Stranger(group).dial(pair[1])
    again.say(ask(5))
    assert again.of(Promise)[0].granted, "the one that has it may ask again: the answer may have been lost"
    other = Stranger(group, "other").dial(pair[1])
    other.say(ask(5, "other"), ask(4, "other"), ask(1, "other"))
    assert [promise.granted for promise in other.of(Promise)] == [False] * 3
    assert {promise.sentence for promise in other.of(Promise)} == {"it has promised epoch 5, led by stranger"}
    same_name = Stranger(group, "stranger", node_id=b"a liar").dial(pair[1])
    same_name.say(ask(5))
    assert not same_name.of(Promise)[0].granted


def test_who_promises_takes_nothing_more_of_an_earlier_epoch(group: Group, pair: list[Machine]) -> None:
    a, b = pair
    Stranger(group).dial(b).say(ask(5), wait_ms=5)
    before = b.member.copy.position.seq
    answers = a.ask()
    group.run(400)
    assert b.member.copy.position.seq == before
    assert not [answer for answer in answers if type(answer).__name__ != "Refusal"]


def test_a_leader_that_promises_a_later_epoch_leads_no_more(group: Group, alone: Machine) -> None:
    stranger = Stranger(group).dial(alone)
    stranger.say(ask(5), wait_ms=3)
    assert stranger.of(Promise)[0].granted
    assert alone.member.leading is None
    assert not stranger.of(Promise)[0].status.leader


def test_a_replica_has_no_promise_to_give(group: Group, pair: list[Machine]) -> None:
    replica = group.machine("r", voting=False, sources=("a:7400",))
    group.until(lambda: replica.followed == "a")
    stranger = Stranger(group).dial(replica)
    stranger.say(ask(5))
    (promise,) = stranger.of(Promise)
    assert (promise.granted, promise.sentence) == (False, "it does not vote")
    assert not promise.status.voting
    assert replica.member.promise.epoch == 1


def test_a_node_made_anew_under_its_old_name_does_not_vote(group: Group, pair: list[Machine]) -> None:
    """What it once acknowledged is gone."""
    stranger = Stranger(group).dial(pair[1])
    stranger.say(AskStatus(1))
    assert stranger.of(Status)[0].status.voting
    stranger.reasons.clear()
    group.cut_off("a")
    pair[1].kill()
    anew = Machine(group, "b", sources=("a:7400",))
    anew.settings = type(anew.settings)(**{**vars(anew.settings), "node_id": b"made anew"})
    anew.disk = pair[1].disk
    anew.start()
    stranger = Stranger(group).dial(anew)
    stranger.say(ask(5))
    (promise,) = stranger.of(Promise)
    assert not promise.status.voting


# --- questions and news


def test_what_it_says_of_itself(group: Group, pair: list[Machine]) -> None:
    statuses = []
    for number, machine in enumerate(pair):
        stranger = Stranger(group).dial(machine)
        stranger.say(AskStatus(number))
        (answer,) = stranger.of(Status)
        assert answer.id == number
        statuses.append(answer.status)
    first, second = statuses
    assert (first.name, first.role, first.leader, first.leader_epoch) == ("a", "primary", "a", 1)
    assert (second.name, second.role, second.leader, second.leader_epoch) == ("b", "standby", "a", 1)
    assert (first.received_seq, first.received_hash) == (second.received_seq, second.received_hash)
    assert first.sync_standbys == second.sync_standbys == 1
    assert [(each.name, each.replication) for each in second.voters] == [("a", "a:7400"), ("b", "b:7400")]
    assert first.journal_id == JOURNAL_ID


def test_news_of_a_later_leader_ends_a_leadership(group: Group, alone: Machine) -> None:
    Stranger(group).dial(alone).say(Announce(4, "x", "x:7400", "http://x"), wait_ms=1)
    assert alone.member.leading is None
    assert alone.member.known_leader == "x:7400"


@pytest.mark.parametrize(("name", "epoch", "leads_on"), [("z", 1, True), ("Z", 1, False), ("z", 0, True)])
def test_of_two_leaders_in_one_epoch_the_later_name_gives_way(
    group: Group, alone: Machine, name: str, epoch: int, leads_on: bool
) -> None:
    Stranger(group, name).dial(alone).say(Announce(epoch, name, f"{name}:7400", ""), wait_ms=1)
    assert (alone.member.leading is not None) == leads_on


@pytest.mark.parametrize("frame", [SnapshotEnds(b""), BatchSent(b"x"), Accepted(1, "x", b"", 0, b"", 0)])
def test_what_belongs_to_no_question_closes_the_link(group: Group, alone: Machine, frame: BatchSent) -> None:
    stranger = Stranger(group).dial(alone)
    stranger.say(frame)
    assert stranger.reasons
    assert alone.member.leading is not None


def test_reports_of_those_behind_are_passed_up_and_of_all_are_passed_down(group: Group, pair: list[Machine]) -> None:
    a, b = pair
    behind = Stranger(group, "r", voting=False).dial(b)
    behind.say(follow())
    said = MemberReport("r", False, "replica", "following", 1, 3, 3, 3, 0, "", "http://r", 0)
    behind.say(Reports([said]), wait_ms=1_200)
    assert [report.name for report in a.member.exchange.known()] == ["a", "b", "r"]
    assert {report.name for reports in behind.of(Reports) for report in reports.reports} >= {"a", "b"}


def test_a_replica_asked_to_lead_says_why_not(group: Group, pair: list[Machine]) -> None:
    replica = group.machine("r", voting=False, sources=("a:7400",))
    group.until(lambda: replica.followed == "a")
    stranger = Stranger(group).dial(replica)
    stranger.say(AskLead(3, 9, accept_data_loss=True, handed_over=False))
    (outcome,) = stranger.of(Outcome)
    assert (outcome.id, outcome.done) == (3, False)
    assert outcome.sentences == ["r is a replica: it holds no vote and can't lead."]
    assert replica.followed == "a"
