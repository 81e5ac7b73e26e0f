"""Rules, alerts and the dashboard: what Prometheus itself says of them, with a real cluster to scrape."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from cluster import Cluster
from prometheus_client.parser import text_string_to_metric_families
from promql import matched_labels, metrics_of

from onsale.http.measures.reading import Reading
from onsale.http.metrics import Metrics
from onsale.tests.deploy.settings_files import DEPLOY, ROOT

RULES = DEPLOY / "prometheus"
DASHBOARD = json.loads((DEPLOY / "grafana" / "onsale.json").read_text())
OF_PROMETHEUS = {"up", "ALERTS"}
EMPTY_HERE = {  # nothing is there to be shown: no errors, no refusals, no etcd, no waiting room, no large collections
    "Errors by route", "Refused by the gate", "Lease", "Annotation",
}  # fmt: skip
PATIENCE_SECONDS = 20.0

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")

Rule = dict[str, Any]


def rules() -> list[Rule]:
    files = [yaml.safe_load(file.read_text()) for file in sorted(RULES.glob("*.rules.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def queries() -> Iterator[tuple[str, str]]:
    """(panel, expression) of all that the dashboard asks."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield "Annotation", annotation["expr"]


def promtool(*arguments: object) -> None:
    ended = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


# --- rules


@needs_promtool
def test_promtool_finds_nothing_wrong() -> None:
    promtool("check", "rules", *sorted(RULES.glob("*.rules.yml")))
    promtool("check", "config", RULES / "prometheus.yml")


@needs_promtool
def test_each_alert_fires_when_it_should_and_no_sooner() -> None:
    promtool("test", "rules", RULES / "alerts.test.yml")


def test_each_alert_is_tested_firing_and_not_firing() -> None:
    fires: set[str] = set()
    does_not: set[str] = set()
    for test in yaml.safe_load((RULES / "alerts.test.yml").read_text())["tests"]:
        for each in test["promql_expr_test"]:
            (pattern,) = re.findall(r'alertname=~?"([^"]+)"', each["expr"])
            (fires if each["exp_samples"] else does_not).update(a for a in ALERTS if re.fullmatch(pattern, a))
    assert fires == does_not == ALERTS.keys()


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_what_it_is_and_where_to_read_on(name: str) -> None:
    alert = ALERTS[name]
    assert name.startswith("Onsale")
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert anchor == name.lower()
    (row,) = re.findall(rf'^.*<a id="{anchor}"></a>{name}\b.*$', (ROOT / page).read_text(), re.MULTILINE)
    assert ("**now**" in row) == (alert["labels"]["severity"] == "critical")


def test_recorded_names_say_level_metric_and_what_was_done() -> None:
    for rule in rules():
        if "record" in rule:
            assert re.fullmatch(r"(instance|cluster(_route)?):onsale_\w+:\w+", rule["record"])


def test_all_that_is_recorded_is_used() -> None:
    asked = [rule["expr"] for rule in rules()] + [expression for _, expression in queries()]
    used = set().union(*map(metrics_of, asked))
    assert {rule["record"] for rule in rules() if "record" in rule} <= used


# --- the dashboard


def test_the_dashboard_can_be_provisioned() -> None:
    assert DASHBOARD["uid"] == "onsale"
    assert "id" not in DASHBOARD  # of one Grafana
    assert "__inputs" not in DASHBOARD  # would be asked of whoever imports it
    identifiers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identifiers)) == len(identifiers)
    assert {panel["type"] for panel in DASHBOARD["panels"]} <= {"row", "stat", "timeseries", "state-timeline"}
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"


def test_compose_provisions_it() -> None:
    folder = DEPLOY / "compose"
    grafana = yaml.safe_load((folder / "compose.yaml").read_text())["services"]["grafana"]
    mounted = dict(each.split(":")[:2][::-1] for each in grafana["volumes"])
    provisioning = folder / mounted["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "onsale.yaml").read_text())["providers"]
    assert [file.name for file in (folder / mounted[provider["options"]["path"]]).glob("*.json")] == ["onsale.json"]
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)


def test_no_panel_lies_over_another() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]


# --- what nodes tell


@pytest.fixture(scope="module")
def lease_metrics() -> str:
    """What only nodes with --etcd tell."""
    reading = Reading(
        role="primary", epoch=1, seq=1, durable_seq=1, checkpoint_seq=1, bookings={}, waiting=0, held=0, events=0,
        lease_valid_seconds=1.0, etcd_reachable=True,
    )  # fmt: skip
    return b"".join(Metrics(lambda: reading).render()).decode()


