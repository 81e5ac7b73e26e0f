"""Stories as tables: when, what was asked, what was answered, and which bookings are something else since.

Times are seconds since the story began. The engine is driven as an idle node drives it: whatever becomes due by itself
is done at its very moment. After every step the invariants are checked.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine import replies as r
from onsale.engine.apply import apply
from onsale.engine.decide import decide
from onsale.engine.invariants import check
from onsale.engine.money import format_minor
from onsale.engine.rules import chores
from onsale.engine.state import State
from onsale.engine.status import BOOKING_NAMES, REFUND_NAMES

START_MS = 1_700_000_000_000
HOLD_MS = 300_000
FAR = 1_000_000  # seconds: when the event is, unless the story says otherwise

OFF, STRICT, FIRST_FIT = 0, 1, 2


class Keyed(NamedTuple):
    command: c.Command
    key: c.Idempotency


Asked = c.Command | Keyed | None
# (seconds, command, answer), and perhaps the bookings that changed their status since the row before
Row = tuple[float, Asked, str] | tuple[float, Asked, str, str]


def ms(seconds: float) -> int:
    return START_MS + round(seconds * 1000)


# --- what is asked; the event is number 1


def book(
    user: str,
    quantity: int = 1,
    kind: int | str | None = None,
    *,
    waitlist: bool = True,
    hold: float = 300,
    event: int = 1,
) -> c.Book:
    return c.Book(user, event, round(hold * 1000), kind, quantity, waitlist)


def give_up(booking: int, user: str | None = None) -> c.GiveUp:
    return c.GiveUp(booking, HOLD_MS, user)


def pay(
    user: str, amount: str, booking: int | None = None, method: str | None = "card", event: int = 1
) -> c.StartPayment:
    return c.StartPayment(user, event, amount, booking, method)


def settle(payment: int, outcome: c.PaymentOutcome) -> c.SettlePayment:
    return c.SettlePayment(payment, outcome, HOLD_MS)


SUCCEEDED = c.PaymentSucceededOutcome("pi_1")
DECLINED = c.PaymentFailedOutcome("card_declined", "No money.")
PROCESSING = c.PaymentPendingOutcome(requires_action=False, client_secret="secret")
NEEDS_A_STEP = c.PaymentPendingOutcome(requires_action=True, client_secret="secret")
DECLINED_FOR_NOW = c.PaymentDeclinedOutcome("expired_card", "Use another card.")
PREPARED = c.PaymentPreparedOutcome("pi_1", "secret")


def refund(booking: int, amount: str | None = None, user: str | None = None) -> c.StartRefund:
    return c.StartRefund(booking, HOLD_MS, amount, user)


def refunded(number: int) -> c.SettleRefund:
    return c.SettleRefund(number, "re_1")


def refund_fails(number: int) -> c.SettleRefund:
    return c.SettleRefund(number, failure="account closed")


def refund_is_pending(number: int, reference: str | None = "re_1") -> c.SettleRefund:
    return c.SettleRefund(number, reference, pending=True)


def check_in(booking: int, number: int = 1, place: str = "Gate A", event: int = 1) -> c.CheckIn:
    return c.CheckIn(event, booking, number, place, "door")


def news(name: str, means: c.SettlePayment | c.SettleRefund | c.RaiseConcern | None = None) -> c.TakeProviderEvent:
    return c.TakeProviderEvent(name, means)


def capacity(tickets: int, kind: int = 1) -> c.ChangeEvent:
    return c.ChangeEvent(1, types=(c.TypeChange(id=kind, capacity=tickets),))


def change(**changes: Any) -> c.ChangeEvent:
    return c.ChangeEvent(1, **changes)


CANCEL = c.CancelEvent(1)


def keyed(name: str, command: c.Command, body: str = "") -> Keyed:
    """`body` tells requests apart."""
    return Keyed(command, c.Idempotency(name.encode().ljust(16), body.encode().ljust(16)))


# --- how it goes


class Story:
    """One event with one ticket type called "seat", unless `types` says otherwise."""

    def __init__(
        self,
        tickets: int,
        *,
        price: str = "10",
        types: tuple[c.TypeSpec, ...] = (),
        starts: float = FAR,
        on_sale: float | None = None,
        **event: Any,
    ) -> None:
        self.state = State()
        self.now_ms = START_MS
        self.changed: list[str] = []
        types = types or (c.TypeSpec("seat", price, tickets),)
        on_sale_ms = None if on_sale is None else ms(on_sale)
        self.ask(c.CreateEvent("Night", ms(starts), types, on_sale_ms=on_sale_ms, **event))

    def ask(self, asked: Asked) -> r.Reply:
        command, key = asked if isinstance(asked, Keyed) else (asked, None)
        assert command is not None
        decided = decide(self.state, self.now_ms, command, key)
        for fact in decided.facts:
            before = {number: booking.status for number, booking in self.state.bookings.rows.items()}
            apply(self.state, self.now_ms, fact)
            for number, booking in self.state.bookings.rows.items():
                if before.get(number) != booking.status:
                    self.changed.append(f"{number} {BOOKING_NAMES[booking.status]}")
            if isinstance(fact, f.Retired):
                self.changed += [f"{number} retired" for number in fact.booking_ids]
        check(self.state)
        return decided.reply

    def wait_until(self, seconds: float) -> None:
        while (due_ms := chores.next_due_ms(self.state)) is not None and due_ms <= ms(seconds):
            self.now_ms = max(self.now_ms, due_ms)
            due = chores.due(self.state, self.now_ms, HOLD_MS, 100)
            assert due, "something is due, and is not listed"
            for chore in due:
                seq = self.state.seq
                self.ask(chore)
                assert self.state.seq > seq, f"{chore} led to nothing"
        self.now_ms = max(self.now_ms, ms(seconds))

    def play(self, *rows: Row) -> None:
        for number, row in enumerate(rows):
            seconds, asked, answer, *then = row
            self.changed.clear()
            self.wait_until(seconds)
            found = self.words(self.ask(asked)) if asked is not None else ""
            assert not self.state.promotable, f"row {number}: {row} freed tickets, and they were not passed on at once"
            self.wait_until(seconds)
            assert found == answer, f"row {number}: {row}"
            if then:
                assert ", ".join(self.changed) == then[0], f"row {number}: {row}"

    def words(self, reply: r.Reply) -> str:
        match reply:
            case r.Booked():
                until = (reply.expires_ms - START_MS) / 1000
                return f"held {reply.booking_id} until {until:g}"
            case r.InLine():
                return f"waiting {reply.booking_id} at {reply.position}"
            case r.Paid():
                return f"paid {reply.booking_id}"
            case r.PaymentUnderway():
                what = "requires_action" if reply.requires_action else "processing"
                return f"{what} {reply.payment_id}"
            case r.RefundReply():
                back = format_minor(reply.amount_minor, reply.currency)
                booking = BOOKING_NAMES[reply.booking_status]
                return f"refund {reply.refund_id} of {back} {REFUND_NAMES[reply.status]}, booking {booking}"
            case r.BookingReply():
                return f"{BOOKING_NAMES[reply.status]} {reply.booking_id}"
            case r.EventReply():
                return ", ".join(
                    f"{view.held} held {view.sold} sold {view.waiting} waiting of {view.capacity}"
                    for view in reply.types
                )
            case r.UserReply():
                return f"user {reply.user_id}"
            case r.Admitted():
                return f"admitted {reply.booking_id}/{reply.number}"
            case r.Refusal():
                return str(reply.code)
            case _:
                return "nothing new"

    def notices(self) -> list[str]:
        """What people are owed, in order."""
        return [f"{each.user_id} {each.kind} {each.booking_id}" for each in self.state.notices]


def sale(tickets: int, **event: Any) -> Callable[[], Story]:
    return partial(Story, tickets, **event)


Stories = dict[str, tuple[Callable[[], Story], list[Row]]]
