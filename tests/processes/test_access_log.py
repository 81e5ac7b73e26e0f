"""A request's name leads through every node that it passes to the fact in the journal."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cluster import Cluster, command

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLAGS = ("--access-log", "all", "--log-format", "json")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path_factory.mktemp("pair"), standbys=1, flags=FLAGS) as cluster:
        yield cluster


def lines_of(cluster: Cluster, name: str, request_id: str) -> list[dict[str, Any]]:
    said = [json.loads(line) for line in cluster.nodes[name].lines if line.startswith("{")]
    return [line for line in said if line.get("request_id") == request_id]


async def test_a_booking_at_a_standby_is_found_by_its_name_in_both_logs_and_the_journal(pair: Cluster) -> None:
    event = await pair.clients["a"].create_event()
    body = {"userId": "ada", "eventId": event["id"]}
    status, booking, headers = await pair.clients["b"].call(
        "POST", "/booking", body, headers={"X-Request-Id": "support-17"}
    )
    assert (status, headers["X-Request-Id"]) == (201, "support-17")
    for name in "ab":
        await pair.until_line(pair.nodes[name], "support-17")
    (at_primary,), (at_standby,) = lines_of(pair, "a", "support-17"), lines_of(pair, "b", "support-17")
    assert at_primary["seq"] == at_standby["seq"] == booking["seq"]
    assert at_primary["forwarded_by"] == "b"
    assert "forwarded_by" not in at_standby
    assert {at_primary["user"], at_standby["user"]} == {"ada"}
    told = await command("inspect", "--data", str(pair.nodes["a"].data), "--seq", str(at_primary["seq"]))
    assert told.code == 0, told
    assert "ada" in told.output


async def test_who_forges_a_forwarding_node_does_not_end_the_log(pair: Cluster) -> None:
    for sent in ("\udcff", "né"):
        await pair.clients["a"].call("GET", "/events", headers={"Onsale-Forwarded-By": sent, "X-Request-Id": "forged"})
    await pair.clients["a"].call("GET", "/events", headers={"X-Request-Id": "afterwards"})
    await pair.until_line(pair.nodes["a"], "afterwards")
    assert len(lines_of(pair, "a", "forged")) == 2


async def test_lines_are_written_to_the_end(tmp_path: Path) -> None:
    async with Cluster(tmp_path, standbys=0, sync_standbys=None, flags=FLAGS) as alone:
        for number in range(50):
            await alone.clients["a"].call("GET", "/events", headers={"X-Request-Id": f"n{number}"})
        await alone.stop()
        await alone.until_line(alone.nodes["a"], '"n49"')
        assert all(lines_of(alone, "a", f"n{number}") for number in range(50))
