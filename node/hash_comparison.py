"""Whether this node's state adds up to what the leader's did at the same position.

Owns the hashes of one position, and the comparison. Both sides take a checkpoint there, which makes the hash anyway.
A hash goes between nodes with the version of the rows it is over: other versions have other rows, and say nothing.
"""

from collections.abc import Callable


class HashComparison:
    def __init__(self, differs: Callable[[str], None]) -> None:
        self.wanted_seq = 0  # where the leader took one, and this node should
        self.compared_seq = 0  # the last position at which both were the same
        self._differs = differs
        self._own: tuple[int, str] = (0, "")
        self._theirs: tuple[int, str] = (0, "")

    def own(self, seq: int, state_hash: str) -> None:
        self._own = (seq, state_hash)
        self._compare()

    def theirs(self, seq: int, state_hash: str) -> None:
        self._theirs = (seq, state_hash)
        self._compare()

    def _compare(self) -> None:
        seq = self._own[0]
        if seq != self._theirs[0] or seq == self.compared_seq:
            return
        if self._own == self._theirs:
            self.compared_seq = seq
        elif self._own[1].partition(":")[0] == self._theirs[1].partition(":")[0]:
            self._differs(
                f"the state that follows from the journal up to seq {seq} adds up to {self._own[1]} here, and to "
                f"{self._theirs[1]} at the primary"
            )
