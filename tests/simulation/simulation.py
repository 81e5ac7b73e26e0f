"""One seed from its beginning to its end: a cluster is used and harmed, then left in peace, and must be whole again.

Owns the course of a simulation and its verdict. Equal plans give equal courses, event for event: the trace's hash says
so.
"""

from dataclasses import dataclass

from onsale.tests.simulation.cluster import Cluster
from onsale.tests.simulation.faults import Faults
from onsale.tests.simulation.invariants import Violation, demand
from onsale.tests.simulation.machine import Machine
from onsale.tests.simulation.operators import Operators
from onsale.tests.simulation.plan import Plan
from onsale.tests.simulation.trace import Trace, TracedLog
from onsale.tests.simulation.workload import EVENTS, Client, Provider, opening
from onsale.tests.simulation.writer import SimulatedWriter

SECOND_US = 1_000_000
OPENING_SECONDS = 20  # to have a leader and the events
PEACE_SECONDS = 60  # to be whole again
LOOKED_AT_US = 250_000
CLIENTS_FROM = 10  # their streams of chance


@dataclass(frozen=True)
class Outcome:
    """`fault` is empty when every promise was kept."""

    seed: int
    fault: str
    trace_hash: str
    steps: int
    seconds: float  # simulated
    answers: int
    epochs: int
    lines: tuple[str, ...]


class Simulation:
    def __init__(
        self, plan: Plan, make_writer: type[SimulatedWriter] = SimulatedWriter, lines_kept: int | None = 400
    ) -> None:
        self.plan = plan
        self.trace = Trace(lines_kept)
        self.cluster = Cluster(plan, self.trace, make_writer)
        self.clients = [
            Client(f"c{number}", CLIENTS_FROM + number, plan, self.cluster.time, self.cluster)
            for number in range(plan.clients)
        ]
        self.operators = Operators(plan, self.cluster)
        self.faults = Faults(plan, self.cluster, self.operators)
        self.provider = Provider(plan, self.cluster.time, self.cluster)

    def run(self) -> Outcome:
        fault = ""
        try:
            with TracedLog(self.cluster.note):
                self._open()
                self._harm()
                self._be_whole()
                self._audit()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what this seed shows
            kind = "" if isinstance(error, Violation) else f"{type(error).__name__}: "
            fault = f"{kind}{error}" or type(error).__name__
            self.cluster.note("VIOLATION", fault)
        cluster = self.cluster
        return Outcome(
            seed=self.plan.seed,
            fault=fault,
            trace_hash=self.trace.hash,
            steps=cluster.time.steps,
            seconds=cluster.time.now_us / SECOND_US,
            answers=len(cluster.ledger.answers),
            epochs=cluster.ledger.epochs,
            lines=tuple(self.trace.lines),
        )

    # --- its parts, in order

    def _open(self) -> None:
        """Everybody is started, and the organiser puts the events on sale."""
        self.cluster.start_all()
        organiser = self.clients[0]
        for number in range(EVENTS):
            organiser.wish(opening(number))
            self._run_until(lambda: not organiser.waiting, OPENING_SECONDS, "no event could be created")

    def _harm(self) -> None:
        for client in self.clients:
            client.start()
        self.provider.start()
        self.faults.start()
        self.cluster.take_checkpoints()
        self._run_for(self.plan.chaos_seconds)

    def _be_whole(self) -> None:
        self.faults.end()
        for client in self.clients:
            client.stop()
        if not self.plan.lease_seconds:  # else it is whole again without a person
            self.operators.restore()
        self._run_until(self._no_client_waits, PEACE_SECONDS, "clients still wait for answers")
        last = self.clients[0]
        last.wish(opening(EVENTS))
        self._run_until(lambda: not last.waiting, PEACE_SECONDS, "nothing can be written")
        self._run_until(self._all_agree, PEACE_SECONDS, "the nodes do not agree")

    def _audit(self) -> None:
        cluster = self.cluster
        for machine in cluster.machines.values():
            assert machine.member is not None
            cluster.ledger.compare_state(machine.name, machine.member.copy.state)
        _, leader = self._leader()
        assert leader.member is not None
        state = leader.member.copy.state
        if not self.plan.loses:
            cluster.ledger.audit(state)

    # --- when it is enough

    def _no_client_waits(self) -> bool:
        return not any(client.waiting for client in self.clients)

    def _leader(self) -> tuple[int, Machine]:
        """With its epoch; demands that there is exactly one."""
        found = [
            (machine.member.leading.epoch, machine)
            for machine in self.cluster.machines.values()
            if machine.member is not None and machine.member.leading is not None
        ]
        demand(len(found) == 1, f"{[machine.name for _, machine in found]} lead")
        return found[0]

    def _all_agree(self) -> bool:
        machines = self.cluster.machines.values()
        members = [machine.member for machine in machines if machine.member is not None]
        if len(members) < len(machines) or sum(member.leading is not None for member in members) != 1:
            return False
        loops = [member.loop for member in members if member.loop is not None]
        if not loops[0].idle:
            return False
        ends = {(member.copy.state.seq, member.copy.durable.hash, member.copy.durable.seq) for member in members}
        return len(ends) == 1

    # --- time

    def _run_for(self, seconds: float) -> None:
        until_us = self.cluster.time.now_us + int(seconds * SECOND_US)
        while self.cluster.step(until_us):
            pass

    def _run_until(self, reached: object, seconds: float, fault: str) -> None:
        """Until `reached()`, looked at now and then."""
        assert callable(reached)
        for _ in range(int(seconds * SECOND_US / LOOKED_AT_US)):
            self._run_for(LOOKED_AT_US / SECOND_US)
            if reached():
                return
        for machine in self.cluster.machines.values():
            self.cluster.note(machine.name, f"stands at the end: {machine.standing}")
        raise Violation(f"after {seconds:g} s {fault}")
