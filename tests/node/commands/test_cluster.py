"""The commands about the cluster, against a node that answers over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from onsale.http.gateway import ClusterChange
from onsale.node.command_line import main
from onsale.node.commands import cluster, cluster_report
from onsale.node.exit_codes import ExitCode
from onsale.tests.http.api_calls import OPERATOR, token_of
from onsale.tests.http.calls.test_cluster import standby
from onsale.tests.node.commands.fake_node import FakeNode

ORDERS = [
    ("failover", "--yes"), ("switchover", "--yes"), ("sync-standbys", "1"), ("members", "remove", "three"),
]  # fmt: skip
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with FakeNode() as started:
        yield started


def run(node: FakeNode | str, *arguments: str, input: str | None = None, **environment: str) -> Result:  # noqa: A002
    url = node if isinstance(node, str) else node.url
    result = CliRunner().invoke(main, [*arguments, "--node", url], env=environment, input=input)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody to ask back."""
    monkeypatch.setattr(cluster, "_can_ask_back", lambda: True)


# --- status


def test_the_status_of_a_healthy_cluster(node: FakeNode) -> None:
    node.gateway.sync_standbys = 1
    node.gateway.more_members = [standby(lag_ms=1500, state="catching_up"), standby("node-three", role="replica")]
    result = run(node, "status")
    assert result.exit_code == ExitCode.DONE, result.output
    head, one, two, _, line = result.stdout.splitlines()
    assert head.split()[:3] == ["name", "role", "state"]
    assert one.split()[:4] == ["*", "one", "primary", "serving"]
    assert "two   " in two
    assert "catching up" in two
    assert "1.5 s" in two
    assert line == "primary one, epoch 1, seq 0; answers wait for 1 standby, 2 in step: ok"


def test_the_status_for_a_program(node: FakeNode) -> None:
    result = run(node, "status", "--format", "json")
    assert json.loads(result.stdout)["members"][0]["name"] == "one"
    assert result.stdout.count("\n") == 1


def test_something_wrong_is_said_and_has_an_exit_code(node: FakeNode) -> None:
    node.gateway.primary = ""
    for file_format in ("table", "json"):
        result = run(node, "status", "--format", file_format)
        assert result.exit_code == ExitCode.UNHEALTHY
        assert "No primary is known" in result.stdout


def test_nobody_there() -> None:
    for command in (("status",), *ORDERS):
        result = run(f"{NOWHERE},[::1]:1", *command)
        assert result.exit_code == ExitCode.UNREACHABLE, command
        assert "http://127.0.0.1:1 does not answer" in result.stderr
        assert "http://[::1]:1 does not answer" in result.stderr
        assert result.stdout == ""


def test_of_several_nodes_the_first_that_is_there_is_asked(node: FakeNode) -> None:
    assert run(f"{NOWHERE}, {node.url.removeprefix('http://')}", "status").exit_code == ExitCode.DONE
    assert CliRunner().invoke(main, ["status"], env={"ONSALE_NODE": node.url}).exit_code == ExitCode.DONE


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "http://", "http://x:0", "http://x:y", "http://x/?q", ":", "http://[::1"]
)
def test_what_is_no_address_is_a_usage_error(url: str) -> None:
    result = run(url, "status")
    assert result.exit_code == ExitCode.USAGE
    assert "is no address of a node" in result.stderr


