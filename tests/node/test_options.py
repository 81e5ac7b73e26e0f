"""Addresses as people write them, and what they are told when they write them otherwise."""

import re

import pytest

from onsale.node.options import default_name, parse_address, parse_host, parse_name


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        (" 0.0.0.0:80 ", ("0.0.0.0", 80)),
        ("[::1]:80", ("::1", 80)),
        ("[::]:65535", ("::", 65535)),
        ("node-1.example.org:8080", ("node-1.example.org", 8080)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("8080", "write 127.0.0.1:8080 for this machine alone, or 0.0.0.0:8080"),
        (":8080", "write 127.0.0.1:8080 for this machine alone, 0.0.0.0:8080 for all"),
        ("localhost", "the port is missing, such as localhost:8080"),
        ("::1", "needs brackets and a port: [::1]:8080"),
        ("fe80::abcd:1:8080", "[fe80::abcd:1:8080]:8080"),
        ("::1:x", "write for example"),
        ("1:2:3:4:5:6:7:8:9000", "needs brackets: [1:2:3:4:5:6:7:8]:9000"),
        ("[::1]", "write for example"),
        ("[localhost]:80", "is no IPv6 address; write for example [::1]:80"),
        ("localhost:70000", "port 70000 is above 65535"),
        ("localhost:http", "write for example"),
        ("http://localhost:80", "leave out the scheme"),
        ("local host:80", "is neither a host name nor an IP address"),
        ("", "write for example"),
        ("localhost:-1", "write for example"),
        ("localhost:٨٠", "write for example"),
    ],
)
def test_what_to_write_instead(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=re.escape(advice)) as caught:
        parse_address(text)

    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("name", ["a", "node-1", "eu.west_2", "N" * 64])
def test_names(name: str) -> None:
    assert parse_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a b", "ä", "N" * 65, "a\n"])
def test_no_names(name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a node"):
        parse_name(name)


def test_the_machines_own_name_is_one() -> None:
    assert parse_name(default_name())


@pytest.mark.parametrize("host", ["onsale-0.onsale-nodes", "10.0.0.7", "2001:db8::1"])
def test_a_host_by_which_others_reach_a_node(host: str) -> None:
    assert parse_host(host) == host


@pytest.mark.parametrize("host", ["", "node:7400", "[2001:db8::1]", "http://node", "a b"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(ValueError, match="neither a host name nor an IP address"):
        parse_host(host)
