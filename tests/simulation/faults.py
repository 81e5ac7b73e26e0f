"""What goes wrong: machines, processes, disks, networks, clocks, and people who act at the wrong moment.

Owns the choice of what happens when, and its end. Every fault ends by itself; `end` ends all that are left, and then
nothing more goes wrong.
"""

from collections.abc import Callable

from onsale.tests.simulation.cluster import Cluster
from onsale.tests.simulation.lease import DELAYS_US, NOTHING
from onsale.tests.simulation.machine import Machine
from onsale.tests.simulation.operators import Operators
from onsale.tests.simulation.plan import Plan

SECOND_US = 1_000_000


class Faults:
    def __init__(self, plan: Plan, cluster: Cluster, operators: Operators) -> None:
        self._plan = plan
        self._cluster = cluster
        self._operators = operators
        self._random = plan.random(44)
        self._ended = False
        self._makers: dict[str, Callable[[Machine], None]] = {
            "power_loss": self._power_loss,
            "blackout": self._blackout,
            "succession": self._succession,
            "stutter": self._stutter,
            "power_loss_in_operation": self._power_loss_in_operation,
            "power_loss_when_synced": self._power_loss_when_synced,
            "kill": self._kill,
            "pause": self._pause,
            "isolate": self._isolate,
            "one_way": self._one_way,
            "pair": self._pair,
            "halves": self._halves,
            "break_connections": self._break_connections,
            "slow_link": self._slow_link,
            "slow_disk": self._slow_disk,
            "failing_disk": self._failing_disk,
            "full_disk": self._full_disk,
            "clock_step": self._clock_step,
            "failover": lambda _machine: self._operators.first.fail_over(),
            "switchover": lambda _machine: self._operators.first.hand_over(),
            "sync_standbys": lambda _machine: self._operators.first.change_sync_standbys(),
            "two_operators": self._two_operators,
            "lease_out_of_reach": self._lease_out_of_reach,
            "lease_without_majority": lambda _machine: self._lease_without_majority(),
            "takeover_paused": lambda _machine: self._takeover_paused(),
            "lease_stands_still": lambda _machine: self._lease_stands_still(),
            "lease_restored": lambda _machine: self._lease_restored(),
            "lease_slow": lambda _machine: self._lease_slow(),
        }

    def start(self) -> None:
        if self._plan.damages_disks:
            self._later((1.0, self._plan.chaos_seconds), self._damage)
        self._later(self._plan.fault_seconds, self._next)

    def end(self) -> None:
        """Nothing more goes wrong, and what can be mended from outside is mended."""
        self._ended = True
        cluster = self._cluster
        cluster.note("faults", "end")
        cluster.when_answered = None
        cluster.network.slow_us.clear()
        cluster.network.unblock_all()
        self._mend_leases()
        for machine in cluster.machines.values():
            machine.disk.keep_power()
            machine.disk.forget_failures()
            machine.disk.capacity_bytes = None
            machine.sync_us = self._plan.sync_us
            machine.crash_when_synced = None
            machine.kills_only = False
            cluster.resume(machine)
            cluster.power_on(machine)
            cluster.start(machine)

    def _later(self, seconds: tuple[float, float], call: Callable[..., None], *arguments: object) -> None:
        self._cluster.time.call_in(int(self._random.uniform(*seconds) * SECOND_US), self._unless_over, call, arguments)

    def _unless_over(self, call: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if not self._ended:
            call(*arguments)

    def _next(self) -> None:
        kinds, weights = zip(*self._plan.weights.items(), strict=True)
        (kind,) = self._random.choices(kinds, weights)
        machine = self._victim()
        if machine is not None:
            self._cluster.note("faults", f"{kind} {machine.name}")
            self._makers[kind](machine)
            if self._random.random() < 0.6:
                self._later((0.05, 1.5), self._operators.second.fail_over)
        self._later(self._plan.fault_seconds, self._next)

    def _victim(self) -> Machine | None:
        """A leader more often than not."""
        machines = self._cluster.machines
        leading = [name for name, _ in self._cluster.leading()]
        if leading and self._random.random() < 0.6:
            return machines[self._random.choice(leading)]
        running = [machine for machine in machines.values() if machine.runs]
        return self._random.choice(running) if running else None

    # --- machines and processes

    def _power_loss(self, machine: Machine) -> None:
        self._cluster.power_off(machine)
        self._later((0.1, 3.0), self._cluster.power_on, machine)

    def _blackout(self, _machine: Machine) -> None:
        """All at once, perhaps just when somebody was answered; they come back one by one."""

        def fall() -> None:
            for machine in self._cluster.machines.values():
                self._power_loss(machine)

        self._now_or_when_answered(fall)

    def _succession(self, _machine: Machine) -> None:
        """Whoever leads is gone for long; some others fall with it, are back soon, and one of them is to lead."""

        def fall() -> None:
            leading = [name for name, _ in self._cluster.leading()]
            for machine in self._cluster.machines.values():
                if machine.name in leading:
                    self._cluster.power_off(machine)
                    self._later((1.5, 4.0), self._cluster.power_on, machine)
                elif self._random.random() < 0.6:
                    self._cluster.power_off(machine)
                    self._later((0.02, 0.3), self._cluster.power_on, machine)
            for seconds in (0.4, 1.0):
                self._later((seconds, seconds + 0.3), self._operators.first.fail_over)

        self._now_or_when_answered(fall)

    def _stutter(self, machine: Machine) -> None:
        """Disks are slow, and connections come and go, when a succession is due."""
        for other in self._cluster.machines.values():
            if other is not machine and self._random.random() < 0.7:
                other.sync_us = (100_000, 900_000)
                self._later((1.0, 2.0), self._mend, other)
        for seconds in (0.05, 0.2, 0.4):
            self._later((seconds, seconds + 0.2), self._break_connections, machine)
        self._later((0.1, 0.9), self._succession, machine)

    def _now_or_when_answered(self, fall: Callable[[], None]) -> None:
        if self._random.random() < 0.3:
            fall()
        else:
            self._cluster.when_answered = fall

    def _power_loss_in_operation(self, machine: Machine) -> None:
        machine.kills_only = self._random.random() < 0.3
        machine.disk.lose_power(after=self._random.randrange(12))

    def _power_loss_when_synced(self, machine: Machine) -> None:
        """Between the sync and the word of it."""
        machine.crash_when_synced = lambda: self._power_loss(machine)

    def _kill(self, machine: Machine) -> None:
        self._cluster.note(machine.name, "is killed")
        self._cluster.end_process(machine)
        self._later((0.02, 2.0), self._cluster.start, machine)

    def _pause(self, machine: Machine) -> None:
        self._cluster.pause(machine)
        self._later((0.1, 5.0), self._cluster.resume, machine)

    # --- the network

    def _others(self, machine: Machine) -> list[str]:
        """All other machines, and perhaps those of the operators."""
        found = [name for name in self._cluster.machines if name != machine.name]
        return found + [name for name in self._operators.names if self._random.random() < 0.7]

    def _isolate(self, machine: Machine) -> None:
        others = self._others(machine)
        self._block([(machine.name, other) for other in others] + [(other, machine.name) for other in others])

    def _one_way(self, machine: Machine) -> None:
        others = self._others(machine)
        inward = self._random.random() < 0.5
        self._block([(other, machine.name) if inward else (machine.name, other) for other in others])

    def _pair(self, machine: Machine) -> None:
        other = self._random.choice([name for name in self._cluster.machines if name != machine.name])
        ways = [(machine.name, other), (other, machine.name)]
        self._block(ways if self._random.random() < 0.5 else ways[:1])

    def _halves(self, machine: Machine) -> None:
        others = self._others(machine)
        self._random.shuffle(others)
        cut = self._random.randrange(len(others))
        here, there = [machine.name, *others[:cut]], others[cut:]
        self._block([way for one in here for two in there for way in ((one, two), (two, one))])

    def _block(self, ways: list[tuple[str, str]]) -> None:
        for way in ways:
            self._cluster.network.block(*way)
        self._later((0.1, 6.0), self._unblock, ways)

    def _unblock(self, ways: list[tuple[str, str]]) -> None:
        self._cluster.note("faults", f"unblock {ways[0]} and {len(ways) - 1} more")
        for way in ways:
            self._cluster.network.unblock(*way)

    def _break_connections(self, machine: Machine) -> None:
        for other in self._cluster.machines:
            if other != machine.name and self._random.random() < 0.7:
                self._cluster.network.break_connections(machine.name, other)

    # --- the lease's store

    def _lease_out_of_reach(self, machine: Machine) -> None:
        leases = self._cluster.leases
        assert leases is not None
        leases.cut_off.add(machine.name)
        self._later((0.5, 4.0), leases.cut_off.discard, machine.name)

    def _lease_without_majority(self) -> None:
        leases = self._cluster.leases
        assert leases is not None
        leases.lose_majority()
        self._later((0.5, 4.0), leases.regain_majority)

    def _takeover_paused(self) -> None:
        leases = self._cluster.leases
        assert leases is not None
        leases.paused = True
        self._later((0.5, 4.0), setattr, leases, "paused", False)

    def _lease_stands_still(self) -> None:
        leases = self._cluster.leases
        assert leases is not None
        leases.stand_still()
        self._later((0.5, 4.0), leases.go_on)

    def _lease_restored(self) -> None:
        """From a backup of a moment ago, or from nothing."""
        leases = self._cluster.leases
        assert leases is not None
        kept = leases.kept() if self._random.random() < 0.7 else NOTHING

        self._later((0.5, 6.0), leases.restore, kept)

    def _lease_slow(self) -> None:
        leases = self._cluster.leases
        assert leases is not None
        leases.delays_us = (30_000, 240_000)
        self._later((0.5, 4.0), setattr, leases, "delays_us", DELAYS_US)

    def _mend_leases(self) -> None:
        leases = self._cluster.leases
        if leases is not None:
            leases.go_on()
            leases.delays_us = DELAYS_US
            leases.cut_off.clear()
            leases.regain_majority()
            leases.paused = False

    def _slow_link(self, machine: Machine) -> None:
        other = self._random.choice([name for name in self._cluster.machines if name != machine.name])
        slow_us = self._cluster.network.slow_us
        slow_us[machine.name, other] = self._random.randrange(10_000, 400_000)
        self._later((0.5, 4.0), lambda: slow_us.pop((machine.name, other), None))

    # --- disks and clocks

    def _slow_disk(self, machine: Machine) -> None:
        machine.sync_us = (20_000, 900_000)
        self._later((0.3, 3.0), self._mend, machine)

    def _mend(self, machine: Machine) -> None:
        machine.sync_us = self._plan.sync_us

    def _failing_disk(self, machine: Machine) -> None:
        operation = self._random.choice(("write", "sync", "sync", "read", "rename", "create", "sync_folder"))
        machine.disk.fail(operation, after=self._random.randrange(4))
        if self._random.random() < 0.5:
            self._later((0.5, 4.0), self._power_loss, machine)

    def _full_disk(self, machine: Machine) -> None:
        machine.disk.capacity_bytes = machine.disk.used_bytes + self._random.randrange(2_000)

    def _clock_step(self, machine: Machine) -> None:
        machine.clock_offset_ms += self._random.choice((-3_600_000, -2_000, 2_000, 3_600_000))

    def _damage(self) -> None:
        """One bit, where no crash could have been at work; it is found when the node starts again."""
        machine = self._random.choice(list(self._cluster.machines.values()))
        if machine.voting and not self._cluster.answers_wait():
            return  # its disk may be the only one that has an answer
        if machine.has_power and machine.flip_a_bit():
            self._cluster.note("faults", f"a bit flips on {machine.name}")
            self._kill(machine)

    # --- people

    def _two_operators(self, _machine: Machine) -> None:
        self._operators.first.fail_over()
        self._later((0.0, 0.05), self._operators.second.fail_over)
