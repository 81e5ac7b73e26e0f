"""What holds of epochs, members and secrets; and of any table's own bookkeeping."""

from itertools import pairwise

import msgspec

from ..limits import EPOCHS_KEPT, MEMBERS_MAX, SYNC_STANDBYS_MAX, TICKET_KEY_BYTES
from ..state import TICKET_KEY, State
from ..table import HASH_MODULUS, Table, digest


def check_cluster(state: State) -> None:
    epochs = list(state.epochs.rows.values())
    assert [row.epoch for row in epochs] == list(state.epochs.rows), "an epoch stands under another's number"
    assert len(epochs) <= EPOCHS_KEPT, f"{len(epochs)} epochs are kept"
    for epoch, following in pairwise(epochs):
        for name in ("epoch", "first_seq", "at_ms"):
            first, second = getattr(epoch, name), getattr(following, name)
            rises = first <= second if name == "at_ms" else first < second
            assert rises, f"the {name} of epochs falls from {first} to {second}"
    if epochs:
        assert epochs[0].epoch > 0, "there is no epoch 0"
        assert epochs[-1].first_seq <= state.seq, f"epoch {epochs[-1].epoch} is to begin yet"
        assert (state.epoch, state.leader) == (epochs[-1].epoch, epochs[-1].leader), "the last epoch says who leads"
    assert len(state.members) <= MEMBERS_MAX, f"there are {len(state.members)} members"
    for name, member in state.members.rows.items():
        assert member.name == name, f"member {name} stands under another's name"
        assert 0 < member.since_seq <= state.seq, (
            f"member {name} is so since seq {member.since_seq}, now is {state.seq}"
        )
    assert 0 <= state.sync_standbys <= SYNC_STANDBYS_MAX, f"{state.sync_standbys} standbys are waited for"
    for name, secret in state.secrets.rows.items():
        assert secret.name == name == TICKET_KEY, f"there is an unknown secret {name}"
        assert len(secret.value) == TICKET_KEY_BYTES, "the ticket key is of another length"


def check_table(name: str, table: Table) -> None:  # type: ignore[type-arg]  # of any rows
    encode = msgspec.msgpack.encode
    for key, row in table.changed.items():
        assert table.rows.get(key) is row, f"{name}: {key} counts as changed, and is not there"
    gone = table.archived.keys() & table.rows.keys()
    assert not gone, f"{name}: {gone} are archived, and still there"
    total = sum(digest(table.name, encode(row)) for row in table.rows.values()) % HASH_MODULUS
    assert table.hash() == total, f"{name}: the hash does not follow from the rows"
