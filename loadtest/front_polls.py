"""How much of a crowd's polling a balancer keeps from the nodes behind it.

Owns the command `python -m onsale.loadtest.front_polls URL --node URL …`: wrk polls the public page of one waiting room
through the balancer, which must not limit this machine's address; how many polls reached a node is what the nodes' own
/metrics counted meanwhile. Needs wrk.
"""

import re
import urllib.request
from typing import Any, Final

import click

from .result import Result
from .wrk import run_wrk

POLLS: Final = 200_000
_FIRST_SECONDS: Final = 2
_SECONDS_MAX: Final = 120
_COUNTED: Final = re.compile(r"^onsale_http_requests_total\{(?P<labels>.*)\} (?P<count>[0-9.e+]+)$", re.MULTILINE)


def reached(node: str, route: str) -> int:
    """GET calls of a route that a node has answered so far."""
    with urllib.request.urlopen(f"{node}/metrics", timeout=10) as response:  # noqa: S310 - an address the caller gave
        text = response.read().decode()
    wanted = {f'route="{route}"', 'method="GET"'}
    return sum(int(float(found["count"])) for found in _COUNTED.finditer(text) if wanted <= set(_labels(found)))


def _labels(found: re.Match[str]) -> list[str]:
    return re.findall(r'[a-z_]+="[^"]*"', found["labels"])


def poll(url: str, *, polls: int = POLLS, connections: int = 64) -> list[Result]:
    """Poll until there have been so many answers, in a few runs of wrk. Raises OSError when wrk is missing."""
    runs: list[Result] = []
    seconds = float(_FIRST_SECONDS)
    while (left := polls - sum(run.requests for run in runs)) > 0:
        if runs:
            seconds = min(left / runs[-1].per_second + 1, _SECONDS_MAX)
        runs.append(run_wrk(url, "GET", "", {}, connections=connections, seconds=seconds))
    return runs


@click.command()
@click.argument("url")
@click.option("--event", required=True, type=int, help="One that has a waiting room.")
@click.option("--node", "nodes", multiple=True, required=True, metavar="URL", help="Each node behind the balancer.")
@click.option("--polls", default=POLLS, show_default=True)
@click.option("--connections", default=64, show_default=True)
def main(url: str, event: int, nodes: tuple[str, ...], polls: int, connections: int) -> None:
    """Poll the waiting room of an event at URL, such as https://localhost, and tell how many polls reached a node."""
    click.echo(told(measure(url, event, nodes, polls=polls, connections=connections)))


def measure(url: str, event: int, nodes: tuple[str, ...], **options: Any) -> tuple[list[Result], int]:
    """(runs of wrk, polls that reached a node)."""
    route = "/events/{eventId}/queue"
    before = sum(reached(node, route) for node in nodes)
    runs = poll(f"{url}/events/{event}/queue", **options)
    return runs, sum(reached(node, route) for node in nodes) - before


def told(measured: tuple[list[Result], int]) -> str:
    runs, count = measured
    requests, seconds = sum(run.requests for run in runs), sum(run.seconds for run in runs)
    wrong = sum(run.failed + sum(run.statuses.values()) for run in runs)
    p99 = max(run.latency_ms["p99"] for run in runs)
    return (
        f"{requests:,} polls in {seconds:.1f} s ({requests / seconds:,.0f}/s, p99 {p99:.1f} ms), {wrong} without a "
        f"page; {count:,} reached a node ({count / seconds:.1f}/s), one in {requests / max(count, 1):,.0f}"
    )


if __name__ == "__main__":
    main()
