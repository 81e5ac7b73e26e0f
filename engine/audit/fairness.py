"""Who came when, who was served when, and why the two orders differ: one event's report.

Owns the comparison of the order of arrival with the order of service, in the waiting room and in the line of each
ticket type, and the rules that allow an exception. It looks at the auditor's books just before each fact is entered in
them; whatever no rule allows is an exception that is not allowed, and the event was not fair.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec

from .. import facts as f
from .. import replies
from ..status import EXPIRED, PLACE_INSIDE, PLACE_WAITING, WAITING, WAITLIST_NAMES
from .books import Books, Claim, RoomBook, Show, Stock, Visit
from .fairness_report import Deviation, Draw, Fairness, Order
from .line import next_in_line
from .room import arrival_of, drawn


class Passed(msgspec.Struct, gc=False):
    """How often somebody in line was passed, and when first, with how many tickets free."""

    times: int
    seq: int
    at_ms: int
    free: int


class FairnessWatch:
    """Follow one event: hand `see` to the auditor, and `finish` with its books when all is read."""

    def __init__(self, event_id: int) -> None:
        self.report = Fairness(event_id)
        self._lines: dict[int, dict[int, Claim]] = {}  # by ticket type, who waits, in the order of joining
        self._passed: dict[tuple[int, int], Passed] = {}  # by ticket type and booking
        self._came_before: set[str] = set()  # who has come to the waiting room
        self._waiting: dict[int, Visit] = {}  # by arrival, in the waiting room
        self._books: Books | None = None

    @property
    def found(self) -> bool:
        """Whether there is such an event."""
        return self._books is not None and self.report.event_id in self._books.shows

    def see(self, books: Books, fact: f.Fact) -> None:
        if self._books is None:
            self._begin(books)
        watch = _WATCHED.get(type(fact))
        if watch is not None:
            watch(self, books, fact)

    def _begin(self, books: Books) -> None:
        """Where the journal's beginning is gone, some stand there already."""
        self._books = books
        self.report.since_seq = books.seq - 1 if books.seq > 1 else 0
        show = books.shows.get(self.report.event_id)
        if show is None:
            return
        for claim in books.claims.values():
            if claim.stock.show is show and claim.status == WAITING:
                self._enter(claim, (claim.stock, *claim.also))
        if show.room is not None:
            self._came_before |= set(show.room.visit_of)
            self._waiting = {each.arrival: each for each in show.room.visits.values() if each.status == PLACE_WAITING}

    def _show(self, books: Books) -> Show | None:
        return books.shows.get(self.report.event_id)

    def _line(self, stock: Stock) -> Order:
        return self.report.lines.setdefault(stock.id, Order(stock.name))

    def _enter(self, claim: Claim, stocks: tuple[Stock, ...]) -> None:
        for stock in stocks:
            self._lines.setdefault(stock.id, {})[claim.id] = claim
            self._line(stock).joined += 1

    # --- the line of a ticket type

    def held(self, books: Books, fact: f.Held) -> None:
        if fact.event_id != self.report.event_id:
            return
        self.report.at_once += 1
        stock = books.stocks[fact.ticket_type_id]
        self._check_turn(books, stock.show, fact.user_id, fact.booking_id)
        self._pass_all(books, stock)
        self._count_tickets(books, stock.show, fact.user_id, fact.quantity, fact.booking_id)

    def _pass_all(self, books: Books, stock: Stock) -> None:
        """Somebody takes tickets while these wait."""
        waiting = self._lines.get(stock.id)
        if not waiting:
            return
        wronged = next(iter(waiting.values())) if stock.show.strict else next_in_line(stock)
        if wronged is not None:
            self._deviates(books, "passed", wronged, stock)
        for claim in waiting.values():
            if wronged is None or claim.id != wronged.id:
                self._pass(books, stock, claim)

    def _pass(self, books: Books, stock: Stock, claim: Claim) -> None:
        known = self._passed.get((stock.id, claim.id))
        if known is None:
            self._passed[stock.id, claim.id] = Passed(1, books.seq, books.at_ms, stock.free)
        else:
            known.times += 1

    def waited(self, books: Books, fact: f.Waited) -> None:
        if fact.event_id != self.report.event_id:
            return
        stock = books.stocks[fact.ticket_type_id]
        self._check_turn(books, stock.show, fact.user_id, fact.booking_id)
        self._count_tickets(books, stock.show, fact.user_id, fact.quantity, fact.booking_id)
        claim = Claim(fact.booking_id, fact.user_id, stock, fact.quantity, fact.amount_minor, books.seq, WAITING)
        self._enter(claim, (stock, *(books.stocks[number] for number in fact.also)))

    def promoted(self, books: Books, fact: f.Promoted) -> None:
        claim = books.claims[fact.booking_id]
        stock = books.stocks[fact.ticket_type_id] if fact.ticket_type_id else claim.stock
        if stock.show.id != self.report.event_id:
            return
        for ahead in self._lines.get(stock.id, {}).values():
            if ahead.id == claim.id:
                break
            if not stock.show.strict and ahead.quantity > stock.free:
                self._pass(books, stock, ahead)
            else:
                self._deviates(books, "passed", ahead, stock)
        self._line(stock).served += 1
        self._leave(books, claim, "any_of", served_by=stock)

    def left_line(self, books: Books, fact: f.LeftLine) -> None:
        claim, stock = books.claims[fact.booking_id], books.stocks[fact.ticket_type_id]
        if self._lines.get(stock.id, {}).pop(claim.id, None) is not None:
            self._deviates(books, "more_than_there_are", claim, stock)

    def ended(self, books: Books, fact: f.BookingCancelled | f.Lapsed) -> None:
        claim = books.claims[fact.booking_id]
        if claim.status != WAITING or claim.stock.show.id != self.report.event_id:
            return
        rule = "sale_over"
        if isinstance(fact, f.BookingCancelled):
            rule = {"capacity": "more_than_there_are", "event_cancelled": "event_cancelled"}.get(
                fact.reason, "given_up"
            )
        self._leave(books, claim, rule)

    def _leave(self, books: Books, claim: Claim, rule: str, served_by: Stock | None = None) -> None:
        for stock_id, waiting in self._lines.items():
            if waiting.pop(claim.id, None) is not None and (served_by is None or stock_id != served_by.id):
                self._deviates(books, rule, claim, books.stocks[stock_id])

    def payment_succeeded(self, books: Books, fact: f.PaymentSucceeded) -> None:
        claim = books.attempts[fact.payment_id].claim
        if claim.stock.show.id == self.report.event_id and claim.status == EXPIRED and not fact.surplus:
            self._deviates(books, "paid_late", claim, claim.stock)
            self._pass_all(books, claim.stock)

    def _count_tickets(self, books: Books, show: Show, user_id: str, quantity: int, booking_id: int) -> None:
        has = show.tickets_of.get(user_id, 0) + quantity
        self.report.most_tickets = max(self.report.most_tickets, has)
        if has > show.max_per_user:
            self._note(books, "limit_exceeded", user_id, "", books.seq, booking_id=booking_id, detail=f"{has} tickets")

    def _deviates(self, books: Books, rule: str, claim: Claim, stock: Stock) -> None:
        self._note(books, rule, claim.user_id, stock.name, claim.seq, booking_id=claim.id)

    def _note(self, books: Books, rule: str, user_id: str, place: str, joined_seq: int, **more: Any) -> None:
        self.report.deviations.append(Deviation(rule, user_id, books.seq, books.at_ms, place, joined_seq, **more))

    def _note_visit(self, books: Books, rule: str, room: RoomBook | None, visit: Visit, **more: Any) -> None:
        number = room.number_of(visit.arrival) if room is not None else 0
        self._note(books, rule, visit.user_id, "waiting room", visit.seq, arrival=visit.arrival, number=number, **more)

    # --- the waiting room

    def room_set(self, _books: Books, fact: f.RoomSet) -> None:
        if fact.event_id == self.report.event_id and self.report.room is None:
            self.report.room = Order("waiting room")

    def room_removed(self, books: Books, fact: f.RoomRemoved) -> None:
        if fact.event_id == self.report.event_id:
            self._all_still_waiting(books, "room_removed")
            self._waiting.clear()

    def queue_joined(self, books: Books, fact: f.QueueJoined) -> None:
        show = self._show(books)
        if fact.event_id != self.report.event_id or show is None or show.room is None:
            return
        order = self._room_order()
        order.joined += 1
        visit = Visit(show.room.arrivals + 1, fact.user_id, books.seq)
        self._waiting[visit.arrival] = visit
        if fact.user_id in self._came_before:
            self._note_visit(books, "joined_again", show.room, visit)
        self._came_before.add(fact.user_id)

    def _room_order(self) -> Order:
        if self.report.room is None:
            self.report.room = Order("waiting room")
        return self.report.room

    def room_opened(self, books: Books, fact: f.RoomOpened) -> None:
        show = self._show(books)
        if fact.event_id != self.report.event_id or show is None or show.room is None or not show.room.shuffle:
            return
        room = show.room
        proven = bool(room.seed) and room.seed == fact.seed
        order = drawn(fact.seed, room.digest, room.arrivals)
        self.report.draw = Draw(sha256(room.seed).hexdigest(), fact.seed.hex(), proven, order)
        if not proven:
            self._note(books, "lot_broken", "", "waiting room", books.seq, detail="the seed is another one")

    def queue_left(self, books: Books, fact: f.QueueLeft) -> None:
        show = self._show(books)
        if fact.event_id != self.report.event_id or show is None or show.room is None:
            return
        visit = show.room.visits[fact.arrival]
        rule = "turn_given_up" if visit.status in PLACE_INSIDE else "left"
        self._waiting.pop(visit.arrival, None)
        self._note_visit(books, rule, show.room, visit)

    def turns_lapsed(self, books: Books, fact: f.TurnsLapsed) -> None:
        show = self._show(books)
        if fact.event_id != self.report.event_id or show is None or show.room is None:
            return
        for arrival in fact.arrivals:
            visit = show.room.visits[arrival]
            if not visit.holds:
                self._note_visit(books, "turn_lapsed", show.room, visit)

    def queue_admitted(self, books: Books, fact: f.QueueAdmitted) -> None:
        show = self._show(books)
        if fact.event_id != self.report.event_id or show is None or show.room is None:
            return
        room, order = show.room, self._room_order()
        for number in range(room.through + 1, min(fact.through, room.arrivals) + 1):
            visit = room.visits[arrival_of(room, number)]
            if visit.status == PLACE_WAITING:
                order.served += 1
                self._waiting.pop(visit.arrival, None)

    def _check_turn(self, books: Books, show: Show, user_id: str, booking_id: int) -> None:
        if show.room is None:
            return
        visit = show.room.visit_of.get(user_id)
        if visit is None or visit.status not in PLACE_INSIDE or visit.expires_ms <= books.at_ms:
            self._note(books, "no_turn", user_id, "waiting room", books.seq, booking_id=booking_id)

    def _all_still_waiting(self, books: Books, rule: str) -> None:
        show = self._show(books)
        for visit in self._waiting.values():
            self._note_visit(books, rule, show.room if show is not None else None, visit)

    # --- beside all that

    def suspected(self, _books: Books, fact: f.Suspected) -> None:
        self.report.suspected += fact.event_id == self.report.event_id

    def keyed(self, _books: Books, fact: f.Keyed) -> None:
        try:
            reply = replies.decode(fact.reply)
        except msgspec.MsgspecError:  # the audit says so
            return
        if isinstance(reply, replies.Refusal):
            code = str(reply.code)
            self.report.refused[code] = self.report.refused.get(code, 0) + 1

    def finish(self) -> Fairness:
        """What was found; those who still wait are told of last. Only where the event was found."""
        report, books = self.report, self._books
        assert books is not None
        show = books.shows[report.event_id]
        details = show.known
        report.name = str(details[0]) if details else ""
        report.waitlist, report.max_per_user = WAITLIST_NAMES[show.waitlist], show.max_per_user
        for (stock_id, booking_id), passed in self._passed.items():
            claim, stock = books.claims.get(booking_id), books.stocks[stock_id]
            detail = f"{passed.times} times; {passed.free} were free at first"
            user_id, joined_seq = (claim.user_id, claim.seq) if claim is not None else ("", 0)
            shown = Deviation(
                "group_too_large", user_id, passed.seq, passed.at_ms, stock.name, joined_seq, 0, 0, booking_id, detail
            )
            report.deviations.append(shown)
        for stock_id, waiting in self._lines.items():
            self._line(books.stocks[stock_id]).waiting = len(waiting)
            for claim in waiting.values():
                self._deviates(books, "still_waiting", claim, books.stocks[stock_id])
        if report.room is not None:
            report.room.waiting = len(self._waiting)
            self._all_still_waiting(books, "not_reached")
        return report


_WATCHED: dict[type, Callable[[FairnessWatch, Books, Any], None]] = {
    f.Held: FairnessWatch.held,
    f.Waited: FairnessWatch.waited,
    f.Promoted: FairnessWatch.promoted,
    f.LeftLine: FairnessWatch.left_line,
    f.BookingCancelled: FairnessWatch.ended,
    f.Lapsed: FairnessWatch.ended,
    f.PaymentSucceeded: FairnessWatch.payment_succeeded,
    f.RoomSet: FairnessWatch.room_set,
    f.RoomRemoved: FairnessWatch.room_removed,
    f.QueueJoined: FairnessWatch.queue_joined,
    f.RoomOpened: FairnessWatch.room_opened,
    f.QueueAdmitted: FairnessWatch.queue_admitted,
    f.QueueLeft: FairnessWatch.queue_left,
    f.TurnsLapsed: FairnessWatch.turns_lapsed,
    f.Suspected: FairnessWatch.suspected,
    f.Keyed: FairnessWatch.keyed,
}
