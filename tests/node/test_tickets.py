import base64
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.http.gateway import TicketCode
from onsale.node.tickets import (
    CACHED_MAX,
    CODE_CHARACTERS,
    DamagedTicketKey,
    TicketCodes,
    check_offline,
    old_key,
)

QR_ALPHANUMERIC = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
FORGED = [
    "",
    "A" * 24,
    "A" * CODE_CHARACTERS,
    "nonsense",
    "Ä" * 24,
    "ı" * CODE_CHARACTERS,
    "A" * 1000,
    "A=======",
    "0189",
]


def codes_of(key: bytes) -> TicketCodes:
    return TicketCodes(lambda: key)


CODES = codes_of(b"k" * 32)
(CODE,) = CODES.of(5, 7, 1)


def old_code(key: bytes, booking_id: int, number: int) -> str:
    """As versions made it that did not sign yet."""
    body = booking_id.to_bytes(6, "big") + number.to_bytes(2, "big")
    return base64.b32encode(body + blake2b(body, digest_size=7, key=key).digest()).decode()


def test_a_code_is_always_the_same_and_says_whose_it_is() -> None:
    made = CODES.of(55, 123_456_789, 3)
    assert made == codes_of(b"k" * 32).of(55, 123_456_789, 3)
    assert len(set(made)) == 3
    assert [CODES.read(code) for code in made] == [TicketCode(55, 123_456_789, number) for number in (1, 2, 3)]
    assert all(len(code) == CODE_CHARACTERS and set(code) <= QR_ALPHANUMERIC for code in made)


def test_what_is_printed_today_is_made_for_ever() -> None:
    """A change of these letters would turn people away who hold genuine tickets."""
    assert codes_of(bytes(range(32))).public_key == "-tq7En_i2EZZ0tmwcLpM-abuqxN7hYe2OpX4AtdN6LE"
    (code,) = codes_of(bytes(range(32))).of(1, 2, 1)
    assert blake2b(code.encode(), digest_size=8).hexdigest() == "0de468f71a250821"


@given(event_id=st.integers(1, 2**40 - 1), booking_id=st.integers(1, 2**48 - 1), number=st.integers(1, 20))
def test_every_code_is_read_with_the_key_and_offline(event_id: int, booking_id: int, number: int) -> None:
    code = CODES.of(event_id, booking_id, number)[-1]
    ticket = TicketCode(event_id, booking_id, number)
    assert CODES.read(code) == check_offline(code, CODES.public_key) == ticket
    assert CODES.read(code.lower()) == check_offline(code.lower(), CODES.public_key) == ticket


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_code_is_known(forged: str) -> None:
    assert CODES.read(forged) is None
    assert check_offline(forged, CODES.public_key) is None


def test_another_key_makes_other_codes() -> None:
    others = codes_of(b"x" * 32)
    assert others.read(CODE) is None
    assert check_offline(CODE, others.public_key) is None
    assert others.public_key != CODES.public_key


def test_changing_any_letter_is_noticed() -> None:
    """The last one, too, of which not every bit is needed."""
    for place, letter in enumerate(CODE):
        for other in "AB7" if letter not in "AB7" else "CDZ":
            forged = CODE[:place] + other + CODE[place + 1 :]
            assert CODES.read(forged) is None
            assert check_offline(forged, CODES.public_key) is None


def test_cutting_and_padding_is_noticed() -> None:
    for forged in (CODE[:-1], CODE + "A", CODE + "===", f" {CODE}", CODE + "\n", CODE[:24]):
        assert CODES.read(forged) is None
        assert check_offline(forged, CODES.public_key) is None


def test_codes_of_before_they_were_signed_are_still_read_by_those_who_have_the_key() -> None:
    code = old_code(b"k" * 32, 7, 2)
    assert CODES.read(code) == CODES.read(code.lower()) == TicketCode(0, 7, 2)
    assert check_offline(code, CODES.public_key) is None
    assert codes_of(b"x" * 32).read(code) is None
    assert CODES.read(old_code(b"k" * 32, 7, 0)) is None
    for place, letter in enumerate(code):
        forged = code[:place] + ("B" if letter == "A" else "A") + code[place + 1 :]
        assert CODES.read(forged) is None


def test_while_there_is_no_key_nothing_is_made_and_nothing_known() -> None:
    key = b""
    codes = TicketCodes(lambda: key)
    assert codes.of(5, 7, 1) == []
    assert codes.public_key == ""
    assert codes.read(CODE) is None
    key = b"k" * 32  # from now on there is one
    assert codes.of(5, 7, 1) == [CODE]
    assert codes.public_key == CODES.public_key


def test_what_is_kept_is_bounded() -> None:
    codes = codes_of(b"k" * 32)
    for booking_id in range(1, CACHED_MAX // 1_000 + 3):
        codes.of(5, booking_id, 1_000)
    signer = codes._current()
    assert signer is not None
    assert signer.code.cache_info().currsize == CACHED_MAX
    assert codes.of(5, 1, 1) == CODES.of(5, 1, 1)


@pytest.mark.parametrize("key", ["", "x", "A" * 42, "A" * 44, "é" * 43, "=" * 43, "A" * 10_000])
def test_what_is_no_public_key_is_said(key: str) -> None:
    with pytest.raises(ValueError, match="onsale tickets key"):
        check_offline(CODE, key)


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
