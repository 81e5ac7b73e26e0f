"""What an organiser does, and what becomes of those who have booked."""

import pytest

from onsale.engine.commands import CreateEvent, TypeChange, TypeSpec
from onsale.engine.replies import Refusal
from onsale.tests.scenarios.story import (
    CANCEL,
    FAR,
    SUCCEEDED,
    Stories,
    book,
    capacity,
    change,
    give_up,
    ms,
    pay,
    refund,
    refunded,
    sale,
    settle,
)

STORIES: Stories = {
    "a cancelled event ends every booking, and gives back what was paid": (
        sale(4),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, pay("ann", "10"), "processing 1"),
            (0, settle(1, SUCCEEDED), "paid 1"),
            (1, book("bob"), "held 2 until 301"),
            (2, book("cid", 2), "held 3 until 302"),
            (2, pay("cid", "20"), "processing 2"),
            (3, book("dan"), "waiting 4 at 1"),
            (
                4,
                CANCEL,
                "3 held 1 sold 1 waiting of 4",
                "4 cancelled, 3 held, 3 cancelled, 2 cancelled, 1 refund_pending",
            ),
            (5, book("eve"), "event_cancelled"),
            (6, CANCEL, "event_cancelled"),
            (6, change(name="Day"), "event_cancelled"),
            (7, refunded(1), "refund 1 of 10.00 succeeded, booking refunded", "1 refunded"),
        ],
    ),
    "of a cancelled event only the rest of a part goes back": (
        sale(2),
        [
            (0, book("ann", 2), "held 1 until 300"),
            (0, pay("ann", "20"), "processing 1"),
            (0, settle(1, SUCCEEDED), "paid 1"),
            (1, refund(1, "5"), "refund 1 of 5.00 pending, booking refund_pending"),
            (2, CANCEL, "0 held 2 sold 0 waiting of 2", "1 refund_pending"),
            (3, refunded(1), "refund 1 of 5.00 succeeded, booking refund_pending", ""),
            (4, refunded(2), "refund 2 of 15.00 succeeded, booking refunded", "1 refunded"),
        ],
    ),
    "of a cancelled event free tickets end at once": (
        sale(2, price="0"),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, pay("ann", "0"), "paid 1"),
            (1, CANCEL, "0 held 1 sold 0 waiting of 2", "1 refund_pending, 1 refunded"),
        ],
    ),
    "when the sale is over nobody waits any more, and holds may still be paid": (
        sale(1, starts=1000),
        [
            (900, book("ann"), "held 1 until 1200"),
            (901, book("bob"), "waiting 2 at 1"),
            (999.999, None, "", ""),
            (1000, None, "", "2 expired"),
            (1001, book("cid"), "not_on_sale"),
            (1002, pay("bob", "10"), "hold_expired"),
            (1200, None, "", "1 expired"),
        ],
    ),
    "an event with an end is sold until it ends": (
        sale(1, starts=1000, ends_ms=ms(2000)),
        [
            (1500, book("ann"), "held 1 until 1800"),
            (1999, book("bob"), "held 2 until 2299"),
            (2000, book("cid"), "not_on_sale"),
        ],
    ),
    "a sale that is over goes on when the event is put off": (
        sale(1, starts=1000),
        [
            (1001, book("ann"), "not_on_sale"),
            (1002, change(starts_ms=ms(FAR)), "0 held 0 sold 0 waiting of 1"),
            (1003, book("ann"), "held 1 until 1303"),
        ],
    ),
    "an event brought forward closes at its new time": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, book("bob"), "waiting 2 at 1"),
            (1, change(starts_ms=ms(100)), "1 held 0 sold 1 waiting of 1"),
            (100, None, "", "2 expired"),
        ],
    ),
    "before the sale begins everyone is too early": (
        sale(1, on_sale=100),
        [(99.999, book("ann"), "too_early"), (100, book("ann"), "held 1 until 400")],
    ),
    "capacity never goes below what is sold or held": (
        sale(3),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, book("bob"), "held 2 until 300"),
            (0, pay("ann", "10"), "processing 1"),
            (0, settle(1, SUCCEEDED), "paid 1"),
            (1, capacity(1), "invalid_field", ""),
            (2, capacity(2), "1 held 1 sold 0 waiting of 2", ""),
            (3, book("cid"), "waiting 3 at 1"),
            (4, give_up(2), "cancelled 2", "2 cancelled, 3 held"),
        ],
    ),
    "added capacity serves the lines of all ticket types": (
        sale(0, types=(TypeSpec("A", "10", 1), TypeSpec("B", "10", 1))),
        [
            (0, book("ann", kind="A"), "held 1 until 300"),
            (0, book("bob", kind="B"), "held 2 until 300"),
            (1, book("cid", kind="B"), "waiting 3 at 1"),
            (2, book("dan", kind="A"), "waiting 4 at 1"),
            (
                3,
                change(types=(TypeChange(name="B", capacity=2), TypeChange(id=1, capacity=3))),
                "2 held 0 sold 0 waiting of 3, 2 held 0 sold 0 waiting of 2",
                "4 held, 3 held",
            ),
        ],
    ),
    "nobody gets more than one may have, held, bought or waited for": (
        sale(4, max_per_user=3),
        [
            (0, book("ann", 4), "limit_per_user"),
            (0, book("ann", 2), "held 1 until 300"),
            (0, book("ann", 2), "limit_per_user"),
            (0, pay("ann", "20"), "processing 1"),
            (0, settle(1, SUCCEEDED), "paid 1"),
            (1, book("ann", 2), "limit_per_user"),
            (1, book("bob", 2), "held 2 until 301"),
            (2, book("ann", 1), "waiting 3 at 1"),
            (2, book("ann", 1), "limit_per_user"),
            (3, refund(1), "refund 1 of 20.00 pending, booking refund_pending", "1 refund_pending, 3 held"),
            (4, book("ann", 2), "waiting 4 at 1"),
        ],
    ),
    "a lower limit takes nothing away": (
        sale(9, max_per_user=5),
        [
            (0, book("ann", 4), "held 1 until 300"),
            (1, change(max_per_user=2), "4 held 0 sold 0 waiting of 9"),
            (2, book("ann", 1), "limit_per_user"),
            (3, pay("ann", "40"), "processing 1"),
        ],
    ),
    "nobody hoards holds": (
        sale(9, max_holds_per_user=2),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, book("ann"), "held 2 until 301"),
            (2, book("ann"), "limit_per_user"),
            (3, pay("ann", "10", booking=1), "processing 1"),
            (4, book("ann"), "limit_per_user"),
            (5, settle(1, SUCCEEDED), "paid 1"),
            (6, book("ann"), "held 3 until 306"),
            (7, give_up(3), "cancelled 3"),
            (8, book("ann"), "held 4 until 308"),
        ],
    ),
    "a new price is for new bookings": (
        sale(9),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, change(types=(TypeChange(id=1, price="12"),)), "1 held 0 sold 0 waiting of 9"),
            (2, book("bob"), "held 2 until 302"),
            (3, pay("ann", "10"), "processing 1"),
            (4, pay("bob", "10"), "amount_mismatch"),
            (5, pay("bob", "12"), "processing 2"),
        ],
    ),
    "ticket types swap their names, and are found under them": (
        sale(0, types=(TypeSpec("A", "10", 1), TypeSpec("B", "10", 2))),
        [
            (
                0,
                change(types=(TypeChange(id=1, name="B"), TypeChange(id=2, name="A"))),
                "0 held 0 sold 0 waiting of 1, 0 held 0 sold 0 waiting of 2",
            ),
            (1, book("ann", 2, "A"), "held 1 until 301"),
            (1, book("bob", 1, "B"), "held 2 until 301"),
        ],
    ),
    "a ticket type is added to a sale": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (
                1,
                change(types=(TypeChange(name="box", price="90", capacity=2),)),
                "1 held 0 sold 0 waiting of 1, 0 held 0 sold 0 waiting of 2",
            ),
            (2, book("bob", 1, "box"), "held 2 until 302"),
            (3, book("bob"), "invalid_field"),
        ],
    ),
}


