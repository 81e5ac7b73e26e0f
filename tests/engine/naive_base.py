"""What the parts of the naive model share: its rows, how it sees them, and how free tickets go down a line."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from onsale.engine import commands as c

DAY_MS = 24 * 60 * 60 * 1000
HOUR_MS = 60 * 60 * 1000
FIVE_MINUTES_MS = 5 * 60 * 1000
OVER_MS = 30 * DAY_MS
PAYING_MS = 15 * 60 * 1000
WARN_MS = 60 * 1000
DECIMALS = {"EUR": 2, "JPY": 0, "KWD": 3}
TRY_AGAIN = {"too_early", "overloaded", "queue_required", "challenge_required"}

HOLDING = ("held", "paying")
SOLD = ("confirmed", "partial_refund_pending", "partially_refunded")
CLAIMED = (*HOLDING, *SOLD, "waiting")
ENDED = ("expired", "cancelled", "refunded")

Row = dict[str, Any]


class Answer(NamedTuple):
    kind: str  # the reply's type, or the refusal's code
    fields: Row
    replayed: bytes | None = None  # the first answer to this key, once more
    kept: bytes | None = None  # from now on the answer to this key

    @property
    def is_refusal(self) -> bool:
        return self.kind[0].islower()


def no(code: str) -> Answer:
    return Answer(code, {})


NEWS_KNOWN = b"news"  # given again, though to no key
NOTHING = Answer("Done", {"nothing": True})
DONE = Answer("Done", {})


def minor(amount: str, currency: str) -> int | None:
    try:
        number = Decimal(amount)
    except InvalidOperation:
        return None
    scaled = number.scaleb(DECIMALS[currency])
    return int(scaled) if scaled == scaled.to_integral_value() and number >= 0 and amount[0].isdigit() else None


class Base:
    def __init__(self, promotions_max: int = 1000) -> None:
        self.promotions_max = promotions_max
        self.ended_max = 100_000  # before they leave memory sooner
        self.events: dict[int, Row] = {}
        self.types: dict[int, Row] = {}
        self.bookings: dict[int, Row] = {}
        self.archived: dict[int, Row] = {}
        self.payments: dict[int, Row] = {}
        self.refunds: dict[int, Row] = {}
        self.keys: dict[bytes, Row] = {}
        self.notices: list[tuple[str, str, int]] = []
        self.lapsed: dict[tuple[str, int], int | None] = {}
        self.next = dict.fromkeys(("event", "type", "booking", "payment", "refund"), 1)
        self.now = 0

    _key: c.Idempotency | None = None

    def ask(self, now: int, command: c.Command, key: c.Idempotency | None = None) -> Answer:
        self.now = now
        try:
            return self._ask(command, key)
        finally:
            self.settle_turns()

    def settle_turns(self) -> None:
        """See naive_onsale."""

    def _ask(self, command: c.Command, key: c.Idempotency | None) -> Answer:
        now = self.now
        handle = getattr(self, "on_" + re.sub(r"(?<!^)(?=[A-Z])", "_", type(command).__name__).lower())
        if key is None:
            return handle(command)
        known = self.keys.get(key.digest)
        if known is not None and now < known["at"] + DAY_MS:
            if known["fingerprint"] != key.fingerprint:
                return no("idempotency_mismatch")
            return Answer("", {}, replayed=key.digest)
        self._key = key
        answer = handle(command)
        self._key = None
        if answer.kind in TRY_AGAIN:
            return answer
        self.keys[key.digest] = {"fingerprint": key.fingerprint, "at": now}
        return answer._replace(kept=key.digest)

    def free(self, kind: Row) -> int:
        taken = sum(b["quantity"] for b in self._of(kind) if b["status"] in HOLDING + SOLD)
        return kind["capacity"] - taken

    def counts(self, kind: Row) -> tuple[int, int, int]:
        mine = self._of(kind)
        return (
            sum(b["quantity"] for b in mine if b["status"] in HOLDING),
            sum(b["quantity"] for b in mine if b["status"] in SOLD),
            len(self.line(kind)),
        )

    def line(self, kind: Row) -> list[Row]:
        """All who would take these tickets, some of them others as well."""
        waiting = [b for b in self.bookings.values() if b["status"] == "waiting"]
        return sorted((b for b in waiting if kind["id"] in (b["type"], *b["also"])), key=lambda b: b["joined"])

    def _of(self, kind: Row) -> list[Row]:
        return [b for b in (*self.bookings.values(), *self.archived.values()) if b["type"] == kind["id"]]

    def _mine(self, user: str, event: Row) -> list[Row]:
        return [b for b in self.bookings.values() if b["user"] == user and b["event"] == event["id"]]

    def _types(self, event: Row) -> list[Row]:
        return [kind for kind in self.types.values() if kind["event"] == event["id"]]

    def closes(self, event: Row) -> int:
        return event["starts_ms"] if event["ends_ms"] is None else event["ends_ms"]

    def is_over(self, event: Row) -> bool:
        return self.closes(event) + OVER_MS <= self.now

    def has_archived(self, event: Row) -> bool:
        return any(b["event"] == event["id"] for b in self.archived.values())

    def settled(self, event: Row) -> list[Row]:
        """Paid bookings in memory with which nobody has anything to do."""
        mine = [b for b in self.bookings.values() if b["event"] == event["id"] and b["status"] == "confirmed"]
        return [b for b in mine if not self.unsettled(b)]

    def servable(self, kind: Row) -> bool:
        """Somebody in this line must be served, or told that it will never be."""
        event = self.events[kind["event"]]
        if event["cancelled"] or event["closed"]:
            return False
        line, free = self.line(kind), self.free(kind)
        if any(b["quantity"] > kind["capacity"] for b in line):
            return True
        if event["waitlist"] == 1:
            line = line[:1]
        return any(b["quantity"] <= free for b in line)

    def takes_newcomer(self, kind: Row, quantity: int) -> bool:
        """Nobody passes those who wait; on first fit they do who are too many."""
        strict = self.events[kind["event"]]["waitlist"] == 1
        passes = bool(self.line(kind)) if strict else self.servable(kind)
        return quantity <= self.free(kind) and not passes

    def _add(self, booking: Row, status: str) -> None:
        booking["status"] = status
        self.bookings[booking["id"]] = booking
        self.next["booking"] += 1
        self.events[booking["event"]]["booked"] = True

    def _tell(self, booking: Row, what: str) -> None:
        self.notices.append((booking["user"], what, booking["id"]))

    def _end(self, booking: Row, status: str, tell: str) -> None:
        booking.update(status=status, ended=self.now)
        if status == "expired":
            self.lapsed[booking["user"], booking["event"]] = booking["id"]
        self._tell(booking, tell)

    def _serve(self, kind: Row, hold_ms: int, room: int | None = None) -> int:
        """Free tickets go down the line, in the very step; says how many people were served or told."""
        event, done = self.events[kind["event"]], 0
        room = self.promotions_max if room is None else room
        if event["cancelled"] or event["closed"]:
            return 0
        for booking in self.line(kind):
            if booking["quantity"] > kind["capacity"] and done < room:
                if booking["also"]:
                    self._leave_line(booking, kind)
                else:
                    self._end(booking, "cancelled", "cancelled")
                done += 1
        for booking in self.line(kind):
            if done >= room:
                break
            if booking["quantity"] > kind["capacity"]:
                continue
            if booking["quantity"] <= self.free(kind):
                if booking["type"] != kind["id"]:
                    booking.update(type=kind["id"], amount=kind["price"] * booking["quantity"])
                lasts_ms = hold_ms if event["offer_ms"] is None else event["offer_ms"]
                booking.update(status="held", held_at=self.now, expires=self.now + lasts_ms, also=[])
                self._tell(booking, "your_turn")
                done += 1
            elif event["waitlist"] == 1:
                break
        return done

    def _leave_line(self, booking: Row, kind: Row) -> None:
        lines = [number for number in (booking["type"], *booking["also"]) if number != kind["id"]]
        if booking["type"] != lines[0]:
            booking["amount"] = self.types[lines[0]]["price"] * booking["quantity"]
        booking.update(type=lines[0], also=lines[1:])

    def _lapses(self, booking: Row) -> int:
        """When a hold ends; while a payment is under way not before a quarter of an hour after it began."""
        return max(booking["expires"], booking["held_at"] + PAYING_MS * (booking["status"] == "paying"))

    def unsettled(self, booking: Row) -> bool:
        rows = [*self.payments.values(), *self.refunds.values()]
        return any(row["booking"] == booking["id"] for row in rows)

    def _forget_lapse(self, booking: Row) -> None:
        if self.lapsed.get((booking["user"], booking["event"])) == booking["id"]:
            self.lapsed[booking["user"], booking["event"]] = None


EVENT_FIELDS = (
    "name",
    "starts_ms",
    "ends_ms",
    "venue",
    "city",
    "country",
    "category",
    "description",
    "currency",
    "on_sale_ms",
    "max_per_user",
    "max_holds_per_user",
    "waitlist",
    "webhook_url",
    "challenge",
    "offer_ms",
)

STATUS_NUMBERS = {
    "waiting": 1,
    "held": 2,
    "paying": 3,
    "confirmed": 4,
    "expired": 5,
    "cancelled": 6,
    "refund_pending": 7,
    "refunded": 8,
    "partial_refund_pending": 9,
    "partially_refunded": 10,
}
