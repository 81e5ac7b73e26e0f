"""Months of a cluster that nobody watches: `python -m onsale.tests.simulation.month --months 12`.

Three voters, answers wait for one standby, the lease lasts ten seconds; faults come at stated rates, at random moments,
alone or into one another. The product's own code runs through every fault and until all is whole again; the time in
between, when nothing happens, is passed over. A client writes five times a second wherever it is answered; whatever is
longer without an answer than a healthy cluster ever takes counts as down, whole. All promises are held against what
happens, as in every simulation. Exits with 1 when one is broken, or the availability is below the aim.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from random import Random

from rich.console import Console
from rich.table import Table

from onsale.engine import commands as c
from onsale.engine import replies
from onsale.tests.simulation.cluster import Cluster
from onsale.tests.simulation.machine import Machine
from onsale.tests.simulation.plan import Plan
from onsale.tests.simulation.trace import Trace, TracedLog
from onsale.tests.simulation.workload import Request

SECOND_US = 1_000_000
MONTH_SECONDS = 30 * 24 * 3600
AIM = 0.9999
VOTERS = ("v1", "v2", "v3")
HEALTHY_SECONDS = 5.0  # before a fault, and after the last one
TOGETHER_SECONDS = 30.0  # faults nearer than that fall into one another
WHOLE_SECONDS_MAX = 120.0
WRITES_SECONDS = 0.2
DOWN_SECONDS = 0.5  # what is longer without an answer counts
RESTART_SECONDS = (1.5, 4.0)  # a supervisor's delay, and the start itself


@dataclass(frozen=True)
class Kind:
    """A fault. `a_month`: how often, of each node, or of the whole where `of_all`; `seconds`: how long it lasts."""

    name: str
    a_month: float
    seconds: tuple[float, float]
    of_all: bool = False


KINDS = (
    Kind("a process ends", 3, RESTART_SECONDS),
    Kind("a machine is off", 1, (60, 300)),
    Kind("a machine stands still", 6, (0.3, 20)),
    Kind("a node is cut off", 2, (1, 120)),
    Kind("a node can't reach etcd", 2, (1, 120)),
    Kind("a disk fails", 0.1, (600, 1800)),
    Kind("etcd has no majority", 0.5, (10, 300), of_all=True),
    Kind("every node is upgraded", 2, (20, 20), of_all=True),
)


@dataclass(frozen=True)
class Fault:
    at_seconds: float
    kind: Kind
    node: str
    seconds: float

    @property
    def ends_seconds(self) -> float:
        return self.at_seconds + self.seconds


@dataclass
class Told:
    """What became of some faults that fell together. `down_seconds`: by the first fault's name, in all."""

    faults: list[str]
    down_seconds: float
    longest_seconds: float
    leaders: int
    broken: str = ""


def faults_of(seed: int) -> list[Fault]:
    """A month of them, in order."""
    random = Random(seed)
    found: list[Fault] = []
    for kind in KINDS:
        for node in ("",) if kind.of_all else VOTERS:
            at_seconds = random.expovariate(kind.a_month / MONTH_SECONDS)
            while at_seconds < MONTH_SECONDS:
                low, high = kind.seconds
                seconds = low * (high / low) ** random.random()  # short ones are more frequent
                found.append(Fault(at_seconds, kind, node, seconds))
                at_seconds += random.expovariate(kind.a_month / MONTH_SECONDS)
    return sorted(found, key=lambda fault: fault.at_seconds)


def groups_of(faults: list[Fault]) -> Iterator[list[Fault]]:
    group: list[Fault] = []
    ends = 0.0
    for fault in faults:
        if group and fault.at_seconds > ends + TOGETHER_SECONDS:
            yield group
            group = []
        group.append(fault)
        ends = max(ends, fault.ends_seconds) if len(group) > 1 else fault.ends_seconds
    if group:
        yield group


def plan_of(seed: int, lease_seconds: float) -> Plan:
    return Plan(
        seed=seed, mode="lease", voters=VOTERS, replicas=(), sync_standbys=1, clients=0, chaos_seconds=0,
        segment_bytes_max=1 << 20, delays_us=(100, 600), hiccup_probability=0.0, sync_us=(200, 3_000), hold_ms=300_000,
        fault_seconds=(1e9, 1e9), think_ms=(1, 2), weights={}, damages_disks=False,
        checkpoint_us=(60_000_000, 60_000_001), lease_seconds=lease_seconds,
    )  # fmt: skip


