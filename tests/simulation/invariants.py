"""What must be true whatever happens, held against what every node does, as it does it.

Owns the one history: which batch was committed at which seq, first heard from whoever said so first. Everything is
compared with it: what nodes have, lead with, apply and answer. It looks into the nodes, and never changes them.
"""

from bisect import bisect_right

from onsale.engine import facts as f
from onsale.engine import replies
from onsale.engine.audit.auditor import Auditor
from onsale.engine.invariants import check
from onsale.engine.state import State, state_hash
from onsale.journal.batch import Position, unseal

HASHED_EVERY = 8  # of the states at every so many-th seq


class Violation(AssertionError):
    """A promise of the product was broken."""


def demand(truth: object, sentence: str) -> None:
    if not truth:
        raise Violation(sentence)


class Chain:
    """Where each batch of one journal ends, and its hash: what is on the disk of one node."""

    def __init__(self, before: Position) -> None:
        """`before`: where the journal begins, the end of the batch before its first one."""
        self.positions = [before]
        self.seqs = [before.seq]
        self.hashes = [before.hash]

    def add(self, position: Position) -> None:
        demand(position.seq > self.seqs[-1], f"seq {position.seq} was written behind seq {self.seqs[-1]}")
        self.positions.append(position)
        self.seqs.append(position.seq)
        self.hashes.append(position.hash)

    def end_at(self, seq: int) -> int:
        """The index of the last batch that ends at `seq` or before."""
        index = bisect_right(self.seqs, seq) - 1
        demand(index >= 0, f"seq {seq} is before the beginning of a journal that begins behind seq {self.seqs[0]}")
        return index

    def position_at(self, seq: int) -> Position | None:
        """Of the batch that ends at `seq`."""
        index = bisect_right(self.seqs, seq) - 1
        return self.positions[index] if index >= 0 and self.seqs[index] == seq else None

    @property
    def last_seq(self) -> int:
        return self.seqs[-1]


