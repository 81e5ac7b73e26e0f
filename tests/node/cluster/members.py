"""Cluster members on simulated time, disks and a network, driven by hand; and a stranger that asks them anything."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from onsale.engine import facts as f
from onsale.engine.codes import Code
from onsale.engine.commands import Command, Idempotency, SaveUser
from onsale.engine.replies import Refusal, Reply
from onsale.engine.state import State
from onsale.journal.batch import Batch, Position, Sealed
from onsale.journal.divergence import CutPart
from onsale.journal.errors import JournalError
from onsale.journal.recovery import create_journal, recover
from onsale.journal.segments import list_segments
from onsale.node.clock import Clock
from onsale.node.cluster.member import ClusterMember
from onsale.node.cluster.ports import MemberPorts, MemberSettings
from onsale.node.loop import CommandLoop
from onsale.node.recovery import apply_committed
from onsale.replicas.frames import PROTOCOL, Frame, Introduction
from onsale.replicas.link import Link
from onsale.replicas.refusals import RefusalLog
from onsale.tests.simulation.disk import SimulatedDisk
from onsale.tests.simulation.lease import SimulatedLeases
from onsale.tests.simulation.network import SimulatedNetwork
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime
from onsale.tests.simulation.writer import SimulatedWriter

PORT = 7400
SECRET = b"the cluster's secret"
JOURNAL_ID = b"j" * 16
START_MS = 1_800_000_000_000


class Uncounted:
    """The loop's `Meter`."""

    def decided(self, command: Command, reply: Reply) -> None: ...

    def decide_took(self, seconds: float) -> None: ...

    def synced(self, seconds: float) -> None: ...

    def replicated(self, seconds: float) -> None: ...

    def committed(self, facts: int, size_bytes: int, seconds: float) -> None: ...


class Group:
    """Machines of one network."""

    def __init__(self, seed: int = 1, lease_seconds: float = 0) -> None:
        """`lease_seconds` 0: an operator's word is all there is."""
        self.time = SimulatedTime()
        self.random = Random(seed)
        self.leases = SimulatedLeases(self.time, Random(seed), lease_seconds) if lease_seconds else None
        self.network = SimulatedNetwork(self.time, self.random)
        self.machines: dict[str, Machine] = {}

    def machine(self, name: str, **settings: Any) -> "Machine":
        machine = self.machines[name] = Machine(self, name, **settings)
        machine.start()
        return machine

    def run(self, duration_ms: float) -> None:
        self.time.run(self.time.now_us + int(duration_ms * 1000))

    def until(self, condition: Callable[[], bool], within_ms: float = 5_000) -> None:
        end_us = self.time.now_us + int(within_ms * 1000)
        while not condition():
            assert self.time.step(end_us) is not None, f"not within {within_ms} ms"

    def cut_off(self, name: str) -> None:
        """No packet of it comes or goes."""
        for other in [*self.machines, "stranger"]:
            self.network.block(name, other)
            self.network.block(other, name)

    def leader_with_standbys(self, count: int, *, sync_standbys: int = 1) -> list["Machine"]:
        """A cluster that answers: "a" leads, "b", "c" … follow, and all of that is committed."""
        names = [chr(ord("a") + number) for number in range(count + 1)]
        machines = [
            self.machine(
                name,
                lead_if_new=not number,
                sync_standbys=sync_standbys if not number else None,
                sources=tuple(f"{other}:{PORT}" for other in names if other != name),
            )
            for number, name in enumerate(names)
        ]
        leader = machines[0].member
        self.until(lambda: leader.leading is not None and len(leader.copy.state.voters) == count + 1)
        self.until(lambda: all(each.member.copy.state.seq == leader.copy.state.seq for each in machines))
        self.until(lambda: leader.copy.at_rest)
        return machines


