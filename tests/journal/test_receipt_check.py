"""The stand-alone check, run as a person runs it: what is true is proven; a forged receipt, an altered journal and a
swapped order are each caught.
"""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.engine import facts as f
from onsale.http.wire.times import format_ms as api_format_ms
from onsale.journal import receipt_check
from onsale.journal.receipt_check import NotProven, check_receipt, fact_in_words, unpack
from onsale.node.journal_view import view
from onsale.tests.replicas.receipts.histories import Batches, bookings, head, held, opened, receipt, write

SCRIPT = Path(receipt_check.__file__)
COUNTS = (1, 3, 2, 1, 5, 1, 4)  # 17 bookings in 7 batches


def run(folder: Path, *documents: dict[str, Any]) -> tuple[int, str]:
    """Exit code and what it says; in a folder where nothing else is, with nothing but Python."""
    names = []
    for number, document in enumerate(documents):
        (folder / f"{number}.json").write_text(json.dumps(document))
        names.append(f"{number}.json")
    script = folder / "receipt_check.py"
    script.write_bytes(SCRIPT.read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", "-S", script.name, *names], cwd=folder, capture_output=True, text=True, check=False
    )
    assert not done.stderr
    return done.returncode, done.stdout


class History:
    """A journal, its first published head, and what is published later."""

    def __init__(self, folder: Path, batches: Batches) -> None:
        write(folder, batches)
        self.keeper = opened(folder)
        self.early = head(self.keeper, seq=7)  # after four batches
        self.head = head(self.keeper)

    def receipt(self, seq: int, size: int | None = None) -> dict[str, Any]:
        return receipt(self.keeper, seq, size)

    def since(self, size: int) -> dict[str, Any]:
        return head(self.keeper, since=size)


@pytest.fixture(scope="module")
def true(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History(tmp_path_factory.mktemp("true") / "journal", bookings(*COUNTS))


def test_what_is_true_is_proven(tmp_path: Path, true: History) -> None:
    code, said = run(tmp_path, true.receipt(5), true.head)
    assert code == 0
    assert "PROVEN" in said
    assert "Booking 5 of u-5: at position 5, on 2026-11-22T10:00:00.040Z, tickets were held" in said
    assert "quantity 2" in said
    assert "u-4" not in said
    assert run(tmp_path, true.receipt(6, size=4), true.early)[0] == 0
    assert run(tmp_path, true.receipt(6, size=4), true.since(4))[0] == 0
    assert "put in line" in run(tmp_path, true.receipt(6), true.head)[1]
    code, said = run(tmp_path, true.early, true.since(4))
    assert code == 0
    assert "begins with all 4 batches of the earlier one, unchanged" in said


def test_whoever_calls_it_in_another_way_is_told_how(tmp_path: Path, true: History) -> None:
    code, said = run(tmp_path, true.head)
    assert code == 2
    assert "python receipt_check.py RECEIPT.json HEAD.json" in said


def test_heads_that_do_not_meet_say_what_to_fetch(tmp_path: Path, true: History) -> None:
    code, said = run(tmp_path, true.receipt(6, size=4), true.head)
    assert code == 1
    assert "/journal/head?since=4" in said
    code, said = run(tmp_path, true.receipt(6), true.early)
    assert code == 1
    assert "?tree_size=4" in said


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 2}', "[" * 100_000, "\x00", '{"version": 1}'])
def test_files_that_are_something_else(tmp_path: Path, content: str, true: History) -> None:
    (tmp_path / "odd.json").write_text(content)
    (tmp_path / "head.json").write_text(json.dumps(true.head))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "odd.json", "head.json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("NOT PROVEN: ")


# --- a forged receipt


def test_forged_receipts_are_caught(tmp_path: Path, true: History) -> None:
    """The seller, or whoever holds the receipt, says something else than was so."""
    for place, name, value in (
        ("fact", "quantity", 4),
        ("fact", "userId", "u-6"),
        ("fact", "type", "waited"),
        ("", "seq", 4),
        ("", "bookingId", 4),
        ("", "at", "2026-11-22T09:59:59.000Z"),
        ("proof", "atMs", 1_795_341_599_000),
    ):
        forged = true.receipt(5)
        (forged[place] if place else forged)[name] = value
        code, said = run(tmp_path, forged, true.head)
        assert code == 1, f"{place}.{name}"
        assert "NOT PROVEN" in said


