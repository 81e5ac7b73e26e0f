"""`onsale reconcile`, against a node that answers over HTTP."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from onsale.engine.commands import CloseConcern, RaiseConcern
from onsale.http.gateway import Finding, Reconciliation
from onsale.node.command_line import main
from onsale.node.commands import reconcile as command
from onsale.node.commands.reconcile import parse_since
from onsale.node.exit_codes import ExitCode
from onsale.tests.http.api_calls import OPERATOR
from onsale.tests.node.commands.fake_node import FakeNode

NOW_MS = 1_795_341_600_000  # 2026-11-22T10:00:00Z
DAY_MS = 86_400_000
MENDED = Finding("settled", "pi_1", 1, 1, 0, 4990, "EUR", "Payment 1 succeeded.", mended=True)
MISSING = Finding("missing_payment", "pi_2", 2, 2, 0, 4990, "EUR", "Payment 2 is not there.", mended=False)


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with FakeNode() as started:
        yield started


def run(node: FakeNode | str, *arguments: str, **environment: str) -> Result:
    url = node if isinstance(node, str) else node.url
    result = CliRunner().invoke(main, ["reconcile", *arguments, "--node", url], env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("7d", NOW_MS - 7 * DAY_MS),
        ("24h", NOW_MS - DAY_MS),
        ("90m", NOW_MS - 90 * 60_000),
        ("2w", NOW_MS - 14 * DAY_MS),
        ("30s", NOW_MS - 30_000),
        ("999999w", 0),
        ("2026-11-22", NOW_MS - 10 * 3_600_000),
        ("2026-11-22T10:00:00+01:00", NOW_MS - 3_600_000),
        ("2026-11-22T10:00:00.000Z", NOW_MS),
        ("1970-01-01", 0),
    ],
)
def test_how_a_time_may_be_written(text: str, at_ms: int) -> None:
    assert parse_since(text, NOW_MS) == at_ms


@pytest.mark.parametrize(
    "text", ["", "7", "d", "-7d", "7 d", "yesterday", "2026-13-01", "2026-11-22T10:00:00", "1969-12-31", "2026-11-23"]
)
def test_what_is_no_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time|in the future"):
        parse_since(text, NOW_MS)


def test_a_usage_error_asks_nobody(node: FakeNode) -> None:
    assert run(node, "--since", "soon").exit_code == ExitCode.USAGE
    assert run("ftp://x").exit_code == ExitCode.USAGE
    assert not node.hits


def test_all_is_even(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.time, "time", lambda: NOW_MS / 1000)
    result = run(node)
    assert result.exit_code == ExitCode.DONE, result.output
    assert result.stdout.splitlines()[-1] == (
        "2026-11-15T10:00:00.000Z to 2026-11-22T10:00:00.000Z: 3 payments here, 3 at the provider; 1 refund here, "
        "1 there; 0 mended: all is even."
    )
    assert node.gateway.orders == [("reconcile", NOW_MS - 7 * DAY_MS)]


def test_what_is_mended_is_well(node: FakeNode) -> None:
    node.gateway.findings = [MENDED]
    result = run(node, "--since", "24h")
    assert result.exit_code == ExitCode.DONE
    assert "mended: payment settled" in result.stdout
    assert "49.90 EUR" in result.stdout
    assert "1 mended: all is even" in result.stdout


def test_a_person_must_decide(node: FakeNode) -> None:
    node.gateway.findings = [MISSING, MENDED]
    node.gateway.decide(RaiseConcern("missing_payment", "pi_2", "Payment 2 is not there."))
    node.gateway.decide(RaiseConcern("dispute", "dp_1", "It is disputed."))
    result = run(node)
    assert result.exit_code == ExitCode.UNHEALTHY
    assert "missing payment" in result.stdout
    assert "Open since before:" in result.stdout
    assert "dispute:dp_1" in result.stdout
    assert "missing_payment:pi_2" not in result.stdout, "said once"
    assert "1 mended; 2 for a person to decide" in result.stdout
    for file_format in ("table", "json"):
        assert run(node, "--format", file_format).exit_code == ExitCode.UNHEALTHY
    document = json.loads(run(node, "--format", "json").stdout)
    assert [each["mended"] for each in document["findings"]] == [False, True]
    assert [each["id"] for each in document["concerns"]] == ["missing_payment:pi_2", "dispute:dp_1"]
    assert document["concernsOpen"] == 2


def test_an_open_concern_is_enough(node: FakeNode) -> None:
    node.gateway.decide(RaiseConcern("dispute", "dp_1", "It is disputed."))
    assert run(node).exit_code == ExitCode.UNHEALTHY
    node.gateway.decide(CloseConcern("dispute:dp_1"))
    assert run(node).exit_code == ExitCode.DONE


def test_the_test_provider_says_so(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(since_ms: int) -> Reconciliation:
        return Reconciliation("test", since_ms, NOW_MS, 0, 0, 0, 0, [])

    monkeypatch.setattr(node.gateway, "reconcile", nothing)
    result = run(node)
    assert result.exit_code == ExitCode.DONE
    assert "keeps no books" in result.stderr
    assert "even" not in result.stdout


def test_a_node_that_cannot_now(node: FakeNode) -> None:
    node.gateway.is_busy = True
    result = run(node)
    assert result.exit_code == ExitCode.ERROR
    assert "too much to do" in result.stderr


def test_the_primary_is_asked() -> None:
    with FakeNode() as primary, FakeNode() as standby:
        standby.gateway.leads = False
        standby.gateway.primary_address = primary.url
        assert run(standby).exit_code == ExitCode.DONE
        assert primary.gateway.orders
        standby.gateway.primary_address = ""
        assert run(standby).exit_code == ExitCode.UNREACHABLE


def test_nobody_there() -> None:
    result = run("http://127.0.0.1:1")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "--node" in result.stderr


def test_it_is_for_operators() -> None:
    with FakeNode(secured=True) as node:
        assert run(node).exit_code == ExitCode.ERROR
        assert run(node, ONSALE_TOKEN=OPERATOR).exit_code == ExitCode.DONE


def test_an_interruption_says_that_the_node_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("onsale.node.commands.operator_client.OperatorClient.post", interrupted)
    monkeypatch.setattr(command.sys.stderr, "isatty", lambda: True, raising=False)
    result = run("http://127.0.0.1:1")
    assert result.exit_code == ExitCode.ERROR
    assert "may go on comparing" in result.stderr
