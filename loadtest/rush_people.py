"""The people of one generator: where each of them stands, what they ask next, and what they were told.

Owns the life of a person, as a number in a few arrays: no object and no task for each. A request follows from where a
person stands alone, so asking again after an error or a lost connection sends the very same bytes, key included. Knows
neither sockets nor clocks.

    comes → waits → chooses → holds: pays, gives up, or lets the hold lapse
                 ↘ lets the turn pass       ↘ told that nothing is left, looks again

All end in something they were told. An answer that nobody should ever get is noted as a fault, and ends the person.
"""

from array import array
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from typing import Final

import msgspec

from .rush_plan import Character, Plan, characters_of, user_id

RETRY_SECONDS_MAX: Final = 5.0  # where a refusal says less, it is this; where it says more, it is that
FAULTS_KEPT: Final = 20
TICKET_PRICE_CENTS: Final = 1000


class Step(IntEnum):
    """Where somebody stands. From PAID on it is an end."""

    COMES = 0
    WAITS = 1
    CHOOSES = 2
    PASSES = 3  # lets the turn pass, until told that it is over
    LOOKS = 4  # was told that nothing is free; asks for the place
    PAYS = 5
    GIVES_UP = 6
    LAPSES = 7  # lets the hold lapse, until told
    PAID = 8
    GAVE_UP = 9
    HOLD_LAPSED = 10
    TURN_PASSED = 11  # on purpose
    TURN_MISSED = 12  # looked, or booked, too late
    NOTHING_LEFT = 13  # had a turn, and others had taken all
    TOLD_OVER = 14  # waited to the end
    FAULTY = 15


FIRST_END: Final = Step.PAID


class Call(IntEnum):
    JOIN = 0
    PLACE = 1
    BOOK = 2
    PAY = 3
    GIVE_UP = 4
    LOOK_AT_BOOKING = 5
    ROOM = 6  # what everybody sees; asked for by a cache, not by people


CALL_NAMES: Final = {
    Call.JOIN: "join the queue",
    Call.PLACE: "poll one's place",
    Call.BOOK: "book",
    Call.PAY: "pay",
    Call.GIVE_UP: "give up a hold",
    Call.LOOK_AT_BOOKING: "look at a booking",
    Call.ROOM: "the room, for a cache",
}
WRITES: Final = frozenset({Call.JOIN, Call.BOOK, Call.PAY, Call.GIVE_UP})
CALL_OF: Final = (
    Call.JOIN, Call.PLACE, Call.BOOK, Call.PLACE, Call.PLACE, Call.PAY, Call.GIVE_UP, Call.LOOK_AT_BOOKING,
)  # fmt: skip


class PlaceSaid(msgspec.Struct, rename="camel", gc=False):
    number: int
    status: str
    state: str = ""  # of the room; not said to whoever joins
    token: str = ""
    estimated_wait_seconds: int | None = None
    refresh_interval_seconds: int = 0


class BookingSaid(msgspec.Struct, rename="camel", gc=False):
    booking_id: int
    status: str
    quantity: int = 0
    tickets: list[dict[str, object]] = []


class ProblemSaid(msgspec.Struct, rename="camel", gc=False):
    code: str = ""
    reason: str = ""
    detail: str = ""
    available: int = 0


class ToldBooking(msgspec.Struct):
    """What somebody knows about the tickets they asked for. `status`: held, paid, given_up or lapsed."""

    booking_id: int
    quantity: int
    status: str
    codes: tuple[str, ...] = ()


_place: Final = msgspec.json.Decoder(PlaceSaid)
_booking: Final = msgspec.json.Decoder(BookingSaid)
_problem: Final = msgspec.json.Decoder(ProblemSaid)
Later = Callable[[int, float], None]