def test_watching_goes_on_until_it_is_stopped(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_after_two(_seconds: float) -> None:
        if node.hits >= 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(cluster_report.time, "sleep", stop_after_two)
    result = run(node, "status", "--watch", "--format", "json")
    assert result.exit_code == ExitCode.DONE
    assert [json.loads(line)["health"] for line in result.stdout.splitlines()] == ["ok", "ok"]
    assert run(node, "status", "--watch").exit_code == ExitCode.DONE


def test_watching_outlasts_a_node_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps = iter([None, None])

    def stop(_seconds: float) -> None:
        if next(sleeps, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr(cluster_report.time, "sleep", stop)
    result = run(NOWHERE, "status", "--watch")
    assert result.exit_code == ExitCode.UNHEALTHY
    assert result.stderr.count("does not answer") == 3


def test_watching_on_a_terminal(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn in place, and an outage in between is shown where the table was."""
    shown: list[Any] = []
    node.gateway.problems = ["The clock is late."]
    document = json.loads(run(node, "status", "--format", "json").stdout)
    answers: list[Any] = [document, cluster_report.CommandFailed("Away."), document | {"health": "ok"}]

    def read() -> Any:
        if not answers:
            raise KeyboardInterrupt
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    from rich.live import Live

    monkeypatch.setattr(cluster_report.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(cluster_report.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(Live, "update", lambda self, drawn, refresh: shown.append(drawn))
    assert cluster_report.watch(read, as_json=False)
    assert len(shown) == 3
    assert shown[1].plain == "Away."


# --- orders


def test_what_is_asked_arrives(node: FakeNode) -> None:
    assert run(node, "failover", "--yes").exit_code == ExitCode.DONE
    run(node, "failover", "--yes", "--to", "two", "--accept-data-loss", "--sync-standbys", "0")
    run(node, "switchover", "--yes", "--to", "two")
    run(node, "sync-standbys", "2")
    run(node, "members", "remove", "a b/ü")
    assert node.gateway.orders == [
        ("failover", None, False, None, False),
        ("failover", "two", True, 0, False),
        ("switchover", "two", False),
        ("sync_standbys", 2),
        ("remove", "a b/ü"),
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_the_outcome_is_told(node: FakeNode, order: tuple[str, ...]) -> None:
    result = run(node, *order)
    assert (result.exit_code, result.stdout) == (ExitCode.DONE, "two answers.\ntwo leads in epoch 2.\n")
    document = json.loads(run(node, *order, "--format", "json").stdout)
    assert (document["done"], document["primary"], document["epoch"]) == (True, "two", 2)


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_not_safe_is_refused_with_the_reason(node: FakeNode, order: tuple[str, ...]) -> None:
    node.gateway.unsafe = ClusterChange(done=False, sentences=["Two is away.", "Start it."], epoch=1, primary="one")
    result = run(node, *order)
    assert (result.exit_code, result.stdout) == (ExitCode.REFUSED, "Two is away.\nStart it.\n")
    assert "nothing was done" in result.stderr
    assert json.loads(run(node, *order, "--format", "json").stdout)["sentences"] == ["Two is away.", "Start it."]
    node.gateway.unsafe.fenced = True
    assert run(node, *order).exit_code == ExitCode.FENCED


@pytest.mark.parametrize("order", ["failover", "switchover"])
def test_without_a_terminal_yes_is_needed(node: FakeNode, order: str) -> None:
    result = run(node, order)
    assert result.exit_code == ExitCode.USAGE
    assert "--yes" in result.stderr
    assert not node.hits


@pytest.mark.parametrize("order", ["failover", "switchover"])
@pytest.mark.usefixtures("terminal")
def test_asking_back_says_first_what_would_be_done(node: FakeNode, order: str) -> None:
    result = run(node, order, input="n\n")
    assert (result.exit_code, result.stdout) == (ExitCode.ERROR, "two answers.\ntwo leads in epoch 2.\n")
    assert "Let two lead? [y/N]" in result.stderr
    assert "Nothing was done." in result.stderr
    result = run(node, order, input="y\n")
    assert (result.exit_code, result.stdout) == (ExitCode.DONE, "two answers.\ntwo leads in epoch 2.\n"), "said once"
    assert [each[-1] for each in node.gateway.orders] == [True, True, False], "tried out, tried out, done"
    assert node.gateway.orders[-1][1] == "two", "the one that was agreed to"


@pytest.mark.usefixtures("terminal")
def test_what_would_be_refused_is_not_asked_back_about(node: FakeNode) -> None:
    node.gateway.unsafe = ClusterChange(done=False, sentences=["Two is away."], epoch=1, primary="one")
    result = run(node, "failover")
    assert result.exit_code == ExitCode.REFUSED
    assert "[y/N]" not in result.stderr


def test_what_is_for_the_primary_goes_there(node: FakeNode) -> None:
    with FakeNode() as other:
        other.gateway.leads, other.gateway.primary_address = False, node.url
        for order in ORDERS[1:]:
            assert run(other, *order).exit_code == ExitCode.DONE, order
        assert len(node.gateway.orders) == 3
        assert not other.gateway.orders
        node.gateway.leads, node.gateway.primary_address = False, other.url
        result = run(other, "sync-standbys", "1")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "not the primary" in result.stderr


def test_a_token_is_needed_where_access_is_configured() -> None:
    with FakeNode(secured=True) as node:
        assert run(node, "status").exit_code == ExitCode.DONE
        for token in (None, token_of("user", "ada"), "a\nb"):
            result = run(node, "failover", "--yes", **({"ONSALE_TOKEN": token} if token else {}))
            assert result.exit_code in (ExitCode.ERROR, ExitCode.USAGE)
            assert "token" in result.stderr
        assert not node.gateway.orders
        assert run(node, "failover", "--yes", "--token", OPERATOR).exit_code == ExitCode.DONE


def test_the_number_of_standbys_is_not_taken_from_what_nodes_are_started_with(node: FakeNode) -> None:
    run(node, "failover", "--yes", ONSALE_SYNC_STANDBYS="1")
    assert node.gateway.orders == [("failover", None, False, None, False)]


def test_a_node_that_cannot_do_it_now(node: FakeNode) -> None:
    node.gateway.is_busy = True
    result = run(node, "failover", "--yes")
    assert result.exit_code == ExitCode.ERROR
    assert "There is too much to do" in result.stderr
