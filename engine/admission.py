"""How many people a waiting room lets in now, whether tickets will reach somebody, and how long it takes: arithmetic.

Owns the numbers and nothing else; integers only, so every node comes to the same. What is free, and what is likely to
come back of what is held (as many holds as have been lost so far, of those admitted), is divided by the tickets that
one admitted person is expected to take (as those did who were admitted so far). As long as little is known, one hold in
ten is taken to be lost, and everybody to take one ticket.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from .records import Event, Room, TicketType

PRIOR_PEOPLE: Final = 10  # whose behaviour is assumed, not seen
PRIOR_TICKETS_EACH: Final = 1
PRIOR_HOLDS: Final = 10
PRIOR_HOLDS_LOST: Final = 1
PEOPLE_PER_TICKET_MAX: Final = 4  # however many let their turn pass

BURST_US: Final = 1_000_000  # of the rate, that is made up for
PACE_US: Final = 100_000  # people are let in at this pace at most, several at a time
MINUTE_US: Final = 60_000_000


class Stock(NamedTuple):
    free: int  # tickets that somebody who is let in could take at once
    coming: int  # tickets that are likely to come back
    left: int  # tickets that are not sold: all that could ever come


def stock_of(types: Iterable[TicketType], room: Room, *, strict: bool) -> Stock:
    """What comes back is theirs first who wait in the event's own line. With a `strict` line what is free is theirs as
    well; else it fits none of them, and anybody may take it.
    """
    lost, settled = room.holds_lost + PRIOR_HOLDS_LOST, room.holds_lost + room.holds_paid + PRIOR_HOLDS
    free = coming = left = 0
    for each in types:
        left += each.capacity - each.sold
        if not (each.waiting and strict):
            free += each.capacity - each.held - each.sold
        coming += max(each.held * lost // settled - each.waiting, 0)
    return Stock(free, coming, left)


def served_by(tickets: int, room: Room, max_per_user: int) -> int:
    """How many people so many tickets are enough for."""
    if tickets <= 0:
        return 0
    people = room.turns_taken + room.turns_missed + PRIOR_PEOPLE
    taken = room.tickets_taken + PRIOR_PEOPLE * min(PRIOR_TICKETS_EACH, max_per_user)
    return min(max(tickets * people // taken, 1), tickets * PEOPLE_PER_TICKET_MAX)


def reached(stock: Stock, room: Room, max_per_user: int) -> int:
    """How many of those who wait tickets will reach, by what is known now."""
    undecided = room.inside - room.holding
    return max(served_by(stock.free + stock.coming, room, max_per_user) - undecided, 0)


def allowed(stock: Stock, room: Room, max_per_user: int) -> int:
    """How many may be let in now, whatever the rate: as many as there is room for, and tickets."""
    people = room.waiting
    if room.max_inside is not None:
        people = min(people, room.max_inside - room.inside)
    if room.by_stock:
        people = min(people, reached(stock, room, max_per_user) if stock.free else 0)
    return max(people, 0)


def opens_at_ms(room: Room, event: Event) -> int:
    """When the room opens: not before the sale begins, for until then nobody could book."""
    return max(room.opens_ms or 0, event.on_sale_ms or 0)


def due_us(room: Room) -> int:
    """When the rate lets the next ones in."""
    return room.paced_us + max(-(-MINUTE_US // room.admit_per_minute), PACE_US)


def paced(room: Room, now_us: int) -> tuple[int, int]:
    """How many the rate lets in now, and from when they count. What was not used a second ago is lost."""
    one_us = -(-MINUTE_US // room.admit_per_minute)
    from_us = max(room.paced_us, now_us - max(BURST_US, one_us))
    return max(now_us - from_us, 0) * room.admit_per_minute // MINUTE_US, from_us


def used_up_us(room: Room, from_us: int, people: int) -> int:
    """Up to when the rate is used up by so many, counted from `from_us`."""
    return from_us - (-people * MINUTE_US // room.admit_per_minute)


def wait_ms(room: Room, stock: Stock, max_per_user: int, ahead: int) -> int:
    """An estimate for somebody with `ahead` people before them, once the room admits: by the rate, and where people
    must come out before others come in, as if each took half a turn.
    """
    by_rate_ms = ahead * MINUTE_US // (room.admit_per_minute * 1000)
    bounds = []
    if room.max_inside is not None:
        bounds.append((max(room.max_inside - room.inside, 0), room.max_inside))
    if room.by_stock:
        now = reached(stock, room, max_per_user) if stock.free else 0
        bounds.append((now, max(now + room.inside - room.holding, 1)))
    by_turns_ms = 0
    for at_once, inside in bounds:
        if ahead >= at_once:
            rounds = (ahead - at_once) // max(inside, 1) + 1
            by_turns_ms = max(by_turns_ms, rounds * room.turn_ms // 2)
    return max(by_rate_ms, by_turns_ms)
