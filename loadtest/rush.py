"""`make onsale-500k`: half a million people, one event, real nodes over real HTTP, checked from end to end.

Everybody joins the waiting room, asks for their place as often as the room says, is let in, holds one to four tickets,
and pays, gives up, lets the hold lapse or the turn pass; the others wait until they are told that it is over. Then what
everybody was told is compared with the journal, which `onsale verify` checks, the order of service included. Exits
with 1 when anything does not agree, and says what.

With --failover the primary of two nodes is killed (-9) in the middle, and `onsale failover` lets the standby lead.

People share connections, as behind a proxy; see --connections and --pipeline. onsale_simulation.py is the same in
simulated time, with stranger people.

Owns the course of a run and the command line.
"""

import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final

import click

from .rush_books import differences, read_books
from .rush_generator import Progress, Told, generate
from .rush_nodes import RushNode, kill_and_fail_over, mend, onsale, other_cpus, server_cpus, start_nodes
from .rush_people import TICKET_PRICE_CENTS
from .rush_plan import Plan
from .rush_report import Moment, Outage, Outcome, outcome_of, print_outcome

OPENS_LATER: Final = "2098-01-01T00:00:00Z"
STARTS_AT: Final = "2099-01-01T20:00:00Z"
LOOKED_AT_SECONDS: Final = 0.05
SILENT_SECONDS_MAX: Final = 60.0
Show = Callable[[Moment], None]


class Rush:
    """One run, over nodes that have been started."""

    def __init__(self, plan: Plan, nodes: list[RushNode], show: Show) -> None:
        self.plan, self.nodes, self._show = plan, nodes, show
        self.leader = nodes[0]
        self.moments: list[Moment] = []
        self.told: dict[int, Told] = {}
        self.outage: Outage | None = None
        self.event_id = 0
        self.seconds = 0.0
        self.memory_before = nodes[0].memory_bytes()[0]
        self.memory_joined = 0
        self.memory_most = 0
        self._latest: dict[int, Progress] = {}

    def run(self) -> None:
        self._create_event()
        context = multiprocessing.get_context("spawn")
        addresses = [("127.0.0.1", node.port) for node in self.nodes]
        pipes: dict[int, Pipe] = {}
        processes = []
        for number in range(self.plan.generators):
            pipes[number], theirs = context.Pipe()
            arguments = (self.plan, number, self.event_id, addresses, other_cpus(), theirs)
            processes.append(context.Process(target=generate, args=arguments, daemon=True))
            processes[-1].start()
            theirs.close()
        try:
            for pipe in pipes.values():
                assert pipe.recv() == "ready"
            self._announce()
            for pipe in pipes.values():
                pipe.send("go")
            self._follow(pipes)
        finally:
            for process in processes:
                process.join(5)
                if process.is_alive():
                    process.terminate()
                    process.join()
            for pipe in pipes.values():
                pipe.close()

    def _create_event(self) -> None:
        price = f"{TICKET_PRICE_CENTS // 100}.{TICKET_PRICE_CENTS % 100:02d}"
        status, event = self.leader.call(
            "POST",
            "/events",
            {
                "name": "The night everyone wants",
                "startsAt": STARTS_AT,
                "maxPerUser": 4,
                "waitlist": "off",  # so that what comes back goes to the next in the room
                "ticketTypes": [{"name": "Floor", "price": price, "capacity": self.plan.tickets}],
                "waitingRoom": {
                    "admitPerMinute": self.plan.admit_per_minute,
                    "turnSeconds": self.plan.turn_seconds,
                    "opensAt": OPENS_LATER,
                },
            },
        )
        if status != 201:
            raise RuntimeError(f"the event could not be created: {status} {event}")
        self.event_id = event["id"]

    def _announce(self) -> None:
        """When the doors open, so that about as many as wanted have come by then."""
        opens_at = datetime.now(UTC) + timedelta(seconds=self.plan.opens_after_seconds)
        change = {"waitingRoom": {"opensAt": opens_at.isoformat(timespec="milliseconds")}}
        status, said = self.leader.call("PATCH", f"/events/{self.event_id}", change)
        if status != 200:
            raise RuntimeError(f"the opening could not be set: {status} {said}")

    def _follow(self, pipes: dict[int, Pipe]) -> None:
        began = heard_at = time.monotonic()
        while len(self.told) < len(pipes):
            for number, pipe in pipes.items():
                while number not in self.told and pipe.poll():
                    said = pipe.recv()
                    heard_at = time.monotonic()
                    if isinstance(said, Progress):
                        self._latest[number] = said
                    else:
                        self.told[number] = said
            if len(self._latest) == len(pipes):
                self._look(time.monotonic() - began)
            if time.monotonic() - heard_at > SILENT_SECONDS_MAX:
                raise RuntimeError("a generator has fallen silent")
            time.sleep(LOOKED_AT_SECONDS)
        self.seconds = time.monotonic() - began

    def _look(self, after: float) -> None:
        """Note how things stand once a second, and do what is to be done by now."""
        if self.moments and after - self.moments[-1].after < 1:
            return
        for node in self.nodes:
            node.check_runs()
        moment = self._moment(after)
        self.moments.append(moment)
        self._show(moment)
        coming = moment.steps.get("comes", 0)
        if not self.memory_joined and not coming:
            self.memory_joined = moment.memory_bytes
        if len(self.nodes) > 1 and self.outage is None and moment.tickets_paid >= self.plan.tickets / 2:
            self._fail_over(moment)

    def _moment(self, after: float) -> Moment:
        steps: dict[str, int] = {}
        for each in self._latest.values():
            for step, count in each.steps.items():
                steps[step] = steps.get(step, 0) + count
        memory, most = self.leader.memory_bytes()
        self.memory_most = max(self.memory_most, most)
        latest = self._latest.values()
        return Moment(
            after=after,
            steps=steps,
            answered=sum(each.answered for each in latest),
            tickets_paid=sum(each.tickets_paid for each in latest),
            ready=sum(each.ready for each in latest),
            generator_cpu_seconds=sum(each.cpu_seconds for each in latest),
            node_cpu_seconds=self.leader.cpu_seconds(),
            memory_bytes=memory,
        )

    def _fail_over(self, moment: Moment) -> None:
        old, new = self.nodes
        killed_at, done_at = kill_and_fail_over(old, new)
        self.leader = new
        self.outage = Outage(killed_at, done_at - killed_at, mend(old, new), moment.tickets_paid)


