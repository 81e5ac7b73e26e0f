"""What the HTTP API sees while a node has no copy to show: it is fetching one, or reading its folder again.

Owns the answers of that time: writes are forwarded, reads are refused, health and cluster say what is going on.
"""

from collections.abc import Callable
from typing import Any

from ..engine.codes import Code
from ..engine.commands import Command, Idempotency, TakeProviderEvent
from ..engine.records import Booking, Notice, Refund
from ..engine.replies import Refusal, Reply
from ..engine.search import Hits, SearchRequest
from ..engine.state import State
from ..http.call import Answer, Call
from ..http.gateway import (
    ClusterChange,
    ClusterView,
    FactProof,
    JournalHead,
    LaneView,
    Member,
    Reconciliation,
    Report,
    TicketCode,
    UnavailableError,
)
from .forwarding import Forwarder
from .receipts import SCRIPT

NO_COPY = "This node has no copy of the bookings yet; ask another one, or again in a moment."


class WaitingGateway:
    """`http.gateway.Gateway` for a node without a copy."""

    def __init__(
        self,
        *,
        name: str,
        role: str,
        http_address: Callable[[], str],
        primary_address: Callable[[], str],
        doing: Callable[[], str],
        forwarder: Forwarder,
        hold_ms: int,
        payment_provider: str,
    ) -> None:
        """`doing`: a sentence about what this node is waiting for."""
        self.state = State()
        self.hold_ms = hold_ms
        self.payment_provider = payment_provider
        self.ready = False
        self.leads = False
        self.durable_seq = 0
        self.role = role
        self.lag_ms = 2**31
        self._name = name
        self._http_address = http_address
        self._primary_address = primary_address
        self._doing = doing
        self._forwarder = forwarder

    def now_ms(self) -> int:
        return 0

    @property
    def primary_address(self) -> str:
        return self._primary_address()

    def submit(self, _command: Command, _key: Idempotency | None, done: Callable[[Reply, bool], None]) -> None:
        done(Refusal(0, Code.NO_PRIMARY, NO_COPY, {"retryAfterSeconds": 1}), False)  # noqa: FBT003

    submit_hot = submit

    def when_durable(self, done: Callable[[int | None], None]) -> None:
        done(0)

    async def reach(self, _seq: int, _timeout_seconds: float) -> bool:
        return False

    search_edition: object = None
    search_seq = 0

    def search(self, _request: SearchRequest, _min_seq: int, _done: Callable[[Hits | UnavailableError], None]) -> None:
        raise UnavailableError(NO_COPY)

    async def past_booking(self, _booking_id: int) -> Booking | None:
        raise UnavailableError(NO_COPY)

    async def bookings_of(self, _user_id: str, _before_id: int, _limit: int) -> list[Booking]:
        raise UnavailableError(NO_COPY)

    async def notices_of(self, _user_id: str, _before_id: int, _limit: int) -> list[Notice]:
        raise UnavailableError(NO_COPY)

    async def refunds_of(self, _booking_id: int) -> list[Refund]:
        raise UnavailableError(NO_COPY)

    async def facts(self, _after_seq: int, _limit: int) -> list[dict[str, Any]]:
        raise UnavailableError(NO_COPY)

    async def report(self, _kind: str, _number: int) -> Report:
        raise UnavailableError(NO_COPY)

    async def journal_head(self, _seq: int | None, _since: int | None) -> JournalHead:
        raise UnavailableError(NO_COPY)

    async def prove_fact(self, _seq: int, _tree_size: int | None) -> FactProof:
        raise UnavailableError(NO_COPY)

    receipt_check = SCRIPT

    def ticket_codes(self, _event_id: int, _booking_id: int, _quantity: int) -> list[str]:
        return []

    def read_ticket(self, _code: str) -> TicketCode | None:
        raise UnavailableError(NO_COPY)

    @property
    def ticket_public_key(self) -> str:
        return ""

    async def draw_code(self, _code: str, _form: str) -> bytes:
        raise UnavailableError(NO_COPY)

    def queue_token(self, _event_id: int, _arrival: int, _user_id: str) -> str:
        return ""

    def read_queue_token(self, _token: str) -> int:
        raise UnavailableError(NO_COPY)

    def new_seed(self) -> bytes:
        raise UnavailableError(NO_COPY)

    def webhook_secret(self, _owner: str) -> str:
        return ""

    def read_provider_event(self, _body: bytes, _signature: str) -> TakeProviderEvent | None:
        raise UnavailableError(NO_COPY)

    def subscribe(self, _user_id: str, _listener: Callable[[Notice | None], None]) -> Callable[[], None]:
        raise UnavailableError(NO_COPY)

    async def notices_after(self, _user_id: str, _after_id: int, _limit: int) -> list[Notice]:
        raise UnavailableError(NO_COPY)

    def lanes(self) -> list[LaneView]:
        return []

    async def reconcile(self, _since_ms: int) -> Reconciliation:
        raise UnavailableError(NO_COPY)

    async def forward(self, call: Call) -> Answer | None:
        return await self._forwarder.forward(call, lambda: False)

    def cluster(self) -> ClusterView:
        member = Member(
            name=self._name,
            role=self.role,
            state="starting",
            epoch=0,
            received_seq=0,
            applied_seq=0,
            durable_seq=0,
            lag_ms=0,
            address=self._http_address(),
        )
        return ClusterView(self._name, self.role, 0, 0, 0, "", [member], [self._doing()])

    async def failover(
        self,
        to: str | None,  # noqa: ARG002 - the port's signature
        *,
        accept_data_loss: bool,  # noqa: ARG002
        sync_standbys: int | None,  # noqa: ARG002
        dry_run: bool,  # noqa: ARG002
    ) -> ClusterChange:
        return self._not_now()

    async def switchover(self, to: str | None, *, dry_run: bool) -> ClusterChange:  # noqa: ARG002
        return self._not_now()

    async def set_sync_standbys(self, count: int, *, accept_data_loss: bool) -> ClusterChange:  # noqa: ARG002
        return self._not_now()

    async def pause_takeover(self, *, paused: bool) -> ClusterChange:  # noqa: ARG002
        return self._not_now()

    async def remove_member(self, name: str) -> ClusterChange:  # noqa: ARG002
        return self._not_now()

    def _not_now(self) -> ClusterChange:
        return ClusterChange(done=False, sentences=[self._doing(), "Ask another node."], epoch=0, primary="")
