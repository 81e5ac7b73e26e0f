"""A solved challenge buys one decided try."""

from typing import Any

import msgspec
import pytest

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.apply import apply
from onsale.engine.codes import Code
from onsale.engine.decide import Decided, decide
from onsale.engine.limits import CHALLENGES_FORGOTTEN_PER_STEP_MAX
from onsale.engine.replies import Booked, Refusal
from onsale.engine.rules import bots
from onsale.engine.state import State, state_hash
from onsale.engine.status import CHALLENGE_PROOF_OF_WORK, SIGNAL_SOLVED_TOO_FAST

START_MS = 1_700_000_000_000
FAR_MS = START_MS + 86_400_000


class Sale:
    """An event that asks for a challenge, with `capacity` tickets; time stands still unless it is moved."""

    def __init__(self, capacity: int = 10, **event: Any) -> None:
        self.state = State()
        self.now_ms = START_MS
        types = (c.TypeSpec("seat", "10.00", capacity),)
        made = c.CreateEvent(name="Gig", starts_ms=FAR_MS, types=types, challenge=CHALLENGE_PROOF_OF_WORK)
        self.ask(msgspec.structs.replace(made, **event))

    def ask(self, command: c.Command, key: c.Idempotency | None = None) -> Decided:
        decided = decide(self.state, self.now_ms, command, key)
        for fact in decided.facts:
            apply(self.state, self.now_ms, fact)
        return decided

    def book(
        self,
        user: str,
        name: bytes | None,
        quantity: int = 1,
        *,
        evidence: c.Evidence | None = None,
        seconds: int = 300,
    ) -> Decided:
        proof = None if name is None else c.Proof(name.ljust(16, b"."), START_MS + seconds * 1_000)
        return self.ask(c.Book(user, 1, 300_000, quantity=quantity, waitlist=False, proof=proof, evidence=evidence))

    def why(self, decided: Decided) -> str:
        reply = decided.reply
        assert isinstance(reply, Refusal)
        assert reply.code is Code.CHALLENGE_REQUIRED
        assert not decided.facts
        assert reply.extra is not None
        assert reply.extra["challenge"] == "proof_of_work"
        return str(reply.extra["reason"])


def test_without_one_nothing_is_decided() -> None:
    sale = Sale()
    assert sale.why(sale.book("ann", None)) == "missing"


def test_it_counts_once_whoever_sends_it() -> None:
    sale = Sale(max_holds_per_user=9)
    held = sale.book("ann", b"one")
    assert isinstance(held.reply, Booked)
    assert [type(fact) for fact in held.facts] == [f.Held, f.ChallengeUsed]
    assert sale.why(sale.book("ann", b"one")) == "used"
    assert sale.why(sale.book("bob", b"one")) == "used"
    assert isinstance(sale.book("bob", b"two").reply, Booked)


def test_a_refusal_uses_it_up_as_well() -> None:
    sale = Sale(capacity=1)
    refused = sale.book("ann", b"one", 2)
    assert isinstance(refused.reply, Refusal)
    assert refused.reply.code is Code.SOLD_OUT
    assert refused.facts == [f.ChallengeUsed(b"one".ljust(16, b"."), START_MS + 300_000)]
    assert refused.reply.seq == sale.state.seq
    assert sale.why(sale.book("ann", b"one", 1)) == "used"  # other quantities are other tries


@pytest.mark.parametrize(("seconds", "code"), [(0, Code.TOO_EARLY), (86_400, Code.NOT_ON_SALE)])
def test_what_is_refused_to_everybody_uses_none(seconds: int, code: Code) -> None:
    sale = Sale(on_sale_ms=START_MS + 1)
    sale.now_ms += seconds * 1_000
    decided = sale.book("ann", b"one")
    assert isinstance(decided.reply, Refusal)
    assert decided.reply.code is code
    assert not decided.facts


def test_one_that_is_too_old_is_none() -> None:
    sale = Sale()
    sale.now_ms += 300_000
    assert sale.why(sale.book("ann", b"one")) == "expired"


def test_asking_again_with_the_same_key_needs_no_other() -> None:
    sale = Sale()
    proof = c.Proof(b"o" * 16, START_MS + 300_000)
    book, key = c.Book("ann", 1, 300_000, proof=proof), c.Idempotency(b"k" * 16, b"b" * 16)
    first = sale.ask(book, key)
    again = sale.ask(book, key)
    assert again.replayed
    assert not again.facts
    assert isinstance(again.reply, Booked)
    assert isinstance(first.reply, Booked)
    assert again.reply.booking_id == first.reply.booking_id


def test_a_key_is_not_used_up_by_a_challenge_that_does_not_count() -> None:
    sale = Sale()
    key = c.Idempotency(b"k" * 16, b"b" * 16)
    refused = sale.ask(c.Book("ann", 1, 300_000), key)
    assert isinstance(refused.reply, Refusal)
    assert not refused.facts
    proof = c.Proof(b"o" * 16, START_MS + 300_000)
    held = sale.ask(c.Book("ann", 1, 300_000, proof=proof), c.Idempotency(b"k" * 16, b"c" * 16))
    assert isinstance(held.reply, Booked)


def test_an_event_that_asks_for_none_takes_and_keeps_none() -> None:
    sale = Sale(challenge=0)
    assert [type(fact) for fact in sale.book("ann", b"one").facts] == [f.Held]
    assert not sale.state.challenges.rows


def test_they_are_forgotten_faster_than_they_come_and_not_before_their_time() -> None:
    sale = Sale(capacity=1_000, max_per_user=1_000, max_holds_per_user=1_000)
    for number in range(50):
        sale.book("ann", b"a%d" % number)
    assert len(sale.state.challenges.rows) == len(sale.state.challenge_order) == 50
    sale.now_ms += 299_999
    sale.book("ann", b"b", seconds=900)
    assert len(sale.state.challenges.rows) == 51
    sale.now_ms += 1
    for number in range(3):
        before = len(sale.state.challenges.rows)
        sale.book("ann", b"c%d" % number, seconds=900)
        assert len(sale.state.challenges.rows) == before + 1 - CHALLENGES_FORGOTTEN_PER_STEP_MAX
    assert all(sale.state.challenges.rows[each.digest] is each for each in sale.state.challenge_order)


def test_evidence_is_written_down_with_what_was_made_alone() -> None:
    sale = Sale(capacity=1)
    evidence = c.Evidence(55, SIGNAL_SOLVED_TOO_FAST)
    refused = sale.book("bot", b"one", 2, evidence=evidence)
    assert [type(fact) for fact in refused.facts] == [f.ChallengeUsed]
    held = sale.book("bot", b"two", evidence=evidence)
    assert f.Suspected(1, "bot", 1, 55, SIGNAL_SOLVED_TOO_FAST) in held.facts
    before = state_hash(sale.state)
    apply(sale.state, sale.now_ms, f.Suspected(1, "bot", 0, 55, SIGNAL_SOLVED_TOO_FAST))
    assert state_hash(sale.state) != before  # its seq alone


def test_no_more_are_taken_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bots, "CHALLENGES_MAX", 1)
    sale = Sale(max_holds_per_user=9)
    sale.book("ann", b"one")
    full = sale.book("bob", b"two", seconds=900)
    assert isinstance(full.reply, Refusal)
    assert full.reply.code is Code.OVERLOADED
    sale.now_ms += 300_000
    assert isinstance(sale.book("bob", b"two", seconds=900).reply, Booked)
