"""What an audit asks of a waiting room: everybody once, in the order of the numbers, and nobody books without a turn.

Owns who stands where, in the auditor's books, written from the public promises and sharing no code with `apply`: from
lot.py it takes how an order is drawn. Whether stock is left for those admitted is a guess by its nature, and is not
audited: rate, room and order are.
"""

from hashlib import sha256

from .. import facts as f
from .. import lot
from ..limits import TURN_MS_MAX, TURN_MS_MIN
from ..state import State
from ..status import (
    PLACE_ADMITTED,
    PLACE_ENDED,
    PLACE_INSIDE,
    PLACE_LAPSED,
    PLACE_LEFT,
    PLACE_NAMES,
    PLACE_WAITING,
    ROOM_BEFORE,
    ROOM_CLOSED,
    ROOM_NAMES,
    ROOM_OPEN,
    ROOM_PAUSED,
)
from .books import Books, Claim, RoomBook, Show, Visit
from .bots import needs_challenge

BURST_US = 1_000_000  # what the rate allows may come a second late, and then at once
MINUTE_US = 60_000_000


def _room_of(books: Books, event_id: int, what: str) -> tuple[Show, RoomBook] | None:
    show = books.shows[event_id]
    if show.room is None:
        books.fault(f"{what} the waiting room of event {show.id}, which has none")
        return None
    return show, show.room


# --- its rules


def room_set(books: Books, fact: f.RoomSet) -> None:
    show = books.shows[fact.event_id]
    room, opens_ms = show.room, fact.opens_ms or 0
    if fact.admit_per_minute < 1:
        books.fault(f"the waiting room of event {show.id} admits {fact.admit_per_minute} a minute")
    if not TURN_MS_MIN <= fact.turn_ms <= TURN_MS_MAX:
        books.fault(f"a turn in the waiting room of event {show.id} lasts {fact.turn_ms} ms")
    if fact.shuffle and not fact.seed and (room is None or not room.opened):
        books.fault(f"who is first at event {show.id} is drawn by lot, and nothing was committed to")
    if room is None:
        show.room = RoomBook(
            fact.admit_per_minute, fact.max_inside, opens_ms, fact.shuffle, fact.turn_ms, ROOM_BEFORE, fact.seed
        )
        return
    if room.seed and fact.seed != room.seed and room.arrivals:
        books.fault(f"the seed of the lot at event {show.id} was replaced after {room.arrivals} people had come")
    room.admit_per_minute, room.max_inside, room.opens_ms = fact.admit_per_minute, fact.max_inside, opens_ms
    room.shuffle, room.turn_ms, room.seed = fact.shuffle, fact.turn_ms, fact.seed


def room_removed(books: Books, fact: f.RoomRemoved) -> None:
    found = _room_of(books, fact.event_id, "nobody needs")
    if found is not None:
        found[0].room, found[0].removed_room = None, found[1]


def room_state_set(books: Books, fact: f.RoomStateSet) -> None:
    found = _room_of(books, fact.event_id, "an operator changed")
    if found is None:
        return
    before_opening = (ROOM_BEFORE, ROOM_PAUSED, ROOM_CLOSED)
    if fact.state not in (ROOM_NAMES.keys() - {ROOM_BEFORE} if found[1].opened else before_opening):
        books.fault(f"the waiting room of event {fact.event_id} has state {fact.state}")
    found[1].state = fact.state


# --- who comes and goes


def queue_joined(books: Books, fact: f.QueueJoined) -> None:
    found = _room_of(books, fact.event_id, f'user "{fact.user_id}" came to')
    if found is None:
        return
    show, room = found
    if show.cancelled or show.closed or books.at_ms >= show.closes_ms:
        books.fault(f'user "{fact.user_id}" came to the waiting room of event {show.id} after its sale was over')
    if room.state == ROOM_CLOSED:
        books.fault(f'user "{fact.user_id}" came to the waiting room of event {show.id}, which is closed')
    known = room.visit_of.get(fact.user_id)
    is_over = known is not None and known.status in PLACE_INSIDE and known.expires_ms <= books.at_ms
    if known is not None and known.status not in PLACE_ENDED and not is_over:
        books.fault(
            f'user "{fact.user_id}" got a second place in the waiting room of event {show.id} beside arrival '
            f"{known.arrival}"
        )
    room.arrivals += 1
    if not room.opened:
        room.digest = lot.digest_with(room.digest, fact.user_id)
    needs_challenge(books, show)
    visit = Visit(room.arrivals, fact.user_id, books.seq)
    room.visits[visit.arrival] = room.visit_of[visit.user_id] = visit


