"""What applies where nothing is said, and what is refused of what is said."""

import pytest

from onsale.http.access.buckets import Limit
from onsale.node.access import NotConfigured
from onsale.node.gate_settings import gate_settings
from onsale.node.options import GateOptions


@pytest.fixture(autouse=True)
def no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONSALE_VERDICT_URL", raising=False)
    monkeypatch.delenv("ONSALE_VERDICT_SECRET", raising=False)


def test_an_open_node_limits_nobody_and_another_one_does() -> None:
    settings = gate_settings(GateOptions(), is_open=True)
    assert (settings.per_user, settings.per_address) == (None, None)
    settings = gate_settings(GateOptions(), is_open=False)
    assert (settings.per_user, settings.per_address) == (Limit(20, 100), Limit(200, 2_000))
    assert [str(each) for each in settings.exempt] == ["127.0.0.0/8", "::1/128"]
    assert settings.proxies == ()


def test_what_is_said_counts() -> None:
    options = GateOptions("1/2", "none", "none", "10.0.0.0/8", 7)
    for is_open in (True, False):
        settings = gate_settings(options, is_open=is_open)
        assert (settings.per_user, settings.per_address, settings.exempt) == (Limit(1, 2), None, ())
        assert [str(each) for each in settings.proxies] == ["10.0.0.0/8"]
        assert settings.challenge_number_max == 7


@pytest.mark.parametrize(
    "options", [GateOptions(per_user="many"), GateOptions(exempt="desk"), GateOptions(proxies="1.2.3.4/99")]
)
def test_what_makes_no_sense_is_refused(options: GateOptions) -> None:
    with pytest.raises(NotConfigured, match="write"):
        gate_settings(options, is_open=True)


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://verify.example.org/", ""), ("", "s"), ("verify", "s"), ("ftp://x/", "s"),
        ("http://verify.example.org/", "s"), ("https://[::1", "s"),
    ],
)  # fmt: skip
def test_a_verdict_service_has_an_https_url_and_a_secret(
    monkeypatch: pytest.MonkeyPatch, url: str, secret: str
) -> None:
    monkeypatch.setenv("ONSALE_VERDICT_URL", url)
    monkeypatch.setenv("ONSALE_VERDICT_SECRET", secret)
    with pytest.raises(NotConfigured, match="ONSALE_VERDICT"):
        gate_settings(GateOptions(), is_open=True)


def test_a_verdict_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONSALE_VERDICT_URL", "https://verify.example.org/siteverify")
    monkeypatch.setenv("ONSALE_VERDICT_SECRET", "s")
    settings = gate_settings(GateOptions(), is_open=True)
    assert settings.verdict_url == "https://verify.example.org/siteverify"
    assert "s" in settings.verdict_secret
