"""`onsale queue`: a waiting room shown and steered, against a node that answers over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from onsale.engine.commands import CreateEvent, JoinQueue, RoomSpec, TypeSpec
from onsale.engine.status import ROOM_CLOSED, ROOM_OPEN, ROOM_PAUSED
from onsale.node.command_line import main
from onsale.node.exit_codes import ExitCode
from onsale.tests.http.api_calls import OPERATOR, token_of
from onsale.tests.http.engine_gateway import START_MS
from onsale.tests.node.commands.fake_node import FakeNode


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with FakeNode() as started:
        with_room(started)
        yield started


def with_room(node: FakeNode, **room: Any) -> None:
    types = (TypeSpec("Standing", "49.90", 100),)
    node.gateway.decide(CreateEvent("Jazz", START_MS + 10**9, types, room=RoomSpec(60, **room), seed=b"s" * 32))
    node.gateway.pass_time(0)
    for number in range(5):
        node.gateway.decide(JoinQueue(f"u-{number}", 1))
    node.gateway.pass_time(0)


def run(node: FakeNode | str, *arguments: str) -> Result:
    url = node if isinstance(node, str) else node.url
    result = CliRunner().invoke(main, ["queue", *arguments, "--node", url])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_room_is_shown(node: FakeNode) -> None:
    result = run(node, "1")
    assert result.exit_code == ExitCode.DONE, result.output
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert ["room", "open"] in lines
    assert ["waiting", "4"] in lines
    assert ["inside", "1"] in lines
    assert "number 1 of 5" in result.stdout
    assert "60 people a minute" in result.stdout
    assert "lot" not in result.stdout


def test_a_room_that_is_to_open_yet_and_its_lot() -> None:
    with FakeNode() as node:
        with_room(node, opens_ms=START_MS + 60_000, shuffle=True)
        result = run(node, "1")
    assert "2026-11-22T10:01:00.000Z" in result.stdout
    assert "seed secret until the opening" in result.stdout


def test_a_program_gets_json(node: FakeNode) -> None:
    document = json.loads(run(node, "1", "--format", "json").stdout)
    assert (document["state"], document["nowServing"], document["waiting"]) == ("open", 1, 4)


def test_a_room_is_steered(node: FakeNode) -> None:
    queue = node.gateway.state.sales[1].queue
    assert queue is not None
    for flags, state in ((["--pause"], ROOM_PAUSED), (["--resume"], ROOM_OPEN), (["--close"], ROOM_CLOSED)):
        assert run(node, "1", *flags).exit_code == ExitCode.DONE
        assert queue.room.state == state
    result = run(node, "1", "--admit-per-minute", "600", "--max-inside", "9")
    assert "600 people a minute" in result.stdout
    assert "the waiting room is changed" in result.stderr
    assert (queue.room.admit_per_minute, queue.room.max_inside) == (600, 9)
    run(node, "1", "--max-inside", "none")
    assert (queue.room.admit_per_minute, queue.room.max_inside) == (600, None)


@pytest.mark.parametrize(
    "flags",
    [["--pause", "--close"], ["--admit-per-minute", "0"], ["--max-inside", "0"], ["--max-inside", "many"]],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(node: FakeNode, flags: list[str]) -> None:
    hits = node.hits
    assert run(node, "1", *flags).exit_code == ExitCode.USAGE
    assert node.hits == hits


def test_an_event_without_a_room_does_not_get_one_by_being_paused(node: FakeNode) -> None:
    node.gateway.decide(CreateEvent("Blues", START_MS + 10**9, (TypeSpec("Standing", "1.00", 5),)))
    result = run(node, "2", "--admit-per-minute", "60")
    assert result.exit_code == ExitCode.ERROR
    assert "no waiting room" in result.stderr
    assert node.gateway.state.sales[2].queue is None
    assert run(node, "9").exit_code == ExitCode.ERROR


def test_steering_takes_an_organiser() -> None:
    with FakeNode(secured=True) as node:
        with_room(node)
        assert run(node, "1").exit_code == ExitCode.DONE
        assert run(node, "1", "--pause").exit_code != ExitCode.DONE
        assert run(node, "1", "--pause", "--token", token_of("user", "ann")).exit_code != ExitCode.DONE
        assert run(node, "1", "--pause", "--token", OPERATOR).exit_code == ExitCode.DONE


def test_a_node_that_is_not_there() -> None:
    assert run("http://127.0.0.1:1", "1").exit_code == ExitCode.UNREACHABLE


def test_watching_goes_on_until_interrupted(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []

    def sleep(seconds: float) -> None:
        looked.append(seconds)
        if len(looked) == 3:
            raise KeyboardInterrupt
        node.gateway.pass_time(1_000)

    monkeypatch.setattr("onsale.node.commands.queue.time.sleep", sleep)
    result = run(node, "1", "--watch", "--format", "json")
    assert result.exit_code == ExitCode.DONE
    assert [json.loads(line)["nowServing"] for line in result.stdout.splitlines()] == [1, 2, 3]
