"""A whole cluster in simulated time: machines, their network, and what becomes of processes that end.

Owns the machines and every start and stop of them. The product runs in here unchanged: members, loops, journals.
"""

from collections.abc import Callable
from random import Random

from onsale.engine import replies
from onsale.engine.state import State
from onsale.journal.errors import CorruptJournal, JournalError, NoJournal
from onsale.journal.recovery import create_journal, recover
from onsale.node.loop import CommandLoop
from onsale.node.recovery import apply_committed
from onsale.tests.simulation.disk import PowerLost
from onsale.tests.simulation.invariants import Ledger, Violation
from onsale.tests.simulation.lease import SimulatedLeases
from onsale.tests.simulation.machine import EMPTY, PORT, Machine
from onsale.tests.simulation.network import SimulatedNetwork
from onsale.tests.simulation.plan import Plan
from onsale.tests.simulation.scheduler import Due, SimulatedTime
from onsale.tests.simulation.trace import Trace
from onsale.tests.simulation.workload import Request
from onsale.tests.simulation.writer import SimulatedWriter

RESTART_US = (5_000, 200_000)  # after a process ended to be started anew
REPAIR_US = (300_000, 2_000_000)  # until somebody has looked at a failed disk


class Cluster:
    def __init__(self, plan: Plan, trace: Trace, make_writer: type[SimulatedWriter] = SimulatedWriter) -> None:
        self.plan = plan
        self.trace = trace
        self.make_writer = make_writer
        self.time = SimulatedTime()
        self.random: Random = plan.random(0)
        self.journal_id = self.random.randbytes(16)
        self.network = SimulatedNetwork(
            self.time,
            plan.random(41),
            delays_us=plan.delays_us,
            hiccup_probability=plan.hiccup_probability,
            on_error=self._receiver_failed,
        )
        self.leases = SimulatedLeases(self.time, plan.random(45), plan.lease_seconds) if plan.lease_seconds else None
        self.ledger = Ledger(self.journal_id, loss_accepted=plan.loses)
        self.machines = {
            name: Machine(self, number, name, voting=name in plan.voters, sources=self._sources(number, name))
            for number, name in enumerate(plan.names, 1)
        }
        self.when_answered: Callable[[], None] | None = None  # happens once, just behind an answer
        self.waits_for_leader: set[str] = set()  # to be made anew from it
        self.being_rebuilt: set[str] = set()  # an operator does not fail over meanwhile

    def _sources(self, number: int, name: str) -> tuple[str, ...]:
        """Whom to follow at first: replicas may be told to follow one another, or a standby."""
        first = f"{self.plan.voters[0]}:{PORT}"
        if name in self.plan.voters:
            return () if name == self.plan.voters[0] else (first,)
        before = self.plan.names[: number - 1]
        return f"{self.random.choice(before)}:{PORT}", first

    def note(self, who: str, what: str) -> None:
        self.trace.note(self.time.now_us, who, what)

    # --- time

    def step(self, until_us: int) -> bool:
        """One thing happens; False when nothing more is due by then. Raises Violation."""
        try:
            due = self.time.step(until_us)
        except PowerLost:
            self._power_ended()
            return True
        except JournalError as error:
            self._raised(error)
            return True
        if due is None:
            return False
        self._look(due)
        return True

    def _look(self, due: Due) -> None:
        scheduler = due.scheduler
        if scheduler is not None:
            for machine in self.machines.values():
                if machine.scheduler is scheduler:
                    machine.look()
                    if machine.name in self.being_rebuilt and self._whole_again(machine):
                        self.note(machine.name, "is whole again")
                        self.being_rebuilt.discard(machine.name)
                    return

    def _raised(self, error: Exception) -> None:
        """A callback may only raise what its process was ended for."""
        if any(machine.runs and machine.name in str(error) for machine in self.machines.values()):
            raise error
        self.note("world", f"raised behind the end of its process: {error}")

    def _receiver_failed(self, host: str, error: Exception) -> None:
        machine = self.machines.get(host)
        if isinstance(error, Violation) or machine is None or machine.runs or not isinstance(error, JournalError):
            raise error

    # --- processes

    def start_all(self) -> None:
        for machine in self.machines.values():
            self.start(machine)

    def start(self, machine: Machine) -> None:
        if machine.runs or not machine.has_power or machine.name in self.waits_for_leader:
            return
        try:
            machine.forget_history()
            kept = machine.checkpoint
            try:
                known = (0, None) if kept is None else (kept.position.seq, kept.position.hash)
                recovered = recover(machine.disk, known_durable_seq=known[0], known_hash=known[1])
            except NoJournal:
                recovered = create_journal(machine.disk, self.journal_id)
            state = State() if kept is None else kept.restore()
            unapplied = apply_committed(state, machine.disk, recovered)
            dropped = "" if recovered.dropped is None else f", after a torn tail at seq {recovered.dropped.first_seq}"
            self.note(machine.name, f"starts with seq {recovered.last_seq}, {state.seq} committed{dropped}")
            machine.start(state, recovered, unapplied)
        except PowerLost:
            self._power_ended()
        except CorruptJournal as error:
            self.damage_found(machine, str(error))
        except JournalError as error:
            machine.failed(error)

    def process_fell(self, machine: Machine, *, restart: bool) -> None:
        self.end_process(machine)
        low, high = RESTART_US if restart else REPAIR_US
        self.time.call_in(self.random.randrange(low, high), self.repair_and_start, machine)

    def end_process(self, machine: Machine) -> None:
        """SIGKILL: the system lives."""
        machine.stop()
        machine.disk.kill()
        self.network.process_ended(machine.name)

    def repair_and_start(self, machine: Machine) -> None:
        machine.disk.capacity_bytes = None
        self.start(machine)

    def power_off(self, machine: Machine) -> None:
        if machine.has_power:
            self.note(machine.name, "loses power")
            machine.stop()
            machine.disk.crash()
            machine.has_power = False
            self.network.power_off(machine.name)

    def power_on(self, machine: Machine) -> None:
        if not machine.has_power:
            machine.has_power = True
            self.network.power_on(machine.name)
            self.start(machine)

    def _power_ended(self) -> None:
        """A disk stopped in the middle of an operation, as was planned."""
        machine = next(each for each in self.machines.values() if each.disk.is_losing_power)
        delay_us = self.random.randrange(100_000, 3_000_000)
        if machine.kills_only:
            machine.kills_only = False
            self.note(machine.name, "is killed in the middle of an operation")
            self.end_process(machine)
            self.time.call_in(delay_us, self.start, machine)
        else:
            self.power_off(machine)
            self.time.call_in(delay_us, self.power_on, machine)

    def pause(self, machine: Machine) -> None:
        if machine.scheduler is not None and not machine.paused:
            self.note(machine.name, "is paused")
            machine.scheduler.pause()

    def resume(self, machine: Machine) -> None:
        if machine.scheduler is not None and machine.paused:
            self.note(machine.name, "goes on")
            machine.scheduler.resume()
            self.network.resumed(machine.name)

    def damage_found(self, machine: Machine, sentence: str) -> None:
        """Where a fault did it, somebody makes the node anew, with nothing; anywhere else it is a violation.

        Where loss was accepted, a node may have no history left from before the place where it must cut.
        """
        if not machine.was_damaged and not self.plan.loses:
            raise Violation(f"{machine.name} finds its own copy damaged: {sentence}")
        self.note(machine.name, f"is damaged, and made anew: {sentence}")
        self.end_process(machine)
        machine.make_anew()
        self.waits_for_leader.add(machine.name)
        self.time.call_in(self.random.randrange(*REPAIR_US), self._start_anew, machine)

    def _start_anew(self, machine: Machine) -> None:
        """It can only be filled from a leader. Until it is whole, nobody fails over: its earlier word is lost."""
        if any(name != machine.name for name, _ in self.leading()):
            self.waits_for_leader.discard(machine.name)
            self.being_rebuilt.add(machine.name)
            self.start(machine)
        else:
            self.time.call_in(REPAIR_US[0], self._start_anew, machine)

    def _whole_again(self, machine: Machine) -> bool:
        """It has everything, and everything says so."""
        copy = None if machine.member is None else machine.member.copy
        if copy is None or copy.state.seq < self.ledger.committed.last_seq:
            return False
        row = copy.state.members.rows.get(machine.name)
        return not machine.voting or (row is not None and row.node_id == machine.node_id)

    def copy_wanted(self, machine: Machine, reason: str) -> None:
        """What it has can't go on, for the history between is gone: it fetches the leader's checkpoint."""
        self.note(machine.name, f"fetches a copy: {reason}")
        self.end_process(machine)
        self.waits_for_leader.add(machine.name)
        self.being_rebuilt.discard(machine.name)  # it gives no word at all meanwhile
        self.time.call_in(self.random.randrange(*REPAIR_US), self._fetch_copy, machine)

    def _fetch_copy(self, machine: Machine) -> None:
        sources = [self.machines[name] for name, _ in self.leading() if name != machine.name]
        if sources and sources[0].checkpoint is None:
            sources[0].take_checkpoint()  # a node that does not have its journal's beginning never lacks one
        kept = sources[0].checkpoint if sources else None
        if kept is None or not machine.has_power:
            self.time.call_in(REPAIR_US[0], self._fetch_copy, machine)
            return
        machine.take_copy(kept, self.journal_id)
        self.waits_for_leader.discard(machine.name)
        if machine.made_anew:
            self.being_rebuilt.add(machine.name)
        self.start(machine)

    def take_checkpoints(self) -> None:
        """Now and then one of the nodes takes one."""
        self.random.choice(list(self.machines.values())).take_checkpoint()
        low, high = self.plan.checkpoint_us
        self.time.call_in(self.random.randrange(low, high), self.take_checkpoints)

    # --- for clients and operators

    def send(self, node: str, request: Request) -> None:
        delay_us = self.network.delay_us(request.who, node)
        self.time.call_in(delay_us, self._arrive, self.machines[node], request)

    def _arrive(self, machine: Machine, request: Request) -> None:
        if machine.scheduler is not None:
            machine.scheduler.call_soon(machine.receive, request)
        elif machine.has_power:
            self.time.call_in(self.network.delay_us(machine.name, request.who), request.answer, request, EMPTY)

    def answered(self, machine: Machine, request: Request, reply: replies.Reply) -> None:
        """An answer leaves a node."""
        self.note(machine.name, f"answers {request.who}: {reply}")
        happens, self.when_answered = self.when_answered, None
        if happens is not None:
            self.time.call_in(0, happens)

    def answers_wait(self) -> bool:
        """Every voter that runs knows that an answer is on a standby's disk, too."""
        members = [machine.member for machine in self.machines.values() if machine.voting]
        counts = [member.copy.rules().sync_standbys for member in members if member is not None]
        return min(counts, default=0) > 0

    def leading(self) -> list[tuple[str, CommandLoop]]:
        return [
            (machine.name, machine.member.loop)
            for machine in self.machines.values()
            if machine.member is not None and machine.member.loop is not None and not machine.paused
        ]
