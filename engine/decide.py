"""What a command leads to: facts and a reply, or a refusal. Reads the state, changes nothing.

Owns the order in which a command is looked at: its idempotency key first, then the rules of its kind. Pure: the time
comes in as an argument, and the same state, time and command always give the same answer.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from . import commands as c
from .codes import TRANSIENT, Code
from .facts import Fact, Keyed, ProviderEventTaken
from .limits import KEY_KEPT_MS, KEYS_MAX
from .records import Payment, Refund
from .replies import Done, Refusal, Reply
from .replies import decode as decode_reply
from .replies import encode as encode_reply
from .rules import booking, chores, cluster, event, messages, past, payment, provider, refund, room, ticket, user
from .rules.shared import overloaded
from .state import State


class Decided(NamedTuple):
    """`facts` are to be applied and journaled together; `replayed`: the first answer to a key, given again."""

    facts: list[Fact]
    reply: Reply
    replayed: bool = False


def _refuse(state: State, _now_ms: int, command: c.Refuse) -> tuple[list[Fact], Reply]:
    return [], Refusal(state.seq, command.code, command.detail, command.extra)


_RULES: dict[type, Callable[[State, int, Any], tuple[list[Fact], Reply]]] = {
    c.Book: booking.book,
    c.GiveUp: booking.give_up,
    c.StartPayment: payment.start_payment,
    c.SettlePayment: payment.settle_payment,
    c.StartRefund: refund.start_refund,
    c.SettleRefund: refund.settle_refund,
    c.CreateEvent: event.create_event,
    c.ChangeEvent: event.change_event,
    c.CancelEvent: event.cancel_event,
    c.SaveUser: user.save_user,
    c.Lapse: chores.lapse,
    c.Warn: chores.warn,
    c.Retire: past.retire,
    c.Archive: past.archive,
    c.CloseSale: chores.close_sale,
    c.Sweep: chores.sweep,
    c.Promote: chores.promote,
    c.Refuse: _refuse,
    c.BeginEpoch: cluster.begin_epoch,
    c.SaveMember: cluster.save_member,
    c.RemoveMember: cluster.remove_member,
    c.SetSyncStandbys: cluster.set_sync_standbys,
    c.SaveTicketKey: cluster.save_ticket_key,
    c.StopWaiting: provider.stop_waiting,
    c.RetryRefund: refund.retry_refund,
    c.RaiseConcern: provider.raise_concern,
    c.CloseConcern: provider.close_concern,
    c.CheckIn: ticket.check_in,
    c.SettleDelivery: messages.settle_delivery,
    c.DropDelivery: messages.drop_delivery,
    c.RetryDelivery: messages.retry_delivery,
    c.DisableWebhook: messages.disable_webhook,
    c.SetMail: messages.set_mail,
    c.TellOfChange: messages.tell_of_change,
    c.JoinQueue: room.join_queue,
    c.LeaveQueue: room.leave_queue,
    c.OpenRoom: room.open_room,
    c.Admit: room.admit,
    c.LapseTurns: room.lapse_turns,
    c.ForgetPlaces: room.forget_places,
}


def decide(state: State, now_ms: int, command: c.Command, key: c.Idempotency | None = None) -> Decided:
    """`now_ms` must not be before the state's own time."""
    if key is not None:
        return _decide_once(state, now_ms, command, key)
    kind = type(command)
    if kind in _OF_THE_PROVIDER:
        return _decide_of_the_provider(state, now_ms, command)
    facts, reply = _RULES[kind](state, now_ms, command)
    return Decided(facts, reply)


_OF_THE_PROVIDER = frozenset({c.SettlePayment, c.SettleRefund, c.TakeProviderEvent})


def _decide_of_the_provider(state: State, now_ms: int, command: c.Command) -> Decided:
    if isinstance(command, c.SettlePayment):
        return _settle(state, now_ms, command, state.payments.rows.get(command.payment_id))
    if isinstance(command, c.SettleRefund):
        return _settle(state, now_ms, command, state.refunds.rows.get(command.refund_id))
    assert isinstance(command, c.TakeProviderEvent)
    return _take(state, now_ms, command)


def _take(state: State, now_ms: int, command: c.TakeProviderEvent) -> Decided:
    """What the provider's news means, and that it was taken in: together, so it is taken once."""
    if command.event_id in state.provider_events.rows:
        return Decided([], Done(state.seq), replayed=True)
    meant = Decided([], Done(state.seq + 1)) if command.means is None else decide(state, now_ms, command.means)
    if isinstance(meant.reply, Refusal) and meant.reply.code in TRANSIENT:
        return meant
    if not meant.facts and isinstance(meant.reply, Done):  # it rests on having been taken
        meant = Decided([], Done(state.seq + 1))
    meant.facts.append(ProviderEventTaken(command.event_id))
    return meant


def _decide_once(state: State, now_ms: int, command: c.Command, key: c.Idempotency) -> Decided:
    known = state.keys.rows.get(key.digest)
    if known is not None and known.at_ms + KEY_KEPT_MS > now_ms:
        if known.fingerprint == key.fingerprint:
            return Decided([], decode_reply(known.reply), replayed=True)
        detail = "This Idempotency-Key was used with another request; use a new key for a new request."
        return Decided([], Refusal(state.seq, Code.IDEMPOTENCY_MISMATCH, detail))
    if len(state.keys.rows) >= KEYS_MAX and known is None and state.key_order[0].at_ms + KEY_KEPT_MS > now_ms:
        return Decided(*overloaded(state, "idempotency keys"))
    if isinstance(command, c.StartPayment):
        facts, reply = payment.start_payment(state, now_ms, command, key)
    elif isinstance(command, c.StartRefund):
        facts, reply = refund.start_refund(state, now_ms, command, key)
    else:
        facts, reply = _RULES[type(command)](state, now_ms, command)
    if isinstance(reply, Refusal):
        if reply.code in TRANSIENT:
            return Decided(facts, reply)
        # the answer is kept by a fact of its own, and that is where it was decided
        reply = Refusal(state.seq + 1, reply.code, reply.detail, reply.extra)
    facts.append(Keyed(key.digest, key.fingerprint, encode_reply(reply)))
    return Decided(facts, reply)


def _settle(state: State, now_ms: int, command: c.Command, asked: Payment | Refund | None) -> Decided:
    """The provider's first word on a payment or refund is the answer to the request that asked for it."""
    facts, reply = _RULES[type(command)](state, now_ms, command)
    if asked is None or asked.key is None or asked.fingerprint is None or isinstance(reply, Done):
        return Decided(facts, reply)
    known = state.keys.rows.get(asked.key)
    if known is not None and known.fingerprint == asked.fingerprint and known.at_ms + KEY_KEPT_MS > now_ms:
        facts.append(Keyed(asked.key, asked.fingerprint, encode_reply(reply)))
    return Decided(facts, reply)
