"""Who uses the cluster: clients that want tickets, and the outside that says what became of payments and messages.

Owns what is asked and how a client takes no answer: it does not know, and asks again with the same key, wherever. A
client sends its next wish only when it has an answer to the one before. The outside acts as the product's effects do,
on what the leader of the moment holds; one leader after the other may be told the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from msgspec.structs import replace

from onsale.engine import commands as c
from onsale.engine import replies
from onsale.engine.codes import TRANSIENT, Code
from onsale.engine.records import Delivery, Payment, Refund
from onsale.engine.state import State, place_id
from onsale.engine.status import CHALLENGE_PROOF_OF_WORK, PAYMENT_ABANDONED, REFUND_FAILED
from onsale.node.loop import CommandLoop
from onsale.tests.simulation.plan import Plan
from onsale.tests.simulation.scheduler import Due, SimulatedTime

START_MS = 1_795_000_000_000
EVENT_STARTS_MS = START_MS + 30 * 24 * 3600 * 1000
TIMEOUT_US = 1_500_000
AGAIN_US = (20_000, 250_000)
PROVIDER_US = 150_000
EVENTS = 3
ONSALE = 3  # the event with a waiting room, numbered seats and a challenge
HOOK = "https://example.org/hook"
_ANSWERS = {Code.QUEUE_REQUIRED, Code.CHALLENGE_REQUIRED}  # asking for the same again would not help soon


@dataclass(frozen=True)
class Request:
    """One attempt at a wish."""

    who: str
    attempt: int
    command: c.Command
    key: c.Idempotency
    answer: Callable[["Request", replies.Reply], None]


class Nodes(Protocol):
    """What clients see of a cluster."""

    def send(self, node: str, request: Request) -> None:
        """Put a request on its way. Whether an answer comes is another matter."""

    def leading(self) -> list[tuple[str, CommandLoop]]:
        """Everybody who runs and takes itself for the leader."""

    def note(self, who: str, what: str) -> None: ...


class Client:
    """One after the other: a wish, asked until it is answered; then some thought."""

    def __init__(self, name: str, number: int, plan: Plan, time: SimulatedTime, nodes: Nodes) -> None:
        self.name = name
        self.answered = 0
        self.waiting = False
        self._plan = plan
        self._random = plan.random(number)
        self._time = time
        self._nodes = nodes
        self._stopped = False
        self._number = 0
        self._attempt = 0
        self._target = plan.voters[0]
        self._wish: tuple[c.Command, c.Idempotency] | None = None
        self._timer: Due | None = None
        self._booked: list[replies.Booked | replies.InLine] = []
        self._paying: list[int] = []  # bookings
        self._places: dict[str, int] = {}  # arrivals in the waiting room, by user

    def start(self) -> None:
        self._later(self._plan.think_ms[0] * 1000, self._plan.think_ms[1] * 1000, self._next)

    def stop(self) -> None:
        """Wish for nothing more; what is under way is asked until it is answered."""
        self._stopped = True

    def wish(self, command: c.Command) -> None:
        """Ask for this now, instead of whatever else."""
        self._number += 1
        self.waiting = True
        name = f"{self.name}/{self._number}".encode()
        self._wish = command, c.Idempotency(blake2b(name, digest_size=16).digest(), b"f" * 16)
        self._ask()

    def _later(self, low_us: int, high_us: int, call: Callable[[], None]) -> None:
        self._time.call_in(self._random.randrange(low_us, high_us), call)

    def _next(self) -> None:
        if not self._stopped and not self.waiting:
            self.wish(self._think())

    def _ask(self) -> None:
        if self._wish is None:
            return
        self._attempt += 1
        command, key = self._wish
        request = Request(self.name, self._attempt, command, key, self._take)
        self._timer = self._time.call_in(TIMEOUT_US, self._give_up, self._attempt)
        self._nodes.send(self._target, request)

    def _give_up(self, attempt: int) -> None:
        """Unknown is not failed: it is asked again."""
        if attempt == self._attempt and self.waiting:
            self._ask_elsewhere()

    def _ask_elsewhere(self) -> None:
        self._target = self._random.choice(self._plan.voters)
        self._later(*AGAIN_US, self._ask)

    def _take(self, request: Request, reply: replies.Reply) -> None:
        if self._wish is None or request.key != self._wish[1]:
            return
        if isinstance(reply, replies.Refusal) and reply.code in TRANSIENT - _ANSWERS:
            if request.attempt == self._attempt:
                self._drop_timer()
                self._attempt += 1
                self._ask_elsewhere()
            return
        self._drop_timer()
        self._wish, self.waiting = None, False
        self.answered += 1
        self._remember(reply)
        if not self._stopped:
            self._later(self._plan.think_ms[0] * 1000, self._plan.think_ms[1] * 1000, self._next)

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _remember(self, reply: replies.Reply) -> None:
        if isinstance(reply, replies.Booked | replies.InLine):
            self._booked.append(reply)
        elif isinstance(reply, replies.Paid | replies.PaymentUnderway):
            self._paying.append(reply.booking_id)
        elif isinstance(reply, replies.Queued):
            self._places[reply.user_id] = reply.arrival

    def _think(self) -> c.Command:
        random, hold_ms = self._random, self._plan.hold_ms
        kind = random.random()
        if self._booked and kind < 0.45:
            number = random.randrange(len(self._booked))  # sometimes kept, to be paid by another card
            booked = self._booked[number] if kind > 0.33 else self._booked.pop(number)
            if kind < 0.12:
                return c.GiveUp(booked.booking_id, hold_ms, booked.user_id)
            amount = f"{booked.amount_minor / 100:.2f}"
            return c.StartPayment(booked.user_id, booked.event_id, amount, booked.booking_id, "card")
        if self._paying and kind < 0.53:
            booking_id = random.choice(self._paying)
            if kind < 0.49:
                return c.CheckIn(0, booking_id, random.choice((1, 1, 2)), self.name)
            return c.StartRefund(booking_id, hold_ms, random.choice((None, "1.00")))
        if kind < 0.55:
            user = f"{self.name}-{random.randrange(3)}"
            return c.SaveUser(user, f"name {self._number}", f"{user}@example.org", random.choice((None, HOOK)))
        if kind < 0.58:
            change = c.TypeChange(name="A", capacity=random.randrange(2, 9))
            event_id, venue = random.randrange(1, EVENTS + 1), f"hall {random.randrange(3)}"
            return c.ChangeEvent(event_id, venue=venue, webhook_url=HOOK, types=(change,), hold_ms=hold_ms)
        if kind < 0.582:
            return c.CancelEvent(EVENTS)
        user = f"{self.name}-{random.randrange(3)}"
        event, ticket_type = random.randrange(1, EVENTS + 1), random.choice(("A", "A", "A", "B"))
        if event == ONSALE:
            return self._go_to_onsale(user, ticket_type)
        types = random.choice(((), (), (), ("A", "B")))
        return c.Book(
            user, event, hold_ms, None if types else ticket_type, random.choice((1, 1, 1, 2, 3)), ticket_types=types
        )

    def _go_to_onsale(self, user: str, ticket_type: str) -> c.Command:
        """Join, look whether it is one's turn by trying, sometimes leave, sometimes without a challenge."""
        random, arrival = self._random, self._places.get(user)
        if arrival is None or random.random() < 0.2:
            digest = blake2b(f"{self.name}/{self._number}".encode(), digest_size=16).digest()
            proof = c.Proof(digest, EVENT_STARTS_MS) if random.random() < 0.9 else None
            return c.JoinQueue(user, ONSALE, proof)
        if random.random() < 0.1:
            del self._places[user]
            return c.LeaveQueue(ONSALE, arrival)
        quantity = random.choice((1, 1, 2, 3))
        seats = tuple(f"S/1/{number}" for number in range(1, quantity + 1)) if random.random() < 0.2 else ()
        return c.Book(
            user, ONSALE, self._plan.hold_ms, "A" if seats else ticket_type, quantity, seats=seats,
            place_id=place_id(ONSALE, arrival),
        )  # fmt: skip


