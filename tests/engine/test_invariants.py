"""Each invariant notices what it is there for: a state is spoilt in one place, and the fault is named."""

from copy import copy

import msgspec
import pytest

from onsale.engine import commands as c
from onsale.engine.invariants import check
from onsale.engine.limits import EPOCHS_KEPT, MEMBERS_MAX
from onsale.engine.records import Epoch, Key
from onsale.engine.state import entry_id
from onsale.engine.status import REFUND_SUCCEEDED
from onsale.tests.scenarios.story import (
    NEEDS_A_STEP,
    SUCCEEDED,
    Story,
    book,
    change,
    check_in,
    give_up,
    keyed,
    news,
    pay,
    refund,
    refund_fails,
    sale,
    settle,
)


def busy() -> Story:
    """1 is confirmed, 2 paying, 3 held, of 4 a part is refunded, 5 and 7 wait, 6 is cancelled."""
    story = sale(9)()
    story.play(
        (0, book("ann", 2), "held 1 until 300"),
        (0, pay("ann", "20"), "processing 1"),
        (0, settle(1, SUCCEEDED), "paid 1"),
        (1, book("bob", 2), "held 2 until 301"),
        (2, pay("bob", "20"), "processing 2"),
        (2, settle(2, NEEDS_A_STEP), "requires_action 2"),
        (3, keyed("k", book("cid", 2)), "held 3 until 303"),
        (4, book("fay", 3), "held 4 until 304"),
        (4, pay("fay", "30"), "processing 3"),
        (4, settle(3, SUCCEEDED), "paid 4"),
        (5, refund(4, "10"), "refund 1 of 10.00 pending, booking refund_pending"),
        (6, keyed("l", book("gus", 1)), "waiting 5 at 1"),
        (7, book("hal", 1), "waiting 6 at 2"),
        (8, book("ann", 1), "waiting 7 at 3"),
        (9, give_up(6), "cancelled 6"),
        (9, c.BeginEpoch(1, "n1"), "nothing new"),
        (9, c.SaveMember("n1", b"n1", voting=True, replication="", http=""), "nothing new"),
        (9, c.SaveTicketKey(b"k" * 32), "nothing new"),
        (10, c.BeginEpoch(3, "n2"), "nothing new"),
    )
    return outside(story)


def outside(story: Story) -> Story:
    """Messages are owed, 1 was shown at the door, a refund failed, the provider told things, people are to be told."""
    story.play(
        (11, c.SetMail(True), "nothing new"),
        (11, c.SaveUser("ann", "Ann", "ann@example.org", "https://ann.example"), "user ann"),
        (12, refund(4, "5"), "refund 2 of 5.00 pending, booking refund_pending"),
        (13, refund_fails(2), "refund 2 of 5.00 failed, booking refund_pending"),
        (14, check_in(1, 1), "admitted 1/1"),
        (15, news("evt_1"), "nothing new"),
        (16, news("evt_2", c.RaiseConcern("dispute", "dp_1", "No.")), "nothing new"),
        (17, change(venue="The Hall"), "4 held 5 sold 2 waiting of 9"),
    )
    for each in list(story.state.deliveries.rows)[1:2]:
        story.ask(c.SettleDelivery(each, "gone"))
    story.ask(c.DisableWebhook("https://ann.example", user_id="ann"))
    story.ask(change(venue="The Other Hall"))
    return story


def refund_of(story, number):
    return story.state.refunds.rows[number]


def message(story, place):
    return list(story.state.deliveries.rows.values())[place]


def late_message(story):
    late = copy(message(story, 0))
    late.id, late.notice_id, late.channel = 4001, 1000, 1
    return late


def entry(story):
    (found,) = story.state.entries.rows.values()
    return found


def spoil_entry(story, number):
    found = entry(story)
    found.number = number
    move_entry(story, found.booking_id)


def move_entry(story, booking_id):
    found = entry(story)
    found.booking_id, found.id = booking_id, entry_id(booking_id, found.number)
    story.state.entries.rows.clear()
    story.state.entries.rows[found.id] = found
    return found.id


def row(story, number):
    return story.state.bookings.rows[number]


def seat(story):
    return story.state.ticket_types.rows[1]


def night(story):
    return story.state.sales[1]


