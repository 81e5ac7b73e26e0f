"""Histories to audit, inspect and verify: made by the real engine from commands, batch by batch."""

from pathlib import Path
from random import Random

from msgspec import UNSET

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.apply import apply
from onsale.engine.decide import decide
from onsale.engine.replies import Booked, InLine, PaymentUnderway, RefundReply, Reply
from onsale.engine.rules import chores
from onsale.engine.state import State
from onsale.engine.status import COUNTS_AS_SOLD
from onsale.journal.batch import seal
from onsale.journal.disk import RealDisk
from onsale.journal.recovery import create_journal
from onsale.journal.writer import JournalAppender
from onsale.tests.engine.onsale_histories import onsale_step

START_MS = 1_795_000_000_000
HOLD_MS = 300_000
DAY_MS = 24 * 3600 * 1000
JOURNAL_ID = b"history-history-"

Batch = tuple[int, int, list[f.Fact]]  # first seq, at_ms, facts


class History:
    """An engine whose facts are kept: one batch for each moment."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.state = State()
        self.batches: list[Batch] = []
        self.now_ms = now_ms

    def do(self, command: c.Command, key: c.Idempotency | None = None) -> Reply:
        decided = decide(self.state, self.now_ms, command, key)
        if decided.facts:
            begins = isinstance(decided.facts[0], f.EpochBegun)  # with a batch of its own
            if begins or not self.batches or self.batches[-1][1] != self.now_ms:
                self.batches.append((self.state.seq + 1, self.now_ms, []))
            self.batches[-1][2].extend(decided.facts)
            for fact in decided.facts:
                apply(self.state, self.now_ms, fact)
        return decided.reply

    def chores(self) -> None:
        """Do all that is due by now."""
        while due := chores.due(self.state, self.now_ms, HOLD_MS, 100):
            for command in due:
                self.do(command)

    def pass_time(self, passed_ms: int) -> None:
        self.now_ms += passed_ms
        self.chores()

    @property
    def facts(self) -> list[f.Fact]:
        return [fact for _, _, facts in self.batches for fact in facts]

    def seq_of(self, kind: type) -> int:
        """The seq of the first fact of that kind."""
        return next(seq for seq, fact in enumerate(self.facts, 1) if type(fact) is kind)

    def write(self, data: Path, *, segment_bytes_max: int = 64 * 1024 * 1024) -> dict[int, bytes]:
        """Into a data folder, as a node that was stopped leaves it; the chain's hash by the last seq of each batch."""
        hashes: dict[int, bytes] = {}
        disk = RealDisk(data / "journal")
        appender = JournalAppender(disk, create_journal(disk, JOURNAL_ID), segment_bytes_max=segment_bytes_max)
        epoch = 1
        for _, at_ms, facts in self.batches:
            if isinstance(facts[0], f.EpochBegun):
                epoch = facts[0].epoch
            sealed = seal(appender.position, epoch=epoch, at_ms=at_ms, count=len(facts), payload=f.encode(facts))
            appender.append(sealed)
            hashes[sealed.position.seq] = sealed.position.hash
        appender.close()
        return hashes

    # --- what people do

    def event(self, *types: tuple[str, str, int], **fields: object) -> int:
        specs = tuple(c.TypeSpec(*each) for each in types) or (c.TypeSpec("Standing", "49.90", 4),)
        fields = {"name": "Long Shadows", "starts_ms": START_MS + 30 * DAY_MS} | fields
        return self.do(c.CreateEvent(types=specs, **fields)).event_id  # type: ignore[union-attr,arg-type]

    def book(
        self, user_id: str, event_id: int = 1, quantity: int = 1, ticket_type: str | None = None, key: str = ""
    ) -> Reply:
        return self.do(c.Book(user_id, event_id, HOLD_MS, ticket_type, quantity), idempotency(key))

    def pay(self, booking_id: int, *, key: str = "") -> int:
        """Ask for payment; the payment's id."""
        booking = self.state.bookings.rows[booking_id]
        amount = f"{booking.amount_minor // 100}.{booking.amount_minor % 100:02d}"
        command = c.StartPayment(booking.user_id, booking.event_id, amount, booking_id, "pm_card_visa")
        reply = self.do(command, idempotency(key))
        assert isinstance(reply, PaymentUnderway), reply
        return reply.payment_id

    def settle(self, payment_id: int, *, failure: str = "") -> Reply:
        outcome: c.PaymentOutcome = c.PaymentSucceededOutcome(f"pi_{payment_id}")
        if failure:
            outcome = c.PaymentFailedOutcome(failure)
        return self.do(c.SettlePayment(payment_id, outcome, HOLD_MS))

    def confirm(self, booking_id: int) -> None:
        self.settle(self.pay(booking_id))

    def refund(self, booking_id: int, amount: str | None = None, *, key: str = "") -> int:
        reply = self.do(c.StartRefund(booking_id, HOLD_MS, amount), idempotency(key))
        assert isinstance(reply, RefundReply), reply
        return reply.refund_id

    def refunded(self, refund_id: int, *, failure: str | None = None) -> None:
        self.do(c.SettleRefund(refund_id, f"re_{refund_id}", failure))

    def give_up(self, booking_id: int) -> Reply:
        return self.do(c.GiveUp(booking_id, HOLD_MS))