def room_opened(books: Books, fact: f.RoomOpened) -> None:
    found = _room_of(books, fact.event_id, "opened")
    if found is None:
        return
    show, room = found
    if room.opened:
        books.fault(f"the waiting room of event {show.id} was opened twice")
    if books.at_ms < room.opens_ms:
        books.fault(f"the waiting room of event {show.id} was opened {room.opens_ms - books.at_ms} ms too early")
    if fact.seed != room.seed:
        promised = sha256(room.seed).hexdigest()[:16]
        books.fault(f"the seed of the lot at event {show.id} is not the one that was committed to, {promised}…")
    room.opened, room.state = True, ROOM_OPEN
    if room.shuffle:
        room.draw(drawn(fact.seed, room.digest, room.arrivals))


def drawn(seed: bytes, digest: bytes, count: int) -> list[int]:
    """Arrivals by number, from 1, of those whom the lot puts in order."""
    order = lot.Lot(lot.lot_of(seed, digest), count)
    return [order.arrival_of(number) for number in range(1, count + 1)]


def arrival_of(room: RoomBook, number: int) -> int:
    return room.order[number - 1] if number <= len(room.order) else number


def queue_left(books: Books, fact: f.QueueLeft) -> None:
    found = _room_of(books, fact.event_id, f"arrival {fact.arrival} left")
    if found is None:
        return
    visit = found[1].visits[fact.arrival]
    if visit.status in PLACE_ENDED:
        books.fault(
            f"arrival {visit.arrival} at event {fact.event_id} left, and was {PLACE_NAMES[visit.status]} before"
        )
    books.turn_becomes(found[1], visit, PLACE_LEFT)


# --- turns


def queue_admitted(books: Books, fact: f.QueueAdmitted) -> None:
    found = _room_of(books, fact.event_id, "people were admitted from")
    if found is None:
        return
    show, room = found
    if room.state != ROOM_OPEN or not room.opened:
        how = ROOM_NAMES[room.state] if room.opened else "not open yet"
        books.fault(f"people were admitted from the waiting room of event {show.id}, which is {how}")
    if not room.through < fact.through <= room.arrivals:
        books.fault(
            f"numbers up to {fact.through} were admitted at event {show.id}, after {room.through}, and "
            f"{room.arrivals} have come"
        )
    if fact.expires_ms != books.at_ms + room.turn_ms:
        books.fault(f"a turn at event {show.id} lasts {fact.expires_ms - books.at_ms} ms, and should {room.turn_ms}")
    admitted = 0
    for number in range(room.through + 1, min(fact.through, room.arrivals) + 1):
        visit = room.visits[arrival_of(room, number)]
        if visit.status == PLACE_WAITING:
            books.turn_becomes(room, visit, PLACE_ADMITTED)
            visit.expires_ms = fact.expires_ms
            books.last_notice_id += 1  # each is told
            admitted += 1
    room.through = max(room.through, fact.through)
    _check_pace(books, show, room, admitted)
    if room.max_inside is not None and admitted and room.inside > room.max_inside:
        books.fault(f"{room.inside} people were let in at event {show.id}, and the limit is {room.max_inside}")


