"""The soak: what its people ask, what it finds fault with, and a short one over real nodes."""

import json
from collections import Counter

import msgspec
import pytest
from click.testing import CliRunner

from onsale.loadtest import soak
from onsale.loadtest.soak import SETTLED_SECONDS, SOLD_BYTES, Sample, faults_of, memory_growth
from onsale.loadtest.soak_people import SoakPeople

STEADY = Sample(
    at_seconds=0, per_second=1000, p50_ms=1, p99_ms=5, max_ms=9, memory_bytes=200_000_000, standby_bytes=0, bookings=9,
    sold=0, lag_seconds=0.1, disk_bytes=1,
)  # fmt: skip


def samples(seconds: float, **by_second: float) -> list[Sample]:
    """One every ten seconds; `by_second` says how much a field grows in each."""
    found = []
    for at in range(10, int(seconds) + 1, 10):
        grown = {name: getattr(STEADY, name) + rate * at for name, rate in by_second.items()}
        found.append(msgspec.structs.replace(STEADY, at_seconds=at, **grown))
    return found


def test_nothing_is_wrong_with_a_steady_run() -> None:
    assert faults_of(samples(3600), 1000) == []
    assert memory_growth(samples(3600)) == pytest.approx(0)


def test_what_is_sold_may_stay_in_memory() -> None:
    assert faults_of(samples(3600, sold=20, memory_bytes=20 * SOLD_BYTES), 1000) == []


def test_memory_that_grows_is_a_fault() -> None:
    (fault,) = faults_of(samples(3600, memory_bytes=10_000), 1000)
    assert fault == "Memory grew by 9.1% once it was settled, beside what was sold."


def test_memory_is_not_judged_before_it_can_be_settled() -> None:
    assert memory_growth(samples(SETTLED_SECONDS + 200, memory_bytes=100_000)) is None
    assert memory_growth([]) is None


def test_a_standby_that_falls_behind_is_a_fault() -> None:
    assert faults_of(samples(100, lag_seconds=0.2), 1000) == ["The standby was 20.1 s behind."]


def test_a_rate_that_is_not_kept_is_a_fault() -> None:
    assert faults_of(samples(100), 1100) == ["The rate was not kept: 90.9% of 1,100 requests a second were answered."]
    assert faults_of(samples(50), 1100) == []


def test_people_pay_or_give_up_what_they_hold_and_each_answer_is_looked_at() -> None:
    people = SoakPeople(7, 1, "someone")
    asked: Counter[str] = Counter()
    for number in range(5_000):
        request = people.request_of(number).decode()
        method, path, _ = request.split(" ", 2)
        asked[f"{method} {path.split('?')[0].rstrip('0123456789')}"] += 1
        held = json.dumps({"bookingId": number, "userId": f"someone-{number}"}).encode()
        people.answered(number, 201 if path == "/booking" else 200, held)
    assert not people.faults
    assert people.told["book"] == asked["POST /booking"] > 2_000
    assert people.told["pay"] == asked["POST /pay"] > 0
    assert people.told["give up"] == asked["DELETE /booking/"] > 300
    assert people.told["look"] == asked["GET /booking/"] > 300
    people.request_of(5_000)
    people.answered(5_000, 503, b"not now")
    assert [fault.endswith(": 503 not now") for fault in people.faults] == [True]


def test_a_short_one_over_real_nodes(capfd: pytest.CaptureFixture[str]) -> None:
    result = CliRunner().invoke(soak.main, ["--minutes", "0.03", "--rate", "100", "--connections", "4"])
    assert result.exit_code == 0, (result.output, capfd.readouterr())
    first = json.loads(result.output.splitlines()[0])
    assert first["bookings"] > 0
    assert "too short to tell" in result.output
