"""Facts about the nodes, and what they share. Tags 60 to 64.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec


class EpochBegun(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=60):
    """`leader`, a member's name, decides from here on. The first fact of the epoch's first batch.

    `facts_version`: of all that is written in this epoch, see version.py.
    """

    epoch: int
    leader: str
    facts_version: int = 1


class MemberSaved(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=61):
    name: str
    node_id: bytes
    voting: bool
    replication: str
    http: str


class MemberRemoved(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=62):
    name: str


class SyncStandbysSet(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=63):
    count: int


class TicketKeySaved(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=64):
    """A secret: whatever shows facts must leave it out."""

    key: bytes

    def __repr__(self) -> str:
        return "TicketKeySaved(…)"
