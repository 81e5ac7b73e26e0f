"""The rules that are made to fire are the real ones, only quicker."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from onsale.loadtest.alerts_fire import _table
from onsale.loadtest.alerts_fire_causes import ALONE, LAST, TOGETHER
from onsale.loadtest.alerts_fire_stage import RULES, Fired, alerts, shortened

CAUSES = (Path(__file__).parents[2] / "loadtest" / "alerts_fire_causes.py").read_text()


def test_windows_and_waits_are_shorter_by_one_factor() -> None:
    assert shortened("expr: rate(x[5m]) > 1\nfor: 1h\n", 60) == "expr: rate(x[5000ms]) > 1\nfor: 60000ms\n"
    assert shortened("for: 30s", 60) == "for: 500ms"
    assert shortened("rate(x[3d])", 60) == "rate(x[4320000ms])"


def test_nothing_else_is_another() -> None:
    """Not names, not thresholds, not texts."""
    for text in ("for: 30 s no node", "record: a:b:ratio_rate5m", "predict_linear(x[1h], 4 * 3600) < 0", "x > 300"):
        kept = shortened(text, 60)
        assert re.sub(r"\[\d+ms\]", "[1h]", kept) == text
    for file in RULES.glob("*.rules.yml"):
        text = file.read_text()
        words = re.compile(r"\[\w+\]|\bfor: \w+$", re.MULTILINE)
        assert words.sub("", shortened(text, 60)) == words.sub("", text)
        assert shortened(text, 60) != text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_them(tmp_path: Path) -> None:
    for file in RULES.glob("*.rules.yml"):
        (tmp_path / file.name).write_text(shortened(file.read_text(), 60))
    checked = subprocess.run(
        ["promtool", "check", "rules", *tmp_path.glob("*.yml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_cause() -> None:
    assert set(re.findall(r'"(Onsale\w+)"', CAUSES)) == alerts().keys()
    assert len(alerts()) == (RULES / "alerts.rules.yml").read_text().count("- alert:")


def test_every_scenario_is_played() -> None:
    written = set(re.findall(r"^async def (\w+)\(stage: Stage\) -> AsyncIterator", CAUSES, re.MULTILINE))
    assert written == {each.__name__ for each in (*TOGETHER, *ALONE, *LAST)}


def test_the_table_says_what_did_not_fire() -> None:
    told = [Fired("A", "x", "kill -9", 0.0, too_early=False, seconds=1.25), Fired("B", "x", "pause", 0.0, False)]
    told.append(Fired("C", "x", "noise", 0.0, too_early=True, seconds=0.1))
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in _table(told, dict.fromkeys("ABCD", "critical"))
    ]
    assert [(row[0], row[3], row[4]) for row in rows[2:]] == [
        ("A", "1.2", "yes"), ("B", "", "no"), ("C", "0.1", "before"), ("D", "", "no"),
    ]  # fmt: skip
    assert "alerts.test.yml" in rows[-1][2]
