"""The waiting room, seats, any of several types and suspicion in words; and that no seed is shown before its time."""

import json
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine import status as s
from onsale.node.command_line import main
from onsale.node.commands.sentences import DETAILS_IN_WORDS, sentence
from onsale.node.commands.sentences_onsale import SIGNALS_IN_WORDS, STATES_IN_WORDS, signals_in_words
from onsale.node.commands.story import Story
from onsale.node.journal_view import view
from onsale.tests.engine.histories import HOLD_MS, START_MS, History

SEED = bytes(range(32))
COMMITMENT = sha256(SEED).hexdigest()
ROWS = (c.RowSpec("1", 4), c.RowSpec("2", 4))


def words(history: History) -> list[str]:
    story, found = Story(), []
    for first_seq, at_ms, facts in history.batches:
        story.begin_batch(first_seq, at_ms)
        for fact in facts:
            found.append(sentence(story, fact))
            story.follow(fact)
    return found


def proof(number: int) -> c.Proof:
    return c.Proof(bytes([number]) * 16, START_MS + 60_000)


def rush() -> History:
    """Two come before the opening and one after; one books two seats, one leaves, one lets the turn pass."""
    history = History()
    history.event(
        ("Stalls", "20.00", 8), max_per_user=4, challenge=1, seed=SEED, seat_map=(c.SectionSpec("A", "Stalls", ROWS),),
        room=c.RoomSpec(600, max_inside=5, opens_ms=START_MS + 5_000, shuffle=True, turn_ms=60_000),
    )  # fmt: skip
    history.do(c.JoinQueue("ada", 1, proof(1), c.Evidence(65, s.SIGNAL_SOLVED_TOO_FAST | s.SIGNAL_LIMITED_BEFORE)))
    history.do(c.JoinQueue("ben", 1, proof(2)))
    history.pass_time(5_000)
    history.pass_time(5_000)
    place = next(place for place in history.state.places.rows.values() if place.user_id == "ada")
    history.do(c.Book("ada", 1, HOLD_MS, quantity=2, place_id=place.id))
    history.do(c.JoinQueue("cleo", 1, proof(3)))
    history.do(c.LeaveQueue(1, 3))
    history.pass_time(60_000)
    return history


def test_a_waiting_room_in_words() -> None:
    history = rush()
    history.do(c.ChangeEvent(1, room=c.RoomChange(state=s.ROOM_PAUSED)))
    history.do(c.ChangeEvent(1, room=None))
    history.chores()
    found = words(history)
    room = 'The waiting room of event 1 "Long Shadows"'
    for expected in (
        (
            f"{room} has these rules from here on: it admits 600 a minute, at most 5 at once, no more than there "
            "are tickets for, from 2026-11-18T11:06:45.000Z on, a turn lasts 60 s, who came before the "
            "opening is put in an "
            f"order drawn by lot. The lot's seed is secret until the opening; it was committed to as {COMMITMENT}."
        ),
        'Event 1 "Long Shadows" has a seat map from here on, of 8 seats.',
        'ada came to the waiting room of event 1 "Long Shadows", as arrival 1.',
        (
            'ada in the waiting room of event 1 "Long Shadows" may be a program, 65 of 100: the challenge '
            "was solved sooner "
            "than a browser could; it had asked too often shortly before."
        ),
        (
            f"{room} was opened: the first 2 who came stand in an order drawn by lot; its seed is {SEED.hex()}, as was "
            "committed to."
        ),
        'cleo (arrival 3) left the waiting room of event 1 "Long Shadows".',
        f"{room} is paused: people may join, and nobody is admitted, as an operator said.",
        f"{room} was removed: nobody needs a turn to book any more.",
        f"{room}: the places up to arrival 3 are not needed any more.",
    ):
        assert expected in found
    assert any(each.startswith(f"{room}: it is the turn of number") for each in found)
    assert any("The turns of ada (arrival 1), ben (arrival 2)" in each for each in found)
    assert any(each.startswith("Challenge 0101010101010101") for each in found)
    assert any("seats A/1/" in each and "held for ada" in each for each in found)


