"""The rules a second time, in the plainest way: dicts, lists and linear scans, after the contract's words.

Nothing here is shared with the engine but the commands it is asked. Each command gives what the engine must answer and
changes the model; nothing is derived, cached or indexed, so there is nothing that could go stale.
"""

from onsale.engine import commands as c
from onsale.tests.engine.naive_base import (
    CLAIMED,
    DONE,
    ENDED,
    FIVE_MINUTES_MS,
    HOLDING,
    HOUR_MS,
    NOTHING,
    OVER_MS,
    SOLD,
    STATUS_NUMBERS,
    WARN_MS,
    Answer,
    Row,
    no,
)
from onsale.tests.engine.naive_cluster import Cluster
from onsale.tests.engine.naive_events import Events
from onsale.tests.engine.naive_money import Money
from onsale.tests.engine.naive_onsale import Onsale
from onsale.tests.engine.naive_outside import Outside

__all__ = ["STATUS_NUMBERS", "Answer", "Model"]


class Model(Events, Money, Cluster, Outside, Onsale):
    def on_book(self, asked: c.Book) -> Answer:
        event = self.events.get(asked.event_id)
        if event is None:
            return no("no_such_event")
        wanted = asked.ticket_types or (asked.ticket_type,)
        kinds = [self._wanted(event, each) for each in wanted]
        if None in kinds or len({kind["id"] for kind in kinds}) < len(kinds):
            return no("invalid_field")
        if event["cancelled"]:
            return no("event_cancelled")
        if event["closed"] or self.now >= self.closes(event):
            return no("not_on_sale")
        if event["on_sale_ms"] is not None and self.now < event["on_sale_ms"]:
            return no("too_early")
        if event["id"] in self.rooms:
            place = self.turn_of(event, asked)
            return no("queue_required") if place is None else self._book(event, asked, kinds, place)
        if self.lacks_challenge(event, asked.proof):
            return no("challenge_required")
        self.use_challenge(event, asked.proof)
        return self._book(event, asked, kinds, None)

    def _book(self, event: Row, asked: c.Book, kinds: list[Row], place: Row | None) -> Answer:
        mine = self._mine(asked.user_id, event)
        if sum(b["quantity"] for b in mine if b["status"] in CLAIMED) + asked.quantity > event["max_per_user"]:
            return no("limit_per_user")
        holds_max = event["max_holds_per_user"]
        if holds_max is None and (place is not None or event["challenge"]):
            holds_max = 1
        if holds_max is not None and sum(b["status"] in HOLDING for b in mine) >= holds_max:
            return no("limit_per_user")
        for kind in kinds:
            if self.takes_newcomer(kind, asked.quantity):
                booking = self._new_booking(event, asked, kind, place)
                self._add(booking, "held")
                self._tell(booking, "held")
                return Answer("Booked", {**self._told_of(booking), "expires_ms": booking["expires"]})
        enough = [kind for kind in kinds if asked.quantity <= kind["capacity"]]
        if event["waitlist"] == 0 or not asked.waitlist or not enough:
            return no("sold_out")
        booking = self._new_booking(event, asked, enough[0], place)
        booking["also"] = [kind["id"] for kind in enough[1:]]
        self._add(booking, "waiting")
        return Answer("InLine", {**self._told_of(booking), "position": min(len(self.line(kind)) for kind in enough)})

    def _new_booking(self, event: Row, asked: c.Book, kind: Row, place: Row | None) -> Row:
        return {
            "id": self.next["booking"],
            "user": asked.user_id,
            "event": event["id"],
            "type": kind["id"],
            "also": [],
            "place": place,
            "quantity": asked.quantity,
            "amount": kind["price"] * asked.quantity,
            "held_at": self.now,
            "expires": self.now + asked.hold_ms,
            "warned": False,
            "joined": self.next["booking"],
            "payment": None,
            "refunds": [],  # [amount, "pending" or "succeeded"]
            "ended": None,
        }

    def _told_of(self, booking: Row) -> Row:
        return {
            "booking_id": booking["id"],
            "user_id": booking["user"],
            "event_id": booking["event"],
            "ticket_type": self.types[booking["type"]]["name"],
            "quantity": booking["quantity"],
            "amount_minor": booking["amount"],
            "currency": self.events[booking["event"]]["currency"],
            "at_ms": self.now,
        }

    def _wanted(self, event: Row, wanted: int | str | None) -> Row | None:
        kinds = self._types(event)
        if wanted is None:
            return kinds[0] if len(kinds) == 1 else None
        for kind in kinds:
            if kind["name"] == wanted:
                return kind
        for kind in kinds:
            if str(kind["id"]) == str(wanted):
                return kind
        return None

    def on_give_up(self, asked: c.GiveUp) -> Answer:
        booking = self.bookings.get(asked.booking_id)
        if booking is None:
            return no("no_such_booking")
        if asked.user_id is not None and asked.user_id != booking["user"]:
            return no("forbidden")
        payment = self.payments.get(booking["payment"])
        asked_for_a_step = booking["status"] == "paying" and payment["status"] == "requires_action"
        if booking["status"] not in {"waiting", "held"} and not asked_for_a_step:
            return no("wrong_status")
        if asked_for_a_step:
            payment["status"] = "abandoned"
        self._end(booking, "cancelled", "cancelled")
        self._serve(self.types[booking["type"]], asked.hold_ms)
        return Answer("BookingReply", {"booking_id": booking["id"], "status": 6, "user_id": booking["user"]})

    # --- chores

    def on_lapse(self, asked: c.Lapse) -> Answer:
        booking = self.bookings.get(asked.booking_id)
        if booking is None or booking["status"] not in HOLDING or self.now < self._lapses(booking):
            return NOTHING
        if booking["status"] == "paying":
            self.payments[booking["payment"]]["status"] = "abandoned"
        self._end(booking, "expired", "lapsed")
        self._serve(self.types[booking["type"]], asked.hold_ms)
        return DONE

    def warns(self, booking: Row) -> int:
        return booking["expires"] - min(WARN_MS, (booking["expires"] - booking["held_at"]) // 5)

    def on_warn(self, asked: c.Warn) -> Answer:
        booking = self.bookings.get(asked.booking_id)
        if booking is None or booking["status"] != "held" or booking["warned"] or self.now < self.warns(booking):
            return NOTHING
        booking["warned"] = True
        self._tell(booking, "about_to_lapse")
        return DONE

    def on_retire(self, asked: c.Retire) -> Answer:
        keeps_ms = self.keeps_ms()
        for booking_id in asked.booking_ids:
            booking = self.bookings[booking_id]
            assert booking["status"] in ENDED
            assert not self.unsettled(booking)
            assert self.now >= booking["ended"] + keeps_ms
            self._forget_lapse(booking)
            self.shown = {(number, ticket) for number, ticket in self.shown if number != booking_id}
            del self.bookings[booking_id]
        return DONE

    def on_archive(self, asked: c.Archive) -> Answer:
        """All at once: there are never as many here as one step takes."""
        event = self.events[asked.event_id]
        assert event["closed"]
        assert not event["cancelled"]
        assert self.is_over(event)
        for booking in self.settled(event):
            self.shown = {(number, ticket) for number, ticket in self.shown if number != booking["id"]}
            self.archived[booking["id"]] = self.bookings.pop(booking["id"])
        return DONE

    def on_close_sale(self, asked: c.CloseSale) -> Answer:
        event = self.events[asked.event_id]
        if event["closed"] or self.now < self.closes(event):
            return NOTHING
        event["closed"] = True
        return DONE

    def on_sweep(self, asked: c.Sweep) -> Answer:
        booking = self.bookings[asked.booking_id]
        event = self.events[booking["event"]]
        if event["cancelled"]:
            if booking["status"] in SOLD:
                left = self._left(booking)
                refund = self._start_refund(booking, left)
                self._tell(booking, "event_cancelled")
                if not left:
                    self._refund_done(refund)
                return DONE
            if booking["status"] == "paying":
                self.payments[booking["payment"]]["status"] = "abandoned"
            if booking["status"] in CLAIMED:
                self._end(booking, "cancelled", "cancelled")
                return DONE
        elif event["closed"] and booking["status"] == "waiting":
            self._end(booking, "expired", "lapsed")
            return DONE
        return NOTHING

    def on_promote(self, asked: c.Promote) -> Answer:
        kind = self.types[asked.ticket_type_id]
        return DONE if self._serve(kind, asked.hold_ms) else NOTHING

    def overdue(self, now: int) -> list[str]:
        """What should have been done by itself by now."""
        found = [f"serve {kind['id']}" for kind in self.types.values() if self.servable(kind)]
        over = [event for event in self.events.values() if not event["closed"] and self.closes(event) <= now]
        found += [f"close {event['id']}" for event in over]
        found += [f"archive of {number}" for number, due in self.archive_dues() if due <= now]
        changed = [event for event in self.events.values() if event["told"] + 1 < event["tell_below"]]
        found += [f"tell of {event['id']}" for event in changed if not event["cancelled"]]
        found += [f"waiting rooms at {due}" for due in self.room_dues() if due <= now]
        for booking in self.bookings.values():
            event, status = self.events[booking["event"]], booking["status"]
            ends_with_its_event = event["cancelled"] and status in CLAIMED
            waits_in_vain = event["closed"] and status == "waiting"
            if ends_with_its_event or waits_in_vain or self.next_of(booking) <= now:
                found.append(f"{status} {booking['id']}")
        return found

    def archive_dues(self) -> list[tuple[int, int]]:
        """Events, and when their paid bookings leave memory."""
        closed = [event for event in self.events.values() if event["closed"] and not event["cancelled"]]
        return [(event["id"], self.closes(event) + OVER_MS) for event in closed if self.settled(event)]

    def keeps_ms(self) -> int:
        """What has ended, in memory."""
        ended = [each for each in self.bookings.values() if each["status"] in ENDED and not self.unsettled(each)]
        return FIVE_MINUTES_MS if len(ended) > self.ended_max else HOUR_MS

    def next_of(self, booking: Row) -> float:
        """When something happens to this booking by itself."""
        if booking["status"] == "held":
            return booking["expires"] if booking["warned"] else self.warns(booking)
        if booking["status"] == "paying":
            return self._lapses(booking)
        if booking["status"] in ENDED and not self.unsettled(booking):
            return booking["ended"] + self.keeps_ms()
        return float("inf")

    def next_due(self) -> float:
        closings = [self.closes(event) for event in self.events.values() if not event["closed"]]
        closings += [due for _, due in self.archive_dues()]
        return min(
            [*closings, *self.room_dues(), *(self.next_of(booking) for booking in self.bookings.values())],
            default=float("inf"),
        )