SPOILT = {
    "counts": lambda s: setattr(seat(s), "held", 0),
    "of 8": lambda s: setattr(seat(s), "capacity", 8),
    "9 bookings of status 2 are counted": lambda s: s.state.status_counts.update({2: 9}),
    "the line is": lambda s: setattr(row(s, 5), "seq", s.state.seq),
    "is told": lambda s: setattr(row(s, 5), "line_number", row(s, 7).line_number),
    "promotable is False": lambda s: setattr(seat(s), "capacity", 20),
    "promotable is True": lambda s: s.state.promotable.update({1: None}),
    "sweeping is True": lambda s: s.state.sweeping.update({1: None}),
    "sweeping is False": lambda s: setattr(night(s).event, "cancelled", True),
    "claims of": lambda s: night(s).claims.pop("bob"),
    "claims a copy": lambda s: night(s).claims.update(bob=copy(row(s, 2))),
    "has 3, not 9": lambda s: setattr(night(s).claims["ann"], "tickets", 9),
    "deadlines differ": lambda s: s.state.deadlines.add(5, 99),
    "retirings differ": lambda s: s.state.retirings.add(5, 99),
    "closings differ": lambda s: s.state.closings.add(5, 99),
    "expires at 0": lambda s: setattr(row(s, 3), "expires_ms", 0),
    "is pinned": lambda s: setattr(row(s, 3), "pinned_ms", 5),
    "shortens its hold": lambda s: setattr(row(s, 2), "pinned_ms", 5),
    "before it was held": lambda s: setattr(row(s, 3), "held_ms", 10**15),
    "ended at": lambda s: setattr(row(s, 3), "ended_ms", 5),
    "has line number": lambda s: setattr(row(s, 3), "line_number", 5),
    "yet to be given out": lambda s: setattr(seat(s), "line_next", 2),
    "refunds say": lambda s: setattr(row(s, 4), "refunding_minor", 900),
    "though it is a part": lambda s: setattr(row(s, 4), "refunding_minor", 3000),
    "was refunded": lambda s: setattr(row(s, 1), "refunded_minor", 5),
    "unsettled": lambda s: setattr(row(s, 4), "unsettled", 0),
    "there is no payment": lambda s: s.state.payments.rows.clear(),
    "its booking 2": lambda s: setattr(s.state.payments.rows[2], "status", 6),
    "is done, and still": lambda s: setattr(s.state.refunds.rows[1], "status", REFUND_SUCCEEDED),
    "goes to someone else": lambda s: setattr(s.state.refunds.rows[1], "user_id", "bob"),
    "never paid": lambda s: setattr(row(s, 1), "payment_id", 0),
    "to be given out yet": lambda s: setattr(s.state, "next_booking_id", 3),
    "a notice has an id": lambda s: setattr(s.state, "next_notice_id", 1),
    "is followed by": lambda s: s.state.notices.insert(0, s.state.notices.pop(1)),
    "names differ": lambda s: night(s).types_by_name.clear(),
    "was decided at seq": lambda s: setattr(row(s, 3), "seq", 10**6),
    "was made at": lambda s: setattr(row(s, 3), "created_ms", 10**15),
    "does not know that it was booked": lambda s: setattr(night(s).event, "booked", False),
    "is no lapsed one": lambda s: night(s).lapsed.update(ann=1),
    "a key is not in the order": lambda s: s.state.key_order.popleft(),
    "not in the order once": lambda s: s.state.key_order.append(s.state.key_order[-1]),
    "order of their time": lambda s: s.state.key_order.appendleft(Key(b"gone", b"", b"", 10**15)),
    "the hash does not follow": lambda s: setattr(night(s).event, "name", "Day"),
    "counts as changed": lambda s: s.state.bookings.changed.update({1: copy(row(s, 1))}),
    "are archived, and still there": lambda s: s.state.bookings.archived.update({1: row(s, 1)}),
    "a user stands under": lambda s: s.state.users.rows.update(zed=row(s, 1)),
    "stands under another's number": lambda s: s.state.epochs.rows.update({4: s.state.epochs.rows[3]}),
    "epochs are kept": lambda s: s.state.epochs.rows.update(
        {number: Epoch(number, number, 1, "n") for number in range(4, EPOCHS_KEPT + 4)}
    ),
    "the epoch of epochs falls from 3 to 1": lambda s: s.state.epochs.rows.update({1: s.state.epochs.rows.pop(1)}),
    "the first_seq of epochs falls": lambda s: setattr(s.state.epochs.rows[1], "first_seq", 10**6),
    "the at_ms of epochs falls": lambda s: setattr(s.state.epochs.rows[1], "at_ms", 10**15),
    "epoch 3 is to begin yet": lambda s: setattr(s.state.epochs.rows[3], "first_seq", 10**6),
    "there are 1001 members": lambda s: s.state.members.rows.update(dict.fromkeys(range(MEMBERS_MAX))),
    "member n9 stands under": lambda s: s.state.members.rows.update(n9=s.state.members.rows["n1"]),
    "is so since seq": lambda s: setattr(s.state.members.rows["n1"], "since_seq", 10**6),
    "standbys are waited for": lambda s: setattr(s.state, "sync_standbys", -1),
    "unknown secret": lambda s: s.state.secrets.rows.update(other=s.state.secrets.rows["ticket_key"]),
    "of another length": lambda s: setattr(s.state.secrets.rows["ticket_key"], "value", b"k"),
    "a key waits for one": lambda s: setattr(s.state.payments.rows[2], "key", b"k" * 16),
    "payment 2 has half a key": lambda s: setattr(s.state.payments.rows[2], "fingerprint", b"f" * 16),
    "refund 1 has half a key": lambda s: setattr(refund_of(s, 1), "key", b"k" * 16),
    "was tried 0 times": lambda s: setattr(refund_of(s, 1), "tries", 0),
    "failed, and nobody was told": lambda s: setattr(refund_of(s, 2), "failure", None),
    "failed refunds differ": lambda s: s.state.refunds_failed.clear(),
    "refunds and failed ones": lambda s: setattr(night(s).owed, "refunds", 7),
    "mail is 2": lambda s: setattr(s.state, "mail", 2),
    "message 5 stands under another's number": lambda s: setattr(message(s, 0), "id", 5),
    "an unknown kind": lambda s: setattr(message(s, 0), "kind", "gossip"),
    "of a notice that is to be made yet": lambda s: s.state.deliveries.rows.update({4001: late_message(s)}),
    "about a booking that is to be made yet": lambda s: setattr(message(s, 0), "booking_id", 99),
    "given up for no reason": lambda s: setattr(message(s, 1), "failure", None),
    "messages are not in their order": lambda s: s.state.deliveries.rows.update(
        {message(s, 0).id: s.state.deliveries.rows.pop(message(s, 0).id)}
    ),
    "messages given up differ": lambda s: s.state.deliveries_dead.clear(),
    "messages and dead ones": lambda s: setattr(night(s).owed, "deliveries_dead", 0),
    "user ann has no webhook": lambda s: setattr(s.state.users.rows["ann"], "webhook_url", None),
    "event 1 has no webhook": lambda s: setattr(night(s).event, "webhook_disabled", True),
    "tells bookings that are to be made yet": lambda s: setattr(night(s).event, "tell_below", 99),
    "told 8 of those below 8": lambda s: setattr(night(s).event, "told", 8),
    "telling is False": lambda s: s.state.telling.clear(),
    "ticket 1 of booking 1 stands under": lambda s: setattr(entry(s), "id", 5),
    "was shown, and it has 2": lambda s: spoil_entry(s, 3),
    "is to be shown yet": lambda s: setattr(entry(s), "at_ms", 10**15),
    "was shown, and the booking has status": lambda s: setattr(entry(s), "id", move_entry(s, 3)),
    "pieces of news are in order": lambda s: s.state.provider_event_order.pop(),
    "news stand twice in the order": lambda s: s.state.provider_event_order.append(
        (s.state.provider_event_order.pop(), s.state.provider_event_order[0])[1]
    ),
    "news stand in the order that are not there": lambda s: s.state.provider_event_order.append(
        msgspec.structs.replace(s.state.provider_event_order.pop())
    ),
    "the news are not in the order of their time": lambda s: setattr(s.state.provider_event_order[0], "at_ms", 10**15),
    "is another one": lambda s: setattr(s.state.concerns.rows["dispute:dp_1"], "kind", "paid_twice"),
    "is to be closed yet": lambda s: setattr(s.state.concerns.rows["dispute:dp_1"], "closed_ms", 10**15),
    "open concerns are counted": lambda s: setattr(s.state, "concerns_open", 5),
    "sales and events differ": lambda s: s.state.sales.pop(1),
}


@pytest.mark.parametrize(("named", "spoils"), SPOILT.items(), ids=SPOILT)
def test_a_fault_is_named(named, spoils):
    story = busy()
    for table in story.state.tables.values():
        table.take_changes()  # so that the hash is settled, and a change behind its back is seen
    check(story.state)
    spoils(story)
    with pytest.raises(AssertionError, match=named):
        check(story.state)


def test_it_changes_nothing():
    story = busy()
    before = story.state.counters()
    check(story.state)
    assert story.state.counters() == before
