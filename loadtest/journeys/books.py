"""What people were told, against what the journal says.

Owns the comparison, and books of its own that are read from the journal's facts alone, without the engine that decided
them. `differences` gives a sentence for whatever does not agree; no sentence means that everybody was told the truth,
that nothing was lost and that nothing was sold twice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from ...engine import facts as f
from ...journal.reader import read_batches
from ...journal.recovery import recover
from ...node.commands.data_folder import journal_of
from .ledger import Record, ToldBooking

EXAMPLES: Final = 3
AGREES: Final = {  # what somebody was told last → what the journal may say at the end
    "waiting": {"waiting", "held", "lapsed"},
    "held": {"held", "lapsed"},
    "paying": {"held", "paid", "lapsed"},
    "paid": {"paid"},
    "lapsed": {"lapsed"},
    "given_up": {"given_up"},
}
MAY_HAVE_BECOME: Final = {"pay": "paid", "give_up": "given_up"}  # by a write whose answer never came


class Booked(msgspec.Struct):
    """A booking as the journal has it. `status`: waiting, held, paid, given_up or lapsed."""

    user_id: str
    event_id: int
    quantity: int
    amount_minor: int
    status: str
    seats: tuple[int, ...] = ()


class Books(msgspec.Struct):
    bookings: dict[int, Booked] = {}
    capacity: dict[int, int] = {}  # by event
    joined: dict[int, list[str]] = {}  # by event: users as they came; the first has number 1
    admitted_through: dict[int, int] = {}  # by event
    by_payment: dict[int, int] = {}
    facts: int = 0

    def sold(self, event_id: int) -> int:
        return sum(
            each.quantity for each in self.bookings.values() if (each.event_id, each.status) == (event_id, "paid")
        )

    def see(self, fact: f.Fact) -> None:
        self.facts += 1
        match fact:
            case f.EventCreated():
                self.capacity[fact.event_id] = sum(each.capacity for each in fact.types)
            case f.QueueJoined():
                self.joined.setdefault(fact.event_id, []).append(fact.user_id)
            case f.QueueAdmitted():
                self.admitted_through[fact.event_id] = fact.through
            case f.Held() | f.Waited():
                held = isinstance(fact, f.Held)
                self.bookings[fact.booking_id] = Booked(
                    fact.user_id, fact.event_id, fact.quantity, fact.amount_minor, "held" if held else "waiting",
                    fact.seats if isinstance(fact, f.Held) else (),
                )  # fmt: skip
            case f.Promoted():
                booking = self.bookings[fact.booking_id]
                booking.status, booking.seats = "held", fact.seats
            case f.PaymentStarted():
                self.by_payment[fact.payment_id] = fact.booking_id
            case f.PaymentSucceeded() if not fact.surplus:
                booking = self.bookings[self.by_payment[fact.payment_id]]
                booking.status, booking.seats = "paid", fact.seats or booking.seats
            case f.BookingCancelled():
                self.bookings[fact.booking_id].status = "given_up"
            case f.Lapsed():
                self.bookings[fact.booking_id].status = "lapsed"
            case _:
                pass


def read_books(data: Path) -> Books:
    """Of a node at rest. Raises CorruptJournal and what else reading may raise."""
    books, disk = Books(), journal_of(data)
    recovered = recover(disk, known_durable_seq=0, known_hash=None, repair=False)
    for batch in read_batches(disk, 0, through_seq=recovered.last_seq):
        for fact in f.decode(batch.payload):
            books.see(fact)
    return books


def differences(records: Sequence[Record], books: Books, sold_by_node: Mapping[int, int]) -> list[str]:
    """Sentences. `sold_by_node`: what the node itself said when everybody had left."""
    found = _examples(_wrong_bookings(records, books), "bookings are not what people were told")
    found += _examples(_untold(records, books), "bookings nobody was told of")
    found += _examples(_wrong_places(records, books), "places in a waiting room are not what people were told")
    found += _examples(_wrong_sums(records, books, sold_by_node), "sums do not agree")
    found += _examples(_twice(records, books), "tickets were given out twice")
    return found


def _wrong_bookings(records: Iterable[Record], books: Books) -> Iterator[str]:
    for record in records:
        for told in record.bookings.values():
            has = books.bookings.get(told.booking_id)
            if has is None:
                yield f"{told.user_id} was told of booking {told.booking_id}, and the journal has none"
                continue
            mine = (told.user_id, told.event_id, told.quantity, int(Decimal(told.amount) * 100), len(told.seats))
            its = (has.user_id, has.event_id, has.quantity, has.amount_minor, len(has.seats))
            if mine != its and not (told.status == "waiting" and mine[:4] == its[:4]):
                yield f"booking {told.booking_id} was told as {mine}, and the journal has {its}"
            elif has.status not in AGREES[told.status] | _may_have_become(record, told):
                yield f"booking {told.booking_id} was told as {told.status}, and is {has.status}"


def _may_have_become(record: Record, told: ToldBooking) -> set[str]:
    return {MAY_HAVE_BECOME[each.what] for each in record.unanswered if each.booking_id == told.booking_id}


def _untold(records: Iterable[Record], books: Books) -> Iterator[str]:
    """A booking that somebody asked for and left before the answer is theirs to find; there is one at most."""
    known, asked = set[int](), Counter[tuple[str, int]]()
    for record in records:
        known |= record.bookings.keys()
        asked.update((each.user_id, each.event_id) for each in record.unanswered if each.what == "book")
    for booking_id in books.bookings.keys() - known:
        has = books.bookings[booking_id]
        asked[has.user_id, has.event_id] -= 1
        if asked[has.user_id, has.event_id] < 0:
            yield f"booking {booking_id} of {has.user_id}, {has.status}"


def _wrong_places(records: Iterable[Record], books: Books) -> Iterator[str]:
    """Everybody has the number they came with, and who was let in is among those the journal lets in."""
    for record in records:
        for place in record.places:
            joined = books.joined.get(place.event_id, [])
            if not 1 <= place.number <= len(joined) or joined[place.number - 1] != place.user_id:
                yield f"{place.user_id} was told number {place.number}"
            elif place.admitted and place.number > books.admitted_through.get(place.event_id, 0):
                yield f"number {place.number} was told that it is their turn, and is not let in"


def _wrong_sums(records: Iterable[Record], books: Books, sold_by_node: Mapping[int, int]) -> Iterator[str]:
    told, maybe = Counter[int](), Counter[int]()
    for record in records:
        late = {each.booking_id for each in record.unanswered if each.what == "pay"}
        for booking in record.bookings.values():
            if booking.status == "paid":
                told[booking.event_id] += booking.quantity
            elif booking.status == "paying" or booking.booking_id in late:
                maybe[booking.event_id] += booking.quantity
    for event_id, by_node in sold_by_node.items():
        sold, capacity = books.sold(event_id), books.capacity.get(event_id, 0)
        if sold > capacity:
            yield f"{sold} tickets of event {event_id} were sold, and there are {capacity}"
        if not told[event_id] <= sold <= told[event_id] + maybe[event_id]:
            yield f"{sold} tickets of event {event_id} are sold, and people were given {told[event_id]}"
        if not told[event_id] <= by_node <= sold:
            yield f"the node says that {by_node} tickets of event {event_id} are sold, and the journal {sold}"


def _twice(records: Iterable[Record], books: Books) -> Iterator[str]:
    """Whatever the status: no code, and no seat that is paid for, is two people's."""
    codes, seats, by_journal = set[str](), set[tuple[int, str]](), set[tuple[int, int]]()
    for record in records:
        for booking in record.bookings.values():
            for code in booking.codes:
                if code in codes:
                    yield f"ticket {code} of booking {booking.booking_id}"
                codes.add(code)
            for seat in booking.seats if booking.status == "paid" else ():
                if (booking.event_id, seat) in seats:
                    yield f"seat {seat} of event {booking.event_id}, again by booking {booking.booking_id}"
                seats.add((booking.event_id, seat))
    for booking_id, has in books.bookings.items():
        for number in has.seats if has.status in ("held", "paid") else ():
            if (has.event_id, number) in by_journal:
                yield f"seat number {number} of event {has.event_id}, again by booking {booking_id}"
            by_journal.add((has.event_id, number))


def _examples(found: Iterable[str], what: str) -> list[str]:
    sentences = list(found)
    return [f"{len(sentences)} {what}: {'; '.join(sentences[:EXAMPLES])}"] if sentences else []
