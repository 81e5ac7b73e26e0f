"""Answers that wait for the payment provider's first word.

Owns who waits, and for how long: whoever pays or asks for a refund is told what came of it, or after ten seconds that
it is under way. That then stays the answer to their idempotency key. Decides nothing; it must never ask the provider.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..engine.codes import TRANSIENT, Code
from ..engine.commands import (
    Command,
    Idempotency,
    PaymentPreparedOutcome,
    SettlePayment,
    SettleRefund,
    StopWaiting,
    TakeProviderEvent,
)
from ..engine.replies import Done as NothingNew
from ..engine.replies import PaymentUnderway, RefundReply, Refusal, Reply
from ..engine.state import State
from ..engine.status import PAYMENT_STARTED, REFUND_PENDING_AT_PROVIDER
from .loop import Done

Submit = Callable[[Command, Idempotency | None, Done], None]
Asked = tuple[str, int]  # payment or refund, and its id

PROVIDER_WAIT_SECONDS = 10.0
RETRY_SECONDS = 0.2


def _subject(command: Command) -> Asked | None:
    """The payment or refund that an outcome is of."""
    if isinstance(command, TakeProviderEvent):
        return None if command.means is None else _subject(command.means)
    if isinstance(command, SettlePayment):
        return "payment", command.payment_id
    return ("refund", command.refund_id) if isinstance(command, SettleRefund) else None


class _Waiting(NamedTuple):
    """Someone whose answer waits for the provider: what they get when it takes too long."""

    reply: Reply
    replayed: bool
    timer: Any  # asyncio.TimerHandle


class ProviderAnswers:
    def __init__(self, state: State, submit: Callable[[], Submit], call_later: Callable[..., Any]) -> None:
        """`submit` gives what decides commands at this moment."""
        self._state = state
        self._submit = submit
        self._call_later = call_later
        # by payment or refund, who asked for it and waits for the provider's first word
        self._waiting: dict[Asked, dict[Done, _Waiting]] = {}
        # by payment or refund whose outcome is decided and not durable yet, the idempotency key it answers
        self._settling: dict[Asked, bytes | None] = {}
        self._ended = False

    def begin(self) -> None:
        """Decide here, from now on or again."""
        self._ended = False

    def end(self) -> None:
        """Another node decides: it asks the provider again about whatever has no outcome yet."""
        self._ended = True
        waiting, self._waiting = self._waiting, {}
        self._settling.clear()
        detail = "It is under way, and another node leads now: ask again with the same Idempotency-Key."
        for of_one in waiting.values():
            for done, first in of_one.items():
                first.timer.cancel()
                done(Refusal(first.reply.seq, Code.NO_PRIMARY, detail, {"retryAfterSeconds": 1}), False)  # noqa: FBT003

    def submit(self, command: Command, key: Idempotency | None, done: Done) -> None:
        """Decide now; answer when the provider has had its first word on what was asked of it, if it is asked."""
        self._submit()(command, key, lambda reply, replayed: self._answer(done, key, reply, replayed=replayed))

    def _answer(self, done: Done, key: Idempotency | None, reply: Reply, *, replayed: bool) -> None:
        asked = self._asked(reply)
        if asked is None or not self._answers(asked, key):
            done(reply, replayed)
            return
        timer = self._call_later(PROVIDER_WAIT_SECONDS, self._give_up_waiting, asked, done)
        self._waiting.setdefault(asked, {})[done] = _Waiting(reply, replayed, timer)

    def _asked(self, reply: Reply) -> Asked | None:
        """What the provider is being asked about, if that is what this reply says. It may have answered already: the
        outcome is then on its way to the disk behind this very reply.
        """
        if isinstance(reply, PaymentUnderway) and reply.client_secret is None:
            asked = ("payment", reply.payment_id)
            payment = self._state.payments.rows.get(reply.payment_id)
            # one that was abandoned may still have to answer a key
            awaited = payment is not None and (payment.status == PAYMENT_STARTED or payment.key is not None)
            if asked in self._settling or awaited:
                return asked
        elif isinstance(reply, RefundReply) and reply.status == REFUND_PENDING_AT_PROVIDER:
            asked = ("refund", reply.refund_id)
            refund = self._state.refunds.rows.get(reply.refund_id)
            pending = refund is not None and refund.status == REFUND_PENDING_AT_PROVIDER
            if asked in self._settling or (pending and refund is not None and refund.provider_reference is None):
                return asked
        return None

    def _answers(self, asked: Asked, key: Idempotency | None) -> bool:
        """Whether the outcome may be the answer to this key: only to the one that the attempt was begun with, for no
        other would give it again.
        """
        return key is None or key.digest == self._key_of(asked)

    def _key_of(self, asked: Asked) -> bytes | None:
        if asked in self._settling:
            return self._settling[asked]
        kind, number = asked
        row = (self._state.payments if kind == "payment" else self._state.refunds).rows.get(number)
        return None if row is None else row.key

    def _give_up_waiting(self, asked: Asked, done: Done) -> None:
        """Tell all who wait for this that it is under way, once it is agreed that this is the answer: it is from then
        on, so nobody may be told another one.
        """
        waiting = self._waiting[asked]
        if asked in self._settling:  # the outcome is decided, and will be told in a moment
            timer = self._call_later(RETRY_SECONDS, self._give_up_waiting, asked, done)
            waiting[done] = waiting[done]._replace(timer=timer)
            return
        del self._waiting[asked]
        for each in waiting.values():
            each.timer.cancel()
        kind, number = asked
        stop = StopWaiting(payment_id=number) if kind == "payment" else StopWaiting(refund_id=number)
        self._submit()(stop, None, lambda reply, _replayed: self._stopped(waiting, reply))

    def _stopped(self, waiting: dict[Done, _Waiting], reply: Reply) -> None:
        for done, mine in waiting.items():
            if isinstance(reply, Refusal):  # it could not be agreed on: better no answer than one that changes
                done(reply, False)  # noqa: FBT003 - the port's signature
            else:
                done(mine.reply, mine.replayed)

    def settle(self, command: Command, told: Callable[[Reply], None] | None = None) -> None:
        """The provider's word comes in: decide it, and answer whoever waited for it. `told` is called with the reply
        once that is durable; without it, a word that can't be taken now is said again until it is.
        """
        asked = _subject(command)
        if asked is not None and asked not in self._settling:
            self._settling[asked] = self._key_of(asked)
        self._submit()(command, None, lambda reply, _replayed: self._settled(command, reply, told))

    def _settle_again(self, command: Command) -> None:
        if not self._ended:
            self.settle(command)

    def _settled(self, command: Command, reply: Reply, told: Callable[[Reply], None] | None) -> None:
        asked = _subject(command)
        if isinstance(reply, Refusal) and reply.code in TRANSIENT:
            if told is not None:
                self._settling.pop(asked or ("", 0), None)
                told(reply)
            elif not self._ended:
                self._call_later(RETRY_SECONDS, self._settle_again, command)
            return
        if asked is not None:
            self._settling.pop(asked, None)
            if not self._is_prepared(command):
                for done, first in self._waiting.pop(asked, {}).items():
                    # kept for its ten seconds, thousands of them are work for the garbage collector
                    first.timer.cancel()
                    done(first.reply if isinstance(reply, NothingNew) else reply, first.replayed)
        if told is not None:
            told(reply)

    @staticmethod
    def _is_prepared(command: Command) -> bool:
        """It is no word on the payment yet: it only has a name now."""
        return isinstance(command, SettlePayment) and isinstance(command.outcome, PaymentPreparedOutcome)
