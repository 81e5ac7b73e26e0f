"""A driver and a balancer that do nothing: for seeing what rules would do.

Owns how many there would be by now, so that the next decision goes on from there.
"""

from collections.abc import Sequence

from .ports import Place, Replica


class DryRun:
    """Begins with so many replicas."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._news: list[str] = []

    async def listed(self) -> list[Replica]:
        return [Replica(f"imagined-{number}", "") for number in range(1, self._count + 1)]

    async def up(self, count: int, wanted: int, reason: str) -> None:
        self._tell(f"would start {count} more, {wanted} in all, because {reason}")
        self._count += count

    async def down(self, replicas: Sequence[Replica], wanted: int, reason: str) -> None:
        self._tell(f"would stop {len(replicas)}, {wanted} would be left, because {reason}")
        self._count -= len(replicas)

    def _tell(self, sentence: str) -> None:
        self._news.append(f"dry run: {sentence}")

    def news(self) -> list[str]:
        told, self._news = self._news, []
        return told

    async def close(self) -> None: ...


class NobodyInFront:
    """A balancer, where there is none."""

    async def keep(self, places: Sequence[Place]) -> None: ...

    async def leave(self, place: Place) -> None: ...

    async def release(self, place: Place) -> None: ...
