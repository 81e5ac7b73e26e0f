"""The scaler at work: `python -m onsale.loadtest.scaler_run`.

A primary and a standby; nginx sends reads to the standby and to whatever replicas the scaler adds; Prometheus scrapes
all of them. Nodes that serve reads are stopped most of the time (SIGSTOP, SIGCONT), so that a modest load is too much
for one of them: how much one can take is measured first. Then the load rises to twice that, stays, and falls while
Prometheus is gone, which comes back later. Beside that, readings that flap. Exits with 1 when a request failed,
replicas were taken away without a reading, flapping moved anything, or p99 did not come back.

Owns the course of the run and what is told of it. Needs nginx and Prometheus.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import click

from .generator import drive, request_bytes
from .result import Result
from .rush_nodes import RushNode

SHOWS: Final = 100
PERIOD_SECONDS: Final = 0.04
CONNECTIONS: Final = 48
SLACK: Final = 1.6  # p99 with replicas against p99 of the quiet time before

NGINX: Final = """
daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn; worker_processes 1;
events {{ worker_connections 2048; }}
http {{
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    access_log off; keepalive_requests 1000000;
    upstream reads {{ zone reads 64k; least_conn; include {folder}/read-nodes.conf; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://reads; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_next_upstream error timeout http_503; proxy_read_timeout 60s; add_header Answered-By $upstream_addr;
        }}
    }}
}}
"""
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
most = 3
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
[balancer]
kind = "nginx"
file = "read-nodes.conf"
always = ["{address}"]
reload = ["nginx", "-p", "{folder}", "-c", "{folder}/nginx.conf", "-e", "stderr", "-s", "reload"]
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


class Throttle(threading.Thread):
    """Lets processes run for a share of the time alone. `process_ids`: of whom, asked again and again."""

    def __init__(self, process_ids: Any, share: float) -> None:
        super().__init__(daemon=True)
        self._process_ids = process_ids
        self._share = share
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            stopped = self._process_ids()
            for process_id in stopped:
                _signal(process_id, signal.SIGSTOP)
            time.sleep(PERIOD_SECONDS * (1 - self._share))
            for process_id in stopped:
                _signal(process_id, signal.SIGCONT)
            time.sleep(PERIOD_SECONDS * self._share)

    def end(self) -> None:
        self._ended.set()
        self.join()


def _signal(process_id: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process_id, number)


class Program:
    """nginx, Prometheus or a scaler, with its output in a file."""

    def __init__(self, folder: Path, name: str, *command: str) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def lines(self, *texts: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if all(text in line for text in texts)]


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
    def __init__(self, folder: Path, share: float) -> None:
        self.folder = folder
        self.share = share
        cpus = os.sched_getaffinity(0)
        self.primary = RushNode(folder, "a", "serve", cpus=cpus)
        self.primary.environment = {"ONSALE_CLUSTER_SECRET": "show"}
        self.nginx_port, self.prometheus_port = 8390, 8391
        self.course = Course(folder / "state")
        self.stack = ExitStack()

    async def begin(self) -> None:
        """The cluster, nginx and Prometheus."""
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
        (self.folder / "read-nodes.conf").write_text(f"server {self.address};\n")
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, port=self.nginx_port))
        (self.folder / "prometheus.yml").write_text(PROMETHEUS.format(folder=self.folder, standby=self.address))
        self.start("nginx", "nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr")
        self.start_prometheus()
        assert self.standby.process is not None
        standby = self.standby.process.pid
        throttle = Throttle(lambda: [standby, *self.course.serving()], self.share)
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
            standby=f"http://{self.address}",
        )  # fmt: skip
        common = common if name == "scaler" else common.replace('targets_file = "replicas.json"', "")
        file.write_text(common + rules.format(folder=self.folder, address=self.address, first_port=8393, **values))
        os.environ |= {"ONSALE_CLUSTER_SECRET": "show"}
        return self.start(name, sys.executable, "-m", "onsale", "scaler", "--rules", str(file))

    async def capacity(self) -> float:
        """What one node that is stopped most of the time can answer in a second."""
        result = await drive("127.0.0.1", self.nginx_port, lambda _: READ, connections=8, seconds=4.0)
        return result.per_second

    async def rise_and_fall(self) -> list[str]:
        """Returns what went otherwise than it should."""
        capacity = await self.capacity()
        low, high = 0.35 * capacity, 2.0 * capacity
        click.echo(
            f"one node answers {capacity:.0f} reads/s; the load is {low:.0f}/s, then {high:.0f}/s, then as before"
        )
        scaler = self.start_scaler("scaler", LOAD_RULE, up=0.65 * capacity, down=0.25 * capacity)
        await asyncio.sleep(3)
        course, port = self.course, self.nginx_port
        course.began = time.monotonic()
        await course.load(port, "before", low, 9)
        quiet_ms, rose = course.p99_ms(2, 8), course.second()
        await course.load(port, "the load has risen", high, 45)
        worst_ms = max(course.p99_ms(second, second) for second in range(rose, course.second()))
        recovered_ms = course.p99_ms(course.second() - 13, course.second() - 3)
        most = len(course.serving())
        self.prometheus.end()
        await course.load(port, "the load has fallen, Prometheus is gone", low, 15)
        held = len(course.serving())
        self.start_prometheus()
        calm, hasty = (self.start_scaler(name, FLAPPING, held=held) for name, held in (("calm", 5), ("hasty", 0)))
        await course.load(port, "Prometheus is back", low, 45)
        left = len(course.serving())
        failed = self._tell(scaler)
        click.echo(
            f"p99: {quiet_ms:.0f} ms before, {worst_ms:.0f} ms at worst, {recovered_ms:.0f} ms with {most} replicas"
        )
        click.echo(f"replicas: {most} at most, {held} after a time without Prometheus, {left} at the end")
        flapped, hasty_steps = len(calm.lines("step:")), len(hasty.lines("step:"))
        click.echo(
            f"flapping every 3 s for 45 s: {flapped} steps where it must hold for 5 s, {hasty_steps} where it need not"
        )
        scaler.end()
        wrong = {
            f"requests failed: {failed}": failed,
            f"{most - held} replicas went while Prometheus was gone": held != most,
            "it did not say that Prometheus was gone": not scaler.lines("WARNING", "holding still"),
            f"{left} of {most} replicas are left": left or not most,
            "p99 did not come back": recovered_ms > quiet_ms * SLACK + 1000 * PERIOD_SECONDS,
            f"{flapped} steps by a flapping reading": flapped,
            "the readings did not flap: not even hasty rules moved": not hasty_steps,
            f"{hasty_steps} steps within 45 s, with cool-downs of 5 s": hasty_steps > 45 / 5 + 1,
        }
        return [sentence for sentence, is_so in wrong.items() if is_so]

    def _tell(self, scaler: Program) -> int:
        """What happened; returns how many requests failed."""
        for line in self.course.told():
            click.echo(line)
        for line in [*scaler.lines("step:"), *scaler.lines("holding still")[:2], *scaler.lines("known again")]:
            click.echo(line)
        failed = 0
        for what, result in self.course.results:
            broken = result.failed + result.requests - result.statuses.get(200, 0)
            click.echo(
                f"{what}: {result.requests} requests, {broken} failed {dict(result.errors) or ''}, "
                f"{result.sent_again} sent again (nginx closed their idle connection as it read its file anew)"
            )
            failed += broken
        return failed

    def end(self) -> None:
        processes = self.course.document()["processes"]
        self.stack.close()
        for each in processes:
            _signal(each["process_id"], signal.SIGCONT)
            _signal(each["process_id"], signal.SIGTERM)


async def _run(folder: Path, share: float) -> list[str]:
    run = Run(folder, share)
    try:
        await run.begin()
        return await run.rise_and_fall()
    finally:
        run.end()


@click.command(help=__doc__)
@click.option("--share", default=0.1, show_default=True, help="Of the time in which nodes that serve reads may run.")
@click.option("--keep", is_flag=True, help="Leave logs and folders where they are.")
def main(*, share: float, keep: bool) -> None:
    for program in ("nginx", "prometheus"):
        if shutil.which(program) is None:
            raise click.ClickException(f"{program} is not installed.")
    folder = Path(tempfile.mkdtemp(prefix="onsale-scaler-"))
    faults = asyncio.run(_run(folder, share))
    click.echo("\n".join(faults) or "as it should be")
    if keep:
        click.echo(f"logs are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
