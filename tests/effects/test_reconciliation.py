"""Which differences are mended, which are for a person, and which are none."""

import asyncio
from random import Random
from typing import NamedTuple

import pytest

from onsale.effects.differences import READ_AT_ONCE, YOUNG_MS, Difference, Marks, Scope
from onsale.effects.provider import ListedPayment, ListedRefund
from onsale.effects.reconciliation import PaymentBooks, RefundBooks
from onsale.engine.commands import GiveUp, Lapse, PaymentFailedOutcome, SettlePayment, SettleRefund
from onsale.engine.records import Payment
from onsale.engine.status import (
    BOOKING_NAMES,
    PAYMENT_ABANDONED,
    PAYMENT_FAILED,
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    PAYMENT_STARTED,
    PAYMENT_SUCCEEDED,
    REFUND_FAILED,
    REFUND_PENDING_AT_PROVIDER,
    REFUND_SUCCEEDED,
)
from onsale.tests.effects.ledgers import (
    AMOUNT_MINOR,
    HOLD_MS,
    JOURNAL,
    NOW_MS,
    PAID,
    Ours,
    listed,
    listed_refund,
    pending,
)


class Compared(NamedTuple):
    differences: list[Difference]
    payments: PaymentBooks
    refunds: RefundBooks

    @property
    def kinds(self) -> list[str]:
        return [each.kind for each in self.differences]


def compare(
    ours: Ours, payments: list[ListedPayment], refunds: list[ListedRefund] | None = None, *, now_ms: int = NOW_MS
) -> Compared:
    return asyncio.run(_compare(ours, payments, refunds or [], now_ms))


async def _compare(ours: Ours, payments: list[ListedPayment], refunds: list[ListedRefund], now_ms: int) -> Compared:
    scope = Scope(JOURNAL, 1, ours.state.next_payment_id, now_ms)
    books = PaymentBooks(scope, HOLD_MS)
    found = books.compare(payments, await ours.payments(books.wanted(payments)))
    found += books.canceled()
    for ids in books.unseen():
        found += books.missing((await ours.payments(ids)).values())
    scope = Scope(JOURNAL, 1, ours.state.next_refund_id, now_ms)
    refund_books = RefundBooks(scope, books.given_back)
    found += refund_books.compare(refunds, await ours.refunds(refund_books.wanted(refunds)))
    found += refund_books.claim(await ours.old_payments_referred_to(list(refund_books.strangers)))
    for ids in refund_books.unseen():
        found += refund_books.missing((await ours.refunds(ids)).values())
    return Compared(found, books, refund_books)


def in_status(ours: Ours, status: int) -> Payment:
    """A new payment that stands so here."""
    if status == PAYMENT_SUCCEEDED:
        return ours.paid()
    if status == PAYMENT_FAILED:
        return ours.prepared(PaymentFailedOutcome("card_declined"))
    payment = ours.prepared()
    if status in (PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION):
        requires_action = status == PAYMENT_REQUIRES_ACTION
        ours.do(SettlePayment(payment.id, pending(payment, requires_action=requires_action), HOLD_MS))
    if status == PAYMENT_ABANDONED:
        ours.do(GiveUp(payment.booking_id, HOLD_MS))
        if payment.status != PAYMENT_ABANDONED:  # one that is under way is kept until its time is over
            booking = ours.state.bookings.rows[payment.booking_id]
            ours.now_ms = booking.pinned_ms
            ours.do(Lapse(booking.id, HOLD_MS))
    assert payment.status == status
    return payment


UNDER_WAY = (PAYMENT_STARTED, PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION, PAYMENT_ABANDONED)


