"""Instants in and out, with tables of what is one and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.engine.limits import TIME_MS_MAX
from onsale.http.wire.times import DAY_MS, format_ms, format_ms_or_none, parse_day, parse_instant

NOON_MS = 1_795_341_600_000  # 2026-11-22T10:00:00Z


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-11-22T10:00:00.000Z", NOON_MS),
        ("2026-11-22T10:00:00Z", NOON_MS),
        ("2026-11-22t10:00:00z", NOON_MS),
        ("2026-11-22 10:00:00Z", NOON_MS),
        ("2026-11-22T12:30:00+02:30", NOON_MS),
        ("2026-11-22T00:00:00-10:00", NOON_MS),
        ("2026-11-22T10:00:00.1Z", NOON_MS + 100),
        ("2026-11-22T10:00:00.123456789Z", NOON_MS + 123),
        ("2026-11-22T10:00:00.9999Z", NOON_MS + 999),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("9999-12-31T23:59:59.999Z", TIME_MS_MAX),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000),
    ],
)
def test_instants_are_read(text: str, at_ms: int) -> None:
    assert parse_instant(text) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026-11-22", "2026-11-22T10:00:00", "2026-11-22T10:00Z", "2026-11-22T10Z", "20261122T100000Z",
        "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-00-10T00:00:00Z", "2026-11-22T24:00:00Z",
        "2026-11-22T23:60:00Z", "2026-11-22T23:59:60Z", "2026-11-22T10:00:00.Z", "2026-11-22T10:00:00,5Z",
        "2026-11-22T10:00:00+24:00", "2026-11-22T10:00:00+02:60", "2026-11-22T10:00:00+0200", "0000-01-01T00:00:00Z",
        "12026-11-22T10:00:00Z", "-2026-11-22T10:00:00Z", " 2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z\n",
        "２０２６-11-22T10:00:00Z", "2026-11-22T10:00:00Z\0", "1795341600", "2026-W47-7T10:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text: str) -> None:
    assert parse_instant(text) is None


@pytest.mark.parametrize("text", ["2026-11-2", "2026-11-31", "0000-01-01", "2026-11-22T", "", "2026/11/22"])
def test_what_is_no_day_is_refused(text: str) -> None:
    assert parse_day(text) is None


def test_a_day_begins_at_its_first_millisecond() -> None:
    assert parse_day("2026-11-22") == parse_instant("2026-11-22T00:00:00Z")
    assert parse_day("2026-11-23") == parse_instant("2026-11-22T23:59:59.999Z") + 1  # type: ignore[operator]
    assert parse_day("1970-01-02") == DAY_MS


def test_instants_are_written_in_utc_with_milliseconds() -> None:
    assert format_ms(NOON_MS) == "2026-11-22T10:00:00.000Z"
    assert format_ms(NOON_MS + 7) == "2026-11-22T10:00:00.007Z"
    assert format_ms(0) == "1970-01-01T00:00:00.000Z"
    assert format_ms(TIME_MS_MAX) == "9999-12-31T23:59:59.999Z"
    assert format_ms_or_none(None) is None
    assert format_ms_or_none(0) == "1970-01-01T00:00:00.000Z"


@given(st.integers(0, TIME_MS_MAX))
def test_what_is_written_is_read_again(at_ms: int) -> None:
    assert parse_instant(format_ms(at_ms)) == at_ms


@given(st.text())
def test_no_text_is_more_than_refused(text: str) -> None:
    parse_instant(text)
    parse_day(text)
