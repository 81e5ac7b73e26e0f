"""Challenges are ALTCHA's, ours alone are taken, and no part of one can be changed."""

import base64
import json
import time
from typing import Any

import altcha
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.http.access.challenges import LIFETIME_MS, Challenges, InvalidSolutionError, Pace
from onsale.tests.http.access.solving import encoded, number_of, solution_of

NOW_MS = time.time_ns() // 1_000_000  # ALTCHA's own check goes by the clock
SECOND_NS = 1_000_000_000
KEY = b"k" * 32


def challenges(number_max: int = 500, key: bytes = KEY) -> Challenges:
    return Challenges(lambda: key, number_max)


def made(maker: Challenges, event_id: int = 0) -> dict[str, Any]:
    challenge: dict[str, Any] = json.loads(maker.make(NOW_MS, 0, event_id))
    return challenge


def test_solved_by_the_documented_rule() -> None:
    maker = challenges()
    challenge = made(maker, 7)
    solution = maker.read(solution_of(challenge), NOW_MS + 1_000)
    assert solution.digest == bytes.fromhex(challenge["challenge"])[:16]
    assert solution.event_id == 7
    assert NOW_MS + LIFETIME_MS - 1_000 < solution.expires_ms <= NOW_MS + LIFETIME_MS
    assert not solution.too_fast


def test_altchas_own_library_reads_solves_and_is_understood() -> None:
    maker = challenges()
    challenge = made(maker)
    assert sorted(challenge) == ["algorithm", "challenge", "maxnumber", "salt", "signature"]
    theirs = altcha.ChallengeV1(
        challenge["algorithm"],
        challenge["challenge"],
        challenge["maxnumber"],
        challenge["salt"],
        challenge["signature"],
    )
    solved = altcha.solve_challenge_v1(theirs)
    assert solved is not None
    payload = altcha.PayloadV1("SHA-256", theirs.challenge, solved.number, theirs.salt, theirs.signature)
    assert maker.read(payload.to_base64(), NOW_MS).event_id == 0


def test_what_the_widget_adds_is_no_fault() -> None:
    maker = challenges()
    assert maker.read(solution_of(made(maker), took=12, test=False), NOW_MS)
    assert maker.read(solution_of(made(maker)).rstrip("="), NOW_MS)


def test_every_node_with_the_clusters_key_reads_it_and_no_other() -> None:
    text = solution_of(made(challenges()))
    assert challenges().read(text, NOW_MS)
    with pytest.raises(InvalidSolutionError):
        challenges(key=b"x" * 32).read(text, NOW_MS)


def test_without_a_key_there_are_none() -> None:
    text = solution_of(made(challenges()))
    with pytest.raises(LookupError):
        challenges(key=b"").make(NOW_MS, 0)
    with pytest.raises(LookupError):
        challenges(key=b"").read(text, NOW_MS)


@pytest.mark.parametrize(
    "change", ["number", "salt", "later", "spliced", "signature", "challenge", "algorithm", "sha1"]
)
def test_no_part_of_it_can_be_changed(change: str) -> None:
    maker = challenges()
    challenge = made(maker)
    number = number_of(challenge)
    salt = challenge["salt"]
    changed: dict[str, Any] = {
        "number": {"number": number + 1},
        "salt": {"salt": "0" * 24 + salt[24:]},
        "later": {"salt": salt.replace("expires=1", "expires=2")},
        "spliced": {"salt": salt + str(number)[:1], "number": int(str(number)[1:] or 0)},
        "signature": {"signature": "0" * 64},
        "challenge": {"challenge": "0" * 64},
        "algorithm": {"algorithm": "SHA-512"},
        "sha1": {"algorithm": "SHA-1"},
    }[change]
    assert maker.read(solution_of(challenge), NOW_MS)
    with pytest.raises(InvalidSolutionError):
        maker.read(solution_of(challenge, **({"number": number} | changed)), NOW_MS)


@pytest.mark.parametrize(
    "text",
    [
        "", "not base64!", "e30=", "ü", "\ud800", base64.b64encode(b"[]").decode(), base64.b64encode(b"\xff").decode(),
        "A" * 3_000, encoded({"algorithm": "SHA-256"}), encoded([1]), encoded({"number": 10**30}),
    ],
)  # fmt: skip
def test_what_is_no_solution_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidSolutionError, match=r"base64|characters"):
        challenges().read(text, NOW_MS)


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_whatever_is_sent_is_refused_and_nothing_worse(text: str) -> None:
    for sent in (
        text,
        encoded({"algorithm": "SHA-256", "challenge": text, "number": 1, "salt": text, "signature": ""}),
    ):
        with pytest.raises(InvalidSolutionError):
            challenges().read(sent, NOW_MS)


def test_an_expired_one_is_right_and_says_when_it_was() -> None:
    maker = challenges()
    text = solution_of(made(maker))
    assert maker.read(text, NOW_MS + LIFETIME_MS + 5_000).expires_ms <= NOW_MS + LIFETIME_MS


def test_faster_than_any_browser() -> None:
    maker = challenges(200_000)
    challenge = made(maker)
    while (number := number_of(challenge)) < 50_000:
        challenge = made(maker)
    text = solution_of(challenge, number=number)
    assert maker.read(text, NOW_MS + 1).too_fast
    assert not maker.read(text, NOW_MS + 500).too_fast


def test_difficulty_grows_with_what_comes_in_and_falls_again() -> None:
    maker = challenges(50_000)
    now_ns = SECOND_NS
    assert maker.number_max(now_ns) == 50_000
    for _ in range(10):
        for _ in range(500):
            maker.pace.add(now_ns)
        now_ns += SECOND_NS
    assert 230_000 < maker.number_max(now_ns) <= 250_000
    for _ in range(10):
        for _ in range(5_000):
            maker.pace.add(now_ns)
        now_ns += SECOND_NS
    assert maker.number_max(now_ns) == 500_000  # and never more
    assert maker.number_max(now_ns + 30 * SECOND_NS) == 50_000


def test_the_pace_is_per_second_however_long_it_was_not_looked_at() -> None:
    pace = Pace()
    now_ns = SECOND_NS
    for _ in range(4_000):
        pace.add(now_ns)
        now_ns += SECOND_NS // 100
    assert 95 < pace.per_second < 105
    assert pace.look(now_ns + 60 * SECOND_NS) < 5
