"""A node under load, backed up all the time; both are killed, and what was archived is brought back."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pytest
from nodes import Client, Node, new_key, onsale, verify

from onsale.node.backup.layout import contents_of
from onsale.node.backup.target import open_target
from onsale.tests.node.backup.litestreams import path_with, until
from onsale.tests.node.backup.s3_server import BUCKET, running_s3

REFUSED = 4
CORRUPT = 6
WAIT_SECONDS = 60


class Backup:
    """`onsale backup --run` as a process of its own; it says on standard output how far the archive has come."""

    def __init__(self, data: Path, address: str, *flags: str, path: str | None = None) -> None:
        environment = dict(os.environ)
        if path is not None:
            environment["PATH"] = path + os.pathsep + environment["PATH"]
        self.archived_seq = 0
        self.said: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "onsale", "backup", "--data", str(data), "--to", address, "--run",
                "--format", "json", "--interval-seconds", "0.1",
                "--litestream-config", str(data.with_name("litestream.yml")), *flags,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )  # fmt: skip
        threading.Thread(target=self._read_reports, daemon=True).start()
        threading.Thread(target=self._read_words, daemon=True).start()

    def _read_reports(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._news:
                    self.archived_seq = json.loads(line)["archivedSeq"]
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _read_words(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            self.said += [line.rstrip() for line in lines]

    async def reaches(self, seq: int) -> None:
        def wait() -> None:
            with self._news:
                self._news.wait_for(lambda: self._ended or self.archived_seq >= seq, WAIT_SECONDS)

        await asyncio.to_thread(wait)
        assert self.archived_seq >= seq, (self.archived_seq, seq, self.said)

    @property
    def litestream(self) -> list[int]:
        """The process ids of its children."""
        number = self.process.pid
        return [int(each) for each in Path(f"/proc/{number}/task/{number}/children").read_text().split()]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, str]]:
    with pytest.MonkeyPatch.context() as patch, running_s3(patch) as endpoint:
        yield f"s3://{BUCKET}", endpoint


@pytest.fixture(params=["a folder, 0.5", "a folder, 0.3", "S3, 0.5"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str | None, str | None]:
    """Where to back up to, the endpoint, and what goes before the PATH for this version of Litestream."""
    where, version = request.param.split(", ")
    path = path_with(version, lambda: tmp_path_factory.getbasetemp() / "litestream-0.3")
    if where == "a folder":
        return str(tmp_path / "backup"), None, path
    bucket, endpoint = request.getfixturevalue("s3")
    return f"{bucket}/{uuid4().hex}", endpoint, path


Answered = dict[str, tuple[dict[str, Any], dict[str, Any]]]  # by key: the body asked with, and the answer


async def shop(client: Client, event_id: int, answered: Answered, stopped: Callable[[], bool], shopper: int) -> None:
    for number in range(10_000):
        if stopped():
            return
        key, body = new_key(), {"userId": f"u-{shopper}-{number}", "eventId": event_id}
        answer = await client.try_call("POST", "/booking", body, key=key)
        if answer is None:
            return
        assert answer[0] == 201, answer
        answered[key] = (body, answer[1])


def restore(address: str, endpoint: str | None, data: Path, path: str | None) -> dict[str, Any]:
    flags = ["--endpoint", endpoint] if endpoint else []
    with pytest.MonkeyPatch.context() as patch:
        if path is not None:
            patch.setenv("PATH", path + os.pathsep + os.environ["PATH"])
        done = onsale("restore", "--from", address, "--data", str(data), "--format", "json", *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


async def test_everything_archived_comes_back_after_kill_9(
    tmp_path: Path, place: tuple[str, str | None, str | None]
) -> None:
    address, endpoint, path = place
    data, back = tmp_path / "data", tmp_path / "back"
    flags = ["--endpoint", endpoint] if endpoint else []
    target = open_target(address, endpoint)
    answered: Answered = {}
    with Node(data) as node:
        async with Client(node.url) as client:
            event = await client.create_event(ticketTypes=[{"name": "A", "price": "10.00", "capacity": 1_000_000}])
        node.stop()  # with a checkpoint
    with Node(data) as node, Backup(data, address, *flags, path=path) as backup:
        async with Client(node.url) as client:
            killed = False
            shoppers = [
                asyncio.create_task(shop(client, event["id"], answered, lambda: killed, number)) for number in range(20)
            ]
            await backup.reaches(300)
            # Litestream says nothing to anybody: look until it has copied something
            await asyncio.to_thread(until, lambda: bool(contents_of(target.list("epoch-")).checkpoints))
            await backup.reaches(backup.archived_seq + random.Random(7).randrange(50, 200))
            litestream = backup.litestream
            node.kill()
            backup.kill()
            killed = True
            await asyncio.gather(*shoppers)
    archived_seq = backup.archived_seq
    assert len(litestream) == 1
    until(lambda: not Path(f"/proc/{litestream[0]}").exists())  # it ends with who started it

    report = restore(address, endpoint, back, path)
    assert report["seq"] >= archived_seq
    assert str(report["checkpointFrom"]).startswith("Litestream")
    assert report["verify"]["checkpointAgrees"]
    assert verify(back).returncode == 0
    whole = [(key, body, answer) for key, (body, answer) in answered.items() if answer["seq"] <= archived_seq]
    assert len(whole) > 100
    with Node(back) as node:
        async with Client(node.url) as client:
            for key, body, answer in whole:
                assert await client.try_call("POST", "/booking", body, key=key) == (201, answer)
    again = onsale("restore", "--from", address, "--data", str(back), *flags)
    assert again.returncode == REFUSED
    assert "not empty" in again.stderr


async def test_a_backup_goes_on_where_it_was_killed_and_follows_the_node_s_epochs(tmp_path: Path) -> None:
    path_with("0.5", lambda: tmp_path)
    address, data, back = str(tmp_path / "backup"), tmp_path / "data", tmp_path / "back"
    answered: Answered = {}
    for _ in range(3):
        with Node(data) as node, Backup(data, address) as backup:
            async with Client(node.url) as client:
                event = await client.create_event()
                await shop(client, event["id"], answered, lambda: len(answered) % 40 == 39, 1)
                await backup.reaches(max(answer["seq"] for _, answer in answered.values()))
            backup.kill()
            assert node.stop() == 0
            answered[new_key()] = ({}, {"seq": 0})
    with Backup(data, address) as backup:
        await backup.reaches(json.loads(verify(data).stdout)["lastSeq"])
        assert backup.stop() == 0
    assert not [line for line in backup.said if "ended" in line]
    report = restore(address, None, back, None)
    assert report["epoch"] >= 3
    checked, original = (json.loads(verify(each).stdout) for each in (back, data))
    for name in ("lastSeq", "chainHead", "stateHash"):
        assert checked[name] == original[name]
    assert {path.name: path.read_bytes() for path in (back / "journal").iterdir()} == {
        path.name: path.read_bytes() for path in (data / "journal").glob("*.segment")
    }


async def test_damage_in_the_backup_is_told_with_its_place(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    with Node(data) as node:
        async with Client(node.url) as client:
            await client.create_event()
        done = onsale("backup", "--data", str(data), "--to", str(backup), "--once")
        assert done.returncode == 0, done.stderr
    (part,) = backup.rglob("*.part")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    done = onsale("restore", "--from", str(backup), "--data", str(tmp_path / "back"))
    assert done.returncode == CORRUPT
    assert part.name in done.stderr
    assert not list((tmp_path / "back").iterdir())
