"""What people come for: the journeys, each from coming to leaving.

Owns who does what in which order. Every journey is a function of a `Person`; they end by returning, whatever they
achieved, and by OutOfContractError.
"""

from collections.abc import Callable
from typing import Final

from . import answers as a
from .ledger import ToldBooking
from .person import Person

PATIENCE_SECONDS: Final = 120.0  # in a queue or in line
LAPSES_WITHIN_SECONDS: Final = 10.0  # after its time: a hold that is still there then is a fault
LOOKS_AGAIN_SECONDS: Final = 0.7
REFRESHES: Final = 40  # then it is another person who does
TICKETS_MOST: Final = 4


def browse(person: Person) -> None:
    """Searches, turns pages, looks at events and at what is left of them, and leaves."""
    chance, plan = person.chance, person.plan
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.5:
            found = person.search(pages=chance.randint(1, 3), search=chance.choice(plan.words))
        else:
            found = person.search(pages=chance.randint(1, 3), city=chance.choice(plan.cities), limit=10)
        person.thinks()
        if not found:
            raise person.fault("searched for something that is there, and found nothing")
        event = person.look_at_event(chance.choice(found).id)
        person.thinks()
        told = person.look_at_availability(event.id)
        person.thinks()
        person.look_at_availability(event.id, etag=told.heard.headers.get("ETag"))
        person.thinks()


def buy(person: Person) -> None:
    """Finds an event, waits for their turn where there is a waiting room, books, and pays."""
    plan, chance = person.plan, person.chance
    which = chance.random()
    if which < 0.5:
        event = _find(person, plan.room, plan.room_name)
    else:
        event = person.look_at_event(plan.seated if which < 0.75 else chance.choice(plan.halls))
    person.thinks()
    token = None
    if event.waiting_room is not None:
        token = _turn(person, event)
        if token is None:
            return
    booking = _pick_seats(person, event) if event.id == plan.seated else None
    booking = booking or _take(person, event, chance.randint(1, TICKETS_MOST), token)
    if booking is not None:
        person.thinks()
        _pay(person, booking)


def dawdle(person: Person) -> None:
    """Holds tickets, does not pay for them in time, and is told so."""
    event = person.look_at_event(_small_or_hall(person))
    booking = _take(person, event, person.chance.randint(1, 2), None)
    if booking is None:
        return
    person.thinks()
    said = person.look_at_booking(booking)
    person.line.rest(said.expires_in_seconds or 0)
    deadline = person.second() + LAPSES_WITHIN_SECONDS
    while booking.status != "lapsed":
        if person.second() > deadline:
            raise person.fault(f"booking {booking.booking_id} is held though its time is over")
        person.look_at_booking(booking)
        person.thinks(0.5)
    told = person.pay(booking, expected={410: {"hold_expired"}}, may_pay=False)
    assert told.code == "hold_expired"


def give_up(person: Person) -> None:
    """Books and thinks better of it, some of them in the middle of a payment."""
    event = person.look_at_event(_small_or_hall(person))
    booking = _take(person, event, person.chance.randint(1, TICKETS_MOST), None)
    if booking is None:
        return
    person.thinks()
    if person.chance.random() < 0.3:
        person.pay(booking, method="pm_card_authenticationRequired")
        person.thinks()
    if person.give_up(booking).status != 200:
        person.look_at_booking(booking)  # it has lapsed meanwhile, or is on its way; nothing else may be
        return
    if person.chance.random() < 0.3:
        person.give_up(booking)
        person.look_at_booking(booking)


def come_back(person: Person) -> None:
    """Stands in line where all is taken, comes back when it is their turn, and pays or declines."""
    plan, chance = person.plan, person.chance
    event = person.look_at_event(plan.small_at(person.second()))
    told = person.book(event, chance.randint(1, 2), waitlist=True)
    if told.status >= 300:
        return
    booking = person.record.bookings[told.said.booking_id]
    waited, deadline = booking.status == "waiting", person.second() + PATIENCE_SECONDS
    position = told.said.position or 0
    while booking.status == "waiting" and person.second() < deadline:
        person.line.rest(LOOKS_AGAIN_SECONDS * chance.uniform(0.8, 1.2))
        said = person.look_at_booking(booking)
        if said.position is not None:
            if said.position > position:
                raise person.fault(
                    f"was number {position} in line for booking {booking.booking_id}, and is {said.position}"
                )
            position = said.position
    if booking.status == "held" and waited:
        kinds = {each.kind for each in person.notices() if each.booking_id == booking.booking_id}
        if "your_turn" not in kinds:
            raise person.fault(f"was not told that it is their turn, with booking {booking.booking_id}")
    if booking.status == "held" and chance.random() < 0.6:
        person.thinks()
        _pay(person, booking)
    elif booking.status in ("held", "waiting"):
        person.give_up(booking)


