"""What is owed to the outside, what of it a person must look at, and how our books compare with the provider's.

Owns the field names of these JSON documents. Renders from the state at one moment, in bounded time: of what a person
must look at it shows one page, and the totals.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final, TypeVar

import msgspec

from ...engine.money import EXPONENTS, format_minor
from ...engine.notices import CHANNEL_NAMES
from ...engine.records import Concern, Delivery, Refund
from ...engine.state import State
from ..gateway import Finding, Gateway, LaneView, Reconciliation
from ..wire.times import format_ms, format_ms_or_none

OFFSET_MAX: Final = 10**9
T = TypeVar("T")


class LaneDocument(msgspec.Struct, rename="camel"):
    name: str
    waiting: int
    in_flight: int
    failing_since: str | None
    last_failure: str | None
    resumes_at: str | None


class TotalsDocument(msgspec.Struct, rename="camel"):
    payments: int  # the provider has not had its last word on
    refunds: int  # the same, those that failed left out
    refunds_failed: int
    messages: int  # to be sent
    messages_dead: int  # given up
    concerns: int  # open


class FailedRefundDocument(msgspec.Struct, rename="camel"):
    refund_id: int
    booking_id: int
    user_id: str
    amount: str
    currency: str
    reason: str
    failure: str | None
    tries: int
    created_at: str
    payment_reference: str | None  # the provider's name for the payment


class DeadMessageDocument(msgspec.Struct, rename="camel"):
    delivery_id: int
    channel: str
    kind: str
    notification_id: int
    event_id: int
    booking_id: int
    user_id: str
    at: str  # of what it tells
    attempts: int
    failure: str | None


class ConcernDocument(msgspec.Struct, rename="camel"):
    id: str
    kind: str
    reference: str  # the provider's name of what it is about
    booking_id: int | None
    payment_id: int | None
    refund_id: int | None
    amount: str | None
    currency: str | None
    detail: str
    at: str


class OutboxDocument(msgspec.Struct, rename="camel"):
    leads: bool  # whether the node that answers does what is owed; else `lanes` is empty
    totals: TotalsDocument
    lanes: list[LaneDocument]
    refunds_failed: list[FailedRefundDocument]
    messages_dead: list[DeadMessageDocument]
    concerns: list[ConcernDocument]


class NotRetriedDocument(msgspec.Struct, rename="camel"):
    refund_id: int | None
    delivery_id: int | None
    code: str
    detail: str


class RetriedDocument(msgspec.Struct, rename="camel"):
    refunds_retried: int
    messages_retried: int
    not_retried: list[NotRetriedDocument]
    refunds_failed: int  # left
    messages_dead: int  # left
    seq: int


class FindingDocument(msgspec.Struct, rename="camel"):
    kind: str
    reference: str
    payment_id: int | None
    booking_id: int | None
    refund_id: int | None
    amount: str | None
    currency: str | None
    detail: str
    mended: bool


class ReconciliationDocument(msgspec.Struct, rename="camel"):
    provider: str
    since: str
    until: str
    payments_theirs: int
    payments_ours: int
    refunds_theirs: int
    refunds_ours: int
    findings: list[FindingDocument]
    seq: int


def outbox_document(gateway: Gateway, offset: int, limit: int) -> tuple[OutboxDocument, bool]:
    """The page behind the first `offset` of each list; and whether there is more."""
    state = gateway.state
    open_concerns = (each for each in state.concerns.rows.values() if not each.closed_ms)
    refund_ids, more_refunds = _page(state.refunds_failed, offset, limit)
    delivery_ids, more_deliveries = _page(state.deliveries_dead, offset, limit)
    concerns, more_concerns = _page(open_concerns, offset, limit)
    document = OutboxDocument(
        gateway.leads,
        _totals(state),
        [_lane(each) for each in gateway.lanes()],
        [_failed_refund(state.refunds.rows[each]) for each in refund_ids],
        [_dead_message(state.deliveries.rows[each]) for each in delivery_ids],
        [_concern(each) for each in concerns],
    )
    return document, more_refunds or more_deliveries or more_concerns


def reconciliation_document(found: Reconciliation, seq: int) -> ReconciliationDocument:
    return ReconciliationDocument(
        found.provider,
        format_ms(found.since_ms),
        format_ms(found.until_ms),
        found.payments_theirs,
        found.payments_ours,
        found.refunds_theirs,
        found.refunds_ours,
        [_finding(each) for each in found.findings],
        seq,
    )


def _page(rows: Iterable[T], offset: int, limit: int) -> tuple[list[T], bool]:
    first = min(offset, OFFSET_MAX)
    found = list(islice(rows, first, first + limit + 1))
    return found[:limit], len(found) > limit


def _totals(state: State) -> TotalsDocument:
    refunds_failed, messages_dead = len(state.refunds_failed), len(state.deliveries_dead)
    return TotalsDocument(
        len(state.payments.rows),
        len(state.refunds.rows) - refunds_failed,
        refunds_failed,
        len(state.deliveries.rows) - messages_dead,
        messages_dead,
        state.concerns_open,
    )


def _lane(lane: LaneView) -> LaneDocument:
    return LaneDocument(
        lane.name,
        lane.waiting,
        lane.in_flight,
        format_ms_or_none(lane.failing_since_ms or None),
        lane.last_failure or None,
        format_ms_or_none(lane.resumes_ms or None),
    )


def _failed_refund(refund: Refund) -> FailedRefundDocument:
    return FailedRefundDocument(
        refund.id,
        refund.booking_id,
        refund.user_id,
        format_minor(refund.amount_minor, refund.currency),
        refund.currency,
        refund.reason,
        refund.failure,
        refund.tries,
        format_ms(refund.created_ms),
        refund.payment_reference,
    )


def _dead_message(delivery: Delivery) -> DeadMessageDocument:
    return DeadMessageDocument(
        delivery.id,
        CHANNEL_NAMES[delivery.channel],
        delivery.kind,
        delivery.notice_id,
        delivery.event_id,
        delivery.booking_id,
        delivery.user_id,
        format_ms(delivery.at_ms),
        delivery.attempts,
        delivery.failure,
    )


def _concern(concern: Concern) -> ConcernDocument:
    return ConcernDocument(
        concern.id,
        concern.kind,
        concern.reference,
        concern.booking_id or None,
        concern.payment_id or None,
        concern.refund_id or None,
        *_amount(concern.amount_minor, concern.currency),
        concern.detail,
        format_ms(concern.at_ms),
    )


def _finding(finding: Finding) -> FindingDocument:
    return FindingDocument(
        finding.kind,
        finding.reference,
        finding.payment_id or None,
        finding.booking_id or None,
        finding.refund_id or None,
        *_amount(finding.amount_minor, finding.currency),
        finding.detail,
        finding.mended,
    )


def _amount(amount_minor: int, currency: str) -> tuple[str | None, str | None]:
    """The provider may know of money in a currency that nothing is sold for here: its amount is left to the detail."""
    if currency not in EXPONENTS or amount_minor < 0:
        return None, currency or None
    return format_minor(amount_minor, currency), currency
