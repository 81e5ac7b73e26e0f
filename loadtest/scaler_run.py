"""The scaler at work: `python -m onsale.loadtest.scaler_run`.

A primary and a standby; nginx or HAProxy sends reads to the standby and to whatever replicas the scaler adds;
Prometheus scrapes all of them. Nodes that serve reads are stopped most of the time (SIGSTOP, SIGCONT), so that a modest
load is too much for one of them: how much one can take is measured first. Then the load rises to twice that, stays, and
falls while Prometheus is gone, which comes back later. Beside that, readings that flap. Exits with 1 when a request
failed, replicas were taken away without a reading, flapping moved anything, or p99 did not come back.

Behind nginx a read may be sent twice, as by every browser: nginx closes idle connections when it reads its file anew,
and never reads what is on its way there just then. Such reads are counted, and compared with what nginx has read.
Behind HAProxy there are none.

Owns the course of the run and what is told of it. Needs Prometheus, and nginx or HAProxy.
"""

import asyncio
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import click

from .generator import drive, request_bytes
from .result import Result
from .rush_nodes import RushNode
from .scaler_fronts import FRONTS
from .scaler_processes import PERIOD_SECONDS, Program, Throttle, send

SHOWS: Final = 100
MOST: Final = 3  # replicas
CONNECTIONS: Final = 48
SLACK: Final = 1.6  # p99 with replicas against p99 of the quiet time before

PROMETHEUS: Final = """
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs:
  - job_name: onsale
    static_configs: [{{targets: ["{standby}"]}}]
    file_sd_configs: [{{files: ["{folder}/replicas.json"], refresh_interval: 1s}}]
"""
RULES: Final = """
every_seconds = 1
stale_seconds = 5
remind_seconds = 5
state = "{state}"
[limits]
least = 0
most = {most}
[cool_down]
after_up_seconds = 5
after_down_seconds = 6
[prometheus]
url = "http://127.0.0.1:{prometheus}"
targets_file = "replicas.json"
[nodes]
addresses = ["{standby}"]
"""
LOAD_RULE: Final = """
[[rule]]
name = "reads a second per node"
source = "prometheus"
query = 'sum(rate(onsale_http_requests_total{{route="/events"}}[5s])) / count(count by (instance) (onsale_role == 1))'
up_above = {up:.0f}
down_below = {down:.0f}
for_up_seconds = 2
for_down_seconds = 5
[driver]
kind = "processes"
first_port = {first_port}
primary_feeds_most = 0
drain_seconds = 10
"""
# from far above to far below and back, every 6 s
FLAPPING: Final = """
[[rule]]
name = "flapping"
source = "prometheus"
query = '(floor(vector(time()) / 3) % 2) * 1000'
up_above = 600
down_below = 400
for_up_seconds = {held}
for_down_seconds = {held}
[driver]
kind = "dry_run"
"""


