"""The audit of what the cluster journals: epochs that rise, members that are known, one ticket key for ever."""

from collections.abc import Callable

import pytest

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.audit.auditor import Auditor
from onsale.engine.state import State
from onsale.tests.engine.histories import History, begin_cluster, busy_history, save_node


def clustered() -> History:
    """n1 led in epoch 1, and n2 leads in epoch 3."""
    history = History()
    begin_cluster(history)
    history.event()
    save_node(history, "n2")
    history.do(c.SetSyncStandbys(1))
    history.pass_time(1_000)
    history.do(c.BeginEpoch(3, "n2"))
    history.book("ada")
    return history


def audited(history: History, *, headers: bool = False) -> Auditor:
    """`headers`: with the epoch that each batch says it is of."""
    auditor, epoch = Auditor(), 1
    for first_seq, at_ms, facts in history.batches:
        if isinstance(facts[0], f.EpochBegun):
            epoch = facts[0].epoch
        auditor.audit(first_seq, at_ms, facts, epoch=epoch if headers else None)
    return auditor


def faults_of(*facts: f.Fact) -> list[str]:
    """What is said of these behind a history without fault."""
    history = clustered()
    auditor = audited(history)
    auditor.audit(history.state.seq + 1, history.now_ms, facts)
    return [fault.what for fault in auditor.faults]


def node(name: str) -> f.MemberSaved:
    return f.MemberSaved(name, b"id", True, "", "")


@pytest.mark.parametrize("headers", [False, True])
def test_what_the_engine_wrote_is_without_fault(headers: bool) -> None:
    for history in (clustered(), busy_history(1, 400)):
        auditor = audited(history, headers=headers)
        assert not auditor.faults
        assert not auditor.differences(history.state)
        assert {f.EpochBegun, f.MemberSaved, f.SyncStandbysSet, f.TicketKeySaved} <= set(map(type, history.facts))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ([f.EpochBegun(3, "n1")], ["epoch 3 began after epoch 3"]),
        ([f.EpochBegun(2, "n1")], ["epoch 2 began after epoch 3"]),
        ([f.EpochBegun(4, "n1"), f.EpochBegun(9, "n2")], []),
        ([f.MemberRemoved("n2")], ["n2 was removed while it led"]),
        ([f.MemberRemoved("n1")], []),
        ([f.MemberRemoved("n7")], ["MemberRemoved names 'n7', which is not known at this point"]),
        ([node("n7"), f.MemberRemoved("n7")], []),
        ([f.SyncStandbysSet(-1)], ["-1 standbys are to be waited for"]),
        (
            [f.TicketKeySaved(b"l" * 32)],
            ["the ticket key was replaced, so the codes printed before are not known any more"],
        ),
    ],
)
def test_a_broken_promise_is_a_fault(facts: list[f.Fact], said: list[str]) -> None:
    assert faults_of(*facts) == said


def test_a_ticket_key_of_another_length() -> None:
    auditor = Auditor()
    auditor.audit(1, 1, [f.TicketKeySaved(b"short")])
    assert [fault.what for fault in auditor.faults] == ["the ticket key has 5 bytes, not 32"]


@pytest.mark.parametrize(
    ("epoch", "facts", "said"),
    [
        (3, [node("n3")], []),
        (2, [node("n3")], ["the batch is of epoch 2, and epoch 3 goes on"]),
        (4, [node("n3")], ["the batch is of epoch 4, and epoch 3 goes on"]),
        (4, [f.EpochBegun(4, "n1"), node("n3")], []),
        (3, [f.EpochBegun(4, "n1")], ["epoch 4 began in a batch of epoch 3"]),
        (3, [node("n3"), f.EpochBegun(4, "n1")], ["epoch 4 began in a batch of epoch 3"]),
        (4, [f.EpochBegun(4, "n1"), f.EpochBegun(5, "n1")], ["epoch 5 began in a batch of epoch 4"]),
    ],
)
def test_an_epoch_begins_with_a_batch_of_its_own(epoch: int, facts: list[f.Fact], said: list[str]) -> None:
    history = clustered()
    auditor = audited(history, headers=True)
    auditor.audit(history.state.seq + 1, history.now_ms, facts, epoch=epoch)
    assert [fault.what for fault in auditor.faults] == said


def test_an_epoch_that_begins_behind_other_facts_of_its_batch() -> None:
    auditor = Auditor()
    auditor.audit(1, 1, [node("n1"), f.EpochBegun(2, "n1")], epoch=2)
    assert [fault.what for fault in auditor.faults] == ["epoch 2 began in the middle of a batch"]


def test_batches_of_a_journal_that_never_told_its_epochs_may_be_of_any() -> None:
    auditor = Auditor()
    auditor.audit(1, 1, [node("n1")], epoch=1)
    auditor.audit(2, 1, [node("n2")], epoch=2)
    assert not auditor.faults


def test_an_audit_that_begins_in_the_middle_knows_what_a_checkpoint_knows() -> None:
    history = clustered()
    auditor = Auditor.opened_at(history.state)
    assert not auditor.differences(history.state)
    seq = history.state.seq
    auditor.audit(seq + 1, history.now_ms, [f.EpochBegun(3, "n1")], epoch=3)
    auditor.audit(seq + 2, history.now_ms, [f.TicketKeySaved(b"l" * 32), f.MemberRemoved("n1")], epoch=3)
    assert [fault.seq for fault in auditor.faults] == [seq + 1, seq + 2, seq + 3]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: setattr(s, "sync_standbys", 2), "1 standbys are waited for, and the engine says 2"),
        (lambda s: setattr(s.members.rows["n2"], "voting", False), "the engine says otherwise of the members n2"),
        (lambda s: s.members.rows.pop("n1"), "the engine says otherwise of the members n1"),
        (lambda s: s.secrets.rows.clear(), "the engine and the audit do not agree on whether there is a ticket key"),
        (lambda s: setattr(s.epochs.rows[1], "leader", "n2"), "the engine says that epoch 1 of n2 began at seq 1"),
        (lambda s: s.epochs.rows.pop(3), "epoch 3 is the last one, and the engine says epoch 1"),
    ],
)
def test_a_state_that_differs_from_the_books_is_told(spoil: Callable[[State], object], said: str) -> None:
    history = clustered()
    auditor = audited(history)
    spoil(history.state)
    assert auditor.differences(history.state) == [said]


def test_epochs_that_the_engine_keeps_no_longer_are_no_difference() -> None:
    history = clustered()
    auditor = audited(history)
    history.state.epochs.rows.pop(1)
    assert not auditor.differences(history.state)