def run(plan: Plan, folder: Path, *, failover: bool, show: Show) -> Outcome:
    """The run, the stop of its nodes, and every check. What was broken stands in `faults`."""
    nodes = start_nodes(folder, hold_seconds=plan.hold_seconds, with_standby=failover)
    rush = Rush(plan, nodes, show)
    try:
        rush.run()
    finally:
        for node in sorted(nodes, key=lambda node: node is not rush.leader):  # it waits for no standby that is gone
            node.stop()
    told = [rush.told[number] for number in sorted(rush.told)]
    books = read_books(rush.leader.data)
    faults = differences(plan, told, books)
    if failover and rush.outage is None:
        faults.append("the primary was never killed: the sale was over before")
    reports = [_verified(node, rush.event_id if node is rush.leader else None, faults) for node in nodes]
    if len({(report.get("lastSeq"), report.get("stateHash")) for report in reports}) > 1:
        faults.append("the nodes do not end in the same state")
    return outcome_of(
        plan,
        told,
        books,
        rush.moments,
        rush.outage,
        seconds=rush.seconds,
        memory=(rush.memory_before, rush.memory_joined, rush.memory_most),
        reports=reports,
        faults=faults,
    )


def _verified(node: RushNode, event_id: int | None, faults: list[str]) -> dict[str, Any]:
    """What `onsale verify` says of it; then the order of service at this event as well."""
    report: dict[str, Any] = {}
    for flags in ((), ("--fairness", str(event_id))) if event_id is not None else ((),):
        code, document, said = onsale("verify", "--data", str(node.data), *flags)
        if code:
            what = document.get("faults") or said[-500:]
            faults.append(f"onsale verify {' '.join(flags)} of {node.name} ended with {code}: {what}")
        report |= document
    fairness = report.get("fairness")
    if fairness is not None and not fairness.get("fair"):
        faults.append(f"{node.name}: the order of service is not fair: {fairness.get('exceptions')}")
    return report


@click.command(help=__doc__)
@click.option("--people", type=click.IntRange(1, 2_000_000), default=500_000, show_default=True)
@click.option("--tickets", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True)
@click.option("--admit-per-minute", type=click.IntRange(1, 1_000_000), default=24_000, show_default=True)
@click.option("--arrive-seconds", type=click.FloatRange(0), default=60.0, show_default=True, help="All join within.")
@click.option("--connections", type=click.IntRange(1, 10_000), default=512, show_default=True)
@click.option("--pipeline", type=click.IntRange(1, 64), default=4, show_default=True, help="People on one, at a time.")
@click.option("--generators", type=click.IntRange(1, 64), help="Processes. [default: one for each core but the node's]")
@click.option("--hold-seconds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--turn-seconds", type=click.IntRange(10), default=12, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Other seeds are other people.")
@click.option("--failover", is_flag=True, help="A standby, and a kill -9 of the primary in the middle.")
@click.option("--data", type=click.Path(path_type=Path), help="Keep the nodes' folders here; it must not exist yet.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def main(*, failover: bool, data: Path | None, as_json: bool, generators: int | None, **settings: Any) -> None:
    if data is not None and data.exists():
        raise click.BadParameter(f"{data} exists already; name a new folder", param_hint="--data")
    busy = len(server_cpus()) + failover
    plan = Plan(**settings, generators=generators or max(len(other_cpus() | server_cpus()) - busy, 1))
    with tempfile.TemporaryDirectory(dir=".", prefix="rush-") as folder:
        try:
            outcome = run(plan, data or Path(folder), failover=failover, show=_progress)
        except RuntimeError as broken:  # it came to a stop
            print(broken, file=sys.stderr)
            sys.exit(1)
    if as_json:
        print(json.dumps(outcome.as_dict(), indent=2))
    else:
        print_outcome(outcome)
    for fault in outcome.faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if outcome.faults else 0)


def _progress(moment: Moment) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{moment.line()}", end="", file=sys.stderr, flush=True)
    elif round(moment.after) % 10 == 0:
        print(moment.line(), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
