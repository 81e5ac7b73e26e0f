"""The ledger must be able to object: each thing it watches over, broken once."""

import pytest

from onsale.engine import facts as f
from onsale.engine import replies
from onsale.engine.apply import apply
from onsale.engine.state import State
from onsale.journal.batch import Position, seal
from onsale.tests.simulation.checkpoint import take
from onsale.tests.simulation.invariants import Chain, Ledger, Violation

JOURNAL_ID = b"j" * 16
BEGIN = Position(0, JOURNAL_ID, 0, 0)


def chain(*batches: tuple[int, bytes]) -> Chain:
    """Batches by where they end and what tells them apart."""
    made = Chain(BEGIN)
    for seq, name in batches:
        made.add(Position(seq, name * 16, 1, seq))
    return made


def ledger(*, committed: int = 4) -> Ledger:
    made = Ledger(JOURNAL_ID, loss_accepted=False)
    made.committed_by("a", committed, chain((2, b"x"), (4, b"y")))
    return made


def booked(seq: int, user: str = "ann") -> replies.Reply:
    return replies.UserReply(seq, user, None, None, None)


def test_equal_histories_are_fine_however_far_each_is():
    found = ledger(committed=2)
    found.committed_by("b", 4, chain((2, b"x"), (4, b"y"), (6, b"z")))
    found.committed_by("a", 9, chain((2, b"x"), (4, b"y")))
    assert found.committed.seqs == [0, 2, 4]


def test_another_batch_at_a_committed_seq_is_told():
    with pytest.raises(Violation, match="another history"):
        ledger().committed_by("b", 4, chain((2, b"x"), (4, b"Y")))


def test_a_history_that_goes_on_without_what_was_committed_is_told():
    with pytest.raises(Violation, match="without the batch committed at seq 4"):
        ledger().committed_by("b", 6, chain((2, b"x"), (6, b"z")))


def test_a_leader_that_lacks_something_is_told_unless_it_is_long_succeeded():
    found = ledger()
    found.commits("a", 5)
    found.leads("b", 4, chain((2, b"x")))
    with pytest.raises(Violation, match="leads in epoch 6 without"):
        found.leads("b", 6, chain((2, b"x")))


def test_a_cut_of_what_is_committed_is_told():
    found = ledger()
    found.cuts("b", 2, chain((2, b"x"), (4, b"Y")))
    with pytest.raises(Violation, match="cuts off"):
        found.cuts("b", 2, chain((2, b"x"), (4, b"y")))


def test_two_who_commit_or_answer_in_one_epoch_are_told():
    found = ledger()
    found.commits("a", 1)
    with pytest.raises(Violation, match="b commits in epoch 1"):
        found.commits("b", 1)
    found.answered("a", 1, b"k1", booked(2))
    with pytest.raises(Violation, match="b answers in epoch 1"):
        found.answered("b", 1, b"k2", booked(2))


def test_an_answer_ahead_of_what_is_committed_is_told():
    with pytest.raises(Violation, match="answers seq 5"):
        ledger().answered("a", 1, b"k", booked(5))


def test_another_answer_to_the_same_key_is_told():
    found = ledger()
    found.answered("a", 1, b"k", booked(2))
    found.answered("a", 1, b"k", booked(2))
    with pytest.raises(Violation, match="where"):
        found.answered("a", 1, b"k", booked(2, "bob"))


def test_another_state_at_the_same_seq_is_told():
    one, two = State(), State()
    apply(one, 1, f.UserSaved("ann", None, None, None))
    apply(two, 1, f.UserSaved("bob", None, None, None))
    found = ledger()
    found.compare_state("a", one)
    with pytest.raises(Violation, match="another state at seq 1"):
        found.compare_state("b", two)


def saved(*given: tuple[bytes, replies.Reply]) -> tuple[Ledger, State]:
    """A history of users and keys, and the state it leads to."""
    facts: list[f.Fact] = []
    for key, reply in given:
        facts += [f.UserSaved("ann", None, None, None), f.Keyed(key, b"f" * 16, replies.encode(reply))]
    sealed = seal(BEGIN, epoch=1, at_ms=1, count=len(facts), payload=f.encode(facts))
    found, state, made = Ledger(JOURNAL_ID, loss_accepted=False), State(), Chain(BEGIN)
    made.add(sealed.position)
    found.batches[sealed.position.hash] = sealed.data
    found.committed_by("a", len(facts), made)
    for fact in facts:
        apply(state, 1, fact)
    return found, state


def test_the_audit_is_content_with_what_is_whole():
    found, state = saved((b"k" * 16, booked(1)))
    found.answered("a", 1, b"k" * 16, booked(1))
    found.audit(state)


def test_the_audit_misses_what_was_answered_and_is_not_there():
    found, state = saved((b"k" * 16, booked(1)))
    found.answered("a", 1, b"l" * 16, booked(1))
    with pytest.raises(Violation, match="what was answered is not there"):
        found.audit(state)


def test_the_audit_sees_a_key_that_was_applied_twice():
    found, state = saved((b"k" * 16, booked(1)), (b"k" * 16, booked(3)))
    with pytest.raises(Violation, match="was applied 2 times"):
        found.audit(state)


def test_a_checkpoint_gives_the_same_state_back():
    _, state = saved((b"k" * 16, booked(1)))
    kept = take(state, Position(state.seq, b"h" * 16, 1, 1))
    restored = kept.restore()
    assert restored.counters() == state.counters()
    assert restored.keys.rows == state.keys.rows
