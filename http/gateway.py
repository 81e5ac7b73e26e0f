"""What the HTTP API needs of the node it runs in.

Owns the `Gateway` port. The API reads `state` and hands over commands; it never changes the state, and knows nothing
of journals, replication or providers behind the port.
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from ..engine.commands import Command, Idempotency
from ..engine.records import Booking, Notice, Refund
from ..engine.replies import Reply
from ..engine.search import Hits, SearchRequest
from ..engine.state import State
from .call import Answer, Call


class Member(msgspec.Struct, rename="camel"):
    """One node of the cluster, as far as the one that answers knows."""

    name: str
    role: str  # one of ROLES
    state: str  # one of STATES
    epoch: int
    received_seq: int
    applied_seq: int
    durable_seq: int
    lag_ms: int
    address: str  # of its HTTP API
    replication: str = ""  # where other nodes reach it
    sync: bool = False  # a standby in step with the primary: answers may rest on what it has
    age_ms: int = 0  # how old this news is


class ClusterView(msgspec.Struct):
    """The cluster as one node knows it."""

    name: str  # of that node
    role: str
    epoch: int
    durable_seq: int
    sync_standbys: int  # how many standbys answers to writes wait for
    primary: str  # its name; empty while none is known
    members: list[Member]
    problems: list[str]  # what the node itself has to report, in sentences


class ClusterChange(msgspec.Struct):
    """What became of an operator's order, in sentences: what was seen, what was done, or why not and what to do."""

    done: bool  # or, where only that was asked, it can be done
    sentences: list[str]
    epoch: int
    primary: str  # who leads then, as far as is known
    fenced: bool = False  # another node took the lead in a higher epoch meanwhile


ROLES = ("primary", "standby", "replica", "candidate")  # a candidate has led, or asks to
STATES = (
    "serving", "following", "catching_up", "searching", "starting", "stopping", "handing_over", "unreachable", "failed",
)  # fmt: skip


class UnavailableError(Exception):
    """What was asked for cannot be had now; trying again later helps. The text says what, to a person."""


class GoneError(Exception):
    """Facts that are no longer kept were asked for; `first_seq` is the oldest one there is."""

    def __init__(self, first_seq: int) -> None:
        super().__init__(f"The journal begins with seq {first_seq}.")
        self.first_seq = first_seq


class Gateway(Protocol):
    """Whatever is awaited here may raise UnavailableError."""

    state: State  # to read; may be ahead of what is durable
    hold_ms: int
    payment_provider: str  # "test" or "stripe"

    def now_ms(self) -> int:
        """The engine's time, milliseconds since 1970."""

    @property
    def durable_seq(self) -> int:
        """Everything up to here is on disk (and on the standbys that must have it)."""

    @property
    def role(self) -> str:
        """One of ROLES."""

    @property
    def leads(self) -> bool:
        """Whether writes are decided here now; else they are forwarded."""

    @property
    def primary_address(self) -> str:
        """The URL at which the primary serves HTTP, as far as is known; else empty."""

    @property
    def ready(self) -> bool: ...

    @property
    def lag_ms(self) -> int:
        """How old what this node shows may be, compared with the primary; 0 on the primary."""

    def submit(self, command: Command, key: Idempotency | None, done: Callable[[Reply, bool], None]) -> None:
        """Decide the command now.

        `done(reply, replayed)` is called once, now or later, on the event loop, when all
        that the reply rests on is durable; for payments and refunds, when the provider has had its first word (or has
        taken too long: the reply is then PaymentUnderway, or a pending RefundReply).
        """

    def submit_hot(self, command: Command, key: Idempotency | None, done: Callable[[Reply, bool], None]) -> None:
        """As `submit`, for commands that ask nothing of a payment provider: bookings."""

    def when_durable(self, done: Callable[[int | None], None]) -> None:
        """Call `done(seq)`, now or later, when all that `state` shows at this moment is durable; `done(None)` when that
        can't be waited for any more.

        A read renders its answer first and sends it then; `seq` is the position it reflects.
        """

    async def reach(self, seq: int, timeout_seconds: float) -> bool:
        """Wait until `durable_seq` is at least `seq`; False if that takes too long."""

    async def search(self, request: SearchRequest, min_seq: int) -> Hits:
        """From an index that has everything up to `min_seq`; when that takes more than a second, from what there is,
        and `Hits.seq` says so. Raises ValueError for a cursor that is not one.
        """

    async def past_booking(self, booking_id: int) -> Booking | None:
        """A booking that has left memory."""

    async def bookings_of(self, user_id: str, before_id: int, limit: int) -> list[Booking]:
        """A user's bookings, in memory or past, newest first, with ids below `before_id`."""

    async def notices_of(self, user_id: str, before_id: int, limit: int) -> list[Notice]:
        """A user's notices, newest first, with ids below `before_id`."""

    async def refunds_of(self, booking_id: int) -> list[Refund]:
        """A booking's refunds, oldest first."""

    async def facts(self, after_seq: int, limit: int) -> list[dict[str, Any]]:
        """Durable facts behind `after_seq`, in order: {"seq", "at", "epoch", "type", …the fact's fields}, as shown.

        Raises GoneError when the first of them is no longer kept.
        """

    def ticket_codes(self, booking_id: int, quantity: int) -> list[str]:
        """The codes of a booking's tickets: always the same for the same booking."""

    async def forward(self, call: Call) -> Answer | None:
        """The primary's answer to a write; None: this node leads now, decide it here.

        Raises RefusedError when no primary is found in time, or it could not be asked.
        """

    def cluster(self) -> ClusterView: ...

    # Orders of operators. With `dry_run` nothing is done: what would be done, or why not.

    async def failover(
        self, to: str | None, *, accept_data_loss: bool, sync_standbys: int | None, dry_run: bool
    ) -> ClusterChange:
        """Let another node lead, the primary being gone. To be asked of any node."""

    async def switchover(self, to: str | None, *, dry_run: bool) -> ClusterChange:
        """Let another node lead; this one, which leads, hands over."""

    async def set_sync_standbys(self, count: int, *, accept_data_loss: bool) -> ClusterChange:
        """How many standbys answers to writes wait for. Asked of the node that leads."""

    async def remove_member(self, name: str) -> ClusterChange:
        """Forget a member. Asked of the node that leads."""
