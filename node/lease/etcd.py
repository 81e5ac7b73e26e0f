"""The lease in etcd: one key that is there while somebody has the right to lead.

Owns the keys and what they mean. Under the prefix:
- `leader`: who leads, bound to an etcd lease; etcd removes it when that runs out. Its mod_revision is the epoch.
- `journal`: the id of the only journal that may be led here, written by the first that leads.
- `paused`: there while nobody is to take over by himself.

Every question is answered by etcd's majority (linearizable), in one transaction. Promises that `done` comes within
`answer_seconds_max`, and that a lease this node was granted is revoked or forgotten, never renewed by accident.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import msgspec

from ...replicas.lease import Claim, Holder, Lost, OutOfReach, Refused, Seen, Taken
from ...replicas.ports import parse_address
from .client import NO_ETCD, EtcdClient, EtcdError, decoded, encoded

TRIES: Final = 3  # when somebody else changes the key in between

T = TypeVar("T")


class _Value(msgspec.Struct):
    """What the key `leader` holds."""

    name: str
    node_id: str
    replication: str


class _Found(msgspec.Struct):
    """The keys as they are. `revision`: of `leader`, 0 without one; `journal_revision` likewise."""

    holder: Holder | None
    revision: int
    lease_id: int  # that `leader` is bound to
    journal_id: str
    journal_revision: int
    paused: bool


class EtcdLease:
    """A `LeaseStore`."""

    def __init__(self, client: EtcdClient, prefix: str, ttl_seconds: float) -> None:
        """`ttl_seconds`: whole seconds; etcd itself asks for 2 at least with its default settings."""
        self.ttl_seconds = ttl_seconds
        self.answer_seconds_max = client.answer_seconds_max * 3
        self._client = client
        self._leader = f"{prefix}/leader"
        self._journal = f"{prefix}/journal"
        self._paused = f"{prefix}/paused"
        self._lease_id = 0
        self._node_id = b""
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: asyncio.Task[None] | None = None  # what changes the key goes one after the other

    async def close(self) -> None:
        """Once what is under way is through: a lease that is given up is given up at once."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self.answer_seconds_max)
        for task in self._tasks:
            task.cancel()
        await self._client.close()

    # --- the port

    def look(self, done: Callable[[Seen | OutOfReach], None]) -> None:
        async def look() -> Seen:
            found = await self._find()
            return Seen(found.holder, paused=found.paused)

        self._begin(self._told(look(), done))

    def take(self, claim: Claim, *, by_order: bool, done: Callable[[Taken | Refused | OutOfReach], None]) -> None:
        self._in_order(lambda: self._told(self._take(claim, by_order=by_order), done))

    def renew(self, done: Callable[[Taken | Lost | OutOfReach], None]) -> None:
        self._in_order(lambda: self._told(self._renew(), done))

    def release(self) -> None:
        async def release() -> None:
            lease_id, self._lease_id = self._lease_id, 0
            if lease_id:
                await self._client.call("/v3/lease/revoke", {"ID": str(lease_id)})

        self._in_order(lambda: self._told(release(), lambda _outcome: None))

    def set_paused(self, done: Callable[[OutOfReach | None], None], *, paused: bool) -> None:
        async def change() -> None:
            if paused:
                await self._client.call("/v3/kv/put", {"key": encoded(self._paused), "value": encoded("paused")})
            else:
                await self._client.call("/v3/kv/deleterange", {"key": encoded(self._paused)})

        self._begin(self._told(change(), done))

    # --- steps

    async def _find(self) -> _Found:
        keys = (self._leader, self._journal, self._paused)
        ranges = [{"requestRange": {"key": encoded(key)}} for key in keys]
        answer = await self._client.call("/v3/kv/txn", {"success": ranges})
        leader, journal, paused = (each["response_range"].get("kvs", []) for each in answer["responses"])
        holder, revision, lease_id = None, 0, 0
        if leader:
            revision, lease_id = int(leader[0]["mod_revision"]), int(leader[0].get("lease", 0))
            holder = self._holder(leader[0], revision, lease_id)
        return _Found(
            holder,
            revision,
            lease_id,
            ascii(decoded(journal[0]["value"]).decode(errors="replace")[:64])[1:-1] if journal else "",
            int(journal[0]["mod_revision"]) if journal else 0,
            bool(paused),
        )

    def _holder(self, key: dict[str, Any], revision: int, lease_id: int) -> Holder:
        """Raises EtcdError for what a person wrote there; it would stand there for ever."""
        try:
            value = msgspec.json.decode(decoded(key["value"]), type=_Value)
            parse_address(value.replication)
            if lease_id and value.name.isprintable():
                return Holder(value.name, bytes.fromhex(value.node_id), value.replication, revision)
        except (msgspec.MsgspecError, ValueError):
            pass
        raise EtcdError(
            f"the key {self._leader} in etcd holds what no Onsale node wrote: delete it, or choose another "
            "--etcd-prefix."
        )

    async def _take(self, claim: Claim, *, by_order: bool) -> Taken | Refused:
        journal_id = claim.journal_id.hex()
        for _ in range(TRIES):
            found = await self._find()
            if found.journal_id not in ("", journal_id):
                return Refused(
                    f"etcd knows of another journal ({found.journal_id}) under this prefix, and this node has "
                    f"{journal_id}: it is no copy of that cluster's. Start it as a standby with an empty folder "
                    "(`onsale standby --primary HOST:PORT`), or give another cluster another --etcd-prefix."
                )
            holder = found.holder
            if holder is not None and holder.node_id != claim.node_id and not by_order:
                return Refused(f"{holder.name} has the lease.", holder)
            revision = await self._put(claim, found)
            if revision:
                self._node_id = claim.node_id
                return Taken(revision, found.paused)
        return Refused("Another node was faster to take the lease.")

    async def _put(self, claim: Claim, found: _Found) -> int:
        """Write the key if nothing has changed since it was looked at; its revision, or 0."""
        await self._have_whole_lease()
        value = _Value(claim.name, claim.node_id.hex(), claim.replication)
        puts = [
            {
                "requestPut": {
                    "key": encoded(self._leader),
                    "value": encoded(msgspec.json.encode(value)),
                    "lease": str(self._lease_id),
                }
            }
        ]
        if not found.journal_id:
            put = {"key": encoded(self._journal), "value": encoded(claim.journal_id.hex())}
            puts.append({"requestPut": put})
        unchanged = [
            {"key": encoded(key), "target": "MOD", "result": "EQUAL", "modRevision": str(revision)}
            for key, revision in ((self._leader, found.revision), (self._journal, found.journal_revision))
        ]
        try:
            answer = await self._client.call("/v3/kv/txn", {"compare": unchanged, "success": puts})
        except EtcdError as error:
            if error.code == "not_found":
                self._lease_id = 0
                return 0
            raise
        return int(answer["header"]["revision"]) if answer.get("succeeded") else 0

    async def _have_whole_lease(self) -> None:
        """With all of its time before it: whoever asked counts from when it asked."""
        if not await self._keep_alive():
            granted = await self._client.call("/v3/lease/grant", {"TTL": str(math.ceil(self.ttl_seconds))})
            lease_id, seconds = int(granted["ID"]), int(granted["TTL"])
            if seconds < self.ttl_seconds:  # more is fine: etcd has a least of its own
                raise EtcdError(f"etcd grants {seconds} s where --lease-seconds asks for {self.ttl_seconds:g}.")
            self._lease_id = lease_id

    async def _keep_alive(self) -> bool:
        """False: there is none any more."""
        if self._lease_id:
            answer = await self._client.call("/v3/lease/keepalive", {"ID": str(self._lease_id)})
            if int(answer.get("result", {}).get("TTL", 0)) <= 0:
                self._lease_id = 0
        return bool(self._lease_id)

    async def _renew(self) -> Taken | Lost:
        if not await self._keep_alive():
            return Lost()
        found = await self._find()
        if found.holder is None or found.holder.node_id != self._node_id or found.lease_id != self._lease_id:
            return Lost()  # an operator gave it to another node, or etcd is a restored one and knows an older lease
        return Taken(found.revision, found.paused)

    # --- running them

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _in_order(self, work: Callable[[], Awaitable[None]]) -> None:
        before = self._last

        async def next_one() -> None:
            if before is not None and not before.done():
                await asyncio.wait((before,))
            await work()

        self._last = self._begin(next_one())

    async def _told(self, work: Awaitable[T], done: Callable[[T | OutOfReach], None]) -> None:
        try:
            async with asyncio.timeout(self.answer_seconds_max):
                outcome: T | OutOfReach = await work
        except EtcdError as error:
            outcome = OutOfReach(str(error))
        except TimeoutError:
            outcome = OutOfReach("etcd answers too slowly to be of use.")
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):  # its answer has another shape
            outcome = OutOfReach(f"no member of etcd can answer ({NO_ETCD}).")
        asyncio.get_running_loop().call_soon(done, outcome)
