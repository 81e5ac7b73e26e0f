"""Damaged files and failing disks: recover what can be recovered and say so, refuse the rest, lose nothing answered."""

import asyncio
import resource
import shutil
from pathlib import Path

import pytest
from nodes import Client, Node, new_key, onsale, verify

from onsale.tests.engine.histories import History

CORRUPT = 6
DISK = 8


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with bookings in it, left behind by kill -9 before any checkpoint."""
    data = tmp_path_factory.mktemp("sold") / "data"

    async def sell() -> None:
        with Node(data) as node:
            async with Client(node.url) as client:
                event = await client.create_event()
                for number in range(20):
                    await client.call("POST", "/booking", {"userId": f"u-{number}", "eventId": event["id"]})

    asyncio.run(sell())
    return data


@pytest.fixture
def data(sold: Path, tmp_path: Path) -> Path:
    shutil.copytree(sold, tmp_path / "data")
    return tmp_path / "data"


def segment(data: Path) -> Path:
    return max((data / "journal").glob("*.segment"))


def exit_code_of_a_start(data: Path) -> tuple[int, str]:
    node = Node(data)
    try:
        node.start()
    except AssertionError:
        return node.wait(), "\n".join(node.lines)
    node.stop()
    return 0, "\n".join(node.lines)


@pytest.mark.parametrize("cut_bytes", [1, 7, 40])
async def test_a_torn_last_batch_is_dropped_and_said_so(data: Path, cut_bytes: int) -> None:
    path = segment(data)
    path.write_bytes(path.read_bytes()[:-cut_bytes])
    with Node(data) as node:
        assert any("torn" in line or "dropped" in line for line in node.lines), node.lines
        async with Client(node.url) as client:
            _, event, _ = await client.call("GET", "/events/1")
            assert event["ticketTypes"][0]["held"] == 19
        node.stop()
    assert list((data / "journal").glob("*torn*"))
    assert verify(data).returncode == 0


@pytest.mark.parametrize("place", [0.05, 0.3, 0.6, 0.9])
def test_a_flipped_byte_before_the_last_batch_is_refused_with_its_place(data: Path, place: float) -> None:
    path = segment(data)
    content = bytearray(path.read_bytes())
    offset = int(len(content) * place)
    content[offset] ^= 0x40
    path.write_bytes(content)
    code, said = exit_code_of_a_start(data)
    assert code == CORRUPT, said
    assert path.name in said
    checked = verify(data)
    assert checked.returncode == CORRUPT
    assert path.name in checked.stdout + checked.stderr
    assert path.read_bytes() == content, "nothing may be mended by cutting it off"


async def test_a_full_disk_ends_the_process_and_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """The file-size limit of the running process is lowered under load: writes fail as they do on a full disk."""
    data = tmp_path / "data"
    answered: list[tuple[str, dict[str, object], object]] = []
    with Node(data) as node:
        async with Client(node.url) as client:
            event = await client.create_event(
                maxPerUser=10, ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": 100_000}]
            )

            enough = asyncio.Event()

            async def shop(number: int) -> None:
                for count in range(10_000):
                    body = {"userId": f"u-{number}-{count}", "eventId": event["id"]}
                    key = new_key()
                    answer = await client.try_call("POST", "/booking", body, key=key)
                    if answer is None:
                        return
                    answered.append((key, body, answer))
                    if len(answered) == 300:
                        enough.set()

            shoppers = [asyncio.create_task(shop(number)) for number in range(30)]
            await enough.wait()
            limit = segment(data).stat().st_size + 20_000
            assert node.process is not None
            resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
            await asyncio.gather(*shoppers)
        assert node.wait() == DISK, node.lines
        assert any("disk" in line.lower() for line in node.lines), node.lines
    with Node(data) as node:
        async with Client(node.url) as client:
            for key, body, answer in answered:
                assert await client.try_call("POST", "/booking", body, key=key) == answer
        node.stop()
    assert verify(data).returncode == 0


def test_an_empty_or_foreign_file_in_the_journal_is_refused_or_left_alone(data: Path) -> None:
    (data / "journal" / "notes.txt").write_text("hello")
    code, said = exit_code_of_a_start(data)
    assert code == 0, said
    assert (data / "journal" / "notes.txt").read_text() == "hello"


def test_verify_of_a_folder_without_a_journal_says_so(tmp_path: Path) -> None:
    checked = onsale("verify", "--data", str(tmp_path))
    assert checked.returncode == 1
    assert "journal" in checked.stderr


def test_a_node_whose_folder_is_moved_away_stops_answering(data: Path) -> None:
    with Node(data) as node:
        data.rename(data.with_name("elsewhere"))
        assert node.wait() == DISK
        assert any("removed, renamed or unmounted" in line for line in node.lines), node.lines


def test_a_damaged_ticket_key_of_an_earlier_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    history, data = History(), tmp_path / "data"
    history.event()
    history.write(data)
    (data / "ticket.key").write_bytes(b"short")
    code, said = exit_code_of_a_start(data)
    assert code == CORRUPT, said
    assert "backup" in said
    assert "Traceback" not in said
    (data / "ticket.key").unlink()
    code, said = exit_code_of_a_start(data)
    assert code == 0, said
    assert "ticket codes given out before are not known" in said
