"""The lifecycles as tables: complete, connected, and named as the contract names them."""

import re
from pathlib import Path

import pytest

from onsale.engine import status as s


def reachable(followers: dict[int, frozenset[int]], start: int) -> set[int]:
    found, ahead = {start}, [start]
    while ahead:
        ahead += [each for each in followers[ahead.pop()] if each not in found and not found.add(each)]
    return found


def test_every_booking_status_can_be_reached_and_has_a_name():
    assert reachable(s.BOOKING_FOLLOWERS, s.NEW) - {s.NEW} == set(s.BOOKING_NAMES)
    assert set(s.BOOKING_FOLLOWERS) == set(s.BOOKING_NAMES) | {s.NEW}


def test_every_payment_status_can_be_reached_and_has_a_name():
    assert reachable(s.PAYMENT_FOLLOWERS, s.PAYMENT_STARTED) == set(s.PAYMENT_NAMES) == set(s.PAYMENT_FOLLOWERS)


def test_booking_names_are_those_of_the_contract():
    promised = "waiting held paying confirmed expired cancelled refund_pending refunded partially_refunded"
    assert set(s.BOOKING_NAMES.values()) == set(promised.split())


def test_a_booking_counts_in_one_way_at_most():
    assert not s.COUNTS_AS_HELD & s.COUNTS_AS_SOLD
    assert not s.ENDED & s.COUNTS_FOR_USER
    assert s.COUNTS_AS_HELD | s.COUNTS_AS_SOLD | {s.WAITING} == s.COUNTS_FOR_USER


@pytest.mark.parametrize("end", [s.CANCELLED, s.REFUNDED])
def test_nothing_follows_on_an_end(end):
    assert not s.BOOKING_FOLLOWERS[end]


def test_only_a_late_payment_brings_a_lapsed_booking_back():
    assert s.BOOKING_FOLLOWERS[s.EXPIRED] == {s.CONFIRMED}


def test_the_last_word_of_a_provider_is_final():
    assert not s.PAYMENT_FOLLOWERS[s.PAYMENT_SUCCEEDED]
    assert not s.PAYMENT_FOLLOWERS[s.PAYMENT_FAILED]
    assert s.PAYMENT_FOLLOWERS[s.PAYMENT_ABANDONED] == {s.PAYMENT_SUCCEEDED, s.PAYMENT_FAILED}


def test_waitlists_are_named_as_in_the_contract():
    assert set(s.WAITLIST_NAMES.values()) == {"strict", "first_fit", "off"}


def test_the_diagram_in_the_architecture_is_this_table() -> None:
    text = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text()
    drawn = set(re.findall(r"^    (\[\*\]|\w+) --> (\w+)$", text, re.MULTILINE))
    names = {s.NEW: "[*]"} | s.BOOKING_NAMES
    table = {
        (names[before], names[after])
        for before, followers in s.BOOKING_FOLLOWERS.items()
        for after in followers
        if names[before] != names[after]
    }
    assert drawn == table
