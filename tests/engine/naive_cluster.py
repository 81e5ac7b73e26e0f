"""The naive model's idea of the cluster: who led, who takes part, how many must have a write, the ticket key."""

from onsale.engine import commands as c
from onsale.tests.engine.naive_base import DONE, NOTHING, Answer, Base, Row, no


class Cluster(Base):
    def __init__(self, promotions_max: int = 1000) -> None:
        super().__init__(promotions_max)
        self.epochs: list[tuple[int, str]] = []
        self.members: dict[str, Row] = {}
        self.sync_standbys = 0
        self.ticket_key = b""

    def on_begin_epoch(self, asked: c.BeginEpoch) -> Answer:
        if any(epoch >= asked.epoch for epoch, _ in self.epochs) or asked.epoch < 1:
            return no("wrong_status")
        self.epochs.append((asked.epoch, asked.leader))
        return DONE

    def on_save_member(self, asked: c.SaveMember) -> Answer:
        row = {
            "node_id": asked.node_id,
            "voting": asked.voting,
            "replication": asked.replication,
            "http": asked.http,
        }
        if self.members.get(asked.name) == row:
            return NOTHING
        self.members[asked.name] = row
        return DONE

    def on_remove_member(self, asked: c.RemoveMember) -> Answer:
        if asked.name not in self.members:
            return no("not_found")
        if self.epochs and asked.name == self.epochs[-1][1]:
            return no("wrong_status")
        del self.members[asked.name]
        return DONE

    def on_set_sync_standbys(self, asked: c.SetSyncStandbys) -> Answer:
        if asked.count < 0 or asked.count > 16:
            return no("invalid_field")
        if asked.count == self.sync_standbys:
            return NOTHING
        self.sync_standbys = asked.count
        return DONE

    def on_save_ticket_key(self, asked: c.SaveTicketKey) -> Answer:
        if len(asked.key) != 32:
            return no("invalid_field")
        if asked.key == self.ticket_key:
            return NOTHING
        if self.ticket_key:
            return no("wrong_status")
        self.ticket_key = asked.key
        return DONE
