"""How much callers may ask, and whose verdict on them is asked for.

Owns what applies where nothing is said, and how the environment names the service that gives verdicts. Where no
authentication is configured a node serves this machine alone, so nothing is limited unless that is asked for.
"""

import os
from typing import Final
from urllib.parse import urlsplit

from ..http.access.addresses import parse_networks
from ..http.access.buckets import Limit, parse_limit
from ..http.access.gate import GateSettings
from .access import NotConfigured
from .options import GateOptions

PER_USER: Final = Limit(20, 100)
PER_ADDRESS: Final = Limit(200, 2_000)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def gate_settings(options: GateOptions, *, is_open: bool) -> GateSettings:
    """`is_open`: no authentication is configured. Raises NotConfigured."""
    url = os.environ.get("ONSALE_VERDICT_URL", "").strip()
    secret = os.environ.get("ONSALE_VERDICT_SECRET", "").strip()
    _check_verdict(url, secret)
    try:
        return GateSettings(
            per_user=_limit(options.per_user, None if is_open else PER_USER),
            per_address=_limit(options.per_address, None if is_open else PER_ADDRESS),
            exempt=parse_networks(options.exempt),
            proxies=parse_networks(options.proxies),
            challenge_number_max=options.challenge_number_max,
            verdict_url=url,
            verdict_secret=secret,
        )
    except ValueError as error:
        raise NotConfigured(str(error)) from error


def _limit(text: str | None, default: Limit | None) -> Limit | None:
    return default if text is None else parse_limit(text)


def _check_verdict(url: str, secret: str) -> None:
    if bool(url) != bool(secret):
        raise NotConfigured("Set ONSALE_VERDICT_URL and ONSALE_VERDICT_SECRET, both or neither.")
    if not url:
        return
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise NotConfigured(
            f"ONSALE_VERDICT_URL is {url!r}; write a URL such as https://verify.example.org/siteverify."
        )
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise NotConfigured("ONSALE_VERDICT_URL must be https: a secret is sent there.")
