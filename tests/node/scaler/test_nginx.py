"""The file that nginx reads, and the one that Prometheus reads: whole, never empty, and what was good is put back."""

import json
from pathlib import Path

import pytest

from onsale.node.scaler.dry_run import NobodyInFront
from onsale.node.scaler.nginx import HEAD, Nginx
from onsale.node.scaler.ports import CannotDo, Place, Replica
from onsale.node.scaler.rules import NginxBalancer
from onsale.node.scaler.targets import Announced

A = Place(Replica("a", "10.0.0.1:8101"), 1)
B = Place(Replica("b", "[fd00::1]:8101"), 2)
NAMELESS = Place(Replica("late", ""), 3)


class Front:
    """nginx' file, and a reload that says what it found there, or refuses."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "read-nodes.conf"
        self.read = folder / "read"
        self.refuses = folder / "refuses"
        script = (
            f"test ! -e {self.refuses} || {{ echo 'nginx: [emerg] no' >&2; exit 1; }}; cat {self.file} >>{self.read}"
        )
        self.rules = NginxBalancer(self.file, ("10.0.0.9:80", "10.0.0.1:8101"), "max_fails=2", ("sh", "-c", script), 10)

    def balancer(self) -> Nginx:
        return Nginx(self.rules)

    def servers(self, file: Path) -> list[str]:
        return file.read_text().replace(HEAD, "").splitlines()


@pytest.fixture
def front(tmp_path: Path) -> Front:
    return Front(tmp_path)


async def test_those_that_are_always_there_come_first_and_nobody_twice(front: Front) -> None:
    balancer = front.balancer()
    await balancer.keep([A, B, NAMELESS])
    assert front.file.read_text().startswith("# Written by onsale scaler")
    written = [
        "server 10.0.0.9:80 max_fails=2;", "server 10.0.0.1:8101 max_fails=2;", "server [fd00::1]:8101 max_fails=2;",
    ]  # fmt: skip
    assert front.servers(front.file) == front.servers(front.read) == written
    await balancer.keep([])
    assert front.servers(front.file) == written[:2]
    assert [each.name for each in front.file.parent.iterdir() if each.name.startswith(".")] == []


async def test_it_reloads_only_for_what_is_new_and_once_after_its_own_start(front: Front) -> None:
    balancer = front.balancer()
    for _ in range(3):
        await balancer.keep([A])
    assert len(front.servers(front.read)) == 2
    await front.balancer().keep([A])  # whether nginx has read what an earlier life wrote is not known
    assert len(front.servers(front.read)) == 4


async def test_what_nginx_refuses_is_taken_back_and_tried_again(front: Front) -> None:
    balancer = front.balancer()
    await balancer.keep([A])
    good = front.file.read_text()
    front.refuses.touch()
    for _ in range(2):
        with pytest.raises(CannotDo, match=r"ended with exit code 1, saying: nginx: \[emerg\] no"):
            await balancer.keep([A, B])
        assert front.file.read_text() == good, "its next start must not fail"
    front.refuses.unlink()
    await balancer.keep([A, B])
    assert "server [fd00::1]:8101 max_fails=2;" in front.servers(front.read)


async def test_a_file_that_cannot_be_written(front: Front) -> None:
    front.file.mkdir()
    with pytest.raises(CannotDo, match=r"read-nodes\.conf can't be written: Is a directory"):
        await front.balancer().keep([A])
    gone = NginxBalancer(front.file.parent / "none" / "file", ("10.0.0.9:80",), "", ("true",), 10)
    with pytest.raises(CannotDo, match="can't be written: No such file or directory"):
        await Nginx(gone).keep([A])


async def test_prometheus_is_told_who_serves(tmp_path: Path) -> None:
    file = tmp_path / "replicas.json"
    balancer = Announced(NobodyInFront(), file)
    await balancer.keep([A, B, NAMELESS])
    assert json.loads(file.read_bytes()) == [
        {"targets": ["10.0.0.1:8101"], "labels": {"replica": "a"}},
        {"targets": ["[fd00::1]:8101"], "labels": {"replica": "b"}},
    ]
    file.unlink()
    await balancer.keep([A, B, NAMELESS])
    assert not file.exists(), "nothing is new"
    await balancer.keep([])
    assert json.loads(file.read_bytes()) == []
    with pytest.raises(CannotDo, match=r"`targets_file`\) can't be written: No such file"):
        await Announced(NobodyInFront(), tmp_path / "none" / "file").keep([A])


async def test_prometheus_keeps_whom_the_balancer_could_not_let_go(front: Front, tmp_path: Path) -> None:
    file = tmp_path / "replicas.json"
    balancer = Announced(front.balancer(), file)
    await balancer.keep([A, B])
    front.refuses.touch()
    with pytest.raises(CannotDo):
        await balancer.keep([])
    assert len(json.loads(file.read_bytes())) == 2