def idempotency(key: str, request: str = "") -> c.Idempotency | None:
    """The key as the wire hands it over."""
    if not key:
        return None
    return c.Idempotency(key.encode().ljust(16)[:16], (request or key).encode().ljust(16)[:16])


def booking_id_of(reply: Reply) -> int:
    assert isinstance(reply, Booked | InLine), reply
    return reply.booking_id


def save_node(history: History, name: str, **changes: object) -> Reply:
    fields = {"node_id": name.encode() * 8, "voting": True, "replication": f"{name}:7000", "http": f"http://{name}:80"}
    return history.do(c.SaveMember(name, **fields | changes))  # type: ignore[arg-type]


def begin_cluster(history: History) -> None:
    """What the first node journals before anything else."""
    history.do(c.BeginEpoch(1, "n1"))
    save_node(history, "n1")
    history.do(c.SaveTicketKey(b"k" * 32))


def cluster_step(history: History, number: int) -> None:
    """One after the other: a standby joins and is waited for, it takes over, a replica comes, moves and goes."""
    history.do((
        c.SaveMember("n2", b"n2" * 8, voting=True, replication="n2:7000", http="http://n2:80"),
        c.SetSyncStandbys(1),
        c.BeginEpoch(history.state.epoch + 2, "n2" if history.state.leader == "n1" else "n1"),
        c.SaveMember("r1", b"r1" * 8, voting=False, replication="", http=f"http://r1:{80 + number}"),
        c.SaveMember("n2", b"again-n2" * 2, voting=True, replication="n2:7000", http="http://n2:80"),
        c.RemoveMember("r1"),
    )[number % 6])  # fmt: skip


def outside_step(history: History, random: Random, number: int) -> None:
    """One after the other: what the outside says of payments, refunds and messages, and tickets shown at the door."""
    state = history.state
    payments, refunds = list(state.payments.rows), list(state.refunds.rows)
    payment_id, refund_id = payments[-1] if payments else 1, refunds[-1] if refunds else 1
    failed, dead = next(iter(state.refunds_failed), 1), next(iter(state.deliveries_dead), 1)
    sold = [booking for booking in state.bookings.rows.values() if booking.status in COUNTS_AS_SOLD]
    shown = random.choice(sold) if sold else None
    deliveries = [row.id for row in state.deliveries.rows.values() if not row.dead]
    for command in (
        c.SetMail(on=number % 5 != 4),
        c.SaveUser(f"user-{number % 40}", "Ida", f"ida{number}@example.org", "https://example.org/hook"),
        c.ChangeEvent(1, venue=f"Hall {number}", webhook_url="https://example.org/organiser"),
        c.SettlePayment(payment_id, c.PaymentPreparedOutcome(f"pi_{payment_id}", "secret"), HOLD_MS),
        c.SettlePayment(payment_id, c.PaymentDeclinedOutcome("card_declined", "Try another card."), HOLD_MS),
        c.StopWaiting(payment_id=payments[0] if payments else 1),
        c.SettleRefund(refund_id, f"re_{refund_id}", pending=True),
        c.SettleRefund(refunds[0] if refunds else 1, None, "closed") if number % 3 == 0 else c.RetryRefund(failed),
        c.StopWaiting(refund_id=next((row.id for row in state.refunds.rows.values() if row.key is not None), 1)),
        c.TakeProviderEvent(f"evt_{number}"),
        c.TakeProviderEvent(f"evt_{number - 1}"),
        c.RaiseConcern(
            "dispute", f"dp_{number}", "They say it was not them.", shown.id if shown else 0, 1, 0, 100, "EUR"
        ),
        c.CloseConcern(f"dispute:dp_{number - 2}"),
        c.RetryDelivery(dead),
        c.DisableWebhook("https://example.org/hook", user_id=f"user-{number % 40}") if number % 7 == 6 else c.Warn(0),
        c.DisableWebhook("https://example.org/organiser", event_id=1) if number % 7 == 5 else c.Warn(0),
        c.ChangeEvent(1, webhook_url="https://example.org/other") if number % 7 == 6 else c.Warn(0),
        c.CancelEvent(4) if number == 9 else c.Warn(0),
        *(c.SettleDelivery(each) for each in deliveries[::2]),
        *(c.SettleDelivery(each, "550", state.at_ms + 60_000) for each in deliveries[1::4]),
        *(c.SettleDelivery(each, "gone") for each in deliveries[3:4]),
        *(c.DropDelivery(each) for each in deliveries[5:6]),
    ):
        history.do(command)
    if shown is not None:
        history.do(c.CheckIn(shown.event_id, shown.id, 1, "Gate A", "door-1"))
        history.do(c.CheckIn(shown.event_id, shown.id, 1, "Gate B"))


