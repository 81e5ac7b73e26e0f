"""Who is counted under which address, and what of X-Forwarded-For is believed."""

import pytest
from multidict import CIMultiDict

from onsale.http.access.addresses import Addresses, parse_networks

PROXIES = parse_networks("10.0.0.0/8,2001:db8:ffff::/48")
ADDRESSES = Addresses(parse_networks("127.0.0.0/8,198.51.100.7"), PROXIES)


def key(remote: str | None, *forwarded: str) -> str:
    return ADDRESSES.of(remote, CIMultiDict(("X-Forwarded-For", each) for each in forwarded)).key


@pytest.mark.parametrize(
    ("remote", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_what_an_address_is_counted_under(remote: str | None, counted: str) -> None:
    assert key(remote) == counted


def test_nobody_else_is_believed() -> None:
    assert key("192.0.2.1", "203.0.113.9") == "192.0.2.1"


@pytest.mark.parametrize(
    ("forwarded", "counted"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (["1.2.3.4, 203.0.113.9"], "203.0.113.9"),  # what a client wrote itself stands before
        (["1.2.3.4", "203.0.113.9"], "203.0.113.9"),  # two headers are one list
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db8:1:2::9]:4711"], "2001:db8:1:2::/64"),
        (["203.0.113.9, nonsense"], "10.0.0.1"),  # the proxy itself is all we know
        ([""], "10.0.0.1"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ([", ".join(["203.0.113.9"] * 10_000)], "203.0.113.9"),
    ],
)
def test_a_trusted_proxy_is_believed_as_far_as_it_saw(forwarded: list[str], counted: str) -> None:
    assert key("10.0.0.1", *forwarded) == counted


def test_exempt_is_who_stands_in_the_list_or_has_no_address() -> None:
    found = {
        remote: ADDRESSES.of(remote, CIMultiDict()).exempt for remote in ("127.0.0.9", "198.51.100.7", "192.0.2.1")
    }
    assert found == {"127.0.0.9": True, "198.51.100.7": True, "192.0.2.1": False}
    assert ADDRESSES.of(None, CIMultiDict()).exempt
    assert ADDRESSES.of("10.0.0.1", CIMultiDict({"X-Forwarded-For": "198.51.100.7"})).exempt


def test_networks() -> None:
    assert [str(each) for each in parse_networks("10.1.0.0/16, ::1")] == ["10.1.0.0/16", "::1/128"]
    assert parse_networks(" ") == parse_networks("none") == ()
    for text in ("10.1.0.1/16", "host", "10.0.0.0/8,,"):
        with pytest.raises(ValueError, match=r"10\.1\.0\.0/16"):
            parse_networks(text)
