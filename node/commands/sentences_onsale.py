"""The waiting room, seats, and what keeps bots out, in words.

Owns the sentences of these facts; sentences.py has the others. The seed of a lot is never shown before it is revealed:
what was committed to is.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from ...engine import facts as f
from ...engine.seats import Seating
from ...engine.status import (
    ROOM_BEFORE,
    ROOM_CLOSED,
    ROOM_OPEN,
    ROOM_PAUSED,
    SIGNAL_CROWDED_ADDRESS,
    SIGNAL_FOREIGN_TOKEN,
    SIGNAL_LIMITED_BEFORE,
    SIGNAL_NO_BROWSER,
    SIGNAL_SOLVED_TOO_FAST,
    SIGNAL_USED_CHALLENGE,
)
from ...http.wire.times import format_ms
from .story import Story

STATES_IN_WORDS = {
    ROOM_BEFORE: "gathers people, and admits nobody yet",
    ROOM_OPEN: "admits people",
    ROOM_PAUSED: "is paused: people may join, and nobody is admitted",
    ROOM_CLOSED: "is closed: nobody joins and nobody is admitted; whose turn it is may still book",
}

SIGNALS_IN_WORDS = {
    SIGNAL_CROWDED_ADDRESS: "many users came from its address within minutes",
    SIGNAL_SOLVED_TOO_FAST: "the challenge was solved sooner than a browser could",
    SIGNAL_LIMITED_BEFORE: "it had asked too often shortly before",
    SIGNAL_NO_BROWSER: "it names itself a program, or not at all",
    SIGNAL_USED_CHALLENGE: "it sent a challenge that was used before",
    SIGNAL_FOREIGN_TOKEN: "it sent somebody else's place in the queue",
}


def signals_in_words(signals: int) -> str:
    """What spoke for a program; bits that this version does not know are named by their number."""
    known = [words for bit, words in SIGNALS_IN_WORDS.items() if signals & bit]
    unknown = signals & ~sum(SIGNALS_IN_WORDS)
    return "; ".join([*known, *([f"signals {unknown}"] if unknown else [])]) or "nothing in particular"


def _room(story: Story, event_id: int) -> str:
    return f"The waiting room of {story.event(event_id)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _room_set(story: Story, fact: f.RoomSet) -> str:
    rules = [f"it admits {fact.admit_per_minute} a minute"]
    if fact.max_inside is not None:
        rules.append(f"at most {fact.max_inside} at once")
    if fact.by_stock:
        rules.append("no more than there are tickets for")
    if fact.opens_ms is not None:
        rules.append(f"from {format_ms(fact.opens_ms)} on")
    rules.append(f"a turn lasts {fact.turn_ms / 1000:g} s")
    if fact.shuffle:
        rules.append("who came before the opening is put in an order drawn by lot")
    words = f"{_room(story, fact.event_id)} has these rules from here on: {', '.join(rules)}."
    if fact.seed:
        words += f" The lot's seed is secret until the opening; it was committed to as {sha256(fact.seed).hexdigest()}."
    return words


def _room_removed(story: Story, fact: f.RoomRemoved) -> str:
    return f"{_room(story, fact.event_id)} was removed: nobody needs a turn to book any more."


def _room_state_set(story: Story, fact: f.RoomStateSet) -> str:
    how = STATES_IN_WORDS.get(fact.state, f"has state {fact.state}")
    return f"{_room(story, fact.event_id)} {how}, as an operator said."


def _queue_joined(story: Story, fact: f.QueueJoined) -> str:
    room = story.rooms.get(fact.event_id)
    place = f", as arrival {room.arrivals + 1}" if room is not None and room.whole else ""
    return f"{fact.user_id} came to the waiting room of {story.event(fact.event_id)}{place}."


def _room_opened(story: Story, fact: f.RoomOpened) -> str:
    room = story.rooms.get(fact.event_id)
    words = f"{_room(story, fact.event_id)} was opened"
    if not fact.seed:
        return f"{words}."
    kept = ""
    if room is not None and room.commitment:
        agrees = room.commitment == sha256(fact.seed).hexdigest()
        kept = ", as was committed to" if agrees else ", which is NOT what was committed to"
    who = f"the first {room.arrivals} who came" if room is not None and room.whole and room.arrivals else "who came"
    return f"{words}: {who} stand in an order drawn by lot; its seed is {fact.seed.hex()}{kept}."


def _queue_admitted(story: Story, fact: f.QueueAdmitted) -> str:
    room = story.rooms.get(fact.event_id)
    before = room.through if room is not None else 0
    numbers = f"numbers {before + 1} to {fact.through}" if fact.through > before + 1 else f"number {fact.through}"
    return (
        f"{_room(story, fact.event_id)}: it is the turn of {numbers}, as far as they are still there; "
        f"they may book until {format_ms(fact.expires_ms)}."
    )


def _queue_left(story: Story, fact: f.QueueLeft) -> str:
    return f"{story.visitor(fact.event_id, fact.arrival)} left the waiting room of {story.event(fact.event_id)}."


def _turns_lapsed(story: Story, fact: f.TurnsLapsed) -> str:
    named = ", ".join(story.visitor(fact.event_id, arrival) for arrival in fact.arrivals[:10])
    more = f" and {len(fact.arrivals) - 10} more" if len(fact.arrivals) > 10 else ""
    turns = "The turn" if len(fact.arrivals) == 1 else "The turns"
    verb = "is" if len(fact.arrivals) == 1 else "are"
    return f"{turns} of {named}{more} at {story.event(fact.event_id)} {verb} over; what they hold stays theirs."


def _places_forgotten(story: Story, fact: f.PlacesForgotten) -> str:
    return f"{_room(story, fact.event_id)}: the places up to arrival {fact.through_arrival} are not needed any more."


def _seat_map_set(story: Story, fact: f.SeatMapSet) -> str:
    event = story.event(fact.event_id)
    if not fact.layout:
        return f"The seats of {event} are not numbered any more."
    return (
        f"{event[:1].upper()}{event[1:]} has a seat map from here on, of {_count(Seating(fact.layout).seats, 'seat')}."
    )


def _challenge_used(_story: Story, fact: f.ChallengeUsed) -> str:
    return (
        f"Challenge {fact.digest.hex()} was solved and used; it is remembered until {format_ms(fact.expires_ms)}, so "
        "that it counts once."
    )


def _suspected(story: Story, fact: f.Suspected) -> str:
    what = f"Booking {fact.booking_id}: {fact.user_id}"
    if not fact.booking_id:
        what = f"{fact.user_id} in the waiting room of {story.event(fact.event_id)}"
    return f"{what} may be a program, {fact.score} of 100: {signals_in_words(fact.signals)}."


def _left_line(story: Story, fact: f.LeftLine) -> str:
    booking = story.bookings.get(fact.booking_id)
    kind = story.ticket_type(booking.event_id if booking is not None else 0, fact.ticket_type_id)
    return (
        f"Booking {fact.booking_id} does not wait for {kind} any more: it is for more tickets than there are of it. It "
        "waits for the others."
    )


SENTENCES_OF_THE_ONSALE: dict[type, Callable[[Story, Any], str]] = {
    f.RoomSet: _room_set,
    f.RoomRemoved: _room_removed,
    f.RoomStateSet: _room_state_set,
    f.QueueJoined: _queue_joined,
    f.RoomOpened: _room_opened,
    f.QueueAdmitted: _queue_admitted,
    f.QueueLeft: _queue_left,
    f.TurnsLapsed: _turns_lapsed,
    f.PlacesForgotten: _places_forgotten,
    f.SeatMapSet: _seat_map_set,
    f.ChallengeUsed: _challenge_used,
    f.Suspected: _suspected,
    f.LeftLine: _left_line,
}
