"""The runbook: every command in it is run as written, in its order, and what it links to is there.

Blocks of `sh` make up one shell session in an empty folder; only the ports are others. Those of `sh etcd` need etcd.
`ONSALE_RUNBOOK=all` runs them all (half a minute); else those of the sections that are short and change most.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from onsale.tests.deploy.settings_files import DEPLOY, ROOT

PAGE = (ROOT / "docs" / "OPERATIONS.md").read_text()
PORTS = ("8081", "8082", "8083", "7401", "7402", "7403", "2379", "2380")
ALERTS = DEPLOY / "prometheus" / "alerts.rules.yml"
WHOLE = os.environ.get("ONSALE_RUNBOOK") == "all"
SHORT = ("First day", "Backup and restore", "Maintenance", "The primary is gone", "The end of the rehearsal")
SECONDS_MAX = 300 if WHOLE else 60  # what the page says "wait" for may never come

sys.path.append(str(ROOT / "tests" / "processes"))
from nodes import free_port  # noqa: E402 - tests are no package, so what they share is found by path


def blocks() -> list[tuple[str, str]]:
    """(section, commands) of every block that is run."""
    kinds = ["sh", "sh etcd"] if shutil.which("etcd") else ["sh"]
    found, section = [], ""
    for part in re.finditer(r"^## (.+)$|^```(.*)\n([\s\S]*?)^```$", PAGE, re.MULTILINE):
        if part[1]:
            section = part[1]
        elif part[2] in kinds and (WHOLE or section in SHORT):
            found.append((section, part[3]))
    return found


def session() -> str:
    """One script; it says which section it is in, and stops at the first command that fails."""
    text = "set -eEu\ntrap 'echo \"failed: $BASH_COMMAND\"' ERR\nETCD=\n"
    text += "\n".join(f"echo '=== {section}'\n{commands}" for section, commands in blocks())
    for port in PORTS:
        text = re.sub(rf"\b{port}\b", str(free_port()), text)
    return text


@pytest.mark.timeout(SECONDS_MAX + 30)
@pytest.mark.skipif(
    shutil.which("openssl") is None or shutil.which("curl") is None, reason="openssl or curl is missing"
)
def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    programs = str(Path(sys.executable).parent)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONSALE_")}
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    with subprocess.Popen(
        ["bash", "-c", session()],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        process_group=0,  # what it leaves behind ends with it
    ) as shell:
        try:
            said, _ = shell.communicate(timeout=SECONDS_MAX)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    if WHOLE:
        print(said)
    logs = "\n".join(f"--- {log.name}\n{log.read_text()[-2000:]}" for log in sorted(tmp_path.glob("*.log")))
    assert shell.returncode == 0, f"{said[-6000:]}\n{logs}"


def anchors() -> set[str]:
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return {*kept, *re.findall(r'<a id="([a-z]+)">', PAGE)}


def test_links_within_the_page_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors()


def test_files_it_names_are_there() -> None:
    linked = set(re.findall(r"\]\((\.\./[^)#]+)", PAGE))
    named = set(re.findall(r"`(deploy/[\w./-]+|tests/[\w./-]+)`", PAGE))
    for path in [ROOT / "docs" / link for link in linked] + [ROOT / name for name in named]:
        assert path.exists(), path


@pytest.mark.skipif(not ALERTS.exists(), reason="there are no alert rules")
def test_every_alert_has_its_place() -> None:
    rules = yaml.safe_load(ALERTS.read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    assert alerts == set(re.findall(r'<a id="[a-z]+"></a>(\w+)', PAGE))
    assert {alert.lower() for alert in alerts} <= anchors()