@pytest.mark.parametrize(
    ("here", "there", "kind"),
    [
        *((status, "succeeded", "settled") for status in UNDER_WAY),
        *((status, "canceled", "settled") for status in UNDER_WAY),
        *((status, "open", None) for status in UNDER_WAY),
        *((status, None, None) for status in UNDER_WAY),
        (PAYMENT_SUCCEEDED, "succeeded", None),
        (PAYMENT_SUCCEEDED, "canceled", "unexpected_status"),
        (PAYMENT_SUCCEEDED, "open", "unexpected_status"),
        (PAYMENT_SUCCEEDED, None, "missing_payment"),
        (PAYMENT_FAILED, "succeeded", "unknown_payment"),
        (PAYMENT_FAILED, "canceled", None),
        (PAYMENT_FAILED, "open", "unexpected_status"),
        (PAYMENT_FAILED, None, None),
    ],
)
def test_a_payment_in_each_state_on_both_sides(here: int, there: str | None, kind: str | None) -> None:
    ours = Ours()
    payment = in_status(ours, here)
    found = compare(ours, [listed(payment, there)] if there else [])
    assert found.kinds == ([kind] if kind else [])
    for each in found.differences:
        assert each.reference == "pi_1"
        assert (each.payment_id, each.booking_id, each.amount_minor, each.currency) == (1, 1, AMOUNT_MINOR, "EUR")
        assert each.detail
    assert (found.payments.theirs, found.payments.ours) == (1 if there else 0, 1)


@pytest.mark.parametrize("here", UNDER_WAY)
@pytest.mark.parametrize(("there", "status"), [("succeeded", PAYMENT_SUCCEEDED), ("canceled", PAYMENT_FAILED)])
def test_what_is_mended_is_even_afterwards(here: int, there: str, status: int) -> None:
    ours = Ours()
    payment = in_status(ours, here)
    (difference,) = compare(ours, [listed(payment, there)]).differences
    assert difference.mend is not None
    ours.settle(difference.mend)
    assert ours.payment(payment.id).status == status
    assert compare(ours, [listed(payment, there)]).differences == []


def test_a_success_that_comes_too_late_is_given_back_by_itself() -> None:
    ours = Ours()
    payment = ours.prepared()
    ours.now_ms = ours.state.bookings.rows[payment.booking_id].pinned_ms
    ours.do(Lapse(payment.booking_id, HOLD_MS))
    (difference,) = compare(ours, [listed(payment)]).differences
    assert difference.mend is not None
    ours.settle(difference.mend)
    booking = ours.state.bookings.rows[payment.booking_id]
    assert BOOKING_NAMES[booking.status] in ("confirmed", "expired")
    assert ours.payment(payment.id).provider_reference == "pi_1"


def test_an_attempt_the_provider_has_and_we_never_heard_its_name() -> None:
    """The node crashed between asking and hearing: what was charged is taken over, what was not is left to the lane."""
    ours = Ours()
    payment = ours.pay()
    assert compare(ours, [listed(payment, "open")]).kinds == []
    assert compare(ours, [listed(payment, "canceled")]).kinds == [], "it may be one that was replaced"
    (difference,) = compare(ours, [listed(payment)]).differences
    assert difference.mend == SettlePayment(1, PAID("pi_1"), HOLD_MS)


