"""HAProxy in front: the places that its configuration keeps for replicas, filled and emptied by its runtime socket.

Owns the conversation with that socket. A replica's place is drained until no session is left in it, then closed. What
HAProxy has forgotten (it was started again) is told to it again.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from ..options import parse_address
from .ports import CannotDo, Place
from .rules import HaproxyBalancer

LOOKED_AT_SECONDS = 0.2
SAID_CHARACTERS_MAX = 300
# 0x04, that the configuration says `disabled`, stays set whatever the server does now
_ADMIN_MAINTENANCE, _ADMIN_DRAIN = 0x01 | 0x02 | 0x20 | 0x40, 0x08 | 0x10
_GOOD = ("no need to change", "IP changed", "port changed")


class _Server(NamedTuple):
    address: str
    port: str
    admin: int

    @property
    def is_open(self) -> bool:
        return not self.admin & (_ADMIN_MAINTENANCE | _ADMIN_DRAIN)


class Haproxy:
    def __init__(self, balancer: HaproxyBalancer) -> None:
        self._balancer = balancer

    async def keep(self, places: Sequence[Place]) -> None:
        servers = await self._servers()
        kept = set()
        for place in places:
            if not place.replica.address:
                raise CannotDo(f"{place.replica.name} has no address to send requests to; have `list` print it.")
            host, port = parse_address(place.replica.address)
            name = f"{self._balancer.slots}{place.number}"
            kept.add(name)
            if name not in servers:
                raise CannotDo(
                    f"HAProxy has no place {name} in {self._balancer.backend}: raise the number of its "
                    "server-template, or lower `most`."
                )
            server = servers[name]
            if server.is_open and (server.address, server.port) == (host, str(port)):
                continue
            target = f"{self._balancer.backend}/{name}"
            await self._set(f"{target} addr {host} port {port}")
            await self._order(f"enable health {target}")
            await self._set(f"{target} state ready")
        for name, server in servers.items():
            if name not in kept and self._is_ours(name) and server.is_open:
                await self._set(f"{self._balancer.backend}/{name} state drain")

    async def leave(self, place: Place) -> None:
        name = f"{self._balancer.slots}{place.number}"
        given_up_at = asyncio.get_running_loop().time() + self._balancer.drain_seconds
        while await self._sessions(name) and asyncio.get_running_loop().time() < given_up_at:  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(LOOKED_AT_SECONDS)
        await self._set(f"{self._balancer.backend}/{name} state maint")

    async def release(self, place: Place) -> None:
        await self._set(f"{self._balancer.backend}/{self._balancer.slots}{place.number} state maint")

    def _is_ours(self, name: str) -> bool:
        return name.startswith(self._balancer.slots) and name.removeprefix(self._balancer.slots).isdigit()

    # --- what it says

    async def _servers(self) -> dict[str, _Server]:
        """By name, those of the backend."""
        text = await self._order(f"show servers state {self._balancer.backend}")
        lines = text.splitlines()
        names = next((line.lstrip("# ").split() for line in lines if line.startswith("# ")), [])
        servers = {}
        for line in lines:
            row = dict(zip(names, line.split(), strict=False))
            with suppress(KeyError, ValueError):  # what is no such row
                servers[row["srv_name"]] = _Server(row["srv_addr"], row["srv_port"], int(row["srv_admin_state"]))
        if not servers:
            said = " ".join(text.split())[:SAID_CHARACTERS_MAX] or "nothing"
            raise CannotDo(f"HAProxy says of the backend {self._balancer.backend}: {said}")
        return servers

    async def _sessions(self, name: str) -> int:
        """How many are under way at this server."""
        lines = (await self._order("show stat")).splitlines()
        names = lines[0].lstrip("# ").split(",") if lines else []
        for line in lines[1:]:
            row = dict(zip(names, line.split(","), strict=False))
            if row.get("pxname") == self._balancer.backend and row.get("svname") == name:
                return int(scur) if (scur := row.get("scur", "")).isdigit() else 0
        return 0

    async def _set(self, what: str) -> None:
        said = await self._order(f"set server {what}")
        if said.strip() and not said.strip().startswith(_GOOD):
            raise CannotDo(f"HAProxy refuses `set server {what}`: {said.strip()}")

    async def _order(self, line: str) -> str:
        path = self._balancer.socket
        try:
            async with asyncio.timeout(self._balancer.timeout_seconds):
                reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 22)
                try:
                    writer.write(line.encode() + b"\n")
                    return (await reader.read()).decode(errors="replace")
                finally:
                    writer.close()
        except TimeoutError:
            raise CannotDo(f"HAProxy did not answer at {path} in time.") from None
        except OSError as error:
            raise CannotDo(f"HAProxy can't be asked at {path}: {error.strerror or error}.") from error
