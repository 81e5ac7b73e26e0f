"""A driver and a balancer that do nothing: for seeing what rules would do.

Owns who there would be by now, so that the next decision goes on from there.
"""

from collections.abc import Sequence

from .ports import Place, Replica


class DryRun:
    """Begins with these replicas."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = list(replicas)
        self._news: list[str] = []

    async def listed(self) -> list[Replica]:
        return list(self._replicas)

    async def up(self, count: int, wanted: int, reason: str) -> None:
        self._tell(f"would start {count} more, {wanted} in all, because {reason}")
        used = {each.name for each in self._replicas}
        free = (each.name for each in imagined(len(used) + count) if each.name not in used)
        self._replicas += [Replica(name, "") for name, _ in zip(free, range(count), strict=False)]

    async def down(self, replicas: Sequence[Replica], wanted: int, reason: str) -> None:
        names = [each.name for each in replicas]
        self._tell(f"would stop {', '.join(names)}, {wanted} would be left, because {reason}")
        self._replicas = [each for each in self._replicas if each.name not in names]

    def _tell(self, sentence: str) -> None:
        self._news.append(f"dry run: {sentence}")

    def news(self) -> list[str]:
        told, self._news = self._news, []
        return told

    async def close(self) -> None: ...


def imagined(count: int) -> list[Replica]:
    return [Replica(f"imagined-{number}", "") for number in range(1, count + 1)]


class NobodyInFront:
    """A balancer, where there is none."""

    async def keep(self, places: Sequence[Place]) -> None: ...

    async def leave(self, place: Place) -> None: ...

    async def release(self, place: Place) -> None: ...
