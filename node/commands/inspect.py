"""`onsale inspect`: records of the journal in words, each with its position, time and epoch.

Owns the choice of which facts are told: the latest, one and its neighbours, or all that concern a booking. Reads the
journal from its beginning, for the words need what came before. Never writes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ...engine import facts as f
from ...engine import replies
from ...http.wire.times import format_ms
from ...journal.errors import CorruptJournal
from ...journal.reader import read_batches
from ...journal.recovery import recover
from ...journal.segments import list_segments
from ..journal_view import view
from .data_folder import journal_of, used_by
from .output import print_json, print_table
from .sentences import booking_answered, sentence
from .story import KnownBooking, Story


class Told(msgspec.Struct, frozen=True):
    """A fact in words. `wanted`: it was asked for, and is not just a neighbour of what was."""

    seq: int
    at_ms: int
    epoch: int
    fact: f.Fact
    words: str
    wanted: bool = True


class NothingFoundError(Exception):
    """What was asked for is not in the journal; the message says what is."""


class Inspection:
    """A journal as far as it can be read.

    `notes` are sentences a person should know; `damage` says why it can't be read to its end, if it can't.
    """

    def __init__(self, data: Path) -> None:
        """Raises NoJournal, JournalFailed."""
        self._disk = journal_of(data)
        self.notes: list[str] = []
        self.damage: CorruptJournal | None = None
        user = used_by(data)
        if user:
            self.notes.append(f"The folder is in use by {user}; what it writes from now on is not shown.")
        self.first_seq = list_segments(self._disk)[0].first_seq
        try:
            recovered = recover(self._disk, repair=False)
            self.last_seq = recovered.last_seq
            if recovered.dropped is not None and not user:  # else it is what is being written at this moment
                self.notes.append(str(recovered.dropped))
        except CorruptJournal as damage:
            self.damage = damage
            self.last_seq = damage.seq - 1

    def latest(self, limit: int) -> list[Told]:
        """The last facts, at most `limit`."""
        return self.between(self.last_seq - limit + 1, self.last_seq)

    def around(self, seq: int, limit: int) -> list[Told]:
        """The fact at `seq` and its neighbours in the same batch, about `limit`. Raises NothingFoundError."""
        if self.damage is not None and seq > self.last_seq:
            raise self.damage
        if not self.first_seq <= seq <= self.last_seq:
            raise NothingFoundError(f"There is no seq {seq}: {self._extent()}.")
        batch = next(read_batches(self._disk, seq - 1, through_seq=seq))
        first, last = max(batch.first_seq, seq - limit // 2), min(batch.last_seq, seq + limit // 2)
        return [msgspec.structs.replace(told, wanted=told.seq == seq) for told in self.between(first, last)]

    def between(self, first_seq: int, last_seq: int) -> list[Told]:
        return list(self._walk(Story(), last_seq, lambda seq, _: seq >= first_seq))

    def history(self, booking_id: int) -> tuple[str, list[Told]]:
        """A booking in a sentence, and everything that happened to it and to its user's places in the event's waiting
        room. Raises NothingFoundError.
        """
        story = Story()
        told = list(self._walk(story, self.last_seq, lambda _, fact: concerns(story, fact, booking_id)))
        booking = story.bookings.get(booking_id)
        if not told:
            known = f"its bookings go up to {max(story.bookings)}" if story.bookings else "it has no bookings"
            raise NothingFoundError(f"There is no booking {booking_id} in this journal: {known}; {self._extent()}.")
        if booking is None:
            return f"Booking {booking_id}", told
        if booking.event_id in story.queued:  # who it belongs to is known by now, so look once more
            visitor = Visitor(booking.user_id, booking.event_id)
            told += self._walk(Story(), self.last_seq, lambda _, fact: visitor.is_meant(fact))
            told.sort(key=lambda each: each.seq)
        return _headline(story, booking), told

    def _walk(self, story: Story, last_seq: int, wanted: Callable[[int, f.Fact], bool]) -> Iterator[Told]:
        """Follow the whole story up to `last_seq`, and tell what is wanted of it."""
        for batch in read_batches(self._disk, self.first_seq - 1, through_seq=last_seq):
            story.begin_batch(batch.first_seq, batch.at_ms)
            for seq, fact in enumerate(f.decode(batch.payload), batch.first_seq):
                if seq <= last_seq and wanted(seq, fact):
                    yield Told(seq, batch.at_ms, batch.epoch, fact, sentence(story, fact))
                story.follow(fact)

    def _extent(self) -> str:
        if self.last_seq < self.first_seq:
            return "the journal holds no facts yet"
        return f"the journal goes from seq {self.first_seq} to seq {self.last_seq}"


def concerns(story: Story, fact: f.Fact, booking_id: int) -> bool:
    """Whether the fact is about this booking, its payments and refunds, or an answer given about it."""
    if isinstance(fact, f.Keyed):
        try:
            return booking_answered(replies.decode(fact.reply)) == booking_id
        except msgspec.MsgspecError:
            return False
    if isinstance(fact, f.Retired | f.Archived):
        return booking_id in fact.booking_ids
    if isinstance(fact, f.RefundSucceeded | f.RefundFailed):
        return story.refunds.get(fact.refund_id, (0, 0))[0] == booking_id
    if isinstance(fact, f.PaymentPending | f.PaymentSucceeded | f.PaymentFailed | f.PaymentAbandoned):
        return story.booking_paid_by(fact.payment_id) == booking_id
    return getattr(fact, "booking_id", None) == booking_id


class Visitor:
    """Somebody in an event's waiting room. Hand it every fact in order."""

    def __init__(self, user_id: str, event_id: int) -> None:
        self._user_id, self._event_id = user_id, event_id
        self._arrivals = 0
        self._mine: set[int] = set()  # arrivals

    def is_meant(self, fact: f.Fact) -> bool:
        """Whether the fact is about them in the waiting room, and not about a booking."""
        if getattr(fact, "event_id", None) != self._event_id:
            return False
        if isinstance(fact, f.QueueJoined):
            self._arrivals += 1
            if fact.user_id == self._user_id:
                self._mine.add(self._arrivals)
            return fact.user_id == self._user_id
        if isinstance(fact, f.RoomRemoved):
            return bool(self._mine)
        if isinstance(fact, f.QueueLeft):
            return fact.arrival in self._mine
        if isinstance(fact, f.TurnsLapsed):
            return not self._mine.isdisjoint(fact.arrivals)
        return isinstance(fact, f.Suspected) and not fact.booking_id and fact.user_id == self._user_id


def _headline(story: Story, booking: KnownBooking) -> str:
    tickets = story.tickets(booking.event_id, booking.ticket_type_id, booking.quantity)
    price = story.money(booking.event_id, booking.amount_minor)
    return (
        f"Booking {booking.id}: {tickets} of {story.event(booking.event_id)} for {booking.user_id} at {price}; it is "
        f"{booking.status.replace('_', ' ')} now."
    )


def print_told(told: list[Told], *, as_json: bool, headline: str = "") -> None:
    if as_json:
        print_json([_as_json(each) for each in told])
        return
    marked = any(not each.wanted for each in told)
    rows = []
    for each in told:
        mark = (("→" if each.wanted else ""),) if marked else ()
        rows.append((*mark, str(each.seq), format_ms(each.at_ms), str(each.epoch), each.words))
    head = ("", "seq", "time", "epoch", "what happened") if marked else ("seq", "time", "epoch", "what happened")
    if headline:
        print_table((), [(headline,)])
    print_table(head, rows, numbers=(1, 3) if marked else (0, 2))


def _as_json(told: Told) -> dict[str, Any]:
    return view(told.seq, told.at_ms, told.epoch, told.fact) | {"words": told.words, "wanted": told.wanted}
