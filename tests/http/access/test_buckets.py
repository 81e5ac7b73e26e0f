"""A bucket does exactly what a bucket in exact arithmetic does, whatever it has forgotten meanwhile."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.http.access.buckets import Buckets, Limit, parse_limit, whole_seconds

SECOND_NS = 1_000_000_000


class NaiveBucket:
    """Tokens as a fraction, refilled at every look."""

    def __init__(self, interval_ns: int, burst: int) -> None:
        self.interval_ns, self.burst = interval_ns, burst
        self.tokens, self.at_ns = Fraction(burst), 0

    def take(self, now_ns: int) -> int:
        self.tokens = min(self.tokens + Fraction(now_ns - self.at_ns, self.interval_ns), Fraction(self.burst))
        self.at_ns = now_ns
        if self.tokens >= 1:
            self.tokens -= 1
            return 0
        return int((1 - self.tokens) * self.interval_ns)


@given(
    st.sampled_from([0.5, 1, 3, 7, 20, 200, 999_999]),
    st.integers(1, 6),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.integers(0, 3)), max_size=120),
)
def test_it_is_a_bucket_for_each_key(rate: float, burst: int, steps: list[tuple[str, int, int]]) -> None:
    buckets = Buckets(Limit(rate, burst), keys_max=100)
    interval_ns = max(round(SECOND_NS / rate), 1)
    naive = {key: NaiveBucket(interval_ns, burst) for key in "abc"}
    now_ns = 12_345
    for key, tenths, odd in steps:
        now_ns += tenths * interval_ns // 10 + odd
        assert buckets.take(key, now_ns) == naive[key].take(now_ns)


@given(st.integers(1, 50), st.integers(1, 50), st.lists(st.integers(0, 2 * SECOND_NS), max_size=60))
def test_nobody_gets_more_than_rate_and_burst_allow(rate: int, burst: int, pauses: list[int]) -> None:
    buckets = Buckets(Limit(rate, burst))
    now_ns, taken = 1, 0
    for pause_ns in pauses:
        now_ns += pause_ns
        taken += buckets.take("a", now_ns) == 0
        assert taken <= burst + (now_ns - 1) / round(SECOND_NS / rate)


def test_who_waits_as_long_as_was_said_is_let_through() -> None:
    buckets = Buckets(Limit(20, 100))
    now_ns = 7
    for _ in range(100):
        assert buckets.take("a", now_ns) == 0
    wait_ns = buckets.take("a", now_ns)
    assert wait_ns == SECOND_NS // 20
    assert buckets.take("a", now_ns + wait_ns - 1) == 1
    assert buckets.take("a", now_ns + wait_ns) == 0


def test_others_have_buckets_of_their_own() -> None:
    buckets = Buckets(Limit(1, 1))
    assert buckets.take("a", 1) == 0
    assert buckets.take("a", 1) == SECOND_NS
    assert buckets.take("b", 1) == 0


def test_however_many_ask_memory_is_bounded_and_nobody_is_refused_for_others() -> None:
    buckets = Buckets(Limit(1, 5), keys_max=1_000)
    for number in range(10_000):
        assert buckets.take(f"user-{number}", number) == 0
        assert len(buckets) <= 2_000


@pytest.mark.parametrize(
    ("text", "limit"),
    [("20/100", Limit(20, 100)), (" 0.5/1 ", Limit(0.5, 1)), ("none", None), ("NONE", None)],
)
def test_limits_are_written_as_rate_and_burst(text: str, limit: Limit | None) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["", "20", "0/5", "5/0", "-1/5", "1e9/5", "5/9999999", "a/b", "1/2/3", "٣/٣"])
def test_what_is_no_limit_is_told_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="20/100"):
        parse_limit(text)


def test_retry_after_is_in_whole_seconds_and_never_none() -> None:
    assert [whole_seconds(wait_ns) for wait_ns in (1, SECOND_NS, SECOND_NS + 1)] == [1, 1, 2]
