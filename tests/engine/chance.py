"""Commands by chance: one number decides what is asked next, about what there is by now."""

from collections.abc import Callable
from random import Random

from onsale.engine import commands as c
from onsale.tests.engine.naive_base import DECIMALS
from onsale.tests.engine.run import Run

USERS = ("ann", "bob", "cid", "dan", "eve", "fay")
HOLDS_MS = (5_000, 300_000, 300_000, 1_200_000)
SECONDS = (*(0, 1, 4, 5, 60, 239, 240, 300, 600, 900, 1_200) * 3, 3_600, 3_600, 86_400)
SECRETS = ("s1", "s2")
REFERENCES = (None, "pi_1", "pi_2")
HOOKS = (None, "https://example.org/one", "https://example.org/two")
NODES = ("n1", "n2", "n3", "r1")


SAID_BY_THE_PROVIDER = c.SettlePayment | c.SettleRefund | c.TakeProviderEvent | c.StopWaiting


class Chance:
    """`step(number)`: let time pass, do what is due, or ask for something, with or without an idempotency key."""

    def __init__(self, run: Run, mostly: "Makers | None" = None) -> None:
        """`mostly`: ONSALE is what people do in the first minute of a sale, AFTERWARDS what there is to do at last."""
        self.run = run
        self.makers = MAKERS | (mostly or {})
        self.asked: list[tuple[c.Command, c.Idempotency]] = []
        self.random = Random(0)

    def step(self, number: int) -> None:
        run, random = self.run, Random(number)
        self.random = random
        makers, weights = zip(*self.makers.items(), strict=True)
        (make,) = random.choices(makers, weights)
        command = make(self)
        if command is None:
            return
        if random.random() < 0.3 and not isinstance(command, SAID_BY_THE_PROVIDER):
            key = c.Idempotency(number.to_bytes(16), b"a" * 16)
            self.asked.append((command, key))
            run.ask(command, key)
        else:
            run.ask(command)

    def wait(self) -> None:
        if self.random.random() < 0.5:
            self.run.now_ms += self.random.choice(SECONDS) * 1_000
        else:
            next_ms = self.run.model.next_due()
            if next_ms < self.run.now_ms + 10**8:
                self.run.now_ms = max(self.run.now_ms, int(next_ms) + self.random.choice((-1, 0, 1)))

    def chores(self) -> None:
        self.run.do_chores()

    def checkpoint(self) -> None:
        self.run.checkpoint()

    def again(self) -> None:
        """The same key once more, perhaps with another request."""
        if self.asked:
            command, key = self.random.choice(self.asked[-5:])
            if self.random.random() < 0.2:
                key = c.Idempotency(key.digest, b"b" * 16)
            self.run.ask(command, key)

    def event_id(self) -> int:
        return self.random.choice((1,) * 20 + (2, 2, 2, 3, 99))

    def latest(self, what: str) -> int:
        """One of the latest ids, or one that was never given out."""
        return max(1, self.run.model.next[what] - self.random.choice((1, 1, 1, 2, 2, 3, 4, 5, 6, 0)))

    def live(self, *statuses: str) -> int:
        """A booking of one of these statuses, if there is one; now and then any other."""
        found = [number for number, row in self.run.model.bookings.items() if row["status"] in statuses]
        return self.random.choice(found) if found and self.random.random() < 0.85 else self.latest("booking")

    def whose(self, booking_id: int) -> str:
        row = self.run.model.bookings.get(booking_id)
        return "someone" if row is None or self.random.random() < 0.05 else row["user"]

    def proof(self) -> c.Proof | None:
        """None, one of a few that may have been used, or a new one, perhaps too late."""
        pick = self.random.choice
        if self.random.random() < 0.4:
            return pick((None, c.Proof(bytes([self.random.randrange(5)]) * 16, 10**15)))
        expires_ms = self.run.now_ms + 1_000 * pick((0, 60, 300, 300, 300))
        return c.Proof(expires_ms.to_bytes(8) + self.random.randbytes(8), expires_ms)

    def place(self, event_id: int) -> tuple[str, int]:
        """A user, and a place in the event's waiting room: mostly their own."""
        room = self.run.model.rooms.get(event_id)
        live = [place for place in room["places"] if place["status"] in ("admitted", "holding")] if room else []
        if not live:
            return self.random.choice(USERS), self.random.choice((0, event_id << 32 | 1))
        place = self.random.choice(live)
        user = place["user"] if self.random.random() < 0.9 else self.random.choice(USERS)
        return user, event_id << 32 | place["arrival"]

    def book_in_turn(self) -> c.Command | None:
        pick, rooms = self.random.choice, list(self.run.model.rooms)
        if not rooms:
            return None
        event_id = pick(rooms)
        user, place_id = self.place(event_id)
        return c.Book(user, event_id, pick(HOLDS_MS), "A", pick((1, 1, 2)), place_id=place_id)

    def book_any(self) -> c.Command:
        pick = self.random.choice
        types = pick((("A", "B"), ("B", "A"), ("B", 1), ("A", "A"), ("A", "nowhere"), ("B",)))
        user, quantity = pick(USERS), pick((1, 2, 2, 3, 3, 4))
        return c.Book(
            user, pick((1, 1, 1, 2)), pick(HOLDS_MS), quantity=quantity, ticket_types=types, proof=self.proof()
        )

    def join_queue(self) -> c.Command:
        event_id = self.random.choice((*self.run.model.rooms, 2))
        return c.JoinQueue(self.random.choice(USERS), event_id, self.proof())

    def leave_queue(self) -> c.Command | None:
        rooms = list(self.run.model.rooms.items())
        if not rooms:
            return None
        event_id, room = self.random.choice(rooms)
        return c.LeaveQueue(event_id, self.random.randint(1, len(room["places"]) + 1))

    def room(self) -> c.Command:
        random, pick, now_ms = self.random, self.random.choice, self.run.now_ms
        event_id = pick((2, 2, 2, 3, 1))
        if random.random() < (0.5 if event_id == 1 else 0.1):
            return c.ChangeEvent(event_id, room=None)
        told = {
            "admit_per_minute": pick((1, 30, 60, 600, 0)),
            "max_inside": pick((None, 1, 2)),
            "opens_ms": pick((None, now_ms + 1_000, now_ms + 60_000)),
            "shuffle": pick((True, False)),
            "turn_ms": pick((10_000, 60_000, 600_000, 1)),
            "state": pick((2, 2, 2, 3, 4)),
        }
        for name in random.sample(sorted(told), random.choice((3, 4, 5))):
            del told[name]
        change = c.RoomChange(**told, by_stock=False)
        return c.ChangeEvent(event_id, room=change, seed=random.randbytes(32))

    def book(self) -> c.Command:
        pick = self.random.choice
        return c.Book(
            pick(USERS),
            self.event_id(),
            pick(HOLDS_MS),
            pick((1,) * 8 + ("A",) * 8 + (None, "B", 2, "2", "nowhere")),
            pick((1, 1, 1, 1, 2, 2, 2, 3, 4, 7)),
            pick((True,) * 7 + (False,)),
            proof=self.proof() if self.random.random() < 0.3 else None,
        )

    def give_up(self) -> c.Command:
        booking_id = self.live("waiting", "held", "paying")
        return c.GiveUp(booking_id, self.random.choice(HOLDS_MS), self.random.choice((None, self.whose(booking_id))))

    def pay(self) -> c.Command:
        pick, model = self.random.choice, self.run.model
        booking_id = self.live("held", "held", "paying")
        row = model.bookings.get(booking_id, {"event": 1, "amount": 1000})
        currency = model.events[row["event"]]["currency"]
        decimals = DECIMALS[currency]
        right = f"{row['amount'] / 10**decimals:.{decimals}f}"
        amount = pick((right,) * 12 + ("1", "", "x", "-5", "10.001"))
        named = pick((booking_id, booking_id, None))
        return c.StartPayment(self.whose(booking_id), row["event"], amount, named, pick((None, "card", "card")))

    def settle_payment(self) -> c.Command | None:
        payments, random = list(self.run.model.payments), self.random
        if not payments and random.random() < 0.9:
            return None
        payment_id = random.choice(payments) if payments and random.random() < 0.95 else self.latest("payment")
        outcome = random.choice(
            (
                c.PaymentSucceededOutcome("pi_1"),
                c.PaymentSucceededOutcome(None),
                c.PaymentPendingOutcome(True, random.choice(SECRETS), random.choice(REFERENCES)),
                c.PaymentPendingOutcome(False, random.choice(SECRETS)),
                c.PaymentFailedOutcome("card_declined"),
                c.PaymentPreparedOutcome(random.choice(("pi_1", "pi_2")), random.choice(SECRETS)),
                c.PaymentDeclinedOutcome(random.choice(("card_declined", "expired_card"))),
            )
        )
        return self._perhaps_as_news(c.SettlePayment(payment_id, outcome, 300_000))

    def _perhaps_as_news(self, means: c.SettlePayment | c.SettleRefund | c.RaiseConcern) -> c.Command:
        random = self.random
        return c.TakeProviderEvent(f"evt_{random.randrange(60)}", means) if random.random() < 0.25 else means

    def refund(self) -> c.Command:
        pick, booking_id = self.random.choice, self.live("confirmed", "partially_refunded", "partial_refund_pending")
        user = pick((None, self.whose(booking_id)))
        return c.StartRefund(booking_id, pick(HOLDS_MS), pick((None, None, "5", "5", "0", "1", "99", "x")), user)

    def refund_late(self) -> c.Command | None:
        """Of one that has left memory, or had when its row was read: perhaps long ago."""
        pick, model, now_ms = self.random.choice, self.run.model, self.run.now_ms
        booking_id = pick([*model.archived, *model.archived, self.latest("booking")])
        past = self.run.past(booking_id)
        amounts = (None, None, "5", "0", "99")
        user = pick((None, None, None, "someone" if past is None else past.user_id))
        return c.StartRefund(booking_id, 300_000, pick(amounts), user, past, now_ms)

    def month(self) -> None:
        self.run.now_ms += 30 * 86_400_000

    def settle_refund(self) -> c.Command | None:
        refunds, random = list(self.run.model.refunds), self.random
        if not refunds and random.random() < 0.9:
            return None
        refund_id = random.choice(refunds) if refunds and random.random() < 0.95 else self.latest("refund")
        failure = random.choice((None, None, "account closed"))
        pending = failure is None and random.random() < 0.4
        settle = c.SettleRefund(refund_id, random.choice((None, "re_1", "re_2")), failure, pending)
        return self._perhaps_as_news(settle)

    def retry_refund(self) -> c.Command:
        failed = [number for number, row in self.run.model.refunds.items() if row["failed"]]
        return c.RetryRefund(self.random.choice(failed) if failed else self.latest("refund"))

    def stop_waiting(self) -> c.Command:
        model, pick = self.run.model, self.random.choice
        if self.random.random() < 0.6:
            return c.StopWaiting(payment_id=pick([*model.payments, self.latest("payment")]))
        waiting = [number for number, row in model.refunds.items() if row["key"]]
        return c.StopWaiting(refund_id=pick(waiting or [self.latest("refund")]))

    def news(self) -> c.Command:
        return c.TakeProviderEvent(f"evt_{self.random.randrange(60)}")

    def raise_concern(self) -> c.Command:
        pick = self.random.choice
        kind, booking_id = pick(("dispute", "paid_twice")), pick((0, self.latest("booking")))
        return self._perhaps_as_news(c.RaiseConcern(kind, pick(REFERENCES) or "dp_1", "why", booking_id))

    def close_concern(self) -> c.Command:
        return c.CloseConcern(self.random.choice([*self.run.model.concerns, "dispute:nobody"]))

    def check_in(self) -> c.Command:
        pick, booking_id = self.random.choice, self.live("confirmed", "partially_refunded", "partial_refund_pending")
        row = self.run.model.bookings.get(booking_id, {"event": 1})
        return c.CheckIn(
            pick((0, row["event"], row["event"], 2)), booking_id, pick((1, 1, 1, 2, 3, 0)), pick(("", "A"))
        )

    def delivery(self) -> c.Command | None:
        model, random = self.run.model, self.random
        if not model.deliveries and random.random() < 0.9:
            return None
        number = random.choice([*model.deliveries, 7])
        retry_ms = random.choice((0, -1, 60_000, 60_000, 3 * 86_400_000))
        return random.choice(
            (
                c.SettleDelivery(number),
                c.SettleDelivery(number, "550", self.run.now_ms + retry_ms if retry_ms else 0),
                c.DropDelivery(number),
                c.RetryDelivery(number),
            )
        )

    def retry_delivery(self) -> c.Command | None:
        dead = [number for number, row in self.run.model.deliveries.items() if row["dead"]]
        return c.RetryDelivery(self.random.choice(dead)) if dead else None

    def set_mail(self) -> c.Command:
        return c.SetMail(self.random.random() < 0.8)

    def disable_webhook(self) -> c.Command:
        pick, model = self.random.choice, self.run.model
        user_id, event_id = pick([*model.users, "nobody"]), self.event_id()
        of_user = model.users.get(user_id, {"hook": None})["hook"]
        of_event = model.events.get(event_id, {"webhook_url": None})["webhook_url"]
        return pick(
            (
                c.DisableWebhook(of_user or "https://example.org/nobody", user_id=user_id),
                c.DisableWebhook(of_event or "https://example.org/nobody", event_id=event_id),
                c.DisableWebhook("https://example.org/one", user_id=user_id, event_id=event_id),
            )
        )

    def stock(self) -> c.Command:
        type_ids = self.random.choice(((1,), (1,), (1,), (2,), (1, 2)))
        changes = tuple(c.TypeChange(id=type_id, capacity=self.random.randrange(10)) for type_id in type_ids)
        return c.ChangeEvent(1, types=changes, hold_ms=self.random.choice(HOLDS_MS))

    def change(self) -> c.Command:
        random, now_ms = self.random, self.run.now_ms
        told = {
            "starts_ms": now_ms + random.choice((-1_000, 0, 1, 10_000, 10_000_000, 10_000_000)),
            "ends_ms": random.choice((None, None, now_ms + 1_000, now_ms + 20_000_000)),
            "on_sale_ms": random.choice((None, None, None, now_ms, now_ms + 1_000, now_ms + 400_000)),
            "max_per_user": random.randrange(1, 13),
            "max_holds_per_user": random.choice((None, None, 1, 2)),
            "waitlist": random.choice((0, 1, 1, 2, 2)),
            "currency": random.choice(("EUR", "EUR", "JPY", "KWD", "XXX")),
            "hold_ms": random.choice(HOLDS_MS),
            "venue": random.choice(("", "The Hall", "The Other Hall")),
            "webhook_url": random.choice(HOOKS),
            "challenge": random.choice((0, 0, 1, 2)),
            "offer_ms": random.choice((None, 10_000, 60_000)),
        }
        for name in random.sample(sorted(told), random.choice((9, 10, 11, 11, 12))):
            del told[name]
        return c.ChangeEvent(self.event_id(), types=self.type_changes(), **told)

    def type_changes(self) -> tuple[c.TypeChange, ...]:
        pick = self.random.choice
        return tuple(
            c.TypeChange(
                id=pick((None, 1, 2, 3)),
                name=pick((None, None, "A", "B", "C", "2")),
                price=pick((None, "10", "0", "25.50", "x", "7")),
                capacity=pick((None, None, 0, 2, 5, 9)),
            )
            for _ in range(pick((0, 0, 0, 1, 1, 2, 2)))
        )

    def cancel(self) -> c.Command:
        return c.CancelEvent(self.event_id())

    def create(self) -> c.Command:
        pick, now_ms = self.random.choice, self.run.now_ms
        return c.CreateEvent(
            "again",
            now_ms + pick((-1, 0, 1_000, 4_000_000)),
            pick(((c.TypeSpec("A", "10", 4), c.TypeSpec("2", "0", 3)), (c.TypeSpec("A", "10.001", 4),), ())),
            on_sale_ms=pick((None, None, now_ms, now_ms + 60_000)),
            waitlist=pick((0, 1, 2)),
            currency=pick(("EUR", "JPY", "XXX")),
            max_holds_per_user=pick((None, 1)),
            webhook_url=pick(HOOKS),
        )

    def save_user(self) -> c.Command:
        pick = self.random.choice
        return c.SaveUser(pick(USERS), pick((None, "A name")), pick((None, "a@example.org")), pick(HOOKS))

    def begin_epoch(self) -> c.Command:
        last = self.run.model.epochs[-1][0] if self.run.model.epochs else 0
        return c.BeginEpoch(last + self.random.choice((1, 1, 1, 7, 0, -1)), self.random.choice(NODES))

    def save_member(self) -> c.Command:
        pick = self.random.choice
        name = pick(NODES)
        node_id = name.encode() * pick((1, 1, 1, 2))
        return c.SaveMember(name, node_id, pick((name[0] == "n",) * 4 + (False,)), pick(("", "h:1")), pick(("", "u")))

    def remove_member(self) -> c.Command:
        return c.RemoveMember(self.random.choice((*NODES, "nobody")))

    def set_sync_standbys(self) -> c.Command:
        return c.SetSyncStandbys(self.random.choice((0, 1, 1, 2, 16, 17, -1)))

    def save_ticket_key(self) -> c.Command:
        return c.SaveTicketKey(self.random.choice((b"k" * 32, b"k" * 32, b"l" * 32, b"short", b"")))


