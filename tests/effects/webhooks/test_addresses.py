"""Nothing that only this machine can reach is called for somebody who names a URL."""

import socket

import pytest

from onsale.effects.webhooks.addresses import PrivateAddress, check_form, check_url, is_public, public_socket


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",  # metadata
        "168.63.129.16",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::5db8:d822",
        "2001::1",
        "2001:0:5db8:d822::1",  # Teredo
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "fc00::1",
        "fd00:ec2::254",  # metadata
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "100::1",
        "4000::1",
        "nonsense",
        "",
    ],
)
def test_what_is_not_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(PrivateAddress):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80)))


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "8.8.8.8",
        "100.128.0.1",
        "172.32.0.1",
        "2606:2800:220:1:248:1893:25c8:1946",
        "::ffff:93.184.216.34",
        "64:ff9b::93.184.216.34",
        "2002:5db8:d822::1",
    ],
)
def test_the_public_internet_may_be_called(address: str) -> None:
    assert is_public(address)


def test_a_socket_for_a_public_address_is_made() -> None:
    with public_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("93.184.216.34", 80))) as made:
        assert made.family == socket.AF_INET


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.0.0.1:8080/hook",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.0x1/",
        "http://017700000001/",
        "http://0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost:80/",
        "http://printer.local/",
    ],
)
def test_a_url_that_leads_into_a_private_network_is_refused_at_once(url: str) -> None:
    assert check_url(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "javascript:alert(1)",
        "https://",
        "https:///hook",
        "https://user@example.org/",
        "https://user:secret@example.org/",
        "https://example.org@127.0.0.1/",
        "https://example.org:0/",
        "https://example.org:65536/",
        "https://example.org:-1/",
        "https://example.org:x/",
        "https://exa mple.org/",
        "https://example.org/\r\nHost: internal",
        "https://example.org\\@127.0.0.1/",
        "https://[::1/",
        "https://a..b/",
        "https://./",
        "https://" + "a" * 64 + ".org/",
        "https://" + "a." * 127 + "org/",
    ],
)
def test_what_is_no_url_to_call_is_refused_wherever_it_leads(url: str) -> None:
    for fault in (check_url(url), check_form(url)):
        assert fault is not None
        assert fault.startswith("This webhook can't be called: ")
        assert fault.isprintable()
        assert "secret" not in fault


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/hook?a=b#c",
        "http://example.org:8080",
        "https://EXAMPLE.org./",
        "https://bücher.example/",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]:8443/",
        "https://localhost.example.org/",
    ],
)
def test_an_ordinary_url_is_fine(url: str) -> None:
    assert check_url(url) is None


def test_private_networks_may_be_allowed() -> None:
    for url in ("http://127.0.0.1:8080/", "http://localhost/", "http://[::1]/", "http://10.0.0.1/"):
        assert check_form(url) is None