class TestOneAttemptSeveralTimes:
    def test_only_one_of_them_took_money(self) -> None:
        ours = Ours()
        payment = ours.paid()
        others = [listed(payment, status, reference=f"pi_{status}") for status in ("open", "canceled")]
        assert compare(ours, [*others, listed(payment)]).kinds == []
        started = ours.prepared()
        others = [listed(started, status, reference=f"pi_{status}") for status in ("open", "canceled")]
        assert compare(ours, [listed(payment), *others]).kinds == []

    @pytest.mark.parametrize("first", [True, False])
    def test_both_took_money(self, first: bool) -> None:
        ours = Ours()
        payment = ours.paid()
        books = [listed(payment), listed(payment, reference="pi_other")]
        found = compare(ours, books if first else books[::-1])
        assert [each.concern_id for each in found.differences] == ["paid_twice:pi_other"]
        assert (found.payments.theirs, found.payments.ours) == (1, 1)

    def test_both_took_money_and_we_knew_of_neither(self) -> None:
        ours = Ours()
        payment = ours.pay()
        books = [listed(payment, reference="pi_a"), listed(payment, reference="pi_b")]
        mended, twice = compare(ours, books).differences
        assert (mended.kind, mended.reference) == ("settled", "pi_a")
        assert twice.concern_id == "paid_twice:pi_b"
        assert mended.mend is not None
        ours.settle(mended.mend)
        assert [each.concern_id for each in compare(ours, books).differences] == ["paid_twice:pi_b"]

    @pytest.mark.parametrize("first", [True, False])
    def test_the_one_we_know_was_canceled_and_another_took_money(self, first: bool) -> None:
        ours = Ours()
        payment = ours.prepared()
        books = [listed(payment, "canceled"), listed(payment, reference="pi_other")]
        (difference,) = compare(ours, books if first else books[::-1]).differences
        assert difference.mend == SettlePayment(1, PAID("pi_other"), HOLD_MS)

    def test_the_one_we_know_is_gone_and_another_took_money(self) -> None:
        ours = Ours()
        payment = ours.paid()
        found = compare(ours, [listed(payment, reference="pi_other")])
        assert sorted(each.concern_id for each in found.differences) == ["missing_payment:pi_1", "paid_twice:pi_other"]

    def test_without_a_name_here_the_first_is_it(self) -> None:
        ours = Ours()
        payment = ours.pay(PAID(None))
        assert compare(ours, [listed(payment)]).kinds == []
        assert compare(ours, [listed(payment), listed(payment, reference="pi_other")]).kinds == ["paid_twice"]
        outside = PaymentBooks(Scope(JOURNAL, 2, 2, NOW_MS), HOLD_MS)
        assert outside.compare([listed(payment)], {1: payment}) == [], "also when it is older than what is looked at"

    def test_what_was_given_back_there_is_no_loss(self) -> None:
        ours = Ours()
        payment, failed = ours.paid(), in_status(ours, PAYMENT_FAILED)
        back = {"refunded_minor": AMOUNT_MINOR}
        books = [listed(payment), listed(payment, reference="pi_other", **back), listed(failed, **back)]
        assert compare(ours, books).kinds == []
        partly = listed(failed, refunded_minor=AMOUNT_MINOR - 1)
        assert compare(ours, [listed(payment), partly]).kinds == ["unknown_payment"]


class TestAmounts:
    @pytest.mark.parametrize("other", [{"amount_minor": AMOUNT_MINOR + 1}, {"currency": "USD"}, {"currency": "XTS"}])
    @pytest.mark.parametrize("status", ["succeeded", "open"])
    def test_to_the_cent(self, other: dict[str, object], status: str) -> None:
        ours = Ours()
        payment = ours.paid() if status == "succeeded" else ours.prepared()
        (difference,) = compare(ours, [listed(payment, status, **other)]).differences
        assert (difference.kind, difference.mend) == ("amount_differs", None)
        assert "49.90 EUR" in difference.detail

    def test_what_differs_is_not_settled(self) -> None:
        ours = Ours()
        payment = ours.prepared()
        (difference,) = compare(ours, [listed(payment, amount_minor=1)]).differences
        assert difference.concern_id == "amount_differs:pi_1"
        assert difference.mend is None

    def test_of_a_refund(self) -> None:
        ours = Ours()
        for outcome in (SettleRefund(0, "re_1"), SettleRefund(0, "re_2", pending=True)):
            ours.refund(outcome)
        books = [listed_refund(ours.refunded(each), amount_minor=AMOUNT_MINOR - 1) for each in (1, 2)]
        paid = [listed(ours.payment(each), refunded_minor=1) for each in (1, 2)]
        assert compare(ours, paid, books).kinds == ["amount_differs", "amount_differs"]


