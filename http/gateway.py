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


class Member(msgspec.Struct, rename="camel"):
    """One node of the cluster, as far as this one knows."""

    name: str
    role: str  # primary, standby, replica
    state: str  # serving, starting, stopping, failed
    epoch: int
    received_seq: int
    applied_seq: int
    durable_seq: int
    lag_ms: int
    address: str


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
        """primary, standby or replica."""

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

    def when_durable(self, done: Callable[[int], None]) -> None:
        """Call `done(seq)`, now or later, when all that `state` shows at this moment is durable.

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

    def members(self) -> list[Member]: ...
