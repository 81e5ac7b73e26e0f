"""What the node and the process of its receipts say to each other: length-prefixed msgpack over a socket pair.

To the process: `Begin` once, `Reached` now and then, `Past` when it was asked for, and questions. From it:
`PastWanted`, and one answer to each question, under its number, in any order.
"""

import msgspec

from .keeper import Head, Proof


class Begin(msgspec.Struct, tag=1, array_like=True):
    """What to keep: `journal` is the folder of its segments, `key` makes the salts, `key_name` names it."""

    journal: str
    tree: str
    journal_id: bytes
    key: bytes
    key_name: bytes

    def __repr__(self) -> str:
        return f"Begin({self.tree!r}, …)"


class Reached(msgspec.Struct, tag=2, array_like=True):
    """Everything up to `seq` is committed, and on this disk."""

    seq: int


class Past(msgspec.Struct, tag=3, array_like=True):
    """The tree of the first `size` batches, which end at `seq`."""

    size: int
    seq: int
    batch_hash: bytes
    peaks: list[bytes]


class AskHead(msgspec.Struct, tag=4, array_like=True):
    """The head as soon as it has `least_seq`, or, with `seq`, the one that ends with the batch that holds it.

    With `since`: and that it begins with the tree of so many batches.
    """

    number: int
    least_seq: int
    seq: int | None
    since: int | None


class AskProof(msgspec.Struct, tag=5, array_like=True):
    """That the fact at `seq` is in the tree of the first `size` batches, or in the whole one."""

    number: int
    seq: int
    size: int | None


class PastWanted(msgspec.Struct, tag=1, array_like=True):
    """The journal here begins behind `seq`, and the tree of what is before must come from another node."""

    seq: int


class HeadFound(msgspec.Struct, tag=2, array_like=True):
    number: int
    head: Head
    growth: list[bytes] | None  # what proves that it begins with the older tree


class ProofFound(msgspec.Struct, tag=3, array_like=True):
    number: int
    proof: Proof


class Behind(msgspec.Struct, tag=4, array_like=True):
    """The tree did not get so far in time: it has `size` batches, up to `seq`."""

    number: int
    size: int
    seq: int


class NotKept(msgspec.Struct, tag=5, array_like=True):
    """It would take a part of the history that is not here; the text says which, to a person."""

    number: int
    detail: str


class TooSmall(msgspec.Struct, tag=6, array_like=True):
    """The tree that was named ends before what was to be proven."""

    number: int


ToProcess = Begin | Reached | Past | AskHead | AskProof
Answer = HeadFound | ProofFound | Behind | NotKept | TooSmall
FromProcess = PastWanted | Answer