def busy_history(seed: int, steps: int) -> History:
    """A crowd that does everything, in an order that the seed decides."""
    random = Random(seed)
    history = History()
    begin_cluster(history)
    history.event(("Standing", "49.90", 30), ("Seated", "79.00", 12), max_per_user=6)
    history.event(("Standing", "10.00", 25), waitlist=2, max_per_user=5, max_holds_per_user=2)
    history.event(("Free", "0", 20), starts_ms=START_MS + DAY_MS)
    history.event(("Table", "250.00", 5), waitlist=0, currency="SEK")
    for step in range(steps):
        _random_step(history, random, step)
    return history


def _random_step(history: History, random: Random, step: int) -> None:
    state = history.state
    if step % 30 == 17:
        cluster_step(history, step // 30)
    if step % 20 == 11:
        outside_step(history, random, step // 20)
    if step % 7 == 2:
        onsale_step(history, step // 7)
    if random.random() < 0.2:
        history.pass_time(random.choice((1, 10, 1_000, 20_000, 60_000, 250_000)))
    key = f"key-{step}" if random.random() < 0.5 else ""
    bookings = list(state.bookings.rows)
    booking_id = random.choice(bookings[-60:]) if bookings else 0
    action = random.random()
    if action < 0.5 or not bookings:
        event_id = random.randint(1, 4)
        kind = random.choice(("Standing", "Seated")) if event_id == 1 else None
        history.book(f"user-{random.randint(1, 40)}", event_id, random.choice((1, 1, 2, 3, 5)), kind, key=key)
    elif action < 0.68:
        booking = state.bookings.rows[booking_id]
        command = c.StartPayment(
            booking.user_id, booking.event_id, f"{booking.amount_minor / 100:.2f}", booking_id,
            random.choice((None, "pm_card_visa")),
        )  # fmt: skip
        history.do(command, idempotency(key))
    elif action < 0.82:
        _random_settlement(history, random)
    elif action < 0.88:
        history.give_up(booking_id)
    elif action < 0.95:
        amount = random.choice((None, None, "1.00", "5.00"))
        history.do(c.StartRefund(booking_id, HOLD_MS, amount), idempotency(key))
    elif action < 0.98:
        capacity = random.choice((2, 4, 12, 20, 30, 40))
        waitlist = random.choice((1, 2, 0)) if random.random() < 0.3 else UNSET
        event_id = random.randint(1, 2)
        history.do(
            c.ChangeEvent(
                event_id,
                waitlist=waitlist,
                types=(c.TypeChange(name="Standing", capacity=capacity),),
                hold_ms=HOLD_MS,
            )
        )
    elif action < 0.981:
        history.do(c.CancelEvent(random.randint(3, 4)))
    else:
        history.do(c.SaveUser("user-1", name="Ida"))


def _random_settlement(history: History, random: Random) -> None:
    state = history.state
    if state.payments.rows and random.random() < 0.7:
        payment_id = random.choice(list(state.payments.rows))
        outcome: c.PaymentOutcome = c.PaymentSucceededOutcome(f"pi_{payment_id}")
        if random.random() < 0.2:
            outcome = c.PaymentFailedOutcome("card_declined")
        elif random.random() < 0.3:
            outcome = c.PaymentPendingOutcome(requires_action=True, client_secret=f"secret_{payment_id}")
        history.do(c.SettlePayment(payment_id, outcome, HOLD_MS))
    elif state.refunds.rows:
        refund_id = random.choice(list(state.refunds.rows))
        history.refunded(refund_id, failure="too late" if random.random() < 0.2 else None)