@pytest_asyncio.fixture(loop_scope="session")
async def told(voters: Cluster, lease_metrics: str) -> str:
    await voters.start()
    async with aiohttp.ClientSession() as session, session.get(f"{voters.url('a')}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return await answer.text() + lease_metrics


@pytest.mark.asyncio(loop_scope="session")
async def test_whatever_is_asked_for_is_told(told: str) -> None:
    known = set(re.findall(r"^# HELP (\w+) ", told, re.MULTILINE)) | OF_PROMETHEUS
    known |= {name + suffix for name in known for suffix in ("_bucket", "_sum", "_count")}
    known |= {rule["record"] for rule in rules() if "record" in rule}
    asked = [(rule.get("alert", rule.get("record")), rule["expr"]) for rule in rules()]
    for where, expression in (*asked, *queries()):
        assert metrics_of(expression), where
        assert metrics_of(expression) <= known, where


@pytest.mark.asyncio(loop_scope="session")
async def test_roles_that_are_asked_for_exist(told: str) -> None:
    samples = [
        sample
        for family in text_string_to_metric_families(told.partition("# HELP python_info")[0])
        for sample in family.samples
    ]
    roles = {("onsale_role", "role", sample.labels["role"]) for sample in samples if sample.name == "onsale_role"}
    asked = set().union(*(matched_labels(each) for each in [r["expr"] for r in rules()] + [e for _, e in queries()]))
    assert {each for each in asked if each[:2] == ("onsale_role", "role")} <= roles


@needs_promtool
@pytest.mark.asyncio(loop_scope="session")
async def test_promtool_finds_nothing_wrong_with_metrics(voters: Cluster) -> None:
    await voters.start()
    async with aiohttp.ClientSession() as session, session.get(f"{voters.url('a')}/metrics") as answer:
        text = await answer.read()
    checked = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


# --- a real Prometheus


class Prometheus:
    """With the rules as they are; windows are as long as there is something in them."""

    def __init__(self, folder: Path, targets: list[str]) -> None:
        for file in RULES.glob("*.rules.yml"):
            shutil.copy(file, folder)
        settings = yaml.safe_load((RULES / "prometheus.yml").read_text())
        settings["global"] = {"scrape_interval": "500ms", "scrape_timeout": "400ms", "evaluation_interval": "500ms"}
        settings["scrape_configs"][0]["static_configs"] = [{"targets": targets, "labels": {"cluster": "main"}}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self._url = f"http://{address}/api/v1"
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={address}"],
            stdout=self._log, stderr=self._log,
        )  # fmt: skip
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        await self._session.close()
        self._process.kill()
        self._process.wait()
        self._log.close()

    async def ask(self, path: str, **query: str) -> Any:
        async with self._session.get(f"{self._url}/{path}", params=query) as answer:
            said = await answer.json()
            assert said["status"] == "success", said
            return said["data"]

    async def until(self, path: str, good: Callable[[Any], bool], **query: str) -> Any:
        data: Any = None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    data = await self.ask(path, **query)
                except aiohttp.ClientError:  # it starts
                    data = None
                if data is not None and good(data):
                    return data
                await asyncio.sleep(0.1)


@needs_prometheus
@pytest.mark.asyncio(loop_scope="session")
async def test_prometheus_scrapes_a_cluster_and_shows_all_that_the_dashboard_asks_for(
    voters: Cluster, tmp_path: Path
) -> None:
    await voters.start()
    event = await voters.clients["a"].create_event()
    prometheus = Prometheus(tmp_path, [f"127.0.0.1:{voters.nodes[name].port}" for name in "abc"])
    try:
        await prometheus.until(
            "query", lambda data: data["result"][:1] and data["result"][0]["value"][1] == "3", query="sum(up)"
        )
        for number in range(40):  # over some scrapes: what is asked for are rates
            body = {"userId": f"scraped-{number}", "eventId": event["id"]}
            assert (await voters.clients["b"].call("POST", "/booking", body))[0] == 201
            await asyncio.sleep(0.05)
        await prometheus.until(
            "query", lambda data: bool(data["result"]), query="cluster:onsale_http_errors:ratio_rate5m"
        )
        empty = set()
        for panel, expression in queries():
            asked = expression.replace("$__rate_interval", "1m").replace("$cluster", ".*").replace("$event", ".*")
            if not (await prometheus.ask("query", query=asked))["result"]:
                empty.add(panel)
        assert empty <= EMPTY_HERE
        (roles,) = [asked for panel, asked in queries() if panel == "Roles"]
        shown = await prometheus.ask("query", query=roles.replace("$cluster", "main"))
        assert sorted(each["value"][1] for each in shown["result"]) == ["2", "2", "3"]
        groups = (await prometheus.ask("rules"))["groups"]
        told = [rule for group in groups for rule in group["rules"]]
        assert {rule["health"] for rule in told} == {"ok"}
        assert [rule["name"] for rule in told if rule.get("state") == "firing"] == []
    finally:
        await prometheus.close()
