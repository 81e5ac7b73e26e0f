"""The command loop: takes commands one at a time, in the order they come, and answers when they are safe.

Owns the state, the batch being gathered and the one being synced. Promises that a reply is given only when every fact
it rests on is durable, and that facts reach listeners in order, durable. Nothing awaits in here; it must never do I/O.

A command is decided and applied at once. Its facts gather in the staged batch while the batch before is being synced
(group commit), so the cost of a sync is shared by all who came meanwhile.
"""

import logging
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple, Protocol

from ..engine import facts as f
from ..engine.apply import apply
from ..engine.codes import Code
from ..engine.commands import Command, Idempotency
from ..engine.decide import decide
from ..engine.facts import encode_one
from ..engine.replies import Refusal, Reply
from ..engine.rules import chores
from ..engine.state import State

log = logging.getLogger("onsale.loop")

STAGED_BYTES_MAX = 12_000_000  # the last command goes beyond; the journal's bound on a batch is 16 MiB
REPLIES_MAX = 50_000  # that wait for one batch
TOLD_PER_TURN = 256  # listeners, replies and reads, before others have their turn: a slow disk brings thousands at once
FACTS_PASSED_OVER = 16  # cost about as much as one that somebody is told
CHORES_PER_SLICE = 128
CHORE_FACTS_PER_SLICE = 128  # one chore may lead to several
TICK_SECONDS = 0.025
DECIDED_PER_SAMPLE = 16  # of so many commands one is timed

Done = Callable[[Reply, bool], None]
DurableDone = Callable[[int | None], None]
Listener = Callable[[int, int, f.Fact], None]


class Log(Protocol):
    """Where batches become durable, in order. Calls back on the event loop."""

    def append(self, at_ms: int, count: int, payload: bytes) -> int: ...


class Meter(Protocol):
    """Whoever counts."""

    def decided(self, command: Command, reply: Reply) -> None: ...

    def decide_took(self, seconds: float) -> None:
        """One command of DECIDED_PER_SAMPLE: deciding and applying it."""

    def synced(self, seconds: float) -> None: ...

    def replicated(self, seconds: float) -> None: ...

    def committed(self, facts: int, size_bytes: int, seconds: float) -> None: ...


class Scheduler(Protocol):
    """What this needs of an event loop."""

    def call_soon(self, callback: Callable[[], object]) -> object: ...

    def call_later(self, delay: float, callback: Callable[[], object]) -> object: ...


class _Batch:
    """Facts of one moment, and who waits for them."""

    __slots__ = (
        "at_ms",
        "facts",
        "first_seq",
        "flushed",
        "handed_over",
        "heard",
        "own",
        "parts",
        "readers",
        "replies",
        "size_bytes",
        "told",
    )

    def __init__(self, first_seq: int, at_ms: int) -> None:
        self.first_seq = first_seq
        self.at_ms = at_ms
        self.facts: list[f.Fact] = []
        self.parts: list[bytes] = []  # the facts, encoded
        self.size_bytes = 0  # of all parts
        self.handed_over = 0.0  # by the event loop's clock
        self.flushed = 0.0  # the same, by a finer one
        self.replies: list[tuple[Done, Reply, bool]] = []
        self.readers: deque[tuple[DurableDone, int]] = deque()  # with the position of what they show
        self.own: deque[Callable[[], None]] = deque()  # parts of this node
        self.heard = 0  # facts that listeners were told of
        self.told = 0  # replies that were given

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.facts) - 1


class Durable(NamedTuple):
    """How far the journal is safe: `chain_hash` is the hash of the batch that ends at `seq`."""

    seq: int
    chain_hash: bytes


