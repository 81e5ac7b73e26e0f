"""What an audit asks of the cluster's facts: epochs that rise, members that are known, one ticket key for ever.

Owns what these facts mean in the auditor's books, written from the public promises and sharing no code with `apply`.
"""

from .. import facts as f
from ..limits import SYNC_STANDBYS_MAX, TICKET_KEY_BYTES
from ..state import State
from .books import Books, Node


def begin_batch(books: Books, first_seq: int, epoch: int | None, *, begins_epoch: bool) -> None:
    """`epoch`: what the batch says of itself, None when that is not known; `begins_epoch`: its first fact does so."""
    books.batch_first_seq, books.batch_epoch = first_seq, epoch
    if epoch is not None and books.epoch and not begins_epoch and epoch != books.epoch:
        books.fault(f"the batch is of epoch {epoch}, and epoch {books.epoch} goes on")


def epoch_begun(books: Books, fact: f.EpochBegun) -> None:
    if fact.epoch <= books.epoch:
        books.fault(f"epoch {fact.epoch} began after epoch {books.epoch}")
    if books.batch_epoch is not None:
        if fact.epoch != books.batch_epoch:
            books.fault(f"epoch {fact.epoch} began in a batch of epoch {books.batch_epoch}")
        elif books.seq != books.batch_first_seq:
            books.fault(f"epoch {fact.epoch} began in the middle of a batch")
    books.epoch = fact.epoch
    books.epochs[fact.epoch] = (books.seq, fact.leader)


def member_saved(books: Books, fact: f.MemberSaved) -> None:
    books.nodes[fact.name] = Node(fact.node_id, fact.voting, fact.replication, fact.http)


def member_removed(books: Books, fact: f.MemberRemoved) -> None:
    del books.nodes[fact.name]
    if books.epochs and books.epochs[books.epoch][1] == fact.name:
        books.fault(f"{fact.name} was removed while it led")


def sync_standbys_set(books: Books, fact: f.SyncStandbysSet) -> None:
    if not 0 <= fact.count <= SYNC_STANDBYS_MAX:
        books.fault(f"{fact.count} standbys are to be waited for")
    books.sync_standbys = fact.count


def ticket_key_saved(books: Books, fact: f.TicketKeySaved) -> None:
    if books.has_ticket_key:
        books.fault("the ticket key was replaced, so the codes printed before are not known any more")
    if len(fact.key) != TICKET_KEY_BYTES:
        books.fault(f"the ticket key has {len(fact.key)} bytes, not {TICKET_KEY_BYTES}")
    books.has_ticket_key = True


def open_cluster(books: Books, state: State) -> None:
    """Take what a checkpoint knows as it stands."""
    for epoch in state.epochs.rows.values():
        books.epochs[epoch.epoch] = (epoch.first_seq, epoch.leader)
        books.epoch = epoch.epoch
    for member in state.members.rows.values():
        books.nodes[member.name] = Node(member.node_id, member.voting, member.replication, member.http)
    books.sync_standbys = state.sync_standbys
    books.has_ticket_key = bool(state.ticket_key)


def differences(books: Books, state: State) -> list[str]:
    """Where the engine says otherwise of the cluster."""
    found = []
    for row in state.epochs.rows.values():  # it keeps the last ones only
        known = books.epochs.get(row.epoch)
        if known != (row.first_seq, row.leader):
            found.append(f"the engine says that epoch {row.epoch} of {row.leader} began at seq {row.first_seq}")
    if state.epoch != books.epoch:
        found.append(f"epoch {books.epoch} is the last one, and the engine says epoch {state.epoch}")
    rows = {name: Node(row.node_id, row.voting, row.replication, row.http) for name, row in state.members.rows.items()}
    if rows != books.nodes:
        names = sorted(name for name in rows.keys() | books.nodes.keys() if rows.get(name) != books.nodes.get(name))
        found.append(f"the engine says otherwise of the members {', '.join(names)}")
    if state.sync_standbys != books.sync_standbys:
        found.append(f"{books.sync_standbys} standbys are waited for, and the engine says {state.sync_standbys}")
    if bool(state.ticket_key) != books.has_ticket_key:
        found.append("the engine and the audit do not agree on whether there is a ticket key")
    return found