Makers = dict[Callable[[Chance], c.Command | None], float]

MAKERS: Makers = {
    Chance.book: 30,
    Chance.wait: 14,
    Chance.chores: 6,
    Chance.checkpoint: 2,
    Chance.again: 3,
    Chance.book_any: 8,
    Chance.book_in_turn: 6,
    Chance.join_queue: 8,
    Chance.leave_queue: 1.5,
    Chance.room: 3,
    Chance.give_up: 6,
    Chance.pay: 14,
    Chance.settle_payment: 14,
    Chance.refund: 8,
    Chance.settle_refund: 5,
    Chance.retry_refund: 3,
    Chance.stop_waiting: 4,
    Chance.news: 1,
    Chance.raise_concern: 1,
    Chance.close_concern: 1,
    Chance.check_in: 4,
    Chance.delivery: 8,
    Chance.retry_delivery: 2,
    Chance.set_mail: 1,
    Chance.disable_webhook: 2,
    Chance.stock: 5,
    Chance.change: 3,
    Chance.cancel: 0.4,
    Chance.create: 0.7,
    Chance.save_user: 4,
    Chance.begin_epoch: 0.5,
    Chance.save_member: 1,
    Chance.remove_member: 0.4,
    Chance.set_sync_standbys: 0.5,
    Chance.save_ticket_key: 0.4,
}
AFTERWARDS: Makers = {
    Chance.month: 3,
    Chance.refund_late: 14,
    Chance.settle_refund: 12,
    Chance.checkpoint: 6,
    Chance.create: 6,
    Chance.check_in: 8,
    Chance.change: 5,
}
ONSALE: Makers = {
    Chance.book: 12,
    Chance.book_any: 24,
    Chance.book_in_turn: 24,
    Chance.join_queue: 24,
    Chance.leave_queue: 4,
    Chance.room: 4,
    Chance.stock: 10,
    Chance.refund: 3,
    Chance.delivery: 1,
    Chance.save_user: 1,
    Chance.cancel: 0.1,
}
