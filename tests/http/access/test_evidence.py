"""What counts against somebody, for how long, and what is too little to be told."""

import pytest

from onsale.engine.status import (
    SIGNAL_CROWDED_ADDRESS,
    SIGNAL_FOREIGN_TOKEN,
    SIGNAL_LIMITED_BEFORE,
    SIGNAL_NO_BROWSER,
    SIGNAL_USED_CHALLENGE,
)
from onsale.http.access.evidence import CROWD_USERS, REMEMBERED_NS, SCORE_MAX, WEIGHTS, Witness, evidence_of


def test_one_weak_sign_is_not_written_down() -> None:
    assert evidence_of(0) is None
    assert evidence_of(SIGNAL_NO_BROWSER) is None


@pytest.mark.parametrize("signal", sorted(set(WEIGHTS) - {SIGNAL_NO_BROWSER}))
def test_every_other_is(signal: int) -> None:
    evidence = evidence_of(signal)
    assert evidence is not None
    assert evidence.signals == signal
    assert evidence.score == WEIGHTS[signal]


def test_the_score_has_an_end() -> None:
    evidence = evidence_of(sum(WEIGHTS))
    assert evidence is not None
    assert evidence.score == SCORE_MAX


def test_it_counts_against_user_and_address_for_five_minutes() -> None:
    witness = Witness()
    witness.saw(SIGNAL_USED_CHALLENGE, "ann", "192.0.2.1", 1)
    witness.saw(SIGNAL_FOREIGN_TOKEN, "ann", "", 1)
    assert witness.signals("ann", "192.0.2.9", 1) == SIGNAL_USED_CHALLENGE | SIGNAL_FOREIGN_TOKEN
    assert witness.signals("bob", "192.0.2.1", REMEMBERED_NS) == SIGNAL_USED_CHALLENGE
    assert witness.signals("bob", "", 1) == 0
    assert witness.signals("ann", "192.0.2.1", 1 + 3 * REMEMBERED_NS) == 0


def test_a_user_is_no_address() -> None:
    witness = Witness()
    witness.saw(SIGNAL_LIMITED_BEFORE, "192.0.2.1", "", 1)
    assert witness.signals("bob", "192.0.2.1", 1) == 0


def test_many_users_of_one_address_are_a_crowd_and_one_who_comes_often_is_none() -> None:
    witness = Witness()
    for number in range(CROWD_USERS):
        assert witness.signals(f"user-{number}", "192.0.2.1", 1) == 0
        assert witness.signals("user-0", "192.0.2.1", 1) == 0
    assert witness.signals("one-more", "192.0.2.1", 1) == SIGNAL_CROWDED_ADDRESS
    assert witness.signals("user-0", "192.0.2.1", 1) == SIGNAL_CROWDED_ADDRESS
    assert witness.signals("user-0", "192.0.2.2", 1) == 0
