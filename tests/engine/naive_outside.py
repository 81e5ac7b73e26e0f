"""The naive model: what is told, sent and shown, and what the payment provider says of its own accord."""

from onsale.engine import commands as c
from onsale.tests.engine.naive_base import DAY_MS, DONE, NEWS_KNOWN, NOTHING, SOLD, Answer, Base, Row, no

MAILED = {"your_turn", "confirmed", "paid_too_late", "refunded", "cancelled", "event_cancelled", "changed"}
FOR_ORGANISERS = {"confirmed", "refunded", "cancelled", "event_cancelled", "disputed"}


class Outside(Base):
    def __init__(self, promotions_max: int = 1000) -> None:
        super().__init__(promotions_max)
        self.told = 0
        self.mail = False
        self.users: dict[str, Row] = {}
        self.deliveries: dict[int, Row] = {}
        self.shown: set[tuple[int, int]] = set()
        self.concerns: dict[str, bool] = {}  # whether they are open
        self.news: dict[str, int] = {}  # when it was taken, oldest first

    # --- messages

    def _tell(self, booking: Row, what: str) -> None:
        super()._tell(booking, what)
        self._number_and_owe(booking, what, self.users.get(booking["user"], {}))

    def _number_and_owe(self, booking: Row, what: str, user: Row) -> None:
        self.told += 1
        event = self.events[booking["event"]]
        ways = (
            user.get("email") and self.mail and what in MAILED,
            user.get("hook") and not user["disabled"],
            event["webhook_url"] and not event["disabled"] and what in FOR_ORGANISERS,
        )
        for way, taken in enumerate(ways, 1):
            if taken:
                number = 4 * self.told + way
                self.deliveries[number] = {"at": self.now, "kind": what, "attempts": 0, "due": 0, "dead": False}

    def on_set_mail(self, asked: c.SetMail) -> Answer:
        if asked.on == self.mail:
            return NOTHING
        self.mail = asked.on
        return DONE

    def on_save_user(self, asked: c.SaveUser) -> Answer:
        self.users[asked.user_id] = {"email": asked.email, "hook": asked.webhook_url, "disabled": False}
        fields = {"user_id": asked.user_id, "name": asked.name, "email": asked.email, "webhook_url": asked.webhook_url}
        return Answer("UserReply", fields)

    def on_disable_webhook(self, asked: c.DisableWebhook) -> Answer:
        user = self.users.get(asked.user_id or "")
        if user is not None and user["hook"] == asked.url and not user["disabled"]:
            user["disabled"] = True
            return DONE
        event = self.events.get(asked.event_id)
        if event is None or event["webhook_url"] != asked.url or event["disabled"]:
            return NOTHING
        event["disabled"] = True
        return DONE

    def on_settle_delivery(self, asked: c.SettleDelivery) -> Answer:
        row = self.deliveries.get(asked.delivery_id)
        if row is None or row["dead"]:
            return NOTHING
        if asked.failure is None:
            del self.deliveries[asked.delivery_id]
            return DONE
        again = 0 < asked.retry_ms < row["at"] + 3 * DAY_MS
        row.update(attempts=row["attempts"] + 1, dead=not again, due=max(asked.retry_ms, self.now) if again else 0)
        return DONE

    def on_drop_delivery(self, asked: c.DropDelivery) -> Answer:
        return DONE if self.deliveries.pop(asked.delivery_id, None) else NOTHING

    def on_retry_delivery(self, asked: c.RetryDelivery) -> Answer:
        row = self.deliveries.get(asked.delivery_id)
        if row is None:
            return no("not_found")
        if not row["dead"]:
            return no("wrong_status")
        row.update(dead=False, attempts=0)
        return DONE

    # --- the door

    def on_check_in(self, asked: c.CheckIn) -> Answer:
        booking = self.bookings.get(asked.booking_id)
        if booking is None:
            return no("wrong_status" if 0 < asked.booking_id < self.next["booking"] else "no_such_ticket")
        if asked.event_id not in (0, booking["event"]) or asked.number not in range(1, booking["quantity"] + 1):
            return no("no_such_ticket")
        if self.events[booking["event"]]["cancelled"]:
            return no("event_cancelled")
        if self.is_over(self.events[booking["event"]]) or booking["status"] not in SOLD:
            return no("wrong_status")
        if (booking["id"], asked.number) in self.shown:
            return no("already_redeemed")
        self.shown.add((booking["id"], asked.number))
        fields = {
            "event_id": booking["event"],
            "booking_id": booking["id"],
            "number": asked.number,
            "ticket_type": self.types[booking["type"]]["name"],
            "user_id": booking["user"],
            "at_ms": self.now,
            "place": asked.place,
        }
        return Answer("Admitted", fields)

    # --- the provider

    def on_take_provider_event(self, asked: c.TakeProviderEvent) -> Answer:
        if asked.event_id in self.news:
            return Answer("Done", {}, replayed=NEWS_KNOWN)
        for old in [name for name, at in self.news.items() if at + 40 * DAY_MS <= self.now][:8]:
            del self.news[old]
        self.news[asked.event_id] = self.now
        if asked.means is None:
            return DONE
        answer = self.ask(self.now, asked.means)
        return DONE if answer.kind == "Done" else answer

    def on_raise_concern(self, asked: c.RaiseConcern) -> Answer:
        name = f"{asked.kind}:{asked.reference}"
        if name in self.concerns:
            return NOTHING
        self.concerns[name] = True
        booking = self.bookings.get(asked.booking_id)
        if asked.kind == "dispute" and booking is not None:
            self._number_and_owe(booking, "disputed", {})
        return DONE

    def on_close_concern(self, asked: c.CloseConcern) -> Answer:
        if asked.concern_id not in self.concerns:
            return no("not_found")
        if not self.concerns[asked.concern_id]:
            return NOTHING
        self.concerns[asked.concern_id] = False
        return DONE
