"""What nodes say to each other: every frame, and its number on the wire. framing.py has the bytes.

A frame goes as a msgpack array of its fields, in their order; BatchSent and SnapshotPart go as they are. A later
version may add fields with defaults at the end of a frame; anything else is another PROTOCOL. Positions are seqs of
facts; an address is "host:port", empty where there is none. Bounds of text and numbers are checked where a frame
arrives, so a node must not send what breaks them.
"""

from typing import Annotated, Final, get_args

import msgspec
from msgspec import Meta

from ..engine.facts import FACTS_VERSION
from ..journal.batch import SEQ_MAX, EpochStart

PROTOCOL: Final = 1
FACTS: Final = FACTS_VERSION  # which a node knows, and writes when it leads
NAME_CHARACTERS_MAX: Final = 128


Count = Annotated[int, Meta(ge=0, le=SEQ_MAX)]
Name = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
Address = Annotated[str, Meta(max_length=300)]
Url = Annotated[str, Meta(max_length=2000)]
Digest = Annotated[bytes, Meta(max_length=64)]
Identifier = Annotated[bytes, Meta(max_length=64)]


class Part(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of all frames, and of what is inside them."""


class Introduction(Part, frozen=True):
    """Who speaks. Empty: `journal_id` of a node that has no journal yet, addresses where it can't be reached.

    `asks_nobody`: its HTTP API has no authentication. `facts_version`: it knows no later facts.
    """

    protocol: Count
    node_id: Identifier
    journal_id: Identifier
    name: Name
    voting: bool
    replication: Address
    http: Url
    asks_nobody: bool = False
    facts_version: Count = 1  # of a node that does not say so


class Voter(Part, frozen=True):
    """A member that counts: the primary and the standbys."""

    name: Name
    replication: Address


class MemberReport(Part, frozen=True):
    """How a member is doing, as of `age_ms` ago."""

    name: Name
    voting: bool
    role: Name
    state: Name
    epoch: Count
    received_seq: Count
    applied_seq: Count
    committed_seq: Count
    lag_ms: Count
    replication: Address
    http: Url
    age_ms: Count
    lease: Name = ""  # whether it can ask for the right to lead: reached, unreached; empty where there is no lease


class NodeStatus(Part, frozen=True):
    """Where a node stands. `role`: primary, standby, replica or candidate; `leader`: whom it follows, or itself.

    `epoch` and `received_hash` are of the last batch in its journal; `voters` and `sync_standbys` as its journal says.
    """

    name: Name
    node_id: Identifier
    voting: bool
    role: Name
    journal_id: Identifier
    epoch: Count
    promised_epoch: Count
    promised_to: Name
    received_seq: Count
    received_hash: Digest
    committed_seq: Count
    applied_seq: Count
    leader: Name
    leader_epoch: Count
    sync_standbys: Count
    voters: list[Voter]


# --- the handshake (handshake.py), and keeping a connection alive


class Challenge(Part, frozen=True):
    """The accepting side's first frame."""

    protocol: Count
    nonce: Digest


class Proof(Part, frozen=True):
    """The dialing side's answer; `introduction` as the very bytes that `mac` covers."""

    nonce: Digest
    mac: Digest
    introduction: bytes


class Welcome(Part, frozen=True):
    mac: Digest
    introduction: bytes


class Refused(Part, frozen=True):
    """The last frame of a connection: why, for programs and for people, and who leads, if that helps."""

    reason_code: Name
    sentence: str
    epoch: Count = 0
    leader: Name = ""


class Ping(Part, frozen=True):
    """Nothing else was to be said for a while."""


# --- the stream, from the one who has the journal (the source) to the one who follows, and back


class Follow(Part, frozen=True):
    """Follower to source: where I stand. `blank`: I have nothing and take anything.

    `promised_epoch` was promised to the node `promised_to`, or to nobody.
    """

    seq: Count
    hash: Digest
    epoch: Count
    epochs: list[EpochStart]
    promised_epoch: Count
    voting: bool
    blank: bool
    promised_to: Identifier = b""


class Accepted(Part, frozen=True):
    """Source to follower: cut what is behind `common_seq`; what follows comes next."""

    epoch: Count
    leader: Name
    journal_id: Identifier
    common_seq: Count
    common_hash: Digest
    committed_seq: Count


class SnapshotBegins(Part, frozen=True):
    size_bytes: Count
    seq: Count


class SnapshotPart(Part, frozen=True):
    """Raw on the wire."""

    data: bytes


class SnapshotEnds(Part, frozen=True):
    digest: Digest


class BatchSent(Part, frozen=True):
    """Raw on the wire: a batch as journal/batch.py encodes it, not verified yet."""

    data: bytes


class Committed(Part, frozen=True):
    """On the leader's disk and on enough standbys; `at_ms` is the leader's time."""

    epoch: Count
    seq: Count
    at_ms: Count


class Acked(Part, frozen=True):
    """`received_seq`: synced on the follower's disk."""

    epoch: Count
    received_seq: Count
    applied_seq: Count


class CheckpointTaken(Part, frozen=True):
    seq: Count


class StateHashed(Part, frozen=True):
    seq: Count
    state_hash: Name


class Reports(Part, frozen=True):
    reports: list[MemberReport]


# --- questions, answered under the same id, and news


class AskStatus(Part, frozen=True):
    id: Count = 0


class Status(Part, frozen=True):
    id: Count
    status: NodeStatus


class AskPromise(Part, frozen=True):
    """The wish that it follow nobody of a lower epoch than this, and nobody else in it.

    `resumes`: of the one who led last, as far as it knows; refused where somebody leads.
    """

    id: Count
    epoch: Count
    candidate: Name
    candidate_replication: Address
    resumes: bool = False


class Promise(Part, frozen=True):
    id: Count
    granted: bool
    sentence: str
    status: NodeStatus


class AskLead(Part, frozen=True):
    """Lead in this epoch. `handed_over`: by the one who led before, who stopped at what you have.

    `sync_standbys`: how many standbys answers wait for from then on; None: as before.
    """

    id: Count
    epoch: Count
    accept_data_loss: bool
    handed_over: bool
    sync_standbys: Count | None = None


class Outcome(Part, frozen=True):
    id: Count
    done: bool
    sentences: list[str]
    epoch: Count


class Announce(Part, frozen=True):
    """Who leads now."""

    epoch: Count
    leader: Name
    replication: Address
    http: Url


Raw = SnapshotPart | BatchSent
Question = AskStatus | AskPromise | AskLead
Reply = Status | Promise | Outcome
Frame = (
    Challenge
    | Proof
    | Welcome
    | Refused
    | Ping
    | Follow
    | Accepted
    | SnapshotBegins
    | SnapshotEnds
    | Committed
    | Acked
    | CheckpointTaken
    | StateHashed
    | Reports
    | Announce
    | Raw
    | Question
    | Reply
)

TYPES: Final[dict[int, type[Frame]]] = {
    1: Challenge,
    2: Proof,
    3: Welcome,
    4: Refused,
    5: Ping,
    10: Follow,
    11: Accepted,
    12: SnapshotBegins,
    13: SnapshotPart,
    14: SnapshotEnds,
    15: BatchSent,
    16: Committed,
    17: Acked,
    18: CheckpointTaken,
    19: StateHashed,
    20: Reports,
    30: AskStatus,
    31: Status,
    32: AskPromise,
    33: Promise,
    34: AskLead,
    35: Outcome,
    36: Announce,
}
RAW: Final = get_args(Raw)
