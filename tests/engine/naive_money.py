"""The naive model: paying and giving money back."""

from onsale.engine import commands as c
from onsale.tests.engine.naive_base import (
    CLAIMED,
    DAY_MS,
    DONE,
    FIVE_MINUTES_MS,
    HOLDING,
    NOTHING,
    SOLD,
    STATUS_NUMBERS,
    Answer,
    Base,
    Row,
    minor,
    no,
)


class Money(Base):
    def on_start_payment(self, asked: c.StartPayment) -> Answer:
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
            "reference": None,
            "failure": None,
            "answered": False,
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
            return no("event_cancelled" if event["cancelled"] else "no_such_booking")
        return holds[0] if holds else others[-1]

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

    def on_settle_payment(self, asked: c.SettlePayment) -> Answer:
        payment = self.payments.get(asked.payment_id)
        if payment is None:
            reference = getattr(asked.outcome, "provider_reference", None)
            succeeded = isinstance(asked.outcome, c.PaymentSucceededOutcome) and reference is not None
            if not succeeded or asked.payment_id < self.next["payment"]:
                return NOTHING
            return self.on_raise_concern(c.RaiseConcern("unknown_payment", reference, ""))
        key = payment["key"]
        return self._keep(key, self._settled(payment, asked.outcome))

    def on_stop_waiting(self, asked: c.StopWaiting) -> Answer:
        payment, refund = self.payments.get(asked.payment_id), self.refunds.get(asked.refund_id)
        if payment and not payment["answered"] and (payment["key"] or payment["status"] == "started"):
            payment.update(key=None, answered=True)
            return DONE
        if refund and refund["key"]:
            refund["key"] = None
            return DONE
        return NOTHING

    def _keep(self, key: c.Idempotency | None, answer: Answer) -> Answer:
        """The provider's first word is the answer to the request's key from now on."""
        known = self.keys.get(key.digest) if key is not None else None
        if known is None or answer.kind == "Done" or self.now >= known["at"] + DAY_MS:
            return answer
        return answer._replace(kept=key.digest) if known["fingerprint"] == key.fingerprint else answer

    def _settled(self, payment: Row, outcome: c.PaymentOutcome) -> Answer:
        booking = self.bookings[payment["booking"]]
        current = booking["status"] == "paying" and booking["payment"] == payment["id"]
        if isinstance(outcome, c.PaymentPendingOutcome):
            status = "requires_action" if outcome.requires_action else "processing"
            if not current or (payment["secret"], payment["status"]) == (outcome.client_secret, status):
                return NOTHING
            payment.update(status=status, secret=outcome.client_secret, key=None, failure=None)
            payment["reference"] = outcome.provider_reference or payment["reference"]
            return Answer("PaymentUnderway", self._underway(payment))
        if isinstance(outcome, c.PaymentPreparedOutcome):
            if payment["reference"] is not None:
                return NOTHING
            payment.update(reference=outcome.provider_reference, secret=outcome.client_secret)
            return DONE
        if isinstance(outcome, c.PaymentDeclinedOutcome):
            if not current or payment["failure"] == (outcome.failure, outcome.detail):
                return NOTHING
            payment.update(status="requires_action", key=None, failure=(outcome.failure, outcome.detail))
            self._tell(booking, "payment_failed")
            return DONE
        del self.payments[payment["id"]]
        if isinstance(outcome, c.PaymentFailedOutcome):
            if current:
                booking["status"] = "held"
                if payment["status"] != "started" or payment["answered"]:  # else whoever asked is told at once
                    self._tell(booking, "payment_failed")
                return no("payment_declined")
            if booking["status"] in SOLD:
                return no("already_paid")
            if self.events[booking["event"]]["cancelled"]:
                return no("event_cancelled")
            return no("hold_expired" if booking["status"] == "expired" else "wrong_status")
        if booking["status"] in HOLDING or (booking["status"] == "expired" and self._can_retake(booking)):
            if booking["status"] == "paying" and not current:
                self.payments[booking["payment"]]["status"] = "abandoned"
            self._forget_lapse(booking)
            reference = outcome.provider_reference or payment["reference"]
            booking.update(status="confirmed", payment=payment["id"], ended=None, reference=reference)
            self._tell(booking, "confirmed")
            return self._paid(booking)
        self._start_refund(booking, payment["amount"], surplus=True)
        self._tell(booking, "paid_too_late")
        if self.events[booking["event"]]["cancelled"]:
            return no("event_cancelled")
        return no("hold_expired" if booking["status"] == "expired" else "wrong_status")

    def _can_retake(self, booking: Row) -> bool:
        event, kind = self.events[booking["event"]], self.types[booking["type"]]
        mine = sum(b["quantity"] for b in self._mine(booking["user"], event) if b["status"] in CLAIMED)
        return (
            not event["cancelled"]
            and not event["closed"]
            and self.takes_newcomer(kind, booking["quantity"])
            and mine + booking["quantity"] <= event["max_per_user"]
        )

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
            "reference": None,
            "tries": 1,
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

    def on_start_refund(self, asked: c.StartRefund) -> Answer:
        booking = self.bookings.get(asked.booking_id)
        if booking is None and asked.past is not None and self.now < asked.past_read_ms + FIVE_MINUTES_MS:
            booking = self.archived.get(asked.booking_id)
        if booking is None:
            return no("no_such_booking")
        if asked.user_id is not None and asked.user_id != booking["user"]:
            return no("forbidden")
        if asked.user_id is not None and self.now >= self.events[booking["event"]]["starts_ms"]:
            return no("forbidden")
        if asked.user_id is not None and any(number == booking["id"] for number, _ in self.shown):
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
        if booking["id"] in self.archived:
            self.bookings[booking["id"]] = self.archived.pop(booking["id"])
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

    def on_settle_refund(self, asked: c.SettleRefund) -> Answer:
        refund = self.refunds.get(asked.refund_id)
        told = asked.provider_reference
        if refund is None:
            if asked.failure is None or told is None:
                return NOTHING
            return self.on_raise_concern(c.RaiseConcern("refund_failed", told, ""))
        key, is_good = refund["key"], asked.failure is None and not asked.pending
        of_an_earlier_try = refund["reference"] and told and told != refund["reference"]
        if not is_good and (refund["failed"] or of_an_earlier_try):
            return NOTHING
        if asked.pending:
            if refund["reference"] == told and key is None:
                return NOTHING
            refund.update(reference=told, key=None)
            return DONE
        if asked.failure is not None:
            refund.update(failed=True, key=None)
            return self._keep(key, self._refund_reply(refund, 3))
        self._refund_done(refund)
        return self._keep(key, self._refund_reply(refund, 2))

    def on_retry_refund(self, asked: c.RetryRefund) -> Answer:
        refund = self.refunds.get(asked.refund_id)
        if refund is None:
            return no("not_found")
        if not refund["failed"]:
            return no("wrong_status")
        refund.update(failed=False, reference=None, tries=refund["tries"] + 1)
        return DONE
