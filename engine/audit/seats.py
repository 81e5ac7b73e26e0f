"""What an audit asks of seats: each has one owner at a time, and everybody has as many as tickets, of their own type.

Owns what these facts mean in the auditor's books, written from the public promises and sharing no code with `apply`:
from seats.py it takes the layout's encoding alone. Who has which seat is kept with the booking's status in books.py.
"""

from collections import Counter

from .. import facts as f
from ..seats import decode_layout
from ..state import State
from .books import Books, Claim, Show, Stock


def types_of(layout: bytes) -> list[int]:
    """Of each seat of the map, in order, its ticket type."""
    return [
        section.ticket_type_id for section in decode_layout(layout) for row in section.rows for _ in range(row.seats)
    ]


def _number_seats(show: Show, layout: bytes) -> None:
    show.seat_types = types_of(layout) if layout else []
    show.seat_counts = dict(Counter(show.seat_types))


def seat_map_set(books: Books, fact: f.SeatMapSet) -> None:
    show = books.shows[fact.event_id]
    if show.taken:
        books.fault(f"the seat map of event {show.id} was changed while {len(show.taken)} seats were taken")
    _number_seats(show, fact.layout)
    for number in show.seat_counts:
        stock = books.stocks.get(number)
        if stock is None or stock.show is not show:
            books.fault(f"the seat map of event {show.id} has seats of ticket type {number}, which it does not have")
    check_enough(books, show.stock_ids)


def check_enough(books: Books, stock_ids: list[int]) -> None:
    """There must be a seat for each ticket."""
    for number in stock_ids:
        stock = books.stocks[number]
        count = stock.show.seat_counts.get(number, 0)
        if count and stock.capacity > count:
            books.fault(f"{stock} has {stock.capacity} tickets and {count} seats")


def has_seats(stock: Stock) -> bool:
    return stock.id in stock.show.seat_counts


def choose(books: Books, claim: Claim, seats: tuple[int, ...]) -> None:
    """The seats that a booking gets with its tickets."""
    stock = claim.stock
    types = stock.show.seat_types
    claim.seats = seats
    if not has_seats(stock):
        if seats:
            books.fault(f"booking {claim.id} got {len(seats)} seats, and {stock} has none")
        return
    if len(set(seats)) != claim.quantity or len(seats) != claim.quantity:
        books.fault(f"booking {claim.id} got the seats {list(seats)} for {claim.quantity} tickets")
    wrong = [seat for seat in seats if not 0 <= seat < len(types) or types[seat] != stock.id]
    if wrong:
        books.fault(f"booking {claim.id} for {stock} got the seats {wrong}, which are not of that type")


def open_seats(books: Books, state: State) -> None:
    """Take what a checkpoint knows as it stands; before the bookings are entered."""
    for row in state.seat_maps.rows.values():
        _number_seats(books.shows[row.event_id], row.layout)


def seats_of(packed: str) -> tuple[int, ...]:
    return tuple(int(each) for each in packed.split(",")) if packed else ()


def differences(books: Books, state: State) -> list[str]:
    """Where the engine's state says otherwise."""
    found = []
    for claim in books.claims.values():
        row = state.bookings.rows.get(claim.id)
        if row is not None and seats_of(row.seats) != tuple(sorted(claim.seats)):
            found.append(f"booking {claim.id} has the seats {list(claim.seats)}, and the engine says {row.seats}")
    maps = {number for number, show in books.shows.items() if show.seat_types}
    if maps != state.seat_maps.rows.keys():
        found.append(f"the engine has {len(state.seat_maps.rows)} seat maps and the audit {len(maps)}")
    return found
