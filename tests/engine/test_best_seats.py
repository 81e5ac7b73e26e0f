"""Best available, held against what it promises: a plain model looks at every seat of small rows."""

from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from onsale.engine.best_seats import Gaps, RowGaps, nearest, starts_of, tidy, widest_gap

AHEAD = 8  # rows among which one is looked for where no single seat is left behind


class Venue(NamedTuple):
    """`rows`: of each seat what it is, s(tandard), a(ccessible) or c(ompanion); `taken`: seats, by their number."""

    rows: tuple[str, ...]
    taken: frozenset[int] = frozenset()

    def gaps(self) -> Gaps:
        made, first = Gaps(), 0
        for row in self.rows:
            of = {kind: tuple(place for place, each in enumerate(row, 1) if each == kind) for kind in "ac"}
            made.add(RowGaps(first, len(row), of["a"], of["c"]))
            first += len(row)
        made.take_all(self.taken)
        return made

    @property
    def kinds(self) -> str:
        return "".join(self.rows)

    def free(self, kinds: str = "sac") -> list[list[int]]:
        """By row, the free seats that are of these kinds."""
        found, first = [], 0
        for row in self.rows:
            numbered = enumerate(row, first)
            found.append([seat for seat, kind in numbered if kind in kinds and seat not in self.taken])
            first += len(row)
        return found


def runs(seats: list[int]) -> list[list[int]]:
    """Those side by side, put together."""
    found: list[list[int]] = []
    for seat in sorted(seats):
        if found and found[-1][-1] == seat - 1:
            found[-1].append(seat)
        else:
            found.append([seat])
    return found


def pieces(venue: Venue, seats: tuple[int, ...]) -> int:
    return sum(len(runs([seat for seat in row if seat in seats])) for row in Venue(venue.rows).free())


def leaves_a_single(row: list[int], taken: tuple[int, ...]) -> bool:
    """A seat that had a free one beside it, and was not alone already, stands alone among these free ones."""
    before = {seat for run in runs(row) if len(run) == 1 for seat in run}
    after = {seat for run in runs([seat for seat in row if seat not in taken]) if len(run) == 1 for seat in run}
    return bool(after - before)


def windows(row: list[int], width: int) -> list[tuple[int, ...]]:
    return [tuple(run[at : at + width]) for run in runs(row) for at in range(len(run) - width + 1)]


def check_best(venue: Venue, quantity: int, found: tuple[int, ...] | None) -> None:
    """All that `best` promises."""
    standard = sum(map(len, venue.free("s")))
    everything = sum(map(len, venue.free()))
    if quantity > everything:
        assert found is None
        return
    assert found is not None
    assert sorted(set(found)) == list(found), "ascending, each once"
    assert len(found) == quantity
    rows = venue.free("s" if quantity <= standard else "sac")
    assert set(found) <= {seat for row in rows for seat in row}, "free, and for wheelchairs only in need"
    fitting = [row for row, seats in enumerate(rows) if windows(seats, quantity)]
    if not fitting:
        widths = sorted((len(run) for row in rows for run in runs(row)), reverse=True)
        fewest, left = 0, quantity
        while left > 0:
            left -= widths[fewest]
            fewest += 1
        assert pieces(venue, found) == fewest
        return
    near = [row for row in fitting if row < fitting[0] + AHEAD]
    neat = [
        (row, each) for row in near for each in windows(rows[row], quantity) if not leaves_a_single(rows[row], each)
    ]
    best_row = neat[0][0] if neat else fitting[0]
    assert found in windows(rows[best_row], quantity), "side by side, in the best row"
    if neat:
        assert not leaves_a_single(rows[best_row], found)


def check_best_accessible(venue: Venue, quantity: int, accessible: int, found: tuple[int, ...] | None) -> None:
    by_row = list(zip(venue.free("a"), venue.free("sc"), venue.free("c"), strict=True))
    there = sum(len(wheel) for wheel, _, _ in by_row)
    if there < accessible or quantity > sum(map(len, venue.free())):
        assert found is None
        return
    assert found is not None
    assert sorted(set(found)) == list(found)
    assert len(found) == quantity
    assert set(found) <= {seat for row in venue.free() for seat in row}
    used = sum(venue.kinds[seat] == "a" for seat in found)
    others = sum(len(rest) for _, rest, _ in by_row)
    assert used == max(accessible, quantity - others), "no more of these than need be"
    group = quantity - accessible
    enough = [
        (wheel, rest, beside) for wheel, rest, beside in by_row if len(wheel) >= accessible and len(rest) >= group
    ]
    if enough:
        wheel, rest, beside = enough[0]
        assert set(found) <= {*wheel, *rest}, "all in the first row that has enough"
        assert len(set(found) & set(beside)) == min(len(beside), group), "companions' seats first"


def check_known(gaps: Gaps) -> None:
    """How wide the widest gap of each row is said to be, it is."""
    for row, free in enumerate(gaps.free):
        assert gaps._widest[row] == widest_gap(free), row
        assert gaps._widest_standard[row] == widest_gap(free & gaps.rows[row].standard), row


