"""Where the other members are reached: as the journal says, or as they have said themselves since.

Owns what was said. Only who leads can write a new address down, and where all nodes were started again elsewhere nobody
may lead before he has asked the others: so those whom a node talks to remember where it is.
"""

from ...replicas.frames import Introduction, Voter
from .links import Links
from .own_copy import OwnCopy


class Addresses:
    def __init__(self, copy: OwnCopy, links: Links) -> None:
        self._copy = copy
        links.on_heard = self._heard
        self._moved: dict[bytes, tuple[str, str]] = {}  # by node id: what the journal said then, and what the node said

    def _heard(self, peer: Introduction) -> None:
        """A node has proved that it belongs here. One that does not vote is asked nothing, and not remembered."""
        rules = self._copy.rules()
        if not peer.replication or rules.node_ids.get(peer.name) != peer.node_id:
            return
        recorded = rules.voters[peer.name]
        if peer.replication == recorded:
            self._moved.pop(peer.node_id, None)
        else:
            self._moved[peer.node_id] = recorded, peer.replication

    def of(self, node_id: bytes, recorded: str) -> str:
        """`recorded`: what the journal says. If that is not what it said when the node spoke, it knows better."""
        instead_of, said = self._moved.get(node_id, (recorded, recorded))
        return said if instead_of == recorded else recorded

    def voters(self) -> list[Voter]:
        """Who votes, by name."""
        rules = self._copy.rules()
        return [Voter(name, self.of(rules.node_ids[name], recorded)) for name, recorded in sorted(rules.voters.items())]
