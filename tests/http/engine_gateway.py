"""A node in miniature for the API's tests: the real engine behind the `Gateway` port, without disk, network or clock.

Owns the order of things a real node must keep too: decide at once, tell when durable. Time stands still unless a test
moves it (`clock_ms`); what is decided is durable at once unless a test holds it back (`hold_back`, `let_go`). The
payment provider answers at once, as the built-in test provider does, or not before `settle` when `provider_is_slow`.
Its news are taken when a test says what they mean (`news`), with RIGHT_SIGNATURE. Listeners hear of notices as soon as
these are durable, and None on `end_feed`.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Any
from zlib import crc32

from onsale.engine.apply import apply
from onsale.engine.commands import (
    Command,
    Idempotency,
    PaymentFailedOutcome,
    PaymentOutcome,
    PaymentPendingOutcome,
    PaymentSucceededOutcome,
    SettlePayment,
    SettleRefund,
    StartPayment,
    TakeProviderEvent,
)
from onsale.engine.decide import decide
from onsale.engine.facts import EventCancelled, EventChanged, EventCreated
from onsale.engine.records import Booking, Notice, Refund
from onsale.engine.replies import PaymentUnderway, RefundReply, Reply
from onsale.engine.rules.chores import due
from onsale.engine.search import Hits, SearchRequest
from onsale.engine.state import State, place_id
from onsale.engine.status import REFUND_PENDING_AT_PROVIDER
from onsale.http.call import Answer, Call
from onsale.http.gateway import (
    BehindError,
    ClusterChange,
    ClusterView,
    FactProof,
    Finding,
    GoneError,
    InvalidSignatureError,
    JournalHead,
    LaneView,
    Member,
    NothingThereError,
    NotKeptError,
    Reconciliation,
    Report,
    TicketCode,
    UnavailableError,
)
from onsale.tests.http.made_up import a_report

EVENT_FACTS = (EventCreated, EventChanged, EventCancelled)
START_MS = 1_795_341_600_000  # 2026-11-22T10:00:00Z
RIGHT_SIGNATURE = "t=1,v1=right"

Done = Callable[[Reply, bool], None]
Listener = Callable[[Notice | None], None]


class EngineGateway:
    def __init__(self) -> None:
        self.state = State()
        self.clock_ms = START_MS
        self.hold_ms = 300_000
        self.payment_provider = "test"
        self.role = "primary"
        self.leads = True
        self.primary_address = ""
        self.reading_takes_long = False
        self.forwarded: list[Call] = []
        self.forwarded_answer: Answer | None = None  # of the primary, when this node does not lead
        self.more_members: list[Member] = []
        self.problems: list[str] = []
        self.sync_standbys = 0
        self.primary = "one"
        self.unsafe: ClusterChange | None = None  # the answer to every order
        self.orders: list[tuple[Any, ...]] = []
        self.ready = True
        self.lag_ms = 0
        self.provider_is_slow = False
        self.search_edition = object()  # another one with each fact about an event
        self.searches = 0  # so many were asked for
        self.searches_held: list[Callable[[], None]] | None = None  # those not answered, where a test answers them
        self.searched_min_seq = 0  # what the last search was to wait for
        self.index_lag = 0  # positions the search index is behind
        self.first_seq = 1  # the oldest fact kept
        self.lacks_past = False  # the tree over the journal
        self.is_busy = False  # whatever is awaited cannot be had
        self.past: dict[int, Booking] = {}
        self.commands: list[Command] = []  # all that were submitted
        self.news: dict[bytes, TakeProviderEvent] | None = None  # by body; None: this node takes none
        self.lane_views: list[LaneView] = []
        self.findings: list[Finding] = []  # of the next reconciliation
        self.ticket_public_key = "a-public-key"
        self.listeners: list[tuple[str, Listener]] = []
        self._told_notices = 0  # so many of them have been told to listeners
        self._refunds: dict[int, Refund] = {}
        self._notices: list[Notice] = []
        self._facts: list[dict[str, Any]] = []
        self._durable_seq = 0
        self._held_back = False
        self._untold: list[tuple[int, Callable[[], None]]] = []

    # -- what a test does ---------------------------------------------------------------------------------------------

    def hold_back(self) -> None:
        """Nothing becomes durable from now on."""
        self._held_back = True

    def let_go(self) -> None:
        self._held_back = False
        self._make_durable()

    def pass_time(self, ms: int) -> None:
        """Moves the clock, and does what has become due."""
        self.clock_ms += ms
        while chores := due(self.state, self.clock_ms, self.hold_ms, 100):
            for chore in chores:
                self._decide(chore, None)
        self._make_durable()

    def decide(self, command: Command) -> Reply:
        """Something that no call asks for, such as what became of a message."""
        reply, _ = self._decide(command, None)
        self._make_durable()
        return reply

    def settle(self, payment_id: int, outcome: PaymentOutcome) -> None:
        """The provider says something."""
        self._decide(SettlePayment(payment_id, outcome, self.hold_ms), None)
        self._make_durable()

    def end_feed(self) -> None:
        """Nothing more will come from here."""
        listeners, self.listeners = self.listeners, []
        for _, listener in listeners:
            listener(None)

    # -- the port -----------------------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        return self.clock_ms

    @property
    def durable_seq(self) -> int:
        return self._durable_seq

    def submit(self, command: Command, key: Idempotency | None, done: Done) -> None:
        self.commands.append(command)
        reply, replayed = self._decide(command, key)
        if not replayed and not self.provider_is_slow:
            reply = self._ask_provider(command, reply)
        self._when(self.state.seq, lambda: done(reply, replayed))

    submit_hot = submit

    def when_durable(self, done: Callable[[int], None]) -> None:
        seq = self.state.seq
        self._when(seq, lambda: done(seq))

    async def reach(self, seq: int, timeout_seconds: float) -> bool:
        reached = asyncio.Event()
        self._untold.append((seq, reached.set))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await reached.wait()
        return self._durable_seq >= seq

    @property
    def search_seq(self) -> int:
        return self._durable_seq - self.index_lag

    def search(self, request: SearchRequest, min_seq: int, done: Callable[[Hits | UnavailableError], None]) -> None:
        """Substrings, in the order of ids: how events are matched is the index's affair, not the API's."""
        self._check_not_busy()
        self.searched_min_seq = min_seq
        self.searches += 1
        first = int(request.cursor or "0")
        if self.searches_held is not None:
            self.searches_held.append(lambda: done(self._found(request, first)))
        else:
            done(self._found(request, first))

    def _found(self, request: SearchRequest, first: int) -> Hits | UnavailableError:
        if self.is_busy:
            return UnavailableError("The index has ended.")
        found = [event_id for event_id in sorted(self.state.events.rows) if self._matches(event_id, request)]
        page = found[first : first + request.limit]
        more = len(found) > first + request.limit
        return Hits(page, str(first + request.limit) if more else None, self.search_seq)

    async def past_booking(self, booking_id: int) -> Booking | None:
        self._check_not_busy()
        return self.past.get(booking_id)

    async def bookings_of(self, user_id: str, before_id: int, limit: int) -> list[Booking]:
        known = [*self.past.values(), *self.state.bookings.rows.values()]
        theirs = [each for each in known if each.user_id == user_id and each.id < before_id]
        return sorted(theirs, key=lambda each: -each.id)[:limit]

    async def notices_of(self, user_id: str, before_id: int, limit: int) -> list[Notice]:
        notices = reversed(self.state.notices)
        return [each for each in notices if each.user_id == user_id and each.id < before_id][:limit]

    async def refunds_of(self, booking_id: int) -> list[Refund]:
        known = {**self._refunds, **self.state.refunds.rows}
        return [known[each] for each in sorted(known) if known[each].booking_id == booking_id]

    async def facts(self, after_seq: int, limit: int) -> list[dict[str, Any]]:
        if after_seq + 1 < self.first_seq:
            raise GoneError(self.first_seq)
        return [each for each in self._facts if after_seq < each["seq"] <= self._durable_seq][:limit]

    async def report(self, kind: str, number: int) -> Report:
        known = {"booking": self.state.bookings.rows, "fairness": self.state.sales}
        if number not in known.get(kind, range(1, self.state.seq + 1)):
            raise NothingThereError(f"There is no {kind} {number}.")
        return Report(None, 10, 100) if self.reading_takes_long else Report(a_report(kind, number), 0, 0)

    async def journal_head(self, seq: int | None, since: int | None) -> JournalHead:
        """One batch for each fact; the hashes prove nothing."""
        self._check_proofs()
        size = self._durable_seq if seq is None else seq
        if max(size, since or 0) > self._durable_seq:
            raise BehindError(f"Receipts can be given up to seq {self._durable_seq}.", self._durable_seq)
        if since is not None and since > size:
            raise ValueError("smaller")
        return JournalHead("00" * 16, size, 1, self.clock_ms, bytes(32), size, bytes(32), [bytes(32)], since, [])

    async def prove_fact(self, seq: int, tree_size: int | None) -> FactProof:
        self._check_proofs()
        size = self._durable_seq if tree_size is None else tree_size
        if size > self._durable_seq:
            raise BehindError(f"Receipts can be given up to seq {self._durable_seq}.", self._durable_seq)
        if size < seq:
            raise ValueError("smaller")
        return FactProof(
            "00" * 16, seq, 1, self.clock_ms, bytes(32), {"type": "held"}, bytes(16), b"\x90", [], seq, 1, seq - 1,
            [bytes(32)], size, bytes(32),
        )  # fmt: skip

    receipt_check = b"print('checked')"

    def _check_proofs(self) -> None:
        self._check_not_busy()
        if self.lacks_past:
            raise NotKeptError("What is known here of the history begins behind seq 7.")

    def ticket_codes(self, event_id: int, booking_id: int, quantity: int) -> list[str]:
        return [f"CODE-{event_id}-{booking_id}-{number}" for number in range(1, quantity + 1)]

    def read_ticket(self, code: str) -> TicketCode | None:
        said = re.fullmatch(r"CODE-([0-9]{1,9})-([0-9]{1,9})-([0-9]{1,4})", code, re.ASCII | re.IGNORECASE)
        return TicketCode(*map(int, said.groups())) if said else None

    async def draw_code(self, code: str, form: str) -> bytes:
        self._check_not_busy()
        return f"<svg>{code}</svg>".encode() if form == "svg" else b"\x89PNG " + code.encode()

    def queue_token(self, event_id: int, arrival: int, user_id: str) -> str:
        return f"QUEUE-{event_id}-{arrival}-{crc32(user_id.encode())}"

    def read_queue_token(self, token: str) -> int:
        said = re.fullmatch(r"QUEUE-([0-9]{1,9})-([0-9]{1,9})-[0-9]+", token, re.ASCII)
        place = self.state.places.rows.get(place_id(*map(int, said.groups()))) if said else None
        is_theirs = place and token == self.queue_token(place.event_id, place.arrival, place.user_id)
        return place.id if place and is_theirs else 0

    def new_seed(self) -> bytes:
        return bytes(range(32))

    def webhook_secret(self, owner: str) -> str:
        return f"whsec_{owner}"

    def read_provider_event(self, body: bytes, signature: str) -> TakeProviderEvent | None:
        if self.news is None:
            return None
        if signature != RIGHT_SIGNATURE:
            raise InvalidSignatureError("The signature was not made with the secret of this webhook.")
        return self.news.get(body, TakeProviderEvent(f"evt_{len(body)}"))

    def subscribe(self, user_id: str, listener: Listener) -> Callable[[], None]:
        listening = (user_id, listener)
        self.listeners.append(listening)

        def end() -> None:
            if listening in self.listeners:
                self.listeners.remove(listening)

        return end

    async def notices_after(self, user_id: str, after_id: int, limit: int) -> list[Notice]:
        self._check_not_busy()
        durable = [each for each in self.state.notices if each.seq <= self._durable_seq]
        return [each for each in durable if each.user_id == user_id and each.id > after_id][:limit]

    def lanes(self) -> list[LaneView]:
        return self.lane_views

    async def reconcile(self, since_ms: int) -> Reconciliation:
        self._check_not_busy()
        self.orders.append(("reconcile", since_ms))
        return Reconciliation("stripe", since_ms, self.clock_ms, 3, 3, 1, 1, self.findings)

    async def forward(self, call: Call) -> Answer | None:
        self.forwarded.append(call)
        return self.forwarded_answer

    def cluster(self) -> ClusterView:
        seq = self._durable_seq
        own = Member("one", self.role, "serving", 1, seq, self.state.seq, seq, self.lag_ms, "http://127.0.0.1:8080")
        members = [own, *self.more_members]
        return ClusterView("one", self.role, 1, seq, self.sync_standbys, self.primary, members, self.problems)

    async def failover(
        self, to: str | None, *, accept_data_loss: bool, sync_standbys: int | None, dry_run: bool
    ) -> ClusterChange:
        return self._ordered("failover", to, accept_data_loss, sync_standbys, dry_run)

    async def switchover(self, to: str | None, *, dry_run: bool) -> ClusterChange:
        return self._ordered("switchover", to, dry_run)

    async def pause_takeover(self, *, paused: bool) -> ClusterChange:
        return self._ordered("pause" if paused else "resume")

    async def set_sync_standbys(self, count: int, *, accept_data_loss: bool) -> ClusterChange:
        return self._ordered("sync_standbys", count)

    async def remove_member(self, name: str) -> ClusterChange:
        return self._ordered("remove", name)

    def _ordered(self, *order: Any) -> ClusterChange:
        self._check_not_busy()
        self.orders.append(order)
        return self.unsafe or ClusterChange(True, ["two answers.", "two leads in epoch 2."], 2, "two")

    # -- inside -------------------------------------------------------------------------------------------------------

    def _decide(self, command: Command, key: Idempotency | None) -> tuple[Reply, bool]:
        facts, reply, replayed = decide(self.state, self.clock_ms, command, key)
        for fact in facts:
            self._refunds |= self.state.refunds.rows
            before = dict(self.state.bookings.rows)
            apply(self.state, self.clock_ms, fact)
            self.past |= {each: before[each] for each in before.keys() - self.state.bookings.rows.keys()}
            if isinstance(fact, EVENT_FACTS):
                self.search_edition = object()
            self._facts.append({"seq": self.state.seq, "epoch": 1, "type": type(fact).__name__})
        return reply, replayed

    def _ask_provider(self, command: Command, reply: Reply) -> Reply:
        if isinstance(command, StartPayment) and isinstance(reply, PaymentUnderway) and not reply.client_secret:
            outcome = _outcome(command.method, reply.payment_id)
            return self._decide(SettlePayment(reply.payment_id, outcome, self.hold_ms), None)[0]
        if isinstance(reply, RefundReply) and reply.status == REFUND_PENDING_AT_PROVIDER:
            return self._decide(SettleRefund(reply.refund_id, f"re_{reply.refund_id}"), None)[0]
        return reply

    def _check_not_busy(self) -> None:
        if self.is_busy:
            raise UnavailableError("There is too much to do; try again in a second.")

    def _when(self, seq: int, tell: Callable[[], None]) -> None:
        self._untold.append((seq, tell))
        self._make_durable()

    def _make_durable(self) -> None:
        if not self._held_back:
            self._durable_seq = self.state.seq
        told = [each for each in self._untold if each[0] <= self._durable_seq]
        self._untold = [each for each in self._untold if each[0] > self._durable_seq]
        for _, tell in told:
            tell()
        self._tell_listeners()

    def _tell_listeners(self) -> None:
        notices = self.state.notices
        while self._told_notices < len(notices) and notices[self._told_notices].seq <= self._durable_seq:
            notice = notices[self._told_notices]
            self._told_notices += 1
            for user_id, listener in list(self.listeners):
                if user_id == notice.user_id:
                    listener(notice)

    def _matches(self, event_id: int, request: SearchRequest) -> bool:
        event = self.state.events.rows[event_id]
        return (
            request.search.lower() in f"{event.name} {event.city} {event.venue} {event.description}".lower()
            and request.name.lower() in event.name.lower()
            and request.city.lower() in ("", event.city.lower())
            and request.category.lower() in ("", event.category.lower())
            and (request.start_ms is None or event.starts_ms >= request.start_ms)
            and (request.end_ms is None or event.starts_ms <= request.end_ms)
        )


def _outcome(method: str | None, payment_id: int) -> PaymentOutcome:
    """Stripe's test cards."""
    if method == "pm_card_chargeDeclined":
        return PaymentFailedOutcome("card_declined", "Your card was declined.")
    if method == "pm_card_authenticationRequired":
        return PaymentPendingOutcome(requires_action=True, client_secret=f"secret_{payment_id}")
    return PaymentSucceededOutcome(f"pi_{payment_id}")
