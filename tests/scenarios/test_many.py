"""Many at once: no step is long, and each costs the same however many there are."""

from unittest import mock

import pytest

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.apply import apply
from onsale.engine.deadlines import Deadlines
from onsale.engine.decide import decide
from onsale.engine.invariants import check
from onsale.engine.limits import PROMOTIONS_PER_STEP_MAX
from onsale.engine.rules import chores
from onsale.engine.status import HELD, WAITING
from onsale.tests.scenarios.story import CANCEL, HOLD_MS, Story, book, capacity, sale

MANY = 5_000
CHORES_MAX = 128


def crowd(tickets: int, *, quantity: int = 1, **event) -> Story:
    """`MANY` people ask at the same moment."""
    story = sale(tickets, **event)()
    for number in range(MANY):
        ask(story, book(f"u{number}", quantity))
    check(story.state)
    return story


def ask(story: Story, command: c.Command) -> list[f.Fact]:
    facts = decide(story.state, story.now_ms, command).facts
    for fact in facts:
        apply(story.state, story.now_ms, fact)
    return facts


def do_chores(story: Story) -> list[int]:
    """All that is due; gives the number of facts of each step."""
    lengths = []
    while due := chores.due(story.state, story.now_ms, HOLD_MS, CHORES_MAX):
        assert len(due) <= 4 * CHORES_MAX
        lengths += [len(ask(story, chore)) for chore in due]
        assert all(lengths), "what is due leads to something"
    check(story.state)
    return lengths


def test_all_lapse_at_once():
    story = crowd(MANY)
    story.now_ms += HOLD_MS
    assert do_chores(story) == [1] * MANY
    assert story.state.ticket_types.rows[1].held == 0
    story.now_ms += 3_600_000
    assert sum(do_chores(story)) == -(-MANY // CHORES_MAX)
    assert not story.state.bookings.rows


def test_all_are_warned_at_once():
    story = crowd(MANY)
    story.now_ms += HOLD_MS - 60_000
    assert do_chores(story) == [1] * MANY


def test_an_event_that_all_have_booked_is_cancelled():
    story = crowd(MANY)
    ask(story, CANCEL)
    assert do_chores(story) == [1] * MANY
    assert not story.state.sales[1].claims


def test_a_cancelled_event_leaves_no_holes_to_look_through():
    story = crowd(MANY)
    ask(story, CANCEL)
    for _ in range(10):
        due = chores.due(story.state, story.now_ms, HOLD_MS, CHORES_MAX)
        assert [each.booking_id for each in due] == sorted((each.booking_id for each in due), reverse=True)
        for chore in due:
            ask(story, chore)
        claims = story.state.sales[1].claims
        assert next(reversed(claims)) == f"u{len(claims) - 1}"


def test_a_sale_that_all_wait_for_ends():
    story = crowd(1, starts=100)
    story.now_ms += 100_000
    assert do_chores(story) == [1] * MANY
    assert story.state.sales[1].lines[1].count == 0


@pytest.mark.parametrize("waitlist", [1, 2])
def test_capacity_for_all_who_wait_goes_to_them_in_steps_and_in_order(waitlist):
    story = crowd(1, waitlist=waitlist)
    first = ask(story, capacity(MANY))
    assert len(first) == 1 + PROMOTIONS_PER_STEP_MAX
    latecomer = decide(story.state, story.now_ms, book("latecomer"))
    assert latecomer.reply.position == MANY - PROMOTIONS_PER_STEP_MAX, "nobody passes those whose turn comes next"
    lengths = do_chores(story)
    assert lengths == [1_000, 1_000, 1_000, 999]
    assert {row.status for row in story.state.bookings.rows.values()} == {HELD}


def test_groups_that_can_never_be_served_are_told_in_steps_and_hold_nobody_up():
    story = sale(2)()
    ask(story, book("first", 1))
    for number in range(2_500):
        ask(story, book(f"pair{number}", 2))
    ask(story, book("single", 1))
    facts = ask(story, capacity(1))
    assert len(facts) == 1 + PROMOTIONS_PER_STEP_MAX
    assert do_chores(story) == [1_000, 500]
    waiting = [row.user_id for row in story.state.bookings.rows.values() if row.status == WAITING]
    assert waiting == ["single"]


def test_many_events_begin_at_the_same_moment():
    story = sale(1)()
    for _ in range(1_000):
        ask(story, c.CreateEvent("Night", story.now_ms + 5_000, (c.TypeSpec("seat", "1", 1),)))
    story.now_ms += 5_000
    assert do_chores(story) == [1] * 1_000


def test_what_is_not_due_is_not_looked_at():
    story = crowd(MANY)
    with mock.patch.object(Deadlines, "_moments_until", side_effect=Deadlines._moments_until, autospec=True) as looks:
        assert not chores.due(story.state, story.now_ms, HOLD_MS, CHORES_MAX)
        assert chores.next_due_ms(story.state) == story.now_ms + HOLD_MS - 60_000
    assert looks.call_count <= 6  # one for each kind of deadline
