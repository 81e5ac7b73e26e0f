"""`onsale events cancel` and `progress`, against a node that answers over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from onsale.engine.commands import (
    Book,
    CreateEvent,
    PaymentSucceededOutcome,
    SettleDelivery,
    SettleRefund,
    StartPayment,
    TypeSpec,
)
from onsale.node.command_line import main
from onsale.node.commands import event_progress, events
from onsale.node.exit_codes import ExitCode
from onsale.tests.http.api_calls import token_of
from onsale.tests.http.engine_gateway import START_MS
from onsale.tests.node.commands.fake_node import FakeNode

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with FakeNode() as started:
        sell(started, 3)
        yield started


def sell(node: FakeNode, bookings: int) -> None:
    gateway = node.gateway
    types = (TypeSpec("Standing", "49.90", 100),)
    gateway.decide(CreateEvent("Jazz Night", START_MS + 10**9, types, webhook_url="https://x.test/"))
    for number in range(1, bookings + 1):
        gateway.decide(Book(f"u-{number}", 1, 300_000))
        gateway.decide(StartPayment(f"u-{number}", 1, "49.90"))
        gateway.settle(number, PaymentSucceededOutcome(f"pi_{number}"))
    deliver(node)


def deliver(node: FakeNode, failure: str | None = None) -> None:
    for delivery_id in list(node.gateway.state.deliveries.rows):
        node.gateway.decide(SettleDelivery(delivery_id, failure))


def run(node: FakeNode | str, *arguments: str, input: str | None = None, **environment: str) -> Result:  # noqa: A002
    url = node if isinstance(node, str) else node.url
    result = CliRunner().invoke(main, ["events", *arguments, "--node", url], env=environment, input=input)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


class Steps:
    """What happens between two looks; at the end, Ctrl-C."""

    def __init__(self, *steps: Any) -> None:
        self._steps = list(steps)

    def __call__(self, _seconds: float) -> None:
        if not self._steps:
            raise KeyboardInterrupt
        self._steps.pop(0)()


def test_cancelling_and_watching_until_nothing_is_owed(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = node.gateway

    def refund_all() -> None:
        for refund_id in list(gateway.state.refunds.rows):
            gateway.decide(SettleRefund(refund_id, f"re_{refund_id}"))

    monkeypatch.setattr(
        event_progress.time, "sleep", Steps(lambda: gateway.pass_time(1000), refund_all, lambda: deliver(node))
    )
    result = run(node, "cancel", "1", "--yes", "--watch")
    assert result.exit_code == ExitCode.DONE, result.output
    assert result.stdout == "Event 1: nothing is owed any more.\n"
    assert "event 1 is cancelled" in result.stderr
    assert "Event 1: 3 bookings to end, 0 refunds to make" in result.stderr
    assert gateway.state.events.rows[1].cancelled
    assert all(booking.refunded_minor == 4990 for booking in gateway.state.bookings.rows.values())


def test_without_watching_it_says_how_it_stands(node: FakeNode) -> None:
    result = run(node, "cancel", "1", "--yes")
    assert result.exit_code == ExitCode.DONE
    assert result.stdout.startswith("Event 1: 3 bookings to end")


def test_it_asks_back(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(node, "cancel", "1")
    assert result.exit_code == ExitCode.USAGE
    assert "--yes" in result.stderr
    monkeypatch.setattr(events, "_can_ask_back", lambda: True)
    result = run(node, "cancel", "1", input="n\n")
    assert result.exit_code == ExitCode.ERROR
    assert "Jazz Night, 2026-12" in result.stderr
    assert "3 tickets sold" in result.stderr
    assert "Nothing was done." in result.stderr
    assert not node.gateway.state.events.rows[1].cancelled
    assert run(node, "cancel", "1", input="y\n").exit_code == ExitCode.DONE
    assert node.gateway.state.events.rows[1].cancelled


def test_an_interruption_leaves_it_going_on(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_progress.time, "sleep", Steps())
    result = run(node, "cancel", "1", "--yes", "--watch")
    assert (result.exit_code, result.stdout) == (ExitCode.DONE, "")
    assert "goes on by itself" in result.stderr
    assert "onsale events progress 1 --watch" in result.stderr


def test_progress_with_nothing_owed(node: FakeNode) -> None:
    for arguments in ((), ("--watch",)):
        result = run(node, "progress", "1", *arguments)
        assert (result.exit_code, result.stdout) == (ExitCode.DONE, "Event 1: nothing is owed any more.\n")
    document = json.loads(run(node, "progress", "1", "--format", "json").stdout)
    assert document["refundsOwed"] == 0


def test_what_failed_waits_for_a_person(node: FakeNode) -> None:
    run(node, "cancel", "1", "--yes")
    node.gateway.pass_time(1000)
    deliver(node, "Nobody answers.")
    for refund_id in list(node.gateway.state.refunds.rows):
        node.gateway.decide(SettleRefund(refund_id, failure="The bank refused."))
    result = run(node, "progress", "1", "--watch")
    assert result.exit_code == ExitCode.UNHEALTHY
    assert "! 3 refunds refused by the provider" in result.stdout
    assert "could not be sent" in result.stdout
    assert run(node, "progress", "1", "--format", "json").exit_code == ExitCode.UNHEALTHY


def test_watching_outlasts_a_node_that_is_away(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    run(node, "cancel", "1", "--yes")
    answers: list[Any] = [
        event_progress.CommandFailed("Away.", ExitCode.UNREACHABLE),
        json.loads(run(node, "progress", "1", "--format", "json").stdout) | {"bookingsLeft": 0},
    ]

    def read() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(event_progress.time, "sleep", lambda _seconds: None)
    assert event_progress.watch(read, 1) is not None
    answers.append(event_progress.CommandFailed("Gone."))
    with pytest.raises(event_progress.CommandFailed, match="Gone"):
        event_progress.watch(read, 1)


def test_refusals(node: FakeNode) -> None:
    for command in (("cancel", "2", "--yes"), ("progress", "2")):
        result = run(node, *command)
        assert result.exit_code == ExitCode.ERROR
        assert "no event 2" in result.stderr
    run(node, "cancel", "1", "--yes")
    result = run(node, "cancel", "1", "--yes")
    assert result.exit_code == ExitCode.ERROR
    assert "cancelled already" in result.stderr


def test_nobody_there() -> None:
    for command in (("cancel", "1", "--yes"), ("progress", "1")):
        result = run(NOWHERE, *command)
        assert result.exit_code == ExitCode.UNREACHABLE
        assert "--node" in result.stderr
        assert run(NOWHERE, command[0], "x").exit_code == ExitCode.USAGE


def test_it_is_for_organisers() -> None:
    with FakeNode(secured=True) as node:
        sell(node, 1)
        assert run(node, "progress", "1").exit_code == ExitCode.ERROR
        assert run(node, "progress", "1", ONSALE_TOKEN=token_of("organiser", "o")).exit_code == ExitCode.DONE
