"""What was put down lately, by key, in bounded memory.

Owns how long it stays: at least as long as was asked, at most twice that. Two tables take turns: what is put down goes
into the newer one, and when its time is over the older one is forgotten as a whole. So nothing is ever searched for
what is old. Should more keys come than there is room for, the tables take turns sooner.
"""

from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    __slots__ = ("_before", "_current", "_kept_ns", "_keys_max", "_turn_ns")

    def __init__(self, kept_ns: int, keys_max: int) -> None:
        """`keys_max`: of each of the two tables."""
        self._kept_ns = kept_ns
        self._keys_max = keys_max
        self._current: dict[str, V] = {}
        self._before: dict[str, V] = {}
        self._turn_ns = 0  # when the tables take turns

    def get(self, key: str, now_ns: int) -> V | None:
        if now_ns >= self._turn_ns:
            self._turn(now_ns)
        value = self._current.get(key)
        return self._before.get(key) if value is None else value

    def put(self, key: str, value: V, now_ns: int) -> None:
        """`now_ns` as given to `get` last."""
        current = self._current
        current[key] = value
        if len(current) >= self._keys_max:
            self._turn(now_ns)

    def __len__(self) -> int:
        """Entries; a key may count twice."""
        return len(self._current) + len(self._before)

    def _turn(self, now_ns: int) -> None:
        gone = now_ns >= self._turn_ns + self._kept_ns  # nobody asked for so long that all of it is old
        self._before = {} if gone else self._current
        self._current = {}
        self._turn_ns = now_ns + self._kept_ns
