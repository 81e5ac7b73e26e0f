"""What comparing payments found: kept while it goes on, and told when it is over.

Owns which differences are suspects (for a person to judge, and nobody has heard of them yet), how many are kept,
and their order. What somebody has closed is well, and is not told again.
"""

import logging

from ..effects.differences import Difference
from ..engine.state import State
from ..http.gateway import Finding, Reconciliation

log = logging.getLogger("onsale")

FINDINGS_MAX = 1_000  # of each sort; the rest are found when these are dealt with
ANOTHER_ACCOUNT = "account"  # what the concern about it refers to


class Found:
    """What a look found, each kind and reference once, in bounded numbers."""

    def __init__(self, state: State) -> None:
        self._concerns = state.concerns.rows
        self._told: list[Difference] = []  # mended, or an open concern already
        self._left_out = 0
        self.suspects: dict[str, Difference] = {}

    def add(self, difference: Difference) -> None:
        concern = self._concerns.get(difference.concern_id)
        if difference.mend is None and concern is None:
            if difference.concern_id in self.suspects or len(self.suspects) < FINDINGS_MAX:
                self.suspects[difference.concern_id] = difference
            else:
                self._left_out += 1
        elif concern is None or not concern.closed_ms:  # of what is closed somebody has said that it is well
            if len(self._told) < FINDINGS_MAX:
                self._told.append(difference)
            else:
                self._left_out += 1

    def suspected(self, differences: list[Difference]) -> dict[str, Difference]:
        """Those that are suspects."""
        return {each.concern_id: each for each in differences if each.concern_id in self.suspects}

    def not_closed(self, differences: list[Difference]) -> dict[str, Difference]:
        rows = self._concerns
        return {
            each.concern_id: each
            for each in differences
            if each.concern_id not in rows or not rows[each.concern_id].closed_ms
        }

    def findings(self) -> list[Finding]:
        """What a person must decide first."""
        undecided = [each for each in self._told if each.mend is None]
        mended = [each for each in self._told if each.mend is not None]
        found = [_finding(each) for each in (*self.suspects.values(), *undecided, *mended)]
        if self._left_out:
            detail = f"{self._left_out} more differences are not listed; deal with these, and compare again."
            found.append(Finding("more", "", 0, 0, 0, 0, "", detail, mended=False))
        return found


def _finding(each: Difference) -> Finding:
    return Finding(
        each.kind, each.reference, each.payment_id, each.booking_id, each.refund_id, each.amount_minor, each.currency,
        each.detail, each.mend is not None,
    )  # fmt: skip


def another_account(payments: int, until_ms: int) -> Difference:
    detail = (
        f"The provider lists none of the {payments} payments that are here: is STRIPE_API_KEY of another account, or "
        "for tests? Put it right and compare again; if the account has been changed on purpose, close this."
    )
    return Difference("missing_payment", ANOTHER_ACCOUNT, detail, until_ms)


def tell(found: Reconciliation) -> None:
    undecided = [each for each in found.findings if not each.mended]
    counts = (found.payments_ours, found.payments_theirs, found.refunds_ours, found.refunds_theirs)
    if undecided:
        log.warning(
            "payments and refunds compared: %d differences are for a person, see `onsale outbox`; the first: %s",
            len(undecided), undecided[0].detail,
        )  # fmt: skip
    else:
        log.info(
            "payments and refunds compared: %d of ours, %d of theirs; refunds %d and %d; %d differences mended",
            *counts, len(found.findings),
        )  # fmt: skip
