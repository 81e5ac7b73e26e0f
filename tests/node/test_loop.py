"""The command loop with a log whose syncs are let through by hand."""

from collections.abc import Callable

import pytest

from onsale.engine import facts as f
from onsale.engine.codes import Code
from onsale.engine.commands import Book, CreateEvent, Idempotency, SetSyncStandbys, TypeSpec
from onsale.engine.replies import Booked, EventReply, InLine, Refusal, Reply
from onsale.engine.replies import Done as NothingNew
from onsale.engine.state import State
from onsale.journal.batch import PAYLOAD_BYTES_MAX
from onsale.node import loop as loop_module
from onsale.node.loop import CommandLoop, Durable

NOW_MS = 1_800_000_000_000
HOLD_MS = 300_000


class ByHand:
    """A log, a scheduler and a clock, all moved by hand."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.soon: list[Callable[[], object]] = []
        self.later: list[tuple[float, Callable[[], object]]] = []
        self.appended: list[tuple[int, list[f.Fact]]] = []
        self.synced_seq = 0
        self.timed = 0
        self.counted: list[tuple[int, int]] = []
        self.loop = CommandLoop(
            State(), self, self, lambda: self.now_ms, hold_ms=HOLD_MS, durable=Durable(0, b"\0"), meter=self
        )

    def decided(self, command: object, reply: object) -> None:
        pass

    def decide_took(self, seconds: float) -> None:
        self.timed += 1

    def synced(self, seconds: float) -> None: ...

    def replicated(self, seconds: float) -> None: ...

    def committed(self, facts: int, size_bytes: int, seconds: float) -> None:
        self.counted.append((facts, size_bytes))

    def time(self) -> float:
        return float(self.now_ms)

    def append(self, at_ms: int, count: int, payload: bytes) -> int:
        facts = f.decode(payload)
        assert len(facts) == count
        self.appended.append((at_ms, facts))
        return count

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.soon.append(callback)

    def call_later(self, delay: float, callback: Callable[[], object]) -> None:
        self.later.append((delay, callback))

    def turn(self) -> None:
        """One turn of the event loop."""
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()

    def sync(self) -> None:
        """The disk has the batch that was appended last."""
        self.synced_seq += len(self.appended[-1][1])
        self.loop.became_durable(self.synced_seq, bytes([len(self.appended)]))

    def settle(self) -> None:
        while not self.loop.idle:
            self.turn()
            if self.loop._syncing is not None:
                self.sync()

    def tick(self) -> None:
        _, callback = self.later.pop()
        callback()

    def ask(self, command: object, key: Idempotency | None = None) -> list[tuple[Reply, bool]]:
        answers: list[tuple[Reply, bool]] = []
        self.loop.submit(command, key, lambda reply, replayed: answers.append((reply, replayed)))  # type: ignore[arg-type]
        return answers


def with_event(capacity: int = 2) -> ByHand:
    by_hand = ByHand()
    answers = by_hand.ask(CreateEvent("Concert", NOW_MS + 10**9, (TypeSpec("Standing", "10.00", capacity),)))
    by_hand.settle()
    assert isinstance(answers[0][0], EventReply)
    return by_hand


def test_a_reply_waits_for_the_disk() -> None:
    by_hand = with_event()
    answers = by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.turn()
    assert not answers
    by_hand.sync()
    assert isinstance(answers[0][0], Booked)


def test_what_comes_while_a_batch_is_synced_shares_the_next_sync() -> None:
    by_hand = with_event(capacity=10)
    first = by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.turn()
    rest = [by_hand.ask(Book(f"user-{number}", 1, HOLD_MS)) for number in range(5)]
    by_hand.turn()
    assert len(by_hand.appended) == 2
    by_hand.sync()
    assert first
    assert not any(rest)
    assert len(by_hand.appended[-1][1]) == 5
    by_hand.sync()
    assert all(rest)


def test_a_refusal_that_rests_on_undurable_facts_waits_for_them() -> None:
    by_hand = with_event(capacity=1)
    by_hand.ask(Book("ada", 1, HOLD_MS))
    refused = by_hand.ask(Book("bob", 1, HOLD_MS, waitlist=False))
    by_hand.turn()
    refused_too = by_hand.ask(Book("cleo", 1, HOLD_MS, waitlist=False))
    assert not refused
    assert not refused_too
    by_hand.sync()
    for answers in (refused, refused_too):
        reply = answers[0][0]
        assert isinstance(reply, Refusal)
        assert reply.code is Code.SOLD_OUT


def test_a_refusal_with_nothing_under_way_comes_at_once() -> None:
    by_hand = with_event()
    assert isinstance(by_hand.ask(Book("ada", 99, HOLD_MS))[0][0], Refusal)


def test_a_read_waits_for_what_it_shows_and_says_its_position() -> None:
    by_hand = with_event()
    positions: list[int] = []
    by_hand.loop.when_durable(positions.append)
    assert positions == [1]
    by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.loop.when_durable(positions.append)
    by_hand.turn()
    assert positions == [1]
    by_hand.sync()
    assert positions == [1, 2]


def test_listeners_see_durable_facts_in_order_and_only_their_kinds() -> None:
    by_hand = with_event(capacity=1)
    heard: list[tuple[int, str]] = []
    by_hand.loop.listen((f.Held, f.Waited), lambda seq, _at_ms, fact: heard.append((seq, type(fact).__name__)))
    by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.ask(Book("bob", 1, HOLD_MS))
    by_hand.turn()
    assert not heard
    by_hand.sync()
    assert heard == [(2, "Held"), (3, "Waited")]


def test_a_failing_listener_keeps_nobody_waiting(caplog: object) -> None:
    by_hand = with_event()

    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    by_hand.loop.listen((f.Held,), fail)
    answers = by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.settle()
    assert answers


def test_a_hold_lapses_by_itself_and_the_next_in_line_has_it_in_the_same_batch() -> None:
    by_hand = with_event(capacity=1)
    by_hand.loop.start()
    by_hand.ask(Book("ada", 1, HOLD_MS))
    assert isinstance(by_hand.ask(Book("bob", 1, HOLD_MS))[0:1], list)
    by_hand.settle()
    by_hand.now_ms += HOLD_MS - 1
    by_hand.tick()
    by_hand.settle()
    assert [type(fact) for fact in by_hand.appended[-1][1]] == [f.LapseWarned]
    by_hand.now_ms += 1
    by_hand.tick()
    by_hand.settle()
    assert [type(fact) for fact in by_hand.appended[-1][1]] == [f.Lapsed, f.Promoted]


def test_waiting_in_line_is_a_reply_too() -> None:
    by_hand = with_event(capacity=1)
    by_hand.ask(Book("ada", 1, HOLD_MS))
    answers = by_hand.ask(Book("bob", 1, HOLD_MS))
    by_hand.settle()
    assert isinstance(answers[0][0], InLine)


def test_too_much_waiting_for_the_disk_is_refused_early(monkeypatch: object) -> None:
    by_hand = with_event(capacity=100)
    by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.turn()
    by_hand.ask(Book("bob", 1, HOLD_MS))
    by_hand.loop._staged.size_bytes = loop_module.STAGED_BYTES_MAX  # type: ignore[union-attr]
    reply = by_hand.ask(Book("cleo", 1, HOLD_MS))[0][0]
    assert isinstance(reply, Refusal)
    assert reply.code is Code.OVERLOADED
    assert reply.extra == {"retryAfterSeconds": 1}
    by_hand.settle()
    answers = by_hand.ask(Book("cleo", 1, HOLD_MS))
    by_hand.settle()
    assert isinstance(answers[0][0], Booked)


def test_a_stopped_loop_answers_what_it_took_and_takes_no_more() -> None:
    by_hand = with_event()
    taken = by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.loop.stop()
    reply = by_hand.ask(Book("bob", 1, HOLD_MS))[0][0]
    assert isinstance(reply, Refusal)
    by_hand.settle()
    assert isinstance(taken[0][0], Booked)


def test_the_same_key_twice_before_the_sync_is_one_booking() -> None:
    by_hand = with_event()
    key = Idempotency(b"k" * 16, b"f" * 16)
    first = by_hand.ask(Book("ada", 1, HOLD_MS), key)
    second = by_hand.ask(Book("ada", 1, HOLD_MS), key)
    by_hand.settle()
    assert first[0][0] == second[0][0]
    assert (first[0][1], second[0][1]) == (False, True)
    assert by_hand.loop.state.next_booking_id == 2


def test_facts_of_one_command_are_never_split_over_two_batches() -> None:
    by_hand = with_event(capacity=5)
    for number in range(20):
        by_hand.ask(Book(f"user-{number}", 1, HOLD_MS), Idempotency(bytes([number]) * 16, b"f" * 16))
        if number % 3 == 0:
            by_hand.turn()
        if number % 5 == 0 and by_hand.loop._syncing is not None:
            by_hand.sync()
    by_hand.settle()
    for _, facts in by_hand.appended[1:]:
        kinds = [type(fact) for fact in facts]
        assert len(kinds) % 2 == 0
        assert all(kind is f.Keyed for kind in kinds[1::2])


def test_long_user_ids_cannot_make_a_batch_that_the_journal_does_not_take() -> None:
    by_hand = with_event(capacity=10**6)
    by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.turn()  # the disk is busy from here on
    longest = "\N{GRINNING FACE}" * 120
    number = 0
    while True:
        number += 1
        answers = by_hand.ask(Book(f"{longest}{number}", 1, HOLD_MS))
        if answers:
            break
    assert isinstance(answers[0][0], Refusal)
    by_hand.sync()
    written = f.encode(by_hand.appended[-1][1])
    assert loop_module.STAGED_BYTES_MAX * 0.9 < len(written) < PAYLOAD_BYTES_MAX


def test_thousands_of_replies_leave_in_several_turns_and_in_order() -> None:
    by_hand = with_event(capacity=10**6)
    by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.turn()
    count = 3 * loop_module.TOLD_PER_TURN
    told: list[str] = []
    heard: list[int] = []
    by_hand.loop.listen((f.Held,), lambda seq, _at_ms, _fact: heard.append(seq))

    def ask(user_id: str) -> None:
        by_hand.loop.submit(Book(user_id, 1, HOLD_MS), None, lambda _reply, _replayed: told.append(user_id))

    for number in range(count):
        ask(f"user-{number}")
    by_hand.sync()
    ask("the last")
    by_hand.sync()
    assert len(told) + len(heard) <= 2 * loop_module.TOLD_PER_TURN, "others have had no turn"
    by_hand.sync()
    while not by_hand.loop.idle:
        by_hand.turn()
    assert told == [*(f"user-{number}" for number in range(count)), "the last"]
    assert heard == list(range(2, count + 4))


def test_what_is_due_is_done_without_waiting_for_the_next_tick() -> None:
    by_hand = with_event(capacity=10**6)
    by_hand.loop.start()
    count = 5 * loop_module.CHORES_PER_SLICE
    for number in range(count):
        by_hand.ask(Book(f"user-{number}", 1, HOLD_MS))
    by_hand.settle()
    by_hand.now_ms += HOLD_MS
    by_hand.tick()
    while by_hand.soon or not by_hand.loop.idle:
        by_hand.settle()
        by_hand.turn()
    assert by_hand.loop.state.ticket_types.rows[1].held == 0
    assert all(len(facts) <= loop_module.CHORES_PER_SLICE for _, facts in by_hand.appended[2:])


def test_a_slice_of_what_is_due_is_bounded_by_what_it_leads_to() -> None:
    count = loop_module.CHORES_PER_SLICE
    by_hand = with_event(capacity=count)
    for number in range(2 * count):  # as many hold as wait: every hold that lapses gives its place to the next
        by_hand.ask(Book(f"user-{number}", 1, HOLD_MS))
    by_hand.settle()
    by_hand.now_ms += HOLD_MS + 1
    before = len(by_hand.appended)
    by_hand.loop.start()
    while by_hand.soon or not by_hand.loop.idle:
        by_hand.settle()
        by_hand.turn()
    slices = [facts for _, facts in by_hand.appended[before:]]
    assert sum(type(fact) is f.Lapsed for facts in slices for fact in facts) == count
    assert len(slices) > 1
    longest_of_one_chore = 2
    assert all(len(facts) < loop_module.CHORE_FACTS_PER_SLICE + longest_of_one_chore for facts in slices)


def test_no_more_wait_for_a_slow_disk_than_the_bound_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "REPLIES_MAX", 50)
    by_hand = with_event(capacity=1_000)
    by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.turn()
    answers = [by_hand.ask(Book(f"user-{number}", 1, HOLD_MS)) for number in range(60)]
    refused = [reply for given in answers for reply, _ in given]
    assert len(refused) == 10
    assert all(isinstance(reply, Refusal) and reply.code is Code.OVERLOADED for reply in refused)
    assert by_hand.loop.state.ticket_types.rows[1].held == 51
    by_hand.settle()
    assert all(len(given) == 1 for given in answers)


def test_a_read_says_the_position_it_shows_even_if_more_joins_its_batch() -> None:
    by_hand = with_event(capacity=10)
    positions: list[int] = []
    by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.loop.when_durable(positions.append)
    by_hand.ask(Book("bob", 1, HOLD_MS))
    by_hand.loop.when_durable(positions.append)
    by_hand.settle()
    assert positions == [2, 3]


def test_a_fault_in_the_rules_ends_everything_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand = with_event()
    faults: list[Exception] = []
    by_hand.loop.on_fault = faults.append

    def broken(*_: object) -> None:
        raise AssertionError("sold twice")

    monkeypatch.setattr(loop_module, "apply", broken)
    with pytest.raises(AssertionError):
        by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.turn()
    assert [str(fault) for fault in faults] == ["sold twice"]
    assert len(by_hand.appended) == 1, "nothing of it reached the log"
    reply = by_hand.ask(Book("bob", 1, HOLD_MS))[0][0]
    assert isinstance(reply, Refusal)


# --- while no answer can be given


def test_while_it_refuses_it_decides_nothing_and_does_no_chores() -> None:
    by_hand = with_event(capacity=10)
    by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.settle()
    by_hand.loop.start()
    seq = by_hand.loop.state.seq
    by_hand.loop.refuse(Code.NOT_DURABLE, "no standby")
    by_hand.now_ms += HOLD_MS + 1  # the hold ends
    by_hand.tick()
    ((reply, replayed),) = by_hand.ask(Book("bob", 1, HOLD_MS))
    assert isinstance(reply, Refusal)
    assert (reply.code, reply.detail, reply.seq, replayed) == (Code.NOT_DURABLE, "no standby", seq, False)
    assert by_hand.loop.state.seq == seq
    by_hand.loop.accept()
    by_hand.tick()
    assert by_hand.loop.state.seq > seq, "what became due meanwhile"


def test_what_was_decided_before_is_still_answered() -> None:
    by_hand = with_event(capacity=10)
    answers = by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.loop.refuse(Code.NOT_DURABLE, "no standby")
    by_hand.settle()
    assert isinstance(answers[0][0], Booked)


def test_a_stopped_loop_never_accepts_again() -> None:
    by_hand = with_event()
    by_hand.loop.refuse(Code.NO_PRIMARY, "another leads")
    by_hand.loop.stop()
    by_hand.loop.accept()
    reply = by_hand.ask(Book("ada", 1, HOLD_MS))[0][0]
    assert isinstance(reply, Refusal)
    assert reply.code is Code.NO_PRIMARY


def test_its_own_facts_are_recorded_whatever_callers_are_told() -> None:
    by_hand = with_event()
    by_hand.loop.refuse(Code.NOT_DURABLE, "no standby")
    assert isinstance(by_hand.loop.record(SetSyncStandbys(1)), NothingNew)
    assert by_hand.loop.state.sync_standbys == 1
    by_hand.settle()
    assert by_hand.appended[-1][1] == [f.SyncStandbysSet(1)]
    assert isinstance(by_hand.loop.record(SetSyncStandbys(99)), Refusal)
    assert by_hand.loop.idle


# --- while answers wait for too long


def test_all_who_wait_are_told_that_nobody_knows() -> None:
    by_hand = with_event(capacity=10)
    syncing, read = by_hand.ask(Book("ada", 1, HOLD_MS)), []
    by_hand.turn()
    staged = by_hand.ask(Book("bob", 1, HOLD_MS))
    by_hand.loop.when_durable(read.append)
    durable = by_hand.loop.durable.seq
    by_hand.loop.give_up_waiting(Code.NOT_DURABLE, "nobody knows")
    for answers in (syncing, staged):
        ((reply, replayed),) = answers
        assert isinstance(reply, Refusal)
        assert (reply.code, reply.detail, reply.seq, replayed) == (Code.NOT_DURABLE, "nobody knows", durable, False)
    assert read == [None]
    by_hand.loop.give_up_waiting(Code.NOT_DURABLE, "still")
    by_hand.settle()
    assert (len(syncing), len(staged), len(read)) == (1, 1, 1), "once"


def test_what_they_asked_for_may_still_happen_and_their_key_tells() -> None:
    by_hand = with_event(capacity=10)
    key = Idempotency(b"k" * 16, b"f" * 16)
    by_hand.ask(Book("ada", 1, HOLD_MS), key)
    by_hand.turn()
    by_hand.loop.give_up_waiting(Code.NOT_DURABLE, "nobody knows")
    again = by_hand.ask(Book("ada", 1, HOLD_MS), key)
    assert not again, "it waits for the same facts"
    by_hand.settle()
    ((reply, replayed),) = again
    assert isinstance(reply, Booked)
    assert replayed
    assert by_hand.loop.state.ticket_types.rows[1].held == 1


def test_nobody_waits_and_nobody_is_told() -> None:
    by_hand = with_event()
    by_hand.loop.give_up_waiting(Code.NOT_DURABLE, "nobody knows")
    assert by_hand.loop.unsafe_since is None


def test_one_who_can_not_be_told_keeps_nobody_waiting() -> None:
    by_hand = with_event(capacity=10)

    def broken(*_: object) -> None:
        raise ValueError("this caller is gone")

    by_hand.loop.submit(Book("ada", 1, HOLD_MS), None, broken)
    by_hand.loop.when_durable(broken)
    read: list[int | None] = []
    answers = by_hand.ask(Book("bob", 1, HOLD_MS))
    by_hand.loop.when_durable(read.append)
    by_hand.loop.give_up_waiting(Code.NOT_DURABLE, "nobody knows")
    assert len(answers) == len(read) == 1


def test_since_when_facts_are_not_safe() -> None:
    by_hand = with_event(capacity=10)
    assert by_hand.loop.unsafe_since is None
    by_hand.ask(Book("ada", 1, HOLD_MS))
    assert by_hand.loop.unsafe_since is None, "they are not with the log yet"
    by_hand.turn()
    assert by_hand.loop.unsafe_since is not None
    by_hand.sync()
    assert by_hand.loop.unsafe_since is None


def test_the_nodes_own_parts_are_not_told_to_give_up() -> None:
    """What is owed to the outside waits for the first batch of an epoch, and that for a standby that may come late."""
    by_hand = with_event(capacity=10)
    seen: list[str] = []
    by_hand.loop.once_durable(lambda: seen.append("nothing was under way"))
    by_hand.ask(Book("ada", 1, HOLD_MS))
    by_hand.loop.once_durable(lambda: seen.append("durable"))
    by_hand.turn()
    by_hand.loop.give_up_waiting(Code.NOT_DURABLE, "nobody knows")
    assert seen == ["nothing was under way"]
    by_hand.settle()
    assert seen == ["nothing was under way", "durable"]
