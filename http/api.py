"""What every call of the HTTP API has at hand, and the two ways in which an answer leaves.

Owns `Api`. A call is a function of an `Api`, a `Call` and the ids in its path, and gives an `Answer`. Promises that a
write is answered when the gateway says that its reply may be told, and a read when all that it shows is durable; so no
answer tells of what could still be lost. Knows no aiohttp.
"""

import asyncio
import logging
from collections.abc import Callable, Container, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from ..engine.codes import Code
from ..engine.commands import Command, Idempotency
from ..engine.replies import Reply
from .access.auth import Authenticator
from .access.gate import Gate, GateSettings
from .access_log import AccessLog
from .caching import min_seq_of, read_answer
from .call import Answer, Call
from .gateway import Gateway
from .problems import not_durable, problem, refused, with_seq
from .rehearsal import Rehearsal
from .render.live_counts import LiveCounts
from .render.replies import answer_of
from .render.seats import SeatMaps
from .request_ids import new_request_id, request_id_of, with_request_id
from .searches import Searches

MIN_SEQ_WAIT_SECONDS: Final = 1.0

logger = logging.getLogger(__name__)


class Metrics(Protocol):
    def render(self, names: Container[str] = ()) -> Iterator[bytes]:
        """What is measured, in Prometheus' text format: everything, or what has these names. A part at a time."""

    def route(self, method: str, route: str) -> Callable[[int, float], None]:
        """What to call with each answer of a route: its status, and the seconds it took."""

    def watch(self, gate: Gate) -> None:
        """From now on what the gate refuses is told, too."""


@dataclass(frozen=True, slots=True)
class Storefront:
    """What its page is told. `stripe_publishable_key`: of Stripe's own form; empty: there is none."""

    stripe_publishable_key: str = ""


@dataclass(slots=True)
class Api:
    gateway: Gateway
    authenticator: Authenticator
    metrics: Metrics
    openapi: Callable[[], bytes]  # the OpenAPI document, JSON
    gate_settings: GateSettings = field(default_factory=GateSettings)
    storefront: Storefront = field(default_factory=Storefront)
    rehearsal: Rehearsal | None = None  # in the sample mode alone
    access_log: AccessLog = field(default_factory=AccessLog)
    draining: bool = False  # everything is answered still, but who asks whether to come here is told no
    gate: Gate = field(init=False)
    seat_maps: SeatMaps = field(default_factory=SeatMaps)
    searches: Searches = field(default_factory=Searches)
    counts: LiveCounts = field(default_factory=LiveCounts)
    _background: set[asyncio.Task[None]] = field(default_factory=set)
    _counters: dict[tuple[str, str], Callable[[int, float], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gate = Gate(self.gate_settings, lambda: self.gateway, self.authenticator)
        self.metrics.watch(self.gate)

    def decided(self, command: Command, key: Idempotency | None) -> "asyncio.Future[tuple[Reply, bool]]":
        """The reply to a write, and whether it was given before."""
        future: asyncio.Future[tuple[Reply, bool]] = asyncio.get_running_loop().create_future()

        def done(reply: Reply, replayed: bool) -> None:  # noqa: FBT001 - the gateway's signature
            if not future.done():
                future.set_result((reply, replayed))

        self.gateway.submit(command, key, done)
        return future

    async def write(self, command: Command, key: Idempotency | None) -> Answer:
        reply, replayed = await self.decided(command, key)
        return answer_of(reply, self.gateway, replayed=replayed)

    async def read(
        self, call: Call, body: bytes, cache_control: str, *more: tuple[str, str], since: int | None = None
    ) -> Answer:
        """The answer to a read, as soon as what it shows is durable.

        `since`: the position at its first look, where it had to wait between looks and so may lack what came later.
        """
        shown = await self.shown()
        return read_answer(call, body, shown if since is None else min(since, shown), cache_control, *more)

    async def shown(self) -> int:
        """Waits until all that the state shows now is durable; the position it reflects."""
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

        def done(seq: int | None) -> None:
            if not future.done():
                future.set_result(seq)

        self.gateway.when_durable(done)
        seq = await future
        if seq is None:
            raise not_durable()
        return seq

    async def catch_up(self, call: Call) -> int:
        """Waits for the position that a read was sent with, which it returns (0: with none)."""
        seq = min_seq_of(call)
        if seq is None:
            return 0
        if seq > self.gateway.durable_seq and not await self.gateway.reach(seq, MIN_SEQ_WAIT_SECONDS):
            raise refused(Code.REPLICA_BEHIND, f"This node has reached {self.gateway.durable_seq}, not yet {seq}.")
        return seq

    def in_background(self, work: Coroutine[None, None, None]) -> None:
        """Runs what must not fail, and answers some call in the end."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Tells the metrics of an answer; `method` and `route` are of a fixed set."""
        counter = self._counters.get((method, route))
        if counter is None:
            counter = self._counters[method, route] = self.metrics.route(method, route)
        counter(status, seconds)

    def finish(self, answer: Answer) -> Answer:
        """Every answer says a position; one that nothing was decided for says the durable one."""
        headers = answer.headers
        if any(name == "Onsale-Seq" for name, _ in headers):
            return answer
        seq = self.gateway.durable_seq
        if answer.status >= 400:
            return with_seq(answer, seq)
        return answer.with_headers((("Onsale-Seq", str(seq)), *headers))

    def internal(self, call: Call) -> Answer:
        """For the exception being handled, which is ours to mend."""
        return self.failed(call.method, call.path, request_id_of(call))

    def failed(self, method: str, path: str, request_id: str = "") -> Answer:
        """As `internal`, for who does not have the call any more."""
        request_id = request_id or new_request_id()
        logger.exception("Error answering %s %s, request %s", method, path, request_id)  # noqa: LOG004 - it is handled
        detail = "This is our fault, not yours; it has been logged. Try again."
        return with_request_id(self.finish(problem(Code.INTERNAL, detail)), request_id)
