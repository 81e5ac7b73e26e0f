"""What makes each alert fire, for real: nodes killed and stopped, disks full and hanging, etcd and the outside gone.

Owns the scenarios. Each gets ready up to its `yield`, where everything is well and nothing may fire; behind it, it does
the damage and waits. What is done is what the alert is there for: no metric is made up, no node is told to pretend.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

from .alerts_fire_stage import Etcd, Stage, free_port, hanging
from .generator import drive, request_bytes
from .rush_nodes import RushNode, onsale

Scenario = Callable[[Stage], AsyncIterator[None]]

STALE_SECONDS_MAX: Final = 420.0  # 300 s is the rule's own threshold
_users: Final = count(1)


def _booking() -> dict[str, Any]:
    return {"userId": f"u-{next(_users)}", "eventId": 1}


@asynccontextmanager
async def asked(
    stage: Stage, node: RushNode, method: str, path: str, per_second: float, body: Callable[[], Any] = lambda: None
) -> AsyncIterator[None]:
    """Meanwhile somebody asks this so often, whatever is answered."""
    tasks: set[asyncio.Task[int]] = set()

    async def go_on() -> None:
        while True:
            task = asyncio.create_task(stage.ask(node, method, path, body()))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(1 / per_second)

    asking = asyncio.create_task(go_on())
    try:
        yield
    finally:
        asking.cancel()
        for task in (asking, *tasks):
            task.cancel()
        await asyncio.gather(asking, *tasks, return_exceptions=True)


async def primary_killed(stage: Stage) -> AsyncIterator[None]:
    primary, standby = await stage.pair("killed")
    async with asked(stage, standby, "POST", "/booking", 10, _booking):
        await asyncio.sleep(3)
        yield
        primary.kill()
        causes = (
            stage.cause("OnsaleNoPrimary", "killed", "kill -9 of the primary, nobody to take over"),
            stage.cause("OnsaleErrors", "killed", "kill -9 of the primary while customers book"),
        )
        await stage.until_fired(*causes)


async def errors_slowly(stage: Stage) -> AsyncIterator[None]:
    primary, standby = await stage.pair("slowly")
    async with asked(stage, standby, "GET", "/events", 60):
        yield
        primary.kill()
        cause = stage.cause("OnsaleErrorBudget", "slowly", "kill -9 of the primary: one call in 170 is a booking")
        async with asked(stage, standby, "POST", "/booking", 60 / 170, _booking):
            await stage.until_fired(cause)


async def standby_killed(stage: Stage) -> AsyncIterator[None]:
    _, standby = await stage.pair("short")
    yield
    standby.kill()
    causes = (
        stage.cause("OnsaleNodeDown", "short", "kill -9 of a standby"),
        stage.cause("OnsaleNotDurable", "short", "kill -9 of the only standby, with K = 1"),
    )
    await stage.until_fired(*causes)


async def two_begun(stage: Stage) -> AsyncIterator[None]:
    await stage.node("two", "a", "serve")
    yield
    cause = stage.cause("OnsaleTwoPrimaries", "two", "a second `onsale serve` on an empty folder")
    await stage.node("two", "b", "serve")
    await stage.until_fired(cause)


async def ends_again_and_again(stage: Stage) -> AsyncIterator[None]:
    node = await stage.node("restarting", "a", "serve")
    yield
    cause = stage.cause("OnsaleNodeRestarting", "restarting", "kill -9 again and again, started each time")
    for _ in range(8):
        node.kill()
        await asyncio.to_thread(node.start)
        await stage.until_fired(cause, seconds_max=1.5)
        if cause.seconds is not None:
            return
    await stage.until_fired(cause, seconds_max=5)


async def primary_stopped(stage: Stage) -> AsyncIterator[None]:
    primary = await stage.node("behind", "a", "serve")
    await stage.node("behind", "r", "replica", "--source", primary.replication)
    yield
    cause = stage.cause("OnsaleLag", "behind", "SIGSTOP of the primary that a replica follows")
    async with hanging(primary, 60, 1):
        await stage.until_fired(cause)


async def etcd_lost(stage: Stage) -> AsyncIterator[None]:
    etcd = Etcd(stage)
    primary = await stage.node("lease", "a", "serve", "--etcd", ",".join(etcd.urls))
    await stage.node("lease", "b", "standby", "--primary", primary.replication, "--etcd", etcd.urls[2])
    yield
    code, _, said = await asyncio.to_thread(onsale, "pause", "--node", primary.url)
    assert not code, said
    paused = stage.cause("OnsaleTakeoverPaused", "lease", "`onsale pause`, and nobody says resume")
    await stage.until_fired(paused, seconds_max=120)
    etcd.kill(2)
    alone = stage.cause("OnsaleEtcdUnreachable", "lease", "kill -9 of the one etcd member that a standby is told of")
    await stage.until_fired(alone)
    await stage.until_silent("OnsaleLeaseUnreached", "lease")  # the two that are left may have to elect one first
    etcd.kill(1)
    await stage.until_fired(stage.cause("OnsaleLeaseUnreached", "lease", "kill -9 of two of three etcd members"))


async def disk_filled(stage: Stage) -> AsyncIterator[None]:
    folder = stage.clusters / "disk"
    stage.memory_disk(folder, "200m")
    await stage.node("disk", "a", "serve")
    await asyncio.to_thread(_write, folder / "other", 130_000_000)
    yield
    cause = stage.cause("OnsaleDiskFilling", "disk", "another program writes 100 kB/s to the volume")
    for _ in range(300):
        await asyncio.to_thread(_write, folder / "other", 50_000)
        await stage.until_fired(cause, seconds_max=0.5)
        if cause.seconds is not None:
            break
    cause = stage.cause("OnsaleDiskFull", "disk", "the volume is filled to 5 %")
    found = os.statvfs(folder)
    await asyncio.to_thread(_write, folder / "other", (found.f_bavail - found.f_blocks // 20) * found.f_frsize)
    await stage.until_fired(cause)


def _write(file: Path, size_bytes: int) -> None:
    with file.open("ab") as written:
        written.write(bytes(max(size_bytes, 0)))


async def checkpoint_hangs(stage: Stage) -> AsyncIterator[None]:
    """The checkpoint is on a disk of its own, which hangs; the journal goes on."""
    node = await stage.node("stale", "a", "serve")
    await stage.event(node)
    disk = stage.clusters / "stale" / "disk"
    stage.real_disk(disk, "64m")
    await asyncio.to_thread(node.stop)
    for file in node.data.glob("checkpoint.sqlite*"):
        (disk / file.name).write_bytes(file.read_bytes())
        file.unlink()
    (node.data / "checkpoint.sqlite").symlink_to(disk / "checkpoint.sqlite")
    await asyncio.to_thread(node.start)
    yield
    await asyncio.to_thread(stage.freeze, disk)
    cause = stage.cause("OnsaleCheckpointStale", "stale", "the disk of the checkpoint hangs (fsfreeze)")
    async with asked(stage, node, "POST", "/booking", 2, _booking):
        await stage.until_fired(cause, seconds_max=STALE_SECONDS_MAX)


async def provider_gone(stage: Stage) -> AsyncIterator[None]:
    nowhere = f"http://127.0.0.1:{free_port()}"
    node = await stage.node("money", "a", "serve", STRIPE_API_KEY="sk_test_nobody", STRIPE_API_BASE=nowhere)
    await stage.event(node)
    yield
    cause = "Stripe can't be reached, 60 people pay"
    causes = stage.cause("OnsaleOwed", "money", cause), stage.cause("OnsaleProvider", "money", cause)

    async def buy() -> None:
        booking = _booking()
        await stage.ask(node, "POST", "/booking", booking)
        await stage.ask(node, "POST", "/pay", booking | {"amount": "10.00"})

    buying = asyncio.gather(*(buy() for _ in range(60)))
    try:
        await stage.until_fired(*causes, seconds_max=120)
    finally:
        buying.cancel()
        with suppress(asyncio.CancelledError):
            await buying


async def mail_refused(stage: Stage) -> AsyncIterator[None]:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A mail server that knows nobody."""
        writer.write(b"220 mail.example\r\n")
        while line := await reader.readline():
            known = line[:4].upper() != b"RCPT"
            writer.write(b"250 mail.example\r\n" if known else b"550 5.1.1 nobody of this name\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        mail = {"ONSALE_SMTP_URL": f"smtp://127.0.0.1:{port}", "ONSALE_MAIL_FROM": "tickets@example.org"}
        node = await stage.node("mail", "a", "serve", **mail)
        await stage.event(node)
        await stage.until_answered(node, "PUT", "/users/eva", {"email": "eva@example.org"})
        yield
        cause = stage.cause("OnsaleConcerns", "mail", "the mail server refuses a customer's address")
        await stage.ask(node, "POST", "/booking", {"userId": "eva", "eventId": 1})
        await stage.ask(node, "POST", "/pay", {"userId": "eva", "eventId": 1, "amount": "10.00"})
        await stage.until_fired(cause)


async def cpu_taken(stage: Stage) -> AsyncIterator[None]:
    node = await stage.node("starved", "a", "serve")
    yield
    cause = stage.cause("OnsaleLoopDelayed", "starved", "the process gets no CPU for 250 ms at a time (SIGSTOP)")
    async with hanging(node, 0.25, 0.1):
        await stage.until_fired(cause)


async def more_than_it_takes(stage: Stage) -> AsyncIterator[None]:
    primary, standby = await stage.pair("slow")
    yield
    async with hanging(standby, 1.5, 0.2):
        what = "the standby that answers wait for hangs 1.5 s at a time (SIGSTOP)"
        causes = stage.cause("OnsaleCommitSlow", "slow", what), stage.cause("OnsaleSlow", "slow", what)
        async with asked(stage, primary, "POST", "/booking", 40, _booking):
            await stage.until_fired(*causes)
        cause = stage.cause("OnsaleQueueGrowing", "slow", "6,000 bookings a second meet that standby")
        for _ in range(5):
            await drive(
                "127.0.0.1", primary.port, _request, connections=500, pipeline=32, rate=6_000, seconds=5,
                timeout_seconds=20,
            )  # fmt: skip
            if cause.seconds is not None:
                break


def _request(_number: int) -> bytes:
    body = b'{"userId":"u-%d","eventId":1}' % next(_users)
    return request_bytes("POST", "/booking", body=body)


async def nobody_scraped(stage: Stage) -> AsyncIterator[None]:
    yield
    stage.no_targets()
    await stage.until_fired(stage.cause("OnsaleNotScraped", "", "the list of targets is empty"))


TOGETHER: Final[tuple[Scenario, ...]] = (
    primary_killed, errors_slowly, standby_killed, two_begun, primary_stopped, etcd_lost, disk_filled,
    checkpoint_hangs, provider_gone, mail_refused,
)  # fmt: skip
ALONE: Final[tuple[Scenario, ...]] = (ends_again_and_again, cpu_taken, more_than_it_takes)  # they need the machine
LAST: Final[tuple[Scenario, ...]] = (nobody_scraped,)
