"""Rows by number, in blocks: a mapping that never grows all at once.

Owns the blocks. A dict doubles when it is full, and moves everything it holds: of a million rows that takes 50 ms, of
five million a second, in which nobody is answered. Here only a block does, of about a thousand neighbouring numbers.
Behaves as a dict would, but for the order: by blocks as they first came, within a block as they came.
"""

from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from typing import TypeVar

R = TypeVar("R")

BLOCK_BITS = 10  # 1,024 rows fill three quarters of what their block's dict takes


class _Rows(ValuesView[R]):
    """Block by block: the usual way looks every one of them up."""

    _mapping: "Numbered[R]"

    def __iter__(self) -> Iterator[R]:
        for block in self._mapping.blocks():
            yield from block.values()


class _Items(ItemsView[int, R]):
    _mapping: "Numbered[R]"

    def __iter__(self) -> Iterator[tuple[int, R]]:
        for block in self._mapping.blocks():
            yield from block.items()


class Numbered(MutableMapping[int, R]):
    __slots__ = ("_blocks", "_count")

    def __init__(self) -> None:
        self._blocks: dict[int, dict[int, R]] = {}  # by number >> BLOCK_BITS; none is empty
        self._count = 0

    def __getitem__(self, key: int) -> R:
        return self._blocks[key >> BLOCK_BITS][key]

    def __setitem__(self, key: int, row: R) -> None:
        block = self._blocks.get(key >> BLOCK_BITS)
        if block is None:
            block = self._blocks[key >> BLOCK_BITS] = {}
        if key not in block:
            self._count += 1
        block[key] = row

    def __delitem__(self, key: int) -> None:
        block = self._blocks[key >> BLOCK_BITS]
        del block[key]
        self._count -= 1
        if not block:
            del self._blocks[key >> BLOCK_BITS]

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, int):
            return False
        block = self._blocks.get(key >> BLOCK_BITS)
        return block is not None and key in block

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        for block in self._blocks.values():
            yield from block

    def get(self, key: int, default: R | None = None) -> R | None:  # type: ignore[override]  # R or None is all there is
        block = self._blocks.get(key >> BLOCK_BITS)
        return default if block is None else block.get(key, default)

    def blocks(self) -> Iterator[dict[int, R]]:
        """To be read, and not changed meanwhile."""
        return iter(self._blocks.values())

    def values(self) -> ValuesView[R]:
        return _Rows(self)

    def items(self) -> ItemsView[int, R]:
        return _Items(self)

    def popitem(self) -> tuple[int, R]:
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
        return f"Numbered({self._count} rows)"
