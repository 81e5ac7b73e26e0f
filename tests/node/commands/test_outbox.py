"""`onsale outbox`: what is owed and what waits for a person, against a node that answers over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from onsale.engine.commands import (
    Book,
    CreateEvent,
    PaymentSucceededOutcome,
    RaiseConcern,
    SettleDelivery,
    SettleRefund,
    StartPayment,
    StartRefund,
    TypeSpec,
)
from onsale.http.gateway import LaneView
from onsale.node.command_line import main
from onsale.node.commands import outbox_report
from onsale.node.exit_codes import ExitCode
from onsale.tests.http.api_calls import OPERATOR, token_of
from onsale.tests.http.engine_gateway import START_MS, EngineGateway
from onsale.tests.node.commands.fake_node import FakeNode

NOWHERE = "http://127.0.0.1:1"
PAID = PaymentSucceededOutcome("pi_1")


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with FakeNode() as started:
        yield started


def run(node: FakeNode | str, *arguments: str, input: str | None = None, **environment: str) -> Result:  # noqa: A002
    url = node if isinstance(node, str) else node.url
    result = CliRunner().invoke(main, [*arguments, "--node", url], env=environment, input=input)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def give_up(gateway: EngineGateway, *, refunds: int = 1, messages: bool = True) -> None:
    """Refunds that the provider refused, messages that could not be sent."""
    gateway.decide(
        CreateEvent("Jazz", START_MS + 10**9, (TypeSpec("Standing", "49.90", 100),), webhook_url="https://x.test/")
    )
    for number in range(1, refunds + 1):
        gateway.decide(Book(f"u-{number}", 1, 300_000))
        gateway.decide(StartPayment(f"u-{number}", 1, "49.90"))
        gateway.settle(number, PAID)
        gateway.decide(StartRefund(number, 300_000))
        gateway.decide(SettleRefund(number, f"re_{number}", "The card has expired."))
    if messages:
        for delivery_id in list(gateway.state.deliveries.rows):
            gateway.decide(SettleDelivery(delivery_id, "Nobody answers.", 0))


def test_nothing_waits(node: FakeNode) -> None:
    node.gateway.lane_views = [LaneView("payments", 3, 1, 0, "", 0), LaneView("mail", 2, 0, START_MS, "No route.", 0)]
    result = run(node, "outbox")
    assert result.exit_code == ExitCode.DONE, result.output
    head, payments, mail, _, owed, well = result.stdout.splitlines()
    assert head.startswith("asked of ")
    assert payments.split()[:4] == ["provider:", "payments", "3", "1"]
    assert "2026-11-22T10:00:00.000Z" in mail
    assert mail.endswith("No route.")
    assert owed == "owed: 0 payments, 0 refunds, 0 messages"
    assert well == "Nothing waits for a person."


def test_what_waits_for_a_person(node: FakeNode) -> None:
    give_up(node.gateway)
    node.gateway.decide(RaiseConcern("dispute", "dp_1", "Disputed.", amount_minor=4990, currency="EUR"))
    result = run(node, "outbox")
    assert result.exit_code == ExitCode.UNHEALTHY
    assert "refund-1" in result.stdout
    assert "49.90 EUR" in result.stdout
    assert "The card has expired." in result.stdout
    dead = next(iter(node.gateway.state.deliveries_dead))
    assert f"message-{dead}" in result.stdout
    assert "organiser webhook" in result.stdout
    assert "dispute:dp_1" in result.stdout
    assert "! 1 concern for a person to decide" in result.stdout
    document = json.loads(run(node, "outbox", "--format", "json").stdout)
    assert document["totals"]["refundsFailed"] == 1


def test_long_lists_are_cut(node: FakeNode) -> None:
    for number in range(103):
        node.gateway.decide(RaiseConcern("dispute", f"dp_{number}", "Disputed."))
    result = run(node, "outbox")
    assert "… and 3 more." in result.stdout
    assert "! 103 concerns" in result.stdout


def test_a_node_that_does_not_lead(node: FakeNode) -> None:
    node.gateway.leads = False
    assert "does not lead" in run(node, "outbox").stdout


def test_trying_again(node: FakeNode) -> None:
    give_up(node.gateway, refunds=2)
    dead = list(node.gateway.state.deliveries_dead)
    result = run(node, "outbox", "retry", "refund-1", f"message-{dead[0]}")
    assert result.exit_code == ExitCode.DONE, result.output
    assert result.stdout == f"1 refund and 1 message are tried again; {len(dead)} left given up.\n"
    result = run(node, "outbox", "retry", "refund-1")
    assert result.exit_code == ExitCode.ERROR
    assert result.stdout.startswith("refund-1: Refund 1 is under way")
    result = run(node, "outbox", "retry", "message-99999999", "--format", "json")
    assert result.exit_code == ExitCode.ERROR
    assert json.loads(result.stdout)["notRetried"][0]["deliveryId"] == 99999999


def test_trying_all_again(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    give_up(node.gateway, refunds=5)
    total = 5 + len(node.gateway.state.deliveries_dead)
    monkeypatch.setattr("onsale.http.calls.outbox.RETRIED_MAX", 3)
    result = run(node, "outbox", "retry", "--all")
    assert result.exit_code == ExitCode.DONE, result.output
    assert result.stdout == f"5 refunds and {total - 5} messages are tried again; nothing left given up.\n"
    assert not node.gateway.state.refunds_failed


@pytest.mark.parametrize("arguments", [(), ("7",), ("refund-0",), ("refund-x",), ("booking-1",), ("refund-1", "--all")])
def test_what_is_to_be_tried_again_must_be_named(arguments: tuple[str, ...]) -> None:
    result = run(NOWHERE, "outbox", "retry", *arguments)
    assert result.exit_code == ExitCode.USAGE
    assert "refund-" in result.stderr


def test_closing_a_concern(node: FakeNode) -> None:
    node.gateway.decide(RaiseConcern("dispute", "dp_1", "Disputed."))
    result = run(node, "outbox", "close", "dispute:dp_1")
    assert (result.exit_code, result.stdout) == (ExitCode.DONE, "dispute:dp_1 is closed.\n")
    assert node.gateway.state.concerns_open == 0
    assert run(node, "outbox", "close", "dispute:dp_1", "--format", "json").exit_code == ExitCode.DONE
    result = run(node, "outbox", "close", "dispute:dp_2")
    assert result.exit_code == ExitCode.ERROR
    assert "There is no concern 'dispute:dp_2'" in result.stderr


def test_flags_before_the_subcommand_hold_too(node: FakeNode) -> None:
    node.gateway.decide(RaiseConcern("dispute", "dp_1", "Disputed."))
    result = CliRunner().invoke(main, ["outbox", "--node", node.url, "close", "dispute:dp_1"])
    assert result.exit_code == ExitCode.DONE, result.output


def test_nobody_there() -> None:
    for arguments in ((), ("retry", "--all"), ("close", "a:b")):
        result = run(NOWHERE, "outbox", *arguments)
        assert result.exit_code == ExitCode.UNREACHABLE, arguments
        assert "--node" in result.stderr
    assert run("ftp://x", "outbox").exit_code == ExitCode.USAGE


def test_it_is_for_operators() -> None:
    with FakeNode(secured=True) as node:
        result = run(node, "outbox")
        assert result.exit_code == ExitCode.ERROR
        assert "--token" in result.stderr
        assert run(node, "outbox", "--token", token_of("user", "u-1")).exit_code == ExitCode.ERROR
        assert run(node, "outbox", ONSALE_TOKEN=OPERATOR).exit_code == ExitCode.DONE


def test_watching_goes_on_until_it_is_stopped(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps: list[float] = []

    def stop_after_two(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(outbox_report.time, "sleep", stop_after_two)
    result = run(node, "outbox", "--watch", "--format", "json")
    assert result.exit_code == ExitCode.DONE
    assert len(result.stdout.splitlines()) == 2
    sleeps.clear()
    result = run(NOWHERE, "outbox", "--watch")
    assert result.exit_code == ExitCode.UNHEALTHY
    assert result.stderr.count("does not answer") == 2


def test_watching_on_a_terminal_draws_in_place(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    cleared: list[Any] = []

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(outbox_report.time, "sleep", stop)
    monkeypatch.setattr(outbox_report.click, "clear", lambda: cleared.append(1))
    monkeypatch.setattr(outbox_report.sys.stdout, "isatty", lambda: True, raising=False)
    document = json.loads(run(node, "outbox", "--format", "json").stdout)
    monkeypatch.setattr(outbox_report.sys.stdout, "isatty", lambda: True, raising=False)
    assert not outbox_report.watch(lambda: document, as_json=False)
    assert cleared == [1]
