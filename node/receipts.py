"""How the receipts of a node are wired: where they are kept, who has their past, and how the API sees them.

Owns the translation between replicas/receipts and http/gateway. Decides nothing.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from ..http.call import Answer, Call
from ..http.gateway import BehindError, FactProof, JournalHead, NotKeptError
from ..http.problems import RefusedError
from ..journal import receipt_check
from ..replicas.receipts.frames import Past
from ..replicas.receipts.keeper import Head, Proof
from ..replicas.receipts.receipts import Receipts, ReceiptsBehind, ReceiptsNotKept, ReceiptTooSmall
from ..replicas.receipts.tree_file import NAME
from .recovery import JOURNAL_FOLDER, Started

SCRIPT: Final = Path(receipt_check.__file__).read_bytes()
Forward = Callable[[Call], Awaitable[Answer | None]]


class _Head(msgspec.Struct, rename="camel"):
    """What is needed of another node's head."""

    journal_id: str
    seq: int
    batch_hash: str
    tree_size: int
    peaks: list[str]


def head_of(journal_id: str, head: Head, since: int | None, growth: list[bytes] | None) -> JournalHead:
    return JournalHead(
        journal_id, head.seq, head.epoch, head.at_ms, head.batch_hash, head.size, head.root, head.peaks, since,
        growth or [],
    )  # fmt: skip


def proof_of(journal_id: str, proof: Proof) -> FactProof:
    return FactProof(
        journal_id, proof.seq, proof.epoch, proof.at_ms, proof.batch_hash, receipt_check.fact_in_words(proof.fact),
        proof.salt, proof.fact, proof.fact_path, proof.first_seq, proof.count, proof.leaf_index, proof.path,
        proof.size, proof.root,
    )  # fmt: skip


class NodeReceipts:
    def __init__(self, started: Started, forward: Forward) -> None:
        """`forward`: the primary's answer to a call; None where this node leads."""
        data, journal_id, state = started.disk.root.parent, started.recovered.journal_id, started.state
        self._journal_id = journal_id.hex()
        self._forward = forward
        self._receipts = Receipts(
            data / JOURNAL_FOLDER, data / NAME, journal_id, lambda: state.ticket_key, self._past_from_primary
        )
        self.reached = self._receipts.reached
        self.close = self._receipts.close

    @property
    def process_id(self) -> int | None:
        return self._receipts.process_id

    async def head(self, least_seq: int, seq: int | None, since: int | None) -> JournalHead:
        """See Gateway.journal_head."""
        try:
            found = await self._receipts.head(least_seq, seq, since)
        except ReceiptsBehind as fault:
            raise BehindError(str(fault), fault.seq) from fault
        except ReceiptsNotKept as fault:
            raise NotKeptError(str(fault)) from fault
        except ReceiptTooSmall as fault:
            raise ValueError("the head is smaller") from fault
        return head_of(self._journal_id, found.head, since, found.growth)

    async def prove(self, seq: int, tree_size: int | None) -> FactProof:
        """See Gateway.prove_fact."""
        try:
            found = await self._receipts.prove(seq, tree_size)
        except ReceiptsBehind as fault:
            raise BehindError(str(fault), fault.seq) from fault
        except ReceiptsNotKept as fault:
            raise NotKeptError(str(fault)) from fault
        except ReceiptTooSmall as fault:
            raise ValueError("the tree ends before the booking") from fault
        return proof_of(self._journal_id, found.proof)

    async def _past_from_primary(self, seq: int) -> Past | None:
        """The tree that ends at `seq`. Whether it is of this history is checked by whoever takes it."""
        try:
            answer = await self._forward(Call("GET", "/journal/head", f"seq={seq}", {}, b""))
            if answer is None or answer.status != 200:
                return None
            head = msgspec.json.decode(answer.body, type=_Head)
            peaks = [bytes.fromhex(each) for each in head.peaks]
            batch_hash = bytes.fromhex(head.batch_hash)
        except (RefusedError, msgspec.MsgspecError, ValueError):
            return None
        if (head.journal_id, head.seq) != (self._journal_id, seq):
            return None
        return Past(head.tree_size, seq, batch_hash, peaks)
