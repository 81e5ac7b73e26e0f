"""What a node says of itself when it is scraped.

Owns `Reading`, which whoever knows fills in. What has a default may be left out by a node that does not know it; what
is None is not exported at all.
"""

from collections.abc import Mapping, Sequence

import msgspec


class MemberReading(msgspec.Struct, frozen=True):
    """What is known of another member."""

    name: str
    role: str  # one of ROLES
    lag_ms: int
    lag_facts: int  # behind what is durable


class Stock(msgspec.Struct, frozen=True):
    """Tickets of one event."""

    event: str  # its id
    available: int
    held: int
    sold: int
    waiting: int  # bookings in line


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """As things are at this moment."""

    role: str  # one of ROLES
    epoch: int
    seq: int  # of the last fact applied
    durable_seq: int
    checkpoint_seq: int
    bookings: Mapping[str, int]  # by status, as far as they are in memory
    waiting: int  # bookings in line
    held: int  # bookings on hold, or being paid for
    events: int
    version: str = ""  # of the product
    takes_writes: bool = False  # commands are decided and answered here
    replies_waiting: int = 0  # decided, and not answered yet
    unsafe_seconds: float = 0.0  # since when the oldest facts wait to be durable
    sync_standbys: int = 0  # how many standbys answers wait for
    sync_standbys_met: int = 0  # how many there are in step
    lag_ms: int = 0  # how old what this node shows may be
    members: Sequence[MemberReading] = ()
    owed: Mapping[str, int] = msgspec.field(default_factory=dict)  # to the outside, by kind: OWED_KINDS
    given_up: Mapping[str, int] = msgspec.field(default_factory=dict)  # of these, what a person must look at
    failing_seconds: Mapping[str, float] = msgspec.field(default_factory=dict)  # by lane, since when nothing succeeds
    streams: int = 0  # of live updates
    queued: int = 0  # people in waiting rooms whose turn has not come
    inside: int = 0  # people whose turn it is
    stock: Sequence[Stock] = ()  # of a bounded number of events
    disk_free_bytes: int | None = None  # where the data folder is
    disk_size_bytes: int | None = None
    lease_valid_seconds: float | None = None  # of a node that may lead by lease; 0: it has none
    etcd_reachable: bool | None = None
    takeover_paused: bool = False
