"""Waiting rooms: joining, leaving, opening, letting in, turns that end, and who may book.

Order of refusals when somebody joins: no_such_event, event_cancelled, not_on_sale, wrong_status (there is no room);
who has a place gets it again; wrong_status (the room is closed), challenge_required, limit_per_user, overloaded.

Nobody is passed: people are let in by number alone, and numbers follow from arrivals, or from the lot.
"""

from collections.abc import Iterator
from itertools import islice

from ..admission import allowed, opens_at_ms, paced, stock_of, used_up_us
from ..codes import Code
from ..commands import Admit, Book, Command, ForgetPlaces, JoinQueue, LapseTurns, LeaveQueue, OpenRoom
from ..facts import Fact, PlacesForgotten, QueueAdmitted, QueueJoined, QueueLeft, RoomOpened, TurnsLapsed
from ..limits import ADMITTED_PER_STEP_MAX, PLACES_FORGOTTEN_PER_STEP_MAX, PLACES_MAX, TURNS_LAPSED_PER_STEP_MAX
from ..replies import Done, Queued
from ..room_view import newcomer_view, place_view
from ..sale import Sale
from ..state import State, place_id
from ..status import (
    PLACE_ENDED,
    PLACE_INSIDE,
    PLACE_LEFT,
    PLACE_NAMES,
    PLACE_WAITING,
    ROOM_BEFORE,
    ROOM_CLOSED,
    ROOM_OPEN,
)
from . import bots
from .room_setting import room_facts
from .shared import Decision, no_such_event, overloaded, refuse

__all__ = [
    "admit", "due_of_rooms", "forget_places", "join_queue", "lapse_turns", "leave_queue", "may_book",
    "next_room_due_ms", "open_room", "room_facts",
]  # fmt: skip


# --- people


def join_queue(state: State, now_ms: int, command: JoinQueue) -> Decision:
    sale = state.sales.get(command.event_id)
    if sale is None:
        return no_such_event(state, command.event_id)
    event, queue = sale.event, sale.queue
    if event.cancelled:
        return refuse(state, Code.EVENT_CANCELLED, f"Event {event.id} is cancelled.")
    if event.closed or now_ms >= sale.closes_ms:
        return refuse(state, Code.NOT_ON_SALE, f"The sale for event {event.id} is over.")
    if queue is None:
        return refuse(state, Code.WRONG_STATUS, f"Event {event.id} has no waiting room; book at once: POST /booking.")
    lapsed: list[Fact] = []
    place = queue.by_user.get(command.user_id)
    if place is not None and place.status in PLACE_INSIDE and place.expires_ms <= now_ms:
        lapsed.append(TurnsLapsed(event.id, (place.arrival,)))  # its turn is over; only nobody has said so yet
    elif place is not None and place.status not in PLACE_ENDED:
        view = place_view(sale, place, now_ms)
        return [], Queued(state.seq, event.id, command.user_id, place.arrival, *view, joined=False)
    if queue.room.state == ROOM_CLOSED:
        return refuse(state, Code.WRONG_STATUS, "The waiting room is closed; nobody is let in any more.")
    refusal = bots.refused(state, now_ms, event, command.proof)
    if refusal is not None:
        return refusal
    return bots.settled(state, event, command, _join(state, now_ms, command, sale, lapsed))


def _join(state: State, now_ms: int, command: JoinQueue, sale: Sale, lapsed: list[Fact]) -> Decision:
    """`lapsed`: what this step makes of the user's last place."""
    queue, event = sale.queue, sale.event
    assert queue is not None
    has = sale.tickets_of(command.user_id)
    if has >= event.max_per_user:
        detail = (
            f"At most {event.max_per_user} tickets per user; this user has {has} of them held, bought or waited for."
        )
        return refuse(state, Code.LIMIT_PER_USER, detail, available=0)
    if queue.room.arrivals >= PLACES_MAX or len(state.places.rows) >= PLACES_MAX:
        return overloaded(state, "people in the waiting room")
    view = newcomer_view(sale, now_ms)
    reply = Queued(state.seq + 1, event.id, command.user_id, queue.room.arrivals + 1, *view)
    return [QueueJoined(event.id, command.user_id), *lapsed], reply


def leave_queue(state: State, _now_ms: int, command: LeaveQueue) -> Decision:
    """Leaving once more changes nothing. Who holds tickets keeps them."""
    sale = state.sales.get(command.event_id)
    if sale is None:
        return no_such_event(state, command.event_id)
    place = state.places.rows.get(place_id(command.event_id, command.arrival))
    if sale.queue is None or place is None:
        return refuse(state, Code.NOT_FOUND, "There is no such place in the waiting room any more.")
    if place.status == PLACE_LEFT:
        return [], Done(state.seq)
    if place.status in PLACE_ENDED:
        name = PLACE_NAMES[place.status]
        return refuse(state, Code.WRONG_STATUS, "The turn is over; there is nothing to give up.", placeStatus=name)
    return [QueueLeft(command.event_id, command.arrival)], Done(state.seq + 1)


