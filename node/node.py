"""One node's process: what listens, and one life of its copy after the other.

Owns the two listeners (HTTP, replication) and the order of start and stop. A life (`Instance`) ends when the node has
to take something back from its state, or to fetch another copy; the listeners stay, and say so meanwhile.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from ..effects.outside import Outside
from ..effects.outside_provider import OutsideProvider
from ..effects.provider import PaymentProvider
from ..effects.sandbox import SandboxProvider
from ..engine.limits import TICKET_KEY_BYTES
from ..http.access.auth import Authenticator
from ..http.access_log import AccessLog
from ..http.api import Api, Storefront
from ..http.application import make_application
from ..http.connection.server import make_runner
from ..http.documents.openapi import openapi_document
from ..http.hot import make_hot
from ..http.metrics import Metrics
from ..http.seat_stream import seat_stream_routes
from ..http.stream import stream_routes
from ..journal.errors import NoJournal
from ..journal.incoming import install_incoming
from ..replicas import frames
from ..replicas.frames import Introduction
from ..replicas.handshake import NONCE_BYTES
from ..replicas.network import AsyncNetwork, Listener, listen
from ..replicas.ports import Receiver, format_address
from ..replicas.promise import NAME as PROMISE
from ..replicas.refusals import RefusalLog
from .clock import Clock
from .cluster.links import Closing, Links
from .cluster.ports import MemberPorts, MemberSettings
from .forwarding import Forwarder
from .gate_settings import gate_settings
from .gateway import NodeGateway
from .identity import Identity, advertised, write_identity
from .instance import Instance
from .lease.settings import make_lease
from .logs import AccessLines
from .newcomer import Newcomer, set_aside
from .options import NodeOptions, contexts_of
from .outside_settings import Surroundings
from .provider_news import ProviderNews
from .reading import reading
from .recovery import CHECKPOINT_FILE, JOURNAL_FOLDER, Progress, Started, begin, start
from .rehearsal.control import sample_rehearsal
from .tickets import old_key
from .waiting_gateway import WaitingGateway

log = logging.getLogger("onsale")

REST_PER_READ = 8.0  # times as long as a read took
REST_SECONDS_MAX = 0.5
TICKET_KEY_FILE = "ticket.key"  # of an earlier version; by now the journal has it

T = TypeVar("T")


class Node:
    def __init__(
        self,
        options: NodeOptions,
        identity: Identity,
        secret: bytes,
        authenticator: Authenticator,
        surroundings: Surroundings,
        failed: Callable[[Exception], None],
    ) -> None:
        """`failed(error)` is called on the event loop when nothing more may be answered. Raises NotConfigured."""
        self.options = options
        self.identity = identity
        self.address = ""  # of HTTP, once it listens
        self.replication_address = ""
        self.instance: Instance | None = None
        self.metrics = Metrics(lambda: reading(self.gateway, self.instance))
        self._secret = secret
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._surroundings = surroundings
        self._outside = Outside(surroundings.settings)
        self._provider: PaymentProvider = (
            OutsideProvider(self._outside) if surroundings.settings.stripe_key else SandboxProvider()
        )
        self._runner: Any = None
        self._listener: Listener | None = None
        self._tls_server, tls_client = contexts_of(options.tls)
        self._network = AsyncNetwork(self._loop, tls_client)
        self._refusals = RefusalLog(self._loop.time)
        self._forwarder = Forwarder(self._primary_address, name=identity.name)
        self._waiting = WaitingGateway(
            name=identity.name,
            role="replica" if options.kind == "replica" else "standby",
            http_address=lambda: self.address,
            primary_address=lambda: self._last_primary_address,
            doing=self._doing,
            forwarder=self._forwarder,
            hold_ms=options.hold_ms,
            payment_provider=self._provider.name,
        )
        self._rehearsal = sample_rehearsal(options, self._provider.name, lambda: self.address)
        self._api = Api(
            gateway=self._waiting,
            authenticator=authenticator,
            metrics=self.metrics,
            openapi=lambda: openapi_document(version("onsale")),
            gate_settings=gate_settings(options.gate, is_open=authenticator.is_open),
            storefront=Storefront(surroundings.stripe_publishable_key),
            rehearsal=self._rehearsal,
            access_log=self._access_log(options),
        )
        self._lease = make_lease(options.etcd)
        self._newcomer: Newcomer | None = None
        self._last_primary_address = ""
        self._first_ticket_key = b""  # where the journal has none
        self._renewing: asyncio.Task[None] | None = None
        self._stopping = False
        self.before_serving: Callable[[], Awaitable[None]] | None = None  # how calls find it filled

    def _access_log(self, options: NodeOptions) -> AccessLog:
        lines = AccessLines(options.log_format, self.metrics.access_lines_dropped)
        return AccessLog(options.access_log, lines.write)

    @property
    def gateway(self) -> NodeGateway | WaitingGateway:
        return self._waiting if self.instance is None else self.instance.gateway

    # --- start

    async def start(self, progress: Progress | None = None) -> None:
        """Serve. Raises OSError when an address can't be listened on, JournalError, SearchUnavailable."""
        if self.options.rebuild:
            aside = set_aside(self.options.data, keep_promise=False)  # it is another node from now on
            if aside is not None:
                log.warning("what was in %s is set aside in %s", self.options.data, aside)
        started = self._read(progress)
        await self._listen()
        if started is None:
            self._renewing = asyncio.create_task(self._guarded(self._fetch_and_live()))
        else:
            await self._live(started)

    def _read(self, progress: Progress | None = None) -> Started | None:
        """What the folder holds; None: a copy must be fetched first."""
        data = self.options.data
        if install_incoming(data, JOURNAL_FOLDER, CHECKPOINT_FILE, keep=(PROMISE,)):
            log.info("the copy that was fetched is in place")
        if self.options.kind == "serve":
            begin(data)
        try:
            return start(data, progress)
        except NoJournal:
            return None

    async def _listen(self) -> None:
        options = self.options
        if options.replication is not None:
            self._listener = await listen(*options.replication, self._accept, self._refusals, self._tls_server)
            self.replication_address = advertised(self._listener.address, options.sources, options.advertise)
        self._runner = make_runner(
            make_application(self._api, [*stream_routes(self._api), *seat_stream_routes(self._api)]),
            make_hot(self._api), finish=self._api.finish,
        )  # fmt: skip
        self.metrics.connections = self._runner.connections
        await self._runner.setup()
        site = web.TCPSite(self._runner, options.host, options.port, backlog=4096)
        await site.start()
        address = format_address(*self._runner.addresses[0][:2])
        self.address = f"http://{advertised(address, options.sources, options.advertise)}"

    def _accept(self) -> Receiver:
        return Closing() if self.instance is None else self.instance.member.accept()

    # --- lives

    async def _live(self, started: Started) -> None:
        if not started.state.ticket_key and self.options.kind != "replica":
            self._first_ticket_key = self._ticket_key(started)
        settings = MemberSettings(
            node_id=self.identity.node_id,
            name=self.identity.name,
            voting=self.options.kind != "replica",
            lead_if_new=self.options.kind == "serve",
            sources=self.options.sources,
            sync_standbys=self._new_sync_standbys,
            hold_ms=self.options.hold_ms,
            secret=self._secret,
            asks_nobody=self._api.authenticator.is_open,
        )
        instance = Instance(
            started,
            settings,
            self._ports,
            provider=self._provider,
            outside=self._outside,
            surroundings=self._surroundings,
            metrics=self.metrics,
            failed=self._failed,
            again=partial(self._renew, anew=False),
            anew=partial(self._renew, anew=True),
            make_gateway=self._make_gateway,
            leads=self._remember_sync_standbys,
        )
        self.instance = instance
        await instance.start()
        if self.before_serving is not None:
            await self.before_serving()
        self._api.gateway = instance.gateway
        self._forwarder.primary_changed()

    @property
    def _new_sync_standbys(self) -> int | None:
        """What --sync-standbys says, if that is another word than last time; else the journal's stands."""
        wanted = self.options.sync_standbys
        return None if wanted == self.identity.sync_standbys else wanted

    def _remember_sync_standbys(self) -> None:
        if self._new_sync_standbys is not None:
            self.identity = msgspec.structs.replace(self.identity, sync_standbys=self.options.sync_standbys)
            write_identity(self.options.data, self.identity)

    def _renew(self, reason: str, *, anew: bool) -> None:
        """End this life of the copy and begin the next, once what calls this is through."""
        if self._stopping:
            return
        log.warning("this node %s: %s", "fetches another copy" if anew else "reads its folder again", reason)
        self._renewing = asyncio.create_task(self._guarded(self._next_life(self._renewing, anew=anew)))

    async def _next_life(self, before: asyncio.Task[None] | None, *, anew: bool) -> None:
        if before is not None:
            await asyncio.wait((before,))  # a life may end while it begins
        old, self.instance = self.instance, None
        self._api.gateway = self._waiting
        assert old is not None
        self._last_primary_address = old.gateway.primary_address
        await old.abandon()
        if anew:
            await self._fetch_and_live()
            return
        started = await asyncio.to_thread(self._read)
        if started is None:
            await self._fetch_and_live()
        else:
            await self._live(started)

    async def _fetch_and_live(self) -> None:
        options = self.options
        nonce = partial(secrets.token_bytes, NONCE_BYTES)
        links = Links(self._loop, self._secret, self._introduction, nonce, self._refusals)
        newcomer = self._newcomer = Newcomer(
            options.data, options.sources, self._network, links.dialed, voting=options.kind != "replica"
        )
        while True:
            journal_id = await newcomer.fetch()
            if journal_id is not None:
                set_aside(options.data)
                begin(options.data, journal_id)
            started = await asyncio.to_thread(self._read)
            if started is not None:
                break
        self._newcomer = None
        await self._live(started)

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, a node without a copy must not linger
            self._failed(error)

    # --- what lives are made with

    def _ports(self, instance: Instance) -> MemberPorts:
        return MemberPorts(
            scheduler=self._loop,
            network=self._network,
            disk=instance.started.disk,
            make_writer=instance.make_writer,
            background=self._background,
            clock=lambda not_before_ms: Clock(not_before_ms).now_ms,
            meter=self.metrics,
            nonce=partial(secrets.token_bytes, NONCE_BYTES),
            ticket_key=lambda: self._first_ticket_key or secrets.token_bytes(TICKET_KEY_BYTES),
            addresses=lambda: (self.replication_address, self.address),
            lease=self._lease,
        )

    def _background(self, work: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        async def run() -> None:
            began = self._loop.time()
            try:
                result: T | Exception = await asyncio.to_thread(work)
            except Exception as error:  # noqa: BLE001 - told, not raised
                result = error
            # reading takes the interpreter's lock from the loop: who catches up must leave it most of the time
            await asyncio.sleep(min((self._loop.time() - began) * REST_PER_READ, REST_SECONDS_MAX))
            done(result)

        self._background_task = self._loop.create_task(run())

    def _ticket_key(self, started: Started) -> bytes:
        """For a journal that has none: the one that signed what was printed so far, else a new one."""
        path = self.options.data / TICKET_KEY_FILE
        key = old_key(path)
        if key is None and started.recovered.last_seq and self.options.kind == "serve":
            log.warning(
                "%s was missing and a new key is made: ticket codes given out before are not known any more. If there "
                "is a backup of it and of the folder, bring both back and start again.",
                path,
            )
        return key or secrets.token_bytes(TICKET_KEY_BYTES)

    def _make_gateway(self, instance: Instance) -> NodeGateway:
        return NodeGateway(
            instance.state,
            search=instance.search,
            history=instance.history,
            feed=instance.feed,
            journal=instance.journal,
            receipts=instance.receipts,
            tickets=instance.tickets,
            call_later=self._loop.call_later,
            positions=instance.positions,
            provider_name=self._provider.name,
            hold_ms=self.options.hold_ms,
            forwarder=self._forwarder,
            outside=self._outside,
            news=ProviderNews(
                self._surroundings.webhook_secret,
                journal_id=instance.started.recovered.journal_id.hex(),
                hold_ms=self.options.hold_ms,
            ),
            effects=lambda: instance.effects,
            member=lambda: instance.member,
        )

    def _introduction(self) -> Introduction:
        """Of a node that has no copy yet, and so no cluster."""
        return Introduction(
            frames.PROTOCOL,
            self.identity.node_id,
            b"",
            self.identity.name,
            self.options.kind != "replica",
            self.replication_address,
            self.address,
            facts_version=frames.FACTS,
        )

    def _primary_address(self) -> str:
        return self.gateway.primary_address

    def _doing(self) -> str:
        newcomer = self._newcomer
        if newcomer is None:
            return f"{self.identity.name} is reading its folder."
        return f"{self.identity.name} is waiting for a copy{f': {newcomer.trouble}' if newcomer.trouble else ''}."

    # --- stop, and what others ask

    async def stop(self) -> None:
        """Answer what was taken, then leave everything tidy: what follows starts fast."""
        self._stopping = True
        if self._renewing is not None:
            self._renewing.cancel()
        self.gateway.ready = False
        if self._rehearsal is not None:
            await self._rehearsal.stop()
        if self._listener is not None:
            self._listener.close()
        if self.instance is not None:
            self.instance.feed.close()  # streams would go on for ever
        if self._runner is not None:
            await self._runner.cleanup()
        if self.instance is not None:
            await self.instance.stop()
        if self._lease is not None:
            await self._lease.close()
        await self._outside.close()
        await self._forwarder.close()
        self._network.close()
