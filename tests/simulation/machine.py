"""One machine of the cluster: a disk that outlives everything, and a process that runs the real member on it.

Owns the life of that process: started from what is on the disk, paused, killed, without power, started again. What the
member says of itself goes to the ledger at once; what clients ask of it and hear from it passes through here.
"""

from collections.abc import Callable
from random import Random
from typing import Protocol

from onsale.engine import facts as f
from onsale.engine import replies
from onsale.engine.codes import TRANSIENT, Code
from onsale.engine.commands import Command, Idempotency
from onsale.engine.state import State, state_hash
from onsale.journal.batch import Batch, Position, Sealed, position_behind, sealed_again
from onsale.journal.disk import publish
from onsale.journal.divergence import CutPart
from onsale.journal.errors import JournalError
from onsale.journal.reader import read_batches
from onsale.journal.recovery import Recovered, create_journal
from onsale.journal.retention import remove_through
from onsale.journal.segments import list_segments
from onsale.node.clock import Clock
from onsale.node.cluster.member import ClusterMember
from onsale.node.cluster.ports import MemberPorts, MemberSettings
from onsale.node.cluster.report import status_of
from onsale.node.loop import CommandLoop, Done
from onsale.replicas import promise
from onsale.tests.simulation.checkpoint import Checkpoint, take
from onsale.tests.simulation.disk import SimulatedDisk
from onsale.tests.simulation.invariants import Chain, Ledger, demand
from onsale.tests.simulation.lease import SimulatedLeases
from onsale.tests.simulation.network import SimulatedNetwork
from onsale.tests.simulation.plan import Plan
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime
from onsale.tests.simulation.workload import START_MS, Request
from onsale.tests.simulation.writer import SimulatedWriter

PORT = 7400
SECRET = b"the cluster's secret"
EMPTY = replies.Refusal(0, Code.NO_PRIMARY, "This node does not lead.")


class World(Protocol):
    """What a machine needs of the cluster it is in."""

    plan: Plan
    time: SimulatedTime
    network: SimulatedNetwork
    ledger: Ledger
    leases: SimulatedLeases | None
    make_writer: type[SimulatedWriter]

    def note(self, who: str, what: str) -> None: ...

    def answered(self, machine: "Machine", request: Request, reply: replies.Reply) -> None: ...

    def process_fell(self, machine: "Machine", *, restart: bool) -> None:
        """It ended by itself. `restart`: it is to be started again at once."""

    def damage_found(self, machine: "Machine", sentence: str) -> None: ...

    def copy_wanted(self, machine: "Machine", reason: str) -> None: ...


class Uncounted:
    """The loop's `Meter`."""

    def decided(self, command: Command, reply: replies.Reply) -> None: ...

    def decide_took(self, seconds: float) -> None: ...

    def synced(self, seconds: float) -> None: ...

    def replicated(self, seconds: float) -> None: ...

    def committed(self, facts: int, size_bytes: int, seconds: float) -> None: ...


