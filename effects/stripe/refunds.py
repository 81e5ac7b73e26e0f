"""Money given back, as Stripe's refunds.

Owns which requests a refund takes. A payment can be given back in several parts, so nothing but the idempotency key and
our own name in the metadata keeps one part from going twice; and a key is forgotten after a day. So the list of the
payment's refunds is looked at first, but for a young refund's first try, and again before another key is used: a refund
is made only when none of ours is there.

Where a key was spent on an error of Stripe's own, Stripe may still finish what it left half done. Another key is used
at once only where Stripe itself refuses a second one (it would be more than was paid), else after `mend_seconds`.
"""

from collections.abc import Callable

from ..provider import ProviderUnavailable, RefundOrder, RefundResult
from .amounts import to_stripe
from .client import Client
from .faults import Declined, KeySpent, Refused, log, nonsense
from .objects import BOOKING, JOURNAL, PAYMENT, REFERENCE, REFUND, Refund, journal_of, named
from .refunds_told import told

KEYS_MAX = 8
PAGES_MAX = 50  # of a hundred refunds of one payment

_GONE = frozenset({"failed", "canceled"})
_REFUSALS = {
    "balance_insufficient": "the balance at Stripe does not cover it; top it up and retry",
    "charge_already_refunded": "the payment is given back already, by someone else",
    "charge_disputed": "the payment is disputed; its bank takes the money back by itself",
    "insufficient_funds": "the balance at Stripe does not cover it; top it up and retry",
}


class Refunds:
    def __init__(self, client: Client, *, mend_seconds: float, seconds: Callable[[], float]) -> None:
        self._client = client
        self._mend_seconds = mend_seconds
        self._seconds = seconds
        self._spent_since: dict[str, float] = {}  # by key: when it was first found to be spent

    async def refund(self, order: RefundOrder) -> RefundResult:
        if order.payment_reference is None:
            return RefundResult(failure="Stripe has no part in this payment; give the money back in another way.")
        amount = to_stripe(order.amount_minor, order.currency)
        if amount is None:
            return RefundResult(failure=f"Stripe has no such amount in {order.currency}; refund another one.")
        try:
            made = await self._find_or_make(order, order.payment_reference, amount)
        except (Refused, Declined) as refusal:
            return RefundResult(failure=_refused(refusal, order))
        self._forget(order)
        return _result(made, order)

    async def look(self, order: RefundOrder) -> RefundResult:
        assert order.provider_reference is not None
        try:
            return _result(await self._client.retrieve_refund(order.provider_reference), order)
        except (Refused, Declined) as refusal:
            log.error("Stripe does not tell of refund %s: %s", order.provider_reference, refusal)
            reason = f"Stripe does not know {order.provider_reference}; check that STRIPE_API_KEY is of its account."
            raise ProviderUnavailable(reason, down=False) from refusal

    async def _find_or_make(self, order: RefundOrder, intent_id: str, amount: int) -> Refund:
        params = {
            "payment_intent": intent_id,
            "amount": amount,
            "metadata": {
                JOURNAL: order.journal_id,
                REFUND: str(order.refund_id),
                PAYMENT: str(order.payment_id),
                BOOKING: str(order.booking_id),
                REFERENCE: order.reference,
            },
        }
        for number in range(1, KEYS_MAX + 1):
            given_back: int = 0
            ours: Refund | None = None
            if number > 1 or not order.is_young:  # else its key is enough to make it once
                given_back, ours = await self._find(order, intent_id)
            if ours is not None:
                return ours
            key = _key(order, number)
            if number > 1:
                await self._await_mending(_key(order, number - 1), intent_id, amount, given_back)
            try:
                return await self._client.create_refund(params, key)
            except KeySpent:
                self._spent_since.setdefault(key, self._seconds())
            except (Refused, Declined):
                # it may be this very refund that leaves nothing to give back
                ours = (await self._find(order, intent_id))[1]
                if ours is None:
                    raise
                return ours
        raise ProviderUnavailable("Stripe keeps failing to make this refund.", down=False)

    async def _find(self, order: RefundOrder, intent_id: str) -> tuple[int, Refund | None]:
        """How much of the payment is given back already, and this very refund if it is among it.

        Of an earlier try, only one that did not fail: then the money is on its way, whatever we were told.
        """
        given_back, found, after = 0, None, None
        for _ in range(PAGES_MAX):
            page = await self._client.list_refunds(after, intent_id=intent_id)
            for refund in page.data:
                gone = refund.status in _GONE
                given_back += 0 if gone else refund.amount
                metadata = refund.metadata or {}
                if journal_of(metadata) != order.journal_id or named(metadata, REFUND) != order.refund_id:
                    continue
                if not gone or (found is None and metadata.get(REFERENCE) == order.reference):
                    found = refund
            if not page.has_more or not page.data:
                return given_back, found
            after = page.data[-1].id
        raise ProviderUnavailable(f"Payment {intent_id} has more refunds than are looked at.", down=False)

    async def _await_mending(self, spent: str, intent_id: str, amount: int, given_back: int) -> None:
        """Return when a second refund would do no harm; raises ProviderUnavailable until then."""
        intent = await self._client.retrieve_intent(intent_id)
        if given_back + 2 * amount > intent.amount:
            return
        left = self._spent_since[spent] + self._mend_seconds - self._seconds()
        if left > 0:
            reason = (
                "Stripe failed to make this refund; it is made anew when Stripe can't finish it by itself any more."
            )
            raise ProviderUnavailable(reason, retry_after_seconds=left, down=False)

    def _forget(self, order: RefundOrder) -> None:
        for number in range(1, KEYS_MAX + 1):
            self._spent_since.pop(_key(order, number), None)


def _result(refund: Refund, order: RefundOrder) -> RefundResult:
    wanted = (to_stripe(order.amount_minor, order.currency), order.currency.lower())
    if (refund.amount, refund.currency.lower()) != wanted:
        raise nonsense(f"{refund.id} is of {refund.amount} {refund.currency}, and {wanted} was asked for")
    if (journal_of(refund.metadata), named(refund.metadata, REFUND)) != (order.journal_id, order.refund_id):
        raise nonsense(f"{refund.id} is not refund {order.refund_id}")
    result = told(refund)
    if result is None:
        raise nonsense(f"{refund.id} is {refund.status!r}")
    return result


def _refused(refusal: Refused | Declined, order: RefundOrder) -> str:
    if isinstance(refusal, Declined):
        return f"Stripe refused the refund: {refusal}."
    if refusal.status == 404 or refusal.code == "resource_missing":
        return (
            f"Stripe does not know payment {order.payment_reference}; check that STRIPE_API_KEY is of the account that "
            "took it, then retry."
        )
    return f"Stripe refused the refund: {_REFUSALS.get(refusal.code or '') or refusal.message or refusal.code}."


def _key(order: RefundOrder, number: int) -> str:
    """Not `reference-2`: that is the name of the next try, which an operator asks for."""
    return order.reference if number == 1 else f"{order.reference}-again-{number}"
