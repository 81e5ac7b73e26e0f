"""Parts of the journal fetched from a target, some ahead of their turn, and kept in a folder until they are used.

Owns that folder. Promises that what it hands out matches the digest in the part's name.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from .layout import Key, Part, digest_of
from .target import NotThereError, Target

AHEAD_PARTS = 12
AHEAD_BYTES_MAX = 4 * 1024 * 1024  # larger ones are not worth it

Progress = Callable[[str, int, int], None]
"""Called now and then with (what is being done, how much is done, how much there is)."""


class DamagedPart(Exception):
    """The object is gone or its bytes are not those that were archived."""

    def __init__(self, part: Part, reason: str) -> None:
        super().__init__(f"{part.name} is damaged: {reason}")
        self.part = part


class Fetcher:
    def __init__(self, target: Target, folder: Path, parts: Iterable[Part], progress: Progress) -> None:
        self._target = target
        self._folder = folder
        self._progress = progress
        self._after: dict[Part, list[Part]] = {}
        by_key: dict[Key, list[Part]] = {}
        for part in sorted(parts, key=lambda each: (each.key, each.offset)):
            by_key.setdefault(part.key, []).append(part)
        for of_one in by_key.values():
            for index, part in enumerate(of_one):
                ahead = of_one[index + 1 : index + 1 + AHEAD_PARTS]
                self._after[part] = [each for each in ahead if each.size_bytes <= AHEAD_BYTES_MAX]
        self._total = sum(part.size_bytes for part in self._after)
        self._bytes_fetched = 0
        self._under_way: dict[Part, Future[bytes]] = {}
        self._pool = ThreadPoolExecutor(AHEAD_PARTS, "fetcher")

    def fetch(self, part: Part) -> bytes:
        """Raises DamagedPart, TargetFailed."""
        path = self._folder / part.digest
        if path.exists():
            return path.read_bytes()
        for each in [part, *self._after[part]]:
            if each not in self._under_way and not (self._folder / each.digest).exists():
                self._under_way[each] = self._pool.submit(self._target.get, each.name)
        try:
            data = self._under_way.pop(part).result()
        except NotThereError as missing:
            raise DamagedPart(part, "it was listed, and is not there") from missing
        if len(data) != part.size_bytes or digest_of(data) != part.digest:
            raise DamagedPart(part, "its bytes do not match its name")
        path.write_bytes(data)
        self._bytes_fetched += len(data)
        self._progress("fetching the journal", self._bytes_fetched, self._total)
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