class CommandLoop:
    def __init__(
        self,
        state: State,
        log: Log,
        scheduler: Scheduler,
        now_ms: Callable[[], int],
        *,
        hold_ms: int,
        durable: Durable,
        meter: Meter,
        seconds: Callable[[], float] = perf_counter,
    ) -> None:
        self.state = state
        self.hold_ms = hold_ms
        self.durable = durable
        self._log = log
        self._scheduler = scheduler
        self._clock_ms = now_ms
        self._meter = meter
        self._decided = meter.decided
        self._seconds = seconds
        self._unsampled = 1  # until the next is timed
        self._staged: _Batch | None = None
        self._syncing: _Batch | None = None
        self._untold: deque[_Batch] = deque()  # batches that are durable, and not yet all told
        self._flush_scheduled = False
        self._more_due = False
        self._stopped = False
        self._not_now: tuple[Code, str] | None = None  # why no command is taken
        self._listeners: dict[type, list[Listener]] = {}
        self.on_handed_over: Callable[[], None] = lambda: None
        self.on_fault: Callable[[Exception], None] = lambda _error: None  # must end the process

    def now_ms(self) -> int:
        """Never before the state's own time."""
        return max(self._clock_ms(), self.state.at_ms)

    @property
    def unsafe_since(self) -> float | None:
        """Since when the oldest facts that are not durable yet are with the log; None: there are none."""
        return None if self._syncing is None else self._syncing.handed_over

    @property
    def waiting(self) -> int:
        """How many replies wait for what they rest on to be durable, or to be told."""
        batches = (self._staged, self._syncing, *self._untold)
        return sum(len(batch.replies) - batch.told for batch in batches if batch is not None)

    @property
    def idle(self) -> bool:
        """Everything that was decided is durable, and told."""
        return self._staged is None and self._syncing is None and not self._untold

    def listen(self, kinds: tuple[type, ...], listener: Listener) -> None:
        """Call `listener(seq, at_ms, fact)` for each fact of these kinds once it is durable, in order."""
        for kind in kinds:
            self._listeners.setdefault(kind, []).append(listener)

    def start(self) -> None:
        """Begin to do what becomes due by itself."""
        self._tick()

    def stop(self) -> None:
        """Take no more commands; what was decided still becomes durable and is answered."""
        self._stopped = True
        self._not_now = self._not_now or (Code.OVERLOADED, "The node is stopping.")

    def refuse(self, code: Code, detail: str) -> None:
        """Answer commands with this, and do no chores, until `accept`."""
        self._not_now = (code, detail)

    def accept(self) -> None:
        """Take commands again."""
        if not self._stopped:
            self._not_now = None

    def give_up_waiting(self, code: Code, detail: str) -> None:
        """Tell all who wait that nobody knows whether what they asked for will last. It may still do."""
        refusal = Refusal(self.durable.seq, code, detail, {"retryAfterSeconds": 1})
        for batch in (self._syncing, self._staged):
            if batch is None:
                continue
            replies, readers = batch.replies, batch.readers
            batch.replies, batch.readers = [], deque()
            for done, _, _ in replies:
                _tell("a reply could not be given", done, refusal, False)  # noqa: FBT003
            for reader, _ in readers:
                _tell("a read could not be answered", reader, None)

    def record(self, command: Command) -> Reply:
        """Decide and apply something of the node's own, whatever callers are told; nobody waits for it."""
        now_ms = self._staged.at_ms if self._staged is not None else self.now_ms()
        facts, reply, _ = decide(self.state, now_ms, command)
        if facts:
            self._stage(now_ms, facts)
        return reply

    def submit(self, command: Command, key: Idempotency | None, done: Done) -> None:
        """Decide and apply at once; `done(reply, replayed)` comes when all the reply rests on is durable."""
        staged = self._staged
        batch = staged or self._syncing
        if self._not_now is not None or (
            batch is not None and (batch.size_bytes >= STAGED_BYTES_MAX or len(batch.replies) >= REPLIES_MAX)
        ):
            code, detail = self._not_now or (Code.OVERLOADED, "Too much is waiting for the disk.")
            done(Refusal(self.durable.seq, code, detail, {"retryAfterSeconds": 1}), False)  # noqa: FBT003
            return
        now_ms = staged.at_ms if staged is not None else self.now_ms()
        self._unsampled -= 1
        began = 0.0 if self._unsampled else perf_counter()
        facts, reply, replayed = decide(self.state, now_ms, command, key)
        self._decided(command, reply)
        if facts:
            self._stage(now_ms, facts)
            batch = self._staged
        if began:
            self._unsampled = DECIDED_PER_SAMPLE
            self._meter.decide_took(perf_counter() - began)
        if batch is None:
            done(reply, replayed)
        else:
            batch.replies.append((done, reply, replayed))

    def when_durable(self, done: DurableDone) -> None:
        """`done(seq)` comes when all that the state shows now is durable; `seq` is that position.

        `done(None)`: that can't be waited for any more.
        """
        batch = self._staged or self._syncing
        if batch is None:
            done(self.durable.seq)
        else:
            batch.readers.append((done, self.state.seq))

    def once_durable(self, seen: Callable[[], None]) -> None:
        """`seen()` comes when all that was decided so far is durable, however long that takes: unlike those who asked
        for something, the node's own parts are never told to give up.
        """
        batch = self._staged or self._syncing
        if batch is None:
            seen()
        else:
            batch.own.append(seen)

    def _stage(self, at_ms: int, facts: list[f.Fact]) -> None:
        """Apply the facts of one command and put them into the batch that is gathered."""
        state = self.state
        staged = self._staged
        if staged is None:
            staged = self._staged = _Batch(state.seq + 1, at_ms)
            if self._syncing is None and not self._flush_scheduled:
                self._flush_scheduled = True
                self._scheduler.call_soon(self._flush)
        try:
            for fact in facts:
                apply(state, at_ms, fact)
                part = encode_one(fact)
                staged.facts.append(fact)
                staged.parts.append(part)
                staged.size_bytes += len(part)  # exact: nobody could write a batch beyond the journal's bound
        except Exception as error:
            # the state is half changed: nothing that rests on it may be written or answered
            self.stop()
            self._staged = None
            self.on_fault(error)
            raise

    def _flush(self) -> None:
        """Hand the staged batch to the log, if the one before is durable."""
        self._flush_scheduled = False
        staged = self._staged
        if staged is None or self._syncing is not None:
            return
        self._syncing, self._staged = staged, None
        staged.handed_over, staged.flushed = self._seconds(), perf_counter()
        self._log.append(staged.at_ms, len(staged.facts), f.join(staged.parts))
        staged.parts.clear()
        self.on_handed_over()

    def became_durable(self, seq: int, chain_hash: bytes) -> None:
        """The log's word, on the event loop: everything up to `seq` is safe."""
        batch = self._syncing
        assert batch is not None
        assert batch.last_seq == seq, "the log and the loop disagree about what was written"
        self.durable = Durable(seq, chain_hash)
        self._syncing = None
        self._meter.committed(len(batch.facts), batch.size_bytes, perf_counter() - batch.flushed)
        self._flush()
        self._untold.append(batch)
        if len(self._untold) == 1:
            self._tell_some()
        if self._more_due or self.state.promotable or self.state.sweeping or self.state.telling:
            self._scheduler.call_soon(self._do_chores)

    def _tell_some(self) -> None:
        """A turn's worth, batch after batch."""
        left = TOLD_PER_TURN
        while self._untold and left > 0:
            left = self._tell(self._untold[0], left)
            if left > 0:
                self._untold.popleft()
        if self._untold:
            self._scheduler.call_soon(self._tell_some)

    def _tell(self, batch: _Batch, left: int) -> int:
        """Facts to listeners, replies to callers, so many of them; how many more could be told, if all are.

        One that fails must not keep the others waiting.
        """
        replies, readers, own = batch.replies, batch.readers, batch.own
        left = self._tell_facts(batch, left)
        while left > 0 and batch.told < len(replies):
            done, reply, replayed = replies[batch.told]
            batch.told += 1
            left -= 1
            try:
                done(reply, replayed)
            except Exception:
                log.exception("a reply could not be given: %r", reply)
        while left > 0 and readers:
            reader, seq = readers.popleft()
            left -= 1
            _tell("a read could not be answered", reader, seq)
        while left > 0 and own:
            left -= 1
            _tell("a part of this node failed", own.popleft())
        return left

    def _tell_facts(self, batch: _Batch, left: int) -> int:
        listeners, facts = self._listeners, batch.facts
        index = batch.heard
        while left > 0 and index < len(facts):
            fact = facts[index]
            for listener in listeners.get(type(fact), ()):
                left -= 1
                try:
                    listener(batch.first_seq + index, batch.at_ms, fact)
                except Exception:
                    log.exception("a listener failed at seq %d", batch.first_seq + index)
            index += 1
            if index % FACTS_PASSED_OVER == 0:
                left -= 1
        batch.heard = index
        return left

    # --- what becomes due by itself

    def _tick(self) -> None:
        if not self._stopped:
            self._do_chores()
            self._scheduler.call_later(TICK_SECONDS, self._tick)

    def _do_chores(self) -> None:
        """One slice; the rest follows when this one is durable, or at the next tick."""
        staged = self._staged
        if self._not_now is not None or (staged is not None and staged.size_bytes >= STAGED_BYTES_MAX // 2):
            return
        now_ms = staged.at_ms if staged is not None else self.now_ms()
        due = chores.due(self.state, now_ms, self.hold_ms, CHORES_PER_SLICE)
        self._more_due = chores.more_due(due, CHORES_PER_SLICE)
        seq_max = self.state.seq + CHORE_FACTS_PER_SLICE
        for command in due:
            facts, _, _ = decide(self.state, now_ms, command)
            if facts:
                self._stage(now_ms, facts)
            if self.state.seq >= seq_max:
                self._more_due = True
                return


def _tell(failed: str, told: Callable[..., None], *what: object) -> None:
    try:
        told(*what)
    except Exception:
        log.exception("%s: %r", failed, what)
