"""The compose file, the Kubernetes manifests and the image: what they name exists, and fits together.

No container engine is needed: names, ports, paths, variables and addresses are compared with each other and with the
product, and the scripts are run.
"""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from onsale.node import serve as serve_module
from onsale.node.command_line import main
from onsale.node.options import NodeOptions
from onsale.tests.deploy.settings_files import DEPLOY, PATHS, ROOT, read_settings, variables_of, variables_read

COMPOSE = DEPLOY / "compose"
KUBERNETES = DEPLOY / "kubernetes"
Document = dict[str, Any]

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def started_as(monkeypatch: pytest.MonkeyPatch, kind: str, settings: dict[str, str]) -> NodeOptions:
    started: list[NodeOptions] = []
    monkeypatch.setattr(serve_module, "run", lambda options: started.append(options) or 0)
    result = CliRunner().invoke(main, [kind], env=settings)
    assert result.exit_code == 0, result.output
    return started[0]


# --- compose


@pytest.fixture(scope="module")
def compose() -> Document:
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())  # type: ignore[no-any-return]


def nodes_of(compose: Document) -> dict[str, Document]:
    return {name: service for name, service in compose["services"].items() if service["image"] == "onsale"}


def address_of(service: Document) -> str:
    return str(service["networks"]["inner"]["ipv4_address"])