class Writer:
    """Somebody who writes again and again, and asks the next node when one does not answer."""

    def __init__(self, cluster: Cluster, unreachable: set[str]) -> None:
        self.answered_us: list[int] = []
        self._cluster = cluster
        self._unreachable = unreachable
        self._number = 0
        self._target = 0
        self._write()

    def _write(self) -> None:
        self._number += 1
        name = VOTERS[self._target % len(VOTERS)]
        key = c.Idempotency(blake2b(str(self._number).encode(), digest_size=16).digest(), b"f" * 16)
        request = Request("writer", self._number, c.SaveUser(f"u-{self._number}", "U"), key, self._take)
        if name not in self._unreachable:
            self._cluster.send(name, request)
        number = self._number
        self._cluster.time.call_in(int(WRITES_SECONDS * SECOND_US), self._look, number)

    def _look(self, number: int) -> None:
        """The next write; elsewhere, when this one had no answer."""
        if number == self._number:
            self._target += 1
            self._write()

    def _take(self, request: Request, reply: replies.Reply) -> None:
        if isinstance(reply, replies.Refusal):
            if request.attempt == self._number:
                self._number += 1  # its look finds nothing to do
                self._target += 1
                self._cluster.time.call_in(20_000, self._write)
            return
        self.answered_us.append(self._cluster.time.now_us)
        if request.attempt == self._number:
            self._number += 1
            self._cluster.time.call_in(int(WRITES_SECONDS * SECOND_US), self._write)


