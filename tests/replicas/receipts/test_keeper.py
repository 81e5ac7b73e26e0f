"""The tree in step with a journal: the same on every node, cut with the journal, and built anew when it is damaged."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.journal import receipt_check
from onsale.journal.batch import SEQ_MAX, sealed_again
from onsale.journal.disk import RealDisk
from onsale.journal.divergence import cut_after
from onsale.journal.reader import position_at, read_batches
from onsale.journal.retention import remove_through
from onsale.replicas.receipts.keeper import Gone, Keeper, PastMissing
from onsale.replicas.receipts.leaves import Salts, leaf_of
from onsale.replicas.receipts.merkle import levels
from onsale.replicas.receipts.tree_file import DamagedTree
from onsale.tests.replicas.receipts.histories import (
    JOURNAL_ID,
    KEY,
    NAME,
    begin_behind,
    bookings,
    head,
    held,
    keeper_of,
    opened,
    receipt,
    write,
)


def leaves_of(folder: Path) -> list[bytes]:
    return [leaf_of(JOURNAL_ID, batch, Salts(KEY)) for batch in read_batches(RealDisk(folder), 0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "journal", bookings(1, 3, 2, 1, 5, 1, 1, 4, 2, 6, 1))  # 11 batches, 27 bookings
    return tmp_path / "journal"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.data())
def test_every_booking_of_any_history_is_proven(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("history") / "journal"
    write(folder, bookings(*counts))
    keeper = opened(folder)
    leaves = leaves_of(folder)
    assert keeper.head().root == levels(leaves)[-1][0]
    seq = data.draw(st.integers(1, sum(counts)))
    size = data.draw(st.integers(1, len(counts)))
    receipt_check.check_receipt(receipt(keeper, seq), head(keeper))
    if sum(counts[:size]) >= seq:
        old = head(keeper, seq=sum(counts[:size]))
        assert old["treeSize"] == size
        assert old["root"] == levels(leaves[:size])[-1][0].hex()
        earlier = receipt(keeper, seq, size)
        receipt_check.check_receipt(earlier, old)
        receipt_check.check_receipt(earlier, head(keeper, since=size))
        receipt_check.check_heads(old, head(keeper, since=size))
    else:
        with pytest.raises(ValueError, match="end before"):
            keeper.prove(seq, size)
    keeper.close()


def test_it_holds_only_what_is_committed(folder: Path) -> None:
    keeper = opened(folder, through_seq=7)
    assert (keeper.seq, keeper.size) == (7, 4)
    assert keeper.head().root == levels(leaves_of(folder)[:4])[-1][0]
    while keeper.extend(SEQ_MAX, 1):
        pass
    assert keeper.head().root == levels(leaves_of(folder))[-1][0]


def test_it_goes_on_from_its_file(folder: Path) -> None:
    first = opened(folder, through_seq=12)
    first.close()
    write(folder, [[held(28), held(29)]])
    second = keeper_of(folder)
    second.open()
    assert second.seq == 12
    second.extend(SEQ_MAX, 1_000)
    assert second.head().root == levels(leaves_of(folder))[-1][0]


def test_what_a_failover_gave_up_is_cut(folder: Path) -> None:
    opened(folder).close()
    cut_after(RealDisk(folder), 13)
    write(folder, [[held(99)], [held(100)]], epoch=2)
    keeper = keeper_of(folder)
    keeper.open()
    assert keeper.seq == 13
    keeper.extend(SEQ_MAX, 1_000)
    assert keeper.head().root == levels(leaves_of(folder))[-1][0]
    receipt_check.check_receipt(receipt(keeper, 13), head(keeper))


def test_a_journal_that_was_cut_to_nothing_begins_anew(folder: Path) -> None:
    opened(folder).close()
    cut_after(RealDisk(folder), 1)
    keeper = keeper_of(folder)
    keeper.open()
    assert (keeper.seq, keeper.size) == (1, 1)


@pytest.mark.parametrize("at", [3, 30, 60, 100, 130, 300, 700, -1])
def test_a_flipped_byte_is_seen(folder: Path, at: int) -> None:
    """And what is then built anew is as before."""
    before = opened(folder)
    published = head(before)
    before.close()
    tree = folder.parent / "journal.tree"
    data = bytearray(tree.read_bytes())
    data[at] ^= 1
    tree.write_bytes(data)
    keeper = keeper_of(folder)
    with pytest.raises(DamagedTree):
        keeper.open()
    keeper.begin()
    keeper.extend(SEQ_MAX, 1_000)
    assert head(keeper) == published


@pytest.mark.parametrize("left", [0, 40, 90, 150, 500])
def test_a_file_that_is_cut_short_is_written_anew_from_there(folder: Path, left: int) -> None:
    before = opened(folder)
    published = head(before)
    before.close()
    tree = folder.parent / "journal.tree"
    tree.write_bytes(tree.read_bytes()[:left])
    keeper = keeper_of(folder)
    try:
        keeper.open()
    except DamagedTree:
        assert left == 40, "only a header can't be used in part"
        keeper.begin()
    keeper.extend(SEQ_MAX, 1_000)
    assert head(keeper) == published


def test_damage_while_it_runs_gives_no_proof(folder: Path) -> None:
    keeper = opened(folder)
    tree = folder.parent / "journal.tree"
    tree.write_bytes(bytes(len(tree.read_bytes())))
    with pytest.raises(DamagedTree):
        keeper.prove(5)
    keeper.begin()
    keeper.extend(SEQ_MAX, 1_000)
    receipt_check.check_receipt(receipt(keeper, 5), head(keeper))


def test_a_tree_of_another_history_is_not_gone_on_with(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", [[held(7)], *bookings(2, 2)])
    opened(tmp_path / "other").close()
    (tmp_path / "other.tree").rename(tmp_path / "journal.tree")
    keeper = keeper_of(folder)
    keeper.open()
    assert keeper.seq == 0, "the chain says that no batch of it is in this journal"
    keeper.extend(SEQ_MAX, 1_000)
    assert keeper.head().root == levels(leaves_of(folder))[-1][0]


def test_another_key_makes_another_tree(folder: Path) -> None:
    opened(folder).close()
    other = Keeper(RealDisk(folder), folder.parent / "journal.tree", JOURNAL_ID, bytes(32), NAME[::-1])
    with pytest.raises(DamagedTree):
        other.open()


# --- a node that began with a fetched checkpoint


def newcomer(folder: Path, seq: int) -> Path:
    """The same history from behind `seq` on."""
    position = position_at(RealDisk(folder), seq)
    assert position is not None
    appender = begin_behind(folder.parent / "newcomer", position)
    for batch in read_batches(RealDisk(folder), seq):
        appender.append(sealed_again(batch))
    appender.close()
    return folder.parent / "newcomer"


@pytest.mark.parametrize("seq", [1, 4, 6, 7, 12, 13, 20, 27])
def test_with_the_past_of_another_node_it_has_the_same_roots(folder: Path, seq: int) -> None:
    whole = opened(folder)
    keeper = keeper_of(newcomer(folder, seq))
    with pytest.raises(PastMissing) as missing:
        keeper.open()
    assert missing.value.seq == seq
    past = whole.head(seq)
    keeper.begin_behind(past.size, past.seq, past.batch_hash, tuple(past.peaks))
    keeper.extend(SEQ_MAX, 1_000)
    assert head(keeper) == head(whole)
    assert keeper.head(seq) == past
    for number in range(seq + 1, 28):
        assert receipt(keeper, number) == receipt(whole, number)
    for number in range(1, seq + 1):
        with pytest.raises(Gone):
            keeper.prove(number)
    assert head(keeper, since=past.size) == head(whole, since=past.size)
    keeper.close()
    again = keeper_of(folder.parent / "newcomer")
    again.open()
    assert head(again) == head(whole)


def test_a_past_of_another_history_is_not_taken(folder: Path) -> None:
    past = opened(folder).head(12)
    keeper = keeper_of(newcomer(folder, 12))
    with pytest.raises(PastMissing):
        keeper.open()
    for size, seq, batch_hash, peaks in (
        (past.size, 12, bytes(32), past.peaks),
        (past.size, 7, past.batch_hash, past.peaks),
        (past.size, 12, past.batch_hash, past.peaks[1:]),
    ):
        with pytest.raises(ValueError, match="before seq 13"):
            keeper.begin_behind(size, seq, batch_hash, tuple(peaks))


def test_segments_that_are_removed_take_their_receipts_and_nothing_else(folder: Path) -> None:
    before = opened(folder)
    published, later = head(before), receipt(before, 27)
    before.close()
    assert remove_through(RealDisk(folder), 20)
    keeper = keeper_of(folder)
    keeper.open()
    assert head(keeper) == published
    assert receipt(keeper, 27) == later
    assert head(keeper, since=1)["consistency"]["since"] == 1
    with pytest.raises(Gone):
        keeper.prove(1)


def test_a_tree_that_ends_before_the_journal_begins_wants_the_past(folder: Path, tmp_path: Path) -> None:
    opened(folder, through_seq=4).close()
    other = newcomer(folder, 12)
    (tmp_path / "journal.tree").rename(tmp_path / "newcomer.tree")
    with pytest.raises(PastMissing):
        keeper_of(other).open()


def test_its_size(folder: Path) -> None:
    """96 bytes a batch."""
    opened(folder).close()
    size_bytes = (folder.parent / "journal.tree").stat().st_size
    assert size_bytes < 76 + 96 * 11
