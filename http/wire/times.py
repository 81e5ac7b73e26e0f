"""Instants between RFC 3339 and milliseconds since 1970 UTC.

Owns both directions. Out: always UTC with milliseconds and a `Z`. In: any offset, with or without a fraction (what is
finer than a millisecond is cut off); in queries also whole days. Never guesses: an instant without an offset, a day
that does not exist or a leap second is refused. Touches no clock and no time zone of the machine.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,12}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))", re.ASCII
)


def parse_instant(text: str) -> int | None:
    """Milliseconds since 1970 (below zero before); None for what is no RFC 3339 instant."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = match.groups()
    try:
        whole = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None
    at_ms = (whole - _EPOCH) // _MILLISECOND + int((fraction or "")[:3].ljust(3, "0"))
    if sign is None:
        return at_ms
    if int(offset_hours) > 23 or int(offset_minutes) > 59:
        return None
    offset_ms = (int(offset_hours) * 60 + int(offset_minutes)) * 60_000
    return at_ms - offset_ms if sign == "+" else at_ms + offset_ms


def parse_day(text: str) -> int | None:
    """The first millisecond of a UTC day given as 2026-11-22; None for what is no day."""
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    try:
        day = datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
    except ValueError:
        return None
    return (day - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """An instant up to its seconds: most of what is formatted falls into few of them."""
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


@lru_cache(maxsize=4096)
def format_ms(at_ms: int) -> str:
    """1795341600000 → "2026-11-22T10:00:00.000Z"; for instants from 1970 through 9999."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{_second(seconds)}.{ms:03d}Z"


def format_ms_or_none(at_ms: int | None) -> str | None:
    return None if at_ms is None else format_ms(at_ms)
