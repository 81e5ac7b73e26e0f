"""What the HTTP API needs of the node it runs in.

Owns the `Gateway` port. The API reads `state` and hands over commands; it never changes the state, and knows nothing
of journals, replication or providers behind the port.
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from ..engine.commands import Command, Idempotency, TakeProviderEvent
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
    takeover: str = "by_operator"  # who lets another node lead: also by_lease, or paused


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


class TicketCode(msgspec.Struct, frozen=True):
    """What a genuine ticket code says. `event_id` 0: it was printed by a version that left it out."""

    event_id: int
    booking_id: int
    number: int


class LaneView(msgspec.Struct, rename="camel"):
    """One kind of thing that is asked of the outside: how it goes."""

    name: str  # payments, looks, refunds, bulk_refunds, mail, mail_urgent, webhooks, webhooks_urgent
    waiting: int  # to be asked, now or later
    in_flight: int
    failing_since_ms: int  # 0: the last one asked answered
    last_failure: str  # "" when there was none
    resumes_ms: int  # when it asks again, having been told to wait; 0: it does not wait


class Finding(msgspec.Struct, rename="camel"):
    """A difference between our payments and the provider's. `mended`: the truth was plain, and is here now."""

    kind: str  # as engine.commands.RaiseConcern's, or settled, refund_settled where mended
    reference: str
    payment_id: int
    booking_id: int
    refund_id: int
    amount_minor: int
    currency: str
    detail: str
    mended: bool


class Reconciliation(msgspec.Struct, rename="camel"):
    """What a comparison with the provider found."""

    provider: str
    since_ms: int
    until_ms: int
    payments_theirs: int
    payments_ours: int
    refunds_theirs: int
    refunds_ours: int
    findings: list[Finding]


class JournalHead(msgspec.Struct):
    """The tree over the first `tree_size` batches of the journal, the last of which ends at `seq`."""

    journal_id: str
    seq: int
    epoch: int
    at_ms: int
    batch_hash: bytes
    tree_size: int
    root: bytes
    peaks: list[bytes]
    since: int | None  # so many batches: the tree that it begins with
    growth: list[bytes]  # which proves that


class FactProof(msgspec.Struct):
    """That the fact at `seq` is there, in the tree over the first `tree_size` batches."""

    journal_id: str
    seq: int
    epoch: int
    at_ms: int
    batch_hash: bytes
    shown: dict[str, Any]  # the fact, for people
    salt: bytes
    fact: bytes  # as in the journal
    fact_path: list[bytes]
    first_seq: int  # of its batch
    count: int
    leaf_index: int
    tree_path: list[bytes]
    tree_size: int
    root: bytes


class Report(msgspec.Struct, frozen=True):
    """What a node tells from its journal; `document` None: it is being made, and has read `done` of `total` facts."""

    document: bytes | None  # JSON, as render/reports.py has it
    done: int
    total: int  # 0: not known yet


class NothingThereError(Exception):
    """What was asked about is not in the journal; the text says so, to a person."""


class InvalidSignatureError(Exception):
    """These news are not the payment provider's, or are too old. The text says why, to a person."""


class UnavailableError(Exception):
    """What was asked for cannot be had now; trying again later helps. The text says what, to a person."""


class BehindError(Exception):
    """The tree over the journal has not got so far in time; the text says how far, to a person, and `seq` as well."""

    def __init__(self, sentence: str, seq: int = 0) -> None:
        super().__init__(sentence)
        self.seq = seq


class NotKeptError(Exception):
    """A part of the history that is needed is not on this node; another one may have it. The text is for a person."""


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

    @property
    def search_edition(self) -> object:
        """Another object as soon as a search may find other events; until then whatever was found stays so."""

    @property
    def search_seq(self) -> int:
        """The position that whatever was found in this edition reflects."""

    def search(self, request: SearchRequest, min_seq: int, done: Callable[[Hits | UnavailableError], None]) -> None:
        """From an index that has everything up to `min_seq`; when that takes more than a second, from what there is,
        and `Hits.seq` says so. `done` is called once, now or later; it must not raise.

        Raises ValueError for a cursor that is not one, and UnavailableError where there is too much to do.
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

    async def report(self, kind: str, number: int) -> Report:
        """From this node's journal: `kind` is booking, seq or fairness (of an event). The first call begins it, further
        ones say how far it is, and the one that gets it ends it.

        Raises NothingThereError.
        """

    async def journal_head(self, seq: int | None, since: int | None) -> JournalHead:
        """The head of all that is durable; with `seq`, the one that ends with the batch that holds it.

        With `since`, also that it begins with the tree of so many batches. Waits up to a second for the tree. Raises
        BehindError, NotKeptError, ValueError when `since` is larger than that head.
        """

    async def prove_fact(self, seq: int, tree_size: int | None) -> FactProof:
        """The proof of the fact at `seq`, which is durable and of a booking, in the tree of so many batches or in all.

        Raises BehindError, NotKeptError, ValueError when that tree ends before it.
        """

    @property
    def receipt_check(self) -> bytes:
        """The script that checks receipts."""

    def ticket_codes(self, event_id: int, booking_id: int, quantity: int) -> list[str]:
        """The codes of a booking's tickets: always the same for the same booking."""

    def read_ticket(self, code: str) -> TicketCode | None:
        """None: the code is none of ours."""

    @property
    def ticket_public_key(self) -> str:
        """What ticket codes can be checked with offline: an Ed25519 key, 32 bytes in base64url; "" while none is."""

    async def draw_code(self, code: str, form: str) -> bytes:
        """The picture of a ticket's code, `form` svg or png."""

    def queue_token(self, event_id: int, arrival: int, user_id: str) -> str:
        """What somebody in a waiting room shows as theirs: always the same for the same place; "" while no key is."""

    def read_queue_token(self, token: str) -> int:
        """The id of the place that a genuine token names; 0: the token is none of ours, or its place is forgotten."""

    def new_seed(self) -> bytes:
        """32 bytes by chance, for a waiting room's lot."""

    def webhook_secret(self, owner: str) -> str:
        """What calls to a webhook are signed with (whsec_…); `owner` is user:ID or event:ID. Always the same."""

    def read_provider_event(self, body: bytes, signature: str) -> TakeProviderEvent | None:
        """The payment provider's news, its signature checked. None: this node is not configured to take any.

        Raises InvalidSignatureError.
        """

    def subscribe(self, user_id: str, listener: Callable[[Notice | None], None]) -> Callable[[], None]:
        """Call `listener` with each notice of this user that becomes durable from now on, in order, and with None when
        no more will come from here. What is returned ends it.
        """

    async def notices_after(self, user_id: str, after_id: int, limit: int) -> list[Notice]:
        """A user's notices that are durable, oldest first, with ids above `after_id`."""

    def lanes(self) -> list[LaneView]:
        """How it goes with what is asked of the outside; empty on a node that does not lead."""

    async def reconcile(self, since_ms: int) -> Reconciliation:
        """Compare our payments with the provider's, mend what is plain, list the rest. Asked of the node that leads."""

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

    async def pause_takeover(self, *, paused: bool) -> ClusterChange:
        """Whether no standby is to take over by itself. To be asked of any voter."""

    async def remove_member(self, name: str) -> ClusterChange:
        """Forget a member. Asked of the node that leads."""
