"""What was put down stays long enough, and never without bound."""

from hypothesis import given
from hypothesis import strategies as st

from onsale.http.access.recent import Recent

KEPT_NS = 100


def test_it_stays_as_long_as_was_asked_and_at_most_twice_that() -> None:
    recent: Recent[int] = Recent(KEPT_NS, 10)
    assert recent.get("a", 1_000) is None
    recent.put("a", 1, 1_000)
    assert recent.get("a", 1_000 + KEPT_NS) == 1
    assert recent.get("a", 1_000 + 2 * KEPT_NS) is None


def test_after_a_long_silence_all_is_gone() -> None:
    recent: Recent[int] = Recent(KEPT_NS, 10)
    recent.get("a", 0)
    recent.put("a", 1, 0)
    assert recent.get("a", 5 * KEPT_NS) is None
    assert len(recent) == 0


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from("abcdefgh"), st.booleans()), max_size=80),
)
def test_memory_is_bounded_and_what_is_kept_is_the_latest(keys_max: int, steps: list[tuple[int, str, bool]]) -> None:
    recent: Recent[int] = Recent(KEPT_NS, keys_max)
    latest: dict[str, tuple[int, int]] = {}
    now_ns = 0
    for value, (pause_ns, key, puts) in enumerate(steps):
        now_ns += pause_ns
        found = recent.get(key, now_ns)
        if found is not None:
            assert found == latest[key][0]
        elif key in latest and keys_max > 8:
            assert now_ns - latest[key][1] >= KEPT_NS
        if puts:
            recent.put(key, value, now_ns)
            latest[key] = value, now_ns
        assert len(recent) <= 2 * keys_max
