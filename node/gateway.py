"""What the HTTP API sees of this node: `http.gateway.Gateway`, made of the loop, the search index and the archive.

Owns who waits for a payment provider, and how memory and the checkpoint database are read as one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..engine.codes import Code
from ..engine.commands import Command, Idempotency, SettlePayment, SettleRefund
from ..engine.records import Booking, Notice, Refund
from ..engine.replies import Done as NothingNew
from ..engine.replies import PaymentUnderway, RefundReply, Refusal, Reply
from ..engine.search import Hits, SearchRequest
from ..engine.state import State
from ..engine.status import PAYMENT_STARTED, REFUND_PENDING_AT_PROVIDER
from ..http.call import Answer, Call
from ..http.gateway import ClusterChange, ClusterView, GoneError, UnavailableError
from ..journal.archive import Archive
from ..journal.errors import ArchiveBusy, CheckpointFailed, HistoryGone
from ..replicas.search.index import SearchIndex, SearchUnavailable
from .administration import Administration
from .checkpointing import Checkpointing
from .cluster.member import ClusterMember
from .cluster.report import lag_ms_of
from .cluster_view import cluster_view, primary_address
from .forwarding import Forwarder
from .journal_view import JournalView
from .loop import CommandLoop, Done
from .positions import Positions
from .tickets import TicketCodes

Submit = Callable[[Command, Idempotency | None, Done], None]

PROVIDER_WAIT_SECONDS = 10.0
RETRY_SECONDS = 0.2


def _subject(command: Command) -> tuple[str, int] | None:
    """The payment or refund that an outcome is of."""
    if isinstance(command, SettlePayment):
        return "payment", command.payment_id
    return ("refund", command.refund_id) if isinstance(command, SettleRefund) else None


@contextmanager
def _unavailable() -> Iterator[None]:
    """What cannot be had now, in the words of the API."""
    try:
        yield
    except (SearchUnavailable, ArchiveBusy, CheckpointFailed) as error:
        raise UnavailableError(str(error)) from error


class _Waiting(NamedTuple):
    """Someone whose answer waits for the provider: what they get when it takes too long."""

    reply: Reply
    replayed: bool
    timer: Any  # asyncio.TimerHandle


class NodeGateway:
    def __init__(
        self,
        state: State,
        *,
        search: SearchIndex,
        archive: Archive,
        checkpointing: Checkpointing,
        journal: JournalView,
        tickets: TicketCodes,
        call_later: Callable[..., Any],
        positions: Positions,
        provider_name: str,
        hold_ms: int,
        forwarder: Forwarder,
        member: Callable[[], ClusterMember],
    ) -> None:
        """`member`: this node's; made after this."""
        self.state = state
        self.hold_ms = hold_ms
        self.payment_provider = provider_name
        self.ready = False
        self.leads = False  # commands are decided here
        self.submit_hot: Submit = _refuse  # while it leads: the loop's own, without a call in between
        self._loop: CommandLoop | None = None
        self._search = search
        self._archive = archive
        self._checkpointing = checkpointing
        self._journal = journal
        self._tickets = tickets
        self._call_later = call_later
        self._positions = positions
        self._forwarder = forwarder
        self._member = member
        # by payment or refund, who asked for it and waits for the provider's first word
        self._waiting: dict[tuple[str, int], dict[Done, _Waiting]] = {}
        # by payment or refund whose outcome is decided and not durable yet, the idempotency key it answers
        self._settling: dict[tuple[str, int], bytes | None] = {}

    # --- roles

    def lead(self, loop: CommandLoop) -> None:
        """From now on this node decides."""
        self._loop = loop
        self.submit_hot = loop.submit
        self.leads = True
        self._forwarder.primary_changed()

    def pause(self) -> None:
        """Commands are for another node, or for this one a little later."""
        self.leads = False
        self.submit_hot = _refuse
        self._forwarder.primary_changed()

    async def forward(self, call: Call) -> Answer | None:
        return await self._forwarder.forward(call, lambda: self.leads)

    def now_ms(self) -> int:
        return self._loop.now_ms() if self._loop is not None and self.leads else self.state.at_ms

    @property
    def durable_seq(self) -> int:
        loop = self._loop
        return loop.durable.seq if loop is not None and self.leads else self._positions.seq

    @property
    def role(self) -> str:
        return self._member().role

    @property
    def lag_ms(self) -> int:
        return lag_ms_of(self._member())

    def submit(self, command: Command, key: Idempotency | None, done: Done) -> None:
        self.submit_hot(command, key, lambda reply, replayed: self._answer(done, key, reply, replayed=replayed))

    def _answer(self, done: Done, key: Idempotency | None, reply: Reply, *, replayed: bool) -> None:
        """Pass the reply on, or keep it until the provider has had its first word."""
        asked = self._asked(reply)
        if asked is None or not self._answers(asked, key):
            done(reply, replayed)
            return
        timer = self._call_later(PROVIDER_WAIT_SECONDS, self._give_up_waiting, asked, done)
        self._waiting.setdefault(asked, {})[done] = _Waiting(reply, replayed, timer)

    def _asked(self, reply: Reply) -> tuple[str, int] | None:
        """What the provider is being asked about, if that is what this reply says. It may have answered already: the
        outcome is then on its way to the disk behind this very reply.
        """
        if isinstance(reply, PaymentUnderway) and reply.client_secret is None:
            asked = ("payment", reply.payment_id)
            payment = self.state.payments.rows.get(reply.payment_id)
            if asked in self._settling or (payment is not None and payment.status == PAYMENT_STARTED):
                return asked
        elif isinstance(reply, RefundReply) and reply.status == REFUND_PENDING_AT_PROVIDER:
            asked = ("refund", reply.refund_id)
            refund = self.state.refunds.rows.get(reply.refund_id)
            if asked in self._settling or (refund is not None and refund.status == REFUND_PENDING_AT_PROVIDER):
                return asked
        return None

    def _answers(self, asked: tuple[str, int], key: Idempotency | None) -> bool:
        """Whether the outcome may be the answer to this key: only to the one that the attempt was begun with, for no
        other would give it again.
        """
        return key is None or key.digest == self._key_of(asked)

    def _key_of(self, asked: tuple[str, int]) -> bytes | None:
        if asked in self._settling:
            return self._settling[asked]
        kind, number = asked
        row = (self.state.payments if kind == "payment" else self.state.refunds).rows.get(number)
        return None if row is None else row.key

    def _give_up_waiting(self, asked: tuple[str, int], done: Done) -> None:
        waiting = self._waiting[asked]
        mine = waiting.pop(done)
        if not waiting:
            del self._waiting[asked]
        done(mine.reply, mine.replayed)

    def settle(self, command: Command) -> None:
        """The provider's word comes in: decide it, and answer whoever waited for it."""
        asked = _subject(command)
        if asked is not None and asked not in self._settling:
            self._settling[asked] = self._key_of(asked)
        self.submit_hot(command, None, lambda reply, _replayed: self._settled(command, reply))

    def _settled(self, command: Command, reply: Reply) -> None:
        if isinstance(reply, Refusal) and reply.code is Code.OVERLOADED:
            self._call_later(RETRY_SECONDS, self.settle, command)
            return
        asked = _subject(command)
        if asked is None:
            return
        self._settling.pop(asked, None)
        for done, first in self._waiting.pop(asked, {}).items():
            first.timer.cancel()  # kept for its ten seconds, thousands of them are work for the garbage collector
            done(first.reply if isinstance(reply, NothingNew) else reply, first.replayed)

    def when_durable(self, done: Callable[[int | None], None]) -> None:
        loop = self._loop
        if loop is None or self._member().leading is None:
            done(self.state.seq)  # only what is committed is in the state
        else:
            loop.when_durable(done)

    async def reach(self, seq: int, timeout_seconds: float) -> bool:
        return await self._positions.wait_for(seq, timeout_seconds)

    async def search(self, request: SearchRequest, min_seq: int) -> Hits:
        with _unavailable():
            return await self._search.search(request, min_seq)

    # --- memory and the checkpoint database as one. Memory is looked at first: whatever reaches the database in
    # between is then seen twice at worst, and never missed.

    async def past_booking(self, booking_id: int) -> Booking | None:
        recent = self._checkpointing.booking(booking_id)
        if recent is not None:
            return recent
        with _unavailable():
            return await self._archive.booking(booking_id)

    async def bookings_of(self, user_id: str, before_id: int, limit: int) -> list[Booking]:
        recent = {booking.id: booking for booking in self._checkpointing.bookings_of(user_id) if booking.id < before_id}
        with _unavailable():
            stored = await self._archive.bookings_of(user_id, before_id, limit)
        known = {booking.id: booking for booking in stored} | recent
        for booking_id in known:
            known[booking_id] = self._checkpointing.booking(booking_id) or known[booking_id]
        return sorted(known.values(), key=lambda booking: booking.id, reverse=True)[:limit]

    async def notices_of(self, user_id: str, before_id: int, limit: int) -> list[Notice]:
        recent = {notice.id: notice for notice in self._checkpointing.notices_of(user_id) if notice.id < before_id}
        with _unavailable():
            stored = await self._archive.notices_of(user_id, before_id, limit)
        known = {notice.id: notice for notice in stored} | recent
        return sorted(known.values(), key=lambda notice: notice.id, reverse=True)[:limit]

    async def refunds_of(self, booking_id: int) -> list[Refund]:
        booking = self._checkpointing.booking(booking_id)
        if booking is not None and not booking.payment_id:
            return []  # nothing was ever paid
        recent = {refund.id: refund for refund in self._checkpointing.refunds_of(booking_id)}
        with _unavailable():
            stored = await self._archive.refunds_of(booking_id)
        known = {refund.id: refund for refund in stored} | recent
        return [known[refund_id] for refund_id in sorted(known)]

    async def facts(self, after_seq: int, limit: int) -> list[dict[str, Any]]:
        try:
            return await self._journal.facts(after_seq, limit, self.durable_seq)
        except HistoryGone as gone:
            raise GoneError(gone.first_seq) from gone

    def ticket_codes(self, booking_id: int, quantity: int) -> list[str]:
        return self._tickets.of(booking_id, quantity)

    # --- the cluster

    @property
    def primary_address(self) -> str:
        return primary_address(self._member())

    def cluster(self) -> ClusterView:
        return cluster_view(self._member())

    async def failover(
        self, to: str | None, *, accept_data_loss: bool, sync_standbys: int | None, dry_run: bool
    ) -> ClusterChange:
        return await Administration(self._member()).failover(
            to, accept_data_loss=accept_data_loss, sync_standbys=sync_standbys, dry_run=dry_run
        )

    async def switchover(self, to: str | None, *, dry_run: bool) -> ClusterChange:
        return await Administration(self._member()).switchover(to, dry_run=dry_run)

    async def set_sync_standbys(self, count: int, *, accept_data_loss: bool) -> ClusterChange:
        return await Administration(self._member()).set_sync_standbys(count, accept_data_loss=accept_data_loss)

    async def remove_member(self, name: str) -> ClusterChange:
        return await Administration(self._member()).remove_member(name)


def _refuse(_command: Command, _key: Idempotency | None, done: Done) -> None:
    """While this node does not lead; whoever asks forwards such calls."""
    detail = "This node does not lead, and knows of nobody who does; ask again in a moment."
    done(Refusal(0, Code.NO_PRIMARY, detail, {"retryAfterSeconds": 1}), False)  # noqa: FBT003