def refresh(person: Person) -> None:
    """Asks for the queue and for what is left, over and over."""
    plan, etags = person.plan, ["", ""]
    serving = 0
    for _ in range(REFRESHES):
        told = person.look_at_room(plan.room, etags[0] or None)
        if told.status == 200:
            etags[0] = told.heard.headers.get("ETag") or ""
            if told.said.now_serving < serving:
                raise person.fault(f"the queue went back from {serving} to {told.said.now_serving}")
            serving = told.said.now_serving
        told = person.look_at_availability(plan.room, etags[1] or None)
        if told.status == 200:
            etags[1] = told.heard.headers.get("ETag") or ""
        person.thinks(0.7)


def _find(person: Person, event_id: int, name: str) -> a.Event:
    found = person.search(search=name)
    if event_id not in [each.id for each in found]:
        raise person.fault(f"searched for {name!r} and did not find event {event_id}")
    person.thinks()
    return person.look_at_event(event_id)


def _turn(person: Person, event: a.Event) -> str | None:
    """The queueToken, once it is their turn; None when tickets do not reach them."""
    challenge = person.solve(event.id) if event.challenge == "proof_of_work" else None
    told = person.join(event.id, challenge)
    if told.status >= 300:
        if told.code == "challenge_required":
            raise person.fault(f"a solved challenge was refused: {told.said.detail}")
        return None
    joined: a.Joined = told.said
    deadline, seconds = person.second() + PATIENCE_SECONDS, 2.0
    if joined.estimated_wait_seconds is not None:
        seconds = min(max(joined.estimated_wait_seconds, 1.0), seconds)
    while person.second() < deadline:
        person.line.rest(seconds * person.chance.uniform(0.9, 1.1))
        place = person.look_at_place(event.id, joined)
        if place.admitted:
            return joined.token
        if place.status != "waiting" or place.state in ("sold_out", "closed"):
            return None
        seconds = float(place.refresh_interval_seconds)
    person.leave_queue(event.id, joined)
    return None


def _take(person: Person, event: a.Event, quantity: int, token: str | None) -> ToldBooking | None:
    """Hold tickets, or as many as are left; None when there are none."""
    for _ in range(3):
        told = person.book(event, quantity, token=token)
        if told.status == 201:
            return person.record.bookings[told.said.booking_id]
        if told.code == "queue_required" and event.waiting_room is None:
            raise person.fault(f"event {event.id} has no waiting room, and asks for one")
        if told.code != "sold_out" or not told.said.available:
            return None
        quantity = min(quantity, told.said.available)
        person.thinks(0.5)
    return None


def _pick_seats(person: Person, event: a.Event) -> ToldBooking | None:
    """Two side by side, of those that are shown as free; None when others were quicker, or for who does not care."""
    if person.chance.random() < 0.5:
        return None
    rows = [row for row in person.free_seats(event.id) if len(row) > 1]
    if not rows:
        return None
    row = person.chance.choice(rows)
    first = person.chance.randrange(len(row) - 1)
    person.thinks()
    told = person.book(event, 2, seats=row[first : first + 2])
    return person.record.bookings[told.said.booking_id] if told.status == 201 else None


def _pay(person: Person, booking: ToldBooking) -> None:
    """One in eight with a card that is declined first: the hold stays."""
    if person.chance.random() < 1 / 8:
        told = person.pay(booking, method="pm_card_chargeDeclined")
        if told.status == 200:
            raise person.fault(f"booking {booking.booking_id} was paid with a card that is declined")
        person.thinks()
        if person.look_at_booking(booking).status == "expired":
            return
    told = person.pay(booking)
    deadline = person.second() + PATIENCE_SECONDS
    while booking.status == "paying" and person.second() < deadline:
        person.thinks()
        person.look_at_booking(booking)
    if told.status == 402:
        raise person.fault(f"booking {booking.booking_id}: a good card was declined")


def _small_or_hall(person: Person) -> int:
    """Mostly where tickets are short, so that what comes back has somebody who waits for it."""
    plan = person.plan
    return plan.small_at(person.second()) if person.chance.random() < 0.7 else person.chance.choice(plan.halls)


Journey = Callable[[Person], None]