@pytest.mark.parametrize(("begin", "rows"), STORIES.values(), ids=STORIES)
def test_events(begin, rows):
    begin().play(*rows)


PRICED = (TypeChange(id=1, price="1000"),)
FAULTS = [
    ({"currency": "XXX"}, "currency"),
    ({"ends_ms": ms(FAR) - 1}, "endsAt"),
    ({"on_sale_ms": ms(FAR) + 1}, "onSaleAt"),
    ({"starts_ms": ms(-5), "on_sale_ms": ms(0)}, "onSaleAt"),
    ({"types": (TypeChange(id=9, capacity=1),)}, "ticketTypes[0].id"),
    ({"types": (TypeChange(capacity=1),)}, "ticketTypes[0]"),
    ({"types": (TypeChange(name="box", price="1"),)}, "ticketTypes[0]"),
    ({"types": (TypeChange(name="box", capacity=1),)}, "ticketTypes[0]"),
    ({"types": (TypeChange(id=1, price="1.001"),)}, "ticketTypes[0].price"),
    ({"types": (TypeChange(id=1, price="9" * 15),)}, "ticketTypes[0].price"),
    ({"types": (TypeChange(id=1), TypeChange(name="seat"))}, "ticketTypes[1]"),
    ({"types": (TypeChange(id=1, name="B"), TypeChange(name="B", price="1", capacity=1))}, "ticketTypes"),
    ({"types": tuple(TypeChange(name=str(n), price="1", capacity=1) for n in range(100))}, "ticketTypes"),
    ({"currency": "JPY"}, "currency"),  # 10.00 EUR is not 1000 JPY
    ({"currency": "JPY", "types": (TypeChange(id=1, capacity=9),)}, "currency"),
    ({"currency": "JPY", "types": (TypeChange(name="box", price="1", capacity=1),)}, "currency"),
]


