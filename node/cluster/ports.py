"""What a cluster member is made with: who it is, the ports it works on, and what is around it.

Owns these shapes alone. Two worlds stand behind them: node/node.py with real disks and sockets, and the simulation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ...engine import facts as f
from ...journal.batch import Batch, Position
from ...journal.disk import Disk
from ...journal.divergence import CutPart
from ...journal.errors import JournalError
from ...replicas.lease import LeaseStore
from ...replicas.link import Link
from ...replicas.ports import Network, Scheduler
from ...replicas.sender import Background
from ..loop import CommandLoop, Meter
from .own_copy import MakeWriter


@dataclass(frozen=True)
class MemberSettings:
    """`sources`: addresses where to look for somebody to follow. `lead_if_new`: with no journal yet, begin one.

    `sync_standbys`: what the operator wants when this node begins to lead; None: as the journal says.
    """

    node_id: bytes
    name: str
    voting: bool
    lead_if_new: bool
    sources: tuple[str, ...]
    sync_standbys: int | None
    hold_ms: int
    secret: bytes
    asks_nobody: bool = False  # its HTTP API has no authentication


@dataclass(frozen=True)
class MemberPorts:
    """`clock(not_before_ms)` makes the engine's clock; `addresses()` says where this node is reached: host:port, url.

    `nonce` and `ticket_key` come from a source of chance. `lease`: who grants the right to lead beside the operator.
    """

    scheduler: Scheduler
    network: Network
    disk: Disk
    make_writer: MakeWriter
    background: Background
    clock: Callable[[int], Callable[[], int]]
    meter: Meter
    nonce: Callable[[], bytes]
    ticket_key: Callable[[], bytes]
    addresses: Callable[[], tuple[str, str]]
    lease: LeaseStore | None = None


class Surroundings(Protocol):
    """Whatever lives from the member's state. Called on the node's own thread."""

    def leads(self, loop: CommandLoop) -> None:
        """From now on commands are taken by this loop."""

    def pauses(self) -> None:
        """It is handing over: commands are for the next leader, once that is known. `leads` or `follows` comes next."""

    def follows(self) -> None:
        """No commands are taken here."""

    def committed(self, position: Position) -> None:
        """While it leads, just before the loop tells who waited."""

    def applied(self, batch: Batch, facts: list[f.Fact]) -> None:
        """While it follows: a committed batch is in the state and in the journal."""

    def checkpoint_taken(self, seq: int) -> None:
        """The leader takes a checkpoint of the state at `seq`."""

    def state_hashed(self, seq: int, state_hash: str) -> None:
        """What the leader's state at `seq` adds up to."""

    def newcomer(self, link: Link) -> None:
        """A node that has no copy asks for one: a snapshot, or `Accepted` where it can begin from the start."""

    def before_cut(self, seq: int) -> bool:
        """What is behind `seq` is about to be cut off the journal; nothing may hold on to it.

        Whether what is left is not enough to start from.
        """

    def cut(self, part: CutPart) -> None:
        """It is cut off, and kept."""

    def restart(self, reason: str) -> None:
        """The member has let go of everything: make a new one of what is in the folder."""

    def rebuild(self, reason: str) -> None:
        """As restart, but what is in the folder can't go on: another copy is needed from a source."""

    def damaged(self, sentence: str) -> None:
        """The copy here is not what it should be: the node must not go on."""

    def failed(self, error: JournalError) -> None:
        """The disk failed: nothing more may be answered or acknowledged."""