def test_a_forger_who_changes_the_bytes_too_is_caught(tmp_path: Path, true: History) -> None:
    forged = true.receipt(5)
    fact = f.encode_one(held(5, quantity=4))
    forged["proof"]["fact"] = fact.hex()
    forged["fact"] = fact_in_words(fact)
    code, said = run(tmp_path, forged, true.head)
    assert code == 1
    assert "do not fit together" in said


def test_a_forger_who_makes_a_whole_tree_is_caught(tmp_path: Path, true: History) -> None:
    other = History(tmp_path / "journal", [*bookings(*COUNTS)[:-1], [held(n, "u-friend") for n in range(14, 18)]])
    code, said = run(tmp_path, other.receipt(15), true.head)
    assert code == 1
    assert "another history than the head" in said


def changes(document: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document that could be changed."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        if isinstance(value, dict | list) and value:
            yield from changes(value, (*place, key))
        else:
            yield (*place, key)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_change_of_any_kind_is_taken(true: History, data: st.DataObject) -> None:
    seq = data.draw(st.integers(1, sum(COUNTS)))
    genuine = true.receipt(seq)
    check_receipt(genuine, true.head)
    forged = copy.deepcopy(genuine)
    *way, last = data.draw(st.sampled_from(sorted(changes(forged), key=str)))
    at = forged
    for step in way:
        at = at[step]
    if last == "version":
        return  # read before anything is proven
    old = at[last]
    if isinstance(old, str) and len(old) >= 28 and "T" not in old:
        digit = data.draw(st.integers(0, len(old) - 1))
        at[last] = old[:digit] + ("0" if old[digit] != "0" else "1") + old[digit + 1 :]
    else:
        at[last] = data.draw(
            st.one_of(st.integers(-5, 2**70), st.text(), st.none(), st.booleans(), st.just([]), st.floats())
        )
    if at[last] == old and type(at[last]) is type(old):
        return
    try:
        check_receipt(forged, true.head)
    except NotProven:
        return
    raise AssertionError(f"{way} {last}: {old!r} may be {at[last]!r}")


# --- an altered journal: rewritten with all its hashes, by somebody who has every key


def check_caught(tmp_path: Path, true: History, other: History, seq: int) -> None:
    """What the rewritten history publishes does not go with anything that was published before."""
    for documents in (
        (true.early, other.since(4)),  # an old head, a new one
        (true.receipt(seq, size=4), other.since(4)),  # an old receipt, a new head
        (true.receipt(seq), other.head),
        (other.receipt(seq), true.head),  # a new receipt, an old head
        (other.receipt(seq, size=4), true.early),
    ):
        code, said = run(tmp_path, *documents)
        assert code == 1, said
        assert "NOT PROVEN" in said


def test_an_altered_journal_is_caught(tmp_path: Path, true: History) -> None:
    batches = bookings(*COUNTS)
    batches[1][2] = held(4, "u-somebody-else")
    other = History(tmp_path / "journal", batches)
    assert run(tmp_path, other.receipt(4), other.head)[0] == 0, "in itself it is in order"
    check_caught(tmp_path, true, other, 4)
    check_caught(tmp_path, true, other, 5)  # everybody else's receipt tells, too


def test_a_fact_that_was_taken_out_is_caught(tmp_path: Path, true: History) -> None:
    batches = bookings(*COUNTS)
    del batches[1][1]
    batches[-1].append(held(18))
    check_caught(tmp_path, true, History(tmp_path / "journal", batches), 5)


def test_an_order_swapped_within_a_batch_is_caught(tmp_path: Path, true: History) -> None:
    batches = bookings(*COUNTS)
    batches[2] = batches[2][::-1]  # bookings 5 and 6
    other = History(tmp_path / "journal", batches)
    code, said = run(tmp_path, {**other.receipt(6), "bookingId": 5}, other.head)
    assert code == 0, said
    for documents in ((true.early, other.since(4)), (true.receipt(5, size=4), other.since(4))):
        assert run(tmp_path, *documents)[0] == 1


def test_an_order_swapped_between_batches_is_caught(tmp_path: Path, true: History) -> None:
    batches = bookings(*COUNTS)
    batches[0], batches[3] = batches[3], batches[0]  # bookings 1 and 7
    other = History(tmp_path / "journal", batches)
    assert run(tmp_path, true.early, other.since(4))[0] == 1
    assert run(tmp_path, true.receipt(7, size=4), other.since(4))[0] == 1


def test_two_receipts_whose_places_were_swapped_are_caught(tmp_path: Path, true: History) -> None:
    first, second = true.receipt(4), true.receipt(5)
    for name in ("seq", "at", "batchHash"):
        first[name], second[name] = second[name], first[name]
    first["proof"], second["proof"] = (
        {**second["proof"], "fact": first["proof"]["fact"]}, {**first["proof"], "fact": second["proof"]["fact"]}
    )  # fmt: skip
    for forged in (first, second):
        code, said = run(tmp_path, forged, true.head)
        assert code == 1
        assert "do not fit together" in said


# --- nothing of others


def test_a_receipt_tells_nothing_of_other_facts(true: History) -> None:
    """The other facts of the batch are two more hashes, and neither these nor the batch's can be made from a guess."""
    shown = json.dumps(true.receipt(3))
    assert all(f"u-{other}" not in shown for other in (2, 4))
    guessed = {receipt_check.leaf_hash(f.encode_one(held(n))).hex() for n in range(1, 18)}
    guessed |= {receipt_check.leaf_hash(n.to_bytes(8, "big") + f.encode_one(held(n))).hex() for n in range(1, 18)}
    assert not any(each in shown for each in guessed)


# --- the script and the engine say the same


def test_it_knows_the_facts_as_the_engine_has_them() -> None:
    for kind in (f.Held, f.Waited):
        name, fields = receipt_check.FACTS[kind.__struct_config__.tag]
        expected = view(1, 0, 1, _example(kind))
        assert name == expected["type"]
        assert list(fields) == [key for key in expected if key not in ("seq", "at", "epoch", "type")]


def _example(kind: type) -> f.Fact:
    values = {"user_id": "u-é", "expires_ms": 1_795_341_600_123, "seats": (1, 70_000), "also": (2,)}
    return kind(**{name: values.get(name, 2**40) for name in kind.__struct_fields__})  # type: ignore[no-any-return]


@given(st.builds(f.Held, st.integers(1, 2**63 - 1), st.text(), st.integers(1, 2**40), st.integers(1, 300),
                 st.integers(1, 70_000), st.integers(0, 2**53), st.integers(0, 2**42),
                 st.lists(st.integers(0, 70_000), max_size=40).map(tuple)))  # fmt: skip
def test_it_reads_a_fact_as_it_was_written(fact: f.Held) -> None:
    shown = fact_in_words(f.encode_one(fact))
    expected = view(1, 0, 1, fact)
    expected["expiresAt"] = api_format_ms(fact.expires_ms)
    assert shown == {key: value for key, value in expected.items() if key not in ("seq", "at", "epoch")}


def test_facts_of_earlier_versions_have_no_seats() -> None:
    earlier = msgspec.msgpack.encode([10, 1, "u-1", 1, 1, 2, 9980, 1_795_341_600_000])
    assert fact_in_words(earlier)["seats"] == []


@given(st.binary(max_size=60))
def test_no_bytes_trouble_it(data: bytes) -> None:
    for read in (unpack, fact_in_words):
        with suppress(NotProven):
            read(data)


@pytest.mark.parametrize("at_ms", [0, 1, 999, 1_795_341_600_123, 253_402_300_799_999])
def test_its_times_are_the_apis(at_ms: int) -> None:
    assert receipt_check.format_ms(at_ms) == api_format_ms(at_ms)
