"""A node that goes away without a broken request: those who come are sent elsewhere first, then it stops.

Owns that time. Balancers hear from /readyz, /replica and /primary that nobody is to be sent here, live streams end so
that their clients come back elsewhere, and everything else is answered as before. Promises to end within the seconds it
was given, and sooner where nobody is connected any more. What stopping does is in node.py.
"""

import asyncio

from ..http.connection.server import HotServer
from .node import Node

QUIET_SECONDS = 1.0  # nobody was connected for so long: whoever checks this node does it more often, and has been told
LOOKED_AT_SECONDS = 0.1


class DrainingNode(Node):
    async def drain(self, seconds: float) -> bool:
        """Returns when nobody is connected any more (True), or after so many seconds."""
        self._api.draining = True
        if self.instance is not None:
            self.instance.feed.close()
        server: HotServer = self._runner.server
        ends_at = self._loop.time() + seconds
        seen, quiet_since = server.accepted, self._loop.time()
        while self._loop.time() < ends_at:
            await asyncio.sleep(LOOKED_AT_SECONDS)
            if server.accepted != seen or server.connections:
                seen, quiet_since = server.accepted, self._loop.time()
            elif self._loop.time() - quiet_since >= QUIET_SECONDS:
                return True
        return False
