"""What people were told, against what the journal says: the check that makes a rush more than a load.

Owns the comparison, and books of its own that are read from the journal's facts alone, without the engine that
decided them. `differences` gives a sentence for whatever does not agree; no sentence means that all was kept.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from ..engine import facts as f
from ..journal.reader import read_batches
from ..journal.recovery import recover
from ..node.commands.data_folder import journal_of
from .rush_generator import Told
from .rush_people import FIRST_END, Step
from .rush_plan import Plan, user_id

EXAMPLES: Final = 3


class Booked(msgspec.Struct):
    """A booking as the journal has it. `status`: held, paid, given_up or lapsed."""

    user_id: str
    quantity: int
    status: str = "held"


class Books(msgspec.Struct):
    """One event, as the journal tells it."""

    joined: list[str] = []  # users, in the order in which they came: the first has number 1
    admitted_through: int = 0
    bookings: dict[int, Booked] = {}
    facts: int = 0
    by_payment: dict[int, int] = {}

    @property
    def sold(self) -> int:
        return sum(booking.quantity for booking in self.bookings.values() if booking.status == "paid")

    @property
    def held(self) -> int:
        return sum(booking.quantity for booking in self.bookings.values() if booking.status == "held")

    def see(self, fact: f.Fact) -> None:
        match fact:
            case f.QueueJoined():
                self.joined.append(fact.user_id)
            case f.QueueAdmitted():
                self.admitted_through = max(self.admitted_through, fact.through)
            case f.Held():
                self.bookings[fact.booking_id] = Booked(fact.user_id, fact.quantity)
            case f.PaymentStarted():
                self.by_payment[fact.payment_id] = fact.booking_id
            case f.PaymentSucceeded():
                self.bookings[self.by_payment[fact.payment_id]].status = "paid"
            case f.BookingCancelled():
                self.bookings[fact.booking_id].status = "given_up"
            case f.Lapsed():
                self.bookings[fact.booking_id].status = "lapsed"
            case _:
                pass


def read_books(data: Path) -> Books:
    """Of a node at rest whose one event was sold. Raises CorruptJournal and what else reading may raise."""
    books = Books()
    disk = journal_of(data)
    recovered = recover(disk, known_durable_seq=0, known_hash=None, repair=False)
    for batch in read_batches(disk, 0, through_seq=recovered.last_seq):
        for fact in f.decode(batch.payload):
            books.see(fact)
            books.facts += 1
    return books


def differences(plan: Plan, told: Sequence[Told], books: Books) -> list[str]:
    """Sentences; empty when everybody was told the truth and nothing was promised twice."""
    found = [fault for each in told for fault in each.faults]
    found += _not_ended(told)
    found += _places(plan, told, books)
    found += _bookings(plan, told, books)
    found += _stock(plan, told, books)
    return found


def unsold_because(plan: Plan, books: Books) -> str:
    """Why not all was sold; empty when it was."""
    left = plan.tickets - books.sold
    if not left:
        return ""
    if books.admitted_through == len(books.joined):
        return f"{left} tickets are left: everybody had a turn, and nobody wanted more"
    return f"{left} tickets are left, and people still waited for them"


def _not_ended(told: Sequence[Told]) -> list[str]:
    steps = Counter(step for each in told for step in each.steps)
    left = {Step(step).name.lower(): count for step, count in steps.items() if step < FIRST_END}
    return [f"people did not come to an end: {left}"] if left else []


def _places(plan: Plan, told: Sequence[Told], books: Books) -> list[str]:
    """Everybody has the number under which the journal has them, and nobody was passed by a later one."""
    wrong, knows = [], 0
    last_admitted = max((each.admitted_number_max for each in told), default=0)
    passed = []
    for each in told:
        for local, number in enumerate(each.numbers):
            if not number:
                continue
            knows += 1
            user = user_id(local * plan.generators + each.generator)
            if number > len(books.joined) or books.joined[number - 1] != user:
                wrong.append(f"{user} was told number {number}")
            if number < last_admitted and each.steps[local] == Step.TOLD_OVER:
                passed.append(f"{user} with number {number}")
    found = _examples(wrong, "numbers are not what the journal says")
    found += _examples(passed, f"people waited to the end, and number {last_admitted} was let in")
    if last_admitted > books.admitted_through:
        found.append(
            f"number {last_admitted} was told that it is their turn; the journal admits {books.admitted_through}"
        )
    if knows != len(books.joined):
        found.append(f"{knows} people were told a number, and {len(books.joined)} joined by the journal")
    if len(set(books.joined)) != len(books.joined):
        found.append("somebody has two places")
    return found


def _bookings(plan: Plan, told: Sequence[Told], books: Books) -> list[str]:
    wrong, known = [], set()
    for each in told:
        for local, booking in each.bookings.items():
            user = user_id(local * plan.generators + each.generator)
            known.add(booking.booking_id)
            expected = Booked(user, booking.quantity, booking.status)
            if books.bookings.get(booking.booking_id) != expected:
                has = books.bookings.get(booking.booking_id)
                wrong.append(f"booking {booking.booking_id} was told as {expected}, the journal has {has}")
    untold = [f"booking {number}" for number in books.bookings.keys() - known]
    return _examples(wrong, "bookings are not what people were told") + _examples(untold, "bookings nobody was told of")


def _stock(plan: Plan, told: Sequence[Told], books: Books) -> list[str]:
    found = []
    if books.sold > plan.tickets:
        found.append(f"{books.sold} tickets were sold, of {plan.tickets}")
    codes = [code for each in told for booking in each.bookings.values() for code in booking.codes]
    if len(set(codes)) != len(codes):
        found.append(f"{len(codes) - len(set(codes))} ticket codes were given out twice")
    if len(codes) != books.sold:
        found.append(f"people were given {len(codes)} tickets, and {books.sold} are sold by the journal")
    if books.held:
        found.append(f"{books.held} tickets are still held, and nobody is left to pay for them")
    because = unsold_because(plan, books)
    if "still waited" in because:
        found.append(because)
    return found


def _examples(found: list[str], what: str) -> list[str]:
    return [f"{len(found)} {what}: {'; '.join(found[:EXAMPLES])}"] if found else []
