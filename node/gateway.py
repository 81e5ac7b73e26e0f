"""What the HTTP API sees of this node: `http.gateway.Gateway`, made of the loop and the parts around it.

Owns which of the node's parts answers what, and whether commands are decided here. Decides nothing.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from secrets import token_bytes
from typing import Any

from msgspec.structs import replace

from ..effects.orders import DrawCode, Drawn
from ..effects.outside import Outside
from ..effects.provider import ProviderUnavailable
from ..engine.codes import Code
from ..engine.commands import Command, Idempotency, RaiseConcern, TakeProviderEvent
from ..engine.limits import SEED_BYTES
from ..engine.records import Notice, Payment
from ..engine.replies import Refusal
from ..engine.search import Hits, SearchRequest
from ..engine.state import State
from ..http.call import Answer, Call
from ..http.gateway import (
    ClusterChange,
    ClusterView,
    FactProof,
    GoneError,
    JournalHead,
    LaneView,
    Reconciliation,
    Report,
    TicketCode,
    UnavailableError,
)
from ..journal.errors import HistoryGone
from ..replicas.search.index import SearchIndex, SearchUnavailable
from .administration import Administration
from .cluster.member import ClusterMember
from .cluster.report import lag_ms_of, role_of
from .cluster.right import RightToLead
from .cluster_view import cluster_view, primary_address
from .effects import Effects
from .feed import Feed
from .forwarding import Forwarder
from .history import History
from .journal_view import JournalView
from .loop import CommandLoop, Done
from .positions import Positions
from .provider_answers import ProviderAnswers, Submit
from .provider_news import ProviderNews
from .queue_tokens import QueueTokens
from .receipts import SCRIPT, NodeReceipts
from .reports import Reports
from .tickets import TicketCodes
from .webhook_secrets import webhook_secret


class NodeGateway:
    def __init__(
        self,
        state: State,
        *,
        search: SearchIndex,
        history: History,
        feed: Feed,
        journal: JournalView,
        receipts: NodeReceipts,
        tickets: TicketCodes,
        call_later: Callable[..., Any],
        positions: Positions,
        provider_name: str,
        hold_ms: int,
        forwarder: Forwarder,
        outside: Outside,
        news: ProviderNews,
        effects: Callable[[], Effects | None],
        member: Callable[[], ClusterMember],
    ) -> None:
        """`effects`: of this node's leadership, if it leads. `member`: this node's; made after this."""
        self.state = state
        self.hold_ms = hold_ms
        self.payment_provider = provider_name
        self.ready = False
        self.leads = False  # commands are decided here
        self.submit_hot: Submit = _refuse  # while it leads: the loop's own, without a call in between
        self.answers = ProviderAnswers(state, lambda: self.submit_hot, call_later)
        self.past_booking = history.past_booking
        self.bookings_of = history.bookings_of
        self.notices_of = history.notices_of
        self.refunds_of = history.refunds_of
        self.subscribe = feed.subscribe
        queue_tokens = QueueTokens(state)
        self.queue_token = queue_tokens.of
        self.read_queue_token = queue_tokens.read
        self._loop: CommandLoop | None = None
        self._history = history
        self._search = search
        self._journal = journal
        self._reports = Reports(journal, lambda: self.durable_seq)
        self._receipts = receipts
        self._tickets = tickets
        self._positions = positions
        self._forwarder = forwarder
        self._outside = outside
        self._news = news
        self._effects = effects
        self._member = member

    # --- roles

    def lead(self, loop: CommandLoop, right: RightToLead | None = None) -> None:
        """From now on this node decides, for as long as it has the `right`."""
        self._loop = loop
        self.submit_hot = loop.submit if right is None else right.guarded(loop.submit, _refuse)
        self.leads = True
        self.answers.begin()
        self._forwarder.primary_changed()

    def pause(self) -> None:
        """Commands are for another node, or for this one a little later."""
        self.leads = False
        self.submit_hot = _refuse
        self._forwarder.primary_changed()

    def follow(self) -> None:
        """Another node decides."""
        self.pause()
        self.answers.end()

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
        return role_of(self._member())

    @property
    def lag_ms(self) -> int:
        return lag_ms_of(self._member())

    def submit(self, command: Command, key: Idempotency | None, done: Done) -> None:
        if not isinstance(command, TakeProviderEvent):
            self.answers.submit(command, key, done)
        elif isinstance(command.means, RaiseConcern) and command.means.payment_reference:
            self._looking = asyncio.ensure_future(self._take_about_old_payment(command, command.means, done))
        else:
            self._take(command, done)

    def _take(self, command: TakeProviderEvent, done: Done) -> None:
        self.answers.settle(command, lambda reply: done(reply, False))  # noqa: FBT003 - the port's signature

    async def _take_about_old_payment(self, command: TakeProviderEvent, concern: RaiseConcern, done: Done) -> None:
        """News that name a payment as the provider does: find out which of ours it is. It has long left memory."""
        payments: list[Payment] = []
        with suppress(UnavailableError):  # a person can look it up as well
            payments = await self._history.old_payments_referred_to([concern.payment_reference])
        for payment in payments:
            concern = replace(concern, payment_id=payment.id, booking_id=payment.booking_id)
        self._take(replace(command, means=concern), done)

    def when_durable(self, done: Callable[[int | None], None]) -> None:
        loop = self._loop
        if loop is None or self._member().leading is None:
            done(self.state.seq)  # only what is committed is in the state
        else:
            loop.when_durable(done)

    async def reach(self, seq: int, timeout_seconds: float) -> bool:
        return await self._positions.wait_for(seq, timeout_seconds)

    @property
    def search_edition(self) -> object:
        return self._search.edition

    @property
    def search_seq(self) -> int:
        return self._search.handed_seq

    def search(self, request: SearchRequest, min_seq: int, done: Callable[[Hits | UnavailableError], None]) -> None:
        def answered(found: Hits | SearchUnavailable) -> None:
            done(found if isinstance(found, Hits) else UnavailableError(str(found)))

        try:
            self._search.ask(request, min_seq, answered)
        except SearchUnavailable as error:
            raise UnavailableError(str(error)) from error

    async def notices_after(self, user_id: str, after_id: int, limit: int) -> list[Notice]:
        return await self._history.notices_after(user_id, after_id, limit, self.durable_seq)

    async def facts(self, after_seq: int, limit: int) -> list[dict[str, Any]]:
        try:
            return await self._journal.facts(after_seq, limit, self.durable_seq)
        except HistoryGone as gone:
            raise GoneError(gone.first_seq) from gone

    async def report(self, kind: str, number: int) -> Report:
        return await self._reports.report(kind, number)

    async def journal_head(self, seq: int | None, since: int | None) -> JournalHead:
        return await self._receipts.head(self.durable_seq, seq, since)

    async def prove_fact(self, seq: int, tree_size: int | None) -> FactProof:
        return await self._receipts.prove(seq, tree_size)

    receipt_check = SCRIPT

    # --- tickets, webhooks, money

    def ticket_codes(self, event_id: int, booking_id: int, quantity: int) -> list[str]:
        return self._tickets.of(event_id, booking_id, quantity)

    def read_ticket(self, code: str) -> TicketCode | None:
        return self._tickets.read(code)

    @property
    def ticket_public_key(self) -> str:
        return self._tickets.public_key

    async def draw_code(self, code: str, form: str) -> bytes:
        try:
            drawn = await self._outside.ask(DrawCode(code, form))
        except ProviderUnavailable as error:
            raise UnavailableError(f"The picture could not be drawn: {error}") from error
        assert isinstance(drawn, Drawn)
        return drawn.picture

    def new_seed(self) -> bytes:
        return token_bytes(SEED_BYTES)

    def webhook_secret(self, owner: str) -> str:
        return webhook_secret(self.state.ticket_key, owner)

    def read_provider_event(self, body: bytes, signature: str) -> TakeProviderEvent | None:
        news = self._news.read(body, signature)
        if news is None:
            return None
        effects = self._effects()
        if news.payment_id_to_look_at and effects is not None:
            effects.hurry(news.payment_id_to_look_at)
        return news.command

    def lanes(self) -> list[LaneView]:
        effects = self._effects()
        return [] if effects is None else effects.lanes(self.now_ms())

    async def reconcile(self, since_ms: int) -> Reconciliation:
        effects = self._effects()
        if effects is None:
            raise UnavailableError("This node does not lead; ask the primary.")
        return await effects.reconciling.run(since_ms)

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

    async def pause_takeover(self, *, paused: bool) -> ClusterChange:
        return await Administration(self._member()).pause_takeover(paused=paused)

    async def remove_member(self, name: str) -> ClusterChange:
        return await Administration(self._member()).remove_member(name)


def _refuse(_command: Command, _key: Idempotency | None, done: Done) -> None:
    """While this node does not lead; whoever asks forwards such calls."""
    detail = "This node does not lead, and knows of nobody who does; ask again in a moment."
    done(Refusal(0, Code.NO_PRIMARY, detail, {"retryAfterSeconds": 1}), False)  # noqa: FBT003