def _check_pace(books: Books, show: Show, room: RoomBook, admitted: int) -> None:
    """A clock of its own: each takes a part of a minute, and what was not taken is lost after a second."""
    now_us, one_us = books.at_ms * 1000, -(-MINUTE_US // room.admit_per_minute)
    taken_us = admitted * MINUTE_US // room.admit_per_minute
    room.paced_us = max(room.paced_us, now_us - max(BURST_US, one_us)) + taken_us
    if room.paced_us > now_us:
        books.fault(
            f"{admitted} people at once are more than {room.admit_per_minute} a minute at event {show.id}, by "
            f"{(room.paced_us - now_us) // 1000} ms"
        )
        room.paced_us = now_us


def turns_lapsed(books: Books, fact: f.TurnsLapsed) -> None:
    show = books.shows[fact.event_id]
    room = show.room or show.removed_room
    if room is None:
        books.fault(f"turns ended in the waiting room of event {show.id}, which has none")
        return
    for arrival in fact.arrivals:
        visit = room.visits[arrival]
        if visit.status not in PLACE_INSIDE:
            books.fault(f"the turn of arrival {arrival} at event {show.id} ended, and it had none")
        elif books.at_ms < visit.expires_ms:
            early_ms = visit.expires_ms - books.at_ms
            books.fault(f"the turn of arrival {arrival} at event {show.id} ended {early_ms} ms too early")
        books.turn_becomes(room, visit, PLACE_LAPSED)


def places_forgotten(books: Books, fact: f.PlacesForgotten) -> None:
    show = books.shows[fact.event_id]
    room = show.room or show.removed_room
    if room is None:
        books.fault(f"places in the waiting room of event {show.id} were forgotten, which has none")
        return
    if show.room is not None and not show.cancelled and not show.closed:
        books.fault(f"places in the waiting room of event {show.id} were forgotten while people queue there")
    for arrival in [arrival for arrival in room.visits if arrival <= fact.through_arrival]:
        visit = room.visits.pop(arrival)
        room.inside -= visit.status in PLACE_INSIDE
        if room.visit_of.get(visit.user_id) is visit:
            del room.visit_of[visit.user_id]


def check_turn(books: Books, claim: Claim) -> None:
    """Before a booking is entered: where people queue, it must be its user's turn."""
    show = claim.stock.show
    room = show.room
    if room is None:
        return
    visit = room.visit_of.get(claim.user_id)
    if visit is None or visit.status not in PLACE_INSIDE or visit.expires_ms <= books.at_ms:
        why = "never came to the waiting room"
        if visit is not None:
            why = f"was {PLACE_NAMES[visit.status]}"
            if visit.status in PLACE_INSIDE:
                why += f", and the turn was over for {books.at_ms - visit.expires_ms} ms"
        books.fault(f'booking {claim.id} was taken at event {show.id} without a turn: user "{claim.user_id}" {why}')
    claim.visit = visit


# --- beside a state


def open_rooms(books: Books, state: State) -> None:
    """Take what a checkpoint knows as it stands; before the bookings are entered."""
    for row in state.rooms.rows.values():
        show, room = (
            books.shows[row.event_id],
            RoomBook(
                row.admit_per_minute,
                row.max_inside,
                row.opens_ms or 0,
                row.shuffle,
                row.turn_ms,
                row.state,
                row.seed,
                row.opened,
                arrivals=row.arrivals,
                digest=row.arrivals_digest,
                through=row.served_through,
                inside=row.inside,
                paced_us=row.paced_us,
            ),
        )
        if row.removed:
            show.removed_room = room
        else:
            show.room = room
        if row.shuffled:
            order = lot.Lot(row.lot, row.shuffled)
            room.draw([order.arrival_of(number) for number in range(1, row.shuffled + 1)])
    for place in sorted(state.places.rows.values(), key=lambda place: place.arrival):
        of_event = books.shows[place.event_id]
        of_place = of_event.room or of_event.removed_room
        if of_place is not None:
            visit = Visit(place.arrival, place.user_id, place.seq, place.status, place.expires_ms)
            of_place.visits[visit.arrival] = of_place.visit_of[visit.user_id] = visit


def differences(books: Books, state: State) -> list[str]:
    """Where the engine's state says otherwise."""
    found = []
    for show in books.shows.values():
        row, room = state.rooms.rows.get(show.id), show.room
        if room is None or row is None:
            if room is not None or (row is not None and not row.removed):
                found.append(f"the engine and the audit do not agree on whether event {show.id} has a waiting room")
            continue
        here = (room.state, room.opened, room.arrivals, room.through, room.inside)
        there = (row.state, row.opened, row.arrivals, row.served_through, row.inside)
        if here != there:
            found.append(
                f"the waiting room of event {show.id} has (state, opened, arrivals, served, inside) {here}, and the "
                f"engine says {there}"
            )
        found += _other_places(state, show, room)
        if len(room.visits) != row.arrivals - row.forgotten:
            found.append(f"event {show.id}: {len(room.visits)} places are there, and the engine has other ones")
    return found


def _other_places(state: State, show: Show, room: RoomBook) -> list[str]:
    """The first of those whom the engine has elsewhere."""
    for place in state.places.rows.values():
        if place.event_id != show.id:
            continue
        visit = room.visits.get(place.arrival)
        here = None if visit is None else (visit.user_id, PLACE_NAMES[visit.status])
        there = (place.user_id, PLACE_NAMES[place.status])
        if here != there:
            return [f"arrival {place.arrival} at event {show.id} is {here}, and the engine says {there}"]
    return []
