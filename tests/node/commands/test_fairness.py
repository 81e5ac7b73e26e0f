"""`onsale verify --fairness EVENT`, as a person and as a program sees it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from onsale.engine import facts as f
from onsale.node.command_line import main
from onsale.tests.engine.audit.test_fairness import rush
from onsale.tests.engine.histories import History

CORRUPT = 6


def run(data: Path, *flags: str) -> Result:
    return CliRunner().invoke(main, ["verify", "--data", str(data), *flags])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_fair_event(data: Path) -> None:
    history = rush()
    history.pass_time(5_000)
    history.write(data)
    result = run(data, "--fairness", "1")
    assert result.exit_code == 0, result.output
    for expected in ("waiting room", "PROVEN", "630dcd29", "not_reached", "Fair: the order of service is"):
        assert expected in result.output
    report = json.loads(run(data, "--fairness", "1", "--format", "json").stdout)["fairness"]
    assert report["fair"]
    assert report["lot"]["people"] == report["waitingRoom"]["joined"] == 6
    assert {each["rule"] for each in report["exceptions"]} <= report["rules"].keys()
    assert all(each["allowed"] for each in report["exceptions"])


def test_an_event_that_was_not_fair(data: Path) -> None:
    history = History()
    history.event(("Standing", "10.00", 1))
    for user_id in ("ada", "ben", "cleo"):
        history.book(user_id)
    history.give_up(1)
    facts = history.batches[-1][2]
    index = next(index for index, fact in enumerate(facts) if isinstance(fact, f.Promoted))
    facts[index] = f.Promoted(3, facts[index].expires_ms)  # instead of booking 2, which is ahead
    history.write(data)
    result = run(data, "--fairness", "1")
    assert result.exit_code == CORRUPT
    assert "NOT ALLOWED" in result.output
    assert "was passed, and no rule allows that" in result.output


def test_an_event_that_is_not_there(data: Path) -> None:
    rush().write(data)
    result = run(data, "--fairness", "9")
    assert result.exit_code == 1
    assert "There is no event 9 in this journal" in result.output


def test_without_the_flag_there_is_no_such_report(data: Path) -> None:
    rush().write(data)
    assert "fairness" not in json.loads(run(data, "--format", "json").stdout)