class People:
    """`request_of` a person who is due, then `answered`; `later(person, seconds)` is called for when they act next."""

    def __init__(self, plan: Plan, generator: int, event_id: int, later: Later) -> None:
        self._plan, self._generator, self._later = plan, generator, later
        self._characters, wanted, self._chance = characters_of(plan, generator)
        count = plan.people_of(generator)
        self.steps = bytearray(count)
        self.numbers = array("I", bytes(4 * count))
        self.bookings: dict[int, ToldBooking] = {}
        self.faults: list[str] = []
        self.counts = Counter[Step]({Step.COMES: count})
        self.admitted_number_max = 0
        self.refresh_seconds = 2.0  # as a cache has it
        self._quantities = bytearray(wanted)
        self._attempts = bytearray(count)  # counts what differs from what was asked before: each has its own key
        self._tokens: list[bytes] = [b""] * count
        self._event_id = event_id
        self._queue = f"/events/{event_id}/queue".encode()
        self._answered = (
            self._joined, self._told_place, self._told_booked, self._told_place, self._told_place, self._told_paid,
            self._told_given_up, self._told_of_booking,
        )  # fmt: skip

    @property
    def ended(self) -> int:
        return sum(count for step, count in self.counts.items() if step >= FIRST_END)

    def user_id(self, person: int) -> str:
        return user_id(person * self._plan.generators + self._generator)

    # --- what they ask

    def request_of(self, person: int) -> bytes:
        call = CALL_OF[self.steps[person]]
        if call is Call.PLACE:
            return b"GET %b/%b HTTP/1.1\r\nHost: onsale\r\n\r\n" % (self._queue, self._tokens[person])
        user = self.user_id(person).encode()
        if call is Call.JOIN:  # needs no key: whoever has a place gets it again
            return _post(self._queue, b'{"userId":"%b"}' % user)
        attempt = self._attempts[person]
        if call is Call.BOOK:
            wish = (user, self._event_id, self._quantities[person], self._tokens[person])
            body = b'{"userId":"%b","eventId":%d,"quantity":%d,"waitlist":false,"queueToken":"%b"}' % wish
            return _post(b"/booking", body, b"book-%b-%d" % (user, attempt))
        booking = self.bookings[person]
        if call is Call.PAY:
            declined = self._characters[person] == Character.PAYS_WITH_SECOND_CARD and not self._is_second(person)
            method = b"pm_card_chargeDeclined" if declined else b"pm_card_visa"
            amount = b"%d.%02d" % divmod(booking.quantity * TICKET_PRICE_CENTS, 100)
            paid = (user, self._event_id, booking.booking_id, amount, method)
            body = b'{"userId":"%b","eventId":%d,"bookingId":%d,"amount":"%b","paymentMethod":"%b"}' % paid
            return _post(b"/pay", body, b"pay-%b-%d" % (user, attempt))
        path = b"/booking/%d" % booking.booking_id
        if call is Call.GIVE_UP:
            return b"DELETE %b HTTP/1.1\r\nHost: onsale\r\nIdempotency-Key: drop-%b\r\n\r\n" % (path, user)
        return b"GET %b HTTP/1.1\r\nHost: onsale\r\n\r\n" % path

    # --- what they are told

    def answered(self, person: int, status: int, head: bytes, body: bytes) -> bool:
        """Whether it is an answer; else it is to be asked again, and will be."""
        if status in (429, 503):
            self._again(person, head)
            return False
        try:
            self._answered[self.steps[person]](person, status, body)
        except (msgspec.MsgspecError, KeyError) as error:
            self._fault(person, status, body, f"cannot be read: {error}")
        return True

    def _again(self, person: int, head: bytes) -> None:
        _, found, rest = head.partition(b"\r\nretry-after:")
        if not found and len(self.faults) < FAULTS_KEPT:
            self.faults.append(f"{self.user_id(person)} was told to ask again, and not when: {head!r}")
        seconds = float(rest.partition(b"\r\n")[0]) if found else RETRY_SECONDS_MAX
        self._later(person, seconds * (1 + self._chance[person] / 1024))

    def _joined(self, person: int, status: int, body: bytes) -> None:
        if status != 201:
            self._fault(person, status, body)
            return
        place = _place.decode(body)
        self.numbers[person] = place.number
        self._tokens[person] = place.token.encode()
        self._to(person, Step.WAITS)
        self._wait(person, place, self.refresh_seconds)

    def _told_place(self, person: int, status: int, body: bytes) -> None:
        if status != 200:
            self._fault(person, status, body)
            return
        place = _place.decode(body)
        if place.number != self.numbers[person]:
            self._fault(person, status, body, f"had number {self.numbers[person]}")
            return
        step = self.steps[person]
        if place.status == "waiting":
            if step != Step.WAITS:
                self._fault(person, status, body, "had been let in")
            elif place.state in ("sold_out", "closed"):
                self._to(person, Step.TOLD_OVER)
            else:
                self._wait(person, place, place.refresh_interval_seconds)
        elif place.status == "lapsed":
            ends = {Step.PASSES: Step.TURN_PASSED, Step.LOOKS: Step.NOTHING_LEFT}
            self._to(person, ends.get(Step(step), Step.TURN_MISSED))
        elif place.status != "admitted":
            self._fault(person, status, body)
        elif step == Step.LOOKS and place.state in ("sold_out", "closed"):
            self._to(person, Step.NOTHING_LEFT)
        else:
            self._inside(person, place)

    def _inside(self, person: int, place: PlaceSaid) -> None:
        self.admitted_number_max = max(self.admitted_number_max, place.number)
        if self.steps[person] == Step.PASSES:
            self._later(person, 1.0)
        elif self._characters[person] == Character.LETS_TURN_PASS:
            self._to(person, Step.PASSES, self._plan.turn_seconds + 0.5)
        else:
            self._to(person, Step.CHOOSES, self._thinks(person) if self.steps[person] == Step.WAITS else 0.0)

    def _wait(self, person: int, place: PlaceSaid, refresh_seconds: float) -> None:
        """As often as the room says; sooner for whoever is told that it is their turn sooner."""
        seconds = refresh_seconds
        if place.estimated_wait_seconds is not None:
            seconds = min(seconds, max(place.estimated_wait_seconds, 1.0))
        self._later(person, seconds * (0.9 + self._chance[person] / 1280))

    def _told_booked(self, person: int, status: int, body: bytes) -> None:
        if status == 201:
            booking = _booking.decode(body)
            if booking.quantity != self._quantities[person]:
                self._fault(person, status, body, f"asked for {self._quantities[person]}")
                return
            self.bookings[person] = ToldBooking(booking.booking_id, booking.quantity, "held")
            character = self._characters[person]
            if character == Character.GIVES_UP:
                self._to(person, Step.GIVES_UP, self._thinks(person))
            elif character == Character.LETS_HOLD_LAPSE:
                self._to(person, Step.LAPSES, self._plan.hold_seconds + 0.5)
            else:
                self._to(person, Step.PAYS, self._thinks(person))
            return
        problem = _problem.decode(body)
        if problem.code == "sold_out":
            self._attempts[person] = (self._attempts[person] + 2) & 0xFF
            if problem.available:
                self._quantities[person] = min(problem.available, self._quantities[person])
                self._later(person, 0.0)
            else:
                self._to(person, Step.LOOKS, self._plan.looks_again_seconds)
        elif problem.code == "queue_required" and problem.reason == "over":
            self._to(person, Step.NOTHING_LEFT if self._attempts[person] else Step.TURN_MISSED)
        else:
            self._fault(person, status, body)

    def _told_paid(self, person: int, status: int, body: bytes) -> None:
        if status == 200:
            self._paid(person, body)
        elif (
            status == 402
            and self._characters[person] == Character.PAYS_WITH_SECOND_CARD
            and not self._is_second(person)
        ):
            self._attempts[person] |= 1
            self._later(person, self._thinks(person))
        elif status == 202 or _problem.decode(body).code in ("hold_expired", "already_paid"):
            self._to(person, Step.LAPSES, 0.0 if status != 202 else 1.0)  # the booking says what has become of it
        else:
            self._fault(person, status, body)

    def _told_given_up(self, person: int, status: int, body: bytes) -> None:
        if status == 200:
            self.bookings[person].status = "given_up"
            self._to(person, Step.GAVE_UP)
        elif _problem.decode(body).code in ("hold_expired", "wrong_status"):
            self._to(person, Step.LAPSES, 0.0)
        else:
            self._fault(person, status, body)

    def _told_of_booking(self, person: int, status: int, body: bytes) -> None:
        said = _booking.decode(body) if status == 200 else None
        if said is None or said.booking_id != self.bookings[person].booking_id:
            self._fault(person, status, body)
        elif said.status == "expired":
            self.bookings[person].status = "lapsed"
            self._to(person, Step.HOLD_LAPSED)
        elif said.status == "confirmed":
            self._paid(person, body)
        else:
            self._later(person, 1.0)

    def _paid(self, person: int, body: bytes) -> None:
        booking = self.bookings[person]
        said = msgspec.json.decode(body)
        booking.codes = tuple(str(ticket["code"]) for ticket in said["tickets"])
        booking.status = "paid"
        if len(booking.codes) != booking.quantity or said["bookingId"] != booking.booking_id:
            self._fault(person, 200, body, f"holds booking {booking.booking_id} with {booking.quantity} tickets")
        else:
            self._to(person, Step.PAID)

    def _is_second(self, person: int) -> bool:
        """Whether the first card was declined."""
        return bool(self._attempts[person] & 1)

    def _thinks(self, person: int) -> float:
        return self._plan.thinks_seconds * (1 + self._chance[person]) / 256

    def _to(self, person: int, step: Step, seconds: float = 0.0) -> None:
        self.counts[Step(self.steps[person])] -= 1
        self.counts[step] += 1
        self.steps[person] = step
        if step < FIRST_END and step != Step.WAITS:
            self._later(person, seconds)

    def _fault(self, person: int, status: int, body: bytes, why: str = "") -> None:
        if len(self.faults) < FAULTS_KEPT:
            where = Step(self.steps[person]).name.lower()
            self.faults.append(f"{self.user_id(person)} ({where}) {why} was told {status}: {body[:300]!r}")
        self._to(person, Step.FAULTY)


def _post(path: bytes, body: bytes, key: bytes = b"") -> bytes:
    keyed = b"Idempotency-Key: %b\r\n" % key if key else b""
    head = b"POST %b HTTP/1.1\r\nHost: onsale\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b"
    return head % (path, len(body), keyed, body)
