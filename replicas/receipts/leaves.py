"""What a batch of the journal is in the tree: one leaf, over its facts with a salt each.

Owns what goes into the leaves, with journal/receipt_check.py, which makes them again from a receipt. Promises that
nothing published lets anyone test a guess about a fact that is not theirs: a batch at a quiet time holds one booking
whose fields are easily guessed. So each fact has a salt, and the hash of the batch in the journal is published under
one, too. Salts follow from a secret of the cluster, so that every node makes the same tree; a receipt reveals the one
of its own fact.
"""

import hashlib
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from ...journal.batch import Batch
from ...journal.receipt_check import FACT_SALT_BYTES, batch_leaf, fact_leaf
from .merkle import levels, path_in

KEY_BYTES: Final = 32
_PURPOSE: Final = b"onsale receipts"
_OF_FACTS: Final = b"onsale facts"
_OF_BATCHES: Final = b"onsale batches"
_parts = msgspec.msgpack.Decoder(list[msgspec.Raw])


def receipt_key(cluster_key: bytes) -> bytes:
    """What the salts are made with; `cluster_key` is the state's ticket key."""
    return blake2b(digest_size=KEY_BYTES, key=cluster_key, person=_PURPOSE).digest()


class FactProof(NamedTuple):
    """That a fact is in its batch."""

    salt: bytes
    fact: bytes  # as in the journal
    path: list[bytes]


class Salts:
    """Of one cluster."""

    def __init__(self, key: bytes) -> None:
        self._facts = blake2b(digest_size=FACT_SALT_BYTES, key=key, person=_OF_FACTS)
        self._batches = blake2b(digest_size=FACT_SALT_BYTES, key=key, person=_OF_BATCHES)

    def of_fact(self, seq: int) -> bytes:
        hashing = self._facts.copy()
        hashing.update(seq.to_bytes(8, "big"))
        return hashing.digest()

    def batch_hash(self, last_seq: int, chain_hash: bytes) -> bytes:
        """What is published in the place of a batch's hash in the journal."""
        hashing = self._batches.copy()
        hashing.update(last_seq.to_bytes(8, "big"))
        return hashlib.sha256(hashing.digest() + chain_hash).digest()


class BatchTree:
    """One batch's tree."""

    def __init__(self, batch: Batch, salts: Salts) -> None:
        """Raises ValueError when the batch does not hold what its header says."""
        self._salts = salts
        self._first_seq = batch.first_seq
        self._facts = [bytes(part) for part in _parts.decode(batch.payload)]
        if len(self._facts) != batch.count:
            raise ValueError(f"the batch from seq {batch.first_seq} holds {len(self._facts)} facts, not {batch.count}")
        self._levels = levels(
            [fact_leaf(salts.of_fact(seq), seq, fact) for seq, fact in enumerate(self._facts, batch.first_seq)]
        )

    @property
    def root(self) -> bytes:
        return self._levels[-1][0]

    def prove(self, seq: int) -> FactProof:
        index = seq - self._first_seq
        return FactProof(self._salts.of_fact(seq), self._facts[index], path_in(self._levels, index))


def leaf_of(journal_id: bytes, batch: Batch, salts: Salts) -> bytes:
    """The batch's leaf in the tree of the journal. Raises ValueError, as BatchTree."""
    return batch_leaf(
        journal_id,
        batch.first_seq,
        batch.count,
        batch.epoch,
        batch.at_ms,
        salts.batch_hash(batch.last_seq, batch.hash),
        BatchTree(batch, salts).root,
    )
