from pathlib import Path

import pytest

from onsale.node.tickets import DamagedTicketKey, TicketCodes, read_or_create_key


def test_a_code_is_always_the_same_and_says_whose_it_is() -> None:
    codes = TicketCodes(b"k" * 32)
    made = codes.of(123_456_789, 3)
    assert made == codes.of(123_456_789, 3)
    assert len(set(made)) == 3
    assert [codes.read(code) for code in made] == [(123_456_789, number) for number in (1, 2, 3)]
    assert all(len(code) == 24 and code.isalnum() for code in made)


@pytest.mark.parametrize("forged", ["", "A" * 24, "nonsense", "Ä" * 24, "A" * 1000])
def test_a_forged_code_is_known(forged: str) -> None:
    assert TicketCodes(b"k" * 32).read(forged) is None


def test_another_key_makes_other_codes() -> None:
    (code,) = TicketCodes(b"k" * 32).of(7, 1)
    assert TicketCodes(b"x" * 32).read(code) is None


def test_changing_any_letter_is_noticed() -> None:
    codes = TicketCodes(b"k" * 32)
    (code,) = codes.of(7, 1)
    for place, letter in enumerate(code):
        forged = code[:place] + ("B" if letter == "A" else "A") + code[place + 1 :]
        assert codes.read(forged) is None


def test_the_key_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "ticket.key"
    key, fresh = read_or_create_key(path)
    assert fresh
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_or_create_key(path) == (key, False)


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ticket.key"
    path.write_bytes(b"short")
    with pytest.raises(DamagedTicketKey, match="backup"):
        read_or_create_key(path)


def test_what_a_crash_left_of_a_key_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "ticket.new").write_bytes(b"half")
    key, fresh = read_or_create_key(tmp_path / "ticket.key")
    assert fresh
    assert len(key) == 32
    assert [path.name for path in tmp_path.iterdir()] == ["ticket.key"]