def test_any_of_several_types_in_words() -> None:
    history = History()
    history.event(("One", "10.00", 2), ("Two", "12.00", 3), offer_ms=30_000)
    history.book("ada", 1, 2, "One")
    history.book("ben", 1, 3, "Two")
    history.do(c.Book("cleo", 1, HOLD_MS, quantity=2, ticket_types=("One", "Two")))
    history.do(c.ChangeEvent(1, types=(c.TypeChange(name="Two", capacity=3),), offer_ms=20_000, challenge=1))
    history.give_up(2)
    history.give_up(3)
    found = words(history)
    for expected in (
        (
            "Booking 3: cleo stands in line for 2 x One, or of Two, whichever is free first, of event 1 "
            '"Long Shadows", at '
            "position 1, because not enough were free."
        ),
        (
            'Event 1 "Long Shadows" was changed: whether a challenge is asked for, how long those in line '
            "have once it is "
            "their turn, its tickets (now 3 x Two at 12.00 EUR)."
        ),
        (
            "Booking 3: its turn came, because booking 2 was given up in the same step (seq 6); 2 x Two "
            "held for cleo until "
            "2026-11-18T11:07:00.000Z."
        ),
        "Booking 3 ended because its user declined what was offered from the line.",
    ):
        assert expected in found


def test_a_line_that_is_left_in_words() -> None:
    history = History()
    history.event(("One", "10.00", 4), ("Two", "12.00", 3))
    history.book("ada", 1, 1, "One")
    history.book("ben", 1, 1, "Two")
    history.do(c.Book("cleo", 1, HOLD_MS, quantity=3, ticket_types=("Two", "One")))
    history.book("dan", 1, 1, "One")  # so that there are not three left
    assert history.state.bookings.rows[3].expires_ms, "three of One were free"
    history.do(c.Book("eve", 1, HOLD_MS, quantity=3, ticket_types=("Two", "One")))
    history.do(c.ChangeEvent(1, types=(c.TypeChange(name="Two", capacity=2),)))
    expected = "does not wait for Two any more: it is for more tickets than there are of it. It waits for the others."
    assert any(expected in each for each in words(history))


def test_every_detail_of_an_event_has_its_words() -> None:
    assert set(DETAILS_IN_WORDS) == {field.name for field in msgspec.structs.fields(f.EventDetails)}


def test_every_state_and_every_signal_has_its_words() -> None:
    assert set(STATES_IN_WORDS) == set(s.ROOM_NAMES)
    signals = {value for name, value in vars(s).items() if name.startswith("SIGNAL_")}
    assert set(SIGNALS_IN_WORDS) == signals
    assert signals_in_words(0) == "nothing in particular"
    assert signals_in_words(1024) == "signals 1024"


# --- the seed


def test_a_seed_is_shown_when_it_is_revealed_and_not_before() -> None:
    history = rush()
    opened = history.seq_of(f.RoomOpened)
    for seq, (fact, told) in enumerate(zip(history.facts, words(history), strict=True), 1):
        shown = json.dumps(view(seq, START_MS, 1, fact)) + told
        assert (SEED.hex() in shown) == (seq == opened), shown
    rules = view(1, START_MS, 1, history.facts[history.seq_of(f.RoomSet) - 1])
    assert rules["type"] == "room_set"
    assert rules["commitment"] == COMMITMENT
    assert rules["turnSeconds"] == 60
    assert view(1, START_MS, 1, f.RoomSet(1, 60, None, None, False, True, 60_000, b""))["commitment"] is None


def test_a_seed_that_was_not_committed_to_is_told() -> None:
    story = Story()
    story.begin_batch(1, START_MS)
    story.follow(f.RoomSet(1, 60, None, None, True, True, 60_000, SEED))
    assert "which is NOT what was committed to" in sentence(story, f.RoomOpened(1, b"x" * 32))


# --- inspect


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_booking_is_told_with_its_users_place_in_the_waiting_room(data: Path) -> None:
    rush().write(data)
    result = CliRunner().invoke(main, ["inspect", "--data", str(data), "--booking", "1", "--format", "json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [fact["type"] for fact in told] == ["queue_joined", "suspected", "held", "turns_lapsed", "lapse_warned"][
        : len(told)
    ]
    assert {fact.get("userId") for fact in told} <= {"ada", None}
    assert [fact["seq"] for fact in told] == sorted(fact["seq"] for fact in told)


def test_a_journal_without_its_beginning_is_told_with_less() -> None:
    """No arrivals, no names of seats, no commitment: nothing is guessed."""
    history = rush()
    story = Story()
    opened = history.seq_of(f.RoomOpened)
    for first_seq, at_ms, facts in history.batches:
        if first_seq < opened:
            continue
        story.begin_batch(first_seq, at_ms)
        for fact in facts:
            told = sentence(story, fact)
            story.follow(fact)
            if isinstance(fact, f.Held):
                assert "seats 0 and 1 held" in told
            if isinstance(fact, f.QueueJoined):
                assert told == "cleo came to the waiting room of event 1."
            if isinstance(fact, f.RoomOpened):
                assert "committed" not in told
