"""The rules a second time, in the plainest way: dicts, lists and linear scans, after the contract's words.

Nothing here is shared with the engine but the commands it is asked. Each command gives what the engine must answer and
changes the model; nothing is derived, cached or indexed, so there is nothing that could go stale.
"""

from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from msgspec import UNSET

from onsale.engine import commands as c

DAY_MS = 24 * 60 * 60 * 1000
HOUR_MS = 60 * 60 * 1000
PAYING_MS = 15 * 60 * 1000
WARN_MS = 60 * 1000
DECIMALS = {"EUR": 2, "JPY": 0, "KWD": 3}
TRY_AGAIN = {"too_early", "overloaded"}

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


NOTHING = Answer("Done", {"nothing": True})
DONE = Answer("Done", {})


def minor(amount: str, currency: str) -> int | None:
    try:
        number = Decimal(amount)
    except InvalidOperation:
        return None
    scaled = number.scaleb(DECIMALS[currency])
    return int(scaled) if scaled == scaled.to_integral_value() and number >= 0 and amount[0].isdigit() else None


class Model:
    def __init__(self, promotions_max: int = 1000) -> None:
        self.promotions_max = promotions_max
        self.events: dict[int, Row] = {}
        self.types: dict[int, Row] = {}
        self.bookings: dict[int, Row] = {}
        self.payments: dict[int, Row] = {}
        self.refunds: dict[int, Row] = {}
        self.keys: dict[bytes, Row] = {}
        self.notices: list[tuple[str, str, int]] = []
        self.lapsed: dict[tuple[str, int], int | None] = {}
        self.next = dict.fromkeys(("event", "type", "booking", "payment", "refund"), 1)
        self.now = 0

    def ask(self, now: int, command: c.Command, key: c.Idempotency | None = None) -> Answer:
        self.now = now
        handle = getattr(self, "_" + type(command).__name__)
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

    _key: c.Idempotency | None = None

    # --- what can be seen

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
        return sorted((b for b in self._of(kind) if b["status"] == "waiting"), key=lambda b: b["joined"])

    def _of(self, kind: Row) -> list[Row]:
        return [b for b in self.bookings.values() if b["type"] == kind["id"]]

    def _mine(self, user: str, event: Row) -> list[Row]:
        return [b for b in self.bookings.values() if b["user"] == user and b["event"] == event["id"]]

    def _types(self, event: Row) -> list[Row]:
        return [kind for kind in self.types.values() if kind["event"] == event["id"]]

    def closes(self, event: Row) -> int:
        return event["starts_ms"] if event["ends_ms"] is None else event["ends_ms"]

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

    # --- booking

    def _Book(self, asked: c.Book) -> Answer:
        event = self.events.get(asked.event_id)
        if event is None:
            return no("no_such_event")
        kind = self._wanted(event, asked.ticket_type)
        if kind is None:
            return no("invalid_field")
        if event["cancelled"]:
            return no("event_cancelled")
        if event["closed"] or self.now >= self.closes(event):
            return no("not_on_sale")
        if event["on_sale_ms"] is not None and self.now < event["on_sale_ms"]:
            return no("too_early")
        mine = self._mine(asked.user_id, event)
        if sum(b["quantity"] for b in mine if b["status"] in CLAIMED) + asked.quantity > event["max_per_user"]:
            return no("limit_per_user")
        holds = sum(b["status"] in HOLDING for b in mine)
        if event["max_holds_per_user"] is not None and holds >= event["max_holds_per_user"]:
            return no("limit_per_user")
        strict = event["waitlist"] == 1
        must_wait = bool(self.line(kind)) if strict else self.servable(kind)
        booking = {
            "id": self.next["booking"],
            "user": asked.user_id,
            "event": event["id"],
            "type": kind["id"],
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
        fields = {
            "booking_id": booking["id"],
            "user_id": asked.user_id,
            "event_id": event["id"],
            "ticket_type": kind["name"],
            "quantity": asked.quantity,
            "amount_minor": booking["amount"],
            "currency": event["currency"],
            "at_ms": self.now,
        }
        if asked.quantity <= self.free(kind) and not must_wait:
            self._add(booking, "held")
            self._tell(booking, "held")
            return Answer("Booked", {**fields, "expires_ms": booking["expires"]})
        if event["waitlist"] == 0 or not asked.waitlist or asked.quantity > kind["capacity"]:
            return no("sold_out")
        self._add(booking, "waiting")
        return Answer("InLine", {**fields, "position": len(self.line(kind))})

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
                self._end(booking, "cancelled", "cancelled")
                done += 1
        for booking in self.line(kind):
            if done >= room:
                break
            if booking["quantity"] > kind["capacity"]:
                continue
            if booking["quantity"] <= self.free(kind):
                booking.update(status="held", held_at=self.now, expires=self.now + hold_ms)
                self._tell(booking, "your_turn")
                done += 1
            elif event["waitlist"] == 1:
                break
        return done

    def _GiveUp(self, asked: c.GiveUp) -> Answer:
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

    # --- paying

    def _StartPayment(self, asked: c.StartPayment) -> Answer:
        event = self.events.get(asked.event_id)
        if event is None:
            return no("no_such_event")
        booking = self._meant(asked, event)
        if isinstance(booking, Answer):
            return booking
        status = booking["status"]
        if status in SOLD:
            return no("already_paid")
        if event["cancelled"]:
            return no("event_cancelled")
        if status == "expired" or (status in HOLDING and self.now >= self._lapses(booking)):
            return no("hold_expired")
        if status not in HOLDING:
            return no("wrong_status")
        amount = minor(asked.amount, event["currency"])
        if amount is None:
            return no("invalid_field")
        if amount != booking["amount"]:
            return no("amount_mismatch")
        before = self.payments.get(booking["payment"]) if status == "paying" else None
        if before is not None:
            if before["status"] != "requires_action" or asked.method is None:
                return Answer("PaymentUnderway", self._underway(before))
            before["status"] = "abandoned"
        payment = {
            "id": self.next["payment"],
            "booking": booking["id"],
            "status": "started",
            "secret": None,
            "key": self._key,
            "amount": amount,
            "currency": event["currency"],
        }
        self.next["payment"] += 1
        booking["payment"] = payment["id"]
        if not amount:
            booking["status"] = "confirmed"
            self._tell(booking, "confirmed")
            return self._paid(booking)
        booking["status"] = "paying"
        self.payments[payment["id"]] = payment
        return Answer("PaymentUnderway", self._underway(payment))

    def _meant(self, asked: c.StartPayment, event: Row) -> Row | Answer:
        if asked.booking_id is not None:
            booking = self.bookings.get(asked.booking_id)
            if booking is None or booking["event"] != event["id"]:
                return no("no_such_booking")
            return booking if booking["user"] == asked.user_id else no("forbidden")
        mine = self._mine(asked.user_id, event)
        holds = [b for b in mine if b["status"] in HOLDING]
        if len(holds) > 1:
            return no("ambiguous_booking")
        lapsed = self.lapsed.get((asked.user_id, event["id"]))  # the last one that did
        others = [b for b in mine if b["status"] in CLAIMED or b["id"] == lapsed]
        if not holds and not others:
            return no("no_such_booking")
        return holds[0] if holds else others[-1]

    def _lapses(self, booking: Row) -> int:
        """When a hold ends; while a payment is under way not before a quarter of an hour after it began."""
        return max(booking["expires"], booking["held_at"] + PAYING_MS * (booking["status"] == "paying"))

    def _underway(self, payment: Row) -> Row:
        return {
            "payment_id": payment["id"],
            "booking_id": payment["booking"],
            "amount_minor": payment["amount"],
            "currency": payment["currency"],
            "requires_action": payment["status"] == "requires_action",
            "client_secret": payment["secret"],
            "expires_ms": self._lapses({**self.bookings[payment["booking"]], "status": "paying"}),
        }

    def _paid(self, booking: Row) -> Answer:
        return Answer(
            "Paid",
            {
                "booking_id": booking["id"],
                "payment_id": booking["payment"],
                "event_id": booking["event"],
                "ticket_type": self.types[booking["type"]]["name"],
                "quantity": booking["quantity"],
                "amount_minor": booking["amount"],
                "currency": self.events[booking["event"]]["currency"],
            },
        )

    def _SettlePayment(self, asked: c.SettlePayment) -> Answer:
        payment = self.payments.get(asked.payment_id)
        if payment is None:
            return NOTHING
        first_word = payment["status"] == "started" or (payment["status"] == "abandoned" and payment["secret"] is None)
        answer = self._settled(payment, asked.outcome)
        return self._keep(payment, answer) if first_word else answer

    def _keep(self, asked: Row, answer: Answer) -> Answer:
        """The provider's first word is the answer to the request's key from now on."""
        key = asked["key"]
        known = self.keys.get(key.digest) if key is not None else None
        if known is None or answer.kind == "Done" or self.now >= known["at"] + DAY_MS:
            return answer
        return answer._replace(kept=key.digest) if known["fingerprint"] == key.fingerprint else answer

    def _settled(self, payment: Row, outcome: c.PaymentOutcome) -> Answer:
        booking = self.bookings[payment["booking"]]
        current = booking["status"] == "paying" and booking["payment"] == payment["id"]
        if isinstance(outcome, c.PaymentPendingOutcome):
            status = "requires_action" if outcome.requires_action else "processing"
            same = payment["secret"] == outcome.client_secret and (payment["status"] == "requires_action") == (
                outcome.requires_action
            )
            if not current or same:
                return NOTHING
            payment.update(status=status, secret=outcome.client_secret)
            return Answer("PaymentUnderway", self._underway(payment))
        del self.payments[payment["id"]]
        if isinstance(outcome, c.PaymentFailedOutcome):
            if current:
                booking["status"] = "held"
            return no("payment_declined")
        if booking["status"] in HOLDING or (booking["status"] == "expired" and self._can_retake(booking)):
            if booking["status"] == "paying" and not current:
                self.payments[booking["payment"]]["status"] = "abandoned"
            self._forget_lapse(booking)
            booking.update(status="confirmed", payment=payment["id"], ended=None)
            self._tell(booking, "confirmed")
            return self._paid(booking)
        self._start_refund(booking, payment["amount"], surplus=True)
        return no("hold_expired" if booking["status"] == "expired" else "wrong_status")

    def _can_retake(self, booking: Row) -> bool:
        event, kind = self.events[booking["event"]], self.types[booking["type"]]
        mine = sum(b["quantity"] for b in self._mine(booking["user"], event) if b["status"] in CLAIMED)
        return (
            not event["cancelled"]
            and not event["closed"]
            and not self.line(kind)
            and booking["quantity"] <= self.free(kind)
            and mine + booking["quantity"] <= event["max_per_user"]
        )

    # --- refunds

    def _left(self, booking: Row) -> int:
        return booking["amount"] - sum(amount for amount, _ in booking["refunds"])

    def _start_refund(self, booking: Row, amount: int, *, surplus: bool = False) -> Row:
        refund = {
            "id": self.next["refund"],
            "booking": booking["id"],
            "amount": amount,
            "entry": [amount, "pending"],
            "surplus": surplus,
            "failed": False,
            "key": None if surplus else self._key,
        }
        self.next["refund"] += 1
        self.refunds[refund["id"]] = refund
        if not surplus:
            booking["status"] = "refund_pending" if amount == self._left(booking) else "partial_refund_pending"
            booking["refunds"].append(refund["entry"])
        return refund

    def _refund_done(self, refund: Row) -> None:
        booking = self.bookings[refund["booking"]]
        del self.refunds[refund["id"]]
        refund["entry"][1] = "succeeded"
        if not refund["surplus"] and all(done == "succeeded" for _, done in booking["refunds"]):
            if booking["status"] == "refund_pending":
                booking.update(status="refunded", ended=self.now)
            else:
                booking["status"] = "partially_refunded"
        self._tell(booking, "refunded")

    def _StartRefund(self, asked: c.StartRefund) -> Answer:
        booking = self.bookings.get(asked.booking_id)
        if booking is None:
            return no("no_such_booking")
        if asked.user_id is not None and asked.user_id != booking["user"]:
            return no("forbidden")
        if booking["status"] not in SOLD:
            return no("wrong_status")
        left = self._left(booking)
        amount: int | None = left
        if asked.amount is not None:
            amount = minor(asked.amount, self.events[booking["event"]]["currency"])
            if amount is None or (amount == 0 and booking["amount"]):
                return no("invalid_field")
            if amount > left:
                return no("amount_mismatch")
        refund = self._start_refund(booking, amount)
        whole = booking["status"] == "refund_pending"
        if not amount:
            self._refund_done(refund)
        answer = self._refund_reply(refund, 2 if not amount else 1)
        answer.fields["refunded_minor"] = sum(each for each, _ in booking["refunds"])
        if whole:
            self._serve(self.types[booking["type"]], asked.hold_ms)
        return answer

    def _refund_reply(self, refund: Row, status: int) -> Answer:
        booking = self.bookings[refund["booking"]]
        return Answer(
            "RefundReply",
            {
                "refund_id": refund["id"],
                "booking_id": booking["id"],
                "amount_minor": refund["amount"],
                "status": status,
                "booking_status": STATUS_NUMBERS[booking["status"]],
                "refunded_minor": sum(each for each, done in booking["refunds"] if done == "succeeded"),
            },
        )

    def _SettleRefund(self, asked: c.SettleRefund) -> Answer:
        refund = self.refunds.get(asked.refund_id)
        if refund is None or (refund["failed"] and asked.failure is not None):
            return NOTHING
        first_word = not refund["failed"]
        if asked.failure is not None:
            refund["failed"] = True
            answer = self._refund_reply(refund, 3)
        else:
            self._refund_done(refund)
            answer = self._refund_reply(refund, 2)
        return self._keep(refund, answer) if first_word else answer

    # --- events and users

    def _CreateEvent(self, asked: c.CreateEvent) -> Answer:
        event = {name: getattr(asked, name) for name in EVENT_FIELDS}
        if self._wrong(event) or not asked.types:
            return no("invalid_field")
        prices = [minor(spec.price, event["currency"]) for spec in asked.types]
        if None in prices or len({spec.name for spec in asked.types}) < len(asked.types):
            return no("invalid_field")
        event.update(id=self.next["event"], cancelled=False, closed=False, booked=False)
        self.next["event"] += 1
        self.events[event["id"]] = event
        for spec, price in zip(asked.types, prices, strict=True):
            self._add_type(event, spec.name, price, spec.capacity)
        return self._event_reply(event, created=True)

    def _wrong(self, event: Row) -> bool:
        return (
            event["currency"] not in DECIMALS
            or (event["ends_ms"] is not None and event["ends_ms"] < event["starts_ms"])
            or (event["on_sale_ms"] is not None and event["on_sale_ms"] > self.closes(event))
        )

    def _add_type(self, event: Row, name: str, price: int | None, capacity: int) -> None:
        number = self.next["type"]
        self.types[number] = {"id": number, "event": event["id"], "name": name, "price": price, "capacity": capacity}
        self.next["type"] += 1

    def _event_reply(self, event: Row, *, created: bool = False) -> Answer:
        fields = {name: event[name] for name in (*EVENT_FIELDS, "cancelled", "closed")}
        views = tuple(
            (kind["id"], kind["name"], kind["price"], kind["capacity"], *self.counts(kind))
            for kind in self._types(event)
        )
        return Answer("EventReply", {**fields, "event_id": event["id"], "created": created, "views": views})

    def _ChangeEvent(self, asked: c.ChangeEvent) -> Answer:
        before = self.events.get(asked.event_id)
        if before is None:
            return no("no_such_event")
        if before["cancelled"]:
            return no("event_cancelled")
        told = {name: getattr(asked, name) for name in EVENT_FIELDS if getattr(asked, name) is not UNSET}
        event = {**before, **told}
        kinds = {kind["id"]: dict(kind) for kind in self._types(event)}
        if self._wrong(event) or not self._change_types(asked, before, event, kinds):
            return no("invalid_field")
        before.update(told)
        if self.closes(before) > self.now:
            before["closed"] = False
        for number in sorted(kinds):
            self.types[number] = kinds[number]
            self.next["type"] = max(self.next["type"], number + 1)
        if self.closes(before) > self.now and not event["closed"]:
            room = self.promotions_max
            for kind in self._types(before):
                room -= self._serve(kind, asked.hold_ms, room)
        return self._event_reply(before)

    def _change_types(self, asked: c.ChangeEvent, before: Row, event: Row, kinds: dict[int, Row]) -> bool:
        """Change `kinds` as asked; False if that cannot be."""
        by_name = {kind["name"]: kind for kind in self._types(event)}
        number, seen, priced = self.next["type"], set(), set()
        for change in asked.types:
            price = None if change.price is None else minor(change.price, event["currency"])
            if change.price is not None and price is None:
                return False
            kind = kinds.get(change.id) if change.id is not None else by_name.get(change.name)
            if change.id is not None and (kind is None or change.id >= self.next["type"]):
                return False
            if kind is None:
                if change.name is None or price is None or change.capacity is None:
                    return False
                kinds[number] = {"id": number, "event": event["id"], "name": change.name, "price": price}
                kinds[number]["capacity"] = change.capacity
                number += 1
                continue
            kind = kinds[kind["id"]]
            held, sold, _ = self.counts(kind)
            if kind["id"] in seen or (change.capacity is not None and change.capacity < held + sold):
                return False
            seen.add(kind["id"])
            if price is not None:
                priced.add(kind["id"])
                kind["price"] = price
            kind["name"] = kind["name"] if change.name is None else change.name
            kind["capacity"] = kind["capacity"] if change.capacity is None else change.capacity
        if event["currency"] != before["currency"]:
            if before["booked"] or any(kind["id"] not in priced for kind in by_name.values()):
                return False
        return len({kind["name"] for kind in kinds.values()}) == len(kinds)

    def _CancelEvent(self, asked: c.CancelEvent) -> Answer:
        event = self.events.get(asked.event_id)
        if event is None:
            return no("no_such_event")
        if event["cancelled"]:
            return no("event_cancelled")
        event["cancelled"] = True
        return self._event_reply(event)

    def _SaveUser(self, asked: c.SaveUser) -> Answer:
        return Answer("UserReply", {"user_id": asked.user_id, "name": asked.name, "email": asked.email})

    # --- chores

    def _Lapse(self, asked: c.Lapse) -> Answer:
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

    def _Warn(self, asked: c.Warn) -> Answer:
        booking = self.bookings.get(asked.booking_id)
        if booking is None or booking["status"] != "held" or booking["warned"] or self.now < self.warns(booking):
            return NOTHING
        booking["warned"] = True
        self._tell(booking, "about_to_lapse")
        return DONE

    def unsettled(self, booking: Row) -> bool:
        rows = [*self.payments.values(), *self.refunds.values()]
        return any(row["booking"] == booking["id"] for row in rows)

    def _Retire(self, asked: c.Retire) -> Answer:
        for booking_id in asked.booking_ids:
            booking = self.bookings[booking_id]
            assert booking["status"] in ENDED
            assert not self.unsettled(booking)
            assert self.now >= booking["ended"] + HOUR_MS
            self._forget_lapse(booking)
            del self.bookings[booking_id]
        return DONE

    def _forget_lapse(self, booking: Row) -> None:
        if self.lapsed.get((booking["user"], booking["event"])) == booking["id"]:
            self.lapsed[booking["user"], booking["event"]] = None

    def _CloseSale(self, asked: c.CloseSale) -> Answer:
        event = self.events[asked.event_id]
        if event["closed"] or self.now < self.closes(event):
            return NOTHING
        event["closed"] = True
        return DONE

    def _Sweep(self, asked: c.Sweep) -> Answer:
        booking = self.bookings[asked.booking_id]
        event = self.events[booking["event"]]
        if event["cancelled"]:
            if booking["status"] in SOLD:
                left = self._left(booking)
                refund = self._start_refund(booking, left)
                self._tell(booking, "cancelled")
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

    def _Promote(self, asked: c.Promote) -> Answer:
        kind = self.types[asked.ticket_type_id]
        return DONE if self._serve(kind, asked.hold_ms) else NOTHING

    def overdue(self, now: int) -> list[str]:
        """What should have been done by itself by now."""
        found = [f"serve {kind['id']}" for kind in self.types.values() if self.servable(kind)]
        for event in self.events.values():
            if not event["closed"] and self.closes(event) <= now:
                found.append(f"close {event['id']}")
        for booking in self.bookings.values():
            event = self.events[booking["event"]]
            if event["cancelled"] and booking["status"] in CLAIMED:
                found.append(f"sweep {booking['id']}")
            elif event["closed"] and booking["status"] == "waiting":
                found.append(f"sweep {booking['id']}")
            elif self.next_of(booking) <= now:
                found.append(f"{booking['status']} {booking['id']}")
        return found

    def next_of(self, booking: Row) -> float:
        """When something happens to this booking by itself."""
        if booking["status"] == "held":
            return booking["expires"] if booking["warned"] else self.warns(booking)
        if booking["status"] == "paying":
            return self._lapses(booking)
        if booking["status"] in ENDED and not self.unsettled(booking):
            return booking["ended"] + HOUR_MS
        return float("inf")

    def next_due(self) -> float:
        closings = [self.closes(event) for event in self.events.values() if not event["closed"]]
        return min([*closings, *(self.next_of(booking) for booking in self.bookings.values())], default=float("inf"))


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