def test_compose_starts_three_voters_by_commands_that_exist(compose: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = nodes_of(compose)
    assert sorted(service["command"][0] for service in nodes.values()) == ["replica", "serve", "standby", "standby"]
    for name, service in nodes.items():
        assert service["hostname"] == name
        settings = read_settings(COMPOSE / "node.env") | service["environment"] | {"ONSALE_DATA": "/data"}
        options = started_as(monkeypatch, service["command"][0], settings)
        assert options.name == options.advertise == name
        assert all(source.partition(":")[0] in nodes for source in options.sources)
        if options.etcd is not None:
            assert {url.split("//")[1].partition(":")[0] for url in options.etcd.members} <= compose["services"].keys()
        assert any(volume.endswith(":/data") for volume in service["volumes"])


def test_compose_names_only_what_it_has(compose: Document) -> None:
    services, volumes = compose["services"], compose["volumes"]
    made_by_script = {"./tls"}
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
        for source in (volume.split(":")[0] for volume in service.get("volumes", ())):
            assert source in volumes or source in made_by_script or (COMPOSE / source).exists(), source
    addresses = [address_of(each) for each in services.values() if isinstance(each["networks"], dict)]
    assert len(set(addresses)) == len(addresses)


def test_nginx_in_compose_knows_the_nodes_and_is_believed(compose: Document) -> None:
    nodes = nodes_of(compose)
    voters = {address_of(each) for each in nodes.values() if each["command"] != ["replica"]}

    def servers(file: str) -> set[str]:
        lines = (COMPOSE / file).read_text().splitlines()
        return {line.split()[1].strip(";").removesuffix(":8080") for line in lines if line.startswith("server ")}

    assert servers("write-nodes.conf") == voters
    assert servers("read-nodes.conf") == {address_of(each) for each in nodes.values()}
    proxy = address_of(compose["services"]["nginx"])
    assert read_settings(COMPOSE / "node.env")["ONSALE_TRUSTED_PROXIES"] == f"{proxy}/32"


def test_health_in_compose_is_asked_where_it_is_told(compose: Document) -> None:
    listen = read_settings(COMPOSE / "node.env")["ONSALE_LISTEN"]
    for node in nodes_of(compose).values():
        assert f"http://127.0.0.1:{listen.rpartition(':')[2]}/readyz" in node["healthcheck"]["test"][-1]
    assert "/readyz" in PATHS


def test_prometheus_in_compose_scrapes_every_node(compose: Document) -> None:
    settings = yaml.safe_load((COMPOSE / "prometheus.yml").read_text())
    (job,) = settings["scrape_configs"]
    assert job.get("metrics_path", "/metrics") in PATHS
    assert set(job["static_configs"][0]["targets"]) == {f"{name}:8080" for name in nodes_of(compose)}


@needs_promtool
def test_promtool_takes_the_settings_of_compose(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text((COMPOSE / "prometheus.yml").read_text())
    if (DEPLOY / "prometheus").exists():
        shutil.copytree(DEPLOY / "prometheus", tmp_path / "rules")
    checked = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_what_compose_needs_is_made_once(tmp_path: Path) -> None:
    script = shutil.copy(COMPOSE / "prepare.sh", tmp_path)
    subprocess.run([script], check=True, capture_output=True)
    made = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    names = {str(path.relative_to(tmp_path)) for path in made}
    assert names == {"prepare.sh", "secrets.env", "tls/key.pem", "tls/certificate.pem"}
    assert (tmp_path / "secrets.env").stat().st_mode & 0o077 == 0
    secrets = read_settings(tmp_path / "secrets.env")
    assert secrets.keys() <= variables_read()
    assert all(len(secret) == 64 for secret in secrets.values())
    subprocess.run([script], check=True, capture_output=True)
    assert {path: path.read_bytes() for path in made} == made


# --- Kubernetes


def read_manifests() -> list[Document]:
    files = [path for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml"]
    return [document for path in sorted(files) for document in yaml.safe_load_all(path.read_text())]


MANIFESTS = read_manifests()
SETS = {each["metadata"]["name"]: each for each in MANIFESTS if each["kind"] == "StatefulSet"}
SERVICES = {each["metadata"]["name"]: each for each in MANIFESTS if each["kind"] == "Service"}
CONTAINERS = {name: each["spec"]["template"]["spec"]["containers"][0] for name, each in SETS.items()}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def labels_of(name: str) -> dict[str, str]:
    return SETS[name]["spec"]["template"]["metadata"]["labels"]  # type: ignore[no-any-return]


def selected(selector: dict[str, str]) -> set[str]:
    return {name for name in SETS if selector.items() <= labels_of(name).items()}


def ports_of(name: str) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in CONTAINERS[name]["ports"]}


def hosts_of(name: str) -> set[str]:
    """How its pods are reached within the namespace."""
    spec = SETS[name]["spec"]
    return {f"{name}-{ordinal}.{spec['serviceName']}" for ordinal in range(spec["replicas"])}


def test_kustomize_takes_every_manifest() -> None:
    settings = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    optional = {"monitoring.yaml"}
    assert set(settings["resources"]) | optional == {path.name for path in KUBERNETES.glob("*.yaml")} - {
        "kustomization.yaml"
    }


@needs_kubectl
def test_kubectl_builds_them(tmp_path: Path) -> None:
    built = subprocess.run(
        ["kubectl", "kustomize", KUBERNETES],
        capture_output=True, text=True, check=False, env=os.environ | {"HOME": str(tmp_path)},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    documents = list(yaml.safe_load_all(built.stdout))
    made = {each["metadata"]["name"] for each in documents if each["kind"] == "ConfigMap"}
    taken = {
        source["configMapRef"]["name"]
        for each in documents
        if each["kind"] == "StatefulSet"
        for source in each["spec"]["template"]["spec"]["containers"][0].get("envFrom", ())
        if "configMapRef" in source
    }
    assert taken < made


@pytest.mark.parametrize("name", SETS)
def test_a_set_selects_its_own_pods_and_has_a_service_with_their_names(name: str) -> None:
    spec = SETS[name]["spec"]
    assert selected(spec["selector"]["matchLabels"]) == {name}
    service = SERVICES[spec["serviceName"]]["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"]
    assert selected(service["selector"]) == {name}


def test_services_by_what_is_asked() -> None:
    assert selected(SERVICES["onsale"]["spec"]["selector"]) == {"onsale"}
    assert selected(SERVICES["onsale-read"]["spec"]["selector"]) == {"onsale", "onsale-replica"}
    for service in SERVICES.values():
        for name in selected(service["spec"]["selector"]):
            for port in service["spec"]["ports"]:
                assert port["targetPort"] in ports_of(name)
                if service["spec"].get("clusterIP") == "None":  # without a proxy in between, ports are the pods' own
                    assert port["port"] == ports_of(name)[port["targetPort"]]


@pytest.mark.parametrize("name", ["onsale", "onsale-replica"])
def test_probes_ask_what_is_there(name: str) -> None:
    asked = {}
    for probe in PROBES:
        got = CONTAINERS[name][probe]["httpGet"]
        assert got["port"] in ports_of(name)
        assert got["path"] in PATHS
        asked[probe] = got["path"]
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


@pytest.mark.parametrize("name", ["onsale", "onsale-replica"])
def test_what_kubernetes_says_of_services_does_not_pass_for_settings(name: str) -> None:
    """A Service of the name onsale would set ONSALE_PORT."""
    assert SETS[name]["spec"]["template"]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("kind", ["serve", "standby", "replica"])
def test_a_node_starts_with_the_settings_of_the_manifests(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings(KUBERNETES / "settings.env")
    known = set().union(*(variables_of(each) for each in ("serve", "standby", "replica")))
    assert settings.keys() <= known
    name = "onsale-replica" if kind == "replica" else "onsale"
    own = {each["name"]: each.get("value", f"{name}-0") for each in CONTAINERS[name]["env"]}
    own = {variable: value.replace("$(ONSALE_NAME)", f"{name}-0") for variable, value in own.items()}
    assert own.keys() <= known
    options = started_as(monkeypatch, kind, settings | own)
    assert options.advertise in hosts_of(name)
    ports = ports_of(name)
    assert (options.port, options.replication) == (ports["http"], ("0.0.0.0", ports["replication"]))
    assert options.data.is_relative_to(
        next(mount["mountPath"] for mount in CONTAINERS[name]["volumeMounts"] if mount["name"] == "data")
    )
    voters = {f"{host}:{ports['replication']}" for host in hosts_of("onsale")}
    assert kind == "serve" or set(options.sources) == voters
    if kind != "replica":
        assert options.etcd is not None
        port = ports_of("onsale-etcd")["client"]
        assert set(options.etcd.members) == {f"http://{host}:{port}" for host in hosts_of("onsale-etcd")}


def test_etcd_is_told_of_all_its_members() -> None:
    settings = {each["name"]: each.get("value", "") for each in CONTAINERS["onsale-etcd"]["env"]}
    members = dict(member.split("=") for member in settings["ETCD_INITIAL_CLUSTER"].split(","))
    peer = ports_of("onsale-etcd")["peer"]
    assert members == {host.partition(".")[0]: f"http://{host}:{peer}" for host in hosts_of("onsale-etcd")}


def test_one_voter_at_a_time_may_be_away() -> None:
    budgets = [each["spec"] for each in MANIFESTS if each["kind"] == "PodDisruptionBudget"]
    by_set = {
        name: budget["maxUnavailable"] for budget in budgets for name in selected(budget["selector"]["matchLabels"])
    }
    assert by_set == dict.fromkeys(SETS, 1)
    (rule,) = SETS["onsale"]["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert selected(rule["labelSelector"]["matchLabels"]) == {"onsale"}


def test_policies_name_ports_of_the_pods_they_are_for() -> None:
    for policy in (each["spec"] for each in MANIFESTS if each["kind"] == "NetworkPolicy"):
        names = selected(policy["podSelector"]["matchLabels"])
        assert names
        for rule in policy["ingress"]:
            for port in rule["ports"]:
                assert all(port["port"] in ports_of(name) for name in names)
            for source in rule["from"]:
                assert "podSelector" not in source or selected(source["podSelector"]["matchLabels"])


def test_the_operator_scrapes_a_path_that_is_there() -> None:
    (monitor,) = (each["spec"] for each in MANIFESTS if each["kind"] == "ServiceMonitor")
    wanted = monitor["selector"]["matchLabels"].items()
    scraped = [each for each in SERVICES.values() if wanted <= each["metadata"].get("labels", {}).items()]
    assert set().union(*(selected(each["spec"]["selector"]) for each in scraped)) == {"onsale", "onsale-replica"}
    for endpoint in monitor["endpoints"]:
        assert endpoint["path"] in PATHS
        assert all(endpoint["port"] in {port["name"] for port in each["spec"]["ports"]} for each in scraped)


# --- the scripts of the voters, with programs that write down how they were called


@pytest.fixture
def pod(tmp_path: Path) -> Document:
    """The environment of one, whose `python` finds others (or says that it leads) if FOUND is true."""
    programs = tmp_path / "bin"
    programs.mkdir()
    calls = tmp_path / "calls"
    (programs / "python").write_text("#!/bin/sh\ncat >/dev/null\nexec $FOUND\n")
    (programs / "onsale").write_text(
        f'#!/bin/sh\necho "$*|$ONSALE_PRIMARY" >>{calls}\n[ "$1" = token ] && echo t-1\n'
        'case "$*" in $FAILS) exit 4; esac\n'
    )
    for program in programs.iterdir():
        program.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "ONSALE_DATA": str(tmp_path / "data"),
        "ONSALE_PRIMARY": read_settings(KUBERNETES / "settings.env")["ONSALE_PRIMARY"],
        "FOUND": "false",
        "FAILS": "nothing",
        "CALLS": str(calls),
    }


def run(pod: Document, script: str, name: str) -> list[str]:
    environment = pod | {"ONSALE_NAME": name, "ONSALE_ADVERTISE": f"{name}.onsale-nodes"}
    subprocess.run(["sh", KUBERNETES / script], env=environment, stdin=subprocess.DEVNULL, check=True)
    calls = Path(pod["CALLS"])
    return calls.read_text().splitlines() if calls.exists() else []


def test_the_first_pod_begins_the_cluster(pod: Document) -> None:
    assert [line.partition("|")[0] for line in run(pod, "start.sh", "onsale-0")] == ["serve"]


def test_with_a_journal_of_its_own_it_goes_on(pod: Document) -> None:
    (Path(pod["ONSALE_DATA"]) / "journal").mkdir(parents=True)
    pod["FOUND"] = "true"
    assert [line.partition("|")[0] for line in run(pod, "start.sh", "onsale-0")] == ["serve"]


def test_an_empty_volume_is_filled_from_the_others(pod: Document) -> None:
    pod["FOUND"] = "true"
    (line,) = run(pod, "start.sh", "onsale-0")
    assert line.split("|") == ["standby", "onsale-1.onsale-nodes:7400 onsale-2.onsale-nodes:7400 "]


def test_all_other_pods_are_standbys(pod: Document) -> None:
    (line,) = run(pod, "start.sh", "onsale-2")
    assert line.split("|") == ["standby", "onsale-0.onsale-nodes:7400 onsale-1.onsale-nodes:7400 "]


def test_who_does_not_lead_just_stops(pod: Document) -> None:
    assert run(pod, "stop.sh", "onsale-2") == []


@pytest.mark.parametrize(
    ("name", "fails", "targets"),
    [
        ("onsale-2", "nothing", [" --to onsale-0"]),  # the one that is renewed last
        ("onsale-2", "*--to*", [" --to onsale-0", ""]),
        ("onsale-2", "switchover*", [" --to onsale-0", ""]),
        ("onsale-0", "nothing", [""]),
        ("onsale-0", "switchover*", [""]),
    ],
)
def test_who_leads_hands_over_before_it_stops(pod: Document, name: str, fails: str, targets: list[str]) -> None:
    pod |= {"FOUND": "true", "FAILS": fails}
    token, *orders = [line.partition("|")[0] for line in run(pod, "stop.sh", name)]
    assert token == f"token --role operator --sub {name} --hours 0.1"
    assert orders == [f"switchover --yes --node http://127.0.0.1:8080{target}" for target in targets]
    for call in (token, *orders):  # as the real program takes it
        words = call.split()
        main.commands[words[0]].make_context(words[0], words[1:])


# --- the image


def test_the_image_is_built_of_all_packages_and_nothing_else() -> None:
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.split(".")[1] for name in project["tool"]["setuptools"]["packages"] if "." in name}
    files = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert kept == packages | files | {"__init__.py", "__main__.py", "py.typed"}
    assert all((ROOT / name).exists() for name in kept)


def test_the_image_is_what_the_manifests_take_it_for(compose: Document) -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    security = SETS["onsale"]["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {security['runAsUser']}:{security['runAsGroup']}" in text
    assert "EXPOSE " + " ".join(str(port) for port in ports_of("onsale").values()) in text
    assert 'ENTRYPOINT ["onsale"]' in text
    for node in nodes_of(compose).values():
        assert (COMPOSE / node["build"]["context"] / node["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")
