"""Receipts and heads of the journal as JSON documents.

Owns their field names, which journal/receipt_check.py reads: `version` goes up when that script would not understand.
"""

from typing import Any, Final

import msgspec

from ..gateway import FactProof, JournalHead
from ..wire.times import format_ms

VERSION: Final = 1


class GrowthDocument(msgspec.Struct, rename="camel"):
    since: int  # batches: the tree that this one begins with
    path: list[str]


class HeadDocument(msgspec.Struct, rename="camel"):
    version: int
    journal_id: str
    seq: int  # the last fact under it
    epoch: int
    at: str
    batch_hash: str
    tree_size: int  # batches under it
    root: str
    peaks: list[str]  # roots of the largest whole subtrees, from left to right: the root is made of them
    consistency: GrowthDocument | None


class ProofDocument(msgspec.Struct, rename="camel"):
    salt: str
    fact: str  # as it is in the journal, MessagePack
    first_seq: int  # of its batch
    count: int  # facts in its batch
    at_ms: int
    fact_path: list[str]  # to the root over the batch's facts
    leaf_index: int  # of the batch in the tree
    tree_path: list[str]
    tree_size: int
    root: str


class ReceiptDocument(msgspec.Struct, rename="camel"):
    version: int
    journal_id: str
    booking_id: int
    seq: int
    at: str
    epoch: int
    batch_hash: str
    fact: dict[str, Any]
    proof: ProofDocument


def head_document(head: JournalHead) -> HeadDocument:
    growth = None if head.since is None else GrowthDocument(head.since, _hex(head.growth))
    return HeadDocument(
        VERSION, head.journal_id, head.seq, head.epoch, format_ms(head.at_ms), head.batch_hash.hex(), head.tree_size,
        head.root.hex(), _hex(head.peaks), growth,
    )  # fmt: skip


def receipt_document(booking_id: int, proof: FactProof) -> ReceiptDocument:
    shown = ProofDocument(
        proof.salt.hex(), proof.fact.hex(), proof.first_seq, proof.count, proof.at_ms, _hex(proof.fact_path),
        proof.leaf_index, _hex(proof.tree_path), proof.tree_size, proof.root.hex(),
    )  # fmt: skip
    return ReceiptDocument(
        VERSION, proof.journal_id, booking_id, proof.seq, format_ms(proof.at_ms), proof.epoch, proof.batch_hash.hex(),
        proof.shown, shown,
    )  # fmt: skip


def _hex(hashes: list[bytes]) -> list[str]:
    return [each.hex() for each in hashes]
