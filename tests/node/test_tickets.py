from pathlib import Path

import pytest

from onsale.node.tickets import DamagedTicketKey, TicketCodes, old_key


def codes_of(key: bytes) -> TicketCodes:
    return TicketCodes(lambda: key)


def test_a_code_is_always_the_same_and_says_whose_it_is() -> None:
    codes = codes_of(b"k" * 32)
    made = codes.of(123_456_789, 3)
    assert made == codes_of(b"k" * 32).of(123_456_789, 3)
    assert len(set(made)) == 3
    assert [codes.read(code) for code in made] == [(123_456_789, number) for number in (1, 2, 3)]
    assert all(len(code) == 24 and code.isalnum() for code in made)


@pytest.mark.parametrize("forged", ["", "A" * 24, "nonsense", "Ä" * 24, "A" * 1000])
def test_a_forged_code_is_known(forged: str) -> None:
    assert codes_of(b"k" * 32).read(forged) is None


def test_another_key_makes_other_codes() -> None:
    (code,) = codes_of(b"k" * 32).of(7, 1)
    assert codes_of(b"x" * 32).read(code) is None


def test_changing_any_letter_is_noticed() -> None:
    codes = codes_of(b"k" * 32)
    (code,) = codes.of(7, 1)
    for place, letter in enumerate(code):
        forged = code[:place] + ("B" if letter == "A" else "A") + code[place + 1 :]
        assert codes.read(forged) is None


def test_while_there_is_no_key_nothing_is_made_and_nothing_known() -> None:
    key = b""
    codes = TicketCodes(lambda: key)
    (code,) = codes_of(b"k" * 32).of(7, 1)
    assert codes.of(7, 1) == []
    assert codes.read(code) is None
    key = b"k" * 32  # from now on there is one
    assert codes.of(7, 1) == [code]


def test_the_key_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ticket.key"
    assert old_key(path) is None
    path.write_bytes(b"k" * 32)
    assert old_key(path) == b"k" * 32


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ticket.key"
    path.write_bytes(b"short")
    with pytest.raises(DamagedTicketKey, match="backup"):
        old_key(path)
