"""Replicas as processes: started, watched, started again, drained and stopped; small programs stand in for them."""

import asyncio
import os
import random
import shutil
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from onsale.node.scaler import process_table
from onsale.node.scaler import processes as processes_module
from onsale.node.scaler.ports import CannotDo, Replica
from onsale.node.scaler.processes import Processes
from onsale.node.scaler.rules import ProcessesDriver
from onsale.node.scaler.state_file import Process

RUNS = "trap 'echo drained; exit 0' TERM; echo runs; while :; do sleep 0.02; done"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Machine:
    """Where they run. `script`: what one does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "program"
        self.written: list[Process] = []
        self.clock = Clock()
        self.troubles: list[CannotDo | None] = []  # the last one first
        self.port = next(
            port for port in random.sample(range(12_000, 19_000), 100) if all(map(is_free, range(port, port + 3)))
        )
        self._made: list[Processes] = []
        self.script(RUNS)

    def script(self, text: str) -> None:
        self.program.write_text(text)

    async def find(self, processes: Sequence[Process]) -> list[str]:
        if self.troubles and (trouble := self.troubles.pop()):
            raise trouble
        return [f"source{len(processes)}:7400"]

    def driver(self, **settings: Any) -> Processes:
        values: dict[str, Any] = {
            "host": "127.0.0.1", "first_port": self.port, "prefix": "scaled-", "command": ("sh", str(self.program)),
            "arguments": ("--trusted-proxies", "10.0.0.1"), "sources": (), "primary_feeds_most": 1,
            "drain_seconds": 2.0, "stop_seconds": 5.0, "stop_with_scaler": False,
        }  # fmt: skip
        rules = ProcessesDriver(**(values | settings))
        made = Processes(rules, 3, self.folder, self.written, lambda: None, self.find, self.clock)
        made.adopt()
        self._made.append(made)
        return made

    def log(self, name: str = "scaled-1") -> str:
        return (self.folder / "replicas" / f"{name}.log").read_text()

    async def until_said(self, text: str, name: str = "scaled-1") -> None:
        await until(lambda: text in self.log(name))

    def kill_all(self) -> None:
        for each in self.written:
            process_table.send(each.process_id, each.started_ticks, signal.SIGKILL)

    def end(self) -> None:
        self.kill_all()
        for driver in self._made:
            for child in driver._children.values():
                child.wait(10)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.01)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.end()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "LOOKED_AT_SECONDS", 0.01)


def told_to(process: Process, what: str) -> list[str]:
    path = Path(f"/proc/{process.process_id}/{what}")
    while not (told := path.read_text()):  # it is just taking the place of the one that started it
        os.sched_yield()
    return told.split("\0")


async def test_what_is_started_has_its_own_name_folder_port_and_source(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ONSALE_DATA", "ONSALE_LISTEN", "ONSALE_NAME", "ONSALE_SOURCE", "ONSALE_CLUSTER_SECRET"):
        monkeypatch.setenv(name, "of the scaler")
    driver = machine.driver()
    await driver.up(2, 2, "why")
    first, second = machine.written
    assert (first.name, second.name) == ("scaled-1", "scaled-2")
    assert (first.sources, second.sources) == (["source0:7400"], ["source1:7400"])
    words = told_to(second, "cmdline")[2:-1]
    assert words[:7] == [
        "replica", "--data", str(machine.folder / "replicas" / "scaled-2"), "--name", "scaled-2", "--listen",
        f"127.0.0.1:{machine.port + 1}",
    ]  # fmt: skip
    assert words[7:] == [
        "--drain-seconds", "2", "--source", "source1:7400", "--trusted-proxies", "10.0.0.1",
    ]  # fmt: skip
    settings = told_to(first, "environ")
    assert [each for each in settings if "of the scaler" in each] == ["ONSALE_CLUSTER_SECRET=of the scaler"]
    assert (machine.folder / "replicas").stat().st_mode & 0o077 == 0
    assert await driver.listed() == [Replica(each.name, each.address) for each in machine.written]
    assert any("scaled-1 starts at" in each and "following source0:7400; its log is" in each for each in driver.news())
    assert driver.news() == []


async def test_one_that_is_stopped_drains_and_its_place_is_taken_again(machine: Machine) -> None:
    driver = machine.driver()
    await driver.up(3, 3, "why")
    await machine.until_said("runs", "scaled-2")
    await driver.down([Replica("scaled-2", "")], 2, "why")
    assert "drained" in machine.log("scaled-2")
    assert [each.name for each in machine.written] == ["scaled-1", "scaled-3"]
    await driver.up(1, 3, "why")
    assert [each.name for each in await driver.listed()] == ["scaled-1", "scaled-3", "scaled-2"]
    with pytest.raises(CannotDo, match="There are 3 replicas, and no place for more below `most`"):
        await driver.up(1, 4, "why")


async def test_one_that_does_not_stop_is_killed(machine: Machine) -> None:
    machine.script("trap '' TERM; echo runs; while :; do sleep 0.02; done")
    driver = machine.driver(drain_seconds=0.1, stop_seconds=0.1)
    await driver.up(1, 1, "why")
    await machine.until_said("runs")
    await driver.down([Replica("scaled-1", "")], 0, "why")
    assert machine.written == []
    assert "scaled-1 did not stop in time and was killed" in driver.news()


async def test_one_that_ends_is_started_again_later_and_later(machine: Machine) -> None:
    machine.script("echo disk is full >&2; exit 8")
    driver = machine.driver()
    await driver.up(1, 1, "why")
    waited = []
    for _ in range(8):
        await until(lambda: process_table.started_ticks(machine.written[0].process_id) is None)
        driver.news()
        assert await driver.listed() == [Replica("scaled-1", f"127.0.0.1:{machine.port}", runs=False)]
        (told,) = driver.news()
        assert told.startswith("scaled-1 ended (exit code 8), saying last: disk is full; it is started again in ")
        waited.append(float(told.split()[-2]))
        before = machine.written[0].process_id
        await driver.listed()
        assert machine.written[0].process_id == before, "not yet"
        machine.clock.now += waited[-1]
        await driver.listed()
        assert machine.written[0].process_id != before
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_one_that_lasted_begins_anew(machine: Machine) -> None:
    driver = machine.driver()
    await driver.up(1, 1, "why")
    for lasted, waits in ((10, "1 s"), (10, "2 s"), (500, "1 s"), (10, "2 s")):
        machine.clock.now += lasted
        machine.kill_all()
        await until(lambda: process_table.started_ticks(machine.written[0].process_id) is None)
        driver.news()
        await driver.listed()
        (told,) = driver.news()
        assert told.startswith("scaled-1 ended (signal SIGKILL)")
        assert told.endswith(waits)
        machine.clock.now += 60
        await driver.listed()


async def test_a_start_that_fails_leaves_nothing_behind(machine: Machine) -> None:
    with pytest.raises(CannotDo, match=r"scaled-1 can't be started: No such file or directory \(/no/such/program\)"):
        await machine.driver(command=("/no/such/program",)).up(1, 1, "why")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", machine.port))
        taken.listen()
        with pytest.raises(CannotDo, match=r"scaled-1 can't listen on .*: Address already in use. Stop what does, or"):
            await machine.driver().up(1, 1, "why")
    machine.troubles = [CannotDo("There is no node to follow.")]
    with pytest.raises(CannotDo, match="There is no node to follow"):
        await machine.driver().up(1, 1, "why")
    assert machine.written == []


async def test_the_second_of_two_starts_may_fail(machine: Machine) -> None:
    driver = machine.driver()
    machine.troubles = [CannotDo("There is no standby to follow."), None]
    with pytest.raises(CannotDo, match="no standby"):
        await driver.up(2, 2, "why")
    assert [each.name for each in await driver.listed()] == ["scaled-1"]


async def test_they_go_on_when_the_scaler_ends_and_are_found_again(machine: Machine) -> None:
    driver = machine.driver()
    await driver.up(2, 2, "why")
    await driver.close()
    running = {each.name: each.process_id for each in machine.written}
    again = machine.driver()
    assert sorted(again.news()) == [
        f"{name} still runs (process {number}): going on with it" for name, number in sorted(running.items())
    ]
    machine.written.clear()  # and what was written down is lost
    lost = machine.driver()
    assert {each.name: each.process_id for each in machine.written} == running
    assert any("scaled-1 was found running" in each and "by its folder" in each for each in lost.news())
    assert all(each.runs for each in await lost.listed())
    await lost.down(await lost.listed(), 0, "why")


async def test_they_end_with_the_scaler_where_the_rules_say_so(machine: Machine) -> None:
    driver = machine.driver(stop_with_scaler=True)
    await driver.up(2, 2, "why")
    running = [each.process_id for each in machine.written]
    await machine.until_said("runs")
    await machine.until_said("runs", "scaled-2")
    await driver.close()
    assert [process_table.started_ticks(each) for each in running] == [None, None]


async def test_another_process_with_the_same_number_is_never_touched(machine: Machine) -> None:
    """After the machine's restart, or after ours has ended, the number is somebody else's."""
    other = await asyncio.create_subprocess_exec("sleep", "60")
    ticks = process_table.started_ticks(other.pid)
    assert ticks is not None
    for boot, started in ((process_table.boot(), ticks + 1), ("another boot", ticks)):
        machine.written[:] = [Process("scaled-1", 1, f"127.0.0.1:{machine.port}", [], other.pid, started, boot)]
        driver = machine.driver()
        assert not (await driver.listed())[0].runs
        await driver.down([Replica("scaled-1", "")], 0, "why")
        assert other.returncode is None
        assert process_table.started_ticks(other.pid) == ticks
    assert not process_table.send(other.pid, ticks + 1, signal.SIGKILL)
    assert process_table.send(other.pid, ticks, signal.SIGKILL)
    await other.wait()
    assert not process_table.send(other.pid, ticks, signal.SIGKILL)


async def test_a_log_that_has_grown_large_is_put_aside(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "LOG_BYTES_MAX", 100)
    (machine.folder / "replicas").mkdir()
    (machine.folder / "replicas" / "scaled-1.log").write_text("x" * 101)
    driver = machine.driver()
    await driver.up(1, 1, "why")
    await machine.until_said("runs")
    assert "x" not in machine.log()
    assert (machine.folder / "replicas" / "scaled-1.log.1").read_text() == "x" * 101
    shutil.rmtree(machine.folder / "replicas")
    machine.kill_all()
    await until(lambda: process_table.started_ticks(machine.written[0].process_id) is None)
    await driver.listed()
    assert any("saying last: nothing" in each for each in driver.news())
    assert os.getpid() not in process_table.find("--data", str(machine.folder))
