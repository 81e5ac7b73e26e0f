"""An event has changed: everybody who has tickets is told, step by step, and nobody twice of the same change."""

import pytest

from onsale.engine import commands as c
from onsale.engine.rules import chores, messages
from onsale.tests.scenarios.story import CANCEL, HOLD_MS, SUCCEEDED, Story, book, change, give_up, ms, pay, sale, settle

TELL = c.TellOfChange(1)


def crowd(people: int = 7) -> Story:
    story = sale(5)()
    for number in range(1, people + 1):
        story.ask(book(f"u{number}"))
    story.ask(settle(story.ask(pay("u1", "10")).payment_id, SUCCEEDED))
    story.ask(give_up(2))
    return story


def told(story) -> list[int]:
    return [notice.booking_id for notice in story.state.notices if notice.kind == "changed"]


@pytest.fixture
def in_small_steps(monkeypatch) -> None:
    monkeypatch.setattr(messages, "TOLD_PER_STEP_MAX", 2)


NOTEWORTHY = {
    "venue": change(venue="The Hall"),
    "city": change(city="Rome"),
    "country": change(country="IT"),
    "name": change(name="Day"),
    "when": change(starts_ms=ms(2_000_000)),
    "how long": change(ends_ms=ms(2_000_000)),
}
NOT_NOTEWORTHY = {
    "capacity": change(types=(c.TypeChange(id=1, capacity=9),)),
    "description": change(description="Bring a coat."),
    "category": change(category="jazz"),
    "the same again": change(name="Night"),
    "webhook": change(webhook_url="https://example.org"),
}


@pytest.mark.parametrize("asked", NOTEWORTHY.values(), ids=NOTEWORTHY)
def test_everybody_with_a_claim_is_told(asked):
    story = crowd()
    story.ask(asked)
    story.wait_until(1)
    assert told(story) == [1, 3, 4, 5, 6, 7]  # 2 was given up
    assert not story.state.telling


@pytest.mark.parametrize("asked", NOT_NOTEWORTHY.values(), ids=NOT_NOTEWORTHY)
def test_nobody_is_told_of_what_is_not_worth_it(asked):
    story = crowd()
    story.ask(asked)
    assert not story.state.telling


def test_nobody_is_told_where_nobody_booked():
    story = sale(5)()
    story.ask(change(venue="The Hall"))
    assert chores.next_due_ms(story.state) != 0


@pytest.mark.usefixtures("in_small_steps")
def test_in_steps_that_follow_on_each_other():
    story = crowd()
    story.ask(change(venue="The Hall"))
    steps = []
    while chores.due(story.state, story.now_ms, HOLD_MS, 10):
        assert chores.due(story.state, story.now_ms, HOLD_MS, 10) == [TELL]
        story.ask(TELL)
        steps.append((list(told(story)), story.state.sales[1].event.told))
    assert steps == [([1, 3], 3), ([1, 3, 4, 5], 5), ([1, 3, 4, 5, 6, 7], 7)]
    seq = story.state.seq
    story.ask(TELL)
    assert story.state.seq == seq


@pytest.mark.usefixtures("in_small_steps")
def test_who_books_meanwhile_knows_already_and_who_left_need_not():
    story = crowd(5)
    story.ask(change(venue="The Hall"))
    story.ask(TELL)
    story.ask(book("late"))
    story.ask(give_up(4))
    story.wait_until(1)
    assert told(story) == [1, 3, 5]


@pytest.mark.usefixtures("in_small_steps")
def test_a_second_change_begins_from_the_beginning():
    story = crowd()
    story.ask(change(venue="The Hall"))
    story.ask(TELL)
    story.ask(book("late"))
    story.ask(change(venue="The Other Hall"))
    story.wait_until(1)
    assert told(story) == [1, 3, 1, 3, 4, 5, 6, 7, 8]


@pytest.mark.usefixtures("in_small_steps")
def test_cancelled_meanwhile_they_are_told_of_that_instead():
    story = crowd()
    story.ask(change(venue="The Hall"))
    story.ask(TELL)
    story.ask(CANCEL)
    assert not story.state.telling
    seq = story.state.seq
    story.ask(TELL)
    assert story.state.seq == seq
    story.wait_until(1)
    assert told(story) == [1, 3]
    assert "u1 event_cancelled 1" in story.notices()


def test_a_step_looks_at_so_many_bookings_and_no_more(monkeypatch):
    monkeypatch.setattr(messages, "LOOKED_AT_PER_STEP_MAX", 3)
    story = sale(5)()
    story.ask(c.CreateEvent("Other", ms(1_000_000), (c.TypeSpec("seat", "10", 50),)))
    story.ask(book("ann"))
    for number in range(8):
        story.ask(book(f"u{number}", event=2))
    story.ask(book("bob"))
    story.ask(change(venue="The Hall"))
    steps = []
    while 1 in story.state.telling:
        story.ask(TELL)
        steps.append((list(told(story)), story.state.sales[1].event.told))
    assert steps == [([1], 3), ([1], 6), ([1], 9), ([1, 10], 10)]
