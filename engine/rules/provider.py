"""The payment provider's news, each taken once; and what about money a person must decide.

What the news means for a payment or refund is decided as if the provider had said it in answer to a question.
"""

from ..codes import Code
from ..commands import CloseConcern, RaiseConcern, StopWaiting
from ..facts import ConcernClosed, ConcernRaised, PaymentAnswered, RefundAnswered
from ..limits import CONCERNS_MAX, TEXT_CHARACTERS_MAX
from ..replies import Done
from ..state import State
from ..status import PAYMENT_STARTED
from .shared import Decision, overloaded, refuse


def raise_concern(state: State, _now_ms: int, command: RaiseConcern) -> Decision:
    if f"{command.kind}:{command.reference}" in state.concerns.rows:
        return [], Done(state.seq)
    if state.concerns_open >= CONCERNS_MAX:
        return overloaded(state, "concerns")
    raised = ConcernRaised(
        command.kind, command.reference, command.detail[:TEXT_CHARACTERS_MAX], command.booking_id, command.payment_id,
        command.refund_id, command.amount_minor, command.currency,
    )  # fmt: skip
    return [raised], Done(state.seq + 1)


def close_concern(state: State, _now_ms: int, command: CloseConcern) -> Decision:
    concern = state.concerns.rows.get(command.concern_id)
    if concern is None:
        return refuse(state, Code.NOT_FOUND, f"There is no concern {command.concern_id!r}; GET /outbox lists them.")
    if concern.closed_ms:
        return [], Done(state.seq)
    return [ConcernClosed(concern.id)], Done(state.seq + 1)


def stop_waiting(state: State, _now_ms: int, command: StopWaiting) -> Decision:
    payment, refund = state.payments.rows.get(command.payment_id), state.refunds.rows.get(command.refund_id)
    if payment is not None and not payment.answered and (payment.key is not None or payment.status == PAYMENT_STARTED):
        return [PaymentAnswered(payment.id)], Done(state.seq + 1)
    if refund is not None and refund.key is not None:
        return [RefundAnswered(refund.id)], Done(state.seq + 1)
    return [], Done(state.seq)
