"""One node that decides: all parts wired together, started and stopped in order.

Owns the life of the parts. Start: recover, begin to do chores, ask the provider about what was unsettled, listen.
Stop: stop listening, answer what was taken, write a last checkpoint, mark the journal's end. What breaks a promise
(a failing disk) ends the process at once: see `failed`.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

from aiohttp import web

from ..effects.payments import PaymentEffects
from ..effects.sandbox import SandboxProvider
from ..engine import facts as f
from ..engine.commands import Command, CreateEvent
from ..engine.replies import Reply
from ..engine.state import Sale, State
from ..engine.status import BOOKING_NAMES, HELD, PAYING, WAITING
from ..http.access.auth import Authenticator
from ..http.api import Api
from ..http.application import make_application
from ..http.connection.server import make_runner
from ..http.documents.docs import docs_page
from ..http.documents.openapi import openapi_document
from ..http.hot import make_hot
from ..http.metrics import Metrics, Reading
from ..journal.archive import Archive
from ..journal.checkpoint import CheckpointWriter
from ..journal.writer import JournalWriter
from ..replicas.search.index import SearchDocument, SearchIndex
from .checkpointing import Checkpointing
from .clock import Clock
from .gateway import NodeGateway
from .journal_view import JournalView
from .loop import CommandLoop, Durable
from .options import ServeOptions
from .positions import Positions
from .recovery import CHECKPOINT_FILE, Started
from .tickets import TicketCodes, read_or_create_key

log = logging.getLogger("onsale")

EPOCH = 1  # there is no failover yet, so nobody has led before
TICKET_KEY_FILE = "ticket.key"
ROWS_WORTH_ONE_AT_START = 20_000
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


class Primary:
    def __init__(
        self, options: ServeOptions, started: Started, authenticator: Authenticator, failed: Callable[[Exception], None]
    ) -> None:
        """`failed(error)` is called on the event loop when nothing more may be answered."""
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._failed = failed
        self._authenticator = authenticator
        self._positions = Positions(started.recovered.last_seq)
        self._runner: Any = None
        self.address = ""
        self.metrics = Metrics(self._reading)
        self._writer = self._make_writer(started)
        self.commands = self._make_loop(started)
        self._checkpoint_writer = self._make_checkpoint_writer()
        self._checkpointing = Checkpointing(
            started.state,
            self._checkpoint_writer,
            epoch=EPOCH,
            journal_id=started.recovered.journal_id,
            seq=started.checkpoint_seq,
            call_later=self._loop.call_later,
        )
        self._search = SearchIndex(rebuild=lambda: documents(started.state))
        self._archive = Archive(options.data / CHECKPOINT_FILE)
        provider = SandboxProvider()
        self.gateway = self._make_gateway(started, provider.name)
        self._payments = PaymentEffects(
            provider,
            started.state,
            self.gateway.settle,
            hold_ms=options.hold_ms,
            journal_id=started.recovered.journal_id.hex(),
        )
        self.commands.on_handed_over = self._checkpointing.handed_over
        self.commands.on_fault = self._failed
        self.commands.listen(self._payments.kinds, self._payments.on_fact)
        self.commands.listen(EVENT_FACTS, self._event_changed)

    def _make_writer(self, started: Started) -> JournalWriter:
        return JournalWriter(
            started.disk,
            started.recovered,
            epoch=EPOCH,
            on_durable=lambda seq, chain_hash: self._call(self._became_durable, seq, chain_hash),
            on_failure=lambda error: self._call(self._failed, error),
        )

    def _make_loop(self, started: Started) -> CommandLoop:
        return CommandLoop(
            started.state,
            self._writer,
            self._loop,
            Clock(not_before_ms=started.state.at_ms).now_ms,
            hold_ms=self._options.hold_ms,
            durable=Durable(started.recovered.last_seq, started.recovered.last_hash),
            meter=self.metrics,
        )

    def _make_checkpoint_writer(self) -> CheckpointWriter:
        return CheckpointWriter(
            self._options.data / CHECKPOINT_FILE,
            on_done=lambda position: self._call(self._checkpointed, position.seq),
            on_failure=lambda error: self._call(self._failed, error),
        )

    def _make_gateway(self, started: Started, provider_name: str) -> NodeGateway:
        options = self._options
        return NodeGateway(
            self.commands,
            search=self._search,
            archive=self._archive,
            checkpointing=self._checkpointing,
            journal=JournalView(started.disk),
            tickets=self._ticket_codes(started),
            call_later=self._loop.call_later,
            reach=self._positions.wait_for,
            provider_name=provider_name,
            name=options.name,
            address=lambda: self.address,
            epoch=EPOCH,
        )

    def _ticket_codes(self, started: Started) -> TicketCodes:
        path = self._options.data / TICKET_KEY_FILE
        key, fresh = read_or_create_key(path)
        if fresh and started.recovered.last_seq:
            log.warning(
                "%s was missing and is made anew: ticket codes given out before are not known any more. If there is a "
                "backup of it, stop, bring it back and start again.",
                path,
            )
        return TicketCodes(key)

    # --- life

    async def start(self) -> None:
        """Serve. Raises OSError when the address cannot be listened on, SearchUnavailable."""
        options, state = self._options, self.commands.state
        if len(state.bookings.changed) >= ROWS_WORTH_ONE_AT_START:
            # a long journal was replayed: written now, it neither holds the loop later nor is replayed again
            self._checkpointing.take_now(self.commands.durable.chain_hash)
            await self._until(lambda: not self._checkpointing.under_way)
        await self._search.start(documents(state), self.commands.durable.seq)
        self._payments.resume()
        self.commands.start()
        api = Api(
            gateway=self.gateway,
            authenticator=self._authenticator,
            metrics=self.metrics,
            openapi=lambda: openapi_document(version("onsale")),
            docs_page=docs_page,
        )
        self._runner = make_runner(make_application(api), make_hot(api), finish=api.finish)
        await self._runner.setup()
        site = web.TCPSite(self._runner, options.host, options.port, backlog=4096)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.gateway.ready = True

    async def add_events(self, events: list[CreateEvent]) -> None:
        """Create events as an organiser would, one after the other is durable."""
        for event in events:
            await self._submitted(event)

    async def _submitted(self, command: Command) -> Reply:
        answered: asyncio.Future[Reply] = self._loop.create_future()
        self.commands.submit(command, None, lambda reply, _replayed: answered.set_result(reply))
        return await answered

    async def stop(self) -> None:
        """Answer what was taken, then leave everything tidy: what follows starts fast."""
        self.gateway.ready = False
        if self._runner is not None:
            await self._runner.cleanup()
        await self._payments.close()
        self.commands.stop()
        await self._until(lambda: self.commands.idle)
        await self._until(lambda: not self._checkpointing.under_way)
        self._checkpointing.take_now(self.commands.durable.chain_hash)
        await asyncio.to_thread(self._checkpoint_writer.close)
        await asyncio.to_thread(self._writer.close)
        await self._archive.close()
        await self._search.close()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Parts finish on their own threads and say so on the loop; look again after each of its turns."""
        while not condition():  # noqa: ASYNC110 - at the very end, for some milliseconds
            await asyncio.sleep(0.005)

    # --- what the parts tell each other, on the event loop

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        """From a part's own thread onto the loop's."""
        self._loop.call_soon_threadsafe(callback, *arguments)

    def _became_durable(self, seq: int, chain_hash: bytes) -> None:
        self._checkpointing.became_durable(seq, chain_hash)
        self.commands.became_durable(seq, chain_hash)
        self._search.update(seq, ())
        self._positions.reached(seq)

    def _checkpointed(self, seq: int) -> None:
        self.metrics.checkpointed(self._checkpointing.done(seq))

    def _reading(self) -> Reading:
        state = self.commands.state
        return Reading(
            role=self.gateway.role,
            epoch=EPOCH,
            seq=state.seq,
            durable_seq=self.commands.durable.seq,
            checkpoint_seq=self._checkpointing.seq,
            bookings={BOOKING_NAMES[status]: count for status, count in state.status_counts.items()},
            waiting=state.status_counts.get(WAITING, 0),
            held=state.status_counts.get(HELD, 0) + state.status_counts.get(PAYING, 0),
            events=len(state.events),
        )

    def _event_changed(self, seq: int, _at_ms: int, fact: f.Fact) -> None:
        assert isinstance(fact, EVENT_FACTS)
        self._search.update(seq, [document(self.commands.state.sales[fact.event_id])])
