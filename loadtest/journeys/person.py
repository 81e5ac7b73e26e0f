"""One person and what they can do: each call of the API, with what must be true of its answer.

Owns which answers the contract allows where, and that amounts, quantities, seats and numbers are those that were asked
for. What the person was told goes into their record. Who does what when is people.py's.
"""

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from . import answers as a
from .client import BrokenPromiseError, Client, Line, Told
from .ledger import Record, ToldBooking, ToldPlace, Unanswered
from .plan import Plan
from .proof import solution

ON_SALE_NO_MORE: Final = frozenset({"not_on_sale", "event_cancelled"})
BOOKED: Final = {
    201: a.Booked,
    202: a.Booked,
    403: {"queue_required"},
    409: {"sold_out"} | ON_SALE_NO_MORE,
    422: {"limit_per_user", "invalid_seats"},
    425: {"too_early"},
}
JOINED: Final = {
    200: a.Joined,
    201: a.Joined,
    403: {"challenge_required"},
    409: {"wrong_status"} | ON_SALE_NO_MORE,
    422: {"limit_per_user"},
}
PAID: Final = {
    200: a.Paid,
    202: a.Paid,
    402: {"payment_declined"},
    409: {"already_paid", "event_cancelled", "wrong_status"},
    410: {"hold_expired"},
}
GIVEN_UP: Final = {200: a.GivenUp, 409: {"wrong_status"}}
BECOMES: Final = {  # what a person knows of a booking → what they may find that it is
    "waiting": {"waiting", "held", "expired"},
    "held": {"held", "expired"},
    "paying": {"paying", "held", "confirmed", "expired"},
    "paid": {"confirmed"},
    "lapsed": {"expired"},
    "given_up": {"cancelled"},
}


