"""A cluster of real nodes for tests: a primary, standbys and replicas, each a process of its own, with fixed ports."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

from nodes import Client, Node, free_port, verify

SECRET = "rehearsal"
LOOKED_AT_SECONDS = 0.02
LINES_SHOWN = 40


class Ended(NamedTuple):
    """What a command said, to people and to programs, and its exit code."""

    code: int
    output: str
    document: Any

    def __str__(self) -> str:
        return f"exit code {self.code}: {self.output}"


async def command(*arguments: str) -> Ended:
    """Run `onsale …` to its end, everything else going on meanwhile."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "onsale", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    text = out.decode()
    document = json.loads(text) if text.startswith(("{", "[")) else None
    return Ended(process.returncode, text + err.decode(), document)


class Cluster:
    """`a` is started as the primary, the next ones as standbys, then the replicas `r1`, `r2` and so on.

    Replicas follow the primary, or what `source` says.
    """

    def __init__(
        self,
        folder: Path,
        *,
        standbys: int = 2,
        replicas: int = 0,
        sync_standbys: int | None = 1,
        flags: tuple[str, ...] = (),
        source: str = "a",
        secret: str = SECRET,
        seconds: float = 20,
    ) -> None:
        """`seconds`: how long clients wait for an answer. `flags`: of the nodes that vote."""
        self.folder = folder
        self.nodes: dict[str, Node] = {}
        self.clients: dict[str, Client] = {}
        self.replication: dict[str, str] = {}
        self._flags = flags
        self._sync = () if sync_standbys is None else ("--sync-standbys", str(sync_standbys))
        self._secret = secret
        self._seconds = seconds
        self.add("a", "serve", *self._sync)
        for name in "bcdef"[:standbys]:
            self.add(name, "standby")
        for number in range(1, replicas + 1):
            self.add(f"r{number}", "replica", source=source)

    def add(self, name: str, kind: str, *flags: str, source: str = "a") -> Node:
        """Another node, not started yet."""
        self.replication[name] = f"127.0.0.1:{free_port()}"
        towards = {"serve": (), "standby": ("--primary",), "replica": ("--source",)}[kind]
        node = Node(
            self.folder / name,
            "--replication",
            self.replication[name],
            *(part for option in towards for part in (option, self.replication[source])),
            *(self._flags if kind != "replica" else ()),
            *flags,
            kind=kind,
            name=name,
            port=free_port(),
            environment={"ONSALE_CLUSTER_SECRET": self._secret},
        )
        self.nodes[name] = node
        self.clients[name] = Client(f"http://127.0.0.1:{node.port}", seconds=self._seconds)
        return node

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.nodes.values():
            node.end()
        for client in self.clients.values():
            await client.close()

    # --- life

    async def start(self) -> None:
        """All that don't run, and wait until the cluster is whole."""
        waiting = [node for node in self.nodes.values() if not node.runs]
        try:
            await asyncio.gather(*(asyncio.to_thread(node.start) for node in waiting))
            await self.settle()
        except BaseException:
            await self.__aexit__()
            raise

    async def start_node(self, name: str, *flags: str) -> None:
        await asyncio.to_thread(self.nodes[name].start, *flags)

    async def stop(self) -> None:
        """Ctrl-C everywhere, the primary first."""
        primary = await self.primary()
        for name in sorted(self.running, key=lambda name: name != primary):
            assert await asyncio.to_thread(self.nodes[name].stop) == 0, self.told()

    async def verified(self) -> None:
        """At rest: every journal is in order, and those that are equally long lead to the same state."""
        found = {}
        reports = await asyncio.gather(*(asyncio.to_thread(verify, node.data) for node in self.nodes.values()))
        for name, checked in zip(self.nodes, reports, strict=True):
            assert checked.returncode == 0, f"{name}: {checked.stdout}{checked.stderr}"
            found[name] = json.loads(checked.stdout)
        assert len({report["lastSeq"] for report in found.values()}) == 1, found
        assert len({(report["chainHead"], report["stateHash"]) for report in found.values()}) == 1, found

    # --- what is going on

    @property
    def running(self) -> list[str]:
        return [name for name, node in self.nodes.items() if node.runs]

    async def view(self, name: str) -> dict[str, Any] | None:
        """GET /cluster of one node; None: it does not answer."""
        answer = await self.clients[name].try_call("GET", "/cluster")
        return answer[1] if answer is not None and answer[0] == 200 else None

    async def leads(self, name: str) -> bool:
        answer = await self.clients[name].try_call("GET", "/primary")
        return answer is not None and answer[0] == 200

    async def primary(self, *, among: list[str] | None = None) -> str:
        """The node that says that it leads; there is one alone."""
        names = self.running if among is None else among
        leading: list[str] = []

        async def found() -> bool:
            leading[:] = [name for name in names if await self.leads(name)]
            return len(leading) == 1

        await self.until(found, f"one of {names} leads")
        return leading[0]

    async def settle(self, names: list[str] | None = None) -> None:
        """Wait until these nodes (all that run) follow one primary among them, and have applied all it has."""
        wanted = set(self.running if names is None else names)

        async def settled() -> bool:
            views = [await self.view(name) for name in wanted]
            found = [view for view in views if view is not None]
            if len(found) < len(wanted) or {view["primary"] for view in found} - wanted:
                return False
            own = [next(each for each in view["members"] if each["name"] == view["node"]) for view in found]
            same = {(view["primary"], each["epoch"], each["appliedSeq"]) for view, each in zip(found, own, strict=True)}
            states = sorted(each["state"] for each in own)
            if len(same) > 1 or states != ["following"] * (len(wanted) - 1) + ["serving"]:
                return False
            leader = next(view for view in found if view["node"] == view["primary"])
            here = {each["name"] for each in leader["members"] if each["state"] in ("following", "serving")}
            return wanted <= here and leader["syncStandbysMet"] >= leader["syncStandbys"]

        await self.until(settled, f"{sorted(wanted)} are one cluster")

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 15) -> None:
        given_up_at = time.monotonic() + seconds
        while not await condition():
            if time.monotonic() > given_up_at:
                views = {name: await self.view(name) for name in self.running}
                raise AssertionError(f"not within {seconds} s: {what}\n{json.dumps(views, indent=1)}\n{self.told()}")
            await asyncio.sleep(LOOKED_AT_SECONDS)

    async def until_line(self, node: Node, text: str) -> None:
        async def said() -> bool:
            return node.said(text)

        await self.until(said, f"{node.name} says {text!r}, and says {node.lines}")

    def told(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {name}\n" + "\n".join(node.lines[-LINES_SHOWN:]) for name, node in self.nodes.items())

    # --- operators

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.nodes[name].port}"

    def other_than(self, name: str) -> str:
        return next(other for other in self.running if other != name)

    async def sync_standbys(self, name: str, count: int) -> Ended:
        return await command("sync-standbys", str(count), "--node", self.url(name), "--format", "json")

    async def order(self, name: str, order: str, *flags: str) -> Ended:
        """`onsale failover|switchover` at this node."""
        return await command(order, "--node", self.url(name), "--yes", "--format", "json", *flags)