class Machine:
    def __init__(self, world: World, number: int, name: str, *, voting: bool, sources: tuple[str, ...]) -> None:
        plan = world.plan
        self.name = name
        self.voting = voting
        self.random: Random = plan.random(number)
        self.disk = SimulatedDisk(plan.seed * 64 + number, short_write_probability=0.02)
        self.node_id = self.random.randbytes(16)
        self.has_power = True
        self.was_damaged = False  # a bit was flipped on its disk
        self.kills_only = False  # what was planned as a loss of power is to end the process alone
        self.crash_when_synced: Callable[[], None] | None = None
        self.sync_us = plan.sync_us
        self.clock_offset_ms = 0
        self.rate = self.random.choice((1.0, 1.0, 0.98, 1.03))
        self.scheduler: NodeScheduler | None = None
        self.member: ClusterMember | None = None
        self.chain = Chain(Position(0, b"", 0, 0))
        self.checkpoint: Checkpoint | None = None
        self._world = world
        self._number = number
        self._sources = sources
        self._lives = 0
        self._anew = 0  # how many disks it had before
        self.made_anew = False
        self._seen = (0, 0)  # what was last held against the history
        self._led_epoch = 0

    # --- the process

    @property
    def runs(self) -> bool:
        return self.scheduler is not None

    @property
    def paused(self) -> bool:
        return self.scheduler is not None and self.scheduler.paused

    @property
    def address(self) -> str:
        return f"{self.name}:{PORT}"

    @property
    def standing(self) -> str:
        """For the trace."""
        if self.member is None:
            return "does not run" if self.has_power else "has no power"
        status = status_of(self.member)
        return (
            f"{status.role} of {status.leader or 'nobody'} in epoch {status.leader_epoch}, promised "
            f"{status.promised_epoch} to {status.promised_to or 'nobody'}; received {status.received_seq} of epoch "
            f"{status.epoch}, committed {status.committed_seq}, applied {status.applied_seq}"
        )

    def start(self, state: State, recovered: Recovered, unapplied: list[Batch]) -> None:
        """A new process over what recovery found. May raise PowerLost, JournalError."""
        world = self._world
        self._lives += 1
        scheduler = NodeScheduler(world.time, rate=self.rate, starts_at_seconds=1000.0 * self._lives)
        self.chain = Chain(recovered.before)
        for batch in read_batches(self.disk, recovered.before.seq, through_seq=recovered.last_seq):
            self.chain.add(position_behind(batch))
            world.ledger.batches.setdefault(batch.hash, sealed_again(batch).data)
        world.ledger.started(self.name)
        self._seen = (0, 0)
        self._led_epoch = 0
        member = ClusterMember(state, recovered, unapplied, self._settings(), self._ports(scheduler), self)
        self.scheduler, self.member = scheduler, member
        world.network.listen(self.name, PORT, scheduler, member.accept)
        member.start()

    def stop(self) -> None:
        """The process is gone, whatever it was doing."""
        if self.scheduler is not None:
            self.scheduler.kill()
        self.scheduler = self.member = None

    def make_anew(self) -> None:
        """Another disk, and another node of the same name."""
        self._anew += 1
        self.made_anew = True
        self.disk = SimulatedDisk(self._world.plan.seed * 64 + self._number + self._anew * 1_000_003)
        self.node_id = self.random.randbytes(16)
        self.was_damaged = False
        self.checkpoint = None

    def take_checkpoint(self) -> None:
        """Of what is committed and applied."""
        member = self.member
        if member is None or self.paused or (member.leading is not None and not member.copy.at_rest):
            return
        state = member.copy.state
        position = self.chain.position_at(state.seq)
        if position is None or not position.seq:
            return
        self.checkpoint = take(state, position)
        self._world.note(self.name, f"takes a checkpoint at seq {position.seq}")

    def forget_history(self) -> None:
        """Now and then, before a start: segments that the checkpoint covers. May raise PowerLost, JournalError."""
        if self.checkpoint is not None and self.random.random() < 0.5:
            removed = remove_through(self.disk, self.checkpoint.position.seq)
            self._world.note(self.name, f"removes {len(removed)} segments")

    def take_copy(self, kept: Checkpoint, journal_id: bytes) -> None:
        """Another node's checkpoint in place of all that is here, but for the promise."""
        old, name = self.disk, promise.NAME
        self._anew += 1
        self.disk = SimulatedDisk(self._world.plan.seed * 64 + self._number + self._anew * 1_000_003)
        if name in old.names():
            publish(self.disk, name, old.read(name, 0, old.size_bytes(name)))
        create_journal(self.disk, journal_id, before=kept.position)
        self.checkpoint = kept

    def flip_a_bit(self) -> bool:
        """In a segment that another one follows: no crash leaves damage there. Whether there is such a segment."""
        segments = list_segments(self.disk)[:-1]
        if not segments:
            return False
        segment = self.random.choice(segments)
        self.disk.flip_bit(segment.name, self.random.randrange(segment.size_bytes), self.random.randrange(8))
        self.was_damaged = True
        return True

    def _settings(self) -> MemberSettings:
        plan = self._world.plan
        first = self.name == plan.voters[0] and not self.made_anew
        return MemberSettings(
            node_id=self.node_id,
            name=self.name,
            voting=self.voting,
            lead_if_new=first,
            sources=self._sources or tuple(f"{name}:{PORT}" for name in plan.voters if name != self.name),
            sync_standbys=plan.sync_standbys if self._lives == 1 else None,
            hold_ms=plan.hold_ms,
            secret=SECRET,
        )

    def _ports(self, scheduler: NodeScheduler) -> MemberPorts:
        world = self._world
        return MemberPorts(
            scheduler=scheduler,
            network=world.network.of(self.name, scheduler),
            disk=self.disk,
            make_writer=lambda recovered, on_durable, on_failure: world.make_writer(
                scheduler,
                self.disk,
                recovered,
                on_durable=on_durable,
                on_failure=on_failure,
                sync_us=lambda: self.random.randrange(*self.sync_us),
                segment_bytes_max=world.plan.segment_bytes_max,
                on_synced=self._synced,
            ),
            background=self._background,
            clock=lambda not_before_ms: (
                Clock(not_before_ms, monotonic=scheduler.time, wall=lambda: self.wall_ms() / 1000).now_ms
            ),
            meter=Uncounted(),
            nonce=lambda: self.random.randbytes(32),
            ticket_key=lambda: self.random.randbytes(32),
            addresses=lambda: (self.address, f"http://{self.name}"),
            lease=None if world.leases is None or not self.voting else world.leases.of(self.name, scheduler),
        )

    def wall_ms(self) -> int:
        return START_MS + self._world.time.now_us // 1000 + self.clock_offset_ms

    def _background(self, work: Callable[[], list[Sealed]], done: Callable[[list[Sealed] | Exception], None]) -> None:
        scheduler = self.scheduler
        assert scheduler is not None

        def run() -> None:
            result: list[Sealed] | Exception
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - as a thread hands it over
                result = error
            scheduler.call_soon(done, result)

        scheduler.call_later(self.random.randrange(100, 2_000) / 1_000_000, run)

    def _synced(self, group: list[Sealed]) -> None:
        for sealed in group:
            self.chain.add(sealed.position)
            self._world.ledger.batches[sealed.position.hash] = sealed.data
        last = group[-1].position
        self._world.note(self.name, f"synced seq {last.seq} of epoch {last.epoch} {last.hash.hex()[:8]}")
        crash, self.crash_when_synced = self.crash_when_synced, None
        if crash is not None:
            crash()

    def look(self) -> None:
        """After each of its steps: what it takes for committed must be so."""
        member = self.member
        if member is None:
            return
        seen = (member.copy.available.committed_seq, self.chain.last_seq)
        if seen != self._seen:
            self._seen = seen
            self._world.ledger.committed_by(self.name, seen[0], self.chain)

    # --- clients

    def receive(self, request: Request) -> None:
        """On the process's own scheduler."""
        member = self.member
        loop = None if member is None else member.loop
        if member is None or loop is None or member.leading is None:
            self._reply(request, EMPTY)
            return
        epoch = member.leading.epoch

        def done(reply: replies.Reply, _replayed: bool) -> None:
            if not (isinstance(reply, replies.Refusal) and reply.code in TRANSIENT):
                self.look()
                leases = self._world.leases
                demand(leases is None or leases.may_answer(self.name), f"{self.name} answers when its lease is over")
                self._world.ledger.answered(self.name, epoch, request.key.digest, reply)
                self._world.answered(self, request, reply)
            self._reply(request, reply)

        member.right.guarded(loop.submit, _refuse)(request.command, request.key, done)

    def _reply(self, request: Request, reply: replies.Reply) -> None:
        network = self._world.network
        self._world.time.call_in(network.delay_us(self.name, request.who), request.answer, request, reply)

    # --- what the member says (its `Surroundings`)

    def leads(self, loop: CommandLoop) -> None:
        member = self.member
        epoch = loop.state.epoch
        self._world.note(self.name, f"leads in epoch {epoch} from seq {loop.state.seq}")
        assert member is not None
        if epoch > self._led_epoch:  # else it goes on after a hand-over that came to nothing
            self._led_epoch = epoch
            self._world.ledger.leads(self.name, epoch, self.chain)

    def pauses(self) -> None:
        self._world.note(self.name, "takes nothing more for now")

    def follows(self) -> None:
        self._world.note(self.name, "follows")

    def committed(self, position: Position) -> None:
        self.look()
        member = self.member
        assert member is not None
        assert member.loop is not None
        self._world.ledger.commits(self.name, position.epoch)
        if member.loop.state.seq == position.seq:
            self._world.ledger.applied(self.name, member.loop.state)

    def applied(self, batch: Batch, facts: list[f.Fact]) -> None:
        member = self.member
        assert member is not None
        self._world.ledger.applied(self.name, member.copy.state)

    def checkpoint_taken(self, seq: int) -> None:
        self._world.note(self.name, f"hears of a checkpoint at seq {seq}")

    def state_hashed(self, seq: int, digest: str) -> None:
        member = self.member
        assert member is not None
        state = member.copy.state
        if state.seq == seq and state_hash(state) != digest:
            self.damaged(f"its state at seq {seq} is not the leader's")

    def before_cut(self, seq: int) -> None:
        self._world.note(self.name, f"is about to cut what is behind seq {seq}")
        self._world.ledger.cuts(self.name, seq, self.chain)
        if self.checkpoint is not None and self.checkpoint.position.seq > seq:
            self.checkpoint = None

    def cut(self, part: CutPart) -> None:
        self._world.note(self.name, f"cut seq {part.first_seq} to {part.last_seq}")

    def restart(self, reason: str) -> None:
        self._world.note(self.name, f"starts anew: {reason}")
        self._world.process_fell(self, restart=True)

    def rebuild(self, reason: str) -> None:
        self._world.copy_wanted(self, reason)

    def damaged(self, sentence: str) -> None:
        self._world.damage_found(self, sentence)

    def failed(self, error: JournalError) -> None:
        self._world.note(self.name, f"fails: {error}")
        self._world.process_fell(self, restart=False)


def _refuse(_command: Command, _key: Idempotency | None, done: Done) -> None:
    """It leads, and may not say so."""
    done(EMPTY, False)
