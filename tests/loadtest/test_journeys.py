"""Journeys in small, by real locust through a real node; what is done with the outcome; and what the command says."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from click.testing import CliRunner

from onsale.loadtest.journeys import run
from onsale.loadtest.journeys.books import differences, read_books
from onsale.loadtest.journeys.counts import Counted, Statistics, counted, together
from onsale.loadtest.journeys.ledger import Record, read_ledgers
from onsale.loadtest.journeys.plan import JOURNEYS, Plan
from onsale.loadtest.journeys.report import Outcome, print_outcome


class Ran(NamedTuple):
    folder: Path
    code: int
    outcome: dict[str, Any]
    errors: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """One run from the command line, whose folder is not thrown away."""
    folder = tmp_path_factory.mktemp("journeys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "mkdtemp", lambda **_: str(folder))
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(run, "server_cpus", lambda: os.sched_getaffinity(0))  # nothing is measured here
        ended = CliRunner().invoke(run.main, ["--seconds", "4", "--users", "40", "--json"])
    yield Ran(folder, ended.exit_code, json.loads(ended.stdout or "{}"), ended.stderr)
    shutil.rmtree(folder)


def test_a_short_run_keeps_every_promise(ran: Ran) -> None:
    assert (ran.code, ran.errors) == (0, "")
    assert ran.outcome["ok"] is ran.outcome["verified"] is True
    assert ran.outcome["faults"] == []
    assert ran.outcome["facts"] > 50  # however busy the machine is
    journeys = {each["journey"]: each for each in ran.outcome["journeys"]}
    assert tuple(journeys) == JOURNEYS
    for each in journeys.values():
        assert each["requests"] > each["failures"] == 0
        assert 0 <= each["p50Ms"] <= each["p99Ms"] > 0
    assert journeys["Buyer"]["paid"] > 0
    assert journeys["GiverUp"]["givenUp"] > 0
    assert {call["call"] for call in journeys["Buyer"]["calls"]} >= {"challenge", "join", "place", "book", "pay"}
    assert journeys["Bot"]["paid"] == 0


def test_what_people_were_told_is_in_the_journal(ran: Ran) -> None:
    books, records = read_books(ran.folder / "primary"), list(read_ledgers(ran.folder))
    paid = [each for record in records for each in record.bookings.values() if each.status == "paid"]
    sold = {each.event_id: books.sold(each.event_id) for each in paid}
    assert paid
    assert differences(records, books, sold) == []
    paid[0].quantity += 1
    paid[0].codes = (*paid[0].codes, paid[0].codes[0])
    found = "\n".join(differences(records, books, sold))
    assert f"booking {paid[0].booking_id} was told as" in found
    assert "tickets were given out twice" in found
    assert f"of event {paid[0].event_id} are sold, and people were given" in found
    del records[:]
    assert "bookings nobody was told of" in "\n".join(differences(records, books, sold))


def test_a_violation_in_the_journal_is_found(ran: Ran, tmp_path: Path) -> None:
    shutil.copytree(ran.folder / "primary", tmp_path / "primary")
    plan = msgspec.json.decode((ran.folder / "plan.json").read_bytes(), type=Plan)
    segment = next((tmp_path / "primary" / "journal").glob("*.segment"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    found = run.verify(tmp_path / "primary", plan)
    assert len(found) == 4
    assert all("ended with 6" in each for each in found)


def test_locust_stays_out_of_this_process() -> None:
    look = "import sys, onsale.loadtest.journeys.run; print({'gevent', 'locust'} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


# --- locust's counts


def statistics(failures: int = 0) -> Statistics:
    return Statistics(
        [Counted("Buyer", "pay", 4, failures, {1: 1, 2: 2, 900: 1})], ["Buyer: pay: 500 …"] * failures, []
    )


def test_failures_exceptions_and_silence_are_faults() -> None:
    fine = Record("Buyer", "u-1")
    assert run.judged(statistics(), [fine]) == []
    met = Record("Buyer", "u-1", counts={"faults": 1})
    assert run.judged(statistics(1), [met]) == ["1 requests failed; the first: Buyer: pay: 500 …"]
    assert run.judged(statistics(), [met]) == ["people met 1 faults, and locust counted 0"]
    assert run.judged(Statistics([], [], []), [fine]) == run.judged(statistics(), [])
    broke = msgspec.structs.replace(statistics(), exceptions=["KeyError: 'x'"])
    assert run.judged(broke, [fine]) == ["a journey broke: KeyError: 'x'"]


def test_counts_of_the_calls_of_a_journey_add_up() -> None:
    calls = [
        counted("Buyer: pay", 3, 1, {1: 1, 7: 2}),
        counted("Buyer: book", 1, 0, {7: 1}),
        counted("Bot: pay", 9, 0, {5: 9}),
    ]
    whole = together("Buyer", calls)
    assert (whole.requests, whole.failures, whole.times) == (4, 1, {1: 1, 7: 3})
    assert [whole.percentile_ms(each) for each in (25, 26, 99)] == [1, 7, 7]
    assert together("Browser", calls).percentile_ms(50) == 0


# --- the command line


def outcome(*faults: str, verified: bool = True, shape: str = "onsale") -> Outcome:
    plan = Plan(host="http://127.0.0.1:1", folder=".", run_id="r", seconds=60, users=9, shape=shape)
    return Outcome(
        ok=not faults, plan=plan, seconds=60, requests=600, requests_per_second=10.0, processes=1, journeys=[],
        counts={}, verified=verified, facts=1, node_cpu_seconds=1.0, node_memory_bytes=1, faults=list(faults),
    )  # fmt: skip


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_fault_ends_with_1_and_leaves_the_evidence(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "run", lambda *_: outcome("2 tickets were given out twice"))
    ended = CliRunner().invoke(run.main, ["--json"])
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["faults"] == ["2 tickets were given out twice"]
    (kept,) = at_home.iterdir()
    assert f"Kept for a look: {kept}" in ended.stderr


def test_no_fault_leaves_nothing(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "run", lambda *_: outcome())
    ended = CliRunner().invoke(run.main)
    assert ended.exit_code == 0
    assert "Every promise was kept." in ended.stdout
    assert not list(at_home.iterdir())


def test_where_the_journal_is_elsewhere_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_outcome(outcome(verified=False))
    said = capsys.readouterr().out
    assert "was not verified" in said
    assert "onsale verify --data DIR" in said


def test_a_day_says_its_pace(capsys: pytest.CaptureFixture[str]) -> None:
    print_outcome(outcome(shape="day"))
    assert "0.01% of the day's 5,000,000 requests, at 0.2 × its pace." in capsys.readouterr().out


def test_without_locust_it_says_how_to_install_it(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    ended = CliRunner().invoke(run.main)
    assert ended.exit_code == 1
    assert f"{sys.executable} -m pip install 'locust" in ended.stderr


def test_a_host_that_is_not_there_is_said_so(at_home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        ended = CliRunner().invoke(run.main, ["--host", host])
    assert ended.exit_code == 1
    assert f"Nobody answers at {host}" in ended.stderr
    assert "make run" in ended.stderr
    assert CliRunner().invoke(run.main, ["--host", "127.0.0.1:8080"]).exit_code == 2
