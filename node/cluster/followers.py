"""Those who follow this node: admitted or not, fed, and heard.

Owns the senders, one for each follower's name. Promises that a follower is fed only what goes on where its journal and
this one are the same. Whether this node may be followed at all is its role's to say.
"""

import logging
from collections.abc import Callable

from ...replicas.frames import (
    Accepted,
    Acked,
    CheckpointTaken,
    Follow,
    Introduction,
    MemberReport,
    Refused,
    Reports,
    StateHashed,
)
from ...replicas.history import common_seq
from ...replicas.link import Link
from ...replicas.sender import Sender
from .own_copy import OwnCopy

log = logging.getLogger("onsale.replication")

NOT_LEADING = "not_leading"
HISTORY_GONE = "history_gone"
ANOTHER_TIME = "another_time"
NAME_TAKEN = "name_taken"
DIFFERS = "differs"
BEHIND = "behind"
OUTDATED = "outdated"


class Followers:
    def __init__(self, copy: OwnCopy, at_ms: Callable[[], int]) -> None:
        self.senders: dict[str, Sender] = {}
        self._links: dict[Link, Sender] = {}
        self._peers: dict[str, Introduction] = {}
        self._copy = copy
        self._at_ms = at_ms
        self._checkpoint_seq = 0

    def admit(self, link: Link, follow: Follow, epoch: int, leader: str, *, leads: bool) -> Sender | None:
        """A sender for it, begun where its journal and this one part; None: it was refused, and told why.

        Only a node that leads can tell a follower to cut something off: what another lacks may be committed.
        """
        peer = link.peer
        assert peer is not None
        copy, available = self._copy, self._copy.available
        common = common_seq(available.epochs, available.last_seq, follow.epochs, follow.seq)
        if common < follow.seq and not leads:
            sentence = f"This node has what {peer.name} has up to seq {common} only, and can't tell about the rest."
            self.refuse(link, BEHIND, sentence)
            return None
        digest = copy.hash_at(common)
        if common < copy.base.seq:
            sentence = (
                f"The journal of {peer.name} ends at seq {common} as far as it is the same as this one, and what comes "
                f"behind is no longer kept here: this one begins with seq {copy.base.seq + 1}."
            )
            self.refuse(link, HISTORY_GONE, sentence)
            return None
        if digest is None:
            sentence = f"No batch ends at seq {common} here, as one does at {peer.name}: one of the two is damaged."
            self.refuse(link, DIFFERS, sentence)
            return None
        self.drop(peer.name, "it connected anew")
        sender = Sender(link, available, name=peer.name, voting=follow.voting, after_seq=common, at_ms=self._at_ms)
        self.senders[peer.name] = self._links[link] = sender
        self._peers[peer.name] = peer
        link.send(
            Accepted(
                epoch, leader, copy.journal_id, common, digest, min(available.committed_seq, available.durable_seq)
            )
        )
        log.info("%s follows from seq %d on%s", peer.name, common, "" if follow.voting else ", without a vote")
        sender.pump()
        return sender

    def name_taken(self, peer: Introduction) -> str:
        """Why it may not follow under its name; or empty."""
        known = self._peers.get(peer.name)
        if known is None or known.node_id == peer.node_id:
            return ""
        return f"Another node of the name {peer.name} follows already: give one of them another --name."

    def refuse(self, link: Link, code: str, sentence: str, *, epoch: int = 0, leader: str = "") -> None:
        link.send(Refused(code, sentence, epoch, leader))
        link.close(sentence)

    def of(self, link: Link) -> Sender | None:
        return self._links.get(link)

    def acked(self, link: Link, frame: Acked) -> Sender | None:
        """Whose acknowledgement it is; one that can't be true closes the link."""
        sender = self._links.get(link)
        if sender is None:
            return None
        try:
            sender.acked(frame.received_seq, frame.applied_seq)
        except ValueError as error:
            link.close(str(error))
            return None
        return sender

    def drained(self, link: Link) -> None:
        sender = self._links.get(link)
        if sender is not None:
            sender.pump()

    def closed(self, link: Link, reason: str) -> Sender | None:
        sender = self._links.pop(link, None)
        if sender is None or self.senders.get(sender.name) is not sender:
            return None
        del self.senders[sender.name]
        del self._peers[sender.name]
        log.warning("%s follows no more: %s", sender.name, reason or "this node closed the connection")
        return sender

    def drop(self, name: str, reason: str) -> None:
        sender = self.senders.pop(name, None)
        self._peers.pop(name, None)
        if sender is not None:
            sender.close(reason)

    def drop_all(self, reason: str) -> None:
        for name in list(self.senders):
            self.drop(name, reason)

    # --- what all of them are told

    def pump(self) -> None:
        for sender in list(self.senders.values()):
            sender.pump()

    def heartbeat(self) -> None:
        for sender in list(self.senders.values()):
            sender.heartbeat()

    def report(self, reports: list[MemberReport]) -> None:
        for link in list(self._links):
            link.send(Reports(reports))

    def checkpoint_taken(self, seq: int) -> None:
        """A checkpoint is being taken of the state at `seq`: those who are just there can take theirs, too."""
        self._checkpoint_seq = seq
        for link, sender in list(self._links.items()):
            if sender.sent_seq == seq:
                link.send(CheckpointTaken(seq))

    def state_hashed(self, seq: int, state_hash: str) -> None:
        for link in list(self._links):
            link.send(StateHashed(seq, state_hash))

    # --- who they are

    def peer(self, name: str) -> Introduction:
        return self._peers[name]

    def introductions(self) -> list[tuple[Introduction, Sender]]:
        return [(self._peers[name], sender) for name, sender in self.senders.items()]
