"""People on their journeys through a node, driven by locust, and everything they were told checked afterwards.

Without --host a node of its own is started in a temporary folder, and its journal is verified at the end: chain, order,
capacity, money, fairness, and that every ticket somebody was told of is in it, and no other. Exits with 1 on any
violation, on any answer that the contract does not allow, and when what people know and the journal differ.

With --host an existing node is used (make its events with ONSALE_TOKEN, an operator's, where it wants one): the answers
are checked, and its journal is not, which is elsewhere. Its events stay.

Owns the course of a run and the command line.
"""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ..rush_nodes import NodeEnded, RushNode, onsale, other_cpus, server_cpus
from .books import Books, differences, read_books
from .counts import Statistics, read_statistics
from .ledger import Record, read_ledgers
from .plan import PLAN_VARIABLE, Plan, write_plan
from .report import Outcome, journeys_of, print_outcome
from .shapes import SHAPES
from .stage import NodeError, call, set_stage, sold_of

STOP_SECONDS: Final = 10  # for requests that are under way at the end
OVERTIME_SECONDS_MAX: Final = 90.0
PAGE_STAYS_SECONDS: Final = 10
CHALLENGE_NUMBER_MAX: Final = 1_000  # the crowd's CPU is for requests; how hard the search is has tests of its own
GATE: Final = ("--limit-per-user", "20/100", "--limit-per-address", "50/200",
               "--trusted-proxies", "127.0.0.0/8", "--challenge-number-max", str(CHALLENGE_NUMBER_MAX))  # fmt: skip


class RunError(Exception):
    """The text says what to do."""


class Asked:
    """What the command line says of a run."""

    def __init__(self, *, seconds: float, users: int, shape: str, host: str | None, page: bool, quiet: bool) -> None:
        self.seconds, self.users, self.shape = seconds, users, shape
        self.host, self.page, self.quiet = host, page, quiet
        self.processes = len(other_cpus())

    def plan(self, host: str, folder: Path) -> Plan:
        run_id = uuid.uuid4().hex[:8]
        return Plan(
            host=host, folder=str(folder), run_id=run_id, seconds=self.seconds, users=self.users, shape=self.shape
        )

    @property
    def hold_seconds(self) -> int:
        """So short that holds lapse, and come back, within the run."""
        return max(2, min(10, round(self.seconds / 5)))


def run(asked: Asked, folder: Path) -> Outcome:
    """Raises RunError, NodeError and NodeEnded."""
    if importlib.util.find_spec("locust") is None:
        raise RunError(
            f"Locust is not installed. Install it: {sys.executable} -m pip install 'locust>=2.32' (`make load` does)."
        )
    token = os.environ.get("ONSALE_TOKEN", "")
    if asked.host is not None:
        host = asked.host.rstrip("/")
        plan = set_stage(asked.plan(host, folder), token)
        drive(plan, asked)
        return _outcome(plan, asked, None, [], None)
    data_flags = ("--hold-seconds", str(asked.hold_seconds), *GATE)
    node = RushNode(folder, "primary", "serve", *data_flags, cpus=server_cpus())
    try:
        node.start()
        plan = set_stage(asked.plan(node.url, folder))
        drive(plan, asked)
        node.check_runs()
        sold = sold_of(plan)
    finally:
        measured = (node.cpu_seconds(), node.memory_bytes()[1])
        node.stop()
    faults = verify(node.data, plan)
    books = read_books(node.data)
    faults += differences(list(read_ledgers(folder)), books, sold)
    return _outcome(plan, asked, books, faults, measured)


def drive(plan: Plan, asked: Asked) -> None:
    """Let locust run, and wait for it. Raises RunError when it did not do what it was told."""
    folder = Path(plan.folder)
    write_plan(plan, folder / "plan.json")
    log = folder / "locust.log"
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("crowd.py")), "--host", plan.host,
               "--stop-timeout", str(STOP_SECONDS), "--only-summary", "--exit-code-on-error", "0"]  # fmt: skip
    if asked.page:
        port = _free_port()
        command += ["--web-host", "127.0.0.1", "--web-port", str(port), "--autostart"]
        command += ["--autoquit", str(PAGE_STAYS_SECONDS)]
        print(f"Locust's page: http://127.0.0.1:{port} (until {PAGE_STAYS_SECONDS} s after the run)", file=sys.stderr)
    else:
        command += ["--headless"]
    if asked.processes > 1:
        command += ["--processes", str(asked.processes)]
    here = os.sched_getaffinity(0)
    os.sched_setaffinity(0, other_cpus())
    try:
        with log.open("wb") as said:
            environment = os.environ | {PLAN_VARIABLE: str(folder / "plan.json")}
            locust = subprocess.Popen(
                command, stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment, cwd=folder,
                start_new_session=True,
            )  # fmt: skip
    finally:
        os.sched_setaffinity(0, here)
    try:
        _wait(locust, plan, quiet=asked.quiet)
    finally:
        if locust.poll() is None:
            os.killpg(locust.pid, signal.SIGKILL)
            locust.wait()
    if locust.returncode or read_statistics(folder) is None:
        raise RunError(f"Locust ended with {locust.returncode} and no result; it said:\n{log.read_text()[-2000:]}")