class Provider:
    """The outside. Says of each payment and refund, some time later, what became of it, and of messages whether they
    were sent; the leader of the moment is told.
    """

    def __init__(self, plan: Plan, time: SimulatedTime, nodes: Nodes) -> None:
        self._hold_ms = plan.hold_ms
        self._random = plan.random(40)
        self._time = time
        self._nodes = nodes

    def start(self) -> None:
        self._time.call_in(PROVIDER_US, self._look)

    def _look(self) -> None:
        for name, loop in self._nodes.leading():
            state = loop.state
            for payment in list(state.payments.rows.values()):
                if self._random.random() < 0.5:
                    self._tell(name, loop, self._of_payment(payment))
            for refund in list(state.refunds.rows.values()):
                if self._random.random() < 0.5:
                    self._tell(name, loop, self._of_refund(refund))
            for delivery in list(state.deliveries.rows.values()):
                if self._random.random() < 0.3:
                    self._tell(name, loop, self._of_delivery(delivery, state.at_ms))
            for command in self._unasked(state):
                self._tell(name, loop, command)
        self._time.call_in(PROVIDER_US, self._look)

    def _of_payment(self, payment: Payment) -> c.Command:
        """Prepared first, then charged; some take their time, some are told by news, and again."""
        chance, reference = self._random.random(), f"pi_{payment.id}"
        outcome: c.PaymentOutcome = c.PaymentSucceededOutcome(reference if chance < 0.7 else None)
        if payment.status == PAYMENT_ABANDONED:  # withdrawn, unless it had gone through
            outcome = outcome if chance < 0.3 else c.PaymentFailedOutcome("canceled")
        elif payment.provider_reference is None:
            if chance < 0.1:
                return c.StopWaiting(payment_id=payment.id)
            outcome = c.PaymentPreparedOutcome(reference, f"secret_{payment.id}")
        elif chance < 0.15:
            outcome = c.PaymentFailedOutcome("card_declined")
        elif chance < 0.3:
            outcome = c.PaymentPendingOutcome(chance < 0.2, f"secret_{payment.id}", reference)
        elif chance < 0.35:
            outcome = c.PaymentDeclinedOutcome("expired_card")
        settle = c.SettlePayment(payment.id, outcome, self._hold_ms)
        if isinstance(outcome, c.PaymentSucceededOutcome) and chance < 0.6:
            return c.TakeProviderEvent(f"evt_{reference}", settle)
        return settle

    def _of_refund(self, refund: Refund) -> c.Command:
        chance, reference = self._random.random(), f"re_{refund.id}_{refund.tries}"
        if refund.status == REFUND_FAILED:
            return c.RetryRefund(refund.id)
        if chance < 0.1:
            return c.StopWaiting(refund_id=refund.id)
        if chance < 0.3:
            return c.SettleRefund(refund.id, reference, pending=True)
        settle = c.SettleRefund(refund.id, reference, "account closed" if chance < 0.5 else None)
        return c.TakeProviderEvent(f"evt_{reference}", settle) if chance < 0.8 else settle

    def _of_delivery(self, delivery: Delivery, at_ms: int) -> c.Command:
        chance = self._random.random()
        if delivery.dead:
            return c.RetryDelivery(delivery.id)
        if chance < 0.1:
            return c.DropDelivery(delivery.id)
        if chance < 0.3:
            return c.SettleDelivery(delivery.id, "503", at_ms + 1_000)
        return c.SettleDelivery(delivery.id, "550" if chance < 0.4 else None)

    def _unasked(self, state: State) -> list[c.Command]:
        """What the outside says without having been asked."""
        random, last = self._random, max(1, state.next_booking_id - 1)
        dispute = c.RaiseConcern("dispute", f"dp_{random.randrange(50)}", "Not me.", random.randint(1, last))
        said = (
            c.SetMail(on=random.random() < 0.8),
            c.TakeProviderEvent(f"evt_dispute_{random.randrange(50)}", dispute),
            c.CloseConcern(f"dispute:dp_{random.randrange(50)}"),
            c.DisableWebhook(HOOK, user_id=f"c0-{random.randrange(3)}"),
            c.DisableWebhook(HOOK, event_id=random.randrange(1, EVENTS + 1)),
        )
        return [command for command in said if random.random() < 0.08]

    def _tell(self, name: str, loop: CommandLoop, command: c.Command) -> None:
        self._nodes.note(name, f"the provider says {command}")
        loop.submit(command, None, lambda _reply, _replayed: None)


def opening(number: int) -> c.CreateEvent:
    """The events that are fought for."""
    types = (c.TypeSpec("A", "10.00", 4), c.TypeSpec("B", "25.00", 9))
    event = c.CreateEvent(f"event {number}", EVENT_STARTS_MS, types, waitlist=number % 3)
    if number != ONSALE - 1:
        return event
    rows = c.RowSpec("1", 4), c.RowSpec("2", 5, accessible=(1,), companions=(2,))
    seats = c.SectionSpec("S", "A", rows[:1]), c.SectionSpec("T", "B", rows)
    room = c.RoomSpec(6_000, max_inside=5, opens_ms=START_MS + 500, shuffle=True, turn_ms=10_000)
    return replace(event, room=room, seat_map=seats, seed=bytes(32), challenge=CHALLENGE_PROOF_OF_WORK, waitlist=1)
