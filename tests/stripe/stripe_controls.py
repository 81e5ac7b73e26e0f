"""What a test may order: faults, outcomes, webhooks; and what it may look at. In-process, or as POST /control/NAME.

Owns the names of the orders; what they do belongs to the modules they call.
"""

from collections.abc import Iterable
from typing import Any

import stripe_charges as charges
import stripe_disputes as disputes
import stripe_intents as intents
import stripe_refunds as refunds
from stripe_account import Account
from stripe_errors import Json, missing_resource
from stripe_faults import Fault, FaultKind, Faults
from stripe_ledger import Ledger
from stripe_webhooks import Order, Webhooks


class StripeControls:
    accounts: dict[str, Account]
    ledger: Ledger
    faults: Faults
    webhooks: Webhooks
    requests: list[Any]
    down: bool

    def fail(
        self,
        kind: FaultKind,
        *,
        after: bool = False,
        times: int | None = 1,
        chance: float = 1.0,
        path: str = "*",
        method: str = "*",
        seconds: float = 0.0,
        status: int = 500,
        retry_after_seconds: float | None = None,
    ) -> None:
        """See `Fault` (stripe_faults.py)."""
        fault = Fault(kind, after, times, chance, path, method, seconds, status, retry_after_seconds)
        self.faults.active.append(fault)

    def heal(self) -> None:
        """No faults from now on; those that hang are cut; up again."""
        self.faults.active.clear()
        self.down = False
        self.release_hanging()

    def release_hanging(self) -> None:
        raise NotImplementedError

    def go_down(self) -> None:
        """Every connection is closed at once, nothing is done. Webhooks go on (see `webhooks.stop`)."""
        self.down = True

    def come_back(self) -> None:
        self.down = False

    def confirm_in_browser(self, client_secret: str, payment_method: str) -> Json:
        """As Stripe.js does for a person. Raises Refusal when declined; another try is allowed."""
        account, row = self._by_secret(client_secret)
        return intents.confirm(account, row, {"payment_method": payment_method}, by_browser=True)

    def authenticate(self, client_secret: str, *, succeed: bool = True) -> Json:
        """The person went through 3-D Secure. Raises Refusal when the bank declines afterwards."""
        account, row = self._by_secret(client_secret)
        return charges.authenticate(account, row, succeed=succeed)

    def settle(self, intent: str, *, succeed: bool = True) -> Json:
        """What came of a payment that is processing."""
        account, row = self._find("payment_intent", intent)
        return charges.settle(account, row, succeed=succeed)

    def keep_refunds_pending(self, *, pending: bool = True) -> None:
        """New ones stay pending, of whatever payment method."""
        for account in self.accounts.values():
            account.refunds_stay_pending = pending

    def settle_refund(self, refund: str, *, succeed: bool = True, reason: str = "expired_or_canceled_card") -> Json:
        """A pending one succeeds or fails; one that succeeded may still fail."""
        account, row = self._find("refund", refund)
        return refunds.settle(account, row, succeed=succeed, reason=reason)

    def dispute(self, intent: str, *, amount: int | None = None, reason: str = "fraudulent") -> Json:
        account, row = self._find("payment_intent", intent)
        return disputes.dispute(account, row, row["amount"] if amount is None else amount, reason)

    def close_dispute(self, dispute: str, *, won: bool) -> Json:
        account, row = self._find("dispute", dispute)
        return disputes.close(account, row, won=won)

    def forget_idempotency_keys(self) -> None:
        """As Stripe does after a day."""
        for account in self.accounts.values():
            account.idempotency.forget()

    def rows(self, kind: str = "payment_intent") -> list[Json]:
        """All of a kind, oldest first: payment_intent, charge, refund, dispute, event."""
        return [row for account in self.accounts.values() for row in account.tables[kind].values()]

    def _by_secret(self, client_secret: str) -> tuple[Account, Json]:
        account, row = self._find("payment_intent", client_secret.partition("_secret_")[0])
        if row["client_secret"] != client_secret:
            raise missing_resource("payment_intent", row["id"], "intent", status=404)
        return account, row

    def _find(self, kind: str, row_id: str) -> tuple[Account, Json]:
        for account in self.accounts.values():
            if row_id in account.tables[kind]:
                return account, account.tables[kind][row_id]
        raise missing_resource(kind, row_id, "id", status=404)

    def send_webhooks_to(self, urls: Iterable[str]) -> None:
        self.webhooks.send_to(*urls)

    def release_webhooks(self, order: Order = "made") -> int:
        return self.webhooks.release(order)

    def send_webhooks_again(self, event_ids: list[str] | None = None, **how: Any) -> int:
        return self.webhooks.send_again(event_ids, **how)

    def state(self) -> Json:
        return {
            "webhooks_waiting": self.webhooks.waiting,
            "webhooks_held": self.webhooks.held,
            "requests": len(self.requests),
            "faults_hit": self.faults.hits,
            "down": self.down,
        }

    def control(self, name: str, asked: Json) -> Any:
        """An order that came by HTTP. Raises KeyError for one there is not."""
        orders = {
            "fail": self.fail,
            "heal": self.heal,
            "down": self.go_down,
            "up": self.come_back,
            "settle": self.settle,
            "keep-refunds-pending": self.keep_refunds_pending,
            "settle-refund": self.settle_refund,
            "dispute": self.dispute,
            "close-dispute": self.close_dispute,
            "forget-idempotency-keys": self.forget_idempotency_keys,
            "send-webhooks-to": self.send_webhooks_to,
            "hold-webhooks": self.webhooks.hold,
            "release-webhooks": self.release_webhooks,
            "send-webhooks-again": self.send_webhooks_again,
            "stop-webhooks": self.webhooks.stop,
            "resume-webhooks": self.webhooks.resume,
            "ledger": self.ledger.document,
            "rows": self.rows,
            "requests": lambda: [seen._asdict() for seen in self.requests],
            "deliveries": lambda: [delivery._asdict() for delivery in self.webhooks.deliveries],
            "state": self.state,
        }
        return orders[name](**asked)  # type: ignore[operator]
