"""Sample events for an empty node, as an organiser would make them.

Owns their making: they are there before anybody is answered, unless standbys keep them waiting.
"""

import asyncio
import logging
from typing import Final, Protocol

from ..engine.commands import Command
from ..engine.replies import Refusal, Reply
from .commands.sample import sample_events
from .gateway import NodeGateway
from .instance import until
from .waiting_gateway import WaitingGateway

FILLED_SECONDS: Final = 3.0  # they may have to wait for a standby
AGAIN_SECONDS: Final = 0.1

log = logging.getLogger("onsale.node")


class Filled(Protocol):
    @property
    def gateway(self) -> NodeGateway | WaitingGateway: ...


class Filling:
    def __init__(self, node: Filled, *, wanted: bool) -> None:
        self._wanted = wanted
        self._node = node
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        gateway = self._node.gateway
        if self._wanted and self._task is None and gateway.leads and not gateway.state.sales:
            self._task = asyncio.create_task(self._fill(gateway))
            await asyncio.wait({self._task}, timeout=FILLED_SECONDS)

    async def _fill(self, gateway: NodeGateway | WaitingGateway) -> None:
        for event in sample_events(gateway.now_ms()):
            while isinstance(reply := await self._submitted(event), Refusal):
                log.debug("sample events wait: %s", reply.detail)
                await asyncio.sleep(AGAIN_SECONDS)
        seq = gateway.state.seq
        await until(lambda: gateway.search_seq >= seq)

    async def _submitted(self, command: Command) -> Reply:
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._node.gateway.submit_hot(command, None, lambda reply, _replayed: answered.set_result(reply))
        return await answered

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
