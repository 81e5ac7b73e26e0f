"""Rows in blocks: mappings that never grow all at once.

Owns the blocks. A dict doubles when it is full, and moves everything it holds: of a million rows that takes 50 ms, of
five million a second, in which nobody is answered. Here only a block does: of about a thousand neighbouring numbers, or
of one of some hundred parts of keys of any other kind. Which part does not depend on the process: equal states go
through their rows alike. All behave as a dict would, but for the order: by blocks, within a block as they came.
"""

from abc import abstractmethod
from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from typing import TypeVar
from zlib import crc32

K = TypeVar("K", int, str, bytes)
R = TypeVar("R")

BLOCK_BITS = 10  # 1,024 rows fill three quarters of what their block's dict takes
LAID_OUT_ANEW_AT = frozenset({128, 32, 8})  # rows left in a block of numbers: a dict keeps the room of those that left
PARTS = 1 << 10
FIRST = -1  # the block that has all rows while they are few
FIRST_ROWS_MAX = 20_000  # a millisecond to move; in a thousand parts they would take four times the memory


class _Rows(ValuesView[R]):
    """Block by block: the usual way looks every one of them up."""

    _mapping: "_Blocks[int, R]"

    def __iter__(self) -> Iterator[R]:
        for block in self._mapping.blocks():
            yield from block.values()


class _Items(ItemsView[K, R]):
    _mapping: "_Blocks[K, R]"

    def __iter__(self) -> Iterator[tuple[K, R]]:
        for block in self._mapping.blocks():
            yield from block.items()


class _Blocks(MutableMapping[K, R]):
    __slots__ = ("_blocks", "_count")

    def __init__(self) -> None:
        self._blocks: dict[int, dict[K, R]] = {}  # none is empty, but for ByDigest
        self._count = 0

    @abstractmethod
    def _block_of(self, key: K) -> int:
        """The number of the block in which it is, or belongs."""

    def __getitem__(self, key: K) -> R:
        return self._blocks[self._block_of(key)][key]

    def __setitem__(self, key: K, row: R) -> None:
        number = self._block_of(key)
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = {}
        if key not in block:
            self._count += 1
        block[key] = row

    def __delitem__(self, key: K) -> None:
        number = self._block_of(key)
        block = self._blocks[number]
        del block[key]
        self._count -= 1
        if not block:
            del self._blocks[number]

    def __contains__(self, key: object) -> bool:
        try:
            block = self._blocks.get(self._block_of(key))  # type: ignore[arg-type]
        except (TypeError, AttributeError):  # of another kind
            return False
        return block is not None and key in block

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[K]:
        for block in self._blocks.values():
            yield from block

    def __reversed__(self) -> Iterator[K]:
        for block in reversed(self._blocks.values()):
            yield from reversed(block)

    def get(self, key: K, default: R | None = None) -> R | None:  # type: ignore[override]  # R or None is all there is
        block = self._blocks.get(self._block_of(key))
        return default if block is None else block.get(key, default)

    def setdefault(self, key: K, default: R) -> R:
        number = self._block_of(key)
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = {}
        before = len(block)
        row = block.setdefault(key, default)
        self._count += len(block) - before
        return row

    def blocks(self) -> Iterator[dict[K, R]]:
        """To be read, and not changed meanwhile."""
        return iter(self._blocks.values())

    def values(self) -> ValuesView[R]:
        return _Rows(self)

    def items(self) -> ItemsView[K, R]:
        return _Items(self)

    def popitem(self) -> tuple[K, R]:
        """One of the last block's."""
        number, block = next(reversed(self._blocks.items()), (0, None))
        if block is None:
            raise KeyError("there are no rows")
        found = block.popitem()
        self._count -= 1
        if not block:
            del self._blocks[number]
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._count} rows)"


class Numbered(_Blocks[int, R]):
    """By numbers that are given one after the other."""

    __slots__ = ()

    def _block_of(self, key: int) -> int:
        return key >> BLOCK_BITS

    def __getitem__(self, key: int) -> R:  # as above, without the call: every booking is looked up here
        return self._blocks[key >> BLOCK_BITS][key]

    def __setitem__(self, key: int, row: R) -> None:
        number = key >> BLOCK_BITS
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = {}
        if key not in block:
            self._count += 1
        block[key] = row

    def __delitem__(self, key: int) -> None:
        super().__delitem__(key)
        number = key >> BLOCK_BITS
        block = self._blocks.get(number)
        if block is not None and len(block) in LAID_OUT_ANEW_AT:
            self._blocks[number] = dict(block)

    def get(self, key: int, default: R | None = None) -> R | None:  # type: ignore[override]
        block = self._blocks.get(key >> BLOCK_BITS)
        return default if block is None else block.get(key, default)


class ByDigest(_Blocks[bytes, R]):
    """By digests, whose first byte is as good as drawn by lot: a block for each, from the beginning on."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self._blocks = {number: {} for number in range(256)}

    def _block_of(self, key: bytes) -> int:
        return key[0]

    def __getitem__(self, key: bytes) -> R:
        return self._blocks[key[0]][key]

    def __delitem__(self, key: bytes) -> None:
        del self._blocks[key[0]][key]
        self._count -= 1

    def get(self, key: bytes, default: R | None = None) -> R | None:  # type: ignore[override]
        return self._blocks[key[0]].get(key, default)

    def popitem(self) -> tuple[bytes, R]:
        for block in reversed(self._blocks.values()):
            if block:
                self._count -= 1
                return block.popitem()
        raise KeyError("there are no rows")


class _Spread(_Blocks[K, R]):
    """By keys of which there may be many: the first in one block, all further ones in parts."""

    __slots__ = ()

    def _block_of(self, key: K) -> int:
        blocks = self._blocks
        first = blocks.get(FIRST)
        if first is None:
            if not blocks:
                return FIRST
        elif key in first or (len(blocks) == 1 and len(first) < FIRST_ROWS_MAX):
            return FIRST
        return self._part_of(key)

    @staticmethod
    @abstractmethod
    def _part_of(key: K) -> int: ...


class Scattered(_Spread[int, R]):
    """By numbers that may lie far apart."""

    __slots__ = ()

    @staticmethod
    def _part_of(key: int) -> int:
        return key % PARTS


class ByName(_Spread[str, R]):
    """By text of any kind."""

    __slots__ = ()

    @staticmethod
    def _part_of(key: str) -> int:
        return crc32(key.encode("utf-8", "surrogatepass")) % PARTS