@pytest.mark.parametrize(("changes", "field"), FAULTS, ids=lambda value: str(value)[:40])
def test_a_change_that_cannot_be_names_its_field(changes, field):
    story = sale(1)()
    reply = story.ask(change(**changes))
    assert isinstance(reply, Refusal)
    assert (reply.code, reply.extra) == ("invalid_field", {"field": field})


def test_the_currency_changes_with_every_price_until_the_first_booking():
    story = sale(2)()
    assert story.ask(change(currency="JPY", types=PRICED)).currency == "JPY"
    story.play((0, book("ann"), "held 1 until 300"), (1, give_up(1), "cancelled 1"))
    reply = story.ask(change(currency="EUR", types=(TypeChange(id=1, price="10"),)))
    assert reply.extra == {"field": "currency"}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"types": ()}, "ticketTypes"),
        ({"types": (TypeSpec("A", "1", 1),) * 2}, "ticketTypes[1].name"),
        ({"types": (TypeSpec("A", "1", 1), TypeSpec("B", "x", 1))}, "ticketTypes[1].price"),
        ({"types": tuple(TypeSpec(str(n), "1", 1) for n in range(101))}, "ticketTypes"),
        ({"currency": "eur"}, "currency"),
        ({"ends_ms": ms(0) - 1}, "endsAt"),
        ({"on_sale_ms": ms(0) + 1}, "onSaleAt"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_event_that_cannot_be_names_the_field(asked, field):
    story = sale(1)()
    reply = story.ask(CreateEvent("Day", ms(0), **{"types": (TypeSpec("A", "1", 1),), **asked}))
    assert isinstance(reply, Refusal)
    assert (reply.code, reply.extra) == ("invalid_field", {"field": field})


def test_an_event_in_the_past_is_closed_at_once():
    story = sale(1)()
    story.wait_until(10)
    story.ask(CreateEvent("Day", ms(5), (TypeSpec("A", "1", 1),)))
    story.wait_until(10)
    assert story.state.events.rows[2].closed
