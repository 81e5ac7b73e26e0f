"""Who uses the cluster: clients that want tickets, and the provider that says what became of payments.

Owns what is asked and how a client takes no answer: it does not know, and asks again with the same key, wherever. A
client sends its next wish only when it has an answer to the one before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from onsale.engine import commands as c
from onsale.engine import replies
from onsale.engine.codes import TRANSIENT
from onsale.engine.status import PAYMENT_STARTED, REFUND_PENDING_AT_PROVIDER
from onsale.node.loop import CommandLoop
from onsale.tests.simulation.plan import Plan
from onsale.tests.simulation.scheduler import Due, SimulatedTime

START_MS = 1_795_000_000_000
EVENT_STARTS_MS = START_MS + 30 * 24 * 3600 * 1000
TIMEOUT_US = 1_500_000
AGAIN_US = (20_000, 250_000)
PROVIDER_US = 150_000
EVENTS = 2


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
        self._paid: list[replies.Paid] = []

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
        if isinstance(reply, replies.Refusal) and reply.code in TRANSIENT:
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
        elif isinstance(reply, replies.Paid):
            self._paid.append(reply)

    def _think(self) -> c.Command:
        random, hold_ms = self._random, self._plan.hold_ms
        kind = random.random()
        if self._booked and kind < 0.45:
            booked = self._booked.pop(random.randrange(len(self._booked)))
            if kind < 0.12:
                return c.GiveUp(booked.booking_id, hold_ms, booked.user_id)
            amount = f"{booked.amount_minor / 100:.2f}"
            return c.StartPayment(booked.user_id, booked.event_id, amount, booked.booking_id, "card")
        if self._paid and kind < 0.5:
            return c.StartRefund(self._paid.pop().booking_id, hold_ms)
        if kind < 0.54:
            return c.SaveUser(self.name, f"name {self._number}")
        if kind < 0.57:
            change = c.TypeChange(name="A", capacity=random.randrange(2, 9))
            return c.ChangeEvent(random.randrange(1, EVENTS + 1), types=(change,), hold_ms=hold_ms)
        user = f"{self.name}-{random.randrange(3)}"
        event, ticket_type = random.randrange(1, EVENTS + 1), random.choice(("A", "A", "A", "B"))
        return c.Book(user, event, hold_ms, ticket_type, random.choice((1, 1, 1, 2, 3)))


class Provider:
    """Says of each payment and refund, some time later, what became of it; the leader of the moment is told."""

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
                if payment.status == PAYMENT_STARTED and self._random.random() < 0.5:
                    self._tell(name, loop, self._settle(payment.id))
            for refund in list(state.refunds.rows.values()):
                if refund.status == REFUND_PENDING_AT_PROVIDER and self._random.random() < 0.5:
                    self._tell(name, loop, c.SettleRefund(refund.id, "re"))
        self._time.call_in(PROVIDER_US, self._look)

    def _settle(self, payment_id: int) -> c.SettlePayment:
        paid = self._random.random() < 0.8
        outcome = c.PaymentSucceededOutcome("pi") if paid else c.PaymentFailedOutcome("card_declined")
        return c.SettlePayment(payment_id, outcome, self._hold_ms)

    def _tell(self, name: str, loop: CommandLoop, command: c.Command) -> None:
        self._nodes.note(name, f"the provider says {command}")
        loop.submit(command, None, lambda _reply, _replayed: None)


def opening(number: int) -> c.CreateEvent:
    """The events that are fought for."""
    types = (c.TypeSpec("A", "10.00", 4), c.TypeSpec("B", "25.00", 9))
    return c.CreateEvent(f"event {number}", EVENT_STARTS_MS, types, waitlist=number % 3)
