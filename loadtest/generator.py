"""Sends HTTP/1.1 requests as fast as asked, or as fast as they are answered, and measures.

Owns `run` (`drive` within a running loop) and the command `python -m onsale.loadtest.generator URL`. Two
ways: *closed*, where each of N connections sends its next request when an answer has come (with `pipeline` of them
under way at a time), and *open*, where requests are due at a fixed `rate` whatever the server does. Latency is counted
from the moment a request was sent, in the open way from the moment it was due, so a server that stalls cannot hide it.

It shares a machine with the server, so it does as little per request as it can: no client library, one callback and one
write per packet. `Result.cpu_share` tells how much of its core it used; near 1.0 it is the generator that is measured.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import click
import uvloop

from .load import Load, MakeRequest, OnResponse
from .result import Result, print_table
from .wrk import run_wrk

PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}


def request_bytes(
    method: str, path: str, *, host: str = "localhost", body: bytes = b"", headers: dict[str, str] | None = None
) -> bytes:
    """Return a request as `make_request` may give it. A body is called JSON unless `headers` say otherwise."""
    lines = {"Host": host}
    if body:
        lines |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines |= headers or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def run(host: str, port: int, make_request: MakeRequest, **options: Any) -> Result:
    """Do as `drive` does, in an event loop of its own (uvloop)."""
    return uvloop.run(drive(host, port, make_request, **options))


async def drive(
    host: str,
    port: int,
    make_request: MakeRequest,
    *,
    connections: int = 64,
    seconds: float | None = None,
    requests: int | None = None,
    pipeline: int = 1,
    rate: float | None = None,
    warm_up_seconds: float = 0.0,
    timeout_seconds: float = 30.0,
    on_response: OnResponse | None = None,
    on_begin: Callable[[Load], None] | None = None,
    read_again: bool = False,
) -> Result:
    """Run until `seconds` have passed or `requests` were sent, whichever is first, and all of them have ended.

    `make_request(number)` gives the bytes of request 0, 1, 2 ... `rate` (requests per second) makes the run an open
    one. What is answered within the first `warm_up_seconds` is not counted. A lost connection is made again; its
    requests are not sent again but counted as failed, as is one without an answer after `timeout_seconds`.
    `read_again`: a GET that went out on a connection which had answered before, and was closed without a byte of the
    answer, is sent again as browsers do (RFC 9110, 9.2.2): the server may have closed it as idle at that moment.
    `on_begin` is given the run, to look at while it goes on.
    Raises OSError when the server cannot be reached at all.
    """
    if (seconds is None and requests is None) or connections < 1 or pipeline < 1 or (rate is not None and rate <= 0):
        raise ValueError("Give seconds or requests; connections, pipeline and rate must be above zero")
    load = Load(
        host, port, make_request, requests_max=requests, pipeline=pipeline, rate=rate, on_response=on_response,
        read_again=read_again,
    )  # fmt: skip
    await load.connect(connections)
    load.begin()
    if on_begin is not None:
        on_begin(load)
    loop = asyncio.get_running_loop()
    timers = [loop.create_task(load.watch(timeout_seconds))]
    if rate is not None:
        timers.append(loop.create_task(load.keep_rate()))
    if warm_up_seconds:
        loop.call_later(warm_up_seconds, load.clear)
    if seconds is not None:
        loop.call_later(warm_up_seconds + seconds, load.stop)
    try:
        await load.ended
    finally:
        for timer in timers:
            timer.cancel()
        load.close()
    return _result(load)


def _result(load: Load) -> Result:
    seconds = max(load.last_at - load.began_at, 1e-9)
    latencies = load.latencies
    percentiles = {name: round(latencies.percentile_ms(percent), 3) for name, percent in PERCENTILES.items()}
    return Result(
        requests=latencies.count,
        seconds=round(seconds, 3),
        per_second=round(latencies.count / seconds, 1),
        latency_ms={"mean": round(latencies.mean_ms, 3)}
        | percentiles
        | {"max": round(latencies.max_seconds * 1000, 3)},
        statuses=dict(sorted(load.statuses.items())),
        errors=dict(load.errors),
        failed=load.failed,
        sent_again=load.sent_again,
        received_bytes=load.received_bytes,
        cpu_share=round((time.process_time() - load.cpu_began) / seconds, 2),
    )


@click.command(help=__doc__)
@click.argument("url")
@click.option("--connections", "-c", default=64, show_default=True)
@click.option("--seconds", "-t", type=float, help="How long to send.  [default: 5, unless --requests is given]")
@click.option("--requests", "-n", type=int, help="How many to send.")
@click.option("--pipeline", default=1, show_default=True, help="Requests under way at a time on one connection.")
@click.option("--rate", type=float, help="Requests per second, whatever the server does.")
@click.option("--warm-up", default=0.0, show_default=True, help="Seconds that are not counted.")
@click.option("--method", "-X", help="[default: POST with a body, else GET]")
@click.option("--body", "-d", default="", help="{n} in it is replaced with the number of the request.")
@click.option("--header", "-H", multiple=True, help="'Name: value'; may be given several times.")
@click.option("--cpu", type=int, help="Run on this core only.")
@click.option(
    "--wrk", "with_wrk", is_flag=True, help="Have wrk send them (closed, no pipelining), where it is installed."
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def main(
    *,
    url: str,
    connections: int,
    seconds: float | None,
    requests: int | None,
    pipeline: int,
    rate: float | None,
    warm_up: float,
    method: str | None,
    body: str,
    header: tuple[str, ...],
    cpu: int | None,
    with_wrk: bool,
    form: str,
) -> None:
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise click.BadParameter("give http://HOST[:PORT]/PATH", param_hint="URL")
    headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in header)}
    method = method or ("POST" if body else "GET")
    if seconds is None and requests is None:
        seconds = 5.0
    try:
        if with_wrk:
            result = run_wrk(url, method, body, headers, connections=connections, seconds=seconds or 5.0)
        else:
            result = run(
                parts.hostname,
                parts.port or 80,
                _requests_of(method, parts, body, headers),
                connections=connections,
                seconds=seconds,
                requests=requests,
                pipeline=pipeline,
                rate=rate,
                warm_up_seconds=warm_up,
            )
    except OSError as error:
        click.echo(f"{parts.netloc} cannot be reached: {error}. Is the server running?", err=True)
        sys.exit(3)
    if form == "json":
        click.echo(json.dumps(result.as_dict(), indent=2))
    else:
        print_table(result, url)
    sys.exit(1 if result.failed or not result.requests else 0)


def _requests_of(method: str, parts: SplitResult, body: str, headers: dict[str, str]) -> MakeRequest:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def make(number: int) -> bytes:
        numbered = body.replace("{n}", str(number)).encode()
        return request_bytes(method, path, host=parts.netloc, body=numbered, headers=headers)

    if "{n}" in body:
        return make
    always = make(0)
    return lambda _number: always


if __name__ == "__main__":
    main()
