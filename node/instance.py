"""One life of a node's copy: everything that is made of its folder, from one start to the next.

Owns the cluster member and what lives from its state: checkpoint, search index, archive, payments. A node that has to
take something back from its state ends this life and begins another, its listeners staying open. What breaks a promise
(a failing disk) ends the process: see `failed`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..effects.outside import Outside
from ..effects.provider import PaymentProvider
from ..engine import facts as f
from ..engine.commands import SetMail
from ..engine.sale import Sale
from ..engine.state import State
from ..http.call import Answer, Call
from ..http.metrics import Metrics
from ..journal.archive import Archive
from ..journal.batch import Batch, Position
from ..journal.checkpoint import CheckpointWriter
from ..journal.checkpoint_schema import SCHEMA_VERSION
from ..journal.divergence import CutPart
from ..journal.errors import CorruptJournal, JournalError, JournalFailed
from ..journal.recovery import Recovered
from ..journal.writer import JournalWriter
from ..replicas.frames import Accepted
from ..replicas.link import Link
from ..replicas.search.index import SearchDocument, SearchIndex
from .checkpointing import Checkpointing
from .cluster.followers import NOT_LEADING
from .cluster.member import ClusterMember
from .cluster.ports import MemberPorts, MemberSettings
from .cluster.report import is_settled
from .divergence_report import report_cut, set_aside_checkpoint
from .effects import Effects
from .feed import Feed
from .gateway import NodeGateway
from .hash_comparison import HashComparison
from .history import History
from .journal_view import JournalView
from .loop import CommandLoop
from .newcomer import send_snapshot
from .outside_settings import Surroundings
from .positions import Positions
from .receipts import NodeReceipts
from .recovery import CHECKPOINT_FILE, Started
from .tickets import TicketCodes

log = logging.getLogger("onsale")

ROWS_WORTH_ONE_AT_START = 20_000
FACTS_WORTH_A_SNAPSHOT = 200_000  # fewer are applied faster than a database is copied and loaded
SETTLED_SECONDS = 1.5  # at a start, to have a role, before anybody is served
STOP_SECONDS = 2.0
FOLLOWER_PATIENCE = 1.5  # so that its checkpoints are the leader's, and their hashes can be compared
EVENT_FACTS = (f.EventCreated, f.EventChanged, f.EventCancelled)


def document(sale: Sale) -> SearchDocument:
    """What is searched of an event."""
    event = sale.event
    return SearchDocument(
        event.id, event.name, event.venue, event.city, event.country, event.category, event.description,
        event.starts_ms,
    )  # fmt: skip


def documents(state: State) -> Iterator[SearchDocument]:
    return (document(sale) for sale in list(state.sales.values()))


class Instance:
    """`Surroundings` of its member."""

    def __init__(
        self,
        started: Started,
        settings: MemberSettings,
        ports: Callable[["Instance"], MemberPorts],
        *,
        provider: PaymentProvider,
        outside: Outside,
        surroundings: Surroundings,
        metrics: Metrics,
        failed: Callable[[Exception], None],
        again: Callable[[str], None],
        anew: Callable[[str], None],
        make_gateway: Callable[["Instance"], NodeGateway],
        leads: Callable[[], None],
    ) -> None:
        """`failed` ends the process. `again`: another life of the same folder;
        `anew`: of a copy fetched anew.
        """
        self.started = started
        self.state = started.state
        self.settings = settings
        self.metrics = metrics
        self.positions = Positions(started.state.seq)
        self.tickets = TicketCodes(lambda: started.state.ticket_key)
        self.journal = JournalView(started.disk)
        self.receipts = NodeReceipts(started, self._of_primary)
        self.failed_with = failed
        self.closed = False
        self._again = again
        self._leads = leads
        self._anew = anew
        self._event_loop = asyncio.get_running_loop()
        self._provider = provider
        self._outside = outside
        self._surroundings = surroundings
        self.effects: Effects | None = None  # while this node leads
        self._loop: CommandLoop | None = None
        folder = started.disk.root.parent
        self._checkpoint_path = folder / CHECKPOINT_FILE
        self._checkpoint_writer = CheckpointWriter(
            self._checkpoint_path,
            on_done=lambda position: self.call(self._checkpointed, position.seq),
            on_failure=lambda error: self.call(self.failed, error),
        )
        self.checkpointing = self._make_checkpointing()
        self.search = SearchIndex(rebuild=lambda: documents(self.state))
        self.archive = Archive(self._checkpoint_path)
        self.history = History(self.checkpointing, self.archive)
        self.feed = Feed(started.state)
        self.gateway = make_gateway(self)
        self.member = ClusterMember(started.state, started.recovered, started.unapplied, settings, ports(self), self)
        self._hashes = HashComparison(self.damaged)
        self._sending: set[asyncio.Task[None]] = set()  # snapshots to newcomers
        self.checkpointing.on_taken = self._checkpoint_taken
        self.checkpointing.on_hashed = self._hashed

    async def _of_primary(self, call: Call) -> Answer | None:
        return await self.gateway.forward(call)

    def _make_checkpointing(self) -> Checkpointing:
        started = self.started
        return Checkpointing(
            started.state,
            self._checkpoint_writer,
            epoch=lambda: started.state.epoch or started.recovered.last_epoch,  # older journals don't tell it
            journal_id=started.recovered.journal_id,
            seq=started.checkpoint_seq,
            call_later=self._event_loop.call_later,
        )

    def make_writer(
        self,
        recovered: Recovered,
        on_durable: Callable[[Position], None],
        on_failure: Callable[[JournalFailed], None],
    ) -> JournalWriter:
        return JournalWriter(
            self.started.disk,
            recovered,
            on_durable=lambda position: self.call(on_durable, position),
            on_failure=lambda error: self.call(on_failure, error),
        )

    def call(self, callback: Callable[..., None], *arguments: Any) -> None:
        """From a part's own thread onto the loop's."""
        self._event_loop.call_soon_threadsafe(callback, *arguments)

    # --- life

    async def start(self) -> None:
        """Raises SearchUnavailable."""
        if len(self.state.bookings.changed) >= ROWS_WORTH_ONE_AT_START:
            # a long journal was replayed: written now, it neither holds the loop later nor is replayed again
            self.checkpointing.take_now(self._applied_hash())
            await until(lambda: not self.checkpointing.under_way)
        await self.search.start(documents(self.state), self.state.seq)
        self.receipts.reached(self.state.seq)
        self.member.start()
        given_up_at = self._event_loop.time() + SETTLED_SECONDS
        await until(lambda: is_settled(self.member) or self.member.ended or self._event_loop.time() > given_up_at)
        self.gateway.ready = not self.member.ended

    def _applied_hash(self) -> bytes:
        digest = self.member.copy.hash_at(self.state.seq)
        assert digest is not None, "the state ends where a batch does"
        return digest

    async def stop(self) -> None:
        """Leave everything tidy: what follows starts fast."""
        self.gateway.ready = False
        await self._stop_effects()
        if self._loop is not None:
            loop = self._loop
            loop.stop()
            given_up_at = self._event_loop.time() + STOP_SECONDS  # standbys may be missing
            await until(lambda: loop.idle or self._event_loop.time() > given_up_at)
        await until(lambda: not self.checkpointing.under_way)
        if self.member.leading is None or self.member.copy.at_rest:
            self.checkpointing.take_now(self._applied_hash())
        await self._close()
        await asyncio.to_thread(self.member.copy.writer.close)

    async def abandon(self) -> None:
        """Let go of everything, to begin another life: nothing is written that is not under way."""
        self.gateway.ready = False
        await self._stop_effects()
        await self._close()
        await asyncio.to_thread(self.member.copy.writer.close)

    async def _close(self) -> None:
        self.closed = True
        self.feed.close()
        self.member.end()
        for task in self._sending:
            task.cancel()
        await asyncio.to_thread(self._checkpoint_writer.close)
        await self.archive.close()
        await self.search.close()
        await self.receipts.close()

    async def _stop_effects(self) -> None:
        effects, self.effects = self.effects, None
        if effects is not None:
            await effects.close()

    # --- the member's surroundings

    def leads(self, loop: CommandLoop) -> None:
        if loop is not self._loop:
            self._loop = loop
            self.checkpointing.patience = 1.0
            loop.on_handed_over = self.checkpointing.handed_over
            loop.on_fault = self.failed_with
            if self.effects is not None:  # of an epoch before
                self._closing = asyncio.ensure_future(self.effects.close())
            effects = self.effects = self._make_effects()
            effects.listen(loop)
            loop.listen(EVENT_FACTS, self._event_changed)
            loop.record(SetMail(on=bool(self._surroundings.mail_domain)))
            loop.once_durable(effects.resume)
            loop.once_durable(self._leads)
        self.gateway.lead(loop, self.member.right)

    def _make_effects(self) -> Effects:
        return Effects(
            self.state,
            self.gateway.answers.settle,
            provider=self._provider,
            outside=self._outside,
            history=self.history,
            tickets=self.tickets,
            hold_ms=self.settings.hold_ms,
            journal_id=self.started.recovered.journal_id.hex(),
            surroundings=self._surroundings,
            now_ms=self.gateway.now_ms,
            call_later=self._event_loop.call_later,
        )

    def pauses(self) -> None:
        self.gateway.pause()

    def follows(self) -> None:
        self._loop = None
        self.checkpointing.patience = FOLLOWER_PATIENCE
        self.gateway.follow()
        effects, self.effects = self.effects, None
        if effects is not None:
            self._closing = asyncio.ensure_future(effects.close())

    def committed(self, position: Position) -> None:
        self.checkpointing.became_durable(position.seq, position.hash)
        self._event_loop.call_soon(self._reached, position.seq)

    def _reached(self, seq: int) -> None:
        self.search.update(seq, ())
        self.positions.reached(seq)
        self.receipts.reached(seq)
        self.feed.reached(seq)
        if self.effects is not None:
            self.effects.reached(seq)

    def applied(self, batch: Batch, facts: list[f.Fact]) -> None:
        changed = {fact.event_id: None for fact in facts if isinstance(fact, EVENT_FACTS)}
        seq = batch.last_seq
        self.search.update(seq, [document(self.state.sales[event_id]) for event_id in changed])
        if not (self._hashes.wanted_seq == seq and self.checkpointing.take_here()):
            self.checkpointing.handed_over()
        self.checkpointing.became_durable(seq, batch.hash)
        self.positions.reached(seq)
        self.receipts.reached(seq)
        self.feed.reached(seq)
        self.metrics.applied(batch.count, max(time.time() - batch.at_ms / 1000, 0.0))

    def checkpoint_taken(self, seq: int) -> None:
        self._hashes.wanted_seq = seq
        if self.state.seq == seq and self.checkpointing.take_here():
            self.checkpointing.became_durable(seq, self._applied_hash())

    def state_hashed(self, seq: int, state_hash: str) -> None:
        self._hashes.theirs(seq, state_hash)

    def _hashed(self, seq: int, state_hash: str) -> None:
        state_hash = f"{SCHEMA_VERSION}:{state_hash}"
        self._hashes.own(seq, state_hash)
        if self.member.leading is not None:
            self.member.followers.state_hashed(seq, state_hash)

    def newcomer(self, link: Link) -> None:
        base = self.member.copy.base
        if not base.seq and self.state.seq < FACTS_WORTH_A_SNAPSHOT:
            accepted = Accepted(0, self.state.leader, self.started.recovered.journal_id, 0, base.hash, 0)
            link.send(accepted)
        elif self.checkpointing.seq:
            task = asyncio.ensure_future(self._send_snapshot(link))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        else:
            self.member.followers.refuse(
                link, NOT_LEADING, "There is no checkpoint to copy yet; ask again in a moment."
            )

    async def _send_snapshot(self, link: Link) -> None:
        try:
            await send_snapshot(link, self._checkpoint_path)
        except (JournalError, OSError) as error:
            log.warning("a copy could not be sent: %s", error)
            link.close(f"the copy could not be made: {error}")

    def before_cut(self, seq: int) -> bool:
        self._checkpoint_writer.close()
        gone = set_aside_checkpoint(self._checkpoint_path, seq)
        return gone and self.member.copy.base.seq > 0

    def cut(self, part: CutPart) -> None:
        report_cut(self.started.disk, part)

    def restart(self, reason: str) -> None:
        self._again(reason)

    def rebuild(self, reason: str) -> None:
        self._anew(reason)

    def damaged(self, sentence: str) -> None:
        self.failed_with(
            CorruptJournal(
                "this node's copy",
                0,
                self.state.seq,
                sentence,
                "It takes itself out. Make it anew with the same command and --rebuild: what is here is set aside.",
            )
        )

    def failed(self, error: JournalError) -> None:
        if not self.closed or not isinstance(error, JournalError):
            self.failed_with(error)

    # --- what parts tell

    def _checkpoint_taken(self, seq: int) -> None:
        self.feed.taken()
        self.member.followers.checkpoint_taken(seq)

    def _checkpointed(self, seq: int) -> None:
        self.metrics.checkpointed(self.checkpointing.done(seq))

    def _event_changed(self, seq: int, _at_ms: int, fact: f.Fact) -> None:
        assert isinstance(fact, EVENT_FACTS)
        self.search.update(seq, [document(self.state.sales[fact.event_id])])


async def until(condition: Callable[[], bool]) -> None:
    """Parts finish on their own threads and say so on the loop; look again after each of its turns."""
    while not condition():  # noqa: ASYNC110 - at the very end, for some milliseconds
        await asyncio.sleep(0.005)