class Passage:
    """Some faults that fall together, from a healthy cluster to a healthy cluster."""

    def __init__(self, faults: list[Fault], seed: int, lease_seconds: float) -> None:
        self.cluster = Cluster(plan_of(seed, lease_seconds), Trace(400))
        self._faults = faults
        self._unreachable: set[str] = set()
        self._makers: dict[str, Callable[[Fault, Machine | None], None]] = {
            "a process ends": self._end, "a machine is off": self._off, "a machine stands still": self._stand_still,
            "a node is cut off": self._cut_off, "a node can't reach etcd": self._without_etcd,
            "a disk fails": self._end, "etcd has no majority": self._without_majority,
            "every node is upgraded": self._upgrade,
        }  # fmt: skip

    def run(self) -> Told:
        cluster, names = self.cluster, [fault.kind.name for fault in self._faults]
        try:
            with TracedLog(cluster.note):
                cluster.start_all()
                self._until(self._whole, WHOLE_SECONDS_MAX)
                writer = Writer(cluster, self._unreachable)
                self._pass(HEALTHY_SECONDS)
                first = self._faults[0].at_seconds
                for fault in self._faults:
                    self._in(fault.at_seconds - first, self._happen, fault)
                self._pass(max(fault.ends_seconds for fault in self._faults) - first + HEALTHY_SECONDS)
                self._until(self._whole, WHOLE_SECONDS_MAX)
                self._pass(HEALTHY_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what this month shows
            return Told(names, 0, 0, 0, f"{type(error).__name__}: {error}\n" + "\n".join(cluster.trace.lines[-40:]))
        gaps = [(b - a) / SECOND_US for a, b in zip(writer.answered_us, writer.answered_us[1:], strict=False)]
        down = [gap for gap in gaps if gap > DOWN_SECONDS]
        return Told(names, sum(down), max(down, default=0.0), cluster.ledger.epochs - 1)

    # --- time

    def _pass(self, seconds: float) -> None:
        until_us = self.cluster.time.now_us + int(seconds * SECOND_US)
        while self.cluster.step(until_us):
            pass

    def _in(self, seconds: float, call: Callable[..., None], *arguments: object) -> None:
        self.cluster.time.call_in(int(seconds * SECOND_US), call, *arguments)

    def _until(self, reached: Callable[[], bool], seconds: float) -> None:
        for _ in range(int(seconds / 0.25)):
            if reached():
                return
            self._pass(0.25)
        raise AssertionError(f"not whole after {seconds:g} s")

    def _whole(self) -> bool:
        members = [machine.member for machine in self.cluster.machines.values()]
        leading = [member for member in members if member is not None and member.leading is not None]
        if len(leading) != 1 or len([member for member in members if member is not None]) < len(VOTERS):
            return False
        return leading[0].leading is not None and leading[0].leading.leader.standbys_in_step == len(VOTERS) - 1

    # --- what goes wrong

    def _happen(self, fault: Fault) -> None:
        self.cluster.note("fault", f"{fault.kind.name} {fault.node} for {fault.seconds:.1f} s")
        self._makers[fault.kind.name](fault, self.cluster.machines.get(fault.node))

    def _end(self, fault: Fault, machine: Machine | None) -> None:
        assert machine is not None
        self.cluster.end_process(machine)
        self._in(fault.seconds, self.cluster.start, machine)

    def _off(self, fault: Fault, machine: Machine | None) -> None:
        assert machine is not None
        self.cluster.power_off(machine)
        self._in(fault.seconds, self.cluster.power_on, machine)

    def _stand_still(self, fault: Fault, machine: Machine | None) -> None:
        assert machine is not None
        self.cluster.pause(machine)
        self._in(fault.seconds, self.cluster.resume, machine)

    def _cut_off(self, fault: Fault, machine: Machine | None) -> None:
        assert machine is not None
        cluster, leases = self.cluster, self.cluster.leases
        assert leases is not None
        leases.cut_off.add(machine.name)
        self._unreachable.add(machine.name)
        for other in cluster.machines:
            cluster.network.block(machine.name, other)
            cluster.network.block(other, machine.name)

        def mend() -> None:
            leases.cut_off.discard(machine.name)
            self._unreachable.discard(machine.name)
            cluster.network.unblock_all()

        self._in(fault.seconds, mend)

    def _without_etcd(self, fault: Fault, machine: Machine | None) -> None:
        leases = self.cluster.leases
        assert machine is not None
        assert leases is not None
        leases.cut_off.add(machine.name)
        self._in(fault.seconds, leases.cut_off.discard, machine.name)

    def _without_majority(self, fault: Fault, _machine: Machine | None) -> None:
        leases = self.cluster.leases
        assert leases is not None
        leases.lose_majority()
        self._in(fault.seconds, leases.regain_majority)

    def _upgrade(self, _fault: Fault, _machine: Machine | None) -> None:
        """Standbys first, one after the other; then the primary hands over, and is started anew."""
        cluster = self.cluster
        leading = [name for name, _ in cluster.leading()]
        standbys = [machine for machine in cluster.machines.values() if machine.name not in leading]
        for number, machine in enumerate(standbys):
            self._in(number * 5, self._restart, machine)

        def hand_over() -> None:
            for name in leading:
                member = cluster.machines[name].member
                if member is not None and member.leading is not None:
                    member.hand_over(standbys[0].name, lambda _done, _sentences, _epoch: None)

        self._in(len(standbys) * 5, hand_over)
        for name in leading:
            self._in(len(standbys) * 5 + 3, self._restart, cluster.machines[name])

    def _restart(self, machine: Machine) -> None:
        self.cluster.end_process(machine)
        self._in(sum(RESTART_SECONDS) / 2, self.cluster.start, machine)


def month(seed: int, lease_seconds: float) -> list[Told]:
    return [
        Passage(group, seed * 1_000 + number, lease_seconds).run()
        for number, group in enumerate(groups_of(faults_of(seed)))
    ]


def print_arithmetic(months: list[list[Told]], lease_seconds: float) -> float:
    """A table, and the availability."""
    passages = [told for each in months for told in each]
    down_seconds = sum(told.down_seconds for told in passages)
    causes: dict[str, list[Told]] = {}
    for told in passages:
        causes.setdefault(told.faults[0] if len(told.faults) == 1 else "several at once", []).append(told)
    table = Table("", "times", "down, in all", "longest", title=f"{len(months)} months, lease {lease_seconds:g} s")
    for name, those in sorted(causes.items()):
        in_all, longest = sum(told.down_seconds for told in those), max(told.longest_seconds for told in those)
        table.add_row(name, str(len(those)), f"{in_all:.1f} s", f"{longest:.1f} s")
    console = Console()
    console.print(table)
    availability = 1 - down_seconds / (len(months) * MONTH_SECONDS)
    worst = max(sum(told.down_seconds for told in each) for each in months)
    leaders = sum(told.leaders for told in passages)
    counts = Counter(name for told in passages for name in told.faults)
    console.print(
        f"{sum(counts.values())} faults, {leaders} changes of leader. Without an answer: {down_seconds:.1f} s of "
        f"{len(months)} × {MONTH_SECONDS:,} s: available {availability:.5%}; the worst month {worst:.1f} s, "
        f"{1 - worst / MONTH_SECONDS:.5%}. Aim: {AIM:.2%}, which is {(1 - AIM) * MONTH_SECONDS:.0f} s a month."
    )
    return availability


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=12, metavar="N", help="how many (12)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first one's seed (1)")
    parser.add_argument("--lease-seconds", type=float, default=10.0, metavar="S", help="(10)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (one a core)")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.months)
    with ProcessPoolExecutor(options.jobs) as pool:
        months = list(pool.map(month, seeds, [options.lease_seconds] * len(seeds)))
    broken = [told for each in months for told in each if told.broken]
    for told in broken:
        print(f"{', '.join(told.faults)}: {told.broken}")
    availability = print_arithmetic(months, options.lease_seconds)
    return 1 if broken or availability < AIM else 0


if __name__ == "__main__":
    sys.exit(main())
