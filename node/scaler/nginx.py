"""nginx in front: the file that names the nodes which answer reads, and the command that has nginx read it.

Owns that file, whole: the nodes that are always there, and the replicas. It is never empty, as nginx refuses that, and
never half written. A reload breaks no request: nginx' old workers answer what they have taken, and then close their
connections, which is when a node that drains sees that nobody is left.
"""

import asyncio
from collections.abc import Sequence

from .hooks import run_command
from .ports import CannotDo, Place
from .rules import NginxBalancer
from .state_file import replace_file

HEAD = "# Written by onsale scaler, which replaces it whole: what is always there stands in its rules.\n"


class Nginx:
    def __init__(self, balancer: NginxBalancer) -> None:
        self._balancer = balancer
        self._reloaded = False  # in this life: whether nginx has read what the last one wrote is not known

    async def keep(self, places: Sequence[Place]) -> None:
        wanted = self.content(places)
        try:
            before = await asyncio.to_thread(self._read)
            if before == wanted and self._reloaded:
                return
            if before != wanted:
                await asyncio.to_thread(replace_file, self._balancer.file, wanted)
            await self._reload(before)
        except OSError as error:
            raise CannotDo(f"{self._balancer.file} can't be written: {error.strerror}.") from error
        self._reloaded = True

    async def _reload(self, before: bytes | None) -> None:
        """Where nginx can't take it, what it has taken before is put back, lest its next start fail."""
        try:
            await run_command(self._balancer.reload, self._balancer.timeout_seconds)
        except CannotDo:
            self._reloaded = False
            if before is not None:
                await asyncio.to_thread(replace_file, self._balancer.file, before)
            raise

    def content(self, places: Sequence[Place]) -> bytes:
        options = f" {self._balancer.options}" if self._balancer.options else ""
        addresses = [*self._balancer.always, *(place.replica.address for place in places if place.replica.address)]
        return (HEAD + "".join(f"server {each}{options};\n" for each in dict.fromkeys(addresses))).encode()

    def _read(self) -> bytes | None:
        try:
            return self._balancer.file.read_bytes()
        except FileNotFoundError:
            return None

    async def leave(self, place: Place) -> None:
        """What is under way is seen to its end by the node itself, which drains before it stops."""

    async def release(self, place: Place) -> None: ...