def _wait(locust: "subprocess.Popen[bytes]", plan: Plan, *, quiet: bool) -> None:
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        bar = progress.add_task(f"{plan.shape}, {plan.users} people", total=plan.seconds)
        while locust.poll() is None:
            elapsed = time.monotonic() - began
            progress.update(bar, completed=min(elapsed, plan.seconds))
            if elapsed > plan.seconds + OVERTIME_SECONDS_MAX:
                raise RunError(f"Locust did not come to an end within {elapsed:.0f} s. Try fewer --users.")
            time.sleep(0.1)


def verify(data: Path, plan: Plan) -> list[str]:
    """What `onsale verify` finds, with and without the order of service."""

    def look(flags: tuple[str, ...]) -> list[str]:
        code, document, said = onsale("verify", "--data", str(data), *flags)
        name = " ".join(("onsale verify", *flags))
        if code:
            return [f"`{name}` ended with {code}: {document.get('faults') or said[-500:]}"]
        fairness: dict[str, Any] = document.get("fairness") or {}
        if flags and not fairness.get("fair"):
            return [f"`{name}`: the order of service is not fair: {fairness.get('exceptions')}"]
        return []

    events = (plan.room, plan.seated, plan.small[0])
    with ThreadPoolExecutor(max(len(os.sched_getaffinity(0)), 1)) as pool:  # each is a process of its own
        return [*chain.from_iterable(pool.map(look, [(), *(("--fairness", str(event)) for event in events)]))]


def _outcome(
    plan: Plan, asked: Asked, books: Books | None, faults: Sequence[str], measured: tuple[float, int] | None
) -> Outcome:
    folder = Path(plan.folder)
    statistics, records = read_statistics(folder), list(read_ledgers(folder))
    assert statistics is not None
    found = [*faults, *judged(statistics, records)]
    journeys = journeys_of(statistics, records, books)
    counts = Counter[str]()
    for record in records:
        counts.update(record.counts)
    cpu_seconds, memory_bytes = measured or (0.0, 0)
    return Outcome(
        ok=not found, plan=plan, seconds=plan.seconds, requests=statistics.requests,
        requests_per_second=statistics.requests / plan.seconds, processes=asked.processes, journeys=journeys,
        counts=dict(counts), verified=books is not None, facts=0 if books is None else books.facts,
        node_cpu_seconds=cpu_seconds, node_memory_bytes=memory_bytes, faults=found,
    )  # fmt: skip


def judged(statistics: Statistics, records: Sequence[Record]) -> list[str]:
    """What locust counted as failures, in sentences; and that nothing went unseen."""
    failures = sum(each.failures for each in statistics.calls)
    found = [f"{failures} requests failed; the first: {'; '.join(statistics.failures[:5])}"] if failures else []
    found += [f"a journey broke: {each}" for each in statistics.exceptions[:5]]
    faults = sum(record.counts.get("faults", 0) for record in records)
    if faults != failures:
        found.append(f"people met {faults} faults, and locust counted {failures}")
    if not statistics.requests or not records:
        found.append("Nobody asked anything: give it more --users or --seconds.")
    return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@click.command(help=__doc__)
@click.option("--seconds", type=click.FloatRange(2), default=60.0, show_default=True)
@click.option("--users", type=click.IntRange(1, 100_000), default=300, show_default=True, help="At once, at the most.")
@click.option("--shape", type=click.Choice(sorted(SHAPES)), default="onsale", show_default=True)
@click.option("--page", is_flag=True, help="With locust's page, whose address is printed.")
@click.option("--host", metavar="URL", help="An existing node, such as http://127.0.0.1:8080.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def main(*, as_json: bool, host: str | None, **settings: Any) -> None:
    if host is not None and not host.startswith(("http://", "https://")):
        raise click.BadParameter(f"{host} is no URL; write for example http://127.0.0.1:8080", param_hint="--host")
    asked = Asked(host=host, quiet=as_json or not sys.stderr.isatty(), **settings)
    folder, is_kept = Path(tempfile.mkdtemp(dir=".", prefix="journeys-")).resolve(), False
    try:
        if host is not None:
            call(host, "GET", "/healthz")
        outcome = run(asked, folder)
        is_kept = not outcome.ok
    except (RunError, NodeError, NodeEnded) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    finally:
        if is_kept:
            print(f"Kept for a look: {folder} (the node's data and log, what people were told)", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        print(json.dumps(outcome.as_json(), indent=2))
        for fault in outcome.faults:
            print(fault, file=sys.stderr)
    else:
        print_outcome(outcome)
    sys.exit(0 if outcome.ok else 1)