def may_book(state: State, now_ms: int, sale: Sale, command: Book) -> Decision | None:
    """None: it is this user's turn. `reason` in the refusal: missing, foreign, waiting or over."""
    queue = sale.queue
    if queue is None:
        return None
    place = state.places.rows.get(command.place_id) if command.place_id else None
    path = f"POST /events/{sale.event.id}/queue"
    if place is None or place.event_id != sale.event.id:
        detail = f"This event has a waiting room: {path}, and send your token as queueToken once it is your turn."
        return refuse(state, Code.QUEUE_REQUIRED, detail, reason="missing")
    if place.user_id != command.user_id:
        detail = f"This queueToken is somebody else's; {path} gives you your own."
        return refuse(state, Code.QUEUE_REQUIRED, detail, reason="foreign")
    if place.status == PLACE_WAITING:
        view = place_view(sale, place, now_ms)
        return refuse(
            state,
            Code.QUEUE_REQUIRED,
            "It is not your turn yet.",
            reason="waiting",
            number=view.number or None,
            nowServing=view.now_serving,
            position=view.position or None,
            estimatedWaitSeconds=view.wait_seconds,
            servable=view.servable,
        )
    if place.status not in PLACE_INSIDE or place.expires_ms <= now_ms:
        return refuse(state, Code.QUEUE_REQUIRED, f"Your turn is over; {path} gives you a new place.", reason="over")
    return None


# --- what becomes due by itself


def due_of_rooms(state: State, now_ms: int, limit: int) -> list[Command]:
    """Chores of waiting rooms whose time has come, to be decided before any others: whether somebody may come in
    depends on what becomes of bookings. Each leads to at least one fact.
    """
    chores: list[Command] = []
    lapsing: dict[int, list[int]] = {}  # arrivals by event
    for turn in state.room_turns.due(now_ms, limit):
        place = state.places.rows[turn]
        lapsing.setdefault(place.event_id, []).append(place.arrival)
    for event_id, arrivals in lapsing.items():
        chores += [LapseTurns(event_id, tuple(each)) for each in _slices(arrivals, TURNS_LAPSED_PER_STEP_MAX)]
    for event_id in state.rooms_due.due(now_ms, limit):
        sale = state.sales[event_id]
        if sale.closes_ms > now_ms and sale.queue is not None:  # where the sale is over nobody is let in any more
            before = sale.queue.room.state == ROOM_BEFORE
            chores.append(OpenRoom(event_id) if before else Admit(event_id))
    chores += [ForgetPlaces(event_id) for event_id in islice(state.rooms_emptying, limit)]
    return chores


def _slices(arrivals: list[int], length: int) -> Iterator[list[int]]:
    return (arrivals[begin : begin + length] for begin in range(0, len(arrivals), length))


def next_room_due_ms(state: State) -> int | None:
    """When `due_of_rooms` will have something: 0 is at once, None not by itself."""
    if state.rooms_emptying:
        return 0
    return min((ms for ms in (state.rooms_due.next_ms(), state.room_turns.next_ms()) if ms is not None), default=None)


def open_room(state: State, now_ms: int, command: OpenRoom) -> Decision:
    sale = _open_sale(state, now_ms, command.event_id)
    if sale is None or sale.queue is None:
        return [], Done(state.seq)
    room = sale.queue.room
    if room.state != ROOM_BEFORE or opens_at_ms(room, sale.event) > now_ms:
        return [], Done(state.seq)
    return [RoomOpened(room.event_id, room.seed)], Done(state.seq + 1)


def admit(state: State, now_ms: int, command: Admit) -> Decision:
    sale = _open_sale(state, now_ms, command.event_id)
    if sale is None or sale.queue is None or (sale.event.on_sale_ms or 0) > now_ms:
        return [], Done(state.seq)
    queue, room = sale.queue, sale.queue.room
    if room.state != ROOM_OPEN:
        return [], Done(state.seq)
    by_rate, from_us = paced(room, now_ms * 1000)
    people = min(
        by_rate, allowed(stock_of(sale.types.values(), room, strict=sale.strict), room, sale.event.max_per_user)
    )
    if people <= 0:
        return [], Done(state.seq)
    through, found = queue.next_people(state.places.rows, min(people, ADMITTED_PER_STEP_MAX))
    if through == queue.base:
        return [], Done(state.seq)
    paced_us = used_up_us(room, from_us, len(found)) if found else room.paced_us
    return [QueueAdmitted(room.event_id, through, now_ms + room.turn_ms, paced_us)], Done(state.seq + 1)


def lapse_turns(state: State, now_ms: int, command: LapseTurns) -> Decision:
    rows, event_id = state.places.rows, command.event_id
    over = tuple(
        place.arrival
        for place in (rows.get(place_id(event_id, arrival)) for arrival in command.arrivals)
        if place is not None and place.status in PLACE_INSIDE and place.expires_ms <= now_ms
    )
    return ([TurnsLapsed(event_id, over)], Done(state.seq + 1)) if over else ([], Done(state.seq))


def forget_places(state: State, _now_ms: int, command: ForgetPlaces) -> Decision:
    if command.event_id not in state.rooms_emptying:
        return [], Done(state.seq)
    room = state.rooms.rows[command.event_id]
    through = min(room.arrivals, room.forgotten + PLACES_FORGOTTEN_PER_STEP_MAX)
    return [PlacesForgotten(room.event_id, through)], Done(state.seq + 1)


def _open_sale(state: State, now_ms: int, event_id: int) -> Sale | None:
    """The sale, unless it is over."""
    sale = state.sales.get(event_id)
    if sale is None or sale.event.cancelled or sale.event.closed or sale.closes_ms <= now_ms:
        return None
    return sale