class TestWhoseItIs:
    def test_others_payments_are_not_our_business(self) -> None:
        ours = Ours()
        payment = ours.paid()
        others = [
            listed(payment, reference="pi_o", journal_id="another"),
            listed(payment, reference="pi_n", journal_id="", payment_id=0, booking_id=0),
            listed(payment, reference="pi_z", payment_id=0),
        ]
        found = compare(ours, [listed(payment), *others])
        assert found.kinds == []
        assert found.payments.theirs == 1

    @pytest.mark.parametrize(("status", "kinds"), [("succeeded", ["unknown_payment"]), ("open", []), ("canceled", [])])
    def test_one_of_ours_that_we_lost(self, status: str, kinds: list[str]) -> None:
        ours = Ours()
        payment = ours.paid()
        lost = listed(payment, status, reference="pi_lost", payment_id=99, booking_id=77)
        found = compare(ours, [listed(payment), lost])
        assert found.kinds == kinds
        assert [each.booking_id for each in found.differences] == [77] * len(kinds)
        # its number has been given to another one since
        again = listed(payment, status, reference="pi_lost", booking_id=77)
        assert compare(ours, [listed(payment), again]).kinds == kinds

    def test_what_nobody_was_asked_for_is_not_missed(self) -> None:
        ours = Ours()
        ours.pay(ticket_type="Free", amount="0")
        ours.pay(PAID("pi_test_2"))
        ours.do(SettleRefund(ours.refund(SettleRefund(0, "re_test_1")).id))
        found = compare(ours, [listed(ours.payment(3))])
        assert found.kinds == []
        assert (found.payments.ours, found.refunds.ours) == (1, 0)


class TestAge:
    @pytest.mark.parametrize(("age_ms", "kinds"), [(YOUNG_MS - 1, []), (YOUNG_MS, ["missing_payment"])])
    def test_the_young_are_left_for_the_next_time(self, age_ms: int, kinds: list[str]) -> None:
        ours = Ours()
        payment = ours.paid()
        assert compare(ours, [], now_ms=payment.created_ms + age_ms).kinds == kinds

    def test_young_there(self) -> None:
        ours = Ours()
        payment = ours.prepared()
        now_ms = payment.created_ms + 10**6
        young = {"created_ms": now_ms - YOUNG_MS + 1}
        assert compare(ours, [listed(payment, **young)], now_ms=now_ms).kinds == []
        assert compare(ours, [listed(payment)], now_ms=now_ms).kinds == ["settled"]
        refund = ours.refund()
        books = [listed_refund(refund, refund_id=99, **young)]
        assert compare(ours, [listed(payment, "open"), listed(ours.payment(2))], books, now_ms=now_ms).kinds == []
        unknown = [listed(payment, reference="pi_u", payment_id=99, **young)]
        assert compare(ours, [listed(payment, "open"), listed(ours.payment(2)), *unknown], now_ms=now_ms).kinds == []

    def test_young_and_already_listed_is_not_missing(self) -> None:
        ours = Ours()
        payment = ours.paid()
        assert compare(ours, [listed(payment, created_ms=NOW_MS - 1)]).kinds == []


