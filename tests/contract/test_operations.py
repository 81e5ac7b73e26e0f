"""Calls for operators, and the command line."""

import json
from pathlib import Path

import pytest

from onsale.tests.contract.asking import Caller
from onsale.tests.processes.nodes import Node, onsale


def test_health_and_roles(ask: Caller) -> None:
    for path in ("/healthz", "/readyz", "/primary", "/replica", "/replica?max_lag=1"):
        assert ask("GET", path).status == 200
    cluster = ask("GET", "/cluster").json
    (member,) = cluster["members"]
    assert member["role"] == cluster["role"] == "primary"
    assert {"name", "state", "epoch", "receivedSeq", "appliedSeq", "durableSeq", "lagMs", "address"} <= set(member)


def test_metrics_and_documents(ask: Caller) -> None:
    metrics = ask("GET", "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"# TYPE onsale_" in metrics.body
    document = ask("GET", "/openapi.json").json
    assert document["openapi"].startswith("3.1")
    for path in (
        "/events",
        "/booking",
        "/pay",
        "/users/{userId}/notifications",
        "/journal",
        "/outbox",
        "/tickets/{code}/check-in",
    ):
        assert path in document["paths"]
    page = ask("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert ask("GET", ask("GET", "/nowhere").json["type"].partition("#")[0]).status == 200, (
        "an error's type leads there"
    )


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["verify"], ["inspect"], ["events", "import"], ["events", "export"], ["token"]]
)
def test_every_command_has_help(command: list[str]) -> None:
    told = onsale(*command, "--help")
    assert told.returncode == 0
    assert "Usage:" in told.stdout


def test_wrong_usage_is_2_and_unreachable_is_3(tmp_path: Path) -> None:
    assert onsale("fly").returncode == 2
    assert onsale("serve").returncode == 2
    assert onsale("serve", "--data", str(tmp_path), "--hold-seconds", "0").returncode == 2
    assert onsale("token", "--role", "king", "--sub", "x").returncode == 2
    assert onsale("events", "export", "--node", "http://127.0.0.1:1").returncode == 3


def test_offline_commands_and_events_in_and_out(tmp_path: Path) -> None:
    data, first, second = tmp_path / "data", tmp_path / "first.jsonl", tmp_path / "second.csv"
    with Node(data) as node:
        ask = Caller(node.url)
        event_id = ask.event(name="Exported", city="Graz")
        booking_id = ask.held(event_id)
        assert onsale("events", "export", "--node", node.url, str(first)).returncode == 0
        assert json.loads(first.read_text())["name"] == "Exported"
        assert onsale("events", "import", "--node", node.url, str(first)).returncode == 0
        assert onsale("events", "export", "--node", node.url, str(second)).returncode == 0
        assert onsale("events", "import", "--node", node.url, str(second)).returncode == 0
        assert len(ask("GET", "/events?name=exported").json) >= 2
        node.stop()
    checked = onsale("verify", "--data", str(data), "--format", "json")
    assert (checked.returncode, json.loads(checked.stdout)["ok"]) == (0, True)
    told = onsale("inspect", "--data", str(data), "--booking", str(booking_id), "--format", "json")
    assert (told.returncode, json.loads(told.stdout)[0]["bookingId"]) == (0, booking_id)
    assert onsale("inspect", "--data", str(data), "--seq", "1").returncode == 0
