"""What the cluster says of itself: epochs rise, members come and go, and a ticket key is for ever."""

from unittest import mock

import pytest

from onsale.engine import commands as c
from onsale.engine import replies as r
from onsale.engine.changes import cluster
from onsale.engine.limits import MEMBERS_MAX, SYNC_STANDBYS_MAX
from onsale.engine.state import State, state_hash
from onsale.tests.scenarios.story import Story, sale

KEY = b"k" * 32


def node(name: str, *, voting: bool = True, http: str = "", node_id: bytes = b"") -> c.SaveMember:
    return c.SaveMember(name, node_id or name.encode() * 8, voting, f"{name}:7000", http)


def begun() -> Story:
    """n1 leads in epoch 1; n2 votes, r1 does not."""
    story = sale(3)()
    story.play(
        (0, c.BeginEpoch(1, "n1"), "nothing new"),
        (0, node("n1"), "nothing new"),
        (0, node("n2"), "nothing new"),
        (0, node("r1", voting=False), "nothing new"),
    )
    return story


def refusal(story: Story, command: c.Command) -> r.Refusal:
    seq = story.state.seq
    reply = story.ask(command)
    assert isinstance(reply, r.Refusal), reply
    assert story.state.seq == reply.seq == seq
    return reply


def test_a_new_state_knows_no_cluster() -> None:
    state = State()
    assert (state.epoch, state.leader, state.voters, state.sync_standbys, state.ticket_key) == (0, "", [], 0, b"")


# --- epochs


def test_an_epoch_says_where_it_began_and_who_leads() -> None:
    story = begun()
    seq = story.state.seq
    story.play((5, c.BeginEpoch(4, "n2"), "nothing new"))
    row = story.state.epochs.rows[4]
    assert (row.epoch, row.first_seq, row.at_ms, row.leader) == (4, seq + 1, story.now_ms, "n2")
    assert (story.state.epoch, story.state.leader) == (4, "n2")
    assert list(story.state.epochs.rows) == [1, 4]


@pytest.mark.parametrize("epoch", [4, 3, 1, 0, -1])
def test_an_epoch_that_is_not_higher_is_refused(epoch: int) -> None:
    story = begun()
    story.play((5, c.BeginEpoch(4, "n2"), "nothing new"))
    reply = refusal(story, c.BeginEpoch(epoch, "n1"))
    assert reply.code == "wrong_status"
    assert "epoch 4 has begun, and n2 leads" in reply.detail
    assert story.state.leader == "n2"


def test_there_is_no_epoch_0() -> None:
    assert refusal(sale(1)(), c.BeginEpoch(0, "n1")).code == "wrong_status"


def test_only_the_last_epochs_are_kept() -> None:
    story = begun()
    with mock.patch.object(cluster, "EPOCHS_KEPT", 3):
        for epoch in range(2, 9):
            story.ask(c.BeginEpoch(epoch, f"n{epoch}"))
    assert list(story.state.epochs.rows) == [6, 7, 8]
    assert (story.state.epoch, story.state.leader) == (8, "n8")


# --- members


def test_members_are_known_by_name_and_some_of_them_vote() -> None:
    state = begun().state
    assert list(state.members.rows) == ["n1", "n2", "r1"]
    assert [member.name for member in state.voters] == ["n1", "n2"]


def test_a_member_that_is_saved_as_it_is_leads_to_no_fact() -> None:
    story = begun()
    before, seq = state_hash(story.state), story.state.seq
    reply = story.ask(node("n2"))
    assert reply == r.Done(seq)
    assert state_hash(story.state) == before


def test_a_member_that_moved_votes_since_it_began_to() -> None:
    story = begun()
    since_seq = story.state.members.rows["n2"].since_seq
    story.ask(node("n2", http="http://elsewhere"))
    row = story.state.members.rows["n2"]
    assert (row.http, row.since_seq) == ("http://elsewhere", since_seq)


@pytest.mark.parametrize("changed", [node("n2", voting=False), node("n2", node_id=b"made anew")])
def test_a_member_that_votes_no_longer_or_is_another_node_is_so_since_then(changed: c.SaveMember) -> None:
    story = begun()
    story.ask(changed)
    row = story.state.members.rows["n2"]
    assert row.since_seq == story.state.seq
    assert (row.voting, row.node_id) == (changed.voting, changed.node_id)


def test_a_member_that_is_removed_may_come_back() -> None:
    story = begun()
    story.ask(c.RemoveMember("n2"))
    assert list(story.state.members.rows) == ["n1", "r1"]
    story.ask(node("n2"))
    assert story.state.members.rows["n2"].since_seq == story.state.seq


def test_who_is_no_member_can_not_be_removed() -> None:
    reply = refusal(begun(), c.RemoveMember("n9"))
    assert reply.code == "not_found"
    assert "n9" in reply.detail


def test_who_leads_can_not_be_removed_before_another_does() -> None:
    story = begun()
    assert refusal(story, c.RemoveMember("n1")).code == "wrong_status"
    story.ask(c.BeginEpoch(2, "n2"))
    assert isinstance(story.ask(c.RemoveMember("n1")), r.Done)
    assert refusal(story, c.RemoveMember("n2")).code == "wrong_status"


def test_there_is_a_limit_to_members() -> None:
    story = sale(1)()
    for number in range(MEMBERS_MAX):
        story.ask(node(f"r{number}", voting=False))
    assert refusal(story, node("one more")).code == "overloaded"
    story.ask(node("r7", http="http://elsewhere"))  # those who are there may change
    assert story.state.members.rows["r7"].http == "http://elsewhere"


# --- standbys that are waited for


def test_how_many_standbys_are_waited_for() -> None:
    story = begun()
    story.ask(c.SetSyncStandbys(2))
    assert story.state.sync_standbys == story.state.counters()["sync_standbys"] == 2
    seq = story.state.seq
    assert story.ask(c.SetSyncStandbys(2)) == r.Done(seq)
    assert story.state.seq == seq
    story.ask(c.SetSyncStandbys(0))
    assert story.state.sync_standbys == 0


@pytest.mark.parametrize("count", [-1, SYNC_STANDBYS_MAX + 1])
def test_a_number_of_standbys_out_of_range_is_refused(count: int) -> None:
    reply = refusal(begun(), c.SetSyncStandbys(count))
    assert reply.code == "invalid_field"
    assert reply.extra == {"field": "syncStandbys"}


# --- the ticket key


def test_a_ticket_key_is_saved_once() -> None:
    story = begun()
    story.ask(c.SaveTicketKey(KEY))
    assert story.state.ticket_key == KEY
    seq = story.state.seq
    assert story.ask(c.SaveTicketKey(KEY)) == r.Done(seq)
    assert refusal(story, c.SaveTicketKey(b"l" * 32)).code == "wrong_status"
    assert story.state.ticket_key == KEY


@pytest.mark.parametrize("key", [b"", b"short", b"k" * 33])
def test_a_ticket_key_of_another_length_is_refused(key: bytes) -> None:
    story = begun()
    assert refusal(story, c.SaveTicketKey(key)).code == "invalid_field"
    assert story.state.ticket_key == b""


def test_the_ticket_key_is_in_no_repr() -> None:
    story = begun()
    story.ask(c.SaveTicketKey(KEY))
    told = repr((story.state.secrets.rows, cluster.f.TicketKeySaved(KEY), c.SaveTicketKey(KEY)))
    assert "kkkk" not in told
