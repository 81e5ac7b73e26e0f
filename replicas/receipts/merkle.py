"""Roots and proofs of Merkle trees, as RFC 9162 section 2.1 has them.

Owns which nodes a root or proof is made of. Pure; how hashes are made, and how proofs are checked, is in
journal/receipt_check.py, which must stand alone. Two ways to the same trees: `levels` of a small one in memory, and
`Node`, which gives the nodes of a large one as they are asked for.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from ...journal.receipt_check import node_hash

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""`node(level, index)`: the root over the `1 << level` leaves from `index << level` on, all of which are there."""


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """A tree of at least one leaf, from its leaves to its root; a node without a sibling stands for its parent."""
    found = [list(leaves)]
    while len(below := found[-1]) > 1:
        above = [node_hash(below[place], below[place + 1]) for place in range(0, len(below) - 1, 2)]
        if len(below) & 1:
            above.append(below[-1])
        found.append(above)
    return found


def path_in(tree: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """The path of a leaf to the root, in a tree given by its `levels`."""
    path = []
    for level in tree:
        if (index ^ 1) < len(level):
            path.append(level[index ^ 1])
        index >>= 1
    return path


def root(node: Node, size: int) -> bytes:
    """Of the tree of the first `size` leaves."""
    return _subtree(node, 0, size) if size else EMPTY_ROOT


def path(node: Node, index: int, size: int) -> list[bytes]:
    """The path of the leaf at `index` to the root of the tree of the first `size` leaves (2.1.3.1)."""
    assert 0 <= index < size
    found: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            found.append(_subtree(node, middle, end))
            end = middle
        else:
            found.append(_subtree(node, begin, middle))
            begin = middle
    return found[::-1]


def growth(node: Node, old_size: int, size: int) -> list[bytes]:
    """The proof that the tree of `size` leaves begins with the one of `old_size` (2.1.4.1)."""
    assert 0 <= old_size <= size
    if old_size in (0, size):
        return []
    found: list[bytes] = []
    begin, end, known = 0, size, True  # known: whoever checks has the root from `begin` to `old_size`
    while end != old_size:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            found.append(_subtree(node, middle, end))
            end = middle
        else:
            found.append(_subtree(node, begin, middle))
            begin, known = middle, False
    if not known:
        found.append(_subtree(node, begin, end))
    return found[::-1]


def peaks_of(size: int) -> list[tuple[int, int]]:
    """The largest whole subtrees of a tree, from left to right, as (level, index)."""
    return [(level, (size >> level) - 1) for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]


def _subtree(node: Node, begin: int, end: int) -> bytes:
    """The root over leaves that are a subtree of some tree, the last one perhaps not whole."""
    count = end - begin
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + _split(count)
    return node_hash(_subtree(node, begin, middle), _subtree(node, middle, end))


def _split(count: int) -> int:
    """The largest power of two below `count`, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)