class TestRefunds:
    @pytest.mark.parametrize(
        ("here", "there", "kind"),
        [
            (REFUND_PENDING_AT_PROVIDER, "succeeded", "refund_settled"),
            (REFUND_PENDING_AT_PROVIDER, "failed", "refund_settled"),
            (REFUND_PENDING_AT_PROVIDER, "pending", None),
            (REFUND_PENDING_AT_PROVIDER, None, None),
            (REFUND_FAILED, "succeeded", "refund_settled"),
            (REFUND_FAILED, "failed", None),
            (REFUND_FAILED, "pending", None),
            (REFUND_FAILED, None, None),
            (REFUND_SUCCEEDED, "succeeded", None),
            (REFUND_SUCCEEDED, "failed", "refund_failed"),
            (REFUND_SUCCEEDED, "pending", "unexpected_status"),
            (REFUND_SUCCEEDED, None, "missing_refund"),
        ],
    )
    def test_a_refund_in_each_state_on_both_sides(self, here: int, there: str | None, kind: str | None) -> None:
        ours = Ours()
        outcomes = [SettleRefund(0, "re_1", pending=True)]
        if here == REFUND_FAILED:
            outcomes.append(SettleRefund(0, "re_1", "The bank refused."))
        if here == REFUND_SUCCEEDED:
            outcomes.append(SettleRefund(0, "re_1"))
        refund = ours.refund(*outcomes)
        assert refund.status == here
        books = [listed_refund(refund, there)] if there else []
        found = compare(ours, [listed(ours.payment(1))], books)
        assert found.kinds == ([kind] if kind else [])
        for each in found.differences:
            assert (each.reference, each.refund_id, each.payment_id, each.booking_id) == ("re_1", 1, 1, 1)
            if each.mend is not None:
                ours.settle(each.mend)
                assert ours.refunded(1).status == (REFUND_FAILED if there == "failed" else REFUND_SUCCEEDED)
                assert compare(ours, [listed(ours.payment(1))], books).kinds == []

    def test_an_earlier_try_that_failed_says_nothing_of_this_one(self) -> None:
        ours = Ours()
        refund = ours.refund(SettleRefund(0, "re_2", pending=True))
        paid = [listed(ours.payment(1))]
        early = listed_refund(refund, "failed", reference="re_1")
        assert compare(ours, paid, [early]).kinds == []
        ours.do(SettleRefund(1, "re_2"))
        assert compare(ours, paid, [early, listed_refund(refund)]).kinds == []

    def test_a_second_one_for_the_same_refund(self) -> None:
        ours = Ours()
        refund = ours.refund(SettleRefund(0, "re_1"))
        books = [listed_refund(refund), listed_refund(refund, reference="re_2")]
        found = compare(ours, [listed(ours.payment(1))], books)
        assert [each.concern_id for each in found.differences] == ["unknown_refund:re_2"]
        started = ours.refund()
        books = [listed_refund(started, reference="re_3"), listed_refund(started, reference="re_4")]
        found = compare(ours, [listed(ours.payment(2)), listed(ours.payment(1))], [*books, listed_refund(refund)])
        assert [each.concern_id for each in found.differences] == ["refund_settled:re_3", "unknown_refund:re_4"]

    @pytest.mark.parametrize(("status", "kinds"), [("succeeded", ["unknown_refund"]), ("failed", [])])
    @pytest.mark.parametrize("listed_now", [True, False], ids=["new payment", "old payment"])
    def test_somebody_gave_it_back_in_the_dashboard(self, status: str, kinds: list[str], listed_now: bool) -> None:
        ours = Ours()
        refund = ours.refund()
        payment = ours.payment(1)
        by_hand = listed_refund(refund, status, reference="re_hand", refund_id=0, journal_id="")
        books = [listed(payment, refunded_minor=100)] if listed_now else []
        found = [each for each in compare(ours, books, [by_hand]).differences if each.kind != "missing_payment"]
        assert [each.kind for each in found] == kinds
        assert [(each.payment_id, each.booking_id) for each in found] == [(1, 1)] * len(kinds)

    def test_others_refunds_are_not_our_business(self) -> None:
        ours = Ours()
        refund = ours.refund(SettleRefund(0, "re_1"))
        others = [
            listed_refund(refund, reference="re_o", journal_id="another"),
            listed_refund(refund, reference="re_n", refund_id=0, journal_id="", payment_reference="pi_others"),
            listed_refund(refund, reference="re_n", refund_id=0, journal_id="", payment_reference=""),
        ]
        found = compare(ours, [listed(ours.payment(1))], [listed_refund(refund), *others])
        assert found.kinds == []
        assert (found.refunds.theirs, found.refunds.ours, found.refunds.strangers) == (1, 1, {})

    def test_one_of_ours_that_we_lost(self) -> None:
        ours = Ours()
        refund = ours.refund(SettleRefund(0, "re_1"))
        known = listed_refund(refund)
        for lost in (
            listed_refund(refund, reference="re_l", refund_id=99),
            listed_refund(refund, "pending", reference="re_l", payment_reference="pi_lost"),
        ):
            found = compare(ours, [listed(ours.payment(1))], [known, lost])
            assert [each.concern_id for each in found.differences] == ["unknown_refund:re_l"]
        gone = listed_refund(refund, "failed", reference="re_l", refund_id=99)
        assert compare(ours, [listed(ours.payment(1))], [known, gone]).kinds == []


