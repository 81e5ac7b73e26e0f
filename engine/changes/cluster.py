"""What becomes of the cluster: who leads since when, who takes part, how many must have a write, the shared secret.

Owns the facts about nodes. None of them touches a booking.
"""

from .. import facts as f
from ..limits import EPOCHS_KEPT
from ..records import Epoch, Member, Secret
from ..state import TICKET_KEY, State


def epoch_begun(state: State, fact: f.EpochBegun) -> None:
    if fact.facts_version > f.FACTS_VERSION:
        raise f.NewerFactsError(fact.facts_version)
    assert fact.epoch > state.epoch, f"epoch {fact.epoch} begins after epoch {state.epoch}"
    epochs = state.epochs
    epochs.add(fact.epoch, Epoch(fact.epoch, state.seq, state.at_ms, fact.leader))
    if len(epochs) > EPOCHS_KEPT:
        epochs.drop(next(iter(epochs.rows)), archive=False)


def member_saved(state: State, fact: f.MemberSaved) -> None:
    member = state.members.rows.get(fact.name)
    if member is None:
        row = Member(fact.name, fact.node_id, fact.voting, fact.replication, fact.http, state.seq)
        state.members.add(fact.name, row)
        return
    state.members.touch(fact.name, member)
    if (member.node_id, member.voting) != (fact.node_id, fact.voting):
        member.since_seq = state.seq
    member.node_id, member.voting = fact.node_id, fact.voting
    member.replication, member.http = fact.replication, fact.http


def member_removed(state: State, fact: f.MemberRemoved) -> None:
    state.members.drop(fact.name, archive=False)


def sync_standbys_set(state: State, fact: f.SyncStandbysSet) -> None:
    assert fact.count >= 0
    state.sync_standbys = fact.count


def ticket_key_saved(state: State, fact: f.TicketKeySaved) -> None:
    assert not state.ticket_key, "with another key the codes that are printed would not be known any more"
    state.secrets.add(TICKET_KEY, Secret(TICKET_KEY, fact.key))