class Course:
    """What happened, second by second."""

    def __init__(self, state: Path) -> None:
        self.began = time.monotonic()
        self.latencies: dict[int, list[float]] = defaultdict(list)
        self.replicas: dict[int, int] = {}
        self.results: list[tuple[str, Result]] = []
        self._state = state / "scaler.json"

    def second(self) -> int:
        return int(time.monotonic() - self.began)

    def document(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            return json.loads(self._state.read_bytes())  # type: ignore[no-any-return]
        return {"replicas": [], "processes": [], "steps": []}

    def serving(self) -> list[int]:
        """Process numbers of the replicas that are sent requests, so that those which start are not slowed down."""
        document = self.document()
        names = {each["name"] for each in document["replicas"] if each["admitted"]}
        found = [each["process_id"] for each in document["processes"] if each["name"] in names]
        self.replicas[self.second()] = len(found)
        return found

    async def load(self, port: int, what: str, rate: float, seconds: float) -> Result:
        """Requests that are due at this rate whatever happens; their latency counts from when they were due."""
        first: list[float] = []

        def make(_number: int) -> bytes:
            if not first:
                first.append(time.monotonic())
            return READ

        def answered(number: int, _status: int, _body: bytes) -> None:
            self.latencies[self.second()].append(time.monotonic() - first[0] - number / rate)

        result = await drive(
            "127.0.0.1", port, make, connections=CONNECTIONS, seconds=seconds, rate=rate, on_response=answered,
            timeout_seconds=120, read_again=True,
        )  # fmt: skip
        self.results.append((what, result))
        return result

    def p99_ms(self, first: int, last: int) -> float:
        """Of the seconds from first to last."""
        found = sorted(each for second in range(first, last + 1) for each in self.latencies[second])
        return 1000 * found[int(len(found) * 0.99)] if found else 0.0

    def usual_p99_ms(self, first: int, last: int) -> float:
        """The median second's, so that a neighbour's burst on this machine is not taken for ours."""
        return statistics.median(self.p99_ms(second, second) for second in range(first, last + 1))

    def told(self, every_seconds: int = 3) -> list[str]:
        lines = []
        for second in range(0, max(self.latencies) + 1, every_seconds):
            part = range(second, second + every_seconds)
            count = sum(len(self.latencies[each]) for each in part)
            replicas = max((self.replicas.get(each, 0) for each in part), default=0)
            p99 = self.p99_ms(part[0], part[-1])
            lines.append(f"{second:>5} s  {count / every_seconds:>7.0f}/s  p99 {p99:>8.0f} ms  {replicas} replicas")
        return lines


READ: Final = request_bytes("GET", f"/events?limit={SHOWS}")


class Run:
    def __init__(self, folder: Path, share: float, balancer: str) -> None:
        self.folder = folder
        self.share = share
        self.balancer = balancer
        cpus = os.sched_getaffinity(0)
        self.primary = RushNode(folder, "a", "serve", cpus=cpus)
        self.primary.environment = {"ONSALE_CLUSTER_SECRET": "show"}
        self.port, self.prometheus_port = 8390, 8391
        self.course = Course(folder / "state")
        self.stack = ExitStack()

    async def begin(self) -> None:
        """The cluster, what stands in front of it, and Prometheus."""
        self.primary.start()
        self.stack.callback(self.primary.stop)
        flags = ("--primary", self.primary.replication)
        self.standby = RushNode(self.folder, "b", "standby", *flags, cpus=os.sched_getaffinity(0))
        self.standby.environment = self.primary.environment
        self.standby.start()
        self.stack.callback(self.standby.stop)
        async with aiohttp.ClientSession() as session:
            for number in range(SHOWS):
                show = {"name": f"Concert {number}", "startsAt": "2099-01-01T20:00:00Z"}
                show |= {"ticketTypes": [{"name": "Standing", "price": "10.00", "capacity": 100}]}  # type: ignore[dict-item]
                async with session.post(f"http://127.0.0.1:{self.primary.port}/events", json=show) as response:
                    response.raise_for_status()
        self.address = f"127.0.0.1:{self.standby.port}"
        self.front = FRONTS[self.balancer](self.folder, self.port, self.address, MOST)
        (self.folder / "prometheus.yml").write_text(PROMETHEUS.format(folder=self.folder, standby=self.address))
        self.start(self.balancer, *self.front.command)
        self.start_prometheus()
        assert self.standby.process is not None
        standby = self.standby.process.pid
        throttle = Throttle(lambda: [standby, *self.course.serving()], MOST + 1, self.share)
        throttle.start()
        self.stack.callback(throttle.end)
        await asyncio.sleep(2)

    def start(self, name: str, *command: str) -> Program:
        program = Program(self.folder, name, *command)
        self.stack.callback(program.end)
        return program

    def start_prometheus(self) -> None:
        self.prometheus = self.start(
            "prometheus", "prometheus", f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/prometheus", f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
        )  # fmt: skip

    def start_scaler(self, name: str, rules: str, **values: Any) -> Program:
        file = self.folder / f"{name}.toml"
        common = RULES.format(
            state=self.folder / ("state" if name == "scaler" else name), prometheus=self.prometheus_port,
            standby=f"http://{self.address}", most=MOST,
        )  # fmt: skip
        common = common if name == "scaler" else common.replace('targets_file = "replicas.json"', "")
        file.write_text(common + rules.format(first_port=8393, **values))
        os.environ |= {"ONSALE_CLUSTER_SECRET": "show"}
        return self.start(name, sys.executable, "-m", "onsale", "scaler", "--rules", str(file))

    async def capacity(self) -> float:
        """What one node that is stopped most of the time can answer in a second."""
        result = await drive("127.0.0.1", self.port, lambda _: READ, connections=8, seconds=4.0)
        return result.per_second

    async def rise_and_fall(self) -> list[str]:
        """Returns what went otherwise than it should."""
        capacity = await self.capacity()
        low, high = 0.35 * capacity, 2.0 * capacity
        click.echo(
            f"one node answers {capacity:.0f} reads/s; the load is {low:.0f}/s, then {high:.0f}/s, then as before"
        )
        rules = LOAD_RULE + self.front.rules.replace("{", "{{").replace("}", "}}")
        scaler = self.start_scaler("scaler", rules, up=0.65 * capacity, down=0.25 * capacity)
        await asyncio.sleep(3)
        course, port, asked = self.course, self.port, self.front.asked()
        course.began = time.monotonic()
        await course.load(port, "before", low, 9)
        quiet_ms = course.usual_p99_ms(2, 8)
        rose = course.second()
        await course.load(port, "the load has risen", high, 45)
        worst_ms = max(course.p99_ms(second, second) for second in range(rose, course.second()))
        recovered_ms = course.usual_p99_ms(course.second() - 17, course.second() - 3)
        most = len(course.serving())
        self.prometheus.end()
        await course.load(port, "the load has fallen, Prometheus is gone", low, 15)
        held = len(course.serving())
        self.start_prometheus()
        calm, hasty = (self.start_scaler(name, FLAPPING, held=held) for name, held in (("calm", 5), ("hasty", 0)))
        await course.load(port, "Prometheus is back", low, 45)
        left = len(course.serving())
        failed, again = self._tell(scaler)
        read_twice = self._read_twice(asked, again)
        click.echo(
            f"p99 of a second: {quiet_ms:.0f} ms before, {worst_ms:.0f} ms at worst, {recovered_ms:.0f} ms with {most} "
            "replicas"
        )
        click.echo(f"replicas: {most} at most, {held} after a time without Prometheus, {left} at the end")
        flapped, hasty_steps = len(calm.lines("step:")), len(hasty.lines("step:"))
        click.echo(
            f"flapping every 3 s for 45 s: {flapped} steps where it must hold for 5 s, {hasty_steps} where it need not"
        )
        scaler.end()
        wrong = {
            f"requests failed: {failed}": failed,
            f"requests sent again: {again}": again and not self.front.may_be_sent_again,
            f"requests that {self.balancer} had taken were sent again: {read_twice}": read_twice,
            f"{most - held} replicas went while Prometheus was gone": held != most,
            "it did not say that Prometheus was gone": not scaler.lines("WARNING", "holding still"),
            f"{left} of {most} replicas are left": left or not most,
            "p99 did not come back": recovered_ms > quiet_ms * SLACK + 1000 * PERIOD_SECONDS,
            f"{flapped} steps by a flapping reading": flapped,
            "the readings did not flap: not even hasty rules moved": not hasty_steps,
            f"{hasty_steps} steps within 45 s, with cool-downs of 5 s": hasty_steps > 45 / 5 + 1,
        }
        return [sentence for sentence, is_so in wrong.items() if is_so]

    def _read_twice(self, asked: Counter[str] | None, again: int) -> int:
        """How many of those that were sent again the balancer had read already; `asked`: what it had read before."""
        read = self.front.asked()
        if read is None or asked is None:
            return 0
        answered = sum(result.requests for _, result in self.course.results)
        twice = (read - asked).total() - answered
        click.echo(
            f"{self.balancer} has read {(read - asked).total()} requests {dict(read - asked)}, "
            f"{answered} were answered: of the {again} that were sent again it had read {twice} before"
        )
        return twice

    def _tell(self, scaler: Program) -> tuple[int, int]:
        """What happened; returns how many requests failed, and how many were sent again."""
        for line in self.course.told():
            click.echo(line)
        for line in [*scaler.lines("step:"), *scaler.lines("holding still")[:2], *scaler.lines("known again")]:
            click.echo(line)
        failed = again = 0
        for what, result in self.course.results:
            broken = result.failed + result.requests - result.statuses.get(200, 0)
            click.echo(
                f"{what}: {result.requests} requests, {broken} failed {dict(result.errors) or ''}, "
                f"{result.sent_again} sent again"
            )
            failed += broken
            again += result.sent_again
        return failed, again

    def end(self) -> None:
        processes = self.course.document()["processes"]
        self.stack.close()
        for each in processes:
            send(each["process_id"], signal.SIGCONT)
            send(each["process_id"], signal.SIGTERM)


async def _run(folder: Path, share: float, balancer: str) -> list[str]:
    run = Run(folder, share, balancer)
    try:
        await run.begin()
        return await run.rise_and_fall()
    finally:
        run.end()


@click.command(help=__doc__)
@click.option("--balancer", type=click.Choice(sorted(FRONTS)), default="nginx", show_default=True)
@click.option(
    "--share",
    type=click.FloatRange(0.01, 0.2),
    default=0.06,
    show_default=True,
    help="Of the time in which nodes that serve reads may run.",
)
@click.option("--keep", is_flag=True, help="Leave logs and folders where they are.")
def main(*, balancer: str, share: float, keep: bool) -> None:
    for program in (balancer, "prometheus"):
        if shutil.which(program) is None:
            raise click.ClickException(f"{program} is not installed.")
    folder = Path(tempfile.mkdtemp(prefix="onsale-scaler-"))
    faults = asyncio.run(_run(folder, share, balancer))
    click.echo("\n".join(faults) or "as it should be")
    if keep:
        click.echo(f"logs are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
