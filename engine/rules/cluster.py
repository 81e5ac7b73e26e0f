"""Who leads, who takes part, how many must have a write, and the secret they share.

Owns what is refused of it by the state alone. Whether a node may lead, or is fit to vote, was settled between the nodes
before such a command is submitted.
"""

from ..codes import Code
from ..commands import BeginEpoch, RemoveMember, SaveMember, SaveTicketKey, SetSyncStandbys
from ..facts import FACTS_VERSION, EpochBegun, Fact, MemberRemoved, MemberSaved, SyncStandbysSet, TicketKeySaved
from ..limits import MEMBERS_MAX, SYNC_STANDBYS_MAX, TICKET_KEY_BYTES
from ..replies import Done
from ..state import State
from .shared import Decision, refuse


def begin_epoch(state: State, _now_ms: int, command: BeginEpoch) -> Decision:
    if command.epoch <= state.epoch:
        detail = f"Epoch {command.epoch} can't begin: epoch {state.epoch} has begun, and {state.leader} leads in it."
        return refuse(state, Code.WRONG_STATUS, detail)
    return _done(state, EpochBegun(command.epoch, command.leader, FACTS_VERSION))


def save_member(state: State, _now_ms: int, command: SaveMember) -> Decision:
    known = state.members.rows.get(command.name)
    if known is None and len(state.members) >= MEMBERS_MAX:
        detail = f"There are {MEMBERS_MAX} members, which is the limit; remove one that is gone for good."
        return refuse(state, Code.OVERLOADED, detail, retryAfterSeconds=30)
    saved = MemberSaved(command.name, command.node_id, command.voting, command.replication, command.http)
    if known is not None and saved == MemberSaved(
        known.name, known.node_id, known.voting, known.replication, known.http
    ):
        return [], Done(state.seq)
    return _done(state, saved)


def remove_member(state: State, _now_ms: int, command: RemoveMember) -> Decision:
    if command.name not in state.members.rows:
        return refuse(state, Code.NOT_FOUND, f'There is no member "{command.name}"; GET /cluster lists them.')
    if command.name == state.leader:
        detail = f"{command.name} is the primary; hand over to another node first, then remove it."
        return refuse(state, Code.WRONG_STATUS, detail)
    return _done(state, MemberRemoved(command.name))


def set_sync_standbys(state: State, _now_ms: int, command: SetSyncStandbys) -> Decision:
    if not 0 <= command.count <= SYNC_STANDBYS_MAX:
        detail = f"The number of synchronous standbys is 0 to {SYNC_STANDBYS_MAX}, not {command.count}."
        return refuse(state, Code.INVALID_FIELD, detail, field="syncStandbys")
    if command.count == state.sync_standbys:
        return [], Done(state.seq)
    return _done(state, SyncStandbysSet(command.count))


def save_ticket_key(state: State, _now_ms: int, command: SaveTicketKey) -> Decision:
    if len(command.key) != TICKET_KEY_BYTES:
        detail = f"A ticket key has {TICKET_KEY_BYTES} bytes, not {len(command.key)}."
        return refuse(state, Code.INVALID_FIELD, detail, field="key")
    if command.key == state.ticket_key:
        return [], Done(state.seq)
    if state.ticket_key:
        detail = "There is a ticket key. With another one the codes that are printed would not be known any more."
        return refuse(state, Code.WRONG_STATUS, detail)
    return _done(state, TicketKeySaved(command.key))


def _done(state: State, fact: Fact) -> Decision:
    return [fact], Done(state.seq + 1)
