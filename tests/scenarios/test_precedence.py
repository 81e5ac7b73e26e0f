"""Which refusal wins when several apply. The orders are those in the docstrings of the rules' modules."""

from collections.abc import Callable
from itertools import combinations
from typing import Any
from unittest import mock

import pytest

from onsale.engine import commands as c
from onsale.engine.codes import Code
from onsale.engine.replies import Refusal
from onsale.engine.rules import booking as booking_rules
from onsale.tests.scenarios.story import (
    CANCEL,
    HOLD_MS,
    OFF,
    SUCCEEDED,
    Story,
    book,
    capacity,
    change,
    give_up,
    keyed,
    pay,
    refund,
    sale,
    settle,
)

# --- a booking: what makes each refusal apply, in the order in which they are looked at

BOOKING: dict[str, dict[str, Any]] = {
    "no_such_event": {"asked": {"event_id": 9}},
    "invalid_field": {"asked": {"ticket_type": "nowhere"}},
    "event_cancelled": {"before": [CANCEL]},
    "not_on_sale": {"event": {"starts": 50}},
    "too_early": {"event": {"on_sale": 500}},
    "limit_per_user": {"asked": {"quantity": 11}},
    "sold_out": {"event": {"waitlist": OFF}, "before": [book("bob", 1)]},
    "overloaded": {"full": True},
}
# what cannot be at once: an event is not sold out of tickets that could never be booked, nor over before it begins
NEVER_BOTH = {
    ("not_on_sale", "too_early"),
    ("not_on_sale", "sold_out"),
    ("too_early", "sold_out"),
}


@pytest.mark.parametrize(("first", "second"), [pair for pair in combinations(BOOKING, 2) if pair not in NEVER_BOTH])
def test_booking(first, second):
    both = [BOOKING[first], BOOKING[second]]
    event = {name: value for each in both for name, value in each.get("event", {}).items()}
    asked = {name: value for each in both for name, value in each.get("asked", {}).items()}
    story = Story(1, **event)
    story.wait_until(100 if "not_on_sale" in (first, second) else 0)
    for each in reversed(both):
        for before in each.get("before", []):
            story.ask(before)
    full = any("full" in each for each in both)
    with mock.patch.object(booking_rules, "BOOKINGS_MAX", 0 if full else 1000):
        reply = story.ask(c.Book("ann", **{"event_id": 1, "hold_ms": HOLD_MS, **asked}))
    assert isinstance(reply, Refusal)
    assert reply.code == first


@pytest.mark.parametrize("code", BOOKING)
def test_each_refusal_of_a_booking_alone(code):
    """Without the first of a pair the second does apply, or the pairs above would show nothing."""
    only = BOOKING[code]
    story = Story(1, **only.get("event", {}))
    story.wait_until(100 if code == "not_on_sale" else 0)
    for before in only.get("before", []):
        story.ask(before)
    with mock.patch.object(booking_rules, "BOOKINGS_MAX", 0 if "full" in only else 1000):
        reply = story.ask(c.Book("ann", **{"event_id": 1, "hold_ms": HOLD_MS, **only.get("asked", {})}))
    assert reply.code == code


def test_a_full_line_is_overloaded():
    story = sale(1)()
    story.ask(book("bob"))
    with mock.patch.object(booking_rules, "WAITING_MAX", 0):
        assert story.ask(book("ann")).code == "overloaded"
    with mock.patch.object(booking_rules, "BOOKINGS_MAX", 1):
        assert story.ask(book("ann")).code == "overloaded"
        assert story.ask(book("ann", waitlist=False)).code == "sold_out"


# --- the others: what happened before, then what is asked for, and the refusal that wins

PAID = [book("ann"), pay("ann", "10"), settle(1, SUCCEEDED)]


def lapses(story: Story) -> None:
    story.wait_until(301)


def passes(story: Story) -> None:
    """Time goes by unseen, as on a node that is busy."""
    story.now_ms += 301_000