def test_marks() -> None:
    marks = Marks(Scope(JOURNAL, 10, 10 + READ_AT_ONCE + 3, 0))
    for number in (9, 10, 10, 10 + READ_AT_ONCE + 2, 10 + READ_AT_ONCE + 3, -1):
        marks.add(number)
    assert [each in marks for each in (9, 10, 11, 10 + READ_AT_ONCE + 2, 10 + READ_AT_ONCE + 3)] == [
        False, True, False, True, False,
    ]  # fmt: skip
    assert marks.count == 2
    first, second = marks.missing()
    assert (first[0], len(first), second) == (11, READ_AT_ONCE - 1, [10 + READ_AT_ONCE, 11 + READ_AT_ONCE])
    assert list(Marks(Scope(JOURNAL, 5, 5, 0)).missing()) == []


# --- whatever the books say


def _random_payment(ours: Ours, random: Random) -> list[ListedPayment]:
    status = random.choice([*UNDER_WAY, PAYMENT_SUCCEEDED, PAYMENT_FAILED])
    payment = in_status(ours, status) if random.random() < 0.9 else ours.pay()
    rows = []
    for number in range(random.choice([0, 1, 1, 1, 2, 3])):
        other: dict[str, object] = {}
        if number:
            other["reference"] = f"pi_{payment.id}_{number}"
        if random.random() < 0.1:
            other |= random.choice(
                [{"amount_minor": 1}, {"currency": "USD"}, {"journal_id": "x"}, {"booking_id": 10**6},
                 {"payment_id": 10**6}, {"refunded_minor": AMOUNT_MINOR}]
            )  # fmt: skip
        rows.append(listed(payment, random.choice(["succeeded", "canceled", "open"]), **other))
    return rows


def _random_refund(ours: Ours, random: Random) -> tuple[ListedPayment, list[ListedRefund]]:
    number = ours.state.next_refund_id
    outcomes = random.choice(
        [(), (SettleRefund(0, f"re_{number}", pending=True),), (SettleRefund(0, f"re_{number}"),),
         (SettleRefund(0, failure="No."),)]
    )  # fmt: skip
    refund = ours.refund(*outcomes)
    rows = []
    for again in range(random.choice([0, 1, 1, 2])):
        other: dict[str, object] = {"reference": f"re_{refund.id}_{again}"} if again else {}
        if random.random() < 0.1:
            other |= random.choice([{"amount_minor": 1}, {"journal_id": "", "refund_id": 0}, {"refund_id": 10**6}])
        rows.append(listed_refund(refund, random.choice(["succeeded", "failed", "pending"]), **other))
    return listed(ours.payment(refund.payment_id)), rows


@pytest.mark.parametrize("seed", range(40))
def test_after_mending_only_concerns_are_left(seed: int) -> None:
    random = Random(seed)
    ours = Ours()
    payments: list[ListedPayment] = []
    refunds: list[ListedRefund] = []
    for _ in range(30):
        payments += _random_payment(ours, random)
        if random.random() < 0.4:
            paid, rows = _random_refund(ours, random)
            payments.append(paid)
            refunds += rows
    random.shuffle(payments)
    random.shuffle(refunds)
    before = compare(ours, payments, refunds)
    mends = [each.mend for each in before.differences if each.mend is not None]
    for mend in mends:
        ours.settle(mend)
    after = compare(ours, payments, refunds)
    assert [each for each in after.differences if each.mend is not None] == []
    assert mends
    concerns = {each.reference for each in before.differences if each.mend is None}
    assert {each.reference for each in after.differences} <= concerns
