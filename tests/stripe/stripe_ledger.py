"""The ledger: every movement of money, in the order it happened. What tests compare to the cent.

Never corrected: a refund that fails later is a movement of its own.
"""

from typing import Any, Literal, NamedTuple

Kind = Literal["charge", "refund", "refund_failed", "dispute", "dispute_won"]
SIGNS: dict[Kind, int] = {"charge": 1, "refund": -1, "refund_failed": 1, "dispute": -1, "dispute_won": 1}


class Movement(NamedTuple):
    """`amount` in minor units, never negative. `reference`: of the charge, refund or dispute."""

    kind: Kind
    reference: str
    intent: str
    amount: int
    currency: str
    metadata: dict[str, str]  # of the intent; for refunds: of the refund
    at_seconds: float
    account: str


class Ledger(list[Movement]):
    def of(self, intent: str) -> list[Movement]:
        return [movement for movement in self if movement.intent == intent]

    def kept(self, intent: str | None = None, currency: str | None = None) -> int:
        """What is left with the merchant, in minor units: of one intent, or of all."""
        return sum(
            SIGNS[movement.kind] * movement.amount
            for movement in self
            if intent in {None, movement.intent} and currency in {None, movement.currency}
        )

    def total(self, kind: Kind, currency: str | None = None) -> int:
        return sum(m.amount for m in self if m.kind == kind and currency in {None, m.currency})

    def document(self) -> list[dict[str, Any]]:
        return [movement._asdict() for movement in self]