Before = list[c.Command | Callable[[Story], None]]
PAYMENTS: list[tuple[str, Before, c.Command]] = [
    ("no_such_event", [], pay("ann", "x", booking=9, event=9)),
    ("no_such_booking", [], pay("ann", "x", booking=9)),
    ("no_such_booking", [], pay("ann", "x")),
    ("event_cancelled", [book("bob"), CANCEL], pay("ann", "x")),
    ("forbidden", PAID, pay("bob", "x", booking=1)),
    ("forbidden", [book("ann"), CANCEL], pay("bob", "x", booking=1)),
    ("forbidden", [book("ann"), lapses], pay("bob", "x", booking=1)),
    ("ambiguous_booking", [*PAID, book("ann"), book("ann")], pay("ann", "x")),
    ("ambiguous_booking", [book("ann"), book("ann"), CANCEL], pay("ann", "x")),
    ("ambiguous_booking", [book("ann"), book("ann"), passes], pay("ann", "x")),
    ("already_paid", [*PAID, CANCEL], pay("ann", "x", booking=1)),
    ("already_paid", PAID, pay("ann", "x")),
    ("event_cancelled", [book("ann"), lapses, CANCEL], pay("ann", "x", booking=1)),
    ("event_cancelled", [book("ann"), give_up(1), CANCEL], pay("ann", "x", booking=1)),
    ("event_cancelled", [book("bob", 3), book("ann"), CANCEL], pay("ann", "x")),
    ("event_cancelled", [book("ann"), CANCEL], pay("ann", "x")),
    ("hold_expired", [book("ann"), lapses], pay("ann", "x")),
    ("hold_expired", [book("ann"), passes], pay("ann", "x")),
    ("wrong_status", [book("bob", 3), book("ann")], pay("ann", "x")),
    ("wrong_status", [book("ann"), give_up(1)], pay("ann", "x", booking=1)),
    ("wrong_status", [*PAID, refund(1)], pay("ann", "11", booking=1)),
    ("invalid_field", [book("ann")], pay("ann", "10.001")),
    ("amount_mismatch", [book("ann")], pay("ann", "10.01")),
    ("amount_mismatch", [book("ann"), pay("ann", "10")], pay("ann", "11")),
]
REFUNDS: list[tuple[str, Before, c.Command]] = [
    ("no_such_booking", [], refund(1, "x", user="bob")),
    ("forbidden", [book("ann")], refund(1, "x", user="bob")),
    ("forbidden", PAID, refund(1, "x", user="bob")),
    ("wrong_status", [book("ann")], refund(1, "x", user="ann")),
    ("wrong_status", [*PAID, refund(1)], refund(1, "99")),
    ("invalid_field", PAID, refund(1, "99.001")),
    ("invalid_field", PAID, refund(1, "0.00")),
    ("amount_mismatch", PAID, refund(1, "10.01")),
]
OTHERS: list[tuple[str, Before, c.Command]] = [
    ("no_such_booking", [], give_up(1, "bob")),
    ("forbidden", PAID, give_up(1, "bob")),
    ("wrong_status", PAID, give_up(1, "ann")),
    ("no_such_event", [CANCEL], c.ChangeEvent(9, currency="XXX")),
    ("event_cancelled", [CANCEL], change(currency="XXX")),
    ("invalid_field", [book("ann")], capacity(0)),
    ("no_such_event", [], c.CancelEvent(9)),
    ("event_cancelled", [CANCEL], CANCEL),
]


@pytest.mark.parametrize(("code", "before", "asked"), PAYMENTS + REFUNDS + OTHERS)
def test_the_first_in_order_wins(code, before, asked):
    story = sale(3)()
    for each in before:
        if callable(each):
            each(story)
        else:
            story.ask(each)
    reply = story.ask(asked)
    assert isinstance(reply, Refusal)
    assert reply.code == code


def test_the_faults_of_a_change_are_looked_at_in_their_order():
    story = sale(3)()
    wrong = {
        "currency": {"currency": "XXX"},
        "endsAt": {"ends_ms": 1},
        "onSaleAt": {"on_sale_ms": 10**15},
        "ticketTypes[0].id": {"types": (c.TypeChange(id=9), c.TypeChange())},
    }
    for first, second in combinations(wrong, 2):
        assert story.ask(change(**wrong[first], **wrong[second])).extra == {"field": first}


def test_a_key_is_looked_at_before_anything_else():
    story = sale(3)()
    story.ask(keyed("k", book("ann"), "a"))
    assert story.ask(keyed("k", book("ann", event=9), "b")).code == Code.IDEMPOTENCY_MISMATCH
    assert story.words(story.ask(keyed("k", book("ann", event=9), "a"))) == "held 1 until 300"
