"""An order drawn by lot: which number each of the first `count` who came gets, and back.

Owns the permutation. It follows from the lot (32 bytes) alone, so whoever knows the lot can check every number; it is
computed one number at a time, in O(1), so half a million people are shuffled in no time. A Feistel network (H. Feistel,
1973; M. Luby and C. Rackoff, "How to construct pseudorandom permutations", 1988) over a keyed hash makes a permutation
of a power of two, and walking along its cycle until one is within bounds makes it one of `count` (J. Black and
P. Rogaway, "Ciphers with arbitrary finite domains", 2002).
"""

from hashlib import blake2b, sha256
from typing import Final

_ROUNDS: Final = 8
_BITS_MIN: Final = 6  # fewer would leave too few functions to draw from
_PURPOSE: Final = b"onsale lot"


def commitment_of(seed: bytes) -> str:
    """What is public from the start: it binds whoever runs the draw to this seed, and says nothing about it."""
    return sha256(seed).hexdigest()


def lot_of(seed: bytes, arrivals_digest: bytes) -> bytes:
    """What the order follows from: nobody who came could know the seed, and who holds it can't foresee who comes."""
    return blake2b(seed + arrivals_digest, digest_size=32, person=_PURPOSE).digest()


def digest_with(arrivals_digest: bytes, user_id: str) -> bytes:
    """The digest over all who came, with one more; it begins as b""."""
    return blake2b(arrivals_digest + user_id.encode(), digest_size=32, person=_PURPOSE).digest()


class Lot:
    """A permutation of 1 to `count`."""

    __slots__ = ("_bits", "_left_mask", "_lot", "_right_bits", "_right_mask", "_tables", "count")

    def __init__(self, lot: bytes, count: int) -> None:
        self.count = count
        self._lot = lot
        self._bits = max(_BITS_MIN, (count - 1).bit_length())
        self._right_bits = self._bits - self._bits // 2
        self._right_mask = (1 << self._right_bits) - 1
        self._left_mask = (1 << self._bits // 2) - 1
        # what each round makes of each half, once it has been asked: the halves are small
        self._tables: list[dict[int, int]] = [{} for _ in range(_ROUNDS)]

    def number_of(self, arrival: int) -> int:
        """The number drawn by the `arrival`-th who came."""
        value = arrival - 1
        while True:
            value = self._permuted(value, range(_ROUNDS))
            if value < self.count:
                return value + 1

    def arrival_of(self, number: int) -> int:
        """Who drew this number."""
        value = number - 1
        while True:
            value = self._permuted(value, range(_ROUNDS - 1, -1, -1))
            if value < self.count:
                return value + 1

    def _permuted(self, value: int, rounds: range) -> int:
        """Each round changes one half by what the other says; backwards they undo each other."""
        left, right = value >> self._right_bits, value & self._right_mask
        for number in rounds:
            table = self._tables[number]
            if number & 1:
                mixed = table.get(left)
                right ^= self._mixed(number, left, self._right_mask) if mixed is None else mixed
            else:
                mixed = table.get(right)
                left ^= self._mixed(number, right, self._left_mask) if mixed is None else mixed
        return left << self._right_bits | right

    def _mixed(self, number: int, half: int, mask: int) -> int:
        asked = bytes((number, self._bits)) + half.to_bytes(8, "big")
        drawn = blake2b(asked, digest_size=8, key=self._lot, person=_PURPOSE).digest()
        mixed = self._tables[number][half] = int.from_bytes(drawn, "big") & mask
        return mixed
