"""`onsale scaler` as an operator has it: what it would do, one step at a time, and what it says when it can't."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from onsale.journal.disk import lock_folder
from onsale.node.command_line import main
from onsale.node.exit_codes import ExitCode
from onsale.tests.node.scaler.answering import Answer, Answering, answering

RULES = """
every_seconds = 0.2
stale_seconds = 60
join_seconds = 2
state = "state"
[limits]
least = 1
most = 3
[cool_down]
after_up_seconds = 60
after_down_seconds = 300
[prometheus]
url = "{url}"
targets_file = "targets.json"
[nodes]
addresses = ["{url}"]
discover = false
[[rule]]
name = "load"
source = "prometheus"
query = "load"
up_above = 10
down_below = 2
[[rule]]
name = "waiting"
source = "nodes"
metric = "onsale_waiting"
aggregate = "sum"
up_above = 1000
down_below = 100
"""
DRY = '[driver]\nkind = "dry_run"\n'
HOOK = """
[driver]
kind = "hook"
timeout_seconds = 5
up = ["sh", "-c", "seq -f 'pod-%g {address}' $ONSALE_SCALER_WANTED >pods"]
down = ["sh", "-c", "seq -f 'pod-%g {address}' $ONSALE_SCALER_WANTED >pods"]
list = ["sh", "-c", "test ! -e pods || cat pods"]
"""


def load(value: float | str) -> str:
    return json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": [{"value": [time.time(), str(value)]}]}}
    )


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands run in the folder; the log is as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering(metrics="# TYPE onsale_waiting gauge\nonsale_waiting 5\n", replica="") as made:
        tell(made, load(5))
        yield made


def tell(server: Answering, answer: Answer) -> None:
    server.answers["/api/v1/query"] = answer


def scaler(server: Answering, *flags: str, rules: str = RULES + DRY) -> Result:
    file = Path("rules.toml")
    file.write_text(rules.replace("{url}", server.url).replace("{address}", server.address))
    return CliRunner().invoke(main, ["scaler", "--rules", str(file), *flags], catch_exceptions=False)


def test_explain_shows_every_rule_and_changes_nothing(server: Answering) -> None:
    result = scaler(server, "--explain")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["rule", "reading", "down", "below", "up", "above", "says", "why"]
    assert lines[1].split()[:5] == ["load", "5", "2", "10", "stay"]
    assert lines[1].endswith("load is 5, between 2 and 10")
    assert lines[2].split()[:5] == ["waiting", "5", "100", "1000", "down"]
    assert lines[3] == "replicas: 1 wanted, between 1 and 3; would hold."
    assert lines[4] == "Stays at 1: not all rules want fewer (load is 5, between 2 and 10)."
    assert lines[-1] == "No scaler has run with this `state` yet: it would begin with what it finds (1)."
    assert not Path("state").exists()


def test_explain_for_programs(server: Answering) -> None:
    tell(server, load(50))
    told = json.loads(scaler(server, "--explain", "--format", "json").stdout)
    assert (told["wanted"], told["wouldWant"], told["decision"], told["isKnown"]) == (1, 2, "step", True)
    assert told["sentence"] == "1 → 2: load is 50, above 10."
    assert told["rules"][0] == {
        "name": "load", "source": "load", "reading": 50.0, "upAbove": 10.0, "downBelow": 2.0, "says": "up", "wish": 2,
        "waitsSeconds": 0.0, "sentence": "load is 50, above 10",
    }  # fmt: skip
    assert (told["hasRun"], told["lastSteps"], told["lastDecision"], told["replicas"]) == (False, [], None, [])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "load is not known: the reading is NaN, as of a quantile of no requests"),
        ((500, "oops"), "is not Prometheus"),
        ('{"status": "success", "data": {"resultType": "vector", "result": []}}', "has no such series now"),
    ],
)
def test_what_is_not_known_is_said_and_is_exit_code_5(server: Answering, answer: Answer | None, words: str) -> None:
    tell(server, load("NaN") if answer is None else answer)  # with a time of now
    result = scaler(server, "--explain")
    assert result.exit_code == ExitCode.UNHEALTHY
    assert words in result.stdout
    assert result.stdout.splitlines()[1].split()[:2] == ["load", "?"]
    assert json.loads(scaler(server, "--explain", "--format", "json").stdout)["rules"][0]["reading"] is None
    once = scaler(server, "--once")
    assert once.exit_code == ExitCode.UNHEALTHY
    assert "holding still, for what is not known is no reason to scale" in once.stderr
    assert words in once.stderr


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(server: Answering) -> None:
    Path("pods").write_text(f"pod-1 {server.address}\npod-2 {server.address}\n")
    tell(server, load(50))
    result = scaler(server, "--once", "--dry-run", rules=RULES + HOOK)
    assert result.exit_code == 0, result.output
    assert "step: replicas 2 → 3: load is 50, above 10." in result.stderr
    assert "dry run: would start 1 more, 3 in all, because 2 → 3: load is 50, above 10." in result.stderr
    tell(server, load(1))
    result = scaler(server, "--once", "--dry-run", rules=RULES + HOOK)
    assert "dry run: would stop pod-2, 1 would be left, because 2 → 1: load is 1, below 2; waiting" in result.stderr
    assert sorted(each.name for each in Path().iterdir()) == ["pods", "rules.toml"]
    assert len(Path("pods").read_text().splitlines()) == 2
    tell(server, load(1))
    assert (
        "hold: Stays at 1: least is 1 (load is 1, below 2; waiting is 5, below 100)."
        in scaler(server, "--once", "--dry-run").stderr
    )


def test_one_step_at_a_time_as_from_cron(server: Answering) -> None:
    """The least that there are to be first, then what the readings say, once the cool-down is over."""
    rules = RULES + HOOK
    result = scaler(server, "--once", rules=rules)
    assert result.exit_code == 0, result.output
    assert "step: replicas 0 → 1: the rules say that least is 1." in result.stderr
    assert "pod-1 serves: requests are sent to" in result.stderr
    assert json.loads(Path("targets.json").read_bytes())[0]["targets"] == [server.address]

    tell(server, load(50))
    result = scaler(server, "--once", rules=rules)
    assert result.exit_code == 0, result.output
    assert "hold: Stays at 1 though 2 are wanted: the cool-down after the last step up has " in result.stderr
    told = scaler(server, "--explain", rules=rules).stdout
    assert "the cool-down after the last step up has" in told
    assert "Cool-down: " in told
    assert f"pod-1            {server.address:<22} serving" in told
    assert "step 0 → 1: the rules say that least is 1." in told
    assert "last decision: Stays at 1 though 2 are wanted" in told

    assert scaler(server, "--once", rules=rules.replace("= 60\nafter", "= 0\nafter")).exit_code == 0
    assert Path("pods").read_text().splitlines() == [f"pod-{number} {server.address}" for number in (1, 2)]


def test_a_replica_that_does_not_serve_is_exit_code_5(server: Answering) -> None:
    server.answers["/replica"] = (503, '{"detail": "This node is 60 s behind."}')
    result = scaler(server, "--once", rules=RULES.replace("join_seconds = 2", "join_seconds = 0.3") + HOOK)
    assert result.exit_code == ExitCode.UNHEALTHY
    assert "WARNING after 0.3 s pod-1 does not serve: This node is 60 s behind." in result.stderr
    assert json.loads(Path("targets.json").read_bytes()) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [((404, "what?"), "it answers 404"), ((503, '["detail"]'), "it answers 503"), ((503, "{}"), "it answers 503")],
)
def test_an_address_where_no_replica_is(server: Answering, answer: Answer, words: str) -> None:
    server.answers["/replica"] = answer
    result = scaler(server, "--once", rules=RULES.replace("join_seconds = 2", "join_seconds = 0.1") + HOOK)
    assert f"pod-1 does not serve: {words}" in result.stderr


def test_an_orchestrator_that_does_not_answer(server: Answering) -> None:
    broken = HOOK.replace("test ! -e pods || cat pods", "echo no route to host >&2; exit 1")
    result = scaler(server, "--once", rules=RULES + broken)
    assert result.exit_code == ExitCode.ERROR
    assert "It can't be found out how many replicas there are: " in result.stderr
    assert "no route to host" in result.stderr
    assert scaler(server, "--once", rules=RULES + HOOK).exit_code == 0
    result = scaler(server, "--once", rules=RULES + broken)
    assert result.exit_code == ExitCode.UNHEALTHY
    assert "nobody knows how many replicas there are, so nothing is done" in result.stderr


def test_wrong_rules_are_exit_code_2_and_one_sentence(server: Answering) -> None:
    result = scaler(server, "--explain", rules=(RULES + DRY).replace("up_above = 10\n", "up_abov = 10\n"))
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == "onsale: rules.toml, line 18: [rule[1]]: up_above is missing; add `up_above = …`.\n"
    result = CliRunner().invoke(main, ["scaler", "--rules", "none.toml"])
    assert result.exit_code == ExitCode.USAGE
    assert "File 'none.toml' does not exist" in result.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--explain", "--once"), "--explain does nothing but tell; leave out --once and --dry-run."),
        (("--explain", "--dry-run"), "--explain does nothing but tell"),
        (("--once", "--format", "json"), "--format json is for --explain"),
    ],
)
def test_flags_that_do_not_go_together(server: Answering, flags: tuple[str, ...], words: str) -> None:
    result = scaler(server, *flags)
    assert result.exit_code == ExitCode.USAGE
    assert words in result.stderr


def test_one_scaler_is_enough(server: Answering) -> None:
    Path("state").mkdir()
    with lock_folder(Path("state")):
        result = scaler(server, "--once")
        assert result.exit_code == ExitCode.ERROR
        assert "Another scaler works with" in result.stderr
        assert "One is enough." in result.stderr
        assert scaler(server, "--explain").exit_code == 0, "who only asks is in nobody's way"
        assert scaler(server, "--once", "--dry-run").exit_code == 0


def test_a_folder_that_cannot_be_used(server: Answering) -> None:
    Path("state").write_text("a file")
    result = scaler(server, "--once")
    assert result.exit_code == ExitCode.ERROR
    assert "(`state`) can't be used: " in result.stderr
