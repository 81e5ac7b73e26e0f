"""Targets in memory, and what an archive leads back to."""

from pathlib import Path

from onsale.journal.disk import RealDisk
from onsale.node.backup.archiver import Archiver
from onsale.node.backup.chain import Search, write_segments
from onsale.node.backup.layout import Part, contents_of, part_of
from onsale.node.backup.target import NotThereError, Stored, Target, TargetFailed


class MemoryTarget:
    """`left`: how many more calls succeed before one fails, None for all. `log`: what was put and removed."""

    address = "memory"

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        self.objects = dict(objects or {})
        self.left: int | None = None
        self.log: list[tuple[str, str]] = []
        self.may_remove = True

    @property
    def parts(self) -> list[Part]:
        return [part for name in self.objects if (part := part_of(name)) is not None]

    def put(self, name: str, data: bytes) -> None:
        self._call()
        assert isinstance(data, bytes)
        self.log.append(("put", name))
        self.objects[name] = data

    def get(self, name: str) -> bytes:
        self._call()
        if name not in self.objects:
            raise NotThereError(name, self.address)
        return self.objects[name]

    def list(self, prefix: str) -> list[Stored]:
        self._call()
        return [Stored(name, len(self.objects[name])) for name in sorted(self.objects) if name.startswith(prefix)]

    def remove(self, name: str) -> None:
        self._call()
        if not self.may_remove:
            raise TargetFailed("these credentials may not remove anything")
        self.log.append(("remove", name))
        self.objects.pop(name, None)

    def _call(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise TargetFailed("the network is gone", unreachable=True)
            self.left -= 1


def told(_sentence: str) -> None:
    pass


def archiver_of(disk: RealDisk, target: Target, *, since_seq: int = 0) -> Archiver:
    return Archiver(disk, target, since_seq=since_seq, tell=told)


def archive(disk: RealDisk, target: Target, *, since_seq: int = 0) -> Archiver:
    """Everything that is there."""
    archiver = archiver_of(disk, target, since_seq=since_seq)
    while not archiver.round():
        pass
    return archiver


def search(target: Target) -> Search:
    def fetch(part: Part) -> bytes:
        return target.get(part.name)

    return Search(contents_of(target.list("")).parts, fetch, None).run()


def brought_back(target: Target, folder: Path) -> RealDisk:
    """The segment files that a complete archive leads to."""
    found = search(target)
    assert found.is_complete, (found.damaged, found.chains)
    folder.mkdir()
    write_segments(found.chains[0], lambda part: target.get(part.name), folder)
    return RealDisk(folder)


def files(disk: RealDisk) -> dict[str, bytes]:
    return {name: disk.read(name, 0, disk.size_bytes(name)) for name in disk.names() if name.endswith(".segment")}
