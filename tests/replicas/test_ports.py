"""Addresses as they are written in flags, in the journal and in logs."""

import pytest

from onsale.replicas.ports import format_address, parse_address


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("10.0.0.7:7400", ("10.0.0.7", 7400)),
        ("db.example.com:0", ("db.example.com", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_is_read_and_written(address: str, parts: tuple[str, int]):
    assert parse_address(address) == parts
    assert format_address(*parts) == address


@pytest.mark.parametrize(
    "address", ["", "10.0.0.7", ":7400", "[]:1", "::1:7400", "host:65536", "host:-1", "host:x", "host:²"]
)
def test_what_is_no_address_is_refused_with_a_sentence(address: str):
    with pytest.raises(ValueError, match="is no"):
        parse_address(address)
