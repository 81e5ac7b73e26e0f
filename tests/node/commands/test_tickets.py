"""`onsale tickets`: the key from a node, and codes checked without one."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from onsale.node.command_line import main
from onsale.node.exit_codes import ExitCode
from onsale.node.tickets import TicketCodes
from onsale.tests.node.commands.fake_node import FakeNode

CODES = TicketCodes(lambda: bytes(range(32)))
OTHERS = TicketCodes(lambda: bytes(32))
GENUINE = CODES.of(7, 12, 3)


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with FakeNode() as started:
        yield started


def run(*arguments: str, input: str | None = None, **environment: str) -> Result:  # noqa: A002
    result = CliRunner().invoke(main, ["tickets", *arguments], env=environment, input=input)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def check(*codes: str, input: str | None = None) -> Result:  # noqa: A002
    return run("check", *codes, "--key", CODES.public_key, input=input)


def test_the_key_of_a_node(node: FakeNode) -> None:
    node.gateway.ticket_public_key = CODES.public_key
    result = run("key", "--node", node.url)
    assert (result.exit_code, result.stdout) == (ExitCode.DONE, CODES.public_key + "\n")
    document = json.loads(run("key", "--node", node.url, "--format", "json").stdout)
    assert document["publicKey"] == CODES.public_key
    assert run("check", GENUINE[0], ONSALE_KEY=CODES.public_key).exit_code == ExitCode.DONE
    node.gateway.ticket_public_key = ""
    assert run("key", "--node", node.url).exit_code == ExitCode.ERROR
    assert run("key", "--node", "http://127.0.0.1:1").exit_code == ExitCode.UNREACHABLE


def test_genuine_codes() -> None:
    result = check(*GENUINE)
    assert result.exit_code == ExitCode.DONE
    assert result.stdout.splitlines() == [f"genuine      event 7, booking 12, ticket {each}" for each in (1, 2, 3)]
    assert check(f" {GENUINE[0].lower()}").exit_code == ExitCode.DONE


@pytest.mark.parametrize(
    "code", [OTHERS.of(7, 12, 1)[0], GENUINE[0][:-1], "A" + GENUINE[0][1:-2] + "AA", "x", "\x1b[31m", "ü", "A" * 10_000]
)
def test_any_other_code(code: str) -> None:
    result = check(GENUINE[0], code)
    assert result.exit_code == ExitCode.ERROR
    good, bad = result.stdout.splitlines()
    assert good.startswith("genuine")
    assert bad.startswith("NOT GENUINE")
    assert len(bad) < 60
    assert "\x1b" not in bad


def test_a_scanner_types_a_line_each() -> None:
    result = check("-", input=f"{GENUINE[0]}\r\n\n  {GENUINE[1]}  \nnonsense\n")
    assert result.exit_code == ExitCode.ERROR
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["genuine", "genuine", "NOT"]
    assert check("-", input="").exit_code == ExitCode.DONE


def test_for_a_program() -> None:
    result = run("check", GENUINE[1], "x", "--key", CODES.public_key, "--format", "json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"code": GENUINE[1], "genuine": True, "eventId": 7, "bookingId": 12, "number": 2},
        {"code": "x", "genuine": False},
    ]


def test_bad_arguments() -> None:
    for arguments in (("check", GENUINE[0]), ("check", "--key", CODES.public_key), ("check", GENUINE[0], "--key", "k")):
        assert run(*arguments).exit_code == ExitCode.USAGE
    assert "onsale tickets key" in run("check", "x", "--key", "k").stderr
