"""What the cluster says of itself. The leader submits these; nothing that a caller sends becomes one by itself.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec


class BeginEpoch(msgspec.Struct, gc=False, frozen=True):
    """From here on `leader` decides. Refused unless the epoch is higher than every one before."""

    epoch: int
    leader: str  # a member's name


class SaveMember(msgspec.Struct, gc=False, frozen=True):
    """A node that takes part, or what is new about it. Leads to no fact when nothing is."""

    name: str
    node_id: bytes
    voting: bool  # it counts: its promise in a takeover, its acknowledgement of a write
    replication: str  # host:port, "" when it takes no followers
    http: str  # url, "" when it serves none


class RemoveMember(msgspec.Struct, gc=False, frozen=True):
    name: str


class SetSyncStandbys(msgspec.Struct, gc=False, frozen=True):
    """How many standbys must have a write on disk before it is answered."""

    count: int


class SaveTicketKey(msgspec.Struct, gc=False, frozen=True):
    """The key that signs ticket codes, once and for ever: with another one the printed codes would not be known."""

    key: bytes

    def __repr__(self) -> str:
        return "SaveTicketKey(…)"
