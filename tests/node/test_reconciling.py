"""A comparison from the first page to the concern raised: one at a time, patient, and never in the loop's way."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from onsale.effects.provider import ListedPayment, ProviderUnavailable
from onsale.effects.sandbox import SandboxProvider
from onsale.engine.commands import CloseConcern, Command, RaiseConcern, SettlePayment, SettleRefund
from onsale.engine.limits import CONCERNS_MAX
from onsale.engine.records import Payment
from onsale.engine.status import PAYMENT_SUCCEEDED
from onsale.http.gateway import Reconciliation, UnavailableError
from onsale.journal.archive import Archive
from onsale.node import findings as findings_module
from onsale.node.checkpointing import Checkpointing
from onsale.node.history import History
from onsale.node.reconciling import (
    AGAIN_SECONDS,
    CLOCKS_APART_MS,
    EVERY_SECONDS,
    FIRST_SECONDS,
    LOOK_BACK_MS,
    PACE_SECONDS,
    TRY_AGAIN_SECONDS,
    Reconciling,
)
from onsale.tests.effects.ledgers import AMOUNT_MINOR, HOLD_MS, JOURNAL, NOW_MS, Ours, Theirs, listed, listed_refund
from onsale.tests.journal.checkpoints import store


class Node:
    """Waits only when a test says so: `slept` tells how long it would have."""

    def __init__(self, *on_books: ListedPayment, page: int = 3) -> None:
        self.ours = Ours()
        self.theirs = Theirs(*on_books, page=page)
        self.slept: list[float] = []
        self.commands: list[Command] = []
        self.at_sleep: dict[float, Any] = {}  # by how long, what happens meanwhile
        self.reconciling = self.made(self.theirs)

    def made(self, provider: SandboxProvider, ours: Any = None) -> Reconciling:
        return Reconciling(
            self.ours.state,
            ours or self.ours,
            provider,
            self._settle,
            hold_ms=HOLD_MS,
            journal_id=JOURNAL,
            now_ms=lambda: NOW_MS,
            sleep=self._sleep,
        )

    def list_all(self, *but: int) -> None:
        """The provider has what succeeded here."""
        rows = {**self.ours.state.payments.rows, **self.ours.state.payments.archived}.values()
        self.theirs.on_books = [listed(each) for each in rows if each.id not in but]

    async def run(self, since_ms: int = 0) -> Reconciliation:
        return await self.reconciling.run(since_ms)

    @property
    def concerns(self) -> list[str]:
        return list(self.ours.state.concerns.rows)

    def _settle(self, command: Command) -> None:
        self.commands.append(command)
        self.ours.settle(command)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        happens = self.at_sleep.get(seconds)
        if isinstance(happens, asyncio.Future):
            await happens
        elif happens is not None:
            happens()
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - no time passes here
        await asyncio.sleep(0)


@pytest.fixture
def node() -> Node:
    return Node()


async def test_all_is_even(node: Node) -> None:
    for _ in range(10):
        node.ours.paid()
    refund = node.ours.refund(SettleRefund(0, "re_1"))
    node.list_all()
    node.theirs.refunds_on_books = [listed_refund(refund)]
    found = await node.run()
    assert found == Reconciliation("stripe", 0, NOW_MS, 11, 11, 1, 1, [])
    assert node.commands == []
    assert node.slept == [], "there was nothing to look at again"
    assert len([each for each in node.theirs.asked if each[0] == "payments"]) == 4, "pages of three"


@pytest.mark.parametrize("page", [1, 2, 10, 11, 100])
async def test_each_size_of_page(page: int) -> None:
    node = Node(page=page)
    for _ in range(10):
        node.ours.paid()
    lost, mended = node.ours.paid(), node.ours.prepared()
    node.list_all(lost.id)
    found = await node.run()
    assert [each.kind for each in found.findings] == ["missing_payment", "settled"]
    assert node.ours.payment(mended.id).status == PAYMENT_SUCCEEDED
    assert (found.payments_ours, found.payments_theirs) == (12, 11)


async def test_what_is_plain_is_mended_and_the_rest_becomes_a_concern(node: Node) -> None:
    node.ours.prepared()
    node.ours.paid()
    node.ours.refund(SettleRefund(0, "re_1", pending=True))
    node.list_all(2)
    node.theirs.refunds_on_books = [listed_refund(node.ours.refunded(1))]
    found = await node.run()
    assert [(each.kind, each.mended) for each in found.findings] == [
        ("missing_payment", False),
        ("settled", True),
        ("refund_settled", True),
    ]
    assert node.concerns == ["missing_payment:pi_2"]
    assert [type(each) for each in node.commands] == [SettlePayment, SettleRefund, RaiseConcern]
    assert node.slept == [AGAIN_SECONDS]
    first = found.findings[0]
    assert (first.reference, first.payment_id, first.booking_id) == ("pi_2", 2, 2)
    assert (first.refund_id, first.amount_minor, first.currency) == (0, AMOUNT_MINOR, "EUR")
    concern = node.ours.state.concerns.rows["missing_payment:pi_2"]
    assert concern.detail == first.detail

    node.commands.clear()
    node.slept.clear()
    again = await node.run()
    assert again.findings == [first], "it is still there, and nobody needs to be told twice"
    assert node.commands == []
    assert node.slept == []
    node.ours.do(CloseConcern("missing_payment:pi_2"))
    assert (await node.run()).findings == [], "somebody has said that it is well"


async def test_a_difference_that_disappears_is_none(node: Node) -> None:
    node.ours.paid()
    node.ours.paid()
    node.list_all(2)
    node.at_sleep[AGAIN_SECONDS] = node.list_all
    assert (await node.run()).findings == []
    assert node.concerns == []


async def test_the_second_look_goes_back_only_as_far_as_it_must(node: Node) -> None:
    for _ in range(9):
        node.ours.paid()
        node.ours.now_ms += 3_600_000
    node.list_all(8)
    await node.run()
    (first, *_, second) = [since for what, since, cursor in node.theirs.asked if what == "payments" and not cursor]
    assert first == 0
    assert second == node.ours.payment(8).created_ms - CLOCKS_APART_MS
    assert node.concerns == ["missing_payment:pi_8"]


async def test_only_what_is_as_young_as_asked_for_is_missed(node: Node) -> None:
    times = []
    for _ in range(20):
        times.append(node.ours.paid().created_ms)
        node.ours.now_ms += CLOCKS_APART_MS * 2
    found = await node.run(times[15])
    assert [each.reference for each in found.findings] == [f"pi_{each}" for each in range(16, 21)]
    assert found.payments_ours == 5
    found = await node.run(times[15] + 1)
    assert found.payments_ours == 4
    node.list_all()
    found = await node.run(times[-1] + 1)
    assert (found.payments_ours, found.payments_theirs) == (0, 0)


async def test_the_provider_knows_none_of_many(node: Node) -> None:
    for _ in range(30):
        node.ours.paid()
    found = await node.run()
    assert node.concerns == ["missing_payment:account"]
    assert "STRIPE_API_KEY" in found.findings[0].detail
    assert [each.reference for each in (await node.run()).findings] == ["account"]
    node.ours.do(CloseConcern("missing_payment:account"))
    assert (await node.run()).findings == []


async def test_refunds_made_by_hand_are_found_however_old_the_payment_is(node: Node) -> None:
    payment = node.ours.paid()
    node.ours.now_ms += 10**9
    node.ours.paid()
    node.list_all()
    refund = node.ours.refund(SettleRefund(0, "re_1"))
    node.list_all()
    by_hand = listed_refund(
        refund, reference="re_h", refund_id=0, journal_id="", payment_reference=payment.provider_reference
    )
    node.theirs.refunds_on_books = [listed_refund(refund), by_hand]
    found = await node.run(payment.created_ms + 1 + CLOCKS_APART_MS)
    assert [(each.kind, each.payment_id) for each in found.findings] == [("unknown_refund", payment.id)]
    assert node.concerns == ["unknown_refund:re_h"]


async def test_the_test_provider_keeps_no_books(node: Node) -> None:
    node.ours.paid()
    reconciling = node.made(SandboxProvider())
    assert await reconciling.run(5) == Reconciliation("test", 5, NOW_MS, 0, 0, 0, 0, [])
    reconciling.start()
    assert node.slept == []
    await reconciling.close()


async def test_findings_are_bounded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings_module, "FINDINGS_MAX", 3)
    for _ in range(5):
        node.ours.paid()
        node.ours.prepared()
    node.ours.paid()
    node.list_all(1, 3, 5, 7, 9)
    found = await node.run()
    assert [each.kind for each in found.findings] == ["missing_payment"] * 3 + ["settled"] * 3 + ["more"]
    assert found.findings[-1].detail.startswith("4 more differences")
    assert len(node.concerns) == 3
    assert len(node.ours.state.payments.rows) == 0, "all are mended, whether they are listed or not"


async def test_no_more_concerns_than_there_may_be(node: Node) -> None:
    node.ours.paid()
    node.ours.state.concerns_open = CONCERNS_MAX
    assert len((await node.run()).findings) == 1
    assert node.commands == []


# --- a provider that does not answer


async def test_a_page_that_cannot_be_had_is_asked_for_again(node: Node) -> None:
    node.ours.paid()
    node.list_all()
    node.theirs.faults = [
        ProviderUnavailable("Busy."),
        ProviderUnavailable("Slower.", retry_after_seconds=7),
        ProviderUnavailable("Slower.", retry_after_seconds=7000),
    ]
    assert (await node.run()).findings == []
    assert node.slept == [TRY_AGAIN_SECONDS[0], 7, 60]


async def test_a_provider_that_is_down(node: Node) -> None:
    node.ours.paid()
    node.theirs.faults = [ProviderUnavailable("Down.") for _ in range(5)]
    with pytest.raises(UnavailableError, match=r"could not be asked: Down\. Ask again later\."):
        await node.run()
    assert node.commands == []
    node.list_all()
    assert (await node.run()).findings == [], "and it is not stuck afterwards"


async def test_a_list_without_end(node: Node) -> None:
    node.ours.paid()
    node.list_all()

    async def same(_since_ms: int, _cursor: str | None) -> Any:
        return (await Theirs.payments(node.theirs, 0, None)).__class__((), "again")

    node.theirs.payments = same  # type: ignore[method-assign]
    with pytest.raises(UnavailableError, match="same page"):
        await node.run()


# --- one at a time


async def test_one_may_wait_and_no_more(node: Node) -> None:
    node.ours.paid()
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    node.at_sleep[AGAIN_SECONDS] = gate
    first = asyncio.create_task(node.run())
    await until(lambda: bool(node.slept))
    second = asyncio.create_task(node.run())
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError, match="already"):
        await node.run()
    asked = len(node.theirs.asked)
    await asyncio.sleep(0.01)
    assert len(node.theirs.asked) == asked, "one at a time"
    gate.set_result(None)
    assert len((await first).findings) == len((await second).findings) == 1


async def test_whoever_goes_away_does_not_block_the_next(node: Node) -> None:
    node.ours.paid()
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    node.at_sleep[AGAIN_SECONDS] = gate
    first = asyncio.create_task(node.run())
    await until(lambda: bool(node.slept))
    second = asyncio.create_task(node.run())
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    await asyncio.wait([first, second])
    node.at_sleep.clear()
    assert len((await node.run()).findings) == 1


async def test_nothing_is_submitted_once_it_is_closed(node: Node) -> None:
    node.ours.prepared()
    node.list_all()
    reads = node.ours.payments

    class ClosedMeanwhile(Ours):
        async def payments(self, ids: Collection[int]) -> dict[int, Payment]:
            await node.reconciling.close()
            return await reads(ids)

    node.reconciling = node.made(node.theirs, ClosedMeanwhile())
    with pytest.raises(UnavailableError, match="does not lead"):
        await node.run(1)
    with pytest.raises(UnavailableError, match="does not lead"):
        await node.run()
    assert node.commands == []


# --- by itself


async def test_by_itself_after_an_hour_and_then_every_six(node: Node) -> None:
    node.ours.now_ms = NOW_MS - LOOK_BACK_MS - 10**8
    node.ours.paid()
    node.ours.now_ms = NOW_MS - 10**8
    mended, lost = node.ours.prepared(), node.ours.paid()
    node.list_all(1, lost.id)
    hours: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    node.at_sleep[EVERY_SECONDS] = hours
    node.reconciling.start()
    node.reconciling.start()
    await until(lambda: EVERY_SECONDS in node.slept)
    assert node.slept[0] == FIRST_SECONDS
    assert set(node.slept[1:-1]) == {PACE_SECONDS, AGAIN_SECONDS}
    assert node.concerns == [f"missing_payment:pi_{lost.id}"], "what is older is left alone"
    assert node.ours.payment(mended.id).status == PAYMENT_SUCCEEDED
    assert node.theirs.asked[0] == ("payments", NOW_MS - LOOK_BACK_MS - CLOCKS_APART_MS, None)
    await node.reconciling.close()


async def test_by_itself_it_goes_on_after_any_failure(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.ours.paid()
    node.theirs.faults = [ProviderUnavailable("Down.") for _ in range(5)]
    stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    passes = 0

    def every() -> None:
        nonlocal passes
        passes += 1
        if passes == 1:
            node.theirs.payments = None  # type: ignore[assignment,method-assign]
        if passes == 2:
            node.at_sleep[EVERY_SECONDS] = stop

    node.at_sleep[EVERY_SECONDS] = every
    node.reconciling.start()
    await until(lambda: node.slept.count(EVERY_SECONDS) == 3)
    assert "could not be compared" in caplog.text
    assert "comparing payments failed" in caplog.text
    await node.reconciling.close()


async def test_by_itself_it_gives_way_to_an_operator(node: Node) -> None:
    node.ours.paid()
    node.list_all()
    loop = asyncio.get_running_loop()
    pace, every = loop.create_future(), loop.create_future()
    node.at_sleep |= {PACE_SECONDS: pace, EVERY_SECONDS: every}
    node.reconciling.start()
    await until(lambda: PACE_SECONDS in node.slept)
    operator = asyncio.create_task(node.run())
    await asyncio.sleep(0)
    assert not node.theirs.asked
    pace.set_result(None)
    assert (await operator).payments_theirs == 1
    await node.reconciling.close()


async def test_the_loop_is_not_held() -> None:
    """Whatever there is to mend, others have their turn in between."""
    node = Node(page=100)
    for _ in range(1_000):
        node.ours.prepared()
    node.list_all()
    turns, most, before = 0, 0, 0

    async def count_turns() -> None:
        nonlocal turns, most, before
        while True:
            turns += 1
            most, before = max(most, len(node.commands) - before), len(node.commands)
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    found = await node.run()
    counting.cancel()
    assert found.payments_theirs == 1_000
    assert len(node.commands) == 1_000
    assert most <= 64


# --- our own books


class NoWriter:
    """Nothing more is written."""

    busy = True

    def hand_over(self, *_: Any) -> None:
        raise AssertionError


async def test_books_of_memory_and_database_are_one(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.sqlite"
    stored, lost = node.ours.paid(), node.ours.paid()
    under_way = node.ours.prepared()
    refund = node.ours.refund(SettleRefund(0, "re_1"))
    store(path, node.ours.state)
    memory_no_more = node.ours.state.payments.archived
    assert not memory_no_more
    recent, new = node.ours.paid(), node.ours.prepared()
    checkpointing = Checkpointing(
        node.ours.state, NoWriter(), epoch=lambda: 1, journal_id=b"", seq=0, call_later=lambda *_: None
    )
    node.theirs.on_books = [listed(each) for each in (stored, under_way, recent, new)]
    node.theirs.on_books.append(listed(stored, reference="pi_4", payment_id=4, booking_id=4))
    by_hand = listed_refund(refund, reference="re_h", refund_id=0, journal_id="", payment_reference="pi_1")
    node.theirs.refunds_on_books = [listed_refund(refund), by_hand]
    async with Archive(path) as archive:
        history = History(checkpointing, archive)
        found = await node.made(node.theirs, history).run(0)
        assert {(each.kind, each.reference) for each in found.findings} == {
            ("missing_payment", lost.provider_reference),
            ("unknown_refund", "re_h"),
            ("settled", under_way.provider_reference),
            ("settled", new.provider_reference),
        }
        assert (found.payments_ours, found.refunds_ours) == (6, 1)
        known = await history.payments(range(1, 10))
        assert sorted(known) == [1, 2, 3, 4, 5, 6]
        assert known[3] is under_way, "what is in memory is newer"
