"""What Stripe has on its books, a page at a time, for reconciliation.

Owns the meaning of its lists. Stripe is not asked for a time span: its lists are newest first, and one stops where
what follows is older.
"""

from collections.abc import Sequence

from ..provider import ListedPayment, ListedRefund, PaymentPage, RefundPage, RefundResult
from .amounts import from_stripe
from .client import Client
from .faults import Declined, Refused, nonsense
from .objects import BOOKING, PAYMENT, REFUND, Intent, ListedCharge, Refund, journal_of, named
from .refunds_told import told

_ENDED = ("succeeded", "canceled")


async def payments(client: Client, since_ms: int, cursor: str | None) -> PaymentPage:
    try:
        page = await client.list_intents(cursor)
    except (Refused, Declined) as error:
        raise nonsense(f"to the list of payments: {error}") from error
    listed = tuple(_payment(intent) for intent in page.data if _is_new(intent, since_ms))
    return PaymentPage(listed, _next(page.data, since_ms) if page.has_more else None)


async def refunds(client: Client, since_ms: int, cursor: str | None) -> RefundPage:
    try:
        page = await client.list_refunds(cursor)
    except (Refused, Declined) as error:
        raise nonsense(f"to the list of refunds: {error}") from error
    listed = tuple(_refund(refund) for refund in page.data if _is_new(refund, since_ms))
    return RefundPage(listed, _next(page.data, since_ms) if page.has_more else None)


def _is_new(item: Intent | Refund, since_ms: int) -> bool:
    return item.created >= since_ms // 1000


def _next(items: Sequence[Intent | Refund], since_ms: int) -> str | None:
    """The cursor of the next page. A server that lists the oldest first is followed to the end."""
    if not items:
        return None
    newest_first = items[0].created >= items[-1].created
    return None if newest_first and not _is_new(items[-1], since_ms) else items[-1].id


def _payment(intent: Intent) -> ListedPayment:
    refunded = intent.latest_charge.amount_refunded if isinstance(intent.latest_charge, ListedCharge) else 0
    return ListedPayment(
        intent.id,
        intent.status if intent.status in _ENDED else "open",
        _minor(intent.id, intent.amount, intent.currency),
        intent.currency.upper(),
        intent.created * 1000,
        _minor(intent.id, refunded, intent.currency),
        named(intent.metadata, PAYMENT),
        named(intent.metadata, BOOKING),
        journal_of(intent.metadata),
    )


def _refund(refund: Refund) -> ListedRefund:
    result = told(refund) or RefundResult(refund.id, pending=True)  # of a status that is not known here
    return ListedRefund(
        refund.id,
        refund.payment_intent or "",
        "failed" if result.failure else "pending" if result.pending else "succeeded",
        _minor(refund.id, refund.amount, refund.currency),
        refund.currency.upper(),
        refund.created * 1000,
        named(refund.metadata, REFUND),
        journal_of(refund.metadata),
        result.failure,
    )


def _minor(about: str, amount: int, currency: str) -> int:
    amount_minor = from_stripe(amount, currency)
    if amount_minor is None:
        raise nonsense(f"{about} is of {amount} {currency}, which is not a whole amount")
    return amount_minor