class Machine:
    """One node: its disk, and the life of its process. It is its member's `Surroundings`."""

    def __init__(
        self,
        group: Group,
        name: str,
        *,
        voting: bool = True,
        lead_if_new: bool = False,
        sources: tuple[str, ...] = (),
        sync_standbys: int | None = None,
    ) -> None:
        self.group = group
        self.name = name
        self.settings = MemberSettings(
            node_id=name.encode() * 8,
            name=name,
            voting=voting,
            lead_if_new=lead_if_new,
            sources=sources,
            sync_standbys=sync_standbys,
            hold_ms=300_000,
            secret=SECRET,
        )
        self.port = PORT
        self.disk = SimulatedDisk(ord(name[0]))
        self.told: list[tuple[str, Any]] = []
        self.loop: CommandLoop | None = None
        self.asks_for_lease = group.leases is not None and voting
        self.again = False  # it asked for another life
        self.lives = 0
        self.sync_us = 300
        self.scheduler: NodeScheduler
        self.member: ClusterMember

    @property
    def address(self) -> str:
        return f"{self.name}:{self.port}"

    def start(self) -> None:
        self.lives += 1
        self.again = False
        self.loop = None
        if not list_segments(self.disk):
            create_journal(self.disk, JOURNAL_ID)
        recovered, state = recover(self.disk), State()
        unapplied = apply_committed(state, self.disk, recovered)
        scheduler = self.scheduler = NodeScheduler(self.group.time)
        self.member = ClusterMember(state, recovered, unapplied, self.settings, self._ports(scheduler), self)
        self.group.network.listen(self.name, self.port, scheduler, self.member.accept)
        self.member.start()

    def kill(self) -> None:
        self.scheduler.kill()
        self.group.network.process_ended(self.name)
        self.disk.crash()

    def move(self, port: int, *sources: str) -> None:
        """Be another address from the next start on, and look for others there."""
        self.port, self.settings = port, replace(self.settings, sources=sources)

    def live_again(self) -> None:
        """What a node does that asked for it."""
        assert self.again
        self.scheduler.kill()
        self.group.network.process_ended(self.name)
        self.start()

    def _ports(self, scheduler: NodeScheduler) -> MemberPorts:
        def background(work: Callable[[], list[Sealed]], done: Callable[[list[Sealed] | Exception], None]) -> None:
            try:
                scheduler.call_soon(done, work())
            except JournalError as error:
                scheduler.call_soon(done, error)

        leases = self.group.leases
        return MemberPorts(
            scheduler=scheduler,
            network=self.group.network.of(self.name, scheduler),
            disk=self.disk,
            make_writer=lambda recovered, on_durable, on_failure: SimulatedWriter(
                scheduler, self.disk, recovered, on_durable=on_durable, on_failure=on_failure,
                sync_us=lambda: self.sync_us, segment_bytes_max=1 << 20,
            ),
            background=background,
            clock=lambda not_before_ms: Clock(
                not_before_ms, monotonic=scheduler.time, wall=lambda: START_MS / 1000 + self.group.time.now_us / 1e6
            ).now_ms,
            meter=Uncounted(),
            nonce=lambda: self.group.random.randbytes(32),
            ticket_key=lambda: b"k" * 32,
            addresses=lambda: (self.address, f"http://{self.name}"),
            lease=None if leases is None or not self.asks_for_lease else leases.of(self.name, scheduler),
        )  # fmt: skip

    # --- who uses it

    def ask(self, user: str = "ada", key: Idempotency | None = None) -> list[Reply]:
        """A write; the list fills when it is answered."""
        answers: list[Reply] = []
        loop = self.member.loop

        def refuse(*_arguments: object) -> None:
            answers.append(Refusal(0, Code.NO_PRIMARY, "It does not lead.", {}))

        submit = refuse if loop is None else self.member.right.guarded(loop.submit, refuse)
        submit(SaveUser(user, user), key, lambda reply, _replayed: answers.append(reply))
        return answers

    def answered(self, user: str = "ada") -> bool:
        """Whether a write is answered for good within a second."""
        answers = self.ask(user)
        self.group.run(1_000)
        return bool(answers) and not isinstance(answers[0], Refusal)

    @property
    def users(self) -> set[str]:
        """Whom its state knows."""
        return set(self.member.copy.state.users.rows)

    @property
    def followed(self) -> str:
        """By name; empty: nobody."""
        following = self.member.following
        follower = following.follower if following is not None else None
        return follower.leader if follower is not None and follower.accepted else ""

    # --- its surroundings

    def leads(self, loop: CommandLoop) -> None:
        self.loop = loop
        self.told.append(("leads", loop.state.epoch))

    def pauses(self) -> None:
        self.told.append(("pauses", None))

    def follows(self) -> None:
        self.loop = None
        self.told.append(("follows", None))

    def committed(self, position: Position) -> None: ...

    def applied(self, batch: Batch, facts: list[f.Fact]) -> None: ...

    def checkpoint_taken(self, seq: int) -> None:
        self.told.append(("checkpoint", seq))

    def state_hashed(self, seq: int, state_hash: str) -> None:
        self.told.append(("hashed", (seq, state_hash)))

    def newcomer(self, link: Link) -> None:
        self.told.append(("newcomer", link))

    def before_cut(self, seq: int) -> None: ...

    def cut(self, part: CutPart) -> None:
        self.told.append(("cut", (part.first_seq, part.last_seq)))

    def restart(self, reason: str) -> None:
        self.told.append(("restart", reason))
        self.again = True

    def rebuild(self, reason: str) -> None:
        self.told.append(("rebuild", reason))

    def damaged(self, sentence: str) -> None:
        self.told.append(("damaged", sentence))

    def failed(self, error: JournalError) -> None:
        self.told.append(("failed", error))


class Stranger:
    """Another node that dials a machine and says what the test says."""

    def __init__(
        self, group: Group, name: str = "stranger", *, voting: bool = True, node_id: bytes = b"", replication: str = ""
    ) -> None:
        self.group = group
        self.name = name
        self.introduction = Introduction(
            PROTOCOL, node_id or name.encode(), JOURNAL_ID, name, voting, replication, f"http://{name}",
            facts_version=f.FACTS_VERSION,
        )  # fmt: skip
        self.scheduler = NodeScheduler(group.time)
        self.frames: list[Frame] = []
        self.reasons: list[str] = []
        self.link: Link | None = None

    def dial(self, machine: Machine) -> "Stranger":
        opened: list[Link] = []
        self.link = Link(
            self.scheduler,
            SECRET,
            lambda: self.introduction,
            dialed=True,
            nonce=lambda: self.group.random.randbytes(32),
            refusals=RefusalLog(self.scheduler.time),
            on_open=opened.append,
            on_frame=lambda _link, frame: self.frames.append(frame),
            on_drained=lambda _link: None,
            on_closed=lambda _link, reason: self.reasons.append(reason),
        )
        self.group.network.of("stranger", self.scheduler).dial(machine.name, machine.port, self.link)
        self.group.until(lambda: bool(opened or self.reasons))
        return self

    def say(self, *frames: Frame, wait_ms: float = 20) -> None:
        assert self.link is not None
        for frame in frames:
            self.link.send(frame)
        self.group.run(wait_ms)

    def of(self, kind: type) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kind)]