class Person:
    """Somebody who comes, does something, and leaves. All raise OutOfContractError."""

    def __init__(
        self, plan: Plan, journey: str, number: int, line: Line, second: Callable[[], float], headers: dict[str, str],
    ) -> None:  # fmt: skip
        """`number`: nobody else of the run has it. `second`: of the run. `headers`: sent with every request."""
        self.plan, self.line, self.second = plan, line, second
        self.record = Record(journey, f"{plan.run_id}-{number}")
        self.user_id = self.record.user_id
        self.chance = random.Random(self.user_id)
        octets = ".".join(str(number >> shift & 0xFF) for shift in (16, 8, 0))
        self._headers = {"X-Forwarded-For": f"10.{octets}"} | headers  # an address of their own, if it is believed
        self.client = Client(line, self.record, self._headers, self.chance)

    def thinks(self, times: float = 1.0) -> None:
        self.line.rest(self.plan.thinks_seconds * times * self.chance.uniform(0.2, 1.0))

    def rotates_to(self, user_id: str) -> None:
        """From now on somebody else, as bots do; what was told stays in the same record."""
        self.user_id = user_id

    def fault(self, what: str) -> BrokenPromiseError:
        """To be raised."""
        self.record.count("faults")
        return BrokenPromiseError(f"{self.record.user_id}: {what}")

    # --- looking

    def search(self, pages: int = 1, **wishes: object) -> list[a.EventItem]:
        limit = int(str(wishes.setdefault("limit", 20)))
        found: list[a.EventItem] = []
        path: str | None = f"/events?{urlencode(wishes)}"

        def check(page: list[a.EventItem]) -> str:
            wrong = [each.id for each in page if "city" in wishes and each.city != wishes["city"]]
            if wrong:
                return f"asked for {wishes['city']}, and was shown {wrong}"
            return f"{len(page)} events on a page of {limit}" if len(page) > limit else ""

        while path is not None and pages:
            told = self.client.read("search", path, {200: list[a.EventItem]}, check)
            found += told.said
            path, pages = _next_page(told), pages - 1
        return found

    def look_at_event(self, event_id: int) -> a.Event:
        def check(event: a.Event) -> str:
            return _wrong_counts(event_id, event.id, event.ticket_types)

        event: a.Event = self.client.read("event", f"/events/{event_id}", {200: a.Event}, check).said
        return event

    def look_at_availability(self, event_id: int, etag: str | None = None) -> Told:
        def check(counts: a.Availability) -> str:
            if sum(each.available for each in counts.ticket_types) != counts.available:
                return "the ticket types do not add up to what is available"
            return _wrong_counts(event_id, counts.event_id, counts.ticket_types)

        path = f"/events/{event_id}/availability"
        return self.client.read("availability", path, {200: a.Availability, 304: a.Nothing}, check, etag=etag)

    def look_at_room(self, event_id: int, etag: str | None = None) -> Told:
        def check(room: a.Room) -> str:
            return f"serves {room.now_serving} of {room.last_number}" if room.now_serving > room.last_number else ""

        return self.client.read("queue", f"/events/{event_id}/queue", {200: a.Room, 304: a.Nothing}, check, etag=etag)

    def free_seats(self, event_id: int) -> list[list[str]]:
        """Row by row."""
        seats: a.SeatMap = self.client.read("seats", f"/events/{event_id}/seats", {200: a.SeatMap}).said
        rows = [row for section in seats.sections for row in section.rows]
        return [free for row in rows if (free := [seat.id for seat in row.seats if seat.status == "available"])]

    # --- the waiting room

    def challenge(self, event_id: int) -> dict[str, Any]:
        """As it came, to be sent back."""
        told = self.client.read("challenge", f"/challenge?event_id={event_id}", {200: a.Challenge})
        return msgspec.structs.asdict(told.said)

    def solve(self, event_id: int) -> str:
        return solution(self.challenge(event_id), lambda: self.line.rest(0))

    def join(self, event_id: int, challenge: str | None, *, patient: bool = True) -> Told:
        body = {"userId": self.user_id} | ({"challenge": challenge} if challenge is not None else {})
        may_be = Unanswered("join", self.user_id, event_id)
        path = f"/events/{event_id}/queue"
        told = self.client.write("join", "POST", path, body, JOINED, may_be=may_be, patient=patient)
        if told.status in (200, 201):
            self.record.places.append(ToldPlace(self.user_id, event_id, told.said.number))
        return told

    def look_at_place(self, event_id: int, joined: a.Joined) -> a.Place:
        def check(place: a.Place) -> str:
            if place.number != joined.number:
                return f"had number {joined.number}, and now {place.number}"
            if place.refresh_interval_seconds < 1:
                return f"was told to look again every {place.refresh_interval_seconds} s"
            return "admitted, and not until when" if place.admitted and not place.expires_at else ""

        told = self.client.read("place", f"/events/{event_id}/queue/{joined.token}", {200: a.Place}, check, own=True)
        place: a.Place = told.said
        if place.admitted:
            self.record.places[-1].admitted = True
        return place

    def leave_queue(self, event_id: int, joined: a.Joined) -> None:
        expected = {200: a.Left, 404: {"not_found"}, 409: {"wrong_status"}}
        path = f"/events/{event_id}/queue/{joined.token}"
        self.client.write("leave", "DELETE", path, None, expected)

    # --- tickets

    def book(
        self, event: a.Event, quantity: int, *, seats: Sequence[str] = (), token: str | None = None,
        waitlist: bool = False, patient: bool = True,
    ) -> Told:  # fmt: skip
        body: dict[str, Any] = {"userId": self.user_id, "eventId": event.id, "waitlist": waitlist}
        body |= {"seats": list(seats)} if seats else {"quantity": quantity}
        if token is not None:
            body["queueToken"] = token
        check = partial(self._check_booked, event, quantity, tuple(seats))
        may_be = Unanswered("book", self.user_id, event.id)
        told = self.client.write("book", "POST", "/booking", body, BOOKED, check, may_be=may_be, patient=patient)
        if told.status < 300:
            said: a.Booked = told.said
            if said.booking_id in self.record.bookings:
                raise self.fault(f"booking {said.booking_id} was made twice")
            held = told.status == 201
            self.record.bookings[said.booking_id] = ToldBooking(
                said.booking_id, self.user_id, said.event_id, said.quantity, said.amount,
                "held" if held else "waiting", said.seats, was_held=held,
            )  # fmt: skip
        return told

    def _check_booked(self, event: a.Event, quantity: int, seats: tuple[str, ...], said: a.Booked) -> str:
        price = Decimal(event.ticket_types[0].price)
        wanted = (self.user_id, event.id, quantity, price * quantity, event.currency)
        if (said.user_id, said.event_id, said.quantity, Decimal(said.amount), said.currency) != wanted:
            return f"asked for {wanted}, and was told {said}"
        if seats and said.seats and set(said.seats) != set(seats):
            return f"asked for seats {seats}, and was given {said.seats}"
        if said.status == "held":
            fine = said.expires_at is not None and (said.expires_in_seconds or 0) > 0
            return "" if fine else f"a hold that does not say until when: {said}"
        fine = said.status == "waiting" and (said.position or 0) > 0
        return "" if fine else f"neither held nor waiting: {said}"

    def look_at_booking(self, booking: ToldBooking) -> a.Booking:
        """Sees what has become of it, and knows it from then on."""

        def check(said: a.Booking) -> str:
            has = (said.booking_id, said.user_id, said.event_id, said.quantity)
            mine = (booking.booking_id, self.user_id, booking.event_id, booking.quantity)
            if has != mine or Decimal(said.amount) != Decimal(booking.amount):
                return f"booked {mine} for {booking.amount}, and was shown {said}"
            possible = said.status in BECOMES[booking.status]
            return "" if possible else f"was {booking.status}, by what was told, and is {said.status}"

        told = self.client.read("booking", f"/booking/{booking.booking_id}", {200: a.Booking}, check, own=True)
        said: a.Booking = told.said
        if said.status == "expired":
            booking.status = "lapsed"
        elif said.status == "held":
            booking.status, booking.seats, booking.was_held = "held", said.seats, True
        elif said.status == "confirmed":
            self._has_paid(booking, said.tickets)
        return said

    def pay(
        self, booking: ToldBooking, *, method: str = "pm_card_visa", amount: str = "", expected: a.Expected = PAID,
        may_pay: bool = True,
    ) -> Told:  # fmt: skip
        body = {
            "userId": self.user_id,
            "eventId": booking.event_id,
            "bookingId": booking.booking_id,
            "amount": amount or booking.amount,
            "paymentMethod": method,
        }

        def check(said: a.Paid) -> str:
            if (said.booking_id, Decimal(said.amount)) != (booking.booking_id, Decimal(booking.amount)):
                return f"paid {booking.amount} for booking {booking.booking_id}, and was told {said}"
            if said.status == "succeeded" and len(said.tickets) != booking.quantity:
                return f"paid for {booking.quantity} tickets, and was given {len(said.tickets)}"
            return ""

        may_be = Unanswered("pay", self.user_id, booking.event_id, booking.booking_id) if may_pay else None
        told = self.client.write("pay", "POST", "/pay", body, expected, check, may_be=may_be)
        if told.status == 200:
            self._has_paid(booking, told.said.tickets)
        elif told.status == 202:
            booking.status = "paying"
        elif told.status == 410:
            booking.status = "lapsed"
        return told

    def _has_paid(self, booking: ToldBooking, tickets: Sequence[a.Ticket]) -> None:
        booking.status, booking.codes = "paid", tuple(ticket.code for ticket in tickets)
        if len(set(booking.codes)) != booking.quantity:
            raise self.fault(f"booking {booking.booking_id} of {booking.quantity} has tickets {booking.codes}")

    def give_up(self, booking: ToldBooking) -> Told:
        def check(said: a.GivenUp) -> str:
            has = (said.booking_id, said.status, said.user_id, said.quantity)
            mine = (booking.booking_id, "cancelled", self.user_id, booking.quantity)
            return "" if has == mine else f"gave up {mine}, and was told {said}"

        may_be = Unanswered("give_up", self.user_id, booking.event_id, booking.booking_id)
        path = f"/booking/{booking.booking_id}"
        told = self.client.write("give up", "DELETE", path, None, GIVEN_UP, check, may_be=may_be)
        if told.status == 200:
            booking.status = "given_up"
        return told

    def notices(self) -> list[a.Notice]:
        path = f"/users/{self.user_id}/notifications"
        notices: list[a.Notice] = self.client.read("notifications", path, {200: list[a.Notice]}, own=True).said
        return notices


def _next_page(told: Told) -> str | None:
    link = str(told.heard.headers.get("Link") or "")
    return link[1 : link.index(">")] if link.endswith('rel="next"') else None


def _wrong_counts(wanted: int, event_id: int, types: Sequence[a.TypeCounts | a.TicketType]) -> str:
    if event_id != wanted:
        return f"asked for event {wanted}, and was shown {event_id}"
    wrong = [each for each in types if min(each.available, each.held, each.sold, each.waiting) < 0]
    over = [
        each
        for each in types
        if isinstance(each, a.TicketType) and each.available + each.held + each.sold != each.capacity
    ]
    return f"counts that cannot be: {wrong + over}" if wrong or over else ""