class Ledger:
    """The history all nodes must agree on, and what was answered from it."""

    def __init__(self, journal_id: bytes, *, loss_accepted: bool) -> None:
        self.committed = Chain(Position(0, journal_id, 0, 0))
        self.batches: dict[bytes, bytes] = {}  # everything that was ever on a disk, by hash
        self.answers: dict[bytes, replies.Reply] = {}  # by idempotency key: the latest one given
        self._loss_accepted = loss_accepted
        self._states: dict[int, str] = {}  # hash of the state at a seq
        self._checked: dict[str, int] = {}  # by node: the committed seq that was held against the history
        self._answering: dict[int, str] = {}  # by epoch: who answered in it
        self._committing: dict[int, str] = {}  # by epoch: who led when batches of it were committed

    @property
    def epochs(self) -> int:
        """How many there were."""
        return len(self._committing)

    # --- what nodes say and do

    def started(self, name: str) -> None:
        """A process begins from what is on its disk."""
        self._checked[name] = 0

    def committed_by(self, name: str, seq: int, chain: Chain) -> None:
        """A node says that everything up to `seq` is committed; `chain` is what it has."""
        index, history = chain.end_at(seq), self.committed
        end = chain.seqs[index]
        if self._loss_accepted or end <= self._checked.get(name, 0):
            return
        self._checked[name] = end
        if end <= history.last_seq:
            found = history.end_at(end)
            same = history.seqs[found] == end and history.hashes[found] == chain.hashes[index]
            demand(same, f"{name} has another history than was committed: they differ at or before seq {end}")
            return
        known = chain.end_at(history.last_seq)
        same = chain.seqs[known] == history.last_seq and chain.hashes[known] == history.hashes[-1]
        demand(same, f"{name} commits up to seq {end} without the batch committed at seq {history.last_seq}")
        for position in range(known + 1, index + 1):
            history.add(chain.positions[position])

    def commits(self, name: str, epoch: int) -> None:
        """A leader has a batch of its epoch on enough disks.

        Two may lead in one epoch, where one promise is enough to lead; but then neither can commit anything in it.
        """
        who = self._committing.setdefault(epoch, name)
        demand(who == name or self._loss_accepted, f"{name} commits in epoch {epoch}, and so did {who}")

    def leads(self, name: str, epoch: int, chain: Chain) -> None:
        """A node begins to lead with what it has.

        One that was paused meanwhile may believe so long after others went on in a later epoch. It commits nothing.
        """
        if self._loss_accepted or epoch < max(self._committing, default=0):
            return
        history = self.committed
        index = chain.end_at(history.last_seq)
        demand(
            chain.seqs[index] == history.last_seq and chain.hashes[index] == history.hashes[-1],
            f"{name} leads in epoch {epoch} without the batch that was committed at seq {history.last_seq}",
        )

    def cuts(self, name: str, seq: int, chain: Chain) -> None:
        """A node cuts off what is behind `seq`."""
        if self._loss_accepted:
            return
        history = self.committed
        index = chain.end_at(seq) + 1
        if index < len(chain.seqs):
            end = chain.seqs[index]
            found = history.end_at(end)
            same = history.seqs[found] == end and history.hashes[found] == chain.hashes[index]
            demand(not same, f"{name} cuts off what is behind seq {seq}, and the batch up to seq {end} is committed")

    def applied(self, name: str, state: State) -> None:
        """A node's state holds exactly what is committed, and ends with a batch."""
        if state.seq % HASHED_EVERY == 0 or state.seq == self.committed.last_seq:
            self.compare_state(name, state)

    def compare_state(self, name: str, state: State) -> None:
        if self._loss_accepted:
            return
        known = self._states.setdefault(state.seq, found := state_hash(state))
        demand(known == found, f"{name} has another state at seq {state.seq} than others had")

    def answered(self, name: str, epoch: int, digest: bytes, reply: replies.Reply) -> None:
        """The answer leaves the node: whatever happens now, it must stay true."""
        if self._loss_accepted:
            return
        who = self._answering.setdefault(epoch, name)
        demand(who == name, f"{name} answers in epoch {epoch}, and so did {who}")
        last_seq = self.committed.last_seq
        demand(reply.seq <= last_seq, f"{name} answers seq {reply.seq}, and what is committed ends at seq {last_seq}")
        before = self.answers.get(digest)
        settled = isinstance(before, replies.PaymentUnderway | replies.RefundReply)
        demand(before is None or settled or before == reply, f"{name} answers {reply} where {before} was answered")
        self.answers[digest] = reply

    # --- the end

    def audit(self, state: State) -> None:
        """The history everybody ended with: nothing answered is missing, nothing was done twice, the books add up."""
        auditor = Auditor()
        end = self.committed.end_at(state.seq) + 1
        batches = [unseal(self.batches[digest])[1] for digest in self.committed.hashes[1:end]]
        kept: dict[bytes, list[replies.Reply]] = {}
        for batch in batches:
            facts = f.decode(batch.payload)
            auditor.audit(batch.first_seq, batch.at_ms, facts, epoch=batch.epoch)
            for fact in facts:
                if isinstance(fact, f.Keyed):
                    kept.setdefault(fact.digest, []).append(replies.decode(fact.reply))
        demand(not auditor.faults, f"the audit finds: {auditor.faults}")
        for digest, given in kept.items():
            settled = all(isinstance(reply, replies.PaymentUnderway | replies.RefundReply) for reply in given[:-1])
            demand(settled, f"key {digest.hex()} was applied {len(given)} times: {given}")
        for digest, reply in self.answers.items():
            demand(reply in kept.get(digest, ()), f"what was answered is not there: {reply}, found {kept.get(digest)}")
        differences = auditor.differences(state)
        demand(not differences, f"the state says otherwise than the journal: {differences}")
        try:
            check(state)
        except AssertionError as error:
            raise Violation(f"the state breaks an invariant: {error}") from error