def check_counts(gaps: Gaps, venue: Venue) -> None:
    assert gaps.free_standard == sum(map(len, venue.free("s")))
    assert gaps.free_others == sum(map(len, venue.free("ac")))


ROWS = st.lists(st.text(alphabet="sssssac", min_size=1, max_size=9), min_size=1, max_size=12).map(tuple)


@st.composite
def venues(draw: st.DrawFn) -> Venue:
    rows = draw(ROWS)
    count = sum(map(len, rows))
    density = draw(st.sampled_from((1, 2, 5)))
    chosen = draw(st.lists(st.integers(0, density), min_size=count, max_size=count))
    return Venue(rows, frozenset(seat for seat, value in enumerate(chosen) if value == 0))


@given(venue=venues(), quantity=st.integers(1, 12))
@example(venue=Venue(("ssss", "ssss")), quantity=3)  # either way one is left behind
@example(venue=Venue(("ssss", "sss")), quantity=3)  # not in the next row
@example(venue=Venue(("asc", "s")), quantity=2)  # in two pieces, rather than in a place for a wheelchair
@example(venue=Venue(("ss", "a")), quantity=3)
@example(venue=Venue(("sss",) * 7 + ("ss",)), quantity=2)  # rows that are near
@example(venue=Venue(("sss",) * 8 + ("ss",)), quantity=2)
def test_the_best_seats_are_as_promised(venue: Venue, quantity: int) -> None:
    check_best(venue, quantity, venue.gaps().best(quantity))


@given(venue=venues(), quantity=st.integers(1, 8), accessible=st.integers(1, 4))
@example(venue=Venue(("saaas", "sasss")), quantity=3, accessible=1)
def test_accessible_seats_are_as_promised(venue: Venue, quantity: int, accessible: int) -> None:
    accessible = min(accessible, quantity)
    check_best_accessible(venue, quantity, accessible, venue.gaps().best_accessible(quantity, accessible))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("best", "best", "wheel", "take", "give", "give all")), st.integers(1, 9), st.integers(0)
    ),
    max_size=60,
)


@given(rows=ROWS, steps=STEPS)
def test_what_is_known_stays_true_and_changes_no_answer(
    rows: tuple[str, ...], steps: list[tuple[str, int, int]]
) -> None:
    venue, bookings = Venue(rows), list[tuple[int, ...]]()
    gaps = venue.gaps()
    for what, quantity, choice in steps:
        seats: tuple[int, ...] | None = None
        if what == "best":
            seats = gaps.best(quantity)
            check_best(venue, quantity, seats)
            assert seats == venue.gaps().best(quantity), "whatever was asked before"
        elif what == "wheel":
            seats = gaps.best_accessible(quantity, 1)
            assert seats == venue.gaps().best_accessible(quantity, 1)
        elif what == "take":
            free = [seat for row in venue.free() for seat in row]
            seats = tuple(free[choice % len(free) :][:1]) if free else None
        elif bookings:
            given_back = bookings.pop(choice % len(bookings))
            if what == "give":  # a part: the rest stays taken
                given_back, rest = given_back[:1], given_back[1:]
                bookings += [rest] if rest else []
            gaps.give_back_all(given_back)
            venue = Venue(rows, venue.taken - set(given_back))
        if seats:
            assert not venue.taken & set(seats), "no seat twice"
            gaps.take_all(seats)
            bookings.append(seats)
            venue = Venue(rows, venue.taken | set(seats))
        check_known(gaps)
        check_counts(gaps, venue)


@given(venue=venues(), quantity=st.integers(1, 5))
def test_a_copy_is_on_its_own(venue: Venue, quantity: int) -> None:
    gaps = venue.gaps()
    before = (gaps.free.copy(), gaps.free_standard, gaps.free_others)
    copy, served = gaps.copy(), set[int]()
    while (seats := copy.best(quantity)) is not None:
        assert not served & set(seats)
        served.update(seats)
        copy.take_all(seats)
    assert (gaps.free, gaps.free_standard, gaps.free_others) == before
    check_best(venue, quantity, gaps.best(quantity))


@given(bits=st.integers(0, 2**70 - 1), width=st.integers(1, 12))
def test_arithmetic_on_rows(bits: int, width: int) -> None:
    row = [place for place in range(70) if bits >> place & 1]
    starts = [each[0] for each in windows(row, width)]
    assert [place for place in range(71) if starts_of(bits, width) >> place & 1] == starts
    neat = [start for start in starts if not leaves_a_single(row, tuple(range(start, start + width)))]
    found = tidy(bits, starts_of(bits, width), width)
    assert [place for place in range(71) if found >> place & 1] == neat
    assert widest_gap(bits) == max(map(len, runs(row)), default=0)
    if row:
        assert abs(nearest(bits, width) - width) == min(abs(place - width) for place in row)
