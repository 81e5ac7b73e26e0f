"""A leadership: what it writes first, when it takes commands, how many standbys it waits for, and who is told."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from onsale.engine import facts as f
from onsale.engine.codes import Code
from onsale.engine.commands import SaveUser
from onsale.engine.replies import Refusal, Reply
from onsale.journal.batch import Position
from onsale.journal.reader import read_batches
from onsale.node.cluster import leading as module
from onsale.node.cluster.leading import Leading
from onsale.replicas.frames import PROTOCOL, Introduction
from onsale.replicas.sender import Sender
from onsale.tests.node.cluster.copies import copy_of, member, user
from onsale.tests.node.cluster.members import Uncounted
from onsale.tests.replicas.batches import Outlet
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

ME = Introduction(PROTOCOL, b"a", b"j" * 16, "a", True, "a:7400", "http://a")


class Desk:
    """A node that leads in epoch 5, over a journal whose members are a, b and c; looked at as the member does."""

    def __init__(
        self,
        *,
        journal_says: int = 1,
        sync_standbys: int | None = None,
        at_once: bool = False,
        has_key: bool = True,
    ) -> None:
        self.time = SimulatedTime()
        joined: list[f.Fact] = [member("a", http="http://a"), member("b"), member("c")]
        joined += [f.SyncStandbysSet(journal_says)] * (journal_says > 0) + [f.TicketKeySaved(b"k" * 32)] * has_key
        self.copy = copy_of(
            (1, [f.EpochBegun(1, "b"), *joined]), (1, [user("before")]), time=self.time, on_durable=self.synced
        )
        self.senders: dict[str, Sender] = {}
        self.committed: list[int] = []
        self.leading = Leading(
            self.copy,
            SimpleNamespace(senders=self.senders),  # type: ignore[arg-type]
            ME,
            epoch=5,
            sync_standbys=sync_standbys,
            at_once=at_once,
            ticket_key=lambda: b"n" * 32,
            scheduler=NodeScheduler(self.time),
            now_ms=lambda: 1_000 + self.time.now_us // 1000,
            hold_ms=300_000,
            meter=Uncounted(),
        )
        self.leading.on_committed = lambda position: self.committed.append(position.seq)

    def synced(self, _position: Position) -> None:
        self.leading.leader.became_durable()

    def follow(self, *names: str) -> None:
        for name in names:
            sender = Sender(
                Outlet(), self.copy.available, name=name, voting=True, after_seq=self.copy.durable.seq, at_ms=lambda: 0
            )
            self.senders[name] = sender
            sender.pump()
            sender.acked(self.copy.durable.seq, 0)
        self.leading.watch()

    def leave(self, *names: str) -> None:
        for name in names:
            del self.senders[name]
        self.leading.watch()

    def ack(self, *names: str) -> None:
        for name in names:
            sender = self.senders[name]
            sender.acked(sender.sent_seq, 0)
            self.leading.leader.acked(sender)

    def run(self, duration_ms: float, *acking: str) -> None:
        """With a look each 10 ms; these standbys acknowledge what they are sent."""
        end_us = self.time.now_us + int(duration_ms * 1000)
        while self.time.now_us < end_us:
            self.time.run(min(self.time.now_us + 10_000, end_us))
            self.ack(*acking)
            self.leading.watch()

    def ask(self, name: str = "ada") -> list[Reply]:
        answers: list[Reply] = []
        self.leading.loop.submit(SaveUser(name, name), None, lambda reply, _replayed: answers.append(reply))
        return answers

    def written(self) -> list[f.Fact]:
        batches = read_batches(self.copy.disk, self.leading.first_seq - 1)
        return [fact for batch in batches for fact in f.decode(batch.payload)]


GATHERED_MS = module.GATHERING_SECONDS * 1000 + 20


def code_of(answers: list[Reply]) -> Code | None:
    (reply,) = answers
    return reply.code if isinstance(reply, Refusal) else None


# --- how it begins


def test_it_begins_with_the_epoch_and_itself_as_a_member() -> None:
    desk = Desk()
    assert set(desk.copy.state.users.rows) == {"before"}, "the end of the journal is taken over"
    desk.leading.start()
    desk.run(10)
    assert desk.written() == [f.EpochBegun(5, "a", f.FACTS_VERSION)], "what it is known as has not changed"
    assert desk.copy.position.epoch == desk.copy.available.epoch == 5


def test_it_brings_a_ticket_key_where_there_is_none() -> None:
    desk = Desk(has_key=False)
    desk.leading.start()
    desk.run(10)
    assert f.TicketKeySaved(b"n" * 32) in desk.written()
    desk = Desk()
    desk.leading.start()
    desk.run(10)
    assert not [fact for fact in desk.written() if isinstance(fact, f.TicketKeySaved)]


def test_nothing_is_committed_before_the_beginning_of_its_epoch_is() -> None:
    desk = Desk(journal_says=1)
    desk.leading.start()
    desk.follow("b")
    desk.run(10)
    assert not desk.committed
    assert desk.copy.available.committed_seq < desk.leading.first_seq
    desk.ack("b")
    assert desk.committed == [desk.copy.position.seq]


@pytest.mark.parametrize(("journal_says", "flag", "needed"), [(0, 1, 1), (1, 2, 2), (1, None, 1), (2, 2, 2)])
def test_how_many_standbys_answers_wait_for(journal_says: int, flag: int | None, needed: int) -> None:
    desk = Desk(journal_says=journal_says, sync_standbys=flag)
    assert desk.leading.standbys_needed == needed


# --- while standbys are missing


def test_without_enough_standbys_nothing_is_decided() -> None:
    desk = Desk(journal_says=2)
    desk.leading.start()
    desk.run(GATHERED_MS)
    desk.follow("b")
    seq = desk.copy.state.seq
    answers = desk.ask()
    assert code_of(answers) is Code.NOT_DURABLE
    (refusal,) = answers
    assert isinstance(refusal, Refusal)
    assert refusal.detail == "An answer waits for 2 standbys, and 1 is there. Nothing was decided; try again."
    assert desk.copy.state.seq == seq


def test_at_first_who_asks_waits_until_standbys_have_found_it() -> None:
    desk = Desk(journal_says=1)
    desk.leading.start()
    desk.run(500)
    answers = desk.ask()
    desk.run(100)
    assert not answers, "neither refused nor answered"
    desk.follow("b")
    desk.run(50, "b")
    assert code_of(answers) is None


def test_with_enough_standbys_it_answers_and_stops_when_one_leaves() -> None:
    desk = Desk(journal_says=1)
    desk.leading.start()
    desk.run(10)
    desk.follow("b")
    desk.run(10, "b")
    answers = desk.ask()
    desk.run(50, "b")
    assert code_of(answers) is None
    desk.run(GATHERED_MS)
    desk.leave("b")
    assert code_of(desk.ask()) is Code.NOT_DURABLE
    desk.follow("c")
    desk.run(10, "c")
    answers = desk.ask("bob")
    desk.run(50, "c")
    assert code_of(answers) is None


def test_who_waits_too_long_is_told_that_nobody_knows() -> None:
    desk = Desk(journal_says=1)
    desk.leading.start()
    desk.run(10)
    desk.follow("b")
    desk.run(10, "b")
    answers = desk.ask()
    desk.run(1_900)
    assert not answers
    desk.run(200)
    assert code_of(answers) is Code.NOT_DURABLE
    (refusal,) = answers
    assert isinstance(refusal, Refusal)
    assert "nobody knows whether it will be" in refusal.detail
    desk.run(50, "b")
    assert desk.committed[-1] == desk.copy.state.seq, "it was, after all"
    assert len(answers) == 1


def test_a_lack_of_standbys_is_said_once_it_lasts_and_once_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    desk = Desk(journal_says=1)
    desk.leading.start()
    desk.run(module.TOLD_SECONDS * 1000 - 100)
    assert not caplog.messages
    desk.run(3_000)
    (said,) = caplog.messages
    assert said.startswith("answers wait for 1 standbys, and 0 are there: writes are answered not_durable")
    desk.follow("b")
    desk.run(500, "b")
    assert caplog.messages[1:] == ["there are 1 standbys again: writes are answered"]


def test_a_standby_that_can_not_become_a_member_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onsale.engine.rules.cluster.MEMBERS_MAX", 3)
    desk = Desk()
    desk.leading.save_member(Introduction(PROTOCOL, b"d", b"j" * 16, "d", True, "d:7400", ""))
    assert "d follows, but no answer can wait for it: There are 3 members" in caplog.text


# --- how many are needed, changed


def serving(**settings: Any) -> Desk:
    """With b and c following, and everything so far on their disks."""
    desk = Desk(**settings)
    desk.leading.start()
    desk.run(10)
    desk.follow("b", "c")
    desk.run(30, "b", "c")
    assert desk.committed
    return desk


def test_more_standbys_count_from_the_next_answer_on() -> None:
    desk = serving(journal_says=1)
    desk.leading.set_sync_standbys(2, at_once=False)
    answers = desk.ask()
    desk.run(100, "b")
    assert not answers
    desk.run(20, "c")
    assert code_of(answers) is None


def test_that_fewer_do_must_be_known_to_as_many_as_before() -> None:
    """Else one of them could lead without what was answered since, and say that nothing is lost."""
    desk = serving(journal_says=2)
    desk.leading.set_sync_standbys(0, at_once=False)
    answers = desk.ask()
    desk.run(100, "b")
    assert not answers
    desk.run(20, "c")
    assert code_of(answers) is None
    answers = desk.ask("bob")
    desk.run(20)
    assert code_of(answers) is None, "from here on its own disk is enough"


def test_however_often_it_is_changed_meanwhile() -> None:
    desk = serving(journal_says=2)
    for count in (1, 0, 1, 0, 0):
        desk.leading.set_sync_standbys(count, at_once=False)
    answers = desk.ask()
    desk.run(100, "b")
    assert not answers
    desk.run(20, "c")
    assert code_of(answers) is None
    assert desk.leading.standbys_needed == 0


def test_without_those_standbys_fewer_do_only_where_loss_is_accepted() -> None:
    desk = serving(journal_says=2)
    desk.run(GATHERED_MS)
    desk.leave("b")
    desk.leading.set_sync_standbys(0, at_once=False)
    assert code_of(desk.ask()) is Code.NOT_DURABLE
    desk.run(100, "c")
    assert desk.copy.available.committed_seq < desk.copy.state.seq
    desk.leading.set_sync_standbys(0, at_once=True)
    answers = desk.ask()
    desk.run(20)
    assert code_of(answers) is None


@pytest.mark.parametrize("at_once", [True, False])
def test_fewer_from_the_beginning(at_once: bool) -> None:
    """As a failover may say; by itself only where loss was accepted."""
    desk = Desk(journal_says=2, sync_standbys=0, at_once=at_once)
    desk.leading.start()
    desk.run(20)
    assert bool(desk.committed) == at_once
    desk.follow("b", "c")
    desk.run(20, "b", "c")
    assert desk.committed
    desk.leave("b", "c")
    answers = desk.ask()
    desk.run(20)
    assert code_of(answers) is None


def test_a_count_that_is_refused_changes_nothing() -> None:
    desk = serving(journal_says=1)
    assert isinstance(desk.leading.set_sync_standbys(99, at_once=False), Refusal)
    assert desk.leading.standbys_needed == 1


# --- pauses, and the end


def test_while_it_hands_over_it_takes_nothing_and_finishes_what_it_took() -> None:
    desk = serving(journal_says=1)
    taken = desk.ask()
    desk.leading.pause("Another one is about to lead.")
    assert code_of(desk.ask("late")) is Code.NO_PRIMARY
    desk.run(50, "b")
    assert code_of(taken) is None
    assert code_of(desk.ask("late")) is Code.NO_PRIMARY, "looking again does not end the pause"
    desk.leading.resume()
    answers = desk.ask("again")
    desk.run(50, "b")
    assert code_of(answers) is None


def test_at_its_end_who_waits_is_told_and_nothing_more_is_committed() -> None:
    desk = serving(journal_says=1)
    waiting = desk.ask()
    desk.run(10)
    committed = list(desk.committed)
    staged = desk.ask("bob")
    desk.leading.end("Another node leads")
    assert [code_of(answers) for answers in (waiting, staged)] == [Code.NOT_DURABLE] * 2
    assert code_of(desk.ask("late")) is Code.NO_PRIMARY
    written = desk.copy.position
    desk.run(100, "b", "c")
    assert desk.committed == committed
    assert desk.copy.position == written
    assert code_of(desk.ask("late")) is Code.NO_PRIMARY, "looking again does not begin it anew"
