"""What holds of messages, of telling people of changes, of tickets at the door, and of idempotency keys."""

from collections import Counter
from itertools import pairwise

from ..limits import DELIVERIES_MAX
from ..notices import CHANNEL_NAMES, KINDS, delivery_id
from ..state import State, entry_id
from ..status import COUNTS_AS_SOLD, REFUND_PENDING, REFUNDED


def check_messages(state: State) -> None:
    assert state.mail in {0, 1}, f"mail is {state.mail}"
    owed: Counter[tuple[int, bool]] = Counter()
    for delivery in state.deliveries.rows.values():
        who = f"message {delivery.id}"
        assert delivery.id == delivery_id(delivery.notice_id, delivery.channel), f"{who} stands under another's number"
        assert delivery.channel in CHANNEL_NAMES, f"{who} goes by an unknown channel {delivery.channel}"
        assert delivery.kind in KINDS, f"{who} is of an unknown kind {delivery.kind}"
        assert 0 < delivery.notice_id < state.next_notice_id, f"{who} is of a notice that is to be made yet"
        about_booking = delivery.kind != "admitted"  # the only one that tells of no booking
        assert about_booking == (delivery.booking_id > 0), f"{who} is about booking {delivery.booking_id}"
        assert delivery.booking_id < state.next_booking_id, f"{who} is about a booking that is to be made yet"
        assert not delivery.dead or (delivery.failure and not delivery.due_ms), f"{who} was given up for no reason"
        owed[delivery.event_id, delivery.dead] += 1
    assert all(one < other for one, other in pairwise(state.deliveries.rows)), "messages are not in their order"
    assert len(state.deliveries) <= DELIVERIES_MAX, f"{len(state.deliveries)} messages are owed"
    dead = {delivery.id for delivery in state.deliveries.rows.values() if delivery.dead}
    assert state.deliveries_dead.keys() == dead, f"messages given up differ in {state.deliveries_dead.keys() ^ dead}"
    for event_id, sale in state.sales.items():
        counted, found = (
            (sale.owed.deliveries, sale.owed.deliveries_dead),
            (owed[event_id, False], owed[event_id, True]),
        )
        assert counted == found, f"event {event_id} counts {counted} messages and dead ones, there are {found}"
    for user in state.users.rows.values():
        assert user.webhook_url or not user.webhook_disabled, f"user {user.id} has no webhook, and it is disabled"
    for event in state.events.rows.values():
        assert event.webhook_url or not event.webhook_disabled, f"event {event.id} has no webhook, and it is disabled"


def check_telling(state: State) -> None:
    for event in state.events.rows.values():
        who = f"event {event.id}"
        assert event.tell_below <= state.next_booking_id, f"{who} tells bookings that are to be made yet"
        assert 0 <= event.told < max(event.tell_below, 1), f"{who} told {event.told} of those below {event.tell_below}"
        expected = event.told + 1 < event.tell_below and not event.cancelled
        assert (event.id in state.telling) == expected, f"{who}: telling is {not expected}, {event.told} are told"


def check_entries(state: State) -> None:
    for key, entry in state.entries.rows.items():
        booking, who = state.bookings.rows[entry.booking_id], f"ticket {entry.number} of booking {entry.booking_id}"
        assert entry.id == key == entry_id(booking.id, entry.number), f"{who} stands under another's number"
        assert 1 <= entry.number <= booking.quantity, f"{who} was shown, and it has {booking.quantity}"
        assert entry.at_ms <= state.at_ms, f"{who} is to be shown yet"
        sold = booking.status in COUNTS_AS_SOLD | {REFUND_PENDING, REFUNDED}
        assert sold, f"{who} was shown, and the booking has status {booking.status}"


def check_keys(state: State) -> None:
    """Every key stands in the order once, oldest first; ones that were used anew since may stand there as well."""
    live = [key for key in state.key_order if state.keys.rows.get(key.digest) is key]
    assert len({key.digest for key in live}) == len(live) == len(state.keys.rows), "a key is not in the order once"
    times = [key.at_ms for key in state.key_order]
    assert times == sorted(times), "the keys are not in the order of their time"
