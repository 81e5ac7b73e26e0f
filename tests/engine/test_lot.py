"""The lot: a permutation, the same for whoever knows it, without preference for anybody."""

import itertools
from collections import Counter
from hashlib import sha256

import pytest

from onsale.engine.lot import Lot, commitment_of, digest_with, lot_of


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 1_000, 4_097])
def test_everybody_gets_a_number_and_each_number_is_somebodys(count: int) -> None:
    lot = Lot(b"x" * 32, count)
    numbers = [lot.number_of(arrival) for arrival in range(1, count + 1)]
    assert sorted(numbers) == list(range(1, count + 1))
    assert [lot.arrival_of(number) for number in numbers] == list(range(1, count + 1))


def test_the_same_lot_gives_the_same_order_and_another_lot_another() -> None:
    orders = [[lot.number_of(arrival) for arrival in range(1, 101)] for lot in _lots(b"a", b"a", b"b")]
    assert orders[0] == orders[1] != orders[2]


def _lots(*seeds: bytes) -> list[Lot]:
    return [Lot(lot_of(seed * 32, b""), 100) for seed in seeds]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_over_many_lots_everybody_gets_each_number_equally_often(count: int) -> None:
    draws = 3_000
    found: Counter[tuple[int, int]] = Counter()
    for draw in range(draws):
        lot = Lot(lot_of(draw.to_bytes(32, "big"), b"who came"), count)
        found.update((arrival, lot.number_of(arrival)) for arrival in range(1, count + 1))
    expected = draws / count
    spread = sum(
        (found[who, number] - expected) ** 2 / expected for who in range(1, count + 1) for number in range(1, count + 1)
    )  # chi-squared, (count - 1)² degrees of freedom
    assert spread < (count - 1) ** 2 + 6 * (2 * (count - 1) ** 2) ** 0.5


def test_all_orders_of_three_come_up() -> None:
    lots = [Lot(lot_of(draw.to_bytes(32, "big"), b""), 3) for draw in range(1_200)]
    orders = Counter(tuple(lot.number_of(arrival) for arrival in (1, 2, 3)) for lot in lots)
    assert len(orders) == 6
    assert all(140 < count < 260 for count in orders.values())


def test_neighbours_in_a_large_room_are_not_neighbours_after_the_draw() -> None:
    lot = Lot(b"y" * 32, 500_000)
    numbers = [lot.number_of(arrival) for arrival in range(1, 1_001)]
    assert min(numbers) < 5_000
    assert max(numbers) > 495_000
    assert sum(abs(one - other) < 100 for one, other in itertools.pairwise(numbers)) < 10


def test_the_lot_follows_from_the_seed_and_all_who_came_in_their_order() -> None:
    ann_then_bob = digest_with(digest_with(b"", "ann"), "bob")
    bob_then_ann = digest_with(digest_with(b"", "bob"), "ann")
    lots = {lot_of(seed, digest) for seed in (b"1" * 32, b"2" * 32) for digest in (b"", ann_then_bob, bob_then_ann)}
    assert len(lots) == 6


def test_the_commitment_is_what_anybody_can_compute_of_the_seed() -> None:
    assert commitment_of(b"seed") == sha256(b"seed").hexdigest()
